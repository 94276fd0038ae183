//! A disk that gives no room, may not be written, or is somebody else's, under the real program (F-40):
//! it goes on, memory takes over, what is lost is counted, and the disk is used again once it can be.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::durable::balances;
use crate::support::answers::{self, HELLO};
use crate::support::client::{Ended, call, post};
use crate::support::collector::{Collector, Mood};
use crate::support::metrics::Page;
use crate::support::program::{Program, Start};
use crate::support::say;
use crate::support::upstream::Upstream;
use crate::support::wait::{until, until_async};

/// Runs a command; what is wrong when it fails.
async fn command(line: &[&str]) -> Result<(), String> {
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).stdin(Stdio::null());
    let output = command.output().await.map_err(|error| format!("{}: {error}", line[0]))?;
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    output.status.success().then_some(()).ok_or_else(said)
}

/// A file system of its own with so much room, which only the superuser can make. Unmounted when
/// dropped.
struct Disk(TempDir);

impl Disk {
    async fn of(room: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().to_string_lossy().into_owned();
        let options = format!("size={room},mode=0700");
        match command(&["mount", "-t", "tmpfs", "-o", &options, "tidegauge-test", &path]).await {
            Ok(()) => Some(Self(dir)),
            Err(why) => {
                say(&format!("skipped: no file system can be mounted here: {why}"));
                None
            }
        }
    }

    async fn remount(&self, options: &str) {
        let path = self.0.path().to_string_lossy().into_owned();
        command(&["mount", "-o", &format!("remount,{options}"), &path]).await.expect("remounted");
    }

    fn queue(&self) -> PathBuf {
        self.0.path().join("queue")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what was just killed may still be there.
        let unmount = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
        let well = unmount.is_ok_and(|status| status.success());
        assert!(well || std::thread::panicking(), "unmounted");
    }
}

/// What fills a disk. Whole blocks only, so that there is no room left at all.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).expect("a file");
    while file.write_all(&[0; 4096]).is_ok() {}
}

struct Rig {
    _upstream: Upstream,
    collector: Collector,
    program: Program,
    asked: usize,
}

impl Rig {
    /// The program with its disk queue there, and a collector that takes nothing.
    async fn start(queue: &Path, through: &[&str], more: &str) -> Self {
        let upstream = Upstream::always(answers::value(200, &HELLO.chat())).await;
        let collector = Collector::start().await;
        collector.set(Mood::Refuse(503));
        let program = Start::upstreams(&[("openai", &upstream.origin())])
            .and(&format!("telemetry: {{ disk_queue: {{ path: '{}' }} }}\n", queue.display()))
            .and(more)
            .through(through)
            .export(&collector.origin(), "http/protobuf")
            .run()
            .await;
        Self { _upstream: upstream, collector, program, asked: 0 }
    }

    async fn ask(&mut self, calls: usize) {
        let body = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]});
        for _ in 0..calls {
            let answer =
                call(self.program.listen, &post("/openai/v1/chat/completions", &body)).await;
            assert_eq!((answer.status, answer.ended), (200, Ended::Clean));
            self.asked += 1;
        }
    }

    async fn page(&self) -> Page {
        self.program.metrics().await
    }

    /// Waits until what was asked is in memory and on disk so that `is` likes it; spans.
    async fn waits(&self, what: &str, is: impl Fn(u64, u64) -> bool) {
        until_async(what, || async {
            let page = self.page().await;
            let spans = |name: &str| page.total(&format!("tidegauge_spans_{name}")) as u64;
            let (memory, disk) = (spans("queued"), spans("queued_disk"));
            let all = spans("created_total") == 3 * self.asked as u64;
            Some(()).filter(|()| all && is(memory, disk))
        })
        .await;
    }

    async fn said(&self, what: &str) {
        until(&format!("{what:?} to be said"), || self.program.said().contains(what).then_some(()))
            .await;
    }

    /// The collector takes all there is, and each span that was made is there but for `dropped`.
    async fn delivers(mut self, dropped: u64) {
        self.collector.set(Mood::Take);
        self.waits("nothing to wait", |memory, disk| memory + disk == 0).await;
        balances(&self.program).await;
        let mut ids: Vec<_> = self.collector.spans().into_iter().map(|span| span.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len() as u64, 3 * self.asked as u64 - dropped);
        assert!(self.program.stop().await.success());
    }
}

/// Spans dropped so far, and those of them for `reason`.
fn dropped(page: &Page, reason: &str) -> (u64, u64) {
    let all = page.total("tidegauge_spans_dropped_total") as u64;
    let for_it = page.sum("tidegauge_spans_dropped_total", |sample| {
        sample.labels.values().any(|word| word == reason)
    });
    (all, for_it as u64)
}

