//! Two negotiators, and what holds between them once they agree.

use peer::negotiation::*;
use wire::Rng;

pub(crate) const FINGERPRINT: &str = "sha-256 AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:01:23:45:67:89:\
                           AB:CD:EF:01:23:45:67:89";

pub(crate) fn config() -> Config {
    Config { fingerprints: vec![FINGERPRINT.to_owned()], ..Config::default() }
}

pub(crate) fn negotiator(seed: u64) -> Negotiator {
    Negotiator::new(config(), Rng::from_number(seed)).unwrap()
}

pub(crate) fn pair() -> (Negotiator, Negotiator) {
    (negotiator(1), negotiator(2))
}

pub(crate) fn send(streams: &[&str]) -> TransceiverInit {
    let streams = streams.iter().map(|&stream| stream.to_owned()).collect();
    TransceiverInit { streams, ..TransceiverInit::default() }
}

/// One whole negotiation, begun by `a`, every description checked by the rules.
pub(crate) fn negotiate(a: &mut Negotiator, b: &mut Negotiator) {
    a.set_local_description(None).unwrap();
    let offer = a.local_description().unwrap();
    super::rules::check_offer(&offer.sdp);
    b.set_remote_description(&offer).unwrap();
    b.set_local_description(None).unwrap();
    let answer = b.local_description().unwrap();
    super::rules::check_answer(&offer.sdp, &answer.sdp);
    a.set_remote_description(&answer).unwrap();
    check_agreement(a, b);
}

/// Both are stable and have agreed on the same.
pub(crate) fn check_agreement(a: &Negotiator, b: &Negotiator) {
    assert_eq!(a.signaling_state(), SignalingState::Stable);
    assert_eq!(b.signaling_state(), SignalingState::Stable);
    let (x, y) = (a.negotiated(), b.negotiated());
    let (Some(ice), Some(other)) = (&x.ice, &y.ice) else {
        assert!(x.ice.is_none() && y.ice.is_none() && x.transceivers.is_empty() && x.data.is_none());
        return;
    };
    assert_eq!((&ice.local, &ice.remote), (&other.remote, &other.local));
    assert_eq!((a.local_ice(), b.local_ice()), (Some(&ice.local), Some(&other.local)));
    assert_ne!(ice.controlling, other.controlling);
    let (dtls, peer) = (x.dtls.unwrap(), y.dtls.unwrap());
    assert_ne!(dtls.role, peer.role);
    assert_eq!(dtls.remote_fingerprints, [FINGERPRINT]);
    assert_eq!(x.data.map(|data| data.mid), y.data.map(|data| data.mid));
    assert_eq!(x.transceivers.len(), y.transceivers.len());
    for (one, two) in x.transceivers.iter().zip(&y.transceivers) {
        assert_eq!((&one.mid, one.kind), (&two.mid, two.kind));
        assert_eq!(one.direction, two.direction.reversed());
        assert_eq!(a.transceiver(one.id).unwrap().current_direction(), Some(one.direction));
        assert_eq!(b.transceiver(two.id).unwrap().current_direction(), Some(two.direction));
        assert_eq!(a.transceiver_by_mid(&one.mid).unwrap().id(), one.id);
        assert_eq!(one.send_codecs, two.receive_codecs);
        assert_eq!(one.receive_codecs, two.send_codecs);
        assert!(!one.send_codecs.is_empty());
        let flipped = two.extensions.iter().map(|e| (e.id, &e.uri, e.receive, e.send));
        assert!(one.extensions.iter().map(|e| (e.id, &e.uri, e.send, e.receive)).eq(flipped));
        check_sources(one, two);
        check_sources(two, one);
    }
}

/// What one sends the other knows of.
fn check_sources(sender: &NegotiatedTransceiver, receiver: &NegotiatedTransceiver) {
    if !sender.direction.sends() {
        return;
    }
    let rids: Vec<_> = sender.encodings.iter().filter_map(|encoding| encoding.rid.clone()).collect();
    if rids.is_empty() {
        let encoding = &sender.encodings[0];
        // An offer of several encodings names no source, and then may be cut down to one.
        let Some(source) = receiver.remote_sources.first() else { return };
        assert_eq!(source.ssrc, encoding.ssrc);
        assert!(source.rtx.is_none_or(|rtx| rtx == encoding.rtx_ssrc));
        assert!(source.cname.is_some());
    } else {
        assert_eq!(receiver.receive_rids, rids);
    }
}

/// All events so far.
pub(crate) fn events(negotiator: &mut Negotiator) -> Vec<Event> {
    std::iter::from_fn(|| negotiator.poll_event()).collect()
}
