//! Prices that the operator states: private models, self-hosted ones, contracts.
//!
//! Turns what was written into exact integers, all mistakes at once, and finds the entry for a call.
//! Must not know: the public catalogue.

use std::collections::BTreeMap;

use thiserror::Error;
use tidegauge_core::{Bucket, Charge};

use crate::decimal::{Excess, PLACES, scaled};
use crate::pattern::matches;

/// What time on our own GPUs costs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GpuPrice {
    /// US dollars for an hour of one GPU, as a decimal.
    pub usd_per_hour: String,
    /// GPUs that a call keeps busy.
    pub gpus: u32,
}

/// One price of the operator's own. Its parts add up; amounts are decimals of at most 12 places,
/// read exactly.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OwnPrice {
    /// The upstream's name or its provider's; `None` is any.
    pub upstream: Option<String>,
    /// A model's name, where `*` stands for any run of characters.
    pub model: String,
    /// US dollars for a million tokens, by kind. A kind that is not listed costs what its parent
    /// does: cached, written, audio and picture input as input, reasoning, audio and pictures made
    /// as output.
    pub usd_per_million: Vec<(Bucket, String)>,
    /// US dollars for each call.
    pub usd_per_request: Option<String>,
    /// Priced by the time a call takes.
    pub gpu: Option<GpuPrice>,
}

/// What is wrong with one of the operator's prices.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum OwnPriceError {
    /// An amount is not a decimal that can be charged.
    #[error(
        "price {index}: {part} must be a decimal of US dollars, 0 or more, with at most 12 places"
    )]
    Amount {
        /// Position in the list, from 0.
        index: usize,
        /// Which amount.
        part: &'static str,
    },
    /// The entry names no model.
    #[error("price {index}: the model is empty (use * for all)")]
    Model {
        /// Position in the list, from 0.
        index: usize,
    },
    /// The entry charges for nothing.
    #[error("price {index}: no price is given")]
    Empty {
        /// Position in the list, from 0.
        index: usize,
    },
    /// Two entries are for the same upstream and model.
    #[error("price {index}: the same upstream and model are listed before")]
    Twice {
        /// Position in the list, from 0.
        index: usize,
    },
}

/// An entry in exact form.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    upstream: Option<String>,
    pub(crate) model: String,
    tokens: BTreeMap<&'static str, u128>,
    request: Option<u128>,
    gpu: Option<(u128, u32)>,
}

impl Own {
    /// Picodollars for [`Charge::per`] of them.
    pub(crate) fn price(&self, charge: Charge) -> Option<u128> {
        match charge {
            Charge::Tokens(bucket) => std::iter::successors(Some(bucket), |bucket| parent(*bucket))
                .find_map(|bucket| self.tokens.get(bucket.name()).copied())
                // Tokens are free where calls or hours are paid for instead.
                .or_else(|| (self.tokens.is_empty() && self.is_flat()).then_some(0)),
            Charge::Requests => self.request,
            Charge::GpuTime => self.gpu.map(|(price, _)| price),
            Charge::Routing
            | Charge::Searches
            | Charge::GroundedPrompts
            | Charge::FileSearches
            | Charge::AudioTime => None,
        }
    }

    /// GPUs that a call keeps busy; 0 when it is not priced by time.
    pub(crate) fn gpus(&self) -> u64 {
        self.gpu.map_or(0, |(_, gpus)| u64::from(gpus))
    }

