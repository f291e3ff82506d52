//! What the rendezvous has for a socket and the socket has not sent yet.

use std::future::poll_fn;
use std::mem;
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

use super::bus::Welcome;
use super::protocol::{Refusal, ServerFrame};

/// Something to send.
pub(super) enum Item {
    Welcome(Welcome),
    Frame(ServerFrame),
    /// Say why and close.
    Close(Refusal, String),
}

/// A queue from the rendezvous to one socket. It takes no memory while it is empty, which is nearly always.
///
/// Bounded: what does not fit closes the socket, and the session sends it again on the next one.
#[derive(Default)]
pub(super) struct Outbox(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    items: Vec<Item>,
    waker: Option<Waker>,
}

/// Most items waiting for a socket.
const MOST: usize = 1024;

impl Outbox {
    pub(super) fn push(&self, item: Item) {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.items.len() > MOST {
            return; // already told to close
        }
        let full = queue.items.len() == MOST;
        queue.items.push(if full {
            Item::Close(Refusal::Limit, "this socket takes what it is sent too slowly".to_owned())
        } else {
            item
        });
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }

    /// Everything there is, as soon as there is something.
    pub(super) async fn next(&self) -> Vec<Item> {
        poll_fn(|context| {
            let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !queue.items.is_empty() {
                return Poll::Ready(mem::take(&mut queue.items));
            }
            if !queue.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
                queue.waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}
