//! Points in time as text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// UTC with milliseconds, `2026-11-22T05:27:50.049Z`. A time before 1970 is shown as 1970.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

/// Year, month and day of a day since 1970 (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The time that [`rfc3339`] writes; `None` for any other form.
pub fn from_rfc3339(text: &str) -> Option<SystemTime> {
    let number = |from: usize, len: usize| text.get(from..from + len)?.parse::<u64>().ok();
    let marks = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "."), (23, "Z")];
    if text.len() != 24 || marks.iter().any(|(at, mark)| text.get(*at..*at + 1) != Some(*mark)) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let shifted = year.checked_sub(u64::from(month <= 2))?;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let (era, year_of_era) = (shifted / 400, shifted % 400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    let seconds = days * 86_400 + number(11, 2)? * 3600 + number(14, 2)? * 60 + number(17, 2)?;
    let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(number(20, 3)?);
    // What is no date (month 13) is one of another name.
    (rfc3339(time) == text).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_with_milliseconds() {
        let table = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_325_270_049, "2026-11-22T05:27:50.049Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (ms, expected) in table {
            let time = UNIX_EPOCH + Duration::from_millis(ms);
            assert_eq!(rfc3339(time), expected);
            assert_eq!(from_rfc3339(expected), Some(time));
        }
        for odd in [
            "",
            "2026-11-22",
            "2026-13-22T05:27:50.049Z",
            "2026-02-30T05:27:50.049Z",
            "2026-11-22T24:00:00.000Z",
            "2026-11-22T05:27:50.049+",
            "1969-12-31T23:59:59.999Z",
            "2026-11-22T05:27:5\u{e9}049Z",
        ] {
            assert_eq!(from_rfc3339(odd), None, "{odd}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_time_is_read_as_it_is_written(ms in 0_u64..253_402_300_799_999) {
            let time = UNIX_EPOCH + Duration::from_millis(ms);
            proptest::prop_assert_eq!(from_rfc3339(&rfc3339(time)), Some(time));
        }

        #[test]
        fn any_text_is_a_time_or_not(text in "\\PC{0,30}") {
            let _ = from_rfc3339(&text);
        }
    }
}
