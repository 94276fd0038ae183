//! Interactions: a request with steps for an answer, whole and streamed.

use tidegauge_core::{Modality, OutputType, Part, Usage};

use super::{generate, usage};
use crate::answer::{Answer, MAX_NAME};
use crate::background::Stage;
use crate::failure;
use crate::field::Json;
use crate::figures::Figures;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST .../interactions`
pub(in crate::providers) struct Interactions;

impl Reader for Interactions {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Prompt) {
        into.request.model = body.get("model").kept(MAX_NAME);
        into.request.labels.agent = body.get("agent").kept(MAX_NAME);
        into.request.stream = body.get("stream").bool().unwrap_or(false);
        let input = [body.get("input"), body.get("messages")];
        into.request.messages = input
            .into_iter()
            .find_map(|input| input.len().or_else(|| input.is_some().then_some(1)));
        into.request.tools = body.get("tools").len();
        into.request.previous_response_id = body.get("previous_interaction_id").kept(MAX_NAME);
        generate::read_config(body.get("generation_config"), &mut into.request);
        if body.get("response_format").is_object() {
            into.request.output_type = Some(OutputType::Json);
        }
        write_prompt(body, into);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        if !event.stream {
            return read_interaction(body, true, into);
        }
        let kind = body.get("event_type").text().unwrap_or_default();
        let index = body.get("index").size();
        match &*kind {
            "step.start" => read_step(body.get("step"), index, into),
            "step.delta" => read_delta(body.get("delta"), index, into),
            "interaction.completed" | "interaction.complete" => {
                into.ended = true;
                read_interaction(body.get("interaction"), false, into);
            }
            "error" => into.fail(failure::read(body)),
            _ => read_interaction(body.get("interaction"), false, into),
        }
    }
}

/// What is asked: a text, or steps and contents of parts.
fn write_prompt(body: Json<'_>, into: &mut Prompt) {
    into.text("system", body.get("system_instruction"));
    for input in [body.get("input"), body.get("messages")] {
        into.text("user", input);
        for step in input.items() {
            let role = step.get("role").text().unwrap_or_else(|| "user".into());
            let role = if role == "model" { "assistant" } else { &*role };
            into.text(role, step.get("text"));
            into.text(role, step.get("content"));
            step.get("content").items().for_each(|part| into.text(role, part.get("text")));
        }
    }
    for tool in body.get("tools").items() {
        if tool.get("type").is("function") {
            into.function(tool.get("name"), tool.get("description"), tool.get("parameters"));
        } else if let Some(kind) = tool.get("type").text() {
            into.tool(&kind, &kind);
        }
    }
}

/// The interaction itself: the body, or inside an event of a stream, where its steps came before. Its
/// model is the one that was requested, its id that of the stored conversation, and its status no
/// reason to finish.
fn read_interaction(object: Json<'_>, steps: bool, into: &mut Answer) {
    into.service_tier(object.get("service_tier"));
    let output = [object.get("steps"), object.get("outputs")];
    for (place, step) in output.into_iter().flat_map(Json::items).enumerate().filter(|_| steps) {
        read_step(step, Some(place as u64), into);
    }
    let status = object.get("status");
    if status.is("in_progress") {
        into.pending = true;
        into.stage = steps.then_some(Stage::Open).or(into.stage);
    } else if status.is_some() {
        let word = status.text().unwrap_or_default();
        into.close(0, if into.ends_with_call(0) { "tool_calls" } else { &word });
        into.pending = status.is("requires_action") && into.calls() == 0;
    }
    if failure::is_told(object) {
        into.fail(failure::read(object));
    }
    read_usage(object.get("usage"), &mut into.usage);
}

/// A step: words, thoughts, a call, or what a tool of the provider's did.
fn read_step(step: Json<'_>, index: Option<u64>, into: &mut Answer) {
    let kind = step.get("type").text().unwrap_or_default();
    match &*kind {
        "model_output" | "text" => {
            into.text(0, index, step.get("text"));
            step.get("content").items().for_each(|part| read_part(part, index, into));
        }
        "thought" => {
            into.reasoning(0, index, step.get("summary"));
            for part in step.get("summary").items() {
                into.reasoning(0, index, part.get("text"));
            }
        }
        "function_call" => {
            let arguments = step.get("arguments");
            // A stream begins a call with no arguments, and sends them in pieces.
            let begun = arguments.members().next().is_none();
            let arguments = if begun { Json::ABSENT } else { arguments };
            into.call(0, index, step.get("id"), step.get("name"), arguments);
        }
        "" => {}
        kind => {
            into.response.output = true;
            into.part(0, |scribe| {
                Some(Part::Other { kind: kind.to_owned(), content: scribe.text(step.get("text")) })
            });
        }
    }
}

fn read_part(part: Json<'_>, index: Option<u64>, into: &mut Answer) {
    into.text(0, index, part.get("text"));
    let modality = match part.get("type").text().as_deref() {
        Some("image") => Modality::Image,
        Some("audio") => Modality::Audio,
        Some("video") => Modality::Video,
        _ => Modality::Document,
    };
    if part.get("data").has_text() || part.get("uri").has_text() {
        into.response.output = true;
        into.part(0, |scribe| {
            let mime_type = scribe.name(part.get("mime_type"));
            if part.get("data").has_text() {
                return Some(scribe.data(modality, mime_type, part.get("data")));
            }
            scribe.link(modality, mime_type, part.get("uri"))
        });
    }
}

fn read_delta(delta: Json<'_>, index: Option<u64>, into: &mut Answer) {
    let kind = delta.get("type").text().unwrap_or_default();
    match &*kind {
        "arguments_delta" => into.more_arguments(0, index, delta.get("arguments")),
        "thought_summary" | "thought_summary_delta" => {
            into.reasoning(0, index, delta.get("text"));
            into.reasoning(0, index, delta.get("content").get("text"));
        }
        "thought_signature" => {}
        _ => read_part(delta, index, into),
    }
}

/// The prompt is stated without what tools added to it, the output without its thoughts.
fn read_usage(told: Json<'_>, into: &mut Usage) {
    let mut odd = false;
    let mut count = |name: &str| told.get(name).count(&mut odd);
    let input = usage::plus(count("total_input_tokens"), count("total_tool_use_tokens"));
    let thoughts = count("total_thought_tokens");
    let output = usage::plus(count("total_output_tokens"), thoughts);
    if input.is_none() && output.is_none() {
        return;
    }
    let part = |details: &str, modality: &usage::Modality| modality.of(told.get(details));
    Figures {
        input,
        cache_read: count("total_cached_tokens"),
        input_audio: part("input_tokens_by_modality", &usage::AUDIO),
        input_image: part("input_tokens_by_modality", &usage::IMAGE),
        output,
        reasoning: thoughts,
        output_audio: part("output_tokens_by_modality", &usage::AUDIO),
        output_image: part("output_tokens_by_modality", &usage::IMAGE),
        total: count("total_tokens"),
        odd,
        ..Figures::default()
    }
    .fill(into);
    let grounded = told.get("grounding_tool_count");
    let counts = grounded.items().filter_map(|tool| tool.get("count").size());
    let searches = grounded.size().or_else(|| counts.reduce(u64::saturating_add));
    into.searches = into.searches.max(searches.filter(|count| *count > 0));
    into.grounded_prompts = into.grounded_prompts.max(into.searches.map(|_| 1));
}
