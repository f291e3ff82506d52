//! The handshake of DTLS inside of the checks of ICE (draft-hancke-webrtc-sped). The agent carries datagrams and does not look
//! into them; here they come from DTLS and go to it.
//!
//! While there is no path, what DTLS writes goes to the agent, which repeats it with its checks; what checks bring is taken
//! like any datagram. Once there is a path, DTLS uses it and repeats by itself. A peer that has offered this and yet
//! answers checks without a word of it has got nothing: then the flight begins anew on the path.

use ice::Agent;
use wire::Instant;

use crate::Peer;

impl Peer {
    /// Takes what checks and answers have brought.
    pub(crate) fn take_embedded(&mut self, now: Instant) {
        while let Some(mut datagram) = self.agent.as_mut().and_then(Agent::poll_embedded) {
            self.take_records(now, &mut datagram);
        }
    }

    /// Gives what DTLS wants to send to the agent, or what the agent could not send to the path.
    pub(crate) fn embed_handshake(&mut self, now: Instant) {
        let (Some(agent), Some(dtls)) = (&mut self.agent, &mut self.dtls) else { return };
        let embedding = agent.is_embedding();
        if embedding != self.embedding {
            self.embedding = embedding;
            if embedding {
                // It was on its way on a path that is gone.
                dtls.hold(now, true, true);
            } else if agent.selected().is_some() {
                let silent = !agent.peer_embeds();
                dtls.hold(now, false, silent);
                let unsent = agent.take_unsent();
                if !silent {
                    self.direct.extend(unsent);
                }
            } else {
                dtls.hold(now, false, true);
            }
        }
        if embedding {
            let mut buf = [0; ice::MAX_EMBEDDED];
            let mut flight = Vec::new();
            while let Some(len) = dtls.poll_transmit(now, &mut buf) {
                flight.push(buf[..len].to_vec());
            }
            if !flight.is_empty() {
                agent.embed(now, flight);
            }
        } else if dtls.is_connected() {
            agent.end_embedding();
        }
    }
}
