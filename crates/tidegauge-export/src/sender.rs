//! Sends one signal to one receiver: batches out of the queues, answers into the ledger.
//!
//! In: a [`Queue`] in memory and perhaps one on disk. Out: exports. A failed export is tried again with
//! growing, jittered pauses until the queue gives its pieces up. With a queue on disk nothing is given
//! up: every piece is written there before it is sent, and removed when the receiver took it; memory is
//! sent directly only while there is no disk or the disk fails. At shutdown everything is due at once
//! and a pause is cut short; the deadline is the caller's. Knows no piece's meaning.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegauge_core::{Dropped, Health, Signal, Task};
use tidegauge_spool::BatchBounds;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::answer::{Answer, FailureReason};
use crate::disk_queue::{DiskBatch, QueueOnDisk};
use crate::envelope::Envelope;
use crate::queue::{BatchOutcome, Due, Queue};
use crate::transport::{Protocol, Transport};

/// First pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause we choose ourselves.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How far the end of the process has come. Only rises.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum StopStage {
    /// The process runs on.
    Running,
    /// What waits is to be delivered.
    Flush,
    /// No receiver is waited for any more.
    Now,
}

/// Delivers one signal to one receiver.
#[derive(Clone)]
pub(crate) struct Sender {
    /// The name of the exporter, for our own log.
    pub(crate) exporter: String,
    /// The pieces to send.
    pub(crate) queue: Arc<Queue>,
    /// The queue on disk, if the exporter has one.
    pub(crate) disk_queue: Option<Arc<QueueOnDisk>>,
    /// Whether pieces go to disk all the time, or only at the end of the process.
    pub(crate) spills: bool,
    /// Bounds of one export from disk.
    pub(crate) most: BatchBounds,
    /// The connection to the receiver.
    pub(crate) transport: Arc<Transport>,
    /// What every request begins with.
    pub(crate) envelope: Envelope,
    /// The signal of all pieces.
    pub(crate) signal: Signal,
    /// How far the end of the process has come.
    pub(crate) stop: watch::Receiver<StopStage>,
    /// How long a new piece on disk waits for others.
    pub(crate) delay: Duration,
    /// First pause after a failure.
    pub(crate) pause: Duration,
    /// What is remembered from one export to the next.
    pub(crate) state: SenderState,
}

/// What a sender remembers from one export to the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct SenderState {
    /// The state of delivery that was logged last.
    logged: DeliveryState,
    /// The protocol, once it is known and was logged.
    protocol: Option<Protocol>,
    /// Failures since the last delivery.
    failures: u32,
    /// When to try again. Set from a failure until the next answer.
    resume: Option<Instant>,
    /// Records in the next export from disk at most, after the receiver called one too large.
    records: Option<usize>,
    /// The last export came from memory.
    live_last: bool,
    /// When the first record since the last export from disk was written there, and how many were.
    fresh: Option<(Instant, u64)>,
}

impl SenderState {
    /// The state at the start; the protocol is `None` where it is to be found by trying.
    pub(crate) fn new(protocol: Option<Protocol>) -> Self {
        Self { protocol, ..Self::default() }
    }
}

/// What a sender does next.
enum NextStep {
    /// Send from memory.
    Memory,
    /// Send this from disk.
    Disk(DiskBatch),
    /// Wait for pieces or for shutdown, at most until then.
    Wait(Option<Instant>),
    /// Nothing more.
    Over,
}

impl Sender {
    /// The first pause after a failure, where a test does not set another.
    pub(crate) const PAUSE: Duration = FIRST_PAUSE;

    /// Sends until shutdown has begun and the queue is empty. With a queue on disk, what is left then is
    /// there. A panic is counted and costs the batch it happened with; after a pause the rest is sent.
    pub(crate) async fn run_to_end(self, health: Arc<Health>) {
        let mut panics = 0;
        loop {
            // A task of its own, so that a panic ends there.
            let mut task = JoinSet::new();
            task.spawn(self.clone().run());
            let Some(Err(error)) = task.join_next().await else { return };
            if !error.is_panic() {
                return;
            }
            health.panicked(Task::Sink, 1);
            self.queue.broken();
            tokio::time::sleep(backoff(self.pause, panics)).await;
            panics = panics.saturating_add(1);
        }
    }

    async fn run(mut self) {
        loop {
            let stop = *self.stop.borrow_and_update();
            if stop == StopStage::Now {
                break;
            }
            let may_spill = self.spills || stop != StopStage::Running;
            let more = may_spill && self.move_to_disk();
            match self.next_step(stop != StopStage::Running, Instant::now()) {
                NextStep::Memory => self.deliver_memory().await,
                NextStep::Disk(taken) => self.deliver_disk(taken).await,
                NextStep::Wait(_) if more => tokio::task::yield_now().await,
                NextStep::Wait(until) => self.wait(until).await,
                NextStep::Over => break,
            }
        }
        if let Some(disk_queue) = &self.disk_queue {
            disk_queue.retry_now();
        }
        self.move_to_disk();
    }

