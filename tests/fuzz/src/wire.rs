//! What must hold for any bytes that are read: no panic, the same result however they are cut, bounded
//! memory, and work in proportion to their length. One function a target.

use std::io::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tidegauge_core::{Dialect, Head, Observation, StreamTimes, testing};
use tidegauge_wire::testing::{self as doors, Cost};
use tidegauge_wire::{Observer, PROVIDERS, Provider, Socket, Wanted};

use crate::pieces::{Input, cut};

/// What one exchange may hold, however long it is: two reduced bodies and an unfinished event.
const MAX_HELD: usize = 8 << 20;
/// What one framing may hold: a reduced body, or the longest binary message, and room to grow.
const MAX_FRAME: usize = 4 << 20;
/// How often each byte may be looked at, and how much may be done whatever the length.
const MAX_WORK: (u64, u64) = (8, 4096);

fn is_bounded(cost: Cost, length: usize, most: usize, factor: u64) {
    assert!(cost.held <= most, "{} bytes are held of {length}", cost.held);
    let allowed = factor * length as u64 + MAX_WORK.1;
    assert!(cost.work <= allowed, "{} bytes of work for {length}", cost.work);
}

/// A framing gives the same for any cut, and costs little.
fn framing(data: &[u8], read: impl Fn(&[&[u8]]) -> (doors::Passed, Cost)) {
    let mut input = Input(data);
    let seed = input.byte();
    let (whole, cost) = read(&[input.0]);
    is_bounded(cost, input.0.len(), MAX_FRAME, MAX_WORK.0);
    let (pieces, cost) = read(&cut(input.0, seed));
    is_bounded(cost, input.0.len(), MAX_FRAME, MAX_WORK.0);
    assert_eq!(pieces, whole);
}

/// Server-sent events.
pub fn sse(data: &[u8]) {
    framing(data, doors::events);
}

/// Binary messages, as they come; or, since no fuzzer finds a checksum, as frames around what comes.
pub fn eventstream(data: &[u8]) {
    let mut input = Input(data);
    let framed = input.byte() % 2 == 1;
    if !framed {
        return framing(input.0, doors::messages);
    }
    let seed = input.byte();
    let mut stream = vec![seed];
    while !input.0.is_empty() {
        let headers = input.part();
        let payload = input.part();
        stream.extend(frame(headers, payload));
        if headers.is_empty() && payload.is_empty() {
            stream.extend(frame(&[], input.0));
            break;
        }
    }
    framing(&stream, doors::messages);
}

/// One message with sound checksums.
pub fn frame(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = headers.len() + payload.len() + 16;
    let mut message = (total as u32).to_be_bytes().to_vec();
    message.extend((headers.len() as u32).to_be_bytes());
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message.extend(headers);
    message.extend(payload);
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message
}

/// JSON lists in pieces.
pub fn elements(data: &[u8]) {
    framing(data, doors::elements);
}

/// JSON a line, and what has to be told from it.
pub fn lines(data: &[u8]) {
    let mut input = Input(data);
    let kinds = ["application/x-ndjson", "", "text/plain", "application/json", "text/event-stream"];
    let kind = input.choose(&kinds);
    framing(input.0, |pieces| doors::lines(kind, pieces));
}

/// With each piece as much is looked at again as a delimiter is long.
const FORM_WORK: u64 = 80;

/// Forms.
pub fn form(data: &[u8]) {
    let mut input = Input(data);
    let (seed, plain) = (input.byte(), input.byte() % 4 > 0);
    let boundary =
        if plain { "X".to_owned() } else { String::from_utf8_lossy(input.part()).into() };
    let kind = format!("multipart/form-data; boundary={boundary}");
    let Some((whole, cost)) = doors::form(&kind, &[input.0]) else { return };
    is_bounded(cost, input.0.len(), 256 << 10, FORM_WORK);
    let pieces = cut(input.0, seed);
    let Some((fields, cost)) = doors::form(&kind, &pieces) else { return };
    is_bounded(cost, input.0.len(), 256 << 10, FORM_WORK);
    assert_eq!(String::from_utf8_lossy(&fields), String::from_utf8_lossy(&whole));
    assert!(doors::values(&fields).is_some(), "fields are JSON");
}

