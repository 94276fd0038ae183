//! What spans, events and metrics say alike of a record: who is calling, and what a call is named by.
//!
//! Pure. Must not know an attribute's name.

use tidegauge_core::{Labels, Operation, Prompt, Record};

use crate::attribute::cut;

/// Who is calling.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a>(&'a Labels);

impl<'a> Caller<'a> {
    /// The caller of a record.
    pub(crate) fn of(record: &'a Record) -> Self {
        Self(&record.who)
    }

    /// The value of one tag.
    pub(crate) fn tag(self, name: &str) -> Option<&'a str> {
        self.0.tags.get(name).map(String::as_str)
    }

    pub(super) fn request_id(self) -> Option<&'a str> {
        self.0.request_id.as_deref()
    }

    pub(super) fn session(self) -> Option<&'a str> {
        self.0.session.as_deref()
    }

    pub(crate) fn agent(self) -> Option<&'a str> {
        self.0.agent.as_deref()
    }

    pub(super) fn user(self) -> Option<&'a str> {
        self.0.user.as_deref()
    }

    pub(crate) fn prompt(self) -> Option<&'a Prompt> {
        self.0.prompt.as_ref()
    }

    pub(super) fn tags(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.tags.iter().map(|(tag, value)| (tag.as_str(), value.as_str()))
    }
}

/// What a call is named by beside its operation: the model. A fetch asks no model, and its id would
/// name each one anew.
pub(super) fn subject(record: &Record) -> &str {
    match record.exchange.operation {
        Operation::FetchResponse => "",
        _ => {
            let model = record.observation.request.model.as_deref().unwrap_or_default();
            cut(model, 128)
        }
    }
}
