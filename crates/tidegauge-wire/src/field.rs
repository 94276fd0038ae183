//! Turns JSON text into fields that may be absent, without ever failing on an odd one.
//!
//! A [`Doc`] is a flat list of what stands where in the text; it owns no strings and is used again
//! for the next text, so reading one stream event costs no allocation. A [`Json`] points into it.
//! Absent, null and of another type all read as `None`. This file must not know what the fields
//! mean.

use std::borrow::Cow;

use memchr::memchr2;

use crate::work;

/// Ends a string that was shortened (perhaps behind the number of bytes left out and another of these),
/// and is the only name in the object that ends a shortened list
/// (its value is the number of elements left out): the SUBSTITUTE control character, escaped.
pub(crate) const CUT: &str = r"\u001a";

/// How deep a document may nest; deeper text is not read.
pub(crate) const MAX_DEPTH: usize = 127;

/// How many bytes of text there are for one node, in most texts.
const BYTES_A_NODE: usize = 16;
/// How many nodes are made room for at once, at most.
const MANY: usize = 256;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Object,
    Array,
    Text,
    EscapedText,
    Number,
    True,
    False,
    Null,
}

/// Small, so that many of them share a cache line: a text is shorter than 4 GiB.
#[derive(Clone, Copy, Debug)]
struct Node {
    kind: Kind,
    start: u32,
    end: u32,
    /// The node behind this value and all that is in it.
    next: u32,
}

impl Node {
    fn of<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        text.get(self.start as usize..self.end as usize)
    }
}

/// The shape of one JSON text. Parse, then read through [`Doc::root`] with the same text.
#[derive(Debug, Default)]
pub(crate) struct Doc {
    nodes: Vec<Node>,
}

impl Doc {
    /// Reads the shape of `text`; false if it is not one whole JSON value, or nests too deep. Numbers
    /// are not checked beyond their characters.
    pub(crate) fn parse(&mut self, text: &[u8]) -> bool {
        self.nodes.clear();
        work::count(text.len());
        let mut parser = Parser { text, nodes: &mut self.nodes };
        // What most texts have; more is made when needed.
        parser.nodes.reserve((text.len() / BYTES_A_NODE).min(MANY));
        let small = u32::try_from(text.len()).is_ok();
        let end = parser.space(0);
        let whole =
            small && parser.value(end, 0).is_some_and(|end| parser.space(end) == text.len());
        if !whole {
            self.nodes.clear();
        }
        whole
    }

    /// How many bytes are held.
    #[cfg(feature = "testing")]
    pub(crate) fn held(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
    }

    /// The whole value. Absent if the last parse was not true.
    pub(crate) fn root<'a>(&'a self, text: &'a [u8]) -> Json<'a> {
        let at = if self.nodes.is_empty() { NOWHERE } else { 0 };
        Json { text, nodes: &self.nodes, at }
    }
}

struct Parser<'t, 'n> {
    text: &'t [u8],
    nodes: &'n mut Vec<Node>,
}

impl Parser<'_, '_> {
    #[inline]
    fn space(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(at) {
            at += 1;
        }
        at
    }

    /// Reads the value that begins at `at`; gives back where it ends.
    fn value(&mut self, at: usize, depth: usize) -> Option<usize> {
        match self.text.get(at)? {
            b'{' => self.members(at, depth),
            b'[' => self.elements(at, depth),
            b'"' => self.string(at),
            b't' => self.word(at, b"true", Kind::True),
            b'f' => self.word(at, b"false", Kind::False),
            b'n' => self.word(at, b"null", Kind::Null),
            b'-' | b'0'..=b'9' => self.number(at),
            _ => None,
        }
    }

    fn members(&mut self, at: usize, depth: usize) -> Option<usize> {
        let index = self.open(Kind::Object, at, depth)?;
        let mut at = self.space(at + 1);
        if self.text.get(at) == Some(&b'}') {
            return self.close(index, at + 1);
        }
        loop {
            if self.text.get(at) != Some(&b'"') {
                return None;
            }
            at = self.string(at)?;
            at = self.space(at);
            if self.text.get(at) != Some(&b':') {
                return None;
            }
            at = self.space(at + 1);
            at = self.value(at, depth + 1)?;
            at = self.space(at);
            match self.text.get(at)? {
                b',' => at = self.space(at + 1),
                b'}' => return self.close(index, at + 1),
                _ => return None,
            }
        }
    }

