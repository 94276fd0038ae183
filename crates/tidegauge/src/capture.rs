//! What may be kept of what was said, and the one door through which it gets into a record.
//!
//! The configuration permits, a request may only ask for less. What is let in has passed the
//! redactor, unless all of it may be kept; what cannot be redacted is dropped and counted. Must not
//! know a provider's format.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::HeaderMap;
use tidegauge_core::{Capture, Content, Health, Part, Task, Withheld};
use tidegauge_measure::redact::{BadPattern, Failed, Redactor};
use tidegauge_wire::Wanted;

/// Bytes of words that may wait to become records; the words of further exchanges are dropped.
const MAX_WAITING: usize = 64 << 20;

/// How the header that is ours is called.
const OURS: &str = "x-tidegauge-capture";

/// Which halves of an exchange a header takes away.
#[derive(Clone, Copy)]
struct Without {
    request: bool,
    response: bool,
}

const NEITHER: Without = Without { request: true, response: true };
const NO_REQUEST: Without = Without { request: true, response: false };
const NO_RESPONSE: Without = Without { request: false, response: true };

/// What the users of other proxies already send when their words are not to be kept: a header, the
/// truth value that asks for it, and what is then not kept.
const OTHERS: &[(&str, bool, Without)] = &[
    ("helicone-omit-request", true, NO_REQUEST),
    ("helicone-omit-response", true, NO_RESPONSE),
    ("cf-aig-collect-log", false, NEITHER),
    ("cf-aig-collect-log-payload", false, NEITHER),
    ("x-portkey-debug", false, NEITHER),
    ("x-litellm-enable-message-redaction", true, NEITHER),
    ("litellm-enable-message-redaction", true, NEITHER),
];

/// What may be kept of one exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Permit {
    /// How much.
    pub(crate) level: Capture,
    /// What is asked may be kept.
    pub(crate) request: bool,
    /// What is answered may be kept.
    pub(crate) response: bool,
}

impl Permit {
    /// Of what the configuration permits, what the request's headers leave.
    pub(crate) fn of(permitted: Capture, headers: &HeaderMap) -> Self {
        let mut permit = Self { level: permitted, request: true, response: true };
        if permitted == Capture::Off {
            return Self { request: false, response: false, ..permit };
        }
        for value in headers.get_all(OURS) {
            let asked = match value.as_bytes().trim_ascii() {
                b"full" => Capture::Full,
                b"redacted" => Capture::Redacted,
                // Whoever writes something we do not know does not want more.
                _ => Capture::Off,
            };
            permit.level = permit.level.min(asked);
        }
        for (name, asks, without) in OTHERS {
            let asked = headers.get_all(*name).iter().any(|value| truth(value.as_bytes()) == *asks);
            permit.request &= !(asked && without.request);
            permit.response &= !(asked && without.response);
        }
        if permit.level == Capture::Off {
            (permit.request, permit.response) = (false, false);
        }
        permit
    }

    /// What an observer is to keep.
    pub(crate) fn wanted(self, rules: &Rules) -> Wanted {
        Wanted { request: self.request, response: self.response, schemas: rules.schemas }
    }
}

/// What is neither true nor false asks for what its header is there for.
fn truth(value: &[u8]) -> bool {
    let value = value.trim_ascii().to_ascii_lowercase();
    !matches!(value.as_slice(), b"false" | b"0" | b"no" | b"off")
}

/// Takes secrets and personal data out of a text.
pub(crate) trait Redact: Send + Sync {
    /// The text without them.
    ///
    /// # Errors
    /// When that cannot be done: the text must not be shown then.
    fn redact<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, Failed>;
}

impl Redact for Redactor {
    fn redact<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, Failed> {
        Redactor::redact(self, text)
    }
}

/// How words are let into records. Replaced whole when the configuration is read again.
pub struct Rules {
    redactor: Box<dyn Redact>,
    schemas: bool,
}

impl Rules {
    /// With these patterns of the user's own beside the built-in ones. `schemas`: tools are kept with
    /// what they do and take.
    ///
    /// # Errors
    /// The patterns that cannot be used.
    pub fn new(patterns: &[String], schemas: bool) -> Result<Self, Vec<BadPattern>> {
        Ok(Self::with(Box::new(Redactor::new(patterns)?), schemas))
    }

    fn with(redactor: Box<dyn Redact>, schemas: bool) -> Self {
        Self { redactor, schemas }
    }

    /// What may enter a record of what was said. The only way in.
    pub(crate) fn admit(
        &self,
        said: Option<Box<Content>>,
        level: Capture,
        health: &Health,
    ) -> Option<Box<Content>> {
        let mut said = said?;
        match level {
            Capture::Off => return None,
            Capture::Full => return Some(said),
            Capture::Redacted => {}
        }
        match catch_unwind(AssertUnwindSafe(|| self.clean(&mut said))) {
            Ok(Ok(())) => Some(said),
            Ok(Err(_)) => {
                health.content_dropped(Withheld::Redaction, 1);
                None
            }
            Err(_) => {
                health.content_dropped(Withheld::Panic, 1);
                health.panicked(Task::Pipeline, 1);
                None
            }
        }
    }

    fn clean(&self, said: &mut Content) -> Result<(), Failed> {
        // What a picture shows nobody can redact here.
        let messages = said.input.iter_mut().chain(&mut said.output);
        let parts = messages.flat_map(|message| &mut message.parts);
        for part in said.system.iter_mut().chain(parts) {
            if let Part::Blob { content, .. } = part {
                said.truncated |= !content.is_empty();
                content.clear();
            }
        }
        said.each_text(&mut |of, text| {
            if let Cow::Owned(clean) = self.redactor.redact(text)? {
                *text = clean;
            }
            // What a value is called may tell that it is secret.
            if let Some(of) = of.filter(|of| !of.is_empty() && !text.is_empty()) {
                let of = self.redactor.redact(of)?;
                let assigned = format!("{of}={text}");
                if let Cow::Owned(clean) = self.redactor.redact(&assigned)? {
                    let kept = clean.strip_prefix(&*of).and_then(|rest| rest.strip_prefix('='));
                    *text = kept.unwrap_or(&clean).to_owned();
                }
            }
            Ok(())
        })
    }
}

/// Room for words on their way to a record.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Arc<AtomicUsize>);

/// Room that was given; free again when dropped.
pub(crate) struct Room {
    of: Waiting,
    bytes: usize,
}

impl Waiting {
    /// Room for so many bytes, if there is some.
    pub(crate) fn room(&self, bytes: usize) -> Option<Room> {
        let before = self.0.fetch_add(bytes, Relaxed);
        let room = Room { of: self.clone(), bytes };
        (before.saturating_add(bytes) <= MAX_WAITING).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.of.0.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests;
