//! Signalling alone, for its benchmark: `signal_server --http ADDR [--https ADDR]`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use server::signal::authority::{Authority, IceGrant};
use server::signal::bus::Identity;
use server::signal::hub::{Hub, HubConfig};
use server::signal::protocol::Person;
use server::signal::rendezvous::Rate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

fn authority() -> Authority {
    Authority {
        identify: Box::new(|claim| {
            Box::pin(async move {
                let name = claim.name.unwrap_or_default();
                Ok(Identity {
                    person: Person { id: name.clone(), name: name.clone(), verified: false },
                    token: name,
                    grant: None,
                })
            })
        }),
        rename: Box::new(|me, name| Box::pin(async move { Ok(Person { name, ..me }) })),
        ice_servers: Box::new(|_, _| IceGrant { servers: Vec::new(), lifetime: 3600 }),
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let flag =
        |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1)).cloned();
    let mut config = HubConfig::new(crypto::random::<32>().to_vec(), authority());
    let unlimited = Rate { burst: 1_000_000_000, every: Duration::from_nanos(1) };
    config.rendezvous.sessions_per_address = 1_000_000;
    config.rendezvous.messages = unlimited;
    config.rendezvous.messages_per_address = unlimited;
    config.rendezvous.invites = unlimited;
    config.rendezvous.invites_per_address = unlimited;
    config.idle_timeout = Duration::from_secs(600);
    let hub = Hub::start(config);
    if let Some(address) = flag("--https") {
        let listener = TcpListener::bind(address).await.expect("the address for HTTPS is free");
        tokio::spawn(accept(listener, Some(acceptor()), hub.clone()));
    }
    let listener =
        TcpListener::bind(flag("--http").expect("--http ADDR")).await.expect("the address is free");
    println!("visavis: ready");
    accept(listener, None, hub).await;
}

fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("its key");
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the key is the certificate's");
    TlsAcceptor::from(Arc::new(config))
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, hub: Hub) {
    loop {
        let Ok((stream, address)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        let (tls, hub) = (tls.clone(), hub.clone());
        tokio::spawn(async move {
            match tls {
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, address, hub).await;
                    }
                }
                None => serve(stream, address, hub).await,
            }
        });
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, address: SocketAddr, hub: Hub) {
    let router = hub.router().layer(axum::Extension(ConnectInfo(address)));
    let builder = Builder::new(TokioExecutor::new());
    let connection =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(router));
    let _ = Box::pin(connection).await;
}
