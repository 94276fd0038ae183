//! One insertion in, one chunk out, nothing else.

use bytes::Bytes;
use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};
use tidegauge_core::Filter;

use super::{UsageFilter, ask_for_usage, is_refusal};

fn spliced(body: &str) -> Option<String> {
    let splice = ask_for_usage(body.as_bytes())?;
    let (head, tail) = body.as_bytes().split_at(splice.at);
    let whole = [head, &splice.insert, tail].concat();
    Some(String::from_utf8(whole).unwrap())
}

#[test]
fn asks_where_nobody_asked() {
    let cases = [
        (r#"{"stream":true}"#, r#"{"stream":true,"stream_options":{"include_usage":true}}"#),
        (
            "{ \"stream\" : true ,\n \"model\":\"m\" \n}\n",
            "{ \"stream\" : true ,\n \"model\":\"m\" \n,\"stream_options\":{\"include_usage\":true}}\n",
        ),
        (
            r#"{"stream_options":{},"stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"stream":true}"#,
        ),
        (
            r#"{"stream_options":{ "x":1},"stream":true}"#,
            r#"{"stream_options":{"include_usage":true, "x":1},"stream":true}"#,
        ),
        (
            r#"{"stream_options":null,"stream":true}"#,
            r#"{"stream_options":{"include_usage":true},"stop":null,"stream":true}"#,
        ),
        (
            r#"{"stop":"x","stream_options": null,"stream":true}"#,
            r#"{"stop":"x","stream_options": {"include_usage":true},"seed":null,"stream":true}"#,
        ),
    ];
    for (body, want) in cases {
        assert_eq!(spliced(body).as_deref(), Some(want), "{body}");
    }
}

#[test]
fn stays_out_of_everything_else() {
    for body in [
        r#"{"stream":false}"#,
        r#"{"stream":"true"}"#,
        r#"{"model":"m"}"#,
        r#"{"a":{"stream":true}}"#,
        r#"{"stream":true,"stream_options":{"include_usage":false}}"#,
        r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
        r#"{"stream":true,"stream_options":{"include_usage":null}}"#,
        r#"{"stream":true,"stream_options":[]}"#,
        r#"{"stream":true,"stream_options":{},"stream_options":{}}"#,
        r#"{"stream":true,"stream":true}"#,
        r#"{"stream":true} x"#,
        r#"{"stream":true"#,
        r#"[{"stream":true}]"#,
        "",
        "stream",
    ] {
        assert_eq!(spliced(body), None, "{body}");
    }
}

#[test]
fn a_refusal_names_the_field() {
    let body = br#"{"error":{"message":"Unknown field: stream_options"}}"#;
    assert!(is_refusal(StatusCode::BAD_REQUEST, body));
    assert!(is_refusal(StatusCode::UNPROCESSABLE_ENTITY, b"include_usage"));
    assert!(!is_refusal(StatusCode::BAD_REQUEST, b"no such model"));
    assert!(!is_refusal(StatusCode::UNAUTHORIZED, body));
}

const CHUNK: &str = r#"data: {"choices":[{"delta":{"content":"a"}}],"usage":null}"#;
/// What [`CHUNK`] is when nobody asks for usage.
const DIRECT: &str = r#"data: {"choices":[{"delta":{"content":"a"}}]}"#;
const USAGE: &str = r#"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
const FIRST: &str = r#"data: {"choices":[],"prompt_filter_results":[]}"#;
const DONE: &str = "data: [DONE]";

/// A stream with the usage chunk, and without.
fn streams(ending: &str) -> (String, String) {
    let event = |line: &str| format!("{line}{ending}{ending}");
    let stream = |chunk: &str, usage: &str| {
        format!("{}{}{}{usage}{}", event(FIRST), event(": hm"), event(chunk), event(DONE))
    };
    (stream(CHUNK, &event(USAGE)), stream(DIRECT, ""))
}

fn filtered(pieces: &[&[u8]]) -> String {
    let mut filter = UsageFilter::default();
    let mut out = Vec::new();
    for piece in pieces {
        filter.push(&Bytes::copy_from_slice(piece), &mut out);
    }
    filter.finish(&mut out);
    String::from_utf8(out.concat()).unwrap()
}

#[test]
fn removes_exactly_the_extra_chunk_at_any_cut() {
    for ending in ["\n", "\r\n", "\r"] {
        let (with, without) = streams(ending);
        let with = with.as_bytes();
        assert_eq!(filtered(&[with]), without);
        let bytes: Vec<&[u8]> = with.chunks(1).collect();
        assert_eq!(filtered(&bytes), without);
        for cut in 0..with.len() {
            assert_eq!(filtered(&[&with[..cut], &with[cut..]]), without, "{ending:?} {cut}");
        }
    }
}

#[test]
fn an_event_of_several_lines_goes_too() {
    let chunk = "data: {\ndata:   \"choices\": [1],\ndata:   \"usage\": null\ndata: }\n\n";
    let usage =
        "data: {\ndata:   \"choices\": [],\ndata:   \"usage\": {\ndata: \"x\": 1}\ndata: }\n\n";
    let direct = "data: {\ndata:   \"choices\": [1]\ndata: }\n\n";
    let with = [chunk, usage, chunk].concat();
    assert_eq!(filtered(&[with.as_bytes()]), direct.repeat(2));
    let bytes: Vec<&[u8]> = with.as_bytes().chunks(1).collect();
    assert_eq!(filtered(&bytes), direct.repeat(2));
}

#[test]
fn an_announced_null_goes_with_its_comma() {
    let table = [
        (
            r#"{"choices":[1],"usage":null,"obfuscation":"x"}"#,
            r#"{"choices":[1],"obfuscation":"x"}"#,
        ),
        (r#"{"choices":[1] , "usage" : null }"#, r#"{"choices":[1]  }"#),
        // First, twice, not null, not the chunk's own: all stay.
        (r#"{"usage":null,"choices":[1]}"#, r#"{"usage":null,"choices":[1]}"#),
        (
            r#"{"choices":[1],"usage":null,"usage":null}"#,
            r#"{"choices":[1],"usage":null,"usage":null}"#,
        ),
        (r#"{"choices":[1],"usage":{"a":1}}"#, r#"{"choices":[1],"usage":{"a":1}}"#),
        (r#"{"choices":[{"a":1,"usage":null}]}"#, r#"{"choices":[{"a":1,"usage":null}]}"#),
        (r#"{"choices":["\",\"usage\":null"]}"#, r#"{"choices":["\",\"usage\":null"]}"#),
    ];
    for (chunk, passed) in table {
        let event = format!("event: x\ndata:  {chunk}\n\n");
        assert_eq!(filtered(&[event.as_bytes()]), format!("event: x\ndata:  {passed}\n\n"));
    }
}

#[test]
fn whole_events_are_not_held_back() {
    let mut filter = UsageFilter::default();
    let mut out = Vec::new();
    let events = format!("{DIRECT}\r\n\r\n{DIRECT}\r\n\r\ndata: {{\"cho");
    filter.push(&Bytes::from(events.clone()), &mut out);
    assert_eq!(out.concat(), events.as_bytes()[..events.len() - 11]);
    assert_eq!(out.len(), 1);
}

#[test]
fn what_is_too_large_passes_at_once() {
    let mut filter = UsageFilter::default();
    let mut out = Vec::new();
    let mut sent = 0;
    for _ in 0..100 {
        filter.push(&Bytes::from(vec![b'x'; 10_000]), &mut out);
        sent += 10_000;
        let passed: usize = out.iter().map(Bytes::len).sum();
        assert!(sent - passed <= super::MAX_HELD);
    }
}

#[test]
fn a_cut_stream_loses_nothing() {
    let (with, without) = streams("\n");
    let cut = with.find("prompt_tokens").unwrap();
    let passed = filtered(&[&with.as_bytes()[..cut]]);
    assert_eq!(passed, with[..cut].replace(r#","usage":null"#, ""));
    // Without its blank line the chunk is ours all the same.
    let end = with.find("\n\ndata: [DONE]").unwrap();
    assert_eq!(filtered(&[&with.as_bytes()[..end]]), without[..without.find(DONE).unwrap()]);
}

proptest! {
    #[test]
    fn the_spliced_body_says_the_same_and_asks(
        model in "\\PC{0,12}",
        options in prop::option::of(prop::collection::btree_map("[a-z]{1,4}", any::<bool>(), 0..3)),
        pretty: bool,
    ) {
        let mut body = json!({"model": model, "stream": true, "messages": [{"content": "}\"{"}]});
        if let Some(options) = &options {
            body["stream_options"] = json!(options);
        }
        let text = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) };
        let spliced = spliced(&text.unwrap()).expect("a splice");
        let mut got: Value = serde_json::from_str(&spliced).unwrap();
        prop_assert_eq!(&got["stream_options"]["include_usage"], &json!(true));
        got["stream_options"].as_object_mut().unwrap().remove("include_usage");
        if options.is_none() {
            got.as_object_mut().unwrap().remove("stream_options");
        }
        prop_assert_eq!(got, body);
    }

    #[test]
    fn any_bytes_pass(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'd'), any::<u8>()], 0..200), size in 1usize..9) {
        let mut filter = UsageFilter::default();
        let mut out = Vec::new();
        for piece in bytes.chunks(size) {
            filter.push(&Bytes::copy_from_slice(piece), &mut out);
        }
        filter.finish(&mut out);
        prop_assert_eq!(out.concat(), bytes);
    }
}
