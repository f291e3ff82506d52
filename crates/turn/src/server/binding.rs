//! Binding (RFC 8489 §2), and NAT behaviour discovery where it is configured (RFC 5780 §6).

use super::Server;
use super::auth::optional;
use super::reply::{MAX_MESSAGE, Reply};
use crate::FiveTuple;
use stun::Message;
use stun::attribute::{
    Attribute, ChangeRequest, ErrorCode, OtherAddress, Padding, ResponseOrigin, ResponsePort,
    UnknownAttributes,
};
use wire::Transport;

impl Server {
    pub(super) fn handle_binding(&mut self, client: &FiveTuple, message: &Message<'_>) {
        let mut reply = Reply::to(*client, message);
        let mapped = reply.mapped();
        let other = self.config.alternate.filter(|_| client.transport == Transport::Udp);
        let other = other.and_then(|a| Some((a, a.other(client.local, true, true)?)));
        if let Some(unknown) = self.unknown(message, other.is_some()) {
            return self.fail_with(&reply, ErrorCode::UNKNOWN_ATTRIBUTE, |w| w.put(&unknown));
        }
        self.stats.bindings += 1;
        let Some((alternate, other)) = other else {
            return self.succeed(&reply, |w| w.put(&mapped));
        };
        let wanted = || -> Result<_, ErrorCode<'static>> {
            let change = optional::<ChangeRequest>(message)?.unwrap_or_default();
            let port = optional::<ResponsePort>(message)?;
            let padding = optional::<Padding<'_>>(message)?;
            Ok((change, port, padding))
        };
        let (change, port, padding) = match wanted() {
            Ok(wanted) => wanted,
            Err(error) => return self.fail(&reply, error),
        };
        if padding.is_some() && port.is_some() {
            return self.fail(&reply, ErrorCode::BAD_REQUEST); // RFC 5780 §6.1: would aim large answers at others
        }
        if let Some(from) = alternate.other(client.local, change.change_ip, change.change_port) {
            reply.client.local = from;
        }
        if let Some(ResponsePort(port)) = port {
            reply.client.remote.set_port(port);
        }
        let origin = ResponseOrigin(reply.client.local);
        // The answer is padded no longer than the request was, and to one packet of an Ethernet.
        let zeroes = [0; MAX_MESSAGE];
        let padding = padding.map(|Padding(bytes)| Padding(&zeroes[..bytes.len().min(MAX_MESSAGE - 128)]));
        self.succeed(&reply, |w| {
            w.put(&mapped)?;
            w.put(&origin)?;
            w.put(&OtherAddress(other))?;
            padding.map_or(Ok(()), |padding| w.put(&padding))
        });
    }

    /// What must be understood and is not: behaviour discovery's attributes too, where it is not offered.
    fn unknown(&self, message: &Message<'_>, discovery: bool) -> Option<UnknownAttributes> {
        let mut unknown = message.unknown_required().unwrap_or_default();
        let optional = [ChangeRequest::KIND, ResponsePort::KIND, <Padding<'_> as Attribute<'_>>::KIND];
        for kind in optional.into_iter().filter(|kind| !discovery && message.raw(*kind).is_some()) {
            unknown.add(kind);
        }
        (!unknown.is_empty()).then_some(unknown)
    }
}
