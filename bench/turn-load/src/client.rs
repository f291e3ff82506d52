//! Clients of the TURN server: they allocate and bind a channel as any client does, many at a time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use net::{Inbox, Options, Outbox, Poller, Socket};

use crate::message::{ALLOCATE, Answer, CHANNEL_BIND, Challenge, Credentials, REFRESH, Request, answer};

/// The channel that every client binds: numbers belong to an allocation.
pub(crate) const CHANNEL: u16 = 0x4000;

/// How many requests are on their way at the same time.
const AT_ONCE: usize = 32;

/// How long an answer may take before the request is sent again, and how often.
const PATIENCE: Duration = Duration::from_millis(300);
const TRIES: usize = 8;

/// A client with its own socket, as every browser has.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    /// Its relayed transport address, once it has one.
    relayed: Option<SocketAddr>,
    challenge: Challenge,
}

impl Client {
    /// Its relayed transport address.
    ///
    /// # Panics
    /// If it has none: [`Server::allocate`] returns no such client.
    pub(crate) fn relayed(&self) -> SocketAddr {
        self.relayed.expect("an allocated client has an address")
    }

    /// The socket and the rest.
    pub(crate) fn split(self) -> (Socket, (Option<SocketAddr>, Challenge)) {
        (self.socket, (self.relayed, self.challenge))
    }

    /// What [`split`](Self::split) took apart.
    pub(crate) fn join((socket, (relayed, challenge)): (Socket, (Option<SocketAddr>, Challenge))) -> Self {
        Self { socket, relayed, challenge }
    }
}

/// What is asked of the server on behalf of each client in turn.
#[derive(Clone, Copy)]
enum Ask<'a> {
    Challenge,
    Allocate,
    Bind(&'a [SocketAddr]),
    Release,
}

/// A server and how to talk to it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) credentials: Credentials,
    inbox: Inbox,
    outbox: Outbox,
    next: u64,
}

impl Server {
    pub(crate) fn new(address: SocketAddr, credentials: Credentials) -> Self {
        let next = u64::from_be_bytes(crypto::random());
        Self { address, credentials, inbox: Inbox::new(), outbox: Outbox::new(), next }
    }

    /// Opens sockets and an allocation for each. `runs`: the sockets take runs of datagrams as one.
    pub(crate) fn allocate(&mut self, count: usize, runs: bool) -> Result<Vec<Client>> {
        let options =
            Options { runs, receive_buffer: Some(1 << 20), send_buffer: Some(1 << 20), ..Options::default() };
        let any = SocketAddr::new(self.address.ip(), 0);
        let mut clients = Vec::with_capacity(count);
        // A server may still know the port of an earlier client (437, RFC 8656 §7.4): then try another.
        for _ in 0..TRIES {
            let mut more = (clients.len()..count)
                .map(|_| {
                    let socket = Socket::bind(any, &options).context("cannot open a socket for a client")?;
                    Ok(Client { socket, relayed: None, challenge: Challenge::default() })
                })
                .collect::<Result<Vec<_>>>()?;
            self.ask(&mut more, Ask::Challenge)?;
            more.retain(|client| !client.challenge.nonce.is_empty());
            self.ask(&mut more, Ask::Allocate)?;
            clients.extend(more.into_iter().filter(|client| client.relayed.is_some()));
            if clients.len() == count {
                return Ok(clients);
            }
        }
        bail!("the server takes every new port for that of an earlier client")
    }

    /// Binds [`CHANNEL`] of each client to the peer of the same position.
    pub(crate) fn bind(&mut self, clients: &mut [Client], peers: &[SocketAddr]) -> Result<()> {
        self.ask(clients, Ask::Bind(peers))
    }

    /// Gives the allocations back.
    pub(crate) fn release(&mut self, clients: &mut [Client]) -> Result<()> {
        self.ask(clients, Ask::Release)
    }

    /// Asks for all, some at a time.
    fn ask(&mut self, clients: &mut [Client], ask: Ask<'_>) -> Result<()> {
        for (index, some) in clients.chunks_mut(AT_ONCE).enumerate() {
            let ask = match ask {
                Ask::Bind(peers) => Ask::Bind(&peers[index * AT_ONCE..][..some.len()]),
                other => other,
            };
            self.ask_some(some, ask)?;
        }
        Ok(())
    }

