//! Providers with formats of their own: synthetic exchanges for what recordings seldom show.
//!
//! Every body here is made up after the formats; none was recorded.

mod anthropic;
mod azure;
mod background;
mod batches;
mod bedrock;
mod cohere;
mod compatible;
mod counted;
mod gemini;
mod judged;
pub(crate) mod messages;
mod ollama;
mod reported;
mod roots;
mod vertex;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tidegauge_core::{Observation, StreamTimes};

use crate::exchange::{Case, headers};

/// One exchange and what must be seen of it.
struct Row<'a> {
    name: &'a str,
    kind: &'a str,
    path: &'a str,
    request: &'a str,
    status: u16,
    headers: &'a [(&'a str, &'a str)],
    response: &'a [u8],
    want: Value,
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const SSE: &[(&str, &str)] = &[("content-type", "text/event-stream")];
const LINES: &[(&str, &str)] = &[("content-type", "application/x-ndjson")];

/// Shows each exchange in pieces of several sizes; the observation must be the same, and hold what is
/// wanted of it.
fn check(rows: &[Row<'_>]) {
    for row in rows {
        let seen = observe(row, usize::MAX);
        for size in [1, 2, 7, 100] {
            assert_eq!(observe(row, size), seen, "{} in pieces of {size}", row.name);
        }
        let told = told(&seen, row);
        for (field, want) in row.want.as_object().expect("wanted fields") {
            assert_eq!(&told[field], want, "{}: {field} in {told:#}", row.name);
        }
    }
}

fn case(row: &Row<'_>) -> Case {
    let (path, query) = match row.path.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (row.path, None),
    };
    Case {
        kind: row.kind.to_owned(),
        method: Method::POST,
        path: path.to_owned(),
        query,
        request_headers: headers(JSON.iter().copied()),
        request: row.request.as_bytes().to_vec(),
        status: StatusCode::from_u16(row.status).expect("a status"),
        headers: headers(row.headers.iter().copied()),
        response: row.response.to_vec(),
    }
}

fn observe(row: &Row<'_>, size: usize) -> Observation {
    let seen = case(row).observe(|_| size);
    Observation { times: StreamTimes::default(), ..seen }
}

fn told(seen: &Observation, row: &Row<'_>) -> Value {
    let case = case(row);
    let provider = tidegauge_wire::provider(row.kind).expect("a provider");
    let matched = provider.matched(case.head());
    let (request, response, usage) = (&seen.request, &seen.response, &seen.usage);
    let mut told = json!({
        "operation": matched.operation.name(),
        "route": matched.route,
        "stream": seen.stream,
        "partial": seen.partial,
        "model": request.model,
        "asked_stream": request.stream,
        "max_tokens": request.max_tokens,
        "messages": request.messages,
        "tools": request.tools,
        "tool_errors": request.tool_errors,
        "stops": request.stop_sequences,
        "output_type": request.output_type.map(|kind| kind.name()),
        "tags": request.labels.tags,
        "id": response.id,
        "answered_by": response.model,
        "finish": response.finish_reasons,
        "calls": response.tool_calls,
        "bad_calls": response.bad_tool_calls,
        "output": response.output,
        "terminated": response.terminated,
        "dimensions": response.dimensions,
        "counted": response.counted_tokens,
        "retry_after": response.retry_after,
        "tier": response.service_tier,
        "processing_ms": response.processing.map(|time| time.as_millis() as u64),
        "in": usage.input_tokens(),
        "out": usage.output_tokens(),
        "cached": usage.cache_read_tokens(),
        "written_5m": usage.cache_write_5m,
        "written_1h": usage.cache_write_1h,
        "thought": usage.reasoning,
        "audio_in": usage.input_audio,
        "image_in": usage.input_image,
        "image_out": usage.output_image,
        "searches": usage.searches,
        "usd": usage.reported_usd,
        "odd": usage.odd,
        "source": usage.source.name(),
        "category": seen.outcome.category.map(|category| category.name()),
        "error": seen.outcome.error.as_ref().map(|error| error.as_str()),
    });
    // One macro holds no more than that.
    told["billed"] = crate::cassettes::billed(usage).into();
    told["region"] = json!(usage.region);
    told["files"] = json!(usage.file_searches);
    told["grounded"] = json!(usage.grounded_prompts);
    told["seconds"] = json!(usage.audio_seconds);
    told["user"] = json!(seen.request.labels.user);
    told["session"] = json!(seen.request.labels.session);
    told
}
