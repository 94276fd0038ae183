//! Lines in a file, and what becomes of those that cannot be written.

use std::collections::VecDeque;

use super::*;
use crate::testing::{failed, record};

const LONG: Duration = Duration::from_secs(60);

fn settings(path: &Path) -> RecordFile {
    RecordFile { path: path.to_owned(), max_bytes: None, keep: 5 }
}

fn start(path: &Path) -> (Recorder, Arc<Health>) {
    let health = Arc::new(Health::default());
    (Recorder::open(&settings(path), Arc::clone(&health)).unwrap(), health)
}

/// What `end` says in each line. Each line is JSON.
fn ends(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let end = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["end"].clone();
    text.lines().map(|line| end(line).as_str().unwrap().to_owned()).collect()
}

fn wait_for_lines(path: &Path, count: usize) {
    while fs::read_to_string(path).map_or(0, |text| text.matches('\n').count()) < count {
        thread::yield_now();
    }
}

#[test]
fn lines_are_appended_and_the_file_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.jsonl");
    for _ in 0..2 {
        let (recorder, _) = start(&path);
        recorder.record(&record());
        recorder.record(&failed());
        recorder.shutdown(LONG);
    }
    assert_eq!(ends(&path), ["complete", "failed", "complete", "failed"]);
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_line_is_there_without_a_shutdown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.jsonl");
    let (recorder, _) = start(&path);
    recorder.record(&record());
    wait_for_lines(&path, 1);
}

/// Whoever renames the file, deletes it, or puts another one there finds the next line at the path.
#[cfg(unix)]
#[test]
fn the_next_line_goes_to_what_is_at_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (dir.path().join("f"), dir.path().join("old"));
    let (recorder, health) = start(&path);
    recorder.record(&record());
    wait_for_lines(&path, 1);

    fs::rename(&path, &old).unwrap();
    recorder.record(&failed());
    wait_for_lines(&path, 1);
    assert_eq!((ends(&old), ends(&path)), (vec!["complete".into()], vec!["failed".into()]));

    fs::remove_file(&path).unwrap();
    recorder.record(&record());
    wait_for_lines(&path, 1);

    fs::rename(&old, &path).unwrap();
    recorder.record(&failed());
    wait_for_lines(&path, 2);
    assert_eq!(ends(&path), ["complete", "failed"]);

    // Without a line, too: whoever renamed it wants to have it alone.
    fs::rename(&path, &old).unwrap();
    recorder.reopen();
    while !path.exists() {
        thread::yield_now();
    }
    recorder.shutdown(LONG);
    assert_eq!(Dropped::ALL.iter().map(|why| health.lines_dropped(*why)).sum::<u64>(), 0);
}

/// What a killed process wrote half is no part of another line.
#[test]
fn a_torn_end_is_ended_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    fs::write(&path, "{}\n{\"v\":1,\"id").unwrap();
    let (recorder, _) = start(&path);
    recorder.record(&record());
    recorder.shutdown(LONG);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..2], ["{}", "{\"v\":1,\"id"]);
    assert!(serde_json::from_str::<serde_json::Value>(lines[2]).is_ok());
}

#[test]
fn a_file_that_is_full_is_put_aside_and_the_oldest_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let health = Arc::new(Health::default());
    let one = tidegauge_record::line(&record()).unwrap().len() as u64;
    let settings = RecordFile { max_bytes: Some(2 * one + 1), keep: 2, ..settings(&path) };
    let recorder = Recorder::open(&settings, Arc::clone(&health)).unwrap();
    for _ in 0..9 {
        recorder.record(&record());
    }
    recorder.shutdown(LONG);
    let lines = |path: &Path| fs::read_to_string(path).unwrap().lines().count();
    assert_eq!(lines(&path), 1);
    assert_eq!((lines(&numbered(&path, 1)), lines(&numbered(&path, 2))), (2, 2));
    assert!(!numbered(&path, 3).exists());
    assert_eq!(health.lines_dropped(Dropped::DiskIo), 0);
}

