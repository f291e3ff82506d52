//! `visavis serve`: opens everything in order, says it is ready, and closes everything in order.

use std::fs::File;
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::accounts::Accounts;
use crate::app::App;
use crate::banner::{self, Bound};
use crate::config::{Config, Metrics, Settings};
use crate::http::{self, Limits, Listener};
use crate::store::Store;
use crate::tls::Tls;
use crate::{addresses, clock, data, ports};

/// How long connections may take to end once nothing is waited for any more.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs the server until a signal ends it.
///
/// # Errors
/// Whatever keeps it from starting, said for the person who started it.
pub async fn run(settings: Settings, config: Config) -> Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut signals = Signals::new()?;
    data::private_folder(&config.data)?;
    let _lock = lock(&config)?;
    let store = Store::open(&config.data).await?;
    let (open, bound) = Open::all(&config, &settings).await?;
    let hostname = addresses::hostname();
    let tls = match bound.https {
        Some(_) => Some(Tls::start(&config, &hostname, &addresses::all())?),
        None => None,
    };
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|e| anyhow::anyhow!("{e}"))?;
    metrics::gauge!("visavis_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    let limits = Limits::new(config.connections_per_address.as_usize(), config.connections.as_usize());
    let app = Arc::new(App {
        accounts: Accounts::new(store.clone(), &data::secret(&config.data, "secret")?),
        store,
        tls,
        limits,
        metrics,
        draining: watch::Sender::new(false),
        started: clock::unix_seconds(),
        config,
    });
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
    drain(&app, &stop, &mut listeners, &mut signals).await;
    app.store.close().await;
    tracing::info!("stopped");
    Ok(())
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
            metrics: open("metrics", own).await?,
        };
        let address = |l: &Option<TcpListener>| l.as_ref().and_then(|l| l.local_addr().ok());
        let bound = Bound {
            http: address(&sockets.http),
            https: address(&sockets.https),
            stun: None,
            metrics: address(&sockets.metrics),
        };
        Ok((sockets, bound))
    }

    /// Starts to accept connections.
    fn serve(self, app: &Arc<App>, stopped: &watch::Receiver<bool>) -> Result<JoinSet<()>> {
        let acceptor = app.tls.as_ref().map(Tls::acceptor).transpose()?;
        let router = http::router(Arc::clone(app));
        let own = http::metrics_router(Arc::clone(app));
        let mut listeners = JoinSet::new();
        for (tcp, tls, router) in
            [(self.http, None, router.clone()), (self.https, acceptor, router), (self.metrics, None, own)]
        {
            let Some(tcp) = tcp else { continue };
            let listener = Listener { tcp, tls, router, limits: app.limits.clone(), media: None };
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

/// No new calls; those that run are told. Then the listeners close, and what is open has a last moment.
async fn drain(app: &App, stop: &watch::Sender<bool>, listeners: &mut JoinSet<()>, signals: &mut Signals) {
    let patience = app.config.drain_timeout.duration();
    tracing::info!(at_most = ?patience, "stopping; a second signal stops at once");
    app.draining.send_replace(true);
    stop.send_replace(true);
    let deadline = Instant::now() + patience.max(LAST_WORDS);
    let all_ended = async { while listeners.join_next().await.is_some() {} };
    tokio::select! {
        ended = timeout_at(deadline, all_ended) => if ended.is_err() {
            tracing::warn!(connections = app.limits.in_all(), "some connections did not end in time");
        },
        () = signals.end() => tracing::warn!("stopping at once"),
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
