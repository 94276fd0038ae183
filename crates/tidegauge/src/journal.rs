//! Which exchanges are open, on disk: so that what a killed process leaves is told by the next one.
//!
//! In: the opening of each exchange, from the data plane, which only tries to send; its end, when the
//! record of it was shown to all sinks or counted as lost. Out: at the next start, a record for each
//! exchange that was opened and not closed (identity I6). One thread writes; what it cannot write is
//! counted. Holds ids, time and way of an exchange, nothing that a caller wrote.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tidegauge_core::{
    Category, Dialect, Dropped, End, Exchange, ExchangeId, Failure, Health, Measurement,
    Observation, Outcome, Record, Times,
};
use tidegauge_proxy::Clock;
use tidegauge_spool::{PushError, Spool, SpoolBounds, SpoolError};
use tidegauge_stored::{Entry, closing, opening, read_entry};
use tidegauge_wire::provider;

/// Lines that may wait for the thread.
const WAITING: usize = 16 * 1024;
/// How long the thread sleeps without news, and lets more come when there is some.
const TICK: Duration = Duration::from_millis(20);
const GATHER: Duration = Duration::from_millis(2);
/// How long an end is held back: longer than spans take to be written to a disk queue, so that no
/// exchange is over here and lost there.
const HELD: Duration = Duration::from_millis(250);
/// Bytes after which what is open is written anew and all before it let go.
const CHECKPOINT: usize = 1 << 20;
/// The one kind of record in these files.
const LINES: u8 = 0;

const SETTINGS: SpoolBounds = SpoolBounds {
    cap_bytes: 64 << 20,
    segment_bytes: 1 << 20,
    fsync_every: Duration::from_millis(500),
};

/// Why a journal cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Its directory.
    #[error(transparent)]
    Directory(#[from] SpoolError),
    /// The system gives no thread.
    #[error("no thread: {}", .0.kind())]
    Thread(io::Error),
}

/// One thing to note.
enum Line {
    Open(ExchangeId, Vec<u8>),
    Close(ExchangeId),
}

/// Notes which exchanges are open.
pub struct Journal {
    /// Gone once shut down.
    entry: ArcSwapOption<SyncSender<Line>>,
    stopped: Arc<AtomicBool>,
    done: Mutex<Option<Receiver<()>>>,
    health: Arc<Health>,
}

/// An exchange that was noted as open. Dropping it notes the end.
#[derive(Debug)]
pub struct Ticket {
    id: ExchangeId,
    entry: Arc<SyncSender<Line>>,
    health: Arc<Health>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        send(&self.entry, Line::Close(self.id), &self.health);
    }
}

/// What a killed process left: the record of it, and the ticket to be dropped when it was shown.
type Left = Vec<(Record, Ticket)>;

impl Journal {
    /// Opens the directory, reads what is open in it, and starts the thread.
    ///
    /// # Errors
    /// When another process has it, it cannot be used at all, or the system gives no thread. Files
    /// that are damaged are no error: what cannot be read is counted.
    pub fn start(dir: &Path, health: Arc<Health>) -> Result<(Arc<Self>, Left), JournalError> {
        let (mut spool, recovery) = Spool::open(dir, SETTINGS)?;
        let lost = || Dropped::ALL.iter().map(|why| health.journal_lost(*why)).sum::<u64>();
        let before = lost();
        let left = read(&mut spool, &health);
        if recovery.torn_bytes > 0 && lost() == before {
            // The last line, whose own count is gone with it.
            health.journal_line_lost(Dropped::DiskIo, 1);
        }
        if recovery.set_aside > 0 || recovery.torn_bytes > 0 {
            tracing::warn!(files = recovery.set_aside, "a part of the journal could not be read");
        }
        let (entry, exit) = sync_channel(WAITING);
        let (entry, stopped) = (Arc::new(entry), Arc::new(AtomicBool::new(false)));
        let (finished, done) = sync_channel(1);
        let ticket = |record: Record| {
            let id = record.exchange.id;
            health.exchange_killed();
            (record, Ticket { id, entry: Arc::clone(&entry), health: Arc::clone(&health) })
        };
        // Too many for the channel would not be closed, and told once more by the next process.
        let killed = records(&left).into_iter().take(WAITING / 2).map(ticket).collect();
        let open = left.into_iter().map(|exchange| (exchange.id, opening(&exchange))).collect();
        let mut writer = Writer::new(spool, open, Arc::clone(&health));
        // So that another kill right now changes nothing.
        writer.checkpoint();
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn({
                let stopped = Arc::clone(&stopped);
                move || {
                    writer.run(&exit, &stopped);
                    // The directory may be opened by whoever is told.
                    drop(writer);
                    let _ = finished.send(());
                }
            })
            .map_err(JournalError::Thread)?;
        let (entry, done) = (ArcSwapOption::from(Some(entry)), Mutex::new(Some(done)));
        Ok((Arc::new(Self { entry, stopped, done, health }), killed))
    }

