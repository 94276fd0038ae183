//! Lines in a file, and what becomes of those that cannot be written.

use super::*;
use crate::testing::{failed, record};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn lines_are_appended_and_the_file_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("records.jsonl");
    let health = Arc::new(Health::default());
    for _ in 0..2 {
        let recorder = Recorder::open(&path, Arc::clone(&health)).unwrap();
        recorder.record(&record());
        recorder.record(&failed());
        recorder.shutdown(LONG);
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let ends: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["end"].clone())
        .collect();
    assert_eq!(ends, ["complete", "failed", "complete", "failed"]);
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
    let recorder = Recorder::open(&path, Arc::default()).unwrap();
    recorder.record(&record());
    while !std::fs::read_to_string(&path).unwrap().ends_with('\n') {
        thread::yield_now();
    }
}

#[test]
fn a_disk_that_fails_costs_lines_that_are_counted() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let health = Health::default();
    let (entry, exit) = sync_channel(8);
    for _ in 0..3 {
        entry.try_send(b"{}\n".to_vec()).unwrap();
    }
    drop(entry);
    write(Full, &exit, &health);
    assert_eq!(health.lines_dropped(Dropped::DiskIo), 3);
}

#[test]
fn after_shutdown_lines_are_counted_as_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let health = Arc::new(Health::default());
    let recorder = Recorder::open(&dir.path().join("f"), Arc::clone(&health)).unwrap();
    recorder.shutdown(LONG);
    recorder.record(&record());
    assert_eq!(health.lines_dropped(Dropped::ShutdownDeadline), 1);
}
