//! What is sent, and when.

use std::collections::BTreeSet;

use super::*;
use crate::demo::script::Answer;
use crate::demo::upstream::Upstream;

#[tokio::test]
async fn traffic_reads_what_the_simulated_provider_answers() {
    let options = Options { rate: 100.0, speed: 100, ..Options::new(11, Some(150)) };
    let upstream = Upstream::start(options.seed, options.speed).await.unwrap();
    let sent = run(&options, upstream.address(), &CancellationToken::new()).await;
    let script = Script::new(options.seed);
    let count = |of: fn(&Case) -> bool| (0..150).filter(|n| of(&script.case(*n))).count() as u64;
    let refused = count(|case| match case.answer {
        Answer::RateLimit
        | Answer::Quota
        | Answer::Overflow
        | Answer::Key
        | Answer::ServerError
        | Answer::Overloaded => true,
        Answer::ContentFilter => case.surface != Surface::Chat,
        _ => false,
    });
    let cut = count(|case| case.answer == Answer::Cut && case.leaves.is_none());
    let loose = count(|case| case.answer == Answer::Cut || case.leaves.is_some());
    assert_eq!((sent.calls, sent.refused), (150, refused));
    assert!(sent.broken >= cut && sent.broken + sent.left <= loose, "{sent:?} {cut} {loose}");
}

#[tokio::test]
async fn traffic_stops_when_told() {
    let options = Options::new(1, None);
    let upstream = Upstream::start(1, 1).await.unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    assert_eq!(run(&options, upstream.address(), &stop).await, Sent::default());
}

#[tokio::test]
async fn a_proxy_that_is_not_there_costs_calls_and_nothing_else() {
    let options = Options { rate: 1e6, ..Options::new(1, Some(3)) };
    let sent = run(&options, "127.0.0.1:1".parse().unwrap(), &CancellationToken::new()).await;
    assert_eq!(sent, Sent { calls: 3, broken: 3, ..Sent::default() });
}

#[tokio::test]
async fn calls_say_who_is_calling() {
    let script = Script::new(5);
    let mut teams = BTreeSet::new();
    for sequence in 0..200 {
        let case = script.case(sequence);
        let request = request("127.0.0.1:9".parse().unwrap(), script, &case).unwrap();
        for name in ["x-tidegauge-session", "x-tidegauge-user", "x-tidegauge-prompt"] {
            assert!(request.headers().contains_key(name), "{name}");
        }
        teams.insert(request.headers()["x-tidegauge-tag-team"].to_str().unwrap().to_owned());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["model"], case.model.name);
        assert_eq!(body["stream"].as_bool().unwrap_or(false), case.stream);
    }
    assert_eq!(teams.len(), 4);
}

#[test]
fn the_night_is_quieter_than_the_morning() {
    assert!(rhythm(10.0) > 4.0 * rhythm(3.0));
    assert!((rhythm(24.0) - rhythm(0.0)).abs() < 1e-9);
    assert!(rhythm(9.5) > rhythm(9.0) && rhythm(9.5) < rhythm(10.0));
}
