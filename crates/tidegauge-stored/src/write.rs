//! The vocabulary into messages of the stored form. Total: everything can be written.
//!
//! Takes every struct apart by name, so that a field which is added to it is not overlooked here.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{StatusCode, Version};
use tidegauge_core::{
    Attempt, Batch, BatchCalls, BatchCost, Billed, Bucket, Cost, CostLine, Destination, Estimate,
    Exchange, Failure, Labels, Measurement, Observation, Origin, Outcome, Overhead, Prompt,
    ProviderError, RateLimit, Record, Request, Reset, Response, StreamTimes, Times, Trace, Usage,
    Within,
};

use self::content::content;
use crate::proto;

mod content;

pub(crate) fn record(record: &Record) -> proto::Record {
    let Record { exchange: seen, observation: said, measurement: measured } = record;
    proto::Record {
        exchange: Some(exchange(seen)),
        observation: Some(observation(said)),
        measurement: Some(measurement(measured)),
    }
}

/// What a journal holds of an exchange that begins: its ids, its time, its way, and nothing that the
/// caller wrote.
pub(crate) fn opening(exchange: &Exchange) -> proto::Exchange {
    proto::Exchange {
        id: exchange.id.bits().to_be_bytes().to_vec(),
        started: since_epoch(exchange.started),
        trace: Some(proto::Trace { state: String::new(), ..trace(&exchange.trace) }),
        upstream: Some(destination(&exchange.to)),
        operation: exchange.operation.name().to_owned(),
        route: exchange.route.clone().into_owned(),
        method: exchange.method.as_str().to_owned(),
        secure: exchange.secure,
        version: version(exchange.version),
        end: exchange.end.name().to_owned(),
        within: exchange.within.map(within),
        ..proto::Exchange::default()
    }
}

fn exchange(exchange: &Exchange) -> proto::Exchange {
    #[rustfmt::skip]
    let Exchange {
        // These are in the opening.
        id: _, started: _, to: _, operation: _, route: _, method: _, secure: _, version: _, end: _, within: _,
        trace: whole, path, query, client, host, user_agent, labels: who, attempts, status: code, request_bytes,
        upstream_bytes, response_bytes, times: when, overhead: added, failure: why, injected,
    } = exchange;
    proto::Exchange {
        trace: Some(trace(whole)),
        path: path.clone(),
        query: query.clone(),
        client: client.map(address),
        host: host.clone(),
        user_agent: user_agent.clone(),
        labels: Some(labels(who)),
        attempts: attempts.iter().map(attempt).collect(),
        status: code.map(status),
        request_bytes: *request_bytes,
        upstream_bytes: *upstream_bytes,
        response_bytes: *response_bytes,
        times: Some(times(when)),
        overhead: Some(overhead(added)),
        failure: failure(*why),
        injected: *injected,
        ..opening(exchange)
    }
}

fn within(within: Within) -> proto::Within {
    let Within { exchange, span } = within;
    proto::Within { exchange: exchange.bits().to_be_bytes().to_vec(), span: span.0.to_vec() }
}

fn trace(trace: &Trace) -> proto::Trace {
    #[rustfmt::skip]
    let Trace {
        trace_id, parent, link, sampled, random, caller_counts, state, server, inference,
    } = trace;
    let link = link.map(|(trace, span)| [trace.0.as_slice(), span.0.as_slice()].concat());
    proto::Trace {
        trace_id: trace_id.0.to_vec(),
        parent: parent.map(|span| span.0.to_vec()).unwrap_or_default(),
        link: link.unwrap_or_default(),
        sampled: *sampled,
        random: *random,
        caller_counts: *caller_counts,
        state: state.clone(),
        server: server.0.to_vec(),
        inference: inference.0.to_vec(),
    }
}

