//! A connection that does what lines of JSON tell it, and says what happens in lines of JSON: our side of
//! `cargo xtask interop`. `interop/stacks/w3c.mjs` describes the language, which the foreign stacks speak too.
//!
//! `interop_peer [1.2|1.3|tcp]` speaks that version of DTLS and no other, or TCP in place of UDP.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use endpoint::{Connection, Options, Tcp};
use peer::negotiation::{Description, OfferOptions, SdpType};
use peer::{ChannelConfig, ChannelId, Config, ConnectionState, DtlsVersion, Event, Kind, Peer, Reliability};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin, stdin};

#[path = "interop/media.rs"]
mod media;

type Failure = Box<dyn Error + Send + Sync>;

/// The offset and the prime of FNV-1a for 32 bits.
const FNV: (u32, u32) = (0x811c_9dc5, 0x0100_0193);

struct Side {
    connection: Connection,
    channels: BTreeMap<String, ChannelId>,
    labels: BTreeMap<ChannelId, String>,
    tallies: BTreeMap<String, Tally>,
    media: media::Media,
}

/// What came of a flood of messages, which are counted instead of shown.
struct Tally {
    messages: u32,
    bytes: usize,
    hash: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut config = Config::new(endpoint::certificate());
    let mut options = Options::default();
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("tcp") => (options.udp, options.tcp) = (false, Tcp::Passive { port: 0 }),
        Some("1.2") => config.dtls_versions = vec![DtlsVersion::Dtls12],
        Some("1.3") => config.dtls_versions = vec![DtlsVersion::Dtls13],
        Some(other) => return Err(format!("`{other}` is none of 1.2, 1.3 and tcp").into()),
    }
    let (connection, mut events) = Connection::start(config, &options)?;
    let (channels, labels, tallies, media) = Default::default();
    let mut side = Side { connection, channels, labels, tallies, media };
    let mut lines: Lines<BufReader<Stdin>> = BufReader::new(stdin()).lines();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => side.tell(event).await?,
                None => return Ok(()),
            },
            line = lines.next_line() => {
                let Some(line) = line? else { return Ok(()) };
                let task: Value = serde_json::from_str(&line)?;
                let id = &task["id"];
                match side.act(&task).await {
                    Ok(said) => println!("{}", json!({ "id": id, "said": said })),
                    Err(error) => println!("{}", json!({ "id": id, "error": error.to_string() })),
                }
                if task["do"] == "close" {
                    return Ok(());
                }
            }
        }
    }
}

fn text(task: &Value, name: &str) -> String {
    task[name].as_str().unwrap_or_default().to_owned()
}

impl Side {
    async fn act(&mut self, task: &Value) -> Result<Value, Failure> {
        match task["do"].as_str().unwrap_or_default() {
            "create" => self.create(task).await,
            "media" => {
                self.media.begin(&self.connection, task).await?;
                Ok(Value::Null)
            }
            "offer" => self.describe(None).await,
            "answer" => self.describe(Some(text(task, "sdp"))).await,
            "take" => {
                let answer = Description { kind: SdpType::Answer, sdp: text(task, "sdp") };
                self.connection.with(move |peer, now| peer.set_remote_description(now, &answer)).await??;
                Ok(Value::Null)
            }
            "candidate" => self.candidate(task).await,
            "send" => self.send(task),
            "close channel" => {
                let channel = self.channel(task)?;
                self.connection.with(move |peer, now| peer.close_data_channel(now, channel)).await?;
                Ok(Value::Null)
            }
            "restart" => {
                self.connection.with(|peer, _| peer.restart_ice()).await??;
                Ok(Value::Null)
            }
            "stats" => self.stats().await,
            "close" => {
                self.connection.with(Peer::close).await?;
                Ok(Value::Null)
            }
            other => Err(format!("`{other}` is nothing that can be done").into()),
        }
    }

