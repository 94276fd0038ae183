//! A JSON array that is streamed in pieces: bytes become its top-level elements, one event each.
//!
//! Follows strings and nesting and nothing else: what an element holds is for a JSON parser. A
//! document that is no array is one element.

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
    /// The next piece; `each` gets every object or array that it completes, and whether parts of it
    /// were left out. Plain values at the top are stepped over.
    pub(crate) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8], bool)) {
        let mut begun = 0;
        work::count(bytes.len());
        for (at, &byte) in bytes.iter().enumerate() {
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
        }
    }
}
