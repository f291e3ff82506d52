use rtp::extension::dependency::{self, Frame, Structure};
use rtp::extension::{Element, Elements, Kind, Map};
use rtp::rtcp::{Compound, Packet as Control, Writer as ControlWriter};
use rtp::srtp::{Config, Profile, Protect, Unprotect};
use rtp::{Header, Packet, Writer};

/// Reads an RTP packet in every way there is. What is read and written again is read as the same.
pub fn rtp_packet(data: &[u8]) {
    let Ok(packet) = Packet::parse(data) else { return };
    assert_eq!(packet.header_len() + packet.payload().len() + packet.padding_len(), data.len());
    let mut map = Map::default();
    for (id, kind) in (1..).zip(Kind::ALL) {
        map.set(kind, id).expect("every identifier is new");
    }
    let header = Header {
        marker: packet.marker(),
        payload_type: packet.payload_type(),
        sequence_number: packet.sequence_number(),
        timestamp: packet.timestamp(),
        ssrc: packet.ssrc(),
    };
    let csrcs: Vec<u32> = packet.csrcs().collect();
    let all: Vec<Element<'_>> = packet.extensions().collect();
    let mut buf = vec![0; 2 * data.len() + 64];
    let mut w = Writer::new(&mut buf, &header, &csrcs).expect("a header fits where a packet was");
    w.extensions(&all).expect("what was read fits into the longer form");
    w.payload(packet.payload()).expect("the payload fits where it was");
    let len = w.pad(u8::try_from(packet.padding_len()).expect("a byte counts it")).expect("padding fits");
    let again = Packet::parse(&buf[..len]).expect("what is written is well-formed");
    assert!(again.extensions().eq(packet.extensions()) && again.csrcs().eq(packet.csrcs()));
    assert_eq!((again.payload(), again.padding_len()), (packet.payload(), packet.padding_len()));
    assert_eq!(again.elements(&map), packet.elements(&map));
    values(&header, &packet.elements(&map), &map);
}

/// Typed elements, written from their values, are read as the same values.
fn values(header: &Header, elements: &Elements<'_>, map: &Map) {
    let mut buf = [0; 2000];
    let mut w = Writer::new(&mut buf, header, &[]).expect("a header fits");
    w.elements(elements, map).expect("all elements fit");
    let len = w.finish();
    let again = Packet::parse(&buf[..len]).expect("what is written is well-formed");
    assert_eq!(again.elements(map), *elements);
}

/// Reads dependency descriptors one after the other, each a length and bytes, so that some are of a structure that came
/// before. What is numbered anew is the same but for its numbers.
pub fn dependency_descriptor(data: &[u8]) {
    let (mut known, mut rest) = (None::<Structure>, data);
    while let [len, tail @ ..] = rest {
        let (descriptor, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = tail;
        let before = known.clone();
        let Ok(frame) = Frame::read(descriptor, &mut known) else {
            assert_eq!(known, before, "what cannot be read changes nothing");
            continue;
        };
        assert!(
            frame.spatial() < 4
                && frame.temporal() < 8
                && frame.resolution().is_none_or(|(w, h)| w > 0 && h > 0)
        );
        assert!(frame.diffs().all(|diff| (1..=4096).contains(&diff)));
        assert_eq!(frame.chain_diffs().count(), usize::from(frame.structure.chains()));
        let said = |frame: &Frame<'_>| {
            let layer = (frame.spatial(), frame.temporal(), frame.indications, frame.active);
            (layer, frame.diffs().collect::<Vec<_>>(), frame.chain_diffs().collect::<Vec<_>>())
        };
        let expected = said(&frame);
        let (number, is_new, mut copy) = (frame.number.wrapping_add(9), frame.is_new, descriptor.to_vec());
        dependency::renumber(&mut copy, number, if is_new { 40 } else { 0 });
        let mut again = known.clone();
        let read = Frame::read(&copy, &mut again).expect("only its numbers are others");
        assert_eq!((read.number, said(&read)), (number, expected));
    }
}

/// Reads a compound RTCP packet. What is read and written again is read as the same.
pub fn rtcp_compound(data: &[u8]) {
    for packet in Compound::new(data).flatten() {
        if let Control::Twcc(twcc) = packet {
            let mut count = 0;
            twcc.for_each(|_, _| count += 1);
            assert_eq!(count, usize::from(twcc.count));
        }
        let mut buf = vec![0; 2 * data.len() + 64];
        let mut w = ControlWriter::new(&mut buf);
        // Items of one chunk are written as chunks of their own, of which there may then be too many.
        if w.put(&packet).is_err() {
            assert!(matches!(packet, Control::Sdes(_)), "{packet:?}");
            continue;
        }
        let len = w.len();
        let mut again = Compound::new(&buf[..len]);
        let read = again.next().expect("a packet was written").expect("what is written is well-formed");
        if let (Control::Twcc(twcc), Control::Twcc(read)) = (packet, read) {
            // The content may have got padding behind its deltas.
            let (mut a, mut b) = (Vec::new(), Vec::new());
            twcc.for_each(|number, at| a.push((number, at)));
            read.for_each(|number, at| b.push((number, at)));
            assert_eq!(a, b);
        } else {
            assert_eq!(read, packet);
        }
        assert!(again.next().is_none());
    }
}

/// Junk, and authentic packets among it: the first byte chooses the profile, then each record is a length, a flag and
/// bytes. Nothing that we did not protect is taken, and what we protected is taken once.
pub fn srtp_unprotect(data: &[u8]) {
    let Some((first, mut rest)) = data.split_first() else { return };
    let profile = Profile::ALL[usize::from(first % 4)];
    let config = Config { max_sources: 4 };
    let (key, salt) = (&[3; 32][..profile.key_len()], &[5; 14][..profile.salt_len()]);
    let mut protect = Protect::new(profile, key, salt, &config).expect("the lengths fit");
    let mut unprotect = Unprotect::new(profile, key, salt, &config).expect("the lengths fit");
    while let [len, flags, tail @ ..] = rest {
        let (record, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        rest = tail;
        let mut buf = record.to_vec();
        let rtcp = flags & 2 != 0;
        if flags & 1 == 0 {
            let result =
                if rtcp { unprotect.unprotect_rtcp(&mut buf) } else { unprotect.unprotect(&mut buf) };
            assert!(result.is_err(), "a packet was taken that nobody protected");
            continue;
        }
        buf.resize(record.len() + 20, 0);
        let sealed = if rtcp {
            protect.protect_rtcp(&mut buf, record.len())
        } else {
            protect.protect(&mut buf, record.len())
        };
        let Ok(len) = sealed else { continue };
        let mut open = |bytes: &mut [u8]| {
            if rtcp { unprotect.unprotect_rtcp(bytes) } else { unprotect.unprotect(bytes) }
        };
        let mut copy = buf[..len].to_vec();
        // A sender whose first packets were lost may be a round ahead of the receiver; then none of them is taken.
        if open(&mut buf[..len]).is_ok() {
            assert_eq!(buf[..record.len()], *record);
            assert!(open(&mut copy).is_err(), "a packet was taken twice");
        } else {
            assert!(!rtcp, "RTCP carries its whole index");
        }
    }
    assert!(unprotect.sources() <= 4);
}
