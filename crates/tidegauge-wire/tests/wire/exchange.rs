//! One exchange as data, and how to show it to an observer.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tidegauge_core::{Content, Dialect, Exchange, Head, Observation, Texts, testing};
use tidegauge_wire::{Concluded, Observer, Provider, Wanted, provider};

/// What was sent and answered.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) kind: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) request_headers: HeaderMap,
    pub(crate) request: Vec<u8>,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) response: Vec<u8>,
}

impl Case {
    /// An observation of the case with its bodies cut by `cut`: for how many bytes the next piece is.
    pub(crate) fn observe(&self, mut cut: impl FnMut(usize) -> usize) -> Observation {
        self.observe_as(&mut cut, |_| {})
    }

    /// What was said, and the observation, with the bodies cut the same way.
    pub(crate) fn overhear(
        &self,
        wanted: Wanted,
        cut: &mut dyn FnMut(usize) -> usize,
        change: impl FnOnce(&mut Exchange),
    ) -> (Observation, Option<Box<Content>>) {
        let provider = self.provider();
        let Concluded { observation, words, .. } = self.watch(provider, wanted, cut, change);
        (observation, words)
    }

    /// The same as a provider reads it that need not be on the list.
    pub(crate) fn overhear_by(
        &self,
        provider: &'static dyn Provider,
        wanted: Wanted,
    ) -> (Observation, Option<Box<Content>>) {
        let Concluded { observation, words, .. } =
            self.watch(provider, wanted, &mut |left| left, |_| {});
        (observation, words)
    }

    /// The same for an exchange that went another way.
    pub(crate) fn observe_as(
        &self,
        cut: &mut dyn FnMut(usize) -> usize,
        change: impl FnOnce(&mut Exchange),
    ) -> Observation {
        self.observe_by(self.provider(), cut, change)
    }

    pub(crate) fn provider(&self) -> &'static dyn Provider {
        provider(&self.kind).expect("a provider of that kind")
    }

    /// The same as a provider reads it that need not be on the list.
    pub(crate) fn observe_by(
        &self,
        provider: &'static dyn Provider,
        cut: &mut dyn FnMut(usize) -> usize,
        change: impl FnOnce(&mut Exchange),
    ) -> Observation {
        self.watch(provider, Wanted::default(), cut, change).observation
    }

    /// The same, with what counting and checking need.
    pub(crate) fn observe_with_texts(
        &self,
        cut: &mut dyn FnMut(usize) -> usize,
        change: impl FnOnce(&mut Exchange),
    ) -> (Observation, Texts) {
        let Concluded { observation, texts, .. } =
            self.watch(self.provider(), Wanted::default(), cut, change);
        (observation, texts)
    }

    /// Everything that comes of it.
    pub(crate) fn watch(
        &self,
        provider: &'static dyn Provider,
        wanted: Wanted,
        cut: &mut dyn FnMut(usize) -> usize,
        change: impl FnOnce(&mut Exchange),
    ) -> Concluded {
        let head = self.head();
        let operation = provider.matched(head).operation;
        let mut observer = Observer::new(provider, operation, head);
        observer.keep_words(wanted);
        observer.sample_texts();
        let mut clock = 0;
        let mut tick = || {
            clock += 1;
            Duration::from_millis(clock)
        };
        pieces(&self.request, cut, |piece| observer.request(tick(), piece));
        observer.response_head(tick(), self.status, &self.headers);
        pieces(&self.response, cut, |piece| observer.response(tick(), piece));
        let mut exchange = exchange(provider, self);
        exchange.operation = operation;
        change(&mut exchange);
        observer.conclude(&exchange)
    }

    pub(crate) fn head(&self) -> Head<'_> {
        Head {
            method: &self.method,
            path: &self.path,
            query: self.query.as_deref(),
            headers: &self.request_headers,
        }
    }
}

/// Header fields from name and value pairs.
pub(crate) fn headers<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        map.append(name, HeaderValue::from_str(value).expect("a header value"));
    }
    map
}

fn pieces(body: &[u8], cut: &mut dyn FnMut(usize) -> usize, mut show: impl FnMut(&[u8])) {
    let mut rest = body;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(cut(rest.len()).clamp(1, rest.len()));
        show(piece);
        rest = tail;
    }
}

/// An exchange as the data plane would tell it.
pub(crate) fn exchange(dialect: &'static dyn Provider, case: &Case) -> Exchange {
    let dialect: &'static dyn Dialect = dialect;
    Exchange {
        method: case.method.clone(),
        path: case.path.clone(),
        query: case.query.clone(),
        status: Some(case.status),
        request_bytes: case.request.len() as u64,
        upstream_bytes: case.response.len() as u64,
        response_bytes: case.response.len() as u64,
        ..testing::exchange(&testing::upstream(dialect))
    }
}
