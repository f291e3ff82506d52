use sctp::packet::{Data, ForwardTsn, Init, Packet, Parameter, Sack, kind};

/// Reads a packet in every way there is. Data that is read and written again is read as the same.
pub fn sctp_packet(data: &[u8]) {
    let Ok(packet) = Packet::parse(data) else { return };
    let _ = packet.checksum_holds();
    let mut left = data.len();
    for chunk in packet.chunks() {
        let Ok(chunk) = chunk else { return };
        assert!(chunk.value.len() + 4 <= left, "chunks lie side by side");
        left -= chunk.value.len() + 4;
        match chunk.kind {
            kind::DATA | kind::I_DATA => {
                let Ok(read) = Data::parse(&chunk) else { continue };
                let interleaved = chunk.kind == kind::I_DATA;
                let mut buf = vec![0; read.payload.len() + 24];
                let len = read.write(interleaved, &mut buf);
                let again = [&[0; 12][..], &buf[..len]].concat();
                let again = Packet::parse(&again).expect("a header is there").chunks().next();
                let again = again.expect("a chunk is there").expect("what is written is well-formed");
                assert_eq!(Data::parse(&again), Ok(read));
            }
            kind::SACK => {
                if let Ok(sack) = Sack::parse(chunk.value) {
                    let entries = sack.gaps().count() + sack.duplicates().count();
                    assert!(entries * 4 + 12 <= chunk.value.len());
                }
            }
            kind::INIT | kind::INIT_ACK => {
                if let Ok((init, _)) = Init::parse(chunk.value) {
                    assert!(init.tag != 0 && init.inbound != 0 && init.outbound != 0);
                }
            }
            kind::FORWARD_TSN | kind::I_FORWARD_TSN => {
                if let Ok(forward) = ForwardTsn::parse(&chunk) {
                    assert!(forward.skipped().count() <= chunk.value.len() / 4);
                }
            }
            kind::PAD => assert!(chunk.value.len() < data.len()),
            kind::RE_CONFIG => {
                let _ = Parameter::parse_all(chunk.value);
            }
            _ => {}
        }
    }
}
