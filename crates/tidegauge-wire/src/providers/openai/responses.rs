//! The Responses API, whole and streamed.

use tidegauge_core::{Billed, Bucket};

use super::{request, usage, words};
use crate::answer::{Answer, MAX_NAME};
use crate::background::Stage;
use crate::failure;
use crate::field::{Json, clip};
use crate::percent;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::{Prompt, Scribe};

/// `POST .../responses`
pub(crate) struct Responses;

impl Reader for Responses {
    fn api(&self) -> Option<&'static str> {
        Some("responses")
    }

    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        request::read_common(head, body, &mut into.request);
        into.request.max_tokens = body.get("max_output_tokens").size();
        into.request.messages = request::how_many(body.get("input"));
        into.request.tools = body.get("tools").len();
        into.request.reasoning_level = body.get("reasoning").get("effort").kept(64);
        into.request.previous_response_id = body.get("previous_response_id").kept(MAX_NAME);
        into.request.output_type = request::output_type(body.get("text").get("format"));
        let conversation = body.get("conversation");
        into.request.labels.session =
            conversation.kept(MAX_NAME).or_else(|| conversation.get("id").kept(MAX_NAME));
        request::read_prompt(body.get("prompt"), &mut into.request);
        let failed =
            |item: &Json<'_>| item.get("type").is("mcp_call") && item.get("error").is_some();
        into.request.tool_errors = body.get("input").items().filter(failed).count() as u64;
        words::write_items(body, into);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        if !event.stream {
            read_object(body, true, into);
            return read_end(body, into);
        }
        let place = body.get("output_index").size();
        let delta = body.get("delta");
        let kind = body.get("type").text().unwrap_or_default();
        match kind.as_ref() {
            "response.output_text.delta" => into.text(0, place, delta),
            "response.refusal.delta" => into.refusal(0, place, delta),
            "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
                into.reasoning(0, place, delta);
            }
            "response.function_call_arguments.delta" => into.more_arguments(0, place, delta),
            "response.custom_tool_call_input.delta" => into.free_text(0, place, delta),
            "response.mcp_call_arguments.delta" | "response.code_interpreter_call_code.delta" => {
                into.token |= delta.has_text();
            }
            "response.output_item.added" => begin_item(body.get("item"), place, into),
            "response.output_item.done" => {
                let item = body.get("item");
                into.repeat(place, |into| read_item(item, place, into));
                into.usage.searches = plus(into.usage.searches, is_search(item));
                into.usage.file_searches = plus(into.usage.file_searches, is_file_search(item));
            }
            "response.image_generation_call.partial_image"
            | "response.audio.delta"
            | "response.output_audio.delta" => {
                into.token = true;
                into.response.output = true;
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                // The items were read one by one as they were done.
                let unseen = into.calls() == 0;
                into.ended = true;
                into.repeat(None, |into| read_object(body.get("response"), unseen, into));
                read_end(body.get("response"), into);
                into.token = false;
            }
            "error" => into.fail(failure::read(body)),
            _ => read_object(body.get("response"), false, into),
        }
    }
}

/// The response object: the body, or inside an event.
fn read_object(object: Json<'_>, items: bool, into: &mut Answer) {
    into.id(object.get("id"));
    into.model(object.get("model"));
    into.service_tier(object.get("service_tier"));
    if items {
        for (place, item) in object.get("output").items().enumerate() {
            read_item(item, Some(place as u64), into);
        }
    }
    read_status(object, into);
    read_stage(object, items, into);
    if failure::is_told(object) {
        into.fail(failure::read(object));
    }
    let shown = into.usage.searches.take();
    usage::read(object.get("usage"), into);
    read_searches(object, shown, into);
    read_pictures(object, into);
}

