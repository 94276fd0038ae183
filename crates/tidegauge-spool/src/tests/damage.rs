//! Whatever the files look like: opening succeeds, what is sound is delivered, the rest is counted.

use super::*;

/// What a record is and where in the segment.
type Placed = (u8, Vec<u8>, u64, u64);

/// Records of three kinds with payloads of different lengths, all in one segment, on the medium.
fn one_segment() -> (TempDir, Vec<Placed>) {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    let mut records = Vec::new();
    for (kind, length) in [(0, 10), (1, 0), (2, 7), (0, 4)] {
        let payload = vec![b'a' + records.len() as u8; length];
        let from = spool.counters().bytes;
        spool.push(kind, 5, &payload).unwrap();
        records.push((kind, payload, from, spool.counters().bytes));
    }
    spool.flush().unwrap();
    assert_eq!(files(dir.path(), "seg").len(), 1);
    (dir, records)
}

/// Opens a damaged spool: exactly the records `sound` says are delivered, the others are lost, and
/// it goes on working, also the next time.
fn check(dir: &Path, records: &[Placed], sound: impl Fn(u64, u64) -> bool, what: &str) {
    let (mut spool, _) = open(dir);
    let mut lost = 0;
    for kind in 0..3 {
        let of_kind = records.iter().filter(|record| record.0 == kind);
        let (good, bad): (Vec<_>, Vec<_>) = of_kind.partition(|record| sound(record.2, record.3));
        let expected: Vec<_> = good.iter().map(|record| record.1.clone()).collect();
        assert_eq!(drain(&mut spool, kind), expected, "{what}, kind {kind}");
        let counters = spool.counters();
        assert_eq!(counters.lost.of(kind), count(bad.len() as u64, 5 * bad.len() as u64), "{what}");
        assert_eq!(counters.queued.of(kind), NONE, "{what}");
        lost += bad.len();
    }
    push(&mut spool, 1, 0..3);
    drop(spool);
    let (mut spool, recovery) = open(dir);
    assert_eq!(recovery.queued.total(), count(3, 6), "{what}");
    assert_eq!(drain(&mut spool, 1), payloads(0..3), "{what}");
    assert_eq!(spool.counters().lost.total(), NONE, "{what}, {lost} were counted already");
}

#[test]
fn f41_a_segment_cut_off_at_every_byte() {
    let (dir, records) = one_segment();
    let segment = files(dir.path(), "seg").remove(0);
    for cut in 0..segment.metadata().unwrap().len() {
        let copy = copy(dir.path());
        let file = copy.path().join(segment.file_name().unwrap());
        File::options().write(true).open(file).unwrap().set_len(cut).unwrap();
        check(copy.path(), &records, |_, to| to <= cut, &format!("cut at {cut}"));
    }
}

#[test]
fn f41_every_bit_of_a_segment_flipped() {
    let (dir, records) = one_segment();
    let segment = files(dir.path(), "seg").remove(0);
    let bytes = fs::read(&segment).unwrap();
    for bit in 0..bytes.len() * 8 {
        let copy = copy(dir.path());
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(copy.path().join(segment.file_name().unwrap()), bytes).unwrap();
        let at = bit as u64 / 8;
        check(copy.path(), &records, |from, to| at < from || at >= to, &format!("bit {bit}"));
    }
}

#[test]
fn f41_every_bit_of_the_ledger_flipped() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..20);
    for _ in 0..2 {
        let batch = spool.peek(0, 300).unwrap();
        spool.ack(batch).unwrap();
    }
    drop(spool);
    let ledger = fs::read(dir.path().join("ledger")).unwrap();
    for bit in (0..160 * 8).chain(4096 * 8..(4096 + 160) * 8) {
        let copy = copy(dir.path());
        let mut ledger = ledger.clone();
        ledger[bit / 8] ^= 1 << (bit % 8);
        fs::write(copy.path().join("ledger"), ledger).unwrap();
        let (mut spool, recovery) = open(copy.path());
        assert!(!recovery.ledger_lost, "bit {bit}");
        let all = drain(&mut spool, 0);
        assert!(all == payloads(6..20) || all == payloads(3..20), "bit {bit}");
        assert_eq!(spool.counters().lost.total(), NONE, "bit {bit}");
    }
}

#[test]
fn without_a_ledger_records_come_again_and_none_is_lost() {
    type Destroy = fn(&Path);
    let breaks: [(&str, Destroy); 5] = [
        ("gone", |ledger| fs::remove_file(ledger).unwrap()),
        ("empty", |ledger| fs::write(ledger, "").unwrap()),
        ("zeros", |ledger| fs::write(ledger, [0; 8192]).unwrap()),
        ("noise", |ledger| fs::write(ledger, [0xa5; 100_000]).unwrap()),
        ("directory", |ledger| {
            fs::remove_file(ledger).unwrap();
            fs::create_dir(ledger).unwrap();
        }),
    ];
    for (what, destroy) in breaks {
        let dir = scratch();
        let (mut spool, _) = open(dir.path());
        push(&mut spool, 0, 0..30);
        let batch = spool.peek(0, 1500).unwrap();
        spool.ack(batch).unwrap();
        drop(spool);
        destroy(&dir.path().join("ledger"));
        let (mut spool, recovery) = open(dir.path());
        assert!(recovery.ledger_lost, "{what}");
        let all = drain(&mut spool, 0);
        assert!(all.len() >= 15 && payloads(0..30).ends_with(&all), "{what}: {}", all.len());
        assert_eq!(spool.counters().lost.total(), NONE, "{what}");
    }
}

