//! The queue of one signal in memory: bounded in bytes, the oldest piece dropped first, every unit counted.
//!
//! In: encoded pieces. Out: batches, each with one outcome. For spans the [`Ledger`] balances whenever
//! nothing is being counted: made = acked + dropped + queued, where spans in an export under way still
//! count as queued. Knows no network; times are arguments, but for what comes through the [`Outbox`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tidegauge_core::{Dropped, Ledger, Outbox, Piece, Scope, Signal};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Bounds of one queue and of what is taken out of it at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueOptions {
    /// Bytes that may wait.
    pub bytes: usize,
    /// Pieces that may wait; only bound when a standard variable sets it.
    pub pieces: usize,
    /// Pieces that are not kept waiting for more.
    pub due_pieces: usize,
    /// Pieces in one export, at most: as many as wait, so that an export takes more the later it is.
    pub batch_pieces: usize,
    /// Bytes in one export, before compression: under the 4 MiB that gRPC servers take.
    pub batch_bytes: usize,
    /// How long a piece waits for others.
    pub delay: Duration,
    /// How old a piece may get that could not be delivered. With a disk queue: any age.
    pub max_age: Duration,
}

impl Default for QueueOptions {
    /// 64 MiB, an export after one second or with 512 pieces, of at most 8,192 or 3.5 MiB, for five
    /// minutes.
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            pieces: usize::MAX,
            due_pieces: 512,
            batch_pieces: 8192,
            batch_bytes: 3584 << 10,
            delay: Duration::from_secs(1),
            max_age: Duration::from_secs(300),
        }
    }
}

/// What a signal is in files and in the ledger.
pub(crate) trait SignalLedger: Copy {
    /// The numbers of its kinds in files, one for each queue on disk; never to be changed.
    fn kinds(self) -> &'static [u8];
    /// Counts units that entered or left the memory queue.
    fn queued(self, ledger: &Ledger, change: i64);
    /// Counts units as delivered.
    fn acked(self, ledger: &Ledger, units: u64);
    /// Counts units as dropped.
    fn dropped(self, ledger: &Ledger, reason: Dropped, units: u64);
}

impl SignalLedger for Signal {
    fn kinds(self) -> &'static [u8] {
        match self {
            Self::Traces => &[0, 3],
            Self::Metrics => &[1],
            Self::Logs => &[2],
        }
    }

    fn queued(self, ledger: &Ledger, change: i64) {
        match self {
            Self::Traces => ledger.spans_queued_changed(change),
            Self::Metrics => ledger.points_queued_changed(change),
            Self::Logs => ledger.logs_queued_changed(change),
        }
    }

    fn acked(self, ledger: &Ledger, units: u64) {
        if self == Self::Traces {
            ledger.spans_delivered(units);
        }
    }

    fn dropped(self, ledger: &Ledger, reason: Dropped, units: u64) {
        match self {
            Self::Traces => ledger.span_dropped(reason, units),
            Self::Metrics => ledger.point_dropped(reason, units),
            Self::Logs => ledger.log_dropped(reason, units),
        }
    }
}

/// A piece and since when it waits.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Pending {
    /// The scope it belongs to.
    pub(crate) scope: Scope,
    /// The message, without tag and length.
    pub(crate) bytes: Bytes,
    /// Spans, points or log records in it.
    pub(crate) units: u64,
    /// When it was queued.
    pub(crate) born: Instant,
}

impl Pending {
    /// A piece that is queued now.
    pub(crate) fn new(piece: Piece, born: Instant) -> Self {
        Self { scope: piece.scope, bytes: piece.bytes, units: piece.units, born }
    }

    /// Memory beside the bytes themselves, roughly: the entry and the allocation.
    const OVERHEAD: usize = 96;

    fn size(&self) -> usize {
        self.bytes.len() + Self::OVERHEAD
    }
}

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BatchOutcome {
    /// The receiver took the batch, but for so many units.
    Delivered {
        /// Units that it refused.
        rejected: u64,
    },
    /// The receiver will never take the batch.
    Refused,
    /// The receiver takes no message that long.
    TooLarge,
    /// The batch is to be tried again, but for pieces that are too old by now.
    Retry {
        /// The time now.
        now: Instant,
    },
}

/// When a batch is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// Now.
    Now,
    /// When the oldest piece has waited long enough.
    At(Instant),
    /// Nothing waits.
    Never,
}

/// The queue of one signal.
#[derive(Debug)]
pub(crate) struct Queue {
    signal: Signal,
    options: QueueOptions,
    ledger: Arc<Ledger>,
    state: Mutex<State>,
    /// Notified when the first piece came and when a batch is full.
    pub(crate) came: Notify,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Pending>,
    /// Bytes of `waiting`, `in_flight` and `moving`.
    bytes: usize,
    /// Bytes of `waiting`, without overhead.
    message: usize,
    in_flight: Vec<Pending>,
    /// The piece that is being written to disk.
    moving: Option<Pending>,
    /// Why pieces are dropped when there is no room: what keeps them from the disk, if anything does.
    overflow: Dropped,
    /// Pieces in the next batch at most; lowered when the receiver calls one too large.
    batch: usize,
    closed: Option<Dropped>,
}

