//! A queue on disk: a spool of pieces, kept in step with the [`Ledger`].
//!
//! In: pieces that are to be sent. Out: the same pieces with the resource of the process that made them,
//! oldest first, in batches that are acknowledged or read again. A disk that fails is an error to nobody:
//! it is left alone for some seconds, that is logged, and pieces stay in memory. Blocks on the disk, so
//! it belongs to the thread of the exporter. Knows no network; times are arguments.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tidegauge_core::{Dropped, Ledger, Signal};
use tidegauge_spool::{
    Batch, BatchBounds, PushError, Recovery, Spool, SpoolBounds, SpoolCounters, SpoolError, Tally,
};
use tokio::time::Instant;

use crate::queue::{BatchOutcome, Pending, SignalLedger as _};

mod record;

/// How long a disk that failed is left alone.
const REST: Duration = Duration::from_secs(5);

/// Where pieces are kept on disk, and how many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskQueueOptions {
    /// The directory; made if it is missing, used by one process at a time.
    pub dir: PathBuf,
    /// Bounds of the files.
    pub bounds: SpoolBounds,
}

/// The pieces of all signals of one exporter that are on disk.
#[derive(Debug)]
pub(crate) struct QueueOnDisk {
    options: DiskQueueOptions,
    resource: Vec<u8>,
    ledger: Arc<Ledger>,
    rest: Duration,
    start: Instant,
    state: Mutex<State>,
    /// How the first opening went, until that was logged.
    unlogged: Mutex<Option<Result<Recovery, SpoolError>>>,
}

#[derive(Debug, Default)]
struct State {
    /// `None`: it could not be opened yet.
    spool: Option<Spool>,
    /// What the ledger counts already.
    booked: SpoolCounters,
    writing: DiskPause,
    reading: DiskPause,
    two_queues: TwoQueues,
}

/// Spans have two queues on disk. While a long one is being worked off, new spans go to the other, and
/// reading takes turns, so that neither the oldest nor the newest waits forever. The other signals are
/// few and have one each.
#[derive(Clone, Copy, Debug, Default)]
struct TwoQueues {
    /// New spans go to the second queue.
    second: bool,
    /// The kind that was read last.
    read: u8,
}

impl State {
    /// The kind under which a new piece is written.
    fn kind_for(&self, signal: Signal) -> u8 {
        let (first, last) = (signal.kinds().first(), signal.kinds().last());
        let kind = if self.two_queues.second { last } else { first };
        kind.copied().unwrap_or_default()
    }

    /// The kind to read next; `None`: nothing waits. Another one than last time, if something waits there.
    fn next_kind(&self, signal: Signal) -> Option<u8> {
        let queued = self.spool.as_ref()?.counters().queued;
        let waiting = signal.kinds().iter().filter(|kind| queued.of(**kind).records > 0);
        waiting.copied().max_by_key(|kind| *kind != self.two_queues.read)
    }

    /// Called when a batch of so many records was delivered. If more than that is left in the queue that
    /// is written to and the other one is empty, new pieces go to the other one from now on.
    fn switch_queue(&mut self, signal: Signal, records: u64) {
        let Some(spool) = &self.spool else { return };
        let queued = spool.counters().queued;
        let here = self.kind_for(signal);
        let there = signal.kinds().iter().find(|kind| **kind != here);
        let empty = there.is_some_and(|there| queued.of(*there).records == 0);
        if empty && queued.of(here).records > records {
            self.two_queues.second = !self.two_queues.second;
        }
    }
}

/// Units of a signal, in all its queues.
fn units_of(tally: &Tally, signal: Signal) -> u64 {
    signal.kinds().iter().map(|kind| tally.of(*kind).units).sum()
}

/// Until when the disk is left alone, and after which failure.
#[derive(Debug, Default)]
struct DiskPause(Option<(Instant, Dropped)>);

impl DiskPause {
    fn at(&self, now: Instant) -> Option<Dropped> {
        self.0.filter(|(until, _)| *until > now).map(|(_, reason)| reason)
    }
}

