//! Recorded traffic of real providers, replayed through the program by a player that shares no code
//! with it, and compared byte by byte and field by field.

use std::process::Command;

use crate::support::program::Start;
use crate::support::say;

/// What the player says about one field.
struct Row {
    good: u64,
    all: u64,
    field: String,
}

/// Rows such as `  201 / 201   bytes: answered`.
fn rows(table: &str) -> Vec<Row> {
    let rows = table.lines().filter_map(|line| {
        let (good, rest) = line.split_once(" / ")?;
        let (all, field) = rest.trim_start().split_once(' ')?;
        let field = field.trim().to_owned();
        Some(Row { good: good.trim().parse().ok()?, all: all.parse().ok()?, field })
    });
    rows.filter(|row| row.field.contains(": ")).collect()
}

/// The lines of the table alone.
fn table(said: &str) -> String {
    let rows = said.lines().filter(|line| line.contains(" / "));
    rows.collect::<Vec<_>>().join("\n")
}

/// The table, after every row that `must` names was found perfect.
fn judge(what: &str, said: &str, must: impl Fn(&str) -> bool) {
    say(&format!("{what}\n{}", table(said)));
    let rows = rows(said);
    assert!(rows.iter().any(|row| must(&row.field)), "there are rows to judge: {said}");
    let wrong: Vec<String> = rows
        .iter()
        .filter(|row| must(&row.field) && row.good != row.all)
        .map(|row| format!("{} of {} {}", row.good, row.all, row.field))
        .collect();
    assert!(wrong.is_empty(), "{what}: {}\n{said}", wrong.join(", "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recordings_of_real_providers_pass_and_are_understood() {
    let (Ok(player), Ok(recordings)) =
        (std::env::var("TIDEGAUGE_REPLAY"), std::env::var("TIDEGAUGE_RECORDINGS"))
    else {
        say("skipped: TIDEGAUGE_REPLAY and TIDEGAUGE_RECORDINGS name no player and recordings");
        return;
    };
    // The player listens where we say, so a free port is looked for.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let listen = free.local_addr().expect("an address").to_string();
    drop(free);
    let play = |args: Vec<String>| {
        let mut command = Command::new("python3");
        command.arg(&player).args(args).args(["--recordings", &recordings]);
        async move {
            let done = tokio::task::spawn_blocking(move || command.output()).await.expect("joined");
            let done = done.expect("python3 runs");
            let said = String::from_utf8_lossy(&done.stdout).into_owned();
            assert!(!said.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
            said
        }
    };
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let config = play(words(&format!("config --upstream http://{listen}"))).await;
    let program = Start::with(config).run().await;
    let run = format!(
        "run --proxy {} --listen {listen} --records {}",
        program.origin(),
        program.record_file().display()
    );
    judge("every recording", &play(words(&run)).await, |field| field.starts_with("bytes:"));
    for label in ["openai", "anthropic"] {
        let only = format!("{run} --only {label}/*");
        judge(label, &play(words(&only)).await, |_| true);
    }
}
