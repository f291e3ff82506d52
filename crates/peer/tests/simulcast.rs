//! Several encodings of one source (RFC 8853).

use crate::support::*;
use peer::negotiation::*;
use wire::Rng;

fn names(rids: &[&str]) -> Vec<String> {
    rids.iter().map(|&rid| rid.to_owned()).collect()
}

fn forwarder() -> Negotiator {
    Negotiator::new(Config { receive_simulcast: true, ..config() }, Rng::from_number(9)).unwrap()
}

fn rids(negotiator: &Negotiator, id: TransceiverId) -> Vec<String> {
    let encodings = negotiator.transceiver(id).unwrap().encodings();
    encodings.iter().filter_map(|encoding| encoding.rid.clone()).collect()
}

#[test]
fn offered_encodings_are_sent_if_they_are_taken() {
    let (mut a, mut b) = (negotiator(1), forwarder());
    let init = TransceiverInit { send_rids: names(&["h", "m", "l"]), ..send(&[]) };
    let id = a.add_transceiver(MediaKind::Video, init.clone()).unwrap();
    negotiate(&mut a, &mut b);
    assert_eq!(rids(&a, id), ["h", "m", "l"]);
    assert_eq!(b.negotiated().transceivers[0].receive_rids, ["h", "m", "l"]);
    // And again: it stays so.
    negotiate(&mut b, &mut a);
    assert_eq!(rids(&a, id), ["h", "m", "l"]);

    let (mut a, mut b) = pair();
    let id = a.add_transceiver(MediaKind::Video, init).unwrap();
    negotiate(&mut a, &mut b);
    let encodings = a.transceiver(id).unwrap().encodings();
    assert!(encodings.len() == 1 && encodings[0].rid.is_none(), "{encodings:?}");
    // The source has a line in the next offer.
    negotiate(&mut a, &mut b);
    assert_eq!(b.negotiated().transceivers[0].remote_sources.len(), 1);
}

#[test]
fn a_forwarder_can_ask_for_encodings() {
    let (mut a, mut b) = (forwarder(), negotiator(2));
    let init = TransceiverInit {
        direction: Direction::RecvOnly,
        receive_rids: names(&["x", "y"]),
        ..TransceiverInit::default()
    };
    a.add_transceiver(MediaKind::Video, init).unwrap();
    let id = b.add_track(MediaKind::Video, vec![]).unwrap();
    let before = b.transceiver(id).unwrap().encodings().to_vec();
    a.set_local_description(None).unwrap();
    let offer = a.local_description().unwrap();
    b.set_remote_description(&offer).unwrap();
    assert_eq!(rids(&b, id), ["x", "y"]);
    b.set_remote_description(&Description { kind: SdpType::Rollback, sdp: String::new() }).unwrap();
    assert_eq!(b.transceiver(id).unwrap().encodings(), before);
    b.set_remote_description(&offer).unwrap();
    b.set_local_description(None).unwrap();
    a.set_remote_description(&b.local_description().unwrap()).unwrap();
    check_agreement(&a, &b);
    assert_eq!(a.negotiated().transceivers[0].receive_rids, ["x", "y"]);
}

#[test]
fn encodings_that_an_answer_leaves_out_are_not_sent() {
    let (mut a, mut b) = (negotiator(1), forwarder());
    let init = TransceiverInit { send_rids: names(&["h", "m", "l"]), ..send(&[]) };
    let id = a.add_transceiver(MediaKind::Video, init).unwrap();
    a.set_local_description(None).unwrap();
    b.set_remote_description(&a.local_description().unwrap()).unwrap();
    b.set_local_description(None).unwrap();
    let answer = b.local_description().unwrap();
    let sdp = answer.sdp.replace("a=rid:m recv\r\n", "").replace("recv h;m;l", "recv h;l");
    a.set_remote_description(&Description { sdp, ..answer }).unwrap();
    assert_eq!(rids(&a, id), ["h", "l"]);
}

#[test]
fn names_that_cannot_be_used_are_told() {
    let (mut a, _) = pair();
    let nine: Vec<_> = (0..9).map(|n| n.to_string()).collect();
    for rids in [names(&["a b"]), names(&["a", "a"]), names(&[""]), names(&["a\r\nb"]), nine] {
        let init = TransceiverInit { send_rids: rids.clone(), ..send(&[]) };
        assert!(matches!(a.add_transceiver(MediaKind::Video, init), Err(Misuse::Name(_))), "{rids:?}");
    }
    for stream in ["", "-", "a b", "a\r\n"] {
        assert!(matches!(a.add_track(MediaKind::Video, names(&[stream])), Err(Misuse::Name(_))));
    }
    assert!(a.transceivers().is_empty());
}
