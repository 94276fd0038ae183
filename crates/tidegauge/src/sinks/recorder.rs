//! Records into a file, one JSON object a line.
//!
//! A bounded queue and a thread of its own: a slow disk drops lines and counts them. Everything that
//! waits is written before the thread sleeps again, so a reader of the file is never far behind.
//!
//! A line is in the file whole, or counted and never written later: nothing is buffered past a write,
//! and a part of a line that got into the file is taken out again, or ended, before the next one. The
//! file may be renamed or deleted at any time: each batch goes to what is at the path then.

use std::collections::HashSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use tidegauge_core::{Dropped, Health, Record, Sink};
use tidegauge_proxy::Clock;

use crate::config::RecordFile;

/// Lines that may wait for the disk.
const QUEUE: usize = 4096;
/// Bytes that are written at once.
const PIECE: usize = 1 << 20;
/// Bytes of a file that are read again: more than what ends within the time that an end is held back.
const TAIL: u64 = 16 << 20;
/// Time between two log lines about a disk that does not take lines.
const QUIET: Duration = Duration::from_secs(60);

/// Appends records to a file.
pub struct Recorder {
    entry: Mutex<Option<SyncSender<Job>>>,
    done: Mutex<Option<Receiver<()>>>,
    waiting: Arc<Waiting>,
    health: Arc<Health>,
}

/// Lines that were taken and of which it is not known yet what becomes.
#[derive(Default)]
struct Waiting {
    lines: AtomicU64,
    /// They are counted as lost: the process ends.
    given_up: AtomicBool,
}

/// What the thread is given.
enum Job {
    Line(Vec<u8>),
    /// Look at the path again, even if no line comes.
    Reopen,
}

impl Recorder {
    /// Opens the file for appending, makes it if need be (readable by its owner only), and starts
    /// the thread. A named pipe is opened once somebody reads it, without waiting for that here.
    ///
    /// # Errors
    /// When the file cannot be opened or the system gives no thread.
    pub fn open(file: &RecordFile, health: Arc<Health>) -> io::Result<Self> {
        if is_pipe(&file.path) {
            let file = file.clone();
            return Self::start(move || Target::open(&file), health);
        }
        let target = Target::open(file)?;
        Self::start(move || Ok(target), health)
    }

    /// Starts the thread, which first opens what lines are written to.
    fn start<T: Append>(
        open: impl FnOnce() -> io::Result<T> + Send + 'static,
        health: Arc<Health>,
    ) -> io::Result<Self> {
        let (entry, exit) = sync_channel(QUEUE);
        let (finished, done) = sync_channel(1);
        let waiting = Arc::new(Waiting::default());
        thread::Builder::new().name("record-file".to_owned()).spawn({
            let (waiting, health) = (Arc::clone(&waiting), Arc::clone(&health));
            move || {
                match open() {
                    Ok(target) => Lines::new(target, waiting, health).run(&exit),
                    Err(error) => Lines::new(error.kind(), waiting, health).run(&exit),
                }
                // Nobody may be waiting any more.
                let _ = finished.send(());
            }
        })?;
        let (entry, done) = (Mutex::new(Some(entry)), Mutex::new(Some(done)));
        Ok(Self { entry, done, waiting, health })
    }

    /// Lets go of a file that was renamed, so that whoever renamed it may compress it.
    pub fn reopen(&self) {
        // Where no more fits, lines wait, and each batch of them looks by itself.
        let _ = self.send(Job::Reopen);
    }

    fn send(&self, job: Job) -> Result<(), Dropped> {
        let entry = self.entry.lock().ok();
        let entry = entry.as_ref().and_then(|entry| entry.as_ref());
        entry.ok_or(Dropped::ShutdownDeadline)?.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => Dropped::QueueFull,
            TrySendError::Disconnected(_) => Dropped::ShutdownDeadline,
        })
    }
}

impl Sink for Recorder {
    fn record(&self, record: &Record) {
        let Ok(line) = tidegauge_record::line(record) else {
            return self.health.line_dropped(Dropped::EncodeError, 1);
        };
        // Counted first, so that the thread never takes what is not there.
        self.waiting.lines.fetch_add(1, Ordering::Relaxed);
        if let Err(reason) = self.send(Job::Line(line)) {
            self.waiting.lines.fetch_sub(1, Ordering::Relaxed);
            self.health.line_dropped(reason, 1);
        }
    }

    /// Writes what waits; counts what is not written when time is up, whether or not a write that hangs
    /// gets through after all.
    fn shutdown(&self, deadline: Duration) {
        drop(self.entry.lock().ok().and_then(|mut entry| entry.take()));
        let done = self.done.lock().ok().and_then(|mut done| done.take());
        // Late or not, the process goes on to its end.
        if done.is_some_and(|done| done.recv_timeout(deadline).is_err()) {
            self.waiting.given_up.store(true, Ordering::Relaxed);
            let lines = self.waiting.lines.load(Ordering::Relaxed);
            self.health.line_dropped(Dropped::ShutdownDeadline, lines);
        }
    }
}

