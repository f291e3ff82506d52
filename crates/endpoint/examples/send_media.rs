//! Sends files to a browser: `send_media picture.ivf sound.ogg`. Prints an offer that ends with a line of one dot, and
//! reads the answer in the same form.
//!
//! ```text
//! ffmpeg -i film.mkv -c:v libvpx -g 60 -an picture.ivf
//! ffmpeg -i film.mkv -c:a libopus -vn sound.ogg
//! ```

use std::error::Error;
use std::time::Duration;

use endpoint::{Connection, Events, Options};
use peer::negotiation::{Description, Direction, MediaKind, SdpType, TransceiverId, TransceiverInit};
use peer::{Config, ConnectionState, Event, Format};
use tokio::time::{Instant, timeout_at};

#[path = "containers/read.rs"]
mod read;

type Failure = Box<dyn Error + Send + Sync>;

/// A file on its way.
struct Track {
    transceiver: TransceiverId,
    format: Format,
    frames: Vec<read::Frame>,
    next: usize,
    /// When the frame at the beginning of the file is due, from the beginning of the film.
    shift: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let (connection, mut events) =
        Connection::start(Config::new(endpoint::certificate()), &Options::default())?;
    let mut tracks = Vec::new();
    for path in std::env::args().skip(1) {
        let (format, frames) = read::frames(&std::fs::read(&path)?)
            .ok_or_else(|| format!("{path} is neither IVF with VP8 or VP9 nor Ogg with Opus"))?;
        let kind = if format.is_video() { MediaKind::Video } else { MediaKind::Audio };
        let init = TransceiverInit {
            direction: Direction::SendOnly,
            streams: vec!["film".to_owned()],
            ..TransceiverInit::default()
        };
        let add = move |peer: &mut peer::Peer, _| peer.with_negotiator(|n| n.add_transceiver(kind, init));
        let transceiver = connection.with(add).await??;
        tracks.push(Track { transceiver, format, frames, next: 0, shift: Duration::ZERO });
    }
    connection.with(|peer, now| peer.set_local_description(now, None)).await??;
    while !matches!(events.next().await.ok_or("ended")?, Event::IceCandidate(None)) {}
    let offer = connection.with(|peer, _| peer.local_description()).await?.ok_or("no offer")?;
    println!("{}.", offer.sdp);
    let lines = std::io::stdin().lines().map_while(Result::ok).take_while(|line| line != ".");
    let sdp = lines.map(|line| line + "\r\n").collect();
    let answer = Description { kind: SdpType::Answer, sdp };
    connection.with(move |peer, now| peer.set_remote_description(now, &answer)).await??;
    while events.next().await.ok_or("ended")? != Event::ConnectionState(ConnectionState::Connected) {}
    play(&connection, &mut events, tracks).await
}

/// Sends every frame when it is due.
async fn play(connection: &Connection, events: &mut Events, mut tracks: Vec<Track>) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        let next =
            tracks.iter_mut().filter_map(|track| Some((track.due()?, track))).min_by_key(|(due, _)| *due);
        let Some((due, track)) = next else { return Ok(()) };
        match timeout_at(start + due, events.next()).await {
            Err(_) => track.send(connection, due).await?,
            Ok(Some(Event::KeyframeRequested { transceiver, .. })) => {
                // An encoder would make one; a file has one at its beginning.
                let track = tracks.iter_mut().find(|track| track.transceiver == transceiver);
                track.into_iter().for_each(|track| (track.next, track.shift) = (0, start.elapsed()));
            }
            Ok(Some(Event::Target(rate))) => eprintln!("the path carries {rate} bit/s"),
            Ok(None | Some(Event::DtlsClosed(_))) => return Ok(()),
            Ok(Some(_)) => {}
        }
    }
}

impl Track {
    fn due(&self) -> Option<Duration> {
        Some(self.frames.get(self.next)?.due + self.shift)
    }

    async fn send(&mut self, connection: &Connection, due: Duration) -> Result<(), Failure> {
        let (id, format, keyframe) = (self.transceiver, self.format, self.frames[self.next].keyframe);
        let data = self.frames[self.next].data.clone();
        let ticks = due.as_nanos() * u128::from(format.clock_rate()) / 1_000_000_000;
        let timestamp = u32::try_from(ticks & u128::from(u32::MAX))?;
        self.next += 1;
        let send = move |peer: &mut peer::Peer, now| {
            let format = Some(format);
            let frame = peer::Frame { data: &data, timestamp, keyframe, format, ..peer::Frame::default() };
            peer.send_frame(now, id, &frame)
        };
        match connection.with(send).await? {
            // The path is full for now: pictures go on with the next keyframe. Or the other one has just left: the next event
            // says so.
            Ok(()) | Err(peer::MediaError::Refused(_) | peer::MediaError::NotConnected) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
