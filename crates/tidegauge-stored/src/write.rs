//! The vocabulary into messages of the stored form. Total: everything can be written.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use http::{StatusCode, Version};
use tidegauge_core::{
    Attempt, Bucket, Cost, CostLine, Exchange, Failure, Labels, Measurement, Observation, Outcome,
    Overhead, Prompt, ProviderError, RateLimit, Record, Request, Response, StreamTimes, Times,
    Trace, Upstream, Usage,
};

use crate::proto;

pub(crate) fn record(record: &Record) -> proto::Record {
    proto::Record {
        exchange: Some(exchange(&record.exchange)),
        observation: Some(observation(&record.observation)),
        measurement: Some(measurement(&record.measurement)),
    }
}

/// What a journal holds of an exchange that begins: its ids, its time, its way, and nothing that the
/// caller wrote.
pub(crate) fn opening(exchange: &Exchange) -> proto::Exchange {
    proto::Exchange {
        id: exchange.id.bits().to_be_bytes().to_vec(),
        started: nanos(exchange.started.duration_since(UNIX_EPOCH).unwrap_or_default()),
        trace: Some(proto::Trace { state: String::new(), ..trace(&exchange.trace) }),
        upstream: Some(upstream(&exchange.upstream)),
        operation: exchange.operation.name().to_owned(),
        route: exchange.route.clone().into_owned(),
        method: exchange.method.as_str().to_owned(),
        secure: exchange.secure,
        version: version(exchange.version),
        end: exchange.end.name().to_owned(),
        ..proto::Exchange::default()
    }
}

fn exchange(exchange: &Exchange) -> proto::Exchange {
    proto::Exchange {
        trace: Some(trace(&exchange.trace)),
        path: exchange.path.clone(),
        query: exchange.query.clone(),
        client: exchange.client.map(address),
        host: exchange.host.clone(),
        user_agent: exchange.user_agent.clone(),
        labels: Some(labels(&exchange.labels)),
        attempts: exchange.attempts.iter().map(attempt).collect(),
        status: exchange.status.map(status),
        request_bytes: exchange.request_bytes,
        upstream_bytes: exchange.upstream_bytes,
        response_bytes: exchange.response_bytes,
        times: Some(times(&exchange.times)),
        overhead: Some(overhead(&exchange.overhead)),
        failure: failure(exchange.failure),
        injected: exchange.injected,
        ..opening(exchange)
    }
}

fn trace(trace: &Trace) -> proto::Trace {
    let link = trace.link.map(|(trace, span)| [trace.0.as_slice(), span.0.as_slice()].concat());
    proto::Trace {
        trace_id: trace.trace_id.0.to_vec(),
        parent: trace.parent.map(|span| span.0.to_vec()).unwrap_or_default(),
        link: link.unwrap_or_default(),
        sampled: trace.sampled,
        state: trace.state.clone(),
        server: trace.server.0.to_vec(),
        inference: trace.inference.0.to_vec(),
    }
}

fn upstream(upstream: &Upstream) -> proto::Upstream {
    proto::Upstream {
        name: upstream.name.to_string(),
        kind: upstream.dialect.kind().to_owned(),
        secure: upstream.origin.secure,
        host: upstream.origin.host.clone(),
        port: upstream.origin.port.into(),
        prefix: upstream.origin.prefix.clone(),
    }
}

fn labels(labels: &Labels) -> proto::Labels {
    let Labels { session, user, prompt, agent, request_id, tags } = labels.clone();
    let (prompt, prompt_version) = prompt.map(|Prompt { name, version }| (name, version)).unzip();
    proto::Labels {
        session,
        user,
        prompt,
        prompt_version: prompt_version.flatten(),
        agent,
        request_id,
        tags,
    }
}

