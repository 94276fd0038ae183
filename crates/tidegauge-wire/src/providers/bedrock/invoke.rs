//! InvokeModel: a vendor's own body, and in a stream that body in base64, chunk by chunk.
//!
//! Whose format it is shows in the body; the model's name may be an ARN that does not tell.

use tidegauge_core::{Request, Source};

use super::{converse, errors, path, usage, words};
use crate::answer::{Answer, MAX_NAME};
use crate::base64;
use crate::field::{Doc, Json};
use crate::provider::{Asked, Event, Reader};
use crate::providers::{anthropic, openai};
use crate::transcript::Prompt;

/// How many stop sequences are kept.
const MAX_STOPS: usize = 16;

/// `POST /model/MODEL/invoke` and `/invoke-with-response-stream`
pub(super) struct Invoke;

impl Reader for Invoke {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        if body.get("anthropic_version").exists() {
            anthropic::Messages.read_request(head, body, into);
        } else if body.get("inferenceConfig").is_object() || body.get("schemaVersion").exists() {
            converse::read_body(body, &mut into.request);
            words::write_converse(body, into);
        } else {
            read_sampling(body, &mut into.request);
            openai::words::write_chat(body, into);
            for name in ["prompt", "inputText", "message"] {
                into.text("user", body.get(name));
            }
        }
        path::read(&head.path, &mut into.request);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        if !event.stream {
            return read_body(event, into);
        }
        if let Some(name) = event.name.filter(|name| *name != "chunk") {
            return into.fail(errors::of_message(name, event.data));
        }
        let chunk = event.data.get("bytes").str();
        let Some(chunk) = chunk.and_then(|chunk| base64::decode(chunk.as_bytes())) else { return };
        let mut doc = Doc::default();
        if doc.parse(&chunk) {
            let event = Event { name: None, data: doc.root(&chunk), stream: true };
            read_body(event, into);
            read_metrics(event.data, into);
        }
    }
}

/// The names vendors give the same few numbers.
fn read_sampling(body: Json<'_>, into: &mut Request) {
    let config = body.get("textGenerationConfig");
    let size = |names: &[&str]| names.iter().find_map(|name| body.get(name).size());
    let float = |names: &[&str]| names.iter().find_map(|name| body.get(name).float());
    into.max_tokens = config.get("maxTokenCount").size().or_else(|| {
        size(&[
            "max_tokens",
            "max_tokens_to_sample",
            "max_gen_len",
            "maxTokens",
            "max_completion_tokens",
        ])
    });
    into.temperature = config.get("temperature").float().or_else(|| float(&["temperature"]));
    into.top_p = config.get("topP").float().or_else(|| float(&["top_p", "topP", "p"]));
    into.top_k = size(&["top_k", "topK", "k"]);
    into.seed = body.get("seed").integer();
    into.messages = ["messages", "texts", "documents"].iter().find_map(|name| body.get(name).len());
    into.tools = body.get("tools").len();
    into.dimensions = body.get("dimensions").size();
    let stops = ["stop_sequences", "stopSequences", "stop"].iter().map(|name| body.get(name));
    let stops = stops.chain([config.get("stopSequences")]).flat_map(Json::items).take(MAX_STOPS);
    into.stop_sequences = stops.filter_map(|stop| stop.kept(MAX_NAME)).collect();
}

/// A whole answer, or one chunk of a stream.
fn read_body(event: Event<'_>, into: &mut Answer) {
    let body = event.data;
    if body.get("amazon-bedrock-guardrailAction").is("INTERVENED") {
        // What a guardrail blocks may have no other end.
        into.response.content_filter = true;
        into.ended = true;
    }
    into.id(body.get("id"));
    let has = |name: &str| body.get(name).exists();
    match () {
        () if has("completion") => {
            into.text(0, None, body.get("completion"));
            into.finish(0, body.get("stop_reason"));
        }
        () if is_anthropic(body) => anthropic::Messages.read_event(event, into),
        () if body.get("output").is_object() => converse::read_whole(body, into),
        () if has("choices") => read_choices(event, into),
        () if has("results") || has("outputText") => read_titan(body, into),
        () if has("generation") => read_llama(body, into),
        () if has("outputs") => read_outputs(body, into),
        () if ["generations", "event_type", "text", "is_finished"].into_iter().any(has) => {
            read_cohere(body, into);
        }
        () if has("completions") => read_ai21(body, into),
        () if event.stream => body.members().for_each(|(name, data)| {
            let name = name.text().unwrap_or_default();
            converse::read_named(&name, data, into);
        }),
        () => read_made(body, into),
    }
}

