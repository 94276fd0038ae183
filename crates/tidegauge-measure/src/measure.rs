//! Turns one finished exchange and its observation into numbers.
//!
//! Pure: no clock, no IO. Prices are an argument, so that a test is a table.

use std::time::Duration;

use tidegauge_core::{
    Batch, BatchCalls, BatchCost, Cost, CostStatus, Exchange, Measurement, Observation, Operation,
    Source, Unpriced, Usage,
};

use crate::asked::Asked;
use crate::price::Prices;

/// What is paid for even if no usage is told.
const MEDIA: [Operation; 4] = [
    Operation::ImageGeneration,
    Operation::VideoGeneration,
    Operation::Speech,
    Operation::Transcription,
];

/// The numbers of one exchange.
///
/// Times of the answer count from the moment the upstream request was issued; an exchange that sent
/// nothing has none of them, and its duration is the whole exchange. `price_id` is the provider's id
/// in the price catalogue; see [`Asked::price_id`].
pub fn measure(
    exchange: &Exchange,
    seen: &Observation,
    prices: &Prices,
    price_id: Option<&str>,
) -> Measurement {
    let times = &exchange.times;
    let since_sent =
        |at: Option<Duration>| times.sent.and_then(|sent| Some(at?.saturating_sub(sent)));
    let in_stream = |at: Option<Duration>| since_sent(at).filter(|_| seen.stream);
    let batch = match &seen.batch {
        Some(batch) => batch_costs(exchange, batch, prices, price_id),
        None => Vec::new(),
    };
    let duration = since_sent(Some(times.ended)).unwrap_or(times.ended);
    Measurement {
        duration,
        total: times.ended,
        ttfb: since_sent(times.first_byte),
        time_to_first_chunk: in_stream(seen.times.first_chunk),
        ttft: in_stream(seen.times.first_token),
        tpot: per_token(seen),
        overhead: exchange.overhead,
        cost: match &seen.batch {
            Some(results) => sum(&batch, results),
            None => cost(exchange, seen, prices, price_id, duration),
        },
        batch,
    }
}

/// Time between tokens: the first one's wait is not in it. Tokens that came all at once have none.
fn per_token(seen: &Observation) -> Option<Duration> {
    let gaps = seen.usage.output_tokens()?.checked_sub(1).filter(|gaps| *gaps > 0)?;
    let (first, last) = (seen.times.first_token?, seen.times.last_token?);
    let nanos = last.checked_sub(first)?.as_nanos() / u128::from(gaps);
    (seen.stream && nanos > 0)
        .then(|| Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

fn cost(
    exchange: &Exchange,
    seen: &Observation,
    prices: &Prices,
    price_id: Option<&str>,
    duration: Duration,
) -> Cost {
    // Reading a list of models, a try that reached nobody and a refused one have no price.
    let failed = seen.outcome.error.is_some() && !seen.usage.is_known();
    // A session costs what its turns do, and they are priced by themselves.
    let session = seen.turns.is_some();
    let asked = exchange.operation.is_inference() && exchange.times.sent.is_some();
    if !asked || failed || session {
        return Cost::default();
    }
    let tier = seen.response.service_tier.as_deref().or(seen.request.service_tier.as_deref());
    let cost = prices.cost(&Asked {
        upstream: &exchange.to.name,
        provider: exchange.to.provider,
        price_id,
        request_model: seen.request.model.as_deref(),
        response_model: seen.response.model.as_deref(),
        usage: &seen.usage,
        prompt: None,
        calls: 1,
        service_tier: tier,
        tier_stated: seen.response.service_tier.is_some(),
        batch: tier == Some("batch"),
        at: exchange.started,
        duration,
    });
    // Pictures and sounds cost something, whether the provider tells what was used or not.
    let made = exchange.method.as_str() == "POST"
        && seen.response.status.is_some_and(|code| code.is_success());
    let sold = made && price_id != Some("");
    if cost.status == CostStatus::Unknown && sold && MEDIA.contains(&exchange.operation) {
        let catalogue = Some(prices.catalogue().clone());
        return Cost {
            status: CostStatus::Unpriced,
            unpriced: Some(Unpriced::Usage),
            catalogue,
            ..Cost::default()
        };
    }
    cost
}

/// What the calls to each model of a batch job cost, in the order in which the models came.
fn batch_costs(
    exchange: &Exchange,
    batch: &Batch,
    prices: &Prices,
    price_id: Option<&str>,
) -> Vec<BatchCost> {
    let mut models: Vec<&Option<String>> = Vec::new();
    for calls in &batch.calls {
        if !models.contains(&&calls.model) {
            models.push(&calls.model);
        }
    }
    let cost_of = |model: &Option<String>| {
        let calls: Vec<&BatchCalls> =
            batch.calls.iter().filter(|calls| calls.model == *model).collect();
        let asked: Vec<Asked<'_>> = calls
            .iter()
            .map(|calls| Asked {
                upstream: &exchange.to.name,
                provider: exchange.to.provider,
                price_id,
                request_model: None,
                response_model: calls.model.as_deref(),
                usage: &calls.usage,
                prompt: Some(calls.prompt),
                calls: calls.count,
                service_tier: None,
                tier_stated: true,
                batch: true,
                at: exchange.started,
                // Nobody knows how long they took.
                duration: Duration::ZERO,
            })
            .collect();
        let mut usage = Usage { source: Source::Provider, ..Usage::default() };
        calls.iter().for_each(|calls| usage.add(&calls.usage));
        BatchCost {
            model: model.clone(),
            calls: calls.iter().map(|calls| calls.count).sum(),
            usage,
            cost: prices.cost_of(&asked),
        }
    };
    models.into_iter().map(cost_of).collect()
}

/// What all of them cost; no amount where one has no price or is not known.
fn sum(parts: &[BatchCost], batch: &Batch) -> Cost {
    let whole =
        batch.left_out == 0 && parts.iter().all(|part| part.cost.status == CostStatus::Priced);
    let status = match (parts, whole) {
        ([], _) if batch.left_out == 0 => CostStatus::Unknown,
        (_, true) => CostStatus::Priced,
        (_, false) => CostStatus::Unpriced,
    };
    let priced = status == CostStatus::Priced;
    let amounts = parts.iter().filter_map(|part| part.cost.amount);
    let why = parts.iter().find_map(|part| part.cost.unpriced).unwrap_or(Unpriced::Excess);
    Cost {
        status,
        amount: priced.then(|| amounts.sum()),
        list: None,
        reported: None,
        unpriced: (status == CostStatus::Unpriced).then_some(why),
        // One name for several would be wrong.
        model: match parts {
            [only] => only.cost.model.clone(),
            _ => None,
        },
        catalogue: parts.first().and_then(|part| part.cost.catalogue.clone()),
        lines: if priced {
            parts.iter().flat_map(|part| part.cost.lines.iter().cloned()).collect()
        } else {
            Vec::new()
        },
    }
}

#[cfg(test)]
mod tests;
