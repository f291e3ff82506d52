//! `visavis serve`: opens everything in order, says it is ready, and closes everything in order.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::accounts::Accounts;
use crate::api::{Applications, Keys};
use crate::app::App;
use crate::banner::{self, Bound};
use crate::config::{Config, Metrics, Settings};
use crate::doors::Sessions;
use crate::http::{self, Limits as HttpLimits, Listener, Speaks};
use crate::ice::Ice;
use crate::media::MediaPlane;
use crate::recording::{self, Archive, Limits, Recordings};
use crate::signal::hub::{Hub, HubConfig};
use crate::store::Store;
use crate::tls::Tls;
use crate::{addresses, authority, clock, data, plane, ports, webhook};

/// How long connections may take to end once nothing is waited for any more.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How often a draining server looks whether calls have ended.
const LOOK: Duration = Duration::from_millis(100);

/// Runs the server until a signal ends it.
///
/// # Errors
/// Whatever keeps it from starting, said for the person who started it.
pub async fn run(settings: Settings, config: Config) -> Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut signals = Signals::new()?;
    data::private_folder(&config.data)?;
    let _lock = lock(&config)?;
    raise_file_limit();
    let (open, bound) = Open::all(&config, &settings).await?;
    let hostname = addresses::hostname();
    let app = Arc::new(assemble(config, &bound, &hostname).await?);
    let (stop, stopped) = watch::channel(false);
    let mut listeners = open.serve(&app, &stopped)?;
    let (reload, reloads) = watch::channel(0);
    let keeper = tokio::spawn({
        let app = Arc::clone(&app);
        async move {
            if let Some(tls) = &app.tls {
                tls.keep_current(&app.config, &hostname, reloads).await;
            }
        }
    });
    announce(&app, &bound)?;
    signals.until_end(&reload).await;
    keeper.abort();
    tokio::select! {
        () = drain(&app, &stop, &mut listeners) => {}
        () = signals.end() => tracing::warn!("stopping at once"),
    }
    if let Some(media) = &app.media {
        media.shutdown();
    }
    if let Some(recordings) = app.recordings.clone() {
        // It has the last packets now; what it writes takes a moment.
        let _ = tokio::task::spawn_blocking(move || recordings.stop()).await;
    }
    app.store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Starts everything that requests will reach.
async fn assemble(config: Config, bound: &Bound, hostname: &str) -> Result<App> {
    let metrics = crate::metrics::start()?;
    let store = Store::open(&config.data).await?;
    let tls = match bound.https {
        Some(_) => Some(Tls::start(&config, hostname, &addresses::all())?),
        None => None,
    };
    let secret = data::secret(&config.data, "secret")?;
    // Both sides of the TURN REST convention are here: the TURN server, and who makes credentials for it.
    let turn_secret = data::derive(&secret, "visavis turn 1").to_vec();
    let ice = Arc::new(Ice::new(&config, &turn_secret, bound.stun, bound.https));
    let (recordings, recording) = record(&config, &secret)?.unzip();
    let queue = recordings.as_ref().map(|recordings| recordings.queue());
    let start = |stun| plane::start(&config, turn_secret, stun, (bound.https, queue));
    let media = bound.stun.map(start).transpose()?;
    let forwarding = media.as_ref().and_then(MediaPlane::forwarding);
    let accounts = Arc::new(Accounts::new(store.clone(), &secret));
    let tickets = data::derive(&secret, "visavis tickets 1").to_vec();
    let applications = match &config.api_keys {
        Some(path) => {
            Some(Arc::new(Applications::new(Keys::read(path)?, &data::derive(&secret, "visavis rooms 1"))))
        }
        None => None,
    };
    let known = authority::Known {
        accounts: Arc::clone(&accounts),
        applications: applications.clone(),
        store: store.clone(),
    };
    let mut hub = HubConfig::new(tickets, authority::new(known, ice));
    let (notices, told) = webhook::channel();
    hub.notices = applications.is_some().then_some(notices);
    hub.origins = config.origins.0.clone();
    hub.rendezvous.ring_timeout = config.ring_timeout.duration();
    hub.rendezvous.resume_timeout = config.resume_timeout.duration();
    hub.forwarding = forwarding;
    hub.recording = recording;
    hub.rendezvous.conferences = config.conferences.0.map(|n| n as usize);
    hub.rendezvous.viewers_per_conference = config.conference_viewers.as_usize();
    hub.key_lifetime = config.key_lifetime.duration();
    hub.rendezvous.members_per_conference = config.conference_members.as_usize();
    hub.rendezvous.sessions_per_address = config.sessions_per_address.as_usize();
    let hub = Hub::start(hub);
    if let Some(applications) = &applications {
        webhook::start(&config, applications, &store, &hub, told).await?;
    }
    Ok(App {
        accounts,
        hub,
        applications,
        sessions: Sessions::default(),
        media,
        recordings,
        store,
        tls,
        limits: HttpLimits::new(config.connections_per_address.as_usize(), config.connections.as_usize()),
        metrics,
        draining: watch::Sender::new(false),
        started: clock::unix_seconds(),
        config,
    })
}

