//! A response body whose pieces come at their times.
//!
//! Pieces have absolute times, so that a late one does not make the next ones late. Must not know:
//! what the pieces say.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Instant, Sleep, sleep_until};

/// See the module. `None` in place of a piece breaks the connection.
pub(crate) struct Paced {
    pieces: VecDeque<(Instant, Option<Bytes>)>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Paced {
    pub(crate) fn new(pieces: VecDeque<(Instant, Option<Bytes>)>) -> Self {
        Self { pieces, sleep: None }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some((at, _)) = self.pieces.front() else { return Poll::Ready(None) };
        let at = *at;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        ready!(sleep.as_mut().poll(context));
        self.sleep = None;
        let piece = self.pieces.pop_front();
        Poll::Ready(piece.map(|(_, piece)| {
            piece.map(Frame::data).ok_or_else(|| Error::from(ErrorKind::ConnectionReset))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }
}
