//! Other names under which a price list may have a model: without what stands before and after the name
//! proper.
//!
//! Must not know: prices, lists.

use crate::pattern::starts_with;
use crate::rules::Provider;

/// Where the name proper begins in a path.
const PATH: &str = "models/";

/// How a name begins that is the address of a resource, and ends with the name proper.
const RESOURCE: &str = "arn:";

/// What a model has that was tuned by a customer: the base, then whose it is.
const TUNED: &str = "ft:";

/// A name to look for, and where the model ran if the name said so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) region: Option<&'static str>,
}

/// The other names of a model, the closest first.
pub(crate) fn variants(name: &str, region: Option<&str>, sold_by: Provider<'_>) -> Vec<Variant> {
    let mut found: Vec<Variant> = Vec::new();
    let mut add = |name: String, region: Option<&'static str>| {
        let one = Variant { name, region };
        if !one.name.is_empty() && !found.contains(&one) {
            found.push(one);
        }
    };
    // A region that the host tells is part of some names.
    if let Some(head) = region.and_then(|region| sold_by.profile_of(region))
        && !starts_with(name, head)
    {
        add(format!("{head}{name}"), None);
    }
    let parted =
        if starts_with(name, RESOURCE) { name.rsplit_once('/') } else { name.rsplit_once(PATH) };
    let proper = parted.map_or(name, |(_, proper)| proper);
    if proper != name {
        add(proper.to_owned(), None);
    }
    if starts_with(proper, TUNED) {
        // What is tuned does not cost what its base does.
        let base = proper.split(':').nth(1).unwrap_or_default();
        add(format!("{TUNED}{base}"), None);
        if let Some(undated) = undated(base) {
            add(format!("{TUNED}{undated}"), None);
        }
        return found;
    }
    if let Some((bare, version)) = proper.split_once('@') {
        add(format!("{bare}-{version}"), None);
        add(bare.to_owned(), None);
    }
    if let Some(undated) = undated(proper) {
        add(undated.to_owned(), None);
    }
    match sold_by.profile(proper) {
        Some((region, bare)) => add(bare.to_owned(), Some(region)),
        None => {
            for region in ["us", "everywhere"] {
                if let Some(head) = sold_by.profile_of(region) {
                    add(format!("{head}{proper}"), None);
                }
            }
        }
    }
    found
}

/// A name without a date at its end: `-2025-11-13`, `-20251113`.
fn undated(name: &str) -> Option<&str> {
    let digits = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (rest, last) = name.rsplit_once('-')?;
    if digits(last, 8) && last.starts_with("20") {
        return Some(rest);
    }
    let (rest, month) = rest.rsplit_once('-')?;
    let (rest, year) = rest.rsplit_once('-')?;
    (digits(last, 2) && digits(month, 2) && digits(year, 4) && year.starts_with("20"))
        .then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_name_is_taken_off() {
        let cases: &[(&str, &str, Option<&str>, &[&str])] = &[
            ("openai", "gpt-4o", None, &[]),
            ("openai", "gpt-5.1-codex-2025-11-13", None, &["gpt-5.1-codex"]),
            (
                "openai",
                "ft:gpt-4.1-2025-04-14:org::id",
                None,
                &["ft:gpt-4.1-2025-04-14", "ft:gpt-4.1"],
            ),
            ("google", "models/gemini-2.5-flash", None, &["gemini-2.5-flash"]),
            (
                "google",
                "publishers/anthropic/models/claude-x@20260101",
                None,
                &["claude-x@20260101", "claude-x-20260101", "claude-x"],
            ),
            ("fireworks", "accounts/fireworks/models/glm-4p7", None, &["glm-4p7"]),
            (
                "aws",
                "amazon.nova-2-lite-v1:0",
                None,
                &["us.amazon.nova-2-lite-v1:0", "global.amazon.nova-2-lite-v1:0"],
            ),
            ("aws", "apac.anthropic.claude-opus-4-8", None, &["anthropic.claude-opus-4-8"]),
            (
                "aws",
                "arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-x",
                None,
                &["global.anthropic.claude-x", "anthropic.claude-x"],
            ),
            ("aws", "x", Some("us-gov"), &["us-gov.x", "us.x", "global.x"]),
            ("openai", "models/", None, &[]),
            ("openai", "model-2025", None, &[]),
            ("openai", "-20250101", None, &[]),
        ];
        for (id, name, region, expected) in cases {
            let sold_by = Provider { id: Some(id), name: id };
            let found = variants(name, *region, sold_by);
            let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
            assert_eq!(names, *expected, "{id} {name}");
        }
        let aws = Provider { id: Some("aws"), name: "aws.bedrock" };
        assert_eq!(variants("eu.x", None, aws)[0].region, Some("eu"));
    }
}
