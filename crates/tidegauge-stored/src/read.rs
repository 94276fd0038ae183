//! Messages of the stored form into the vocabulary. Whatever the bytes were, no panic: what cannot be
//! understood and can be absent is absent, the rest is an error.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, StatusCode, Version};
use tidegauge_core::{
    Attempt, Batch, BatchCalls, BatchCost, Billed, Bucket, Category, Charge, Cost, CostLine,
    CostStatus, Destination, End, ErrorType, Estimate, Estimator, Exchange, ExchangeId, Failure,
    Labels, Measurement, Money, Observation, Operation, Origin, Outcome, OutputType, Overhead,
    Prompt, ProviderError, RateLimit, Record, Request, Reset, Response, Source, SpanId,
    StreamTimes, Times, Trace, TraceId, Unpriced, Usage, Within,
};

pub(crate) use self::content::content;
use crate::{Unreadable, Words, World, proto};

mod content;

pub(crate) fn record(
    stored: proto::Record,
    world: &dyn World,
    words: &Words,
) -> Result<Record, Unreadable> {
    Ok(Record {
        exchange: exchange(stored.exchange.ok_or(Unreadable::Missing("exchange"))?, world)?,
        observation: observation(stored.observation.unwrap_or_default(), words)?,
        measurement: measurement(stored.measurement.unwrap_or_default())?,
    })
}

pub(crate) fn id(bytes: &[u8]) -> Result<ExchangeId, Unreadable> {
    let bits = <[u8; 16]>::try_from(bytes).map_err(|_| Unreadable::Missing("id"))?;
    Ok(ExchangeId::from_bits(u128::from_be_bytes(bits)))
}

pub(crate) fn exchange(stored: proto::Exchange, world: &dyn World) -> Result<Exchange, Unreadable> {
    Ok(Exchange {
        id: id(&stored.id)?,
        started: since_epoch(stored.started).ok_or(Unreadable::Unknown("time"))?,
        trace: trace(stored.trace.ok_or(Unreadable::Missing("trace"))?)?,
        to: destination(stored.upstream.ok_or(Unreadable::Missing("upstream"))?, world)?,
        operation: named(&Operation::ALL, Operation::name, &stored.operation)
            .unwrap_or(Operation::Other),
        route: Cow::Owned(stored.route),
        method: Method::from_bytes(stored.method.as_bytes())
            .map_err(|_| Unreadable::Unknown("method"))?,
        path: stored.path,
        query: stored.query,
        secure: stored.secure,
        client: stored.client.as_deref().and_then(address),
        host: stored.host,
        version: version(stored.version).unwrap_or(Version::HTTP_11),
        user_agent: stored.user_agent,
        labels: labels(stored.labels.unwrap_or_default()),
        attempts: stored.attempts.iter().map(attempt).collect::<Result<_, _>>()?,
        status: stored.status.and_then(status),
        request_bytes: stored.request_bytes,
        upstream_bytes: stored.upstream_bytes,
        response_bytes: stored.response_bytes,
        times: times(&stored.times.unwrap_or_default()),
        overhead: overhead(&stored.overhead.unwrap_or_default()),
        end: named(&End::ALL, End::name, &stored.end).ok_or(Unreadable::Unknown("end"))?,
        failure: failure(stored.failure),
        injected: stored.injected,
        within: stored.within.map(|session| within(&session)).transpose()?,
    })
}

/// Never absent when it is there: a turn must not be counted as a request.
fn within(stored: &proto::Within) -> Result<Within, Unreadable> {
    Ok(Within { exchange: id(&stored.exchange)?, span: span(&stored.span)? })
}

fn trace(stored: proto::Trace) -> Result<Trace, Unreadable> {
    let link = stored
        .link
        .split_first_chunk::<16>()
        .and_then(|(trace, rest)| Some((TraceId(*trace), SpanId(<[u8; 8]>::try_from(rest).ok()?))));
    Ok(Trace {
        trace_id: <[u8; 16]>::try_from(stored.trace_id.as_slice())
            .map(TraceId)
            .map_err(|_| Unreadable::Missing("trace id"))?,
        parent: span(&stored.parent).ok(),
        link,
        sampled: stored.sampled,
        random: stored.random,
        caller_counts: stored.caller_counts,
        state: stored.state,
        server: span(&stored.server)?,
        inference: span(&stored.inference)?,
    })
}

