//! Keeps a JSON body that comes in pieces: a short one as it is, a longer one reduced.
//!
//! Most bodies are short, and those are only copied while they pass; all reading waits for the end.
//! What is read does not depend on the pieces. This file must not know what the fields mean.

use crate::field::Doc;
use crate::skim::{Limits, Skim, Skimmed};
use crate::work;

/// The longest body that is kept as it is.
const SHORT: usize = 4 << 10;

/// One body.
#[derive(Debug)]
pub(crate) struct Body {
    limits: &'static Limits,
    /// All of it, until it is too long.
    short: Vec<u8>,
    /// Then this.
    skim: Option<Box<Skim>>,
}

impl Body {
    /// A body of which so much is kept, should it be long.
    pub(crate) fn new(limits: &'static Limits) -> Self {
        Self { limits, short: Vec::new(), skim: None }
    }

    /// The next piece.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        match &mut self.skim {
            Some(skim) => skim.push(bytes),
            None if bytes.len() <= SHORT - self.short.len() => {
                work::count(bytes.len());
                self.short.extend_from_slice(bytes);
            }
            None => {
                let mut skim = self.skim();
                skim.push(bytes);
                self.short = Vec::new();
                self.skim = Some(Box::new(skim));
            }
        }
    }

    /// From now on keeps so much, of what came before too.
    pub(crate) fn keep(&mut self, limits: &'static Limits) {
        self.limits = limits;
        if let Some(skim) = self.skim.take() {
            self.skim = Some(Box::new(skim.reduce(*limits)));
        }
    }

    /// How much of it is kept, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.short.len() + self.skim.as_ref().map_or(0, |skim| skim.len())
    }

    /// How many bytes are held.
    #[cfg(feature = "testing")]
    pub(crate) fn held(&self) -> usize {
        self.short.capacity() + self.skim.as_ref().map_or(0, |skim| skim.held())
    }

    /// The body is over: what is left of it, with its shape in `doc`, which is empty if it is no JSON.
    pub(crate) fn read(mut self, doc: &mut Doc) -> Skimmed {
        let begins = self.short.trim_ascii_start().first();
        if let Some(b'{' | b'[') = begins
            && doc.parse(&self.short)
        {
            let bytes = self.short.len() as u64;
            return Skimmed { json: self.short, bytes, ..Skimmed::default() };
        }
        // What broke off is closed, what is no JSON keeps its beginning.
        let skim = self.skim.take().map_or_else(|| self.skim(), |skim| *skim);
        let skimmed = skim.finish();
        doc.parse(&skimmed.json);
        skimmed
    }

    /// What came so far, reduced.
    fn skim(&self) -> Skim {
        let mut skim = Skim::new(*self.limits);
        skim.push(&self.short);
        skim
    }
}
