//! The second built-in price list: who sells which model at which price, for models that the first one
//! lacks.
//!
//! The list is text in the program, sorted, and is searched where it lies: nothing of it is read before
//! a model is looked up, and then one line. Must not know: the first list, which of the two is right.

use std::cmp::Ordering;
use std::sync::LazyLock;

use tidegauge_core::{Bucket, Charge};

use crate::decimal::{Excess, PLACES, scaled};
use crate::rules::Factor;
use crate::table::{Row, Way};

const TEXT: &str = include_str!("../data/second.tsv");

/// How each kind of price is named.
const KINDS: &[(&str, Charge)] = &[
    ("i", Charge::Tokens(Bucket::Input)),
    ("r", Charge::Tokens(Bucket::CacheRead)),
    ("ra", Charge::Tokens(Bucket::CacheReadAudio)),
    ("w", Charge::Tokens(Bucket::CacheWrite5m)),
    ("wh", Charge::Tokens(Bucket::CacheWrite1h)),
    ("ia", Charge::Tokens(Bucket::InputAudio)),
    ("ii", Charge::Tokens(Bucket::InputImage)),
    ("o", Charge::Tokens(Bucket::Output)),
    ("t", Charge::Tokens(Bucket::Reasoning)),
    ("oa", Charge::Tokens(Bucket::OutputAudio)),
    ("oi", Charge::Tokens(Bucket::OutputImage)),
    ("s", Charge::Searches),
    ("g", Charge::GroundedPrompts),
    ("q", Charge::Requests),
    ("h", Charge::AudioTime),
];

const WAYS: &[(&str, Way)] = &[("b.", Way::Batch), ("f.", Way::Flex), ("p.", Way::Priority)];

/// What the list says of itself.
#[derive(Debug, Default)]
struct Head {
    label: &'static str,
    /// Where the lines of models begin.
    body: usize,
}

static HEAD: LazyLock<Head> = LazyLock::new(|| {
    let comments = TEXT.split_inclusive('\n').take_while(|line| line.starts_with('#'));
    let body = comments.clone().map(str::len).sum();
    let label = comments.filter_map(|line| line.strip_prefix("# list ")).next();
    Head { label: label.unwrap_or_default().trim(), body }
});

/// One model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) provider: &'static str,
    pub(crate) model: &'static str,
    pub(crate) context_window: Option<u64>,
    prices: &'static str,
    source: &'static str,
}

/// Which list this is, and the day on which its prices were taken.
pub(crate) fn label() -> &'static str {
    HEAD.label
}

/// Every model.
pub(crate) fn lines() -> impl Iterator<Item = Line> {
    TEXT.get(HEAD.body..).unwrap_or_default().lines().filter_map(Line::read)
}

/// The line of a model at a provider, in any case.
pub(crate) fn find(provider: &str, model: &str) -> Option<Line> {
    let text = TEXT.get(HEAD.body..)?;
    let bytes = text.as_bytes();
    let (mut low, mut high) = (0, text.len());
    while low < high {
        let middle = low + (high - low) / 2;
        // The line that the middle lies in.
        let begin = bytes.get(low..middle)?.iter().rposition(|byte| *byte == b'\n');
        let begin = begin.map_or(low, |place| low + place + 1);
        let end = bytes.get(begin..)?.iter().position(|byte| *byte == b'\n');
        let end = end.map_or(text.len(), |place| begin + place);
        let line = Line::read(text.get(begin..end)?)?;
        match compare(&line, provider, model) {
            Ordering::Equal => return Some(line),
            Ordering::Less => low = end + 1,
            Ordering::Greater => high = begin,
        }
    }
    None
}

fn compare(line: &Line, provider: &str, model: &str) -> Ordering {
    let low = |one: &str, other: &str| {
        let bytes = one.bytes().map(|byte| byte.to_ascii_lowercase());
        bytes.cmp(other.bytes().map(|byte| byte.to_ascii_lowercase()))
    };
    low(line.provider, provider).then_with(|| low(line.model, model))
}

impl Line {
    fn read(line: &'static str) -> Option<Self> {
        let mut parts = line.split('\t');
        Some(Self {
            provider: parts.next()?,
            model: parts.next()?,
            // Whether it is a chat model counts for the test of how many of them are priced.
            context_window: parts.nth(1)?.parse().ok(),
            prices: parts.next()?,
            source: parts.next()?,
        })
    }