    async fn create(&mut self, task: &Value) -> Result<Value, Failure> {
        let number = |name: &str| task[name].as_u64().and_then(|value| u32::try_from(value).ok());
        let reliability = match (number("maxRetransmits"), number("maxPacketLifeTime")) {
            (Some(most), _) => Reliability::Retransmits(most),
            (None, Some(ms)) => Reliability::Lifetime(Duration::from_millis(ms.into())),
            (None, None) => Reliability::Reliable,
        };
        let config = ChannelConfig {
            label: text(task, "label"),
            protocol: text(task, "protocol"),
            ordered: task["ordered"].as_bool().unwrap_or(true),
            reliability,
            ..ChannelConfig::default()
        };
        let label = config.label.clone();
        let channel = self.connection.with(move |peer, now| peer.create_data_channel(now, config)).await??;
        self.know(label, channel);
        Ok(Value::Null)
    }

    fn know(&mut self, label: String, channel: ChannelId) {
        self.labels.insert(channel, label.clone());
        self.channels.insert(label, channel);
    }

    fn channel(&self, task: &Value) -> Result<ChannelId, Failure> {
        let label = text(task, "label");
        self.channels.get(&label).copied().ok_or_else(|| format!("there is no channel `{label}`").into())
    }

    /// An answer to this offer, or an offer.
    async fn describe(&self, offer: Option<String>) -> Result<Value, Failure> {
        let local = move |peer: &mut Peer, now| -> Result<Option<Description>, Failure> {
            if let Some(sdp) = offer {
                peer.set_remote_description(now, &Description { kind: SdpType::Offer, sdp })?;
                peer.set_local_description(now, None)?;
            } else {
                let offer = peer.create_offer(OfferOptions::default())?;
                peer.set_local_description(now, Some(&offer))?;
            }
            Ok(peer.local_description())
        };
        let description = self.connection.with(local).await??.ok_or("no local description")?;
        Ok(json!(description.sdp))
    }

    async fn candidate(&self, task: &Value) -> Result<Value, Failure> {
        let (candidate, mid, ufrag) = (text(task, "candidate"), text(task, "mid"), text(task, "ufrag"));
        let index = task["index"].as_u64().and_then(|index| usize::try_from(index).ok());
        let add = move |peer: &mut Peer, now| {
            let ufrag = (!ufrag.is_empty()).then_some(&*ufrag);
            peer.add_ice_candidate(now, &candidate, Some(&mid), index, ufrag)
        };
        self.connection.with(add).await??;
        Ok(Value::Null)
    }

    /// Sends in the background, since messages may have to wait for room while others come in.
    fn send(&self, task: &Value) -> Result<Value, Failure> {
        let channel = self.channel(task)?;
        let (kind, data) = match task["kind"].as_str() {
            Some("text") => (Kind::Text, text(task, "data").into_bytes()),
            _ => (Kind::Binary, decode(&text(task, "data"))?),
        };
        let count = task["count"].as_u64().map(u32::try_from).transpose()?;
        let connection = self.connection.clone();
        tokio::spawn(async move {
            for n in 0..count.unwrap_or(1) {
                let mut data = data.clone();
                if let Some(count) = count {
                    data[..4].copy_from_slice(&n.to_be_bytes());
                    data[4..8].copy_from_slice(&count.to_be_bytes());
                }
                if let Err(error) = connection.send(channel, kind, data.into()).await {
                    return println!("{}", json!({ "event": "trouble", "what": error.to_string() }));
                }
            }
        });
        Ok(Value::Null)
    }

    async fn stats(&self) -> Result<Value, Failure> {
        let stats = self.connection.with(|peer, _| (peer.get_stats(), peer.selected_pair().cloned())).await?;
        let (stats, pair) = stats;
        let version = stats.security.map(|security| match security.version {
            DtlsVersion::Dtls12 => "1.2",
            DtlsVersion::Dtls13 => "1.3",
        });
        let pair = pair.map(|pair| {
            format!("{:?} {} > {}", pair.transport, pair.local, pair.remote).replace("Tcp", "TCP")
        });
        let carried = stats.ice.map_or((0, 0), |ice| (ice.embedded_sent, ice.embedded_received));
        let whole = format!("{stats:?}");
        Ok(json!({ "dtls": version, "carried": carried, "pair": pair, "whole": whole }))
    }

