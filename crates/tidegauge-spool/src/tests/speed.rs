//! How fast it is; to be looked at by hand, in release mode.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "a measurement, run by hand: cargo test --release -p tidegauge-spool --lib speed -- --ignored --nocapture"]
#[expect(clippy::disallowed_methods, reason = "measures")]
fn push_read_and_open() {
    const RECORDS: u64 = 240_000;
    let dir = TempDir::new().unwrap();
    let (mut spool, _) = Spool::open(dir.path(), SpoolBounds::default()).unwrap();
    let payload = vec![b'x'; 4096];
    let time = |what: &str, each: u64, run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        let took = start.elapsed();
        println!("{what}: {took:?}, {:?} each of {each}", took / u32::try_from(each).unwrap());
    };
    time("push 4 KiB", 3900, &mut || {
        for _ in 0..3900 {
            spool.push(0, 10, &payload).unwrap();
        }
    });
    time("push 4 KiB, a sync every 16 MiB included", RECORDS, &mut || {
        for number in 0..RECORDS {
            spool.push((number % 3) as u8, 10, &payload).unwrap();
        }
    });
    time("flush", 1, &mut || spool.flush().unwrap());
    println!("{} MiB", spool.counters().bytes >> 20);
    drop(spool);
    let mut spool = None;
    time("open", 1, &mut || {
        spool = Some(Spool::open(dir.path(), SpoolBounds::default()).unwrap().0);
    });
    let mut spool = spool.unwrap();
    for kind in [1, 0, 2] {
        time("read and ack 1 MiB batches of a kind", RECORDS / 3 / 256, &mut || {
            while spool.counters().queued.of(kind) != NONE {
                let batch = spool.peek(kind, 1 << 20).unwrap();
                spool.ack(batch).unwrap();
            }
        });
    }
    time("push, read, ack, one by one", 500, &mut || {
        for _ in 0..500 {
            spool.push(0, 10, &payload).unwrap();
            let batch = spool.peek(0, 1 << 20).unwrap();
            spool.ack(batch).unwrap();
        }
    });
}
