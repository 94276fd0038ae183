//! Pieces on disk: the spool, filled with telemetry, and its [`Ledger`].
//!
//! In: pieces that nobody took. Out: the same pieces with the resource of the process that made
//! them, oldest first, each taken batch settled or let go. A disk that fails is no error to anyone:
//! it is left alone for some seconds and says so, and the pieces stay where they are. Blocks, so it
//! belongs to the telemetry thread. Knows no network and no time of its own.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tidegauge_core::{Dropped, Ledger, Signal};
use tidegauge_spool::{
    Batch, BatchBounds, PushError, Recovery, Spool, SpoolBounds, SpoolCounters, SpoolError, Tally,
};
use tokio::time::Instant;

use crate::queue::{Pending, Settled, SignalExt as _};

mod record;

/// How long a disk that failed is left alone (F-40).
const REST: Duration = Duration::from_secs(5);

/// Where and how much.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskQueue {
    /// The directory; made if it is missing, used by one process at a time.
    pub dir: PathBuf,
    /// Its bounds.
    pub bounds: SpoolBounds,
}

/// The pieces of all signals that are on disk.
#[derive(Debug)]
pub(crate) struct Backlog {
    options: DiskQueue,
    resource: Vec<u8>,
    ledger: Arc<Ledger>,
    rest: Duration,
    start: Instant,
    state: Mutex<State>,
    /// How the first opening went, until it is told.
    untold: Mutex<Option<Result<Recovery, SpoolError>>>,
}

#[derive(Debug, Default)]
struct State {
    /// `None`: it could not be opened yet.
    spool: Option<Spool>,
    /// What is on the books already.
    booked: SpoolCounters,
    writing: Rest,
    reading: Rest,
    lanes: Lanes,
}

/// Spans have two lanes: while a backlog is being worked off, what is new goes to the one beside it,
/// and reading takes turns, so that neither the oldest nor the newest starves (F-37). The other
/// signals are few.
#[derive(Clone, Copy, Debug, Default)]
struct Lanes {
    /// What is new goes to the second.
    second: bool,
    /// The kind that was read last.
    read: u8,
}

impl State {
    /// Where what is new is written.
    fn kind_for(&self, signal: Signal) -> u8 {
        let (first, last) = (signal.kinds().first(), signal.kinds().last());
        let kind = if self.lanes.second { last } else { first };
        kind.copied().unwrap_or_default()
    }

    /// The kind to read, if there is anything: another one than last time, where it has something.
    fn next_kind(&self, signal: Signal) -> Option<u8> {
        let queued = self.spool.as_ref()?.counters().queued;
        let waiting = signal.kinds().iter().filter(|kind| queued.of(**kind).records > 0);
        waiting.copied().max_by_key(|kind| *kind != self.lanes.read)
    }

    /// A batch of so many records was delivered: where more than that is left in the lane that is
    /// written to, what comes from now on goes to the other one, once that is empty.
    fn turn_off(&mut self, signal: Signal, records: u64) {
        let Some(spool) = &self.spool else { return };
        let queued = spool.counters().queued;
        let here = self.kind_for(signal);
        let there = signal.kinds().iter().find(|kind| **kind != here);
        let empty = there.is_some_and(|there| queued.of(*there).records == 0);
        if empty && queued.of(here).records > records {
            self.lanes.second = !self.lanes.second;
        }
    }
}

/// Units in all lanes.
fn units_of(tally: &Tally, signal: Signal) -> u64 {
    signal.kinds().iter().map(|kind| tally.of(*kind).units).sum()
}

/// Until when the disk is left alone, and since what.
#[derive(Debug, Default)]
struct Rest(Option<(Instant, Dropped)>);

impl Rest {
    fn at(&self, now: Instant) -> Option<Dropped> {
        self.0.filter(|(until, _)| *until > now).map(|(_, reason)| reason)
    }
}

/// Pieces that one process made.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Group {
    /// Its encoded resource.
    pub(crate) resource: Bytes,
    /// The pieces, oldest first.
    pub(crate) pieces: Vec<Pending>,
}

/// The oldest pieces of a signal, to be settled; let go, they come again.
#[derive(Debug)]
pub(crate) struct Taken {
    /// What is to be sent in one request.
    pub(crate) groups: Vec<Group>,
    batch: Batch,
    /// Units of records that could not be understood.
    garbled: u64,
}

impl Taken {
    /// Records in it.
    pub(crate) fn len(&self) -> usize {
        self.batch.records().len()
    }
}

impl Backlog {
    /// Opens the directory. One that cannot be used is tried again later.
    ///
    /// # Errors
    /// Only when another process has it open.
    pub(crate) fn open(
        options: DiskQueue,
        resource: Vec<u8>,
        ledger: Arc<Ledger>,
        rest: Option<Duration>,
    ) -> Result<Self, SpoolError> {
        let start = Instant::now();
        let (rest, state, untold) = (rest.unwrap_or(REST), Mutex::default(), Mutex::default());
        let backlog = Self { options, resource, ledger, rest, start, state, untold };
        let opened = match Spool::open(&backlog.options.dir, backlog.options.bounds) {
            Err(SpoolError::Locked) => return Err(SpoolError::Locked),
            opened => backlog.opened(&mut backlog.lock(), opened, start),
        };
        *backlog.untold.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
        Ok(backlog)
    }

