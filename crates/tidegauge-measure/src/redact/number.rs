//! Card, bank account, telephone and social security numbers, by their digits.
//!
//! A form without a check sum is taken only as people write it, so that counts, dates and versions
//! stay: a telephone number begins with `+` or `0`, or is grouped as in North America.

use super::{Found, Word, fresh, run};

pub(super) fn find(text: &[u8], found: &mut Vec<Found>) {
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(|rest| rest.iter().position(is_start)) {
        let here = at + next;
        if let Some(end) = escape(text, here) {
            at = end;
            continue;
        }
        let one = match text.get(here) {
            Some(b'+') => international(text, here),
            Some(b'(') => bracketed(text, here),
            _ => iban(text, here).or_else(|| grouped(text, here)),
        };
        // The digits of one group are looked at once, from the first.
        at = one.map_or_else(|| here + digits(text, here).max(1), |one| one.end);
        found.extend(one);
    }
}

fn is_start(byte: &u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'+' | b'(')
}

/// Where the escape (`\\u0022`, `%20`) ends that holds the digit at `at`, if one does.
fn escape(text: &[u8], at: usize) -> Option<usize> {
    let begins = |back: usize, with: &[u8]| {
        at.checked_sub(back).filter(|start| text.get(*start..).is_some_and(|t| t.starts_with(with)))
    };
    let json = (2..=5).find_map(|back| begins(back, b"\\u")).map(|start| start + 6);
    json.or_else(|| begins(1, b"%").map(|start| start + 3))
}

/// How many digits stand at `at`.
fn digits(text: &[u8], at: usize) -> usize {
    run(text, at, |byte| byte.is_ascii_digit())
}

/// The most groups any of these numbers is written in, and the most digits it has.
const MAX_GROUPS: usize = 6;
const MAX_DIGITS: usize = 19;

/// Digits in groups with one separator between each two, read once for all forms.
struct Groups {
    lengths: [usize; MAX_GROUPS],
    ends: [usize; MAX_GROUPS],
    separators: [u8; MAX_GROUPS],
    digits: [u8; MAX_DIGITS],
    count: usize,
}

/// The first groups of some.
struct Number<'a> {
    /// Digits of each group.
    lengths: &'a [usize],
    /// What stands between them.
    separators: &'a [u8],
    /// The digits.
    digits: &'a [u8],
    /// Where the last group ends.
    end: usize,
}

impl Groups {
    /// What stands at `start`, as far as it is no longer than a number.
    fn read(text: &[u8], start: usize) -> Self {
        let mut read = Self {
            lengths: [0; MAX_GROUPS],
            ends: [start; MAX_GROUPS],
            separators: [0; MAX_GROUPS],
            digits: [0; MAX_DIGITS],
            count: 0,
        };
        let (mut at, mut total) = (start, 0);
        let places = read.lengths.iter_mut().zip(&mut read.ends).zip(&mut read.separators);
        for ((length, end), separator) in places {
            let near = text.get(..text.len().min(at + MAX_DIGITS + 1)).unwrap_or_default();
            let found = digits(near, at);
            let space = read.digits.get_mut(total..total + found);
            let (Some(space), Some(found_digits), true) =
                (space, text.get(at..at + found), found > 0)
            else {
                break;
            };
            space.copy_from_slice(found_digits);
            read.count += 1;
            total += found;
            (*length, *end) = (found, at + found);
            match text.get(at + found) {
                Some(byte @ (b' ' | b'-' | b'.' | b'/')) => *separator = *byte,
                _ => break,
            }
            at += found + 1;
        }
        read
    }

    /// The first `count` groups, if there are so many.
    fn first(&self, count: usize) -> Option<Number<'_>> {
        if count > self.count {
            return None;
        }
        let last = count.checked_sub(1)?;
        let lengths = self.lengths.get(..count)?;
        Some(Number {
            lengths,
            separators: self.separators.get(..last)?,
            digits: self.digits.get(..lengths.iter().sum())?,
            end: *self.ends.get(last)?,
        })
    }
}

impl Number<'_> {
    /// Whether all separators are this one.
    fn by(&self, separator: u8) -> bool {
        self.separators.iter().all(|one| *one == separator)
    }

    fn begins(&self, with: &[u8]) -> bool {
        self.digits.starts_with(with)
    }
}

/// Whether a number may end at `end`: what follows does not continue it.
fn ends(text: &[u8], end: usize) -> bool {
    match text.get(end) {
        Some(byte) if byte.is_ascii_alphanumeric() => false,
        Some(b'-' | b'.') => !text.get(end + 1).is_some_and(u8::is_ascii_digit),
        _ => true,
    }
}

