//! What holds for every exchange.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use proptest::prelude::*;
use tidegauge_core::{Bucket, End, Failure, Observation, Source, StreamTimes};
use tidegauge_wire::{PROVIDERS, provider};

use crate::cassettes::{folders, load};
use crate::exchange::Case;

/// Times depend on the pieces, nothing else does.
pub(crate) fn timeless(mut seen: Observation) -> Observation {
    seen.times = StreamTimes::default();
    seen
}

#[test]
fn any_cut_gives_the_same_observation() {
    for folder in folders() {
        let case = load(&folder);
        let whole = timeless(case.observe(|left| left));
        for size in [1, 2, 3, 5, 8, 13, 64] {
            let pieces = timeless(case.observe(|_| size));
            assert_eq!(pieces, whole, "{} in pieces of {size}", folder.display());
        }
        for cut in 0..case.response.len().min(4096) {
            let mut first = true;
            let size = |left| if std::mem::take(&mut first) { cut } else { left };
            let pieces = timeless(case.observe(size));
            assert_eq!(pieces, whole, "{} cut at {cut}", folder.display());
        }
    }
}

#[test]
fn compression_changes_nothing() {
    for folder in folders() {
        let mut case = load(&folder);
        let whole = timeless(case.observe(|left| left));
        case.response = zstd::stream::encode_all(&case.response[..], 1).expect("encoded");
        case.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("zstd"));
        assert_eq!(timeless(case.observe(|_| 7)), whole, "{}", folder.display());
    }
}

#[test]
fn buckets_add_up_to_what_the_provider_states() {
    for folder in folders() {
        let seen = load(&folder).observe(|left| left);
        let buckets = Bucket::ALL.iter().filter_map(|bucket| seen.usage.get(*bucket)).sum::<u64>();
        if let Some(total) = seen.usage.stated_total.filter(|_| !seen.usage.odd) {
            assert_eq!(buckets, total, "{}", folder.display());
        }
        let known =
            seen.usage.input_tokens().unwrap_or(0) + seen.usage.output_tokens().unwrap_or(0);
        assert_eq!(buckets, known, "{}", folder.display());
    }
}

#[test]
fn a_response_may_break_off_anywhere() {
    for folder in folders() {
        let mut case = load(&folder);
        let whole = case.response.clone();
        for length in (0..whole.len()).step_by(17) {
            case.response = whole[..length].to_vec();
            let seen = case.observe_as(&mut |left| left, |exchange| {
                exchange.end = End::Failed;
                exchange.failure = Some(Failure::StreamCut);
            });
            assert!(seen.outcome.error.is_some(), "{} at {length}", folder.display());
            assert!(seen.outcome.category.is_some(), "{} at {length}", folder.display());
        }
    }
}

#[test]
fn who_leaves_early_is_not_an_error() {
    let case =
        load(&folders().into_iter().find(|f| f.ends_with("anthropic/messages-stream")).unwrap());
    let stop = case.response.len();
    let early = case.response.windows(12).position(|w| w == b"message_stop").unwrap() - 20;
    for (length, category, source) in
        [(early, Some("client_cancelled"), Source::Partial), (stop, None, Source::Provider)]
    {
        let mut case = case.clone();
        case.response.truncate(length);
        let seen = case.observe_as(&mut |_| 9, |exchange| exchange.end = End::Cancelled);
        assert_eq!(seen.outcome.category.map(|c| c.name()), category);
        assert_eq!(seen.outcome.error, None);
        assert_eq!(seen.usage.source, source);
    }
}

#[test]
fn transport_failures_speak_for_themselves() {
    let case = load(&folders()[0]);
    for failure in [Failure::Dns, Failure::HeadTimeout, Failure::TlsCertificate, Failure::Protocol]
    {
        let mut silent = case.clone();
        silent.response.clear();
        silent.status = StatusCode::OK;
        let seen = silent.observe_as(&mut |left| left, |exchange| {
            exchange.end = End::Failed;
            exchange.failure = Some(failure);
        });
        assert_eq!(seen.outcome.category, Some(failure.category()));
        assert_eq!(seen.outcome.error, Some(failure.error_type()));
    }
}

