//! The one sender of a queue: batches out, answers back into the books.
//!
//! Retries with growing, jittered pauses until the queue gives a piece up. At shutdown everything is
//! due and pauses are cut short once; the deadline is the caller's. Knows no span.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::envelope::Envelope;
use crate::queue::{Due, Queue, Settled, Signal};
use crate::transport::{Answer, Transport, Why};

/// First pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause we choose ourselves.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Delivers one signal to one collector.
pub(crate) struct Sender {
    /// What to send.
    pub(crate) queue: Arc<Queue>,
    /// Where to.
    pub(crate) transport: Transport,
    /// In what.
    pub(crate) envelope: Envelope,
    /// Which signal it is, for our own log.
    pub(crate) signal: Signal,
    /// Turns true once, at shutdown.
    pub(crate) stop: watch::Receiver<bool>,
    /// First pause after a failure.
    pub(crate) pause: Duration,
    /// What was told last.
    pub(crate) told: News,
}

impl Sender {
    /// The pause that is used but for tests.
    pub(crate) const PAUSE: Duration = FIRST_PAUSE;

    /// Sends until shutdown and the queue is empty.
    pub(crate) async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            let stopping = *self.stop.borrow_and_update();
            match self.queue.due(Instant::now(), stopping) {
                Due::Now => {}
                Due::Never if stopping => return,
                due => {
                    self.wait(due).await;
                    continue;
                }
            }
            let batch = self.queue.take();
            let answer = self.transport.send(self.envelope.request(&batch)).await;
            drop(batch);
            self.tell(answer);
            match answer {
                Answer::Delivered { rejected } => {
                    self.queue.settle(Settled::Delivered { rejected });
                    failures = 0;
                }
                Answer::Refused(_) => self.queue.settle(Settled::Refused),
                Answer::TooLarge => self.queue.settle(Settled::TooLarge),
                Answer::Retry { after, .. } => {
                    self.queue.settle(Settled::Retry { now: Instant::now() });
                    let pause = after.unwrap_or_else(|| backoff(self.pause, failures));
                    failures = failures.saturating_add(1);
                    self.rest(pause).await;
                }
            }
        }
    }

    async fn wait(&mut self, due: Due) {
        let queue = Arc::clone(&self.queue);
        tokio::select! {
            () = queue.came.notified() => {}
            _ = self.stop.changed() => {}
            () = async { match due {
                Due::At(time) => sleep_until(time).await,
                Due::Now | Due::Never => std::future::pending().await,
            } } => {}
        }
    }

    /// Pauses; the news of shutdown ends it.
    async fn rest(&mut self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            Ok(()) = self.stop.changed() => {}
        }
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
        if news == self.told {
            return;
        }
        self.told = news;
        let (signal, collector) = (self.signal.name(), self.transport.place());
        match news {
            News::Well => tracing::info!(signal, collector, "telemetry is delivered again"),
            News::Partly => tracing::warn!(signal, collector, "the collector refuses a part"),
            News::Waiting(why) => {
                tracing::warn!(signal, collector, %why, "telemetry waits for the collector");
            }
            News::Refused(why) => {
                tracing::warn!(signal, collector, %why, "the collector refuses telemetry");
            }
            News::TooLarge => {
                tracing::warn!(signal, collector, "the collector wants smaller messages");
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
