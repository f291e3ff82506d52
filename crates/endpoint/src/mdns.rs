//! Names of `.local` looked up by multicast DNS (RFC 6762): browsers hide the addresses of their machine behind them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use net::{Clock, Waker};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use wire::{Reader, Short, Writer};

/// Names looked up at the same time, each on a thread that mostly sleeps.
const MOST: usize = 8;
const PORT: u16 = 5353;
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// When the question is put (RFC 6762 §5.2: one second apart and then longer), and when it is given up.
const ASKED: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3)];
const GIVEN_UP: Duration = Duration::from_secs(5);

const A: u16 = 1;
const AAAA: u16 = 28;
/// Class Internet, without the bits that have other meanings in multicast DNS (§10.2, §18.12).
const INTERNET: u16 = 1;

/// Lookups under way, and what came of them.
pub(crate) struct Lookups {
    waiting: usize,
    report: SyncSender<(String, Option<IpAddr>)>,
    found: Receiver<(String, Option<IpAddr>)>,
}

impl Lookups {
    pub(crate) fn new() -> Self {
        let (report, found) = sync_channel(MOST);
        Self { waiting: 0, report, found }
    }

    /// Looks a name up on the networks of these addresses; the waker rings when there is an outcome. False: it cannot.
    pub(crate) fn begin(&mut self, name: &str, networks: Vec<Ipv4Addr>, waker: Waker) -> bool {
        let Some(question) = question(name) else { return false };
        if self.waiting >= MOST || networks.is_empty() {
            return false;
        }
        let (name, report) = (name.to_owned(), self.report.clone());
        let look = move || {
            let ip = look_up(&name, &question, &networks).unwrap_or(None);
            // Nobody may be there any more.
            let _ = report.send((name, ip));
            waker.wake();
        };
        let begun = std::thread::Builder::new().name("mdns".into()).spawn(look).is_ok();
        self.waiting += usize::from(begun);
        begun
    }

    /// The next outcome.
    pub(crate) fn poll(&mut self) -> Option<(String, Option<IpAddr>)> {
        match self.found.try_recv() {
            Ok(found) => {
                self.waiting -= 1;
                Some(found)
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
        }
    }
}

/// Asks until there is an answer or no more patience. Answers go to everybody's port 5353, because not all who answer
/// know the one-shot questions of §5.1.
fn look_up(name: &str, question: &[u8], networks: &[Ipv4Addr]) -> io::Result<Option<IpAddr>> {
    let socket = open(networks)?;
    let clock = Clock::start();
    let began = clock.now();
    let mut asked = 0;
    let mut buf = [0; 9000];
    loop {
        let elapsed = clock.now().saturating_since(began);
        if elapsed >= GIVEN_UP {
            return Ok(None);
        }
        if ASKED.get(asked).is_some_and(|at| *at <= elapsed) {
            asked += 1;
            ask(&socket, question, networks);
        }
        let next = ASKED.get(asked).copied().unwrap_or(GIVEN_UP).saturating_sub(elapsed);
        socket.set_read_timeout(Some(next.max(Duration::from_millis(1))))?;
        let Ok((len, _)) = socket.recv_from(&mut buf) else { continue };
        if let Ok(Some(ip)) = answer(&buf[..len], name) {
            return Ok(Some(ip));
        }
    }
}

/// A socket at the port that all share, or, if it is denied, one that gets the answers meant for it alone.
fn open(networks: &[Ipv4Addr]) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    let at = |port| SockAddr::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port));
    socket.bind(&at(PORT)).or_else(|_| socket.bind(&at(0)))?;
    for network in networks {
        // A network without multicast is one where nobody answers.
        let _ = socket.join_multicast_v4(&GROUP, network);
    }
    Ok(socket.into())
}

fn ask(socket: &UdpSocket, message: &[u8], networks: &[Ipv4Addr]) {
    for network in networks {
        let socket = socket2::SockRef::from(socket);
        if socket.set_multicast_if_v4(network).is_ok() {
            let _ = socket.send_to(message, &SocketAddr::from((GROUP, PORT)).into());
        }
    }
}

/// A query for the addresses of a name; `None` if it is none.
fn question(name: &str) -> Option<Vec<u8>> {
    let mut buf = [0; 600];
    let mut w = Writer::new(&mut buf);
    let write = |w: &mut Writer<'_>| -> Result<(), Short> {
        for field in [0, 0, 2, 0, 0, 0] {
            w.u16(field)?;
        }
        for kind in [A, AAAA] {
            for label in name.split('.') {
                w.u8(u8::try_from(label.len()).unwrap_or(0))?;
                w.put(label.as_bytes())?;
            }
            w.u8(0)?;
            w.u16(kind)?;
            w.u16(INTERNET)?;
        }
        Ok(())
    };
    let sound = name.len() <= 253 && name.split('.').all(|label| (1..64).contains(&label.len()));
    (sound && write(&mut w).is_ok()).then(|| w.written().to_vec())
}

