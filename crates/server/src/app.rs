//! What every request can reach.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use crate::accounts::Accounts;
use crate::api::Applications;
use crate::config::Config;
use crate::doors::Sessions;
use crate::http::Limits;
use crate::media::MediaPlane;
use crate::recording::Recordings;
use crate::signal::hub::Hub;
use crate::store::Store;
use crate::tls::Tls;

/// The running server's parts, shared by all requests.
pub struct App {
    /// As it was read at the start.
    pub config: Config,
    /// People.
    pub accounts: Arc<Accounts>,
    /// Signalling.
    pub hub: Hub,
    /// Encoders and players that came by HTTP.
    pub(crate) sessions: Sessions,
    /// Those that may use the interface for programs; `None` if none may.
    pub applications: Option<Arc<Applications>>,
    /// STUN and TURN; `None` if they are off.
    pub media: Option<MediaPlane>,
    /// Recordings of conferences; `None` if there are to be none.
    pub recordings: Option<Arc<Recordings>>,
    /// The database.
    pub store: Store,
    /// Certificates; `None` without HTTPS.
    pub tls: Option<Tls>,
    /// Counts connections.
    pub limits: Limits,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// Turns true when the server was told to stop.
    pub draining: watch::Sender<bool>,
    /// When it started, in seconds since 1970.
    pub started: u64,
}

impl App {
    /// Whether new calls are refused because the server is about to stop.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }
}
