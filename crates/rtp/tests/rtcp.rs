use rtp::rtcp::*;
use rtp::{Malformed, NtpTime};

fn report(ssrc: u32) -> ReportBlock {
    ReportBlock {
        ssrc,
        fraction_lost: 12,
        cumulative_lost: -3,
        highest_sequence: 0x0001_fffe,
        jitter: 7,
        last_sender_report: 8,
        delay_since_last: 9,
    }
}

/// One packet of every kind, in one datagram, is read as it was written.
#[test]
fn every_packet_is_read_as_it_was_written() {
    let reports = [report(1), report(2)];
    let info = SenderInfo { ntp: NtpTime(1 << 63), rtp_timestamp: 2, packets: 3, octets: 4 };
    let items = [SdesItem { ssrc: 1, kind: CNAME, text: b"name" }, SdesItem { ssrc: 2, kind: 7, text: b"" }];
    let nacks = [NackEntry { first: 5, following: 0x8001 }];
    let firs = [FirEntry { ssrc: 9, sequence: 200 }];
    let blocks = [
        XrBlock::ReceiverReferenceTime(NtpTime(77)),
        XrBlock::Dlrr((&[Dlrr { ssrc: 1, last_receiver_report: 2, delay_since_last: 3 }]).into()),
        XrBlock::Other { kind: 9, specific: 1, content: &[1, 2, 3, 4] },
    ];
    let arrivals = [Arrival::Lost, Arrival::Received { ecn: Ecn::Congestion, offset: 0x1ffe }, Arrival::Lost];
    let ccfb = [CcfbBlock { ssrc: 3, first: 65_535, arrivals: (&arrivals).into() }];
    let mut scratch = [0; 100];
    let times: Vec<Option<i64>> = (0..40).map(|i| (i % 5 != 0).then_some(i * i * 3)).collect();
    let (twcc, _) = Twcc::make(&mut scratch, (1, 2, 3), 65_530, &times).unwrap();
    let packets = [
        Packet::SenderReport(SenderReport { ssrc: 6, info, reports: (&reports).into() }),
        Packet::ReceiverReport(ReceiverReport { ssrc: 6, reports: (&reports).into() }),
        Packet::Sdes(Sdes::new(&items)),
        Packet::Nack(Nack { sender: 1, media: 2, entries: (&nacks).into() }),
        Packet::Pli(Pli { sender: 1, media: 2 }),
        Packet::Fir(Fir { sender: 1, entries: (&firs).into() }),
        Packet::Remb(Remb { sender: 1, bitrate: 0x3_ffff << 5, sources: (&[4, 5]).into() }),
        Packet::Ccfb(Ccfb::new(1, 2, &ccfb)),
        Packet::Xr(Xr::new(1, &blocks)),
        Packet::App(App { subtype: 31, ssrc: 1, name: *b"ABCD", data: &[1, 2, 3, 4] }),
        Packet::Feedback(Feedback { packet_type: 206, format: 15, sender: 1, media: 2, content: &[0; 8] }),
        Packet::Unknown { packet_type: 192, count: 3, body: &[1, 2, 3, 4] },
        Packet::Bye(Bye { sources: (&[6, 7]).into(), reason: b"enough" }),
    ];
    let mut buf = [0; 1500];
    let mut w = Writer::new(&mut buf);
    for packet in &packets {
        w.put(packet).unwrap();
    }
    w.put(&Packet::Twcc(twcc)).unwrap();
    let len = w.len();
    let read: Vec<Packet<'_>> = Compound::new(&buf[..len]).map(Result::unwrap).collect();
    assert_eq!(read[..packets.len()], packets);
    let Packet::Twcc(again) = read[packets.len()] else { panic!("{:?}", read[packets.len()]) };
    let mut arrived = Vec::new();
    again.for_each(|_, arrival| arrived.push(arrival));
    assert_eq!(arrived, times);
}

#[test]
fn a_malformed_packet_does_not_hide_the_next_one() {
    let pli = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    let short_nack = [0x81, 205, 0, 1, 0, 0, 0, 1];
    let bytes = [&short_nack[..], &pli].concat();
    let read: Vec<_> = Compound::new(&bytes).collect();
    assert_eq!(read, [Err(Malformed), Ok(Packet::Pli(Pli { sender: 1, media: 2 }))]);
    // A header that does not fit ends it.
    let cut: Vec<_> = Compound::new(&pli[..11]).collect();
    assert_eq!(cut, [Err(Malformed)]);
    let version: Vec<_> = Compound::new(&[0x41, 206, 0, 0]).collect();
    assert_eq!(version, [Err(Malformed)]);
}

#[test]
fn padding_is_cut_off() {
    let mut bytes = vec![0xa1, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4];
    let read: Vec<_> = Compound::new(&bytes).collect();
    assert_eq!(read, [Ok(Packet::Pli(Pli { sender: 1, media: 2 }))]);
    for wrong in [0, 3, 16] {
        bytes[15] = wrong;
        assert_eq!(Compound::new(&bytes).next(), Some(Err(Malformed)), "padding of {wrong}");
    }
}

#[test]
fn what_does_not_fit_is_not_written() {
    let mut buf = [0; 20];
    let mut w = Writer::new(&mut buf);
    w.put(&Packet::Pli(Pli { sender: 1, media: 2 })).unwrap();
    assert!(w.put(&Packet::Pli(Pli { sender: 1, media: 2 })).is_err());
    assert_eq!(w.len(), 12);
    let many = [1; 32];
    let mut buf = [0; 200];
    assert!(Writer::new(&mut buf).put(&Packet::Bye(Bye { sources: (&many).into(), reason: b"" })).is_err());
}

/// As Firefox sends it: three bytes of padding behind feedback whose content has five.
#[test]
fn transport_wide_feedback_fills_its_last_word_with_padding() {
    let bytes = [
        0xaf, 205, 0, 6, 141, 222, 183, 47, 177, 29, 246, 27, 0, 13, 0, 3, 0, 16, 101, 2, 0x20, 3, 145, 1,
        82, 0, 0, 3,
    ];
    let Some(Ok(Packet::Twcc(twcc))) = Compound::new(&bytes).next() else { panic!("it is read") };
    let mut arrivals = Vec::new();
    twcc.for_each(|number, arrival| arrivals.push((number, arrival)));
    let begin = 0x001065 * 256;
    assert_eq!(arrivals, [(13, Some(begin + 145)), (14, Some(begin + 146)), (15, Some(begin + 228))]);
}
