//! Offers of browsers and other stacks: our answer follows the rules, and takes what can be taken.

use crate::rules;
use crate::support::{config, events};
use peer::negotiation::*;
use sdp::Session;
use std::path::Path;
use wire::Rng;

/// Every captured offer, and the answer to it by the same stack.
pub(crate) fn offers() -> Vec<(String, String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/sdp");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let names = files.iter().filter_map(|path| path.file_name()?.to_str()?.strip_suffix("-offer.sdp"));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    names
        .map(|name| {
            (name.to_owned(), read(&format!("{name}-offer.sdp")), read(&format!("{name}-answer.sdp")))
        })
        .collect()
}

fn offer(sdp: String) -> Description {
    Description { kind: SdpType::Offer, sdp }
}

/// Answers, wanting to send whatever is offered.
fn answer(config: Config, text: &str) -> Negotiator {
    let mut negotiator = Negotiator::new(config, Rng::from_number(1)).unwrap();
    negotiator.set_remote_description(&offer(text.to_owned())).unwrap_or_else(|error| panic!("{error}"));
    let ids: Vec<_> = negotiator.transceivers().iter().map(Transceiver::id).collect();
    ids.iter().for_each(|id| negotiator.set_direction(*id, Direction::SendRecv).unwrap());
    negotiator.set_local_description(None).unwrap();
    rules::check_answer(text, &negotiator.local_description().unwrap().sdp);
    negotiator
}

#[test]
fn every_captured_offer_is_answered_by_the_rules() {
    let offers = offers();
    assert!(offers.len() >= 18, "the captures are there");
    for (name, text, theirs) in offers {
        let negotiator = answer(config(), &text);
        let session = Session::parse(&negotiator.local_description().unwrap().sdp).unwrap();
        rules::check_order(&text, &negotiator.local_description().unwrap().sdp);
        let theirs = Session::parse(&theirs).unwrap();
        for (at, (ours, theirs)) in session.media.iter().zip(&theirs.media).enumerate() {
            // What the stack takes of its own kind, we take.
            assert_eq!(ours.port == 0, theirs.port == 0, "{name}: section {at}");
        }
        let agreed = negotiator.negotiated();
        assert_eq!(agreed.dtls.unwrap().role, DtlsRole::Client, "{name}");
        let ice = agreed.ice.unwrap();
        assert!(!ice.controlling, "{name}");
        assert!(name.contains("stopped") || !ice.remote_candidates.is_empty(), "{name}");
        for transceiver in &agreed.transceivers {
            assert!(
                transceiver.extensions.iter().any(|e| e.uri == MID)
                    || name.starts_with("pion")
                    || name.starts_with("libdata"),
                "{name}"
            );
            let best = transceiver.send_codecs[0].name.to_lowercase();
            assert!(["opus", "vp8", "h264"].contains(&best.as_str()), "{name}: {best}");
        }
    }
}

#[test]
fn what_browsers_announce_is_seen() {
    let offers = offers();
    let of = |name: &str| offers.iter().find(|(known, ..)| known == name).unwrap().1.clone();
    for name in ["chromium-call", "firefox-call", "libwebrtc-call", "aiortc-call", "pion-call"] {
        let mut negotiator = answer(config(), &of(name));
        let agreed = negotiator.negotiated();
        let [audio, video] = agreed.transceivers.as_slice() else { panic!("{name}: two transceivers") };
        assert_eq!((audio.direction, video.direction), (Direction::SendRecv, Direction::SendRecv), "{name}");
        assert_eq!(audio.remote_streams.len(), 1, "{name}");
        assert_eq!(audio.remote_sources.len(), 1, "{name}");
        assert!(audio.remote_sources[0].cname.is_some(), "{name}");
        assert_eq!(video.remote_sources.len(), 1, "{name}");
        assert_eq!(video.remote_sources[0].rtx.is_some(), name != "pion-call", "{name}");
        assert!(
            video.send_codecs.iter().any(|c| c.rtx.is_some() && c.feedback.contains(&"nack pli".to_owned()))
        );
        let data = agreed.data.unwrap();
        assert_eq!(data.remote_port, 5000, "{name}");
        let tracks = events(&mut negotiator).into_iter().filter(|event| matches!(event, Event::Track(..)));
        assert_eq!(tracks.count(), 2, "{name}");
    }
    let message_size = |name: &str| answer(config(), &of(name)).negotiated().data.unwrap().max_message_size;
    assert_eq!(message_size("chromium-data"), Some(262_144));
    assert_eq!(message_size("firefox-data"), Some(1_073_741_823));
    assert_eq!(message_size("pion-data"), Some(65_536));
}

#[test]
fn simulcast_of_browsers_is_taken_by_who_wants_it() {
    for (name, text, _) in offers().into_iter().filter(|(name, ..)| name.ends_with("simulcast")) {
        let forwarder = answer(Config { receive_simulcast: true, ..config() }, &text);
        let taken = &forwarder.negotiated().transceivers[0];
        assert_eq!(taken.receive_rids, ["h", "m", "l"], "{name}");
        assert!(taken.extensions.iter().any(|extension| extension.uri == RID), "{name}");
        assert_eq!(answer(config(), &text).negotiated().transceivers[0].receive_rids, [""; 0], "{name}");
    }
}

#[test]
fn a_stopped_section_and_an_ice_restart_of_a_browser_are_followed() {
    for stack in ["chromium", "firefox", "libwebrtc"] {
        let offers = offers();
        let of = |name: &str| {
            offers.iter().find(|(known, ..)| *known == format!("{stack}-{name}")).unwrap().1.clone()
        };
        let mut negotiator = answer(config(), &of("call"));
        let before = negotiator.negotiated();
        let (ice, video) = (before.ice.unwrap(), before.transceivers[1].id);
        events(&mut negotiator);
        negotiator.set_remote_description(&offer(of("stopped"))).unwrap();
        negotiator.set_local_description(None).unwrap();
        rules::check_answer(&of("stopped"), &negotiator.local_description().unwrap().sdp);
        let after = negotiator.negotiated();
        let restarted = after.ice.unwrap();
        assert_ne!(ice.remote, restarted.remote, "{stack}");
        assert_ne!(ice.local, restarted.local, "{stack}");
        assert_eq!(after.dtls, before.dtls, "{stack}");
        assert!(events(&mut negotiator).contains(&Event::Stopped(video)), "{stack}");
        assert_eq!(after.transceivers.len(), 2, "{stack}: the sound of before, and another");
        assert_eq!(after.transceivers[1].direction, Direction::RecvOnly, "{stack}");
    }
}
