//! The power goes between any two steps that reach the file system (F-45): what was synced is there when
//! it comes back, and what was acknowledged stays so.

use super::*;
use crate::medium;

/// What is done to a spool, so that segments begin, end and go, for each reason there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Push(u64),
    Flush,
    /// Takes and acknowledges so many bytes of a kind.
    Take(u8, usize),
    Reopen,
}

fn steps() -> Vec<Step> {
    let mut steps = Vec::new();
    for round in 0..6 {
        steps.push(Step::Push(7));
        steps.push(Step::Flush);
        steps.push(Step::Push(5 + round));
        steps.push(Step::Take((round % 2) as u8, 450));
        steps.push(if round == 3 { Step::Reopen } else { Step::Flush });
    }
    // Until it is full and the oldest goes.
    steps.extend([Step::Push(90), Step::Flush, Step::Push(30), Step::Take(0, 2000)]);
    steps.extend([Step::Flush, Step::Take(1, 99_000), Step::Take(0, 99_000), Step::Push(3)]);
    steps
}

/// What is known of the records of a kind; they go first in, first out.
#[derive(Clone, Copy, Default, Debug)]
struct Known {
    pushed: u64,
    /// On the medium.
    synced: u64,
    /// Taken or dropped, and on the medium that it is so.
    settled: u64,
    /// Taken or dropped, or about to be.
    gone: u64,
}

/// Works until all is done or the power is gone. Records are of both kinds in turn and say their number.
fn work(dir: &Path) -> [Known; 2] {
    let mut spool = Some(open(dir).0);
    let mut known = [Known::default(); 2];
    let mut next = 0;
    for step in steps() {
        match step {
            Step::Push(records) => {
                for number in next..next + records {
                    push(spool.as_mut().unwrap(), (number % 2) as u8, number..number + 1);
                }
                next += records;
            }
            Step::Flush => spool.as_mut().unwrap().flush().unwrap(),
            Step::Take(kind, bytes) => {
                let spool = spool.as_mut().unwrap();
                let batch = spool.peek(kind, bytes).unwrap();
                spool.ack(batch).unwrap();
            }
            Step::Reopen => {
                drop(spool.take());
                spool = Some(open(dir).0);
            }
        }
        let spool = spool.as_ref().unwrap();
        for (kind, known) in (0..).zip(&mut known) {
            known.pushed = spool.pushed.of(kind).records;
            known.gone = spool.retired.of(kind).records;
            if matches!(step, Step::Flush) && !medium::is_dark() {
                (known.synced, known.settled) = (known.pushed, known.gone);
            }
        }
        if medium::is_dark() {
            break;
        }
    }
    known
}

/// What is found when the power is back.
fn judge(left: &Path, known: &[Known; 2], what: &str) {
    let (mut spool, recovery) = open(left);
    for (kind, known) in (0..).zip(known) {
        // The place of each among those of its kind.
        let places: Vec<u64> = drain(&mut spool, kind)
            .iter()
            .map(|payload| std::str::from_utf8(payload).unwrap().parse::<u64>().unwrap())
            .inspect(|number| assert_eq!(number % 2, u64::from(kind), "{what}"))
            .map(|number| number / 2)
            .collect();
        assert!(places.is_sorted_by(|a, b| a < b), "{what}: {places:?}");
        assert!(places.iter().all(|place| *place < known.pushed), "{what}: {places:?} {known:?}");
        assert!(places.iter().all(|place| *place >= known.settled), "{what}: {places:?} {known:?}");
        let missing: Vec<u64> =
            (known.gone..known.synced).filter(|place| !places.contains(place)).collect();
        assert!(missing.is_empty(), "{what}: kind {kind} without {missing:?}: {known:?}");
        let (queued, counters) = (recovery.queued.of(kind), spool.counters());
        assert_eq!(counters.acked.of(kind).plus(counters.lost.of(kind)), queued, "{what}");
    }
    // It goes on from there.
    push(&mut spool, 0, 0..30);
    assert_eq!(drain(&mut spool, 0), payloads(0..30), "{what}");
}

#[test]
fn f45_what_was_synced_survives_a_power_cut_at_any_step() {
    let all = {
        let dir = scratch();
        medium::follow(usize::MAX);
        work(dir.path());
        medium::steps()
    };
    assert!(all > 500, "{all}");
    for most in 1..=all {
        let dir = scratch();
        medium::follow(most);
        let known = work(dir.path());
        for seed in 0..3 {
            let left = scratch();
            medium::leave(left.path(), seed + 3 * most as u64);
            // What follows is not to be followed.
            judge_apart(left.path(), known, &format!("step {most} of {all}, seed {seed}"));
        }
    }
    medium::forget();
}

/// On a thread of its own, which no medium follows.
fn judge_apart(left: &Path, known: [Known; 2], what: &str) {
    std::thread::scope(|scope| {
        if let Err(panic) = scope.spawn(|| judge(left, &known, what)).join() {
            std::panic::resume_unwind(panic);
        }
    });
}
