//! A real limit of the operating system, in a process of its own.

use std::process::Command;

use super::*;

const DIRECTORY: &str = "TIDEGAUGE_SPOOL_TEST_DIRECTORY";

const LARGE: SpoolBounds = SpoolBounds { cap_bytes: 1 << 24, segment_bytes: 1 << 20, ..SMALL };

/// Run below a limit of 64 KiB or less a file.
#[test]
#[ignore = "run by the test below, or by hand with a small file system"]
fn under_a_limit() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let (mut spool, _) = Spool::open(Path::new(&dir), LARGE).unwrap();
    let record = |number: u64| number.to_le_bytes().repeat(512);
    let (mut taken, mut refused) = (Vec::new(), 0);
    for number in 0..200 {
        match spool.push(0, 1, &record(number)) {
            Ok(_) => taken.push(number),
            Err(PushError::Full(_)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    println!("taken {}, refused {refused}", taken.len());
    assert!(taken.len() > 10 && refused > 1);
    let counters = spool.counters();
    assert_eq!(counters.queued.of(0).records, taken.len() as u64);
    let on_disk: u64 =
        files(Path::new(&dir), "seg").iter().map(|f| f.metadata().unwrap().len()).sum();
    assert_eq!(on_disk, counters.bytes, "nothing half-written is left");

    // Reading needs no room and makes some.
    let expected = |numbers: &[u64]| numbers.iter().map(|n| record(*n)).collect::<Vec<_>>();
    assert_eq!(drain(&mut spool, 0), expected(&taken));
    for number in 200..205 {
        spool.push(0, 1, &record(number)).unwrap();
    }
    spool.flush().unwrap();
    drop(spool);
    let (mut spool, recovery) = Spool::open(Path::new(&dir), LARGE).unwrap();
    assert_eq!((recovery.torn_bytes, recovery.queued.of(0).records), (0, 5));
    assert_eq!(drain(&mut spool, 0), expected(&[200, 201, 202, 203, 204]));
    assert_eq!(spool.counters().lost.total(), NONE);
}

#[cfg(unix)]
#[test]
fn f40_a_limit_on_file_size() {
    let dir = TempDir::new().unwrap();
    // The unit is 512 bytes or 1 KiB, depending on the shell. The signal is ignored, so that the
    // write fails instead.
    let script = "trap '' XFSZ; ulimit -f 60; exec \"$0\" --exact --ignored --nocapture \"$1\"";
    let status = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg("tests::full::under_a_limit")
        .env(DIRECTORY, dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success(), "{text}{}", String::from_utf8_lossy(&status.stderr));
    assert!(text.contains("1 passed"), "{text}");
}
