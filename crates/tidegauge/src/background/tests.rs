//! Each response is accounted once, by the exchange that first knows what it came to.

use tidegauge_core::{Category, Outcome, Response, Usage};

use super::*;
use crate::testing::exchange;

fn seen(id: &str) -> Observation {
    let response = Response { id: Some(id.to_owned()), ..Response::default() };
    Observation { response, ..Observation::default() }
}

fn over() -> Option<Background> {
    let usage = Usage { input: Some(7), ..Usage::default() };
    let outcome = Outcome { category: Some(Category::Truncated), ..Outcome::default() };
    Some(Background::Over(Box::new(Spent { usage, outcome })))
}

#[test]
fn the_first_fetch_that_finds_it_over_tells_it() {
    let (memory, health) = (Memory::default(), Health::default());
    let mut asking = exchange();
    asking.labels.user = Some("u".to_owned());
    asking.labels.request_id = Some("1".to_owned());
    let asked = asking.started;
    let mut asks = seen("r1");
    asks.request.model = Some("m".to_owned());
    asks.request.labels.session = Some("s".to_owned());
    let begun = memory.settle(Some(Background::Begun), &mut asking, &mut asks, &health);
    assert_eq!((begun, health.responses_open()), (Accounted::Later, 1));

    let settle = |said: Option<Background>, id: &str| {
        let (mut exchange, mut seen) = (exchange(), seen(id));
        let accounted = memory.settle(said, &mut exchange, &mut seen, &health);
        (accounted, exchange, seen)
    };
    assert_eq!(settle(Some(Background::Open), "r1").0, Accounted::Elsewhere);
    assert_eq!(settle(over(), "r2").0, Accounted::Elsewhere, "nobody asked for it here");
    assert_eq!(settle(None, "r1").0, Accounted::Here);
    let (accounted, exchange, told) = settle(over(), "r1");
    assert_eq!(accounted, Accounted::Since(asked));
    assert_eq!((told.usage.input, told.outcome.category), (Some(7), Some(Category::Truncated)));
    assert_eq!(told.request.model.as_deref(), Some("m"));
    let labels = &exchange.labels;
    assert_eq!((labels.user.as_deref(), labels.session.as_deref()), (Some("u"), Some("s")));
    assert_eq!(labels.request_id, None);
    let (accounted, _, again) = settle(over(), "r1");
    assert_eq!((accounted, again.usage.input), (Accounted::Elsewhere, None));
    assert_eq!((health.responses_open(), health.responses_forgotten()), (0, 0));
}

#[test]
fn the_same_id_elsewhere_is_another_response() {
    let (memory, health) = (Memory::default(), Health::default());
    memory.settle(Some(Background::Begun), &mut exchange(), &mut seen("r"), &health);
    let mut other = exchange();
    other.to.name = "other".into();
    assert_eq!(memory.settle(over(), &mut other, &mut seen("r"), &health), Accounted::Elsewhere);
    assert_eq!(health.responses_open(), 1);
}

#[test]
fn past_the_bound_the_oldest_is_forgotten_and_counted() {
    let (memory, health) = (Memory::default(), Health::default());
    let begin = |number: usize| {
        let mut seen = seen(&format!("r{number}"));
        memory.settle(Some(Background::Begun), &mut exchange(), &mut seen, &health);
    };
    (0..MOST).for_each(begin);
    // Asked for once more, it is the youngest.
    begin(0);
    assert_eq!((health.responses_open(), health.responses_forgotten()), (MOST as i64, 0));
    begin(MOST);
    assert_eq!((health.responses_open(), health.responses_forgotten()), (MOST as i64, 1));
    let settle = |id: &str| memory.settle(over(), &mut exchange(), &mut seen(id), &health);
    assert_eq!(settle("r1"), Accounted::Elsewhere);
    assert!(matches!(settle("r0"), Accounted::Since(_)));
    assert_eq!(health.responses_open(), MOST as i64 - 1);
}
