//! Amazon Bedrock: Converse, and the models' own formats behind InvokeModel. The model stands in the
//! path; the answer has neither id nor model of its own.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use tidegauge_core::{Head, Matched, Operation, ProviderError, Request, Source};

use super::anthropic::Messages;
use super::openai::{self, chat::Chat};
use super::plain::{Found, Plain};
use super::routes;
use crate::answer::{Answer, MAX_NAME};
use crate::failure;
use crate::field::{Doc, Json, clip};
use crate::figures::Figures;
use crate::provider::{Asked, Event, Reader};
use crate::splice::quoted;

/// bedrock-runtime.{region}.amazonaws.com: the region's host must be configured.
pub(crate) static BEDROCK: Plain = Plain {
    kind: "bedrock",
    provider: "aws.bedrock",
    upstream: None,
    price_id: Some("aws"),
    client_variable: None,
    claims: |_| false,
    find: |head| find(head).or_else(|| openai::find(head)),
    error_body: |_, kind, message| {
        let (kind, message) = (quoted(kind), quoted(message));
        let flat = format!(r#""message":{message},"__type":{kind}"#);
        Bytes::from(format!(r#"{{{flat},"error":{{"message":{message},"type":{kind}}}}}"#))
    },
    read_headers,
};

/// `/model/{model}/{method}`
fn find(head: Head<'_>) -> Option<Found> {
    let mut segments = routes::segments(head.path);
    let (Some("model"), Some(_), Some(method), None) =
        (segments.next(), segments.next(), segments.next(), segments.next())
    else {
        return None;
    };
    let (route, operation, reader): (&'static str, Operation, &'static dyn Reader) = match method {
        "converse" => ("/model/{model}/converse", Operation::Chat, &Converse { stream: false }),
        "converse-stream" => {
            ("/model/{model}/converse-stream", Operation::Chat, &Converse { stream: true })
        }
        "invoke" => ("/model/{model}/invoke", Operation::Chat, &Invoke { stream: false }),
        "invoke-with-response-stream" => (
            "/model/{model}/invoke-with-response-stream",
            Operation::Chat,
            &Invoke { stream: true },
        ),
        "count-tokens" => ("/model/{model}/count-tokens", Operation::CountTokens, &CountTokens),
        _ => return None,
    };
    Some((Matched { operation, route: Cow::Borrowed(route) }, Some(reader)))
}

/// The error's type, and the token counts of models whose bodies have none.
fn read_headers(headers: &HeaderMap, into: &mut Answer) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let failed = into.response.status.is_some_and(failure::is_failure);
    if let Some(kind) = text("x-amzn-errortype").filter(|_| failed) {
        let kind = kind.split(':').next().unwrap_or_default();
        let kind = Some(clip(kind, 64).to_owned());
        into.fail(Some(ProviderError { kind, ..ProviderError::default() }));
    }
    let count = |name: &str| {
        text(&format!("x-amzn-bedrock-{name}-token-count")).and_then(|count| count.parse().ok())
    };
    exclusive(
        Counts {
            input: count("input"),
            output: count("output"),
            cache_read: count("cache-read-input"),
            cache_write: count("cache-write-input"),
        },
        into,
    );
}

/// Counts of which the input does not hold its cached parts.
#[derive(Clone, Copy)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
}

fn exclusive(counts: Counts, into: &mut Answer) {
    if counts.input.is_none() && counts.output.is_none() {
        return;
    }
    let usage = &mut into.usage;
    usage.input = counts.input;
    usage.output = counts.output;
    usage.cache_read = counts.cache_read;
    usage.cache_write_5m = counts.cache_write;
    usage.source = Source::Provider;
}

/// The model in the path, decoded.
fn model(head: &Asked) -> Option<String> {
    let raw = routes::segments(&head.path).nth(1)?;
    Some(clip(&percent_decoded(raw), MAX_NAME).to_owned())
}

fn percent_decoded(raw: &str) -> String {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = tail
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// `/converse` and `/converse-stream`
struct Converse {
    stream: bool,
}

impl Reader for Converse {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        into.model = model(head);
        into.stream = self.stream;
        into.messages = body.get("messages").len();
        into.tools = body.get("toolConfig").get("tools").len();
        let config = body.get("inferenceConfig");
        into.max_tokens = config.get("maxTokens").size();
        into.temperature = config.get("temperature").float();
        into.top_p = config.get("topP").float();
        let stops = config.get("stopSequences").items().take(16);
        into.stop_sequences = stops.filter_map(|stop| stop.kept(MAX_NAME)).collect();
        let parts = body.get("messages").items().flat_map(|message| message.get("content").items());
        let failed = parts.filter(|part| part.get("toolResult").get("status").is("error"));
        into.tool_errors = failed.count() as u64;
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let data = event.data;
        match event.name {
            Some("contentBlockStart") => {
                let call = data.get("start").get("toolUse");
                if call.is_object() {
                    let index = data.get("contentBlockIndex").size();
                    into.call(0, index, call.get("toolUseId"), Json::ABSENT);
                }
            }
            Some("contentBlockDelta") => {
                let delta = data.get("delta");
                read_part(delta, into);
                let piece = delta.get("toolUse").get("input");
                into.token |= piece.has_text();
                into.more_arguments(0, data.get("contentBlockIndex").size(), piece);
            }
            Some(name) if name.ends_with("Exception") => fail(name, data, into),
            _ => read_converse(data, into),
        }
        into.ended |= event.name == Some("messageStop");
    }
}

/// A whole answer, or the events that carry its parts: stop reason, usage.
fn read_converse(data: Json<'_>, into: &mut Answer) {
    for part in data.get("output").get("message").get("content").items() {
        read_part(part, into);
        let call = part.get("toolUse");
        if call.is_object() {
            into.whole_call(call.get("input"));
        }
    }
    read_stop(data.get("stopReason"), into);
    let usage = data.get("usage");
    let mut odd = false;
    let mut count =
        |names: [&str; 2]| names.iter().find_map(|name| usage.get(name).count(&mut odd));
    let counts = Counts {
        input: count(["inputTokens", "input_tokens"]),
        output: count(["outputTokens", "output_tokens"]),
        cache_read: count(["cacheReadInputTokens", "cacheReadInputTokenCount"]),
        cache_write: count(["cacheWriteInputTokens", "cacheWriteInputTokenCount"]),
    };
    exclusive(counts, into);
    let total = usage.get("totalTokens").size();
    into.usage.stated_total = total.or(into.usage.stated_total);
    into.usage.odd |= odd;
}

fn read_part(part: Json<'_>, into: &mut Answer) {
    into.text(part.get("text"));
    let thought = part.get("reasoningContent");
    into.reasoning(thought.get("text"));
    into.reasoning(thought.get("reasoningText").get("text"));
}

fn read_stop(reason: Json<'_>, into: &mut Answer) {
    into.finish(0, reason);
    into.response.refusal |= reason.is("refusal");
    into.response.content_filter |=
        reason.is("guardrail_intervened") || reason.is("content_filtered");
    if reason.is("malformed_tool_use") || reason.is("malformed_model_output") {
        into.bad_call();
    }
}

/// An exception inside a stream.
fn fail(name: &str, data: Json<'_>, into: &mut Answer) {
    let told = failure::read(data).unwrap_or_default();
    into.fail(Some(ProviderError { kind: Some(clip(name, 64).to_owned()), ..told }));
}

/// `/invoke` and `/invoke-with-response-stream`: the body is the vendor's own.
struct Invoke {
    stream: bool,
}

impl Reader for Invoke {
    fn has_terminator(&self) -> bool {
        false
    }

    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        Messages.read_request(head, body, into);
        into.model = model(head);
        into.stream = self.stream;
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        if let Some(name) = event.name.filter(|name| name.ends_with("Exception")) {
            return fail(name, event.data, into);
        }
        let Some(wrapped) = event.data.get("bytes").text().filter(|_| event.stream) else {
            return read_vendor(event, into);
        };
        let inner = base64_decoded(&wrapped);
        let mut doc = Doc::default();
        if doc.parse(&inner) {
            read_vendor(Event { data: doc.root(&inner), ..event }, into);
        }
    }
}