    /// Whether a call has a price without its usage being known.
    pub(crate) fn needs_usage(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// Whether the entry itself lists the bucket.
    pub(crate) fn lists(&self, bucket: Bucket) -> bool {
        self.tokens.contains_key(bucket.name())
    }

    pub(crate) fn upstream(&self) -> Option<&str> {
        self.upstream.as_deref()
    }

    fn is_flat(&self) -> bool {
        self.request.is_some() || self.gpu.is_some()
    }

    /// How closely it fits: exact names before patterns, long patterns before short ones, an
    /// upstream of its own before any. `None`: not at all.
    fn fit(&self, upstreams: [&str; 2], model: &str) -> Option<(bool, usize, bool)> {
        let here = match &self.upstream {
            Some(own) => upstreams.iter().any(|name| name.eq_ignore_ascii_case(own)),
            None => true,
        };
        let fixed = self.model.bytes().filter(|byte| *byte != b'*').count();
        (here && matches(&self.model, model)).then_some((
            !self.model.contains('*'),
            fixed,
            self.upstream.is_some(),
        ))
    }
}

/// Reads the operator's prices; all mistakes at once.
pub(crate) fn resolve(prices: Vec<OwnPrice>) -> Result<Vec<Own>, Vec<OwnPriceError>> {
    let mut resolved: Vec<Own> = Vec::with_capacity(prices.len());
    let mut errors = Vec::new();
    for (index, price) in prices.into_iter().enumerate() {
        let own = own(index, price, &mut errors);
        if resolved.iter().any(|other| other.upstream == own.upstream && other.model == own.model) {
            errors.push(OwnPriceError::Twice { index });
        }
        resolved.push(own);
    }
    if errors.is_empty() { Ok(resolved) } else { Err(errors) }
}

/// The entry that fits a model best.
pub(crate) fn find<'a>(entries: &'a [Own], upstreams: [&str; 2], model: &str) -> Option<&'a Own> {
    entries
        .iter()
        .filter_map(|own| Some((own.fit(upstreams, model)?, own)))
        .max_by_key(|(fit, _)| *fit)
        .map(|(_, own)| own)
}

fn own(index: usize, price: OwnPrice, errors: &mut Vec<OwnPriceError>) -> Own {
    let OwnPrice { upstream, model, usd_per_million, usd_per_request, gpu } = price;
    if model.trim().is_empty() {
        errors.push(OwnPriceError::Model { index });
    }
    if usd_per_million.is_empty() && usd_per_request.is_none() && gpu.is_none() {
        errors.push(OwnPriceError::Empty { index });
    }
    let mut amount = |part: &'static str, text: &str| {
        let amount = scaled(text.trim(), PLACES, Excess::Refuse);
        if amount.is_none() {
            errors.push(OwnPriceError::Amount { index, part });
        }
        amount.unwrap_or(0)
    };
    let tokens = usd_per_million
        .iter()
        .map(|(bucket, text)| (bucket.name(), amount(bucket.name(), text)))
        .collect();
    // Stated for one call, kept like every fee: for a thousand.
    let request = usd_per_request.map(|text| amount("usd_per_request", &text).saturating_mul(1000));
    let gpu = gpu.map(|gpu| (amount("usd_per_hour", &gpu.usd_per_hour), gpu.gpus));
    Own { upstream, model, tokens, request, gpu }
}

/// The kind whose price is taken when a kind has none of its own.
pub(crate) fn parent(bucket: Bucket) -> Option<Bucket> {
    match bucket {
        Bucket::Input | Bucket::Output => None,
        Bucket::CacheRead | Bucket::CacheWrite5m | Bucket::InputAudio | Bucket::InputImage => {
            Some(Bucket::Input)
        }
        Bucket::CacheReadAudio => Some(Bucket::CacheRead),
        Bucket::CacheWrite1h => Some(Bucket::CacheWrite5m),
        Bucket::Reasoning | Bucket::OutputAudio | Bucket::OutputImage => Some(Bucket::Output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_named() {
        let bad = |text: &str| OwnPrice {
            model: "m".into(),
            usd_per_million: vec![(Bucket::Input, text.into())],
            ..OwnPrice::default()
        };
        let prices = vec![
            bad("-1"),
            OwnPrice { model: " ".into(), ..bad("1") },
            OwnPrice { model: "free".into(), ..OwnPrice::default() },
            bad("NaN"),
            OwnPrice {
                model: "n".into(),
                gpu: Some(GpuPrice { usd_per_hour: "inf".into(), gpus: 8 }),
                ..OwnPrice::default()
            },
        ];
        assert_eq!(
            resolve(prices).unwrap_err(),
            [
                OwnPriceError::Amount { index: 0, part: "input" },
                OwnPriceError::Model { index: 1 },
                OwnPriceError::Empty { index: 2 },
                OwnPriceError::Amount { index: 3, part: "input" },
                OwnPriceError::Twice { index: 3 },
                OwnPriceError::Amount { index: 4, part: "usd_per_hour" },
            ]
        );
    }
}
