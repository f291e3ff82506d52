//! str0m: w3c.mjs describes the language. One machine and one socket, as its documentation drives them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rust_sides::{Film, Seen, Tallies, messages, tell, text};
use serde_json::{Value, json};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::config::DtlsVersion;
use str0m::format::Codec;
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use tokio::net::UdpSocket;

struct Side {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    pending: Option<SdpPendingOffer>,
    /// Channels that the next offer, or the open association, makes.
    wanted: Vec<ChannelConfig>,
    ours: HashSet<ChannelId>,
    labels: HashMap<ChannelId, String>,
    queue: VecDeque<(ChannelId, bool, Vec<u8>)>,
    tallies: Tallies,
    restart: bool,
    films: Vec<(Film, Option<Mid>)>,
    /// When the films began.
    began: Option<Instant>,
    seen: Seen,
    connected: bool,
}

impl Side {
    async fn new() -> Result<Self> {
        let socket = UdpSocket::bind((rust_sides::address()?, 0)).await?;
        let local = socket.local_addr()?;
        let mut rtc = Rtc::builder()
            .set_dtls_version(DtlsVersion::Auto)
            .set_sctp_max_buffered_amount(1 << 20)
            .build(Instant::now());
        rtc.add_local_candidate(Candidate::host(local, "udp")?).context("a candidate")?;
        Ok(Self {
            rtc,
            socket,
            local,
            pending: None,
            wanted: Vec::new(),
            ours: HashSet::new(),
            labels: HashMap::new(),
            queue: VecDeque::new(),
            tallies: Tallies::default(),
            restart: false,
            films: Vec::new(),
            began: None,
            seen: Seen::default(),
            connected: false,
        })
    }