    fn elements(&mut self, at: usize, depth: usize) -> Option<usize> {
        let index = self.open(Kind::Array, at, depth)?;
        let mut at = self.space(at + 1);
        if self.text.get(at) == Some(&b']') {
            return self.close(index, at + 1);
        }
        loop {
            at = self.value(at, depth + 1)?;
            at = self.space(at);
            match self.text.get(at)? {
                b',' => at = self.space(at + 1),
                b']' => return self.close(index, at + 1),
                _ => return None,
            }
        }
    }

    fn open(&mut self, kind: Kind, start: usize, depth: usize) -> Option<usize> {
        if depth >= MAX_DEPTH {
            return None;
        }
        let index = self.nodes.len();
        self.leaf(kind, start, start);
        Some(index)
    }

    fn close(&mut self, index: usize, end: usize) -> Option<usize> {
        let next = self.nodes.len() as u32;
        let node = self.nodes.get_mut(index)?;
        node.end = end as u32;
        node.next = next;
        Some(end)
    }

    /// The text is shorter than 4 GiB, and there are fewer nodes than bytes.
    #[inline]
    fn leaf(&mut self, kind: Kind, start: usize, end: usize) -> Option<usize> {
        let next = self.nodes.len() as u32 + 1;
        self.nodes.push(Node { kind, start: start as u32, end: end as u32, next });
        Some(end)
    }

    fn word(&mut self, at: usize, word: &[u8], kind: Kind) -> Option<usize> {
        self.text.get(at..)?.starts_with(word).then_some(())?;
        self.leaf(kind, at, at + word.len())
    }

    fn number(&mut self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        let length = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        self.leaf(Kind::Number, at, at + length)
    }

    /// A string; its node spans what stands between the quotes.
    fn string(&mut self, at: usize) -> Option<usize> {
        let start = at + 1;
        let mut end = start;
        let mut kind = Kind::Text;
        loop {
            end += quote_or_backslash(self.text.get(end..)?)?;
            if self.text.get(end) == Some(&b'"') {
                self.leaf(kind, start, end);
                return Some(end + 1);
            }
            kind = Kind::EscapedText;
            end += 2;
        }
    }
}

/// Most strings in an event are shorter than the call to a vectorised search is worth.
#[inline]
fn quote_or_backslash(rest: &[u8]) -> Option<usize> {
    const SHORT: usize = 16;
    for (at, byte) in rest.iter().take(SHORT).enumerate() {
        if matches!(byte, b'"' | b'\\') {
            return Some(at);
        }
    }
    memchr2(b'"', b'\\', rest.get(SHORT..)?).map(|hit| hit + SHORT)
}

/// Where an absent value stands.
const NOWHERE: u32 = u32::MAX;

/// One value of a document, or the absence of one.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a> {
    text: &'a [u8],
    nodes: &'a [Node],
    at: u32,
}

impl<'a> Json<'a> {
    /// The absence of a value.
    pub const ABSENT: Json<'static> = Json { text: &[], nodes: &[], at: NOWHERE };

    /// The member of that name; the last one where a name stands twice. Absent if this is not an
    /// object.
    pub fn get(self, name: &str) -> Self {
        let mut found = NOWHERE;
        if let Some(object) = self.node().filter(|node| node.kind == Kind::Object) {
            let mut at = self.at + 1;
            while at < object.next {
                let (Some(key), Some(value)) =
                    (self.nodes.get(at as usize), self.nodes.get(at as usize + 1))
                else {
                    break;
                };
                let plain = (key.end - key.start) as usize == name.len()
                    && key.of(self.text) == Some(name.as_bytes());
                if plain || key.kind == Kind::EscapedText && self.here(at).is(name) {
                    found = at + 1;
                }
                at = value.next;
            }
        }
        self.here(found)
    }

    /// Whether there is a value, null included.
    pub fn exists(self) -> bool {
        self.node().is_some()
    }

    /// Whether there is a value other than null.
    pub fn is_some(self) -> bool {
        self.kind().is_some_and(|kind| kind != Kind::Null)
    }

    /// Whether this is an object.
    pub fn is_object(self) -> bool {
        self.kind() == Some(Kind::Object)
    }

    /// Whether this is an array.
    pub fn is_array(self) -> bool {
        self.kind() == Some(Kind::Array)
    }

    /// Whether this is null.
    pub fn is_null(self) -> bool {
        self.kind() == Some(Kind::Null)
    }