#[test]
fn injected_usage_says_so() {
    // Some answer a request for a stream with a single value.
    for (name, source) in
        [("openai/chat-stream", Source::Injected), ("openai/chat", Source::Provider)]
    {
        let case = load(&folders().into_iter().find(|f| f.ends_with(name)).unwrap());
        let seen = case.observe_as(&mut |left| left, |exchange| exchange.injected = true);
        assert_eq!(seen.usage.source, source, "{name}");
    }
}

#[test]
fn times_follow_the_tokens() {
    let case = load(&folders().into_iter().find(|f| f.ends_with("openai/chat-stream")).unwrap());
    let events: Vec<usize> = case
        .response
        .windows(4)
        .enumerate()
        .filter(|(_, window)| window == b"\r\n\r\n")
        .map(|(at, _)| at + 4)
        .collect();
    // One piece for the request and one for the head come before; then one an event: role, comment,
    // "Hel", "lo", stop, usage, end.
    let mut sizes = events.iter().scan(0, |last, end| Some(end - std::mem::replace(last, *end)));
    let mut request = true;
    let seen = case.observe(|left| {
        if std::mem::take(&mut request) { left } else { sizes.next().unwrap_or(left) }
    });
    let at = |n| Some(Duration::from_millis(n));
    assert_eq!(seen.times.first_chunk, at(3));
    assert_eq!(seen.times.first_token, at(5));
    assert_eq!(seen.times.last_token, at(6));
    let gaps: Vec<u128> = seen.times.gaps.iter().map(Duration::as_millis).collect();
    assert_eq!(gaps, [2, 1, 1, 1]);
}

#[test]
fn a_long_stream_keeps_a_bounded_record() {
    let mut case = blank();
    case.headers = crate::exchange::headers([("content-type", "text/event-stream")]);
    let delta = r#"data: {"id":"x","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"[[[["}}]}}]}"#;
    let other =
        r#"data: {"choices":[{"index":9,"delta":{"tool_calls":[{"id":"N","function":{}}]}}]}"#;
    let mut response = String::new();
    for n in 0..6000 {
        response += &format!("{delta}\n\n{}\n\n", other.replace('N', &n.to_string()));
    }
    case.response = response.into_bytes();
    let seen = case.observe(|_| 4096);
    assert_eq!(seen.response.events, 12_000);
    assert_eq!(seen.times.gaps.len(), StreamTimes::MAX_GAPS);
    assert_eq!(seen.times.gaps_dropped, 11_999 - StreamTimes::MAX_GAPS as u64);
    assert_eq!(seen.response.tool_calls, 6001);
    assert_eq!(seen.outcome.category.map(|category| category.name()), Some("stream_cut"));
}

#[test]
fn kinds_are_unique_and_origins_are_origins() {
    let mut kinds: Vec<&str> = PROVIDERS.iter().map(|provider| provider.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), PROVIDERS.len());
    for provider in PROVIDERS {
        if let Some(origin) = provider.upstream() {
            let uri: http::Uri = origin.parse().expect("an origin");
            assert!(uri.scheme().is_some() && uri.path() == "/", "{origin}");
        }
        let body = provider.error_body(StatusCode::BAD_GATEWAY, "x", "a \"b\"\n");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let told = [&body["error"]["message"], &body["message"], &body["error"]];
        let told = told.iter().find_map(|told| told.as_str()).expect("a text");
        assert!(told.ends_with("a \"b\"\n"), "{}: {told}", provider.kind());
    }
}

