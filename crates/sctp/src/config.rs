use std::time::Duration;

/// Which stream identifiers this side takes for the channels it opens (RFC 8832 §6): the DTLS client the even
/// ones, the DTLS server the odd ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// DTLS client: 0, 2, 4 …
    Client,
    /// DTLS server: 1, 3, 5 …
    Server,
}

/// How an association behaves. Durations and sizes outside of their range are brought into it.
#[derive(Clone, Debug)]
pub struct Config {
    /// SCTP port of this side (`a=sctp-port`).
    pub local_port: u16,
    /// SCTP port of the other side.
    pub remote_port: u16,
    /// Who takes even stream identifiers.
    pub role: Role,
    /// Largest packet sent on a path of which nothing is known, in bytes, 512 to 65,532; a multiple of four is used.
    /// 1,188 with DTLS, TURN, UDP and IPv6 in front passes every path of 1,280 bytes (RFC 8261 §5, RFC 8831 §5).
    pub mtu: usize,
    /// Largest packet that is looked for on a path ([`crate::Association::use_path`]), in bytes, `mtu` to 65,532: with
    /// `mtu` nothing is. 1,448 fill an Ethernet over IPv4. Networks for large packets and the loopback carry more, and a
    /// record of DTLS holds 16,384, but more is only for peers that are known to take it: libwebrtc closes the
    /// connection at a record of more than 2,048 bytes, and aiortc falls silent.
    pub max_mtu: usize,
    /// Largest message taken from the peer, in bytes (`a=max-message-size` of our description). A channel on
    /// which a larger one comes is closed.
    pub max_message_size: usize,
    /// Largest message the peer takes, in bytes (`a=max-message-size` of its description, 65,536 if it has
    /// none, RFC 8841 §6.1). `None`: any size.
    pub remote_max_message_size: Option<usize>,
    /// Receive window announced at first, in bytes. It doubles whenever a peer has filled it four times over
    /// and the application kept up.
    pub receive_window: usize,
    /// Receive window at most, in bytes: what a peer can make this side hold, beside one message.
    pub max_receive_window: usize,
    /// What may be given to `send` and not be acknowledged yet, in bytes.
    pub send_buffer: usize,
    /// Channels open at the same time, at most.
    pub max_channels: usize,
    /// Streams announced in each direction, 1 to 65,535.
    pub streams: u16,
    /// Says that packets without checksum are accepted, and sends them if the peer accepts them (RFC 9653).
    /// Only for packets that DTLS protects.
    pub zero_checksum: bool,
    /// Offers I-DATA, so that a large message does not hold up others (RFC 8260).
    pub interleaving: bool,
    /// Retransmission timeout before the first measurement, RFC 9260 §16: 1 s.
    pub rto_initial: Duration,
    /// Lower bound of the retransmission timeout. RFC 9260 says 1 s; probes for lost tails and loss detection
    /// by time make 300 ms safe, as TCP has had for long.
    pub rto_min: Duration,
    /// Upper bound of the retransmission timeout. RFC 9260 says 60 s; people wait for these channels: 10 s.
    pub rto_max: Duration,
    /// Timeouts in a row after which the peer counts as gone (Association.Max.Retrans, RFC 9260 §16).
    pub max_retransmits: u32,
    /// The same for the first handshake (Max.Init.Retransmits).
    pub max_init_retransmits: u32,
    /// How long an acknowledgement may wait for company, at most 500 ms (RFC 9260 §6.2).
    pub delayed_ack: Duration,
    /// Silence after which a heartbeat is sent (RFC 9260 §8.3). `None`: never; ICE watches the path anyway.
    pub heartbeat: Option<Duration>,
    /// How long a cookie is good for (Valid.Cookie.Life).
    pub cookie_lifetime: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            local_port: 5000,
            remote_port: 5000,
            role: Role::Client,
            mtu: 1188,
            max_mtu: 1448,
            max_message_size: 256 << 10,
            remote_max_message_size: Some(65_536),
            receive_window: 4 << 20,
            max_receive_window: 16 << 20,
            send_buffer: 32 << 20,
            max_channels: 65_535,
            streams: 65_535,
            zero_checksum: true,
            interleaving: true,
            rto_initial: Duration::from_secs(1),
            rto_min: Duration::from_millis(300),
            rto_max: Duration::from_secs(10),
            max_retransmits: 10,
            max_init_retransmits: 8,
            delayed_ack: Duration::from_millis(20),
            heartbeat: Some(Duration::from_secs(30)),
            cookie_lifetime: Duration::from_secs(60),
        }
    }
}

impl Config {
    /// The configuration with everything inside its range.
    pub(crate) fn validated(mut self) -> Self {
        self.mtu = (self.mtu & !3).clamp(512, 65_532);
        self.max_mtu = (self.max_mtu & !3).clamp(self.mtu, 65_532);
        self.streams = self.streams.max(1);
        self.receive_window = self.receive_window.clamp(4096, 1 << 30);
        self.max_receive_window = self.max_receive_window.clamp(self.receive_window, 1 << 30);
        self.delayed_ack = self.delayed_ack.min(Duration::from_millis(500));
        self.rto_max = self.rto_max.max(self.rto_min);
        self
    }
}