    /// Notes that an exchange begins. Never waits; `None` once the journal is shut down.
    pub(crate) fn open(&self, exchange: &Exchange) -> Option<Ticket> {
        let entry = self.entry.load_full()?;
        send(&entry, Line::Open(exchange.id, opening(exchange)), &self.health);
        Some(Ticket { id: exchange.id, entry, health: Arc::clone(&self.health) })
    }

    /// Writes what waits, for at most `deadline`. Exchanges whose tickets are still held then stay
    /// open.
    pub fn shutdown(&self, deadline: Duration) {
        self.entry.store(None);
        self.stopped.store(true, Relaxed);
        if let Some(done) = self.done.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Late or not, the process goes on to its end.
            let _ = done.recv_timeout(deadline);
        }
    }
}

fn send(entry: &SyncSender<Line>, line: Line, health: &Health) {
    match entry.try_send(line) {
        Ok(()) => {}
        Err(TrySendError::Full(_)) => health.journal_line_lost(Dropped::QueueFull, 1),
        Err(TrySendError::Disconnected(_)) => {
            health.journal_line_lost(Dropped::ShutdownDeadline, 1);
        }
    }
}

/// The thread and its files.
struct Writer {
    spool: Spool,
    clock: Clock,
    /// What is open, as it is written.
    open: BTreeMap<ExchangeId, Vec<u8>>,
    open_bytes: usize,
    /// What is over but not yet noted as such, and when it is to be.
    held: VecDeque<(Duration, ExchangeId)>,
    /// Bytes written since the last checkpoint.
    since: usize,
    /// The last line could not be written.
    failing: bool,
    health: Arc<Health>,
}

impl Writer {
    fn new(spool: Spool, open: BTreeMap<ExchangeId, Vec<u8>>, health: Arc<Health>) -> Self {
        let open_bytes = open.values().map(Vec::len).sum();
        let (clock, held) = (Clock::real(), VecDeque::new());
        Self { spool, clock, open, open_bytes, held, since: 0, failing: false, health }
    }

    /// Until nobody can send any more, or nobody does and it is to end.
    fn run(&mut self, exit: &Receiver<Line>, stopped: &AtomicBool) {
        loop {
            // The first line that comes is written at once, and all that wait with it.
            match exit.recv_timeout(TICK) {
                Ok(line) => {
                    self.take(line);
                    exit.try_iter().take(WAITING).for_each(|line| self.take(line));
                    thread::sleep(GATHER);
                }
                Err(RecvTimeoutError::Timeout) if stopped.load(Relaxed) => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.pass_time();
        }
        while let Some((_, id)) = self.held.pop_front() {
            self.close(id);
        }
        self.checkpoint();
        let _ = self.spool.flush();
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Open(id, bytes) => {
                if self.write(&bytes) {
                    self.health.journal_open();
                    self.open_bytes += bytes.len();
                    self.open.insert(id, bytes);
                }
            }
            Line::Close(id) => self.held.push_back((self.clock.now() + HELD, id)),
        }
    }