fn destination(to: &Destination) -> proto::Upstream {
    let Destination { name, kind, provider: _, origin } = to;
    let Origin { secure, host, port, prefix } = &**origin;
    proto::Upstream {
        name: name.to_string(),
        kind: (*kind).to_owned(),
        secure: *secure,
        host: host.clone(),
        port: (*port).into(),
        prefix: prefix.clone(),
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
    #[rustfmt::skip]
    let Observation {
        request: asked, response: answered, stream, usage: used, batch: results, times, outcome: end, partial,
        content: words, turns,
    } = observation;
    proto::Observation {
        request: Some(request(asked)),
        response: Some(response(answered)),
        stream: *stream,
        usage: Some(usage(used)),
        times: Some(stream_times(times)),
        outcome: Some(outcome(end)),
        partial: *partial,
        turns: *turns,
        batch: results.as_ref().map(batch),
        content: words.as_deref().map(content),
    }
}

fn batch(batch: &Batch) -> proto::Batch {
    let Batch { results, failed, calls, left_out } = batch;
    proto::Batch {
        results: *results,
        failed: *failed,
        calls: calls.iter().map(batch_calls).collect(),
        left_out: *left_out,
    }
}

fn batch_calls(calls: &BatchCalls) -> proto::BatchCalls {
    let BatchCalls { model, count, prompt, usage: used } = calls;
    proto::BatchCalls {
        model: model.clone(),
        count: *count,
        prompt: *prompt,
        usage: Some(usage(used)),
    }
}

fn request(request: &Request) -> proto::Request {
    #[rustfmt::skip]
    let Request {
        model, stream, api, max_tokens, temperature, top_p, top_k, frequency_penalty, presence_penalty, seed,
        stop_sequences, choices, output_type, reasoning_level, service_tier, previous_response_id,
        encoding_formats, dimensions, messages, tools, tool_errors, labels: who,
    } = request.clone();
    proto::Request {
        model,
        stream,
        api: api.map(ToOwned::to_owned),
        max_tokens,
        temperature,
        top_p,
        top_k,
        frequency_penalty,
        presence_penalty,
        seed,
        stop_sequences,
        choices,
        output_type: output_type.map(|form| form.name().to_owned()),
        reasoning_level,
        service_tier,
        previous_response_id,
        encoding_formats,
        dimensions,
        messages,
        tools,
        tool_errors,
        labels: Some(labels(&who)),
    }
}

fn response(response: &Response) -> proto::Response {
    #[rustfmt::skip]
    let Response {
        status: code, id, request_id, model, finish_reasons, tool_calls, bad_tool_calls, refusal, content_filter,
        output, service_tier, system_fingerprint, dimensions, error, counted_tokens, events, terminated,
        processing, rate_limits, retry_after, extra,
    } = response.clone();
    let extra = extra.into_iter().map(|(name, value)| (name.to_owned(), value));
    proto::Response {
        status: code.map(status),
        id,
        request_id,
        model,
        finish_reasons,
        tool_calls,
        bad_tool_calls,
        refusal,
        content_filter,
        output,
        service_tier,
        system_fingerprint,
        dimensions,
        // The text may hold what the client sent: it is not stored.
        error: error
            .map(|ProviderError { kind, code, message: _ }| proto::ProviderError { kind, code }),
        counted_tokens,
        events,
        terminated,
        processing: processing.map(nanos),
        rate_limits: rate_limits.iter().map(rate_limit).collect(),
        retry_after,
        extra: extra.collect(),
    }
}

fn rate_limit(limit: &RateLimit) -> proto::RateLimit {
    let RateLimit { resource, limit, remaining, reset } = *limit;
    let reset = reset.map(|reset| match reset {
        Reset::In(time) => proto::rate_limit::Reset::ResetIn(nanos(time)),
        Reset::At(time) => proto::rate_limit::Reset::ResetAt(since_epoch(time)),
    });
    proto::RateLimit { resource: resource.to_owned(), limit, remaining, reset }
}

fn usage(usage: &Usage) -> proto::Usage {
    let told = |bucket: &Bucket| Some((bucket.name().to_owned(), usage.get(*bucket)?));
    #[rustfmt::skip]
    let Usage {
        source, audio_seconds, searches, grounded_prompts, file_searches, hosted_tools, search_size,
        input_told, output_told, reasoning_told, stated_total, reported_usd, odd, estimate: ours, billed: bill,
        region,
        // These are the buckets.
        input: _, cache_read: _, cache_read_audio: _, cache_write_5m: _, cache_write_1h: _, input_audio: _,
        input_image: _, output: _, reasoning: _, output_audio: _, output_image: _,
    } = usage;
    proto::Usage {
        source: source.name().to_owned(),
        tokens: Bucket::ALL.iter().filter_map(told).collect(),
        audio_seconds: *audio_seconds,
        searches: *searches,
        input_told: *input_told,
        output_told: *output_told,
        stated_total: *stated_total,
        reported_usd: reported_usd.clone(),
        odd: *odd,
        estimate: ours.map(estimate),
        billed: bill.iter().map(billed).collect(),
        region: region.clone(),
        grounded_prompts: *grounded_prompts,
        file_searches: *file_searches,
        hosted_tools: *hosted_tools,
        search_size: search_size.clone(),
        reasoning_told: *reasoning_told,
    }
}

fn billed(part: &Billed) -> proto::Billed {
    let Billed { model, tokens } = part;
    let tokens = tokens.iter().map(|(bucket, count)| (bucket.name().to_owned(), *count));
    proto::Billed { model: model.clone(), tokens: tokens.collect() }
}

fn estimate(estimate: Estimate) -> proto::Estimate {
    let Estimate { by, input, output, output_told } = estimate;
    proto::Estimate { by: by.name().to_owned(), input, output, output_told }
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
    let Outcome { category, error, unclassified } = outcome;
    proto::Outcome {
        category: category.map(|category| category.name().to_owned()),
        error: error.as_ref().map(|error| error.as_str().to_owned()),
        unclassified: *unclassified,
    }
}

fn measurement(measurement: &Measurement) -> proto::Measurement {
    #[rustfmt::skip]
    let Measurement {
        duration, total, ttfb, time_to_first_chunk, ttft, tpot, overhead: added, cost: spent, batch,
    } = measurement;
    proto::Measurement {
        duration: nanos(*duration),
        total: nanos(*total),
        ttfb: ttfb.map(nanos),
        time_to_first_chunk: time_to_first_chunk.map(nanos),
        ttft: ttft.map(nanos),
        tpot: tpot.map(nanos),
        overhead: Some(overhead(added)),
        cost: Some(cost(spent)),
        batch: batch.iter().map(batch_cost).collect(),
    }
}

fn batch_cost(calls: &BatchCost) -> proto::BatchCost {
    let BatchCost { model, calls, usage: used, cost: spent } = calls;
    proto::BatchCost {
        model: model.clone(),
        calls: *calls,
        usage: Some(usage(used)),
        cost: Some(cost(spent)),
    }
}

fn cost(cost: &Cost) -> proto::Cost {
    let Cost { status, amount, list, reported, unpriced, model, catalogue, lines } = cost;
    proto::Cost {
        status: status.name().to_owned(),
        amount: amount.map(|amount| amount.nanos()),
        reported: reported.map(|amount| amount.nanos()),
        model: model.clone(),
        catalogue: catalogue.as_deref().map(ToOwned::to_owned),
        lines: lines.iter().map(cost_line).collect(),
        list: list.map(|amount| amount.nanos()),
        unpriced: unpriced.map(|why| why.name().to_owned()),
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

/// A time before the epoch is the epoch.
fn since_epoch(time: SystemTime) -> u64 {
    nanos(time.duration_since(UNIX_EPOCH).unwrap_or_default())
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
        Some(Failure::MaybeKilled) => Stored::MaybeKilled,
        Some(Failure::Descriptors) => Stored::Descriptors,
        Some(Failure::RequestStalled) => Stored::RequestStalled,
        Some(Failure::Budget) => Stored::Budget,
        Some(Failure::Guardrail) => Stored::Guardrail,
        Some(Failure::RouteDisabled) => Stored::RouteDisabled,
    };
    stored.into()
}