    async fn tell(&mut self, event: Event) -> Result<(), Failure> {
        let said = match event {
            Event::IceCandidate(Some(local)) => json!({
                "event": "candidate", "candidate": local.candidate, "mid": local.mid, "index": local.index,
                "ufrag": local.ufrag,
            }),
            Event::Frame(frame) => return self.media.take(&frame),
            Event::ConnectionState(state) => {
                if state == ConnectionState::Connected {
                    self.media.play(&self.connection);
                }
                json!({ "event": "state", "state": state.to_string() })
            }
            Event::SelectedPair(pair) => {
                json!({ "event": "pair", "pair": format!("{} > {}", pair.local, pair.remote) })
            }
            Event::DataChannel(channel, config) => {
                self.know(config.label.clone(), channel);
                opened(&config, true)
            }
            Event::ChannelOpened(channel) => {
                let config = move |peer: &mut Peer, _| peer.channel_config(channel).cloned();
                let Some(config) = self.connection.with(config).await? else { return Ok(()) };
                opened(&config, false)
            }
            Event::ChannelClosed(channel) => {
                json!({ "event": "closed", "label": self.labels.remove(&channel) })
            }
            Event::Message(channel, kind, data) => {
                let Some(label) = self.labels.get(&channel).cloned() else { return Ok(()) };
                match self.message(&label, kind, &data) {
                    Some(said) => said,
                    None => return Ok(()),
                }
            }
            Event::DtlsClosed(reason) => json!({ "event": "ended", "why": format!("DTLS: {reason:?}") }),
            Event::SctpClosed(reason) => json!({ "event": "ended", "why": format!("SCTP: {reason:?}") }),
            _ => return Ok(()),
        };
        println!("{said}");
        Ok(())
    }

    fn message(&mut self, label: &str, kind: Kind, data: &[u8]) -> Option<Value> {
        if !label.starts_with("flood") {
            return Some(match kind {
                Kind::Text => {
                    let text = String::from_utf8_lossy(data);
                    json!({ "event": "message", "label": label, "kind": "text", "data": text })
                }
                Kind::Binary => {
                    json!({ "event": "message", "label": label, "kind": "binary", "data": encode(data) })
                }
            });
        }
        let empty = Tally { messages: 0, bytes: 0, hash: FNV.0 };
        let tally = self.tallies.entry(label.to_owned()).or_insert(empty);
        tally.messages += 1;
        tally.bytes += data.len();
        tally.hash = data.iter().fold(tally.hash, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(FNV.1));
        let count = data.get(4..8).and_then(|count| count.try_into().ok()).map(u32::from_be_bytes);
        if count != Some(tally.messages) {
            return None;
        }
        let Tally { messages, bytes, hash } = self.tallies.remove(label)?;
        Some(json!({ "event": "tally", "label": label, "messages": messages, "bytes": bytes, "hash": hash }))
    }
}

fn opened(config: &ChannelConfig, remote: bool) -> Value {
    let (retransmits, lifetime) = match config.reliability {
        Reliability::Reliable => (None, None),
        Reliability::Retransmits(most) => (Some(most), None),
        Reliability::Lifetime(time) => (None, Some(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))),
    };
    json!({
        "event": "open", "label": config.label, "protocol": config.protocol, "ordered": config.ordered,
        "maxRetransmits": retransmits, "maxPacketLifeTime": lifetime, "remote": remote,
    })
}

/// Bytes in hexadecimal digits: what every language can read without help.
fn encode(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    let digits = |at: usize| text.get(at..at + 2).ok_or("an odd number of digits");
    (0..text.len()).step_by(2).map(|at| Ok(u8::from_str_radix(digits(at)?, 16)?)).collect()
}
