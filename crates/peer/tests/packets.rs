//! Packets that are lent and passed on.

use peer::negotiation::{Direction, MediaKind, TransceiverInit};
use peer::rtp::Packet;
use peer::rtp::extension::{Elements, VideoOrientation};
use peer::{Event, Format, MediaMode, OutgoingRtp};

use crate::media::{Encoder, add, connected};
use crate::pair::{Lent, Pair};

fn forwarder(seed: u64) -> Pair {
    Pair::with(seed, |side, config| {
        if side == 1 {
            config.media.mode = MediaMode::Packets;
            config.negotiation.receive_simulcast = true;
        }
    })
}

/// Passes on what came to the forwarder, over its own transceiver. The first of several packets is lost and sent
/// again after the next one.
fn forward(pair: &mut Pair, lent: &[Lent], rid: Option<&str>) {
    let id = pair.peers[1].negotiator().transceivers()[0].id();
    let mut buf = [0; 1500];
    let mut lost = None;
    let lent: Vec<_> = lent.iter().filter(|lent| lent.rid.as_deref() == rid).collect();
    let mut lose = lent.len() > 1 && lent.iter().all(|lent| !lent.retransmitted);
    for lent in lent {
        let packet = Packet::parse(&lent.bytes).unwrap();
        let out = OutgoingRtp {
            transceiver: id,
            rid: None,
            format: lent.format,
            marker: packet.marker(),
            sequence_number: packet.sequence_number(),
            timestamp: packet.timestamp(),
            head: &packet.payload()[..1],
            payload: &packet.payload()[1..],
            pad_to: 0,
            retransmission: false,
            probe: false,
            elements: Elements::default(),
        };
        let transmit = pair.peers[1].send_rtp(pair.now, &out, &mut buf).unwrap();
        if std::mem::take(&mut lose) {
            lost = Some(OutgoingRtp { retransmission: true, ..out });
            continue;
        }
        pair.carry(1, transmit, &buf[..transmit.len]);
        if let Some(again) = lost.take() {
            let transmit = pair.peers[1].send_rtp(pair.now, &again, &mut buf).unwrap();
            pair.carry(1, transmit, &buf[..transmit.len]);
        }
    }
}

#[test]
fn encodings_side_by_side_come_apart_and_one_is_passed_on() {
    let mut pair = forwarder(21);
    let rids = ["h", "l"];
    let init = TransceiverInit { send_rids: rids.map(str::to_owned).to_vec(), ..TransceiverInit::default() };
    let id = pair.peers[0].with_negotiator(|n| n.add_transceiver(MediaKind::Video, init)).unwrap();
    pair.introduce();
    pair.peers[1].with_negotiator(|n| {
        let id = n.transceivers()[0].id();
        n.set_direction(id, Direction::SendRecv).unwrap();
    });
    connected(&mut pair);
    pair.negotiate(1);
    let mut encoders = [(0, 2000), (1, 400)].map(|(at, size)| (rids[at], Encoder::new(Format::Vp8, size)));
    let mut passed = 0;
    let mut seen = [0, 0];
    pair.loss = 30;
    for _ in 0..100 {
        // What the viewer asks of the forwarder, it asks of the sender.
        let (asked, viewer): (Vec<_>, Vec<_>) =
            pair.events[1].drain(..).partition(|event| matches!(event, Event::KeyframeRequested { .. }));
        pair.events[1] = viewer;
        if let Some(Event::KeyframeRequested { transceiver, .. }) = asked.first() {
            pair.peers[1].request_keyframe(*transceiver, Some("h")).unwrap();
        }
        for ((rid, encoder), seen) in encoders.iter_mut().zip(&mut seen) {
            encoder.follow(&pair, 0, id, seen);
            encoder.send(&mut pair, 0, id, Some(rid));
        }
        pair.pass(std::time::Duration::from_millis(40));
        let lent = pair.packets[1][passed..].to_vec();
        passed += lent.len();
        pair.loss = 0;
        forward(&mut pair, &lent, Some("h"));
        pair.loss = 30;
    }
    pair.loss = 0;
    pair.pass(std::time::Duration::from_secs(1));
    for (rid, encoder) in &encoders {
        let packets: Vec<_> =
            pair.packets[1].iter().filter(|lent| lent.rid.as_deref() == Some(*rid)).collect();
        let mut ends: Vec<u32> = packets
            .iter()
            .map(|lent| Packet::parse(&lent.bytes).unwrap())
            .filter(Packet::marker)
            .map(|packet| packet.timestamp())
            .collect();
        ends.sort_unstable();
        ends.dedup();
        let ends = u32::try_from(ends.len()).unwrap();
        assert!(ends == encoder.sent && ends > 90, "{rid}: {ends} of {}", encoder.sent);
        let all = packets.iter().filter(|lent| !lent.retransmitted).count();
        let again = packets.iter().filter(|lent| lent.retransmitted).count();
        assert!(again > 0 && again < all / 5, "{rid}: {again} of {all} came again");
    }
    let back = pair.events[0].iter().filter(|event| matches!(event, Event::Frame(_))).count();
    assert!(back > 90, "{back} pictures came back");
}