    /// Decides what is next. Memory and disk take turns, so that neither the newest nor the oldest piece
    /// waits forever. What is on disk at the end is safe there: no failing receiver is waited for.
    fn next_step(&mut self, flushing: bool, now: Instant) -> NextStep {
        let live = self.queue.due(now, flushing);
        let stored = self.stored(now, flushing);
        let safe = stored == Due::Never || self.state.resume.is_some();
        if flushing && live == Due::Never && safe {
            return NextStep::Over;
        }
        if let Some(resume) = self.state.resume.filter(|resume| *resume > now) {
            return NextStep::Wait(self.earlier(Some(resume), now));
        }
        if stored == Due::Now && (live != Due::Now || self.state.live_last) {
            if let Some(taken) = self.take_stored(now) {
                return NextStep::Disk(taken);
            }
            if flushing && live == Due::Never {
                return NextStep::Over;
            }
        }
        match (live, stored) {
            (Due::Now, _) => NextStep::Memory,
            (Due::At(one), Due::At(other)) => {
                NextStep::Wait(self.earlier(Some(one.min(other)), now))
            }
            (Due::At(time), _) | (_, Due::At(time)) => {
                NextStep::Wait(self.earlier(Some(time), now))
            }
            (Due::Never, _) => NextStep::Wait(self.earlier(None, now)),
        }
    }

    /// When the next batch on disk is due. A new record waits for others as it would in memory; one that
    /// was there before does not.
    fn stored(&self, now: Instant, flushing: bool) -> Due {
        // Pieces that were written to disk only because the process ends are for the next process.
        let Some(disk_queue) = self.disk_queue.as_ref().filter(|_| self.spills || !flushing) else {
            return Due::Never;
        };
        let waiting = disk_queue.waiting(self.signal, now);
        let (first, fresh) = self.state.fresh.unwrap_or((now, 0));
        let time = first.checked_add(self.delay).filter(|time| *time > now);
        match time {
            _ if waiting == 0 => Due::Never,
            Some(time) if waiting <= fresh && fresh < self.most.records as u64 && !flushing => {
                Due::At(time)
            }
            _ => Due::Now,
        }
    }

    fn take_stored(&mut self, now: Instant) -> Option<DiskBatch> {
        let records = self.state.records.unwrap_or(self.most.records);
        let most = BatchBounds { records, ..self.most };
        self.state.fresh = None;
        self.disk_queue.as_ref()?.take(self.signal, most, now)
    }

    /// That time, or the end of the disk's pause if it is earlier.
    fn earlier(&self, time: Option<Instant>, now: Instant) -> Option<Instant> {
        let disk = self.disk_queue.as_ref().and_then(|disk_queue| disk_queue.pauses_until(now));
        time.into_iter().chain(disk).min()
    }

    async fn deliver_memory(&mut self) {
        let request = self.envelope.request(&self.queue.take());
        let answer = self.send(request).await;
        let outcome = match answer {
            Some(Answer::Delivered { rejected }) => BatchOutcome::Delivered { rejected },
            Some(Answer::Refused(_)) => BatchOutcome::Refused,
            Some(Answer::TooLarge) => BatchOutcome::TooLarge,
            Some(Answer::Retry { .. }) | None => BatchOutcome::Retry { now: Instant::now() },
        };
        self.queue.settle(outcome);
        self.state.live_last = true;
        self.apply_answer(answer);
    }

    async fn deliver_disk(&mut self, taken: DiskBatch) {
        let request = self.envelope.request_of(&taken.groups);
        let answer = self.send(request).await;
        if let Some(disk_queue) = &self.disk_queue {
            let settle = |taken, outcome| disk_queue.settle(self.signal, taken, outcome);
            match answer {
                Some(Answer::Delivered { rejected }) => {
                    let records = self.state.records.map(|records| records.saturating_mul(2));
                    self.state.records = records.filter(|records| *records < self.most.records);
                    settle(taken, BatchOutcome::Delivered { rejected });
                }
                Some(Answer::Refused(_)) => settle(taken, BatchOutcome::Refused),
                Some(Answer::TooLarge) if taken.len() <= 1 => settle(taken, BatchOutcome::TooLarge),
                Some(Answer::TooLarge) => self.state.records = Some(taken.len() / 2),
                // The batch stays on disk and is read again.
                Some(Answer::Retry { .. }) | None => {}
            }
        }
        self.state.live_last = false;
        self.apply_answer(answer);
    }