    fn ask_some(&mut self, clients: &mut [Client], ask: Ask<'_>) -> Result<()> {
        let mut poller = Poller::new()?;
        let mut waiting = Vec::with_capacity(clients.len());
        for (key, client) in clients.iter().enumerate() {
            poller.add(&client.socket, key as u64)?;
            self.next = self.next.wrapping_add(1);
            waiting.push(Some(self.next));
        }
        for _ in 0..TRIES {
            for (i, client) in clients.iter().enumerate() {
                // A request that is sent again is the same request (RFC 8489 §6.2.1).
                let Some(transaction) = waiting[i] else { continue };
                let request = self.request(client, ask, i, transaction);
                self.outbox.send(i as u64, self.address, None, &[&request], request.len());
                self.outbox.flush(&self.inbox, |_| Some(&client.socket));
            }
            while waiting.iter().any(Option::is_some) {
                poller.wait(Some(PATIENCE))?;
                if poller.is_empty() {
                    break;
                }
                for event in 0..poller.len() {
                    let Some(key) = poller.ready(event) else { continue };
                    let i = usize::try_from(key)?;
                    self.listen(&mut clients[i], &mut waiting[i], ask)?;
                }
            }
            if waiting.iter().all(Option::is_none) {
                return Ok(());
            }
        }
        let silent = waiting.iter().flatten().count();
        bail!("{silent} of {} requests were never answered by {}", clients.len(), self.address)
    }

    fn request(&self, client: &Client, ask: Ask<'_>, index: usize, transaction: u64) -> Vec<u8> {
        match ask {
            Ask::Challenge => Request::new(ALLOCATE, transaction).udp().unsigned(),
            Ask::Allocate => {
                Request::new(ALLOCATE, transaction).udp().signed(&self.credentials, &client.challenge)
            }
            Ask::Bind(peers) => Request::new(CHANNEL_BIND, transaction)
                .channel(CHANNEL, peers[index])
                .signed(&self.credentials, &client.challenge),
            Ask::Release => {
                Request::new(REFRESH, transaction).lifetime(0).signed(&self.credentials, &client.challenge)
            }
        }
    }

    /// Takes what has come for one client.
    fn listen(&mut self, client: &mut Client, waiting: &mut Option<u64>, ask: Ask<'_>) -> Result<()> {
        self.inbox.clear();
        for slot in self.inbox.receive(&client.socket, 8)? {
            let Some(transaction) = *waiting else { continue };
            let Some(answer) = answer(self.inbox.bytes(slot), transaction)? else { continue };
            match (answer, ask) {
                (Answer::Challenged(challenge), Ask::Challenge) => client.challenge = challenge,
                (Answer::Granted(relayed), Ask::Allocate) => {
                    client.relayed = Some(relayed.context("an allocation without an address")?);
                }
                (Answer::Refused(437), Ask::Challenge | Ask::Allocate) => {}
                (Answer::Granted(_), Ask::Bind(_) | Ask::Release) => {}
                (Answer::Refused(code), _) => bail!("the server refuses with code {code}"),
                (Answer::Challenged(_), _) => bail!("the server does not accept the credentials"),
                (Answer::Granted(_), Ask::Challenge) => bail!("the server relays for strangers"),
            }
            *waiting = None;
        }
        Ok(())
    }
}

/// Opens sockets for peers, one for each client.
pub(crate) fn peers(count: usize, near: SocketAddr, runs: bool) -> Result<Vec<Socket>> {
    let options =
        Options { runs, receive_buffer: Some(1 << 20), send_buffer: Some(1 << 20), ..Options::default() };
    let any = SocketAddr::new(near.ip(), 0);
    let sockets = (0..count).map(|_| Socket::bind(any, &options)).collect::<std::io::Result<Vec<_>>>();
    let sockets = sockets.context("cannot open a socket for a peer")?;
    ensure!(sockets.len() == count, "too few sockets");
    Ok(sockets)
}
