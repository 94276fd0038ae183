//! Integration tests: the real program between a scripted upstream, clients and an OTLP receiver,
//! all on 127.0.0.1. Nothing here knows the inside of the program.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may stop at once, read clocks and start tasks"
)]

mod accounting;
mod capture;
mod cli;
mod durable;
mod failure;
mod foreign;
mod forward;
mod hostile;
mod money;
mod probes;
mod replay;
mod rig;
mod sdk;
mod sockets;
mod support;
mod telemetry;
mod tidy;
mod tls;
mod vitals;