/// The searches of the provider's own tools: as they are stated, else as the items show them.
fn read_searches(object: Json<'_>, shown: Option<u64>, into: &mut Answer) {
    let stated = object.get("tool_usage").get("web_search").get("num_requests").size();
    let output = object.get("output");
    let of =
        |is: fn(Json<'_>) -> bool| output.items().fold(None, |count, item| plus(count, is(item)));
    let usage = &mut into.usage;
    let stated = stated.or(usage.searches).filter(|count| *count > 0);
    usage.searches = stated.or_else(|| of(is_search)).or(shown);
    usage.file_searches = of(is_file_search).or(usage.file_searches);
}

/// A search that is billed: opening a page or looking for words in it is not.
fn is_search(item: Json<'_>) -> bool {
    let action = item.get("action").get("type");
    item.get("type").is("web_search_call") && (!action.exists() || action.is("search"))
}

fn is_file_search(item: Json<'_>) -> bool {
    item.get("type").is("file_search_call")
}

/// One more, if it is one.
fn plus(count: Option<u64>, one: bool) -> Option<u64> {
    if one { Some(count.unwrap_or(0) + 1) } else { count }
}

/// Pictures that a tool of the provider's made are billed to the model that made them.
fn read_pictures(object: Json<'_>, into: &mut Answer) {
    let made = object.get("tool_usage").get("image_gen");
    let count = |side: &str, kind: &str| made.get(side).get(kind).size().unwrap_or(0);
    let total = |side: &str| made.get(side).size().unwrap_or(0);
    let pictures = [
        ("input_tokens", "input_tokens_details", Bucket::Input, Bucket::InputImage),
        ("output_tokens", "output_tokens_details", Bucket::Output, Bucket::OutputImage),
    ];
    let tokens = pictures.into_iter().flat_map(|(all, details, text, image)| {
        let images = count(details, "image_tokens");
        [(image, images), (text, total(all).saturating_sub(images))]
    });
    let tokens: std::collections::BTreeMap<_, _> = tokens.filter(|(_, count)| *count > 0).collect();
    if tokens.is_empty() {
        return;
    }
    let tool = object.get("tools").items().find(|tool| tool.get("type").is("image_generation"));
    let model = tool.and_then(|tool| tool.get("model").kept(MAX_NAME));
    let model = Some(model.unwrap_or_else(|| PICTURES.to_owned()));
    into.usage.billed = vec![into.usage.buckets(), Billed { model, tokens }];
}

/// The model that makes pictures where the tool names none.
const PICTURES: &str = "gpt-image-1";

/// There is no finish reason; only an incomplete response says why it ended.
fn read_status(object: Json<'_>, into: &mut Answer) {
    let status = object.get("status");
    into.pending = status.is("queued") || status.is("in_progress");
    if status.is("incomplete") {
        into.finish(0, object.get("incomplete_details").get("reason"));
    }
    if status.is("cancelled") {
        into.finish(0, status);
    }
}

/// The end of a response, for the transcript: a status is no reason to finish.
fn read_end(object: Json<'_>, into: &mut Answer) {
    let status = object.get("status").text().unwrap_or_default();
    match &*status {
        "completed" if into.ends_with_call(0) => into.close(0, "tool_calls"),
        "completed" | "failed" => into.close(0, &status),
        _ => {}
    }
}

/// An answer in one piece that is not over is of a response that goes on; a stream goes on only in the
/// background.
fn read_stage(object: Json<'_>, whole: bool, into: &mut Answer) {
    let status = object.get("status").text().unwrap_or_default();
    let lasts = whole || object.get("background").bool() == Some(true);
    match &*status {
        "queued" | "in_progress" if lasts => into.stage = Some(Stage::Open),
        "completed" | "incomplete" | "failed" | "cancelled" => into.stage = Some(Stage::Over),
        _ => {}
    }
}

/// An item of an answer, at its place among the others.
pub(super) fn read_item(item: Json<'_>, place: Option<u64>, into: &mut Answer) {
    let kind = item.get("type").text().unwrap_or_default();
    let said = |scribe: &mut Scribe| words::read_said(item, scribe);
    match kind.as_ref() {
        "message" => {
            for part in item.get("content").items() {
                into.text(0, place, part.get("text"));
                into.refusal(0, place, part.get("refusal"));
            }
        }
        "function_call" if place.is_none() => {
            let (name, arguments) = (item.get("name"), item.get("arguments"));
            into.whole_call(0, item.get("call_id"), name, arguments);
        }
        "function_call" => {
            let (name, arguments) = (item.get("name"), item.get("arguments"));
            into.call(0, place, item.get("call_id"), name, arguments);
        }
        // Its input is free text.
        "custom_tool_call" if place.is_none() => into.built_in_call(0, said),
        "custom_tool_call" => {
            into.call(0, place, item.get("call_id"), item.get("name"), Json::ABSENT);
            into.free_text(0, place, item.get("input"));
        }
        call if words::is_run_by_client(call, item) => into.built_in_call(0, said),
        "reasoning" => into.part(0, said),
        "" => {}
        kind => {
            into.response.output = true;
            if kind == "mcp_call" && item.get("error").is_some() {
                into.bad_call();
            }
            into.part(0, said);
        }
    }
}

/// An item begins: of a call its name is told here and nowhere else.
fn begin_item(item: Json<'_>, place: Option<u64>, into: &mut Answer) {
    let kind = item.get("type");
    if place.is_some() && (kind.is("function_call") || kind.is("custom_tool_call")) {
        into.call(0, place, item.get("call_id"), item.get("name"), Json::ABSENT);
    }
}

/// `GET .../responses/{id}` and `POST .../responses/{id}/cancel`: a response that was asked for before.
pub(crate) struct Stored;

impl Reader for Stored {
    fn api(&self) -> Option<&'static str> {
        Responses.api()
    }

    fn read_request(&self, _head: &Asked, _body: Json<'_>, _into: &mut Prompt) {}

    fn fetches(&self, head: &Asked) -> Option<String> {
        let (_, rest) = head.path.rsplit_once("/responses/")?;
        let id = rest.split('/').next().filter(|id| !id.is_empty())?;
        Some(clip(&percent::decode(id), MAX_NAME).to_owned())
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        Responses.read_event(event, into);
    }
}

/// `POST .../responses/input_tokens`: tokens counted without a model call.
pub(crate) struct InputTokens;

impl Reader for InputTokens {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        request::read_common(head, body, &mut into.request);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        into.response.counted_tokens = event.data.get("input_tokens").size();
    }
}
