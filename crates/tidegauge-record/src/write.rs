//! From a record.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use tidegauge_core::{BatchCost, Billed, Bucket, CostStatus, Money, Record, Unpriced, Usage};

use crate::form::{
    BatchJson, BatchModelJson, BilledJson, CostJson, EstimateJson, LineJson, PromptJson, Reason,
    RecordJson, RequestJson, ResponseJson, TimingJson, UsageJson, VERSION,
};
use crate::{ContentJson, Counts, rfc3339};

fn text(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

fn texts(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(Cow::Borrowed)
}

fn owned<'a>(text: &impl ToString) -> Cow<'a, str> {
    Cow::Owned(text.to_string())
}

impl<'a> RecordJson<'a> {
    /// The record in its written form. `span_id` is the span that stands for the call: the inference
    /// span, or the server span where no model was asked.
    pub fn of(record: &'a Record) -> Self {
        let Record { exchange, observation: seen, .. } = record;
        let labels = &record.who;
        let trace = &exchange.trace;
        let span = if exchange.operation.is_inference() { trace.inference } else { trace.server };
        let outcome = &seen.outcome;
        Self {
            v: VERSION,
            id: owned(&exchange.id),
            time: rfc3339(exchange.started).into(),
            trace_id: owned(&trace.trace_id),
            span_id: owned(&span),
            upstream: text(&exchange.to.name),
            provider: text(exchange.to.provider),
            operation: text(exchange.operation.name()),
            route: text(&exchange.route),
            stream: seen.stream,
            request: request(record),
            response: response(record),
            usage: usage(record),
            cost: cost(record),
            batch: batch(record),
            timing: timing(record),
            end: text(exchange.end.name()),
            category: texts(outcome.category.map(|category| category.name())),
            domain: texts(
                outcome.category.and_then(|category| category.domain()).map(|one| one.name()),
            ),
            error: texts(outcome.error.as_ref().map(|error| error.as_str())),
            session: texts(labels.session.as_deref()),
            user: texts(labels.user.as_deref()),
            agent: texts(labels.agent.as_deref()),
            request_id: texts(labels.request_id.as_deref()),
            tags: Cow::Borrowed(&labels.tags),
            prompt: labels.prompt.as_ref().map(|prompt| PromptJson {
                name: text(&prompt.name),
                version: texts(prompt.version.as_deref()),
            }),
            content: seen.content.as_deref().map(ContentJson::from),
            within: record.session().as_ref().map(owned),
            turns: seen.turns,
            partial: seen.partial,
            scores: Vec::new(),
        }
    }
}

fn request(record: &Record) -> RequestJson<'_> {
    let asked = &record.observation.request;
    RequestJson {
        model: texts(asked.model.as_deref()),
        bytes: record.exchange.request_bytes,
        max_tokens: asked.max_tokens,
        tools: asked.tools,
        messages: asked.messages,
        tool_errors: asked.tool_errors,
        service_tier: texts(asked.service_tier.as_deref()),
    }
}

fn response(record: &Record) -> ResponseJson<'_> {
    let answered = &record.observation.response;
    let said = answered.output || answered.tool_calls > 0 || !answered.finish_reasons.is_empty();
    ResponseJson {
        status: record.exchange.status.or(answered.status).map(|status| status.as_u16()),
        id: texts(answered.id.as_deref()),
        model: texts(answered.model.as_deref()),
        finish_reasons: answered.finish_reasons.iter().map(|word| reason(word)).collect(),
        tool_calls: said.then_some(answered.tool_calls),
        bytes: record.exchange.response_bytes,
        service_tier: texts(answered.service_tier.as_deref()),
    }
}

/// A reason of digits only was a number on the wire, and is one again.
fn reason(word: &str) -> Reason<'_> {
    match word.parse::<u64>() {
        Ok(number) if number.to_string() == word => Reason::Number(number),
        _ => Reason::Word(text(word)),
    }
}

