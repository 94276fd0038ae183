//! A JSON array that is streamed in pieces: bytes become its top-level elements, one event each.
//!
//! Follows strings and nesting and nothing else: what an element holds is for a JSON parser. The array
//! is the document, and a document that is no array is one element; or it is the first one of a name,
//! wherever in the document, and all else is stepped over.

use crate::skim::{Limits, Skim};
use crate::work;

/// The most that is held of one element; a longer one is given out reduced.
const MAX_ELEMENT: usize = 64 * 1024;

/// The splitter. Holds one unfinished element at most.
#[derive(Debug, Default)]
pub(crate) struct JsonArray {
    held: Vec<u8>,
    /// The element under way, if it is too long to be held.
    long: Option<Box<Skim>>,
    /// The array's own bracket has been seen.
    array: bool,
    /// Brackets and braces open inside the element.
    depth: u64,
    text: Text,
    /// The array has a name, and has not been found yet.
    sought: Option<Sought>,
    /// The array has a name.
    named: bool,
    /// A named array has ended.
    over: bool,
}

/// A member's name that is looked for.
#[derive(Debug)]
struct Sought {
    name: &'static str,
    text: Text,
    /// How much of the name the present or last string has; `None` if it is another.
    has: Option<usize>,
}

/// Whether the scan is inside a string.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Text {
    #[default]
    Outside,
    Inside,
    Escaped,
}

impl JsonArray {
    /// Of the first array that is the value of a member with that name. It must be written without
    /// escapes.
    pub(crate) fn named(name: &'static str) -> Self {
        let sought = Sought { name, text: Text::Outside, has: None };
        Self { sought: Some(sought), named: true, ..Self::default() }
    }

    /// Whether a named array has begun and not ended.
    pub(crate) fn is_cut(&self) -> bool {
        self.named && self.sought.is_none() && !self.over
    }

    /// The next piece; `each` gets every object or array that it completes, and whether parts of it
    /// were left out. Plain values at the top are stepped over.
    pub(crate) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8], bool)) {
        let mut begun = 0;
        work::count(bytes.len());
        let bytes = self.seek(bytes);
        for (at, &byte) in bytes.iter().enumerate() {
            if self.over {
                return;
            }
            if self.depth == 0 {
                begun = at;
            }
            if self.closes(byte) {
                self.end(bytes.get(begun..=at).unwrap_or_default(), &mut each);
                begun = at + 1;
            }
        }
        if self.depth > 0 {
            self.hold(bytes.get(begun..).unwrap_or_default());
        }
    }

    /// How many bytes are held.
    #[cfg(feature = "testing")]
    pub(crate) fn held(&self) -> usize {
        self.held.capacity() + self.long.as_ref().map_or(0, |long| long.held())
    }

    /// What of a piece is inside the array or behind it, where that has to be found.
    fn seek<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(sought) = &mut self.sought else { return bytes };
        let Some(at) = bytes.iter().position(|byte| sought.begins(*byte)) else { return &[] };
        (self.sought, self.array) = (None, true);
        bytes.get(at + 1..).unwrap_or_default()
    }

    /// Takes one byte; whether it ends an element.
    fn closes(&mut self, byte: u8) -> bool {
        match (self.text, byte) {
            (Text::Escaped, _) => self.text = Text::Inside,
            (Text::Inside, b'\\') => self.text = Text::Escaped,
            (Text::Inside, b'"') => self.text = Text::Outside,
            (Text::Inside, _) => {}
            (Text::Outside, b'"') => self.text = Text::Inside,
            (Text::Outside, b'[') if self.depth == 0 && !self.array => self.array = true,
            (Text::Outside, b'{' | b'[') => self.depth += 1,
            (Text::Outside, b'}' | b']') if self.depth > 0 => {
                self.depth -= 1;
                return self.depth == 0;
            }
            (Text::Outside, b']') => self.over = self.named,
            (Text::Outside, _) => {}
        }
        false
    }

    /// An element ends with this piece.
    fn end(&mut self, piece: &[u8], each: &mut impl FnMut(&[u8], bool)) {
        if self.held.is_empty() && self.long.is_none() && piece.len() <= MAX_ELEMENT {
            return each(piece, false);
        }
        self.hold(piece);
        match self.long.take() {
            Some(long) => {
                let skimmed = long.finish();
                each(&skimmed.json, skimmed.lossy);
            }
            None => each(&self.held, false),
        }
        self.held.clear();
    }

    fn hold(&mut self, piece: &[u8]) {
        work::count(piece.len());
        if let Some(long) = &mut self.long {
            return long.push(piece);
        }
        if self.held.len() + piece.len() <= MAX_ELEMENT {
            return self.held.extend_from_slice(piece);
        }
        let mut long = Box::new(Skim::new(Limits::ANSWER));
        long.push(&std::mem::take(&mut self.held));
        long.push(piece);
        self.long = Some(long);
    }
}

