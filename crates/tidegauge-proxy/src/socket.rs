//! A client's connection as the HTTP server sees it: bytes read while the protocol was guessed come
//! first, heads are read along, and a connection that ends with unread bytes ends so that the
//! client still gets its answer.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::caller::Caller;
use crate::framing::Framing;
use crate::stream::Stream;

/// How long a closing connection is listened to. Closing at once with bytes unread would make the
/// system reset the connection, and the client could lose the answer on its way (RFC 9112 9.6).
const LINGER: Duration = Duration::from_secs(2);

pub(crate) struct Socket {
    stream: Stream,
    first: Bytes,
    framing: Framing,
    caller: Arc<Caller>,
    closing: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(crate) fn new(stream: Stream, first: Bytes, framing: Framing, caller: Arc<Caller>) -> Self {
        Self { stream, first, framing, caller, closing: None }
    }

    fn came(&mut self, bytes: &[u8]) {
        if self.caller.has_left_http() {
            self.framing.lose();
            return;
        }
        self.framing.push(bytes);
        self.caller.note_head(self.framing.in_head());
        if let Some((number, bad)) = self.framing.bad() {
            self.caller.note_bad(number, bad);
        }
    }

    /// Reads and forgets until the client is done or the time is up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.framing.at_rest() || self.caller.has_left_http() {
            return Poll::Ready(());
        }
        let timer = self.closing.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        if timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut forgotten = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut forgotten);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if this.first.is_empty() {
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        } else {
            let count = this.first.len().min(buf.remaining());
            buf.put_slice(this.first.get(..count).unwrap_or_default());
            this.first.advance(count);
        }
        this.came(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        this.poll_linger(cx).map(Ok)
    }
}
