use std::net::{IpAddr, SocketAddr};

use crate::inbox::Inbox;
use crate::socket::Socket;
use crate::transmission::Transmission;

/// The most datagrams the kernel cuts one message into (`UDP_MAX_SEGMENTS`).
pub(crate) const MOST_SEGMENTS: usize = 64;

/// The most bytes of one message: what fits behind the headers of either family, and a little less.
const MOST_BYTES: usize = 65_000;

/// How many of the newest runs are looked at for one that a datagram continues. Senders take turns within one
/// receive, so the run is rarely the newest; looking further costs more than it finds.
const LOOK_BACK: usize = 8;

const NONE: u32 = u32::MAX;

/// A part of a message in an [`Inbox`]: datagrams of `segment` bytes each (only the last may be shorter), from
/// `start` to `end`, of each of which the first `strip` bytes are left out.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// The message.
    pub slot: usize,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
    /// Bytes per datagram, before anything is left out; not zero.
    pub segment: usize,
    /// How many bytes to leave out at the head of each datagram; no datagram is shorter.
    pub strip: usize,
    /// No router may cut the datagrams in fragments.
    pub dont_fragment: bool,
}

/// What an outbox did since it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// System calls.
    pub calls: u64,
    /// Datagrams that the system took.
    pub sent: u64,
    /// Datagrams that the system did not take: its buffer was full, or there is no way to the destination.
    pub refused: u64,
    /// Runs that the system would not cut, and that left one datagram at a time instead.
    pub uncut: u64,
}

/// Datagrams that are to be sent, in runs of equal length to one destination from one socket.
///
/// Nothing is sent before [`flush`](Self::flush). Datagrams that continue a run, having come from the same
/// receive or a later one, join it and leave with the same system call. Queues grow to what one inbox can hold
/// and are then reused: nothing is allocated per datagram.
#[derive(Default)]
pub struct Outbox {
    runs: Vec<Run>,
    pieces: Vec<Piece>,
    /// Headers, and whole datagrams that were made here: the first `used` bytes.
    bytes: Vec<u8>,
    used: usize,
    transmission: Transmission,
}

/// Equal datagrams to one destination.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) key: u64,
    pub(crate) to: SocketAddr,
    pub(crate) from: Option<IpAddr>,
    /// Bytes per datagram as sent.
    pub(crate) segment: usize,
    pub(crate) segments: usize,
    pub(crate) dont_fragment: bool,
    len: usize,
    /// The last datagram is as long as the others: more may follow.
    open: bool,
    first: u32,
    last: u32,
}

/// Some consecutive datagrams of a run, in the order of `next`.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    /// Where in the memory of the inbox, or of this outbox, the first one starts.
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) segment: usize,
    pub(crate) strip: usize,
    /// The position and length of what goes before each.
    pub(crate) header: (usize, usize),
    pub(crate) own: bool,
    pub(crate) next: u32,
}

impl Outbox {
    /// An empty outbox.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing waits to be sent.
    pub const fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// What was done so far.
    pub const fn counters(&self) -> Counters {
        self.transmission.counters()
    }

    /// Queues a part of a received message for `to`, each datagram with `header` before it, to leave by the socket
    /// of `key`; `from` is the local address to leave from, for a socket that is bound to a wildcard.
    ///
    /// Headers no longer than what is left out are written into the inbox at once: the message must not be read
    /// again afterwards.
    ///
    /// # Panics
    /// If the part is not within the message.
    pub fn forward(
        &mut self,
        inbox: &mut Inbox,
        key: u64,
        to: SocketAddr,
        from: Option<IpAddr>,
        part: Part,
        header: &[u8],
    ) {
        let Part { slot, start, end, segment, mut strip, dont_fragment } = part;
        let message = &mut inbox.bytes_mut(slot)[start..end];
        let mut piece_header = (0, 0);
        if !header.is_empty() && header.len() <= strip {
            strip -= header.len();
            for datagram in message.chunks_mut(segment) {
                datagram[strip..strip + header.len()].copy_from_slice(header);
            }
        } else if !header.is_empty() {
            piece_header = (self.keep(header), header.len());
        }
        let at = Inbox::position(slot, start);
        let piece =
            Piece { at, len: end - start, segment, strip, header: piece_header, own: false, next: NONE };
        self.queue(Run::new(key, to, from, dont_fragment), piece);
    }

    /// Queues datagrams that do not lie in an inbox, copying them: the concatenated `parts`, `segment` bytes for
    /// each datagram, only the last may be shorter.
    pub fn send(&mut self, key: u64, to: SocketAddr, from: Option<IpAddr>, parts: &[&[u8]], segment: usize) {
        let at = self.used;
        for part in parts {
            self.keep(part);
        }
        self.queue(Run::new(key, to, from, false), Piece::own(at, self.used - at, segment));
    }

    /// Room for `len` bytes, to be written by the caller and then [`commit`](Self::commit)ted: what a machine has to send
    /// is written where it leaves from.
    pub fn room(&mut self, len: usize) -> &mut [u8] {
        let end = self.used + len;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[self.used..end]
    }

    /// Queues the datagrams in the first `len` bytes of the last [`room`](Self::room), `segment` bytes for each, of which
    /// only the last may be shorter.
    ///
    /// # Panics
    /// If there was not that much room.
    pub fn commit(&mut self, key: u64, to: SocketAddr, from: Option<IpAddr>, len: usize, segment: usize) {
        assert!(self.bytes.len() - self.used >= len, "what is committed was written into the room before");
        let at = self.used;
        self.used += len;
        self.queue(Run::new(key, to, from, false), Piece::own(at, len, segment));
    }

