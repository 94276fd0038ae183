//! A demonstration without keys or network: a simulated provider, traffic for it, and a live table.
//!
//! In: a seed and a proxy's address. Out: calls through that proxy, and text. The roof starts
//! [`Upstream`], points a proxy's upstreams `openai` and `anthropic` at its address, runs
//! [`run`](traffic::run) against the proxy, and draws [`render`](table::render)ed window rows. Must
//! not know: the proxy's insides, exporters.
//!
//! Time may be compressed: every simulated wait is divided by [`Options::speed`], and a proxy whose
//! clock runs that much faster measures simulated time again. Figures of a few milliseconds, such as
//! the proxy's own overhead, mean nothing then.

mod script;
mod table;
mod text;
mod traffic;
mod upstream;

pub use table::{Captions, Screen, render, terminal_width};
pub use traffic::{Sent, run};
pub use upstream::Upstream;

/// The upstreams that the traffic goes to; the simulated provider is all of them.
pub const UPSTREAMS: [&str; 2] = ["openai", "anthropic"];

/// How the demo runs. Two runs with the same seed send the same calls and get the same answers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Options {
    /// What the story is drawn from.
    pub seed: u64,
    /// Stop after so many calls; `None` goes on.
    pub once: Option<u64>,
    /// Calls a simulated second in the busiest hour of the day.
    pub rate: f64,
    /// How much faster than real time the simulation runs.
    pub speed: u32,
    /// Calls open at a time.
    pub concurrency: usize,
}

impl Options {
    /// Live, at the speed of real traffic; or so many calls as fast as their times stay believable
    /// (80 a second).
    pub fn new(seed: u64, once: Option<u64>) -> Self {
        let (rate, speed) = if once.is_some() { (8.0, 10) } else { (5.0, 1) };
        Self { seed, once, rate, speed, concurrency: 64 }
    }
}