/// Whether a number may begin at `at`: it is no part of a word, a fraction or a longer number.
fn begins(text: &[u8], at: usize, separators: &[u8]) -> bool {
    let back = |by: usize| at.checked_sub(by).and_then(|before| text.get(before)).copied();
    let joined = back(1).is_some_and(|byte| separators.contains(&byte))
        && back(2).is_some_and(|byte| byte.is_ascii_digit());
    fresh(text, at) && !joined
}

fn grouped(text: &[u8], at: usize) -> Option<Found> {
    let read = Groups::read(text, at);
    if read.count == 1 && read.lengths.first().is_some_and(|length| *length < 12) {
        return None;
    }
    // Another number may follow after a space, so shorter groupings are tried too.
    (1..=read.count).rev().find_map(|count| {
        let number = read.first(count)?;
        let (word, end) = if card(text, at, &number) {
            (Word::Card, number.end)
        } else if social(text, at, &number) {
            (Word::Ssn, number.end)
        } else if trunk(text, at, &number) || american(text, at, &number) {
            (Word::Phone, extension(text, number.end))
        } else {
            return None;
        };
        let whole = word == Word::Card || ends(text, end);
        whole.then_some(Found { start: at, end, word })
    })
}

fn card(text: &[u8], at: usize, number: &Number<'_>) -> bool {
    let written = match number.lengths {
        [_] => !text.get(number.end).is_some_and(u8::is_ascii_alphanumeric),
        [4, 4, 4, 4] | [4, 4, 4, 1] | [4, 4, 4, 4, 1..=3] | [4, 6, 4 | 5] => {
            number.by(b' ') || number.by(b'-') || number.by(b'.')
        }
        _ => false,
    };
    written && card_form(number.digits) && luhn(number.digits) && begins(text, at, b".,")
}

/// Whether a network issues numbers that begin like this, of this length.
fn card_form(digits: &[u8]) -> bool {
    let number = |count: usize| {
        let first = digits.iter().take(count);
        first.fold(0_u32, |sum, digit| sum * 10 + u32::from(digit.saturating_sub(b'0')))
    };
    let length = digits.len();
    match number(1) {
        4 => matches!(length, 13 | 16 | 19),
        3 if matches!(number(2), 34 | 37) => length == 15,
        3 => matches!(number(2), 30 | 35 | 36 | 38 | 39) && (14..=19).contains(&length),
        5 if (51..=55).contains(&number(2)) => length == 16,
        5 | 6 => (12..=19).contains(&length),
        2 if (2221..=2720).contains(&number(4)) => length == 16,
        1 | 2 => matches!(number(4), 1800 | 2131) && length == 15,
        _ => false,
    }
}

/// The check sum of ISO/IEC 7812.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(digit.saturating_sub(b'0')) << (place % 2);
            if value > 9 { value - 9 } else { value }
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != b'0')
}

/// Lengths of account numbers by country (ISO 13616 registry).
const IBAN: &[u8] = b"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24\
FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24\
ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24\
TR26UA29VA22VG24XK20YE30";

fn iban(text: &[u8], at: usize) -> Option<Found> {
    let start = at.checked_sub(2)?;
    let country: [u8; 2] = text.get(start..at)?.try_into().ok()?;
    if !country.iter().all(u8::is_ascii_alphabetic) || !fresh(text, start) {
        return None;
    }
    let country = country.to_ascii_uppercase();
    let entry = IBAN.chunks_exact(4).find(|entry| entry.starts_with(&country))?;
    let length = entry.iter().skip(2).fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
    let mut signs = Vec::with_capacity(length);
    let mut end = start;
    while signs.len() < length {
        match text.get(end) {
            Some(byte) if byte.is_ascii_alphanumeric() => signs.push(*byte),
            Some(b' ' | b'-')
                if signs.len() % 4 == 0
                    && text.get(end - 1).is_some_and(u8::is_ascii_alphanumeric) => {}
            _ => return None,
        }
        end += 1;
    }
    let checks = signs.iter().skip(2).take(2).all(u8::is_ascii_digit);
    let is = checks && mod97(&signs) == 1 && !text.get(end).is_some_and(u8::is_ascii_alphanumeric);
    is.then_some(Found { start, end, word: Word::Iban })
}

/// The remainder of ISO 7064, with the first four signs moved to the end and letters as 10 to 35.
fn mod97(signs: &[u8]) -> u32 {
    let (first, rest) = signs.split_at(signs.len().min(4));
    rest.iter().chain(first).fold(0, |remainder, sign| {
        if sign.is_ascii_digit() {
            (remainder * 10 + u32::from(sign - b'0')) % 97
        } else {
            (remainder * 100 + u32::from(sign.to_ascii_uppercase().saturating_sub(b'A')) + 10) % 97
        }
    })
}

