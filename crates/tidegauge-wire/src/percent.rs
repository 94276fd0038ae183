//! Decodes percent-encoded path segments.
//!
//! For reading only: a path that is forwarded stays as it came.

use std::borrow::Cow;

/// The segment decoded; what is no valid escape stays, what is not UTF-8 becomes U+FFFD.
pub(crate) fn decode(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        match (byte, escaped(after)) {
            (b'%', Some(value)) => {
                decoded.push(value);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(byte);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

fn escaped(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*digits.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn decodes_what_is_an_escape() {
        for (given, want) in [
            ("plain", "plain"),
            ("v1%3A0", "v1:0"),
            ("a%2fb%2F", "a/b/"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(super::decode(given), want);
        }
    }
}
