//! What the data plane is told at start. Every field has its value: defaults are filled in here,
//! not where they are used.

use std::net::SocketAddr;
use std::time::Duration;

use crate::Clock;

/// Settings of the listener that do not change while it runs. What may change is in
/// [`Policy`](tidegauge_core::Policy).
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Port 0 takes any free one.
    pub listen: SocketAddr,
    /// Speak TLS (HTTP/1.1 and HTTP/2 by ALPN); `None`: plain HTTP/1.1 and HTTP/2 with prior
    /// knowledge.
    pub tls: Option<Identity>,
    /// Bounds on what clients may do.
    pub limits: Limits,
    /// Connections kept to upstreams.
    pub pool: Pool,
    /// How long exchanges may go on after a graceful shutdown began.
    pub drain: Duration,
    /// A client that closes its sending side still gets its answer. Off, it counts as gone and the
    /// upstream call is cancelled, so that nobody pays for an answer nobody reads.
    pub half_close: bool,
    /// The clock that exchanges are timed with.
    pub clock: Clock,
}

impl Config {
    /// The defaults, listening there, in real time.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            tls: None,
            limits: Limits::default(),
            pool: Pool::default(),
            drain: Duration::from_secs(20),
            half_close: false,
            clock: Clock::real(),
        }
    }
}

/// A certificate chain and its private key, both PEM.
#[derive(Clone)]
pub struct Identity {
    /// The chain, leaf first.
    pub chain: Vec<u8>,
    /// The key, unencrypted.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Identity {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity")
    }
}

/// Bounds on what clients may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Open client connections. One more is told to come back later and closed.
    pub connections: usize,
    /// Bytes of one request head, at least 8192.
    pub head_bytes: usize,
    /// Bytes of the request target.
    pub target_bytes: usize,
    /// Header fields of one request.
    pub headers: usize,
    /// From the first byte of a request head to its last; also for a TLS handshake.
    pub head_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub keep_alive: Duration,
    /// Between two pieces of a request body that has no answer yet; `None`: for ever.
    pub body_idle: Option<Duration>,
    /// Bytes of all request bodies that may be held at once until an upstream answers.
    pub held_bytes: usize,
    /// Requests at a time on one HTTP/2 connection.
    pub streams: u32,
    /// HTTP/2 flow control window of one request, in bytes.
    pub stream_window: u32,
    /// HTTP/2 flow control window of one connection, in bytes.
    pub connection_window: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head_bytes: 64 * 1024,
            target_bytes: 16 * 1024,
            headers: 100,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            body_idle: Some(Duration::from_secs(60)),
            held_bytes: 256 << 20,
            streams: 100,
            stream_window: 64 * 1024,
            connection_window: 1024 * 1024,
        }
    }
}

/// Connections kept to upstreams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pool {
    /// Idle connections kept to one upstream.
    pub idle: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
}

impl Default for Pool {
    fn default() -> Self {
        Self { idle: 256, idle_timeout: Duration::from_secs(90) }
    }
}
