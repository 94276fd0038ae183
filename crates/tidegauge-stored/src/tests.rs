//! What goes in comes out, whatever it is; what never was a line is an error and no panic.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::{Method, Version};
use proptest::option::of;
use proptest::prelude::*;
use tidegauge_core::testing::{self, Mute};
use tidegauge_core::{Destination, Labels, Operation, Origin, SpanId, Trace, TraceId};

use super::*;

static PLAIN: Mute = Mute("plain");

fn plain(kind: &str) -> Option<&'static dyn Dialect> {
    (kind == "plain").then_some(&PLAIN as _)
}

fn text() -> BoxedStrategy<String> {
    "\\PC{0,8}".boxed()
}

fn span() -> impl Strategy<Value = SpanId> {
    any::<[u8; 8]>().prop_map(SpanId)
}

const VERSIONS: [Version; 5] =
    [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3];

prop_compose! {
    fn destination()(texts in proptest::array::uniform3(text()), secure in any::<bool>(), port in any::<u16>())
    -> Destination {
        let [name, host, prefix] = texts;
        let origin = Arc::new(Origin { secure, host, port, prefix });
        Destination { name: name.into(), kind: PLAIN.kind(), provider: PLAIN.provider(), origin }
    }
}

prop_compose! {
    fn trace()(
        trace_id in any::<[u8; 16]>(), parent in of(span()), link in of((any::<[u8; 16]>(), span())),
        [sampled, random] in any::<[bool; 2]>(), caller_counts in of(any::<bool>()),
        server in span(), inference in span(),
    ) -> Trace {
        let link = link.map(|(trace, span)| (TraceId(trace), span));
        let (trace_id, state) = (TraceId(trace_id), "caller-wrote-this".to_owned());
        Trace { trace_id, parent, link, sampled, random, caller_counts, state, server, inference }
    }
}

prop_compose! {
    fn exchange()(
        id in any::<u128>(), started in 0..=u64::MAX / 2, trace in trace(), to in destination(),
        operation in proptest::sample::select(&Operation::ALL[..]), route in text(),
        version in proptest::sample::select(&VERSIONS[..]), secure in any::<bool>(),
    ) -> Exchange {
        let wrote = || Some("caller-wrote-this".to_owned());
        Exchange {
            id: ExchangeId::from_bits(id),
            started: UNIX_EPOCH + Duration::from_nanos(started),
            trace,
            to,
            operation,
            route: route.into(),
            method: Method::POST,
            path: "/caller-wrote-this".to_owned(),
            query: wrote(),
            host: wrote(),
            user_agent: wrote(),
            client: Some(([127, 0, 0, 1], 1).into()),
            labels: Labels { user: wrote(), ..Labels::default() },
            version,
            secure,
            ..testing::exchange(&testing::upstream(&PLAIN))
        }
    }
}

proptest! {
    #[test]
    fn a_line_comes_back_without_what_the_caller_wrote(it in exchange()) {
        let bytes = opening(&it);
        prop_assert!(!bytes.windows(17).any(|part| part == b"caller-wrote-this"));
        let Entry::Open(back) = read_entry(&bytes, &plain).unwrap() else { panic!("an opening") };
        prop_assert_eq!((back.id, back.started, back.operation), (it.id, it.started, it.operation));
        prop_assert_eq!((&back.to, &back.route, &back.method), (&it.to, &it.route, &it.method));
        prop_assert_eq!((back.version, back.secure), (it.version, it.secure));
        prop_assert_eq!(&back.trace, &Trace { state: String::new(), ..it.trace.clone() });
        prop_assert!(back.path.is_empty() && back.query.is_none() && back.labels == Labels::default());
        prop_assert!(back.host.is_none() && back.client.is_none() && back.user_agent.is_none());
        let Entry::Close(id) = read_entry(&closing(it.id), &plain).unwrap() else { panic!("an end") };
        prop_assert_eq!(id, it.id);
        let Entry::Over(id) = read_entry(&over(it.id), &plain).unwrap() else { panic!("an end") };
        prop_assert_eq!(id, it.id);
    }

    #[test]
    fn damage_is_an_error_or_a_line_but_no_panic(
        it in exchange(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut bytes = opening(&it);
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let _ = read_entry(&bytes, &plain);
    }
}

#[test]
fn what_this_version_does_not_know_is_said() {
    let it = testing::exchange(&testing::upstream(&PLAIN));
    let unreadable = |bytes: &[u8], dialects| read_entry(bytes, dialects).unwrap_err();
    let nobody = |_: &str| None::<&'static dyn Dialect>;
    assert_eq!(unreadable(&opening(&it), &nobody), Unreadable::Unknown("protocol"));
    assert_eq!(unreadable(b"", &plain), Unreadable::Missing("entry"));
    assert_eq!(unreadable(b"\xff", &plain), Unreadable::Encoding);
    // An opening that says nothing.
    assert_eq!(unreadable(b"\x0a\x00", &plain), Unreadable::Missing("id"));
}
