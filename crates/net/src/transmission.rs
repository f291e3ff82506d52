//! The system calls of an [`Outbox`](crate::Outbox): runs become messages of scattered parts.

use std::io;

use crate::address::RawAddr;
use crate::checked;
use crate::control::Control;
use crate::outbox::{Counters, MOST_SEGMENTS, Piece, Run};
use crate::socket::Socket;

/// How many messages go into one system call.
const MOST_MESSAGES: usize = 64;

/// The arguments of `sendmmsg`, kept to be filled again.
#[derive(Default)]
pub(crate) struct Transmission {
    parts: Vec<libc::iovec>,
    messages: Vec<Draft>,
    headers: Vec<libc::mmsghdr>,
    counters: Counters,
}

/// One message before its parts have settled in memory.
struct Draft {
    name: RawAddr,
    control: Control,
    first_part: usize,
    parts: usize,
    datagrams: u64,
}

/// What to do with a message that the system refused.
enum Refusal {
    /// It will not cut this run: send its datagrams one by one.
    Uncut,
    /// This datagram has no way out; the next may.
    Skip,
    /// The buffer is full: so it is for all that follow.
    Full,
}

impl Transmission {
    pub(crate) const fn counters(&self) -> Counters {
        self.counters
    }

    /// Sends `runs` by `socket`. `memory` is that of the inbox and that of the outbox.
    pub(crate) fn send(&mut self, socket: &Socket, runs: &[Run], pieces: &[Piece], memory: [&[u8]; 2]) {
        let mut rest = runs;
        while let Some(first) = rest.first() {
            if first.dont_fragment {
                // Costs two more calls; hardly any client asks for it, and never per packet of a flow.
                let _ = socket.set_dont_fragment(true);
                self.send_cut(socket, first, pieces, memory);
                let _ = socket.set_dont_fragment(false);
                rest = &rest[1..];
            } else if socket.is_plain() && first.segments > 1 {
                self.send_cut(socket, first, pieces, memory);
                rest = &rest[1..];
            } else {
                let fits = |run: &&Run| !run.dont_fragment && (run.segments == 1 || !socket.is_plain());
                let count = rest.iter().take(MOST_MESSAGES).take_while(fits).count();
                let (now, later) = rest.split_at(count);
                self.send_runs(socket, now, pieces, memory);
                rest = later;
            }
        }
    }

