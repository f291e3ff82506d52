//! webrtc-rs: w3c.mjs describes the language.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bytes::BytesMut;
use rtc::interceptor::Registry;
use rtc::media::Sample;
use rtc::media::io::sample_builder::SampleBuilder;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::register_default_interceptors;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::{RTCAnswerOptions, RTCOfferOptions};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::transport::RTCIceCandidateInit;
use rtc::rtp::codec::{h264::H264Packet, vp8::Vp8Packet};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use rust_sides::{Film, Seen, Tallies, messages, tell, text};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use tokio::sync::Notify;
use webrtc::data_channel::{DataChannel, DataChannelEvent, RTCDataChannelInit};
use webrtc::media_stream::Track as _;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_sample::TrackLocalStaticSample;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCConfigurationBuilder,
    RTCIceGatheringState, RTCPeerConnectionIceEvent, RTCPeerConnectionState,
};
use webrtc::rtp_transceiver::RtpSender;
use webrtc::runtime::TokioRuntime;

#[derive(Default)]
struct Shared {
    channels: Mutex<HashMap<String, Arc<dyn DataChannel>>>,
    tallies: Mutex<Tallies>,
    seen: Mutex<Seen>,
    connected: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Handler(Arc<Shared>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if let Ok(init) = event.candidate.to_json() {
            tell(&json!({ "event": "candidate", "candidate": init.candidate, "mid": "0", "index": 0 }));
        }
    }

    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            tell(&json!({ "event": "candidate", "candidate": "", "mid": "0", "index": 0 }));
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tell(&json!({ "event": "state", "state": state.to_string() }));
        if state == RTCPeerConnectionState::Connected {
            self.0.connected.notify_one();
        }
    }

    async fn on_data_channel(&self, channel: Arc<dyn DataChannel>) {
        tokio::spawn(watch(self.0.clone(), channel, true));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let shared = self.0.clone();
        tokio::spawn(async move {
            if track.kind().await == RtpCodecKind::Audio {
                while let Some(event) = track.poll().await {
                    if let TrackRemoteEvent::OnRtpPacket(_) = event {
                        lock(&shared.seen).sound();
                    }
                }
                return;
            }
            let ssrc = track.ssrcs().await.first().copied().unwrap_or_default();
            let mime = track.codec(ssrc).await.map(|codec| codec.mime_type).unwrap_or_default();
            let mut vp8 = SampleBuilder::new(200, Vp8Packet::default(), 90_000);
            let mut h264 = SampleBuilder::new(200, H264Packet::default(), 90_000);
            let is_h264 = mime.eq_ignore_ascii_case("video/h264");
            while let Some(event) = track.poll().await {
                let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
                let now = Instant::now();
                if is_h264 {
                    h264.push(now, packet);
                    while let Some(sample) = h264.pop(now) {
                        lock(&shared.seen).picture(&sample.data);
                    }
                } else {
                    vp8.push(now, packet);
                    while let Some(sample) = vp8.pop(now) {
                        lock(&shared.seen).picture(&sample.data);
                    }
                }
            }
        });
    }
}

/// Tells what happens on a channel.
async fn watch(shared: Arc<Shared>, channel: Arc<dyn DataChannel>, remote: bool) {
    let label = channel.label().await.unwrap_or_default();
    lock(&shared.channels).insert(label.clone(), channel.clone());
    while let Some(event) = channel.poll().await {
        match event {
            DataChannelEvent::OnOpen => {
                let mut said = json!({
                    "event": "open", "label": label, "remote": remote,
                    "protocol": channel.protocol().await.unwrap_or_default(),
                    "ordered": channel.ordered().await.unwrap_or_default(),
                });
                // It does not know the limits of a channel that the other side opened.
                if !remote {
                    said["maxRetransmits"] = json!(channel.max_retransmits().await.unwrap_or_default());
                    said["maxPacketLifeTime"] =
                        json!(channel.max_packet_life_time().await.unwrap_or_default());
                }
                tell(&said);
            }
            DataChannelEvent::OnMessage(message) => {
                lock(&shared.tallies).message(&label, !message.is_string, &message.data);
            }
            DataChannelEvent::OnClose => break,
            _ => {}
        }
    }
    tell(&json!({ "event": "closed", "label": label }));
}

struct Side<P> {
    connection: P,
    shared: Arc<Shared>,
    restart: bool,
}

async fn connect(shared: Arc<Shared>) -> Result<impl PeerConnection> {
    let mut media = MediaEngine::default();
    media.register_default_codecs()?;
    let registry = register_default_interceptors(Registry::new(), &mut media)?;
    Ok(PeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_media_engine(media)
        .with_interceptor_registry(registry)
        .with_handler(Arc::new(Handler(shared)))
        .with_runtime(Arc::new(TokioRuntime))
        .with_udp_addrs(vec![format!("{}:0", rust_sides::address()?)])
        .with_tcp_addrs(vec![format!("{}:0", rust_sides::address()?)])
        .build()
        .await?)
}

