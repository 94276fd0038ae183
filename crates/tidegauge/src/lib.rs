//! The roof: a command line and a YAML file into a running process.
//!
//! `config` decides what runs, `serve` wires it together and runs it, `pipeline` turns finished
//! exchanges into records for the `sinks`, `console` answers on the second listener. The only crate
//! that may know all others; it must not know what any provider or telemetry format looks like.

mod background;
mod capture;
mod cli;
mod cmd;
pub mod config;
mod console;
mod core_files;
pub mod demo;
mod descriptors;
mod identities;
mod journal;
mod log;
mod pipeline;
mod pricelist;
mod reload;
mod serve;
mod signals;
pub mod sinks;
mod sockets;
mod supervisor;
mod telemetry;
#[cfg(test)]
mod testing;
mod turn;
mod welcome;

pub use capture::Rules;
pub use cli::{Cli, run};
pub use cmd::Exit;
pub use log::log_panics;
pub use pipeline::{Pipeline, Plant};
pub use serve::{Plane, Reloader, Running, StartError, Stopper, start};
pub use sockets::Sockets;
pub use telemetry::{
    ExporterPlan, Misread, Preset, Sampler, Telemetry, TelemetryConfig, TelemetryMistakes,
    try_exporters,
};