/// Whether these can be a social security number of the United States.
fn social(text: &[u8], at: usize, number: &Number<'_>) -> bool {
    number.lengths == [3, 2, 4]
        && number.by(b'-')
        && !number.begins(b"000")
        && !number.begins(b"666")
        && !number.begins(b"9")
        && number.digits.get(3..5) != Some(b"00")
        && number.digits.get(5..) != Some(b"0000")
        && begins(text, at, b"-.")
}

/// `+49 30 1234567`, `+41 (0)71 526 99 04`, `+1-415-555-0132`.
fn international(text: &[u8], at: usize) -> Option<Found> {
    let first = text.get(at + 1).filter(|byte| (b'1'..=b'9').contains(byte))?;
    if !fresh(text, at) {
        return None;
    }
    let lengths = if *first == b'1' { 11..=11 } else { 8..=15 };
    let (mut count, mut dots, mut gap) = (0, 0, 0);
    let mut end = None;
    // Groups of digits, with at most two signs between each two; the longest number wins.
    for (place, byte) in text.iter().enumerate().skip(at + 1).take(32) {
        match byte {
            b'0'..=b'9' => {
                count += 1;
                gap = 0;
                let closed = !text.get(place + 1).is_some_and(u8::is_ascii_digit);
                if closed && lengths.contains(&count) && dots != 1 {
                    end = Some(place + 1);
                }
            }
            b' ' | b'-' | b'(' | b')' | b'/' | b'.' if gap < 2 => {
                gap += 1;
                dots += usize::from(*byte == b'.');
            }
            _ => break,
        }
    }
    Some(Found { start: at, end: extension(text, end?), word: Word::Phone })
}

/// `(415) 555-0132`.
fn bracketed(text: &[u8], at: usize) -> Option<Found> {
    if digits(text, at + 1) != 3 || text.get(at + 4) != Some(&b')') {
        return None;
    }
    let rest = at + 5 + run(text.get(..text.len().min(at + 6))?, at + 5, |byte| byte == b' ');
    let read = Groups::read(text, rest);
    let number = read.first(2)?;
    let is = number.lengths == [3, 4] && fresh(text, at);
    is.then(|| Found { start: at, end: extension(text, number.end), word: Word::Phone })
}

/// Whether these are an area code with its leading zero and a number: `030 1234567`,
/// `06 12 34 56 78`.
fn trunk(text: &[u8], at: usize, number: &Number<'_>) -> bool {
    let Some(first) = number.separators.first().copied() else { return false };
    let zero =
        number.begins(b"0") && !number.begins(b"00") && (9..=12).contains(&number.digits.len());
    if !zero || !begins(text, at, &[b'.', b',', if first == b' ' { b'.' } else { first }]) {
        return false;
    }
    let same = number.by(first);
    match number.lengths {
        // Pairs stand in dumps and tables too, where others go before or after.
        [2, 2, 2, 2, 2] => {
            let more = text.get(number.end) == Some(&b' ') && digits(text, number.end + 1) == 2;
            let before = at.checked_sub(3).and_then(|start| text.get(start..at));
            same && !more && !matches!(before, Some([b'0', b'0'..=b'9', b' ']))
        }
        [code @ 2..=5, rest @ ..] => {
            let spaced = number.separators.iter().skip(1).all(|one| *one == b' ');
            let form = same && rest.len() < 4 || spaced && rest.len() > 1 && *code > 2;
            rest.iter().all(|length| *length >= 2) && first != b'.' && form
        }
        _ => false,
    }
}

/// Whether these are three, three and four digits, perhaps after the country's code: `415-555-0132`,
/// `1-800-555-0199`, `001-415-555-0132`.
fn american(text: &[u8], at: usize, number: &Number<'_>) -> bool {
    let area = match number.lengths {
        [3, 3, 4] => number.digits.first(),
        [1, 3, 3, 4] if number.begins(b"1") => number.digits.get(1),
        [3, 3, 3, 4] if number.begins(b"001") => number.digits.get(3),
        _ => None,
    };
    let joined = number.by(b'-') || number.by(b'.');
    joined && area.is_some_and(|digit| *digit >= b'2') && begins(text, at, b"-.,")
}

/// Where a number with its extension (`x4587`) ends.
fn extension(text: &[u8], end: usize) -> usize {
    let length = digits(text, end + 1);
    if text.get(end) == Some(&b'x') && (1..=5).contains(&length) { end + 1 + length } else { end }
}