fn span(bytes: &[u8]) -> Result<SpanId, Unreadable> {
    <[u8; 8]>::try_from(bytes).map(SpanId).map_err(|_| Unreadable::Missing("span id"))
}

fn destination(stored: proto::Upstream, world: &dyn World) -> Result<Destination, Unreadable> {
    let dialect = world.dialect(&stored.kind).ok_or(Unreadable::Unknown("protocol"))?;
    let origin = Origin {
        secure: stored.secure,
        host: stored.host,
        port: u16::try_from(stored.port).map_err(|_| Unreadable::Unknown("port"))?,
        prefix: stored.prefix,
    };
    Ok(Destination {
        name: stored.name.into(),
        kind: dialect.kind(),
        provider: dialect.provider(),
        origin: Arc::new(origin),
    })
}

fn labels(stored: proto::Labels) -> Labels {
    let proto::Labels { session, user, prompt, prompt_version, agent, request_id, tags } = stored;
    let prompt = prompt.map(|name| Prompt { name, version: prompt_version });
    Labels { session, user, prompt, agent, request_id, tags }
}

fn attempt(stored: &proto::Attempt) -> Result<Attempt, Unreadable> {
    Ok(Attempt {
        span: span(&stored.span)?,
        started: Duration::from_nanos(stored.started),
        ended: Duration::from_nanos(stored.ended),
        status: stored.status.and_then(status),
        failure: failure(stored.failure),
        version: stored.version.and_then(version),
        peer: stored.peer.as_deref().and_then(address),
    })
}

fn times(stored: &proto::Times) -> Times {
    Times {
        sent: stored.sent.map(Duration::from_nanos),
        head: stored.head.map(Duration::from_nanos),
        first_byte: stored.first_byte.map(Duration::from_nanos),
        last_byte: stored.last_byte.map(Duration::from_nanos),
        ended: Duration::from_nanos(stored.ended),
    }
}

fn overhead(stored: &proto::Overhead) -> Overhead {
    Overhead {
        accept: Duration::from_nanos(stored.accept),
        admission: Duration::from_nanos(stored.admission),
        connect: Duration::from_nanos(stored.connect),
        relay: Duration::from_nanos(stored.relay),
    }
}

fn observation(stored: proto::Observation, words: &Words) -> Result<Observation, Unreadable> {
    Ok(Observation {
        request: request(stored.request.unwrap_or_default(), words),
        response: response(stored.response.unwrap_or_default(), words),
        stream: stored.stream,
        usage: usage(stored.usage.unwrap_or_default())?,
        times: stream_times(&stored.times.unwrap_or_default()),
        outcome: outcome(&stored.outcome.unwrap_or_default()),
        partial: stored.partial,
        content: stored.content.map(content).map(Box::new),
        turns: stored.turns,
        batch: stored.batch.map(batch).transpose()?,
    })
}

fn batch(stored: proto::Batch) -> Result<Batch, Unreadable> {
    let proto::Batch { results, failed, calls, left_out } = stored;
    let calls = calls.into_iter().map(batch_calls).collect::<Result<_, _>>()?;
    Ok(Batch { results, failed, calls, left_out })
}

fn batch_calls(stored: proto::BatchCalls) -> Result<BatchCalls, Unreadable> {
    let proto::BatchCalls { model, count, prompt, usage: used } = stored;
    Ok(BatchCalls { model, count, prompt, usage: usage(used.unwrap_or_default())? })
}

fn request(stored: proto::Request, words: &Words) -> Request {
    Request {
        model: stored.model,
        stream: stored.stream,
        api: stored.api.and_then(|word| words.keep(&word)),
        max_tokens: stored.max_tokens,
        temperature: stored.temperature,
        top_p: stored.top_p,
        top_k: stored.top_k,
        frequency_penalty: stored.frequency_penalty,
        presence_penalty: stored.presence_penalty,
        seed: stored.seed,
        stop_sequences: stored.stop_sequences,
        choices: stored.choices,
        output_type: stored
            .output_type
            .and_then(|word| named(&OutputType::ALL, OutputType::name, &word)),
        reasoning_level: stored.reasoning_level,
        service_tier: stored.service_tier,
        previous_response_id: stored.previous_response_id,
        encoding_formats: stored.encoding_formats,
        dimensions: stored.dimensions,
        messages: stored.messages,
        tools: stored.tools,
        tool_errors: stored.tool_errors,
        labels: labels(stored.labels.unwrap_or_default()),
    }
}

