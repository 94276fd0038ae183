//! A value that may be secret: where it comes from, which may be shown, and the value, which may not.

use std::fmt;

use super::file::{SecretFile, SecretWord};
use super::outside::Outside;
use super::shape::expand;

/// A value and where it comes from.
#[derive(Clone, PartialEq)]
pub struct Secret {
    word: SecretWord,
    value: String,
}

impl Secret {
    /// Finds the value. The error says which variable or file is missing, and quotes no value.
    pub(crate) fn find(word: &SecretWord, outside: &Outside<'_>) -> Result<Self, String> {
        let value = match word {
            SecretWord::Text(text) => {
                // As it comes of `echo` and a file, behind the variable.
                let trimmed = |text: String| text.trim_end_matches(['\r', '\n']).to_owned();
                expand(text, &|name| outside.expansion(name).map(trimmed))?
            }
            SecretWord::Map(SecretFile { file }) => {
                let bytes = (outside.read)(file)
                    .map_err(|error| format!("cannot read {}: {}", file.display(), error.kind()))?;
                let text = String::from_utf8(bytes)
                    .map_err(|_| format!("{} is not UTF-8 text", file.display()))?;
                text.trim().to_owned()
            }
        };
        match value.trim() {
            "" => Err("the value is empty".to_owned()),
            _ => Ok(Self { word: word.clone(), value }),
        }
    }

    /// The value, for the one place that uses it.
    pub fn expose(&self) -> &str {
        &self.value
    }

    /// Where it comes from, as it was written.
    pub(crate) fn word(&self) -> &SecretWord {
        &self.word
    }
}

impl SecretWord {
    /// Whether the value itself stands in the file.
    pub(crate) fn is_literal(&self) -> bool {
        matches!(self, Self::Text(text) if !text.contains("${"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
