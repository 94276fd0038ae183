//! The books of a queue, without a network and without a clock.

use std::sync::Arc;
use std::time::Duration;

use tidegauge_core::{Dropped, Health, Scope, Signal};
use tokio::time::Instant;

use super::{BatchOutcome, Due, Pending, Queue, QueueOptions};

const SIZE: usize = 100;

struct Bench {
    queue: Queue,
    health: Arc<Health>,
    start: Instant,
}

fn bench(options: QueueOptions) -> Bench {
    let health = Arc::new(Health::default());
    let queue = Queue::new(Signal::Traces, options, health.ledger("one"));
    Bench { queue, health, start: Instant::now() }
}

impl Bench {
    fn push(&self, ids: std::ops::Range<u8>, after: Duration) {
        let pieces = ids.map(|id| Pending {
            scope: Scope::Http,
            bytes: vec![id; SIZE].into(),
            units: 1,
            born: self.start + after,
        });
        let pieces: Vec<_> = pieces.collect();
        self.health.ledger("one").spans_made(u64::try_from(pieces.len()).unwrap());
        self.queue.add(pieces);
    }

    fn take(&self) -> Vec<u8> {
        self.queue.take().iter().map(|piece| piece.bytes[0]).collect()
    }

    fn due(&self, after: Duration) -> Due {
        self.queue.due(self.start + after, false)
    }

    /// Queued, acked, dropped; the books must balance.
    #[track_caller]
    fn ledger(&self) -> (i64, u64, u64) {
        let health = &self.health;
        let dropped: u64 = Dropped::ALL.iter().map(|reason| health.spans_dropped(*reason)).sum();
        let queued = health.spans_queued();
        let sum = health.spans_acked() + dropped + u64::try_from(queued).unwrap();
        assert_eq!(health.spans(), sum);
        (queued, health.spans_acked(), dropped)
    }
}

fn options() -> QueueOptions {
    QueueOptions {
        due_pieces: 4,
        batch_pieces: 4,
        delay: Duration::from_secs(1),
        ..QueueOptions::default()
    }
}

#[test]
fn a_batch_is_due_when_it_is_full_or_old_enough() {
    let bench = bench(options());
    assert_eq!(bench.due(Duration::ZERO), Due::Never);
    bench.push(0..3, Duration::ZERO);
    let second = Duration::from_secs(1);
    assert_eq!(bench.due(Duration::ZERO), Due::At(bench.start + second));
    assert_eq!(bench.due(second), Due::Now);
    assert_eq!(bench.queue.due(bench.start, true), Due::Now);
    bench.push(3..4, Duration::ZERO);
    assert_eq!(bench.due(Duration::ZERO), Due::Now);
}

/// What has come while an export was on its way goes out together.
#[test]
fn a_late_export_takes_more() {
    let bench = bench(QueueOptions { due_pieces: 2, ..options() });
    bench.push(1..3, Duration::ZERO);
    assert_eq!(bench.due(Duration::ZERO), Due::Now);
    bench.push(3..8, Duration::ZERO);
    assert_eq!(bench.take(), [1, 2, 3, 4]);
}

#[test]
fn batches_are_bounded_in_pieces_and_bytes() {
    let bench = bench(QueueOptions { batch_bytes: 250, ..options() });
    bench.push(0..3, Duration::ZERO);
    assert_eq!(bench.take(), [0, 1]);
    bench.queue.settle(BatchOutcome::Delivered { rejected: 0 });
    assert_eq!(bench.take(), [2]);
    assert_eq!(bench.ledger(), (1, 2, 0));
    bench.queue.settle(BatchOutcome::Delivered { rejected: 0 });
    assert_eq!(bench.ledger(), (0, 3, 0));
}

#[test]
fn a_piece_over_the_limit_is_dropped_at_once() {
    let bench = bench(QueueOptions { batch_bytes: SIZE - 1, ..options() });
    bench.push(0..1, Duration::ZERO);
    assert_eq!(bench.ledger(), (0, 0, 1));
    assert_eq!(bench.health.spans_dropped(Dropped::TooLarge), 1);
}

#[test]
fn no_room_drops_the_oldest_but_not_what_is_on_its_way() {
    let bench = bench(QueueOptions { bytes: 5 * (SIZE + Pending::OVERHEAD), ..options() });
    bench.push(0..5, Duration::ZERO);
    assert_eq!(bench.take(), [0, 1, 2, 3]);
    bench.push(5..8, Duration::ZERO);
    assert_eq!(bench.ledger(), (5, 0, 3));
    assert_eq!(bench.health.spans_dropped(Dropped::QueueFull), 3);
    bench.queue.settle(BatchOutcome::Delivered { rejected: 1 });
    assert_eq!(bench.ledger(), (1, 3, 4));
    assert_eq!(bench.take(), [7]);
}

