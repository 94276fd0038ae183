//! Turns usage into money: the public catalogue and the operator's own prices behind one type.
//!
//! A [`Prices`] is an immutable snapshot; replacing it is the caller's business. Must not know: the
//! clock (the exchange's own time is an argument), where catalogues come from, provider names.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use genai_prices::Calculator;
use thiserror::Error;
use tidegauge_core::{Bucket, Charge, Cost, CostStatus, Money, Usage};

use crate::catalogue::Quote;
use crate::decimal::{Excess, add_up, scaled};
use crate::overlay::{self, Own, OwnPrice, OwnPriceError};

/// Version and date of the catalogue that is built in.
const BUNDLED: &str = "genai-prices 0.2.1, 2026-10-30";

/// What stands for the catalogue when the price is the operator's.
const OWN: &str = "own prices";

/// How the catalogue names a model that costs nothing.
const FREE: &str = ":free";

/// What is to be priced. Names are as the wire has them.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The upstream's configured name.
    pub upstream: &'a str,
    /// The provider's name in telemetry.
    pub provider: &'a str,
    /// The provider's id in the public catalogue; `None` lets the model's name decide, an empty one
    /// leaves the public catalogue out (self-hosted models carry the names of sold ones).
    pub price_id: Option<&'a str>,
    /// The model asked for.
    pub request_model: Option<&'a str>,
    /// The model that answered.
    pub response_model: Option<&'a str>,
    /// What was used.
    pub usage: &'a Usage,
    /// The service tier that served the call, or was asked for where the answer does not say.
    pub service_tier: Option<&'a str>,
    /// The call was part of a batch.
    pub batch: bool,
    /// When the call was made: prices have dates and times of day.
    pub at: SystemTime,
    /// How long it took, for GPUs that are paid by the hour.
    pub duration: Duration,
}

/// A catalogue that cannot be used: not the published form, or with a price that is not a finite
/// number of zero or more.
#[derive(Debug, Error)]
#[error("not a usable price catalogue: {0}")]
pub struct CatalogueError(#[source] genai_prices::Error);

/// A price list. Cheap to clone; all parts are shared.
///
/// Look-up: the operator's prices by the answering model, then by the one asked for; then the
/// catalogue by the answering model, the one asked for, and what the alias map says for either. The
/// entry that matched is in [`Cost::model`].
#[derive(Clone)]
pub struct Prices {
    source: Source,
    catalogue: Arc<str>,
    own_label: Arc<str>,
    own: Arc<[Own]>,
    aliases: Arc<BTreeMap<String, String>>,
}

#[derive(Clone)]
enum Source {
    Bundled(&'static Calculator),
    Loaded(Arc<Calculator>),
}

/// Charges with their prices, and the entry they come from.
struct Bill {
    model: String,
    catalogue: Arc<str>,
    charges: Vec<(Charge, u64, u128)>,
}

impl Prices {
    /// The catalogue that is built in. The first call decodes it, which takes tens of milliseconds:
    /// not on the data plane.
    pub fn bundled() -> Self {
        Self::new(Source::Bundled(Calculator::bundled()), BUNDLED)
    }

    /// A catalogue in the published form (genai-prices, version 2). `label` is its version and date.
    pub fn from_json(data: &[u8], label: &str) -> Result<Self, CatalogueError> {
        let calculator = Calculator::from_json(data).map_err(CatalogueError)?;
        Ok(Self::new(Source::Loaded(Arc::new(calculator)), label))
    }

    /// Puts the operator's own prices before the catalogue, in place of earlier ones. Every mistake
    /// is returned, or the new list.
    pub fn with_overlay(self, prices: Vec<OwnPrice>) -> Result<Self, Vec<OwnPriceError>> {
        Ok(Self { own: overlay::resolve(prices)?.into(), ..self })
    }

    /// Names that stand for a catalogue model (`model` or `provider/model`), such as deployments.
    pub fn with_aliases(self, aliases: BTreeMap<String, String>) -> Self {
        Self { aliases: Arc::new(aliases), ..self }
    }

    /// Version and date of the catalogue.
    pub fn catalogue(&self) -> &Arc<str> {
        &self.catalogue
    }

    /// What a call cost.
    ///
    /// - `Priced`: from a price list; the lines add up to the amount. A search that the list has no
    ///   price for has no line.
    /// - `Reported`: no price, but the provider says what it cost.
    /// - `Unpriced`: usage, but no price for some of its tokens. There is no amount, not even zero.
    /// - `Unknown`: no usage, so nothing to price.
    ///
    /// The provider's figure is in `reported` whenever there is one.
    pub fn cost(&self, asked: &Asked<'_>) -> Cost {
        let reported = asked.usage.reported_usd.as_deref().and_then(money);
        let own = self.own(asked);
        let priceable =
            asked.usage.is_known() || own.as_ref().is_some_and(|own| !own.needs_usage());
        let bill = match own {
            _ if !priceable => None,
            Some(own) => self.own_bill(own, asked),
            None => self.listed_bill(asked),
        };
        let status = match (&bill, reported) {
            (Some(_), _) => CostStatus::Priced,
            (None, Some(_)) => CostStatus::Reported,
            (None, None) if priceable => CostStatus::Unpriced,
            (None, None) => CostStatus::Unknown,
        };
        match bill {
            Some(Bill { model, catalogue, charges }) => {
                let (amount, lines) = add_up(charges);
                Cost {
                    status,
                    amount: Some(amount),
                    reported,
                    model: Some(model),
                    catalogue: Some(catalogue),
                    lines,
                }
            }
            None => Cost {
                status,
                amount: reported,
                reported,
                catalogue: priceable.then(|| self.catalogue.clone()),
                ..Cost::default()
            },
        }
    }

    pub(crate) fn calculator(&self) -> &Calculator {
        match &self.source {
            Source::Bundled(calculator) => calculator,
            Source::Loaded(calculator) => calculator,
        }
    }

    pub(crate) fn own_entries(&self) -> &[Own] {
        &self.own
    }

    fn new(source: Source, label: &str) -> Self {
        Self {
            source,
            catalogue: label.into(),
            own_label: OWN.into(),
            own: Arc::new([]),
            aliases: Arc::default(),
        }
    }

    fn own(&self, asked: &Asked<'_>) -> Option<&Own> {
        let upstreams = [asked.upstream, asked.provider];
        names(asked).find_map(|model| overlay::find(&self.own, upstreams, model))
    }

    fn own_bill(&self, own: &Own, asked: &Asked<'_>) -> Option<Bill> {
        let mut charges = token_charges(asked.usage, |charge| own.price(charge))?;
        charges.extend(own.price(Charge::Requests).map(|price| (Charge::Requests, 1, price)));
        charges.extend(own.price(Charge::GpuTime).map(|price| {
            let micros = u64::try_from(asked.duration.as_micros()).unwrap_or(u64::MAX);
            (Charge::GpuTime, micros.saturating_mul(own.gpus()), price)
        }));
        Some(Bill { model: own.model.clone(), catalogue: self.own_label.clone(), charges })
    }

    fn listed_bill(&self, asked: &Asked<'_>) -> Option<Bill> {
        if asked.price_id == Some("") {
            return None;
        }
        let direct = names(asked).find_map(|name| self.bill_as(asked.price_id, name, asked));
        direct.or_else(|| names(asked).find_map(|name| self.alias_bill(name, asked)))
    }

    fn alias_bill(&self, name: &str, asked: &Asked<'_>) -> Option<Bill> {
        let target = self.aliases.get(name)?;
        self.bill_as(asked.price_id, target, asked).or_else(|| {
            let (provider, model) = target.split_once('/')?;
            self.bill_as(Some(provider), model, asked)
        })
    }

    fn bill_as(&self, provider: Option<&str>, model: &str, asked: &Asked<'_>) -> Option<Bill> {
        let quote = Quote {
            calculator: self.calculator(),
            provider,
            model,
            context: context(asked),
            at: asked.at,
            prompt: asked.usage.input_tokens().unwrap_or(0),
        };
        let entry = quote.entry()?;
        // Free models are listed without prices, and so are those whose price nobody wrote down.
        let free = entry.model.ends_with(FREE).then_some(0);
        let price = |charge| quote.price(charge).or(free);
        let mut charges = token_charges(asked.usage, price)?;
        match audio_charge(asked.usage, &quote) {
            Some(charge) => charges.push(charge),
            // Audio without a price, and no tokens that could be what is billed.
            None if asked.usage.audio_seconds.is_some() && charges.is_empty() => return None,
            None => {}
        }
        if let Some(searches) = asked.usage.searches.filter(|searches| *searches > 0) {
            let price = quote.price(Charge::Searches);
            charges.extend(price.map(|price| (Charge::Searches, searches, price)));
        }
        charges.extend(quote.price(Charge::Requests).map(|price| (Charge::Requests, 1, price)));
        Some(Bill { model: entry.model, catalogue: self.catalogue.clone(), charges })
    }
}

impl fmt::Debug for Prices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prices({}, {} own)", self.catalogue, self.own.len())
    }
}