/// Pieces that were made by one process.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct OriginGroup {
    /// The encoded resource of that process.
    pub(crate) resource: Bytes,
    /// The pieces, oldest first.
    pub(crate) pieces: Vec<Pending>,
}

/// The oldest pieces of a signal, to be acknowledged. Dropped without that, they are read again.
#[derive(Debug)]
pub(crate) struct DiskBatch {
    /// What is to be sent in one request.
    pub(crate) groups: Vec<OriginGroup>,
    batch: Batch,
    /// Units of records that could not be understood.
    unreadable: u64,
}

impl DiskBatch {
    /// Records in it.
    pub(crate) fn len(&self) -> usize {
        self.batch.records().len()
    }
}

impl QueueOnDisk {
    /// Opens the directory. One that cannot be used is tried again later.
    ///
    /// # Errors
    /// Only when another process has it open.
    pub(crate) fn open(
        options: DiskQueueOptions,
        resource: Vec<u8>,
        ledger: Arc<Ledger>,
        rest: Option<Duration>,
    ) -> Result<Self, SpoolError> {
        let start = Instant::now();
        let (rest, state, unlogged) = (rest.unwrap_or(REST), Mutex::default(), Mutex::default());
        let disk_queue = Self { options, resource, ledger, rest, start, state, unlogged };
        let opened = match Spool::open(&disk_queue.options.dir, disk_queue.options.bounds) {
            Err(SpoolError::Locked) => return Err(SpoolError::Locked),
            opened => disk_queue.opened(&mut disk_queue.lock(), opened, start),
        };
        *disk_queue.unlogged.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
        Ok(disk_queue)
    }

    /// Logs how opening went. Not done by [`open`](Self::open), because the log is started after the
    /// exporter that its lines go to.
    pub(crate) fn log_opening(&self) {
        let unlogged = self.unlogged.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(opened) = unlogged {
            log_state(&opened);
        }
    }

    /// Writes one piece down. When this fails the piece is not on disk.
    ///
    /// # Errors
    /// `TooLarge`: it never will be. Otherwise how the disk fails, and it is tried again in some
    /// seconds.
    pub(crate) fn write(
        &self,
        signal: Signal,
        piece: &Pending,
        now: Instant,
    ) -> Result<(), Dropped> {
        let mut state = self.lock();
        self.reopen(&mut state, now);
        if let Some(reason) = state.writing.at(now) {
            return Err(reason);
        }
        let units = u32::try_from(piece.units).map_err(|_| Dropped::TooLarge)?;
        let record = record::encode(&self.resource, piece);
        let kind = state.kind_for(signal);
        let Some(spool) = &mut state.spool else { return Err(Dropped::DiskIo) };
        let pushed = spool.push(kind, units, &record);
        self.book(&mut state, signal);
        let (reason, error) = match pushed {
            Ok(_) => {
                if state.writing.0.take().is_some() {
                    tracing::info!("the disk queue works again");
                }
                return Ok(());
            }
            Err(PushError::TooLarge | PushError::Kind) => return Err(Dropped::TooLarge),
            Err(PushError::Full(error)) => (Dropped::DiskFull, error),
            Err(PushError::Io(error)) => (Dropped::DiskIo, error),
        };
        if state.writing.0.is_none() {
            tracing::warn!(error = %error.kind(), "the disk queue cannot be written; pieces wait in memory");
        }
        state.writing = DiskPause(Some((now + self.rest, reason)));
        Err(reason)
    }

    /// Records of a signal that are on disk, as far as it can be told now.
    pub(crate) fn waiting(&self, signal: Signal, now: Instant) -> u64 {
        let mut state = self.lock();
        self.reopen(&mut state, now);
        let counters = state.spool.as_ref().map(Spool::counters).unwrap_or_default();
        signal.kinds().iter().map(|kind| counters.queued.of(*kind).records).sum()
    }