impl Sought {
    /// Takes one byte; whether it is the bracket of the array.
    fn begins(&mut self, byte: u8) -> bool {
        match (self.text, byte) {
            (Text::Escaped, _) => self.text = Text::Inside,
            (Text::Inside, b'\\') => (self.text, self.has) = (Text::Escaped, None),
            (Text::Inside, b'"') => self.text = Text::Outside,
            (Text::Inside, _) => {
                let fits = |has: &usize| self.name.as_bytes().get(*has) == Some(&byte);
                self.has = self.has.filter(fits).map(|has| has + 1);
            }
            (Text::Outside, b'"') => (self.text, self.has) = (Text::Inside, Some(0)),
            (Text::Outside, b'[') if self.has == Some(self.name.len()) => return true,
            (Text::Outside, b':' | b' ' | b'\t' | b'\r' | b'\n') => {}
            (Text::Outside, _) => self.has = None,
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let (mut seen, mut array) = (Vec::new(), JsonArray::default());
        for piece in pieces {
            array.push(piece, |element, _| {
                seen.push(String::from_utf8_lossy(element).into_owned());
            });
        }
        seen
    }

    #[test]
    fn elements_of_documents() {
        for (document, want) in [
            ("[{\"a\": [1, {}]}\n,\r\n{\"b\":2}\n]", vec!["{\"a\": [1, {}]}", "{\"b\":2}"]),
            ("[{\"a\":\"}]\\\"{\\\\\"}]", vec!["{\"a\":\"}]\\\"{\\\\\"}"]),
            ("{\"error\":{}}", vec!["{\"error\":{}}"]),
            ("  [ ] ", vec![]),
            ("[1, \"{\", null, {}]", vec!["{}"]),
            ("]}{}", vec!["{}"]),
            ("[{\"a\":", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(split(&[document.as_bytes()]), want, "{document}");
        }
    }

    fn split_named(pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let (mut seen, mut array) = (Vec::new(), JsonArray::named("list"));
        for piece in pieces {
            array.push(piece, |element, _| {
                seen.push(String::from_utf8_lossy(element).into_owned());
            });
        }
        (seen, array.is_cut())
    }

    #[test]
    fn elements_of_the_first_array_of_a_name() {
        for (document, want, cut) in [
            ("{\"a\":[{}],\"list\":[{\"b\":[1]},{}],\"c\":{}}", vec!["{\"b\":[1]}", "{}"], false),
            (
                "{\"a\":{\"list\": {\"list\" :\n[{\"x\":1}] }},\"list\":[{}]}",
                vec!["{\"x\":1}"],
                false,
            ),
            ("{\"a\":\"\\\"list\\\":[{}]\",\"list\":\"list\",\"b\":[{}]}", vec![], false),
            ("{\"lis\":[{}],\"listed\":[{}],\"\\\\list\":[{}]}", vec![], false),
            ("{\"list\":[{\"list\":[{}]},7,\"]\",{}]", vec!["{\"list\":[{}]}", "{}"], false),
            ("{\"list\":[]}{}", vec![], false),
            ("{\"list\":[{\"a\":1},{\"b\"", vec!["{\"a\":1}"], true),
            ("{\"list\":null}", vec![], false),
        ] {
            let bytes = document.as_bytes();
            let want = (want.into_iter().map(str::to_owned).collect(), cut);
            assert_eq!(split_named(&[bytes]), want, "{document}");
            assert_eq!(split_named(&bytes.chunks(1).collect::<Vec<_>>()), want, "{document}");
        }
    }

    #[test]
    fn a_long_element_is_reduced_and_its_end_kept() {
        let long = format!("{{\"a\":\"{}\",\"end\":true}}", "x".repeat(8 * MAX_ELEMENT));
        let document = format!("[{{}},{long},{{\"b\":1}}]");
        for pieces in [vec![document.as_bytes()], document.as_bytes().chunks(1000).collect()] {
            let seen = split(&pieces);
            assert_eq!((seen.len(), &*seen[0], &*seen[2]), (3, "{}", "{\"b\":1}"));
            assert!(seen[1].len() < MAX_ELEMENT && seen[1].ends_with("\"end\":true}"));
        }
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(document in "[\\[\\]{}\",\\\\a ]{0,64}", cut in 0usize..64) {
            let bytes = document.as_bytes();
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            let whole = split(&[bytes]);
            prop_assert_eq!(&split(&[left, right]), &whole);
            prop_assert_eq!(&split(&bytes.chunks(1).collect::<Vec<_>>()), &whole);
            let text = format!("{{\"list\":[{document}");
            let (left, right) = text.as_bytes().split_at(cut.min(text.len()));
            prop_assert_eq!(split_named(&[left, right]), split_named(&[text.as_bytes()]));
        }
    }
}
