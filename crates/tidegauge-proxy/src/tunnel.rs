//! After a `101`: bytes in both directions until one side is done, each piece shown in passing to an
//! observer that knows what is said.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tidegauge_core::{End, Failure};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::caller::Caller;
use crate::open::{Guard, Open};

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
    let tasks = open.base().tasks.clone();
    tunnel.caller.leave_http();
    tasks.run(async move {
        let (Ok(client), Ok(upstream)) = tokio::join!(tunnel.client, tunnel.upstream) else {
            return;
        };
        let watched = open.switched();
        let mut client = Side::new(client, open.share(), watched, true);
        let mut upstream = Side::new(upstream, open.share(), watched, false);
        let copied =
            tokio::io::copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER);
        let result = copied.await;
        open.note(|exchange| {
            exchange.request_bytes += client.read;
            exchange.upstream_bytes = upstream.read;
            exchange.response_bytes = client.written;
            exchange.times.first_byte = upstream.first;
            exchange.times.last_byte = upstream.last;
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
    open: Arc<Open>,
    /// What is read is shown.
    watched: bool,
    client: bool,
    read: u64,
    written: u64,
    /// When the first and the last bytes were read.
    first: Option<Duration>,
    last: Option<Duration>,
    ended: bool,
    broke: bool,
}

impl Side {
    fn new(io: Upgraded, open: Arc<Open>, watched: bool, client: bool) -> Self {
        Self {
            io: TokioIo::new(io),
            open,
            watched,
            client,
            read: 0,
            written: 0,
            first: None,
            last: None,
            ended: false,
            broke: false,
        }
    }

    /// Bytes were read, or, where there are none, the end.
    fn took(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            let at = self.open.now();
            self.first.get_or_insert(at);
            self.last = Some(at);
            self.read += bytes.len() as u64;
        }
        if self.watched && !self.ended {
            self.ended = bytes.is_empty();
            self.open.passed(self.client, &Bytes::copy_from_slice(bytes));
        }
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
        if result.is_ok() {
            this.took(buf.filled().get(before..).unwrap_or_default());
        }
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