#[tokio::test]
async fn f40_a_disk_that_gets_full_gives_way_to_memory_and_is_used_again() {
    let Some(disk) = Disk::of("2m").await else { return };
    let mut rig = Rig::start(&disk.queue(), &[], "").await;
    rig.ask(10).await;
    rig.waits("all to be on disk", |memory, disk| memory == 0 && disk == 30).await;
    let ballast = disk.0.path().join("ballast");
    fill(&ballast);
    rig.ask(40).await;
    rig.said("the disk queue cannot be written; pieces wait in memory").await;
    rig.waits("memory to take over", |memory, disk| memory > 0 && memory + disk == 150).await;
    std::fs::remove_file(&ballast).expect("there is room again");
    rig.waits("the disk to be used again", |memory, disk| memory == 0 && disk == 150).await;
    rig.said("the disk queue works again").await;
    assert_eq!(dropped(&rig.page().await, "disk_full"), (0, 0));
    rig.delivers(0).await;
}

#[tokio::test]
async fn f40_what_neither_a_full_disk_nor_memory_holds_is_counted_as_that() {
    let Some(disk) = Disk::of("1m").await else { return };
    let mut rig = Rig::start(&disk.queue(), &[], "limits: { telemetry_queue: 64KiB }\n").await;
    rig.ask(5).await;
    rig.waits("all to be on disk", |memory, disk| memory == 0 && disk == 15).await;
    fill(&disk.0.path().join("ballast"));
    let mut rounds = 0;
    while dropped(&rig.page().await, "disk_full").0 == 0 {
        rig.ask(20).await;
        rounds += 1;
        assert!(rounds < 50, "memory has a bound");
    }
    rig.waits("the books to come to rest", |memory, disk| memory > 0 && disk >= 15).await;
    // The disk is full until what is on it was taken; then nothing more is lost.
    let (all, full) = dropped(&rig.page().await, "disk_full");
    assert_eq!(all, full, "the disk was the reason");
    rig.delivers(all).await;
}

#[tokio::test]
async fn f40_a_file_system_that_may_only_be_read_gives_way_to_memory() {
    let Some(disk) = Disk::of("2m").await else { return };
    disk.remount("ro").await;
    // At the start ...
    let mut rig = Rig::start(&disk.queue(), &[], "").await;
    rig.ask(5).await;
    rig.said("pieces wait in memory").await;
    rig.waits("memory to do", |memory, disk| memory == 15 && disk == 0).await;
    disk.remount("rw").await;
    rig.waits("the disk to be used", |memory, disk| memory == 0 && disk == 15).await;
    rig.delivers(0).await;
}

/// No right to pass over the owner's and the modes' rules, which the superuser has.
const ORDINARY: [&str; 2] = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"];

fn is_superuser() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[tokio::test]
async fn f40_a_directory_that_cannot_be_written_gives_way_to_memory() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let superuser = is_superuser();
    if superuser && command(&[ORDINARY[0], ORDINARY[1], "true"]).await.is_err() {
        return say("skipped: the superuser cannot be made an ordinary one here");
    }
    let through: &[&str] = if superuser { &ORDINARY } else { &[] };
    let mode = |dir: &Path, mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(dir, permissions).expect("ours");
    };
    for wrong_owner in [false, true] {
        if wrong_owner && !superuser {
            say("skipped: only the superuser gives a directory away");
            continue;
        }
        let dir = tempfile::tempdir().expect("a folder");
        let queue = dir.path().join("queue");
        std::fs::create_dir(&queue).expect("a folder");
        mode(&queue, if wrong_owner { 0o700 } else { 0o500 });
        if wrong_owner {
            chown(&queue, Some(65534), Some(65534)).expect("given away");
        }
        let mut rig = Rig::start(&queue, through, "").await;
        rig.ask(5).await;
        rig.said("pieces wait in memory").await;
        rig.waits("memory to do", |memory, disk| memory == 15 && disk == 0).await;
        if wrong_owner {
            chown(&queue, Some(0), Some(0)).expect("taken back");
        }
        mode(&queue, 0o700);
        rig.waits("the disk to be used", |memory, disk| memory == 0 && disk == 15).await;
        rig.delivers(0).await;
    }
}

