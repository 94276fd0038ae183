//! Decodes standard base64, as it stands inside JSON.

/// The bytes, or `None` if the text is not base64. Padding may be left out.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let text = text.trim_ascii_end();
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for group in text.chunks(4) {
        let mut bits = 0_u32;
        for &letter in group {
            bits = bits << 6 | value(letter)?;
        }
        match group.len() {
            4 => bytes.extend_from_slice(bits.to_be_bytes().get(1..)?),
            3 => bytes.extend_from_slice((bits >> 2).to_be_bytes().get(2..)?),
            2 => bytes.extend_from_slice((bits >> 4).to_be_bytes().get(3..)?),
            _ => return None,
        }
    }
    Some(bytes)
}

fn value(letter: u8) -> Option<u32> {
    Some(u32::from(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn decodes() {
        for (text, want) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v", Some("foo")),
            ("Zm9vYg", Some("foob")),
            ("eyJhIjoiPz4ifQ==", Some(r#"{"a":"?>"}"#)),
            ("Z", None),
            ("Z===", None),
            ("Zm9v!", None),
        ] {
            assert_eq!(
                decode(text.as_bytes()),
                want.map(|want| want.as_bytes().to_vec()),
                "{text}"
            );
        }
    }
}
