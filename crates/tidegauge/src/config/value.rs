//! Turns the words of a configuration file into the types behind them, and back: times, sizes.
//!
//! Each type has one spelling that is printed and read back to the same value.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration: a whole number and a unit, `500ms`, `5s`, `15m`, `1h`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Time(pub Duration);

/// A number of bytes: a whole number and a unit, `512`, `64KiB`, `64MiB`, `1GiB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Size(pub u64);

/// An amount of US dollars: a decimal, 0 or more, kept as it was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Amount(pub(crate) String);

const TIMES: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZES: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

impl Time {
    /// What a message asks for.
    pub(crate) const EXPECTED: &str = "a duration such as 500ms, 5s, 15m or 1h";

    /// Reads one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        count(text, &TIMES).map(|ms| Self(Duration::from_millis(ms)))
    }
}

impl Size {
    /// What a message asks for.
    pub(crate) const EXPECTED: &str = "a size such as 4096, 64KiB, 64MiB or 1GiB";

    /// Reads one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        count(text, &SIZES).map(Self)
    }
}

impl Amount {
    /// What a message asks for.
    pub(crate) const EXPECTED: &str =
        "US dollars such as 0.15, 0 or more, with at most 12 decimals";

    /// Reads one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str, most: usize| {
            (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        (digits(whole, 12) && digits(decimals, 12)).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        spelled(ms, &TIMES, "ms", f)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spelled(self.0, &SIZES, "", f)
    }
}

/// Digits and one of the units, nothing between.
fn count(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// With the largest unit that leaves a whole number.
fn spelled(
    value: u64,
    units: &[(&str, u64)],
    smallest: &str,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    let fits = |(_, factor): &&(&str, u64)| value >= *factor && value.is_multiple_of(*factor);
    match units.iter().find(fits) {
        Some((name, factor)) => write!(f, "{}{name}", value / factor),
        None => write!(f, "{value}{smallest}"),
    }
}

macro_rules! text {
    ($type:ident, $schema:literal, $json:literal, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'_, str>::deserialize(deserializer)?;
                Self::read(&text).ok_or_else(|| D::Error::custom(Self::EXPECTED))
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $schema.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": ["string", $json],
                    "description": Self::EXPECTED,
                    "pattern": $pattern,
                    "format": concat!("tidegauge-", $schema),
                })
            }
        }
    };
}

text!(Time, "duration", "integer", r"^[0-9]+ ?(ms|s|m|h)$|^\$\{[A-Za-z0-9_]+\}$");
text!(Size, "size", "integer", r"^[0-9]+ ?(KiB|MiB|GiB)?$|^\$\{[A-Za-z0-9_]+\}$");
text!(Amount, "amount", "number", r"^[0-9]{1,12}(\.[0-9]{1,12})?$|^\$\{[A-Za-z0-9_]+\}$");
