//! `generateContent` and its stream: every event is a whole answer as far as it goes.

use std::borrow::Cow;
use std::collections::BTreeSet;

use tidegauge_core::{OutputType, Request, Usage};

use super::path::Path;
use super::{either, usage, words};
use crate::answer::{Answer, MAX_NAME};
use crate::field::Json;
use crate::provider::{Asked, Event, Reader, Streams};
use crate::transcript::Prompt;

/// How many stop sequences and labels are kept.
const MAX_KEPT: usize = 16;

/// `POST .../models/MODEL:generateContent` and `:streamGenerateContent`
pub(in crate::providers) struct Generate {
    /// What the numbers mean that may stand for reasons to finish, from 1.
    reasons: &'static [&'static str],
    /// The answer is streamed: as events if asked so, else as a list of them.
    stream: bool,
}

/// The public API's.
pub(in crate::providers) static PUBLIC: Generate =
    Generate { reasons: PUBLIC_REASONS, stream: false };
/// The same, streamed.
pub(in crate::providers) static PUBLIC_STREAM: Generate = Generate { stream: true, ..PUBLIC };
/// The cloud platform's.
pub(in crate::providers) static ON_PLATFORM: Generate =
    Generate { reasons: PLATFORM_REASONS, stream: false };
/// The same, streamed.
pub(in crate::providers) static ON_PLATFORM_STREAM: Generate =
    Generate { stream: true, ..ON_PLATFORM };

const PUBLIC_REASONS: &[&str] = &[
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "IMAGE_RECITATION",
];

const PLATFORM_REASONS: &[&str] = &[
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
    "UNEXPECTED_TOOL_CALL",
    "NO_IMAGE",
];

impl Reader for Generate {
    fn streams(&self) -> Streams {
        if self.stream { Streams::Elements } else { Streams::Events }
    }

    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        let path = Path::of(&head.path);
        into.request.model = super::path::model(&path);
        into.request.stream = self.stream;
        let contents = body.get("contents");
        into.request.messages = contents.len().or_else(|| contents.is_object().then_some(1));
        into.request.tool_errors = contents.items().map(failed_tools).sum();
        into.request.tools =
            body.get("tools").is_array().then(|| body.get("tools").items().map(tools).sum());
        into.request.service_tier = either(body, "serviceTier", "service_tier").kept(MAX_NAME);
        read_config(either(body, "generationConfig", "generation_config"), &mut into.request);
        for (name, value) in body.get("labels").members().take(MAX_KEPT) {
            if let (Some(name), Some(value)) = (name.kept(MAX_NAME), value.kept(MAX_NAME)) {
                into.request.labels.tags.insert(name, value);
            }
        }
        words::write_prompt(body, into);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        // A list of events that was not told apart from other JSON.
        body.items().for_each(|data| self.read_event(Event { data, ..event }, into));
        into.id(body.get("responseId"));
        into.model(body.get("modelVersion"));
        for (place, candidate) in body.get("candidates").items().enumerate() {
            let index = candidate.get("index").size().unwrap_or(place as u64);
            self.read_candidate(candidate, index, into);
        }
        if blocked(body.get("promptFeedback").get("blockReason")) {
            into.response.content_filter = true;
            into.ended = true;
            into.close(0, "content_filter");
        }
        into.service_tier(body.get("usageMetadata").get("serviceTier"));
        if let Some(tier) = usage::traffic(body.get("usageMetadata").get("trafficType")) {
            into.response.service_tier = Some(tier.to_owned());
        }
        usage::read(body.get("usageMetadata"), &mut into.usage);
    }
}

impl Generate {
    fn read_candidate(&self, candidate: Json<'_>, index: u64, into: &mut Answer) {
        for part in candidate.get("content").get("parts").items() {
            read_part(part, index, into);
        }
        into.response.content_filter |= candidate.get("safetyRatings").items().any(filtered);
        read_grounding(candidate.get("groundingMetadata"), &mut into.usage);
        let reason = candidate.get("finishReason");
        let Some(written) = written(reason) else { return };
        into.finish_as(index, &written, self.word(&written));
        // A stream has no other mark at its end.
        into.ended = true;
    }

    /// The word for a reason that may be a number.
    fn word<'a>(&self, written: &'a str) -> &'a str {
        let place = written.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        place.and_then(|place| self.reasons.get(place)).copied().unwrap_or(written)
    }
}