fn attempt(attempt: &Attempt) -> proto::Attempt {
    let Attempt { span, started, ended, status: code, failure: why, version: spoken, peer } =
        attempt;
    proto::Attempt {
        span: span.0.to_vec(),
        started: nanos(*started),
        ended: nanos(*ended),
        status: code.map(status),
        failure: failure(*why),
        version: spoken.map(version),
        peer: peer.map(address),
    }
}

fn times(times: &Times) -> proto::Times {
    let Times { sent, head, first_byte, last_byte, ended } = *times;
    proto::Times {
        sent: sent.map(nanos),
        head: head.map(nanos),
        first_byte: first_byte.map(nanos),
        last_byte: last_byte.map(nanos),
        ended: nanos(ended),
    }
}

fn overhead(overhead: &Overhead) -> proto::Overhead {
    let Overhead { accept, admission, connect, relay } = *overhead;
    proto::Overhead {
        accept: nanos(accept),
        admission: nanos(admission),
        connect: nanos(connect),
        relay: nanos(relay),
    }
}

fn observation(observation: &Observation) -> proto::Observation {
    proto::Observation {
        request: Some(request(&observation.request)),
        response: Some(response(&observation.response)),
        stream: observation.stream,
        usage: Some(usage(&observation.usage)),
        times: Some(stream_times(&observation.times)),
        outcome: Some(outcome(&observation.outcome)),
        partial: observation.partial,
    }
}

fn request(request: &Request) -> proto::Request {
    let request = request.clone();
    proto::Request {
        model: request.model,
        stream: request.stream,
        api: request.api.map(ToOwned::to_owned),
        max_tokens: request.max_tokens,
        temperature: request.temperature,
        top_p: request.top_p,
        top_k: request.top_k,
        frequency_penalty: request.frequency_penalty,
        presence_penalty: request.presence_penalty,
        seed: request.seed,
        stop_sequences: request.stop_sequences,
        choices: request.choices,
        output_type: request.output_type.map(|form| form.name().to_owned()),
        reasoning_level: request.reasoning_level,
        service_tier: request.service_tier,
        previous_response_id: request.previous_response_id,
        encoding_formats: request.encoding_formats,
        dimensions: request.dimensions,
        messages: request.messages,
        tools: request.tools,
        tool_errors: request.tool_errors,
        labels: Some(labels(&request.labels)),
    }
}

fn response(response: &Response) -> proto::Response {
    let response = response.clone();
    let extra = response.extra.into_iter().map(|(name, value)| (name.to_owned(), value));
    proto::Response {
        status: response.status.map(status),
        id: response.id,
        request_id: response.request_id,
        model: response.model,
        finish_reasons: response.finish_reasons,
        tool_calls: response.tool_calls,
        bad_tool_calls: response.bad_tool_calls,
        refusal: response.refusal,
        content_filter: response.content_filter,
        output: response.output,
        service_tier: response.service_tier,
        system_fingerprint: response.system_fingerprint,
        dimensions: response.dimensions,
        // The text may hold what the client sent: it is not stored.
        error: response
            .error
            .map(|ProviderError { kind, code, message: _ }| proto::ProviderError { kind, code }),
        counted_tokens: response.counted_tokens,
        events: response.events,
        terminated: response.terminated,
        processing: response.processing.map(nanos),
        rate_limits: response.rate_limits.iter().map(rate_limit).collect(),
        retry_after: response.retry_after,
        extra: extra.collect(),
    }
}

fn rate_limit(limit: &RateLimit) -> proto::RateLimit {
    let RateLimit { resource, limit, remaining, reset: _ } = *limit;
    proto::RateLimit { resource: resource.to_owned(), limit, remaining }
}

fn usage(usage: &Usage) -> proto::Usage {
    let told = |bucket: &Bucket| Some((bucket.name().to_owned(), usage.get(*bucket)?));
    proto::Usage {
        source: usage.source.name().to_owned(),
        tokens: Bucket::ALL.iter().filter_map(told).collect(),
        audio_seconds: usage.audio_seconds,
        searches: usage.searches,
        input_told: usage.input_told,
        output_told: usage.output_told,
        stated_total: usage.stated_total,
        reported_usd: usage.reported_usd.clone(),
        odd: usage.odd,
    }
}