    /// Its prices.
    pub(crate) fn row(&self) -> Row {
        let mut row = Row {
            provider: self.provider.to_owned(),
            model: self.model.to_owned(),
            bare: false,
            context_window: self.context_window,
            rates: Vec::new(),
        };
        for (way, charge, above, price) in self.entries() {
            let rate = row.rate_mut(way, charge);
            match above {
                Some(above) => rate.step(above, price),
                None => rate.base = Some(price),
            }
        }
        row
    }

    fn entries(&self) -> impl Iterator<Item = (Way, Charge, Option<u64>, u128)> {
        self.prices.split(' ').filter_map(|entry| {
            let (key, usd) = entry.split_once('=')?;
            let way = WAYS.iter().find_map(|(head, way)| Some((key.strip_prefix(head)?, *way)));
            let (key, way) = way.unwrap_or((key, Way::Standard));
            let (kind, above) = match key.split_once('>') {
                Some((kind, above)) => (kind, Some(above.parse().ok()?)),
                None => (key, None),
            };
            let (_, charge) = KINDS.iter().find(|(name, _)| *name == kind)?;
            Some((way, *charge, above, scaled(usd, PLACES, Excess::Round)?))
        })
    }

    /// What its tokens cost in a tier, or in a region (`@us`), over the standard price.
    pub(crate) fn factor(&self, what: &str) -> Option<Factor> {
        let named = |name: &str| {
            self.prices
                .split(' ')
                .filter_map(|entry| entry.strip_prefix("x.")?.split_once('='))
                .find_map(|(key, factor)| Factor::read(factor).filter(|_| key == name))
        };
        match what.strip_prefix('@') {
            Some("global") => None,
            Some(region) => named(region).or_else(|| named("regional")),
            None => named(what),
        }
    }

    /// The address where its prices are published, as far as it is known.
    pub(crate) fn source(&self) -> Option<&'static str> {
        let head = TEXT.get(..HEAD.body)?;
        let is = |line: &&str| line.split(' ').nth(2) == Some(self.source);
        let of_sources = head.lines().filter(|line| line.starts_with("# source "));
        let line = of_sources.into_iter().find(is)?;
        line.splitn(4, ' ').nth(3).filter(|source| source.starts_with("https://"))
    }
}

/// Every model for chat, by provider and name, and how many of them its origin has.
#[cfg(test)]
pub(crate) fn chat_models() -> (Vec<(&'static str, &'static str)>, usize) {
    let of_chat = |line: &'static str| {
        let mut parts = line.split('\t');
        let (provider, model) = (parts.next()?, parts.next()?);
        (parts.next()? == "c").then_some((provider, model))
    };
    let total = TEXT.lines().find_map(|line| line.strip_prefix("# chat ")?.parse().ok());
    (TEXT.lines().filter_map(of_chat).collect(), total.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_found() {
        let mut count = 0;
        for line in lines() {
            count += 1;
            let entries = line.prices.split(' ').count();
            let factors = line.prices.split(' ').filter(|entry| entry.starts_with("x.")).count();
            assert_eq!(line.entries().count() + factors, entries, "{line:?}");
            let name = line.model.to_ascii_uppercase();
            let found = find(line.provider, &name).unwrap_or_else(|| panic!("{line:?}"));
            assert_eq!((found.provider, found.model), (line.provider, line.model));
        }
        let body = TEXT.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(count, body);
        assert!(count > 1500, "{count}");
        for absent in [("", ""), ("aws", ""), ("zzz", "z"), ("openai", "no-such-model")] {
            assert!(find(absent.0, absent.1).is_none());
        }
        assert!(label().starts_with("litellm "), "{}", label());
    }

    #[test]
    fn prices_factors_and_sources_are_those_of_the_line() {
        let line = find("anthropic", "claude-opus-4-8").unwrap();
        let price = |charge| line.row().price(Way::Standard, charge, 1);
        assert_eq!(price(Charge::Tokens(Bucket::Input)), Some(5_000_000_000_000));
        assert_eq!(price(Charge::Searches), Some(10_000_000_000_000));
        assert_eq!(line.factor("fast"), Factor::read("2"));
        assert_eq!((line.factor("@us"), line.factor("@global")), (Factor::read("1.1"), None));
        assert_eq!(line.source(), Some("https://platform.claude.com/docs/en/about-claude/pricing"));
    }
}
