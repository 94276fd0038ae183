//! Tells what an exchange says of a response that may last longer than the call that asks for it from
//! what the exchange itself comes to.
//!
//! Such a response is asked for once and then fetched, any number of times, and each fetch tells its
//! usage again. Nothing here remembers: who does decides which fetch counts. It must not know a format.

use tidegauge_core::{Exchange, Observation, Outcome, Usage};

use crate::outcome::{self, Facts};
use crate::provider::Provider;

/// How far a response is that may last longer than the call that asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Not over.
    Open,
    /// Over, however it ended.
    Over,
}

/// What an exchange says of a response that lasts longer than the call that asked for it. Its id is
/// the observation's `response.id`.
#[derive(Clone, PartialEq, Debug)]
pub enum Background {
    /// It was asked for, and is not over: what it uses is told by a later answer.
    Begun,
    /// It was asked for before, and is not known to be over.
    Open,
    /// It was asked for before, and is over. This is not in the observation: it is to be told once.
    Over(Box<Spent>),
}

/// What a response came to that lasted longer than the call that asked for it.
#[derive(Clone, PartialEq, Debug)]
pub struct Spent {
    /// What it used.
    pub usage: Usage,
    /// How it ended.
    pub outcome: Outcome,
}

/// Splits what is seen. `fetched`: the id under which something is fetched, if nothing is made here; then
/// what is left in `seen` is about the fetch.
pub(crate) fn split(
    exchange: &Exchange,
    seen: &mut Observation,
    stage: Option<Stage>,
    fetched: Option<String>,
    facts: Facts,
    provider: &dyn Provider,
) -> Option<Background> {
    let Some(id) = fetched else {
        return (stage == Some(Stage::Open)).then_some(Background::Begun);
    };
    seen.response.id.get_or_insert(id);
    // When its words were first said is not known here.
    (seen.times.first_token, seen.times.last_token) = (None, None);
    let usage = std::mem::take(&mut seen.usage);
    let own = outcome::judge_fetch(exchange, seen, facts, provider);
    let outcome = std::mem::replace(&mut seen.outcome, own);
    // Where parts are missing, another fetch may tell more.
    let whole = usage.is_known() || facts.understood;
    Some(match stage {
        Some(Stage::Over) if whole => Background::Over(Box::new(Spent { usage, outcome })),
        _ => Background::Open,
    })
}
