//! The table of keys: the single source of truth for everything that can be configured.

use std::net::IpAddr;
use std::path::PathBuf;

use super::read::Settings;
use super::value::Value;
use super::{
    AcmeDirectory, Bandwidth, Endpoint, Error, Folder, Host, Keep, KeyId, Limit, List, Listen, LogFilter,
    LogFormat, Metrics, Net, Origins, PortRange, Registration, Seconds, Size, Storage, Threads, TlsMode,
    Urls,
};

/// One row of the table.
#[derive(Debug)]
pub struct Key {
    /// In the file; the flag is `--name`.
    pub name: &'static str,
    /// The heading it stands under.
    pub section: &'static str,
    /// What stands for the value in the help.
    pub metavar: &'static str,
    /// The default, as a person would write it; none for an empty list or an absent value.
    pub default: &'static [&'static str],
    /// What a person may write.
    pub allowed: &'static str,
    /// Whether it may be given more than once.
    pub many: bool,
    /// What it does, in whole sentences.
    pub doc: &'static str,
}

impl Key {
    /// The environment variable.
    pub fn env(&self) -> String {
        format!("VISAVIS_{}", self.name.replace('-', "_").to_ascii_uppercase())
    }

    /// The key of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|k| k.name == name)
    }
}

macro_rules! keys {
    ($($section:literal { $($field:ident: $type:ty, $name:literal, $metavar:literal, [$($default:literal),*], $doc:literal;)+ })+) => {
        /// Everything that can be configured, read and validated.
        #[derive(Clone, Debug)]
        pub struct Config {
            $($(#[doc = $doc] pub $field: $type,)+)+
        }

        /// All keys, in the order of the documentation.
        pub const KEYS: &[Key] = &[
            $($(Key {
                name: $name,
                section: $section,
                metavar: $metavar,
                default: &[$($default),*],
                allowed: <$type as Value>::ALLOWED,
                many: <$type as Value>::MANY,
                doc: $doc,
            },)+)+
        ];

        impl Config {
            /// Turns texts into values.
            ///
            /// # Errors
            /// The first value that its key does not allow.
            pub(super) fn from_settings(settings: &Settings) -> Result<Self, Error> {
                Ok(Self { $($($field: settings.value($name, <$type as Value>::parse)?,)+)+ })
            }
        }
    };
}

keys! {
    "Addresses" {
        data: PathBuf, "data", "DIR", ["data"],
            "Folder for the database, the secrets and the certificates. It is made if it does not exist, and only its owner can read it.";
        http: Listen, "http", "ADDR", ["127.0.0.1:8080"],
            "Where plain HTTP is served. Browsers give camera and microphone to a page over plain HTTP only on the machine itself, so this is of use there, or behind a proxy that adds TLS.";
        https: Listen, "https", "ADDR", ["0.0.0.0:8443"],
            "Where HTTPS, WebSocket and TURN over TLS share one port. On a public server make it `0.0.0.0:443` (or `[::]:443`): 443 is the port that restrictive networks let through.";
        stun: Listen, "stun", "ADDR", ["0.0.0.0:3478"],
            "Where STUN and TURN are served over UDP and over TCP.";
        relay_ports: PortRange, "relay-ports", "A-B", ["61000-65535"],
            "The UDP ports that TURN relays from. A firewall must let them in. Each relayed side of a call takes one. The default lies above the ports that Linux gives to other programs.";
        external_ip: List<IpAddr>, "external-ip", "IP", [],
            "An address under which the world sees this machine, when it is not one of its own: behind a NAT that forwards the ports, or in a cloud. One for IPv4 and one for IPv6 at most.";
        public_host: Host, "public-host", "NAME", [],
            "The host name that people use to reach this server. It stands in the certificate, in links and in the addresses of STUN and TURN.";
        origins: Origins, "origins", "ORIGIN", [],
            "Web origins besides the server's own whose pages may use the signalling and the accounts, for a site that embeds Visavis.";
        metrics: Metrics, "metrics", "WHERE", ["local"],
            "Where Prometheus can read `/metrics`.";
    }
    "Certificates" {
        tls: TlsMode, "tls", "MODE", ["self-signed"],
            "Where the certificate comes from. `self-signed` makes a small certificate authority in the data folder, which a person can trust once. `files` reads `tls-cert` and `tls-key`, and reads them again when they change or on SIGHUP. `acme` gets and renews a certificate for `public-host`. `off` serves no HTTPS.";
        tls_cert: Option<PathBuf>, "tls-cert", "FILE", [],
            "The certificate chain in PEM, the server's own first. Only with `tls = \"files\"`.";
        tls_key: Option<PathBuf>, "tls-key", "FILE", [],
            "The private key in PEM. Only with `tls = \"files\"`.";
        acme_email: Option<String>, "acme-email", "MAIL", [],
            "Where the certificate authority can write to. Only with `tls = \"acme\"`; that key also says that you accept the authority's terms of service.";
        acme_directory: AcmeDirectory, "acme-directory", "URL", ["https://acme-v02.api.letsencrypt.org/directory"],
            "The ACME server. The authority connects to port 443 of `public-host` to see that it is yours (TLS-ALPN-01, RFC 8737).";
        acme_ca: Option<PathBuf>, "acme-ca", "FILE", [],
            "A certificate in PEM to trust for the connection to the ACME server, instead of those of the system. For an authority of your own.";
    }
    "Calls" {
        registration: Registration, "registration", "WHO", ["open"],
            "Who can make an account, which keeps a name for its owner. Guests need none.";
        ring_timeout: Seconds, "ring-timeout", "TIME", ["45s"],
            "How long a call rings before it is given up.";
        resume_timeout: Seconds, "resume-timeout", "TIME", ["60s"],
            "How long a session waits for its browser to come back after the connection was lost.";
        drain_timeout: Seconds, "drain-timeout", "TIME", ["10s"],
            "How long a server that was told to stop waits for its connections to end.";
        sessions_per_address: Limit, "sessions-per-address", "N", ["1000"],
            "How many browsers can be signed in from one address at a time (for IPv6, from one /64 network).";
        connections_per_address: Limit, "connections-per-address", "N", ["2000"],
            "How many connections one address can hold open at a time (for IPv6, one /64 network).";
        connections: Limit, "connections", "N", ["100000"],
            "How many connections can be open in all, TURN over TCP and TLS among them.";
    }
    "Conferences" {
        conference_members: Limit, "conference-members", "N", ["100"],
            "How many people can be in one conference. The media of more than two go through this server, which forwards and never decodes them.";
        conference_viewers: Limit, "conference-viewers", "N", ["1000"],
            "How many can watch one conference over HTTP (WHEP), besides its members.";
        key_lifetime: Seconds, "key-lifetime", "TIME", ["7d"],
            "How long a key lasts with which an encoder publishes into a room, or a player watches it.";
        conferences: Limit, "conferences", "N", ["1000"],
            "How many conferences there can be at a time.";
        conference_bandwidth: Bandwidth, "conference-bandwidth", "RATE", ["20M"],
            "How much is sent to one member of a conference at most.";
        conference_thread: Limit, "conference-thread", "N", ["100"],
            "How many people of one conference are on one media thread before those who come next are on another.";
    }
    "Recordings" {
        recordings: Folder, "recordings", "DIR", ["recordings"],
            "Where recordings of conferences are written, a folder for each. An owner of a conference can begin one; everybody in it is told. `off` allows none.";
        recording_store: Storage, "recording-store", "WHERE", ["disk"],
            "Where recordings are kept once they have ended. With `s3://BUCKET/PREFIX` they go from `recordings` to that bucket of an S3-compatible store, and only their timelines stay. Credentials and region are read from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION` and so on).";
        recording_store_endpoint: Endpoint, "recording-store-endpoint", "URL", [],
            "Where the store answers, if it is not that of Amazon. Only with `recording-store = \"s3://…\"`.";
        recording_keep: Keep, "recording-keep", "TIME", ["forever"],
            "How long a recording is kept after it has ended. Older ones are deleted.";
        recording_bytes: Size, "recording-bytes", "SIZE", ["unlimited"],
            "How large one recording can be; one that reaches it ends. Half an hour of one person in 720p has about 400 MB.";
        recording_free: Size, "recording-free", "SIZE", ["1G"],
            "How much of the disk stays free: recordings end before there is less. `unlimited` does not look.";
    }
    "Applications" {
        api_keys: Option<PathBuf>, "api-keys", "FILE", [],
            "A file of API keys, one `ID.SECRET` on a line. Applications that have one set up rooms, moderate, and sign links for people: see docs/api.md. Without it no application can.";
        webhook: Urls, "webhook", "URL", [],
            "Where applications are told what happens in rooms, by POST.";
        webhook_key: KeyId, "webhook-key", "ID", [],
            "The id of the API key that signs what is sent to `webhook`.";
        webhook_allow: List<Net>, "webhook-allow", "NET", [],
            "Networks that `webhook` may lead to although they are not public: loopback, link-local and private addresses are refused by default.";
        webhook_ca: Option<PathBuf>, "webhook-ca", "FILE", [],
            "Certificates in PEM to trust for `webhook`, besides those of the system.";
    }
    "Relay" {
        turn_lifetime: Seconds, "turn-lifetime", "TIME", ["2h"],
            "How long the TURN credentials last that a page is given. It asks for new ones before.";
        allocations: Limit, "allocations", "N", ["10000"],
            "How many TURN allocations there can be at a time in all.";
        allocations_per_user: Limit, "allocations-per-user", "N", ["24"],
            "How many TURN allocations one person can hold at a time. A call takes a few on each side while it looks for a path.";
        bandwidth_per_user: Bandwidth, "bandwidth-per-user", "RATE", ["unlimited"],
            "How much TURN relays for one person, each way.";
        relay_allow: List<Net>, "relay-allow", "NET", [],
            "Networks that TURN may relay to although they are refused by default: those are loopback, link-local, private, shared and multicast addresses and the server's own.";
        relay_deny: List<Net>, "relay-deny", "NET", [],
            "Networks that TURN refuses to relay to besides.";
        media_threads: Threads, "media-threads", "N", ["auto"],
            "How many threads carry STUN, TURN and media.";
    }
    "Log" {
        log: LogFilter, "log", "FILTER", ["info"],
            "What is logged on the standard error.";
        log_format: LogFormat, "log-format", "FORMAT", ["text"],
            "How a line of the log looks.";
    }
}

impl Config {
    /// Checks what no single key can know.
    ///
    /// # Errors
    /// The first combination that makes no sense.
    pub(super) fn validate(&self, settings: &Settings) -> Result<(), Error> {
        let conflict = |key, problem: &str| {
            Err(Error::Conflict { key, origin: settings.origin(key), problem: problem.into() })
        };
        match self.tls {
            TlsMode::Files if self.tls_cert.is_none() => {
                return conflict("tls", "`files` needs `tls-cert` and `tls-key`; `tls-cert` is missing");
            }
            TlsMode::Files if self.tls_key.is_none() => {
                return conflict("tls", "`files` needs `tls-cert` and `tls-key`; `tls-key` is missing");
            }
            TlsMode::Acme if self.public_host.0.is_none() => {
                return conflict("tls", "`acme` needs `public-host`, the name to get a certificate for");
            }
            TlsMode::Off | TlsMode::SelfSigned | TlsMode::Files | TlsMode::Acme => {}
        }
        if self.tls_cert.is_some() && self.tls != TlsMode::Files {
            return conflict("tls-cert", "it is only read with `tls = \"files\"`");
        }
        if self.tls_key.is_some() && self.tls != TlsMode::Files {
            return conflict("tls-key", "it is only read with `tls = \"files\"`");
        }
        if !self.webhook.0.is_empty() && (self.api_keys.is_none() || self.webhook_key.0.is_none()) {
            return conflict(
                "webhook",
                "it needs `api-keys`, and `webhook-key` with the id of one of them, to be signed",
            );
        }
        if self.recording_store.0.is_some() && self.recordings.0.is_none() {
            return conflict(
                "recording-store",
                "it needs `recordings`, the folder that they are written to first",
            );
        }
        if self.recording_store_endpoint.0.is_some() && self.recording_store.0.is_none() {
            return conflict(
                "recording-store-endpoint",
                "it is only read with `recording-store = \"s3://BUCKET\"`",
            );
        }
        let served = [self.http, self.https].iter().any(|l| l.0.is_some());
        if !served || (self.http.0.is_none() && self.tls == TlsMode::Off) {
            return conflict("http", "nothing would be served: `http` is off and so is `https` or `tls`");
        }
        for v4 in [true, false] {
            if self.external_ip.0.iter().filter(|ip| ip.is_ipv4() == v4).count() > 1 {
                return conflict("external-ip", "there can be one IPv4 and one IPv6 address");
            }
        }
        Ok(())
    }

    /// The address of the HTTPS listener, if there is one.
    pub fn https_listen(&self) -> Option<std::net::SocketAddr> {
        self.https.0.filter(|_| self.tls != TlsMode::Off)
    }
}