    /// Notes ends whose time has come, and syncs.
    fn pass_time(&mut self) {
        let now = self.clock.now();
        while self.held.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, id)) = self.held.pop_front() {
                self.close(id);
            }
        }
        if self.since > CHECKPOINT.max(self.open_bytes * 2) {
            self.checkpoint();
        }
        // What is not on the medium yet is what a power cut may take; the next call tries again.
        let _ = self.spool.sync(now);
    }

    fn close(&mut self, id: ExchangeId) {
        // One whose opening could not be noted needs no end.
        let Some(bytes) = self.open.remove(&id) else { return };
        self.open_bytes -= bytes.len();
        if self.write(&closing(id)) {
            self.health.journal_close();
        }
    }

    fn write(&mut self, bytes: &[u8]) -> bool {
        match self.spool.push(LINES, 1, bytes) {
            Ok(_) => {
                self.since += bytes.len();
                self.failing = false;
                true
            }
            Err(error) => {
                let reason = match &error {
                    PushError::Full(_) => Dropped::DiskFull,
                    PushError::TooLarge => Dropped::TooLarge,
                    PushError::Io(_) | PushError::Kind => Dropped::DiskIo,
                };
                self.health.journal_line_lost(reason, 1);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!("the journal cannot be written: {error}");
                }
                false
            }
        }
    }

    /// Writes what is open anew and lets go of everything before it, unless it cannot be written.
    fn checkpoint(&mut self) {
        let before = self.spool.pushed(LINES);
        let open: Vec<_> = self.open.values().cloned().collect();
        if open.iter().all(|bytes| self.write(bytes)) {
            // An error only says that it is read once more by the next process.
            let _ = self.spool.done_to(LINES, before);
        }
        self.since = 0;
    }
}

/// What is open in the files, in the order of arrival.
fn read(spool: &mut Spool, health: &Health) -> Vec<Exchange> {
    let world = |kind: &str| provider(kind).map(|provider| provider as &'static dyn Dialect);
    let mut open = BTreeMap::new();
    let expected = spool.counters().queued.of(LINES).records;
    // All at once: the files are bounded, and nothing is acknowledged yet.
    match spool.peek(LINES, usize::MAX) {
        Ok(batch) => {
            let lost = expected.saturating_sub(batch.records().len() as u64);
            health.journal_line_lost(Dropped::DiskIo, lost);
            for line in batch.records() {
                match read_entry(&line.payload, &world) {
                    Ok(Entry::Open(exchange)) => drop(open.insert(exchange.id, *exchange)),
                    Ok(Entry::Close(id)) => drop(open.remove(&id)),
                    Err(_) => health.journal_line_lost(Dropped::EncodeError, 1),
                }
            }
        }
        Err(_) => health.journal_line_lost(Dropped::DiskIo, expected),
    }
    open.into_values().collect()
}

/// A record for each exchange that was left open. Nobody knows when it ended: as far as it was seen,
/// when the last of them began.
fn records(left: &[Exchange]) -> Vec<Record> {
    let last = left.iter().map(|exchange| exchange.started).max();
    left.iter().map(|exchange| record(exchange, last.unwrap_or(exchange.started))).collect()
}

fn record(exchange: &Exchange, seen: SystemTime) -> Record {
    let lasted = seen.duration_since(exchange.started).unwrap_or_default();
    let outcome = Outcome {
        category: Some(Category::Proxy),
        error: Some(Failure::Killed.error_type()),
        unclassified: false,
    };
    Record {
        exchange: Exchange {
            end: End::Failed,
            failure: Some(Failure::Killed),
            times: Times { ended: lasted, ..Times::default() },
            ..exchange.clone()
        },
        observation: Observation { outcome, ..Observation::default() },
        measurement: Measurement { duration: lasted, total: lasted, ..Measurement::default() },
    }
}

#[cfg(test)]
mod tests;
