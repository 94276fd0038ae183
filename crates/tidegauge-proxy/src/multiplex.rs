//! HTTP/2 connections to one upstream, as many as its streams need.
//!
//! An upstream says how many streams it takes on a connection. A request that finds no stream free
//! would wait inside the HTTP client, unseen; so it is put on a connection only where a stream is free,
//! and on a new one where none is. A connection that has not said yet takes one: until then this opens
//! as many as HTTP/1.1 would. Requests go to the first connection with a free stream, so that those
//! that are not needed any more become idle and close.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::frames::{ACK, Frames, Piece, SETTINGS};

/// Connections to one upstream at most. What finds all of them full waits.
const CONNECTIONS: usize = 64;
/// Streams on one connection at most, whatever the upstream allows: what one lost packet holds up.
const STREAMS: u32 = 100;
/// The number of the setting.
const MAX_CONCURRENT_STREAMS: u16 = 3;

/// The connections to one upstream, each of them a client `C` that keeps one.
pub(crate) struct Multiplex<C> {
    make: Box<dyn Fn(Arc<StreamLimit>) -> C + Send + Sync>,
    slots: Mutex<Vec<Slot<C>>>,
    freed: Arc<Notify>,
}

struct Slot<C> {
    client: C,
    limit: Arc<StreamLimit>,
    open: u32,
}

impl<C: Clone> Multiplex<C> {
    /// `make`: a client whose connections tell the limit what they learn.
    pub(crate) fn new(make: impl Fn(Arc<StreamLimit>) -> C + Send + Sync + 'static) -> Self {
        Self { make: Box::new(make), slots: Mutex::default(), freed: Arc::default() }
    }

    /// A client with a free stream, if there is one now.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Taken<C>> {
        let (client, slot) = self.free()?;
        Some(Taken { client, permit: StreamPermit { of: Arc::clone(self), slot } })
    }

    /// A client with a free stream, once there is one.
    pub(crate) async fn wait(self: &Arc<Self>) -> Taken<C> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on nothing that is freed is missed.
            freed.as_mut().enable();
            if let Some(taken) = self.take() {
                return taken;
            }
            freed.await;
        }
    }

    fn free(&self) -> Option<(C, usize)> {
        let mut slots = self.slots();
        let at = slots.iter().position(|slot| slot.open < slot.limit.streams());
        let at = at.or_else(|| {
            let at = slots.len();
            (at < CONNECTIONS).then(|| {
                let limit = Arc::new(StreamLimit::new(Arc::clone(&self.freed)));
                slots.push(Slot { client: (self.make)(Arc::clone(&limit)), limit, open: 0 });
                at
            })
        })?;
        let slot = slots.get_mut(at)?;
        slot.open += 1;
        Some((slot.client.clone(), at))
    }
}

impl<C> Multiplex<C> {
    fn slots(&self) -> MutexGuard<'_, Vec<Slot<C>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client with a stream for one request.
pub(crate) struct Taken<C> {
    pub(crate) client: C,
    pub(crate) permit: StreamPermit<C>,
}

/// One stream, given back on drop: to be kept until the response is over.
pub(crate) struct StreamPermit<C> {
    of: Arc<Multiplex<C>>,
    slot: usize,
}

impl<C> Drop for StreamPermit<C> {
    fn drop(&mut self) {
        if let Some(slot) = self.of.slots().get_mut(self.slot) {
            slot.open = slot.open.saturating_sub(1);
        }
        self.of.freed.notify_one();
    }
}

/// How many streams the latest connection of a client takes.
#[derive(Debug)]
pub(crate) struct StreamLimit {
    /// The number of the connection, then what is known of it: nothing, or the limit and one.
    latest: AtomicU64,
    freed: Arc<Notify>,
}

impl StreamLimit {
    fn new(freed: Arc<Notify>) -> Self {
        Self { latest: AtomicU64::new(0), freed }
    }

    fn streams(&self) -> u32 {
        match self.latest.load(Relaxed) as u32 {
            0 => 1,
            known => known - 1,
        }
    }

    /// A connection begins. Its number.
    fn begin(&self) -> u32 {
        let next = |latest: u64| Some(((latest >> 32) + 1) << 32);
        let before = self.latest.fetch_update(Relaxed, Relaxed, next).unwrap_or_default();
        (before >> 32) as u32 + 1
    }

    /// What is known of a connection, if it is the latest. `None`: nothing any more.
    fn set(&self, connection: u32, streams: Option<u32>) {
        let known = u64::from(streams.map_or(0, |streams| streams.saturating_add(1)));
        let set = |latest: u64| {
            let number = latest >> 32;
            (number == u64::from(connection)).then_some(number << 32 | known)
        };
        if self.latest.fetch_update(Relaxed, Relaxed, set).is_ok() {
            self.freed.notify_waiters();
        }
    }
}

/// Reads along on one connection, and tells its limit.
#[derive(Debug)]
pub(crate) struct Learning {
    limit: Arc<StreamLimit>,
    connection: u32,
    /// Of a connection that speaks HTTP/2.
    frames: Option<Frames>,
    setting: [u8; 6],
    filled: usize,
    /// The first settings have come, with or without a limit.
    settled: bool,
}

impl Learning {
    /// A connection was made. One that does not speak HTTP/2 is one of many that its client keeps.
    pub(crate) fn begin(limit: Arc<StreamLimit>, h2: bool) -> Self {
        let connection = limit.begin();
        if !h2 {
            limit.set(connection, Some(u32::MAX));
        }
        let frames = h2.then(|| Frames::after(0));
        Self { limit, connection, frames, setting: [0; 6], filled: 0, settled: false }
    }

