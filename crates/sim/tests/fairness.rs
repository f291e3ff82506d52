//! Our data channel next to TCP: neither starves.

use std::time::Duration;

use sim::bottleneck::{Algorithm, Link, Sender, run};

const OURS: Sender = Sender::DataChannel;
const RENO: Sender = Sender::Tcp(Algorithm::NewReno);
const CUBIC: Sender = Sender::Tcp(Algorithm::Cubic);
const DELAY: Duration = Duration::from_millis(50);
const BANDWIDTH_DELAY: u64 = 250_000;

fn link(queue: u64, loss: u64) -> Link {
    Link { rate: 20_000_000, queue, delay: DELAY, loss }
}

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The model itself: alone, each fills the link; with 1 % of random loss Reno has what Mathis et al. (1997) say; two of
/// a kind share evenly.
#[test]
fn the_model_of_tcp_behaves_like_tcp() {
    for sender in [RENO, CUBIC] {
        let alone = run(1, link(BANDWIDTH_DELAY, 0), &[(sender, seconds(0))], seconds(20), seconds(80))[0];
        assert!(alone > 17e6 && alone < 20e6, "{sender:?} alone has {alone}");
        let two = run(
            1,
            link(BANDWIDTH_DELAY, 0),
            &[(sender, seconds(0)), (sender, seconds(3))],
            seconds(40),
            seconds(160),
        );
        let share = two[0] / (two[0] + two[1]);
        assert!((0.35..0.65).contains(&share), "{sender:?} with its like: {two:?}");
    }
    let lossy = run(1, link(BANDWIDTH_DELAY, 10), &[(RENO, seconds(0))], seconds(20), seconds(140))[0];
    let mathis = 1448.0 * 8.0 / 0.1 * (1.5f64 / 0.01).sqrt();
    assert!(lossy > 0.6 * mathis && lossy < 1.4 * mathis, "{lossy} and not {mathis}");
}

/// Mbit/s of ours and of the other for a minute, the mean of either beginning first.
fn side_by_side(queue: u64, ours: Sender, other: Sender) -> [f64; 2] {
    let run = |ours_at, other_at| {
        let senders = [(ours, seconds(ours_at)), (other, seconds(other_at))];
        run(1, link(queue, 0), &senders, seconds(20), seconds(80))
    };
    let (first, second) = (run(0, 3), run(3, 0));
    [0, 1].map(|flow| (first[flow] + second[flow]) / 2e6)
}

/// A queue of half, one and two bandwidth-delay products. Next to CUBIC, which is what TCP is nowadays, each has at least
/// a quarter. NewReno has less than that next to anything that is not NewReno, but more next to us than next to CUBIC.
#[test]
fn next_to_tcp_neither_starves() {
    println!("100 ms, 20 Mbit/s, drop-tail; Mbit/s");
    for queue in [BANDWIDTH_DELAY / 2, BANDWIDTH_DELAY, BANDWIDTH_DELAY * 2] {
        let [with_cubic, cubic] = side_by_side(queue, OURS, CUBIC);
        let [with_reno, reno] = side_by_side(queue, OURS, RENO);
        let [theirs, least] = side_by_side(queue, CUBIC, RENO);
        println!(
            "queue {queue:>6}: ours {with_cubic:4.1} and CUBIC {cubic:4.1}; ours {with_reno:4.1} and NewReno {reno:4.1}; \
             CUBIC {theirs:4.1} and NewReno {least:4.1}"
        );
        let share = with_cubic / (with_cubic + cubic);
        assert!((0.25..=0.75).contains(&share), "queue {queue}: {share} next to CUBIC");
        assert!(reno > least && reno > 0.2 * (reno + with_reno), "queue {queue}: NewReno has {reno}");
        assert!(with_cubic + cubic > 15.0 && with_reno + reno > 15.0, "queue {queue}: the link is used");
    }
}

/// 1 % of random loss leaves TCP less than the link has. It must not get much less because of us, and we get more.
#[test]
fn with_random_loss_tcp_keeps_what_it_would_have() {
    println!("100 ms, 20 Mbit/s, 1 % loss; Mbit/s for two minutes");
    for other in [RENO, CUBIC] {
        let alone = run(1, link(BANDWIDTH_DELAY, 10), &[(other, seconds(0))], seconds(20), seconds(140))[0];
        let senders = [(OURS, seconds(0)), (other, seconds(3))];
        let rates = run(1, link(BANDWIDTH_DELAY, 10), &senders, seconds(20), seconds(140));
        println!(
            "{other:?}: alone {:.2}, next to us {:.2}, ours {:.2}",
            alone / 1e6,
            rates[1] / 1e6,
            rates[0] / 1e6
        );
        assert!(rates[1] > 0.25 * alone, "{other:?} has {} next to us, alone {alone}", rates[1]);
        assert!(rates[0] > 3.0 * alone, "ours has {}", rates[0]);
    }
}
