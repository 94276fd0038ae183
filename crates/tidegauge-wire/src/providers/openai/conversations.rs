//! Conversations as one host of this family serves them: entries in, entries out.

use super::{request, usage};
use crate::answer::{Answer, MAX_NAME};
use crate::failure;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST .../conversations` and what goes on with one.
pub(crate) struct Conversations;

impl Reader for Conversations {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        request::read_common(head, body, &mut into.request);
        request::read_sampling(body.get("completion_args"), &mut into.request);
        into.request.messages = request::how_many(body.get("inputs"));
        into.request.tools = body.get("tools").len();
        into.request.labels.agent = body.get("agent_id").kept(MAX_NAME);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        let kind = body.get("type").text().unwrap_or_default();
        into.id(body.get("conversation_id"));
        into.model(body.get("model"));
        match &*kind {
            "message.output.delta" => read_content(body.get("content"), into),
            "function.call.delta" => {
                let index = body.get("output_index").size();
                let (id, arguments) = (body.get("tool_call_id"), body.get("arguments"));
                into.call(0, index, id, body.get("name"), arguments);
            }
            "conversation.response.done" => into.ended = true,
            "conversation.response.error" => into.fail(failure::read(body)),
            _ => body.get("outputs").items().for_each(|entry| read_entry(entry, into)),
        }
        let told = body.get("usage");
        usage::read(told, into);
        let searches = told.get("connectors").get("web_search").size();
        into.usage.searches = into.usage.searches.max(searches.filter(|count| *count > 0));
    }
}

fn read_entry(entry: Json<'_>, into: &mut Answer) {
    let kind = entry.get("type").text().unwrap_or_default();
    into.model(entry.get("model"));
    match &*kind {
        "message.output" => read_content(entry.get("content"), into),
        "function.call" => {
            let (id, arguments) = (entry.get("tool_call_id"), entry.get("arguments"));
            into.whole_call(0, id, entry.get("name"), arguments);
        }
        _ => into.response.output = true,
    }
}

/// A text, or parts, or one of them.
fn read_content(content: Json<'_>, into: &mut Answer) {
    into.text(0, None, content);
    into.text(0, None, content.get("text"));
    content.items().for_each(|part| into.text(0, None, part.get("text")));
}