    /// The oldest pieces of a signal; `None` if there are none, or none can be read now.
    pub(crate) fn take(
        &self,
        signal: Signal,
        most: BatchBounds,
        now: Instant,
    ) -> Option<DiskBatch> {
        let mut state = self.lock();
        while state.reading.at(now).is_none() {
            let kind = state.next_kind(signal)?;
            let batch = match state.spool.as_mut()?.peek_some(kind, most) {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::warn!(error = %error.kind(), "the disk queue cannot be read");
                    state.reading = DiskPause(Some((now + self.rest, Dropped::DiskIo)));
                    return None;
                }
            };
            // Reading is how damage is found.
            self.book(&mut state, signal);
            if batch.is_empty() {
                // Records that should have been there are counted as lost now.
                continue;
            }
            if signal == Signal::Traces {
                state.two_queues.read = kind;
            }
            let (groups, unreadable) = group(&batch, now);
            let taken = DiskBatch { groups, batch, unreadable };
            if !taken.groups.is_empty() {
                return Some(taken);
            }
            self.done(&mut state, signal, taken, BatchOutcome::Refused);
        }
        None
    }

    /// Counts what became of a batch and removes it. Not to be called for one that is tried again.
    pub(crate) fn settle(&self, signal: Signal, taken: DiskBatch, outcome: BatchOutcome) {
        self.done(&mut self.lock(), signal, taken, outcome);
    }

    /// Counts spans on disk that the ledger knows neither as made nor as queued.
    pub(crate) fn found(&self, signal: Signal, units: u64) {
        if signal == Signal::Traces {
            self.ledger.spans_found(units);
        }
    }

    /// The end of the pause; `None`: the disk is in use.
    pub(crate) fn pauses_until(&self, now: Instant) -> Option<Instant> {
        let state = self.lock();
        let rests = [&state.writing, &state.reading].into_iter().filter_map(|rest| rest.0);
        rests.map(|(until, _)| until).filter(|until| *until > now).min()
    }

    /// Ends a pause, so that the next write is tried at once.
    pub(crate) fn retry_now(&self) {
        let mut state = self.lock();
        if let Some((until, _)) = &mut state.writing.0 {
            *until = self.start;
        }
    }

    /// Brings written pieces to the medium, if it is time.
    pub(crate) fn sync(&self, now: Instant) {
        let mut state = self.lock();
        self.reopen(&mut state, now);
        let since = now - self.start;
        if let Some(Err(error)) = state.spool.as_mut().map(|spool| spool.sync(since)) {
            if state.writing.0.is_none() {
                tracing::warn!(error = %error.kind(), "the disk queue cannot be synced");
            }
            state.writing = DiskPause(Some((now + self.rest, Dropped::DiskIo)));
        }
    }

    /// Brings written pieces to the medium now.
    pub(crate) fn flush(&self) {
        if let Some(Err(error)) = self.lock().spool.as_mut().map(Spool::flush) {
            tracing::warn!(error = %error.kind(), "the disk queue cannot be synced");
        }
    }

    /// The time between two calls of [`sync`](Self::sync).
    pub(crate) fn sync_interval(&self) -> Duration {
        self.options.bounds.fsync_every.max(Duration::from_millis(10))
    }

    fn reopen(&self, state: &mut State, now: Instant) {
        if state.spool.is_some() || state.writing.at(now).is_some() {
            return;
        }
        let known = state.writing.0.is_some();
        let opened = Spool::open(&self.options.dir, self.options.bounds);
        let opened = self.opened(state, opened, now);
        if opened.is_ok() || !known {
            log_state(&opened);
        }
    }

    fn opened(
        &self,
        state: &mut State,
        opened: Result<(Spool, Recovery), SpoolError>,
        now: Instant,
    ) -> Result<Recovery, SpoolError> {
        let (spool, recovery) = opened.inspect_err(|error| self.closed(state, error, now))?;
        state.spool = Some(spool);
        self.found(Signal::Traces, units_of(&recovery.queued, Signal::Traces));
        self.book(state, Signal::Traces);
        Ok(recovery)
    }

    fn closed(&self, state: &mut State, error: &SpoolError, now: Instant) {
        let full = matches!(error, SpoolError::Directory(error)
            if matches!(PushError::of(std::io::Error::from(error.kind())), PushError::Full(_)));
        let reason = if full { Dropped::DiskFull } else { Dropped::DiskIo };
        state.writing = DiskPause(Some((now + self.rest, reason)));
    }

    /// Acknowledges a batch in the spool, and counts why.
    fn done(&self, state: &mut State, signal: Signal, taken: DiskBatch, outcome: BatchOutcome) {
        let records = taken.len() as u64;
        let Some(spool) = &mut state.spool else { return };
        // An error only says that a crash now would bring the batch again.
        let _ = spool.ack(taken.batch);
        // Without what was dropped for room in the meantime.
        let units = self.book(state, signal);
        let unreadable = taken.unreadable.min(units);
        signal.dropped(&self.ledger, Dropped::DiskIo, unreadable);
        let units = units - unreadable;
        match outcome {
            BatchOutcome::Delivered { rejected } => {
                state.switch_queue(signal, records);
                let rejected = rejected.min(units);
                signal.acked(&self.ledger, units - rejected);
                signal.dropped(&self.ledger, Dropped::RejectedByCollector, rejected);
            }
            BatchOutcome::TooLarge => signal.dropped(&self.ledger, Dropped::TooLarge, units),
            BatchOutcome::Refused | BatchOutcome::Retry { .. } => {
                signal.dropped(&self.ledger, Dropped::RejectedByCollector, units);
            }
        }
    }

    /// Adds to the ledger what the spool counted since the last call. Returns the units of the signal that
    /// were acknowledged, which the caller counts.
    fn book(&self, state: &mut State, signal: Signal) -> u64 {
        let Some(spool) = &state.spool else { return 0 };
        let (was, now) = (state.booked, spool.counters());
        for signal in Signal::ALL {
            let more = |is: &Tally, was: &Tally| units_of(is, signal) - units_of(was, signal);
            signal.dropped(&self.ledger, Dropped::DiskFull, more(&now.dropped, &was.dropped));
            signal.dropped(&self.ledger, Dropped::DiskIo, more(&now.lost, &was.lost));
        }
        let spans = |counters: &SpoolCounters| units_of(&counters.queued, Signal::Traces);
        let signed = |units| i64::try_from(units).unwrap_or(i64::MAX);
        self.ledger.spans_queued_disk_changed(signed(spans(&now)) - signed(spans(&was)));
        state.booked = now;
        units_of(&now.acked, signal) - units_of(&was.acked, signal)
    }

    /// A panic under this lock leaves a ledger that is at most one call behind.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs how opening went, where that is worth a line.
