//! A bounded first-in-first-out queue of records in a directory, which survives restarts and crashes.
//!
//! In: records, opaque bytes of one of a few kinds. Out: the same records, in order within a kind, at
//! least once, until they are acknowledged. Past the cap the oldest segment goes. Whatever the files
//! look like, opening and reading go on with what is sound, and what is not is counted: of each kind
//! `pushed = acked + dropped + lost + queued`, always. Must not know telemetry, the network, a runtime
//! or the clock: time is an argument. Every call may block on the disk, so its owner gives it a thread.
//!
//! On disk: `*.seg`, files of records, each record with a header that says how much was pushed before
//! it; `ledger`, how much of each kind is done with; `lock`; `*.bad`, the last few files that could not
//! be read.

use std::collections::VecDeque;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;

mod disk;
#[cfg(any(test, feature = "testing"))]
pub mod faults;
mod header;
mod ledger;
#[cfg(test)]
mod medium;
mod segment;
mod tally;
#[cfg(test)]
mod tests;

use header::{HEADER, Header};
use ledger::{LedgerEntry, LedgerFile};
use segment::{Segment, Trouble};

pub use tally::{Count, KINDS, Tally};

/// Bounds of a spool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpoolBounds {
    /// Bytes of all segments together, at most. Beside them there are a ledger of 8 KiB and up to
    /// four unreadable files.
    pub cap_bytes: u64,
    /// Bytes of one segment, and so of one record and its header, at most; never more than half the
    /// cap. What is dropped for room is dropped by the segment.
    pub segment_bytes: u64,
    /// How much time may pass before what was pushed is on the medium: what a power cut can take.
    pub fsync_every: Duration,
}

impl Default for SpoolBounds {
    fn default() -> Self {
        Self {
            cap_bytes: 1 << 30,
            segment_bytes: 16 << 20,
            fsync_every: Duration::from_millis(500),
        }
    }
}

/// What was found when a spool was opened.
///
/// Damage inside segments is found, and counted in [`SpoolCounters::lost`], when reading gets there; so
/// opening takes no longer for a full spool.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Recovery {
    /// What is queued from before.
    pub queued: Tally,
    /// Bytes cut off the end: the rest of a write that was not finished.
    pub torn_bytes: u64,
    /// Segments in which nothing could be read, now named `*.bad`.
    pub set_aside: u64,
    /// There was no sound ledger beside the segments: records of the oldest one may come again, and
    /// what is missing before or after all the rest is not known.
    pub ledger_lost: bool,
    /// Others than the owner may enter the directory. The files are the owner's alone.
    pub exposed: bool,
}

/// Why a spool could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another process, or another spool of this one, has it open.
    #[error("the queue directory is in use by another process")]
    Locked,
    /// The directory cannot be made, read or written.
    #[error("the queue directory cannot be used")]
    Directory(#[source] io::Error),
}

/// Why a record was not taken. The spool is as it was before, but for what had to go for room.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// Longer than a segment.
    #[error("the record is longer than a segment")]
    TooLarge,
    /// Not below [`KINDS`].
    #[error("there is no such kind")]
    Kind,
    /// No room on the device, or none for us. Worth trying again.
    #[error("no room on disk")]
    Full(#[source] io::Error),
    /// The device or the file system failed. Worth trying again.
    #[error("the disk failed")]
    Io(#[source] io::Error),
}

impl PushError {
    /// What a failed write was.
    pub fn of(error: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match error.kind() {
            StorageFull | QuotaExceeded | FileTooLarge => Self::Full(error),
            _ => Self::Io(error),
        }
    }
}

/// A record was taken.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Pushed {
    /// What had to go for it. Also in [`SpoolCounters::dropped`], where it is found after a failed push.
    pub dropped: Tally,
}

/// The books. All but `bytes` and `queued` count from the opening of the spool.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SpoolCounters {
    /// Bytes of all segments now.
    pub bytes: u64,
    /// Not yet acknowledged now. Damage that reading has not reached yet is still in here.
    pub queued: Tally,
    /// Acknowledged.
    pub acked: Tally,
    /// Dropped, the oldest first, to stay under the cap.
    pub dropped: Tally,
    /// Damaged or missing. Never less than what is, rather more: after a crash, what was dropped or
    /// acknowledged and could not be booked counts as lost.
    pub lost: Tally,
    /// Segments set aside, those of [`Recovery`] included.
    pub set_aside: u64,
}

