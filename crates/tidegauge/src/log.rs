//! The program's own log: tracing events to lines on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::Log;

/// Reads a level or filter directives.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(level)
}

/// Whether lines are JSON.
pub(crate) fn is_json(log: &Log) -> bool {
    log.json.unwrap_or_else(|| !std::io::stderr().is_terminal())
}
