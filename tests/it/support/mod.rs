//! The rig: an upstream that can misbehave byte by byte, clients, an OTLP receiver, and the real
//! program between them. Everything listens on a port of its own on 127.0.0.1.

pub(crate) mod answers;
pub(crate) mod client;
pub(crate) mod collector;
pub(crate) mod metrics;
pub(crate) mod program;
pub(crate) mod socket;
pub(crate) mod tls;
pub(crate) mod upstream;
pub(crate) mod wait;

/// Says something whether or not the test passes: a skipped test should not look like one that ran.
pub(crate) fn say(what: &str) {
    use std::io::Write;
    // Unlike `println!`, this is not kept back until a test fails.
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Whether runs are wanted that take minutes, or the whole machine.
pub(crate) fn long() -> bool {
    std::env::var_os("TIDEGAUGE_LONG_TESTS").is_some()
}