/// A limit on the size of files, for those who cannot mount: every write fails, then none.
#[tokio::test]
async fn f40_a_limit_on_the_size_of_files_gives_way_to_memory() {
    if command(&["prlimit", "--version"]).await.is_err() {
        return say("skipped: there is no prlimit here");
    }
    let dir = tempfile::tempdir().expect("a folder");
    // The signal that comes with the limit is ignored, so that the write fails instead.
    let through = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""];
    let mut rig = Rig::start(&dir.path().join("queue"), &through, "").await;
    rig.ask(5).await;
    rig.waits("all to be on disk", |memory, disk| memory == 0 && disk == 15).await;
    let pid = rig.program.pid().to_string();
    let limit = async |limit: &str| {
        let limit = format!("--fsize={limit}:");
        command(&["prlimit", "--pid", &pid, &limit]).await.expect("it is ours");
    };
    limit("1").await;
    rig.ask(5).await;
    rig.waits("memory to take over", |memory, disk| memory == 15 && disk == 15).await;
    until_async("the lines of the record file to be counted", || async {
        let page = rig.page().await;
        let lost = page.total("tidegauge_lines_dropped_total") as usize;
        Some(()).filter(|()| lost + rig.program.records().len() == rig.asked)
    })
    .await;
    limit("unlimited").await;
    rig.waits("the disk to be used again", |memory, disk| memory == 0 && disk == 30).await;
    rig.delivers(0).await;
}

/// A journal where nothing may be written stops nothing either: it is used once it can be.
#[tokio::test]
async fn f40_a_journal_that_cannot_be_written_is_said_and_tried_again() {
    let Some(disk) = Disk::of("2m").await else { return };
    disk.remount("ro").await;
    let upstream = Upstream::always(answers::value(200, &HELLO.chat())).await;
    let mut program = Start::upstreams(&[("openai", &upstream.origin())])
        .and(&format!("data_dir: '{}'\ntelemetry: {{ journal: {{}} }}\n", disk.0.path().display()))
        .run()
        .await;
    let body = json!({"model": "gpt-4o-mini", "messages": []});
    let mut asked = 0;
    let mut ask = async || {
        let answer = call(program.listen, &post("/openai/v1/chat/completions", &body)).await;
        assert_eq!(answer.status, 200);
        asked += 1;
        asked
    };
    ask().await;
    until("the reason to be said", || {
        let said = program.said();
        (said.contains("cannot be used: read-only filesystem") && !said.contains("Some("))
            .then_some(())
    })
    .await;
    until_async("the lost line to be counted", || async {
        let page = program.metrics().await;
        Some(()).filter(|()| page.total("tidegauge_journal_lost_total") == 1.0)
    })
    .await;
    balances(&program).await;
    disk.remount("rw").await;
    until("the journal to be used", || program.said().contains("can be used now").then_some(()))
        .await;
    ask().await;
    until_async("the opening to be noted", || async {
        let page = program.metrics().await;
        Some(()).filter(|()| page.total("tidegauge_journal_closed_total") == 1.0)
    })
    .await;
    balances(&program).await;
    assert!(program.stop().await.success());
}

/// Lines of a record file that ran out of room are whole or counted, those that come afterwards too.
#[tokio::test]
async fn f40_a_record_file_on_a_full_disk_is_of_whole_lines() {
    let Some(disk) = Disk::of("256k").await else { return };
    let upstream = Upstream::always(answers::value(200, &HELLO.chat())).await;
    for (capture, size) in [("full", 20_000), ("off", 10)] {
        let path = disk.0.path().join(format!("records-{capture}"));
        let program = Start::upstreams(&[("openai", &upstream.origin())])
            .and(&format!("capture: {capture}\n"))
            .record_file(&path)
            .run()
            .await;
        let message = json!({"role": "user", "content": "x".repeat(size)});
        let body = json!({"model": "gpt-4o-mini", "messages": [message]});
        let ask = async |calls: usize| {
            for _ in 0..calls {
                let answer =
                    call(program.listen, &post("/openai/v1/chat/completions", &body)).await;
                assert_eq!(answer.status, 200);
            }
        };
        let ballast = disk.0.path().join("ballast");
        ask(2).await;
        program.first_records(2).await;
        // Some room is left, for more than one line.
        std::fs::write(&ballast, vec![0; 180 << 10]).expect("there is as much room");
        let whole_or_counted = async |expected: usize| {
            until_async("each line to be there or counted", || async {
                let lost = program.metrics().await.total("tidegauge_lines_dropped_total") as usize;
                // Each whole line is a record, or this panics.
                Some(lost).filter(|lost| lost + program.records().len() == expected)
            })
            .await
        };
        let (mut calls, mut lost) = (2, 0);
        while lost == 0 {
            ask(10).await;
            calls += 10;
            lost = whole_or_counted(calls).await;
            assert!(calls < 2000, "the disk is full some time");
        }
        std::fs::remove_file(&ballast).expect("there is room again");
        ask(3).await;
        assert_eq!(whole_or_counted(calls + 3).await, lost, "nothing more is lost");
        std::fs::remove_file(&path).expect("room for the next");
    }
}
