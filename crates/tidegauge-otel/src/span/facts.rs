//! What spans, events and metrics say alike of a record: who is calling, and what a call is named by.
//!
//! Pure. Must not know an attribute's name.

use tidegauge_core::{Labels, Operation, Prompt, Record};

use crate::attribute::cut;

/// Who is calling: what headers say, then what the body says.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    told: &'a Labels,
    weaker: &'a Labels,
}

impl<'a> Caller<'a> {
    /// The caller of a record.
    pub(crate) fn of(record: &'a Record) -> Self {
        Self { told: &record.exchange.labels, weaker: &record.observation.request.labels }
    }

    /// The value of one tag.
    pub(crate) fn tag(self, name: &str) -> Option<&'a str> {
        let value = self.told.tags.get(name).or_else(|| self.weaker.tags.get(name));
        value.map(String::as_str)
    }

    pub(super) fn text(self, of: impl Fn(&'a Labels) -> &'a Option<String>) -> Option<&'a str> {
        of(self.told).as_deref().or_else(|| of(self.weaker).as_deref())
    }

    pub(super) fn session(self) -> Option<&'a str> {
        self.text(|labels| &labels.session)
    }

    pub(crate) fn agent(self) -> Option<&'a str> {
        self.text(|labels| &labels.agent)
    }

    pub(super) fn user(self) -> Option<&'a str> {
        self.text(|labels| &labels.user)
    }

    pub(crate) fn prompt(self) -> Option<&'a Prompt> {
        self.told.prompt.as_ref().or(self.weaker.prompt.as_ref())
    }

    pub(super) fn tags(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let more =
            self.weaker.tags.iter().filter(move |(tag, _)| !self.told.tags.contains_key(*tag));
        self.told.tags.iter().chain(more).map(|(tag, value)| (tag.as_str(), value.as_str()))
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
