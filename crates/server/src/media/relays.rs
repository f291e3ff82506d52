use net::Socket;
use turn::RelayId;

/// The sockets of relayed transport addresses, by the index in the lower half of their name.
#[derive(Default)]
pub(super) struct Relays {
    sockets: Vec<Option<(RelayId, Socket)>>,
}

impl Relays {
    pub(super) fn insert(&mut self, relay: RelayId, socket: Socket) {
        let index = index(relay.0);
        if self.sockets.len() <= index {
            self.sockets.resize_with(index + 1, || None);
        }
        self.sockets[index] = Some((relay, socket));
    }

    /// The socket, unless it was closed and its place may be another's.
    pub(super) fn find(&self, key: u64) -> Option<&Socket> {
        match self.sockets.get(index(key)) {
            Some(Some((relay, socket))) if relay.0 == key => Some(socket),
            Some(_) | None => None,
        }
    }

    /// Closes the socket. False if there is none of this name.
    pub(super) fn remove(&mut self, relay: RelayId) -> bool {
        let found = self.find(relay.0).is_some();
        if found {
            self.sockets[index(relay.0)] = None;
        }
        found
    }
}

const fn index(key: u64) -> usize {
    (key & 0xffff_ffff) as usize
}
