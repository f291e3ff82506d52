//! What Prometheus reads. Counts that live elsewhere are taken over when somebody asks.

use metrics::{counter, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::app::App;
use crate::media::Snapshot;
use crate::recording::Counts;
use crate::signal::rendezvous::Stats;

/// Starts to count; once for each process.
///
/// # Errors
/// When something else counts already.
pub(crate) fn start() -> anyhow::Result<PrometheusHandle> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    ::metrics::set_global_recorder(recorder).map_err(|e| anyhow::anyhow!("cannot start the metrics: {e}"))?;
    gauge!("visavis_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

impl App {
    /// All metrics in Prometheus' text format.
    pub fn render_metrics(&self) -> String {
        signalling(&self.hub.stats());
        if let Some(media) = &self.media {
            relay(&media.stats());
            forwarding(&media.stats());
        }
        if let Some(recordings) = &self.recordings {
            recording(&recordings.counts());
        }
        gauge!("visavis_connections").set(number(self.limits.in_all() as u64));
        gauge!("visavis_draining").set(f64::from(u8::from(self.is_draining())));
        gauge!("visavis_start_time_seconds").set(number(self.started));
        self.metrics.run_upkeep();
        self.metrics.render()
    }
}

fn signalling(stats: &Stats) {
    gauge!("visavis_sessions").set(number(stats.sessions as u64));
    gauge!("visavis_sockets").set(number(stats.sockets as u64));
    gauge!("visavis_people").set(number(stats.people as u64));
    gauge!("visavis_calls").set(number(stats.calls as u64));
    gauge!("visavis_rooms").set(number(stats.rooms as u64));
    gauge!("visavis_conferences").set(number(stats.conferences as u64));
    gauge!("visavis_conference_members").set(number(stats.members as u64));
    gauge!("visavis_conference_encoders").set(number(stats.encoders as u64));
    gauge!("visavis_conference_viewers").set(number(stats.viewers as u64));
    counter!("visavis_doors_opened_total").absolute(stats.doors_opened);
    counter!("visavis_doors_refused_total").absolute(stats.doors_refused);
    counter!("visavis_conferences_total").absolute(stats.opened);
    counter!("visavis_conference_joins_total").absolute(stats.joined);
    counter!("visavis_sessions_total").absolute(stats.hellos);
    counter!("visavis_resumed_total").absolute(stats.resumes);
    counter!("visavis_messages_total").absolute(stats.messages);
    counter!("visavis_messages_repeated_total").absolute(stats.repeated);
    counter!("visavis_invites_total").absolute(stats.invites);
    counter!("visavis_calls_started_total").absolute(stats.started);
    counter!("visavis_message_errors_total").absolute(stats.errors);
    counter!("visavis_sockets_refused_total").absolute(stats.refused);
    counter!("visavis_sessions_overflowed_total").absolute(stats.overflows);
}

fn recording(counts: &Counts) {
    gauge!("visavis_recordings").set(number(counts.active));
    counter!("visavis_recordings_total").absolute(counts.begun);
    counter!("visavis_recordings_failed_total").absolute(counts.failed);
    counter!("visavis_recording_bytes_total").absolute(counts.bytes);
    counter!("visavis_recording_packets_total").absolute(counts.packets);
    for (reason, count) in
        [("never-came", counts.packets_lost), ("recorder-too-slow", counts.packets_dropped)]
    {
        counter!("visavis_recording_packets_lost_total", "reason" => reason).absolute(count);
    }
    counter!("visavis_recording_frames_lost_total").absolute(counts.frames_lost);
    counter!("visavis_recording_write_errors_total").absolute(counts.write_errors);
    if let Some(store) = &counts.store {
        gauge!("visavis_recordings_waiting").set(number(store.waiting));
        counter!("visavis_recording_stored_bytes_total").absolute(store.bytes);
        counter!("visavis_recording_store_failures_total").absolute(store.failures);
    }
}

fn relay(stats: &Snapshot) {
    gauge!("visavis_turn_allocations").set(number(stats.allocations));
    gauge!("visavis_turn_streams").set(number(stats.streams));
    counter!("visavis_turn_allocations_total").absolute(stats.allocated);
    counter!("visavis_stun_bindings_total").absolute(stats.bindings);
    for (direction, bytes, packets) in
        [("up", stats.bytes_up, stats.packets_up), ("down", stats.bytes_down, stats.packets_down)]
    {
        counter!("visavis_turn_relayed_bytes_total", "direction" => direction).absolute(bytes);
        counter!("visavis_turn_relayed_packets_total", "direction" => direction).absolute(packets);
    }
    counter!("visavis_turn_packets_between_clients_total").absolute(stats.packets_between_clients);
    for (outcome, count) in [("success", stats.success_responses), ("error", stats.error_responses)] {
        counter!("visavis_turn_responses_total", "outcome" => outcome).absolute(count);
    }
    for (reason, count) in [
        ("malformed", stats.dropped_malformed),
        ("no-allocation", stats.dropped_no_allocation),
        ("no-permission", stats.dropped_no_permission),
        ("forbidden", stats.dropped_forbidden),
        ("bandwidth", stats.dropped_bandwidth),
        ("rate", stats.dropped_rate),
        ("queue", stats.dropped_queue),
        ("slow-stream", stats.dropped_slow_stream),
        ("system", stats.dropped_by_system),
    ] {
        counter!("visavis_turn_dropped_total", "reason" => reason).absolute(count);
    }
}

fn forwarding(stats: &Snapshot) {
    gauge!("visavis_media_connections").set(number(stats.legs));
    gauge!("visavis_media_rooms").set(number(stats.conferences));
    counter!("visavis_media_packets_received_total").absolute(stats.media_received);
    counter!("visavis_media_packets_forwarded_total").absolute(stats.media_forwarded);
    counter!("visavis_media_packets_resent_total").absolute(stats.media_resent);
    counter!("visavis_media_probes_total").absolute(stats.media_probes);
    counter!("visavis_media_keyframe_requests_total").absolute(stats.media_keyframe_requests);
    counter!("visavis_media_messages_total").absolute(stats.media_messages);
    for (direction, bytes) in [("in", stats.media_bytes_in), ("out", stats.media_bytes_out)] {
        counter!("visavis_media_bytes_total", "direction" => direction).absolute(bytes);
    }
    counter!("visavis_media_datagrams_sent_total").absolute(stats.media_datagrams_sent);
    counter!("visavis_media_send_calls_total").absolute(stats.media_send_calls);
    counter!("visavis_media_crossed_total").absolute(stats.media_crossed);
    counter!("visavis_media_shared_total").absolute(stats.media_shared);
    for (reason, count) in [
        ("no-codec-or-path", stats.media_dropped_unsent),
        ("too-late", stats.media_dropped_overrun),
        ("not-there-any-more", stats.media_dropped_unanswered),
        ("message", stats.media_dropped_messages),
        ("system", stats.media_dropped_by_system),
        ("other-thread", stats.media_dropped_crossing),
        ("other-part", stats.media_dropped_sharing),
        ("event", stats.media_dropped_events),
    ] {
        counter!("visavis_media_dropped_total", "reason" => reason).absolute(count);
    }
}

/// Prometheus counts in floating point: exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "a gauge needs no more than 53 bits")]
fn number(count: u64) -> f64 {
    count as f64
}
