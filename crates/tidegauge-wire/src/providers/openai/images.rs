//! Pictures made or edited.

use tidegauge_core::OutputType;

use super::{request, usage};
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST .../images/...`
pub(crate) struct Images;

impl Reader for Images {
    fn has_terminator(&self) -> bool {
        true
    }

    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        request::read_common(head, body, &mut into.request);
        into.request.choices = body.get("n").size();
        into.request.output_type = Some(OutputType::Image);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.model(body.get("model"));
        let whole = body.get("data").items().next().is_some();
        let piece = body.get("b64_json").has_text();
        into.response.output |= whole || piece;
        into.token |= piece;
        into.ended |= body.get("type").text().is_some_and(|kind| kind.ends_with(".completed"));
        usage::read(body.get("usage"), into);
    }
}
