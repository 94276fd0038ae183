//! Who is calling, as told by headers: ours, W3C baggage, then the ones that agents and the users
//! of other proxies already send. Nothing is invented, everything is bounded.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use tidegauge_core::{Labels, Prompt};

/// Bytes of one value; a longer one is cut.
const VALUE: usize = 256;
/// Bytes of a tag's name; a longer one is not taken.
const NAME: usize = 64;
/// Tags of one exchange; the first are kept.
const TAGS: usize = 32;
/// Bytes and members of all baggage; more is not looked at.
const BAGGAGE: usize = 8 * 1024;
const MEMBERS: usize = 64;
/// Bytes of a header with metadata in JSON.
const METADATA: usize = 8 * 1024;

/// What a header, a baggage member or a metadata key says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Says {
    Session,
    User,
    Agent,
    Request,
    /// The prompt, `name` or `name@version`.
    Prompt,
    PromptName,
    PromptVersion,
    /// A tag; the rest of the header's name is the tag's.
    Tag,
    /// Tags in a comma-separated list: `name:value`, `name=value`, or a bare `name`.
    TagList,
    /// A JSON object: keys of [`METADATA_KEYS`], the others are tags.
    Metadata,
}

/// Ours. The strongest.
const OURS: &[(&str, Says)] = &[
    ("x-tidegauge-session", Says::Session),
    ("x-tidegauge-user", Says::User),
    ("x-tidegauge-agent", Says::Agent),
    ("x-tidegauge-request-id", Says::Request),
    ("x-tidegauge-prompt", Says::Prompt),
    ("x-tidegauge-tag-", Says::Tag),
];

/// Members of baggage that are read; all others stay unread.
const MEMBER: &[(&str, Says)] = &[
    ("session.id", Says::Session),
    ("gen_ai.conversation.id", Says::Session),
    ("user.id", Says::User),
    ("gen_ai.agent.name", Says::Agent),
    ("gen_ai.prompt.name", Says::PromptName),
    ("gen_ai.prompt.version", Says::PromptVersion),
];

/// Everybody else's, in order of precedence. A name that ends in `-` is a prefix.
const OTHERS: &[(&str, Says)] = &[
    ("helicone-session-id", Says::Session),
    ("helicone-user-id", Says::User),
    ("helicone-request-id", Says::Request),
    ("helicone-prompt-id", Says::PromptName),
    ("helicone-prompt-version", Says::PromptVersion),
    ("helicone-property-", Says::Tag),
    ("x-portkey-metadata", Says::Metadata),
    ("x-portkey-trace-id", Says::Session),
    ("x-litellm-session-id", Says::Session),
    ("x-litellm-trace-id", Says::Session),
    ("x-litellm-end-user-id", Says::User),
    ("x-litellm-customer-id", Says::User),
    ("x-litellm-agent-id", Says::Agent),
    ("x-litellm-call-id", Says::Request),
    ("x-litellm-tags", Says::TagList),
    ("x-litellm-spend-logs-metadata", Says::Metadata),
    ("cf-aig-metadata", Says::Metadata),
    ("langfuse_session_id", Says::Session),
    ("langfuse_trace_user_id", Says::User),
    ("langfuse_user_id", Says::User),
    ("langfuse_prompt_name", Says::PromptName),
    ("langfuse_prompt_version", Says::PromptVersion),
    ("x-langfuse-session-id", Says::Session),
    ("x-langfuse-user-id", Says::User),
    ("x-claude-code-session-id", Says::Session),
    ("session-id", Says::Session),
    ("session_id", Says::Session),
    ("x-session-id", Says::Session),
    ("x-session-affinity", Says::Session),
    ("x-opencode-session", Says::Session),
    ("agent-session-id", Says::Session),
    ("x-conversation-id", Says::Session),
    ("conversation_id", Says::Session),
    ("x-user-id", Says::User),
    ("x-client-request-id", Says::Request),
    ("x-request-id", Says::Request),
];

/// How every header's name begins that is looked for.
const LEADS: &[&str] = &[
    "x-tidegauge-",
    "baggage",
    "helicone-",
    "x-portkey-",
    "x-litellm-",
    "cf-aig-",
    "langfuse_",
    "x-langfuse-",
    "x-claude-code-",
    "session",
    "x-session-",
    "x-opencode-session",
    "agent-session-id",
    "conversation_id",
    "x-conversation-id",
    "x-user-id",
    "x-client-request-id",
    "x-request-id",
];

/// What a key in somebody's metadata means when it is not a plain tag.
const METADATA_KEYS: &[(&str, Says)] = &[
    ("_user", Says::User),
    ("user", Says::User),
    ("user_id", Says::User),
    ("user.id", Says::User),
    ("_session", Says::Session),
    ("session", Says::Session),
    ("session_id", Says::Session),
    ("session.id", Says::Session),
    ("conversation_id", Says::Session),
    ("_agent", Says::Agent),
    ("agent", Says::Agent),
    ("_prompt", Says::PromptName),
    ("prompt", Says::PromptName),
    ("prompt_version", Says::PromptVersion),
];