    /// A string, unescaped; what is not Unicode becomes U+FFFD.
    pub fn str(self) -> Option<Cow<'a, str>> {
        let inner = self.inner()?;
        if self.kind() == Some(Kind::Text) {
            return Some(String::from_utf8_lossy(inner));
        }
        Some(Cow::Owned(unescape(inner)))
    }

    /// A string with something in it.
    pub fn text(self) -> Option<Cow<'a, str>> {
        self.str().filter(|text| !text.is_empty())
    }

    /// A string with something in it, kept; at most `limit` bytes of it.
    pub fn kept(self, limit: usize) -> Option<String> {
        self.text().map(|text| clip(&text, limit).to_owned())
    }

    /// Whether this is a string with something in it.
    pub fn has_text(self) -> bool {
        self.inner().is_some_and(|inner| !inner.is_empty())
    }

    /// Whether this is a string of which the end is missing.
    pub fn is_cut(self) -> bool {
        self.inner().is_some_and(|inner| inner.ends_with(CUT.as_bytes()))
    }

    /// Whether this is a list of which elements were left out.
    pub(crate) fn is_shortened(self) -> bool {
        let mut all = Elements { of: self, next: self.is_array().then(|| self.at + 1) };
        all.any(|item| item.left_out().is_some())
    }

    /// What stands between the quotes of a string, escaped as it came, and how many bytes more there
    /// were before it was shortened.
    pub(crate) fn raw(self) -> Option<(&'a [u8], u64)> {
        let inner = self.inner()?;
        let mark = CUT.as_bytes();
        let shortened = inner.strip_suffix(mark).map(|rest| {
            let counted = || {
                let at = memchr::memmem::rfind(rest, mark)?;
                let count = std::str::from_utf8(rest.get(at + mark.len()..)?).ok()?.parse().ok()?;
                Some((rest.get(..at)?, count))
            };
            counted().unwrap_or((rest, 0))
        });
        Some(shortened.unwrap_or((inner, 0)))
    }

    /// The value as it stands in the text.
    pub(crate) fn source(self) -> &'a [u8] {
        self.span().and_then(|(start, end)| self.text.get(start..end)).unwrap_or_default()
    }

    /// Whether this is exactly that string.
    pub fn is(self, word: &str) -> bool {
        match self.kind() {
            Some(Kind::Text) => self.inner() == Some(word.as_bytes()),
            Some(Kind::EscapedText) => self.str().is_some_and(|text| text == word),
            _ => false,
        }
    }

    /// True or false; form fields say it as a string.
    pub fn bool(self) -> Option<bool> {
        match self.kind()? {
            Kind::True => Some(true),
            Kind::False => Some(false),
            Kind::Text if self.is("true") => Some(true),
            Kind::Text if self.is("false") => Some(false),
            _ => None,
        }
    }

    /// A number as it is written.
    pub fn number(self) -> Option<&'a str> {
        let node = self.node().filter(|node| node.kind == Kind::Number)?;
        std::str::from_utf8(node.of(self.text)?).ok()
    }

    /// A finite number, or a string that is one.
    pub fn float(self) -> Option<f64> {
        let number = self.digits()?.parse::<f64>().ok()?;
        number.is_finite().then_some(number)
    }

    /// A whole number, or a string that is one.
    pub fn integer(self) -> Option<i64> {
        self.digits()?.parse().ok()
    }

    /// A count: a whole number that fits, also written as a float (`12.0`) or as a string. Anything
    /// else that is there sets `odd`.
    pub fn count(self, odd: &mut bool) -> Option<u64> {
        let count = self.digits().and_then(|digits| whole(&digits));
        if count.is_none() && self.is_some() {
            *odd = true;
        }
        count
    }

    /// A count where an odd one does not matter.
    pub fn size(self) -> Option<u64> {
        self.count(&mut false)
    }

    /// The elements of an array that are there; none if this is not an array.
    pub fn items(self) -> Items<'a> {
        let open = (self.kind() == Some(Kind::Array)).then(|| self.at + 1);
        Items { of: self, next: open }
    }

    /// How many elements an array has, those left out included. `None` if this is not an array.
    #[expect(
        clippy::len_without_is_empty,
        reason = "what has no elements is not told from nothing"
    )]
    pub fn len(self) -> Option<u64> {
        self.is_array().then(|| {
            let mut all = Elements { of: self, next: Some(self.at + 1) };
            all.by_ref()
                .fold(0_u64, |total, item| total.saturating_add(item.left_out().unwrap_or(1)))
        })
    }

    /// The members of an object in order; none if this is not an object.
    pub fn members(self) -> Members<'a> {
        let open = (self.kind() == Some(Kind::Object)).then(|| self.at + 1);
        Members { of: self, next: open }
    }

    /// Where the value stands in the text, quotes included.
    pub(crate) fn span(self) -> Option<(usize, usize)> {
        let node = self.node()?;
        let (start, end) = (node.start as usize, node.end as usize);
        Some(match node.kind {
            Kind::Text | Kind::EscapedText => (start.saturating_sub(1), end + 1),
            _ => (start, end),
        })
    }

    fn here(self, at: u32) -> Self {
        Self { at, ..self }
    }

    fn node(self) -> Option<&'a Node> {
        self.nodes.get(self.at as usize)
    }

    fn kind(self) -> Option<Kind> {
        self.node().map(|node| node.kind)
    }

    /// What stands between the quotes of a string.
    fn inner(self) -> Option<&'a [u8]> {
        let node =
            self.node().filter(|node| matches!(node.kind, Kind::Text | Kind::EscapedText))?;
        node.of(self.text)
    }

    fn digits(self) -> Option<Cow<'a, str>> {
        self.number().map(Cow::Borrowed).or_else(|| self.text())
    }

    /// How many elements this element stands for, if it is the mark of a shortened array.
    fn left_out(self) -> Option<u64> {
        let (key, value) = self.members().next()?;
        (key.inner() == Some(CUT.as_bytes())).then(|| value.size()).flatten()
    }

    /// The value that stands at `at`, if that is inside this one.
    fn inside(self, at: u32) -> Option<Self> {
        (at < self.node()?.next).then_some(self.here(at))
    }
}

