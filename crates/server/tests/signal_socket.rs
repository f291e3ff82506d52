//! Real sockets: the driver around the rendezvous.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use server::signal::authority::{Authority, Denied, IceGrant};
use server::signal::bus::Identity;
use server::signal::hub::{Hub, HubConfig};
use server::signal::protocol::{IceServer, Person, Refusal, Secret};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Guests only: the token is the id.
fn authority() -> Authority {
    Authority {
        identify: Box::new(|claim| {
            Box::pin(async move {
                let denied = |code, message: &str| Denied { code, message: message.into() };
                let id = match (claim.identity, &claim.name) {
                    (Some(token), _) if token == "forged" => {
                        return Err(denied(Refusal::Identity, "this token is not ours"));
                    }
                    (Some(token), _) => token,
                    (None, Some(name)) => format!("id-{name}"),
                    (None, None) => return Err(denied(Refusal::Name, "a name is needed")),
                };
                let name = claim.name.unwrap_or_else(|| "nameless".into());
                Ok(Identity {
                    person: Person { id: id.clone(), name, verified: false },
                    token: id,
                    grant: None,
                })
            })
        }),
        rename: Box::new(|me, name| {
            Box::pin(async move {
                if name == "root" { Err("this name is taken".into()) } else { Ok(Person { name, ..me }) }
            })
        }),
        ice_servers: Box::new(|door, person| IceGrant {
            servers: vec![IceServer {
                urls: vec![format!("turn:{}:3478", door.host)],
                username: Some(person.id.clone()),
                credential: Some(Secret("secret".into())),
            }],
            lifetime: 3600,
        }),
    }
}