/// The thread: lines in, a file that is always of whole lines out.
struct Lines<T> {
    target: T,
    waiting: Arc<Waiting>,
    health: Arc<Health>,
    clock: Clock,
    /// The time before which nothing more is logged.
    quiet_until: Duration,
}

/// What lines are written to.
trait Append {
    /// Is told before each batch.
    fn settle(&mut self) -> io::Result<()>;

    /// Makes room for so many bytes: how many may be written to what is there now.
    fn room(&mut self) -> u64;

    /// Writes bytes that are whole lines; how many of them are in the file now, and why not all.
    fn append(&mut self, lines: &[u8]) -> (usize, io::Result<()>);
}

impl<T: Append> Lines<T> {
    fn new(target: T, waiting: Arc<Waiting>, health: Arc<Health>) -> Self {
        Self { target, waiting, health, clock: Clock::real(), quiet_until: Duration::ZERO }
    }

    /// The first job that comes, then all that wait, until nobody can send any more.
    fn run(&mut self, exit: &Receiver<Job>) {
        let mut piece = Vec::new();
        while let Ok(first) = exit.recv() {
            let mut well = self.target.settle();
            let mut room = self.target.room();
            for job in std::iter::once(first).chain(exit.try_iter().take(QUEUE)) {
                let Job::Line(line) = job else { continue };
                let size = (piece.len() + line.len()) as u64;
                if !piece.is_empty() && (size > room || piece.len() + line.len() > PIECE) {
                    well = self.write(&mut piece, well);
                    room = self.target.room();
                }
                piece.extend(line);
            }
            well = self.write(&mut piece, well);
            if let Err(error) = well {
                self.say(&error);
            }
        }
    }

    /// Empties `piece` into the file, or counts what is in it.
    fn write(&mut self, piece: &mut Vec<u8>, well: io::Result<()>) -> io::Result<()> {
        let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let all = lines(piece);
        if self.waiting.given_up.load(Ordering::Relaxed) {
            piece.clear();
            return well;
        }
        let (written, well) = match well {
            Ok(()) if piece.is_empty() => return Ok(()),
            Ok(()) => self.target.append(piece),
            Err(error) => (0, Err(error)),
        };
        // A part of a line counts as none of it.
        let lost = lines(piece.get(written..).unwrap_or_default());
        self.health.line_dropped(Dropped::DiskIo, lost);
        self.waiting.lines.fetch_sub(all, Ordering::Relaxed);
        piece.clear();
        well
    }

    fn say(&mut self, error: &io::Error) {
        let now = self.clock.now();
        if now >= self.quiet_until {
            self.quiet_until = now + QUIET;
            tracing::error!(error = %error.kind(), "the record file cannot be written; lines are dropped and counted");
        }
    }
}

/// What could not be opened at all.
impl Append for io::ErrorKind {
    fn settle(&mut self) -> io::Result<()> {
        Err((*self).into())
    }

    fn room(&mut self) -> u64 {
        u64::MAX
    }

    fn append(&mut self, _: &[u8]) -> (usize, io::Result<()>) {
        (0, Err((*self).into()))
    }
}

/// A file at a path, or standard output.
struct Target {
    path: PathBuf,
    /// Bytes after which the file is put aside.
    max_bytes: Option<u64>,
    /// How many files that were put aside are kept.
    keep: u32,
    file: File,
    /// Where in the file we are, if it is one that has an end.
    len: Option<u64>,
    /// The last byte in the file is not the end of a line.
    torn: bool,
    /// Putting it aside has failed in this batch.
    stuck: bool,
}

impl Target {
    fn open(settings: &RecordFile) -> io::Result<Self> {
        let RecordFile { path, max_bytes, keep } = settings.clone();
        let (file, len, torn) =
            if settings.is_stdout() { (stdout()?, None, false) } else { open(&path)? };
        let max_bytes = max_bytes.filter(|_| len.is_some());
        Ok(Self { path, max_bytes, keep, file, len, torn, stuck: false })
    }

    /// Goes on in the file that is at the path now.
    fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.len, self.torn) = open(&self.path)?;
        Ok(())
    }

    /// Whether what is open is not what is at the path. Only files are looked at: whoever reads a pipe
    /// has it under no name.
    fn is_another(&self) -> bool {
        self.len.is_some()
            && match (fs::metadata(&self.path), self.file.metadata()) {
                (Ok(there), Ok(open)) => !is_same(&there, &open),
                (Err(error), _) => error.kind() == io::ErrorKind::NotFound,
                (Ok(_), Err(_)) => false,
            }
    }

    /// Looks how long the file is: others may have cut it, or written to it too.
    fn measure(&mut self) {
        if let (Some(_), Ok(open)) = (self.len, self.file.metadata()) {
            self.len = Some(open.len());
            self.torn &= open.len() > 0;
        }
    }

    /// `FILE` becomes `FILE.1`, that `FILE.2`, and the last one goes.
    fn put_aside(&mut self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            match fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, numbered(&self.path, 1))?;
        self.reopen()
    }
}