fn response(stored: proto::Response, words: &Words) -> Response {
    let extra = stored.extra.into_iter();
    let limits = stored.rate_limits.into_iter();
    Response {
        status: stored.status.and_then(status),
        id: stored.id,
        request_id: stored.request_id,
        model: stored.model,
        finish_reasons: stored.finish_reasons,
        tool_calls: stored.tool_calls,
        bad_tool_calls: stored.bad_tool_calls,
        refusal: stored.refusal,
        content_filter: stored.content_filter,
        output: stored.output,
        service_tier: stored.service_tier,
        system_fingerprint: stored.system_fingerprint,
        dimensions: stored.dimensions,
        error: stored.error.map(|error| ProviderError {
            kind: error.kind,
            code: error.code,
            ..ProviderError::default()
        }),
        counted_tokens: stored.counted_tokens,
        events: stored.events,
        terminated: stored.terminated,
        processing: stored.processing.map(Duration::from_nanos),
        rate_limits: limits.filter_map(|limit| rate_limit(&limit, words)).collect(),
        retry_after: stored.retry_after,
        extra: extra.filter_map(|(name, value)| Some((words.keep(&name)?, value))).collect(),
    }
}

fn rate_limit(stored: &proto::RateLimit, words: &Words) -> Option<RateLimit> {
    use proto::rate_limit::Reset as Stored;
    let reset = stored.reset.and_then(|reset| match reset {
        Stored::ResetIn(time) => Some(Reset::In(Duration::from_nanos(time))),
        Stored::ResetAt(time) => since_epoch(time).map(Reset::At),
    });
    let resource = words.keep(&stored.resource)?;
    Some(RateLimit { resource, limit: stored.limit, remaining: stored.remaining, reset })
}

fn usage(stored: proto::Usage) -> Result<Usage, Unreadable> {
    let mut usage = Usage {
        source: named(&Source::ALL, Source::name, &stored.source).unwrap_or_default(),
        audio_seconds: stored.audio_seconds,
        searches: stored.searches,
        input_told: stored.input_told,
        output_told: stored.output_told,
        stated_total: stored.stated_total,
        reported_usd: stored.reported_usd,
        odd: stored.odd,
        estimate: stored.estimate.as_ref().map(estimate).transpose()?,
        billed: stored.billed.into_iter().map(billed).collect::<Result<_, _>>()?,
        region: stored.region,
        grounded_prompts: stored.grounded_prompts,
        file_searches: stored.file_searches,
        hosted_tools: stored.hosted_tools,
        search_size: stored.search_size,
        reasoning_told: stored.reasoning_told,
        ..Usage::default()
    };
    for bucket in Bucket::ALL {
        *usage.bucket_mut(bucket) = stored.tokens.get(bucket.name()).copied();
    }
    Ok(usage)
}

/// Never short of a kind: what is billed is priced by all of it.
fn billed(stored: proto::Billed) -> Result<Billed, Unreadable> {
    let tokens = stored.tokens.iter().map(|(word, count)| {
        let bucket =
            named(&Bucket::ALL, Bucket::name, word).ok_or(Unreadable::Unknown("bucket"))?;
        Ok((bucket, *count))
    });
    Ok(Billed { tokens: tokens.collect::<Result<_, _>>()?, model: stored.model })
}

/// Never absent when it is there: what was counted here must not pass for the provider's figure.
fn estimate(stored: &proto::Estimate) -> Result<Estimate, Unreadable> {
    Ok(Estimate {
        by: named(&Estimator::ALL, Estimator::name, &stored.by)
            .ok_or(Unreadable::Unknown("estimator"))?,
        input: stored.input,
        output: stored.output,
        output_told: stored.output_told,
    })
}

fn stream_times(stored: &proto::StreamTimes) -> StreamTimes {
    let gaps = stored.gaps.iter().take(StreamTimes::MAX_GAPS);
    StreamTimes {
        first_chunk: stored.first_chunk.map(Duration::from_nanos),
        first_token: stored.first_token.map(Duration::from_nanos),
        last_token: stored.last_token.map(Duration::from_nanos),
        gaps: gaps.copied().map(Duration::from_nanos).collect(),
        gaps_dropped: stored.gaps_dropped,
    }
}

fn outcome(stored: &proto::Outcome) -> Outcome {
    let category = stored.category.as_deref();
    Outcome {
        category: category.and_then(|word| named(Category::ALL, Category::name, word)),
        error: stored.error.as_deref().map(ErrorType::of_provider),
        unclassified: stored.unclassified,
    }
}

