//! Asks a price list for the price of one kind of token at a time.
//!
//! A [`Table`] and the second list answer in exact integers. The public catalogue answers only with totals in floating point. A question about a single kind has that
//! kind's price as its answer, with the catalogue's own logic (model names, dates, prompt-length
//! tiers, batch and service tiers) in it; what is read off is turned back into the decimal that the
//! list writes, and the arithmetic is done here in integers. Must not know: our records.

use std::borrow::Cow;
use std::time::SystemTime;

use genai_prices::{Calculator, ErrorKind, PriceCalculation, PriceRequest, Usage, UsageKey};
use tidegauge_core::{Bucket, Charge};

use crate::decimal::of_f64;
use crate::rules::Provider;
use crate::second;
use crate::table::{Row, Table, Way};

/// Output tokens and other units that are asked about at once: a price for a million is then the
/// answer itself.
const MILLION: f64 = 1e6;

/// A list that can be asked.
#[derive(Clone, Copy)]
pub(crate) enum List<'a> {
    Public(&'a Calculator),
    Table(&'a Table),
    /// The one that is built in beside the public catalogue.
    Second,
}

/// A model of a list.
pub(crate) struct Model<'a> {
    pub(crate) provider: &'a str,
    pub(crate) model: &'a str,
    /// For people.
    pub(crate) name: Option<&'a str>,
    pub(crate) context_window: Option<u64>,
}

impl<'a> List<'a> {
    /// Every model, in the list's order.
    pub(crate) fn models(self) -> Box<dyn Iterator<Item = Model<'a>> + 'a> {
        match self {
            Self::Public(calculator) => Box::new(calculator.providers().flat_map(|provider| {
                provider.models().map(move |model| Model {
                    provider: provider.id(),
                    model: model.id(),
                    name: model.name(),
                    context_window: model.context_window(),
                })
            })),
            Self::Table(table) => Box::new(table.rows().iter().map(|row| Model {
                provider: &row.provider,
                model: &row.model,
                name: None,
                context_window: row.context_window,
            })),
            Self::Second => Box::new(second::lines().map(|line| Model {
                provider: line.provider,
                model: line.model,
                name: None,
                context_window: line.context_window,
            })),
        }
    }

    /// A number of its own among the lists that are in use together.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Public(_) => 0,
            Self::Table(_) => 1,
            Self::Second => 2,
        }
    }
}

/// A question to a list, complete but for the kind of token.
#[derive(Clone)]
pub(crate) struct Quote<'a> {
    pub(crate) list: List<'a>,
    /// Provider id; `None` lets the model's name decide.
    pub(crate) provider: Option<&'a str>,
    pub(crate) model: &'a str,
    /// Such as `("service_tier", "flex")`. What a model has no price for is at its standard price.
    pub(crate) context: Vec<(&'static str, &'a str)>,
    pub(crate) at: SystemTime,
    /// All prompt tokens: they choose the tier.
    pub(crate) prompt: u64,
}

/// The entry that a question is about.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) provider: String,
    pub(crate) model: String,
}

