//! A price list of plain numbers: what one kind of token costs at one model of one provider, in exact
//! integers.
//!
//! Names are compared whole; there are no patterns, dates or fallbacks between providers. Must not
//! know: the form a list comes in.

use std::collections::HashMap;

use tidegauge_core::Charge;

use crate::overlay::parent;

/// The ways to be served that a list may price apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Way {
    #[default]
    Standard,
    Batch,
    Flex,
    Priority,
    /// One that no list prices.
    Other,
}

/// A price and how it steps with the length of the prompt.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Rate {
    /// Picodollars for [`Charge::per`] of them; `None` where only long prompts are priced.
    pub(crate) base: Option<u128>,
    /// Prompts of more tokens than the first cost the second; ascending.
    pub(crate) tiers: Vec<(u64, u128)>,
}

/// One model.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Row {
    pub(crate) provider: String,
    pub(crate) model: String,
    /// Listed without a provider before its name: by whoever makes it.
    pub(crate) bare: bool,
    pub(crate) context_window: Option<u64>,
    pub(crate) rates: Vec<(Way, Charge, Rate)>,
}

/// All models of one list.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Row>,
    /// Rows by the model's name in lower case, in the order of the list.
    names: HashMap<String, Vec<usize>>,
}

impl Rate {
    fn at(&self, prompt: u64) -> Option<u128> {
        let step = self.tiers.iter().rev().find(|(above, _)| prompt > *above);
        step.map(|(_, price)| *price).or(self.base)
    }

    /// Adds the price of prompts longer than `above`.
    pub(crate) fn step(&mut self, above: u64, price: u128) {
        self.tiers.push((above, price));
        self.tiers.sort_by_key(|(above, _)| *above);
    }
}

impl Row {
    /// The price of a charge that is served in a way. A kind of token that has no price for that way
    /// has its standard one, and one without any has that of the kind above it.
    pub(crate) fn price(&self, way: Way, charge: Charge, prompt: u64) -> Option<u128> {
        let listed = |charge| {
            let served = self.rate(way, charge).and_then(|rate| rate.at(prompt));
            served.or_else(|| self.rate(Way::Standard, charge)?.at(prompt))
        };
        match charge {
            Charge::Tokens(bucket) => std::iter::successors(Some(bucket), |one| parent(*one))
                .find_map(|bucket| listed(Charge::Tokens(bucket))),
            other => listed(other),
        }
    }

    /// Whether the charge has a price of its own.
    pub(crate) fn lists(&self, charge: Charge) -> bool {
        self.rates.iter().any(|(_, listed, _)| *listed == charge)
    }

    /// Whether tokens that are served in a way have prices of their own.
    pub(crate) fn has_way(&self, way: Way) -> bool {
        let tokens = |charge: &Charge| matches!(charge, Charge::Tokens(_));
        way == Way::Standard
            || self.rates.iter().any(|(one, charge, _)| *one == way && tokens(charge))
    }

    /// The rate of a charge, made if there is none.
    pub(crate) fn rate_mut(&mut self, way: Way, charge: Charge) -> &mut Rate {
        let found = self.rates.iter().position(|(w, c, _)| (*w, *c) == (way, charge));
        let index = found.unwrap_or_else(|| {
            self.rates.push((way, charge, Rate::default()));
            self.rates.len() - 1
        });
        #[expect(clippy::expect_used, reason = "the place was found or made above")]
        self.rates.get_mut(index).map(|(_, _, rate)| rate).expect("invariant: the rate is there")
    }

    fn rate(&self, way: Way, charge: Charge) -> Option<&Rate> {
        self.rates.iter().find(|(w, c, _)| (*w, *c) == (way, charge)).map(|(_, _, rate)| rate)
    }
}

impl Table {
    pub(crate) fn new(rows: Vec<Row>) -> Self {
        let mut names: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            names.entry(row.model.to_ascii_lowercase()).or_default().push(index);
        }
        Self { rows, names }
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row of a model at a provider. Without a provider the name must leave no doubt: the
    /// maker's own row, or the only one.
    pub(crate) fn find(&self, provider: Option<&str>, model: &str) -> Option<&Row> {
        let places = self.names.get(&model.to_ascii_lowercase())?;
        let mut rows = places.iter().filter_map(|index| self.rows.get(*index));
        match provider {
            Some(provider) => rows.find(|row| row.provider.eq_ignore_ascii_case(provider)),
            None if places.len() == 1 => rows.next(),
            None => {
                let mut bare = rows.filter(|row| row.bare);
                bare.next().filter(|_| bare.next().is_none())
            }
        }
    }
}
