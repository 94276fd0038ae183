//! Turns a tree into the value its schema describes, and says everything about it that does not fit.
//!
//! Guided by the same JSON schema that editors use; knows as much of JSON Schema as that one needs.
//! A part that does not fit is left out, so that the rest can be checked too. Must not know what a
//! key means.

use serde_json::{Map, Value};

use super::file::LATER;
use super::mistake::{At, Mistake, Place, nearest, shown};
use super::outside::Outside;
use super::tree::{Kind, Node};
use super::value::{Amount, Size, Time};

/// Looks up an environment variable.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads `tree` as `schema` describes it. Always gives a value that fits, as far as there is one.
pub(crate) fn shape(
    tree: &Node,
    schema: &Value,
    file: &str,
    outside: &Outside<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Value {
    let mut shaper = Shaper { root: schema, file, outside, mistakes, path: Vec::new() };
    shaper.node(tree, schema).unwrap_or_else(|| Value::Object(Map::new()))
}

struct Shaper<'a> {
    root: &'a Value,
    file: &'a str,
    outside: &'a Outside<'a>,
    mistakes: &'a mut Vec<Mistake>,
    path: Vec<String>,
}

impl<'a> Shaper<'a> {
    /// The value at one place; `None` when it is to count as absent, with or without a mistake.
    fn node(&mut self, node: &Node, schema: &'a Value) -> Option<Value> {
        let schema = self.resolved(schema);
        let variants = self.variants(schema);
        match &node.kind {
            Kind::Null => self.null(&variants),
            Kind::Scalar(text) => self.scalar(node.at, text, &variants),
            Kind::Map(entries) => match variants.iter().find(|v| takes(v, "object")) {
                Some(object) => self.map(node.at, entries, object),
                None => self.unexpected(node.at, &variants, "a map"),
            },
            Kind::List(items) => match variants.iter().find(|v| takes(v, "array")) {
                Some(array) => self.list(items, array.get("items").unwrap_or(&Value::Null)),
                None => self.unexpected(node.at, &variants, "a list"),
            },
        }
    }

    /// `key:` with nothing after it: an empty map where there can be one, else as if absent.
    fn null(&self, variants: &[&'a Value]) -> Option<Value> {
        let empty = |v: &&&Value| takes(v, "object") && v.get("required").is_none();
        variants.iter().find(empty).map(|_| Value::Object(Map::new()))
    }

    fn map(&mut self, at: At, entries: &[(String, At, Node)], schema: &'a Value) -> Option<Value> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let rest = schema.get("additionalProperties");
        let required = schema.get("required").and_then(Value::as_array);
        let optional = |key: &str| !required.is_some_and(|all| all.iter().any(|one| one == key));
        let mut map = Map::new();
        for (key, key_at, node) in entries {
            let known = properties.and_then(|properties| properties.get(key));
            let Some(schema) = known.or(rest.filter(|rest| rest.is_object())) else {
                self.unknown(key, *key_at, properties);
                continue;
            };
            self.path.push(key.clone());
            if let Some(value) = self.node(node, schema)
                && !(optional(key) && self.is_all_unseen(node))
            {
                map.insert(key.clone(), value);
            }
            self.path.pop();
        }
        self.required(at, entries, schema).then_some(Value::Object(map))
    }

    /// Whether everything that must be there is; what is there and wrong is already told.
    fn required(&mut self, at: At, entries: &[(String, At, Node)], schema: &Value) -> bool {
        let required = schema.get("required").and_then(Value::as_array);
        let missing: Vec<&str> = required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|name| !entries.iter().any(|(key, ..)| key == name))
            .collect();
        for name in &missing {
            self.say(at, format!("`{name}` is missing"), None);
        }
        missing.is_empty()
    }

    fn unknown(&mut self, key: &str, at: At, known: Option<&Map<String, Value>>) {
        if self.path.is_empty() && LATER.contains(&key) {
            let message = format!("`{key}` is not yet available in this version");
            self.say(at, message, None);
            return;
        }
        let names = || known.into_iter().flat_map(Map::keys).map(String::as_str);
        let hint = nearest(key, names());
        let message = match &hint {
            Some(_) => format!("unknown key `{}`", shown(key)),
            None => format!("unknown key `{}`; known are {}", shown(key), listed(names())),
        };
        self.say(at, message, hint);
    }

