//! One allocation at a TURN server, over UDP, TCP or TLS, to see whether it works and how fast it is.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use net::Clock;
use stun::attribute::AddressFamily;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, sleep_until, timeout_at};
use turn::{Client, ClientConfig, ClientEvent, Closed};
use wire::Transport;

use crate::client::secure::{Connector, Stream};
use crate::client::servers::Url;

/// What one test may send in all, bytes, and for how long.
const BURST: usize = 5_000_000;
const BURST_TIME: Duration = Duration::from_secs(2);
/// Bytes of one datagram of the burst: fits every path.
const DATAGRAM: usize = 1_200;
/// How long nothing may come before the burst is taken for over.
const SILENCE: Duration = Duration::from_millis(300);
/// Datagrams under way beyond those that have come back: what is lost does not stop the burst.
const AHEAD: usize = 256;

enum Carrier {
    Udp(UdpSocket),
    Stream(Box<Stream>),
}

/// An allocation.
pub(super) struct Relay {
    client: Client,
    carrier: Carrier,
    clock: Clock,
    buf: Vec<u8>,
    inbox: Vec<u8>,
    /// The relayed address, once it is there.
    pub(super) relayed: SocketAddr,
}

/// What came.
enum Heard {
    Event(ClientEvent),
    Data { from: SocketAddr, len: usize },
}

impl Relay {
    /// Asks for an address.
    ///
    /// # Errors
    /// The server cannot be reached this way, or says no.
    pub(super) async fn allocate(
        url: &Url,
        server: SocketAddr,
        credentials: (&str, &str),
        connector: &Connector,
        deadline: Instant,
    ) -> io::Result<Self> {
        let opening = open(url, server, connector);
        let (carrier, local) = timeout_at(deadline, opening).await.map_err(|_| silent())??;
        let config = ClientConfig {
            transport: url.transport,
            local,
            server,
            username: credentials.0.to_owned(),
            password: credentials.1.to_owned(),
            family: AddressFamily::V4,
            ..ClientConfig::default()
        };
        let clock = Clock::start();
        let mut client = Client::new(config, crypto::random(), clock.now());
        client.allocate(clock.now()).map_err(|_| io::Error::other("a new client may allocate"))?;
        let (buf, relayed) = (vec![0; turn::frame::MAX_LEN], server);
        let mut relay = Self { client, carrier, clock, buf, inbox: Vec::new(), relayed };
        loop {
            match relay.next(deadline).await? {
                None => return Err(silent()),
                Some(Heard::Event(ClientEvent::Allocated { relayed, .. })) => {
                    relay.relayed = relayed;
                    return Ok(relay);
                }
                Some(Heard::Event(ClientEvent::Closed(why))) => return Err(refused(why)),
                Some(Heard::Event(_) | Heard::Data { .. }) => {}
            }
        }
    }

    /// What comes next; `None` at the deadline.
    async fn next(&mut self, deadline: Instant) -> io::Result<Option<Heard>> {
        loop {
            let now = self.clock.now();
            while let Some(transmit) = self.client.poll_transmit(now, &mut self.buf) {
                match &mut self.carrier {
                    Carrier::Udp(socket) => socket.send(&self.buf[..transmit.len]).await.map(|_| ())?,
                    Carrier::Stream(stream) => stream.write_all(&self.buf[..transmit.len]).await?,
                }
            }
            if let Some(event) = self.client.poll_event() {
                return Ok(Some(Heard::Event(event)));
            }
            let due = self.client.poll_timeout().map(|at| Instant::now() + at.saturating_since(now));
            let until = due.map_or(deadline, |due| due.min(deadline));
            tokio::select! {
                message = receive(&mut self.carrier, &mut self.inbox) => {
                    let message = message?;
                    if let Some(data) = self.client.handle_input(self.clock.now(), &message) {
                        return Ok(Some(Heard::Data { from: data.from, len: data.data.len() }));
                    }
                }
                () = sleep_until(until) => {
                    if Instant::now() >= deadline {
                        return Ok(None);
                    }
                    self.client.handle_timeout(self.clock.now());
                }
            }
        }
    }

