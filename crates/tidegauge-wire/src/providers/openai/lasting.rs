//! The Responses API over a websocket that lasts: each message of the client asks for a response, and
//! the events are those of the stream.

use http::StatusCode;
use tidegauge_core::End;

use super::responses::Responses;
use crate::answer::Answer;
use crate::failure;
use crate::field::Json;
use crate::provider::{Event, Reader, SocketReader};
use crate::session::Session;

/// `wss://.../responses`
pub(crate) struct Lasting;

impl SocketReader for Lasting {
    fn api(&self) -> Option<&'static str> {
        Responses.api()
    }

    fn read_client(&self, message: Json<'_>, into: &mut Session) {
        let kind = message.get("type");
        if kind.is("response.create") || kind.is("response.append") {
            let mut asked =
                into.requested(|head, prompt| Responses.read_request(head, message, prompt));
            asked.api = into.request.api;
            // The first one says what the session is about.
            if into.request.model.is_none() {
                into.request.model.clone_from(&asked.model);
            }
            let quiet = message.get("generate").bool() == Some(false);
            let lane = message.get("stream_id").text().unwrap_or_default();
            into.ask("", &lane, quiet, asked);
            // How the users of another proxy say that nothing is to be kept.
            if message.get("no-log").bool() == Some(true) {
                into.silence();
            }
        }
    }

    fn read_server(&self, message: Json<'_>, into: &mut Session) {
        let kind = message.get("type").text().unwrap_or_default();
        let lane = message.get("stream_id").text().unwrap_or_default();
        let event = Event { name: None, data: message, stream: true };
        match kind.as_ref() {
            "response.completed" | "response.incomplete" | "response.failed" => {
                let cancelled = message.get("response").get("status").is("cancelled");
                let end = if cancelled { End::Cancelled } else { End::Complete };
                into.over(&lane, end, |answer| Responses.read_event(event, answer));
            }
            "error" => read_error(message, &lane, into),
            other if other.starts_with("response.") => {
                into.begin(&lane, &lane);
                into.event(&lane, |answer| Responses.read_event(event, answer));
            }
            _ => {}
        }
    }
}

/// `{"type": "error", "status", "error": {...}}`: of the response under way, if there is one.
fn read_error(message: Json<'_>, lane: &str, into: &mut Session) {
    let error = failure::read(message);
    let status = ["status", "status_code"].iter().find_map(|name| message.get(name).size());
    let status = status.and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    if into.is_open(lane) {
        let read = |answer: &mut Answer| {
            answer.fail(Some(error.unwrap_or_default()));
            answer.response.status = status;
            answer.ended = true;
        };
        into.over(lane, End::Complete, read);
    } else {
        into.refuse(None, lane, status, error);
    }
}