impl Queue {
    /// An empty queue.
    pub(crate) fn new(signal: Signal, options: QueueOptions, ledger: Arc<Ledger>) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            bytes: 0,
            message: 0,
            in_flight: Vec::new(),
            moving: None,
            overflow: Dropped::QueueFull,
            batch: options.batch_pieces,
            closed: None,
        };
        Self { signal, options, ledger, state: Mutex::new(state), came: Notify::new() }
    }

    /// Adds pieces that have just been made, and counts them as made.
    pub(crate) fn push_new(&self, pieces: Vec<Pending>) {
        if self.signal == Signal::Traces {
            self.ledger.spans_made(pieces.iter().map(|piece| piece.units).sum());
        }
        self.add(pieces);
    }

    /// Adds pieces; where there is no room the oldest go. Never waits for the network.
    pub(crate) fn add(&self, pieces: impl IntoIterator<Item = Pending>) {
        let mut state = self.lock();
        let (was_empty, was_full) = (state.waiting.is_empty(), self.is_full(&state));
        let was_crowded = self.is_crowded(&state);
        for piece in pieces {
            self.admit(&mut state, piece);
        }
        self.make_room(&mut state);
        // Otherwise the sender already knows when to look again.
        let new_state = was_empty && !state.waiting.is_empty()
            || !was_full && self.is_full(&state)
            || !was_crowded && self.is_crowded(&state);
        drop(state);
        if new_state {
            self.came.notify_one();
        }
    }

    /// Adds pieces that make all that wait obsolete: those are dropped as expired.
    fn supersede(&self, pieces: impl IntoIterator<Item = Pending>) {
        let mut state = self.lock();
        while self.drop_oldest(&mut state, Dropped::Expired) {}
        drop(state);
        self.add(pieces);
    }

    /// When the next batch is due. While flushing everything is due.
    pub(crate) fn due(&self, now: Instant, flushing: bool) -> Due {
        let state = self.lock();
        let Some(oldest) = state.waiting.front() else { return Due::Never };
        if flushing || self.is_full(&state) {
            return Due::Now;
        }
        match oldest.born.checked_add(self.options.delay) {
            Some(time) if time > now => Due::At(time),
            Some(_) => Due::Now,
            None => Due::Never,
        }
    }

    /// The oldest pieces, as many as fit in one export. They count as queued until
    /// [`settle`](Self::settle) is called; there is one batch at a time.
    pub(crate) fn take(&self) -> Vec<Pending> {
        let mut state = self.lock();
        let mut message = 0;
        while let Some(piece) = state.waiting.front() {
            message += piece.bytes.len();
            let full = state.in_flight.len() >= state.batch || message > self.options.batch_bytes;
            if full && !state.in_flight.is_empty() {
                break;
            }
            let Some(piece) = state.waiting.pop_front() else { break };
            state.message -= piece.bytes.len();
            state.in_flight.push(piece);
        }
        state.in_flight.clone()
    }

    /// Counts what became of the batch that was taken.
    pub(crate) fn settle(&self, outcome: BatchOutcome) {
        let mut state = self.lock();
        match outcome {
            BatchOutcome::Delivered { rejected } => self.delivered(&mut state, rejected),
            BatchOutcome::Refused => self.discard(&mut state, Dropped::RejectedByCollector),
            BatchOutcome::TooLarge if state.in_flight.len() <= 1 => {
                self.discard(&mut state, Dropped::TooLarge);
            }
            BatchOutcome::TooLarge => {
                state.batch = (state.in_flight.len() / 2).max(1);
                put_batch_back(&mut state);
            }
            BatchOutcome::Retry { now } => {
                put_batch_back(&mut state);
                while state
                    .waiting
                    .front()
                    .is_some_and(|piece| now - piece.born > self.options.max_age)
                {
                    self.drop_oldest(&mut state, Dropped::Expired);
                }
                self.make_room(&mut state);
            }
        }
    }

    /// The sender panicked. Its batch is dropped, for it may be what made it panic.
    pub(crate) fn broken(&self) {
        let mut state = self.lock();
        put_back(&mut state);
        self.discard(&mut state, Dropped::Panic);
    }

    /// Pieces that wait, without those on their way.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// The oldest piece, to be written to disk. It counts as queued here until one of the next three is
    /// called; there is one at a time.
    pub(crate) fn begin_move(&self) -> Option<Pending> {
        let mut state = self.lock();
        let piece = state.waiting.pop_front()?;
        state.message -= piece.bytes.len();
        state.moving = Some(piece.clone());
        Some(piece)
    }

    /// The piece is on disk. False if it was dropped here in the meantime.
    pub(crate) fn moved(&self) -> bool {
        let mut state = self.lock();
        state.overflow = Dropped::QueueFull;
        self.forget_moving(&mut state).is_some()
    }

    /// The piece is not on disk, for this reason; it stays here, at the front.
    pub(crate) fn not_moved(&self, reason: Dropped) {
        let mut state = self.lock();
        put_back(&mut state);
        state.overflow = reason;
        self.make_room(&mut state);
    }

    /// The piece fits neither here nor on disk.
    pub(crate) fn drop_moving(&self, reason: Dropped) {
        let mut state = self.lock();
        if let Some(units) = self.forget_moving(&mut state) {
            self.signal.dropped(&self.ledger, reason, units);
        }
    }

    fn forget_moving(&self, state: &mut State) -> Option<u64> {
        let piece = state.moving.take()?;
        state.bytes -= piece.size();
        self.signal.queued(&self.ledger, -signed(piece.units));
        Some(piece.units)
    }

    /// Drops everything for `reason`, and whatever comes later. Done once; the first reason stays.
    pub(crate) fn close(&self, reason: Dropped) {
        let mut state = self.lock();
        state.closed.get_or_insert(reason);
        put_back(&mut state);
        put_batch_back(&mut state);
        while self.drop_oldest(&mut state, reason) {}
    }

    /// Whether a whole batch waits.
    fn is_full(&self, state: &State) -> bool {
        let due = state.batch.min(self.options.due_pieces);
        state.waiting.len() >= due || state.message >= self.options.batch_bytes
    }

    /// Whether half of the room is taken.
    fn is_crowded(&self, state: &State) -> bool {
        state.bytes > self.options.bytes / 2 || state.waiting.len() > self.options.pieces / 2
    }

    fn admit(&self, state: &mut State, piece: Pending) {
        if let Some(reason) = state.closed {
            self.signal.dropped(&self.ledger, reason, piece.units);
        } else if piece.bytes.len() > self.options.batch_bytes {
            self.signal.dropped(&self.ledger, Dropped::TooLarge, piece.units);
        } else {
            self.signal.queued(&self.ledger, signed(piece.units));
            state.bytes += piece.size();
            state.message += piece.bytes.len();
            state.waiting.push_back(piece);
        }
    }

    fn make_room(&self, state: &mut State) {
        while state.bytes > self.options.bytes
            || state.waiting.len() + state.in_flight.len() + usize::from(state.moving.is_some())
                > self.options.pieces
        {
            if !self.drop_oldest(state, state.overflow) {
                break;
            }
        }
    }

    fn drop_oldest(&self, state: &mut State, reason: Dropped) -> bool {
        let Some(piece) = state.waiting.pop_front() else { return false };
        state.message -= piece.bytes.len();
        state.bytes -= piece.size();
        self.signal.queued(&self.ledger, -signed(piece.units));
        self.signal.dropped(&self.ledger, reason, piece.units);
        true
    }

    fn delivered(&self, state: &mut State, rejected: u64) {
        let units = self.forget(state);
        let rejected = rejected.min(units);
        self.signal.acked(&self.ledger, units - rejected);
        if rejected > 0 {
            self.signal.dropped(&self.ledger, Dropped::RejectedByCollector, rejected);
        }
        state.batch = state.batch.saturating_mul(2).min(self.options.batch_pieces);
    }

    fn discard(&self, state: &mut State, reason: Dropped) {
        let units = self.forget(state);
        self.signal.dropped(&self.ledger, reason, units);
    }

    /// Counts the batch as no longer queued. Returns its units.
    fn forget(&self, state: &mut State) -> u64 {
        let batch = std::mem::take(&mut state.in_flight);
        state.bytes -= batch.iter().map(Pending::size).sum::<usize>();
        let units = batch.iter().map(|piece| piece.units).sum();
        self.signal.queued(&self.ledger, -signed(units));
        units
    }

    /// A panic under this lock can only come from allocation; the counts are still whole then.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox for Queue {
    fn push(&self, pieces: Vec<Piece>) {
        let now = Instant::now();
        self.push_new(pieces.into_iter().map(|piece| Pending::new(piece, now)).collect());
    }

    fn replace(&self, pieces: Vec<Piece>) {
        let now = Instant::now();
        self.supersede(pieces.into_iter().map(|piece| Pending::new(piece, now)));
    }
}

/// Returns the piece that was to go elsewhere to the front.
fn put_back(state: &mut State) {
    if let Some(piece) = state.moving.take() {
        state.message += piece.bytes.len();
        state.waiting.push_front(piece);
    }
}

/// Returns the batch to the front, in order.
fn put_batch_back(state: &mut State) {
    let batch = std::mem::take(&mut state.in_flight);
    for piece in batch.into_iter().rev() {
        state.message += piece.bytes.len();
        state.waiting.push_front(piece);
    }
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