impl<P: PeerConnection> Side<P> {
    async fn act(&mut self, task: &Value) -> Result<Value> {
        let connection = &self.connection;
        match &*text(task, "do") {
            "create" => {
                let number = |name: &str| task[name].as_u64().map(u16::try_from).transpose();
                let init = RTCDataChannelInit {
                    ordered: task["ordered"].as_bool().unwrap_or(true),
                    max_retransmits: number("maxRetransmits")?,
                    max_packet_life_time: number("maxPacketLifeTime")?,
                    protocol: text(task, "protocol"),
                    ..RTCDataChannelInit::default()
                };
                let channel = connection.create_data_channel(&text(task, "label"), Some(init)).await?;
                tokio::spawn(watch(self.shared.clone(), channel, false));
            }
            "media" => {
                for name in ["video", "audio"] {
                    self.film(Film::open(&text(task, name))?).await?;
                }
            }
            "offer" => {
                let ice_restart = std::mem::take(&mut self.restart);
                let offer = connection.create_offer(Some(RTCOfferOptions { ice_restart })).await?;
                connection.set_local_description(offer).await?;
                return Ok(json!(connection.local_description().await.context("an offer")?.sdp));
            }
            "answer" => {
                let offer = RTCSessionDescription::offer(text(task, "sdp"))?;
                connection.set_remote_description(offer).await?;
                let answer = connection.create_answer(None::<RTCAnswerOptions>).await?;
                connection.set_local_description(answer).await?;
                return Ok(json!(connection.local_description().await.context("an answer")?.sdp));
            }
            "take" => {
                let answer = RTCSessionDescription::answer(text(task, "sdp"))?;
                connection.set_remote_description(answer).await?;
            }
            "candidate" => {
                let init = RTCIceCandidateInit {
                    candidate: text(task, "candidate"),
                    sdp_mid: Some(text(task, "mid")),
                    sdp_mline_index: Some(0),
                    ..RTCIceCandidateInit::default()
                };
                if !init.candidate.is_empty() {
                    connection.add_ice_candidate(init).await?;
                }
            }
            "send" => self.send(task)?,
            "close channel" => self.channel(task)?.close().await?,
            "restart" => self.restart = true,
            "stats" => return Ok(json!({})),
            "close" => connection.close().await?,
            other => bail!("`{other}` is nothing that webrtc-rs can do"),
        }
        Ok(Value::Null)
    }

    fn channel(&self, task: &Value) -> Result<Arc<dyn DataChannel>> {
        let label = text(task, "label");
        lock(&self.shared.channels)
            .get(&label)
            .cloned()
            .with_context(|| format!("there is no channel `{label}`"))
    }

    /// Sends in the background, since messages may have to wait for room while others come in.
    fn send(&self, task: &Value) -> Result<()> {
        let (channel, (binary, messages)) = (self.channel(task)?, messages(task)?);
        tokio::spawn(async move {
            for data in messages {
                let sent = if binary {
                    channel.send(BytesMut::from(&data[..])).await
                } else {
                    channel.send_text(&String::from_utf8_lossy(&data)).await
                };
                if let Err(error) = sent {
                    return tell(&json!({ "event": "trouble", "what": error.to_string() }));
                }
            }
        });
        Ok(())
    }

    /// Sends a film, over and over.
    async fn film(&self, mut film: Film) -> Result<()> {
        let (kind, mime, clock_rate, channels, fmtp) = match &*film.codec {
            "OPUS" => (RtpCodecKind::Audio, "audio/opus", 48_000, 2, "minptime=10;useinbandfec=1"),
            "H264" => {
                let fmtp = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
                (RtpCodecKind::Video, "video/H264", 90_000, 0, fmtp)
            }
            _ => (RtpCodecKind::Video, "video/VP8", 90_000, 0, ""),
        };
        let (mime_type, sdp_fmtp_line) = (mime.to_owned(), fmtp.to_owned());
        let codec = RTCRtpCodec { mime_type, clock_rate, channels, sdp_fmtp_line, rtcp_feedback: vec![] };
        let ssrc = Some(if kind == RtpCodecKind::Audio { 1001 } else { 2002 });
        let rtp_coding_parameters = RTCRtpCodingParameters { ssrc, ..RTCRtpCodingParameters::default() };
        let encoding =
            RTCRtpEncodingParameters { rtp_coding_parameters, codec, ..RTCRtpEncodingParameters::default() };
        let name = |part: &str| format!("{part}-{}", film.codec);
        let track = MediaStreamTrack::new("film".into(), name("track"), name("label"), kind, vec![encoding]);
        let track = Arc::new(TrackLocalStaticSample::new(Instant::now(), track)?);
        let sender = self.connection.add_track(track.clone() as Arc<dyn TrackLocal>).await?;
        let (shared, mime) = (self.shared.clone(), mime.to_owned());
        tokio::spawn(async move {
            shared.connected.notified().await;
            shared.connected.notify_one();
            if let Err(error) = play(&track, &sender, &mut film, &mime).await {
                tell(&json!({ "event": "trouble", "what": error.to_string() }));
            }
        });
        Ok(())
    }
}

async fn play(
    track: &TrackLocalStaticSample,
    sender: &Arc<dyn RtpSender>,
    film: &mut Film,
    mime: &str,
) -> Result<()> {
    let ssrc = *track.ssrcs().await.first().context("a source")?;
    let parameters = sender.get_parameters().await?;
    let codecs = &parameters.rtp_parameters.codecs;
    let known = codecs.iter().find(|codec| codec.rtp_codec.mime_type.eq_ignore_ascii_case(mime));
    let payload_type = known.context("the codec was negotiated")?.payload_type;
    let began = tokio::time::Instant::now();
    loop {
        let due = film.due();
        let data = film.take().into();
        tokio::time::sleep_until(began + due).await;
        let duration = film.due().saturating_sub(due).max(Duration::from_millis(1));
        let sample = Sample { data, duration, ..Sample::new(Instant::now()) };
        track.sample_writer(ssrc, payload_type).write_sample(&sample).await?;
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<()> {
    let shared = Arc::new(Shared::default());
    let mut side = Side { connection: connect(shared.clone()).await?, shared, restart: false };
    let mut lines = BufReader::new(stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let task: Value = serde_json::from_str(&line)?;
        match side.act(&task).await {
            Ok(said) => tell(&json!({ "id": task["id"], "said": said })),
            Err(error) => tell(&json!({ "id": task["id"], "error": format!("{error:#}") })),
        }
    }
    Ok(())
}
