//! A disk that fails now and then: no panic, no wrong record, no loss that is not counted.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn fail(failing: Op, kind: io::ErrorKind) {
    faults::plan(move |op| (op == failing).then_some(kind));
}

#[test]
fn f40_a_full_disk_loses_nothing_and_reading_makes_room() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..40);
    fail(Op::Write, io::ErrorKind::StorageFull);
    let before = spool.counters();
    for _ in 0..3 {
        assert!(matches!(spool.push(0, 2, &payload(99)), Err(PushError::Full(_))));
    }
    assert_eq!(spool.counters(), before);
    // Not even the ledger can be written, but files can be removed.
    let batch = spool.peek(0, 9999).unwrap();
    assert_eq!(batch.records().len(), 40);
    spool.ack(batch).unwrap_err();
    assert!(files(dir.path(), "seg").len() <= 1);

    faults::clear();
    push(&mut spool, 0, 40..50);
    spool.flush().unwrap();
    drop(spool);
    let (mut spool, _) = open(dir.path());
    assert_eq!(drain(&mut spool, 0), payloads(40..50));
    assert_eq!(spool.counters().lost.total(), NONE);
}

#[test]
fn f40_half_a_record_that_cannot_be_cut_off_is_in_nobodys_way() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..5);
    let mut writes = 0;
    faults::plan(move |op| {
        writes += u32::from(op == Op::Write);
        let payload = op == Op::Write && writes == 2;
        (payload || op == Op::Truncate).then_some(io::ErrorKind::Other)
    });
    assert!(matches!(spool.push(0, 2, &payload(99)), Err(PushError::Io(_))));
    faults::clear();
    push(&mut spool, 0, 5..10);
    drop(spool);
    let (mut spool, _) = open(dir.path());
    let batch = spool.peek(0, 9999).unwrap();
    assert!(batch.records().iter().map(|record| &record.payload[..]).eq(payloads(0..10)));
    spool.ack(batch).unwrap();
    assert_eq!(spool.counters().lost.total(), NONE);
}

#[test]
fn f40_a_failed_sync_is_told_and_the_records_are_kept() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..5);
    fail(Op::Sync, io::ErrorKind::Other);
    spool.sync(Duration::ZERO).unwrap_err();
    faults::clear();
    push(&mut spool, 0, 5..10);
    assert_eq!(files(dir.path(), "seg").len(), 2, "the failed file is not trusted with more");
    spool.flush().unwrap();
    assert_eq!(drain(&mut spool, 0), payloads(0..10));
}

#[test]
fn f50_no_descriptors_left_is_not_the_fault_of_a_segment() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..40);
    fail(Op::Open, io::ErrorKind::Other);
    for _ in 0..2 {
        spool.peek(0, 9999).unwrap_err();
    }
    faults::clear();
    assert_eq!(drain(&mut spool, 0), payloads(0..40));
    assert_eq!(spool.counters().set_aside, 0);
}

#[test]
fn f40_an_unreadable_segment_is_lost_and_the_rest_is_not() {
    let dir = scratch();
    let (mut spool, _) = open(dir.path());
    push(&mut spool, 0, 0..40);
    let mut reads = 0;
    faults::plan(move |op| {
        reads += u32::from(op == Op::Read);
        (op == Op::Read && reads == 30).then_some(io::ErrorKind::Other)
    });
    let all = drain(&mut spool, 0);
    faults::clear();
    assert!(all.starts_with(&payloads(0..10)) && all.ends_with(&payloads(30..40)));
    assert_eq!(all.len() as u64 + spool.counters().lost.of(0).records, 40);
    assert_eq!((spool.counters().set_aside, files(dir.path(), "bad").len()), (1, 1));
}

