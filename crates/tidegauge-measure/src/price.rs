//! Turns usage into money: the public catalogue and the operator's own prices behind one type.
//!
//! A [`Prices`] is an immutable snapshot; replacing it is the caller's business. Must not know: the
//! clock (the exchange's own time is an argument), where catalogues come from, provider names.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use genai_prices::Calculator;
use tidegauge_core::{Bucket, Charge, Cost, CostStatus, Money, Unpriced, Usage};

use crate::billed;
use crate::catalogue::{List, Quote};
use crate::decimal::{Excess, add_up, scaled};
use crate::memo::Memo;
use crate::moved::moved;
use crate::overlay::{self, Own, OwnPrice, OwnPriceError};
use crate::table::Table;

/// Version and date of the catalogue that is built in.
const BUNDLED: &str = "genai-prices 0.2.1, 2026-10-30";

/// That date, in seconds since 1970.
const BUNDLED_AT: u64 = 1_793_318_400;

/// What stands for the catalogue when the price is the operator's.
const OWN: &str = "own prices";

/// How the catalogue names a model that costs nothing.
const FREE: &str = ":free";

/// Tiers whose tokens no list prices.
const UNLISTED: &[(&str, Unlisted)] = &[
    ("provisioned_throughput", Unlisted::Prepaid),
    ("reserved", Unlisted::Prepaid),
    ("fast", Unlisted::Faster),
];

/// Why no list prices the tokens of a tier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unlisted {
    /// They are paid for by time, beforehand.
    Prepaid,
    /// They cost a multiple of the listed price, another one for each model.
    Faster,
}

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
    /// All prompt tokens of a call, where `usage` adds several calls up; `None`: `usage` says.
    pub prompt: Option<u64>,
    /// How many calls `usage` adds up: fees for a call are for each of them.
    pub calls: u64,
    /// The service tier that served the call, or was asked for where the answer does not say.
    pub service_tier: Option<&'a str>,
    /// The call was part of a batch.
    pub batch: bool,
    /// When the call was made: prices have dates and times of day.
    pub at: SystemTime,
    /// How long it took, for GPUs that are paid by the hour.
    pub duration: Duration,
}

impl Asked<'_> {
    /// Why no list prices what the tier that served the call used, if none does.
    pub(crate) fn unlisted(&self) -> Option<Unlisted> {
        let tier = self.service_tier?;
        UNLISTED.iter().find(|(name, _)| *name == tier).map(|(_, why)| *why)
    }
}

/// A price list. Cheap to clone; all parts are shared.
///
/// Look-up: the operator's prices by the answering model, then by the one asked for; then the
/// catalogue by the answering model, the one asked for, and what the alias map says for either. The
/// entry that matched is in [`Cost::model`].
#[derive(Clone)]
pub struct Prices {
    source: Source,
    catalogue: Arc<str>,
    dated: SystemTime,
    own_label: Arc<str>,
    own: Arc<[Own]>,
    aliases: Arc<BTreeMap<String, String>>,
    /// Of the list alone, so it goes with it.
    memo: Arc<Memo>,
}

#[derive(Clone)]
pub(crate) enum Source {
    Bundled(&'static Calculator),
    Loaded(Arc<Calculator>),
    Table(Arc<Table>),
}

/// How an entry was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// By the model that answered.
    Answered,
    /// By the model asked for.
    Requested,
    /// By what the alias map says for a name.
    Alias,
}

/// The entry of a price list that prices a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The provider's id in the list; for an own price its upstream, if it is for one.
    pub provider: Option<String>,
    /// The entry's model, or the pattern of an own price.
    pub model: String,
    /// The operator's own price.
    pub own: bool,
    /// Which name led to it.
    pub by: By,
    /// That name.
    pub name: String,
}

/// Charges with their prices, and the entry they come from.
pub(crate) struct Bill {
    pub(crate) found: Found,
    pub(crate) catalogue: Arc<str>,
    pub(crate) charges: Vec<(Charge, u64, u128)>,
    /// Provider and model as the list was asked for them; `None` for an own price.
    pub(crate) asked_as: Option<(Option<String>, String)>,
}

