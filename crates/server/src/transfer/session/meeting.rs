//! The meeting: what the server says, and who comes and goes.

use anyhow::{Result, bail};
use serde_json::json;
use tokio::time::Instant;

use super::super::link::Link;
use super::{AGAIN, CONNECT, Call, GONE, Session, Wait};
use crate::client::servers;
use crate::client::signalling::Notice;
use crate::signal::protocol::{ClientMessage, EndReason, ErrorCode, ServerMessage};

impl Session<'_> {
    pub(super) async fn notice(&mut self, notice: Option<Notice>) -> Result<()> {
        match notice {
            None => bail!("the connection to the server has ended"),
            Some(Notice::Refused(message)) => bail!("the server refuses: {message}"),
            Some(Notice::Offline) => {
                let text = "The server is out of reach; trying again.";
                self.output.say("offline", json!({}), if self.connected { "" } else { text });
                Ok(())
            }
            Some(Notice::Welcome(welcome)) => {
                self.welcomed(&welcome);
                match (&self.call, welcome.lost) {
                    (_, false) => {}
                    (Some(call), true) => {
                        let rejoin =
                            ClientMessage::Rejoin { call: call.id.clone(), ticket: call.ticket.clone() };
                        self.signal.say(rejoin).await;
                    }
                    (None, true) => self.meet().await,
                }
                Ok(())
            }
            Some(Notice::Message(message)) => self.message(*message).await,
        }
    }

    async fn message(&mut self, message: ServerMessage) -> Result<()> {
        let ours = |id: &String| self.call.as_ref().is_some_and(|call| call.id == *id);
        match message {
            ServerMessage::Waiting { .. } => {
                self.output.say("waiting", json!({}), "Waiting for the other side …");
            }
            ServerMessage::Started { call, peer, polite, ticket, description, rejoined, .. } => {
                let again = ours(&call) && rejoined;
                self.call = Some(Call { id: call, ticket });
                self.started(&peer.name, polite, rejoined, again).await?;
                if let (Some(description), Some(link)) = (description, &mut self.link) {
                    link.describe(&description).await?;
                }
            }
            ServerMessage::Description { call, description, .. } if ours(&call) => {
                if let Some(link) = &mut self.link {
                    link.describe(&description).await?;
                    self.keep_generation();
                }
            }
            ServerMessage::Candidate { call, candidate, .. } if ours(&call) => {
                if let Some(link) = &mut self.link {
                    link.candidate(candidate).await?;
                }
            }
            ServerMessage::Peer { call, present } if ours(&call) => {
                self.present = present;
                self.watch_return();
            }
            ServerMessage::Ended { call, reason } if ours(&call) => self.ended(reason).await?,
            ServerMessage::Error { code, message, .. } => self.refused(code, &message).await?,
            _ => {}
        }
        Ok(())
    }

    async fn started(&mut self, name: &str, polite: bool, rejoined: bool, again: bool) -> Result<()> {
        self.present = true;
        self.meet_at = None;
        self.until = None;
        if let (true, Some(link)) = (again, &mut self.link) {
            link.set_polite(polite);
            return link.rejoined().await;
        }
        self.drop_link();
        let shown: String = name.chars().filter(|c| !c.is_control()).collect();
        self.output.say("met", json!({ "name": name }), &format!("{shown} is there; connecting …"));
        let mut config = peer::Config::new(endpoint::certificate());
        servers::configure(&mut config, &self.ice_servers).await;
        // Whoever had been in the call before makes a peer connection of the next generation.
        let before = self.plan.receiving.as_ref().map_or(0, |r| r.place.generation());
        let generation = if rejoined { before + 1 } else { 1 };
        let link = self.link.insert(Link::new(config, self.plan.connector.config(), polite, generation)?);
        if rejoined || !polite {
            link.open().await?;
        }
        self.until = Some((Instant::now() + CONNECT, Wait::Connecting));
        self.keep_generation();
        Ok(())
    }

    pub(super) fn keep_generation(&mut self) {
        if let (Some(link), Some(receiving)) = (&self.link, &mut self.plan.receiving) {
            receiving.place.keep_generation(link.generation);
        }
    }

    fn drop_link(&mut self) {
        self.link = None;
        self.closed();
        self.connected = false;
    }

    /// The channels are gone.
    pub(super) fn closed(&mut self) {
        self.greeted = false;
        self.open = false;
        self.sending = None;
        self.files.pause();
        self.output.pause();
    }

    /// Somebody whose path and socket are both gone may come back, for a while.
    pub(super) fn watch_return(&mut self) {
        let gone = !self.present && !self.connected;
        match self.until {
            None if gone && self.call.is_some() => self.until = Some((Instant::now() + GONE, Wait::Return)),
            Some((_, Wait::Return)) if !gone => self.until = None,
            _ => {}
        }
    }

    async fn refused(&mut self, code: ErrorCode, message: &str) -> Result<()> {
        match code {
            ErrorCode::RoomFull if self.plan.receiving.is_none() => {
                bail!("two people are at this code already; send again for another code")
            }
            ErrorCode::RoomFull | ErrorCode::RateLimited | ErrorCode::Draining | ErrorCode::BadCall => {
                if self.call.is_none() {
                    self.meet_at = Some(Instant::now() + AGAIN);
                }
                Ok(())
            }
            // What the call was is not known any more: both meet anew.
            ErrorCode::NoSuchCall | ErrorCode::BadTicket | ErrorCode::WrongState => {
                if !self.connected && self.call.take().is_some() {
                    self.drop_link();
                    self.meet().await;
                }
                Ok(())
            }
            ErrorCode::BadName
            | ErrorCode::BadRoom
            | ErrorCode::RoomLocked
            | ErrorCode::Encryption
            | ErrorCode::NotAllowed
            | ErrorCode::NoSuchMember
            | ErrorCode::NeedsToken
            | ErrorCode::BadDescription => bail!("the server refuses: {message}"),
        }
    }

    /// The call has ended at the server.
    async fn ended(&mut self, reason: EndReason) -> Result<()> {
        self.call = None;
        self.drop_link();
        let over = if self.plan.receiving.is_some() { self.files.all_received() } else { self.told_all };
        let left = reason == EndReason::HungUp && !self.other_program && self.other_page.is_some();
        let sender_left = reason == EndReason::HungUp && self.plan.receiving.is_some();
        if over && self.files.done + self.files.refused + self.files.failed > 0 {
            self.exit = Some(self.result());
            return Ok(());
        }
        if left || sender_left {
            bail!("the other side has hung up before everything had arrived");
        }
        self.output.say("left", json!({}), "The other side is gone; waiting for it to come back …");
        self.until = None;
        self.meet().await;
        Ok(())
    }

    pub(super) async fn late(&mut self) -> Result<()> {
        let now = Instant::now();
        if self.meet_at.is_some_and(|at| at <= now) {
            self.meet().await;
        }
        let Some((_, wait)) = self.until.filter(|(at, _)| *at <= now) else { return Ok(()) };
        self.until = None;
        match wait {
            Wait::Meeting if self.plan.receiving.is_some() => bail!(
                "nobody sends under the code {} at {}; is it right, and does the sender still wait?",
                self.plan.code,
                self.plan.address
            ),
            Wait::Meeting => bail!("nobody came within {} s", self.plan.patience.as_secs()),
            Wait::Connecting => bail!(
                "no path to the other side within {} s; `visavis check` says what the network allows",
                CONNECT.as_secs()
            ),
            Wait::Return => {
                if let Some(call) = self.call.take() {
                    self.signal.say(ClientMessage::End { call: call.id }).await;
                }
                self.drop_link();
                self.output.say("left", json!({}), "The other side is gone; waiting for it to come back …");
                self.meet().await;
                Ok(())
            }
        }
    }
}
