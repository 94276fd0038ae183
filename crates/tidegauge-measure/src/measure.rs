//! Turns one finished exchange and its observation into numbers.
//!
//! Pure: no clock, no IO. Prices are an argument, so that a test is a table.

use std::time::Duration;

use tidegauge_core::{Cost, Exchange, Measurement, Observation};

use crate::price::{Asked, Prices};

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
    let duration = since_sent(Some(times.ended)).unwrap_or(times.ended);
    Measurement {
        duration,
        total: times.ended,
        ttfb: since_sent(times.first_byte),
        time_to_first_chunk: in_stream(seen.times.first_chunk),
        ttft: in_stream(seen.times.first_token),
        tpot: per_token(seen),
        overhead: exchange.overhead,
        cost: cost(exchange, seen, prices, price_id, duration),
        batch: Vec::new(),
    }
}

/// Time between tokens: the first one's wait is not in it.
fn per_token(seen: &Observation) -> Option<Duration> {
    let gaps = seen.usage.output_tokens()?.checked_sub(1).filter(|gaps| *gaps > 0)?;
    let (first, last) = (seen.times.first_token?, seen.times.last_token?);
    let nanos = last.checked_sub(first)?.as_nanos() / u128::from(gaps);
    seen.stream.then(|| Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
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
    if !exchange.operation.is_inference() || exchange.times.sent.is_none() || failed {
        return Cost::default();
    }
    let tier = seen.response.service_tier.as_deref().or(seen.request.service_tier.as_deref());
    prices.cost(&Asked {
        upstream: &exchange.upstream.name,
        provider: exchange.upstream.dialect.provider(),
        price_id,
        request_model: seen.request.model.as_deref(),
        response_model: seen.response.model.as_deref(),
        usage: &seen.usage,
        prompt: None,
        calls: 1,
        service_tier: tier,
        batch: tier == Some("batch"),
        at: exchange.started,
        duration,
    })
}

#[cfg(test)]
mod tests;
