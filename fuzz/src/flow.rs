use flow::payload::{Format, Superframe};
use flow::{StreamId, receive, send};
use rtp::extension::{Elements, Kind, Map};
use rtp::rtcp::{self, Nack, NackEntry, Pli, Twcc};
use rtp::{Header, Writer};
use std::time::Duration;
use wire::{Instant, Reader, Rng, Short};

const FORMATS: [Format; 5] = [Format::Opus, Format::Vp8, Format::Vp9, Format::H264, Format::Av1];
const MAX_PACKETS: usize = 64;
const MAX_FRAMES: usize = 8;

/// The first byte chooses the format and the size of packets. The rest is a frame, which survives its packets, and a list of
/// payloads, which never make more than they hold.
pub fn flow_payload(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let format = FORMATS[usize::from(first % 5)];
    let max = 16 + usize::from(first / 5) * 4;
    let through = |frame: &[u8]| {
        let (mut back, mut superframe, mut ended) = (Vec::new(), Superframe::default(), false);
        format.packetize(frame, 0x7ff0.into(), max, &mut |parts, last| {
            let payload = parts.concat();
            assert!(!ended && (payload.len() <= max || format == Format::Opus));
            format.glimpse(&payload).expect("what is made is well-formed");
            let taken = format.depacketize(&payload, &mut back, &mut superframe);
            taken.expect("what is made is well-formed");
            ended = last;
        });
        superframe.conclude(&mut back);
        assert!(ended || back.is_empty(), "a last packet ends the frame");
        back
    };
    let back = through(rest);
    if matches!(format, Format::H264 | Format::Av1) {
        // Start codes and sizes of other lengths become equal once.
        assert_eq!(through(&back), back);
    } else {
        assert_eq!(back, rest);
    }
    let (mut payloads, mut frame, mut superframe) = (rest, Vec::new(), Superframe::default());
    while let [len, tail @ ..] = payloads {
        let (payload, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        payloads = tail;
        let before = frame.len();
        let seen = format.glimpse(payload);
        if format.depacketize(payload, &mut frame, &mut superframe).is_ok() {
            assert!(seen.is_ok(), "what is taken can be looked at");
        }
        // An element of a byte takes two bytes and becomes five.
        assert!(frame.len() <= before + payload.len() * 3 + 4);
    }
    let before = frame.len();
    superframe.conclude(&mut frame);
    assert!(frame.len() <= before + 2 + 4 * 8, "an index has eight lengths at most");
}

/// Plays a list of commands on a sender and a receiver: frames, packets lost and junk, feedback true and false, streams that
/// come and go, and time. Memory stays bounded, and neither wants to be called for ever.
pub fn flow_machines(data: &[u8]) {
    let mut world = World::new();
    let mut commands = Reader::new(data);
    while world.play(&mut commands).is_ok() {}
}

struct World {
    now: Instant,
    map: Map,
    sender: send::Sender,
    receiver: receive::Receiver,
    sending: Vec<StreamId>,
    receiving: Vec<StreamId>,
    timestamp: u32,
    /// Packets are lost while it is set.
    lossy: bool,
}

impl World {
    fn new() -> Self {
        let mut map = Map::default();
        map.set(Kind::TransportSequence, 1).expect("the identifier is free");
        let now = Instant::ZERO;
        let sending = send::Config { history: MAX_PACKETS, ..send::Config::default() };
        let receiving = receive::Config {
            extensions: map,
            max_packets: MAX_PACKETS,
            max_frames: MAX_FRAMES,
            ..receive::Config::default()
        };
        Self {
            now,
            map,
            sender: send::Sender::new(sending, Rng::from_number(1), now),
            receiver: receive::Receiver::new(receiving, Rng::from_number(2), now),
            sending: Vec::new(),
            receiving: Vec::new(),
            timestamp: 0,
            lossy: false,
        }
    }

    fn play(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        match commands.u8()? % 10 {
            0 => self.now += Duration::from_millis(commands.u8()?.into()),
            1 => self.add(commands.u8()?),
            2 => {
                let [which, len, keyframe] = commands.array()?;
                self.timestamp = self.timestamp.wrapping_add(3000);
                let data = vec![which; usize::from(len) * 40];
                let frame = send::Frame {
                    data: &data,
                    timestamp: self.timestamp,
                    keyframe: keyframe & 1 == 1,
                    ..send::Frame::default()
                };
                let id = self.sending.get(usize::from(which) % 8).copied();
                // Refused frames are what a congested path gives.
                let _: Option<Result<(), send::SendError>> =
                    id.map(|id| self.sender.send_frame(self.now, id, &frame));
            }
            3 => self.lossy = !self.lossy,
            4 => self.packet(commands)?,
            5 => {
                let len = usize::from(commands.u8()?);
                let bytes = commands.take(len.min(commands.rest().len()))?;
                self.receiver.handle_rtp(self.now, bytes);
                self.receiver.handle_rtcp(self.now, bytes);
                self.sender.handle_rtcp(self.now, bytes);
            }
            6 => self.feedback(commands)?,
            7 => {
                let which = usize::from(commands.u8()?);
                if which < self.sending.len() {
                    self.sender.remove_stream(self.sending.remove(which));
                }
                if which < self.receiving.len() {
                    self.receiver.remove_stream(self.receiving.remove(which));
                }
            }
            8 => while self.receiver.poll_event().is_some() {},
            _ => self.receiver.set_round_trip(Duration::from_millis(commands.u16()?.into())),
        }
        self.drain();
        Ok(())
    }

    fn add(&mut self, which: u8) {
        let format = FORMATS[usize::from(which % 5)];
        let (ssrc, rtx) = (u32::from(which % 8), 100 + u32::from(which % 8));
        let config = send::StreamConfig {
            ssrc,
            payload_type: 96,
            format,
            rtx: (which & 64 == 0).then_some(send::Rtx { ssrc: rtx, payload_type: 97 }),
            mid: None,
            rid: None,
            extensions: self.map,
        };
        self.sending.extend(self.sender.add_stream(self.now, config));
        let config = receive::StreamConfig {
            ssrc,
            formats: vec![(96, format)],
            rtx: Some(rtx),
            rtx_types: vec![(97, 96)],
            nack: true,
            pli: true,
            forward: which & 32 != 0,
        };
        self.receiving.extend(self.receiver.add_stream(self.now, config));
    }

    /// A packet that the sender did not make.
    fn packet(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let [ssrc, kind, len] = commands.array()?;
        let header = Header {
            marker: kind & 1 == 1,
            payload_type: 96 + (kind >> 1 & 1),
            sequence_number: commands.u16()?,
            timestamp: (kind >> 4).into(),
            ssrc: u32::from(ssrc % 8) + if kind & 4 == 0 { 0 } else { 100 },
        };
        let number = commands.u16()?;
        let payload = commands.take(usize::from(len).min(commands.rest().len()))?;
        let mut buf = [0; 400];
        let mut w = Writer::new(&mut buf, &header, &[])?;
        let elements = Elements { transport_sequence: Some(number), ..Elements::default() };
        w.elements(&elements, &self.map).map_err(|_| Short)?;
        w.payload(payload)?;
        let len = w.finish();
        self.receiver.handle_rtp(self.now, &buf[..len]);
        Ok(())
    }

    /// Feedback that says anything of anything.
    fn feedback(&mut self, commands: &mut Reader<'_>) -> Result<(), Short> {
        let [media, kind] = commands.array()?;
        let (media, first, following) = (u32::from(media % 8), commands.u16()?, commands.u16()?);
        let entries = [NackEntry { first, following }];
        let ticks: Vec<Option<i64>> =
            (0..i64::from(kind)).map(|i| (following >> (i % 16) & 1 == 1).then_some(i * i * 7)).collect();
        let mut scratch = [0; 600];
        let mut buf = [0; 700];
        let mut w = rtcp::Writer::new(&mut buf);
        match kind % 3 {
            0 => {
                w.put(&rtcp::Packet::Nack(Nack { sender: 1, media, entries: (&entries).into() }))?;
            }
            1 => w.put(&rtcp::Packet::Pli(Pli { sender: 1, media }))?,
            _ => {
                if let Some((twcc, _)) = Twcc::make(&mut scratch, (1, media, kind), first, &ticks) {
                    w.put(&rtcp::Packet::Twcc(twcc))?;
                }
            }
        }
        let len = w.len();
        self.sender.handle_rtcp(self.now, &buf[..len]);
        Ok(())
    }

    /// All that there is to send arrives, unless it is lost; then both rest.
    fn drain(&mut self) {
        self.sender.handle_timeout(self.now);
        self.receiver.handle_timeout(self.now);
        let mut buf = [0; 1500];
        let mut packets = 0;
        while let Some(len) = self.sender.poll_transmit(self.now, &mut buf) {
            packets += 1;
            assert!(len <= 1200 && packets < 1000, "{packets} packets at once");
            if !self.lossy {
                self.receiver.handle_rtp(self.now, &buf[..len]);
            }
        }
        packets = 0;
        while let Some(len) = self.receiver.poll_transmit(self.now, &mut buf) {
            packets += 1;
            assert!(len <= 1200 && packets < 1000, "{packets} reports at once");
            if !self.lossy {
                self.sender.handle_rtcp(self.now, &buf[..len]);
            }
        }
        while self.sender.poll_event().is_some() {}
        assert!(
            self.receiver.poll_timeout().is_none_or(|due| due > self.now),
            "the receiver passed over a deadline"
        );
        let (min, max) = (50_000, 20_000_000);
        assert!((min..=max).contains(&self.sender.estimator().target()));
    }
}
