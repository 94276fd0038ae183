//! Turns the price of one call into its reasons: the entry and how it was found, and for each line the
//! tier, the way to be served and the kind whose price was taken.
//!
//! For a command line, not for the record path: it asks the list thousands of questions. Must not
//! know: how it is shown.

use tidegauge_core::{Bucket, Charge, Cost, CostStatus, Unpriced};

use crate::asked::Asked;
use crate::billed;
use crate::catalogue::Quote;
use crate::decimal::{PLACES, dollars};
use crate::explain::tiers;
use crate::overlay::parent;
use crate::price::{Bill, Found, Prices};
use crate::rules::Factor;

/// The price of one call and where it comes from.
#[derive(Clone, PartialEq, Debug)]
pub struct Breakdown {
    /// What [`Prices::cost`] says.
    pub cost: Cost,
    /// The entry that prices it; `None` where none does.
    pub found: Option<Found>,
    /// All prompt tokens: they choose the tier.
    pub prompt: u64,
    /// Why each of the cost's lines has the price it has, in their order.
    pub why: Vec<Why>,
    /// The names that were looked up, where none led to a price.
    pub tried: Vec<String>,
    /// What an entry of that name has no price for, where there is one and that is the reason.
    pub lacks: Vec<Charge>,
    /// Why prices say nothing, whether the provider states a bill or not.
    pub unpriced: Option<Unpriced>,
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
    /// Prices a call and says why. What is said of an entry is said of that of the first part which
    /// is billed.
    pub fn break_down(&self, asked: &Asked<'_>) -> Breakdown {
        let cost = self.cost(asked);
        let parts = billed::parts(asked.usage);
        let parts: Vec<Asked<'_>> = parts.iter().map(|part| part.asked(asked)).collect();
        let parts = if parts.is_empty() { vec![*asked] } else { parts };
        // Where there is a figure by prices, its lines are explained.
        let priced = cost.status == CostStatus::Priced || cost.list.is_some();
        let bills: Result<Vec<Bill>, Unpriced> = parts.iter().map(|part| self.bill(part)).collect();
        let why = bills.as_ref().err().copied();
        let bills = bills.ok().filter(|_| priced);
        let looked_up = bills.is_none() && asked.price_id != Some("");
        // The part that has no price.
        let bare = parts.iter().find(|part| self.bill(part).is_err()).unwrap_or(asked);
        let lacks = why == Some(Unpriced::Kind) && looked_up;
        Breakdown {
            prompt: asked.prompt(),
            why: bills.as_ref().map_or_else(Vec::new, |bills| self.all_reasons(bills, &parts)),
            tried: if looked_up {
                bare.names().map(|(_, name)| name.to_owned()).collect()
            } else {
                Vec::new()
            },
            lacks: if lacks { self.lacks(bare) } else { Vec::new() },
            unpriced: why,
            found: bills.and_then(|bills| Some(Found::clone(&bills.first()?.found))),
            cost,
        }
    }

    /// One for each line: charges of the same kind and price are one.
    fn all_reasons(&self, bills: &[Bill], parts: &[Asked<'_>]) -> Vec<Why> {
        let mut seen: Vec<(Charge, u128)> = Vec::new();
        let mut all = Vec::new();
        for (bill, part) in bills.iter().zip(parts) {
            let charges = bill.charges.iter().map(|(charge, _, price)| (*charge, *price));
            for (line, why) in charges.zip(self.reasons(bill, part)) {
                // As they are merged: within one part nothing is.
                if !seen.contains(&line) {
                    seen.push(line);
                    all.push(why);
                }
            }
        }
        all
    }

    fn reasons(&self, bill: &Bill, asked: &Asked<'_>) -> Vec<Why> {
        let charges = bill.charges.iter().map(|(charge, _, _)| *charge);
        match &bill.terms {
            Some(terms) => {
                let quote = self.quote_of(&terms.basis, asked.prompt());
                charges.map(|charge| listed(&quote, charge, terms.basis.factor)).collect()
            }
            None if !bill.found.own => charges.map(|_| Why::default()).collect(),
            None => {
                let own = self.own(asked).map(|(own, ..)| own);
                let lists = |bucket| own.is_none_or(|own| own.lists(bucket));
                charges.map(|charge| Why { like: like(charge, lists), ..Why::default() }).collect()
            }
        }
    }

    /// What the first entry that a name leads to has no price for.
    fn lacks(&self, asked: &Asked<'_>) -> Vec<Charge> {
        let ids = [asked.price_id, Some(asked.provider)];
        let quote = asked.names().find_map(|(_, name)| {
            let mut lists = self.lists().flat_map(|list| ids.map(|id| (list, id)));
            lists.find_map(|(list, id)| Some(self.entry_of(list, id, name, asked.at)?.1))
        });
        let used = |bucket: &Bucket| asked.usage.get(*bucket).is_some_and(|count| count > 0);
        let tokens = Bucket::ALL.into_iter().filter(used).map(Charge::Tokens);
        let audio = asked.usage.audio_seconds.map(|_| Charge::AudioTime);
        let prompt = asked.prompt();
        quote.map_or_else(Vec::new, |quote| {
            let quote = Quote { prompt, ..quote };
            tokens.chain(audio).filter(|charge| quote.price(*charge).is_none()).collect()
        })
    }
}

fn listed(quote: &Quote<'_>, charge: Charge, times: Factor) -> Why {
    let Charge::Tokens(_) = charge else { return Why::default() };
    let standard = Quote { context: Vec::new(), ..quote.clone() };
    let (price, usual) = (quote.price(charge), standard.price(charge));
    let price = price.map(|price| times.times(price));
    let other = |price: Option<u128>, than| price.filter(|one| Some(*one) != than).map(dollars);
    let step = tiers(quote, charge).into_iter().rfind(|tier| tier.above < quote.prompt);
    let short = Quote { prompt: 1, ..quote.clone() }.price(charge);
    let short = short.map(|price| times.times(price));
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
