//! The promises of the disk queue, one by one.

use std::fs;

use tempfile::TempDir;

use super::faults::{self, Op};
use super::*;

mod damage;
mod full;
mod killed;
mod model;
#[cfg(unix)]
mod power;
mod speed;
mod trouble;

/// Some ten records of 100 bytes in a segment, eight segments.
const SMALL: SpoolBounds = SpoolBounds {
    cap_bytes: 16 * 1024,
    segment_bytes: 2 * 1024,
    fsync_every: Duration::from_millis(500),
};

const NONE: Count = Count { records: 0, units: 0 };

fn count(records: u64, units: u64) -> Count {
    Count { records, units }
}

fn open(dir: &Path) -> (Spool, Recovery) {
    Spool::open(dir, SMALL).unwrap()
}

/// A directory in memory where there is such a thing: what is tested here is not how long the disk
/// takes.
fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

/// A payload that says its number and is 100 bytes long.
fn payload(number: u64) -> Vec<u8> {
    format!("{number:0100}").into_bytes()
}

/// Pushes records of one kind, of two units each.
fn push(spool: &mut Spool, kind: u8, numbers: std::ops::Range<u64>) {
    for number in numbers {
        spool.push(kind, 2, &payload(number)).unwrap();
    }
}

/// Reads and acknowledges all there is of a kind.
fn drain(spool: &mut Spool, kind: u8) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let batch = spool.peek(kind, 500).unwrap();
        if batch.is_empty() {
            return all;
        }
        all.extend(batch.records().iter().map(|record| record.payload.to_vec()));
        spool.ack(batch).unwrap();
    }
}

fn payloads(numbers: impl IntoIterator<Item = u64>) -> Vec<Vec<u8>> {
    numbers.into_iter().map(payload).collect()
}

/// The files with this extension, in order.
fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

fn copy(from: &Path) -> TempDir {
    let to = scratch();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

#[test]
fn what_goes_in_comes_out_in_order_within_its_kind() {
    let dir = scratch();
    let (mut spool, recovery) = open(dir.path());
    assert_eq!((recovery.queued, recovery.set_aside), (Tally::default(), 0));
    for number in 0..60 {
        push(&mut spool, (number % 3) as u8, number..number + 1);
    }
    assert!(files(dir.path(), "seg").len() > 3);
    assert_eq!(spool.counters().queued.of(1), count(20, 40));
    for kind in [2, 0, 1] {
        let expected = (0..60).filter(|number| number % 3 == u64::from(kind));
        assert_eq!(drain(&mut spool, kind), payloads(expected));
    }
    let counters = spool.counters();
    assert_eq!(counters.acked.total(), count(60, 120));
    assert_eq!(counters.queued.total(), NONE);
    assert_eq!((counters.lost.total(), counters.dropped.total()), (NONE, NONE));
    assert_eq!(files(dir.path(), "seg").len(), 1, "consumed segments are gone");
}

#[test]
fn empty_payloads_and_no_units_are_records_too() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    spool.push(3, 0, b"").unwrap();
    assert_eq!(spool.counters().queued.of(3), count(1, 0));
    assert_eq!(drain(&mut spool, 3), vec![Vec::<u8>::new()]);
    assert_eq!(spool.counters().queued.total(), NONE);
}

#[test]
fn a_batch_has_as_much_as_asked_for_but_at_least_one() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..30);
    for (max_bytes, expected) in
        [(0, 1), (99, 1), (100, 1), (199, 1), (200, 2), (350, 3), (9999, 30)]
    {
        let batch = spool.peek(0, max_bytes).unwrap();
        assert_eq!(batch.records().len(), expected, "{max_bytes}");
        assert_eq!(batch.count(), count(expected as u64, 2 * expected as u64));
        assert_eq!(batch.records()[0].payload, payload(0));
    }
    assert!(spool.peek(1, 9999).unwrap().is_empty());
    assert!(spool.peek(77, 9999).unwrap().is_empty());
}

#[test]
fn what_is_not_acknowledged_comes_again_and_what_is_does_not() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..20);
    let batch = spool.peek(0, 500).unwrap();
    assert_eq!(batch.records().len(), 5);
    assert_eq!(spool.peek(0, 500).unwrap().records(), batch.records());
    spool.ack(batch).unwrap();
    drop(spool.peek(0, 500).unwrap());
    drop(spool);

    let (mut spool, recovery) = open(dir.path());
    assert_eq!(recovery.queued.of(0), count(15, 30));
    assert_eq!((recovery.torn_bytes, recovery.ledger_lost), (0, false));
    push(&mut spool, 0, 20..25);
    assert_eq!(drain(&mut spool, 0), payloads(5..25));
}

#[test]
fn a_batch_acknowledged_twice_counts_once() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..10);
    let (early, late) = (spool.peek(0, 200).unwrap(), spool.peek(0, 400).unwrap());
    spool.ack(late).unwrap();
    spool.ack(early).unwrap();
    assert_eq!(spool.counters().acked.of(0), count(4, 8));
    assert_eq!(drain(&mut spool, 0), payloads(4..10));
}

