//! The books of the disk, and what happens when it fails.

use std::io;

use tempfile::TempDir;
use tidegauge_core::{Health, Scope};
use tidegauge_spool::faults;

use super::*;

const MOST: BatchBounds = BatchBounds { records: 100, bytes: 1 << 20 };

fn bench(dir: &TempDir) -> (QueueOnDisk, Arc<Health>) {
    let health = Arc::new(Health::default());
    let options = DiskQueueOptions { dir: dir.path().to_owned(), bounds: SpoolBounds::default() };
    let disk_queue = QueueOnDisk::open(options, b"resource".to_vec(), health.ledger("one"), None);
    (disk_queue.unwrap(), health)
}

fn piece(id: u8, now: Instant) -> Pending {
    Pending { scope: Scope::GenAi, bytes: vec![id; 50].into(), units: 1, born: now }
}

#[test]
fn what_is_written_is_read_as_it_was() {
    let dir = TempDir::new().unwrap();
    let (disk_queue, health) = bench(&dir);
    let now = Instant::now();
    for (id, signal) in [(1, Signal::Traces), (2, Signal::Logs), (3, Signal::Traces)] {
        disk_queue.write(signal, &piece(id, now), now).unwrap();
    }
    assert_eq!(health.spans_queued_disk(), 2);
    let taken = disk_queue.take(Signal::Traces, MOST, now).unwrap();
    let pieces = vec![piece(1, now), piece(3, now)];
    assert_eq!(taken.groups, [OriginGroup { resource: Bytes::from_static(b"resource"), pieces }]);
    disk_queue.settle(Signal::Traces, taken, BatchOutcome::Delivered { rejected: 0 });
    assert_eq!((health.spans_acked(), health.spans_queued_disk()), (2, 0));
    assert!(disk_queue.take(Signal::Traces, MOST, now).is_none());
    let one = BatchBounds { records: 1, ..MOST };
    assert_eq!(disk_queue.take(Signal::Logs, one, now).unwrap().len(), 1);
}

#[test]
fn f40_a_disk_that_fails_is_left_alone_for_a_while() {
    for (kind, reason) in [
        (io::ErrorKind::StorageFull, Dropped::DiskFull),
        (io::ErrorKind::PermissionDenied, Dropped::DiskIo),
    ] {
        let dir = TempDir::new().unwrap();
        let (disk_queue, health) = bench(&dir);
        let now = Instant::now();
        disk_queue.write(Signal::Traces, &piece(1, now), now).unwrap();
        faults::plan(move |_| Some(kind));
        assert_eq!(disk_queue.write(Signal::Traces, &piece(2, now), now), Err(reason));
        faults::clear();
        let later = now + REST;
        assert_eq!(disk_queue.pauses_until(now), Some(later));
        let sooner = later - Duration::from_millis(1);
        assert_eq!(disk_queue.write(Signal::Traces, &piece(2, now), sooner), Err(reason));
        assert_eq!(health.spans_queued_disk(), 1);
        // What is there can be read, and makes room.
        let taken = disk_queue.take(Signal::Traces, MOST, now).unwrap();
        disk_queue.settle(Signal::Traces, taken, BatchOutcome::Delivered { rejected: 0 });
        assert_eq!(disk_queue.write(Signal::Traces, &piece(2, now), later), Ok(()));
        assert_eq!((health.spans_queued_disk(), health.spans_acked()), (1, 1));
        assert_eq!(disk_queue.pauses_until(now), None);
    }
}

#[test]
fn a_record_of_another_layout_is_counted_and_left_behind() {
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = Spool::open(dir.path(), SpoolBounds::default()).unwrap();
    for record in [&b""[..], b"\x02\x00", b"\x01\x09\0\0\0\0", b"\x01\x00\xff\0\0\0"] {
        spool.push(0, 3, record).unwrap();
    }
    drop(spool);
    let (disk_queue, health) = bench(&dir);
    assert_eq!((health.spans_recovered(), health.spans_queued_disk()), (12, 12));
    assert!(disk_queue.take(Signal::Traces, MOST, Instant::now()).is_none());
    assert_eq!(health.spans_dropped(Dropped::DiskIo), 12);
    assert_eq!(health.spans_queued_disk(), 0);
}

#[test]
fn f40_a_sync_that_fails_sends_what_comes_back_to_memory() {
    let dir = TempDir::new().unwrap();
    let (disk_queue, health) = bench(&dir);
    let now = Instant::now();
    disk_queue.write(Signal::Traces, &piece(1, now), now).unwrap();
    faults::plan(|op| (op == faults::Op::Sync).then_some(io::ErrorKind::Other));
    disk_queue.sync(now);
    faults::clear();
    assert_eq!(disk_queue.write(Signal::Traces, &piece(2, now), now), Err(Dropped::DiskIo));
    let later = now + REST;
    disk_queue.write(Signal::Traces, &piece(2, now), later).unwrap();
    assert_eq!(disk_queue.take(Signal::Traces, MOST, later).unwrap().len(), 2);
    assert_eq!((health.spans_queued_disk(), health.spans_dropped(Dropped::DiskIo)), (2, 0));
}
