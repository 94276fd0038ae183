//! The one sender of a queue: batches out, answers back into the books.
//!
//! Retries with growing, jittered pauses until the queue gives a piece up. Where there is a backlog on
//! disk, nothing is given up: what comes is written there at once and sent from there, and gone from
//! there when the collector took it. Memory is sent from where there is no disk, or one that fails.
//! At shutdown everything is due and pauses are cut short once; the deadline is the caller's. Knows no
//! span.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegauge_core::{Dropped, Health, Signal, Task};
use tidegauge_spool::BatchBounds;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::answer::{Answer, Why};
use crate::backlog::{Backlog, Taken};
use crate::envelope::Envelope;
use crate::queue::{Due, Queue, Settled};
use crate::transport::{Protocol, Transport};

/// First pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause we choose ourselves.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How the end is near. Only grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Stop {
    /// It is not.
    Running,
    /// What waits in memory is to be delivered.
    Flush,
    /// No collector is waited for any more.
    Now,
}

/// Delivers one signal to one collector.
#[derive(Clone)]
pub(crate) struct Sender {
    /// Whose it is, for our own log.
    pub(crate) exporter: String,
    /// What to send.
    pub(crate) queue: Arc<Queue>,
    /// Where what nobody takes is kept, if anywhere.
    pub(crate) backlog: Option<Arc<Backlog>>,
    /// Whether it goes there while we run, or only in the end.
    pub(crate) spills: bool,
    /// Bounds of one export out of the backlog.
    pub(crate) most: BatchBounds,
    /// Where to.
    pub(crate) transport: Arc<Transport>,
    /// In what.
    pub(crate) envelope: Envelope,
    /// Which signal it is.
    pub(crate) signal: Signal,
    /// How the end is near.
    pub(crate) stop: watch::Receiver<Stop>,
    /// How long what is fresh on disk waits for more.
    pub(crate) delay: Duration,
    /// First pause after a failure.
    pub(crate) pause: Duration,
    /// How things go.
    pub(crate) course: Course,
}

/// What a sender remembers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Course {
    /// What was told last.
    told: News,
    /// The protocol, once it is known and was told.
    protocol: Option<Protocol>,
    /// Failures since something arrived.
    failures: u32,
    /// When to try again; set from a failure to the next answer.
    resume: Option<Instant>,
    /// Records in the next export out of the backlog at most, when the collector said too large.
    records: Option<usize>,
    /// The last export came out of memory.
    live_last: bool,
    /// What was written to disk since the last export out of it: when the first, and how many.
    fresh: Option<(Instant, u64)>,
}

impl Course {
    /// At the start, where the protocol is set or not.
    pub(crate) fn new(protocol: Option<Protocol>) -> Self {
        Self { protocol, ..Self::default() }
    }
}

/// What to do next.
enum Turn {
    /// Send from memory.
    Memory,
    /// Send this from disk.
    Disk(Taken),
    /// Wait for news, at most until then.
    Wait(Option<Instant>),
    /// Nothing more.
    Over,
}

impl Sender {
    /// The pause that is used but for tests.
    pub(crate) const PAUSE: Duration = FIRST_PAUSE;

