//! Takes apart `/model/MODEL/action`. A model may be an ARN, encoded or with its slashes as they are.

use std::borrow::Cow;

use tidegauge_core::Operation;

use super::{converse, count, invoke};
use crate::answer::MAX_NAME;
use crate::field::clip;
use crate::percent;
use crate::provider::Reader;

/// What can be asked of a model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    Converse,
    ConverseStream,
    Invoke,
    InvokeStream,
    CountTokens,
    Bidirectional,
}

const ACTIONS: &[(&str, Action)] = &[
    ("converse", Action::Converse),
    ("converse-stream", Action::ConverseStream),
    ("invoke", Action::Invoke),
    ("invoke-with-response-stream", Action::InvokeStream),
    ("count-tokens", Action::CountTokens),
    ("invoke-with-bidirectional-stream", Action::Bidirectional),
];

/// One path, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Path<'a> {
    model: Cow<'a, str>,
    pub(super) action: Action,
    word: &'static str,
}

impl<'a> Path<'a> {
    /// The path of a model; `None` for any other.
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let (model, action) = path.strip_prefix("/model/")?.rsplit_once('/')?;
        let (word, action) = *ACTIONS.iter().find(|(word, _)| *word == action)?;
        (!model.is_empty()).then(|| Self { model: percent::decode(model), action, word })
    }

    /// The low-cardinality pattern.
    pub(super) fn route(&self) -> String {
        format!("/model/{{model}}/{}", self.word)
    }

    /// The model, its ARN or the profile that stands for it.
    pub(super) fn model(&self) -> String {
        clip(&self.model, MAX_NAME).to_owned()
    }

    /// Vendors' own bodies say nothing of what is asked; only the model's name does.
    pub(super) fn operation(&self) -> Operation {
        let has = |words: &[&str]| words.iter().any(|word| self.model.contains(word));
        match self.action {
            Action::CountTokens => Operation::CountTokens,
            Action::Bidirectional => Operation::Realtime,
            Action::Invoke if has(&["embed"]) => Operation::Embeddings,
            Action::Invoke if has(&["stability.", "-image-", "nova-canvas"]) => {
                Operation::ImageGeneration
            }
            Action::Converse | Action::ConverseStream | Action::Invoke | Action::InvokeStream => {
                Operation::Chat
            }
        }
    }

    /// Who reads it.
    pub(super) fn reader(&self) -> Option<&'static dyn Reader> {
        Some(match self.action {
            Action::Converse | Action::ConverseStream => &converse::Converse,
            Action::Invoke | Action::InvokeStream => &invoke::Invoke,
            Action::CountTokens => &count::CountTokens,
            Action::Bidirectional => return None,
        })
    }
}

/// Writes what the path says into a request.
pub(super) fn read(path: &str, into: &mut tidegauge_core::Request) {
    let Some(path) = Path::of(path) else { return };
    into.model = Some(path.model());
    into.stream = matches!(path.action, Action::ConverseStream | Action::InvokeStream);
}
