//! `embedContent` and `batchEmbedContents`: vectors, and usage only lately.

use super::path::{self, Path};
use super::{either, usage};
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST .../models/MODEL:embedContent` and `:batchEmbedContents`
pub(in crate::providers) struct Embed;

impl Reader for Embed {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        into.request.model = path::model(&Path::of(&head.path));
        let several = body.get("requests");
        into.request.messages =
            several.len().or_else(|| body.get("content").is_object().then_some(1));
        let first = several.items().next().unwrap_or(body);
        into.request.dimensions =
            either(first, "outputDimensionality", "output_dimensionality").size();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        let first = body.get("embeddings").items().next().unwrap_or(body.get("embedding"));
        if first.is_object() {
            into.response.output = true;
            into.response.dimensions = first.get("values").len();
        }
        usage::read(body.get("usageMetadata"), &mut into.usage);
    }
}
