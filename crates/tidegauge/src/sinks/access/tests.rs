//! A line a call, for a share of the calls, and what becomes of those that cannot be said.

use super::*;
use crate::testing::{failed, record};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_line_says_who_was_called_how_it_ended_and_what_it_cost() {
    let line = Line::of(&record());
    let told = (line.operation, line.model.as_deref(), line.status, line.category, line.ms);
    assert_eq!(&*line.upstream, "openai");
    assert_eq!(told, ("chat", Some("gpt-4o-mini-2024-07-18"), Some(200), None, 1843));
    assert_eq!((line.input_tokens, line.output_tokens), (Some(1200), Some(210)));
    assert_eq!(line.usd.map(|usd| usd.to_string()).as_deref(), Some("0.000229"));
    let line = Line::of(&failed());
    assert_eq!((line.status, line.input_tokens, line.usd), (None, None, None));
}

/// Lines of `count` calls, fewer than may wait, of which a share is wanted.
fn said(share: f64, count: usize) -> usize {
    let (lines, heard) = sync_channel(QUEUE);
    let log = AccessLog::start_with(share, Arc::default(), move |line| {
        lines.try_send(line.clone()).unwrap();
    });
    let log = log.unwrap();
    (0..count).for_each(|_| log.record(&record()));
    log.shutdown(LONG);
    assert_eq!(log.health.access_lines_dropped(Dropped::QueueFull), 0);
    heard.iter().count()
}

#[test]
fn a_share_of_the_calls_is_said() {
    assert_eq!(said(1.0, 500), 500);
    assert_eq!(said(0.0, 500), 0);
    // Ten standard deviations wide.
    assert!((60..=440).contains(&said(0.25, 1000)));
}

#[test]
fn a_terminal_that_stands_still_costs_lines_that_are_counted() {
    let (go, wait) = sync_channel::<()>(1);
    let health = Arc::new(Health::default());
    let wait = Mutex::new(wait);
    let log = AccessLog::start_with(1.0, Arc::clone(&health), move |_| {
        // Until the test lets it go on.
        let _ = wait.lock().unwrap().recv();
    });
    let log = log.unwrap();
    for _ in 0..QUEUE + 11 {
        log.record(&record());
    }
    let dropped = health.access_lines_dropped(Dropped::QueueFull);
    assert!((10..=11).contains(&dropped), "one may be being said: {dropped}");
    drop(go);
    log.shutdown(LONG);
    log.record(&record());
    assert_eq!(health.access_lines_dropped(Dropped::ShutdownDeadline), 1);
}