/// Reduced texts: valid, idempotent, and of the same members where nothing was left out.
pub fn skim(data: &[u8]) {
    let mut input = Input(data);
    let request = input.byte() % 2 == 1;
    framing(input.0, |pieces| doors::skimmed(request, pieces));
    let text = input.0.get(1..).unwrap_or_default();
    let (whole, _) = doors::skimmed(false, &[text]);
    let json = &whole.out[0].1;
    if json.is_empty() {
        return;
    }
    assert!(doors::values(json).is_some(), "what is left is JSON");
    let marked = String::from_utf8_lossy(json).contains("\\u001a");
    if !marked {
        let (again, _) = doors::skimmed(false, &[json]);
        assert_eq!(again.out[0].1, *json, "what is short stays");
    }
    let plain: Result<serde_json::Value, _> = serde_json::from_slice(text);
    // A number longer than anyone writes becomes null.
    if let (Ok(plain), false, true) = (plain, whole.lossy || marked, text.len() < 64) {
        let kept: serde_json::Value = serde_json::from_slice(json).expect("JSON");
        assert_eq!(kept, plain);
    }
}

/// JSON is read wherever a strict parser reads it, and every field of it can be looked at.
pub fn json(data: &[u8]) {
    let seen = doors::values(data);
    let strict: Result<serde_json::Value, _> = serde_json::from_slice(data);
    if let Ok(strict) = strict
        && depth(&strict) < 100
    {
        // A name that stands twice is one member to a strict parser.
        assert!(seen >= Some(count(&strict)), "{seen:?} values");
    }
    let _ = doors::of_base64(data);
    let text = String::from_utf8_lossy(data);
    let _ = doors::of_percent(&text);
}

fn depth(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Names count too.
fn count(value: &serde_json::Value) -> u64 {
    match value {
        serde_json::Value::Array(items) => 1 + items.iter().map(count).sum::<u64>(),
        serde_json::Value::Object(members) => {
            1 + members.values().map(|value| 1 + count(value)).sum::<u64>()
        }
        _ => 1,
    }
}

/// Content codings: what was encoded comes back however it is cut, and no bytes do harm.
pub fn content(data: &[u8]) {
    let mut input = Input(data);
    let (coding, seed) =
        (input.choose(&["gzip", "br", "zstd", "deflate", "gzip, br", "x"]), input.byte());
    let pieces = cut(input.0, seed);
    let some = doors::decoded(coding, &pieces);
    let whole = doors::decoded(coding, &[input.0]);
    let bytes = |passed: &doors::Passed| passed.out[0].1.len() as u64;
    for passed in [&some, &whole] {
        let most = (input.0.len() as u64 * 100).clamp(1 << 20, 32 << 20);
        assert!(bytes(passed) <= most, "{} bytes come of {}", bytes(passed), input.0.len());
    }
    // What a stream that breaks off still yields depends on what its decoder holds back.
    let (some, whole) = (&some.out[0].1, &whole.out[0].1);
    assert!(some.starts_with(whole) || whole.starts_with(some));
    if let Some(encoded) = encode(coding, input.0) {
        let passed = doors::decoded(coding, &cut(&encoded, seed));
        assert_eq!((passed.lossy, &*passed.out[0].1), (false, input.0), "{coding}");
    }
}

fn encode(coding: &str, plain: &[u8]) -> Option<Vec<u8>> {
    match coding {
        "gzip" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(plain).ok()?;
            writer.finish().ok()
        }
        "deflate" => {
            let mut writer =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(plain).ok()?;
            writer.finish().ok()
        }
        "zstd" => zstd::stream::encode_all(plain, 1).ok(),
        _ => None,
    }
}