/// The model's names, the most telling first, each once.
fn names<'a>(asked: &Asked<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    let request = asked.request_model.filter(|name| Some(*name) != asked.response_model);
    asked.response_model.into_iter().chain(request)
}

/// What chooses between the prices of one model. `auto` asks the provider to choose, so it says
/// nothing.
fn context<'a>(asked: &Asked<'a>) -> Vec<(&'static str, &'a str)> {
    let tier = asked.service_tier.filter(|tier| *tier != "auto");
    let batch = asked.batch.then_some(("processing", "batch"));
    batch.into_iter().chain(tier.map(|tier| ("service_tier", tier))).collect()
}

/// One charge for each kind of token that was used; `None` if one of them has no price.
fn token_charges(
    usage: &Usage,
    price: impl Fn(Charge) -> Option<u128>,
) -> Option<Vec<(Charge, u64, u128)>> {
    Bucket::ALL
        .into_iter()
        .filter_map(|bucket| Some((Charge::Tokens(bucket), usage.get(bucket)?)))
        .filter(|(_, tokens)| *tokens > 0)
        .map(|(charge, tokens)| Some((charge, tokens, price(charge)?)))
        .collect()
}

/// Audio by time, as long as it is billed for.
fn audio_charge(usage: &Usage, quote: &Quote<'_>) -> Option<(Charge, u64, u128)> {
    let seconds = usage.audio_seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0)?;
    let hour = quote.price(Charge::AudioTime)?;
    let pico = quote.audio_seconds(seconds)?;
    let per = u128::from(Charge::AudioTime.per());
    let billed = pico.saturating_mul(per).saturating_add(hour / 2) / hour;
    Some((Charge::AudioTime, u64::try_from(billed).unwrap_or(u64::MAX), hour))
}

/// A provider's own figure, exactly: dollars as written, rounded half up to a nanodollar.
fn money(text: &str) -> Option<Money> {
    let nanos = scaled(text.trim(), 9, Excess::Round)?;
    Some(Money::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;