/// The address of `name` in a response, if that has one.
fn answer(message: &[u8], name: &str) -> Result<Option<IpAddr>, Short> {
    let mut r = Reader::new(message);
    let (_id, flags) = (r.u16()?, r.u16()?);
    let (questions, answers, authorities, others) = (r.u16()?, r.u16()?, r.u16()?, r.u16()?);
    if flags & 0x8000 == 0 {
        return Ok(None);
    }
    for _ in 0..questions {
        read_name(message, &mut r)?;
        r.take(4)?;
    }
    for _ in 0..u32::from(answers) + u32::from(authorities) + u32::from(others) {
        let owner = read_name(message, &mut r)?;
        let (kind, class, _ttl, len) = (r.u16()?, r.u16()?, r.u32()?, r.u16()?);
        let data = r.take(usize::from(len))?;
        if class & 0x7fff != INTERNET || !owner.eq_ignore_ascii_case(name.as_bytes()) {
            continue;
        }
        let ip = match kind {
            A => <[u8; 4]>::try_from(data).ok().map(IpAddr::from),
            AAAA => <[u8; 16]>::try_from(data).ok().map(IpAddr::from),
            _ => None,
        };
        if ip.is_some() {
            return Ok(ip);
        }
    }
    Ok(None)
}

/// A name with its parts that stand elsewhere (RFC 1035 §4.1.4), with dots and as long as a name may be.
fn read_name<'a>(message: &'a [u8], r: &mut Reader<'a>) -> Result<Vec<u8>, Short> {
    let mut name = Vec::new();
    let mut elsewhere: Option<Reader<'a>> = None;
    // Every turn adds a label or follows a pointer; a loop of pointers ends by the count.
    for _ in 0..128 {
        let reader = elsewhere.as_mut().unwrap_or(&mut *r);
        let len = reader.u8()?;
        match len >> 6 {
            0 if len == 0 => return Ok(name),
            0 => {
                if !name.is_empty() {
                    name.push(b'.');
                }
                name.extend_from_slice(reader.take(usize::from(len))?);
            }
            3 => {
                let at = usize::from(len & 0x3f) << 8 | usize::from(reader.u8()?);
                elsewhere = Some(Reader::new(message.get(at..).ok_or(Short)?));
            }
            _ => return Err(Short),
        }
    }
    Err(Short)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "1f4712db-ea17-4bcf-a596-105139dfd8bf.local";

    /// A response with one record of this owner, kind and data behind a record of somebody else.
    fn response(owner: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0x84, 0, 0, 0, 0, 2, 0, 0, 0, 0];
        bytes.extend(b"\x05other\x05local\x00\x00\x01\x80\x01\x00\x00\x00\x78\x00\x04\x0a\x00\x00\x09");
        bytes.extend(owner);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0x80, 1, 0, 0, 0, 120, 0]);
        bytes.push(u8::try_from(data.len()).unwrap());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn a_question_names_both_kinds_of_address() {
        let question = question("ab.local").unwrap();
        assert_eq!(question[..12], [0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]);
        assert_eq!(question[12..], *b"\x02ab\x05local\0\0\x01\0\x01\x02ab\x05local\0\0\x1c\0\x01");
        for wrong in ["", ".local", "a..local", &"a".repeat(64), &"a.".repeat(200)] {
            assert_eq!(super::question(wrong), None, "{wrong}");
        }
    }

    /// Somebody on the network who has this name; here the network is the loopback.
    #[test]
    fn a_name_is_found_on_a_network() {
        let networks = [Ipv4Addr::LOCALHOST];
        let somebody = open(&networks).unwrap();
        somebody.set_read_timeout(Some(GIVEN_UP)).unwrap();
        let asked = question(NAME).unwrap();
        let told = std::thread::spawn(move || {
            let mut buf = [0; 1500];
            while somebody.recv_from(&mut buf).unwrap().0 != asked.len() || buf[..asked.len()] != asked {}
            let (first, rest) = NAME.split_once('.').unwrap();
            let owner = [&[36][..], first.as_bytes(), &[5], rest.as_bytes(), &[0]].concat();
            ask(&somebody, &response(&owner, A, &[192, 0, 2, 7]), &networks);
        });
        let ip = look_up(NAME, &question(NAME).unwrap(), &networks).unwrap();
        assert_eq!(ip, Some(IpAddr::from([192, 0, 2, 7])));
        told.join().unwrap();
    }

    #[test]
    fn an_answer_is_read_and_junk_is_not() {
        let (first, rest) = NAME.split_once('.').unwrap();
        let whole = [&[36][..], first.as_bytes(), &[5], rest.as_bytes(), &[0]].concat();
        // The end of the name stands in the first record, at byte 18.
        let short = [&[36][..], first.to_uppercase().as_bytes(), &[0xc0, 18]].concat();
        let (four, six) = ([192, 0, 2, 7], [0x20; 16]);
        for owner in [&whole, &short] {
            assert_eq!(answer(&response(owner, A, &four), NAME), Ok(Some(four.into())));
            assert_eq!(answer(&response(owner, AAAA, &six), NAME), Ok(Some(six.into())));
            assert_eq!(answer(&response(owner, A, &six), NAME), Ok(None));
            assert_eq!(answer(&response(owner, A, &four), "other.name"), Ok(None));
            let message = response(owner, A, &four);
            for len in 0..message.len() {
                assert!(answer(&message[..len], NAME).is_err(), "cut at {len}");
            }
        }
        // A name that points at itself.
        assert!(answer(&response(&[0xc0, 39], A, &four), NAME).is_err());
    }
}
