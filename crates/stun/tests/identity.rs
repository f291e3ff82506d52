//! Reading what was written gives the same value, for every attribute.

use proptest::collection::vec;
use proptest::prelude::*;
use std::net::{IpAddr, SocketAddr};
use stun::attribute::*;
use stun::{Class, Integrity, Key, Message, Method, TransactionId, Writer};

fn round_trip<A>(value: A, id: [u8; 12])
where
    A: for<'a> Attribute<'a> + PartialEq + std::fmt::Debug,
{
    let mut buf = [0; 1000];
    let mut w = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId(id)).unwrap();
    w.put(&value).unwrap();
    let len = w.len();
    assert_eq!(Message::parse(&buf[..len]).unwrap().get::<A>(), Ok(Some(value)));
}

/// As above for values that borrow.
macro_rules! round_trip_borrowed {
    ($value:expr, $kind:ident) => {{
        let mut buf = [0; 4000];
        let mut w = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([1; 12])).unwrap();
        w.put(&$value).unwrap();
        let len = w.len();
        assert_eq!(Message::parse(&buf[..len]).unwrap().get::<$kind>(), Ok(Some($value)));
    }};
}

fn address() -> impl Strategy<Value = SocketAddr> {
    let v4 = any::<[u8; 4]>().prop_map(IpAddr::from);
    let v6 = any::<[u8; 16]>().prop_map(IpAddr::from);
    (prop_oneof![v4, v6], any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port))
}

proptest! {
    #[test]
    fn addresses(a in address(), id in any::<[u8; 12]>()) {
        round_trip(MappedAddress(a), id);
        round_trip(XorMappedAddress(a), id);
        round_trip(XorPeerAddress(a), id);
        round_trip(XorRelayedAddress(a), id);
        round_trip(AlternateServer(a), id);
        round_trip(ResponseOrigin(a), id);
        round_trip(OtherAddress(a), id);
    }

    #[test]
    fn numbers(small in any::<u8>(), port in any::<u16>(), n in any::<u32>(), big in any::<u64>(), bit in any::<bool>()) {
        let id = [3; 12];
        round_trip(Lifetime(n), id);
        round_trip(ConnectionIdentifier(n), id);
        round_trip(ReservationToken(big), id);
        round_trip(ChannelNumber(port), id);
        round_trip(RequestedTransport(small), id);
        round_trip(RequestedAddressFamily(small), id);
        round_trip(AdditionalAddressFamily(small), id);
        round_trip(EvenPort { reserve: bit }, id);
        round_trip(Icmp { kind: small & 0x7f, code: small, data: n }, id);
        round_trip(ChangeRequest { change_ip: bit, change_port: !bit }, id);
        round_trip(ResponsePort(port), id);
        round_trip(Priority(n), id);
        round_trip(IceControlled(big), id);
        round_trip(IceControlling(big), id);
        round_trip(UserHash([small; 32]), id);
        round_trip(DontFragment, id);
        round_trip(UseCandidate, id);
        round_trip(PasswordAlgorithm(if bit { Algorithm::Md5 } else { Algorithm::Sha256 }), id);
    }

    #[test]
    fn text_and_bytes(text in "[a-zé]{0,60}", bytes in vec(any::<u8>(), 0..1200), code in 300u16..700) {
        round_trip_borrowed!(Username(&text), Username);
        round_trip_borrowed!(Realm(&text), Realm);
        round_trip_borrowed!(Nonce(&text), Nonce);
        round_trip_borrowed!(Software(&text), Software);
        round_trip_borrowed!(AlternateDomain(&text), AlternateDomain);
        round_trip_borrowed!(Data(&bytes), Data);
        round_trip_borrowed!(DtlsInStun(&bytes), DtlsInStun);
        let checksums = bytes.as_chunks().0;
        round_trip_borrowed!(DtlsInStunAck::new(checksums), DtlsInStunAck);
        round_trip_borrowed!(Padding(&bytes), Padding);
        round_trip_borrowed!(MobilityTicket(&bytes[..bytes.len().min(256)]), MobilityTicket);
        let error = ErrorCode { code, reason: &text };
        round_trip_borrowed!(error, ErrorCode);
        round_trip_borrowed!(AddressErrorCode { family: AddressFamily::V6, error }, AddressErrorCode);
        round_trip_borrowed!(PasswordAlgorithms::BOTH, PasswordAlgorithms);
    }

    #[test]
    fn headers(number in 0u16..0x1000, id in any::<[u8; 12]>(), class in 0usize..4) {
        let class = [Class::Request, Class::Indication, Class::Success, Class::Error][class];
        let method = Method::new(number).unwrap();
        let mut buf = [0; 20];
        Writer::new(&mut buf, class, method, TransactionId(id)).unwrap();
        let message = Message::parse(&buf).unwrap();
        prop_assert_eq!((message.class(), message.method(), message.transaction_id()), (class, method, TransactionId(id)));
    }

    /// A parsed message, written attribute by attribute, is the same bytes (padding is zero in ours).
    #[test]
    fn messages(attributes in vec((any::<u16>(), vec(any::<u8>(), 0..40)), 0..12)) {
        let key = Key::new(b"key");
        let mut buf = [0; 1000];
        let mut w = Writer::new(&mut buf, Class::Request, Method::ALLOCATE, TransactionId([5; 12])).unwrap();
        for (kind, value) in attributes.iter().filter(|(kind, _)| ![MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, FINGERPRINT].contains(kind)) {
            w.put_raw(*kind, value).unwrap();
        }
        w.put_integrity(&key, Integrity::Sha1).unwrap();
        w.put_fingerprint().unwrap();
        let len = w.len();
        let message = Message::parse(&buf[..len]).unwrap();
        prop_assert!(message.verify(&key));
        let mut again = [0; 1000];
        let mut w = Writer::new(&mut again, message.class(), message.method(), message.transaction_id()).unwrap();
        for a in message.attributes() {
            w.put_raw(a.kind, a.value).unwrap();
        }
        prop_assert_eq!(w.len(), len);
        prop_assert_eq!(&again[..len], &buf[..len]);
    }

    #[test]
    fn junk_is_malformed_or_readable(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert!(message.attributes().count() <= bytes.len());
        }
    }
}
