//! Turns a price list into what a person can read: models, prices by kind of token, tiers.
//!
//! For a command line, not for the record path: a listing asks the catalogue thousands of
//! questions. Must not know: how it is shown.

use std::collections::BTreeSet;
use std::time::SystemTime;

use tidegauge_core::{Bucket, Charge};

use crate::Prices;
use crate::catalogue::{List, Model, Quote};
use crate::decimal::dollars;
use crate::names::variants;
use crate::overlay::Own;
use crate::rules::{Order, Provider};
use crate::second;

/// Where a listing looks for prompt-length tiers: up to this many prompt tokens.
const LONGEST_PROMPT: u64 = 1 << 23;

/// How the public catalogue begins the id of an entry for a model in a region, and how the names do that
/// lead to it.
const REGIONAL: &str = "regional.";
const GEOGRAPHIC: &str = "us.";

/// The ways to be served that catalogues price apart, besides the standard one.
const CONTEXTS: [(&str, &str, &str); 4] = [
    ("batch", "processing", "batch"),
    ("flex", "service_tier", "flex"),
    ("priority", "service_tier", "priority"),
    ("fast", "service_tier", "fast"),
];

/// A model of the price list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The provider's id in the catalogue, or the upstream of an own price (`*` for any).
    pub provider: String,
    /// The model's id, or the pattern of an own price.
    pub model: String,
    /// The model's name for people.
    pub name: Option<String>,
    /// How many tokens fit.
    pub context_window: Option<u64>,
    /// The operator's own price.
    pub own: bool,
    /// Version and date of the list that it is in.
    pub list: String,
    /// The address where its prices are published, if the list tells one.
    pub source: Option<&'static str>,
    /// The standard prices first, then those of other ways to be served, where they differ. Empty
    /// where the list has none, or the entry's id leads to another one.
    pub rates: Vec<ListedRates>,
}

/// The prices for one way to be served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedRates {
    /// `standard`, `batch`, `flex`, `priority` or `fast`.
    pub served: &'static str,
    /// One for each charge that has a price of its own.
    pub rates: Vec<ListedRate>,
}

/// One price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedRate {
    /// What is charged for.
    pub charge: Charge,
    /// US dollars for [`Charge::per`] of them.
    pub usd: String,
    /// Other prices for longer prompts, shortest first.
    pub tiers: Vec<Tier>,
}

/// A price for long prompts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tier {
    /// Holds for prompts of more tokens than this.
    pub above: u64,
    /// US dollars for [`Charge::per`] of them.
    pub usd: String,
}

impl Prices {
    /// The models whose `provider/model` or name contains `query` (ASCII case does not matter), at
    /// most `limit`, with their prices at `at`: the operator's first, then the one that would
    /// price a call to exactly that name, then the rest in the catalogue's order.
    pub fn list(&self, query: &str, at: SystemTime, limit: usize) -> Vec<Listed> {
        let wanted = query.to_ascii_lowercase();
        let own = self
            .own_entries()
            .iter()
            .filter(|own| own.model.to_ascii_lowercase().contains(&wanted));
        let mut listed: Vec<Listed> = own.map(own_listed).take(limit).collect();
        let mut seen = BTreeSet::new();
        for place in self.exact(query, at).into_iter().chain(self.containing(&wanted)) {
            if listed.len() >= limit {
                break;
            }
            let key = (place.list.number(), place.provider.clone(), place.model.clone());
            if seen.insert(key) {
                listed.extend(self.listed(&place, at));
            }
        }
        listed
    }

    /// Names near to one that matches nothing, nearest first.
    pub fn similar(&self, query: &str, limit: usize) -> Vec<String> {
        let wanted = query.to_ascii_lowercase();
        let models: BTreeSet<&str> =
            self.lists().flat_map(|list| list.models().map(|model| model.model)).collect();
        let mut near: Vec<(f64, &str)> = models
            .into_iter()
            .map(|model| (strsim::jaro_winkler(&wanted, &model.to_ascii_lowercase()), model))
            .filter(|(score, _)| *score > 0.8)
            .collect();
        near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        near.into_iter().take(limit).map(|(_, model)| model.to_owned()).collect()
    }