    /// Bytes came from the upstream.
    pub(crate) fn came(&mut self, bytes: &[u8]) {
        let Self { limit, connection, frames: Some(frames), setting, filled, settled } = self
        else {
            return;
        };
        let mut told = None;
        frames.push(bytes, |piece| match piece {
            Piece::Content(frame, content) if frame.kind == SETTINGS && !frame.has(ACK) => {
                for byte in content {
                    if let Some(room) = setting.get_mut(*filled) {
                        *room = *byte;
                    }
                    *filled += 1;
                    if *filled == setting.len() {
                        *filled = 0;
                        let [a, b, c, d, e, f] = *setting;
                        if u16::from_be_bytes([a, b]) == MAX_CONCURRENT_STREAMS {
                            *settled = true;
                            told = Some(u32::from_be_bytes([c, d, e, f]).min(STREAMS));
                        }
                    }
                }
            }
            Piece::End(frame) if frame.kind == SETTINGS && !frame.has(ACK) => {
                *filled = 0;
                if !*settled {
                    *settled = true;
                    // Without a word there is no limit.
                    told = Some(STREAMS);
                }
            }
            _ => {}
        });
        if told.is_some() {
            limit.set(*connection, told);
        }
    }
}

impl Drop for Learning {
    fn drop(&mut self) {
        if self.frames.is_some() {
            self.limit.set(self.connection, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::FutureExt;

    use super::*;

    fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
        let mut frame = vec![0, 0, u8::try_from(pairs.len() * 6).unwrap(), 4, 0, 0, 0, 0, 0];
        for (name, value) in pairs {
            frame.extend(name.to_be_bytes());
            frame.extend(value.to_be_bytes());
        }
        frame
    }

    fn limit() -> Arc<StreamLimit> {
        Arc::new(StreamLimit::new(Arc::default()))
    }

    #[test]
    fn a_connection_says_how_much_it_takes() {
        for (pairs, expected) in [
            (&[][..], STREAMS),
            (&[(3, 4)], 4),
            (&[(1, 4096), (3, 7), (4, 65_535)], 7),
            (&[(3, 0)], 0),
            (&[(3, u32::MAX)], STREAMS),
            (&[(1, 3)], STREAMS),
        ] {
            for size in [1, 2, 5, 100] {
                let limit = limit();
                let mut learning = Learning::begin(Arc::clone(&limit), true);
                assert_eq!(limit.streams(), 1, "nothing is known");
                settings(pairs).chunks(size).for_each(|piece| learning.came(piece));
                assert_eq!(limit.streams(), expected, "{pairs:?}");
                // An acknowledgement is no word of theirs, and silence changes nothing.
                learning.came(&[0, 0, 0, 4, 1, 0, 0, 0, 0]);
                learning.came(&settings(&[(4, 1)]));
                assert_eq!(limit.streams(), expected);
                learning.came(&settings(&[(3, 2)]));
                assert_eq!(limit.streams(), 2);
                drop(learning);
                assert_eq!(limit.streams(), 1, "nothing is known of the next one");
            }
        }
    }

    #[test]
    fn only_the_latest_connection_speaks() {
        let limit = limit();
        let mut first = Learning::begin(Arc::clone(&limit), true);
        let mut second = Learning::begin(Arc::clone(&limit), true);
        second.came(&settings(&[(3, 5)]));
        first.came(&settings(&[(3, 9)]));
        drop(first);
        assert_eq!(limit.streams(), 5);
        let _other = Learning::begin(Arc::clone(&limit), false);
        assert_eq!(limit.streams(), u32::MAX - 1, "HTTP/1.1 has as many connections as it needs");
    }

    #[tokio::test]
    async fn streams_are_used_before_connections_and_connections_before_waiting() {
        let limits = Arc::new(Mutex::new(Vec::new()));
        let (made, count) = (Arc::clone(&limits), AtomicUsize::new(0));
        let all = Arc::new(Multiplex::new(move |limit| {
            made.lock().unwrap().push(limit);
            count.fetch_add(1, Relaxed)
        }));
        // One each, while nothing is known.
        let first = all.take().unwrap();
        let second = all.take().unwrap();
        assert_eq!((first.client, second.client), (0, 1));
        let mut learning = Learning::begin(Arc::clone(&limits.lock().unwrap()[0]), true);
        learning.came(&settings(&[(3, 3)]));
        let (third, fourth) = (all.take().unwrap(), all.take().unwrap());
        assert_eq!((third.client, fourth.client), (0, 0));
        let mut more = Vec::new();
        for client in 2..CONNECTIONS {
            let taken = all.take().unwrap();
            assert_eq!(taken.client, client);
            more.push(taken);
        }
        assert!(all.take().is_none(), "all are full");
        let mut waiting = Box::pin(all.wait());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(third);
        let taken = waiting.await;
        assert_eq!(taken.client, 0);
        // Another one waits for what a connection says.
        let mut waiting = Box::pin(all.wait());
        assert!(waiting.as_mut().now_or_never().is_none());
        learning.came(&settings(&[(3, 4)]));
        assert_eq!(waiting.await.client, 0);
    }
}
