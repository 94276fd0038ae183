//! Random actions against a model in memory that knows of every record where it is and what became
//! of it; the books must agree to the unit after each action.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Action {
    Push {
        kind: u8,
        units: u32,
        length: usize,
    },
    Peek {
        kind: u8,
        max_bytes: usize,
    },
    /// Acknowledges what was peeked last of the kind.
    Ack {
        kind: u8,
    },
    Flush,
    Reopen,
    /// Until it is full and something is dropped.
    Fill {
        kind: u8,
    },
    /// Cuts the last segment off somewhere.
    Truncate {
        at: u16,
    },
    /// Flips a bit somewhere in some segment.
    Flip {
        segment: u8,
        at: u16,
        bit: u8,
    },
    /// Removes a segment.
    Delete {
        segment: u8,
    },
    /// A power cut: of what was not synced any part may be there, cut off or followed by zeros.
    Crash {
        seed: u64,
        zeros: bool,
    },
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        20 => (0..3u8, 0..6u32, 0..300usize)
            .prop_map(|(kind, units, length)| Action::Push { kind, units, length }),
        8 => (0..3u8, 0..900usize).prop_map(|(kind, max_bytes)| Action::Peek { kind, max_bytes }),
        6 => (0..3u8).prop_map(|kind| Action::Ack { kind }),
        3 => Just(Action::Flush),
        2 => Just(Action::Reopen),
        1 => (0..3u8).prop_map(|kind| Action::Fill { kind }),
        1 => any::<u16>().prop_map(|at| Action::Truncate { at }),
        1 => any::<(u8, u16, u8)>().prop_map(|(segment, at, bit)| Action::Flip { segment, at, bit }),
        1 => any::<u8>().prop_map(|segment| Action::Delete { segment }),
        2 => any::<(u64, bool)>().prop_map(|(seed, zeros)| Action::Crash { seed, zeros }),
    ]
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Queued,
    Acked,
    /// With its segment, for room.
    Dropped,
    /// Must be counted as lost, or as dropped if it was to go anyway.
    Damaged,
    /// Went in a crash without a trace: nobody can know of it.
    Vanished,
}

#[derive(Debug)]
struct Record {
    kind: u8,
    units: u32,
    payload: Vec<u8>,
    /// Everything pushed before it.
    before: Tally,
    file: PathBuf,
    from: u64,
    to: u64,
    synced: bool,
    header_sound: bool,
    fate: Fate,
}

impl Record {
    fn count(&self) -> Count {
        count(1, u64::from(self.units))
    }
}

struct Model {
    dir: TempDir,
    spool: Option<Spool>,
    records: Vec<Record>,
    /// The batch peeked last of each kind, and which records it has.
    held: [Option<(Batch, Vec<usize>)>; 3],
    flipped: BTreeSet<(PathBuf, u64, u8)>,
    /// Sums of the openings that are over.
    closed: SpoolCounters,
    /// Something was damaged or crashed: sizes of batches are not predictable.
    hurt: bool,
}

impl Model {
    fn new() -> Self {
        let dir = scratch();
        let spool = Some(open(dir.path()).0);
        let (records, flipped) = (Vec::new(), BTreeSet::new());
        let (closed, held) = (SpoolCounters::default(), Default::default());
        Self { dir, spool, records, held, flipped, closed, hurt: false }
    }

    fn run(&mut self, action: &Action) {
        match *action {
            Action::Push { kind, units, length } => drop(self.push(kind, units, length)),
            Action::Fill { kind } => {
                for _ in 0..200 {
                    if self.push(kind, 1, 500) != Tally::default() {
                        break;
                    }
                }
            }
            Action::Peek { kind, max_bytes } => self.peek(kind, max_bytes),
            Action::Ack { kind } => self.ack(kind),
            Action::Flush => self.flush(),
            Action::Reopen => {
                self.close();
                self.open();
            }
            Action::Truncate { at } => self.damage(|model, files| {
                let Some(file) = files.last() else { return };
                let cut = u64::from(at) % (length(file) + 1);
                File::options().write(true).open(file).unwrap().set_len(cut).unwrap();
                model.hit(file, |record| record.to > cut, |record| record.from + 88 > cut);
            }),
            Action::Flip { segment, at, bit } => self.damage(|model, files| {
                let Some(file) = files.get(usize::from(segment) % files.len().max(1)) else {
                    return;
                };
                let (mut bytes, bit) = (fs::read(file).unwrap(), bit % 8);
                let at = usize::from(at) % bytes.len().max(1);
                // The same bit again would heal it.
                if bytes.is_empty() || !model.flipped.insert((file.clone(), at as u64, bit)) {
                    return;
                }
                bytes[at] ^= 1 << bit;
                fs::write(file, bytes).unwrap();
                let within = |from, to| (from..to).contains(&(at as u64));
                let header = |record: &Record| within(record.from, record.from + 88);
                model.hit(file, |record| within(record.from, record.to), header);
            }),
            Action::Delete { segment } => self.damage(|model, files| {
                let Some(file) = files.get(usize::from(segment) % files.len().max(1)) else {
                    return;
                };
                fs::remove_file(file).unwrap();
                model.hit(file, |_| true, |_| true);
            }),
            Action::Crash { seed, zeros } => self.crash(seed, zeros),
        }
        self.check();
    }