fn measurement(stored: proto::Measurement) -> Result<Measurement, Unreadable> {
    Ok(Measurement {
        duration: Duration::from_nanos(stored.duration),
        total: Duration::from_nanos(stored.total),
        ttfb: stored.ttfb.map(Duration::from_nanos),
        time_to_first_chunk: stored.time_to_first_chunk.map(Duration::from_nanos),
        ttft: stored.ttft.map(Duration::from_nanos),
        tpot: stored.tpot.map(Duration::from_nanos),
        overhead: overhead(&stored.overhead.unwrap_or_default()),
        cost: cost(stored.cost.unwrap_or_default()),
        batch: stored.batch.into_iter().map(batch_cost).collect::<Result<_, _>>()?,
    })
}

fn batch_cost(stored: proto::BatchCost) -> Result<BatchCost, Unreadable> {
    Ok(BatchCost {
        model: stored.model,
        calls: stored.calls,
        usage: usage(stored.usage.unwrap_or_default())?,
        cost: cost(stored.cost.unwrap_or_default()),
    })
}

fn cost(stored: proto::Cost) -> Cost {
    Cost {
        status: named(&CostStatus::ALL, CostStatus::name, &stored.status).unwrap_or_default(),
        amount: stored.amount.map(Money::from_nanos),
        list: stored.list.map(Money::from_nanos),
        reported: stored.reported.map(Money::from_nanos),
        unpriced: stored.unpriced.and_then(|word| named(&Unpriced::ALL, Unpriced::name, &word)),
        model: stored.model,
        catalogue: stored.catalogue.map(Into::into),
        lines: stored.lines.into_iter().filter_map(cost_line).collect(),
    }
}

fn cost_line(stored: proto::CostLine) -> Option<CostLine> {
    let bucket = named(&Bucket::ALL, Bucket::name, &stored.charge).map(Charge::Tokens);
    Some(CostLine {
        charge: bucket.or_else(|| named(&Charge::FEES, Charge::name, &stored.charge))?,
        quantity: stored.quantity,
        usd: stored.usd,
        amount: Money::from_nanos(stored.amount),
    })
}

/// The one of a closed list that has this word.
fn named<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, word: &str) -> Option<T> {
    all.iter().copied().find(|one| name(*one) == word)
}

fn since_epoch(nanos: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_nanos(nanos))
}

fn status(number: u32) -> Option<StatusCode> {
    StatusCode::from_u16(u16::try_from(number).ok()?).ok()
}

fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

fn version(number: u32) -> Option<Version> {
    match number {
        9 => Some(Version::HTTP_09),
        10 => Some(Version::HTTP_10),
        11 => Some(Version::HTTP_11),
        20 => Some(Version::HTTP_2),
        30 => Some(Version::HTTP_3),
        _ => None,
    }
}

fn failure(number: i32) -> Option<Failure> {
    use proto::Failure as Stored;
    match Stored::try_from(number).ok()? {
        Stored::Unspecified => None,
        Stored::Dns => Some(Failure::Dns),
        Stored::ConnectRefused => Some(Failure::ConnectRefused),
        Stored::ConnectTimeout => Some(Failure::ConnectTimeout),
        Stored::TlsCertificate => Some(Failure::TlsCertificate),
        Stored::TlsProtocol => Some(Failure::TlsProtocol),
        Stored::AddressRefused => Some(Failure::AddressRefused),
        Stored::HeadTimeout => Some(Failure::HeadTimeout),
        Stored::IdleTimeout => Some(Failure::IdleTimeout),
        Stored::ClosedEarly => Some(Failure::ClosedEarly),
        Stored::Protocol => Some(Failure::Protocol),
        Stored::StreamCut => Some(Failure::StreamCut),
        Stored::RequestAborted => Some(Failure::RequestAborted),
        Stored::Internal => Some(Failure::Internal),
        Stored::Killed => Some(Failure::Killed),
        Stored::MaybeKilled => Some(Failure::MaybeKilled),
        Stored::Descriptors => Some(Failure::Descriptors),
        Stored::RequestStalled => Some(Failure::RequestStalled),
        Stored::Budget => Some(Failure::Budget),
        Stored::Guardrail => Some(Failure::Guardrail),
        Stored::RouteDisabled => Some(Failure::RouteDisabled),
    }
}
