//! What is open when a process is killed is known to the next one, and nothing else is.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::testing::exchange;

fn numbered(id: u128) -> Exchange {
    Exchange { id: ExchangeId::from_bits(id), ..exchange() }
}

fn start(dir: &Path) -> (Arc<Journal>, Vec<(Record, Ticket)>, Arc<Health>) {
    let health = Arc::new(Health::default());
    let (journal, left) = Journal::start(dir, Arc::clone(&health)).unwrap();
    (journal, left, health)
}

fn wait_for(what: impl Fn() -> bool) {
    while !what() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// What a kill would leave: the files as they are now.
fn killed(dir: &Path) -> TempDir {
    let left = TempDir::new().unwrap();
    for file in fs::read_dir(dir).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
    }
    left
}

fn ids(left: &[(Record, Ticket)]) -> Vec<u128> {
    left.iter().map(|(record, _)| record.exchange.id.bits()).collect()
}

#[test]
fn i6_what_is_open_is_told_and_what_is_over_is_not() {
    let dir = TempDir::new().unwrap();
    let (journal, left, health) = start(dir.path());
    assert!(left.is_empty());
    let tickets: Vec<_> = (1..=5).map(|id| journal.open(&numbered(id)).unwrap()).collect();
    wait_for(|| health.journal_opened() == 5);
    let early = killed(dir.path());
    drop(tickets.into_iter().skip(2).collect::<Vec<_>>());
    wait_for(|| health.journal_closed() == 5);
    let late = killed(dir.path());

    let (_, left, health) = start(early.path());
    assert_eq!(ids(&left), [1, 2, 3, 4, 5]);
    assert_eq!(health.killed(), 5);
    let record = &left[0].0;
    assert_eq!(record.exchange.end, End::Failed);
    let outcome = &record.observation.outcome;
    assert_eq!(outcome.category, Some(Category::Proxy));
    assert_eq!(outcome.error.as_ref().unwrap().as_str(), "proxy_killed");
    assert!(record.exchange.path.is_empty() && record.exchange.user_agent.is_none());
    assert!(start(late.path()).1.is_empty());
}

#[test]
fn what_was_told_is_told_again_until_its_ticket_is_dropped() {
    let dir = TempDir::new().unwrap();
    let (journal, _, health) = start(dir.path());
    let _ticket = journal.open(&numbered(7)).unwrap();
    wait_for(|| health.journal_opened() == 1);
    let first = killed(dir.path());
    let (_journal, left, health) = start(first.path());
    assert_eq!(ids(&left), [7]);
    let again = killed(first.path());
    let (_other, told, _) = start(again.path());
    assert_eq!(ids(&told), [7]);
    drop(left);
    wait_for(|| health.journal_closed() == 1);
    assert!(start(killed(first.path()).path()).1.is_empty());
}

#[test]
fn a_clean_end_leaves_nothing_and_the_directory_free() {
    let dir = TempDir::new().unwrap();
    for _ in 0..3 {
        let (journal, left, health) = start(dir.path());
        assert!(left.is_empty());
        drop((0..100).map(|id| journal.open(&numbered(id)).unwrap()).collect::<Vec<_>>());
        journal.shutdown(Duration::from_secs(60));
        assert_eq!((health.journal_opened(), health.journal_closed()), (100, 100));
        assert!(journal.open(&numbered(1)).is_none());
    }
}

#[test]
fn damage_costs_lines_and_never_the_start() {
    let dir = TempDir::new().unwrap();
    let (journal, _, health) = start(dir.path());
    let tickets: Vec<_> = (1..=20).map(|id| journal.open(&numbered(id)).unwrap()).collect();
    wait_for(|| health.journal_opened() == 20);
    let whole = killed(dir.path());
    drop((tickets, journal));
    let segment = fs::read_dir(whole.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "seg"))
        .unwrap();
    let bytes = fs::read(&segment).unwrap();
    for cut in (0..bytes.len()).step_by(97) {
        let copy = killed(whole.path());
        fs::write(copy.path().join(segment.file_name().unwrap()), &bytes[..cut]).unwrap();
        let (_, left, _) = start(copy.path());
        assert!(left.len() < 20, "{cut}");
        let copy = killed(whole.path());
        let mut flipped = bytes.clone();
        flipped[cut] ^= 1;
        fs::write(copy.path().join(segment.file_name().unwrap()), flipped).unwrap();
        let (_, left, health) = start(copy.path());
        let lost: u64 = Dropped::ALL.iter().map(|reason| health.journal_lost(*reason)).sum();
        assert_eq!(left.len() as u64 + lost, 20, "{cut}");
    }
}

/// One exchange that lasts is carried along; the files stay small however many pass it by.
#[test]
fn the_files_are_bounded_while_one_exchange_lasts() {
    let dir = TempDir::new().unwrap();
    let (journal, _, health) = start(dir.path());
    let _lasting = journal.open(&numbered(1)).unwrap();
    for round in 0..20_u64 {
        let ids = 2 + u128::from(round) * 1000;
        drop((ids..ids + 1000).map(|id| journal.open(&numbered(id)).unwrap()).collect::<Vec<_>>());
        wait_for(|| health.journal_closed() == 1000 * (round + 1));
    }
    let size: u64 =
        fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(size < 4 << 20, "{size}");
    let (_, left, _) = start(killed(dir.path()).path());
    assert_eq!(ids(&left), [1]);
}

#[test]
fn one_process_at_a_time() {
    let dir = TempDir::new().unwrap();
    let (_journal, _, _) = start(dir.path());
    let error = Journal::start(dir.path(), Arc::default()).err().unwrap();
    assert!(error.to_string().contains("in use by another process"), "{error}");
}