    fn push(&mut self, kind: u8, units: u32, length: usize) -> Tally {
        let serial = u32::try_from(self.records.len()).unwrap();
        let mut payload = serial.to_le_bytes().to_vec();
        payload.resize(4 + length, serial as u8);
        let spool = self.spool.as_mut().unwrap();
        let before = spool.pushed;
        let old = files(self.dir.path(), "seg");
        let pushed = spool.push(kind, units, &payload).unwrap();
        let new = files(self.dir.path(), "seg");

        let mut dropped = Tally::default();
        let mut may_be = Tally::default();
        for record in &mut self.records {
            let removed = old.contains(&record.file) && !new.contains(&record.file);
            if removed && record.fate == Fate::Queued {
                record.fate = Fate::Dropped;
                dropped.add(record.kind, record.count());
            }
            if matches!(record.fate, Fate::Dropped | Fate::Damaged) {
                may_be.add(record.kind, record.count());
            }
        }
        assert!(pushed.dropped.covers(&dropped) && may_be.covers(&pushed.dropped));
        assert!(self.hurt || pushed.dropped == dropped);

        let active = spool.segments.back().unwrap();
        let (file, to) = (active.path.clone(), length_of(active));
        let from = to - (HEADER + payload.len()) as u64;
        let (synced, header_sound, fate) = (false, true, Fate::Queued);
        // A new segment is begun only when the old one is on the medium.
        if from == 0 {
            self.records.iter_mut().for_each(|record| record.synced = true);
        }
        let record =
            Record { kind, units, payload, before, file, from, to, synced, header_sound, fate };
        self.records.push(record);
        pushed.dropped
    }

    fn peek(&mut self, kind: u8, max_bytes: usize) {
        let batch = self.spool.as_mut().unwrap().peek(kind, max_bytes).unwrap();
        let queued = self.records.iter().enumerate();
        let mut queued =
            queued.filter(|(_, record)| record.kind == kind && record.fate == Fate::Queued);
        let expected: Vec<_> = queued.by_ref().take(batch.records().len()).collect();
        assert_eq!(batch.records().len(), expected.len(), "a record too many");
        let mut bytes = 0;
        for (stored, (_, record)) in batch.records().iter().zip(&expected) {
            assert_eq!(
                (stored.payload.as_ref(), stored.units),
                (&record.payload[..], record.units)
            );
            bytes += record.payload.len();
        }
        assert!(bytes <= max_bytes || expected.len() == 1);
        if let Some((_, next)) = queued.next() {
            assert!(!batch.is_empty(), "there is more");
            assert!(self.hurt || bytes + next.payload.len() > max_bytes, "there is room for more");
        }
        let indices = expected.iter().map(|(index, _)| *index).collect();
        self.held[usize::from(kind)] = Some((batch, indices));
    }

    fn ack(&mut self, kind: u8) {
        let Some((batch, indices)) = self.held[usize::from(kind)].take() else { return };
        let old = files(self.dir.path(), "seg");
        self.spool.as_mut().unwrap().ack(batch).unwrap();
        for index in indices {
            let record = &mut self.records[index];
            if record.fate == Fate::Queued {
                record.fate = Fate::Acked;
            }
        }
        let new = files(self.dir.path(), "seg");
        let removed = |record: &Record| old.contains(&record.file) && !new.contains(&record.file);
        let wanted = |record: &&Record| record.fate == Fate::Queued && removed(record);
        assert_eq!(self.records.iter().filter(wanted).count(), 0, "removed and still wanted");
    }

    fn flush(&mut self) {
        self.spool.as_mut().unwrap().flush().unwrap();
        self.records.iter_mut().for_each(|record| record.synced = true);
    }

    fn close(&mut self) {
        self.held = Default::default();
        let counters = self.spool.take().unwrap().counters();
        self.closed.acked = self.closed.acked.plus(counters.acked);
        self.closed.dropped = self.closed.dropped.plus(counters.dropped);
        self.closed.lost = self.closed.lost.plus(counters.lost);
    }

    fn open(&mut self) {
        let (spool, recovery) = open(self.dir.path());
        assert!(!recovery.ledger_lost);
        assert_eq!(recovery.queued, spool.counters().queued);
        self.spool = Some(spool);
    }