    /// How many runs wait, and how many bytes that were made here.
    pub const fn waiting(&self) -> (usize, usize) {
        (self.runs.len(), self.used)
    }

    /// Keeps bytes; where they are.
    fn keep(&mut self, bytes: &[u8]) -> usize {
        let at = self.used;
        self.room(bytes.len()).copy_from_slice(bytes);
        self.used += bytes.len();
        at
    }

    /// Adds a piece to the run it continues, or to as many new ones like `empty` as it takes.
    fn queue(&mut self, empty: Run, mut piece: Piece) {
        let growth = piece.header.1;
        loop {
            let first = piece.len.min(piece.segment) - piece.strip + growth;
            let recent = self.runs.len().saturating_sub(LOOK_BACK);
            let found = self.runs[recent..].iter().rposition(|run| run.is_like(&empty));
            let found = found.map(|i| recent + i).filter(|i| self.runs[*i].takes(first, &piece));
            let index = found.unwrap_or_else(|| {
                self.runs.push(Run { segment: first, ..empty });
                self.runs.len() - 1
            });
            match self.append(index, piece, growth) {
                Some(rest) => piece = rest,
                None => return,
            }
        }
    }

    /// Puts as much of `piece` as fits at the end of run `index`, and returns the rest.
    fn append(&mut self, index: usize, mut piece: Piece, growth: usize) -> Option<Piece> {
        let run = &mut self.runs[index];
        let fits =
            (MOST_SEGMENTS - run.segments).min((MOST_BYTES - run.len.min(MOST_BYTES)) / run.segment.max(1));
        let taken = piece.len.min(fits.max(1) * piece.segment);
        let rest =
            (taken < piece.len).then(|| Piece { at: piece.at + taken, len: piece.len - taken, ..piece });
        piece.len = taken;
        let segments = piece.segments();
        let sent = taken - segments * piece.strip + segments * growth;
        run.segments += segments;
        run.len += sent;
        run.open = run.segment > 0 && run.len == run.segments * run.segment;
        let number = u32::try_from(self.pieces.len()).expect("pieces are few");
        match run.last {
            NONE => run.first = number,
            last => self.pieces[last as usize].next = number,
        }
        run.last = number;
        self.pieces.push(piece);
        rest
    }

    /// Sends everything, by the sockets that `socket` names for the keys, and forgets it. What a socket that is
    /// gone should have sent is forgotten too.
    pub fn flush<'s>(&mut self, inbox: &Inbox, socket: impl Fn(u64) -> Option<&'s Socket>) {
        self.flush_with(inbox.memory(), socket);
    }

    /// As [`flush`](Self::flush), where nothing that waits lies in an inbox.
    ///
    /// # Panics
    /// If something was [`forward`](Self::forward)ed since the last flush.
    pub fn flush_own<'s>(&mut self, socket: impl Fn(u64) -> Option<&'s Socket>) {
        self.flush_with(&[], socket);
    }

    fn flush_with<'s>(&mut self, inbox: &[u8], socket: impl Fn(u64) -> Option<&'s Socket>) {
        let mut rest = &self.runs[..];
        while let Some(first) = rest.first() {
            let same = rest.iter().take_while(|run| run.key == first.key).count();
            let (now, later) = rest.split_at(same);
            if let Some(socket) = socket(first.key) {
                let memory = [inbox, &self.bytes];
                self.transmission.send(socket, now, &self.pieces, memory);
            }
            rest = later;
        }
        self.runs.clear();
        self.pieces.clear();
        self.used = 0;
    }
}

impl Run {
    const fn new(key: u64, to: SocketAddr, from: Option<IpAddr>, dont_fragment: bool) -> Self {
        Self {
            key,
            to,
            from,
            dont_fragment,
            segment: 0,
            segments: 0,
            len: 0,
            open: true,
            first: NONE,
            last: NONE,
        }
    }

    /// Whether both go the same way.
    fn is_like(&self, other: &Self) -> bool {
        self.key == other.key
            && self.to == other.to
            && self.from == other.from
            && self.dont_fragment == other.dont_fragment
    }

    /// Whether the datagrams of `piece`, the first of which is sent as `first` bytes, may follow: all but the last
    /// as long as those before, and the last not longer.
    fn takes(&self, first: usize, piece: &Piece) -> bool {
        let fits = first == self.segment || (first < self.segment && piece.len <= piece.segment);
        let room = self.segments < MOST_SEGMENTS && self.len + self.segment <= MOST_BYTES;
        self.open && first > 0 && fits && room
    }

    /// The pieces in order.
    pub(crate) fn pieces<'a>(&self, all: &'a [Piece]) -> impl Iterator<Item = &'a Piece> + use<'a> {
        let mut next = self.first;
        std::iter::from_fn(move || {
            let piece = all.get(next as usize)?;
            next = piece.next;
            Some(piece)
        })
    }
}

impl Piece {
    /// Datagrams in the memory of the outbox.
    fn own(at: usize, len: usize, segment: usize) -> Self {
        Self { at, len, segment: segment.max(1), strip: 0, header: (0, 0), own: true, next: NONE }
    }

    /// How many datagrams it is; one even if it is empty.
    fn segments(&self) -> usize {
        self.len.div_ceil(self.segment.max(1)).max(1)
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("runs", &self.runs.len()).finish_non_exhaustive()
    }
}
