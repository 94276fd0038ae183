//! The configuration is replaced a hundred times under load, well and badly, while one of two
//! receivers is away: no request fails, and both have balanced books (F-46).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::durable::balances;
use crate::support::answers::{self, HELLO};
use crate::support::client::{Client, Ended, get, post};
use crate::support::collector::Collector;
use crate::support::program::{Program, Start, run, stderr};
use crate::support::upstream::Upstream;
use crate::support::wait::{until, until_async};

/// An address that nothing listens on.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

/// A configuration that leads `first` to an upstream. What reloading cannot change is the same.
fn config(upstream: &Upstream, exporters: &str, more: &str) -> String {
    let origin = upstream.origin();
    format!(
        "upstreams:\n  first: {{ provider: openai, base_url: \"{origin}\" }}\n  \
         openai: {{ base_url: \"{origin}\" }}\ntelemetry:\n{exporters}{more}"
    )
}

/// Replaces the file in one step, and asks for it to be read.
async fn replace(program: &Program, write: impl FnOnce(&std::path::Path)) {
    let new = program.folder().join("new.yaml");
    write(&new);
    std::fs::rename(&new, &program.config).expect("replaced");
    program.signal("HUP").await;
}

/// How often it was read, and whether the last time went well.
async fn reloads(program: &Program) -> (u64, bool) {
    let told = program.page("/readyz?verbose").await.json()["reloads"].clone();
    (told["count"].as_u64().expect("a count"), told["last_was_good"] == true)
}

/// Asks on one connection until told to stop. How often it was answered.
async fn ask(addr: SocketAddr, stop: Arc<AtomicBool>) -> usize {
    let mut client = Client::connect(addr).await;
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        let body = json!({"model": "gpt-4o-mini", "messages": []});
        client.write(&post("/first/v1/chat/completions", &body)).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.ended), (200, Ended::Clean), "{}", answer.text());
        answered += 1;
    }
    answered
}

