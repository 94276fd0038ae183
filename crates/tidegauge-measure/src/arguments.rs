//! Checks the arguments of tool calls against the schemas that the request declares.
//!
//! Schemas come from callers and arguments from models, so both are bounded, patterns run on a linear
//! engine, nothing is fetched, and a schema that could take long is not used. What cannot be checked is
//! no failure. For the thread that makes records.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Mutex;

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use tidegauge_core::{Call, Health, Texts};

/// How many compiled schemas are kept; when it is full, all go.
const MAX_COMPILED: usize = 512;
/// The most bytes of arguments that are checked.
const MAX_ARGUMENTS: usize = 64 << 10;
/// The most steps a check may take: places of the schema times places of the arguments.
const MAX_STEPS: usize = 20_000_000;
/// The most memory a pattern may take, in bytes.
const MAX_PATTERN: usize = 1 << 20;

/// Compiled schemas, by the text they were compiled from.
#[derive(Debug, Default)]
pub struct Schemas {
    compiled: Mutex<HashMap<u64, Option<Compiled>>>,
}

#[derive(Debug)]
struct Compiled {
    validator: Validator,
    /// How many places it has, references followed.
    size: usize,
}

impl Schemas {
    /// How many calls have arguments that do not match the schema of their tool. A schema that cannot
    /// be used, or would take too long, has no opinion; each call it would judge is counted in `health`.
    pub fn mismatches(&self, texts: &Texts, health: &Health) -> u64 {
        let wrong = |call: &&Call| {
            let tool = texts.tools.iter().find(|tool| tool.name == call.name);
            tool.is_some_and(|tool| !self.matches(&tool.schema, &call.arguments, health))
        };
        texts.calls.iter().filter(wrong).count() as u64
    }

    fn matches(&self, schema: &str, arguments: &str, health: &Health) -> bool {
        let Some(arguments) = (arguments.len() <= MAX_ARGUMENTS)
            .then(|| serde_json::from_str::<Value>(arguments).ok())
            .flatten()
        else {
            return true;
        };
        let mut hasher = DefaultHasher::new();
        schema.hash(&mut hasher);
        let Ok(mut compiled) = self.compiled.lock() else { return true };
        if compiled.len() >= MAX_COMPILED {
            compiled.clear();
        }
        let entry = compiled.entry(hasher.finish()).or_insert_with(|| compile(schema));
        let quick = |entry: &&Compiled| entry.size.saturating_mul(places(&arguments)) <= MAX_STEPS;
        let Some(entry) = entry.as_ref().filter(quick) else {
            health.schema_unusable();
            return true;
        };
        entry.validator.is_valid(&arguments)
    }
}

/// `None` if the schema is not one, refers to what is not in it or to itself, or is too large.
fn compile(schema: &str) -> Option<Compiled> {
    let schema: Value = serde_json::from_str(schema).ok()?;
    let size = size(&schema, &schema, &mut HashSet::new())?;
    let patterns = PatternOptions::regex().size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN);
    let validator = jsonschema::options().with_pattern_options(patterns).build(&schema).ok()?;
    Some(Compiled { validator, size })
}

/// How many places a schema has when each reference counts as what it refers to. `None` for more than
/// is taken, and where a reference leads into a circle or out of the schema.
fn size<'v>(schema: &'v Value, root: &'v Value, open: &mut HashSet<&'v str>) -> Option<usize> {
    let within = |size: usize| (size <= MAX_STEPS / 100).then_some(size);
    match schema {
        Value::Object(members) => {
            let mut total = 1_usize;
            for (name, member) in members {
                let more = match (name.as_str(), member) {
                    ("$ref", Value::String(target)) => referred(target, root, open)?,
                    ("$dynamicRef" | "$recursiveRef", _) => return None,
                    _ => size(member, root, open)?,
                };
                total = within(total.saturating_add(more))?;
            }
            Some(total)
        }
        Value::Array(items) => items
            .iter()
            .try_fold(1_usize, |total, item| within(total.saturating_add(size(item, root, open)?))),
        _ => Some(1),
    }
}

fn referred<'v>(target: &'v str, root: &'v Value, open: &mut HashSet<&'v str>) -> Option<usize> {
    let place = root.pointer(target.strip_prefix('#')?)?;
    if !open.insert(target) {
        return None;
    }
    let size = size(place, root, open);
    open.remove(target);
    size
}

fn places(value: &Value) -> usize {
    match value {
        Value::Object(members) => 1 + members.values().map(places).sum::<usize>(),
        Value::Array(items) => 1 + items.iter().map(places).sum::<usize>(),
        // A pattern looks at each letter.
        Value::String(text) => 1 + text.len() / 64,
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
