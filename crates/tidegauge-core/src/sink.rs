//! Where finished records go.

use crate::{Exchange, Measurement, Observation};

/// Everything known about one exchange.
#[derive(Clone, Debug)]
pub struct Record {
    /// What the data plane saw.
    pub exchange: Exchange,
    /// What was said.
    pub observation: Observation,
    /// What it measured.
    pub measurement: Measurement,
}

/// Takes finished records. Must return at once: a slow sink drops and counts, it never makes us
/// wait.
pub trait Sink: Send + Sync {
    /// One exchange is over.
    fn record(&self, record: &Record);
}