fn log_state(opened: &Result<Recovery, SpoolError>) {
    match opened {
        Ok(recovery) => {
            if recovery.exposed {
                tracing::warn!("others than the owner may enter the directory of the disk queue");
            }
            if recovery.set_aside > 0 || recovery.ledger_lost || recovery.torn_bytes > 0 {
                let (files, torn) = (recovery.set_aside, recovery.torn_bytes);
                tracing::warn!(files, torn, "a part of the disk queue could not be read");
            }
        }
        Err(error) => {
            let kind = match error {
                SpoolError::Directory(error) => Some(error.kind()),
                SpoolError::Locked => None,
            };
            tracing::warn!(kind = ?kind, "{error}; pieces wait in memory");
        }
    }
}

/// The pieces of a batch by the process that made them, and the units of records that are no pieces.
fn group(batch: &Batch, now: Instant) -> (Vec<OriginGroup>, u64) {
    let (mut groups, mut unreadable): (Vec<OriginGroup>, u64) = (Vec::new(), 0);
    for stored in batch.records() {
        let Some((resource, piece)) = record::decode(stored, now) else {
            unreadable += u64::from(stored.units);
            continue;
        };
        match groups.last_mut().filter(|group| group.resource == resource) {
            Some(group) => group.pieces.push(piece),
            None => groups.push(OriginGroup { resource, pieces: vec![piece] }),
        }
    }
    (groups, unreadable)
}

#[cfg(test)]
mod tests;