#[test]
fn root_requests_are_claimed_by_one() {
    type Claim = (&'static str, &'static [(&'static str, &'static str)], Option<&'static str>);
    let cases: &[Claim] = &[
        ("/v1/messages", &[], Some("anthropic")),
        ("/v1/messages/count_tokens", &[], Some("anthropic")),
        ("/v1/models", &[("anthropic-version", "2023-06-01")], Some("anthropic")),
        ("/v1/models", &[], None),
        ("/v1/chat/completions", &[], None),
        ("/v1/messagesx", &[], None),
        ("/v1beta/models/gemini-x:generateContent", &[], Some("gemini")),
        ("/v1/models", &[("x-goog-api-key", "k")], Some("gemini")),
        ("/openai/deployments/d/chat/completions", &[], Some("azure")),
        ("/", &[], None),
    ];
    for (path, fields, want) in cases {
        let request_headers = crate::exchange::headers(fields.iter().copied());
        let case = Case { path: (*path).to_owned(), request_headers, ..blank() };
        let claimed = PROVIDERS.iter().find(|provider| provider.claims(case.head()));
        assert_eq!(claimed.map(|provider| provider.kind()), *want, "{path}");
    }
}

#[test]
fn paths_are_named_after_their_ends() {
    let cases = [
        ("openai", "POST", "/v1/chat/completions", "chat", "/v1/chat/completions"),
        ("openai", "GET", "/v1/chat/completions", "other", "/{path}"),
        ("openai", "POST", "//v1/responses", "chat", "/v1/responses"),
        ("openai", "GET", "/v1/responses/resp_1", "fetch_response", "/v1/responses/{id}"),
        (
            "openai",
            "POST",
            "/v1/responses/resp_1/cancel",
            "fetch_response",
            "/v1/responses/{id}/cancel",
        ),
        ("openai", "GET", "/v1/models/gpt-x", "models", "/v1/models/{path}"),
        ("openai", "GET", "/v1/files/f/content", "batch", "/v1/files/{id}/content"),
        ("openai", "POST", "/", "other", "/{path}"),
        ("groq", "POST", "/openai/v1/chat/completions", "chat", "/openai/v1/chat/completions"),
        ("fireworks", "POST", "/inference/v1/embeddings", "embeddings", "/inference/v1/embeddings"),
        ("deepseek", "POST", "/chat/completions", "chat", "/chat/completions"),
        (
            "huggingface",
            "POST",
            "/novita/v3/chat/completions",
            "chat",
            "/{prefix}/v3/chat/completions",
        ),
        ("openrouter", "GET", "/api/v1/models/a/b", "models", "/api/v1/models/{path}"),
        ("azure", "POST", "/models/chat/completions", "chat", "/models/chat/completions"),
        // Azure's, behind a name that is also this provider's.
        ("openai", "POST", "/deployments/d/chat/completions", "other", "/{path}"),
        (
            "azure",
            "POST",
            "/openai/deployments/d/embeddings",
            "embeddings",
            "/openai/deployments/{deployment}/embeddings",
        ),
        (
            "anthropic",
            "POST",
            "/v1/messages/count_tokens",
            "count_tokens",
            "/v1/messages/count_tokens",
        ),
        (
            "anthropic",
            "GET",
            "/v1/messages/batches/b/results",
            "batch",
            "/v1/messages/batches/{id}/results",
        ),
        ("gemini", "GET", "/v1beta/models", "models", "/v1beta/models"),
        ("gemini", "GET", "/v1beta/models/g", "models", "/v1beta/models/{model}"),
        (
            "gemini",
            "POST",
            "/v1beta/tunedModels/g:generateContent",
            "generate_content",
            "/v1beta/tunedModels/{model}:generateContent",
        ),
        (
            "gemini",
            "POST",
            "/v1beta/models/g:unheardOf",
            "other",
            "/v1beta/models/{model}:{method}",
        ),
        (
            "vertex",
            "POST",
            "/v1/projects/p/locations/l/publishers/google/models/imagen-4:predict",
            "image_generation",
            "/v1/projects/{project}/locations/{location}/publishers/{publisher}/models/{model}:predict",
        ),
        ("bedrock", "POST", "/model/a%2Fb/invoke", "chat", "/model/{model}/invoke"),
        ("cohere", "POST", "/v1/embed", "embeddings", "/v1/embed"),
        ("ollama", "POST", "/api/chat", "chat", "/api/chat"),
        ("ollama", "POST", "/v1/messages", "chat", "/v1/messages"),
    ];
    for (kind, method, path, operation, route) in cases {
        let method = method.parse().unwrap();
        let case = Case { kind: kind.to_owned(), method, path: path.to_owned(), ..blank() };
        let matched = provider(kind).expect("a provider").matched(case.head());
        assert_eq!(
            (matched.operation.name(), &*matched.route),
            (operation, route),
            "{kind} {path}"
        );
    }
}

#[test]
fn only_plain_chat_and_completions_are_spliced() {
    let cases = [
        ("openai", "/v1/chat/completions", "", true),
        ("openai", "/v1/completions", "", true),
        ("openai", "/v1/chat/completions", "gzip", false),
        ("openai", "/v1/responses", "", false),
        ("openai", "/v1/embeddings", "", false),
        ("ollama", "/api/chat", "", false),
        ("ollama", "/v1/chat/completions", "", true),
        ("anthropic", "/v1/messages", "", false),
        ("gemini", "/v1beta/openai/chat/completions", "", false),
    ];
    for (kind, path, coding, want) in cases {
        let mut case = Case { path: path.to_owned(), ..blank() };
        if !coding.is_empty() {
            case.request_headers = crate::exchange::headers([("content-encoding", coding)]);
        }
        let provider = provider(kind).expect("a provider");
        let operation = provider.matched(case.head()).operation;
        assert_eq!(provider.may_splice(operation, case.head()), want, "{kind} {path}");
    }
}

fn blank() -> Case {
    Case {
        kind: "openai".to_owned(),
        method: http::Method::POST,
        path: "/v1/chat/completions".to_owned(),
        query: None,
        request_headers: HeaderMap::new(),
        request: Vec::new(),
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        response: Vec::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_do_no_harm(
        request in prop::collection::vec(any::<u8>(), 0..200),
        response in prop::collection::vec(any::<u8>(), 0..400),
        status in 200u16..600,
        kind in prop::sample::select(vec!["application/json", "text/event-stream", "application/x-ndjson", "application/vnd.amazon.eventstream", ""]),
        coding in prop::sample::select(vec!["", "gzip", "br", "zstd", "deflate"]),
        path in prop::sample::select(vec!["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/audio/transcriptions", "/v1beta/models/m:streamGenerateContent", "/model/m/converse-stream", "/model/m/invoke", "/v2/chat", "/v1/chat", "/api/chat", "/x"]),
    ) {
        for provider in PROVIDERS {
            let mut case = blank();
            case.kind = provider.kind().to_owned();
            case.path = path.to_owned();
            case.request = request.clone();
            case.response = response.clone();
            case.status = StatusCode::from_u16(status).unwrap();
            case.headers = crate::exchange::headers([("content-type", kind), ("content-encoding", coding)]);
            let whole = timeless(case.observe(|left| left));
            let pieces = timeless(case.observe(|_| 3));
            // How much of corrupt data is decoded before it is noticed is up to the decoder.
            prop_assert!(!coding.is_empty() || pieces == whole);
        }
    }

    #[test]
    fn paths_match_with_few_routes(path in "(/[a-z0-9._:-]{0,12}){0,20}", method in prop::sample::select(vec!["GET", "POST"])) {
        for provider in PROVIDERS {
            let case = Case { path: path.clone(), method: method.parse().unwrap(), ..blank() };
            let route = provider.matched(case.head()).route;
            prop_assert!(route.starts_with('/') && route.len() < 200);
            prop_assert!(!provider.claims(case.head()) || path.len() > 5);
        }
    }
}