impl Append for Target {
    fn settle(&mut self) -> io::Result<()> {
        self.stuck = false;
        if !self.is_another() {
            self.measure();
            return Ok(());
        }
        match self.reopen() {
            // As long as it has a name somewhere, what is written to it is not lost.
            Err(_) if self.file.metadata().is_ok_and(|open| has_a_name(&open)) => Ok(()),
            reopened => reopened,
        }
    }

    fn room(&mut self) -> u64 {
        let (Some(most), Some(len)) = (self.max_bytes, self.len) else { return u64::MAX };
        most.saturating_sub(len)
    }

    fn append(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        if self.len.is_some_and(|len| len > 0) && lines.len() as u64 > self.room() && !self.stuck {
            self.stuck = self.put_aside().is_err();
        }
        let done = append_after(&mut self.file, &mut self.torn, lines);
        self.len = self.len.map(|len| len + done.grown);
        if done.part > 0
            && let Some(len) = self.len
            // Nobody else has written there.
            && self.file.metadata().is_ok_and(|open| open.len() == len)
            && self.file.set_len(len - done.part).is_ok()
        {
            (self.len, self.torn) = (Some(len - done.part), false);
        }
        (done.whole, done.well)
    }
}

/// What became of lines that were to be appended.
struct Appended {
    /// Bytes that were written, an end of the line before included.
    grown: u64,
    /// Bytes of the lines that are there.
    whole: usize,
    /// Bytes behind them: a part of a line, which counts as none of it.
    part: u64,
    /// Why not all.
    well: io::Result<()>,
}

/// Writes whole lines, on a line of their own.
fn append_after(file: &mut impl Write, torn: &mut bool, lines: &[u8]) -> Appended {
    let mut grown = 0;
    if *torn {
        match write_all(file, b"\n") {
            (_, Ok(())) => (*torn, grown) = (false, 1),
            (_, well) => return Appended { grown, whole: 0, part: 0, well },
        }
    }
    let (written, well) = write_all(file, lines);
    grown += written as u64;
    let there = lines.get(..written).unwrap_or_default();
    let whole = there.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    *torn = whole < written;
    // All of a line but its end, which comes with the next one.
    if *torn && lines.get(written) == Some(&b'\n') {
        return Appended { grown, whole: written + 1, part: 0, well };
    }
    Appended { grown, whole, part: (written - whole) as u64, well }
}

/// How much was written, and why not all.
fn write_all(file: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// The file at a path, for appending, readable by its owner only if it is made here; its length, if
/// it has one; and whether it ends within a line.
fn open(path: &Path) -> io::Result<(File, Option<u64>, bool)> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let meta = file.metadata()?;
    let len = meta.is_file().then_some(meta.len());
    let torn = len.is_some_and(|len| len > 0) && ends_in_a_line(path).unwrap_or(false);
    Ok((file, len, torn))
}

/// Whether the last line of a file has no end, as a process that was killed leaves it.
fn ends_in_a_line(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

#[cfg(unix)]
fn stdout() -> io::Result<File> {
    use std::os::fd::AsFd as _;
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

#[cfg(windows)]
fn stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle as _;
    Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
}

/// Whether a named pipe is there.
#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    // Not through a link: `/dev/stdout` is open already.
    fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    // A file that is open cannot be renamed there.
    true
}

#[cfg(unix)]
fn has_a_name(meta: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    meta.nlink() > 0
}

#[cfg(not(unix))]
fn has_a_name(_: &Metadata) -> bool {
    true
}

/// The ids in the last lines that were written to a file, and to the one that was put aside before it.
pub(crate) fn last_ids(settings: &RecordFile) -> HashSet<String> {
    let mut ids = HashSet::new();
    if settings.is_stdout() {
        return ids;
    }
    for path in [settings.path.clone(), numbered(&settings.path, 1)] {
        // What cannot be read is not known.
        let Ok(tail) = tail(&path) else { continue };
        let of = |line| serde_json::from_slice::<Named<'_>>(line).ok();
        ids.extend(tail.split(|byte| *byte == b'\n').filter_map(of).map(|of| of.id.to_owned()));
    }
    ids
}

/// As much of a record as is read again.
#[derive(Deserialize)]
struct Named<'a> {
    id: &'a str,
}

/// The last [`TAIL`] bytes of a file.
fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let meta = fs::metadata(path)?;
    let mut bytes = Vec::new();
    // To open a pipe may wait, and would take what is in it.
    if meta.is_file() {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(meta.len().saturating_sub(TAIL)))?;
        file.take(TAIL).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// `FILE.1` and so on.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests;
