//! Signalling: JSON over a WebSocket that is asked whether something has come.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

/// A WebSocket.
pub(crate) struct JsonSocket(WebSocket<TcpStream>);

impl JsonSocket {
    /// Opens one to a server on this machine, from one of its own addresses; some servers want to hear the name of a protocol.
    pub(crate) fn open(url: &str, from: Ipv4Addr, protocol: Option<&'static str>) -> Result<Self> {
        let authority = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next());
        let server: SocketAddr =
            authority.context("the URL begins with ws://")?.parse().context("the server's address")?;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        socket.connect(&server.into()).context("connecting to the server")?;
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        let mut request = url.into_client_request()?;
        if let Some(protocol) = protocol {
            request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(protocol));
        }
        let (socket, _) = tungstenite::client(request, stream).context("the server takes no WebSocket")?;
        socket.get_ref().set_nonblocking(true)?;
        Ok(Self(socket))
    }

    pub(crate) fn say(&mut self, message: &Value) -> Result<()> {
        match self.0.send(Message::text(message.to_string())) {
            // What the system had no room for waits inside, and leaves with what is said or heard next.
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => Ok(result?),
        }
    }

    /// What has come, if anything has.
    pub(crate) fn hear(&mut self) -> Result<Option<Value>> {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return Ok(Some(serde_json::from_str(&text)?)),
                Ok(Message::Close(why)) => bail!("the server has closed a WebSocket: {why:?}"),
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
