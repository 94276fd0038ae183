//! One exporter: its queues, its disk, and the thread that empties them.
//!
//! In: pieces, put into the queues by whoever makes them. Out: exports to one receiver, and the ledger
//! of the exporter. Each exporter has a thread and a runtime of its own, so that neither a slow receiver
//! nor a disk that hangs delays another exporter. Knows no record.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tidegauge_core::{Dropped, Emitter, Health, Ledger, Signal, Task};
use tidegauge_spool::{BatchBounds, SpoolError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::disk_queue::{DiskQueueOptions, QueueOnDisk};
use crate::envelope::Envelope;
use crate::queue::{Queue, QueueOptions};
use crate::sender::{Sender, SenderState, StopStage};
use crate::transport::{Protocol, Target, TlsError, Transport};

/// What one exporter sends where, and how that waits.
#[derive(Clone, Debug)]
pub struct ExporterOptions {
    /// The name of the exporter in our own metrics and log.
    pub name: String,
    /// Where spans go; `None`: none do.
    pub traces: Option<Target>,
    /// Where metrics go; `None`: none do.
    pub metrics: Option<Target>,
    /// Where events and our own log lines go; `None`: none do.
    pub logs: Option<Target>,
    /// How spans are queued.
    pub trace_queue: QueueOptions,
    /// How metric points are queued.
    pub metric_queue: QueueOptions,
    /// How events and log lines are queued.
    pub log_queue: QueueOptions,
    /// The queue on disk; `None`: pieces wait in memory only.
    pub disk_queue: Option<DiskQueueOptions>,
    /// New metrics make those that wait obsolete, so they go to disk only at the end.
    pub sums_replace: bool,
}

impl ExporterOptions {
    /// The target of each signal that is sent.
    pub(crate) fn targets(&self) -> impl Iterator<Item = (Signal, &Target)> {
        let targets = [&self.traces, &self.metrics, &self.logs];
        let all = Signal::ALL.into_iter().zip(targets);
        all.filter_map(|(signal, target)| Some((signal, target.as_ref()?)))
    }

    /// The error that TLS to a receiver cannot be set up.
    pub(crate) fn tls_error(&self, signal: Signal, error: TlsError) -> StartError {
        StartError::Tls { exporter: self.name.clone(), signal: signal.name(), error }
    }

    /// The name of the exporter that `telemetry.otlp` and the `OTEL_*` variables describe.
    pub const DEFAULT: &str = "default";
}

/// Why telemetry could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// TLS to a receiver cannot be set up.
    #[error("exporter {exporter}, {signal}: {error}")]
    Tls {
        /// The name of the exporter.
        exporter: String,
        /// `traces`, `metrics` or `logs`.
        signal: &'static str,
        /// What is wrong.
        error: TlsError,
    },
    /// The directory of a disk queue is in use.
    #[error("disk queue {}: {error}", .dir.display())]
    Disk {
        /// The directory.
        dir: PathBuf,
        /// What is wrong.
        error: SpoolError,
    },
    /// The system gives no thread, or no runtime.
    #[error("the telemetry thread cannot start: {0}")]
    Thread(#[from] std::io::Error),
}

/// What all exporters of a process share.
#[derive(Debug)]
pub(crate) struct Common {
    /// Where panics are counted and ledgers are opened.
    pub(crate) health: Arc<Health>,
    /// First pause after a failure of a receiver.
    pub(crate) pause: Duration,
    /// Pause after a failure of a disk; `None`: the usual one.
    pub(crate) rest: Option<Duration>,
}

/// The queues and the thread of one exporter. Dropping it ends the thread, which then delivers nothing
/// more.
#[derive(Debug)]
pub(crate) struct RunningExporter {
    /// The queue of spans, if it sends them.
    pub(crate) traces: Option<Arc<Queue>>,
    /// The queue of metric points, if it sends them.
    pub(crate) metrics: Option<Arc<Queue>>,
    /// The queue of events and log lines, if it sends them.
    pub(crate) logs: Option<Arc<Queue>>,
    /// The disk queue. Weak, because it must be closed when the thread ends: another process may open it
    /// then.
    disk: Option<Weak<QueueOnDisk>>,
    /// Where each signal goes, until that was logged.
    opening: Mutex<Vec<(Signal, String, Option<Protocol>)>>,
    name: String,
    stop: watch::Sender<StopStage>,
    thread: Mutex<Option<(JoinHandle<()>, Receiver<()>)>>,
}

impl RunningExporter {
    /// Opens the disk queue and starts the thread. Opens no connection yet.
    ///
    /// # Errors
    /// As [`Delivery::start`](crate::Delivery::start).
    pub(crate) fn start(
        config: &ExporterOptions,
        emitter: &Emitter,
        common: &Common,
    ) -> Result<Self, StartError> {
        let ledger = common.health.ledger(&config.name);
        let queue = |target: &Option<Target>, signal, options: QueueOptions| {
            let mut options = options;
            if spills(config, signal) {
                // Nothing grows too old that can be written to disk.
                options.max_age = Duration::MAX;
            }
            target.is_some().then(|| Arc::new(Queue::new(signal, options, Arc::clone(&ledger))))
        };
        let (stop, stopped) = watch::channel(StopStage::Running);
        let disk_queue = disk_queue((config, emitter), common, &ledger)?;
        let exporter = Self {
            traces: queue(&config.traces, Signal::Traces, config.trace_queue),
            metrics: queue(&config.metrics, Signal::Metrics, config.metric_queue),
            logs: queue(&config.logs, Signal::Logs, config.log_queue),
            disk: disk_queue.as_ref().map(Arc::downgrade),
            opening: Mutex::new(opening(config)),
            name: config.name.clone(),
            stop,
            thread: Mutex::new(None),
        };
        let senders = exporter.senders((config, emitter), common, disk_queue.as_ref(), &stopped)?;
        let thread = spawn(config, senders, disk_queue, stopped, &common.health)?;
        *exporter.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(exporter)
    }

    /// Whether there is a disk queue.
    pub(crate) fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Logs where telemetry goes, by which protocol, and how opening the disk queue went; once.
    pub(crate) fn log_opening(&self) {
        for (signal, receiver, protocol) in
            self.opening.lock().unwrap_or_else(PoisonError::into_inner).drain(..)
        {
            let (exporter, signal) = (self.name.as_str(), signal.name());
            let protocol = protocol.map_or("found by trying", Protocol::name);
            tracing::info!(exporter, signal, receiver, protocol, "telemetry goes to this receiver");
        }
        if let Some(disk_queue) = self.disk.as_ref().and_then(Weak::upgrade) {
            disk_queue.log_opening();
        }
    }

    /// Lets the thread know how far the end of the process has come.
    pub(crate) fn advance(&self, to: StopStage) {
        self.stop.send_modify(|stop| *stop = to.max(*stop));
    }

    /// Waits until the thread has ended, at most until the deadline. True if it has.
    pub(crate) fn ended_by(&self, deadline: Instant) -> bool {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, done)) = thread.as_ref() else { return true };
        let left = deadline.saturating_duration_since(Instant::now());
        // Joined only once it has ended: a thread that hangs must not hang the process.
        let ended = done.recv_timeout(left) != Err(RecvTimeoutError::Timeout);
        if ended && let Some((thread, _)) = thread.take() {
            let _ = thread.join();
        }
        ended
    }

    /// Drops and counts what still waits in memory, and whatever comes later.
    pub(crate) fn close(&self) {
        for queue in [&self.traces, &self.metrics, &self.logs].into_iter().flatten() {
            queue.close(Dropped::ShutdownDeadline);
        }
    }

    fn senders(
        &self,
        (config, emitter): (&ExporterOptions, &Emitter),
        common: &Common,
        disk_queue: Option<&Arc<QueueOnDisk>>,
        stop: &watch::Receiver<StopStage>,
    ) -> Result<Vec<Sender>, StartError> {
        let signals = [
            (Signal::Traces, &config.traces, &self.traces, &config.trace_queue),
            (Signal::Metrics, &config.metrics, &self.metrics, &config.metric_queue),
            (Signal::Logs, &config.logs, &self.logs, &config.log_queue),
        ];
        let mut senders = Vec::new();
        for (signal, target, queue, options) in signals {
            let (Some(target), Some(queue)) = (target, queue) else { continue };
            let transport = Transport::new(signal, target.clone())
                .map_err(|error| config.tls_error(signal, error))?;
            senders.push(Sender {
                exporter: config.name.clone(),
                queue: Arc::clone(queue),
                disk_queue: disk_queue.cloned(),
                spills: spills(config, signal),
                most: BatchBounds { records: options.batch_pieces, bytes: options.batch_bytes },
                transport: Arc::new(transport),
                envelope: Envelope::new(emitter.clone()),
                signal,
                stop: stop.clone(),
                delay: options.delay,
                pause: common.pause,
                state: SenderState::new(target.protocol),
            });
        }
        Ok(senders)
    }
}

