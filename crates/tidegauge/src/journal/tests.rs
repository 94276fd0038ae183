//! What is open when a process is killed is known to the next one, and nothing else is.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::testing::exchange;

fn numbered(id: u128) -> Exchange {
    Exchange { id: ExchangeId::from_bits(id), ..exchange() }
}

/// What was shown so far.
type Shown = Arc<Mutex<Vec<Record>>>;

fn start_with(dir: &Path, recorded: &[u128]) -> (Arc<Journal>, Shown, Arc<Health>) {
    let (health, shown) = (Arc::new(Health::default()), Shown::default());
    let id = |id: &u128| ExchangeId::from_bits(*id).to_string();
    let recorded: HashSet<String> = recorded.iter().map(id).collect();
    let around = Around {
        recorded: Box::new(move || recorded.clone()),
        show: {
            let shown = Arc::clone(&shown);
            Box::new(move |record| shown.lock().unwrap().push(record.clone()))
        },
    };
    (Journal::start(dir, around, Arc::clone(&health)).unwrap(), shown, health)
}

fn start(dir: &Path) -> (Arc<Journal>, Vec<Record>, Arc<Health>) {
    let (journal, shown, health) = start_with(dir, &[]);
    let left = std::mem::take(&mut *shown.lock().unwrap());
    (journal, left, health)
}

fn wait_for(mut what: impl FnMut() -> bool) {
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

fn ids(left: &[Record]) -> Vec<u128> {
    left.iter().map(|record| record.exchange.id.bits()).collect()
}

/// Why each is said to have failed.
fn errors(left: &[Record]) -> Vec<&str> {
    left.iter().map(|it| it.observation.outcome.error.as_ref().unwrap().as_str()).collect()
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
    let record = &left[0];
    assert_eq!(record.exchange.end, End::Failed);
    let outcome = &record.observation.outcome;
    assert_eq!(outcome.category, Some(Category::Proxy));
    assert_eq!(outcome.error.as_ref().unwrap().as_str(), "proxy_killed");
    assert!(record.exchange.path.is_empty() && record.exchange.user_agent.is_none());
    assert!(start(late.path()).1.is_empty());
}

#[test]
fn what_was_told_is_told_once() {
    let dir = TempDir::new().unwrap();
    let (journal, _, health) = start(dir.path());
    let _ticket = journal.open(&numbered(7)).unwrap();
    wait_for(|| health.journal_opened() == 1);
    let first = killed(dir.path());
    let (_journal, left, health) = start(first.path());
    assert_eq!(ids(&left), [7]);
    wait_for(|| health.journal_closed() == 1);
    assert!(start(killed(first.path()).path()).1.is_empty());
}

/// What a kill leaves as of four exchanges two are over, but not closed yet; `None` where a busy machine
/// looks too late.
fn two_are_over() -> Option<TempDir> {
    let dir = TempDir::new().unwrap();
    let (journal, _, health) = start(dir.path());
    let mut tickets: Vec<_> = (1..=4).map(|id| journal.open(&numbered(id)).unwrap()).collect();
    wait_for(|| health.journal_opened() == 4);
    let before = size(dir.path());
    drop(tickets.split_off(2));
    let more = 2 * over(ExchangeId::from_bits(3)).len() as u64;
    wait_for(|| size(dir.path()) >= before + more);
    let left = killed(dir.path());
    Some(left).filter(|_| health.journal_closed() == 0)
}

/// What had ended is told as killed only where nothing else is known of it, and then with the doubt.
#[test]
fn what_had_ended_is_no_killed_one() {
    let left = (0..).find_map(|_| two_are_over()).unwrap();
    let (_, shown, told) = start_with(killed(left.path()).path(), &[]);
    let shown = shown.lock().unwrap();
    assert_eq!(ids(&shown), [1, 2, 3, 4]);
    let (sure, maybe) = ("proxy_killed", "proxy_killed_maybe");
    assert_eq!(errors(&shown), [sure, sure, maybe, maybe]);
    assert_eq!(told.killed(), 4);

    let (_, shown, told) = start_with(left.path(), &[2, 4]);
    let shown = shown.lock().unwrap();
    assert_eq!((ids(&shown), errors(&shown)), (vec![1, 3], vec![sure, maybe]));
    assert_eq!(told.killed(), 2);
    assert!(start(killed(left.path()).path()).1.len() <= 2, "the others are not in it any more");
}

fn size(dir: &Path) -> u64 {
    fs::read_dir(dir).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
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
    let size = size(dir.path());
    assert!(size < 4 << 20, "{size}");
    let (_, left, _) = start(killed(dir.path()).path());
    assert_eq!(ids(&left), [1]);
}

/// The next process of a restart begins while the one before still drains.
#[test]
fn one_process_at_a_time_and_the_other_waits() {
    let dir = TempDir::new().unwrap();
    let (first, _, _) = start(dir.path());
    let (second, _, health) = start(dir.path());
    drop(second.open(&numbered(1)));
    wait_for(|| health.journal_lost(Dropped::DiskIo) == 1);
    first.shutdown(Duration::from_secs(60));
    let mut id = 1;
    wait_for(|| {
        id += 1;
        drop(second.open(&numbered(id)));
        health.journal_opened() > 0
    });
    wait_for(|| health.journal_closed() == health.journal_opened());
}

/// A directory that cannot be made stops nothing, and is used once it can be.
#[test]
fn a_directory_that_cannot_be_used_is_tried_again() {
    let dir = TempDir::new().unwrap();
    let place = dir.path().join("place");
    fs::write(&place, "a file where a directory should be").unwrap();
    let (journal, _, health) = start(&place.join("journal"));
    let ticket = journal.open(&numbered(1)).unwrap();
    wait_for(|| health.journal_lost(Dropped::DiskIo) == 1);
    fs::remove_file(&place).unwrap();
    wait_for(|| place.join("journal").is_dir());
    drop(ticket);
    let kept = journal.open(&numbered(2)).unwrap();
    wait_for(|| health.journal_opened() == 1);
    let left = killed(&place.join("journal"));
    drop(kept);
    assert_eq!(ids(&start(left.path()).1), [2]);
}
