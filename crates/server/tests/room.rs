//! Rooms from end to end: a real server, real sockets, and pages that are the engine.

use serde_json::json;
use tokio::time::Instant;

use crate::room_link::Way;
use crate::room_page::{Book, Page};
use crate::support::{Folder, Server};

fn all_connected(count: usize) -> impl Fn(&Book) -> bool {
    move |book| {
        let others = book.members.iter().filter(|(number, _)| **number != book.you);
        book.members.len() == count && others.clone().all(|(_, connected)| *connected)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_becomes_a_conference_and_a_call_again() {
    three_meet(&[]).await;
}

/// Of three people one is on another thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conference_over_several_threads_is_like_any_other() {
    three_meet(&["--conference-thread", "1"]).await;
}

async fn three_meet(more: &[&str]) {
    let folder = Folder::new();
    let server = Server::start(&folder, &[&["--media-threads", "2"], more].concat());
    let ann = Page::open(server.http, 1).await;
    ann.meet("r");
    ann.until("she waits", |book| book.log.iter().any(|m| m["type"] == "waiting")).await;
    let bob = Page::open(server.http, 2).await;
    bob.meet("r");
    ann.sees(&[2], Way::Direct).await;
    bob.sees(&[1], Way::Direct).await;

    let before = Instant::now();
    let cyd = Page::open(server.http, 3).await;
    cyd.meet("r");
    cyd.sees(&[1, 2], Way::Forwarded).await;
    eprintln!("the third sees the two after {:?}", before.elapsed());
    ann.sees(&[2, 3], Way::Forwarded).await;
    bob.sees(&[1, 3], Way::Forwarded).await;
    ann.until("the call of two has ended", |book| book.direct.is_none() && book.conference.is_some()).await;
    for page in [&ann, &bob, &cyd] {
        page.until("all are connected", all_connected(3)).await;
    }
    // Sound of both others, and what somebody says is heard with their number.
    cyd.until("sound of both", |book| [1, 2].iter().all(|m| book.sounds.get(m).is_some_and(|n| *n > 10)))
        .await;
    let number = cyd.read(|book| book.you);
    cyd.chat(b"hello");
    let wanted = [&[0, 0, 0, u8::try_from(number).unwrap()][..], b"hello"].concat();
    ann.until("the message", |book| book.messages.contains(&wanted)).await;
    bob.until("the message", |book| book.messages.contains(&wanted)).await;
    // A larger tile gets a larger picture.
    ann.until("the small encoding", |book| book.heights.get(&3) == Some(&180)).await;
    ann.tiles(720);
    ann.until("the large encoding", |book| book.heights.get(&3) == Some(&720)).await;

    let gap = ann.read(|book| book.longest_gap(2, before));
    eprintln!("from two to three: {gap:?} without a picture at most");
    let again = Instant::now();
    let call = cyd.read(|book| book.conference.clone()).unwrap();
    cyd.say(json!({"type": "end", "call": call}));
    ann.sees(&[2], Way::Direct).await;
    bob.sees(&[1], Way::Direct).await;
    ann.until("the conference is left", |book| book.conference.is_none() && book.direct.is_some()).await;
    bob.until("the conference is left", |book| book.conference.is_none() && book.direct.is_some()).await;
    ann.sees(&[2], Way::Direct).await;
    let back = ann.read(|book| book.longest_gap(2, again));
    eprintln!("from three to two: {back:?} without a picture at most");
    // On a machine with nothing else to do it is a tenth of this.
    for gap in [gap, back] {
        assert!(gap.as_millis() < 1000, "no picture for {gap:?}");
    }
    let metrics = server.get("/metrics");
    let forwarded = metrics.text().lines().find(|l| l.starts_with("visavis_media_packets_forwarded_total"));
    let forwarded: f64 = forwarded.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(forwarded > 100.0, "{forwarded} packets were forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_vanishes_is_gone_after_a_while_and_who_comes_back_is_there() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--media-threads", "2", "--resume-timeout", "3s"]);
    let mut pages = Vec::new();
    for mark in 1..=3 {
        pages.push(Page::open(server.http, mark).await);
        pages.last().unwrap().meet("r");
        let here = |book: &Book| book.log.iter().any(|m| m["type"] == "waiting" || m["type"] == "started");
        let conference = |book: &Book| book.conference.is_some();
        pages.last().unwrap().until("they are in", |book| here(book) || conference(book)).await;
    }
    for page in &pages {
        page.until("all are connected", all_connected(3)).await;
    }
    // A broken socket is nothing to anybody.
    pages[1].reconnect();
    pages[1].until("the socket is there again", |book| book.welcomes == 2).await;
    pages[0].sees(&[2, 3], Way::Forwarded).await;
    assert!(pages[0].read(|book| book.log.iter().all(|m| m["type"] != "member-left")));
    pages.pop().unwrap().kill();
    let lost = |book: &Book| book.log.iter().any(|m| m["type"] == "member-left" && m["reason"] == "lost");
    pages[0].until("the third is lost", lost).await;
    pages[0].sees(&[2], Way::Direct).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conference_outlives_the_server() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let address = server.http;
    let pages = [Page::open(address, 1).await, Page::open(address, 2).await, Page::open(address, 3).await];
    for page in &pages {
        page.meet("r");
    }
    for page in &pages {
        page.until("all are connected", all_connected(3)).await;
    }
    let before = pages[0].read(|book| (book.conference.clone(), book.you));
    server.kill();
    let server = Server::start(&folder, &["--http", &address.to_string()]);
    for (page, others) in pages.iter().zip([[2, 3], [1, 3], [1, 2]]) {
        page.sees(&others, Way::Forwarded).await;
        page.until("all are connected", all_connected(3)).await;
    }
    assert_eq!(pages[0].read(|book| (book.conference.clone(), book.you)), before);
    drop(server);
}