/// Asking for usage: only an insertion, and only what is JSON with the wish in it. Removing it again:
/// what the client gets depends on no cut and is the stream without some of its bytes.
pub fn splice(data: &[u8]) {
    let mut input = Input(data);
    let dialect = input.choose(PROVIDERS);
    let (seed, body) = (input.byte(), input.part());
    if let Some(splice) = dialect.splice(body) {
        let (before, after) = body.split_at(splice.at);
        let spliced = [before, &*splice.insert, after].concat();
        let asks: serde_json::Value = serde_json::from_slice(&spliced).unwrap_or_default();
        let strict = serde_json::from_slice::<serde_json::Value>(body).is_ok();
        assert!(!strict || asks["stream_options"]["include_usage"] == true, "it asks");
        assert!(dialect.splice(&spliced).is_none(), "it asks once");
    }
    let _ = dialect.refuses_splice(StatusCode::BAD_REQUEST, body);
    let whole = filtered(dialect, &[input.0]);
    assert_eq!(filtered(dialect, &cut(input.0, seed)), whole);
    let mut left = input.0.iter();
    assert!(whole.iter().all(|byte| left.any(|given| given == byte)), "nothing is added or moved");
}

fn filtered(dialect: &dyn Provider, pieces: &[&[u8]]) -> Vec<u8> {
    let (mut filter, mut out) = (dialect.filter(), Vec::new());
    for piece in pieces {
        filter.push(&bytes::Bytes::copy_from_slice(piece), &mut out);
    }
    filter.finish(&mut out);
    out.concat()
}

/// Paths that readers stand behind.
const PATHS: &[&str] = &[
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/responses/input_tokens",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/images/generations",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/moderations",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/complete",
    "/openai/deployments/d/chat/completions",
    "/v1beta/models/m:generateContent",
    "/v1beta/models/m:streamGenerateContent",
    "/v1beta/models/m:countTokens",
    "/v1beta/models/m:batchEmbedContents",
    "/v1/projects/p/locations/l/publishers/google/models/m:streamGenerateContent",
    "/v1/projects/p/locations/l/publishers/google/models/m:predict",
    "/v1/projects/p/locations/l/publishers/anthropic/models/m:streamRawPredict",
    "/v1/projects/p/locations/l/publishers/mistralai/models/m:rawPredict",
    "/model/m/converse",
    "/model/m/converse-stream",
    "/model/m/invoke",
    "/model/m/invoke-with-response-stream",
    "/model/m/count-tokens",
    "/v2/chat",
    "/v1/chat",
    "/v1/generate",
    "/v2/embed",
    "/v2/rerank",
    "/v1/tokenize",
    "/api/chat",
    "/api/generate",
    "/api/embed",
    "/x",
];

const KINDS: &[&str] = &[
    "application/json",
    "text/event-stream",
    "application/x-ndjson",
    "application/vnd.amazon.eventstream",
    "text/plain",
    "",
];

/// Any provider's readers: any request and any answer, in any pieces.
pub fn observe(data: &[u8]) {
    let mut input = Input(data);
    let provider = input.choose(PROVIDERS);
    let path = input.choose(PATHS);
    let kind = input.choose(KINDS);
    let status = [200, 400, 429, 500][usize::from(input.byte() % 4)];
    let (seed, form) = (input.byte(), input.byte() % 8 == 7);
    let framed = input.byte() % 2 == 1;
    let request = input.part();
    let mut answer = input.0.to_vec();
    if framed {
        // The name of the event up to the first blank, then what it carries.
        let at = answer.iter().position(|byte| *byte == b' ').unwrap_or(answer.len()).min(200);
        let (name, payload) = answer.split_at(at);
        answer = frame(&text_header(b":event-type", name), payload);
    }
    let asked = if form { "multipart/form-data; boundary=X" } else { "application/json" };
    let call = Call { provider, path, asked, status, kind, request, answer: &answer };
    let whole = call.observe(0);
    assert_eq!(call.observe(seed), whole);
}

/// A session over a websocket: its turns are the same however its two directions are cut.
pub fn socket(data: &[u8]) {
    const SESSIONS: &[(&str, &str)] = &[
        ("openai", "/v1/realtime"),
        ("openai", "/v1/responses"),
        ("gemini", "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"),
    ];
    const AGREED: &[&str] = &[
        "",
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_max_window_bits=9",
    ];
    let mut input = Input(data);
    let (kind, path) = input.choose(SESSIONS);
    let extensions = input.choose(AGREED);
    let seed = input.byte();
    let mut parts = Vec::new();
    while !input.0.is_empty() && parts.len() < 64 {
        parts.push(input.part());
    }
    let provider = tidegauge_wire::provider(kind).expect("a provider");
    let whole = session(provider, path, extensions, &parts, 0);
    assert_eq!(session(provider, path, extensions, &parts, seed), whole);
}

