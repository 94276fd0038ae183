//! What is wrong with a price list.

use std::fmt;

use thiserror::Error;

/// One thing that is wrong with a price list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CatalogueMistake {
    /// The key it is at, such as `a-model.input_cost_per_token`; empty for the list as a whole.
    pub key: String,
    /// What is wrong.
    pub what: String,
}

impl CatalogueMistake {
    pub(crate) fn new(key: &str, what: String) -> Self {
        Self { key: key.to_owned(), what }
    }
}

impl fmt::Display for CatalogueMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)
    }
}

/// A price list that cannot be used: not of a known form, or with a price that is not a finite number
/// of zero or more. Never empty; a hundred mistakes at most.
#[derive(Debug, Error)]
#[error("not a usable price list: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct CatalogueError(pub Vec<CatalogueMistake>);