    /// Sends to ourselves through the relay from `socket`, which the server sees as `mapped`: gives the address that
    /// the relay sees it as, and bytes per second. `None`: the relay does not serve such an address.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn burst(
        &mut self,
        socket: &UdpSocket,
        mapped: IpAddr,
        deadline: Instant,
    ) -> io::Result<Option<(SocketAddr, f64)>> {
        if self.client.permit(self.clock.now(), mapped).is_err() {
            return Ok(None);
        }
        loop {
            match self.next(deadline).await? {
                Some(Heard::Event(ClientEvent::Permitted(_))) => break,
                None | Some(Heard::Event(ClientEvent::Refused(..) | ClientEvent::Closed(_))) => {
                    return Ok(None);
                }
                Some(Heard::Event(_) | Heard::Data { .. }) => {}
            }
        }
        let end = deadline.min(Instant::now() + BURST_TIME);
        let (mut sent, mut got, mut first, mut last) = (0_usize, 0_usize, None, Instant::now());
        let mut from = None;
        while Instant::now() < end {
            while sent < BURST && sent < got + AHEAD * DATAGRAM {
                match socket.try_send_to(&[0x5a; DATAGRAM], self.relayed) {
                    Ok(len) => sent += len,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            match self.next(end.min(Instant::now() + SILENCE)).await? {
                Some(Heard::Data { from: seen, len }) => {
                    from = Some(seen);
                    // The first one begins the measurement and is not in it.
                    if first.is_some() {
                        got += len;
                    }
                    last = Instant::now();
                    first.get_or_insert(last);
                }
                Some(Heard::Event(_)) => {}
                None => break,
            }
        }
        let elapsed = first.map_or(Duration::ZERO, |first| last - first).as_secs_f64();
        let rate =
            if elapsed > 0.0 { f64::from(u32::try_from(got).unwrap_or(u32::MAX)) / elapsed } else { 0.0 };
        Ok(from.map(|from| (from, rate)))
    }

    /// Gives the address back.
    pub(super) async fn close(mut self) {
        self.client.close(self.clock.now());
        let deadline = Instant::now() + Duration::from_millis(500);
        while let Ok(Some(heard)) = self.next(deadline).await {
            if matches!(heard, Heard::Event(ClientEvent::Closed(_))) {
                return;
            }
        }
    }
}

async fn open(url: &Url, server: SocketAddr, connector: &Connector) -> io::Result<(Carrier, SocketAddr)> {
    if url.transport == Transport::Udp {
        let socket = super::udp(server).await?;
        socket.connect(server).await?;
        let local = socket.local_addr()?;
        return Ok((Carrier::Udp(socket), local));
    }
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    let stream = match url.transport {
        Transport::Tls => connector.secure(&url.host, stream).await?,
        Transport::Tcp | Transport::Udp => Stream::Plain(stream),
    };
    Ok((Carrier::Stream(Box::new(stream)), local))
}

/// The next whole message. May be dropped and called again at any time.
async fn receive(carrier: &mut Carrier, inbox: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    match carrier {
        Carrier::Udp(socket) => {
            let mut message = vec![0; 2_048];
            let len = socket.recv(&mut message).await?;
            message.truncate(len);
            Ok(message)
        }
        Carrier::Stream(stream) => loop {
            match turn::frame::next(inbox) {
                Ok(Some(len)) => return Ok(inbox.drain(..len).collect()),
                Ok(None) => {}
                Err(_) => return Err(io::Error::other("the server does not speak TURN here")),
            }
            if stream.read_buf(inbox).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        },
    }
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer")
}

fn refused(why: Closed) -> io::Error {
    match why {
        Closed::TimedOut => silent(),
        Closed::Rejected(code) => io::Error::other(format!("the server refuses, with code {code}")),
        Closed::Requested => io::Error::other("it was closed"),
    }
}
