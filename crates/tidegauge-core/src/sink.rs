//! Where finished records go.

use std::time::Duration;

use crate::{Record, Verdict};

/// Takes finished records and what graders think of them later. Both return at once: a slow sink drops
/// and counts, it never makes us wait.
pub trait Sink: Send + Sync {
    /// One call is over.
    fn record(&self, record: &Record);

    /// A grader has judged a call whose record was shown before. Sinks without interest do nothing.
    fn verdict(&self, record: &Record, verdict: &Verdict) {
        let _ = (record, verdict);
    }

    /// No more comes. Finishes what waits, for at most `deadline`, and counts the rest as lost; blocks
    /// the calling thread. The second time it does nothing.
    fn shutdown(&self, deadline: Duration) {
        let _ = deadline;
    }
}
