//! The rig: an upstream that can misbehave byte by byte, clients, an OTLP receiver, and the real
//! program between them. Everything listens on a port of its own on 127.0.0.1.

pub(crate) mod answers;
pub(crate) mod client;
pub(crate) mod collector;
pub(crate) mod metrics;
pub(crate) mod program;
pub(crate) mod tls;
pub(crate) mod upstream;
pub(crate) mod wait;
