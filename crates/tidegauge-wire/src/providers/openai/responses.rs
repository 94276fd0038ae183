//! The Responses API, whole and streamed.

use tidegauge_core::{Billed, Bucket, Request, Tool};

use super::{request, usage, words};
use crate::answer::{Answer, MAX_NAME};
use crate::background::Stage;
use crate::failure;
use crate::field::{Json, clip};
use crate::percent;
use crate::provider::{Asked, Event, Reader};
use crate::providers::tools;
use crate::transcript::{Prompt, Reply};

/// `POST .../responses`
pub(crate) struct Responses;

impl Reader for Responses {
    fn api(&self) -> Option<&'static str> {
        Some("responses")
    }

    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        request::read_common(head, body, into);
        into.max_tokens = body.get("max_output_tokens").size();
        into.messages = request::how_many(body.get("input"));
        into.tools = body.get("tools").len();
        into.reasoning_level = body.get("reasoning").get("effort").kept(64);
        into.previous_response_id = body.get("previous_response_id").kept(MAX_NAME);
        into.output_type = request::output_type(body.get("text").get("format"));
        let conversation = body.get("conversation");
        into.labels.session =
            conversation.kept(MAX_NAME).or_else(|| conversation.get("id").kept(MAX_NAME));
        request::read_prompt(body.get("prompt"), into);
        let failed =
            |item: &Json<'_>| item.get("type").is("mcp_call") && item.get("error").is_some();
        into.tool_errors = body.get("input").items().filter(failed).count() as u64;
    }

    fn read_tools(&self, body: Json<'_>, into: &mut Vec<Tool>) {
        for tool in body.get("tools").items().filter(|tool| tool.get("type").is("function")) {
            tools::keep(tool.get("name"), tool.get("parameters"), into);
        }
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        if !event.stream {
            return read_object(body, true, into);
        }
        let kind = body.get("type").text().unwrap_or_default();
        match kind.as_ref() {
            "response.output_text.delta" => into.text(body.get("delta")),
            "response.refusal.delta" => into.refusal(body.get("delta")),
            "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
                into.reasoning(body.get("delta"));
            }
            "response.function_call_arguments.delta"
            | "response.custom_tool_call_input.delta"
            | "response.mcp_call_arguments.delta"
            | "response.code_interpreter_call_code.delta" => {
                into.token |= body.get("delta").has_text();
            }
            "response.output_item.done" => {
                let item = body.get("item");
                repeated(into, |into| read_item(item, into));
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
                repeated(into, |into| read_object(body.get("response"), unseen, into));
                into.token = false;
            }
            "error" => into.fail(failure::read(body)),
            _ => read_object(body.get("response"), false, into),
        }
    }

    fn write_prompt(&self, body: Json<'_>, into: &mut Prompt) {
        words::write_items(body, into);
    }

    fn write_reply(&self, event: Event<'_>, into: &mut Reply) {
        let body = event.data;
        if !event.stream {
            return write_object(body, into);
        }
        let place = body.get("output_index").size();
        let kind = body.get("type").text().unwrap_or_default();
        match &*kind {
            "response.output_text.delta" => into.text(0, place, body.get("delta")),
            "response.refusal.delta" => into.refusal(0, place, body.get("delta")),
            "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
                into.reasoning(0, place, body.get("delta"));
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                into.arguments(0, place, body.get("delta"));
            }
            "response.output_item.added" => {
                words::begin_item(body.get("item"), place.unwrap_or(0), into);
            }
            "response.output_item.done" => {
                words::write_item(body.get("item"), place.unwrap_or(0), into);
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                write_object(body.get("response"), into);
            }
            _ => {}
        }
    }
}

/// The response object. Its items were written down one by one if it ends a stream.
fn write_object(object: Json<'_>, into: &mut Reply) {
    if into.is_empty() {
        for (place, item) in into.scribe.items(object.get("output")).enumerate() {
            words::write_item(item, place as u64, into);
        }
    }
    let status = object.get("status");
    if status.is("incomplete") {
        into.finish(0, object.get("incomplete_details").get("reason"));
    } else if status.is("completed") && into.ends_with_call(0) {
        into.finish_as(0, "tool_calls");
    } else if !status.is("in_progress") && !status.is("queued") {
        into.finish(0, status);
    }
}

/// Reads what was said before in pieces.
fn repeated(into: &mut Answer, read: impl FnOnce(&mut Answer)) {
    into.repeats = true;
    read(into);
    into.repeats = false;
}

/// The response object: the body, or inside an event.
fn read_object(object: Json<'_>, items: bool, into: &mut Answer) {
    into.id(object.get("id"));
    into.model(object.get("model"));
    into.service_tier(object.get("service_tier"));
    if items {
        for item in object.get("output").items() {
            read_item(item, into);
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
    let reason = object.get("incomplete_details").get("reason");
    if status.is("incomplete") {
        into.finish(0, reason);
        into.response.content_filter |= reason.is("content_filter");
    }
    if status.is("cancelled") {
        into.finish_as(0, "cancelled");
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

fn read_item(item: Json<'_>, into: &mut Answer) {
    let kind = item.get("type").text().unwrap_or_default();
    match kind.as_ref() {
        "message" => {
            for part in item.get("content").items() {
                into.text(part.get("text"));
                into.refusal(part.get("refusal"));
            }
        }
        "function_call" => {
            into.whole_call(item.get("arguments"));
            into.tool(item.get("name"));
        }
        // Their input is free text, or an object of the provider's own.
        "custom_tool_call" => into.whole_call(Json::ABSENT),
        call if words::is_run_by_client(call, item) => into.whole_call(Json::ABSENT),
        "mcp_call" if item.get("error").is_some() => into.bad_call(),
        "reasoning" | "" => {}
        _ => into.response.output = true,
    }
}

/// `GET .../responses/{id}` and `POST .../responses/{id}/cancel`: a response that was asked for before.
pub(crate) struct Stored;

impl Reader for Stored {
    fn api(&self) -> Option<&'static str> {
        Responses.api()
    }

    fn read_request(&self, _head: &Asked, _body: Json<'_>, _into: &mut Request) {}

    fn fetches(&self, head: &Asked) -> Option<String> {
        let (_, rest) = head.path.rsplit_once("/responses/")?;
        let id = rest.split('/').next().filter(|id| !id.is_empty())?;
        Some(clip(&percent::decode(id), MAX_NAME).to_owned())
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        Responses.read_event(event, into);
    }

    fn write_reply(&self, event: Event<'_>, into: &mut Reply) {
        Responses.write_reply(event, into);
    }
}

/// `POST .../responses/input_tokens`: tokens counted without a model call.
pub(crate) struct InputTokens;

impl Reader for InputTokens {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        request::read_common(head, body, into);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        into.response.counted_tokens = event.data.get("input_tokens").size();
    }
}
