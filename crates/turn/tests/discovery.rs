//! Binding (RFC 8489), and NAT behaviour discovery (RFC 5780).

use crate::bench::{Answer, Bench, client, config, stream};
use stun::attribute::{
    ChangeRequest, Fingerprint, OtherAddress, Padding, ResponseOrigin, ResponsePort, UnknownAttributes,
    XorMappedAddress,
};
use stun::{Class, Message, Method, TransactionId, Writer};
use turn::{Alternate, Config, FiveTuple};
use wire::{Short, Transmit, Transport};

fn binding(fill: impl Fn(&mut Writer<'_>) -> Result<(), Short>) -> Vec<u8> {
    let mut buf = [0; 1500];
    let mut w = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([8; 12])).unwrap();
    fill(&mut w).unwrap();
    let len = w.len();
    buf[..len].to_vec()
}

fn discovery() -> Bench {
    let ips = [[198, 51, 100, 1].into(), [198, 51, 100, 2].into()];
    Bench::new(Config { alternate: Some(Alternate { ips, ports: [3478, 3479] }), ..config() })
}

/// Where the answer to a request goes, and the answer.
fn ask(bench: &mut Bench, fill: impl Fn(&mut Writer<'_>) -> Result<(), Short>) -> (Transmit, Vec<u8>) {
    assert!(bench.forward(client(1), &binding(fill)).is_none());
    let mut buf = [0; 1500];
    let transmit = bench.server.poll_transmit(bench.now, &mut buf).unwrap();
    (transmit, buf[..transmit.len].to_vec())
}

#[test]
fn a_binding_tells_the_mapped_address() {
    let mut bench = Bench::new(config());
    for from in [client(77), stream(78, Transport::Tcp)] {
        let answer: Answer = bench.raw(from, &binding(|w| w.put_fingerprint())).unwrap();
        assert_eq!(answer.get::<XorMappedAddress>(), Some(XorMappedAddress(from.remote)));
        assert_eq!(answer.message().check_fingerprint(), Fingerprint::Valid);
    }
    // A dual-stack socket shows IPv4 clients in the clothes of IPv6.
    let mapped = FiveTuple { remote: "[::ffff:192.0.2.7]:79".parse().unwrap(), ..client(79) };
    let answer = bench.raw(mapped, &binding(|_| Ok(()))).unwrap();
    assert_eq!(answer.get::<XorMappedAddress>(), Some(XorMappedAddress("192.0.2.7:79".parse().unwrap())));
    let answer = bench.raw(client(77), &binding(|_| Ok(()))).unwrap();
    assert!(answer.len() <= 32, "{} bytes answer 20", answer.len());
    let indication = {
        let mut buf = [0; 20];
        Writer::new(&mut buf, Class::Indication, Method::BINDING, TransactionId([8; 12])).unwrap();
        buf
    };
    assert!(bench.raw(client(77), &indication).is_none());
    let mut damaged = binding(|w| w.put_fingerprint());
    damaged[10] ^= 1;
    assert!(bench.raw(client(77), &damaged).is_none());
}

#[test]
fn what_is_not_offered_is_unknown() {
    let mut bench = Bench::new(config());
    let request = binding(|w| w.put(&ChangeRequest::default()).and_then(|()| w.put_raw(0x7001, b"")));
    let answer = bench.raw(client(1), &request).unwrap();
    assert_eq!(answer.code(), 420);
    assert_eq!(answer.get::<UnknownAttributes>().unwrap().kinds(), [0x7001, 0x0003]);
}

#[test]
fn answers_come_from_where_they_are_asked_to() {
    let mut bench = discovery();
    for (change_ip, change_port, from) in [
        (false, false, "198.51.100.1:3478"),
        (false, true, "198.51.100.1:3479"),
        (true, false, "198.51.100.2:3478"),
        (true, true, "198.51.100.2:3479"),
    ] {
        let (transmit, bytes) = ask(&mut bench, |w| w.put(&ChangeRequest { change_ip, change_port }));
        assert_eq!(transmit.from, from.parse().unwrap());
        assert_eq!(transmit.to, client(1).remote);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.get::<ResponseOrigin>(), Ok(Some(ResponseOrigin(transmit.from))));
        assert_eq!(
            message.get::<OtherAddress>(),
            Ok(Some(OtherAddress("198.51.100.2:3479".parse().unwrap())))
        );
        assert_eq!(message.get::<XorMappedAddress>(), Ok(Some(XorMappedAddress(client(1).remote))));
    }
}

#[test]
fn a_response_port_is_used_and_padding_is_no_amplifier() {
    let mut bench = discovery();
    let (transmit, _) = ask(&mut bench, |w| w.put(&ResponsePort(999)));
    assert_eq!(transmit.to, "192.0.2.7:999".parse().unwrap());
    let (transmit, _) = ask(&mut bench, |w| w.put(&Padding(&[0; 1000])));
    assert!((1000..1100).contains(&transmit.len));
    let (_, bytes) =
        ask(&mut bench, |w| w.put(&Padding(&[0; 1000])).and_then(|()| w.put(&ResponsePort(999))));
    assert_eq!(Message::parse(&bytes).unwrap().class(), Class::Error);
}

#[test]
fn streams_and_other_addresses_have_no_discovery() {
    let mut bench = discovery();
    let from = FiveTuple { local: "198.51.100.9:1".parse().unwrap(), ..client(1) };
    for from in [from, stream(1, Transport::Tcp)] {
        let answer = bench.raw(from, &binding(|w| w.put(&ChangeRequest::default()))).unwrap();
        assert_eq!(answer.code(), 420);
    }
}
