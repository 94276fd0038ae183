//! Which exchanges are open, on disk: so that what a killed process leaves is told by the next one.
//!
//! In: the opening of each exchange, from the data plane, which only tries to send; its end, when the
//! record of it was shown to all sinks or counted as lost. Out: at the next start, a record for each
//! exchange that was opened and not closed (identity I6), unless a record of it is at hand. One thread
//! writes; what it cannot write is counted, and a directory that cannot be used is tried again. Holds
//! ids, time and way of an exchange, nothing that a caller wrote.
//!
//! An end is two lines. That the exchange is over is written at once; that it is closed only when what
//! was made of it has had the time to reach a disk. Killed in between, nobody knows whether it did, and
//! the record says so: [`Failure::MaybeKilled`].

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tidegauge_core::{
    Category, Dialect, Dropped, End, Exchange, ExchangeId, Failure, Health, Measurement,
    Observation, Outcome, Record, RecordKind, Times,
};
use tidegauge_proxy::Clock;
use tidegauge_spool::{PushError, Spool, SpoolBounds, SpoolError};
use tidegauge_stored::{Entry, closing, opening, over, read_entry};
use tidegauge_wire::provider;

/// Lines that may wait for the thread.
const WAITING: usize = 16 * 1024;
/// How long the thread sleeps without news, and lets more come when there is some.
const TICK: Duration = Duration::from_millis(20);
const GATHER: Duration = Duration::from_millis(2);
/// How long an end is held back: longer than spans take to be written to a disk queue, so that no
/// exchange is over here and lost there.
const HELD: Duration = Duration::from_millis(250);
/// How long a directory that cannot be used is left alone.
const AGAIN: Duration = Duration::from_millis(if cfg!(test) { 100 } else { 5000 });
/// Bytes after which what is open is written anew and all before it let go.
const CHECKPOINT: usize = 1 << 20;
/// The one kind of record in these files.
const LINES: u8 = 0;

const SETTINGS: SpoolBounds = SpoolBounds {
    cap_bytes: 64 << 20,
    segment_bytes: 1 << 20,
    fsync_every: Duration::from_millis(500),
};

/// One thing to note.
enum Line {
    Open(ExchangeId, Vec<u8>),
    Close(ExchangeId),
}

/// What the journal is given to look with, and to tell.
pub(crate) struct Around {
    /// The ids of the exchanges of which a record is at hand. Asked once the directory is open.
    pub(crate) recorded: Box<dyn Fn() -> HashSet<String> + Send>,
    /// Takes the record of an exchange that was left open, and returns at once.
    pub(crate) show: Box<dyn Fn(&Record) + Send>,
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
pub(crate) struct Ticket {
    id: ExchangeId,
    entry: Arc<SyncSender<Line>>,
    health: Arc<Health>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        send(&self.entry, Line::Close(self.id), &self.health);
    }
}

impl Journal {
    /// Opens the directory, shows what a killed process left open in it, and starts the thread. A
    /// directory that cannot be used, or that another process has, is warned about and tried again
    /// every five seconds; openings are counted as lost until then. Files that are damaged are no
    /// error either: what cannot be read is counted.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(dir: &Path, around: Around, health: Arc<Health>) -> io::Result<Arc<Self>> {
        let (entry, exit) = sync_channel(WAITING);
        let (entry, stopped) = (Arc::new(entry), Arc::new(AtomicBool::new(false)));
        let (finished, done) = sync_channel(1);
        let mut writer =
            Writer::new(dir.to_owned(), around, Arc::downgrade(&entry), Arc::clone(&health));
        writer.try_open();
        thread::Builder::new().name("journal".to_owned()).spawn({
            let stopped = Arc::clone(&stopped);
            move || {
                writer.run(&exit, &stopped);
                // The directory may be opened by whoever is told.
                drop(writer);
                let _ = finished.send(());
            }
        })?;
        let (entry, done) = (ArcSwapOption::from(Some(entry)), Mutex::new(Some(done)));
        Ok(Arc::new(Self { entry, stopped, done, health }))
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
    dir: PathBuf,
    /// `None` as long as the directory cannot be used.
    spool: Option<Spool>,
    /// When it is tried again.
    again: Duration,
    around: Around,
    /// Where ends of what was shown go. Weak, or the thread would wait for itself.
    entry: Weak<SyncSender<Line>>,
    clock: Clock,
    /// What is open, as it is written.
    open: BTreeMap<ExchangeId, Vec<u8>>,
    open_bytes: usize,
    /// What is over but not yet noted as closed, and when it is to be.
    held: VecDeque<(Duration, ExchangeId)>,
    /// Bytes written since the last checkpoint.
    since: usize,
    /// The last line could not be written.
    failing: bool,
    health: Arc<Health>,
}

impl Writer {
    fn new(
        dir: PathBuf,
        around: Around,
        entry: Weak<SyncSender<Line>>,
        health: Arc<Health>,
    ) -> Self {
        Self {
            dir,
            spool: None,
            again: Duration::ZERO,
            around,
            entry,
            clock: Clock::real(),
            open: BTreeMap::new(),
            open_bytes: 0,
            held: VecDeque::new(),
            since: 0,
            failing: false,
            health,
        }
    }