/// The labels that the headers of a request tell.
pub(crate) fn labels(headers: &HeaderMap) -> Labels {
    // Looked through once: most requests tell nothing, the others little.
    let telling = headers.iter().filter(|(name, _)| may_tell(name.as_str()));
    let telling: Vec<_> = telling.map(|(name, value)| (name.as_str(), value)).collect();
    if telling.is_empty() {
        return Labels::default();
    }
    let mut told = Told::default();
    table(&telling, OURS, &mut told);
    baggage(headers, &mut told);
    table(&telling, OTHERS, &mut told);
    told.labels()
}

fn may_tell(name: &str) -> bool {
    LEADS.iter().any(|lead| name.starts_with(lead))
}

/// What was told so far; the first to tell wins.
#[derive(Default)]
struct Told {
    labels: Labels,
    version: Option<String>,
}

impl Told {
    fn take(&mut self, says: Says, rest: &str, value: &str) {
        let value = cut(value.trim());
        if value.is_empty() {
            return;
        }
        let labels = &mut self.labels;
        match says {
            Says::Session => first(&mut labels.session, value),
            Says::User => first(&mut labels.user, value),
            Says::Agent => first(&mut labels.agent, value),
            Says::Request => first(&mut labels.request_id, value),
            Says::PromptVersion => first(&mut self.version, value),
            Says::PromptName => self.prompt(value, None),
            Says::Prompt => match value.rsplit_once('@') {
                Some((name, version)) if !name.is_empty() && !version.is_empty() => {
                    self.prompt(name, Some(version));
                }
                _ => self.prompt(value, None),
            },
            Says::Tag => self.tag(rest, value),
            Says::TagList | Says::Metadata => {}
        }
    }

    fn prompt(&mut self, name: &str, version: Option<&str>) {
        self.labels.prompt.get_or_insert_with(|| Prompt {
            name: name.to_owned(),
            version: version.map(str::to_owned),
        });
    }

    fn tag(&mut self, name: &str, value: &str) {
        let tags = &mut self.labels.tags;
        let fits = !name.is_empty() && name.len() <= NAME && tags.len() < TAGS;
        if fits && !tags.contains_key(name) {
            tags.insert(name.to_owned(), cut(value).to_owned());
        }
    }

    fn tag_list(&mut self, list: &str) {
        for entry in list.split(',').map(str::trim).take(TAGS) {
            let (name, value) = entry.split_once([':', '=']).unwrap_or((entry, "true"));
            self.tag(name.trim(), value.trim());
        }
    }

    fn metadata(&mut self, text: &str) {
        if text.len() > METADATA {
            return;
        }
        let Ok(Value::Object(object)) = serde_json::from_str(text) else { return };
        for (key, value) in object {
            let value = match value {
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
            };
            match METADATA_KEYS.iter().find(|(name, _)| *name == key) {
                Some((_, says)) => self.take(*says, "", &value),
                None => self.take(Says::Tag, key.trim_start_matches('_'), &value),
            }
        }
    }

    /// A version that came apart from its prompt goes with it, unless the prompt brought its own.
    fn labels(mut self) -> Labels {
        if let Some(prompt) = &mut self.labels.prompt {
            prompt.version = prompt.version.take().or(self.version);
        }
        self.labels
    }
}

fn table(headers: &[(&str, &HeaderValue)], table: &[(&str, Says)], told: &mut Told) {
    for (name, says) in table {
        if name.ends_with('-') {
            for (header, value) in headers {
                if let Some(rest) = header.strip_prefix(name) {
                    told.take(*says, rest, &text(value));
                }
            }
            continue;
        }
        let told_by = headers.iter().find(|(header, _)| header == name);
        let Some((_, value)) = told_by else { continue };
        match says {
            Says::TagList => told.tag_list(&text(value)),
            Says::Metadata => told.metadata(&text(value)),
            Says::Session
            | Says::User
            | Says::Agent
            | Says::Request
            | Says::Prompt
            | Says::PromptName
            | Says::PromptVersion
            | Says::Tag => told.take(*says, "", &text(value)),
        }
    }
}

/// W3C Baggage: `name=value;property,...`, values percent-encoded.
fn baggage(headers: &HeaderMap, told: &mut Told) {
    let values = headers.get_all("baggage");
    if values.iter().map(HeaderValue::len).sum::<usize>() > BAGGAGE {
        return;
    }
    let members = values.iter().filter_map(|value| value.to_str().ok());
    for member in members.flat_map(|value| value.split(',')).take(MEMBERS) {
        let Some((name, value)) = member.split_once('=') else { continue };
        let Some((_, says)) = MEMBER.iter().find(|(known, _)| *known == name.trim()) else {
            continue;
        };
        let value = value.split(';').next().unwrap_or_default();
        told.take(*says, "", &decoded(value));
    }
}

fn first(slot: &mut Option<String>, value: &str) {
    slot.get_or_insert_with(|| value.to_owned());
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// At most [`VALUE`] bytes, cut between characters.
fn cut(value: &str) -> &str {
    let end = (0..=VALUE.min(value.len())).rev().find(|end| value.is_char_boundary(*end));
    value.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// Percent-decoded; what is not an escape stays as it is. Control characters become spaces: these
/// values end up in logs.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [byte, after @ ..] = rest {
        let escape = after.get(..2).filter(|_| *byte == b'%');
        let escape = escape.and_then(|digits| std::str::from_utf8(digits).ok());
        match escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
