//! The proxy over real sockets: bytes in, bytes out, and what the observer was told.

mod bounds;
mod bytes;
mod chain;
mod client;
mod drain;
pub(crate) mod fixture;
mod frames;
mod multiplexed;
mod probes;
mod splice;

mod tls;
mod told;
mod tunnel;
mod upstream;