    /// Opens the directory, if it can be used by now, and shows what was left open in it.
    fn try_open(&mut self) {
        let (mut spool, recovery) = match Spool::open(&self.dir, SETTINGS) {
            Ok(opened) => opened,
            Err(error) => {
                if self.again.is_zero() {
                    let (dir, why) = (self.dir.display(), why(&error));
                    tracing::warn!(
                        "the journal in {dir} cannot be used: {why}. It is tried again every five \
                         seconds; requests that are open when this process is killed are not told \
                         until it can"
                    );
                }
                self.again = self.clock.now() + AGAIN;
                return;
            }
        };
        if !self.again.is_zero() {
            tracing::info!("the journal in {} can be used now", self.dir.display());
        }
        let health = Arc::clone(&self.health);
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
        let left = self.untold(left);
        for Left { exchange, .. } in &left {
            let bytes = opening(exchange);
            self.open_bytes += bytes.len();
            self.open.insert(exchange.id, bytes);
        }
        self.spool = Some(spool);
        // So that another kill right now changes nothing.
        self.checkpoint();
        // Too many for the channel would not be closed, and told once more by the next process.
        for record in records(&left).iter().take(WAITING / 2) {
            self.health.exchange_killed();
            (self.around.show)(record);
            if let Some(entry) = self.entry.upgrade() {
                send(&entry, Line::Close(record.exchange.id), &self.health);
            }
        }
    }

    /// Those of which no record is at hand.
    fn untold(&self, left: Vec<Left>) -> Vec<Left> {
        if left.is_empty() {
            return left;
        }
        let recorded = (self.around.recorded)();
        let all = left.len();
        let is_told = |left: &Left| recorded.contains(&left.exchange.id.to_string());
        let untold: Vec<_> = left.into_iter().filter(|left| !is_told(left)).collect();
        if untold.len() < all {
            tracing::info!(
                calls = all - untold.len(),
                "had ended when the process was killed: their records are in the record file"
            );
        }
        untold
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
        if let Some(spool) = &mut self.spool {
            let _ = spool.flush();
        }
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
            Line::Close(id) => {
                if self.open.contains_key(&id) {
                    // One that cannot be written costs nothing but certainty.
                    self.write(&over(id));
                    self.held.push_back((self.clock.now() + HELD, id));
                }
            }
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
        match &mut self.spool {
            // What is not on the medium yet is what a power cut may take; the next call tries again.
            Some(spool) => drop(spool.sync(now)),
            None if self.again <= now => self.try_open(),
            None => {}
        }
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
        let Some(spool) = &mut self.spool else {
            self.health.journal_line_lost(Dropped::DiskIo, 1);
            return false;
        };
        match spool.push(LINES, 1, bytes) {
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
        let Some(before) = self.spool.as_ref().map(|spool| spool.pushed(LINES)) else { return };
        let over: Vec<_> = self.held.iter().map(|(_, id)| over(*id)).collect();
        let open: Vec<_> = self.open.values().cloned().chain(over).collect();
        if open.iter().all(|bytes| self.write(bytes))
            && let Some(spool) = &mut self.spool
        {
            // An error only says that it is read once more by the next process.
            let _ = spool.done_to(LINES, before);
        }
        self.since = 0;
    }
}

/// An exchange that was opened and not closed.
struct Left {
    exchange: Exchange,
    /// It was over, and what was made of it may be kept somewhere.
    over: bool,
}

/// What is open in the files, in the order of arrival.
fn read(spool: &mut Spool, health: &Health) -> Vec<Left> {
    let dialects = |kind: &str| provider(kind).map(|provider| provider as &'static dyn Dialect);
    let mut open: BTreeMap<ExchangeId, Left> = BTreeMap::new();
    let expected = spool.counters().queued.of(LINES).records;
    // All at once: the files are bounded, and nothing is acknowledged yet.
    match spool.peek(LINES, usize::MAX) {
        Ok(batch) => {
            let lost = expected.saturating_sub(batch.records().len() as u64);
            health.journal_line_lost(Dropped::DiskIo, lost);
            for line in batch.records() {
                match read_entry(&line.payload, &dialects) {
                    Ok(Entry::Open(exchange)) => {
                        let left = Left { exchange: *exchange, over: false };
                        open.insert(left.exchange.id, left);
                    }
                    Ok(Entry::Close(id)) => drop(open.remove(&id)),
                    Ok(Entry::Over(id)) => {
                        if let Some(left) = open.get_mut(&id) {
                            left.over = true;
                        }
                    }
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
fn records(left: &[Left]) -> Vec<Record> {
    let last = left.iter().map(|left| left.exchange.started).max();
    left.iter().map(|left| record(left, last.unwrap_or(left.exchange.started))).collect()
}

fn record(left: &Left, seen: SystemTime) -> Record {
    let Left { exchange, over } = left;
    let lasted = seen.duration_since(exchange.started).unwrap_or_default();
    let failure = if *over { Failure::MaybeKilled } else { Failure::Killed };
    let outcome = Outcome {
        category: Some(Category::Proxy),
        error: Some(failure.error_type()),
        unclassified: false,
    };
    let exchange = Exchange {
        end: End::Failed,
        failure: Some(failure),
        times: Times { ended: lasted, ..Times::default() },
        ..exchange.clone()
    };
    let observation = Observation { outcome, ..Observation::default() };
    let measurement = Measurement { duration: lasted, total: lasted, ..Measurement::default() };
    Record::new(RecordKind::Killed, exchange, observation, measurement)
}

/// Why a directory cannot be used, in words of the system.
fn why(error: &SpoolError) -> String {
    match error {
        SpoolError::Locked => "another process uses it".to_owned(),
        SpoolError::Directory(error) => error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests;