    /// Sends until shutdown and the queue is empty. With a backlog what is left then is there. A panic
    /// costs the batch it happened with, and is counted: after a pause the rest is sent.
    pub(crate) async fn last(self, health: Arc<Health>) {
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
            if stop == Stop::Now {
                break;
            }
            let may_spill = self.spills || stop != Stop::Running;
            let more = may_spill && self.keep();
            match self.turn(stop != Stop::Running, Instant::now()) {
                Turn::Memory => self.deliver_memory().await,
                Turn::Disk(taken) => self.deliver_disk(taken).await,
                Turn::Wait(_) if more => tokio::task::yield_now().await,
                Turn::Wait(until) => self.wait(until).await,
                Turn::Over => break,
            }
        }
        if let Some(backlog) = &self.backlog {
            backlog.hurry();
        }
        self.keep();
    }

    /// Memory and disk take turns, so that neither the newest nor the oldest starves (F-37). At the
    /// end what is on disk is safe: no collector that fails is waited for to take it.
    fn turn(&mut self, flushing: bool, now: Instant) -> Turn {
        let live = self.queue.due(now, flushing);
        let stored = self.stored(now, flushing);
        let safe = stored == Due::Never || self.course.resume.is_some();
        if flushing && live == Due::Never && safe {
            return Turn::Over;
        }
        if let Some(resume) = self.course.resume.filter(|resume| *resume > now) {
            return Turn::Wait(self.earlier(Some(resume), now));
        }
        if stored == Due::Now && (live != Due::Now || self.course.live_last) {
            if let Some(taken) = self.take_stored(now) {
                return Turn::Disk(taken);
            }
            if flushing && live == Due::Never {
                return Turn::Over;
            }
        }
        match (live, stored) {
            (Due::Now, _) => Turn::Memory,
            (Due::At(one), Due::At(other)) => Turn::Wait(self.earlier(Some(one.min(other)), now)),
            (Due::At(time), _) | (_, Due::At(time)) => Turn::Wait(self.earlier(Some(time), now)),
            (Due::Never, _) => Turn::Wait(self.earlier(None, now)),
        }
    }

    /// When the next batch on disk is due: what is fresh waits for more as it would in memory, what
    /// was there before does not.
    fn stored(&self, now: Instant, flushing: bool) -> Due {
        // What only comes to disk at the end is not brought back for it.
        let Some(backlog) = self.backlog.as_ref().filter(|_| self.spills || !flushing) else {
            return Due::Never;
        };
        let waiting = backlog.waiting(self.signal, now);
        let (first, fresh) = self.course.fresh.unwrap_or((now, 0));
        let time = first.checked_add(self.delay).filter(|time| *time > now);
        match time {
            _ if waiting == 0 => Due::Never,
            Some(time) if waiting <= fresh && fresh < self.most.records as u64 && !flushing => {
                Due::At(time)
            }
            _ => Due::Now,
        }
    }

    fn take_stored(&mut self, now: Instant) -> Option<Taken> {
        let records = self.course.records.unwrap_or(self.most.records);
        let most = BatchBounds { records, ..self.most };
        self.course.fresh = None;
        self.backlog.as_ref()?.take(self.signal, most, now)
    }

    /// That time, or when the disk is to be tried again.
    fn earlier(&self, time: Option<Instant>, now: Instant) -> Option<Instant> {
        let disk = self.backlog.as_ref().and_then(|backlog| backlog.rests_until(now));
        time.into_iter().chain(disk).min()
    }

    async fn deliver_memory(&mut self) {
        let request = self.envelope.request(&self.queue.take());
        let answer = self.send(request).await;
        let settled = match answer {
            Some(Answer::Delivered { rejected }) => Settled::Delivered { rejected },
            Some(Answer::Refused(_)) => Settled::Refused,
            Some(Answer::TooLarge) => Settled::TooLarge,
            Some(Answer::Retry { .. }) | None => Settled::Retry { now: Instant::now() },
        };
        self.queue.settle(settled);
        self.course.live_last = true;
        self.learn(answer);
    }

    async fn deliver_disk(&mut self, taken: Taken) {
        let request = self.envelope.request_of(&taken.groups);
        let answer = self.send(request).await;
        if let Some(backlog) = &self.backlog {
            let settle = |taken, settled| backlog.settle(self.signal, taken, settled);
            match answer {
                Some(Answer::Delivered { rejected }) => {
                    let records = self.course.records.map(|records| records.saturating_mul(2));
                    self.course.records = records.filter(|records| *records < self.most.records);
                    settle(taken, Settled::Delivered { rejected });
                }
                Some(Answer::Refused(_)) => settle(taken, Settled::Refused),
                Some(Answer::TooLarge) if taken.len() <= 1 => settle(taken, Settled::TooLarge),
                Some(Answer::TooLarge) => self.course.records = Some(taken.len() / 2),
                // It stays where it is.
                Some(Answer::Retry { .. }) | None => {}
            }
        }
        self.course.live_last = false;
        self.learn(answer);
    }

    /// Sends one request; `None` if it was given up at the end. Meanwhile what comes is written down.
    async fn send(&mut self, request: Bytes) -> Option<Answer> {
        #[cfg(feature = "testing")]
        crate::testing::break_here(&self.exporter);
        let (transport, queue) = (Arc::clone(&self.transport), Arc::clone(&self.queue));
        let mut stop = self.stop.clone();
        let ended = async {
            if stop.wait_for(|stop| *stop == Stop::Now).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let sending = transport.send(request);
        tokio::pin!(sending, ended);
        loop {
            let more = self.spills && self.keep();
            tokio::select! {
                answer = &mut sending => return Some(answer),
                () = &mut ended => return None,
                () = tokio::task::yield_now(), if more => {}
                () = queue.came.notified(), if !more => {}
            }
        }
    }

    /// Moves what waits in memory to the disk, if there is one that works. Whether more has come
    /// meanwhile: of that nobody is told by [`Queue::came`], which only tells of the first piece.
    fn keep(&mut self) -> bool {
        let Some(backlog) = &self.backlog else { return false };
        let now = Instant::now();
        // Those that are there now: more may come all the time.
        for _ in 0..self.queue.len() {
            let Some(piece) = self.queue.begin_move() else { return false };
            match backlog.write(self.signal, &piece, now) {
                Ok(()) => {
                    let (first, records) = self.course.fresh.unwrap_or((now, 0));
                    self.course.fresh = Some((first, records + 1));
                    if !self.queue.moved() {
                        backlog.found(self.signal, piece.units);
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

    /// Draws the consequences of an answer.
    fn learn(&mut self, answer: Option<Answer>) {
        let Some(answer) = answer else { return };
        self.tell_protocol();
        self.tell(answer);
        self.course.resume = None;
        match answer {
            Answer::Delivered { .. } => self.course.failures = 0,
            Answer::Refused(_) | Answer::TooLarge => {}
            Answer::Retry { after, .. } => {
                let failures = self.course.failures;
                let pause = after.unwrap_or_else(|| backoff(self.pause, failures));
                self.course.failures = failures.saturating_add(1);
                self.course.resume = Instant::now().checked_add(pause);
            }
        }
    }

    /// Waits for pieces, for the time or for shutdown, which cuts a pause short.
    async fn wait(&mut self, until: Option<Instant>) {
        let queue = Arc::clone(&self.queue);
        tokio::select! {
            () = queue.came.notified() => {}
            Ok(()) = self.stop.changed() => {
                // In the past: it is tried again now, and what failed before still counts.
                self.course.resume = self.course.resume.map(|_| Instant::now());
            }
            () = async { match until {
                Some(time) => sleep_until(time).await,
                None => std::future::pending().await,
            } } => {}
        }
    }

    /// One line when the protocol was found by trying.
    fn tell_protocol(&mut self) {
        let Some(protocol) = self.transport.protocol() else { return };
        if self.course.protocol.replace(protocol) == Some(protocol) {
            return;
        }
        let (exporter, signal) = (self.exporter.as_str(), self.signal.name());
        let (receiver, protocol) = (self.transport.place(), protocol.name());
        tracing::info!(exporter, signal, receiver, protocol, "the protocol was found by trying");
    }

    /// One line when something changes; the same answer again is no news.
    fn tell(&mut self, answer: Answer) {
        let news = match answer {
            Answer::Delivered { rejected: 0 } => News::Well,
            Answer::Delivered { .. } => News::Partly,
            Answer::Retry { why, .. } => News::Waiting(why),
            Answer::Refused(why) => News::Refused(why),
            Answer::TooLarge => News::TooLarge,
        };
        if news == self.course.told {
            return;
        }
        self.course.told = news;
        let (signal, collector) = (self.signal.name(), self.transport.place());
        let exporter = self.exporter.as_str();
        match news {
            News::Well => {
                tracing::info!(exporter, signal, collector, "telemetry is delivered again");
            }
            News::Partly => {
                tracing::warn!(exporter, signal, collector, "the collector refuses a part");
            }
            News::Waiting(why) => {
                tracing::warn!(exporter, signal, collector, %why, "telemetry waits for the collector");
            }
            News::Refused(why) => {
                tracing::warn!(exporter, signal, collector, %why, "the collector refuses telemetry");
            }
            News::TooLarge => {
                tracing::warn!(exporter, signal, collector, "the collector wants smaller messages");
            }
        }
    }
}

/// How delivery goes, as far as our own log tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum News {
    /// Everything arrives.
    #[default]
    Well,
    /// The collector refuses a part.
    Partly,
    /// It is tried again.
    Waiting(Why),
    /// The collector refuses it for good.
    Refused(Why),
    /// The collector takes no message that long.
    TooLarge,
}

/// Doubles from `first` to half a minute; then up to a quarter is taken off, so that many senders do
/// not come back at once.
fn backoff(first: Duration, failures: u32) -> Duration {
    let pause = first.saturating_mul(1_u32.checked_shl(failures.min(16)).unwrap_or(1));
    pause.min(LONGEST_PAUSE.max(first)).mul_f64(1.0 - fastrand::f64() / 4.0)
}