/// Files that are no good, each in a way of its own.
const BAD: [&str; 5] = [
    "nonsense: true\n",
    "upstreams: {",
    "upstreams: { first: { provider: nobody } }\n",
    "limits: { connections: -1 }\n",
    "pricing: { models: [{ model: a, per_million: { input: -1 } }] }\n",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f46_a_hundred_reloads_fail_no_request_and_both_receivers_have_balanced_books() {
    let answer = |_: &_| answers::value(200, &HELLO.chat());
    let (one, other) = (Upstream::start(answer).await, Upstream::start(answer).await);
    let good = Collector::start().await;
    let exporters = format!(
        "  exporters:\n    - {{ name: good, endpoint: '{}' }}\n    \
         - {{ name: away, endpoint: '{}', signals: [traces] }}\n",
        good.origin(),
        nobody()
    );
    let program =
        Start::with(config(&one, &exporters, "")).env("OTEL_BSP_SCHEDULE_DELAY", "50").run().await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut asking = JoinSet::new();
    for _ in 0..4 {
        asking.spawn(ask(program.listen, Arc::clone(&stop)));
    }
    for turn in 0..100 {
        let before = reloads(&program).await.0;
        let text = match turn % 4 {
            3 => BAD[turn / 4 % BAD.len()].to_owned(),
            // What takes effect at the next start is taken note of, and changes nothing now.
            2 => config(&other, "  exporters: []\n", &format!("# {turn}\n")),
            1 => config(&other, &exporters, "  sampling: { ratio: 1.0 }\n"),
            _ => config(&one, &exporters, &format!("# {turn}\n")),
        };
        replace(&program, |new| std::fs::write(new, text).expect("written")).await;
        until_async("the file to be read", async || {
            let (count, well) = reloads(&program).await;
            Some(()).filter(|()| count > before && well == (turn % 4 != 3))
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    let answered: usize = asking.join_all().await.into_iter().sum();
    assert!(one.seen().len() > 1 && other.seen().len() > 1, "both were in use");
    assert_eq!(one.seen().len() + other.seen().len(), answered, "each request went to one of them");

    let made = 3 * answered as u64;
    let books = until_async("the good one to have all", async || {
        let books = program.page("/readyz?verbose").await.json();
        let spans = &books["exporters"]["good"]["spans"];
        let at_rest = spans["delivered"] == spans["made"] && spans["made"] == made;
        Some(books).filter(|_| at_rest)
    })
    .await;
    let away = &books["exporters"]["away"]["spans"];
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let dropped: u64 = away["dropped"].as_object().expect("reasons").values().map(number).sum();
    assert_eq!(number(&away["made"]), made, "{away}");
    assert_eq!(
        (number(&away["delivered"]), number(&away["queued"]) + dropped),
        (0, made),
        "{away}"
    );
    assert_eq!(books["exchanges"]["records"], json!(answered), "{books}");
    assert_eq!(books["panics"], json!({}), "{books}");
    balances(&program).await;
    let mut ids: Vec<_> = good.spans().into_iter().map(|span| span.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len() as u64, made);
}

/// A file that is far too large is not read, whatever it begins with.
#[tokio::test]
async fn f46_a_file_of_200_mebibytes_is_refused_and_costs_no_memory() {
    let upstream = Upstream::start(answers::provider).await;
    let program = Start::with(config(&upstream, "", "  trace_header: true\n")).run().await;
    assert_eq!(get(program.listen, "/first/v1/models").await.status, 200);
    let before = program.resident();
    // Nothing but holes: it takes no room on the disk of whoever runs this.
    replace(&program, |new| {
        let begin = config(&upstream, "", "  trace_header: false\n#");
        std::fs::write(new, begin).expect("written");
        let file = std::fs::File::options().write(true).open(new).expect("a file");
        file.set_len(200 << 20).expect("a large file");
    })
    .await;
    until("the refusal to be said", || program.said().contains("larger than 4 MiB").then_some(()))
        .await;
    assert!(!reloads(&program).await.1);
    let grown = program.resident().saturating_sub(before);
    // What is read of it, twice while it grows.
    assert!(grown < 16 << 20, "it grew by {grown} bytes");
    let answer = get(program.listen, "/first/v1/models").await;
    assert_eq!(answer.status, 200, "the old one still runs");
    assert!(answer.header("x-tidegauge-trace-id").is_some(), "and it is the old one");

    // Nothing is started with such a file.
    let large = format!("#{}\n", "x".repeat(5 << 20));
    let refused = run(&large, &["serve", "--listen", "127.0.0.1:0", "--console", "off"], &[]).await;
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains("larger than 4 MiB"), "{}", stderr(&refused));
}

/// Files that set nothing: a replacement that is under way, or an accident.
const EMPTY: [&str; 6] = ["", "# nothing\n", "---\n", "null\n", "upstreams:\n", "limits: {}\n"];

/// Requests, with the keys in them, would go to the providers' public addresses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_sets_nothing_never_replaces_a_good_one() {
    let upstream = Upstream::start(|_: &_| answers::value(200, &HELLO.chat())).await;
    let good = config(&upstream, "", "  trace_header: true\n");
    let program = Start::with(good.clone()).run().await;
    for text in EMPTY {
        let before = reloads(&program).await.0;
        replace(&program, |new| std::fs::write(new, text).expect("written")).await;
        until_async("the file to be refused", async || {
            let (count, well) = reloads(&program).await;
            Some(()).filter(|()| count > before && !well)
        })
        .await;
        let page = program.metrics().await;
        assert_eq!(page.total("tidegauge_config_reload_ok") as u64, 0, "{text:?}");
        for target in ["/first/v1/models", "/openai/v1/models"] {
            assert_eq!(get(program.listen, target).await.status, 200, "{text:?} {target}");
        }
    }
    assert_eq!(upstream.seen().len(), 2 * EMPTY.len(), "nothing went elsewhere");
    assert!(program.said().contains("sets nothing any more"), "{}", program.said());

    // Without a signal, and not replaced in one step: what the watch makes of it.
    let before = reloads(&program).await.0;
    std::fs::write(&program.config, "").expect("written");
    until_async("the file to be refused", async || {
        Some(reloads(&program).await).filter(|(count, well)| *count > before && !well)
    })
    .await;
    assert_eq!(get(program.listen, "/first/v1/models").await.status, 200);
    std::fs::write(&program.config, &good).expect("written");
    until_async("the good file to be read", async || {
        Some(reloads(&program).await).filter(|(_, well)| *well)
    })
    .await;
    assert!(!program.said().contains("this upstream"), "{}", program.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upstreams_that_lead_elsewhere_after_a_reload_are_named() {
    let upstream = Upstream::start(answers::provider).await;
    let other = Upstream::start(answers::provider).await;
    let program = Start::with(config(&upstream, "", "  trace_header: true\n")).run().await;
    let text = format!("upstreams: {{ groq: {{ base_url: \"{}\" }} }}\n", other.origin());
    replace(&program, |new| std::fs::write(new, text).expect("written")).await;
    let said = until("all to be named", || {
        Some(program.said()).filter(|said| said.matches("this upstream").count() >= 3)
    })
    .await;
    let line = |name: &str| {
        let name = format!("\"upstream\":\"{name}\"");
        let line = said.lines().find(|line| line.contains(&name) && line.contains("\"WARN\""));
        line.unwrap_or_else(|| panic!("{name} in {said}")).to_owned()
    };
    assert!(line("first").contains("gone"), "{said}");
    let openai = line("openai");
    assert!(openai.contains("public") && openai.contains(&upstream.origin()), "{openai}");
    assert!(line("groq").contains(&other.origin()), "{said}");
    assert!(!said.contains("\"upstream\":\"anthropic\""), "what stays is not named: {said}");
}
