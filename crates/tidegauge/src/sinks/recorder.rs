//! Records into a file, one JSON object a line.
//!
//! A bounded queue and a thread of its own: a slow disk drops lines and counts them. Everything that
//! waits is written and flushed before the thread sleeps again, so a reader of the file is never far
//! behind.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tidegauge_core::{Dropped, Health, Record, Sink};

use crate::record::RecordJson;

/// Lines that may wait for the disk.
const QUEUE: usize = 4096;

/// Appends records to a file.
pub struct Recorder {
    entry: Mutex<Option<SyncSender<Vec<u8>>>>,
    done: Mutex<Option<Receiver<()>>>,
    health: Arc<Health>,
}

impl Recorder {
    /// Opens the file for appending, makes it if need be (readable by its owner only), and starts
    /// the thread.
    ///
    /// # Errors
    /// When the file cannot be opened or the system gives no thread.
    pub fn open(path: &Path, health: Arc<Health>) -> io::Result<Self> {
        let file = private(path)?;
        let (entry, exit) = sync_channel(QUEUE);
        let (finished, done) = sync_channel(1);
        let counted = Arc::clone(&health);
        thread::Builder::new().name("record-file".to_owned()).spawn(move || {
            write(BufWriter::new(file), &exit, &counted);
            // Nobody may be waiting any more.
            let _ = finished.send(());
        })?;
        Ok(Self { entry: Mutex::new(Some(entry)), done: Mutex::new(Some(done)), health })
    }

    /// Takes no more and writes what waits, for at most `deadline`.
    pub fn shutdown(&self, deadline: Duration) {
        drop(self.entry.lock().ok().and_then(|mut entry| entry.take()));
        if let Some(done) = self.done.lock().ok().and_then(|mut done| done.take()) {
            // Late or not, the process goes on to its end.
            let _ = done.recv_timeout(deadline);
        }
    }
}

impl Sink for Recorder {
    fn record(&self, record: &Record) {
        let Ok(mut line) = serde_json::to_vec(&RecordJson::of(record)) else {
            return self.health.line_dropped(Dropped::EncodeError, 1);
        };
        line.push(b'\n');
        let entry = self.entry.lock().ok();
        let sent =
            entry.as_ref().and_then(|entry| entry.as_ref()).map(|entry| entry.try_send(line));
        match sent {
            Some(Ok(())) => {}
            Some(Err(TrySendError::Full(_))) => self.health.line_dropped(Dropped::QueueFull, 1),
            Some(Err(TrySendError::Disconnected(_))) | None => {
                self.health.line_dropped(Dropped::ShutdownDeadline, 1);
            }
        }
    }
}

/// The first line that comes, then all that wait, then a flush.
fn write(mut file: impl Write, exit: &Receiver<Vec<u8>>, health: &Health) {
    let mut said = false;
    while let Ok(first) = exit.recv() {
        let mut lines = 0;
        let mut written = Ok(());
        for line in std::iter::once(first).chain(exit.try_iter().take(QUEUE)) {
            lines += 1;
            written = written.and_then(|()| file.write_all(&line));
        }
        let Err(error) = written.and_then(|()| file.flush()) else { continue };
        health.line_dropped(Dropped::DiskIo, lines);
        if !said {
            said = true;
            tracing::error!(error = %error.kind(), "the record file cannot be written; lines are dropped and counted");
        }
    }
}

/// A file for appending that only its owner can read, if it is made here.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests;
