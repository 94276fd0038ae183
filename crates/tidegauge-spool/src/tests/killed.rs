//! A process that is killed at any moment, again and again on the same directory.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::*;

const DIRECTORY: &str = "TIDEGAUGE_SPOOL_TEST_DIRECTORY";
const FIRST: &str = "TIDEGAUGE_SPOOL_TEST_FIRST";

/// Pushes numbers, acknowledges some when there are more than twenty, and says so after each; for
/// ever.
#[test]
#[ignore = "run, and killed, by the test below"]
fn until_killed() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let (mut spool, _) = open(Path::new(&dir));
    let mut out = io::stdout();
    for number in first.. {
        spool.push(0, 1, &payload(number)).unwrap();
        writeln!(out, "\npushed {number}").unwrap();
        if spool.counters().queued.of(0).records > 20 {
            let batch = spool.peek(0, 700).unwrap();
            let last = number_of(&batch.records().last().unwrap().payload);
            spool.ack(batch).unwrap();
            writeln!(out, "\nacked {last}").unwrap();
        }
    }
}

fn number_of(payload: &[u8]) -> u64 {
    std::str::from_utf8(payload).unwrap().parse().unwrap()
}

#[test]
fn f45_killed_at_any_moment() {
    let dir = scratch();
    let (mut first, mut acked) = (1, 0);
    for round in 0..20 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "--nocapture", "tests::killed::until_killed"])
            .env(DIRECTORY, dir.path())
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pushed = first - 1;
        let (mut lines, enough) = (0, 1 + round * 31 % 150);
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            let said =
                line.split_once(' ').and_then(|(word, number)| Some((word, number.parse().ok()?)));
            match said {
                Some(("pushed", number)) => pushed = number,
                Some(("acked", number)) => acked = number,
                _ => continue,
            }
            lines += 1;
            if lines == enough {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(lines >= enough);

        let (mut spool, _) = open(dir.path());
        let batch = spool.peek(0, usize::MAX).unwrap();
        let found: Vec<_> =
            batch.records().iter().map(|record| number_of(&record.payload)).collect();
        let (oldest, newest) = (found[0], *found.last().unwrap());
        assert_eq!(found, (oldest..=newest).collect::<Vec<_>>());
        // What was under way when it was killed may be done or not.
        assert!(newest == pushed || newest == pushed + 1, "{newest} {pushed}");
        assert!(oldest > acked && oldest <= acked + 8, "{oldest} {acked}");
        acked = oldest - 1;
        first = newest + 1;
    }
}