/// A record as it was pushed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    /// Units in it.
    pub units: u32,
    /// Its bytes.
    pub payload: Bytes,
    /// Records of its kind before it.
    number: u64,
}

/// Bounds of a [`Batch`] that has more than one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchBounds {
    /// Records in it.
    pub records: usize,
    /// Bytes of payload in it.
    pub bytes: usize,
}

/// The oldest records of a kind. To be acknowledged, or let go: then they come again.
#[derive(Debug)]
pub struct Batch {
    kind: u8,
    records: Vec<Stored>,
    bytes: usize,
    /// The total of the kind up to the end of the batch.
    upto: Count,
    /// Where the first record is.
    first: Option<Position>,
    /// Where the next batch begins.
    next: Position,
}

impl Batch {
    /// The records, oldest first.
    #[must_use]
    pub fn records(&self) -> &[Stored] {
        &self.records
    }

    /// Whether there are none: nothing of the kind is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How much it is.
    #[must_use]
    pub fn count(&self) -> Count {
        self.count_from(0)
    }

    fn count_from(&self, number: u64) -> Count {
        let records = self.records.iter().filter(|record| record.number >= number);
        records.fold(Count::default(), |sum, record| {
            sum.plus(Count { records: 1, units: u64::from(record.units) })
        })
    }
}

/// A reading position: in the segment with this key, or the next there is, at this byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
struct Position {
    key: u64,
    at: u64,
}

/// A bounded first-in-first-out queue of records in a directory, one process at a time.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    settings: SpoolBounds,
    /// Oldest first; the key of each is above that of the one before.
    segments: VecDeque<Segment>,
    /// The file of the last segment, while records are added to it.
    active: Option<File>,
    ledger: LedgerFile,
    /// Everything ever pushed.
    pushed: Tally,
    /// Everything ever acked, dropped or lost.
    retired: Tally,
    /// Where the oldest record of each kind is, or before it.
    places: [Position; KINDS],
    /// Something was written to the active file since it was synced.
    dirty: bool,
    /// `pushed` or `retired` went on since the ledger was saved.
    unsaved: bool,
    synced: Option<Duration>,
    counters: SpoolCounters,
    _lock: Lock,
}

impl Spool {
    /// Opens the spool in a directory, which is made if it is missing. No content, however damaged,
    /// is an error.
    pub fn open(dir: &Path, settings: SpoolBounds) -> Result<(Self, Recovery), SpoolError> {
        let exposed = disk::make_dir(dir).map_err(SpoolError::Directory)?;
        let lock = lock(dir)?;
        Self::recover(dir, settings, lock, exposed).map_err(SpoolError::Directory)
    }

    fn recover(
        dir: &Path,
        settings: SpoolBounds,
        lock: Lock,
        exposed: bool,
    ) -> io::Result<(Self, Recovery)> {
        let (ledger, entry) = LedgerFile::open(dir)?;
        let segment_bytes = settings.segment_bytes.min(settings.cap_bytes / 2);
        let mut spool = Self {
            dir: dir.to_owned(),
            settings: SpoolBounds { segment_bytes, ..settings },
            segments: VecDeque::new(),
            active: None,
            ledger,
            pushed: Tally::default(),
            retired: Tally::default(),
            places: [Position::default(); KINDS],
            dirty: false,
            unsaved: true,
            synced: None,
            counters: SpoolCounters::default(),
            _lock: lock,
        };
        let found = spool.find_segments()?;
        let torn_bytes = spool.find_tail()?;
        let first = spool.segments.front().map_or(spool.pushed, |segment| segment.start);
        let booked = entry.unwrap_or(LedgerEntry { retired: first, pushed: first });
        spool.retired = booked.retired;
        spool.pushed = spool.pushed.later(booked.pushed);
        // A full disk must not keep a spool from opening; both slots take their room now.
        let _ = spool.save().and_then(|()| spool.ledger.save(&spool.entry()));
        spool.discard_retired();
        let recovery = Recovery {
            queued: spool.queued(),
            torn_bytes,
            set_aside: spool.counters.set_aside,
            ledger_lost: entry.is_none() && found,
            exposed,
        };
        Ok((spool, recovery))
    }

