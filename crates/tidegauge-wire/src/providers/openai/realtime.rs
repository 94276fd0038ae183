//! The Realtime API: a conversation over a websocket, in speech or text. Names of the beta are known
//! beside those of today.

use std::time::Duration;

use tidegauge_core::{End, Operation, OutputType, RateLimit, Request, Reset};

use super::audio::Transcription;
use super::responses::{self, Responses};
use super::{request, usage, words};
use crate::answer::{Answer, MAX_NAME};
use crate::failure;
use crate::field::Json;
use crate::provider::{Event, Reader, SocketReader};
use crate::session::Session;
use crate::transcript::Prompt;

/// `wss://.../realtime?model=...`
pub(crate) struct Realtime;

impl SocketReader for Realtime {
    fn read_client(&self, message: Json<'_>, into: &mut Session) {
        if message.get("type").is("conversation.item.create") {
            into.say(|prompt| words::write_spoken(message.get("item"), prompt));
        }
        if message.get("type").is("response.create") {
            let mut asked = into.request.clone();
            read_wishes(message.get("response"), &mut asked);
            into.say(|prompt| write_wishes(message.get("response"), prompt));
            let id = message.get("event_id").text().unwrap_or_default();
            into.ask(&id, "", false, asked);
        }
    }

    fn read_server(&self, message: Json<'_>, into: &mut Session) {
        let kind = message.get("type").text().unwrap_or_default();
        match kind.as_ref() {
            "session.created"
            | "session.updated"
            | "transcription_session.created"
            | "transcription_session.updated" => read_session(message.get("session"), into),
            "input_audio_buffer.committed" => {
                into.commit();
                into.speak(&message.get("item_id").text().unwrap_or_default());
            }
            "response.created" => {
                let response = message.get("response");
                let id = response.get("id").text().unwrap_or_default();
                into.begin(&id, "");
                into.event(&id, |answer| answer.id(response.get("id")));
            }
            "response.done" => read_done(message.get("response"), into),
            "conversation.item.input_audio_transcription.completed" => transcribed(message, into),
            "rate_limits.updated" => read_limits(message.get("rate_limits"), into),
            "error" => {
                let id = message.get("error").get("event_id").text();
                into.refuse(id.as_deref(), "", None, failure::read(message));
            }
            _ => {
                let id = message.get("response_id").text().unwrap_or_default();
                into.event(&id, |answer| read_event(message, &kind, answer));
            }
        }
    }
}

/// A piece of a response.
fn read_event(message: Json<'_>, kind: &str, into: &mut Answer) {
    let place = message.get("output_index").size();
    match kind {
        "response.text.delta"
        | "response.audio_transcript.delta"
        | "response.output_audio_transcript.delta" => into.text(0, place, message.get("delta")),
        "response.output_item.done" => {
            into.repeat(place, |into| read_item(message.get("item"), place, into));
        }
        _ => Responses.read_event(Event { name: None, data: message, stream: true }, into),
    }
}

/// An item of an answer that may be spoken.
fn read_item(item: Json<'_>, place: Option<u64>, into: &mut Answer) {
    if item.get("type").is("message") {
        for part in item.get("content").items() {
            into.text(0, place, part.get("transcript"));
        }
    }
    responses::read_item(item, place, into);
}

/// What a session, or a wish for a response, says in words.
fn write_wishes(wish: Json<'_>, into: &mut Prompt) {
    let instructions = into.scribe.said(wish.get("instructions"));
    into.system(instructions);
    for item in into.scribe.items(wish.get("input")) {
        words::write_spoken(item, into);
    }
    words::write_tools(wish.get("tools"), into);
}

