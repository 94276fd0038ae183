//! What providers publish about prices and price lists do not say: factors of tiers and regions, fees,
//! which of two lists is right.
//!
//! Turns `data/rules.txt` into answers. Must not know: prices, usage.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::decimal::{Excess, PLACES, scaled};
use crate::pattern::{matches, starts_with};

const TEXT: &str = include_str!("../data/rules.txt");

/// Decimals that a factor may have.
const FACTOR_PLACES: u32 = 6;

const DAY: u64 = 86_400;

/// A factor, in millionths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Factor(u128);

impl Factor {
    /// Times one.
    pub(crate) const ONE: Self = Self(1_000_000);

    /// From a decimal such as `1.1`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        scaled(text, FACTOR_PLACES, Excess::Refuse).map(Self)
    }

    /// The product with a price.
    pub(crate) fn times(self, price: u128) -> u128 {
        if self == Self::ONE { price } else { price.saturating_mul(self.0) / Self::ONE.0 }
    }

    /// The product with another factor.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(other.times(self.0))
    }
}

/// What a line is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Factor,
    Fee,
    Each,
    Grounded,
    Text,
    List,
    As,
    Profile,
    Order,
    Host,
    Router,
    Weekend,
}

const KINDS: &[(&str, Kind)] = &[
    ("factor", Kind::Factor),
    ("fee", Kind::Fee),
    ("each", Kind::Each),
    ("grounded", Kind::Grounded),
    ("text", Kind::Text),
    ("list", Kind::List),
    ("as", Kind::As),
    ("profile", Kind::Profile),
    ("order", Kind::Order),
    ("host", Kind::Host),
    ("router", Kind::Router),
    ("weekend", Kind::Weekend),
];

#[derive(Clone, Copy, Debug)]
struct Rule {
    model: &'static str,
    what: &'static str,
    value: &'static str,
}

/// By kind and provider, each in the order of the lines.
type Rules = BTreeMap<Kind, BTreeMap<&'static str, Vec<Rule>>>;

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let mut rules = Rules::new();
    for (kind, provider, rule) in TEXT.lines().filter_map(read) {
        rules.entry(kind).or_default().entry(provider).or_default().push(rule);
    }
    rules
});

fn read(line: &'static str) -> Option<(Kind, &'static str, Rule)> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next()?;
    let (_, kind) = KINDS.iter().find(|(name, _)| *name == first)?;
    let (provider, model, what) = (words.next()?, words.next()?, words.next()?);
    Some((*kind, provider, Rule { model, what, value: words.next()? }))
}

/// A provider's id in price lists, if it has one, and its name in telemetry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Provider<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) name: &'a str,
}

/// Which list has the price of a model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    First,
    Second,
    SecondOnly,
}

impl<'a> Provider<'a> {
    /// Its names, the closest first.
    pub(crate) fn names(self) -> impl Iterator<Item = &'a str> + use<'a> {
        let id = self.id.filter(|id| !id.is_empty() && *id != self.name);
        std::iter::once(self.name).chain(id)
    }

