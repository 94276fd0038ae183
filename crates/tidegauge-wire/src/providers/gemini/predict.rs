//! `predict`: the older way to ask, with one body for every kind of model, and the way to start what
//! takes long.

use tidegauge_core::{Operation, Source};

use super::either;
use super::path::{self, Path};
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// What kind of model it is can only be told by its name.
pub(in crate::providers) fn operation(model: &str) -> Operation {
    match model {
        _ if model.starts_with("imag") => Operation::ImageGeneration,
        _ if model.starts_with("chat-bison") || model.starts_with("codechat") => Operation::Chat,
        _ if model.contains("-bison") => Operation::TextCompletion,
        _ if model.starts_with("veo") => Operation::VideoGeneration,
        _ => Operation::Embeddings,
    }
}

/// `POST .../models/MODEL:predict`
pub(in crate::providers) struct Predict;

impl Reader for Predict {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        into.request.model = path::model(&Path::of(&head.path));
        into.request.messages = body.get("instances").len();
        let parameters = body.get("parameters");
        into.request.dimensions =
            either(parameters, "outputDimensionality", "output_dimensionality").size();
        into.request.choices = either(parameters, "sampleCount", "sample_count").size();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let predictions = event.data.get("predictions");
        into.response.output |= predictions.items().next().is_some();
        let values = |prediction: Json<'_>| prediction.get("embeddings").get("values").len();
        into.response.dimensions = predictions.items().find_map(values);
        let tokens = predictions.items().filter_map(embedded_tokens);
        let Some(tokens) = tokens.reduce(u64::saturating_add) else { return };
        into.usage.input = Some(tokens);
        into.usage.source = Source::Provider;
    }
}

fn embedded_tokens(prediction: Json<'_>) -> Option<u64> {
    prediction.get("embeddings").get("statistics").get("token_count").size()
}

/// `POST .../models/MODEL:predictLongRunning`: the answer is a ticket.
pub(in crate::providers) struct LongRunning;

impl Reader for LongRunning {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        Predict.read_request(head, body, into);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        into.pending = event.data.get("name").has_text();
    }
}
