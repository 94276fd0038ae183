//! On which terms calls like this one were priced before: to go through names, lists and rules again
//! for every call would cost more than all the rest of a record.
//!
//! What was found holds for one minute of the calls' own time, because prices have dates and times of day
//! that begin with one, and for calls that used the same kinds of things. That there are no terms is an
//! answer too. Must not know: what terms are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use tidegauge_core::{Bucket, Unpriced};

use crate::asked::Asked;

/// The most questions that are remembered; when there are more, all are forgotten.
const QUESTIONS: usize = 512;

/// The longest question, in bytes. A longer one is not remembered.
const LONGEST: usize = 512;

/// The terms, none for what is free, or why there are none.
pub(crate) type Deal<T> = Result<Option<Arc<T>>, Unpriced>;

/// Terms by question.
#[derive(Debug)]
pub(crate) struct Deals<T>(Mutex<HashMap<Box<[u8]>, Deal<T>>>);

impl<T> Default for Deals<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Deals<T> {
    pub(crate) fn get(&self, question: &[u8]) -> Option<Deal<T>> {
        // A panic under this lock leaves answers that are whole.
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(question).cloned()
    }

    pub(crate) fn insert(&self, question: Vec<u8>, deal: Deal<T>) {
        if question.len() > LONGEST {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= QUESTIONS {
            known.clear();
        }
        known.insert(question.into_boxed_slice(), deal);
    }
}

/// Everything that terms depend on, as bytes.
pub(crate) fn question(asked: &Asked<'_>) -> Vec<u8> {
    let usage = asked.usage;
    let minute = asked.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 60;
    let mut bytes = Vec::with_capacity(192);
    bytes.extend_from_slice(&minute.to_le_bytes());
    let used = |count: Option<u64>| u8::from(count.is_some_and(|count| count > 0));
    bytes.extend(Bucket::ALL.map(|bucket| used(usage.get(bucket))));
    bytes.extend([
        used(usage.searches),
        used(usage.grounded_prompts),
        used(usage.file_searches),
        used(usage.hosted_tools),
        used(Some(asked.calls)),
        u8::from(usage.audio_seconds.is_some()),
        u8::from(asked.tier_stated),
        u8::from(asked.batch),
    ]);
    let told = [
        asked.price_id,
        asked.request_model,
        asked.response_model,
        asked.service_tier,
        usage.region.as_deref(),
        usage.search_size.as_deref(),
        Some(asked.provider),
    ];
    for text in told {
        bytes.push(u8::from(text.is_some()));
        let text = text.unwrap_or_default();
        bytes.extend_from_slice(&text.len().to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use tidegauge_core::Usage;

    use super::*;

    fn asked<'a>(usage: &'a Usage, model: &'a str) -> Asked<'a> {
        Asked {
            upstream: "up",
            provider: "kind",
            price_id: None,
            request_model: Some(model),
            response_model: None,
            usage,
            prompt: None,
            calls: 1,
            service_tier: None,
            tier_stated: false,
            batch: false,
            at: SystemTime::UNIX_EPOCH,
            duration: Duration::ZERO,
        }
    }

    #[test]
    fn whatever_terms_depend_on_keeps_them_apart() {
        let usage = Usage { input: Some(1), ..Usage::default() };
        let more = Usage { input: Some(2), ..Usage::default() };
        let other = Usage { output: Some(1), ..usage.clone() };
        let there = Usage { region: Some("us".into()), ..usage.clone() };
        let sized = Usage { search_size: Some("us".into()), ..usage.clone() };
        let searched = Usage { searches: Some(1), ..usage.clone() };
        let one = asked(&usage, "a");
        assert_eq!(question(&one), question(&asked(&more, "a")));
        let late = one.at + Duration::from_secs(60);
        let questions = [
            question(&one),
            question(&asked(&usage, "b")),
            question(&asked(&other, "a")),
            question(&asked(&there, "a")),
            question(&asked(&sized, "a")),
            question(&asked(&searched, "a")),
            question(&Asked { request_model: None, response_model: Some("a"), ..one }),
            question(&Asked { price_id: Some(""), ..one }),
            question(&Asked { provider: "other", ..one }),
            question(&Asked { service_tier: Some("flex"), ..one }),
            question(&Asked { tier_stated: true, ..one }),
            question(&Asked { batch: true, ..one }),
            question(&Asked { calls: 0, ..one }),
            question(&Asked { at: late, ..one }),
        ];
        for (place, question) in questions.iter().enumerate() {
            assert!(!questions.iter().skip(place + 1).any(|other| other == question), "{place}");
        }
    }

    #[test]
    fn so_many_are_remembered_and_none_that_is_long() {
        let deals = Deals::<()>::default();
        for number in 0..QUESTIONS * 2 {
            deals.insert(number.to_le_bytes().to_vec(), Ok(None));
            assert!(deals.0.lock().unwrap().len() <= QUESTIONS);
        }
        deals.insert(vec![0; LONGEST + 1], Ok(None));
        assert!(deals.get(&[0; LONGEST + 1]).is_none());
    }
}