impl Prices {
    /// The catalogue that is built in. The first call decodes it, which takes tens of milliseconds:
    /// not on the data plane.
    pub fn bundled() -> Self {
        let dated = SystemTime::UNIX_EPOCH + Duration::from_secs(BUNDLED_AT);
        Self::new(Source::Bundled(Calculator::bundled()), BUNDLED, dated)
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

    /// The date of the catalogue.
    pub fn dated(&self) -> SystemTime {
        self.dated
    }

    /// What a call cost: the invoice, as well as it can be known. What is priced is what is billed
    /// ([`Usage::billed`]).
    ///
    /// - `Priced`: by a price of the operator's, or by a price list where the provider states no bill of
    ///   its own. The lines add up to the amount.
    /// - `Reported`: by the bill that the provider states. The list's figure, if there is one, stands
    ///   beside it in `list`, and the lines add up to that.
    /// - `Unpriced`: it cost something, but something of it has no price; `unpriced` says why. There is
    ///   no amount, not even zero.
    /// - `Unknown`: no usage, so nothing to price.
    ///
    /// The provider's bill is in `reported` whenever there is one.
    pub fn cost(&self, asked: &Asked<'_>) -> Cost {
        self.cost_of(std::slice::from_ref(asked))
    }

    /// What calls cost together, by the rules of [`Prices::cost`]: rounded once, and without an
    /// amount where one of them has no price. `model` is the first one's entry.
    pub fn cost_of(&self, calls: &[Asked<'_>]) -> Cost {
        let bill_of = |asked: &Asked<'_>| asked.usage.reported_usd.as_deref().and_then(money);
        let reported: Option<Money> = calls.iter().map(bill_of).sum();
        let reported = reported.filter(|_| !calls.is_empty());
        let priceable: Vec<&Asked<'_>> =
            calls.iter().filter(|asked| self.is_priceable(asked)).collect();
        let bills = priceable.iter().map(|asked| Ok(merge(self.bills(asked)?)));
        let bills: Result<Vec<Option<Bill>>, Unpriced> = bills.collect();
        let bill = bills.map(|bills| merge(bills.into_iter().flatten().collect()));
        let catalogue = (!priceable.is_empty()).then(|| self.catalogue.clone());
        let bill = match bill {
            Ok(Some(bill)) => bill,
            other => {
                let why = other.err().filter(|_| reported.is_none());
                let status = match (reported, why) {
                    (Some(_), _) => CostStatus::Reported,
                    (None, Some(_)) => CostStatus::Unpriced,
                    (None, None) => CostStatus::Unknown,
                };
                return Cost {
                    status,
                    amount: reported,
                    reported,
                    unpriced: why,
                    catalogue,
                    ..Cost::default()
                };
            }
        };
        let Bill { found, catalogue, charges, .. } = bill;
        let (priced, lines) = add_up(charges);
        let theirs = reported.filter(|_| !found.own);
        Cost {
            status: if theirs.is_some() { CostStatus::Reported } else { CostStatus::Priced },
            amount: theirs.or(Some(priced)),
            list: theirs.map(|_| priced),
            reported,
            unpriced: None,
            model: Some(found.model),
            catalogue: Some(catalogue),
            lines,
        }
    }

    /// Whether there is anything to price. Tokens that were estimated are not, where the provider says
    /// what they cost.
    fn is_priceable(&self, asked: &Asked<'_>) -> bool {
        let reported = asked.usage.reported_usd.as_deref().and_then(money);
        let beaten = asked.usage.estimate.is_some() && reported.is_some();
        asked.usage.is_known() && !beaten
            || self.own(asked).is_some_and(|(own, ..)| !own.needs_usage())
    }

    /// The charges of a call that is to be priced, part by part, or why one has no price.
    pub(crate) fn bills(&self, asked: &Asked<'_>) -> Result<Vec<Bill>, Unpriced> {
        let parts = billed::parts(asked.usage);
        if parts.is_empty() {
            return Ok(vec![self.bill(asked)?]);
        }
        parts.iter().map(|part| self.bill(&part.asked(asked))).collect()
    }

    /// The charges of one part, or of a call that has no parts.
    pub(crate) fn bill(&self, asked: &Asked<'_>) -> Result<Bill, Unpriced> {
        match self.own(asked) {
            Some((own, by, name)) => self.own_bill(own, by, name, asked),
            None => self.listed_bill(asked),
        }
    }

    pub(crate) fn list_asked(&self) -> List<'_> {
        match &self.source {
            Source::Bundled(calculator) => List::Public(calculator),
            Source::Loaded(calculator) => List::Public(calculator),
            Source::Table(table) => List::Table(table),
        }
    }

    pub(crate) fn own_entries(&self) -> &[Own] {
        &self.own
    }

    /// A list without own prices and aliases.
    pub(crate) fn new(source: Source, label: &str, dated: SystemTime) -> Self {
        Self {
            source,
            catalogue: label.into(),
            dated,
            own_label: OWN.into(),
            own: Arc::new([]),
            aliases: Arc::default(),
            memo: Arc::default(),
        }
    }

    /// The operator's price for a call, and what led to it.
    pub(crate) fn own<'a>(&self, asked: &Asked<'a>) -> Option<(&Own, By, &'a str)> {
        let upstreams = [asked.upstream, asked.provider];
        names(asked)
            .find_map(|(by, model)| Some((overlay::find(&self.own, upstreams, model)?, by, model)))
    }