    /// The entries that would price a call to exactly that name, wherever it is sold; the one that does
    /// where the provider is not known first.
    fn exact(&self, query: &str, at: SystemTime) -> Vec<Place<'_>> {
        let mut ids: Vec<Option<&str>> = vec![None];
        for model in self.lists().flat_map(List::models) {
            if !ids.contains(&Some(model.provider)) {
                ids.push(Some(model.provider));
            }
        }
        let here = |id: Option<&str>| self.found(id, query, at);
        // Elsewhere a pattern may fit that is meant for other names.
        let by_name = |place: &Place<'_>| {
            let asked_as = place.asked_as.as_ref().map(|(_, name)| name.as_str());
            asked_as.is_some_and(|name| name.eq_ignore_ascii_case(&place.model))
        };
        let at_provider = || {
            let (id, model) = query.split_once('/')?;
            self.found(Some(id), model, at)
        };
        let mut ids = ids.into_iter();
        let anywhere = ids.next().and_then(here);
        anywhere
            .into_iter()
            .chain(at_provider())
            .chain(ids.filter_map(here).filter(by_name))
            .collect()
    }

    /// The entry that prices a name at a provider, found as pricing finds it.
    fn found(&self, id: Option<&str>, name: &str, at: SystemTime) -> Option<Place<'_>> {
        let sold_by = Provider { id, name: id.unwrap_or_default() };
        let mut names = vec![name.to_owned()];
        names.extend(variants(name, None, sold_by).into_iter().map(|variant| variant.name));
        names.iter().find_map(|name| {
            let mut lists: Vec<List<'_>> = self.lists().collect();
            match sold_by.order(name) {
                Order::First => {}
                Order::Second => lists.reverse(),
                Order::SecondOnly => lists.retain(|list| matches!(list, List::Second)),
            }
            lists.into_iter().find_map(|list| {
                let other = sold_by.stands_for(name).filter(|_| matches!(list, List::Second));
                let asked_as = other.into_iter().chain([name.clone()]);
                asked_as.into_iter().find_map(|asked_as| {
                    let (entry, _) = self.entry_of(list, id, &asked_as, at)?;
                    let (provider, model) = (entry.provider, entry.model);
                    Some(Place {
                        list,
                        provider,
                        model,
                        asked_as: Some((id.map(str::to_owned), asked_as)),
                    })
                })
            })
        })
    }

    fn containing(&self, wanted: &str) -> impl Iterator<Item = Place<'_>> {
        let contains = move |text: &str| text.to_ascii_lowercase().contains(wanted);
        let models = self.lists().flat_map(|list| list.models().map(move |one| (list, one)));
        models
            .filter(move |(_, one)| {
                contains(&format!("{}/{}", one.provider, one.model))
                    || contains(one.name.unwrap_or_default())
            })
            .map(|(list, one)| {
                let (provider, model) = (one.provider.to_owned(), one.model.to_owned());
                Place { list, provider, model, asked_as: None }
            })
    }

    fn listed(&self, place: &Place<'_>, at: SystemTime) -> Option<Listed> {
        let Place { list, provider, model, asked_as } = place;
        let is = |one: &Model<'_>| one.provider == provider && one.model == *model;
        let info = list.models().find(is)?;
        // A few entries have an id that leads to another one: they are asked about by a name of theirs.
        let regional = model.strip_prefix(REGIONAL).map(|rest| format!("{GEOGRAPHIC}{rest}"));
        let own_names = [Some(model.clone()), regional].into_iter().flatten();
        let names = asked_as
            .clone()
            .into_iter()
            .chain(own_names.map(|name| (Some(provider.clone()), name)));
        let rates = names
            .map(|(id, name)| self.rates_of(*list, id.as_deref(), &name, model, at))
            .find(|rates| !rates.is_empty());
        let second = matches!(list, List::Second);
        let line = second::find(provider, model).filter(|_| second);
        Some(Listed {
            provider: provider.clone(),
            model: model.clone(),
            name: info.name.map(str::to_owned),
            context_window: info.context_window,
            own: false,
            list: if second { second::label() } else { self.catalogue() }.to_owned(),
            source: line.and_then(|line| line.source()),
            rates: rates.unwrap_or_default(),
        })
    }

    /// Empty where the name leads to another entry.
    fn rates_of(
        &self,
        list: List<'_>,
        id: Option<&str>,
        name: &str,
        model: &str,
        at: SystemTime,
    ) -> Vec<ListedRates> {
        let found = self.entry_of(list, id, name, at);
        let found = found.filter(|(entry, _)| entry.model == model);
        found.map_or_else(Vec::new, |(_, quote)| ways_to_be_served(&quote))
    }
}

