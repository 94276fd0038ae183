//! Reads when a rate limit is whole again, in the forms that providers write it.
//!
//! Durations (`6ms`, `1m2.5s`), seconds (`59`, `0.5`), times (`2026-11-22T05:27:50Z`) and seconds or
//! milliseconds since 1970. Nothing of this is exact: providers do not say from when they count.

use std::time::{Duration, UNIX_EPOCH};

use tidegauge_core::Reset;

/// The longest text that is looked at.
const MAX_TEXT: usize = 64;

/// The longest time that is believed: a year. A larger number of seconds is a date.
const MAX_TIME: Duration = Duration::from_secs(366 * 86_400);

/// A number this large counts milliseconds since 1970; one past [`MAX_TIME`] counts seconds.
const MILLISECONDS: f64 = 1e11;

/// What a header says; `None` where it makes no sense.
pub(crate) fn read(text: &str) -> Option<Reset> {
    let text = text.trim();
    if text.is_empty() || text.len() > MAX_TEXT {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return number(text.parse().ok()?);
    }
    if text.contains('T') { time(text) } else { duration(text).map(Reset::In) }
}

fn number(value: f64) -> Option<Reset> {
    let seconds = if value >= MILLISECONDS { value / 1000.0 } else { value };
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    if time <= MAX_TIME {
        return Some(Reset::In(time));
    }
    UNIX_EPOCH.checked_add(time).map(Reset::At)
}

/// Numbers with units, largest first or not.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut sum = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (value, unit) = rest.split_at_checked(digits)?;
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at_checked(end)?;
        let seconds = match unit {
            "d" => 86_400.0,
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "\u{b5}s" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let part = Duration::try_from_secs_f64(value.parse::<f64>().ok()? * seconds).ok()?;
        sum = sum.checked_add(part)?;
        rest = after;
    }
    (sum <= MAX_TIME).then_some(sum)
}

/// RFC 3339, in UTC or with an offset; the fraction is left out.
fn time(text: &str) -> Option<Reset> {
    let number = |from: usize, len: usize| {
        let digits = text.get(from..from + len)?;
        let digits = digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)?;
        digits.parse::<u64>().ok()
    };
    let marks = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")];
    if marks.iter().any(|(at, mark)| text.get(*at..*at + 1) != Some(*mark)) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let clock = number(11, 2)? * 3600 + number(14, 2)? * 60 + number(17, 2)?;
    let seconds = days(year, month, day)? * 86_400 + clock;
    let zone = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let seconds = match zone.split_at_checked(1)? {
        ("Z", "") => seconds,
        (sign @ ("+" | "-"), offset) => {
            let (hours, minutes) = offset.split_once(':')?;
            let offset = hours
                .parse::<u64>()
                .ok()?
                .checked_mul(3600)?
                .checked_add(minutes.parse::<u64>().ok()?.checked_mul(60)?)?;
            if sign == "+" { seconds.checked_sub(offset)? } else { seconds.checked_add(offset)? }
        }
        _ => return None,
    };
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).map(Reset::At)
}

/// Days from 1970 to a date (Howard Hinnant's `days_from_civil`).
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let shifted = year - u64::from(month <= 2);
    let (era, year_of_era) = (shifted / 400, shifted % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_forms_of_providers() {
        let after = |millis: u64| Some(Reset::In(Duration::from_millis(millis)));
        let at = |seconds: u64| Some(Reset::At(UNIX_EPOCH + Duration::from_secs(seconds)));
        let cases = [
            ("6ms", after(6)),
            ("1s", after(1_000)),
            ("1m2s", after(62_000)),
            ("6m0s", after(360_000)),
            ("8.64s", after(8_640)),
            ("1h0m1.5s", after(3_601_500)),
            ("0s", after(0)),
            ("59", after(59_000)),
            ("0.5", after(500)),
            ("0", after(0)),
            ("1795325270", at(1_795_325_270)),
            ("1795325270000", at(1_795_325_270)),
            ("2026-11-22T05:27:50Z", at(1_795_325_270)),
            ("2026-11-22T05:27:50.123456Z", at(1_795_325_270)),
            ("2026-11-22T06:27:50+01:00", at(1_795_325_270)),
            ("2026-11-22T04:57:50-00:30", at(1_795_325_270)),
            ("", None),
            ("soon", None),
            ("1x", None),
            ("s", None),
            ("1", after(1_000)),
            ("9999d", None),
            ("2026-13-22T05:27:50Z", None),
            ("2026-11-22T05:27:50", None),
            ("2026-11-22", None),
            ("-5", None),
            ("1..5s", None),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_not(text in "[-0-9.:TZ+a-z\u{b5}]{0,70}") {
            let _ = read(&text);
        }
    }
}