#[test]
fn a_forwarder_hears_what_is_asked_of_it() {
    let mut pair = forwarder(22);
    let id = add(&mut pair, 1, MediaKind::Video);
    for side in 0..2 {
        let now = pair.now;
        let local = peer::Local::host(crate::pair::ADDRESSES[side].parse().unwrap());
        pair.peers[side].add_local_address(now, local);
        pair.peers[side].end_of_local_addresses(now);
    }
    pair.negotiate(1);
    connected(&mut pair);
    // A picture that begins with no keyframe cannot be shown.
    let mut buf = [0; 1500];
    for number in 0..20 {
        let out = OutgoingRtp {
            transceiver: id,
            rid: None,
            format: Some(Format::Vp8),
            marker: true,
            sequence_number: number,
            timestamp: u32::from(number) * 3600,
            head: &[],
            payload: &[0x10, 1, 2, 3, 4],
            pad_to: if number % 2 == 0 { 100 } else { 0 },
            retransmission: false,
            probe: false,
            elements: Elements::default(),
        };
        let transmit = pair.peers[1].send_rtp(pair.now, &out, &mut buf).unwrap();
        let tag = transmit.len - if number % 2 == 0 { 100 } else { 0 };
        assert!(number % 2 == 1 || tag < 20, "it is as long as it was to be made: {transmit:?}");
        pair.carry(1, transmit, &buf[..transmit.len]);
        pair.pass(std::time::Duration::from_millis(40));
    }
    let wanted = Event::KeyframeRequested { transceiver: id, rid: None };
    assert!(pair.heard(1, |event| *event == wanted));
    let again = OutgoingRtp {
        transceiver: id,
        rid: None,
        format: None,
        marker: true,
        sequence_number: 3,
        timestamp: 0,
        head: &[],
        payload: &[0x10, 1],
        pad_to: 0,
        retransmission: false,
        probe: false,
        elements: Elements::default(),
    };
    let refused = pair.peers[1].send_rtp(pair.now, &again, &mut buf);
    assert!(matches!(refused, Err(peer::MediaError::Unprotected(_))), "a number is sent once: {refused:?}");
}

/// Most packets of a stream are written from what was made ready with the first one; what else may differ must still be
/// seen, counted, and refused.
#[test]
fn what_is_ready_ends_with_the_next_negotiation() {
    let mut pair = Pair::with(24, |_, config| config.media.mode = MediaMode::Packets);
    let id = add(&mut pair, 1, MediaKind::Video);
    pair.introduce();
    pair.negotiate(1);
    connected(&mut pair);
    let mut buf = [0; 1500];
    let turned = VideoOrientation { back_camera: false, flipped: true, quarter_turns: 1 };
    let out = |number: u16| OutgoingRtp {
        transceiver: id,
        rid: None,
        format: Some(Format::Vp8),
        marker: number % 4 == 3,
        sequence_number: number,
        timestamp: u32::from(number / 4) * 3600,
        head: &[0x10],
        payload: &[1, 2, 3, 4],
        pad_to: 0,
        retransmission: false,
        probe: false,
        elements: Elements { video_orientation: (number % 4 == 3).then_some(turned), ..Elements::default() },
    };
    let sent = |pair: &Pair| {
        let stats = pair.peers[1].get_stats().media.unwrap();
        (stats.outbound_rtp[0].packets_sent, stats.outbound_rtp[0].bytes_sent)
    };
    for number in 0..12 {
        let transmit = pair.peers[1].send_rtp(pair.now, &out(number), &mut buf).unwrap();
        pair.carry(1, transmit, &buf[..transmit.len]);
        assert_eq!(sent(&pair), (u64::from(number) + 1, (u64::from(number) + 1) * 5));
    }
    pair.pass(std::time::Duration::from_millis(50));
    let came: Vec<Packet<'_>> = pair.packets[0].iter().map(|l| Packet::parse(&l.bytes).unwrap()).collect();
    assert_eq!(came.len(), 12);
    for (number, packet) in (0..).zip(&came) {
        let last = number % 4 == 3;
        assert_eq!((packet.sequence_number(), packet.timestamp()), (number, u32::from(number / 4) * 3600));
        assert_eq!((packet.marker(), packet.payload()), (last, &[0x10, 1, 2, 3, 4][..]));
    }
    pair.peers[1].with_negotiator(|n| n.set_direction(id, Direction::RecvOnly)).unwrap();
    pair.negotiate(1);
    let refused = pair.peers[1].send_rtp(pair.now, &out(12), &mut buf);
    assert_eq!(refused, Err(peer::MediaError::NotSending));
    pair.peers[1].with_negotiator(|n| n.set_direction(id, Direction::SendRecv)).unwrap();
    pair.negotiate(1);
    pair.peers[1].send_rtp(pair.now, &out(12), &mut buf).unwrap();
    assert_eq!(sent(&pair), (13, 65), "what was counted before is not forgotten");
}