/// An entry of a list, and a name that leads to it at a provider.
struct Place<'a> {
    list: List<'a>,
    provider: String,
    model: String,
    asked_as: Option<(Option<String>, String)>,
}

fn ways_to_be_served(quote: &Quote<'_>) -> Vec<ListedRates> {
    let standard = rates(quote);
    let others = CONTEXTS.into_iter().filter_map(|(served, key, value)| {
        let rates = rates(&Quote { context: vec![(key, value)], ..quote.clone() });
        (rates != standard).then_some(ListedRates { served, rates })
    });
    let others: Vec<ListedRates> = others.collect();
    std::iter::once(ListedRates { served: "standard", rates: standard }).chain(others).collect()
}

fn rates(quote: &Quote<'_>) -> Vec<ListedRate> {
    let tokens = Bucket::ALL.into_iter().filter(|bucket| quote.is_apart(*bucket));
    let fees = [Charge::Searches, Charge::GroundedPrompts, Charge::Requests, Charge::AudioTime];
    tokens.map(Charge::Tokens).chain(fees).filter_map(|charge| rate(quote, charge)).collect()
}

fn rate(quote: &Quote<'_>, charge: Charge) -> Option<ListedRate> {
    let usd = dollars(quote.price(charge)?);
    let tiers = match charge {
        Charge::Tokens(_) => tiers(quote, charge),
        _ => Vec::new(),
    };
    Some(ListedRate { charge, usd, tiers })
}

/// The steps of a price over the length of the prompt: each doubling is looked at, and a step within
/// one is found by halving.
pub(crate) fn tiers(quote: &Quote<'_>, charge: Charge) -> Vec<Tier> {
    let price = |prompt| Quote { prompt, ..quote.clone() }.price(charge);
    let (mut low, mut here) = (1, price(1));
    let mut tiers = Vec::new();
    while low < LONGEST_PROMPT {
        let high = low * 2;
        if price(high) == here {
            low = high;
            continue;
        }
        let (mut same, mut other) = (low, high);
        while other - same > 1 {
            let middle = same + (other - same) / 2;
            if price(middle) == here { same = middle } else { other = middle }
        }
        (low, here) = (other, price(other));
        tiers.extend(here.map(|pico| Tier { above: same, usd: dollars(pico) }));
    }
    tiers
}

