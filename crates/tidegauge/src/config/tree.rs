//! Turns YAML text into a tree that knows where everything stands in it.
//!
//! Must not know which keys exist: that is `shape.rs`. Repeated keys are kept so that each can be
//! named; aliases and merge keys are already resolved, within the parser's own budget against bombs.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, Spanned};

use super::mistake::{At, Mistake, Place};

/// A value and where it begins.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Node {
    /// Where it begins.
    pub(crate) at: At,
    /// What it is.
    pub(crate) kind: Kind,
}

/// The four things a value can be.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Kind {
    /// Nothing, or `null`.
    Null,
    /// One word or text, as written, unquoted.
    Scalar(String),
    /// A list.
    List(Vec<Node>),
    /// Keys, where they stand, and values, in order.
    Map(Vec<(String, At, Node)>),
}

impl Node {
    /// Whether there is no value anywhere in it: only keys with nothing behind them.
    pub(crate) fn is_empty(&self) -> bool {
        !self.any_text(&|_| true)
    }

    /// Whether some text in it is as `wanted`.
    pub(crate) fn any_text(&self, wanted: &dyn Fn(&str) -> bool) -> bool {
        match &self.kind {
            Kind::Null => false,
            Kind::Scalar(text) => wanted(text),
            Kind::List(items) => items.iter().any(|item| item.any_text(wanted)),
            Kind::Map(entries) => entries.iter().any(|(.., node)| node.any_text(wanted)),
        }
    }

    /// The value under a path of keys and list indices; `None` when there is none.
    pub(crate) fn find(&self, path: &[String]) -> Option<&Node> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        match &self.kind {
            Kind::Map(entries) => {
                entries.iter().find(|(key, ..)| key == first).and_then(|(.., node)| node.find(rest))
            }
            Kind::List(items) => {
                first.parse().ok().and_then(|at: usize| items.get(at)).and_then(|n| n.find(rest))
            }
            Kind::Null | Kind::Scalar(_) => None,
        }
    }
}

/// Reads one YAML document. An empty one is an empty map. Repeated keys are mistakes, and the first
/// of them counts; text that is no YAML is one mistake and no tree.
pub(crate) fn parse(text: &str, file: &str, mistakes: &mut Vec<Mistake>) -> Option<Node> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
    };
    let raw = match serde_saphyr::from_str_with_options::<Option<Spanned<Raw>>>(text, options) {
        Ok(raw) => raw,
        Err(error) => {
            mistakes.push(syntax(&error, file));
            return None;
        }
    };
    let mut settle = Settle { text, file, mistakes };
    Some(
        raw.map_or(Node { at: At::default(), kind: Kind::Map(Vec::new()) }, |raw| settle.node(raw)),
    )
}

/// The parser's own error in our form. Its first line is about the YAML and quotes no value.
fn syntax(error: &serde_saphyr::Error, file: &str) -> Mistake {
    let at = error.location().map_or(At::default(), at);
    let text = error.without_snippet().to_string();
    let told = text.lines().next().unwrap_or("not YAML");
    Mistake {
        place: Place::File { file: file.to_owned(), at },
        path: String::new(),
        message: format!("not valid YAML: {told}"),
        hint: None,
    }
}

fn at(location: Location) -> At {
    At { line: location.line(), column: location.column() }
}

/// What the deserializer shows, before repeated keys are settled.
enum Raw {
    Null,
    Text(String),
    /// A number or boolean: its text is where the span says.
    Typed(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

struct Settle<'a> {
    text: &'a str,
    file: &'a str,
    mistakes: &'a mut Vec<Mistake>,
}

impl Settle<'_> {
    fn node(&mut self, raw: Spanned<Raw>) -> Node {
        let kind = match raw.value {
            Raw::Null => Kind::Null,
            Raw::Text(text) => Kind::Scalar(text),
            Raw::Typed(shown) => Kind::Scalar(self.source(raw.defined).unwrap_or(shown)),
            Raw::List(items) => Kind::List(items.into_iter().map(|item| self.node(item)).collect()),
            Raw::Map(entries) => Kind::Map(self.entries(entries)),
        };
        Node { at: at(raw.referenced), kind }
    }

    fn entries(
        &mut self,
        entries: Vec<(Spanned<String>, Spanned<Raw>)>,
    ) -> Vec<(String, At, Node)> {
        let mut seen = HashSet::new();
        let mut kept = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let (name, at) = (key.value, at(key.referenced));
            if seen.insert(name.clone()) {
                kept.push((name, at, self.node(value)));
            } else {
                self.mistakes.push(Mistake {
                    place: Place::File { file: self.file.to_owned(), at },
                    path: name,
                    message: "this key is already there; each may stand once".to_owned(),
                    hint: None,
                });
            }
        }
        kept
    }

    /// The scalar as it was written, so that `1.10` stays `1.10`.
    fn source(&self, location: Location) -> Option<String> {
        let span = location.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let len = usize::try_from(span.byte_len()?).ok()?;
        let text = self.text.get(start..start.checked_add(len)?)?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Typed(value.to_string()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
