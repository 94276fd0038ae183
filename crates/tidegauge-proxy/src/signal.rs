//! Something that is said once and heard by many, at next to no cost for those who wait.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio_util::sync::CancellationToken;

/// Given once or never. A task that waits for it beside something else takes no lock each time the
/// something else wakes it, only one load.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    /// Set before the token is cancelled.
    given: AtomicBool,
    token: CancellationToken,
}

impl Signal {
    pub(crate) fn give(&self) {
        self.given.store(true, Ordering::Release);
        self.token.cancel();
    }

    pub(crate) fn is_given(&self) -> bool {
        self.given.load(Ordering::Acquire)
    }

    /// Resolves once the signal is given.
    pub(crate) async fn given(&self) {
        self.until(std::future::pending::<()>()).await;
    }

    /// What `future` resolves to, or `None` if the signal comes first.
    pub(crate) async fn until<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut heard = pin!(self.token.cancelled());
        // The waker that is registered with the token.
        let mut registered = None;
        poll_fn(|cx| {
            if self.is_given() {
                return Poll::Ready(None);
            }
            if registered.as_ref().is_none_or(|waker| !cx.waker().will_wake(waker)) {
                if heard.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                registered = Some(cx.waker().clone());
            }
            future.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the tests wait for their tasks")]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::Signal;

    #[tokio::test]
    async fn whichever_comes_first() {
        let signal = Arc::new(Signal::default());
        assert_eq!(signal.until(async { 1 }).await, Some(1));
        let waiting = Arc::clone(&signal);
        let waits = tokio::spawn(async move {
            waiting.until(tokio::time::sleep(Duration::from_secs(3600))).await
        });
        tokio::task::yield_now().await;
        assert!(!signal.is_given());
        signal.give();
        assert_eq!(waits.await.unwrap(), None);
        assert_eq!(signal.until(async { 1 }).await, None, "it stays given");
        signal.given().await;
    }

    #[tokio::test]
    async fn a_future_that_moves_to_another_task_still_hears_it() {
        let signal = Arc::new(Signal::default());
        let waiting = Arc::clone(&signal);
        let mut future = Box::pin(async move { waiting.until(std::future::pending::<()>()).await });
        let polled = futures_util::poll!(future.as_mut());
        assert!(polled.is_pending());
        let moved = tokio::spawn(future);
        tokio::task::yield_now().await;
        signal.give();
        assert_eq!(moved.await.unwrap(), None);
    }
}
