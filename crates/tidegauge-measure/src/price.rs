//! Turns usage into money: the public catalogue and the operator's own prices behind one type.
//!
//! A [`Prices`] is an immutable snapshot; replacing it is the caller's business. Must not know: the
//! clock (the exchange's own time is an argument), where catalogues come from, provider names.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use genai_prices::Calculator;
use tidegauge_core::{Bucket, Charge, Cost, CostStatus, Money, Unpriced, Usage};

use crate::asked::{Asked, By, Tier};
use crate::billed;
use crate::catalogue::{Entry, List, Quote};
use crate::deals::{self, Deals};
use crate::decimal::{Excess, add_up, scaled};
use crate::memo::{Known, Memo};
use crate::moved::moved;
use crate::names::variants;
use crate::overlay::{self, Own, OwnPrice, OwnPriceError};
use crate::rules::{Factor, Order, Provider};
use crate::second;
use crate::table::Table;

/// Version and date of the catalogue that is built in.
const BUNDLED: &str = "genai-prices 0.2.1, 2026-10-30";

/// That date, in seconds since 1970.
const BUNDLED_AT: u64 = 1_793_318_400;

/// What stands for the catalogue when the price is the operator's.
const OWN: &str = "own prices";

/// How a model that costs nothing is named.
const FREE: &str = ":free";

/// A price list. Cheap to clone; all parts are shared.
///
/// Look-up: the operator's prices by the answering model, then by the one asked for; then the
/// catalogue and the second list by the answering model, the one asked for, what the alias map says for
/// either, and the names proper without what stands around them. The entry that matched is in
/// [`Cost::model`].
#[derive(Clone)]
pub struct Prices {
    source: Source,
    catalogue: Arc<str>,
    dated: SystemTime,
    own_label: Arc<str>,
    second_label: Arc<str>,
    own: Arc<[Own]>,
    aliases: Arc<BTreeMap<String, String>>,
    /// Of the list alone, so it goes with it.
    memo: Arc<Memo>,
    /// Of the list and the aliases.
    deals: Arc<Deals<Terms>>,
}

#[derive(Clone)]
pub(crate) enum Source {
    Bundled(&'static Calculator),
    Loaded(Arc<Calculator>),
    Table(Arc<Table>),
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
    pub(crate) found: Arc<Found>,
    pub(crate) catalogue: Arc<str>,
    pub(crate) charges: Charges,
    /// What holds for the call; `None` for an own price and a free model.
    pub(crate) terms: Option<Arc<Terms>>,
}

type Charges = Vec<(Charge, u64, u128)>;

/// What holds for calls to one model that are served in one way.
#[derive(Debug)]
pub(crate) struct Terms {
    found: Arc<Found>,
    catalogue: Arc<str>,
    pub(crate) basis: Basis,
    /// All that the list has no price for costs nothing.
    free: bool,
    /// For a thousand calls, by the size of their searches.
    sized: Option<u128>,
    /// For a million prompt tokens that a router reads.
    routed: Option<u128>,
    /// Each call searches.
    searches: bool,
    /// The price of a search is that of a grounded prompt.
    grounded: bool,
    /// Fees that the list lacks.
    search_fee: Option<u128>,
    file_fee: Option<u128>,
    /// Prices as the list has them.
    known: Mutex<Known>,
}

/// What a list was asked, and what its prices for tokens were multiplied by.
#[derive(Clone, Debug)]
pub(crate) struct Basis {
    pub(crate) second: bool,
    pub(crate) provider: Option<String>,
    pub(crate) model: String,
    context: Vec<(&'static str, String)>,
    at: SystemTime,
    pub(crate) factor: Factor,
}

/// A name to look for in lists.
#[derive(Clone, Copy)]
struct Wanted<'n> {
    /// As the list may have it.
    name: &'n str,
    /// Provider id in the first list.
    id: Option<&'n str>,
    /// Where the model ran, where the name does not say it.
    region: Option<&'n str>,
    how: (By, &'n str),
    /// Published factors stand in for prices of tiers.
    factors: bool,
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
        Self { aliases: Arc::new(aliases), deals: Arc::default(), ..self }
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
            model: Some(found.model.clone()),
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

    pub(crate) fn first_list(&self) -> List<'_> {
        match &self.source {
            Source::Bundled(calculator) => List::Public(calculator),
            Source::Loaded(calculator) => List::Public(calculator),
            Source::Table(table) => List::Table(table),
        }
    }

