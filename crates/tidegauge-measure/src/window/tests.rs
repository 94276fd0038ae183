//! Rolling windows on a clock of the test's own: what is in them, what falls out, what is bounded.

use tidegauge_core::{Cost, ErrorType, Overhead, Usage};

use super::*;
use crate::example::{ms, record};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn total(windows: &Windows, now: Duration, span: Span) -> Row {
    windows.rows(now, span).pop().unwrap()
}

fn requests(windows: &Windows, now: Duration) -> [u64; 3] {
    Span::ALL.map(|span| total(windows, now, span).requests)
}

#[test]
fn a_record_leaves_each_window_in_its_time() {
    let windows = Windows::default();
    windows.add(secs(1000), &record("up", "m", ms(5)));
    let cases = [
        (1000, [1, 1, 1]),
        (1054, [1, 1, 1]),
        (1060, [0, 1, 1]),
        (1270, [0, 1, 1]),
        (1300, [0, 0, 1]),
        (4199, [0, 0, 1]),
        (4600, [0, 0, 0]),
        (100_000_000, [0, 0, 0]),
    ];
    for (now, expected) in cases {
        assert_eq!(requests(&windows, secs(now)), expected, "{now}");
    }
}

#[test]
fn a_window_is_never_longer_than_its_span_and_at_most_a_slot_shorter() {
    // One record every second for two hours: the count is the length that is looked back on.
    let windows = Windows::default();
    for second in 0..7_200 {
        windows.add(secs(second), &record("up", "m", ms(5)));
        if second % 97 == 0 {
            for span in Span::ALL {
                let row = total(&windows, secs(second), span);
                let length = span.duration().as_secs().min(second + 1);
                let slot = span.slot().as_secs();
                assert!(
                    (length.saturating_sub(slot)..=length).contains(&row.requests),
                    "{second} {row:?}"
                );
                assert!(row.covers.as_secs().abs_diff(row.requests) <= 1, "{second} {row:?}");
            }
        }
    }
}

#[test]
fn series_are_kept_apart_and_the_total_merges_them() {
    let windows = Windows::default();
    let now = secs(30);
    for index in 0..1000 {
        // 900 fast ones of one model, 100 slow ones of another.
        let slow = index % 10 == 9;
        let (model, time) = if slow { ("slow", ms(4000)) } else { ("fast", ms(100)) };
        windows.add(now, &record("up", model, time));
    }
    let rows = windows.rows(now, Span::Minute);
    let names: Vec<_> = rows.iter().map(|row| row.key.as_ref().map(|key| &*key.model)).collect();
    assert_eq!(names, [Some("fast"), Some("slow"), None]);
    let [fast, slow, total] = [0, 1, 2].map(|row: usize| rows[row].duration.unwrap());
    let near = |got: Duration, millis: u128| got.as_micros().abs_diff(millis * 1000) <= millis * 4;
    assert!(near(fast.p99, 100) && near(slow.p50, 4000));
    // An average of the two P95 would be 2050 ms.
    assert!(near(total.p50, 100) && near(total.p90, 100) && near(total.p95, 4000));
    assert_eq!(total.count, 1000);
}

#[test]
fn operation_upstream_and_stream_make_a_series() {
    let windows = Windows::default();
    let mut stream = record("up", "m", ms(1));
    stream.observation.stream = true;
    let mut embeddings = record("up", "m", ms(1));
    embeddings.exchange.operation = Operation::Embeddings;
    let mut unnamed = record("up", "m", ms(1));
    unnamed.observation.request.model = None;
    unnamed.observation.response.model = Some("answered".into());
    for record in
        [record("up", "m", ms(1)), record("other", "m", ms(1)), stream, embeddings, unnamed]
    {
        windows.add(secs(1), &record);
    }
    let rows = windows.rows(secs(1), Span::Minute);
    let keys: Vec<_> = rows
        .iter()
        .filter_map(|row| row.key.as_ref())
        .map(|key| (&*key.upstream, &*key.model, key.operation.name(), key.stream))
        .collect();
    assert_eq!(
        keys,
        [
            ("other", "m", "chat", false),
            ("up", "answered", "chat", false),
            ("up", "m", "chat", false),
            ("up", "m", "chat", true),
            ("up", "m", "embeddings", false),
        ]
    );
}