async fn serve(change: impl FnOnce(&mut HubConfig)) -> (Hub, SocketAddr) {
    let mut config = HubConfig::new(vec![1; 32], authority());
    change(&mut config);
    let hub = Hub::start(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = hub.router().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    (hub, address)
}

struct Client(WebSocketStream<TcpStream>);

impl Client {
    async fn open(address: SocketAddr, headers: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = format!("ws://{address}/ws").into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let tcp = TcpStream::connect(address).await?;
        client_async(request, tcp).await.map(|(socket, _)| Self(socket))
    }

    async fn hello(address: SocketAddr, name: &str) -> (Self, Value) {
        let mut client = Self::open(address, &[]).await.unwrap();
        client.say(json!({"type": "hello", "protocol": 1, "name": name})).await;
        let welcome = client.hear().await;
        assert_eq!(welcome["type"], "welcome");
        (client, welcome)
    }

    async fn say(&mut self, frame: Value) {
        self.send(Message::text(frame.to_string())).await;
    }

    async fn send(&mut self, message: Message) {
        use tokio_tungstenite::tungstenite::Message as M;
        let _: &M = &message;
        futures_send(&mut self.0, message).await;
    }

    /// The next frame.
    async fn hear(&mut self) -> Value {
        match self.next().await {
            Ok(Message::Text(text)) => serde_json::from_str(&text).unwrap(),
            other => panic!("no frame: {other:?}"),
        }
    }

    /// The next frame that is more than an acknowledgement.
    async fn told(&mut self) -> Value {
        loop {
            let frame = self.hear().await;
            if frame["type"] != "ack" {
                return frame;
            }
        }
    }

    async fn next(&mut self) -> Result<Message, Error> {
        let next = timeout(Duration::from_secs(20), futures_next(&mut self.0)).await;
        next.expect("the server answers in time").unwrap_or(Err(Error::ConnectionClosed))
    }

    /// The `refused` and the close code after it.
    async fn refused(&mut self) -> (String, u16) {
        let refused = self.told().await;
        assert_eq!(refused["type"], "refused", "{refused}");
        assert!(refused["message"].as_str().unwrap().len() > 10);
        (refused["code"].as_str().unwrap().to_owned(), self.closed().await)
    }

    async fn closed(&mut self) -> u16 {
        loop {
            match self.next().await {
                Ok(Message::Close(Some(frame))) => return frame.code.into(),
                Ok(Message::Text(_)) => {}
                other => panic!("no close: {other:?}"),
            }
        }
    }
}

async fn futures_send(socket: &mut WebSocketStream<TcpStream>, message: Message) {
    use futures_util::SinkExt as _;
    // A server that has closed already is seen when reading.
    let _ = socket.send(message).await;
}

async fn futures_next(socket: &mut WebSocketStream<TcpStream>) -> Option<Result<Message, Error>> {
    use futures_util::StreamExt as _;
    socket.next().await
}

#[tokio::test]
async fn two_call_each_other_and_one_resumes() {
    let (hub, address) = serve(|_| {}).await;
    let (mut ann, welcome) = Client::hello(address, "Ann").await;
    assert_eq!((&welcome["me"]["name"], &welcome["resumed"]), (&json!("Ann"), &json!(false)));
    assert_eq!(welcome["iceServers"][0]["urls"], json!(["turn:127.0.0.1:3478"]));
    let (mut bob, bob_welcome) = Client::hello(address, "Bob").await;
    let (call, media) = ("0123456789abcdef-_ABCD", json!({"audio": true, "video": false}));
    ann.say(json!({"type": "invite", "seq": 1, "call": call, "to": "bob", "media": media})).await;
    let ringing = ann.told().await;
    assert_eq!(
        (&ringing["type"], &ringing["seq"], &ringing["ack"]),
        (&json!("ringing"), &json!(1), &json!(1))
    );
    assert_eq!(bob.told().await["from"]["name"], "Ann");
    let offer = json!({"type": "offer", "sdp": "v=0"});
    bob.say(
        json!({"type": "accept", "seq": 1, "ack": 1, "call": call, "media": media, "description": offer}),
    )
    .await;
    assert_eq!(ann.told().await["description"], offer);
    assert_eq!(bob.told().await["polite"], false);

    // Bob's network breaks, and what Ann says meanwhile is kept.
    drop(bob);
    assert_eq!(ann.told().await["present"], false);
    ann.say(json!({"type": "candidate", "seq": 2, "ack": 3, "call": call, "candidate": null})).await;
    let mut bob = Client::open(address, &[]).await.unwrap();
    let resume = json!({"session": bob_welcome["session"], "received": 2});
    bob.say(json!({"type": "hello", "protocol": 1, "resume": resume})).await;
    let welcome = bob.hear().await;
    assert_eq!(
        (&welcome["resumed"], &welcome["received"], &welcome["me"]["name"]),
        (&json!(true), &json!(1), &json!("Bob"))
    );
    let candidate = bob.told().await;
    assert_eq!((&candidate["type"], &candidate["seq"]), (&json!("candidate"), &json!(3)));
    assert_eq!(ann.told().await["present"], true);

    // Signing off ends the call at once.
    let frame = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    bob.send(Message::Close(Some(frame))).await;
    assert_eq!(ann.told().await["reason"], "hung-up");
    assert_eq!(hub.stats().sessions, 1);
}

#[tokio::test]
async fn requests_that_need_the_rest_of_the_server_are_answered() {
    let (_hub, address) = serve(|_| {}).await;
    let (mut ann, _) = Client::hello(address, "Ann").await;
    ann.say(json!({"type": "rename", "seq": 1, "name": "root"})).await;
    assert_eq!(ann.told().await["code"], "bad-name");
    ann.say(json!({"type": "rename", "seq": 2, "name": "Anne"})).await;
    assert_eq!(ann.told().await["me"]["name"], "Anne");
    ann.say(json!({"type": "ice-servers", "seq": 3})).await;
    assert_eq!(ann.told().await["iceLifetime"], 3600);
    ann.say(json!({"type": "ping", "ack": 3})).await;
    assert_eq!(ann.told().await, json!({"type": "pong"}));
    ann.say(json!({"type": "end", "seq": 4, "call": "unknown"})).await;
    assert_eq!(ann.hear().await, json!({"type": "ack", "ack": 4}), "told within the delay that it arrived");
}

#[tokio::test]
async fn what_is_not_the_protocol_is_refused_with_a_reason() {
    let (hub, address) = serve(|config| config.patience = Duration::from_secs(30)).await;
    let big = "x".repeat(96 * 1024);
    for (frame, code, close) in [
        (Message::text("{"), "malformed", 4002),
        (Message::text(r#"{"type":"nonsense"}"#), "malformed", 4002),
        (Message::text(r#"{"type":"ping"}"#), "malformed", 4002),
        (Message::binary(vec![1]), "malformed", 4002),
        (Message::text(r#"{"type":"hello","protocol":2,"name":"x"}"#), "version", 4001),
        (Message::text(r#"{"type":"hello","protocol":1}"#), "name", 4003),
        (Message::text(r#"{"type":"hello","protocol":1,"identity":"forged"}"#), "identity", 4004),
        (Message::text(format!(r#"{{"type":"{big}"}}"#)), "limit", 4005),
    ] {
        let mut client = Client::open(address, &[]).await.unwrap();
        client.send(frame).await;
        assert_eq!(client.refused().await, (code.to_owned(), close));
    }
    let (mut ann, _) = Client::hello(address, "Ann").await;
    ann.say(json!({"type": "end", "seq": 2, "call": "x"})).await;
    assert_eq!(ann.refused().await, ("malformed".to_owned(), 4002));
    assert_eq!(hub.stats().sockets, 0);
}

#[tokio::test]
async fn a_session_moves_to_the_newest_socket() {
    let (_hub, address) = serve(|_| {}).await;
    let (mut old, welcome) = Client::hello(address, "Ann").await;
    let mut new = Client::open(address, &[]).await.unwrap();
    let resume = json!({"session": welcome["session"], "received": 0});
    new.say(json!({"type": "hello", "protocol": 1, "resume": resume})).await;
    assert_eq!(new.hear().await["resumed"], true);
    assert_eq!(old.refused().await, ("replaced".to_owned(), 4006));
    new.say(json!({"type": "ping"})).await;
    assert_eq!(new.told().await["type"], "pong");
}

#[tokio::test]
async fn only_allowed_pages_and_subprotocols_come_in() {
    let (_hub, address) = serve(|config| config.origins = vec!["https://app.example.org".into()]).await;
    let own = format!("http://{address}");
    let status = |error: Error| match error {
        Error::Http(response) => response.status().as_u16(),
        other => panic!("{other}"),
    };
    for (headers, expected) in [
        (vec![], None),
        (vec![("origin", own.as_str())], None),
        (vec![("origin", "https://app.example.org")], None),
        (vec![("origin", "https://evil.example")], Some(403)),
        (vec![("origin", "null")], Some(403)),
        (vec![("sec-websocket-protocol", "visavis.1")], None),
        (vec![("sec-websocket-protocol", "visavis.9, chat")], Some(400)),
    ] {
        let outcome = Client::open(address, &headers).await.err().map(status);
        assert_eq!(outcome, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn silence_is_not_waited_for_forever() {
    let (hub, address) = serve(|config| {
        config.patience = Duration::from_millis(200);
        config.idle_timeout = Duration::from_millis(400);
    })
    .await;
    let mut silent = Client::open(address, &[]).await.unwrap();
    assert_eq!(silent.closed().await, 4000, "no hello");
    let (mut ann, _) = Client::hello(address, "Ann").await;
    assert_eq!(ann.closed().await, 4000, "a hello and nothing more");
    assert_eq!(hub.stats().sessions, 1, "the session can still be resumed");
}

#[tokio::test]
async fn a_drain_reaches_everybody() {
    let (hub, address) = serve(|_| {}).await;
    let (mut ann, _) = Client::hello(address, "Ann").await;
    hub.drain().await;
    assert_eq!(ann.told().await["type"], "draining");
    let (_, welcome) = Client::hello(address, "Bob").await;
    assert_eq!(welcome["draining"], true);
}

#[tokio::test]
async fn one_who_reads_nothing_is_let_go_and_nobody_else_waits() {
    let (hub, address) = serve(|config| config.patience = Duration::from_millis(300)).await;
    let (mut ann, _) = Client::hello(address, "Ann").await;
    let (mut bob, _) = Client::hello(address, "Bob").await;
    let call = "0123456789abcdef-_ABCD";
    let media = json!({"audio": true, "video": false});
    ann.say(json!({"type": "invite", "seq": 1, "call": call, "to": "bob", "media": media})).await;
    assert_eq!(ann.told().await["type"], "ringing");
    bob.say(json!({"type": "accept", "seq": 1, "call": call, "media": media})).await;
    assert_eq!(ann.told().await["type"], "started");
    // Bob reads nothing any more; Ann sends more than all the buffers between them hold.
    let description = json!({"type": "offer", "sdp": "x".repeat(60_000)});
    let mut last = Value::Null;
    for seq in 2..60 {
        ann.say(
            json!({"type": "description", "seq": seq, "ack": 2, "call": call, "description": description}),
        )
        .await;
        ann.say(json!({"type": "ping"})).await;
        last = ann.told().await;
        if last["type"] == "ended" {
            break;
        }
    }
    assert_eq!(last["reason"], "lost", "half a megabyte without a confirmation ends Bob's session");
    assert_eq!(hub.stats().overflows, 1);
}