    fn own_bill(&self, own: &Own, by: By, name: &str, asked: &Asked<'_>) -> Result<Bill, Unpriced> {
        let mut charges = token_charges(asked.usage, |charge| own.price(charge))?;
        let fee = own.price(Charge::Requests).filter(|_| asked.calls > 0);
        charges.extend(fee.map(|price| (Charge::Requests, asked.calls, price)));
        charges.extend(own.price(Charge::GpuTime).map(|price| {
            (Charge::GpuTime, micros(asked.duration).saturating_mul(own.gpus()), price)
        }));
        if charges.is_empty() && searches(asked.usage).is_some() {
            return Err(Unpriced::Fee);
        }
        let found = Found {
            provider: own.upstream().map(str::to_owned),
            model: own.model.clone(),
            own: true,
            by,
            name: name.to_owned(),
        };
        Ok(Bill { found, catalogue: self.own_label.clone(), charges, asked_as: None })
    }

    fn listed_bill(&self, asked: &Asked<'_>) -> Result<Bill, Unpriced> {
        if asked.price_id == Some("") {
            return Err(Unpriced::Model);
        }
        if asked.unlisted().is_some() {
            return Err(Unpriced::Tier);
        }
        let direct =
            names(asked).map(|(by, name)| self.bill_as(asked.price_id, name, asked, (by, name)));
        let alias = names(asked).map(|(_, name)| self.alias_bill(name, asked));
        first(direct.chain(alias))
    }

    fn alias_bill(&self, name: &str, asked: &Asked<'_>) -> Result<Bill, Unpriced> {
        let target = self.aliases.get(name).ok_or(Unpriced::Model)?;
        let how = (By::Alias, name);
        let of_provider = target.split_once('/');
        let elsewhere =
            of_provider.map(|(provider, model)| self.bill_as(Some(provider), model, asked, how));
        first(std::iter::once(self.bill_as(asked.price_id, target, asked, how)).chain(elsewhere))
    }

    fn bill_as(
        &self,
        provider: Option<&str>,
        model: &str,
        asked: &Asked<'_>,
        (by, name): (By, &str),
    ) -> Result<Bill, Unpriced> {
        let model = self.leads_to(provider, model, asked.at);
        let quote = self.quote_for(provider, model, asked);
        let known = self.memo.of(&quote);
        let entry = known.entry().ok_or(Unpriced::Model)?;
        // Free models are listed without prices, and so are those whose price nobody wrote down.
        let free = entry.model.ends_with(FREE).then_some(0);
        let price = |charge| known.price(charge).or(free);
        let mut charges = token_charges(asked.usage, price)?;
        match audio_charge(asked.usage, &quote) {
            Some(charge) => charges.push(charge),
            // Audio without a price, and no tokens that could be what is billed.
            None if asked.usage.audio_seconds.is_some() && charges.is_empty() => {
                return Err(Unpriced::Kind);
            }
            None => {}
        }
        if let Some(searches) = searches(asked.usage) {
            match known.price(Charge::Searches) {
                Some(price) => charges.push((Charge::Searches, searches, price)),
                None if charges.is_empty() => return Err(Unpriced::Fee),
                None => {}
            }
        }
        let fee = known.price(Charge::Requests).filter(|_| asked.calls > 0);
        charges.extend(fee.map(|price| (Charge::Requests, asked.calls, price)));
        let found = Found {
            provider: Some(entry.provider),
            model: entry.model,
            own: false,
            by,
            name: name.to_owned(),
        };
        let asked_as = Some((provider.map(str::to_owned), model.to_owned()));
        Ok(Bill { found, catalogue: self.catalogue.clone(), charges, asked_as })
    }

