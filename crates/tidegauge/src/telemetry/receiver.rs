//! What the configuration file says about reaching a receiver. Nothing is resolved or checked here.

use std::fmt;
use std::time::Duration;

use tidegauge_export::{Compression, Protocol};

/// What the configuration file says about reaching a collector.
#[derive(Clone, Default)]
pub struct Receiver {
    /// Where it is; nothing is sent there when neither this nor a variable says where.
    pub endpoint: Option<String>,
    /// Where single signals go, used as they are, in the order of `Signal::ALL`.
    pub signal_endpoints: [Option<String>; 3],
    /// Left out: by the endpoint's port, 4317 or 4318; with another one it is found by trying.
    pub protocol: Option<Protocol>,
    /// Headers of every export; values may be secret.
    pub headers: Vec<(String, String)>,
    /// How bodies are compressed.
    pub compression: Option<Compression>,
    /// How long one export may take.
    pub timeout: Option<Duration>,
    /// File with PEM certificates trusted besides the platform's.
    pub certificate: Option<String>,
    /// File with our PEM certificate chain.
    pub client_certificate: Option<String>,
    /// File with the key for it.
    pub client_key: Option<String>,
}

impl fmt::Debug for Receiver {
    /// Without its contents: headers may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}

/// A choice of signals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signals {
    /// Spans.
    pub traces: bool,
    /// Metric points.
    pub metrics: bool,
    /// Events and our own log lines.
    pub logs: bool,
}

impl Signals {
    /// All of them.
    pub const ALL: Self = Self { traces: true, metrics: true, logs: true };
}