    /// Adds a record of a kind that carries so many units. It is with the operating system when this
    /// returns, and on the medium after the next [`sync`](Self::sync).
    pub fn push(&mut self, kind: u8, units: u32, payload: &[u8]) -> Result<Pushed, PushError> {
        if usize::from(kind) >= KINDS {
            return Err(PushError::Kind);
        }
        let length = u32::try_from(payload.len()).map_err(|_| PushError::TooLarge)?;
        let size = HEADER as u64 + u64::from(length);
        if size > self.settings.segment_bytes {
            return Err(PushError::TooLarge);
        }
        let dropped_before = self.counters.dropped;
        self.make_room(size);
        let checksum = crc32fast::hash(payload);
        let header = Header { length, units, kind, before: self.pushed, checksum };
        self.append(&header, payload, size).map_err(PushError::of)?;
        self.pushed = header.after();
        self.unsaved = true;
        Ok(Pushed { dropped: self.counters.dropped.minus(dropped_before) })
    }

    /// The oldest records of a kind, as many as have `max_bytes` of payload together, but at least
    /// one. Kinds are read and acknowledged independently of each other. An error says that the
    /// process could not read (too many open files, say); no record is lost by it.
    pub fn peek(&mut self, kind: u8, max_bytes: usize) -> io::Result<Batch> {
        self.peek_some(kind, BatchBounds { records: usize::MAX, bytes: max_bytes })
    }

    /// Like [`peek`](Self::peek), with at most so many records too.
    pub fn peek_some(&mut self, kind: u8, most: BatchBounds) -> io::Result<Batch> {
        let next = self.places.get(usize::from(kind)).copied().unwrap_or_default();
        let upto = self.retired.of(kind);
        let mut batch = Batch { kind, records: Vec::new(), bytes: 0, upto, first: None, next };
        if self.queued().of(kind).records == 0 {
            return Ok(batch);
        }
        let read = self.fill(&mut batch, most);
        if let Some(place) = self.places.get_mut(usize::from(kind)) {
            *place = batch.first.unwrap_or(batch.next);
        }
        if batch.is_empty() {
            read?;
            // There should have been more. Rare, so booked at once; tried again if that fails.
            self.retire(kind, self.pushed.of(kind), Count::default());
            let _ = self.save();
        }
        Ok(batch)
    }

    /// The records of this batch are delivered, or will never be: they do not come again, even after
    /// a crash. On an error that is not yet sure; it is booked by the next call that can, and the
    /// batch is done with all the same. Those that were dropped for room in the meantime stay
    /// counted as dropped.
    #[expect(clippy::needless_pass_by_value, reason = "a batch is acknowledged once")]
    pub fn ack(&mut self, batch: Batch) -> io::Result<()> {
        self.retire(batch.kind, batch.upto, batch.count_from(self.retired.of(batch.kind).records));
        if let Some(place) = self.places.get_mut(usize::from(batch.kind)) {
            *place = batch.next.max(*place);
        }
        let saved = self.save();
        self.discard_retired();
        saved
    }

    /// How much of a kind was pushed so far, in all its history.
    #[must_use]
    pub fn pushed(&self, kind: u8) -> Count {
        self.pushed.of(kind)
    }

    /// All of a kind up to there is done with, read or not; counts as acknowledged.
    ///
    /// # Errors
    /// As [`ack`](Self::ack).
    pub fn done_to(&mut self, kind: u8, upto: Count) -> io::Result<()> {
        self.retire(kind, upto, upto.minus(self.retired.of(kind)));
        let saved = self.save();
        self.discard_retired();
        saved
    }

    /// Brings what was pushed to the medium, if it is time. To be called at least every
    /// [`SpoolBounds::fsync_every`] with a clock that never goes back.
    pub fn sync(&mut self, now: Duration) -> io::Result<()> {
        let due = |at| now.saturating_sub(at) >= self.settings.fsync_every;
        if !self.synced.is_none_or(due) {
            return Ok(());
        }
        self.synced = Some(now);
        self.flush()
    }

    /// Brings what was pushed to the medium now.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sync_active()?;
        self.save()
    }

    /// The books.
    #[must_use]
    pub fn counters(&self) -> SpoolCounters {
        let bytes = self.segments.iter().map(|segment| segment.bytes).sum();
        SpoolCounters { bytes, queued: self.queued(), ..self.counters }
    }

    fn queued(&self) -> Tally {
        self.pushed.minus(self.retired)
    }
}