    /// Does what the machine wants until it waits; until when.
    async fn drain(&mut self) -> Result<Instant> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => return Ok(at),
                Output::Transmit(datagram) => {
                    self.socket.send_to(&datagram.contents, datagram.destination).await?;
                }
                Output::Event(event) => self.happen(event),
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::ChannelOpen(id, label) => {
                let mut said = json!({ "event": "open", "label": label, "remote": !self.ours.contains(&id) });
                if let Some(config) = self.rtc.channel(id).as_ref().and_then(|channel| channel.config()) {
                    let (lifetime, retransmits) = match config.reliability {
                        Reliability::Reliable => (None, None),
                        Reliability::MaxPacketLifetime { lifetime } => (Some(lifetime), None),
                        Reliability::MaxRetransmits { retransmits } => (None, Some(retransmits)),
                    };
                    said["protocol"] = json!(config.protocol);
                    said["ordered"] = json!(config.ordered);
                    said["maxPacketLifeTime"] = json!(lifetime);
                    said["maxRetransmits"] = json!(retransmits);
                }
                self.labels.insert(id, label);
                tell(&said);
            }
            Event::ChannelData(data) => {
                if let Some(label) = self.labels.get(&data.id) {
                    self.tallies.message(label, data.binary, &data.data);
                }
            }
            Event::ChannelClose(id) => {
                tell(&json!({ "event": "closed", "label": self.labels.remove(&id) }));
            }
            Event::MediaAdded(added) => {
                let is_sound = added.kind == MediaKind::Audio;
                let film = self.films.iter_mut().find(|(film, _)| (film.codec == "OPUS") == is_sound);
                if let Some((_, mid)) = film {
                    *mid = Some(added.mid);
                }
            }
            Event::MediaData(data) => match data.params.spec().codec {
                Codec::Opus => self.seen.sound(),
                Codec::Vp8 | Codec::H264 => self.seen.picture(&data.data),
                _ => {}
            },
            _ => {}
        }
    }

    /// Writes one message that waits, if there is room. The machine is to be drained after each.
    fn write(&mut self) -> Result<bool> {
        let Some((id, binary, data)) = self.queue.front() else { return Ok(false) };
        let Some(mut channel) = self.rtc.channel(*id) else { return Ok(false) };
        if !channel.write(*binary, data)? {
            return Ok(false);
        }
        self.queue.pop_front();
        Ok(true)
    }

    /// When the next frame is due.
    fn due(&self) -> Option<Instant> {
        let began = self.began?;
        self.films.iter().filter(|(_, mid)| mid.is_some()).map(|(film, _)| began + film.due()).min()
    }

    /// Writes one frame that is due. The machine is to be drained after each.
    fn play(&mut self, now: Instant) -> Result<bool> {
        if !self.connected {
            return Ok(false);
        }
        let began = *self.began.get_or_insert(now);
        let Some((film, mid)) =
            self.films.iter_mut().find(|(film, mid)| mid.is_some() && began + film.due() <= now)
        else {
            return Ok(false);
        };
        let (codec, frequency) = match &*film.codec {
            "OPUS" => (Codec::Opus, Frequency::FORTY_EIGHT_KHZ),
            "H264" => (Codec::H264, Frequency::NINETY_KHZ),
            _ => (Codec::Vp8, Frequency::NINETY_KHZ),
        };
        let (due, data) = (film.due(), film.take());
        let time = MediaTime::from_micros(u64::try_from(due.as_micros())?).rebase(frequency);
        let writer = self.rtc.writer((*mid).context("a section")?).context("a writer")?;
        let known =
            writer.payload_params().find(|params| params.spec().codec == codec).map(|params| params.pt());
        writer.write(known.context("the codec was negotiated")?, now, time, data)?;
        Ok(true)
    }

    fn act(&mut self, task: &Value) -> Result<Value> {
        match &*text(task, "do") {
            "create" => self.create(task)?,
            "media" => {
                for name in ["video", "audio"] {
                    self.films.push((Film::open(&text(task, name))?, None));
                }
            }
            "offer" => return self.offer(),
            "answer" => {
                let offer = SdpOffer::from_sdp_string(&text(task, "sdp"))?;
                return Ok(json!(self.rtc.sdp_api().accept_offer(offer)?.to_sdp_string()));
            }
            "take" => {
                let answer = SdpAnswer::from_sdp_string(&text(task, "sdp"))?;
                let pending = self.pending.take().context("an offer of ours")?;
                self.rtc.sdp_api().accept_answer(pending, answer)?;
            }
            "candidate" => {
                let candidate = text(task, "candidate");
                if !candidate.is_empty() {
                    self.rtc.add_remote_candidate(Candidate::from_sdp_string(&candidate)?);
                }
            }
            "send" => {
                let (id, (binary, messages)) = (self.channel(task)?, messages(task)?);
                self.queue.extend(messages.into_iter().map(|data| (id, binary, data)));
            }
            "close channel" => {
                let id = self.channel(task)?;
                self.rtc.direct_api().close_data_channel(id);
            }
            "restart" => self.restart = true,
            "stats" => return Ok(json!({})),
            "close" => self.rtc.close()?,
            other => bail!("`{other}` is nothing that str0m can do"),
        }
        Ok(Value::Null)
    }

    fn channel(&self, task: &Value) -> Result<ChannelId> {
        let label = text(task, "label");
        let found = self.labels.iter().find(|(_, known)| **known == label);
        found.map(|(id, _)| *id).with_context(|| format!("there is no channel `{label}`"))
    }

    fn create(&mut self, task: &Value) -> Result<()> {
        let number = |name: &str| task[name].as_u64().map(u16::try_from).transpose();
        let reliability = match (number("maxRetransmits")?, number("maxPacketLifeTime")?) {
            (Some(retransmits), _) => Reliability::MaxRetransmits { retransmits },
            (None, Some(lifetime)) => Reliability::MaxPacketLifetime { lifetime },
            (None, None) => Reliability::Reliable,
        };
        let (label, protocol) = (text(task, "label"), text(task, "protocol"));
        let ordered = task["ordered"].as_bool().unwrap_or(true);
        let config = ChannelConfig { label, ordered, reliability, negotiated: None, protocol };
        if !self.connected {
            self.wanted.push(config);
            return Ok(());
        }
        let mut change = self.rtc.sdp_api();
        self.ours.insert(change.add_channel_with_config(config));
        // The first needs an offer, the others do not.
        if let Some((_, pending)) = change.apply() {
            self.pending = Some(pending);
        }
        Ok(())
    }

    fn offer(&mut self) -> Result<Value> {
        let mut change = self.rtc.sdp_api();
        for config in self.wanted.drain(..) {
            self.ours.insert(change.add_channel_with_config(config));
        }
        for (film, mid) in self.films.iter_mut().filter(|(_, mid)| mid.is_none()) {
            let kind = if film.codec == "OPUS" { MediaKind::Audio } else { MediaKind::Video };
            *mid = Some(change.add_media(kind, Direction::SendRecv, Some("film".into()), None, None));
        }
        if std::mem::take(&mut self.restart) {
            change.ice_restart(true);
        }
        let (offer, pending) = change.apply().context("something to offer")?;
        self.pending = Some(pending);
        Ok(json!(offer.to_sdp_string()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut side = Side::new().await?;
    let mut lines = BufReader::new(stdin()).lines();
    let mut buffer = vec![0; 2000];
    loop {
        let mut until = side.drain().await?;
        while side.write()? || side.play(Instant::now())? {
            until = side.drain().await?;
        }
        if !side.rtc.is_alive() {
            return Ok(());
        }
        let until =
            side.due().map_or(until, |due| due.min(until)).min(Instant::now() + Duration::from_secs(1));
        tokio::select! {
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                let task: Value = serde_json::from_str(&line)?;
                match side.act(&task) {
                    Ok(said) => tell(&json!({ "id": task["id"], "said": said })),
                    Err(error) => tell(&json!({ "id": task["id"], "error": format!("{error:#}") })),
                }
            }
            received = side.socket.recv_from(&mut buffer) => {
                let (len, source) = received?;
                if let Ok(contents) = buffer[..len].try_into() {
                    let receive = Receive { proto: Protocol::Udp, source, destination: side.local, contents };
                    side.rtc.handle_input(Input::Receive(Instant::now(), receive))?;
                }
            }
            () = tokio::time::sleep_until(until.into()) => side.rtc.handle_input(Input::Timeout(Instant::now()))?,
        }
    }
}