/// See [`Json::items`].
#[derive(Debug)]
pub struct Items<'a> {
    of: Json<'a>,
    next: Option<u32>,
}

impl<'a> Iterator for Items<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        let mut elements = Elements { of: self.of, next: self.next };
        let item = elements.next();
        self.next = elements.next;
        item.filter(|item| item.left_out().is_none())
    }
}

struct Elements<'a> {
    of: Json<'a>,
    next: Option<u32>,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        let item = self.of.inside(self.next?)?;
        self.next = item.node().map(|node| node.next);
        Some(item)
    }
}

/// See [`Json::members`].
#[derive(Debug)]
pub struct Members<'a> {
    of: Json<'a>,
    next: Option<u32>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Json<'a>, Json<'a>);

    fn next(&mut self) -> Option<(Json<'a>, Json<'a>)> {
        let key = self.of.inside(self.next?)?;
        let value = self.of.inside(key.at + 1)?;
        self.next = value.node().map(|node| node.next);
        Some((key, value))
    }
}

/// At most `limit` bytes of a text, cut between characters.
pub(crate) fn clip(text: &str, limit: usize) -> &str {
    let fits = |end: &usize| text.is_char_boundary(*end);
    let end = (0..=limit.min(text.len())).rev().find(fits).unwrap_or(0);
    text.get(..end).unwrap_or(text)
}

/// A whole number that fits 64 bits without loss.
fn whole(digits: &str) -> Option<u64> {
    if let Ok(count) = digits.parse() {
        return Some(count);
    }
    // Beyond 2^53 a float no longer names one whole number.
    let float = digits.parse::<f64>().ok()?;
    let exact = (0.0..=9_007_199_254_740_992.0).contains(&float) && float.fract() == 0.0;
    exact.then_some(float as u64)
}

/// The text that an escaped string stands for; an escape that breaks off is left out.
pub(crate) fn unescape(raw: &[u8]) -> String {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escape) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = one_escape(escape, &mut out);
    }
    out.extend_from_slice(rest);
    String::from_utf8(out)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Decodes the escape that `text` begins with; gives back what follows it.
fn one_escape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let plain = match text.get(1) {
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'r') => b'\r',
        Some(b'b') => 8,
        Some(b'f') => 12,
        Some(b'u') => return unicode_escape(text, out),
        Some(other) => *other,
        None => return &[],
    };
    out.push(plain);
    text.get(2..).unwrap_or_default()
}

fn unicode_escape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let unit = |from: usize| {
        let digits = std::str::from_utf8(text.get(from..from + 4)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let high = unit(2).unwrap_or(0xfffd);
    let low = text.get(6..8).filter(|next| next == b"\\u").and_then(|_| unit(8));
    let (code, length) = match low {
        Some(low) if (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low) => {
            (0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12)
        }
        _ => (high, 6),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    text.get(length..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
