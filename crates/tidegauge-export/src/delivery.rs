//! All exporters together: started, filled and shut down.
//!
//! In: what each exporter is, and who makes the pieces. Out: an outbox for each signal of each
//! exporter. Knows no piece's meaning.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tidegauge_core::{Emitter, Health, Outbox};
use tokio::time::Instant;

use crate::exporter::{Common, ExporterOptions, RunningExporter, StartError};
use crate::queue::Queue;
use crate::sender::{Sender, StopStage};

/// How long a failure is waited out before the next try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pauses {
    /// After the first failure of a receiver; it doubles from there.
    pub receiver: Duration,
    /// After a failure of a disk; `None`: five seconds.
    pub disk: Option<Duration>,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { receiver: Sender::PAUSE, disk: None }
    }
}

/// Where the pieces of one exporter go; `None` for a signal that it does not take.
#[derive(Clone, Debug)]
pub struct Outboxes {
    /// Spans.
    pub traces: Option<Arc<dyn Outbox>>,
    /// Metric points.
    pub metrics: Option<Arc<dyn Outbox>>,
    /// Events and log lines.
    pub logs: Option<Arc<dyn Outbox>>,
}

/// The exporters of a process. Dropping it ends their threads, which then deliver nothing more.
#[derive(Debug)]
pub struct Delivery {
    exporters: Vec<RunningExporter>,
    /// Shutdown began.
    ended: AtomicBool,
    /// No receiver is to be waited for in it.
    aborted: AtomicBool,
}

impl Delivery {
    /// Starts a thread for each exporter, which says that its pieces are made by that emitter. A receiver that is down is no error: pieces wait for it.
    ///
    /// # Errors
    /// When configured certificates cannot be used, another process uses a disk queue, or no thread
    /// can be started. A disk queue that fails is no error: it is tried again.
    pub fn start(
        exporters: &[(ExporterOptions, Emitter)],
        health: &Arc<Health>,
        pauses: Pauses,
    ) -> Result<Self, StartError> {
        let common =
            Common { health: Arc::clone(health), pause: pauses.receiver, rest: pauses.disk };
        let exporters = exporters
            .iter()
            .map(|(exporter, emitter)| RunningExporter::start(exporter, emitter, &common))
            .collect::<Result<_, _>>()?;
        Ok(Self { exporters, ended: AtomicBool::new(false), aborted: AtomicBool::new(false) })
    }

    /// The outboxes of each exporter, in the order of the options.
    pub fn outboxes(&self) -> Vec<Outboxes> {
        let outbox =
            |queue: &Option<Arc<Queue>>| queue.clone().map(|queue| queue as Arc<dyn Outbox>);
        let of = |exporter: &RunningExporter| Outboxes {
            traces: outbox(&exporter.traces),
            metrics: outbox(&exporter.metrics),
            logs: outbox(&exporter.logs),
        };
        self.exporters.iter().map(of).collect()
    }

    /// Says in the log what was found on disk at the start. To be called once there is a log; the
    /// second time it says nothing.
    pub fn log_opening(&self) {
        self.exporters.iter().for_each(RunningExporter::log_opening);
    }

    /// Whether an exporter has a disk queue.
    pub fn has_disk(&self) -> bool {
        self.exporters.iter().any(RunningExporter::has_disk)
    }

    /// Lets `last` add what is to be sent last, then delivers what waits, both for at most `deadline`.
    /// What is left then is written to the disk queue, which has the last quarter of the time, or
    /// dropped and counted, as is everything that comes later. Blocks the calling thread. The second
    /// time it does nothing.
    pub fn shutdown(&self, deadline: Duration, last: impl FnOnce()) {
        if self.ended.swap(true, SeqCst) {
            return;
        }
        let begin = Instant::now();
        last();
        self.advance(if self.aborted.load(SeqCst) { StopStage::Now } else { StopStage::Flush });
        for exporter in self.exporters.iter().filter(|exporter| exporter.has_disk()) {
            if !exporter.ended_by(begin + (deadline - deadline / 4)) {
                exporter.advance(StopStage::Now);
            }
        }
        for exporter in &self.exporters {
            exporter.ended_by(begin + deadline);
        }
        self.close();
    }

    /// From now on a shutdown, begun or to come, waits for no receiver.
    pub fn abort_wait(&self) {
        self.aborted.store(true, SeqCst);
        if self.ended.load(SeqCst) {
            self.advance(StopStage::Now);
        }
    }

    fn advance(&self, to: StopStage) {
        self.exporters.iter().for_each(|exporter| exporter.advance(to));
    }

    fn close(&self) {
        self.exporters.iter().for_each(RunningExporter::close);
    }
}

impl Drop for Delivery {
    /// What comes after this is counted as dropped, although nobody sends it any more.
    fn drop(&mut self) {
        self.close();
        self.advance(StopStage::Flush);
    }
}

#[cfg(test)]
mod tests;
