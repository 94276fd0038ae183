//! Gemini and Vertex AI: multimodal generation, embeddings and predictions. The model and the method
//! stand in the path; a stream is either events or one long array.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use tidegauge_core::{Head, Matched, Operation, OutputType, Request, Source};

use super::anthropic::Messages;
use super::openai;
use super::plain::{Found, Plain};
use crate::answer::{Answer, MAX_NAME};
use crate::field::{Json, clip};
use crate::figures::Figures;
use crate::provider::{Asked, Event, Reader};
use crate::splice::quoted;

/// generativelanguage.googleapis.com.
pub(crate) static GEMINI: Plain = Plain {
    kind: "gemini",
    provider: "gcp.gemini",
    upstream: Some("https://generativelanguage.googleapis.com"),
    price_id: Some("google"),
    client_variable: Some(("GOOGLE_GEMINI_BASE_URL", "")),
    claims: |head| {
        head.path.starts_with("/v1beta/models/") || head.headers.contains_key("x-goog-api-key")
    },
    find: |head| find(head).or_else(|| openai::find(head)),
    error_body,
    read_headers: |_, _| {},
};

/// aiplatform.googleapis.com; regions have hosts of their own.
pub(crate) static VERTEX: Plain = Plain {
    kind: "vertex",
    provider: "gcp.vertex_ai",
    upstream: Some("https://aiplatform.googleapis.com"),
    client_variable: None,
    claims: |_| false,
    ..GEMINI
};

/// `{"error": {"code", "message", "status"}}`
fn error_body(status: StatusCode, kind: &str, message: &str) -> Bytes {
    let (code, message) = (status.as_u16(), quoted(message));
    let status = quoted(&kind.to_ascii_uppercase());
    Bytes::from(format!(r#"{{"error":{{"code":{code},"message":{message},"status":{status}}}}}"#))
}

/// One method that may stand behind a model's name.
struct Method {
    name: &'static str,
    operation: Operation,
    reader: &'static dyn Reader,
}

static METHODS: &[Method] = &[
    method("generateContent", Operation::GenerateContent, &Generate { stream: false }),
    method("streamGenerateContent", Operation::GenerateContent, &Generate { stream: true }),
    method("countTokens", Operation::CountTokens, &CountTokens),
    method("embedContent", Operation::Embeddings, &Embed),
    method("batchEmbedContents", Operation::Embeddings, &Embed),
    method("predict", Operation::Embeddings, &Predict),
    method("predictLongRunning", Operation::VideoGeneration, &Predict),
    method("rawPredict", Operation::Chat, &Raw { stream: false }),
    method("streamRawPredict", Operation::Chat, &Raw { stream: true }),
];

const fn method(name: &'static str, operation: Operation, reader: &'static dyn Reader) -> Method {
    Method { name, operation, reader }
}

/// `.../models/{model}:{method}`, or the list of models.
fn find(head: Head<'_>) -> Option<Found> {
    let (before, name) = head.path.rsplit_once('/')?;
    let matched = |operation, tail: &str| {
        let route = Cow::Owned(format!("{}{tail}", prefix(before)));
        Matched { operation, route }
    };
    let Some((model, name)) = name.rsplit_once(':') else {
        let listed = name == "models";
        let shown = before.ends_with("/models");
        let tail = if listed { "/models" } else { "/{model}" };
        return (listed || shown).then(|| (matched(Operation::Models, tail), None));
    };
    let method = METHODS.iter().find(|method| method.name == name)?;
    let pictures = name == "predict" && model.contains("imagen");
    let operation = if pictures { Operation::ImageGeneration } else { method.operation };
    Some((matched(operation, &format!("/{{model}}:{name}")), Some(method.reader)))
}

/// The path before the model with its parameters in braces.
fn prefix(path: &str) -> String {
    let mut route = String::new();
    let mut parameter = None;
    for segment in super::routes::segments(path).take(12) {
        let name = match (parameter.take(), segment) {
            (Some(parameter), _) => parameter,
            (None, "projects") => {
                parameter = Some("{project}");
                segment
            }
            (None, "locations") => {
                parameter = Some("{location}");
                segment
            }
            (None, "publishers") => {
                parameter = Some("{publisher}");
                segment
            }
            (None, "v1" | "v1beta" | "v1beta1" | "v1alpha" | "models" | "tunedModels") => segment,
            (None, _) => "{prefix}",
        };
        route.push('/');
        route.push_str(name);
    }
    route
}

/// The model between the last slash and the colon.
fn model(head: &Asked) -> Option<String> {
    let name = head.path.rsplit('/').next()?;
    let (model, _) = name.rsplit_once(':')?;
    Some(clip(&model.replace("%40", "@"), MAX_NAME).to_owned())
}

/// A field that requests may write in either of two ways.
fn either<'a>(holder: Json<'a>, camel: &str, snake: &str) -> Json<'a> {
    let field = holder.get(camel);
    if field.exists() { field } else { holder.get(snake) }
}