#[test]
fn a_row_counts_what_a_record_says() {
    let windows = Windows::default();
    let mut good = record("up", "m", ms(900));
    good.observation.usage = Usage {
        input: Some(100),
        cache_read: Some(50),
        output: Some(7),
        reasoning: Some(3),
        ..Usage::default()
    };
    good.measurement.ttft = Some(ms(200));
    good.measurement.tpot = Some(ms(10));
    good.measurement.overhead =
        Overhead { accept: ms(1), connect: ms(70), relay: ms(1), ..Overhead::default() };
    good.measurement.cost =
        Cost { status: CostStatus::Priced, amount: Some(Money::from_nanos(12)), ..Cost::default() };
    let mut limited = record("up", "m", ms(30));
    limited.observation.outcome.category = Some(Category::RateLimit);
    limited.observation.outcome.error = Some(ErrorType::OTHER);
    let mut refused = record("up", "m", ms(500));
    refused.observation.outcome.category = Some(Category::Refusal);
    refused.measurement.cost.status = CostStatus::Unpriced;
    for record in [&good, &good, &limited, &refused] {
        windows.add(secs(1), record);
    }
    for span in Span::ALL {
        let row = total(&windows, secs(2), span);
        assert_eq!((row.requests, row.errors, row.unpriced), (4, 1, 1));
        assert_eq!(row.categories, [(Category::RateLimit, 1), (Category::Refusal, 1)]);
        assert_eq!((row.input_tokens, row.output_tokens, row.cached_tokens), (300, 20, 100));
        assert_eq!(row.cost, Money::from_nanos(24));
        assert_eq!(row.duration.unwrap().count, 4);
        assert_eq!(row.ttft.unwrap().count, 2);
        assert_eq!(
            row.tpot.unwrap().p50.as_millis(),
            9 + u128::from(row.tpot.unwrap().p50 >= ms(10))
        );
        // Making a connection is not overhead.
        assert!(row.overhead.unwrap().p99 < ms(3));
        assert_eq!(row.covers, secs(2));
    }
}

#[test]
fn a_snapshot_has_each_span_and_its_total() {
    let windows = Windows::default();
    assert_eq!(windows.snapshot(secs(5)).len(), 3);
    windows.add(secs(5), &record("up", "m", ms(1)));
    let rows = windows.snapshot(secs(5));
    let shape: Vec<_> = rows.iter().map(|row| (row.span.name(), row.key.is_some())).collect();
    assert_eq!(
        shape,
        [("1m", true), ("1m", false), ("5m", true), ("5m", false), ("1h", true), ("1h", false)]
    );
}

#[test]
fn series_past_the_bound_are_folded_and_counted() {
    let windows = Windows::new(Bounds { series: 3, ..Bounds::default() });
    for index in 0..10 {
        windows.add(secs(1), &record("up", &format!("m{index}"), ms(1)));
    }
    assert_eq!(windows.folded(), 7);
    let rows = windows.rows(secs(1), Span::Minute);
    assert_eq!(rows.len(), 5);
    let rest =
        rows.iter().find(|row| row.key.as_ref().is_some_and(|key| &*key.upstream == "other"));
    assert_eq!(rest.unwrap().requests, 7);
    assert_eq!(rows.last().unwrap().requests, 10);
}

#[test]
fn series_that_no_window_reaches_make_room() {
    let windows = Windows::new(Bounds { series: 2, ..Bounds::default() });
    windows.add(secs(10), &record("up", "old", ms(1)));
    windows.add(secs(3000), &record("up", "young", ms(1)));
    windows.add(secs(3620), &record("up", "new", ms(1)));
    windows.add(secs(3621), &record("up", "newer", ms(1)));
    assert_eq!(windows.folded(), 1);
    let rows = windows.rows(secs(3621), Span::Hour);
    let names: Vec<_> =
        rows.iter().filter_map(|row| row.key.as_ref()).map(|key| &*key.model).collect();
    assert_eq!(names, ["other", "new", "young"]);
}

#[test]
fn memory_is_bounded_and_counts_go_on_without_it() {
    let windows = Windows::new(Bounds { histogram_bytes: 4096, ..Bounds::default() });
    for index in 0..5_000 {
        windows.add(secs(index / 100), &record("up", "m", Duration::from_micros(index * index)));
    }
    assert!(windows.histogram_bytes() <= 4096);
    assert!(windows.refused() > 0);
    assert_eq!(total(&windows, secs(49), Span::Minute).requests, 5_000);
    // An hour later everything has been given back but what is new.
    windows.add(secs(10_000), &record("up", "m", ms(1)));
    for slot in 0..12 {
        windows.add(secs(10_000 + slot * 300), &record("up", "m", ms(1)));
    }
    assert!(windows.histogram_bytes() <= 4096);
    assert_eq!(total(&windows, secs(13_300), Span::Hour).duration.unwrap().count, 13);
}

#[test]
fn a_long_model_name_is_cut_at_a_character() {
    let long = "ü".repeat(100);
    let key = Key::of(&record("up", &long, ms(1)));
    assert_eq!(&*key.model, "ü".repeat(64));
}

#[test]
fn threads_may_add_at_once() {
    let windows = Windows::default();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let windows = &windows;
            scope.spawn(move || {
                for index in 0..1_000_u64 {
                    let model = format!("m{}", (index + thread) % 7);
                    windows.add(ms(index), &record("up", &model, ms(index)));
                }
            });
        }
        windows.snapshot(ms(500));
    });
    let row = total(&windows, secs(1), Span::Minute);
    assert_eq!((row.requests, row.duration.unwrap().count), (4_000, 4_000));
}

#[test]
fn a_slot_is_as_small_as_the_documentation_says() {
    assert!(size_of::<Slot>() <= 184);
}