/// Messages and their events name their type.
fn is_anthropic(body: Json<'_>) -> bool {
    let kind = body.get("type").text().unwrap_or_default();
    ["message", "content_block", "ping", "error"].iter().any(|word| kind.starts_with(word))
}

/// Chat in the shape that many share, also with the reason to finish under another name.
fn read_choices(event: Event<'_>, into: &mut Answer) {
    openai::chat::Chat.read_event(event, into);
    for (place, choice) in event.data.get("choices").items().enumerate() {
        let index = choice.get("index").size().unwrap_or(place as u64);
        into.finish(index, choice.get("stop_reason"));
    }
}

fn read_titan(body: Json<'_>, into: &mut Answer) {
    for (place, result) in body.get("results").items().enumerate() {
        into.text(place as u64, None, result.get("outputText"));
        into.finish(place as u64, result.get("completionReason"));
        // Documents in order, not text: nothing is said, but something came.
        into.response.output |= result.get("relevance_score").exists();
    }
    into.text(0, None, body.get("outputText"));
    into.finish(0, body.get("completionReason"));
    let generated =
        body.get("results").items().filter_map(|result| result.get("tokenCount").size());
    let generated = generated.reduce(u64::saturating_add);
    let generated = generated.or_else(|| body.get("totalOutputTextTokenCount").size());
    count(body.get("inputTextTokenCount").size(), generated, into);
}

fn read_llama(body: Json<'_>, into: &mut Answer) {
    into.text(0, None, body.get("generation"));
    into.finish(0, body.get("stop_reason"));
    let asked = body.get("prompt_token_count").size();
    count(asked, body.get("generation_token_count").size(), into);
}

fn read_outputs(body: Json<'_>, into: &mut Answer) {
    for (place, output) in body.get("outputs").items().enumerate() {
        into.text(place as u64, None, output.get("text"));
        into.finish(place as u64, output.get("stop_reason"));
    }
}

/// Chat and the older generation; the end of a stream carries the whole answer again.
fn read_cohere(body: Json<'_>, into: &mut Answer) {
    let whole = body.get("response");
    if whole.is_object() {
        into.repeat(None, |into| read_generations(whole, into));
    } else {
        into.text(0, None, body.get("text"));
        read_generations(body, into);
    }
}

fn read_generations(answer: Json<'_>, into: &mut Answer) {
    for (place, generation) in answer.get("generations").items().enumerate() {
        into.text(place as u64, None, generation.get("text"));
        into.finish(place as u64, generation.get("finish_reason"));
    }
    for call in answer.get("tool_calls").items() {
        into.whole_call(0, Json::ABSENT, call.get("name"), call.get("parameters"));
    }
    into.finish(0, answer.get("finish_reason"));
    let told = answer.get("meta").get("tokens");
    count(told.get("input_tokens").size(), told.get("output_tokens").size(), into);
}

fn read_ai21(body: Json<'_>, into: &mut Answer) {
    for (place, completion) in body.get("completions").items().enumerate() {
        into.text(place as u64, None, completion.get("data").get("text"));
        into.finish(place as u64, completion.get("finishReason").get("reason"));
    }
}

/// Vectors and pictures.
fn read_made(body: Json<'_>, into: &mut Answer) {
    let vectors = ["embedding", "embeddings", "embeddingsByType"].map(|name| body.get(name));
    let pictures = ["images", "artifacts"].map(|name| body.get(name));
    into.response.output |= vectors.iter().chain(&pictures).any(|made| made.is_some());
    let [single, several, _] = vectors;
    into.response.dimensions = match several.items().next() {
        Some(first) => first.len(),
        None => single.len(),
    };
    count(body.get("inputTextTokenCount").size(), None, into);
}

fn read_metrics(chunk: Json<'_>, into: &mut Answer) {
    let metrics = chunk.get("amazon-bedrock-invocationMetrics");
    if metrics.is_object() {
        usage::of_metrics(metrics, &mut into.usage);
        converse::took(metrics.get("invocationLatency").size(), &mut into.response);
        into.ended = true;
    }
}

/// What a body tells; cumulative in streams.
fn count(input: Option<u64>, output: Option<u64>, into: &mut Answer) {
    into.usage.input = input.or(into.usage.input);
    into.usage.output = output.or(into.usage.output);
    if into.usage.is_known() {
        into.usage.source = Source::Provider;
    }
}
