//! Holds a request body back where it has to be known before it is forwarded, within bounds; and of
//! any other body waits for the first piece: a client that leaves before it has cost no upstream call,
//! and it goes out together with the head.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use tidegauge_core::Failure;

use crate::budget::Permit;
use crate::idle::Idle;
use crate::open::Open;

/// As much of a body as was at hand.
pub(crate) struct Held {
    /// There is no more.
    pub(crate) whole: bool,
    pub(crate) front: VecDeque<Bytes>,
    pub(crate) rest: Option<Incoming>,
    /// Time that went by waiting for the client.
    pub(crate) waited: Duration,
    /// The memory it takes. To be kept until an answer is there.
    pub(crate) permit: Permit,
}

/// Reads the whole body if it has at most `bound` bytes and these fit beside what else is held; else,
/// and where `bound` is 0, as much as was read until that was known, at least the first piece.
///
/// # Errors
/// When the body breaks off or stops coming.
pub(crate) async fn hold(open: &Open, body: Incoming, bound: usize) -> Result<Held, Failure> {
    let permit = Permit::empty(&open.base().held);
    let mut held =
        Held { whole: false, front: VecDeque::new(), rest: None, waited: Duration::ZERO, permit };
    if body.is_end_stream() {
        open.upload_over();
        held.whole = true;
        return Ok(held);
    }
    let fits = body.size_hint().lower() <= bound as u64;
    let bound = if fits { bound } else { 0 };
    let mut body = body;
    let mut idle = Idle::new(open.base().limits.body_idle);
    let mut bytes = 0;
    loop {
        let before = open.now();
        let frame = next(&mut body, &mut idle).await?;
        held.waited += open.now().saturating_sub(before);
        let Some(frame) = frame else {
            open.upload_over();
            held.whole = true;
            return Ok(held);
        };
        let Ok(data) = frame.into_data() else { continue };
        open.uploaded(&data);
        bytes += data.len();
        let length = data.len();
        held.front.push_back(data);
        if bytes > bound || !held.permit.grow(length) {
            held.rest = Some(body).filter(|body| !body.is_end_stream());
            if held.rest.is_none() {
                open.upload_over();
            }
            return Ok(held);
        }
        idle.moved();
    }
}

async fn next(body: &mut Incoming, idle: &mut Idle) -> Result<Option<Frame<Bytes>>, Failure> {
    poll_fn(|cx| match Pin::new(&mut *body).poll_frame(cx) {
        Poll::Ready(None) => Poll::Ready(Ok(None)),
        Poll::Ready(Some(Ok(frame))) => Poll::Ready(Ok(Some(frame))),
        Poll::Ready(Some(Err(_))) => Poll::Ready(Err(Failure::RequestAborted)),
        Poll::Pending => idle.poll(cx).map(|()| Err(Failure::RequestStalled)),
    })
    .await
}

/// The pieces as one.
pub(crate) fn joined(mut frames: VecDeque<Bytes>) -> Bytes {
    if frames.len() <= 1 {
        return frames.pop_front().unwrap_or_default();
    }
    let mut joined = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
    frames.iter().for_each(|frame| joined.extend_from_slice(frame));
    joined.freeze()
}