    /// Says in the log how opening went. Not done by [`open`](Self::open): the log is there after the
    /// exporter, which takes its lines.
    pub(crate) fn tell_opening(&self) {
        let untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(opened) = untold {
            tell(&opened);
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
            tracing::warn!(error = %error.kind(), "the disk queue cannot write; memory has to do");
        }
        state.writing = Rest(Some((now + self.rest, reason)));
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
    pub(crate) fn take(&self, signal: Signal, most: BatchBounds, now: Instant) -> Option<Taken> {
        let mut state = self.lock();
        while state.reading.at(now).is_none() {
            let kind = state.next_kind(signal)?;
            let batch = match state.spool.as_mut()?.peek_some(kind, most) {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::warn!(error = %error.kind(), "the disk queue cannot be read");
                    state.reading = Rest(Some((now + self.rest, Dropped::DiskIo)));
                    return None;
                }
            };
            // Reading is how damage is found.
            self.book(&mut state, signal);
            if batch.is_empty() {
                // What should have been there is booked as lost now.
                continue;
            }
            if signal == Signal::Traces {
                state.lanes.read = kind;
            }
            let (groups, garbled) = group(&batch, now);
            let taken = Taken { groups, batch, garbled };
            if !taken.groups.is_empty() {
                return Some(taken);
            }
            self.done(&mut state, signal, taken, Settled::Refused);
        }
        None
    }

    /// Ledger what became of a batch. One to be tried again needs no settling.
    pub(crate) fn settle(&self, signal: Signal, taken: Taken, settled: Settled) {
        self.done(&mut self.lock(), signal, taken, settled);
    }

    /// Spans are on disk that are not on the books as made or queued any more.
    pub(crate) fn found(&self, signal: Signal, units: u64) {
        if signal == Signal::Traces {
            self.ledger.spans_found(units);
        }
    }

    /// When the disk is to be tried again, if it is left alone.
    pub(crate) fn rests_until(&self, now: Instant) -> Option<Instant> {
        let state = self.lock();
        let rests = [&state.writing, &state.reading].into_iter().filter_map(|rest| rest.0);
        rests.map(|(until, _)| until).filter(|until| *until > now).min()
    }

    /// Tries again at once, for the last time.
    pub(crate) fn hurry(&self) {
        let mut state = self.lock();
        if let Some((until, _)) = &mut state.writing.0 {
            *until = self.start;
        }
    }

    /// Brings to the medium what was written, if it is time.
    pub(crate) fn sync(&self, now: Instant) {
        let mut state = self.lock();
        self.reopen(&mut state, now);
        let since = now - self.start;
        if let Some(Err(error)) = state.spool.as_mut().map(|spool| spool.sync(since)) {
            if state.writing.0.is_none() {
                tracing::warn!(error = %error.kind(), "the disk queue cannot be synced");
            }
            state.writing = Rest(Some((now + self.rest, Dropped::DiskIo)));
        }
    }

    /// Brings to the medium what was written, now.
    pub(crate) fn flush(&self) {
        if let Some(Err(error)) = self.lock().spool.as_mut().map(Spool::flush) {
            tracing::warn!(error = %error.kind(), "the disk queue cannot be synced");
        }
    }

    /// How long between two calls of [`sync`](Self::sync).
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
            tell(&opened);
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
        state.writing = Rest(Some((now + self.rest, reason)));
    }

    /// Acknowledges a batch in the spool, and tells why.
    fn done(&self, state: &mut State, signal: Signal, taken: Taken, settled: Settled) {
        let records = taken.len() as u64;
        let Some(spool) = &mut state.spool else { return };
        // An error only says that a crash now would bring the batch again.
        let _ = spool.ack(taken.batch);
        // Without what was dropped for room in the meantime.
        let units = self.book(state, signal);
        let garbled = taken.garbled.min(units);
        signal.dropped(&self.ledger, Dropped::DiskIo, garbled);
        let units = units - garbled;
        match settled {
            Settled::Delivered { rejected } => {
                state.turn_off(signal, records);
                let rejected = rejected.min(units);
                signal.acked(&self.ledger, units - rejected);
                signal.dropped(&self.ledger, Dropped::RejectedByCollector, rejected);
            }
            Settled::TooLarge => signal.dropped(&self.ledger, Dropped::TooLarge, units),
            Settled::Refused | Settled::Retry { .. } => {
                signal.dropped(&self.ledger, Dropped::RejectedByCollector, units);
            }
        }
    }

    /// Ledger what the spool counted since the last time. Units of the signal that were acknowledged:
    /// those are the caller's to book.
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

    /// A panic under this lock leaves books that are at most one call behind.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How opening went, where that is worth a line.
fn tell(opened: &Result<Recovery, SpoolError>) {
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
            tracing::warn!(kind = ?kind, "{error}; memory has to do");
        }
    }
}

/// The pieces of a batch by the process that made them, and the units of what is none.
fn group(batch: &Batch, now: Instant) -> (Vec<Group>, u64) {
    let (mut groups, mut garbled): (Vec<Group>, u64) = (Vec::new(), 0);
    for stored in batch.records() {
        let Some((resource, piece)) = record::decode(stored, now) else {
            garbled += u64::from(stored.units);
            continue;
        };
        match groups.last_mut().filter(|group| group.resource == resource) {
            Some(group) => group.pieces.push(piece),
            None => groups.push(Group { resource, pieces: vec![piece] }),
        }
    }
    (groups, garbled)
}

#[cfg(test)]
mod tests;
