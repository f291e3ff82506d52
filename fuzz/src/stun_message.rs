use stun::attribute::*;
use stun::{Class, Key, Message, NonceCookie, TransactionId, Writer, rest};

/// Reads a message in every way there is. What is read and written again is read as the same.
pub fn stun_message(data: &[u8]) {
    let Ok(message) = Message::parse(data) else { return };
    assert!(Message::is_stun(data) || data[0] < 0x40);
    let key = Key::new(b"VOkJxbRl1RmTxUk/WvJxBt");
    let verified = message.verify(&key);
    assert!(!verified || message.integrity().is_some());
    let fingerprint = message.check_fingerprint();
    if let Some(unknown) = message.unknown_required() {
        assert!(!unknown.is_empty() && unknown.kinds().iter().all(|kind| *kind < 0x8000));
    }
    if let Ok(Some(Nonce(nonce))) = message.get() {
        let _ = NonceCookie::of(nonce);
    }
    if let Ok(Some(Username(name))) = message.get() {
        let _ = rest::split(name);
    }
    if let Ok(Some(algorithms)) = message.get::<PasswordAlgorithms<'_>>() {
        assert!(algorithms.known().count() <= algorithms.0.len() / 4);
    }
    values(&message);
    rewrite(&message, fingerprint);
}

/// The message written again has the same visible attributes.
fn rewrite(message: &Message<'_>, fingerprint: Fingerprint) {
    let mut buf = vec![0; message.bytes().len()];
    let mut w = Writer::new(&mut buf, message.class(), message.method(), message.transaction_id())
        .expect("a header fits where a message was");
    for attribute in message.attributes() {
        w.put_raw(attribute.kind, attribute.value).expect("what was read fits where it was");
    }
    let len = w.len();
    let again = Message::parse(&buf[..len]).expect("what is written is well-formed");
    assert!(again.attributes().eq(message.attributes()));
    assert_eq!(again.class(), message.class());
    assert_eq!(again.method(), message.method());
    if len == message.bytes().len() && buf == message.bytes() {
        assert_eq!(again.check_fingerprint(), fingerprint);
    }
}

/// Every typed attribute, written from its value, is read as the same value.
fn values(message: &Message<'_>) {
    fn check<'a, A: Attribute<'a> + PartialEq + std::fmt::Debug>(message: &Message<'a>, buf: &'a mut [u8]) {
        let Ok(Some(value)) = message.get::<A>() else { return };
        let id = message.transaction_id();
        let mut w = Writer::new(buf, Class::Request, message.method(), id).expect("a header fits");
        w.put(&value).expect("a value fits");
        let len = w.len();
        let buf: &'a [u8] = buf;
        let again = Message::parse(&buf[..len]).expect("what is written is well-formed");
        assert_eq!(again.get::<A>(), Ok(Some(value)));
        let _: TransactionId = id;
    }
    macro_rules! check {
        ($($kind:ty),*) => { $(check::<$kind>(message, &mut vec![0; message.bytes().len() + 64]);)* };
    }
    check!(MappedAddress, XorMappedAddress, XorPeerAddress, XorRelayedAddress, AlternateServer);
    check!(ResponseOrigin, OtherAddress, Lifetime, ConnectionIdentifier, ReservationToken, ChannelNumber);
    check!(RequestedTransport, RequestedAddressFamily, AdditionalAddressFamily, EvenPort, Icmp);
    check!(ChangeRequest, ResponsePort, Priority, IceControlled, IceControlling, UserHash, DontFragment);
    check!(UseCandidate, PasswordAlgorithm, UnknownAttributes);
    check!(Username<'_>, Realm<'_>, Nonce<'_>, Software<'_>, AlternateDomain<'_>, Data<'_>, Padding<'_>);
    check!(DtlsInStun<'_>, DtlsInStunAck<'_>);
    check!(MobilityTicket<'_>, ErrorCode<'_>, AddressErrorCode<'_>, PasswordAlgorithms<'_>);
}