fn stream_times(times: &StreamTimes) -> proto::StreamTimes {
    let StreamTimes { first_chunk, first_token, last_token, gaps, gaps_dropped } = times;
    proto::StreamTimes {
        first_chunk: first_chunk.map(nanos),
        first_token: first_token.map(nanos),
        last_token: last_token.map(nanos),
        gaps: gaps.iter().copied().map(nanos).collect(),
        gaps_dropped: *gaps_dropped,
    }
}

fn outcome(outcome: &Outcome) -> proto::Outcome {
    proto::Outcome {
        category: outcome.category.map(|category| category.name().to_owned()),
        error: outcome.error.as_ref().map(|error| error.as_str().to_owned()),
        unclassified: outcome.unclassified,
    }
}

fn measurement(measurement: &Measurement) -> proto::Measurement {
    proto::Measurement {
        duration: nanos(measurement.duration),
        total: nanos(measurement.total),
        ttfb: measurement.ttfb.map(nanos),
        time_to_first_chunk: measurement.time_to_first_chunk.map(nanos),
        ttft: measurement.ttft.map(nanos),
        tpot: measurement.tpot.map(nanos),
        overhead: Some(overhead(&measurement.overhead)),
        cost: Some(cost(&measurement.cost)),
    }
}

fn cost(cost: &Cost) -> proto::Cost {
    let Cost { status, amount, reported, model, catalogue, lines } = cost;
    proto::Cost {
        status: status.name().to_owned(),
        amount: amount.map(|amount| amount.nanos()),
        reported: reported.map(|amount| amount.nanos()),
        model: model.clone(),
        catalogue: catalogue.as_deref().map(ToOwned::to_owned),
        lines: lines.iter().map(cost_line).collect(),
    }
}

fn cost_line(line: &CostLine) -> proto::CostLine {
    let CostLine { charge, quantity, usd, amount } = line;
    proto::CostLine {
        charge: charge.name().to_owned(),
        quantity: *quantity,
        usd: usd.clone(),
        amount: amount.nanos(),
    }
}

/// Past 584 years it stays there.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn status(status: StatusCode) -> u32 {
    status.as_u16().into()
}

fn address(address: SocketAddr) -> String {
    address.to_string()
}

fn version(version: Version) -> u32 {
    match version {
        Version::HTTP_09 => 9,
        Version::HTTP_10 => 10,
        Version::HTTP_2 => 20,
        Version::HTTP_3 => 30,
        _ => 11,
    }
}

fn failure(failure: Option<Failure>) -> i32 {
    use proto::Failure as Stored;
    let stored = match failure {
        None => Stored::Unspecified,
        Some(Failure::Dns) => Stored::Dns,
        Some(Failure::ConnectRefused) => Stored::ConnectRefused,
        Some(Failure::ConnectTimeout) => Stored::ConnectTimeout,
        Some(Failure::TlsCertificate) => Stored::TlsCertificate,
        Some(Failure::TlsProtocol) => Stored::TlsProtocol,
        Some(Failure::AddressRefused) => Stored::AddressRefused,
        Some(Failure::HeadTimeout) => Stored::HeadTimeout,
        Some(Failure::IdleTimeout) => Stored::IdleTimeout,
        Some(Failure::ClosedEarly) => Stored::ClosedEarly,
        Some(Failure::Protocol) => Stored::Protocol,
        Some(Failure::StreamCut) => Stored::StreamCut,
        Some(Failure::RequestAborted) => Stored::RequestAborted,
        Some(Failure::Internal) => Stored::Internal,
        Some(Failure::Killed) => Stored::Killed,
    };
    stored.into()
}
