//! Remembers responses that were not over when they were asked for, until an answer says what they
//! used: so that they are accounted once, however often they are fetched.
//!
//! In: what exchanges say of such responses, in the order in which they end. Out: which exchange tells
//! usage and cost, and which does not. Bounded: past [`MOST`] the oldest is forgotten and counted. Must
//! not know a provider's format, nor what anything costs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use indexmap::IndexMap;
use tidegauge_core::{Exchange, Health, Labels, Observation};
use tidegauge_wire::{Background, Spent};

/// How many responses are remembered.
const MOST: usize = 4096;

/// Where an exchange's usage and cost are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accounted {
    /// With the exchange itself.
    Here,
    /// Later: the response goes on.
    Later,
    /// Here, for a response that was asked for at this time.
    Since(SystemTime),
    /// Elsewhere: by another exchange, before, later, or by another process.
    Elsewhere,
}

/// The responses that are not over, the oldest first. It is of one process, and is empty when that begins.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<IndexMap<Key, Asked>>);

/// Upstream and the provider's id.
type Key = (Arc<str>, Arc<str>);

/// What is remembered of the call that asked.
#[derive(Debug)]
struct Asked {
    at: SystemTime,
    model: Option<String>,
    service_tier: Option<String>,
    labels: Labels,
}

impl Memory {
    /// Decides where an exchange is accounted. What a response came to goes into the first exchange
    /// that knows it, with the model that was asked for and who asked, unless that exchange says so
    /// itself. Of a response that nobody here was seen to ask for, or that was over at once, nothing
    /// is told.
    pub(crate) fn settle(
        &self,
        said: Option<Background>,
        exchange: &mut Exchange,
        seen: &mut Observation,
        health: &Health,
    ) -> Accounted {
        match said {
            None => Accounted::Here,
            Some(Background::Begun) => {
                self.remember(exchange, seen, health);
                Accounted::Later
            }
            Some(Background::Open) => Accounted::Elsewhere,
            Some(Background::Over(spent)) => match self.take(exchange, seen, health) {
                Some(asked) => tell(asked, *spent, exchange, seen),
                None => Accounted::Elsewhere,
            },
        }
    }

    fn remember(&self, exchange: &Exchange, seen: &Observation, health: &Health) {
        let Some(key) = key(exchange, seen) else { return };
        let mut labels = exchange.labels.clone();
        labels.or(seen.request.labels.clone());
        // Which request it was is not who asked.
        labels.request_id = None;
        let asked = Asked {
            at: exchange.started,
            model: seen.request.model.clone(),
            service_tier: seen.request.service_tier.clone(),
            labels,
        };
        let mut known = self.known();
        let before = known.len();
        // The latest call that asked for it counts, and is the youngest.
        known.shift_remove(&key);
        known.insert(key, asked);
        if known.len() > MOST {
            known.shift_remove_index(0);
            health.response_forgotten();
        }
        if known.len() > before {
            health.responses_open_changed(1);
        }
    }

    fn take(&self, exchange: &Exchange, seen: &Observation, health: &Health) -> Option<Asked> {
        let key = key(exchange, seen)?;
        let asked = self.known().shift_remove(&key)?;
        health.responses_open_changed(-1);
        Some(asked)
    }

    /// Nothing in here is left half-done by a panic.
    fn known(&self) -> MutexGuard<'_, IndexMap<Key, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(exchange: &Exchange, seen: &Observation) -> Option<Key> {
    let id = seen.response.id.as_deref()?;
    Some((Arc::clone(&exchange.to.name), id.into()))
}

fn tell(asked: Asked, spent: Spent, exchange: &mut Exchange, seen: &mut Observation) -> Accounted {
    let Asked { at, model, service_tier, labels } = asked;
    exchange.labels.or(labels);
    seen.request.model = model;
    seen.request.service_tier = service_tier;
    seen.usage = spent.usage;
    seen.outcome = spent.outcome;
    Accounted::Since(at)
}

#[cfg(test)]
mod tests;