/// The last event of a response. What it says of its end is its status, and the reason where it has
/// one.
fn read_done(response: Json<'_>, into: &mut Session) {
    let id = response.get("id").text().unwrap_or_default();
    let status = response.get("status");
    let details = response.get("status_details");
    let end = if status.is("cancelled") { End::Cancelled } else { End::Complete };
    let read = |answer: &mut Answer| {
        let unseen = answer.calls() == 0;
        answer.id(response.get("id"));
        answer.ended = true;
        answer.repeat(None, |answer| {
            let items = response.get("output").items().enumerate();
            let calls = |item: Json<'_>| !item.get("type").is("message");
            for (place, item) in items.filter(|(_, item)| unseen || !calls(*item)) {
                read_item(item, Some(place as u64), answer);
            }
        });
        let reason = details.get("reason");
        let written = if reason.has_text() { reason } else { status };
        let calls = status.is("completed") && answer.ends_with_call(0);
        answer.finish(0, written);
        if calls {
            answer.close(0, "tool_calls");
        } else if !status.is("incomplete") {
            answer.close(0, &status.text().unwrap_or_default());
        }
        if status.is("failed") {
            let told = failure::read(details).or_else(|| failure::read(response));
            answer.fail(Some(told.unwrap_or_default()));
        }
        usage::read_realtime(response.get("usage"), &mut answer.usage);
        answer.token = false;
    };
    into.over(&id, end, read);
}

/// The session object: what its responses start from.
fn read_session(session: Json<'_>, into: &mut Session) {
    into.answer.id(session.get("id"));
    into.answer.model(session.get("model"));
    let transcriber = session.get("audio").get("input").get("transcription").get("model");
    let beta = session.get("input_audio_transcription").get("model");
    into.transcriber = transcriber.kept(MAX_NAME).or_else(|| beta.kept(MAX_NAME));
    let mut asked = std::mem::take(&mut into.request);
    (asked.tools, asked.max_tokens, asked.output_type) = (None, None, None);
    read_wishes(session, &mut asked);
    into.request = asked;
    into.stand(|prompt| write_wishes(session, prompt));
}

/// What a session and a wish for a response have in common. What is not told stays.
fn read_wishes(wish: Json<'_>, into: &mut Request) {
    let tools = wish.get("tools").len();
    into.tools = tools.or(into.tools);
    let limit = wish.get("max_output_tokens").size();
    let limit = limit.or_else(|| wish.get("max_response_output_tokens").size());
    into.max_tokens = limit.or(into.max_tokens);
    into.temperature = wish.get("temperature").float().or(into.temperature);
    into.messages = request::how_many(wish.get("input")).or(into.messages);
    into.reasoning_level =
        wish.get("reasoning").get("effort").kept(64).or(into.reasoning_level.take());
    into.output_type = output_type(wish).or(into.output_type);
    request::read_prompt(wish.get("prompt"), into);
    request::read_tags(wish.get("metadata"), into);
}

fn output_type(wish: Json<'_>) -> Option<OutputType> {
    let asks = |word: &str| {
        let lists = [wish.get("output_modalities"), wish.get("modalities")];
        lists.into_iter().any(|list| list.items().any(|kind| kind.is(word)))
    };
    match () {
        () if asks("audio") => Some(OutputType::Speech),
        () if asks("text") => Some(OutputType::Text),
        () => None,
    }
}

/// Speech became text: by another model, which counts and costs on its own.
fn transcribed(message: Json<'_>, into: &mut Session) {
    let model = into.transcriber.clone();
    let request = Request { model, api: into.request.api, ..Request::default() };
    let read = |answer: &mut Answer| {
        // That nothing was said is an answer too.
        answer.response.output = true;
        Transcription.read_event(Event { name: None, data: message, stream: true }, answer);
        answer.text(0, None, message.get("transcript"));
        // It was heard, not generated.
        answer.token = false;
    };
    let heard = message.get("transcript");
    into.hear(&message.get("item_id").text().unwrap_or_default(), heard);
    into.told(Operation::Transcription, request, read);
}

/// `[{"name", "limit", "remaining", "reset_seconds"}]`
fn read_limits(limits: Json<'_>, into: &mut Session) {
    let limits: Vec<RateLimit> = limits.items().filter_map(limit).collect();
    match into.latest() {
        Some(turn) => turn.answer.response.rate_limits = limits,
        None => into.answer.response.rate_limits = limits,
    }
}

fn limit(told: Json<'_>) -> Option<RateLimit> {
    let known = ["requests", "tokens", "input_tokens", "output_tokens"];
    let name = told.get("name");
    let resource = known.into_iter().find(|word| name.is(word))?;
    Some(RateLimit {
        resource,
        limit: told.get("limit").size(),
        remaining: told.get("remaining").size(),
        reset: told.get("reset_seconds").float().and_then(seconds).map(Reset::In),
    })
}

fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}