#[test]
fn f41_each_segment_missing_is_counted_in_full() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..50);
    spool.flush().unwrap();
    drop(spool);
    let segments = files(dir.path(), "seg");
    assert!(segments.len() > 4);
    for segment in &segments {
        let copy = copy(dir.path());
        fs::remove_file(copy.path().join(segment.file_name().unwrap())).unwrap();
        let (mut spool, recovery) = open(copy.path());
        assert_eq!(recovery.queued.of(0), count(50, 100));
        let all = drain(&mut spool, 0);
        let lost = spool.counters().lost.of(0);
        assert!((1..50).contains(&lost.records));
        assert_eq!(lost.plus(count(all.len() as u64, 2 * all.len() as u64)), count(50, 100));
    }
}

#[test]
fn f41_a_crash_between_the_ledger_and_the_removal_is_harmless() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..50);
    spool.flush().unwrap();
    let before = copy(dir.path());
    let batch = spool.peek(0, 3000).unwrap();
    spool.ack(batch).unwrap();
    drop(spool);
    let removed = files(before.path(), "seg");
    assert!(removed.len() > files(dir.path(), "seg").len());

    // The ledger is written, the files are still there.
    for file in removed {
        fs::copy(&file, dir.path().join(file.file_name().unwrap())).unwrap();
    }
    let late = copy(dir.path());
    let (mut spool, _) = open(late.path());
    assert_eq!(drain(&mut spool, 0), payloads(30..50));
    assert_eq!(spool.counters().lost.total(), NONE);
    assert_eq!(files(late.path(), "seg").len(), 1);

    // The other way round, which only a failing disk does: loss is over-stated, nothing is missing.
    fs::remove_file(&files(dir.path(), "seg")[0]).unwrap();
    fs::copy(before.path().join("ledger"), dir.path().join("ledger")).unwrap();
    let (mut spool, _) = open(dir.path());
    let all = drain(&mut spool, 0);
    assert_eq!(spool.counters().lost.of(0).records + all.len() as u64, 50);
    assert!(all.ends_with(&payloads(30..50)));
}

#[test]
fn what_cannot_be_read_is_set_aside_and_only_the_last_few_are_kept() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..70);
    spool.flush().unwrap();
    drop(spool);
    let segments = files(dir.path(), "seg");
    assert!(segments.len() > 6);
    for segment in &segments[..6] {
        fs::write(segment, "not a segment").unwrap();
    }
    let (mut spool, recovery) = open(dir.path());
    assert_eq!(recovery.set_aside, 6);
    assert_eq!(files(dir.path(), "bad").len(), 4);
    let all = drain(&mut spool, 0);
    assert!(!all.is_empty() && payloads(0..70).ends_with(&all));
    assert_eq!(spool.counters().lost.of(0).records, 70 - all.len() as u64);

    // Likewise if it shows only when it is read.
    push(&mut spool, 0, 0..40);
    let segment = files(dir.path(), "seg").remove(1);
    fs::remove_file(&segment).unwrap();
    fs::create_dir(&segment).unwrap();
    assert!(drain(&mut spool, 0).len() < 40);
    assert_eq!(spool.counters().set_aside, 7);
    assert_eq!(files(dir.path(), "bad").len(), 4);
}

#[test]
fn all_files_removed_under_an_open_spool() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..40);
    for file in files(dir.path(), "seg") {
        fs::remove_file(file).unwrap();
    }
    assert!(drain(&mut spool, 0).is_empty());
    assert_eq!(spool.counters().lost.of(0), count(40, 80));
    push(&mut spool, 0, 40..45);
    assert_eq!(drain(&mut spool, 0), payloads(40..45));
}

#[test]
fn no_payload_can_pass_for_a_record() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    let forged = b"forged";
    let header = Header {
        length: 6,
        units: 1,
        kind: 0,
        before: Tally::default(),
        checksum: crc32fast::hash(forged),
    };
    let mut payload = Vec::new();
    for mark in [0, 1, 0xdead_beef] {
        payload.extend(header.encode(mark));
        payload.extend(forged);
    }
    spool.push(0, 1, &payload).unwrap();
    push(&mut spool, 0, 0..1);
    drop(spool);
    let segment = files(dir.path(), "seg").remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[5] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let (mut spool, _) = open(dir.path());
    assert_eq!(drain(&mut spool, 0), payloads(0..1));
}

#[test]
fn noise_of_any_length_for_a_segment() {
    for length in [1, 87, 88, 89, 4096, 65_535, 65_536, 65_537, 65_540, 200_000] {
        let dir = scratch();
        let (mut spool, _) = open(dir.path());
        push(&mut spool, 0, 0..2);
        drop(spool);
        // Noise in front, full of the first byte of the mark: the records behind it are found.
        let segment = files(dir.path(), "seg").remove(0);
        let records = fs::read(&segment).unwrap();
        let mut bytes = vec![records[0]; length];
        bytes.extend(records);
        fs::write(&segment, bytes).unwrap();
        let (mut spool, _) = open(dir.path());
        assert_eq!(drain(&mut spool, 0), payloads(0..2), "{length}");
    }
}
