//! What a price list answered before: to ask the same again for every call would cost more than all
//! the rest of a record.
//!
//! A memo belongs to one list and goes with it. An answer holds for one minute of the calls' own
//! time, because prices have dates and times of day that begin with one, and for prompts between two
//! lengths that had the same: a list does not return to an earlier price as prompts grow. That there
//! is no such model is an answer too. Must not know: what the prices are used for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use tidegauge_core::Charge;

use crate::catalogue::{Entry, Quote};

/// The most questions that are remembered; when there are more, all are forgotten.
const QUESTIONS: usize = 1024;
/// The longest question, in bytes. A longer one is asked each time.
const LONGEST: usize = 512;
/// The most answers to one question.
const ANSWERS: usize = 64;

/// Answers by question.
#[derive(Debug, Default)]
pub(crate) struct Memo(Mutex<HashMap<Box<[u8]>, Answers>>);

#[derive(Debug)]
struct Answers {
    entry: Option<Entry>,
    prices: Known,
}

/// What the answers to one question were, for some charges and lengths of prompt.
#[derive(Debug, Default)]
pub(crate) struct Known(Vec<Price>);

/// A price of one charge, and the prompt lengths it is known for.
#[derive(Debug)]
struct Price {
    charge: Charge,
    shortest: u64,
    longest: u64,
    price: Option<u128>,
}

/// A question with its answers.
pub(crate) struct Remembered<'a> {
    memo: &'a Memo,
    quote: &'a Quote<'a>,
    question: Vec<u8>,
}

impl Memo {
    /// The answers to a question.
    pub(crate) fn of<'a>(&'a self, quote: &'a Quote<'a>) -> Remembered<'a> {
        Remembered { memo: self, quote, question: question(quote) }
    }

    /// A panic under this lock leaves answers that are whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<[u8]>, Answers>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered<'_> {
    /// See [`Quote::entry`].
    pub(crate) fn entry(&self) -> Option<Entry> {
        if let Some(known) = self.memo.lock().get(&*self.question) {
            return known.entry.clone();
        }
        let entry = self.quote.entry();
        if self.question.len() <= LONGEST {
            let mut memo = self.memo.lock();
            if memo.len() >= QUESTIONS {
                memo.clear();
            }
            let answers = Answers { entry: entry.clone(), prices: Known::default() };
            memo.insert(self.question.as_slice().into(), answers);
        }
        entry
    }

    /// See [`Quote::price`].
    pub(crate) fn price(&self, charge: Charge) -> Option<u128> {
        let prompt = self.quote.prompt;
        if let Some(known) = self.memo.lock().get(&*self.question)
            && let Some(price) = known.prices.price(charge, prompt)
        {
            return price;
        }
        let price = self.quote.price(charge);
        // A price is kept beside its entry.
        self.entry();
        if let Some(known) = self.memo.lock().get_mut(&*self.question) {
            known.prices.learn(charge, prompt, price);
        }
        price
    }
}

impl Known {
    /// The answer, if it is known.
    pub(crate) fn price(&self, charge: Charge, prompt: u64) -> Option<Option<u128>> {
        let holds = |price: &&Price| {
            price.charge == charge && (price.shortest..=price.longest).contains(&prompt)
        };
        self.0.iter().find(holds).map(|price| price.price)
    }

    /// Widens what is known of the same price, unless another one lies between.
    pub(crate) fn learn(&mut self, charge: Charge, prompt: u64, price: Option<u128>) {
        let same = |known: &Price| known.charge == charge && known.price == price;
        if let Some(place) = self.0.iter().position(same)
            && let Some(known) = self.0.get(place)
        {
            let (shortest, longest) = (known.shortest.min(prompt), known.longest.max(prompt));
            let between = |other: &Price| {
                other.charge == charge
                    && other.price != price
                    && other.shortest <= longest
                    && other.longest >= shortest
            };
            if self.0.iter().any(between) {
                return;
            }
            if let Some(known) = self.0.get_mut(place) {
                (known.shortest, known.longest) = (shortest, longest);
            }
        } else if self.0.len() < ANSWERS {
            self.0.push(Price { charge, shortest: prompt, longest: prompt, price });
        }
    }
}

/// Everything a question says but the prompt's length, as bytes.
fn question(quote: &Quote<'_>) -> Vec<u8> {
    let minute = quote.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 60;
    let mut bytes = Vec::with_capacity(96);
    bytes.extend_from_slice(&minute.to_le_bytes());
    let told = quote.provider.map_or(0, |_| 1);
    let names = [quote.provider.unwrap_or_default(), quote.model];
    let context = quote.context.iter().flat_map(|(key, value)| [*key, *value]);
    bytes.extend_from_slice(&[told, quote.list.number()]);
    for text in names.into_iter().chain(context) {
        bytes.extend_from_slice(&text.len().to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests;
