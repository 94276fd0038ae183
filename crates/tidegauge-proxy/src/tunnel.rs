//! After a `101`: bytes in both directions until one side is done. Counted, not read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tidegauge_core::{End, Failure};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::caller::Caller;
use crate::open::Guard;

/// Bytes that may wait in each direction.
const BUFFER: usize = 16 * 1024;

/// Two connections that have left HTTP.
pub(crate) struct Tunnel {
    pub(crate) client: OnUpgrade,
    pub(crate) upstream: OnUpgrade,
    pub(crate) caller: Arc<Caller>,
}

/// Copies until either side ends; the exchange ends with it.
pub(crate) fn run(tunnel: Tunnel, open: Guard) {
    let tasks = open.shared().tasks.clone();
    tunnel.caller.leave_http();
    tasks.run(async move {
        let (Ok(client), Ok(upstream)) = tokio::join!(tunnel.client, tunnel.upstream) else {
            return;
        };
        let mut client = Side::new(client);
        let mut upstream = Side::new(upstream);
        let first = open.now();
        let copied =
            tokio::io::copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER);
        let result = copied.await;
        let last = open.now();
        open.note(|exchange| {
            exchange.request_bytes += client.read;
            exchange.upstream_bytes = upstream.read;
            exchange.response_bytes = client.written;
            exchange.times.first_byte = Some(first).filter(|_| upstream.read > 0);
            exchange.times.last_byte = Some(last).filter(|_| upstream.read > 0);
        });
        match result {
            Ok(_) => open.end(End::Complete, None),
            Err(_) if upstream.broke => open.end(End::Failed, Some(Failure::StreamCut)),
            Err(_) => open.end(End::Cancelled, None),
        }
    });
}

/// One side of a tunnel, counting.
struct Side {
    io: TokioIo<Upgraded>,
    read: u64,
    written: u64,
    broke: bool,
}

impl Side {
    fn new(io: Upgraded) -> Self {
        Self { io: TokioIo::new(io), read: 0, written: 0, broke: false }
    }

    fn noted<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.broke |= result.is_err();
        result
    }
}

impl AsyncRead for Side {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = ready!(Pin::new(&mut this.io).poll_read(cx, buf));
        this.read += (buf.filled().len() - before) as u64;
        Poll::Ready(this.noted(result))
    }
}

impl AsyncWrite for Side {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = ready!(Pin::new(&mut this.io).poll_write(cx, buf));
        this.written += result.as_ref().map_or(0, |count| *count as u64);
        Poll::Ready(this.noted(result))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = ready!(Pin::new(&mut this.io).poll_flush(cx));
        Poll::Ready(this.noted(result))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = ready!(Pin::new(&mut this.io).poll_shutdown(cx));
        Poll::Ready(this.noted(result))
    }
}
