use crate::estimate;
use std::time::Duration;

/// How a transport sends.
#[derive(Clone, Debug)]
pub struct Config {
    /// The longest packet in bytes, without the tag of SRTP.
    pub max_packet: usize,
    /// The name of this sender for all of its streams.
    pub cname: String,
    /// Bounds of the estimate.
    pub estimate: estimate::Config,
    /// Packets remembered per stream, waiting ones included; at least 16.
    pub history: usize,
    /// How many percent of the estimate the pacer sends with; above 100, so that frames do not wait for one another.
    pub pacing: u64,
    /// How long pictures may wait in the pacer. When the path becomes so narrow that they would wait longer, those that
    /// wait are thrown away and a keyframe is asked for: it arrives sooner than they would.
    pub max_queue: Duration,
    /// How long sending packets again may take in all. When more is asked for, a keyframe takes their place.
    pub max_queue_again: Duration,
    /// How often senders' reports are sent.
    pub report_interval: Duration,
    /// How long after a keyframe request another one for the same stream counts as the same.
    pub keyframe_pause: Duration,
}

impl Default for Config {
    /// 1200 bytes, 1024 packets, 150 %, 400 ms, 200 ms, 1 s, 300 ms; no name.
    fn default() -> Self {
        Self {
            max_packet: 1200,
            cname: String::new(),
            estimate: estimate::Config::default(),
            history: 1024,
            pacing: 150,
            max_queue: Duration::from_millis(400),
            max_queue_again: Duration::from_millis(200),
            report_interval: Duration::from_secs(1),
            keyframe_pause: Duration::from_millis(300),
        }
    }
}
