//! Turns what is billed of a call into parts that are asked about as if each were a call.
//!
//! Fees, searches and time go with the first part. Must not know: prices.

use std::time::Duration;

use tidegauge_core::{Billed, Usage};

use crate::asked::Asked;

/// One part of a bill.
#[derive(Debug)]
pub(crate) struct Part {
    /// The model, if it is another than the one that answered.
    model: Option<String>,
    usage: Usage,
    first: bool,
}

/// The parts; none where the usage itself is what is billed.
pub(crate) fn parts(usage: &Usage) -> Vec<Part> {
    let part = |(place, billed): (usize, &Billed)| {
        let first = place == 0;
        let mut own = Usage {
            source: usage.source,
            searches: usage.searches.filter(|_| first),
            grounded_prompts: usage.grounded_prompts.filter(|_| first),
            file_searches: usage.file_searches.filter(|_| first),
            hosted_tools: usage.hosted_tools.filter(|_| first),
            search_size: usage.search_size.clone().filter(|_| first),
            audio_seconds: usage.audio_seconds.filter(|_| first),
            region: usage.region.clone(),
            ..Usage::default()
        };
        for (bucket, count) in &billed.tokens {
            *own.bucket_mut(*bucket) = Some(*count);
        }
        Part { model: billed.model.clone(), usage: own, first }
    };
    usage.billed.iter().enumerate().map(part).collect()
}

impl Part {
    /// The question for this part of a call. The length of its own prompt chooses the tier, unless
    /// it adds several calls up.
    pub(crate) fn asked<'a>(&'a self, call: &Asked<'a>) -> Asked<'a> {
        let model = self.model.as_deref();
        Asked {
            usage: &self.usage,
            request_model: call.request_model.filter(|_| model.is_none()),
            response_model: model.or(call.response_model),
            prompt: call.prompt.filter(|_| call.calls > 1),
            calls: if self.first { call.calls } else { 0 },
            duration: if self.first { call.duration } else { Duration::ZERO },
            ..*call
        }
    }
}