    /// Closes, lets `hurt` do something to the segments, opens again.
    fn damage(&mut self, hurt: impl FnOnce(&mut Self, &[PathBuf])) {
        self.flush();
        self.close();
        self.hurt = true;
        hurt(self, &files(self.dir.path(), "seg"));
        self.open();
    }

    /// Records of a file were damaged, and of some the header.
    fn hit(
        &mut self,
        file: &Path,
        whole: impl Fn(&Record) -> bool,
        header: impl Fn(&Record) -> bool,
    ) {
        for record in self.records.iter_mut().filter(|record| record.file == file) {
            if record.fate == Fate::Queued && whole(record) {
                record.fate = Fate::Damaged;
            }
            record.header_sound &= !header(record);
        }
    }

    fn crash(&mut self, mut seed: u64, zeros: bool) {
        self.close();
        self.hurt = true;
        for file in files(self.dir.path(), "seg") {
            let synced = self.records.iter().filter(|record| record.file == file && record.synced);
            let floor = synced.map(|record| record.to).max().unwrap_or(0);
            let end = length(&file);
            if floor >= end {
                continue;
            }
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let cut = floor + (seed >> 33) % (end - floor + 1);
            let whole = fs::read(&file).unwrap();
            let mut left = whole[..cut as usize].to_vec();
            left.resize(if zeros { whole.len() } else { left.len() }, 0);
            fs::write(&file, &left).unwrap();
            // What happens to be zero anyway is not damaged.
            let hurt = |from: u64, to: u64| {
                let range = from as usize..to as usize;
                left.get(range.clone()) != whole.get(range)
            };
            let header = |record: &Record| hurt(record.from, record.from + 88);
            self.hit(&file, |record| hurt(record.from, record.to), header);
        }
        // What is known of: up to the last sound header, and what the ledger says.
        let left = files(self.dir.path(), "seg");
        let sound = self.records.iter().filter(|record| {
            record.header_sound && record.fate != Fate::Vanished && left.contains(&record.file)
        });
        let mut known = LedgerFile::open(self.dir.path()).unwrap().1.unwrap().pushed;
        if let Some(last) = sound.max_by_key(|record| record.before.total().records) {
            let mut after = last.before;
            after.add(last.kind, last.count());
            known = known.later(after);
        }
        for record in &mut self.records {
            let unknown = record.before.of(record.kind).records >= known.of(record.kind).records;
            if record.fate == Fate::Damaged && unknown {
                record.fate = Fate::Vanished;
            }
        }
        self.open();
    }

    fn sum(&self, fates: &[Fate]) -> Tally {
        let mut sum = Tally::default();
        for record in self.records.iter().filter(|record| fates.contains(&record.fate)) {
            sum.add(record.kind, record.count());
        }
        sum
    }

    fn check(&self) {
        let spool = self.spool.as_ref().unwrap();
        let books = spool.counters();
        let acked = books.acked.plus(self.closed.acked);
        let gone = books.dropped.plus(self.closed.dropped).plus(books.lost).plus(self.closed.lost);
        let all = self.sum(&[Fate::Queued, Fate::Acked, Fate::Dropped, Fate::Damaged]);
        assert_eq!(spool.pushed, all);
        assert_eq!(acked.plus(gone).plus(books.queued), all);
        assert_eq!(acked, self.sum(&[Fate::Acked]));
        assert!(books.queued.covers(&self.sum(&[Fate::Queued])));
        assert!(gone.covers(&self.sum(&[Fate::Dropped])));
        assert!(books.bytes <= SMALL.cap_bytes);
        assert!(files(self.dir.path(), "bad").len() <= 4);
    }

    /// Reads all that is left: then what was damaged is all found.
    fn finish(&mut self) {
        for kind in 0..3 {
            while self.spool.as_ref().unwrap().counters().queued.of(kind) != NONE {
                self.peek(kind, 700);
                self.ack(kind);
                self.check();
            }
        }
        let books = self.spool.as_ref().unwrap().counters();
        let gone = books.dropped.plus(self.closed.dropped).plus(books.lost).plus(self.closed.lost);
        assert_eq!(gone, self.sum(&[Fate::Dropped, Fate::Damaged]));
        assert_eq!(self.sum(&[Fate::Queued]), Tally::default());
        assert!(self.hurt || books.lost == Tally::default());
    }
}

fn length(file: &Path) -> u64 {
    file.metadata().unwrap().len()
}

fn length_of(segment: &Segment) -> u64 {
    let length = length(&segment.path);
    assert_eq!(length, segment.bytes);
    length
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn f41_the_books_agree_with_the_model(actions in prop::collection::vec(action(), 1..150)) {
        let mut model = Model::new();
        for action in &actions {
            model.run(action);
        }
        model.finish();
    }
}