/// The most that a session may hold of words: what was asked, what waits and stands, and what eight open
/// turns answer.
const SOCKET_WORDS: usize = (1 << 20) + (10 << 18);

/// The observations of the turns, as text, with what was said, and the session's: the client speaks first, then in turns.
fn session(
    provider: &'static dyn Provider,
    path: &str,
    extensions: &str,
    parts: &[&[u8]],
    seed: u8,
) -> String {
    let asked = fields(&[("connection", "upgrade"), ("upgrade", "websocket")]);
    let head = Head { method: &Method::GET, path, query: Some("model=m"), headers: &asked };
    let Some(mut socket) = Socket::new(provider, head) else { return String::new() };
    socket.keep_words(Wanted { request: true, response: true, schemas: true });
    socket.agreed(&fields(&[("sec-websocket-extensions", extensions)]));
    let dialect: &'static dyn Dialect = provider;
    let mut exchange = testing::exchange(&testing::upstream(dialect));
    exchange.operation = provider.matched(head).operation;
    let (mut turns, zero) = (Vec::new(), std::time::Duration::ZERO);
    for (index, part) in parts.iter().enumerate() {
        for piece in cut(part, seed) {
            if index % 2 == 0 {
                socket.client(zero, piece);
            } else {
                socket.server(zero, piece);
            }
            assert!(socket.words() <= SOCKET_WORDS, "{} bytes of words are held", socket.words());
            turns.extend(socket.turns());
        }
    }
    let (last, seen) = socket.finish(&mut exchange);
    turns.extend(last);
    let turns: Vec<_> = turns.into_iter().map(|turn| turn.conclude(&exchange)).collect();
    format!("{turns:?}{seen:?}")
}

fn text_header(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut header = vec![name.len() as u8];
    header.extend(name);
    header.push(7);
    header.extend((value.len() as u16).to_be_bytes());
    header.extend(value);
    header
}

struct Call<'a> {
    provider: &'static dyn Provider,
    path: &'a str,
    asked: &'a str,
    status: u16,
    kind: &'a str,
    request: &'a [u8],
    answer: &'a [u8],
}

impl Call<'_> {
    /// What is seen when the bodies come in such pieces, without the times.
    fn observe(&self, seed: u8) -> Observation {
        let headers = fields(&[("content-type", self.asked)]);
        let head = Head { method: &Method::POST, path: self.path, query: None, headers: &headers };
        let operation = self.provider.matched(head).operation;
        let mut observer = Observer::new(self.provider, operation, head);
        let (mut held, zero) = (0, std::time::Duration::ZERO);
        for piece in cut(self.request, seed) {
            observer.request(zero, piece);
            held = held.max(observer.held());
        }
        let status = StatusCode::from_u16(self.status).expect("a status");
        observer.response_head(zero, status, &fields(&[("content-type", self.kind)]));
        for piece in cut(self.answer, seed) {
            observer.response(zero, piece);
            held = held.max(observer.held());
        }
        assert!(held <= MAX_HELD, "{held} bytes are held");
        let dialect: &'static dyn Dialect = self.provider;
        let mut exchange = testing::exchange(&testing::upstream(dialect));
        exchange.operation = operation;
        let seen = observer.finish(&exchange);
        Observation { times: StreamTimes::default(), ..seen }
    }
}

/// Header fields; those that are no valid ones are left out.
pub fn fields(fields: &[(&str, &str)]) -> HeaderMap {
    let valid = fields.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    });
    valid.collect()
}

/// What a path asks for: always something, under few names.
pub fn matched(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (path, query) = text.split_once('?').unwrap_or((&text, ""));
    let headers = HeaderMap::new();
    for provider in PROVIDERS {
        for method in [&Method::GET, &Method::POST] {
            let head = Head { method, path, query: Some(query), headers: &headers };
            let matched = provider.matched(head);
            assert!(matched.route.starts_with('/') && matched.route.len() < 400, "{path}");
            let _ = (provider.claims(head), provider.may_splice(matched.operation, head));
            let _ = provider.reader(head).map(|reader| reader.streams());
        }
    }
}
