//! What a session waits for; each may be dropped and called again at any time.

use std::future::{Future, pending};
use std::pin::Pin;

use anyhow::Result;
use tokio::time::{Instant, sleep_until};

use super::super::disk::Done;
use super::super::link::{Link, Wake};
use super::super::prompt::Answer;
use super::{Receiving, Sent};

pub(super) async fn wait(link: &mut Option<Link>) -> Result<Wake> {
    match link {
        Some(link) => link.wait().await,
        None => pending().await,
    }
}

pub(super) async fn poll(sending: &mut Option<Pin<Box<dyn Future<Output = Sent> + Send>>>) -> Sent {
    match sending {
        Some(sending) => sending.await,
        None => pending().await,
    }
}

/// What happens on this machine.
pub(super) enum Here {
    Disk(Done),
    Person(Answer),
}

pub(super) async fn here(receiving: &mut Option<Receiving>) -> Here {
    let Some(Receiving { disk, prompt, .. }) = receiving else { return pending().await };
    let answer = async {
        match prompt {
            Some(prompt) => prompt.next().await,
            None => pending().await,
        }
    };
    tokio::select! {
        done = disk.next() => Here::Disk(done),
        answer = answer => Here::Person(answer),
    }
}

pub(super) async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
