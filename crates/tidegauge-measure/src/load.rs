//! Turns the text of a price list into [`Prices`], whichever known form it has, or into every mistake
//! in it.
//!
//! A list that begins as an array is in the public catalogue's form, one that begins as an object in
//! LiteLLM's. Must not know: where the text is from.

use std::sync::Arc;
use std::time::SystemTime;

use genai_prices::Calculator;
use serde_json::Value;

use crate::Prices;
use crate::litellm;
use crate::mistake::{CatalogueError, CatalogueMistake};
use crate::price::Source;

/// The forms that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// The public catalogue's (genai-prices, version 2): providers with their models.
    GenaiPrices,
    /// LiteLLM's (`model_prices_and_context_window.json`): models by name.
    LiteLlm,
}

impl Form {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::GenaiPrices => "genai-prices",
            Self::LiteLlm => "litellm",
        }
    }

    /// The form that a text begins like, whether it can be read or not.
    pub fn of(data: &[u8]) -> Option<Self> {
        match data.trim_ascii_start().first()? {
            b'[' => Some(Self::GenaiPrices),
            b'{' => Some(Self::LiteLlm),
            _ => None,
        }
    }
}

/// Most mistakes that are told.
const MOST_MISTAKES: usize = 100;

impl Prices {
    /// Reads a price list of either form. `label` is its version and date as records show it, `dated`
    /// the date itself. `ours` tells our id of a provider that LiteLLM's list names.
    ///
    /// # Errors
    /// Every mistake, with its key.
    pub fn read(
        data: &[u8],
        label: &str,
        dated: SystemTime,
        ours: &dyn Fn(&str) -> Option<&'static str>,
    ) -> Result<Self, CatalogueError> {
        let source = match Form::of(data) {
            Some(Form::GenaiPrices) => public(data)?,
            Some(Form::LiteLlm) => {
                Source::Table(Arc::new(litellm::read(data, ours).map_err(CatalogueError)?))
            }
            None => {
                let what = "expected JSON: a list of providers, or an object of models";
                return Err(CatalogueError(vec![CatalogueMistake::new("", what.to_owned())]));
            }
        };
        Ok(Self::new(source, label, dated))
    }

    /// How many models the list has.
    pub fn models(&self) -> usize {
        self.first_list().models().count()
    }
}

fn public(data: &[u8]) -> Result<Source, CatalogueError> {
    match Calculator::from_json(data) {
        Ok(calculator) if calculator.providers().next().is_some() => {
            Ok(Source::Loaded(Arc::new(calculator)))
        }
        Ok(_) => {
            Err(CatalogueError(vec![CatalogueMistake::new("", "no provider in it".to_owned())]))
        }
        Err(whole) => {
            let mut mistakes = all_mistakes(data);
            mistakes.truncate(MOST_MISTAKES);
            if mistakes.is_empty() {
                // Each part is good and the whole is not, such as a provider that is there twice.
                mistakes.push(CatalogueMistake::new("", whole.to_string()));
            }
            Err(CatalogueError(mistakes))
        }
    }
}

/// The catalogue's reader stops at its first mistake, so each model is shown to it alone.
fn all_mistakes(data: &[u8]) -> Vec<CatalogueMistake> {
    let Ok(Value::Array(providers)) = serde_json::from_slice(data) else { return Vec::new() };
    providers.iter().flat_map(provider_mistakes).collect()
}

fn provider_mistakes(provider: &Value) -> Vec<CatalogueMistake> {
    let refusal = |provider: &Value| {
        let text = Value::Array(vec![provider.clone()]).to_string();
        Calculator::from_json(text).err().map(|error| error.to_string())
    };
    let Some(whole) = refusal(provider) else { return Vec::new() };
    let id = provider.get("id").and_then(Value::as_str).unwrap_or("a provider without id");
    let with = |models: Vec<Value>| {
        let mut provider = provider.clone();
        if let Some(of) = provider.as_object_mut() {
            of.insert("models".to_owned(), Value::Array(models));
        }
        provider
    };
    if let Some(what) = refusal(&with(Vec::new())) {
        return vec![CatalogueMistake::new(id, what)];
    }
    let models = provider.get("models").and_then(Value::as_array);
    let mistakes: Vec<_> = models
        .into_iter()
        .flatten()
        .filter_map(|model| {
            let what = refusal(&with(vec![model.clone()]))?;
            let name = model.get("id").and_then(Value::as_str).unwrap_or("a model without id");
            Some(CatalogueMistake::new(&format!("{id}/{name}"), what))
        })
        .collect();
    if mistakes.is_empty() { vec![CatalogueMistake::new(id, whole)] } else { mistakes }
}