pub(super) fn read_config(config: Json<'_>, into: &mut Request) {
    let get = |camel, snake| either(config, camel, snake);
    into.temperature = config.get("temperature").float();
    into.top_p = get("topP", "top_p").float();
    into.top_k = get("topK", "top_k").size();
    into.max_tokens = get("maxOutputTokens", "max_output_tokens").size();
    into.choices = get("candidateCount", "candidate_count").size();
    into.seed = config.get("seed").integer();
    into.presence_penalty = get("presencePenalty", "presence_penalty").float();
    into.frequency_penalty = get("frequencyPenalty", "frequency_penalty").float();
    let stops = get("stopSequences", "stop_sequences").items().take(MAX_KEPT);
    into.stop_sequences = stops.filter_map(|stop| stop.kept(MAX_NAME)).collect();
    let thinking = get("thinkingConfig", "thinking_config");
    into.reasoning_level = either(thinking, "thinkingLevel", "thinking_level").kept(64);
    into.output_type = output_type(config);
}

fn output_type(config: Json<'_>) -> Option<OutputType> {
    let modalities = either(config, "responseModalities", "response_modalities");
    let form = either(config, "responseMimeType", "response_mime_type");
    let asks = |word: &str| {
        let same = |told: Json<'_>| told.text().is_some_and(|told| told.eq_ignore_ascii_case(word));
        modalities.items().any(same)
    };
    match () {
        () if asks("image") => Some(OutputType::Image),
        () if asks("audio") => Some(OutputType::Speech),
        () if form.is("application/json") => Some(OutputType::Json),
        () if form.is("text/plain") => Some(OutputType::Text),
        () => None,
    }
}

/// A tool of the caller declares functions; one of the provider's own is one tool.
pub(super) fn tools(tool: Json<'_>) -> u64 {
    either(tool, "functionDeclarations", "function_declarations").len().unwrap_or(1)
}

/// Results whose content is an error.
fn failed_tools(content: Json<'_>) -> u64 {
    let failed = |part: &Json<'_>| {
        let result = either(*part, "functionResponse", "function_response");
        result.get("response").get("error").is_some()
    };
    content.get("parts").items().filter(failed).count() as u64
}

pub(super) fn read_part(part: Json<'_>, index: u64, into: &mut Answer) {
    let text = part.get("text");
    if part.get("thought").bool() == Some(true) {
        return into.reasoning(index, None, text);
    }
    into.text(index, None, text);
    let call = either(part, "functionCall", "function_call");
    // Later pieces of a call that is streamed have no name.
    into.token |= call.is_object();
    if call.get("name").has_text() {
        return into.whole_call(index, call.get("id"), call.get("name"), call.get("args"));
    }
    if is_made(part) {
        into.token = true;
        into.response.output = true;
    }
    if !text.exists() && !call.is_object() {
        into.part(index, |scribe| words::read_part(part, scribe));
    }
}

/// A picture or a file that was made, or code that the provider wrote and ran.
pub(super) fn is_made(part: Json<'_>) -> bool {
    let made = [
        either(part, "inlineData", "inline_data"),
        either(part, "fileData", "file_data"),
        either(part, "executableCode", "executable_code"),
        either(part, "codeExecutionResult", "code_execution_result"),
    ];
    made.into_iter().any(Json::is_object)
}

/// What the provider looked up. It lists its queries, which some models bill each once; others bill
/// the prompt that was grounded. What it looked up on a map has another fee.
fn read_grounding(told: Json<'_>, into: &mut Usage) {
    let queries: BTreeSet<_> =
        told.get("webSearchQueries").items().filter_map(|query| query.text()).collect();
    let count = Some(queries.len() as u64).filter(|count| *count > 0);
    into.searches = into.searches.max(count);
    into.grounded_prompts = into.grounded_prompts.max(count.map(|_| 1));
    let placed = told.get("groundingChunks").items().any(|chunk| chunk.get("maps").is_object());
    into.hosted_tools = into.hosted_tools.max(placed.then_some(1));
}

/// A rating that stopped the answer, not one that merely rates it.
fn filtered(rating: Json<'_>) -> bool {
    rating.get("blocked").bool() == Some(true)
}

/// A reason is a word or a number.
fn written(reason: Json<'_>) -> Option<Cow<'_, str>> {
    reason.text().or_else(|| reason.number().map(Cow::Borrowed))
}

/// Zero and "unspecified" are no reasons.
fn blocked(reason: Json<'_>) -> bool {
    let word = reason.text().is_some_and(|word| !word.ends_with("UNSPECIFIED"));
    word || reason.size().is_some_and(|number| number > 0)
}
