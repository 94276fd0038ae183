//! Telemetry that leaves the process: records, encoded, and delivered to every exporter.
//!
//! In: records, through the [`Sink`], and a [`TelemetryConfig`]. Out: exports, and the metrics page.
//! Wires the encoder, which knows no queue, to the delivery, which knows no record. [`Telemetry::record`]
//! only computes and queues; what waits runs on threads of its own.

mod env;
mod preset;
mod receiver;
mod settings;
mod target;
mod variables;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tidegauge_core::{Health, Record, Sink, Task};
use tidegauge_export::{Delivery, Outboxes, Pauses, StartError, TrialResult};
use tidegauge_otel::{Encoder, Format, Subscriber, sample};

pub use env::TelemetryMistakes;
pub use preset::Preset;
pub(crate) use receiver::{Receiver, Signals};
pub use settings::{ExporterPlan, Sampler, TelemetryConfig};
pub(crate) use settings::{ExporterSettings, Settings};
pub use variables::Misread;

/// Sends one span, one metric point and one log record to every exporter that takes them, and says what
/// came back, one result for each signal of each exporter. Nothing is queued, retried or written to
/// disk. Blocks the calling thread.
///
/// # Errors
/// When configured certificates cannot be used or there is no runtime.
pub fn try_exporters(
    config: &TelemetryConfig,
    now: SystemTime,
) -> Result<Vec<TrialResult>, StartError> {
    tidegauge_export::try_exporters(&config.deliveries(), |signal| sample(signal, now))
}

/// How long dropped telemetry may take to write to its disk queue.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// Everything that turns records into OTLP and into the metrics page.
pub struct Telemetry {
    encoder: Encoder,
    delivery: Delivery,
    health: Arc<Health>,
    /// Held as long as sums are pushed at every interval.
    ticking: Mutex<Option<SyncSender<()>>>,
}

impl Telemetry {
    /// Starts a thread for each exporter. A receiver that is down is no error: what is made waits for it.
    ///
    /// # Errors
    /// When configured certificates cannot be used, another process uses a disk queue, or no thread
    /// can be started. A disk queue that fails is no error: it is tried again.
    pub fn start(config: TelemetryConfig, health: Arc<Health>) -> Result<Arc<Self>, StartError> {
        Self::start_with(config, health, Pauses::default())
    }

    fn start_with(
        config: TelemetryConfig,
        health: Arc<Health>,
        pauses: Pauses,
    ) -> Result<Arc<Self>, StartError> {
        let delivery = Delivery::start(&config.deliveries(), &health, pauses)?;
        let subscriber = |(exporter, outboxes): (&ExporterPlan, Outboxes)| Subscriber {
            rendering: exporter.rendering,
            traces: outboxes.traces,
            metrics: outboxes.metrics,
            logs: outboxes.logs,
        };
        let subscribers: Vec<_> =
            config.exporters.iter().zip(delivery.outboxes()).map(subscriber).collect();
        let encoder = Encoder::new(config.encoder, &subscribers, &health);
        let telemetry = Arc::new(Self { encoder, delivery, health, ticking: Mutex::new(None) });
        telemetry.tick(config.metric_interval)?;
        Ok(telemetry)
    }

    /// What turns records into pieces, for the layer of log lines.
    pub(crate) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Says in the log what was found on disk at the start. To be called once there is a log; the
    /// second time it says nothing.
    pub fn log_opening(&self) {
        self.delivery.log_opening();
    }

    /// All metrics as they are now, in that format.
    pub fn page(&self, format: Format) -> Vec<u8> {
        self.encoder.page(format)
    }

    /// Delivers what waits, for at most `deadline`. What is left then is written to the disk queue,
    /// which has the last quarter of the time, or dropped and counted, as is everything that comes
    /// later. Blocks the calling thread. The second time it does nothing.
    pub fn shutdown(&self, deadline: Duration) {
        self.delivery.shutdown(deadline, || {
            drop(self.ticking.lock().unwrap_or_else(PoisonError::into_inner).take());
            self.encoder.push_metrics();
        });
    }

    /// From now on a shutdown, begun or to come, waits for no receiver.
    pub fn abort_wait(&self) {
        self.delivery.abort_wait();
    }

    /// Pushes sums at every interval, on a thread of its own: a large set of them takes a while.
    fn tick(self: &Arc<Self>, interval: Duration) -> Result<(), StartError> {
        if !self.encoder.pushes_metrics() {
            return Ok(());
        }
        let (ticking, stopped) = sync_channel::<()>(1);
        // The thread must not keep the telemetry alive: whoever drops it ends the thread.
        let telemetry = Arc::downgrade(self);
        std::thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let Some(telemetry) = telemetry.upgrade() else { return };
                if catch_unwind(AssertUnwindSafe(|| telemetry.encoder.push_metrics())).is_err() {
                    telemetry.health.panicked(Task::Sink, 1);
                }
            }
        })?;
        *self.ticking.lock().unwrap_or_else(PoisonError::into_inner) = Some(ticking);
        Ok(())
    }
}

impl Sink for Telemetry {
    fn record(&self, record: &Record) {
        self.encoder.record(record);
    }

    fn shutdown(&self, deadline: Duration) {
        Self::shutdown(self, deadline);
    }
}

impl Drop for Telemetry {
    /// Delivers nothing more. With a disk queue what waits is written there, as far as five seconds
    /// allow; the rest is counted as dropped when the delivery is.
    fn drop(&mut self) {
        if self.delivery.has_disk() {
            self.abort_wait();
            self.shutdown(LAST_WRITES);
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Telemetry")
    }
}

#[cfg(test)]
mod tests;