/// `:generateContent` and `:streamGenerateContent`
struct Generate {
    stream: bool,
}

impl Reader for Generate {
    fn has_terminator(&self) -> bool {
        false
    }

    fn streams_array(&self) -> bool {
        self.stream
    }

    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        into.model = model(head);
        into.stream = self.stream;
        into.messages = body.get("contents").len();
        let tools = body.get("tools").items();
        let declared = tools.filter_map(|tool| {
            either(tool, "functionDeclarations", "function_declarations").len().or(Some(1))
        });
        into.tools = body.get("tools").is_array().then(|| declared.sum());
        let config = either(body, "generationConfig", "generation_config");
        into.max_tokens = either(config, "maxOutputTokens", "max_output_tokens").size();
        into.temperature = config.get("temperature").float();
        into.top_p = either(config, "topP", "top_p").float();
        into.top_k = either(config, "topK", "top_k").size();
        into.frequency_penalty = either(config, "frequencyPenalty", "frequency_penalty").float();
        into.presence_penalty = either(config, "presencePenalty", "presence_penalty").float();
        into.seed = config.get("seed").integer();
        into.choices = either(config, "candidateCount", "candidate_count").size();
        let stops = either(config, "stopSequences", "stop_sequences").items().take(16);
        into.stop_sequences = stops.filter_map(|stop| stop.kept(MAX_NAME)).collect();
        let thinking = either(config, "thinkingConfig", "thinking_config");
        into.reasoning_level = either(thinking, "thinkingLevel", "thinking_level").kept(64);
        let json = either(config, "responseMimeType", "response_mime_type").is("application/json");
        into.output_type = json.then_some(OutputType::Json);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.id(body.get("responseId"));
        into.model(body.get("modelVersion"));
        for (place, candidate) in body.get("candidates").items().enumerate() {
            let index = candidate.get("index").size().unwrap_or(place as u64);
            for part in candidate.get("content").get("parts").items() {
                read_part(part, into);
            }
            read_finish(candidate.get("finishReason"), index, into);
        }
        if body.get("promptFeedback").get("blockReason").is_some() {
            into.response.content_filter = true;
        }
        read_usage(body.get("usageMetadata"), into);
    }
}

fn read_part(part: Json<'_>, into: &mut Answer) {
    if part.get("thought").bool() == Some(true) {
        return into.reasoning(part.get("text"));
    }
    into.text(part.get("text"));
    let call = part.get("functionCall");
    if call.is_object() {
        into.whole_call(call.get("args"));
        into.token = true;
    }
    if part.get("inlineData").is_object() || part.get("executableCode").is_object() {
        into.response.output = true;
        into.token = true;
    }
}

/// What numbers stand for where enumerations are written as such.
const NUMBERED: &[&str] = &[
    "FINISH_REASON_UNSPECIFIED",
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
];

const FILTERED: &[&str] = &[
    "SAFETY",
    "RECITATION",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "LANGUAGE",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
];

const BAD_CALLS: &[&str] =
    &["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"];

/// The reason is kept as it is written; what it means goes by its name.
fn read_finish(reason: Json<'_>, index: u64, into: &mut Answer) {
    let number = reason.number();
    let named = number.and_then(|number| NUMBERED.get(number.parse::<usize>().ok()?).copied());
    let Some(written) = number.map(Cow::Borrowed).or_else(|| reason.text()) else { return };
    into.finish_as(index, &written);
    let name = named.unwrap_or(&written);
    into.response.content_filter |= FILTERED.contains(&name);
    into.truncated |= name == "MAX_TOKENS";
    if BAD_CALLS.contains(&name) {
        into.bad_call();
    }
}