/// A disk that takes what it is told to, and then says that it is full.
struct Disk {
    takes: VecDeque<usize>,
    has: Vec<u8>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.takes.pop_front() {
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            takes => {
                let count = takes.unwrap_or(usize::MAX).min(bytes.len());
                self.has.extend_from_slice(&bytes[..count]);
                Ok(count)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Something that cannot be cut back, such as a pipe.
struct Pipe {
    disk: Disk,
    torn: bool,
}

impl Append for Pipe {
    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn room(&mut self) -> u64 {
        u64::MAX
    }

    fn append(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let done = append_after(&mut self.disk, &mut self.torn, lines);
        (done.whole, done.well)
    }
}

/// However much of what is written is taken: each line is there whole and counted as nothing, or it is
/// counted and not there.
#[test]
fn a_disk_that_fails_costs_lines_that_are_counted() {
    let line = |number: usize| format!("{{\"number\":{number}}}\n").into_bytes();
    let size = line(0).len();
    for takes in [
        vec![0],
        vec![1, 0],
        vec![size, 0],
        vec![size + 3, 0, 0, 1],
        vec![2 * size - 1, 0],
        vec![3, 4, size, 0, 0, 0, 0],
        vec![1, 0, 1, 0, 1, 0],
    ] {
        let health = Arc::new(Health::default());
        let disk = Disk { takes: takes.clone().into(), has: Vec::new() };
        let mut lines = Lines::new(Pipe { disk, torn: false }, Arc::default(), Arc::clone(&health));
        let mut number = 0;
        for batch in [2, 3, 1, 1, 1, 1] {
            let (entry, exit) = sync_channel(8);
            for _ in 0..batch {
                entry.try_send(Job::Line(line(number))).unwrap();
                number += 1;
            }
            drop(entry);
            lines.run(&exit);
        }
        let text = String::from_utf8(lines.target.disk.has).unwrap();
        let whole: Vec<_> = text
            .lines()
            .filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok())
            .collect();
        let counted = health.lines_dropped(Dropped::DiskIo);
        assert_eq!(whole.len() as u64 + counted, number as u64, "{takes:?}: {text}");
        assert!(!text.contains("}{"), "{takes:?}: {text}");
        assert!(text.lines().all(|line| line.matches("number").count() < 2), "{takes:?}: {text}");
        assert!(whole.last().is_some_and(|last| *last == "{\"number\":8}"), "{takes:?}: {text}");
    }
}

/// `copytruncate` of rotation scripts: what is cut away counts no more.
#[test]
fn a_file_that_was_cut_by_others_is_not_full() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let one = tidegauge_record::line(&record()).unwrap().len() as u64;
    let settings = RecordFile { max_bytes: Some(2 * one + 1), ..settings(&path) };
    let recorder = Recorder::open(&settings, Arc::default()).unwrap();
    for _ in 0..4 {
        recorder.record(&record());
        wait_for_lines(&path, 1);
        recorder.record(&record());
        wait_for_lines(&path, 2);
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    }
    recorder.shutdown(LONG);
    assert!(!numbered(&path, 1).exists());
}

/// A disk that takes nothing and says nothing, until it is let go.
struct Stuck(Receiver<()>);

impl Append for Stuck {
    fn settle(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn room(&mut self) -> u64 {
        u64::MAX
    }

    fn append(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let _ = self.0.recv();
        (lines.len(), Ok(()))
    }
}

/// The end waits for nobody, and what was not written then is counted.
#[test]
fn lines_that_wait_when_the_end_comes_are_counted() {
    let health = Arc::new(Health::default());
    let (release, stuck) = sync_channel(0);
    let recorder = Recorder::start(move || Ok(Stuck(stuck)), Arc::clone(&health)).unwrap();
    for _ in 0..7 {
        recorder.record(&record());
    }
    recorder.shutdown(Duration::ZERO);
    assert_eq!(health.lines_dropped(Dropped::ShutdownDeadline), 7);
    drop(release);
}

/// A start waits for nobody who may read a pipe, and whoever does later gets what was written until then.
#[cfg(unix)]
#[test]
fn a_pipe_may_be_read_later() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    if !std::process::Command::new("mkfifo").arg(&path).status().is_ok_and(|made| made.success()) {
        return eprintln!("skipped: there is no mkfifo");
    }
    let (done, opened) = sync_channel(1);
    thread::spawn({
        let path = path.clone();
        move || done.send(start(&path))
    });
    let (recorder, health) = opened.recv_timeout(LONG).expect("nobody is waited for");
    recorder.record(&record());
    recorder.record(&failed());
    // Is not opened to be looked at either.
    assert!(last_ids(&settings(&path)).is_empty());
    let reader = thread::spawn({
        let path = path.clone();
        move || ends(&path)
    });
    recorder.shutdown(LONG);
    drop(recorder);
    assert_eq!(reader.join().unwrap(), ["complete", "failed"]);
    assert_eq!(Dropped::ALL.iter().map(|why| health.lines_dropped(*why)).sum::<u64>(), 0);
}

/// What could not be opened after all costs lines that are counted.
#[test]
fn what_cannot_be_opened_later_is_counted() {
    let health = Arc::new(Health::default());
    let open = || Err::<Stuck, _>(io::ErrorKind::PermissionDenied.into());
    let recorder = Recorder::start(open, Arc::clone(&health)).unwrap();
    recorder.record(&record());
    recorder.shutdown(LONG);
    assert_eq!(health.lines_dropped(Dropped::DiskIo), 1);
}

#[test]
fn after_shutdown_lines_are_counted_as_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let (recorder, health) = start(&dir.path().join("f"));
    recorder.shutdown(LONG);
    recorder.record(&record());
    assert_eq!(health.lines_dropped(Dropped::ShutdownDeadline), 1);
}

#[test]
fn the_last_ids_are_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    assert!(last_ids(&settings(&path)).is_empty());
    fs::write(&path, "{\"v\":1,\"id\":\"a\"}\n{\"v\":1,\"id\":\"torn").unwrap();
    fs::write(numbered(&path, 1), "half\"}\n{\"id\":\"b\",\"more\":[1]}\n").unwrap();
    let ids = last_ids(&settings(&path));
    assert_eq!(ids, ["a".to_owned(), "b".to_owned()].into());
}