/// The vendors' formats tell themselves apart by their fields.
fn read_vendor(event: Event<'_>, into: &mut Answer) {
    let body = event.data;
    let kind = body.get("type");
    if kind.is("message") || event.stream && kind.has_text() {
        Messages.read_event(event, into);
    } else if body.get("choices").is_array() {
        Chat.read_event(event, into);
    } else {
        read_converse(body, into);
        read_others(body, into);
    }
    read_metrics(body.get("amazon-bedrock-invocationMetrics"), into);
}

/// Titan, Llama, Mistral, Cohere, AI21 and the older Claude, each with names of its own.
fn read_others(body: Json<'_>, into: &mut Answer) {
    for name in ["completion", "generation", "outputText", "text"] {
        into.text(body.get(name));
    }
    for name in ["stop_reason", "completionReason", "finish_reason"] {
        into.finish(0, body.get(name));
    }
    for list in ["results", "outputs", "generations", "completions"] {
        for (place, made) in body.get(list).items().enumerate() {
            read_made(made, place as u64, into);
        }
    }
    let vectors = body.get("embedding").is_array() || body.get("embeddings").is_some();
    into.response.output |= vectors || body.get("results").items().next().is_some();
    read_others_usage(body, into);
}

fn read_made(made: Json<'_>, place: u64, into: &mut Answer) {
    into.text(made.get("outputText"));
    into.text(made.get("text"));
    into.text(made.get("data").get("text"));
    into.finish(place, made.get("completionReason"));
    into.finish(place, made.get("stop_reason"));
    into.finish(place, made.get("finish_reason"));
    into.finish(place, made.get("finishReason").get("reason"));
}