#[test]
fn what_is_retried_keeps_its_place_until_it_is_too_old() {
    let bench = bench(QueueOptions { max_age: Duration::from_secs(10), ..options() });
    bench.push(0..3, Duration::ZERO);
    bench.push(3..6, Duration::from_secs(5));
    assert_eq!(bench.take(), [0, 1, 2, 3]);
    bench.queue.settle(BatchOutcome::Retry { now: bench.start + Duration::from_secs(9) });
    assert_eq!(bench.ledger(), (6, 0, 0));
    assert_eq!(bench.take(), [0, 1, 2, 3]);
    bench.queue.settle(BatchOutcome::Retry { now: bench.start + Duration::from_secs(11) });
    assert_eq!(bench.ledger(), (3, 0, 3));
    assert_eq!(bench.health.spans_dropped(Dropped::Expired), 3);
    assert_eq!(bench.take(), [3, 4, 5]);
}

#[test]
fn too_large_halves_and_success_grows_again() {
    let bench = bench(options());
    bench.push(0..8, Duration::ZERO);
    let mut sizes = Vec::new();
    for outcome in [
        BatchOutcome::TooLarge,
        BatchOutcome::TooLarge,
        BatchOutcome::TooLarge,
        BatchOutcome::Delivered { rejected: 0 },
        BatchOutcome::Delivered { rejected: 0 },
        BatchOutcome::Delivered { rejected: 0 },
    ] {
        sizes.push(bench.take().len());
        bench.queue.settle(outcome);
    }
    assert_eq!(sizes, [4, 2, 1, 1, 2, 4]);
    assert_eq!(bench.ledger(), (0, 7, 1));
}

#[test]
fn newer_sums_make_older_ones_obsolete() {
    let bench = bench(options());
    bench.push(0..3, Duration::ZERO);
    let newer = Pending { scope: Scope::Own, bytes: vec![9].into(), units: 1, born: bench.start };
    bench.health.ledger("one").spans_made(1);
    bench.queue.supersede([newer]);
    assert_eq!(bench.ledger(), (1, 0, 3));
    assert_eq!(bench.take(), [9]);
}

#[test]
fn a_closed_queue_drops_all_and_a_late_answer_changes_nothing() {
    let bench = bench(options());
    bench.push(0..6, Duration::ZERO);
    assert_eq!(bench.take().len(), 4);
    bench.queue.close(Dropped::ShutdownDeadline);
    bench.push(6..8, Duration::ZERO);
    assert_eq!(bench.ledger(), (0, 0, 8));
    bench.queue.settle(BatchOutcome::Delivered { rejected: 0 });
    assert_eq!(bench.ledger(), (0, 0, 8));
    assert_eq!(bench.due(Duration::from_secs(9)), Due::Never);
}

#[test]
fn a_piece_on_its_way_elsewhere_is_queued_until_it_is_there() {
    let bench = bench(options());
    bench.push(0..3, Duration::ZERO);
    assert_eq!(bench.queue.begin_move().unwrap().bytes[0], 0);
    assert_eq!(bench.ledger(), (3, 0, 0));
    bench.queue.not_moved(Dropped::DiskFull);
    assert_eq!(bench.queue.begin_move().unwrap().bytes[0], 0);
    assert!(bench.queue.moved());
    // On disk now, where it is counted: these books end here.
    assert_eq!((bench.health.spans_queued(), bench.queue.len()), (2, 2));
    bench.queue.begin_move().unwrap();
    bench.queue.drop_moving(Dropped::TooLarge);
    bench.queue.begin_move().unwrap();
    bench.queue.close(Dropped::ShutdownDeadline);
    assert!(!bench.queue.moved(), "given up in the meantime");
    assert_eq!(bench.health.spans_dropped(Dropped::TooLarge), 1);
    assert_eq!(bench.health.spans_dropped(Dropped::ShutdownDeadline), 1);
    assert_eq!(bench.health.spans_queued(), 0);
}

#[test]
fn f40_what_memory_cannot_hold_is_counted_under_what_the_disk_did() {
    let bench = bench(QueueOptions { pieces: 4, ..options() });
    bench.push(0..6, Duration::ZERO);
    assert_eq!(bench.health.spans_dropped(Dropped::QueueFull), 2);
    bench.queue.begin_move().unwrap();
    bench.queue.not_moved(Dropped::DiskFull);
    bench.push(6..9, Duration::ZERO);
    assert_eq!(bench.health.spans_dropped(Dropped::DiskFull), 3);
    assert_eq!(bench.take(), [5, 6, 7, 8]);
    assert_eq!(bench.ledger(), (4, 0, 5));
}