    /// Those of its closest name first.
    fn rules(self, kind: Kind) -> impl Iterator<Item = &'static Rule> {
        let of_kind = RULES.get(&kind);
        self.names().chain(["*"]).filter_map(move |name| of_kind?.get(name)).flatten()
    }

    fn of_model(self, kind: Kind, model: &str) -> impl Iterator<Item = &'static Rule> {
        self.rules(kind).filter(move |rule| matches(rule.model, model))
    }

    /// What tokens cost in a tier, or in a region (`@us`), over the standard price.
    pub(crate) fn factor(self, model: &str, what: &str) -> Option<Factor> {
        let rule = self.of_model(Kind::Factor, model).find(|rule| matches(rule.what, what))?;
        Factor::read(rule.value)
    }

    /// Picodollars for a thousand, of a charge by its name.
    pub(crate) fn fee(self, model: &str, charge: &str) -> Option<u128> {
        let rule = self.of_model(Kind::Fee, model).find(|rule| rule.what == charge)?;
        scaled(rule.value, PLACES, Excess::Refuse)
    }

    /// Picodollars for a thousand calls that search so much. `None`: it does not bill by that.
    pub(crate) fn sized_fee(self, model: &str, size: Option<&str>) -> Option<u128> {
        let sized = |rule: &&Rule| rule.what.starts_with("requests@");
        let is = |rule: &&Rule| rule.what.rsplit('@').next() == size;
        let mut rules = self.of_model(Kind::Fee, model).filter(sized);
        let rule = match size {
            Some(_) => rules.find(is),
            // The first one is what is done when nobody asks for another.
            None => rules.next(),
        };
        scaled(rule?.value, PLACES, Excess::Refuse)
    }

    /// Whether each call is a search, told or not.
    pub(crate) fn always_searches(self, model: &str) -> bool {
        self.of_model(Kind::Each, model).next().is_some()
    }

    /// Whether the price of a search is that of a grounded prompt.
    pub(crate) fn bills_grounded_prompts(self, model: &str) -> bool {
        self.of_model(Kind::Grounded, model).next().is_some()
    }

    /// Whether a kind of token, by its name, is sold at the price of text.
    pub(crate) fn sells_as_text(self, model: &str, bucket: &str) -> bool {
        self.of_model(Kind::Text, model).any(|rule| rule.what == bucket)
    }

    /// Which list has the price of a model.
    pub(crate) fn order(self, model: &str) -> Order {
        match self.of_model(Kind::List, model).next().map(|rule| rule.what) {
            Some("second") => Order::Second,
            Some("only") => Order::SecondOnly,
            _ => Order::First,
        }
    }

    /// What the name stands for in the second list.
    pub(crate) fn stands_for(self, model: &str) -> Option<String> {
        let rule = self.of_model(Kind::As, model).next()?;
        let rest = model.get(rule.model.trim_end_matches('*').len()..)?;
        Some(format!("{}{rest}", rule.value.trim_end_matches('*')))
    }

    /// What a name says about where the model runs, and the rest of it.
    pub(crate) fn profile(self, model: &str) -> Option<(&'static str, &str)> {
        let rule = self.rules(Kind::Profile).find(|rule| starts_with(model, rule.model))?;
        Some((rule.value, model.get(rule.model.len()..)?))
    }

    /// How a name begins that says that the model runs in a region; the usual one without.
    pub(crate) fn profile_of(self, region: &str) -> Option<&'static str> {
        self.rules(Kind::Profile).find(|rule| rule.value == region).map(|rule| rule.model)
    }

    /// Whether the model that was asked for says more than the one that answered.
    pub(crate) fn is_asked_first(self) -> bool {
        self.rules(Kind::Order).next().is_some()
    }

    /// The region that a host is in.
    pub(crate) fn region_of(self, host: &str) -> Option<String> {
        let rule = self.rules(Kind::Host).find(|rule| matches(rule.what, host))?;
        let named = Some(rule.value).filter(|value| *value != "-");
        named.or_else(|| host.split('.').next()).map(str::to_owned)
    }

    /// Picodollars for a million prompt tokens that the one who chose the model read.
    pub(crate) fn router(self, model: &str) -> Option<u128> {
        let rule = self.of_model(Kind::Router, model).next()?;
        scaled(rule.value, PLACES, Excess::Refuse)
    }

    /// The time whose prices hold at a time: on some weekends those of another hour.
    pub(crate) fn priced_at(self, model: &str, at: SystemTime) -> SystemTime {
        let Some(rule) = self.of_model(Kind::Weekend, model).next() else { return at };
        let shifted = || {
            let since = at.duration_since(UNIX_EPOCH).ok()?.as_secs();
            let (hour, first) = (rule.what.parse::<u64>().ok()?, rule.value.parse::<u64>().ok()?);
            // The first day of 1970 was a Thursday.
            let weekend = matches!((since / DAY + 4) % 7, 0 | 6);
            let that = since / DAY * DAY + hour * 3600;
            (weekend && since >= first).then(|| UNIX_EPOCH + Duration::from_secs(that))
        };
        shifted().unwrap_or(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_has_a_source() {
        for line in TEXT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (kind, _, rule) = read(line).unwrap_or_else(|| panic!("{line}"));
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            assert_eq!(words.len(), 6, "{line}");
            assert!(words[5].starts_with("https://"), "{line}");
            match kind {
                Kind::Factor => assert!(Factor::read(rule.value).is_some(), "{line}"),
                Kind::Fee | Kind::Router => {
                    assert!(scaled(rule.value, PLACES, Excess::Refuse).is_some(), "{line}");
                }
                _ => {}
            }
        }
        for (name, kind) in KINDS {
            assert!(RULES.contains_key(kind), "no rule is a {name}");
        }
    }

    #[test]
    fn factors_are_exact() {
        let factor = |text| Factor::read(text).unwrap();
        assert_eq!(factor("1.1").times(2_000_000_000_000), 2_200_000_000_000);
        assert_eq!(factor("0.5").and(factor("1.1")), factor("0.55"));
        assert_eq!(Factor::read("-1"), None);
    }

    #[test]
    fn weekends_are_those_of_utc() {
        let one = Provider { id: Some("deepseek"), name: "deepseek" };
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        // 2026-12-05 is a Saturday, 2026-12-06 a Sunday.
        let saturday = 1_796_428_800;
        let cases = [
            (saturday - 1, saturday - 1),
            (saturday, saturday + 12 * 3600),
            (saturday + 2 * 3600, saturday + 12 * 3600),
            (saturday + 2 * DAY - 1, saturday + DAY + 12 * 3600),
            (saturday + 2 * DAY, saturday + 2 * DAY),
            // Before the rule was published.
            (saturday - 7 * 30 * DAY, saturday - 7 * 30 * DAY),
        ];
        for (time, expected) in cases {
            assert_eq!(one.priced_at("deepseek-v4-pro", at(time)), at(expected), "{time}");
            assert_eq!(one.priced_at("deepseek-chat", at(time)), at(time));
        }
    }
}