fn read_others_usage(body: Json<'_>, into: &mut Answer) {
    let mut odd = false;
    let mut count = |name: &str| body.get(name).count(&mut odd);
    let input = count("inputTextTokenCount").or(count("prompt_token_count"));
    let output = count("generation_token_count").or(count("totalOutputTextTokenCount"));
    let results = body.get("results").items().filter_map(|made| made.get("tokenCount").size());
    let output = output.or_else(|| results.reduce(u64::saturating_add));
    if input.is_some() || output.is_some() {
        let input = input.or(into.usage.input);
        let output = output.or(into.usage.output);
        Figures { input, output, odd, ..Figures::default() }.fill(&mut into.usage);
    }
}

/// The last chunk of a stream says it for every vendor.
fn read_metrics(metrics: Json<'_>, into: &mut Answer) {
    if !metrics.is_object() {
        return;
    }
    into.ended = true;
    let reasoning = into.usage.reasoning;
    let output = metrics.get("outputTokenCount").size();
    exclusive(
        Counts {
            input: metrics.get("inputTokenCount").size(),
            output: output.map(|output| output.saturating_sub(reasoning.unwrap_or(0))),
            cache_read: metrics.get("cacheReadInputTokenCount").size().or(into.usage.cache_read),
            cache_write: metrics
                .get("cacheWriteInputTokenCount")
                .size()
                .or(into.usage.cache_write_5m),
        },
        into,
    );
}

/// `/count-tokens`
struct CountTokens;

impl Reader for CountTokens {
    fn read_request(&self, head: &Asked, _body: Json<'_>, into: &mut Request) {
        into.model = model(head);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        into.response.counted_tokens = event.data.get("inputTokens").size();
    }
}

/// Standard alphabet; what is not of it is passed over.
fn base64_decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes().filter_map(digit) {
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
        }
    }
    out
}