    fn list(&mut self, items: &[Node], schema: &'a Value) -> Option<Value> {
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            self.path.push(index.to_string());
            list.extend(self.node(item, schema));
            self.path.pop();
        }
        Some(Value::Array(list))
    }

    fn scalar(&mut self, at: At, written: &str, variants: &[&'a Value]) -> Option<Value> {
        let secret = |v: &&&Value| format_of(v) == Some("tidegauge-secret");
        if variants.iter().any(|v| secret(&v)) {
            return Some(Value::String(written.to_owned()));
        }
        let text = match expand(written, &|name| self.outside.expansion(name)) {
            Ok(text) => text,
            Err(wrong) => {
                self.say(at, wrong, None);
                return None;
            }
        };
        let value = variants.iter().find_map(|variant| typed(&text, variant));
        if value.is_none() && !(self.outside.blind && has_variable(written)) {
            let words = variants.iter().flat_map(|variant| words(variant));
            let hint = nearest(written, words);
            self.say(at, mismatch(variants, &format!("`{}`", shown(written))), hint);
        }
        value
    }

    /// Whether a value is one variable and nothing else, where variables are not looked at. It counts as
    /// absent where it can: an address that stands for it would be a wrong one.
    fn is_all_unseen(&self, node: &Node) -> bool {
        let Kind::Scalar(text) = &node.kind else { return false };
        let inner = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        self.outside.blind && inner.is_some_and(|name| !name.contains(['$', '}']))
    }

    fn unexpected(&mut self, at: At, variants: &[&Value], found: &str) -> Option<Value> {
        self.say(at, mismatch(variants, found), None);
        None
    }

    fn say(&mut self, at: At, message: String, hint: Option<String>) {
        let place = Place::File { file: self.file.to_owned(), at };
        self.mistakes.push(Mistake { place, path: self.path.join("."), message, hint });
    }

    /// What a reference leads to.
    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return schema };
        let pointer = reference.trim_start_matches('#');
        self.root.pointer(pointer).map_or(schema, |found| self.resolved(found))
    }

    /// The alternatives a place offers, without `null`; a plain schema is its own only one.
    fn variants(&self, schema: &'a Value) -> Vec<&'a Value> {
        match schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            None => vec![schema],
            Some(all) => all
                .iter()
                .map(|variant| self.resolved(variant))
                .filter(|variant| variant.get("type").and_then(Value::as_str) != Some("null"))
                .flat_map(|variant| self.variants(variant))
                .collect(),
        }
    }
}

/// Replaces each `${NAME}`; `$${` is a plain `${`. The error names the variable.
pub(crate) fn expand(written: &str, env: Env<'_>) -> Result<String, String> {
    let mut out = String::with_capacity(written.len());
    let mut rest = written;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        let after = after.get(2..).unwrap_or_default();
        if let Some(plain) = before.strip_suffix('$') {
            out.push_str(plain);
            out.push_str("${");
            rest = after;
            continue;
        }
        let named = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let Some((name, tail)) =
            after.split_once('}').filter(|(n, _)| !n.is_empty() && n.chars().all(named))
        else {
            return Err("`${` begins no ${NAME}; write `$${` for a plain `${`".to_owned());
        };
        let value = env(name).ok_or_else(|| format!("environment variable `{name}` is not set"))?;
        out.push_str(before);
        out.push_str(&value);
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

/// Whether a text names a variable.
pub(crate) fn has_variable(written: &str) -> bool {
    written.replace("$${", "").contains("${")
}

/// The opposite of [`expand`] for a text without variables.
pub(crate) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

/// A text as one alternative wants it; `None` when it does not fit.
fn typed(text: &str, schema: &Value) -> Option<Value> {
    let string = || Value::String(text.to_owned());
    if is_words(schema) {
        return words(schema).any(|word| word == text).then(string);
    }
    match format_of(schema) {
        Some("tidegauge-duration") => return Time::read(text).map(|_| string()),
        Some("tidegauge-size") => return Size::read(text).map(|_| string()),
        Some("tidegauge-amount") => return Amount::read(text).map(|_| string()),
        _ => {}
    }
    if takes(schema, "boolean") {
        return text.parse().ok().map(Value::Bool);
    }
    if takes(schema, "integer") {
        let number: u64 = text.parse().ok()?;
        let fits = match format_of(schema) {
            Some("uint32") => u32::try_from(number).is_ok(),
            Some("uint16") => u16::try_from(number).is_ok(),
            _ => true,
        };
        return fits.then(|| Value::from(number));
    }
    if takes(schema, "number") {
        let number: f64 = text.parse().ok()?;
        return number.is_finite().then(|| Value::from(number));
    }
    takes(schema, "string").then(string)
}

fn takes(schema: &Value, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == kind,
        Some(Value::Array(some)) => some.iter().any(|one| one == kind),
        _ => false,
    }
}

fn format_of(schema: &Value) -> Option<&str> {
    schema.get("format").and_then(Value::as_str)
}

fn is_words(schema: &Value) -> bool {
    schema.get("const").is_some() || schema.get("enum").is_some()
}

/// The words an alternative allows.
fn words(schema: &Value) -> impl Iterator<Item = &str> {
    let many = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    schema.get("const").into_iter().chain(many).filter_map(Value::as_str)
}

/// What was expected, and what is there instead.
fn mismatch(variants: &[&Value], found: &str) -> String {
    let mut expected: Vec<String> = Vec::new();
    let all_words: Vec<&str> = variants.iter().flat_map(|variant| words(variant)).collect();
    match all_words.as_slice() {
        [] => {}
        [word] => expected.push(format!("`{word}`")),
        _ => expected.push(format!("one of {}", listed(all_words.iter().copied()))),
    }
    for variant in variants.iter().filter(|variant| !is_words(variant)) {
        expected.push(match format_of(variant) {
            Some("tidegauge-duration") => Time::EXPECTED.to_owned(),
            Some("tidegauge-size") => Size::EXPECTED.to_owned(),
            Some("tidegauge-amount") => Amount::EXPECTED.to_owned(),
            _ => kind_word(variant).to_owned(),
        });
    }
    format!("expected {}, found {found}", expected.join(" or "))
}

fn kind_word(schema: &Value) -> &'static str {
    const WORDS: [(&str, &str); 6] = [
        ("object", "a map"),
        ("array", "a list"),
        ("boolean", "true or false"),
        ("integer", "a whole number"),
        ("number", "a number"),
        ("string", "a text"),
    ];
    WORDS.iter().find(|(kind, _)| takes(schema, kind)).map_or("something else", |(_, word)| word)
}

/// Names in backquotes, with commas.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