    /// The lists in use. The second one stands behind the public catalogue; a list of its own form is
    /// one of that kind already.
    pub(crate) fn lists(&self) -> impl Iterator<Item = List<'_>> {
        let second = match &self.source {
            Source::Bundled(_) | Source::Loaded(_) => Some(List::Second),
            Source::Table(_) => None,
        };
        std::iter::once(self.first_list()).chain(second)
    }

    /// The region that an upstream's host is in, of a provider that bills by it.
    pub fn region_of(price_id: Option<&str>, provider: &str, host: &str) -> Option<String> {
        Provider { id: price_id, name: provider }.region_of(host)
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
            second_label: second::label().into(),
            own: Arc::new([]),
            aliases: Arc::default(),
            memo: Arc::default(),
            deals: Arc::default(),
        }
    }

    /// The operator's price for a call, and what led to it.
    pub(crate) fn own<'a>(&self, asked: &Asked<'a>) -> Option<(&Own, By, &'a str)> {
        if self.own.is_empty() {
            return None;
        }
        let upstreams = [asked.upstream, asked.provider];
        asked
            .names()
            .find_map(|(by, model)| Some((overlay::find(&self.own, upstreams, model)?, by, model)))
    }

    fn own_bill(&self, own: &Own, by: By, name: &str, asked: &Asked<'_>) -> Result<Bill, Unpriced> {
        let mut charges = token_charges(asked.usage, |_| false, |charge| own.price(charge))?;
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
        let catalogue = self.own_label.clone();
        Ok(Bill { found: found.into(), catalogue, charges, terms: None })
    }

    fn listed_bill(&self, asked: &Asked<'_>) -> Result<Bill, Unpriced> {
        if asked.price_id == Some("") {
            return Err(Unpriced::Model);
        }
        if asked.tier() == Tier::Prepaid {
            return Err(Unpriced::Tier);
        }
        let question = deals::question(asked);
        match self.deals.get(&question) {
            Some(Ok(Some(terms))) => {
                if let Ok(charges) = self.charges(&terms, asked) {
                    let (found, catalogue) = (terms.found.clone(), terms.catalogue.clone());
                    return Ok(Bill { found, catalogue, charges, terms: Some(terms) });
                }
            }
            Some(Err(why)) => return Err(why),
            Some(Ok(None)) | None => {}
        }
        let bill = match self.looked_up(asked, false) {
            Err(Unpriced::Tier) => self.looked_up(asked, true),
            other => other,
        };
        let deal = bill.as_ref().map(|bill| bill.terms.clone()).map_err(|why| *why);
        self.deals.insert(question, deal);
        bill
    }

    /// By each name as it is, then by aliases, then by the names proper.
    fn looked_up(&self, asked: &Asked<'_>, factors: bool) -> Result<Bill, Unpriced> {
        let mut why = Unpriced::Model;
        let region = asked.usage.region.as_deref();
        let wanted =
            |how: (By, _), name, region| Wanted { name, id: asked.price_id, region, how, factors };
        let by_asked = asked.sold_by().is_asked_first();
        for (by, name) in asked.names() {
            match self.on_lists(&wanted((by, name), name, region), asked) {
                Ok(bill) => return Ok(bill),
                Err(other) => why = worse(why, other),
            }
            // Where the model that was asked for says more, it does so in all its forms.
            if by_asked {
                match self.by_variants((by, name), asked, factors) {
                    Ok(bill) => return Ok(bill),
                    Err(other) => why = worse(why, other),
                }
            }
        }
        for (_, name) in asked.names() {
            let Some(target) = self.aliases.get(name) else { continue };
            let plain = wanted((By::Alias, name), target, region);
            let elsewhere = target.split_once('/');
            let elsewhere =
                elsewhere.map(|(id, model)| Wanted { id: Some(id), name: model, ..plain });
            for wanted in std::iter::once(plain).chain(elsewhere) {
                match self.on_lists(&wanted, asked) {
                    Ok(bill) => return Ok(bill),
                    Err(other) => why = worse(why, other),
                }
            }
        }
        for how in asked.names().filter(|_| !by_asked) {
            match self.by_variants(how, asked, factors) {
                Ok(bill) => return Ok(bill),
                Err(other) => why = worse(why, other),
            }
        }
        match asked.names().find(|(_, name)| name.ends_with(FREE)) {
            Some(how) => self.free_bill(how, asked),
            None => Err(why),
        }
    }

    /// By what is left of a name without what stands around it.
    fn by_variants(
        &self,
        (by, name): (By, &str),
        asked: &Asked<'_>,
        factors: bool,
    ) -> Result<Bill, Unpriced> {
        let mut why = Unpriced::Model;
        for variant in variants(name, asked.usage.region.as_deref(), asked.sold_by()) {
            let wanted = Wanted {
                name: &variant.name,
                id: asked.price_id,
                region: variant.region,
                how: (by, name),
                factors,
            };
            match self.on_lists(&wanted, asked) {
                Ok(bill) => return Ok(bill),
                Err(other) => why = worse(why, other),
            }
        }
        Err(why)
    }

    /// On the list that is right for a model, else on the other one.
    fn on_lists(&self, wanted: &Wanted<'_>, asked: &Asked<'_>) -> Result<Bill, Unpriced> {
        let sold_by = Provider { id: wanted.id, name: asked.provider };
        let first = || self.bill_on(self.first_list(), wanted.id, wanted, asked);
        let behind = self.lists().nth(1).is_some();
        let second = || self.on_second(sold_by, wanted, asked);
        let order = if behind { sold_by.order(wanted.name) } else { Order::First };
        match order {
            Order::First => first().or_else(|why| {
                if behind { second().map_err(|other| worse(why, other)) } else { Err(why) }
            }),
            Order::Second => second().or_else(|why| first().map_err(|other| worse(why, other))),
            Order::SecondOnly => second(),
        }
    }

    fn on_second(
        &self,
        sold_by: Provider<'_>,
        wanted: &Wanted<'_>,
        asked: &Asked<'_>,
    ) -> Result<Bill, Unpriced> {
        let other = sold_by.stands_for(wanted.name);
        let mut why = Unpriced::Model;
        for name in other.as_deref().into_iter().chain([wanted.name]) {
            for id in sold_by.names() {
                match self.bill_on(List::Second, Some(id), &Wanted { name, ..*wanted }, asked) {
                    Ok(bill) => return Ok(bill),
                    Err(reason) => why = worse(why, reason),
                }
            }
        }
        Err(why)
    }

    /// By one name on one list.
    fn bill_on(
        &self,
        list: List<'_>,
        provider: Option<&str>,
        wanted: &Wanted<'_>,
        asked: &Asked<'_>,
    ) -> Result<Bill, Unpriced> {
        let terms = Arc::new(self.terms(list, provider, wanted, asked)?);
        let charges = self.charges(&terms, asked)?;
        let (found, catalogue) = (terms.found.clone(), terms.catalogue.clone());
        Ok(Bill { found, catalogue, charges, terms: Some(terms) })
    }

    fn terms(
        &self,
        list: List<'_>,
        provider: Option<&str>,
        wanted: &Wanted<'_>,
        asked: &Asked<'_>,
    ) -> Result<Terms, Unpriced> {
        let sold_by = Provider { id: wanted.id, name: asked.provider };
        let second = matches!(list, List::Second);
        let at = sold_by.priced_at(wanted.name, asked.at);
        let name =
            if second { wanted.name } else { self.leads_to(provider, wanted.name, asked.at) };
        let (prompt, context) = (asked.prompt(), Vec::new());
        let mut quote = Quote { list, provider, model: name, context, at, prompt };
        let Some(entry) = self.memo.of(&quote).entry() else { return Err(Unpriced::Model) };
        let factor = self.factor_of(sold_by, wanted, &mut quote, asked)?;
        let context = quote.context.iter().map(|(key, value)| (*key, (*value).to_owned()));
        let basis = Basis {
            second,
            provider: provider.map(str::to_owned),
            model: name.to_owned(),
            context: context.collect(),
            at,
            factor,
        };
        let (by, told) = wanted.how;
        // Free models are listed without prices, and so are those whose price nobody wrote down.
        let free = entry.model.ends_with(FREE);
        let found = Found {
            provider: Some(entry.provider),
            model: entry.model,
            own: false,
            by,
            name: told.to_owned(),
        };
        Ok(Terms {
            found: found.into(),
            catalogue: if second { &self.second_label } else { &self.catalogue }.clone(),
            basis,
            free,
            sized: sold_by.sized_fee(name, asked.usage.search_size.as_deref()),
            routed: asked.request_model.and_then(|model| sold_by.router(model)),
            searches: sold_by.always_searches(name),
            grounded: sold_by.bills_grounded_prompts(name),
            search_fee: sold_by.fee(name, Charge::Searches.name()),
            file_fee: sold_by.fee(name, Charge::FileSearches.name()),
            known: Mutex::default(),
        })
    }

    /// What a call is charged on some terms, if all of it has a price.
    fn charges(&self, terms: &Terms, asked: &Asked<'_>) -> Result<Charges, Unpriced> {
        let quote = self.quote_of(&terms.basis, asked.prompt());
        let listed = |charge| {
            // A panic under this lock leaves answers that are whole.
            let mut known = terms.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.price(charge, quote.prompt).unwrap_or_else(|| {
                let price = self.memo.of(&quote).price(charge);
                known.learn(charge, quote.prompt, price);
                price
            })
        };
        let price = |charge: Charge| match (listed(charge), charge) {
            (Some(price), Charge::Tokens(_)) => Some(terms.basis.factor.times(price)),
            (price, _) => price.or(terms.free.then_some(0)),
        };
        let audio = audio_charge(asked.usage, &quote);
        // What is billed by time is not billed a second time as tokens, and what is billed by time
        // alone is not billed by tokens at all.
        let text = [Bucket::Input, Bucket::Output].map(Charge::Tokens);
        let alone = audio.is_some() && text.into_iter().all(|charge| price(charge).is_none());
        let by_time = |bucket| {
            let sound = matches!(bucket, Bucket::InputAudio | Bucket::CacheReadAudio);
            alone || audio.is_some() && sound
        };
        let mut charges = token_charges(asked.usage, by_time, price)?;
        // Audio without a price, and no tokens that could be what is billed.
        if audio.is_none() && asked.usage.audio_seconds.is_some() && charges.is_empty() {
            return Err(Unpriced::Kind);
        }
        charges.extend(audio);
        tool_charges(terms, price, asked, &mut charges)?;
        let fee = terms.sized.or_else(|| listed(Charge::Requests));
        charges.extend(
            fee.filter(|_| asked.calls > 0).map(|price| (Charge::Requests, asked.calls, price)),
        );
        let read = asked.usage.input_tokens().filter(|tokens| *tokens > 0 && asked.calls > 0);
        charges
            .extend(terms.routed.zip(read).map(|(price, tokens)| (Charge::Routing, tokens, price)));
        Ok(charges)
    }

    /// What a tier and a region make of standard prices, where the entry has none for the tier: the
    /// question is then for the standard ones.
    fn factor_of<'q>(
        &self,
        sold_by: Provider<'_>,
        wanted: &Wanted<'_>,
        quote: &mut Quote<'q>,
        asked: &Asked<'q>,
    ) -> Result<Factor, Unpriced> {
        let published = |what: &str| {
            let mut lines = sold_by.names().filter_map(|id| second::find(id, wanted.name));
            lines.find_map(|line| line.factor(what)).or_else(|| sold_by.factor(wanted.name, what))
        };
        let mut factor = Factor::ONE;
        if let Tier::Named(tier, stated) = asked.tier() {
            quote.context = vec![match tier {
                "batch" => ("processing", tier),
                _ => ("service_tier", tier),
            }];
            let ask = |quote: &Quote<'_>, charge| self.memo.of(quote).price(charge);
            if !quote.prices_way(ask) {
                factor = match published(tier).filter(|_| wanted.factors) {
                    Some(factor) => factor,
                    None if wanted.factors && !stated => Factor::ONE,
                    None => return Err(Unpriced::Tier),
                };
                quote.context = Vec::new();
            }
        }
        if let Some(region) = wanted.region {
            let there = published(&format!("@{region}")).ok_or(Unpriced::Region)?;
            factor = factor.and(there);
        }
        Ok(factor)
    }

    /// A model whose name says that it costs nothing, and that no list has.
    fn free_bill(&self, (by, name): (By, &str), asked: &Asked<'_>) -> Result<Bill, Unpriced> {
        let found = Found {
            provider: asked.price_id.map(str::to_owned),
            model: name.to_owned(),
            own: false,
            by,
            name: name.to_owned(),
        };
        let charges = token_charges(asked.usage, |_| false, |_| Some(0))?;
        let catalogue = self.catalogue.clone();
        Ok(Bill { found: found.into(), catalogue, charges, terms: None })
    }

    /// The question that led to a bill, for a prompt of that length.
    pub(crate) fn quote_of<'a>(&'a self, basis: &'a Basis, prompt: u64) -> Quote<'a> {
        Quote {
            list: if basis.second { List::Second } else { self.first_list() },
            provider: basis.provider.as_deref(),
            model: &basis.model,
            context: basis.context.iter().map(|(key, value)| (*key, value.as_str())).collect(),
            at: basis.at,
            prompt,
        }
    }

    /// The entry that a name leads to at a provider, and the question for its standard prices.
    pub(crate) fn entry_of<'a>(
        &'a self,
        list: List<'a>,
        provider: Option<&'a str>,
        name: &'a str,
        at: SystemTime,
    ) -> Option<(Entry, Quote<'a>)> {
        let second = matches!(list, List::Second);
        let model = if second { name } else { self.leads_to(provider, name, at) };
        let quote = Quote { list, provider, model, context: Vec::new(), at, prompt: 0 };
        Some((quote.entry()?, quote))
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
}

