//! Turns written decimals into integers and shares a sum out over lines, without floating point.
//!
//! Prices are kept as whole picodollars (1e-12) for a [`Charge::per`] of units. A product of a price
//! and a quantity is then a whole number of [`SHARE`]ths of a picodollar, so sums are exact and are
//! rounded once.

use tidegauge_core::{Charge, CostLine, Money};

/// A common multiple of every [`Charge::per`]: 1e3, 1e6 and 3.6e9 divide it.
const SHARE: u128 = 3_600_000_000;

/// Exact units ([`SHARE`]ths of a picodollar) in a nanodollar.
const UNITS: u128 = 1_000 * SHARE;

/// Decimals that a price may have.
pub(crate) const PLACES: u32 = 12;

/// How a decimal that has more places than asked for is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// Round half up.
    Round,
    /// Refuse it.
    Refuse,
}

/// Reads `12`, `0.15`, `1.5e-7` as a whole number of 10^-`places`. `None` for anything negative, not
/// finite, not a number, or too large for 10^18.
pub(crate) fn scaled(text: &str, places: u32, excess: Excess) -> Option<u128> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 64 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0);
    }
    // The value is `digits` x 10^shift, in units of 10^-places.
    let shift = i64::from(exponent) - i64::try_from(fraction.len()).ok()? + i64::from(places);
    let kept = i64::try_from(digits.len()).ok()? + shift;
    if kept > 18 + i64::from(places) {
        return None;
    }
    let split = usize::try_from(kept.clamp(0, digits.len().try_into().ok()?)).ok()?;
    let (kept_digits, rest) = digits.split_at(split);
    let value = kept_digits.bytes().fold(0_u128, |sum, byte| sum * 10 + u128::from(byte - b'0'));
    let value = value * 10_u128.pow(u32::try_from(shift.max(0)).ok()?);
    match excess {
        _ if rest.bytes().all(|byte| byte == b'0') => Some(value),
        Excess::Refuse => None,
        // Digits beyond a gap of zeros (kept < 0) are less than a half.
        Excess::Round => Some(value + u128::from(kept >= 0 && rest.as_bytes() >= b"5".as_slice())),
    }
}

/// The price that a binary fraction stands for: its first twelve significant digits, which is more
/// than any price list writes and less than where the binary form begins to differ from the decimal.
pub(crate) fn of_f64(value: f64) -> Option<u128> {
    scaled(&format!("{value:.11e}"), PLACES, Excess::Round)
}

/// Picodollars as dollars, without needless zeros: `0.15`, `3`.
pub(crate) fn dollars(pico: u128) -> String {
    let unit = 10_u128.pow(PLACES);
    let text = format!("{}.{:012}", pico / unit, pico % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Prices each charge and adds up exactly. The amount is rounded half up to a nanodollar once; the
/// nanodollars that the lines' own fractions hide go to the lines with the largest ones, so that
/// the lines add up to the amount. Saturates.
pub(crate) fn add_up(charges: Vec<(Charge, u64, u128)>) -> (Money, Vec<CostLine>) {
    let exact: Vec<u128> = charges
        .iter()
        .map(|(charge, quantity, pico)| {
            let share = SHARE / u128::from(charge.per());
            u128::from(*quantity).saturating_mul(*pico).saturating_mul(share)
        })
        .collect();
    let sum = exact.iter().fold(0_u128, |sum, part| sum.saturating_add(*part));
    let amount = sum.saturating_add(UNITS / 2) / UNITS;
    let mut nanos: Vec<u128> = exact.iter().map(|part| part / UNITS).collect();
    let mut missing = amount.saturating_sub(nanos.iter().sum::<u128>());
    let mut order: Vec<usize> = (0..exact.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(exact.get(*index).map(|part| part % UNITS)));
    for index in order {
        if missing == 0 {
            break;
        }
        if let Some(line) = nanos.get_mut(index) {
            *line += 1;
            missing -= 1;
        }
    }
    let lines = charges
        .into_iter()
        .zip(nanos)
        .map(|((charge, quantity, pico), nanos)| CostLine {
            charge,
            quantity,
            usd: dollars(pico),
            amount: money(nanos),
        })
        .collect();
    (money(amount), lines)
}

fn money(nanos: u128) -> Money {
    Money::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_decimals_as_they_are_written() {
        let cases = [
            ("0.15", Some(150_000_000_000)),
            ("3", Some(3_000_000_000_000)),
            ("1.5e-7", Some(150_000)),
            ("2.29E+1", Some(22_900_000_000_000)),
            ("0.0000000000005", Some(1)),
            ("0.0000000000004", Some(0)),
            ("1e-400", Some(0)),
            ("00.10", Some(100_000_000_000)),
            (".5", Some(500_000_000_000)),
            ("0", Some(0)),
            ("0e999", Some(0)),
            ("1e400", None),
            ("", None),
            (".", None),
            ("-1", None),
            ("+1", None),
            ("NaN", None),
            ("inf", None),
            ("1,5", None),
            ("1e", None),
            ("1e99999999999", None),
        ];
        for (text, value) in cases {
            assert_eq!(scaled(text, PLACES, Excess::Round), value, "{text}");
        }
    }

    #[test]
    fn a_price_with_too_many_places_is_refused_where_that_is_asked() {
        assert_eq!(scaled("0.0000000000001", PLACES, Excess::Refuse), None);
        assert_eq!(scaled("0.0000000000010", PLACES, Excess::Refuse), Some(1));
    }

    #[test]
    fn a_binary_fraction_is_read_as_the_decimal_it_stands_for() {
        let cases = [
            (0.15, "0.15"),
            (0.1 + 0.2, "0.3"),
            (0.180_000_000_000_000_02, "0.18"),
            (0.139_999_999_999_999_99, "0.14"),
            (0.041_666_666_666_666_664, "0.041666666667"),
            (600.0, "600"),
            (0.0, "0"),
        ];
        for (value, text) in cases {
            assert_eq!(dollars(of_f64(value).unwrap()), text);
        }
        assert_eq!(of_f64(f64::NAN), None);
        assert_eq!(of_f64(f64::INFINITY), None);
        assert_eq!(of_f64(-1.0), None);
    }

    #[test]
    fn sums_saturate() {
        let (amount, lines) = add_up(vec![(Charge::Requests, u64::MAX, u128::MAX); 2]);
        assert_eq!(amount, Money::from_nanos(u64::MAX));
        assert_eq!(lines.len(), 2);
    }
}
