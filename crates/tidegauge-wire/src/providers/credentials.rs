//! Whose credential a request carries, where its header or its first letters tell.
//!
//! Routing uses it so that a key is not sent to another vendor. Nothing of a credential is kept.

use http::{HeaderMap, header};
use tidegauge_core::Owner;

/// Headers that only one vendor's clients send a key or a version in.
const HEADERS: &[(&str, &[&str])] = &[
    ("x-goog-api-key", GOOGLE),
    ("anthropic-version", &["anthropic"]),
    ("anthropic-beta", &["anthropic"]),
    ("x-api-key", &["anthropic"]),
    ("api-key", &["azure"]),
];

/// Headers that hold a key.
const KEYS: &[&str] = &["authorization", "x-api-key", "api-key", "x-goog-api-key"];

const GOOGLE: &[&str] = &["gemini", "vertex"];
const AMAZON: &[&str] = &["bedrock"];
const OPENAI: &[&str] = &["openai"];

/// How keys begin, as the vendors issue them. The longer beginning stands first.
const BEGINNINGS: &[(&str, &[&str])] = &[
    ("sk-ant-", &["anthropic"]),
    ("sk-or-", &["openrouter"]),
    ("sk-proj-", OPENAI),
    ("sk-svcacct-", OPENAI),
    ("sk-admin-", OPENAI),
    ("AIza", GOOGLE),
    ("ya29.", GOOGLE),
    ("ABSK", AMAZON),
    ("bedrock-api-key-", AMAZON),
    ("gsk_", &["groq"]),
    ("xai-", &["xai"]),
    ("pplx-", &["perplexity"]),
    ("hf_", &["huggingface"]),
    ("fw_", &["fireworks"]),
    ("csk-", &["cerebras"]),
    ("vck_", &["vercel"]),
    ("tgp_v1_", &["together"]),
];

/// The owner of the credential in `headers`. A key that begins as one vendor's keys do is certain, a
/// header's name alone is not.
pub fn credential_owner(headers: &HeaderMap) -> Option<Owner> {
    let keys = KEYS.iter().flat_map(|name| headers.get_all(*name));
    let issued = keys.filter_map(|value| begins(value.as_bytes())).next();
    if let Some(kinds) = issued.or_else(|| signed(headers)) {
        return Some(Owner { kinds, certain: true });
    }
    let named = HEADERS.iter().find(|(name, _)| headers.contains_key(*name));
    named.map(|(_, kinds)| Owner { kinds, certain: false })
}

fn begins(value: &[u8]) -> Option<&'static [&'static str]> {
    let value = value.trim_ascii();
    let bearer = value.split_at_checked(BEARER.len()).filter(|(scheme, _)| {
        // The scheme's case is free (RFC 9110, section 11.1).
        scheme.eq_ignore_ascii_case(BEARER)
    });
    let key = bearer.map_or(value, |(_, key)| key.trim_ascii_start());
    let row = BEGINNINGS.iter().find(|(beginning, _)| key.starts_with(beginning.as_bytes()));
    row.map(|(_, kinds)| *kinds)
}

const BEARER: &[u8] = b"bearer ";

/// A request that is signed as Amazon's are.
fn signed(headers: &HeaderMap) -> Option<&'static [&'static str]> {
    let value = headers.get(header::AUTHORIZATION)?;
    value.as_bytes().starts_with(b"AWS4-").then_some(AMAZON)
}
