//! One peer connection of a page without a browser.

use std::net::{IpAddr, Ipv4Addr};

use endpoint::{Connection, Events};
use peer::negotiation::{Description, Direction, MediaKind, SdpType, TransceiverId, TransceiverInit};
use peer::{ChannelConfig, ChannelId, Event, Format, Frame, Peer, StreamId};

/// The encodings of the camera and the bytes of their pictures.
pub(crate) const ENCODINGS: [(&str, usize, u16); 3] = [("l", 400, 180), ("m", 1200, 360), ("h", 3000, 720)];
/// How something came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    Direct,
    Forwarded,
}

/// One peer connection.
pub(crate) struct Link {
    pub(crate) call: String,
    pub(crate) way: Way,
    pub(crate) connection: Connection,
    pub(crate) events: Events,
    pub(crate) microphone: Option<TransceiverId>,
    pub(crate) camera: Option<TransceiverId>,
    pub(crate) channel: Option<ChannelId>,
    /// Which encodings must begin with a keyframe.
    pub(crate) keyframes: [bool; 3],
}

impl Link {
    pub(crate) fn new(call: &str, way: Way) -> Self {
        let loopback = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let options = endpoint::Options { addresses: loopback, ..endpoint::Options::default() };
        let config = peer::Config::new(endpoint::certificate());
        let (connection, events) = Connection::start(config, &options).unwrap();
        Self {
            call: call.to_owned(),
            way,
            connection,
            events,
            microphone: None,
            camera: None,
            channel: None,
            keyframes: [true; 3],
        }
    }

    /// What is sent, and for a conference the slots.
    pub(crate) async fn prepare(&mut self) {
        let forwarded = self.way == Way::Forwarded;
        let add = move |peer: &mut Peer, now| {
            let one = |peer: &mut Peer, kind, direction, rids: &[(&str, usize, u16)]| {
                let send_rids = rids.iter().map(|(rid, ..)| (*rid).to_owned()).collect();
                let init = TransceiverInit { direction, send_rids, ..TransceiverInit::default() };
                peer.with_negotiator(|n| n.add_transceiver(kind, init)).unwrap()
            };
            if !forwarded {
                let microphone = one(peer, MediaKind::Audio, Direction::SendRecv, &[]);
                return (microphone, one(peer, MediaKind::Video, Direction::SendRecv, &[]), None);
            }
            let microphone = one(peer, MediaKind::Audio, Direction::SendOnly, &[]);
            let camera = one(peer, MediaKind::Video, Direction::SendOnly, &ENCODINGS);
            let channel = |peer: &mut Peer, id| {
                let config = ChannelConfig { negotiated: Some(StreamId(id)), ..ChannelConfig::default() };
                peer.create_data_channel(now, config).unwrap()
            };
            channel(peer, 0);
            let channel = channel(peer, 1);
            for _ in 0..4 {
                one(peer, MediaKind::Audio, Direction::RecvOnly, &[]);
                one(peer, MediaKind::Video, Direction::RecvOnly, &[]);
            }
            (microphone, camera, Some(channel))
        };
        let (microphone, camera, channel) = self.connection.with(add).await.unwrap();
        (self.microphone, self.camera, self.channel) = (Some(microphone), Some(camera), channel);
    }

    pub(crate) async fn offer(&self) -> String {
        let offer = |peer: &mut Peer, now| {
            peer.set_local_description(now, None).unwrap();
            peer.local_description().unwrap().sdp
        };
        self.connection.with(offer).await.unwrap()
    }

    /// Takes a description; the answer, if it was an offer.
    pub(crate) async fn describe(&mut self, kind: &str, sdp: &str) -> Option<String> {
        let offered = kind == "offer";
        let kind = if offered { SdpType::Offer } else { SdpType::Answer };
        let description = Description { kind, sdp: sdp.to_owned() };
        let take = move |peer: &mut Peer, now| {
            peer.set_remote_description(now, &description).unwrap();
            if !offered {
                return None;
            }
            let ids = peer.with_negotiator(|n| {
                let ids: Vec<_> = n.transceivers().iter().map(|t| (t.id(), t.kind())).collect();
                for (id, _) in &ids {
                    n.set_direction(*id, Direction::SendRecv).unwrap();
                }
                ids
            });
            peer.set_local_description(now, None).unwrap();
            Some((ids, peer.local_description().unwrap().sdp))
        };
        let (ids, answer) = self.connection.with(take).await.unwrap()?;
        let of = |kind| ids.iter().find(|(_, k)| *k == kind).map(|(id, _)| *id);
        (self.microphone, self.camera) = (of(MediaKind::Audio), of(MediaKind::Video));
        Some(answer)
    }

    pub(crate) async fn send(&mut self, mark: u8, count: u32) {
        let (Some(microphone), Some(camera)) = (self.microphone, self.camera) else { return };
        let (forwarded, keyframes) = (self.way == Way::Forwarded, self.keyframes);
        let send = move |peer: &mut Peer, now| {
            let sound = vec![mark; 80];
            let frame = Frame { data: &sound, timestamp: count * 1920, ..Frame::default() };
            // Before the connection is there, nothing is sent.
            let _ = peer.send_frame(now, microphone, &frame);
            let encodings = if forwarded { &ENCODINGS[..] } else { &ENCODINGS[1..2] };
            let mut keyframes = keyframes;
            for (index, (rid, bytes, height)) in encodings.iter().enumerate() {
                let data = picture(mark, *bytes, *height, keyframes[index]);
                let frame = Frame {
                    data: &data,
                    timestamp: count * 3600,
                    keyframe: keyframes[index],
                    rid: forwarded.then_some(*rid),
                    format: Some(Format::Vp8),
                    ..Frame::default()
                };
                keyframes[index] = peer.send_frame(now, camera, &frame).is_err();
            }
            keyframes
        };
        if let Ok(keyframes) = self.connection.with(send).await {
            self.keyframes = keyframes;
        }
    }
}

/// A picture of VP8 by its beginning (RFC 6386 §9.1), and else by whose it is.
pub(crate) fn picture(mark: u8, bytes: usize, height: u16, keyframe: bool) -> Vec<u8> {
    let mut data = vec![mark; bytes];
    data[0] = u8::from(!keyframe);
    if keyframe {
        data[3..6].copy_from_slice(&[0x9d, 0x01, 0x2a]);
        data[6..8].copy_from_slice(&(height * 16 / 9).to_le_bytes());
        data[8..10].copy_from_slice(&height.to_le_bytes());
    }
    data
}

pub(crate) async fn next(link: &mut Option<Link>) -> Option<Event> {
    match link {
        Some(link) => link.events.next().await,
        None => std::future::pending().await,
    }
}
