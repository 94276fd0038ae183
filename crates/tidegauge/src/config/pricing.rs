//! Prices as they are written in a file, and as the arithmetic takes them.

use tidegauge_core::Bucket;
use tidegauge_measure::{GpuPrice, OwnPrice, OwnPriceError};

use super::file::{PerMillion, Price};
use super::shape::escape;
use super::value::Amount;

/// The keys of an entry that are prices.
pub(super) const PARTS: [&str; 3] = ["per_million", "per_request", "gpu_hour"];

/// What an entry without any of them is told.
pub(super) const EMPTY: &str = "expected `per_million`, `per_request` or `gpu_hour`";

/// A written price for the arithmetic.
pub(super) fn own(word: &Price) -> OwnPrice {
    let text = |amount: &Amount| amount.0.clone();
    let gpu = |price: &Amount| GpuPrice { usd_per_hour: text(price), gpus: word.gpus.unwrap_or(1) };
    let tokens = word.per_million.iter().flat_map(|tokens| {
        Bucket::ALL.into_iter().filter_map(|bucket| Some((bucket, text(amount(tokens, bucket)?))))
    });
    OwnPrice {
        upstream: word.upstream.clone(),
        model: word.model.clone(),
        usd_per_million: tokens.collect(),
        usd_per_request: word.per_request.as_ref().map(text),
        gpu: word.gpu_hour.as_ref().map(gpu),
    }
}

/// The same price as it is written.
pub(super) fn written(price: &OwnPrice) -> Price {
    let amount = |text: &String| Amount(text.clone());
    let mut tokens = PerMillion::default();
    for (bucket, text) in &price.usd_per_million {
        *slot(&mut tokens, *bucket) = Some(amount(text));
    }
    Price {
        model: escape(&price.model),
        upstream: price.upstream.clone(),
        per_million: Some(tokens).filter(|tokens| *tokens != PerMillion::default()),
        per_request: price.usd_per_request.as_ref().map(amount),
        gpu_hour: price.gpu.as_ref().map(|gpu| amount(&gpu.usd_per_hour)),
        gpus: price.gpu.as_ref().map(|gpu| gpu.gpus),
    }
}

/// Which entry a mistake is in, and what it is.
pub(super) fn told(error: &OwnPriceError) -> (usize, &'static str) {
    match error {
        OwnPriceError::Amount { index, .. } => (*index, Amount::EXPECTED),
        OwnPriceError::Model { index } => (*index, "expected the name of a model, `*` for all"),
        OwnPriceError::Empty { index } => (*index, EMPTY),
        OwnPriceError::Twice { index } => {
            (*index, "this upstream and model are already there; each may stand once")
        }
    }
}

fn amount(tokens: &PerMillion, bucket: Bucket) -> Option<&Amount> {
    let PerMillion {
        input,
        output,
        cache_read,
        cache_read_audio,
        cache_write_5m,
        cache_write_1h,
        input_audio,
        input_image,
        reasoning,
        output_audio,
        output_image,
    } = tokens;
    match bucket {
        Bucket::Input => input,
        Bucket::CacheRead => cache_read,
        Bucket::CacheReadAudio => cache_read_audio,
        Bucket::CacheWrite5m => cache_write_5m,
        Bucket::CacheWrite1h => cache_write_1h,
        Bucket::InputAudio => input_audio,
        Bucket::InputImage => input_image,
        Bucket::Output => output,
        Bucket::Reasoning => reasoning,
        Bucket::OutputAudio => output_audio,
        Bucket::OutputImage => output_image,
    }
    .as_ref()
}

fn slot(tokens: &mut PerMillion, bucket: Bucket) -> &mut Option<Amount> {
    match bucket {
        Bucket::Input => &mut tokens.input,
        Bucket::CacheRead => &mut tokens.cache_read,
        Bucket::CacheReadAudio => &mut tokens.cache_read_audio,
        Bucket::CacheWrite5m => &mut tokens.cache_write_5m,
        Bucket::CacheWrite1h => &mut tokens.cache_write_1h,
        Bucket::InputAudio => &mut tokens.input_audio,
        Bucket::InputImage => &mut tokens.input_image,
        Bucket::Output => &mut tokens.output,
        Bucket::Reasoning => &mut tokens.reasoning,
        Bucket::OutputAudio => &mut tokens.output_audio,
        Bucket::OutputImage => &mut tokens.output_image,
    }
}