    /// What a name stands for in the list: itself, but for a few of the built-in one.
    pub(crate) fn leads_to<'n>(
        &self,
        provider: Option<&str>,
        name: &'n str,
        at: SystemTime,
    ) -> &'n str {
        match self.source {
            Source::Bundled(_) => moved(provider, name, at).unwrap_or(name),
            Source::Loaded(_) | Source::Table(_) => name,
        }
    }

    /// The question that a call puts to the list.
    pub(crate) fn quote_for<'a>(
        &'a self,
        provider: Option<&'a str>,
        model: &'a str,
        asked: &Asked<'a>,
    ) -> Quote<'a> {
        Quote {
            list: self.list_asked(),
            provider,
            model,
            context: context(asked),
            region: asked.usage.region.as_deref(),
            at: asked.at,
            prompt: asked.prompt.or_else(|| asked.usage.input_tokens()).unwrap_or(0),
        }
    }
}

/// Searches, if there were any.
pub(crate) fn searches(usage: &Usage) -> Option<u64> {
    usage.searches.filter(|searches| *searches > 0)
}

/// The first bill; without one the most telling reason: that a model is in no list says least.
fn first(bills: impl Iterator<Item = Result<Bill, Unpriced>>) -> Result<Bill, Unpriced> {
    let mut why = Unpriced::Model;
    for bill in bills {
        match bill {
            Ok(bill) => return Ok(bill),
            Err(Unpriced::Model) => {}
            Err(other) if why == Unpriced::Model => why = other,
            Err(_) => {}
        }
    }
    Err(why)
}

/// Bills as one; `None` for none. Charges of the same kind and price are one line.
fn merge(bills: Vec<Bill>) -> Option<Bill> {
    let mut bills = bills.into_iter();
    let mut all = bills.next()?;
    for (charge, quantity, price) in bills.flat_map(|bill| bill.charges) {
        let same = all.charges.iter_mut().find(|(c, _, p)| (*c, *p) == (charge, price));
        match same {
            Some((_, sum, _)) => *sum = sum.saturating_add(quantity),
            None => all.charges.push((charge, quantity, price)),
        }
    }
    Some(all)
}

/// Whole microseconds, as times are written in records.
fn micros(time: Duration) -> u64 {
    u64::try_from((time.as_nanos() + 500) / 1000).unwrap_or(u64::MAX)
}

impl fmt::Debug for Prices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prices({}, {} own)", self.catalogue, self.own.len())
    }
}

/// The model's names, the most telling first, each once.
pub(crate) fn names<'a>(asked: &Asked<'a>) -> impl Iterator<Item = (By, &'a str)> + use<'a> {
    let request = asked.request_model.filter(|name| Some(*name) != asked.response_model);
    let answered = asked.response_model.into_iter().map(|name| (By::Answered, name));
    answered.chain(request.into_iter().map(|name| (By::Requested, name)))
}

/// What chooses between the prices of one model. `auto` asks the provider to choose, so it says
/// nothing.
fn context<'a>(asked: &Asked<'a>) -> Vec<(&'static str, &'a str)> {
    let tier = asked.service_tier.filter(|tier| *tier != "auto");
    let batch = asked.batch.then_some(("processing", "batch"));
    batch.into_iter().chain(tier.map(|tier| ("service_tier", tier))).collect()
}

/// One charge for each kind of token that was used, if each has a price.
fn token_charges(
    usage: &Usage,
    price: impl Fn(Charge) -> Option<u128>,
) -> Result<Vec<(Charge, u64, u128)>, Unpriced> {
    Bucket::ALL
        .into_iter()
        .filter_map(|bucket| Some((Charge::Tokens(bucket), usage.get(bucket)?)))
        .filter(|(_, tokens)| *tokens > 0)
        .map(|(charge, tokens)| Ok((charge, tokens, price(charge).ok_or(Unpriced::Kind)?)))
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