impl Drop for RunningExporter {
    fn drop(&mut self) {
        self.advance(StopStage::Now);
    }
}

/// Where each signal goes, for the log.
fn opening(config: &ExporterOptions) -> Vec<(Signal, String, Option<Protocol>)> {
    let targets = config.targets();
    targets.map(|(signal, target)| (signal, target.place(), target.protocol)).collect()
}

fn disk_queue(
    (config, emitter): (&ExporterOptions, &Emitter),
    common: &Common,
    ledger: &Arc<Ledger>,
) -> Result<Option<Arc<QueueOnDisk>>, StartError> {
    let Some(options) = config.disk_queue.clone() else { return Ok(None) };
    let (dir, resource) = (options.dir.clone(), emitter.resource.clone());
    QueueOnDisk::open(options, resource, Arc::clone(ledger), common.rest)
        .map(|disk_queue| Some(Arc::new(disk_queue)))
        .map_err(|error| StartError::Disk { dir, error })
}

/// The thread, and where it says that it has ended.
fn spawn(
    config: &ExporterOptions,
    senders: Vec<Sender>,
    disk_queue: Option<Arc<QueueOnDisk>>,
    stop: watch::Receiver<StopStage>,
    health: &Arc<Health>,
) -> Result<(JoinHandle<()>, Receiver<()>), StartError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (finished, done) = sync_channel(1);
    let health = Arc::clone(health);
    let name = format!("otlp {}", config.name);
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for sender in senders {
                tasks.spawn(sender.run_to_end(Arc::clone(&health)));
            }
            if let Some(disk_queue) = disk_queue.clone() {
                tasks.spawn(sync(disk_queue, stop));
            }
            while let Some(ended) = tasks.join_next().await {
                if ended.is_err_and(|error| error.is_panic()) {
                    health.panicked(Task::Sink, 1);
                }
            }
        });
        // A name look-up that hangs must not hold the thread, and through it the shutdown.
        runtime.shutdown_background();
        if let Some(disk_queue) = &disk_queue {
            disk_queue.flush();
        }
        // Closed before the end is announced: whoever waits for it may open the directory.
        drop(disk_queue);
        let _ = finished.try_send(());
    })?;
    Ok((thread, done))
}

/// Brings the disk queue to the medium now and then, until the end.
async fn sync(disk_queue: Arc<QueueOnDisk>, mut stop: watch::Receiver<StopStage>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(disk_queue.sync_interval()) => {
                disk_queue.sync(Instant::now());
            }
            _ = stop.wait_for(|stop| *stop != StopStage::Running) => return,
        }
    }
}

/// Whether what nobody takes goes to the disk while we run. Cumulative sums do not: the next ones
/// replace them, and only the last ones of a process are worth keeping.
fn spills(config: &ExporterOptions, signal: Signal) -> bool {
    let replaced = signal == Signal::Metrics && config.sums_replace;
    config.disk_queue.is_some() && !replaced
}
