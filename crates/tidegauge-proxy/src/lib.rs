//! Connections in, exchanges out: accept, check, route, forward, tap, rescue.
//!
//! Bytes pass unchanged and wait for nothing but each other; what passes is shown to the
//! [`Observers`](tidegauge_core::Observers) it is given, its only exit. It must not know a provider
//! by name, a telemetry format or a price. It is the only crate that reads the clock.

mod alive;
mod attempt;
mod attribution;
mod base;
mod body;
mod budget;
mod call;
mod caller;
mod check;
mod clock;

mod config;
mod connect;
mod connection;
mod descriptors;
mod failure;
mod forward;
mod frames;
mod framing;
mod headers;
mod hold;
mod hops;
mod idle;
mod link;
mod multiplex;
mod open;
mod redact;
mod rescue;
mod route;
mod server;
mod service;
mod shared;
mod shutdown;
mod signal;
mod socket;
mod splice;
mod stream;
mod tap;
mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
mod trace;
mod tunnel;
mod upload;
mod upstream;

#[cfg(test)]
mod tests;

pub use clock::Clock;
pub use config::{Config, Identity, Limits, Pool};
pub use server::{BindError, Certificate, Server};
pub use shutdown::{Drained, Shutdown};