/// Opening.
impl Spool {
    /// Lists the segments. Whether there were any files of that name.
    fn find_segments(&mut self) -> io::Result<bool> {
        let mut segments = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            match Segment::find(&path) {
                None | Some(Err(Trouble::Gone)) => {}
                Some(Ok(segment)) => segments.push(segment),
                Some(Err(Trouble::Unreadable)) => self.set_aside(&path),
                Some(Err(Trouble::Other(error))) => return Err(error),
            }
        }
        segments.sort_by_key(Segment::key);
        self.segments = segments.into();
        Ok(!self.segments.is_empty() || self.counters.set_aside > 0)
    }

    /// Finds out how much was pushed, and makes the last segment ready for more. The number of bytes
    /// cut off its end.
    fn find_tail(&mut self) -> io::Result<u64> {
        while let Some(last) = self.segments.back_mut() {
            match last.tail() {
                Ok((pushed, end)) => {
                    self.pushed = pushed;
                    let torn = last.bytes.saturating_sub(end);
                    if let Ok(file) = disk::create(&last.path)
                        && (torn == 0 || disk::truncate(&file, end).is_ok())
                    {
                        last.bytes = end;
                        self.active = Some(file);
                        self.dirty = true;
                    }
                    return Ok(torn);
                }
                Err(Trouble::Other(error)) => return Err(error),
                Err(Trouble::Gone) => {}
                Err(Trouble::Unreadable) => {
                    let path = last.path.clone();
                    self.set_aside(&path);
                }
            }
            self.segments.pop_back();
        }
        Ok(0)
    }

    fn set_aside(&mut self, path: &Path) {
        // An empty file is what a crash leaves of a segment just begun.
        let empty = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() == 0);
        if empty {
            let _ = disk::remove(path);
            return;
        }
        self.counters.set_aside += 1;
        // If it stays it is in nobody's way, and the next opening finds it again.
        let _ = segment::set_aside(path);
    }
}

/// Writing.
impl Spool {
    fn make_room(&mut self, size: u64) {
        while self.counters().bytes.saturating_add(size) > self.settings.cap_bytes
            && !self.segments.is_empty()
        {
            let dropped = self.end(0).minus(self.retired);
            self.counters.dropped = self.counters.dropped.plus(dropped);
            self.retired = self.retired.later(self.end(0));
            self.unsaved = true;
            // Room is needed now; if this is not booked, the next opening counts it as lost.
            let _ = self.save();
            self.remove(0);
        }
    }

    fn append(&mut self, header: &Header, payload: &[u8], size: u64) -> io::Result<()> {
        let (segment, file) = self.segment_for(size)?;
        let at = segment.bytes;
        if at == 0 {
            // What is left of a write that failed must not complete one that fails again.
            disk::truncate(file, 0)?;
        }
        let written = disk::write_at(file, at, &header.encode(segment.mark))
            .and_then(|()| disk::write_at(file, at + HEADER as u64, payload));
        if written.is_ok() {
            segment.bytes = at + size;
            self.dirty = true;
        } else {
            // If this does not work, half a record is left behind the last one, which is no record.
            let _ = disk::truncate(file, at);
            if at > 0 {
                // This file may be the trouble: the next record goes to another one.
                let _ = self.sync_active();
                self.active = None;
            }
        }
        written
    }

    /// The last segment and its file, or new ones if it cannot take so much more.
    fn segment_for(&mut self, size: u64) -> io::Result<(&mut Segment, &File)> {
        let full = |segment: &Segment| segment.bytes + size > self.settings.segment_bytes;
        if self.active.is_some() && self.segments.back().is_none_or(full) {
            self.sync_active()?;
            self.active = None;
        }
        if self.active.is_none() {
            let (segment, file) = Segment::create(&self.dir, self.pushed)?;
            self.segments.push_back(segment);
            self.active = Some(file);
        }
        self.segments.back_mut().zip(self.active.as_ref()).ok_or(io::ErrorKind::NotFound.into())
    }

    /// After a failure nobody knows what of the file is on the medium, and trying again would not
    /// tell (the system forgets): the next record goes to another file.
    fn sync_active(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.dirty) {
            return Ok(());
        }
        let file = self.active.take();
        if let Some(file) = &file {
            disk::sync(file)?;
        }
        disk::sync_dir(&self.dir)?;
        self.active = file;
        Ok(())
    }

    fn save(&mut self) -> io::Result<()> {
        if self.unsaved {
            self.ledger.save(&self.entry())?;
            self.unsaved = false;
        }
        Ok(())
    }

    fn entry(&self) -> LedgerEntry {
        LedgerEntry { retired: self.retired, pushed: self.pushed }
    }
}