#[derive(Clone, Debug)]
enum Action {
    Push {
        kind: u8,
        length: usize,
    },
    Read {
        kind: u8,
        max_bytes: usize,
        ack: bool,
    },
    Sync,
    Reopen,
    /// From now on one operation in so many fails; none if zero.
    Fail {
        one_in: u32,
        seed: u64,
    },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => (0..2u8, 0..400usize).prop_map(|(kind, length)| Action::Push { kind, length }),
        6 => (0..2u8, 0..1500usize, any::<bool>())
            .prop_map(|(kind, max_bytes, ack)| Action::Read { kind, max_bytes, ack }),
        2 => Just(Action::Sync),
        1 => Just(Action::Reopen),
        2 => (0..12u32, any::<u64>()).prop_map(|(one_in, seed)| Action::Fail { one_in, seed }),
    ]
}

fn fail_at_random(one_in: u32, seed: u64) {
    let mut state = seed | 1;
    faults::plan(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let random = (state >> 33) as u32;
        let hit = one_in > 0 && random.is_multiple_of(one_in);
        hit.then_some(if random & 64 == 0 {
            io::ErrorKind::StorageFull
        } else {
            io::ErrorKind::Other
        })
    });
}

/// What was seen from outside.
#[derive(Default)]
struct Seen {
    pushed: [Vec<Vec<u8>>; 2],
    delivered: [HashSet<usize>; 2],
    gone: Tally,
}

impl Seen {
    fn read(&mut self, spool: &mut Spool, kind: u8, max_bytes: usize, ack: bool) {
        let Ok(batch) = spool.peek(kind, max_bytes) else { return };
        let pushed = &self.pushed[usize::from(kind)];
        let mut last = None;
        for record in batch.records() {
            let number = pushed.iter().position(|payload| *payload == record.payload);
            let number = number.expect("a record nobody pushed");
            assert!(last < Some(number), "order");
            last = Some(number);
            self.delivered[usize::from(kind)].insert(number);
        }
        if ack {
            // It is booked later if it cannot be now.
            drop(spool.ack(batch));
        }
    }

    fn close(&mut self, spool: &Spool) {
        let counters = spool.counters();
        self.gone = self.gone.plus(counters.dropped).plus(counters.lost);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    #[test]
    fn f40_whatever_fails_loss_is_never_understated(actions in prop::collection::vec(action(), 1..120)) {
        let dir = scratch();
        let mut spool = open(dir.path()).0;
        let mut seen = Seen::default();
        let mut recovered = Tally::default();
        let (mut serial, mut failing) = (0_u32, (0, 0));
        for action in actions {
            match action {
                Action::Push { kind, length } => {
                    serial += 1;
                    let mut payload = serial.to_le_bytes().to_vec();
                    payload.resize(4 + length, kind);
                    if spool.push(kind, 1, &payload).is_ok() {
                        seen.pushed[usize::from(kind)].push(payload);
                        recovered.add(kind, count(1, 1));
                    }
                }
                Action::Read { kind, max_bytes, ack } => seen.read(&mut spool, kind, max_bytes, ack),
                Action::Sync => drop(spool.flush()),
                Action::Reopen => {
                    // What was pushed last and never booked is lost uncounted, if its file is.
                    faults::clear();
                    spool.flush().unwrap();
                    seen.close(&spool);
                    drop(spool);
                    fail_at_random(failing.0, failing.1);
                    spool = Spool::open(dir.path(), SMALL).map_or_else(
                        |_| {
                            faults::clear();
                            open(dir.path()).0
                        },
                        |(spool, _)| spool,
                    );
                    recovered = spool.counters().queued;
                }
                Action::Fail { one_in, seed } => {
                    failing = (one_in, seed);
                    fail_at_random(one_in, seed);
                }
            }
            let books = spool.counters();
            let sum = books.acked.plus(books.dropped).plus(books.lost).plus(books.queued);
            prop_assert_eq!(sum, recovered, "pushed = acked + dropped + lost + queued");
            prop_assert!(books.bytes <= SMALL.cap_bytes);
        }
        faults::clear();
        for kind in 0..2 {
            while spool.counters().queued.of(kind) != NONE {
                seen.read(&mut spool, kind, 1000, true);
            }
        }
        seen.close(&spool);
        for kind in 0..2 {
            let pushed = seen.pushed[usize::from(kind)].len();
            let missing = pushed - seen.delivered[usize::from(kind)].len();
            prop_assert!(missing as u64 <= seen.gone.of(kind).records);
        }
    }
}