    /// Sends one request; `None` if the end of the process broke it off. New pieces are written to disk
    /// meanwhile.
    async fn send(&mut self, request: Bytes) -> Option<Answer> {
        #[cfg(feature = "testing")]
        crate::testing::break_here(&self.exporter);
        let (transport, queue) = (Arc::clone(&self.transport), Arc::clone(&self.queue));
        let mut stop = self.stop.clone();
        let ended = async {
            if stop.wait_for(|stop| *stop == StopStage::Now).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let sending = transport.send(request);
        tokio::pin!(sending, ended);
        loop {
            let more = self.spills && self.move_to_disk();
            tokio::select! {
                answer = &mut sending => return Some(answer),
                () = &mut ended => return None,
                () = tokio::task::yield_now(), if more => {}
                () = queue.came.notified(), if !more => {}
            }
        }
    }

    /// Moves the pieces in memory to disk, if there is one that works. True if more came meanwhile, for
    /// which [`Queue::came`] does not wake anybody: it only does for the first piece.
    fn move_to_disk(&mut self) -> bool {
        let Some(disk_queue) = &self.disk_queue else { return false };
        let now = Instant::now();
        // Only those that are there now: more may come without end.
        for _ in 0..self.queue.len() {
            let Some(piece) = self.queue.begin_move() else { return false };
            match disk_queue.write(self.signal, &piece, now) {
                Ok(()) => {
                    let (first, records) = self.state.fresh.unwrap_or((now, 0));
                    self.state.fresh = Some((first, records + 1));
                    if !self.queue.moved() {
                        disk_queue.found(self.signal, piece.units);
                    }
                }
                Err(Dropped::TooLarge) => self.queue.drop_moving(Dropped::TooLarge),
                Err(reason) => {
                    self.queue.not_moved(reason);
                    return false;
                }
            }
        }
        self.queue.len() > 0
    }

    /// Remembers what an answer means for the next export.
    fn apply_answer(&mut self, answer: Option<Answer>) {
        let Some(answer) = answer else { return };
        self.log_protocol();
        self.log_state(answer);
        self.state.resume = None;
        match answer {
            Answer::Delivered { .. } => self.state.failures = 0,
            Answer::Refused(_) | Answer::TooLarge => {}
            Answer::Retry { after, .. } => {
                let failures = self.state.failures;
                let pause = after.unwrap_or_else(|| backoff(self.pause, failures));
                self.state.failures = failures.saturating_add(1);
                self.state.resume = Instant::now().checked_add(pause);
            }
        }
    }

    /// Waits for pieces, for the time, or for shutdown, which cuts a pause short.
    async fn wait(&mut self, until: Option<Instant>) {
        let queue = Arc::clone(&self.queue);
        tokio::select! {
            () = queue.came.notified() => {}
            Ok(()) = self.stop.changed() => {
                // Due now. That there was a failure still counts: see `next_step`.
                self.state.resume = self.state.resume.map(|_| Instant::now());
            }
            () = async { match until {
                Some(time) => sleep_until(time).await,
                None => std::future::pending().await,
            } } => {}
        }
    }

    /// Logs the protocol once it was found by trying.
    fn log_protocol(&mut self) {
        let Some(protocol) = self.transport.protocol() else { return };
        if self.state.protocol.replace(protocol) == Some(protocol) {
            return;
        }
        let (exporter, signal) = (self.exporter.as_str(), self.signal.name());
        let (receiver, protocol) = (self.transport.place(), protocol.name());
        tracing::info!(exporter, signal, receiver, protocol, "the protocol was found by trying");
    }

    /// Logs how delivery goes, once each time that changes.
    fn log_state(&mut self, answer: Answer) {
        let new_state = match answer {
            Answer::Delivered { rejected: 0 } => DeliveryState::Well,
            Answer::Delivered { .. } => DeliveryState::Partly,
            Answer::Retry { why, .. } => DeliveryState::Waiting(why),
            Answer::Refused(why) => DeliveryState::Refused(why),
            Answer::TooLarge => DeliveryState::TooLarge,
        };
        if new_state == self.state.logged {
            return;
        }
        self.state.logged = new_state;
        let (signal, receiver) = (self.signal.name(), self.transport.place());
        let exporter = self.exporter.as_str();
        match new_state {
            DeliveryState::Well => {
                tracing::info!(exporter, signal, receiver, "telemetry is delivered again");
            }
            DeliveryState::Partly => {
                tracing::warn!(exporter, signal, receiver, "the receiver refuses a part");
            }
            DeliveryState::Waiting(why) => {
                tracing::warn!(exporter, signal, receiver, %why, "telemetry waits for the receiver");
            }
            DeliveryState::Refused(why) => {
                tracing::warn!(exporter, signal, receiver, %why, "the receiver refuses telemetry");
            }
            DeliveryState::TooLarge => {
                tracing::warn!(exporter, signal, receiver, "the receiver wants smaller messages");
            }
        }
    }
}

/// How delivery goes, as far as our own log says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum DeliveryState {
    /// Everything arrives.
    #[default]
    Well,
    /// The receiver refuses a part.
    Partly,
    /// Exports fail and are tried again.
    Waiting(FailureReason),
    /// The receiver refuses exports for good.
    Refused(FailureReason),
    /// The receiver calls messages too large.
    TooLarge,
}

/// Doubles from `first` to half a minute; then up to a quarter is taken off, so that many senders do
/// not come back at once.
fn backoff(first: Duration, failures: u32) -> Duration {
    let pause = first.saturating_mul(1_u32.checked_shl(failures.min(16)).unwrap_or(1));
    pause.min(LONGEST_PAUSE.max(first)).mul_f64(1.0 - fastrand::f64() / 4.0)
}