fn usage(record: &Record) -> UsageJson<'_> {
    let usage = &record.observation.usage;
    UsageJson {
        source: text(usage.source.name()),
        input_tokens: usage.told_input(),
        output_tokens: usage.told_output(),
        cache_read_tokens: usage.cache_read_tokens(),
        cache_write_tokens: usage.cache_write_tokens(),
        reasoning_tokens: usage.reasoning_tokens(),
        audio_input_tokens: audio_input(usage),
        audio_output_tokens: usage.output_audio,
        buckets: buckets(usage),
        billed: usage.billed.iter().map(billed).collect(),
        region: texts(usage.region.as_deref()),
        audio_seconds: usage.audio_seconds,
        searches: usage.searches,
        grounded_prompts: usage.grounded_prompts,
        file_searches: usage.file_searches,
        hosted_tools: usage.hosted_tools,
        search_size: texts(usage.search_size.as_deref()),
        estimated: usage.estimate.map(|estimate| EstimateJson {
            by: text(estimate.by.name()),
            input_tokens: estimate.input,
            output_tokens: estimate.output,
        }),
    }
}

/// Cached or not.
fn audio_input(usage: &Usage) -> Option<u64> {
    let audio = [usage.input_audio, usage.cache_read_audio].into_iter().flatten();
    audio.reduce(u64::saturating_add)
}

/// The buckets that hold something, in the order of the documentation.
fn buckets(usage: &Usage) -> Counts {
    let held =
        |bucket: Bucket| Some((text(bucket.name()), usage.get(bucket).filter(|count| *count > 0)?));
    Counts(Bucket::ALL.into_iter().filter_map(held).collect())
}

fn billed(part: &Billed) -> BilledJson<'_> {
    let sorted: BTreeMap<_, _> =
        part.tokens.iter().map(|(one, count)| (one.name(), *count)).collect();
    let buckets = Counts(sorted.into_iter().map(|(name, count)| (text(name), count)).collect());
    BilledJson { model: texts(part.model.as_deref()), buckets }
}

fn cost(record: &Record) -> CostJson<'_> {
    let cost = &record.measurement.cost;
    let usd = |amount: Option<Money>| amount.as_ref().map(owned);
    CostJson {
        status: text(cost.status.name()),
        usd: usd(cost.amount),
        list_usd: usd(cost.list),
        reported_usd: usd(cost.reported).filter(|_| cost.status != CostStatus::Reported),
        unpriced: texts(cost.unpriced.map(Unpriced::name)),
        model: texts(cost.model.as_deref()),
        catalogue: texts(cost.catalogue.as_deref()),
    }
}

fn batch(record: &Record) -> Option<BatchJson<'_>> {
    let batch = record.observation.batch.as_ref()?;
    let models = record.measurement.batch.iter().map(batch_model);
    Some(BatchJson {
        results: batch.results,
        failed: batch.failed,
        left_out: batch.left_out,
        models: models.collect(),
    })
}

fn batch_model(part: &BatchCost) -> BatchModelJson<'_> {
    let lines = part.cost.lines.iter().map(|line| LineJson {
        charge: text(line.charge.name()),
        quantity: line.quantity,
        usd: text(&line.usd),
        nanos: line.amount.nanos(),
    });
    BatchModelJson {
        model: texts(part.model.as_deref()),
        calls: part.calls,
        buckets: buckets(&part.usage),
        status: text(part.cost.status.name()),
        usd: part.cost.amount.as_ref().map(owned),
        catalogue: texts(part.cost.catalogue.as_deref()),
        lines: lines.collect(),
    }
}

fn timing(record: &Record) -> TimingJson {
    let measured = &record.measurement;
    TimingJson {
        duration_ms: ms(measured.duration),
        ttfb_ms: measured.ttfb.map(ms),
        time_to_first_chunk_ms: measured.time_to_first_chunk.map(ms),
        ttft_ms: measured.ttft.map(ms),
        // Under half a microsecond nothing is left of it, and 0 would be a time.
        tpot_ms: measured.tpot.map(ms).filter(|time| *time > 0.0),
        overhead_ms: ms(measured.overhead.total()),
    }
}

/// Milliseconds, to the microsecond.
fn ms(time: Duration) -> f64 {
    let micros = (time.as_nanos() + 500) / 1000;
    u32::try_from(micros / 1_000_000_000).map_or(f64::MAX, |thousands| {
        let rest = u32::try_from(micros % 1_000_000_000).unwrap_or(0);
        (f64::from(thousands) * 1e9 + f64::from(rest)) / 1000.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_are_told_to_the_microsecond() {
        let table = [
            (0, 0.0),
            (499, 0.0),
            (500, 0.001),
            (1_234_567, 1.235),
            (86_400_000_000_000, 86_400_000.0),
        ];
        for (nanos, expected) in table {
            assert_eq!(ms(Duration::from_nanos(nanos)), expected);
        }
    }
}
