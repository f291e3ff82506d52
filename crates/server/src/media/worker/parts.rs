//! What concerns rooms that have parts on several threads.

use wire::Instant;

use super::Worker;

impl Worker {
    /// Takes what other threads say about rooms that have parts there and here. What the control plane has said before is done
    /// first: it may have opened the part.
    pub(super) fn join_in(&mut self, now: Instant) {
        if !self.forwarder.as_mut().is_some_and(|(forwarder, _)| forwarder.is_told()) {
            return;
        }
        while self.obey(now) {}
        if let Some((forwarder, _)) = &mut self.forwarder {
            forwarder.listen(now);
        }
    }
}