/// Searches, if there were any.
pub(crate) fn searches(usage: &Usage) -> Option<u64> {
    usage.searches.filter(|searches| *searches > 0)
}

/// The more telling of two reasons: that a model is in no list says least, that its tier has no price
/// may still be mended by a factor.
fn worse(one: Unpriced, other: Unpriced) -> Unpriced {
    match (one, other) {
        (Unpriced::Model, other) => other,
        (_, Unpriced::Tier) => Unpriced::Tier,
        (one, _) => one,
    }
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

/// What tools of the provider's cost extra.
fn tool_charges(
    terms: &Terms,
    price: impl Fn(Charge) -> Option<u128>,
    asked: &Asked<'_>,
    charges: &mut Charges,
) -> Result<(), Unpriced> {
    let usage = asked.usage;
    let some = |count: Option<u64>| count.filter(|count| *count > 0);
    if some(usage.hosted_tools).is_some() {
        return Err(Unpriced::Fee);
    }
    let prompts = some(usage.grounded_prompts);
    let each = some(Some(asked.calls).filter(|_| terms.searches));
    if let Some(searches) = searches(usage).or(each) {
        let by_prompt = price(Charge::GroundedPrompts)
            .or_else(|| price(Charge::Searches).filter(|_| terms.grounded));
        let charge = match by_prompt {
            // A prompt is grounded once, however many searches that takes.
            Some(price) => {
                let prompts = prompts.unwrap_or_else(|| searches.min(asked.calls.max(1)));
                Some((Charge::GroundedPrompts, prompts, price))
            }
            None => price(Charge::Searches)
                .or(terms.search_fee)
                .map(|price| (Charge::Searches, searches, price)),
        };
        charges.push(charge.ok_or(Unpriced::Fee)?);
    } else if prompts.is_some() {
        return Err(Unpriced::Fee);
    }
    if let Some(files) = some(usage.file_searches) {
        charges.push((Charge::FileSearches, files, terms.file_fee.ok_or(Unpriced::Fee)?));
    }
    Ok(())
}

/// One charge for each kind of token that was used and is not skipped, if each has a price.
fn token_charges(
    usage: &Usage,
    skip: impl Fn(Bucket) -> bool,
    price: impl Fn(Charge) -> Option<u128>,
) -> Result<Charges, Unpriced> {
    Bucket::ALL
        .into_iter()
        .filter(|bucket| !skip(*bucket))
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
