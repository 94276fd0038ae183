//! Integration tests: the real program between a scripted upstream, clients and an OTLP receiver,
//! all on 127.0.0.1. Nothing here but `fuzz` knows the inside of the program.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests may stop at once, read clocks and start tasks"
)]

mod accounting;
mod background;
mod capture;
mod checks;
mod cli;
mod clock;
mod descriptors;
mod disk;
mod durable;
mod failure;
mod foreign;
mod forward;
mod fuzz;
mod hostile;
mod load;
mod money;
#[expect(dead_code, unreachable_pub, reason = "a library of its own elsewhere")]
#[path = "../fuzz/src/pieces.rs"]
mod pieces;
mod probes;
mod record_file;
mod reload;
mod replay;
mod restart;
mod rig;
mod sdk;
mod sockets;
mod support;
mod telemetry;
mod tidy;
mod tls;
mod vitals;
