//! A JSON array that is streamed in pieces: bytes become its top-level elements, one event each.
//!
//! Follows strings and nesting and nothing else: what an element holds is for a JSON parser.
//! A document that is no array is one element.

/// An element longer than this is stepped over, never held.
const MAX_ELEMENT: usize = 1 << 20;

/// The splitter. Holds one unfinished element at most, never more than a MiB.
#[derive(Debug, Default)]
pub(crate) struct JsonArray {
    held: Vec<u8>,
    /// The array's own bracket has been seen.
    array: bool,
    /// Brackets and braces open inside the element.
    depth: u64,
    text: Text,
    /// The element under way is too long to be held.
    too_long: bool,
    skipped: u64,
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
    /// The next piece; `each` gets every object or array that it completes. Plain values at the top
    /// are stepped over.
    pub(crate) fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        let mut begun = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if self.depth == 0 {
                begun = at;
            }
            if !self.closes(byte) {
                continue;
            }
            let piece = bytes.get(begun..=at).unwrap_or_default();
            if self.held.is_empty() && !self.too_long && piece.len() <= MAX_ELEMENT {
                each(piece);
            } else {
                self.hold(piece);
                if !self.too_long {
                    each(&self.held);
                }
                self.held.clear();
            }
            self.too_long = false;
            begun = at + 1;
        }
        if self.depth > 0 {
            self.hold(bytes.get(begun..).unwrap_or_default());
        }
    }

    /// Whether the bytes ended inside an element.
    pub(crate) fn broken(&self) -> bool {
        self.depth > 0
    }

    /// Elements that were too long to be read.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
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

    fn hold(&mut self, piece: &[u8]) {
        if self.too_long {
            return;
        }
        if self.held.len() + piece.len() > MAX_ELEMENT {
            self.too_long = true;
            self.skipped += 1;
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&[u8]]) -> (Vec<String>, JsonArray) {
        let (mut seen, mut array) = (Vec::new(), JsonArray::default());
        for piece in pieces {
            array.push(piece, |element| seen.push(String::from_utf8_lossy(element).into_owned()));
        }
        (seen, array)
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
            ("", vec![]),
        ] {
            assert_eq!(split(&[document.as_bytes()]).0, want, "{document}");
        }
    }

    #[test]
    fn a_long_element_is_stepped_over() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_ELEMENT));
        let document = format!("[{long},{{\"b\":1}}]");
        for pieces in [vec![document.as_bytes()], document.as_bytes().chunks(1000).collect()] {
            let (seen, array) = split(&pieces);
            assert_eq!(seen, ["{\"b\":1}"]);
            assert_eq!(array.skipped(), 1);
        }
    }

    #[test]
    fn an_open_element_is_broken() {
        assert!(split(&[b"[{\"a\":"]).1.broken());
        assert!(!split(&[b"[{\"a\":1},"]).1.broken());
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(document in "[\\[\\]{}\",\\\\a ]{0,64}", cut in 0usize..64) {
            let bytes = document.as_bytes();
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            let whole = split(&[bytes]).0;
            prop_assert_eq!(&split(&[left, right]).0, &whole);
            prop_assert_eq!(&split(&bytes.chunks(1).collect::<Vec<_>>()).0, &whole);
        }
    }
}
