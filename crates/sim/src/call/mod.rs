//! Two whole peers in a call: behind NATs, over a network that loses, doubles, delays, reorders and corrupts, with a
//! STUN and TURN server that restarts, NATs that forget and interfaces that change. A seed decides all of it; a model
//! says what must come of it:
//!
//! - both sides connect, and stay or come back within a minute of calm weather, whatever happened;
//! - the path is relayed when the two NATs leave no other way, and direct when they leave one and nothing is lost;
//! - a reliable message arrives once, an ordered one in its order, and none arrives that was not sent;
//! - frames of media arrive whole and in order, nearly all of them in calm weather;
//! - packets that are longer than the path carries, or carries any more, hold up nothing;
//! - when one side closes, the other hears of it.

mod side;
mod story;
mod trace;
mod traffic;
mod world;

use std::time::Duration;

use peer::ConnectionState;

pub use story::{Disaster, Story};
pub use trace::Trace;
use world::World;

/// What a run has come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// What was drawn from the seed.
    pub story: Story,
    /// Everything that was sent, received and told, in order.
    pub trace: Trace,
    /// Whether the call was relayed in the end.
    pub relayed: bool,
    /// Messages that arrived.
    pub messages: u64,
    /// Frames of media that arrived.
    pub frames: u64,
    /// Probes of the path that left.
    pub path_probes: u64,
    /// The largest packets of data in the end, of either side.
    pub packet_sizes: [Option<usize>; 2],
    /// Restarts of ICE that the programs asked for.
    pub restarts: u32,
    /// Virtual time from the first offer until both sides were connected.
    pub connected_after: Duration,
    /// Virtual time of the whole call.
    pub lasted: Duration,
}

/// How long anything may take in calm weather.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same in bad weather, where ICE sends a check seven times and DTLS tries for half a minute.
const LONG_PATIENCE: Duration = Duration::from_secs(90);

/// Runs the call of this seed to its end, and tells what happens line by line to whoever wants to read it.
///
/// # Panics
/// When something is not as the model says.
pub fn run(seed: u64, teller: Option<fn(&str)>) -> Report {
    let story = Story::draw(seed);
    let mut world = World::new(&story, teller);
    let begun = world.now;
    world.introduce();
    if let Some((after, disaster)) = story.early {
        world.run_for(after);
        world.strike(disaster);
    }
    world.until(LONG_PATIENCE, "both sides are connected and all channels are open", World::is_up);
    let connected_after = world.now.saturating_since(begun);
    world.run_for(Duration::from_millis(1500));
    let sure = story.weather.loss == 0 && story.weather.corruption == 0 && story.early.is_none();
    world.check_path("after the set-up", sure);
    for disaster in &story.disasters {
        world.strike(*disaster);
        world.run_for(Duration::from_secs(4));
    }
    if story.carried_later < story.carried {
        world.narrow(story.carried_later);
        world.run_for(Duration::from_secs(4));
    }
    world.calm();
    world.until(PATIENCE, "both sides are connected again in calm weather", World::is_up);
    world.stop_messages();
    world.until(PATIENCE, "every reliable message arrives", World::all_arrived);
    world.check_path("at the end", false);
    if story.disasters.is_empty() && story.early.is_none() {
        world.restart_ice();
        world.run_for(Duration::from_secs(4));
        world.until(PATIENCE, "both sides are connected after a restart", World::is_up);
        world.check_path("after a restart in calm weather", true);
    }
    (0..2).for_each(|side| world.check_media(side));
    let relayed = world.is_relayed();
    let (path_probes, packet_sizes) = world.path_probes();
    world.close();
    let done = |world: &World| world.state(1) != ConnectionState::Connected;
    world.until(PATIENCE, "the end is heard", done);
    let lasted = world.now.saturating_since(begun);
    let (messages, frames, restarts) = world.counts();
    Report {
        story,
        relayed,
        messages,
        frames,
        path_probes,
        packet_sizes,
        restarts,
        connected_after,
        lasted,
        trace: world.trace,
    }
}