/// Starts the recorder, if there is to be one.
fn record(config: &Config, secret: &[u8; 32]) -> Result<Option<(Arc<Recordings>, recording::Link)>> {
    let Some(archive) = Archive::open(config)? else { return Ok(None) };
    let limits = Limits { bytes: config.recording_bytes.0, free: config.recording_free.0.unwrap_or(0) };
    if let Some(keep) = config.recording_keep.0 {
        tokio::spawn(Recordings::expire(archive.clone(), keep));
    }
    let key = data::derive(secret, "visavis recordings 1");
    let (recordings, link) = Recordings::start(archive, limits, key)?;
    let recordings = Arc::new(recordings);
    tokio::spawn({
        let recordings = Arc::clone(&recordings);
        async move { recordings.keep().await }
    });
    Ok(Some((recordings, link)))
}

/// Each connection takes a file descriptor, and many systems allow no more than 1024 unless a program asks.
fn raise_file_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit) {
        tracing::debug!(%error, "cannot raise the limit of open files");
    }
}

/// One server for each data folder: two would issue each other's secrets and certificates.
fn lock(config: &Config) -> Result<File> {
    let path = config.data.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => anyhow::bail!(
            "another visavis uses the data folder {}; stop it, or give this one another folder with --data DIR",
            config.data.display()
        ),
        Err(std::fs::TryLockError::Error(e)) => {
            Err(e).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// The sockets that are open before anything is served.
struct Open {
    http: Option<TcpListener>,
    https: Option<TcpListener>,
    stun: Option<TcpListener>,
    metrics: Option<TcpListener>,
}

impl Open {
    async fn all(config: &Config, settings: &Settings) -> Result<(Self, Bound)> {
        let open = |key: &'static str, address: Option<SocketAddr>| async move {
            match address {
                Some(address) => ports::tcp(key, address, settings).await.map(Some),
                None => Ok(None),
            }
        };
        let own = match config.metrics {
            Metrics::At(address) => Some(address),
            Metrics::Local | Metrics::Off => None,
        };
        let sockets = Self {
            http: open("http", config.http.0).await?,
            https: open("https", config.https_listen()).await?,
            stun: open("stun", config.stun.0).await?,
            metrics: open("metrics", own).await?,
        };
        let address = |l: &Option<TcpListener>| l.as_ref().and_then(|l| l.local_addr().ok());
        let bound = Bound {
            http: address(&sockets.http),
            https: address(&sockets.https),
            stun: address(&sockets.stun),
            metrics: address(&sockets.metrics),
        };
        if let Some(stun) = bound.stun {
            ports::udp_is_free("stun", stun, settings)?;
        }
        Ok((sockets, bound))
    }

    /// Starts to accept connections.
    fn serve(self, app: &Arc<App>, stopped: &watch::Receiver<bool>) -> Result<JoinSet<()>> {
        let router = http::router(Arc::clone(app));
        let https = match &app.tls {
            Some(tls) => Some(Speaks::Tls(tls.acceptor()?, router.clone(), app.media.clone())),
            None => None,
        };
        let metrics = Speaks::Http(http::metrics_router(Arc::clone(app)));
        let mut listeners = JoinSet::new();
        for (tcp, speaks) in [
            (self.http, Some(Speaks::Http(router))),
            (self.https, https),
            (self.stun, app.media.clone().map(Speaks::Turn)),
            (self.metrics, Some(metrics)),
        ] {
            let (Some(tcp), Some(speaks)) = (tcp, speaks) else { continue };
            let listener = Listener { tcp, speaks, limits: app.limits.clone() };
            listeners.spawn(http::run(listener, stopped.clone()));
        }
        Ok(listeners)
    }
}

/// Says where the server can be reached, and last that it is ready.
fn announce(app: &App, bound: &Bound) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let colors = out.is_terminal();
    let text = banner::text(&app.config, bound, app.tls.as_ref(), &addresses::reachable(), colors);
    let said = out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"visavis: ready\n"));
    said.and_then(|()| out.flush()).context("cannot write to the standard output")
}

/// No new calls; those that run are told, and waited for. Then the listeners close, and what is open has a last
/// moment.
async fn drain(app: &App, stop: &watch::Sender<bool>, listeners: &mut JoinSet<()>) {
    let patience = app.config.drain_timeout.duration();
    tracing::info!(at_most = ?patience, "stopping; a second signal stops at once");
    app.draining.send_replace(true);
    app.hub.drain().await;
    if let Some(media) = &app.media {
        media.drain().await;
    }
    let deadline = Instant::now() + patience;
    let quiet = async {
        while app.hub.stats().running() > 0 {
            tokio::time::sleep(LOOK).await;
        }
    };
    if timeout_at(deadline, quiet).await.is_err() {
        // Media between two browsers goes on; they take their call up again with the next server.
        tracing::info!(calls = app.hub.stats().running(), "calls go on without this server");
    }
    stop.send_replace(true);
    let all_ended = async { while listeners.join_next().await.is_some() {} };
    if timeout_at(deadline.max(Instant::now() + LAST_WORDS), all_ended).await.is_err() {
        tracing::warn!(connections = app.limits.in_all(), "some connections did not end in time");
    }
}

/// The signals this program listens to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Until a signal that ends the program.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// As [`Self::end`]; on SIGHUP the certificates are read again meanwhile.
    async fn until_end(&mut self, reload: &watch::Sender<u64>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => reload.send_modify(|n| *n += 1),
            }
        }
    }
}