    /// Sends each run as one message.
    fn send_runs(&mut self, socket: &Socket, runs: &[Run], pieces: &[Piece], memory: [&[u8]; 2]) {
        if let [run] = runs
            && let Some(bytes) = contiguous(run, pieces, memory)
        {
            return self.send_one(socket, run, bytes);
        }
        let mut done = 0;
        self.clear();
        for run in runs {
            let first_part = self.parts.len();
            for piece in run.pieces(pieces) {
                scatter(&mut self.parts, piece, memory);
            }
            self.draft(run, first_part, run.segments);
        }
        self.address();
        while done < runs.len() {
            match self.call(socket, done) {
                Ok(sent) => done += sent,
                Err(error) => {
                    let run = &runs[done];
                    match refusal(&error, run.segments > 1) {
                        Refusal::Uncut => {
                            self.counters.uncut += 1;
                            if error.raw_os_error() == Some(libc::EIO) {
                                // The device cannot check-sum segments: it never will.
                                socket.set_plain();
                            }
                            self.send_cut(socket, run, pieces, memory);
                            return self.send(socket, &runs[done + 1..], pieces, memory);
                        }
                        Refusal::Skip => {
                            self.counters.refused += run.segments as u64;
                            done += 1;
                        }
                        Refusal::Full => {
                            self.counters.refused +=
                                runs[done..].iter().map(|r| r.segments as u64).sum::<u64>();
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Sends each datagram of a run as one message.
    fn send_cut(&mut self, socket: &Socket, run: &Run, pieces: &[Piece], memory: [&[u8]; 2]) {
        self.clear();
        for piece in run.pieces(pieces) {
            let mut at = 0;
            loop {
                let len = piece.segment.min(piece.len - at);
                let first_part = self.parts.len();
                scatter(&mut self.parts, &Piece { at: piece.at + at, len, ..*piece }, memory);
                self.draft(run, first_part, 1);
                at += len;
                if at >= piece.len {
                    break;
                }
            }
        }
        self.address();
        let mut done = 0;
        while done < self.messages.len() {
            match self.call(socket, done) {
                Ok(sent) => done += sent,
                Err(_) => {
                    self.counters.refused += 1;
                    done += 1;
                }
            }
        }
    }

    /// Sends one datagram that lies in one place: the plainest call is a tenth cheaper than a message of parts.
    fn send_one(&mut self, socket: &Socket, run: &Run, bytes: &[u8]) {
        let name = RawAddr::new(run.to);
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        self.counters.calls += 1;
        #[expect(unsafe_code, reason = "the pointers and lengths name slices that outlive the call")]
        let result = unsafe {
            libc::sendto(socket.fd(), bytes.as_ptr().cast(), bytes.len(), flags, name.as_ptr(), name.len())
        };
        match result {
            0.. => self.counters.sent += 1,
            _failed => self.counters.refused += 1,
        }
    }

    fn clear(&mut self) {
        self.parts.clear();
        self.messages.clear();
        self.headers.clear();
    }

    /// Adds a message of the parts from `first_part` on.
    fn draft(&mut self, run: &Run, first_part: usize, segments: usize) {
        let mut control = Control::EMPTY;
        if segments > 1 {
            control.segment(u16::try_from(run.segment).expect("a datagram is shorter than 64 KiB"));
        }
        if let Some(from) = run.from {
            control.source(from);
        }
        self.messages.push(Draft {
            name: RawAddr::new(run.to),
            control,
            first_part,
            parts: self.parts.len() - first_part,
            datagrams: segments as u64,
        });
    }

    /// Makes the headers, now that parts and drafts no longer move.
    fn address(&mut self) {
        for draft in &mut self.messages {
            #[expect(
                unsafe_code,
                reason = "a header of zeroes is a valid empty one: null pointers, zero lengths"
            )]
            let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
            header.msg_hdr.msg_name = draft.name.as_mut_ptr().cast();
            header.msg_hdr.msg_namelen = draft.name.len();
            header.msg_hdr.msg_iov = self.parts[draft.first_part..].as_mut_ptr();
            header.msg_hdr.msg_iovlen = draft.parts;
            let control = draft.control.written().len();
            if control > 0 {
                header.msg_hdr.msg_control = draft.control.as_mut_ptr();
                header.msg_hdr.msg_controllen = control;
            }
            self.headers.push(header);
        }
    }

    /// One system call for the messages from `first` on; how many it took.
    fn call(&mut self, socket: &Socket, first: usize) -> io::Result<usize> {
        let headers = &mut self.headers[first..];
        let count = libc::c_uint::try_from(headers.len()).expect("messages are few");
        self.counters.calls += 1;
        #[expect(
            unsafe_code,
            reason = "`headers` are `count` headers whose names, controls and parts lie in the vectors of this \
                      value, which nothing touches meanwhile; the parts lie in memory that the callers borrow"
        )]
        let result = unsafe {
            libc::sendmmsg(socket.fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
        };
        let sent = checked(result)?;
        self.counters.sent += self.messages[first..first + sent].iter().map(|m| m.datagrams).sum::<u64>();
        Ok(sent)
    }
}

/// The bytes of a run that is one datagram in one place and needs no control message.
fn contiguous<'m>(run: &Run, pieces: &[Piece], memory: [&'m [u8]; 2]) -> Option<&'m [u8]> {
    let piece = run.pieces(pieces).next()?;
    let plain = run.segments == 1 && run.from.is_none() && piece.header.1 == 0;
    let source = if piece.own { memory[1] } else { memory[0] };
    plain.then(|| &source[piece.at..][piece.strip..piece.len])
}

/// Adds the parts of a piece: one if its datagrams leave as they came, else one or two for each.
fn scatter(parts: &mut Vec<libc::iovec>, piece: &Piece, memory: [&[u8]; 2]) {
    let source = if piece.own { memory[1] } else { memory[0] };
    let bytes = &source[piece.at..][..piece.len];
    if piece.strip == 0 && piece.header.1 == 0 {
        return parts.push(part(bytes));
    }
    let header = &memory[1][piece.header.0..][..piece.header.1];
    debug_assert!(piece.len <= piece.segment * MOST_SEGMENTS, "a piece fits its run");
    let mut rest = bytes;
    loop {
        let (datagram, later) = rest.split_at(piece.segment.min(rest.len()));
        if !header.is_empty() {
            parts.push(part(header));
        }
        parts.push(part(&datagram[piece.strip..]));
        rest = later;
        if rest.is_empty() {
            return;
        }
    }
}

/// The kernel only reads what is sent, whatever the type says.
const fn part(bytes: &[u8]) -> libc::iovec {
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

fn refusal(error: &io::Error, is_run: bool) -> Refusal {
    match error.raw_os_error() {
        Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE) if is_run => Refusal::Uncut,
        Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => Refusal::Full,
        _ => Refusal::Skip,
    }
}
