//! Turns the price of one call into its reasons: the entry and how it was found, and for each line the
//! tier, the way to be served and the kind whose price was taken.
//!
//! For a command line, not for the record path: it asks the list thousands of questions. Must not
//! know: how it is shown.

use tidegauge_core::{Bucket, Charge, Cost, CostStatus};

use crate::catalogue::Quote;
use crate::decimal::{PLACES, dollars};
use crate::explain::tiers;
use crate::overlay::parent;
use crate::price::{Asked, Bill, Found, Prices, names};

/// The price of one call and where it comes from.
#[derive(Clone, PartialEq, Debug)]
pub struct Breakdown {
    /// What [`Prices::cost`] says.
    pub cost: Cost,
    /// The entry that prices it; `None` unless priced.
    pub found: Option<Found>,
    /// All prompt tokens: they choose the tier.
    pub prompt: u64,
    /// Why each of the cost's lines has the price it has, in their order.
    pub why: Vec<Why>,
    /// The names that were looked up, where none led to a price.
    pub tried: Vec<String>,
    /// What an entry of that name has no price for, where there is one and that is the reason.
    pub lacks: Vec<Charge>,
}

/// Why a price is what it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Why {
    /// The prompt is longer than this, which has a price of its own.
    pub above: Option<u64>,
    /// The price of short prompts, where it is another.
    pub short_usd: Option<String>,
    /// The standard price, where the way the call was served has another.
    pub standard_usd: Option<String>,
    /// The price over the standard one, to four places; where they differ and that is not zero.
    pub factor: Option<String>,
    /// The kind whose price was taken, where this one has none of its own.
    pub like: Option<Bucket>,
}

impl Prices {
    /// Prices a call and says why.
    pub fn break_down(&self, asked: &Asked<'_>) -> Breakdown {
        let cost = self.cost(asked);
        let priced = cost.status == CostStatus::Priced;
        let bill = self.bill(asked).filter(|_| priced);
        let looked_up = asked.price_id != Some("");
        Breakdown {
            prompt: asked.prompt.or_else(|| asked.usage.input_tokens()).unwrap_or(0),
            why: bill.as_ref().map_or_else(Vec::new, |bill| self.reasons(bill, asked)),
            tried: match bill {
                None if looked_up => names(asked).map(|(_, name)| name.to_owned()).collect(),
                _ => Vec::new(),
            },
            lacks: match bill {
                None if looked_up => self.lacks(asked),
                _ => Vec::new(),
            },
            found: bill.map(|bill| bill.found),
            cost,
        }
    }

    fn reasons(&self, bill: &Bill, asked: &Asked<'_>) -> Vec<Why> {
        let charges = bill.charges.iter().map(|(charge, _, _)| *charge);
        match &bill.asked_as {
            Some((provider, model)) => {
                let quote = self.quote_for(provider.as_deref(), model, asked);
                charges.map(|charge| listed(&quote, charge)).collect()
            }
            None => {
                let own = self.own(asked).map(|(own, ..)| own);
                let lists = |bucket| own.is_none_or(|own| own.lists(bucket));
                charges.map(|charge| Why { like: like(charge, lists), ..Why::default() }).collect()
            }
        }
    }

    /// What the first entry that a name leads to has no price for.
    fn lacks(&self, asked: &Asked<'_>) -> Vec<Charge> {
        let quote = names(asked)
            .map(|(_, name)| self.quote_for(asked.price_id, name, asked))
            .find(|quote| quote.entry().is_some());
        let used = |bucket: &Bucket| asked.usage.get(*bucket).is_some_and(|count| count > 0);
        let tokens = Bucket::ALL.into_iter().filter(used).map(Charge::Tokens);
        let audio = asked.usage.audio_seconds.map(|_| Charge::AudioTime);
        quote.map_or_else(Vec::new, |quote| {
            tokens.chain(audio).filter(|charge| quote.price(*charge).is_none()).collect()
        })
    }
}

fn listed(quote: &Quote<'_>, charge: Charge) -> Why {
    let Charge::Tokens(_) = charge else { return Why::default() };
    let standard = Quote { context: Vec::new(), ..quote.clone() };
    let (price, usual) = (quote.price(charge), standard.price(charge));
    let other = |price: Option<u128>, than| price.filter(|one| Some(*one) != than).map(dollars);
    let step = tiers(quote, charge).into_iter().rfind(|tier| tier.above < quote.prompt);
    let short = Quote { prompt: 1, ..quote.clone() }.price(charge);
    Why {
        short_usd: step.as_ref().and_then(|_| other(short, price)),
        above: step.map(|tier| tier.above),
        standard_usd: other(usual, price),
        factor: price.zip(usual).filter(|(price, usual)| price != usual).and_then(factor),
        like: like(charge, |bucket| quote.is_apart(bucket)),
    }
}

fn factor((price, usual): (u128, u128)) -> Option<String> {
    let scaled = price.checked_mul(10_u128.pow(PLACES))?;
    // Twelve places are shown at most, so that the last eight are nothing.
    let unit = 10_u128.pow(8);
    let rounded = (scaled / unit).saturating_add(usual / 2).checked_div(usual)?;
    Some(dollars(rounded.saturating_mul(unit)))
}

/// The kind whose price is taken for a charge, where that is not its own.
fn like(charge: Charge, lists: impl Fn(Bucket) -> bool) -> Option<Bucket> {
    let Charge::Tokens(bucket) = charge else { return None };
    if lists(bucket) {
        return None;
    }
    std::iter::successors(parent(bucket), |one| parent(*one)).find(|one| lists(*one))
}

#[cfg(test)]
mod tests;