fn own_listed(own: &Own) -> Listed {
    let listed = |charge| {
        let usd = dollars(own.price(charge)?);
        Some(ListedRate { charge, usd, tiers: Vec::new() })
    };
    let tokens = Bucket::ALL.into_iter().filter(|bucket| own.lists(*bucket)).map(Charge::Tokens);
    let rates = tokens.chain([Charge::Requests, Charge::GpuTime]).filter_map(listed).collect();
    Listed {
        provider: own.upstream().unwrap_or("*").to_owned(),
        model: own.model.clone(),
        name: None,
        context_window: None,
        own: true,
        list: "own prices".to_owned(),
        source: None,
        rates: vec![ListedRates { served: "standard", rates }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_793_000_000)
    }

    fn line(rates: &ListedRates) -> String {
        let rate = |rate: &ListedRate| {
            let tiers: Vec<_> =
                rate.tiers.iter().map(|t| format!(" >{} {}", t.above, t.usd)).collect();
            format!("{} {}{}", rate.charge.name(), rate.usd, tiers.concat())
        };
        let lines: Vec<_> = rates.rates.iter().map(rate).collect();
        format!("{}: {}", rates.served, lines.join(", "))
    }

    #[test]
    fn a_model_is_listed_with_prices_tiers_and_ways_to_be_served() {
        let listed = Prices::bundled().list("anthropic/claude-sonnet-4-5", at(), 1);
        assert_eq!(listed[0].provider, "anthropic");
        assert_eq!(listed[0].context_window, Some(200_000));
        assert_eq!(
            listed[0].rates.iter().map(line).collect::<Vec<_>>(),
            [
                "standard: input 3 >200000 6, cache_read 0.3 >200000 0.6, cache_write_5m 3.75 >200000 7.5, \
                 cache_write_1h 6 >200000 12, output 15 >200000 22.5, searches 10",
                "batch: input 1.5 >200000 3, cache_read 0.15 >200000 0.3, cache_write_5m 1.875 >200000 3.75, \
                 cache_write_1h 3 >200000 6, output 7.5 >200000 11.25, searches 10",
            ]
        );
    }

    #[test]
    fn a_dated_name_finds_the_entry_that_prices_it_first() {
        let listed = Prices::bundled().list("gpt-4o-mini-2024-07-18", at(), 5);
        assert_eq!(
            (listed[0].provider.as_str(), listed[0].model.as_str()),
            ("openai", "gpt-4o-mini")
        );
    }

    /// As pricing looks them up: profiles, prefixes, dates, and the second list.
    #[test]
    fn a_name_finds_the_entry_that_prices_a_call_of_that_name() {
        let prices = Prices::bundled();
        let cases = [
            ("us.anthropic.claude-opus-4-8", "aws", "5.5"),
            ("apac.anthropic.claude-opus-4-8", "aws", "5.5"),
            ("global.anthropic.claude-opus-4-8", "aws", "5"),
            ("aws/us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws", "3.6"),
            ("google/models/gemini-2.5-flash", "google", "0.3"),
            ("openai/ft:gpt-4.1-2025-04-14:org::id", "openai", "3"),
            ("azure/gpt-5.1-codex-2025-11-13", "azure", "1.25"),
            ("deepseek/deepseek-chat", "deepseek", "0.28"),
        ];
        for (query, provider, input) in cases {
            let listed = prices.list(query, at(), 1);
            let first = listed.first().unwrap_or_else(|| panic!("{query}"));
            let usd = first.rates.first().and_then(|rates| rates.rates.first());
            let usd = usd.map(|rate| rate.usd.as_str());
            assert_eq!((first.provider.as_str(), usd), (provider, Some(input)), "{query}");
        }
        let listed = prices.list("regional.anthropic.claude", at(), 99);
        assert!(listed.len() > 15, "{}", listed.len());
        for one in listed.iter().filter(|one| one.model.starts_with("regional.")) {
            assert!(!one.rates.is_empty(), "{}", one.model);
        }
        let second = &prices.list("vercel/", at(), 1)[0];
        assert!(second.list.starts_with("litellm"), "{second:?}");
    }

    #[test]
    fn own_prices_are_listed_first() {
        let own = crate::OwnPrice {
            model: "gpt-4o-mini".into(),
            usd_per_million: vec![(Bucket::Input, "0.10".into())],
            ..Default::default()
        };
        let listed =
            Prices::bundled().with_overlay(vec![own]).unwrap().list("gpt-4o-mini", at(), 2);
        assert_eq!(line(&listed[0].rates[0]), "standard: input 0.1");
        assert_eq!((listed[0].own, listed[1].own), (true, false));
    }

    #[test]
    fn an_unknown_name_has_near_ones() {
        let prices = Prices::bundled();
        assert!(prices.list("gpt-4o-mnii", at(), 5).is_empty());
        assert!(prices.similar("gpt-4o-mnii", 3).contains(&"gpt-4o-mini".to_owned()));
        assert!(prices.similar("zzzzzzzzzzzz", 3).is_empty());
    }
}
