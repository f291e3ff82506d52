//! What signalling asks of the rest of the server.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use super::bus::Identity;
use super::protocol::{IceServer, Person, Refusal};

/// An answer that may need the database.
pub type Answer<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Where a socket came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Door {
    /// The host name by which the client reached this server, without a port: it can reach STUN and TURN there too.
    pub host: String,
    /// The client's address.
    pub address: IpAddr,
}

/// What a `hello` says about who speaks.
#[derive(Clone, PartialEq, Eq)]
pub struct Claim {
    /// The name a guest goes by.
    pub name: Option<String>,
    /// The token of an earlier welcome, or of a login.
    pub identity: Option<String>,
    /// A join token of an application.
    pub token: Option<String>,
}

/// Why somebody is not who they say, or cannot be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denied {
    /// For programs: `Name`, `Identity`, `Limit`, or one of those about tokens.
    pub code: Refusal,
    /// For people: what was wrong, and what would be right.
    pub message: String,
}

/// ICE servers with credentials that end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IceGrant {
    /// STUN and TURN servers.
    pub servers: Vec<IceServer>,
    /// Seconds until the credentials end.
    pub lifetime: u32,
}

/// Answers whether a person may take a name.
pub type Rename = Box<dyn Fn(Person, String) -> Answer<Result<Person, String>> + Send + Sync>;
/// Answers which ICE servers a person gets.
pub type IceServers = Box<dyn Fn(&Door, &Person) -> IceGrant + Send + Sync>;

/// The questions, answered by the rest of the server.
pub struct Authority {
    /// Whom a hello speaks for. Neither name nor identity is an error, code `Name`.
    pub identify: Box<dyn Fn(Claim) -> Answer<Result<Identity, Denied>> + Send + Sync>,
    /// The person under another name, or what is wrong with the name.
    pub rename: Rename,
    /// The ICE servers for a person who came through a door.
    pub ice_servers: IceServers,
}
