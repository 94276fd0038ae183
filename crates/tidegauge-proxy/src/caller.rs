//! The other end of one client connection, and what was noticed about its bytes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::Clock;
use crate::framing::Bad;

/// Shared by a connection's socket, which writes, and its requests, which read.
pub(crate) struct Caller {
    pub(crate) addr: SocketAddr,
    pub(crate) secure: bool,
    clock: Clock,
    /// The first bad head and what is wrong with it; `0` in `bad_at`: none.
    bad_at: AtomicU64,
    bad: Mutex<Option<Bad>>,
    /// When a head began that is not complete, in the clock's microseconds and at least 1; 0: none.
    head_began: AtomicU64,
    left_http: AtomicBool,
    /// Requests of an HTTP/2 connection that are not over, and since when there is none.
    busy: AtomicUsize,
    idle_since: AtomicU64,
    /// Streams that the client opened.
    streams: AtomicU64,
    flooded: AtomicBool,
}

impl Caller {
    pub(crate) fn new(addr: SocketAddr, secure: bool, clock: Clock) -> Self {
        Self {
            addr,
            secure,
            clock,
            bad_at: AtomicU64::new(0),
            bad: Mutex::new(None),
            head_began: AtomicU64::new(0),
            left_http: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            idle_since: AtomicU64::new(micros(clock.now())),
            streams: AtomicU64::new(0),
            flooded: AtomicBool::new(false),
        }
    }

    /// What is wrong with the request of that number, or with one before it.
    pub(crate) fn bad(&self, number: u64) -> Option<Bad> {
        let at = self.bad_at.load(Relaxed);
        if at == 0 || number < at {
            return None;
        }
        *self.bad.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note_bad(&self, number: u32, bad: Bad) {
        if self.bad_at.load(Relaxed) == 0 {
            *self.bad.lock().unwrap_or_else(PoisonError::into_inner) = Some(bad);
            self.bad_at.store(u64::from(number), Relaxed);
        }
    }

    /// A head is incomplete, or none is.
    pub(crate) fn note_head(&self, incomplete: bool) {
        let known = self.head_began.load(Relaxed);
        if !incomplete {
            self.head_began.store(0, Relaxed);
        } else if known == 0 {
            self.head_began.store(micros(self.clock.now()).max(1), Relaxed);
        }
    }

    /// A request of an HTTP/2 connection has begun; it is over when what comes back is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Relaxed);
        Busy(Arc::clone(self))
    }

    /// Since when no request of an HTTP/2 connection is going on.
    pub(crate) fn idle_since(&self) -> Option<Duration> {
        let idle = self.busy.load(Relaxed) == 0;
        idle.then(|| Duration::from_micros(self.idle_since.load(Relaxed)))
    }

    /// It sends nothing but frames that ask for nothing.
    pub(crate) fn note_flood(&self) {
        self.flooded.store(true, Relaxed);
    }

    pub(crate) fn has_flooded(&self) -> bool {
        self.flooded.load(Relaxed)
    }

    pub(crate) fn note_streams(&self, count: u64) {
        self.streams.store(count, Relaxed);
    }

    /// Streams that the client of an HTTP/2 connection opened.
    pub(crate) fn streams(&self) -> u64 {
        self.streams.load(Relaxed)
    }

    /// When the head began that is not complete.
    pub(crate) fn head_began(&self) -> Option<Duration> {
        let at = self.head_began.load(Relaxed);
        (at > 0).then(|| Duration::from_micros(at))
    }

    /// What follows on this connection is not HTTP.
    pub(crate) fn leave_http(&self) {
        self.left_http.store(true, Relaxed);
    }

    pub(crate) fn has_left_http(&self) -> bool {
        self.left_http.load(Relaxed)
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// A request that is going on.
pub(crate) struct Busy(Arc<Caller>);

impl Drop for Busy {
    fn drop(&mut self) {
        // Told before the last one is counted off: nobody sees an old time and no request.
        self.0.idle_since.store(micros(self.0.clock.now()), Relaxed);
        self.0.busy.fetch_sub(1, Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