/// Reading.
impl Spool {
    /// Reads on from `batch.next` until the batch is full or there is no more.
    fn fill(&mut self, batch: &mut Batch, most: BatchBounds) -> io::Result<()> {
        let after = |place: Position, segment: &Segment| segment.key() >= place.key;
        while let Some(index) = self.segments.iter().position(|segment| after(batch.next, segment))
        {
            match self.read(index, batch, most) {
                Ok(true) => return Ok(()),
                // More may be added to the last one.
                Ok(false) if index + 1 == self.segments.len() => return Ok(()),
                Ok(false) => {
                    batch.next = Position { key: batch.next.key + 1, at: 0 };
                }
                Err(Trouble::Other(error)) => return Err(error),
                Err(Trouble::Gone) => self.forget(index),
                Err(Trouble::Unreadable) => {
                    if let Some(path) = self.segments.get(index).map(|found| found.path.clone()) {
                        self.set_aside(&path);
                    }
                    self.forget(index);
                }
            }
        }
        Ok(())
    }

    /// Reads on within a segment. Whether the batch is full.
    fn read(&self, index: usize, batch: &mut Batch, most: BatchBounds) -> Result<bool, Trouble> {
        let Some(segment) = self.segments.get(index) else { return Ok(false) };
        if batch.next.key < segment.key() {
            batch.next = Position { key: segment.key(), at: 0 };
        }
        if self.end(index).of(batch.kind).records <= batch.upto.records {
            batch.next.at = segment.bytes;
            return Ok(false);
        }
        let file = segment.open()?;
        let mut walk = segment.walk(&file, batch.next.at);
        while let Some(found) = walk.next().map_err(|_| Trouble::Unreadable)? {
            let number = found.header.before.of(batch.kind).records;
            if found.header.kind == batch.kind && number >= batch.upto.records {
                let bytes = batch.bytes.saturating_add(found.header.length as usize);
                let full = bytes > most.bytes || batch.records.len() >= most.records;
                if full && !batch.is_empty() {
                    return Ok(true);
                }
                if let Some(payload) = walk.payload(&found).map_err(|_| Trouble::Unreadable)? {
                    batch.bytes = bytes;
                    batch.first.get_or_insert(Position { key: batch.next.key, at: found.at });
                    let (units, payload) = (found.header.units, payload.into());
                    batch.records.push(Stored { units, payload, number });
                    batch.upto = found.header.after().of(batch.kind);
                }
            }
            batch.next.at = walk.at;
        }
        Ok(false)
    }

    /// All up to there is done with: `acked` of it was acknowledged, what else there should have
    /// been is lost.
    fn retire(&mut self, kind: u8, upto: Count, acked: Count) {
        let span = upto.minus(self.retired.of(kind));
        if span.records == 0 {
            return;
        }
        self.counters.acked.add(kind, acked);
        self.counters.lost.add(kind, span.minus(acked));
        self.retired.set(kind, upto);
        self.unsaved = true;
    }

    /// Removes the segments of which nothing is wanted any more. After the ledger was saved: a crash
    /// in between leaves a file too much, never one too few.
    fn discard_retired(&mut self) {
        while !self.segments.is_empty()
            && (self.segments.len() > 1 || self.active.is_none())
            && self.retired.covers(&self.end(0))
        {
            self.remove(0);
        }
    }

    /// Everything that was pushed up to the end of a segment.
    fn end(&self, index: usize) -> Tally {
        self.segments.get(index + 1).map_or(self.pushed, |next| next.start)
    }

    fn remove(&mut self, index: usize) {
        if let Some(segment) = self.segments.get(index) {
            // If it stays, the next opening finds that it is done with and tries again.
            let _ = disk::remove(&segment.path);
        }
        self.forget(index);
    }

    fn forget(&mut self, index: usize) {
        self.segments.remove(index);
        if index == self.segments.len() {
            self.active = None;
            self.dirty = false;
        }
    }
}

/// The lock file, locked.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child process that is just being started still shares the file.
        let _ = self.0.unlock();
    }
}

fn lock(dir: &Path) -> Result<Lock, SpoolError> {
    let file = disk::create(&dir.join("lock")).map_err(SpoolError::Directory)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(SpoolError::Locked),
        Err(TryLockError::Error(error)) => Err(SpoolError::Directory(error)),
    }
}
