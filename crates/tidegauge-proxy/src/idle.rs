//! Notices that nothing has moved for a time. While something moves it costs an addition, and no timer
//! exists before something has been waited for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

pub(crate) struct Idle {
    limit: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    /// What has moved, and what had when the timer was set.
    moved: u64,
    seen: u64,
}

impl Idle {
    /// `None` waits for ever.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { limit, timer: None, moved: 0, seen: 0 }
    }

    /// Something moved.
    pub(crate) fn moved(&mut self) {
        self.moved = self.moved.wrapping_add(1);
    }

    /// To be polled when there is nothing. Ready once nothing was there for the limit, at most twice
    /// that: the timer is not set anew for every piece, and time in which nobody asked does not count.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.limit else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| {
            self.seen = self.moved;
            Box::pin(tokio::time::sleep(limit))
        });
        while timer.as_mut().poll(cx).is_ready() {
            if self.seen == self.moved {
                return Poll::Ready(());
            }
            self.seen = self.moved;
            timer.as_mut().reset(Instant::now() + limit);
        }
        Poll::Pending
    }
}