impl Quote<'_> {
    /// The matching entry, if there is one.
    pub(crate) fn entry(&self) -> Option<Entry> {
        if let List::Table(_) | List::Second = self.list {
            let row = self.row()?;
            return Some(Entry { provider: row.provider.clone(), model: row.model.clone() });
        }
        let answer = self.ask(&Usage::new()).ok()?;
        Some(Entry { provider: answer.provider_id, model: answer.model_id })
    }

    /// Picodollars for [`Charge::per`] of them; `None` when the entry has no such price. A kind of
    /// token without a price of its own costs what its parent kind does (cached input as input,
    /// reasoning as output, pictures that are read as text), but for audio and pictures that are made,
    /// which are not sold as text unless their provider says so.
    pub(crate) fn price(&self, charge: Charge) -> Option<u128> {
        if let Charge::Tokens(bucket) = charge
            && !self.is_sold(bucket)
        {
            return None;
        }
        if let List::Table(_) | List::Second = self.list {
            return self.row()?.price(self.way(), charge, self.prompt);
        }
        match charge {
            Charge::Tokens(bucket) => self.token_price(bucket),
            Charge::Requests => self.fee().and_then(|usd| positive(usd * 1e3)),
            Charge::Searches => self.extra(&Usage::from([(UsageKey::WEB_SEARCHES, 1e3)])),
            Charge::AudioTime => self.audio_seconds(3600.0),
            Charge::Routing | Charge::GroundedPrompts | Charge::FileSearches | Charge::GpuTime => {
                None
            }
        }
    }

    /// Whether a kind of token has a price here, be it that of another kind.
    fn is_sold(&self, bucket: Bucket) -> bool {
        let apart = match bucket {
            Bucket::InputAudio | Bucket::OutputAudio | Bucket::OutputImage => self.is_apart(bucket),
            Bucket::CacheReadAudio => {
                self.is_apart(Bucket::CacheRead) || self.is_apart(Bucket::CacheReadAudio)
            }
            _ => return true,
        };
        let provider = Provider { id: self.provider, name: self.provider.unwrap_or_default() };
        apart || provider.sells_as_text(self.model, bucket.name())
    }

    /// Whether the entry has prices of its own for the way in which the call is served.
    pub(crate) fn prices_way(&self, price: impl Fn(&Self, Charge) -> Option<u128>) -> bool {
        if let List::Table(_) | List::Second = self.list {
            return self.row().is_some_and(|row| row.has_way(self.way()));
        }
        let standard = Self { context: Vec::new(), ..self.clone() };
        [Bucket::Input, Bucket::Output].map(Charge::Tokens).into_iter().any(|charge| {
            let own = price(self, charge);
            own.is_some() && own != price(&standard, charge)
        })
    }

    /// Picodollars that so many seconds of audio cost; some hosts bill a minimum.
    pub(crate) fn audio_seconds(&self, seconds: f64) -> Option<u128> {
        if let List::Table(_) | List::Second = self.list {
            let hour = self.price(Charge::AudioTime)?;
            let micros = u128::from(whole(seconds * 1e6));
            return Some(hour.saturating_mul(micros) / u128::from(Charge::AudioTime.per()));
        }
        self.extra(&Usage::from([
            (UsageKey::AUDIO_SECONDS, seconds),
            (UsageKey::INPUT_AUDIO_SECONDS, seconds),
        ]))
    }

    fn row(&self) -> Option<Cow<'_, Row>> {
        match self.list {
            List::Public(_) => None,
            List::Table(table) => table.find(self.provider, self.model).map(Cow::Borrowed),
            List::Second => Some(Cow::Owned(second::find(self.provider?, self.model)?.row())),
        }
    }

    /// How the call is served, for a table.
    fn way(&self) -> Way {
        match self.context.first() {
            None => Way::Standard,
            Some((_, "batch")) => Way::Batch,
            Some((_, "flex")) => Way::Flex,
            Some((_, "priority")) => Way::Priority,
            Some(_) => Way::Other,
        }
    }

    fn token_price(&self, bucket: Bucket) -> Option<u128> {
        #[expect(clippy::cast_precision_loss, reason = "a count this large only chooses a tier")]
        let prompt = self.prompt as f64;
        let output = output_keys(bucket);
        let is_output = output.is_some();
        let usd = match output {
            Some(keys) => {
                let whole = (UsageKey::INPUT_TOKENS, prompt);
                let parts = keys.into_iter().map(|key| (key, MILLION));
                self.ask(&std::iter::once(whole).chain(parts).collect()).ok()?.output_price
            }
            None => {
                let prompt = prompt.max(1.0);
                let usage = input_keys(bucket).into_iter().map(|key| (key, prompt)).collect();
                self.ask(&usage).ok()?.input_price * MILLION / prompt
            }
        };
        let price = of_f64(usd)?;
        (price > 0 || self.is_priced(is_output)).then_some(price)
    }

    /// Whether the entry has a price for plain input or output, be it zero. A zero in the list and a
    /// gap in it give the same total, but usage that names a part and not the whole is refused if,
    /// and only if, the whole has a price.
    fn is_priced(&self, output: bool) -> bool {
        let part =
            if output { UsageKey::OUTPUT_REASONING_TOKENS } else { UsageKey::CACHE_READ_TOKENS };
        matches!(self.ask(&Usage::from([(part, 1.0)])), Err(ErrorKind::InvalidUsage))
    }

    /// Whether input read from the cache, written to it, ... has a price of its own, by the same
    /// token: a part of it is named and itself left out.
    pub(crate) fn is_apart(&self, bucket: Bucket) -> bool {
        if let List::Table(_) | List::Second = self.list {
            return self.row().is_some_and(|row| row.lists(Charge::Tokens(bucket)));
        }
        let named = match bucket {
            Bucket::Input => return self.is_priced(false),
            Bucket::Output => return self.is_priced(true),
            Bucket::CacheRead => [UsageKey::INPUT_TOKENS, UsageKey::CACHE_TEXT_READ_TOKENS],
            Bucket::CacheWrite5m => [UsageKey::INPUT_TOKENS, UsageKey::CACHE_WRITE_5M_TOKENS],
            Bucket::InputAudio => [UsageKey::INPUT_TOKENS, UsageKey::INPUT_AUDIO_TOOL_TOKENS],
            Bucket::InputImage => [UsageKey::INPUT_TOKENS, UsageKey::INPUT_IMAGE_TOOL_TOKENS],
            Bucket::Reasoning => [UsageKey::OUTPUT_TOKENS, UsageKey::OUTPUT_TEXT_REASONING_TOKENS],
            Bucket::OutputAudio => {
                [UsageKey::OUTPUT_TOKENS, UsageKey::OUTPUT_AUDIO_CITATION_TOKENS]
            }
            Bucket::OutputImage => {
                [UsageKey::OUTPUT_TOKENS, UsageKey::OUTPUT_IMAGE_CITATION_TOKENS]
            }
            // Units with nothing below them in the catalogue: told apart by their price.
            Bucket::CacheReadAudio => {
                return self.differs(bucket, Bucket::CacheRead);
            }
            Bucket::CacheWrite1h => return self.differs(bucket, Bucket::CacheWrite5m),
        };
        let usage = named.into_iter().map(|key| (key, 1.0)).collect();
        matches!(self.ask(&usage), Err(ErrorKind::InvalidUsage))
    }

    fn differs(&self, bucket: Bucket, parent: Bucket) -> bool {
        self.token_price(bucket) != self.token_price(parent)
    }

    /// What `usage` costs beyond the fee of the call; `None` for nothing.
    fn extra(&self, usage: &Usage) -> Option<u128> {
        let with = self.ask(usage).ok()?.total_price;
        positive(with - self.fee()?)
    }

    /// What the call itself costs.
    fn fee(&self) -> Option<f64> {
        self.ask(&Usage::new()).ok().map(|answer| answer.total_price)
    }

    /// The public catalogue's whole calculation.
    fn ask(&self, usage: &Usage) -> Result<PriceCalculation, ErrorKind> {
        let List::Public(calculator) = self.list else { return Err(ErrorKind::ModelNotFound) };
        let mut request = PriceRequest::new(self.model, usage).with_timestamp(self.at);
        if let Some(provider) = self.provider {
            request = request.with_provider_id(provider);
        }
        for (key, value) in &self.context {
            request = request.with_price_context(key, value);
        }
        calculator.calculate(&request).map_err(|error| error.kind())
    }
}

