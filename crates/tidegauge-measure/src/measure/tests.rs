//! Measurements of made-up exchanges: which times count from where, and what stays unknown.

use tidegauge_core::{
    Billed, Bucket, CostStatus, ErrorType, Money, Operation, Outcome, Overhead, StreamTimes, Times,
    Usage,
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
    // All of it in one event: no time passed between its tokens, so none is known.
    assert_eq!(measured(&exchange("up"), &stream(222, 252, 252, 8)).tpot, None);
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

/// Pictures without usage cost something; a failed call, and what runs at home, does not.
#[test]
fn pictures_and_sounds_without_usage_are_unpriced() {
    let mut exchange = exchange("up");
    let mut seen = Observation::default();
    seen.response.status = Some(http::StatusCode::OK);
    for (operation, status, reason) in [
        (Operation::ImageGeneration, CostStatus::Unpriced, Some(Unpriced::Usage)),
        (Operation::Speech, CostStatus::Unpriced, Some(Unpriced::Usage)),
        (Operation::Chat, CostStatus::Unknown, None),
    ] {
        exchange.operation = operation;
        let cost = measured(&exchange, &seen).cost;
        assert_eq!((cost.status, cost.unpriced), (status, reason));
    }
    exchange.operation = Operation::Speech;
    let home = measure(&exchange, &seen, &Prices::bundled(), Some("")).cost;
    assert_eq!(home.status, CostStatus::Unknown);
    seen.response.status = Some(http::StatusCode::BAD_REQUEST);
    assert_eq!(measured(&exchange, &seen).cost.status, CostStatus::Unknown);
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

fn calls(model: &str, count: u64, prompt: u64, input: u64, output: u64) -> BatchCalls {
    let usage = Usage { input: Some(input), output: Some(output), ..Usage::default() };
    BatchCalls { model: Some(model.to_owned()), count, prompt, usage }
}

#[test]
fn results_of_a_batch_job_are_priced_by_model_and_length_of_prompt() {
    let batch = Batch {
        results: 9,
        failed: 1,
        calls: vec![
            calls("gpt-4o-mini-2024-07-18", 3, 1_000, 3_001, 10),
            calls("gpt-5.4", 2, 272_000, 300_000, 7),
            calls("gpt-5.4", 2, 300_000, 600_000, 7),
        ],
        left_out: 0,
    };
    let exchange = Exchange { operation: Operation::Batch, ..exchange("up") };
    let seen = Observation { batch: Some(batch.clone()), ..Observation::default() };
    let got = measured(&exchange, &seen);
    // Half of 0.15 and 0.60; half of 2.50 and 15, and of 5 and 22.50 for the long prompts.
    let mini = 3_001 * 75 + 10 * 300;
    let long = 300_000 * 1_250 + 7 * 7_500 + 600_000 * 2_500 + 7 * 11_250;
    let parts: Vec<_> = got
        .batch
        .iter()
        .map(|part| (part.model.as_deref().unwrap(), part.calls, part.cost.amount.unwrap().nanos()))
        .collect();
    assert_eq!(parts, [("gpt-4o-mini-2024-07-18", 3, mini), ("gpt-5.4", 4, long)]);
    assert_eq!(got.batch[1].usage.input, Some(900_000));
    assert_eq!(
        (got.cost.status, got.cost.amount),
        (CostStatus::Priced, Some(Money::from_nanos(mini + long)))
    );
    assert_eq!(got.cost.model, None);
    let lines: Money = got.cost.lines.iter().map(|line| line.amount).sum();
    assert_eq!(Some(lines), got.cost.amount);

    // One without a price: the others keep theirs, the whole has none.
    let with = |more| {
        let mut batch = batch.clone();
        batch.calls.push(more);
        measured(&exchange, &Observation { batch: Some(batch), ..Observation::default() })
    };
    let got = with(calls("unheard-of", 1, 1, 1, 1));
    assert_eq!((got.cost.status, got.cost.amount), (CostStatus::Unpriced, None));
    assert_eq!(got.batch[2].cost.status, CostStatus::Unpriced);
    assert_eq!(got.batch[0].cost.amount, Some(Money::from_nanos(mini)));
    let left_out = Batch { left_out: 1, ..batch };
    let seen = Observation { batch: Some(left_out), ..Observation::default() };
    assert_eq!(measured(&exchange, &seen).cost.status, CostStatus::Unpriced);
    let errors = Batch { results: 1, failed: 1, ..Batch::default() };
    let seen = Observation { batch: Some(errors), ..Observation::default() };
    assert_eq!(measured(&exchange, &seen).cost.status, CostStatus::Unknown);
}

/// Half of 5 and 25, of which a tenth more in one region; and of what is billed where that is told.
#[test]
fn results_of_a_batch_job_are_priced_by_region_and_bill() {
    let there = |mut calls: BatchCalls| {
        calls.usage.region = Some("us".into());
        calls
    };
    let mut summed_up = calls("claude-opus-4-7", 1, 23_000, 23_000, 1_000);
    for (input, output) in [(180_000, 3_500), (23_000, 1_000)] {
        let tokens = [(Bucket::Input, input), (Bucket::Output, output)].into();
        summed_up.usage.bill(Billed { model: None, tokens });
    }
    let batch = Batch {
        results: 4,
        calls: vec![
            calls("claude-opus-4-7", 1, 100, 100, 10),
            there(calls("claude-opus-4-7", 2, 100, 200, 20)),
            summed_up,
        ],
        ..Batch::default()
    };
    let exchange = Exchange { operation: Operation::Batch, ..exchange("up") };
    let seen = Observation { batch: Some(batch), ..Observation::default() };
    let got = measure(&exchange, &seen, &Prices::bundled(), Some("anthropic"));
    let plain = 100 * 2_500 + 10 * 12_500;
    let there = 200 * 2_750 + 20 * 13_750;
    let bill = 203_000 * 2_500 + 4_500 * 12_500;
    assert_eq!(got.cost.amount, Some(Money::from_nanos(plain + there + bill)));
    assert_eq!((got.batch.len(), got.batch[0].calls), (1, 4));
    assert_eq!(got.batch[0].usage.input_tokens(), Some(23_300));
}

/// Throughput that is bought beforehand has no price by token, whatever was asked for.
#[test]
fn a_tier_that_is_paid_for_beforehand_is_unpriced() {
    let mut seen = stream(1, 2, 3, 10);
    seen.request.model = Some("gpt-5-mini".into());
    seen.request.service_tier = Some("flex".into());
    seen.response.service_tier = Some("provisioned_throughput".into());
    let cost = measured(&exchange("up"), &seen).cost;
    assert_eq!((cost.status, cost.amount), (CostStatus::Unpriced, None));
}
