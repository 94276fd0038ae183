//! Request fields that several APIs of the family share.

use tidegauge_core::{OutputType, Prompt, Request};

use crate::answer::MAX_NAME;
use crate::field::{Json, clip};
use crate::percent;
use crate::provider::Asked;

/// How many tags are taken from `metadata`.
const MAX_TAGS: usize = 16;
/// How many stop sequences are kept.
const MAX_STOPS: usize = 16;

/// The model, the stream flag, sampling, tier and who is calling.
pub(super) fn read_common(head: &Asked, body: Json<'_>, into: &mut Request) {
    into.model = body.get("model").kept(MAX_NAME).or_else(|| deployment(&head.path));
    into.stream = body.get("stream").bool().unwrap_or(false);
    into.temperature = body.get("temperature").float();
    into.top_p = body.get("top_p").float();
    into.service_tier = body.get("service_tier").kept(MAX_NAME);
    into.labels.user =
        body.get("safety_identifier").kept(MAX_NAME).or_else(|| body.get("user").kept(MAX_NAME));
    read_tags(body.get("metadata"), into);
}

/// Some hosts put the model's deployment into the path instead.
fn deployment(path: &str) -> Option<String> {
    let (_, rest) = path.split_once("/deployments/")?;
    let name = rest.split('/').next().filter(|name| !name.is_empty())?;
    Some(clip(&percent::decode(name), MAX_NAME).to_owned())
}

/// The fields that chat and legacy completions share.
pub(super) fn read_sampling(body: Json<'_>, into: &mut Request) {
    into.max_tokens =
        body.get("max_completion_tokens").size().or_else(|| body.get("max_tokens").size());
    into.frequency_penalty = body.get("frequency_penalty").float();
    into.presence_penalty = body.get("presence_penalty").float();
    into.seed = body.get("seed").integer();
    into.choices = body.get("n").size();
    read_stops(body.get("stop"), into);
}

/// `stop` is one string or several.
fn read_stops(stop: Json<'_>, into: &mut Request) {
    let several = stop.items().take(MAX_STOPS).filter_map(|stop| stop.kept(MAX_NAME));
    into.stop_sequences = several.chain(stop.kept(MAX_NAME)).collect();
}

/// `metadata` is an object of short strings that the caller chooses.
pub(super) fn read_tags(metadata: Json<'_>, into: &mut Request) {
    for (name, value) in metadata.members().take(MAX_TAGS) {
        if let (Some(name), Some(value)) = (name.kept(MAX_NAME), value.kept(MAX_NAME)) {
            into.labels.tags.insert(name, value);
        }
    }
}

/// A stored prompt: `{id, version}`.
pub(super) fn read_prompt(prompt: Json<'_>, into: &mut Request) {
    if let Some(name) = prompt.get("id").kept(MAX_NAME) {
        into.labels.prompt = Some(Prompt { name, version: prompt.get("version").kept(MAX_NAME) });
    }
}

/// `{"type": "json_schema" | "json_object" | "text"}`
pub(super) fn output_type(format: Json<'_>) -> Option<OutputType> {
    let word = format.get("type").text()?;
    match word.as_ref() {
        "text" => Some(OutputType::Text),
        json if json.starts_with("json") => Some(OutputType::Json),
        _ => None,
    }
}

/// How many there are of something that is one, several or absent.
pub(super) fn how_many(value: Json<'_>) -> Option<u64> {
    value.len().or_else(|| value.has_text().then_some(1))
}