/// The overlapping counts that name a prompt bucket, the whole first.
fn input_keys(bucket: Bucket) -> Vec<UsageKey> {
    const INPUT: UsageKey = UsageKey::INPUT_TOKENS;
    const WRITE: UsageKey = UsageKey::CACHE_WRITE_TOKENS;
    match bucket {
        Bucket::CacheRead => vec![INPUT, UsageKey::CACHE_READ_TOKENS],
        Bucket::CacheReadAudio => vec![
            INPUT,
            UsageKey::CACHE_READ_TOKENS,
            UsageKey::INPUT_AUDIO_TOKENS,
            UsageKey::CACHE_AUDIO_READ_TOKENS,
        ],
        Bucket::CacheWrite5m => vec![INPUT, WRITE, UsageKey::CACHE_WRITE_5M_TOKENS],
        Bucket::CacheWrite1h => vec![INPUT, WRITE, UsageKey::CACHE_WRITE_1H_TOKENS],
        Bucket::InputAudio => vec![INPUT, UsageKey::INPUT_AUDIO_TOKENS],
        Bucket::InputImage => vec![INPUT, UsageKey::INPUT_IMAGE_TOKENS],
        Bucket::Input
        | Bucket::Output
        | Bucket::Reasoning
        | Bucket::OutputAudio
        | Bucket::OutputImage => vec![INPUT],
    }
}

/// The overlapping counts that name an output bucket, the whole first; `None` for a prompt bucket.
fn output_keys(bucket: Bucket) -> Option<Vec<UsageKey>> {
    const OUTPUT: UsageKey = UsageKey::OUTPUT_TOKENS;
    match bucket {
        Bucket::Output => Some(vec![OUTPUT]),
        Bucket::Reasoning => Some(vec![OUTPUT, UsageKey::OUTPUT_REASONING_TOKENS]),
        Bucket::OutputAudio => Some(vec![OUTPUT, UsageKey::OUTPUT_AUDIO_TOKENS]),
        Bucket::OutputImage => Some(vec![OUTPUT, UsageKey::OUTPUT_IMAGE_TOKENS]),
        Bucket::Input
        | Bucket::CacheRead
        | Bucket::CacheReadAudio
        | Bucket::CacheWrite5m
        | Bucket::CacheWrite1h
        | Bucket::InputAudio
        | Bucket::InputImage => None,
    }
}

/// The nearest whole number.
fn whole(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and audio has no negative length"
    )]
    let whole = value.round() as u64;
    whole
}

fn positive(usd: f64) -> Option<u128> {
    of_f64(usd.max(0.0)).filter(|pico| *pico > 0)
}
