//! The Live API: a conversation over a websocket. JSON in text or binary messages.

use tidegauge_core::{End, Operation, Request};

use super::generate::{read_config, read_part, tools};
use super::{either, usage, words};
use crate::answer::{Answer, MAX_NAME};
use crate::field::{Json, clip};
use crate::provider::SocketReader;
use crate::session::Session;

/// `wss://.../ws/...BidiGenerateContent`
pub(in crate::providers) struct Live;

/// There is one turn at a time.
const TURN: &str = "";

impl SocketReader for Live {
    fn operation(&self) -> Operation {
        Operation::GenerateContent
    }

    fn read_client(&self, message: Json<'_>, into: &mut Session) {
        read_setup(message.get("setup"), into);
        let content = either(message, "clientContent", "client_content");
        let turns = content.get("turns");
        let complete = either(content, "turnComplete", "turn_complete").bool() == Some(true);
        if complete {
            // What was asked for before and has not been answered is not coming any more.
            into.forget_asked();
        }
        into.say(|prompt| words::write_turns(turns, prompt));
        if complete {
            let messages = turns.len().or_else(|| turns.is_object().then_some(1));
            ask(into, messages, 0);
        }
        let results = either(message, "toolResponse", "tool_response");
        if results.is_object() && !into.is_open(TURN) {
            let told = either(results, "functionResponses", "function_responses");
            into.forget_asked();
            into.say(|prompt| words::write_results(told, prompt));
            let failed = |one: &Json<'_>| one.get("response").get("error").is_some();
            ask(into, told.len(), told.items().filter(failed).count() as u64);
        } else if results.is_object() {
            let told = either(results, "functionResponses", "function_responses");
            into.say_to(TURN, |prompt| words::write_results(told, prompt));
        }
        let input = either(message, "realtimeInput", "realtime_input");
        let ended = either(input, "activityEnd", "activity_end").exists()
            || either(input, "audioStreamEnd", "audio_stream_end").bool() == Some(true);
        if input.get("text").has_text() {
            into.say(|prompt| {
                let said = prompt.scribe.said(input.get("text"));
                prompt.says("user", said.into_iter().collect());
            });
        }
        if ended || input.get("text").has_text() {
            into.commit();
        }
    }

    fn read_server(&self, message: Json<'_>, into: &mut Session) {
        let told = either(message, "usageMetadata", "usage_metadata");
        let content = either(message, "serverContent", "server_content");
        let calls = either(message, "toolCall", "tool_call");
        let setup = either(message, "setupComplete", "setup_complete");
        into.answer.id(either(setup, "sessionId", "session_id"));
        let further = content.is_object() || calls.is_object();
        if further && into.turn(TURN).is_some_and(|turn| turn.closing) {
            // No figures came behind the end of the turn before.
            into.close(TURN);
        }
        let complete = either(content, "turnComplete", "turn_complete").bool() == Some(true);
        let speaks = says(content) || calls.is_object();
        if speaks || told.is_object() || complete && into.is_asked() {
            into.begin(TURN, TURN);
        }
        let heard = either(content, "inputTranscription", "input_transcription");
        into.hear_in(TURN, heard.get("text"));
        into.event(TURN, |answer| {
            read_content(content, answer);
            for call in either(calls, "functionCalls", "function_calls").items() {
                answer.whole_call(0, call.get("id"), call.get("name"), call.get("args"));
            }
            usage::read(told, &mut answer.usage);
            answer.ended |= complete;
        });
        let Some(turn) = into.turn(TURN) else { return };
        turn.closing |= complete;
        if content.get("interrupted").bool() == Some(true) {
            turn.end = End::Cancelled;
        }
        // The figures may come behind the end.
        if turn.closing && turn.answer.usage.is_known() {
            into.close(TURN);
        }
    }
}

/// The model says something. Some say only that nothing more comes.
fn says(content: Json<'_>) -> bool {
    let heard = either(content, "outputTranscription", "output_transcription");
    either(content, "modelTurn", "model_turn").is_object() || heard.get("text").has_text()
}

fn read_content(content: Json<'_>, into: &mut Answer) {
    for part in either(content, "modelTurn", "model_turn").get("parts").items() {
        // Of speech only words are written down.
        if either(part, "inlineData", "inline_data").is_object() {
            into.token = true;
            into.response.output = true;
        } else {
            read_part(part, 0, into);
        }
    }
    into.text(0, None, either(content, "outputTranscription", "output_transcription").get("text"));
    if content.get("interrupted").bool() == Some(true) {
        into.finish_as(0, "interrupted", "interrupted");
    }
    into.finish(0, either(content, "turnCompleteReason", "turn_complete_reason"));
}

/// `setup`: what the session's turns start from.
fn read_setup(setup: Json<'_>, into: &mut Session) {
    if !setup.is_object() {
        return;
    }
    let mut request = Request { api: into.request.api, ..Request::default() };
    read_config(either(setup, "generationConfig", "generation_config"), &mut request);
    let model = setup.get("model").text().unwrap_or_default();
    let name = model.rsplit('/').next().filter(|name| !name.is_empty());
    request.model = name.map(|name| clip(name, MAX_NAME).to_owned());
    let declared = setup.get("tools");
    request.tools = declared.is_array().then(|| declared.items().map(tools).sum());
    into.request = request;
    into.stand(|prompt| words::write_prompt(setup, prompt));
}

/// The client wants an answer.
fn ask(into: &mut Session, messages: Option<u64>, tool_errors: u64) {
    let asked = Request { messages, tool_errors, ..into.request.clone() };
    into.ask("", TURN, false, asked);
}