/// Cumulative in a stream: the last one counts. Thoughts and tool prompts stand beside their sides.
fn read_usage(told: Json<'_>, into: &mut Answer) {
    if !told.is_object() {
        return;
    }
    let mut odd = false;
    let mut count = |name: &str| told.get(name).count(&mut odd);
    let (prompt, tools) = (count("promptTokenCount"), count("toolUsePromptTokenCount"));
    let (candidates, thoughts) = (count("candidatesTokenCount"), count("thoughtsTokenCount"));
    let (cached, total) = (count("cachedContentTokenCount"), count("totalTokenCount"));
    let part = |details: &str, kinds: [&str; 2]| modality(told.get(details), kinds);
    let (audio, image) = (["AUDIO", "3"], ["IMAGE", "2"]);
    let cached_image = part("cacheTokensDetails", image).unwrap_or(0);
    let input_image = part("promptTokensDetails", image);
    let figures = Figures {
        input: either_sum(prompt, tools),
        cache_read: cached,
        cache_read_audio: part("cacheTokensDetails", audio),
        cache_write: None,
        input_audio: part("promptTokensDetails", audio),
        input_image: input_image.map(|image| image.saturating_sub(cached_image)),
        output: either_sum(candidates, thoughts),
        reasoning: thoughts,
        output_audio: part("candidatesTokensDetails", audio),
        output_image: part("candidatesTokensDetails", image),
        total,
        odd,
    };
    if figures.input.is_some() || figures.output.is_some() {
        // Beside and inside are told apart already: the total would tell it a second time.
        Figures { total: None, ..figures }.fill(&mut into.usage);
        into.usage.stated_total = total;
    }
    into.service_tier(told.get("serviceTier"));
}

/// The tokens of one modality, by name or number.
fn modality(details: Json<'_>, kinds: [&str; 2]) -> Option<u64> {
    let is = |detail: &Json<'_>| {
        let modality = detail.get("modality");
        let [name, number] = kinds;
        modality.is(name) || modality.number() == Some(number)
    };
    details.items().find(is).and_then(|detail| detail.get("tokenCount").size())
}

fn either_sum(first: Option<u64>, second: Option<u64>) -> Option<u64> {
    match (first, second) {
        (None, None) => None,
        (first, second) => Some(first.unwrap_or(0).saturating_add(second.unwrap_or(0))),
    }
}

/// `:countTokens`
struct CountTokens;

impl Reader for CountTokens {
    fn read_request(&self, head: &Asked, _body: Json<'_>, into: &mut Request) {
        into.model = model(head);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        into.response.counted_tokens = event.data.get("totalTokens").size();
    }
}

/// `:embedContent` and `:batchEmbedContents`
struct Embed;

impl Reader for Embed {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        into.model = model(head);
        into.messages = body.get("requests").len();
        into.dimensions = body.get("outputDimensionality").size();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        let one = body.get("embedding");
        let first = body.get("embeddings").items().next().unwrap_or(one);
        into.response.output |= first.is_object();
        into.response.dimensions = first.get("values").len();
        read_usage(body.get("usageMetadata"), into);
    }
}

/// `:predict`: embeddings count their tokens one by one, pictures not at all.
struct Predict;

impl Reader for Predict {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        into.model = model(head);
        into.messages = body.get("instances").len();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.response.output |=
            body.get("predictions").items().next().is_some() || body.get("name").has_text();
        let mut odd = false;
        for prediction in body.get("predictions").items() {
            let embedding = prediction.get("embeddings");
            let tokens = embedding.get("statistics").get("token_count").count(&mut odd);
            into.response.dimensions = embedding.get("values").len().or(into.response.dimensions);
            into.usage.input = either_sum(into.usage.input, tokens)
                .filter(|_| tokens.is_some() || into.usage.input.is_some());
        }
        into.usage.odd |= odd;
        if into.usage.is_known() {
            into.usage.source = Source::Provider;
        }
    }
}

/// Another vendor's own format: Anthropic's Messages, with the model in the path.
struct Raw {
    stream: bool,
}

impl Reader for Raw {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        Messages.read_request(head, body, into);
        into.model = model(head);
        into.stream |= self.stream;
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        Messages.read_event(event, into);
    }
}
