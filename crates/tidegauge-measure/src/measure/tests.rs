//! Measurements of made-up exchanges: which times count from where, and what stays unknown.

use tidegauge_core::{
    CostStatus, ErrorType, Money, Operation, Outcome, Overhead, StreamTimes, Times, Usage,
};

use super::*;
use crate::example::{exchange, ms};

fn stream(first_chunk: u64, first_token: u64, last_token: u64, output: u64) -> Observation {
    Observation {
        stream: true,
        times: StreamTimes {
            first_chunk: Some(ms(first_chunk)),
            first_token: Some(ms(first_token)),
            last_token: Some(ms(last_token)),
            ..StreamTimes::default()
        },
        usage: Usage { output: Some(output), ..Usage::default() },
        ..Observation::default()
    }
}

fn measured(exchange: &Exchange, seen: &Observation) -> Measurement {
    measure(exchange, seen, &Prices::bundled(), Some("openai"))
}

#[test]
fn times_count_from_the_moment_the_request_was_sent() {
    let got = measured(&exchange("up"), &stream(222, 252, 952, 8));
    assert_eq!(got.duration, ms(1000));
    assert_eq!(got.total, ms(1002));
    assert_eq!(got.ttfb, Some(ms(210)));
    assert_eq!(got.time_to_first_chunk, Some(ms(220)));
    assert_eq!(got.ttft, Some(ms(250)));
    // 700 ms for the 7 tokens after the first.
    assert_eq!(got.tpot, Some(ms(100)));
}

#[test]
fn a_unary_answer_has_no_stream_times() {
    let seen = Observation { stream: false, ..stream(222, 252, 952, 8) };
    let got = measured(&exchange("up"), &seen);
    assert_eq!((got.time_to_first_chunk, got.ttft, got.tpot), (None, None, None));
    assert_eq!(got.ttfb, Some(ms(210)));
}

#[test]
fn time_per_token_needs_two_tokens_and_counts_reasoning() {
    let cases = [
        (Some(0), None, None),
        (Some(1), None, None),
        (None, None, None),
        (Some(2), None, Some(ms(700))),
        (Some(3), Some(5), Some(ms(100))),
    ];
    for (output, reasoning, tpot) in cases {
        let mut seen = stream(222, 252, 952, 0);
        seen.usage = Usage { output, reasoning, ..Usage::default() };
        assert_eq!(measured(&exchange("up"), &seen).tpot, tpot, "{output:?} {reasoning:?}");
    }
    let mut seen = stream(222, 252, 952, 8);
    seen.times.last_token = None;
    assert_eq!(measured(&exchange("up"), &seen).tpot, None);
}

#[test]
fn an_exchange_that_sent_nothing_lasts_from_its_beginning() {
    let mut exchange = exchange("up");
    exchange.times = Times { ended: ms(7), ..Times::default() };
    let got = measured(&exchange, &stream(1, 2, 3, 4));
    assert_eq!((got.duration, got.total), (ms(7), ms(7)));
    assert_eq!((got.ttfb, got.ttft), (None, None));
    assert_eq!(got.cost, Cost::default());
}

#[test]
fn overhead_is_passed_on() {
    let mut exchange = exchange("up");
    exchange.overhead =
        Overhead { accept: ms(1), relay: ms(2), connect: ms(50), ..Overhead::default() };
    let overhead = measured(&exchange, &Observation::default()).overhead;
    assert_eq!(overhead, exchange.overhead);
    assert_eq!(overhead.total(), ms(3));
}

#[test]
fn the_answers_tier_decides_over_the_one_asked_for() {
    let mut seen = stream(1, 2, 3, 10);
    seen.request.model = Some("gpt-5-mini".into());
    seen.request.service_tier = Some("flex".into());
    let nanos = |seen: &Observation| measured(&exchange("up"), seen).cost.amount;
    assert_eq!(nanos(&seen), Some(Money::from_nanos(10 * 1_000)));
    seen.response.service_tier = Some("default".into());
    assert_eq!(nanos(&seen), Some(Money::from_nanos(10 * 2_000)));
    seen.response.service_tier = Some("batch".into());
    assert_eq!(nanos(&seen), Some(Money::from_nanos(10 * 1_000)));
}

#[test]
fn what_no_model_did_has_no_cost() {
    let mut seen = stream(1, 2, 3, 10);
    seen.request.model = Some("gpt-5-mini".into());
    let mut exchange = exchange("up");
    exchange.operation = Operation::CountTokens;
    assert_eq!(measured(&exchange, &seen).cost.status, CostStatus::Unknown);
    exchange.operation = Operation::Chat;
    assert_eq!(measured(&exchange, &seen).cost.status, CostStatus::Priced);
    seen.usage = Usage::default();
    seen.outcome = Outcome { error: Some(ErrorType::OTHER), ..Outcome::default() };
    assert_eq!(measured(&exchange, &seen).cost.status, CostStatus::Unknown);
}