#[test]
fn f38_past_the_cap_the_oldest_segment_goes_and_is_counted() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    let mut dropped = Tally::default();
    for number in 0..1000 {
        let pushed = spool.push((number % 2) as u8, 3, &payload(number)).unwrap();
        dropped = dropped.plus(pushed.dropped);
        assert!(spool.counters().bytes <= SMALL.cap_bytes);
    }
    let on_disk: u64 =
        files(dir.path(), "seg").iter().map(|file| file.metadata().unwrap().len()).sum();
    assert_eq!(on_disk, spool.counters().bytes);
    assert_eq!(spool.counters().dropped, dropped);
    assert_eq!(spool.counters().queued.total().plus(dropped.total()), count(1000, 3000));
    assert!(dropped.total().records > 900);

    drop(spool);
    let (mut spool, recovery) = open(dir.path());
    let left = recovery.queued.of(1).records;
    assert_eq!(drain(&mut spool, 1), payloads((1000 - 2 * left..1000).filter(|n| n % 2 == 1)));
    assert_eq!(spool.counters().lost.total(), NONE, "what was dropped is not lost once more");
}

#[test]
fn records_in_flight_that_are_dropped_stay_dropped() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..80);
    let batch = spool.peek(0, 3000).unwrap();
    assert_eq!(batch.records().len(), 30);
    push(&mut spool, 0, 80..100);
    let dropped = spool.counters().dropped.of(0).records;
    assert!((1..30).contains(&dropped));
    spool.ack(batch).unwrap();
    assert_eq!(spool.counters().acked.of(0).records, 30 - dropped);
    assert_eq!(drain(&mut spool, 0), payloads(30..100));
}

#[test]
fn a_kind_nobody_reads_does_not_hold_up_the_others() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 1, 0..1);
    for number in 0..500 {
        push(&mut spool, 0, number..number + 1);
        assert_eq!(drain(&mut spool, 0), payloads([number]));
    }
    assert_eq!(spool.counters().dropped.of(1), count(1, 2));
    assert_eq!(spool.counters().acked.of(0), count(500, 1000));
}

#[test]
fn what_does_not_fit_or_has_no_kind_is_refused() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    let longest = SMALL.segment_bytes as usize - HEADER;
    assert!(matches!(spool.push(0, 1, &vec![7; longest + 1]), Err(PushError::TooLarge)));
    assert!(matches!(spool.push(KINDS as u8, 1, b""), Err(PushError::Kind)));
    assert_eq!(spool.counters(), SpoolCounters::default());
    spool.push(0, 1, &vec![7; longest]).unwrap();
    spool.push(0, 1, &vec![8; longest]).unwrap();
    assert_eq!(drain(&mut spool, 0), vec![vec![7; longest], vec![8; longest]]);
}

#[test]
fn smaller_bounds_than_last_time_are_kept_at_the_next_push() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..70);
    drop(spool);
    let tiny = SpoolBounds { cap_bytes: 1000, ..SMALL };
    let (mut spool, recovery) = Spool::open(dir.path(), tiny).unwrap();
    assert_eq!(recovery.queued.of(0).records, 70);
    let pushed = spool.push(0, 2, &payload(70)).unwrap();
    assert_eq!(pushed.dropped.of(0), count(70, 140));
    assert_eq!(drain(&mut spool, 0), payloads([70]));
}

#[test]
fn it_is_synced_when_it_is_time_and_only_then() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    let syncs = std::rc::Rc::new(std::cell::Cell::new(0));
    let seen = syncs.clone();
    faults::plan(move |op| {
        seen.set(seen.get() + u32::from(op == Op::Sync));
        None
    });
    // Three are needed each time: the records, the directory, the ledger.
    let steps = [
        (0, true, 3),
        (100, true, 3),
        (499, true, 3),
        (500, true, 6),
        (2000, false, 6),
        (2500, true, 9),
    ];
    for (now, pushes, expected) in steps {
        if pushes {
            push(&mut spool, 0, 0..1);
        }
        spool.sync(Duration::from_millis(now)).unwrap();
        assert_eq!(syncs.get(), expected, "{now}");
    }
    faults::clear();
}

#[test]
fn one_at_a_time() {
    let dir = scratch();
    let (spool, _) = open(dir.path());
    let error = Spool::open(dir.path(), SMALL).unwrap_err();
    assert!(matches!(error, SpoolError::Locked));
    assert_eq!(error.to_string(), "the queue directory is in use by another process");
    drop(spool);
    open(dir.path());
}

#[test]
fn a_directory_that_cannot_be_one_is_an_error() {
    let dir = scratch();
    fs::write(dir.path().join("file"), "").unwrap();
    for path in ["file", "file/below"] {
        let error = Spool::open(&dir.path().join(path), SMALL).unwrap_err();
        assert!(matches!(error, SpoolError::Directory(_)), "{path}");
    }
}

#[cfg(unix)]
#[test]
fn a35_nobody_else_can_read_it() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
    let outer = scratch();
    let dir = outer.path().join("new/queue");
    let (mut spool, recovery) = open(&dir);
    assert!(!recovery.exposed);
    push(&mut spool, 0, 0..40);
    spool.flush().unwrap();
    assert_eq!((mode(&outer.path().join("new")), mode(&dir)), (0o700, 0o700));
    let modes: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|file| mode(&file.unwrap().path())).collect();
    assert!(modes.len() > 4 && modes.iter().all(|mode| *mode == 0o600), "{modes:?}");

    drop(spool);
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(open(&dir).1.exposed);
    assert_eq!(mode(&dir), 0o755, "not ours to change");
}

#[test]
fn other_files_are_left_alone() {
    let dir = scratch();
    let names = ["notes.txt", "x.seg", "0-0.seg", "zzzzzzzzzzzzzzzz-00000000.seg", ".hidden"];
    for name in names {
        fs::write(dir.path().join(name), "mine").unwrap();
    }
    let (mut spool, recovery) = open(dir.path());
    assert_eq!(recovery.set_aside, 0);
    push(&mut spool, 0, 0..200);
    drain(&mut spool, 0);
    for name in names {
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), b"mine");
    }
}
