//! Writes the tables of the reference pages from the code, and checks what stands around them.
//!
//! The prose is written by hand; what stands between `<!-- generated: NAME -->` and `<!-- end -->`
//! is written by `UPDATE=1 cargo test -p tidegauge reference`.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;
use tidegauge_core::{Bucket, Category, CostStatus, Dropped, Rejected, Source, Task, UsagePolicy};
use tidegauge_record::{CONTENT, FIELDS};
use tidegauge_wire::{PROVIDERS, Provider};

use crate::config::{Outside, Overrides, Typed, resolve, schema};

fn path(page: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "docs", page].iter().collect()
}

fn read(page: &str) -> String {
    std::fs::read_to_string(path(page)).expect(page)
}

/// Compares a page with itself with fresh tables, or writes it.
fn check(page: &str, tables: &[(&str, String)]) {
    let there = read(page);
    let mut fresh = there.clone();
    for (name, table) in tables {
        let begin = format!("<!-- generated: {name} -->\n");
        let (before, rest) = fresh.split_once(&begin).expect("the page has the mark");
        let (_, after) = rest.split_once("<!-- end -->").expect("the mark has an end");
        fresh = format!("{before}{begin}\n{table}\n<!-- end -->{after}");
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path(page), &fresh).expect(page);
        return;
    }
    assert!(there == fresh, "{page}: run UPDATE=1 cargo test -p tidegauge reference");
}

/// What typically lies behind a category.
const CAUSES: &[(Category, &str)] = &[
    (Category::Auth, "Key missing, wrong or expired; 401"),
    (Category::Permission, "The key may not use this model, region or feature; 403"),
    (Category::InvalidRequest, "Unknown field, bad value; 400, 422 and other 4xx"),
    (Category::ContextOverflow, "Prompt too long for the model; the answer ran into the window"),
    (Category::RequestTooLarge, "413"),
    (Category::ModelNotFound, "Misspelt, retired, or not open to this key"),
    (Category::NotFound, "Wrong path or id; 404, 410"),
    (Category::Budget, "Reserved: nothing sets it yet"),
    (Category::Guardrail, "Reserved: nothing sets it yet"),
    (Category::RouteDisabled, "Reserved: nothing sets it yet"),
    (Category::RateLimit, "Requests or tokens a minute used up; 429"),
    (Category::Quota, "No credit, monthly allowance used up; 402, or said so in a 429"),
    (Category::Overloaded, "No capacity; 503, 529"),
    (Category::ServerError, "500, 502 and other 5xx"),
    (Category::Timeout, "`timeouts` of the upstream, or the provider's own; 408, 504"),
    (Category::StreamCut, "Connection lost, or a stream without its end mark and finish reason"),
    (Category::MalformedResponse, "Not HTTP, or calls itself JSON and is not"),
    (Category::Dns, "Misspelt host, resolver down"),
    (Category::Connect, "Connection refused or unreachable"),
    (Category::Tls, "Untrusted or expired certificate, or no TLS at all"),
    (Category::Proxy, "A mistake of Tidegauge, or an exchange cut when it had to stop"),
    (Category::Refusal, "The model says no, in the field or finish reason made for it"),
    (Category::ContentFilter, "A filter blocked the prompt or removed output"),
    (Category::Truncated, "`max_tokens` or the like reached"),
    (
        Category::ToolFailure,
        "Arguments that are no JSON or do not match their schema, or a malformed call by the provider's own word",
    ),
    (Category::Empty, "200 without text, tool call, picture, audio or vector"),
    (Category::ClientCancelled, "The client closed the connection before the end"),
];

fn category_table() -> String {
    let mut table =
        "| category | domain | what it means | typical causes |\n|---|---|---|---|\n".to_owned();
    for category in Category::ALL {
        let (_, causes) = CAUSES.iter().find(|(known, _)| known == category).expect("causes");
        let domain = category.domain().map_or("–", |domain| domain.name());
        let _ = writeln!(
            table,
            "| `{}` | {domain} | {} | {causes} |",
            category.name(),
            meaning(*category)
        );
    }
    table
}

/// The doc comment of a category.
fn meaning(category: Category) -> &'static str {
    let source = include_str!("../../../tidegauge-core/src/outcome.rs");
    let word = format!(" \"{}\" ", category.name());
    let (before, _) = source.split_once(&word).expect("the word stands in the list");
    let (_, doc) = before.rsplit_once("/// ").expect("a doc comment");
    doc.lines().next().expect("a line").trim_end_matches('.')
}

fn bucket_table() -> String {
    let mut table = "| bucket | side |\n|---|---|\n".to_owned();
    for bucket in Bucket::ALL {
        let output = matches!(
            bucket,
            Bucket::Output | Bucket::Reasoning | Bucket::OutputAudio | Bucket::OutputImage
        );
        let side = if output { "output" } else { "input" };
        let _ = writeln!(table, "| `{}` | {side} |", bucket.name());
    }
    table
}

fn field_table() -> String {
    let mut table = "| field | type | meaning | absent |\n|---|---|---|---|\n".to_owned();
    for row in FIELDS {
        let paths: Vec<_> = row.paths.iter().map(|path| format!("`{path}`")).collect();
        let (paths, kind, meaning, absent) = (paths.join(", "), row.kind, row.meaning, row.absent);
        let _ = writeln!(table, "| {paths} | {kind} | {meaning} | {absent} |");
    }
    table
}

fn content_table() -> String {
    let mut table = "| field of `content` | holds |\n|---|---|\n".to_owned();
    for (name, holds) in CONTENT {
        let _ = writeln!(table, "| `{name}` | {holds} |");
    }
    table
}

#[test]
fn records_page_is_fresh() {
    let tables = [
        ("fields", field_table()),
        ("content", content_table()),
        ("categories", category_table()),
        ("buckets", bucket_table()),
    ];
    check("records.md", &tables);
}

/// Every word of the format's closed lists stands on the page.
#[test]
fn records_page_is_complete() {
    let page = read("records.md");
    let words = Source::ALL.iter().map(|one| one.name());
    let words = words.chain(CostStatus::ALL.iter().map(|one| one.name()));
    let missing: Vec<_> = words.filter(|word| !page.contains(&format!("| `{word}` |"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// For a provider: what follows the upstream's name in the base URL of its own SDK, the variable
/// that SDK reads, and what follows where an SDK of the default provider is used instead.
const CLIENTS: &[(&str, &str, &str)] = &[
    ("vertex", "GOOGLE_VERTEX_BASE_URL=/vertex", ""),
    ("bedrock", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME=/bedrock", "/bedrock/openai/v1"),
    ("azure", "AZURE_OPENAI_ENDPOINT=/azure", "/azure/openai/v1"),
    ("ollama", "OLLAMA_HOST=/ollama", "/ollama/v1"),
    ("cohere", "CO_API_URL=/cohere", "/cohere/compatibility/v1"),
    ("anthropic", "", ""),
    ("gemini", "", "/gemini/v1beta/openai"),
    ("openai", "", "/openai/v1"),
    ("openai-compatible", "", "/NAME/v1"),
    ("groq", "GROQ_BASE_URL=/groq", "/groq/openai/v1"),
    ("deepseek", "", "/deepseek"),
    ("mistral", "", "/mistral/v1"),
    ("together", "TOGETHER_BASE_URL=/together/v1", "/together/v1"),
    ("fireworks", "", "/fireworks/inference/v1"),
    ("openrouter", "", "/openrouter/api/v1"),
    ("perplexity", "", "/perplexity"),
    ("xai", "", "/xai/v1"),
    ("cerebras", "CEREBRAS_BASE_URL=/cerebras", "/cerebras/v1"),
    ("huggingface", "", "/huggingface/v1"),
    ("vercel", "", "/vercel/v1"),
    ("zai", "", "/zai/api/paas/v4"),
    ("moonshot", "", "/moonshot/v1"),
    ("vllm", "", "/vllm/v1"),
    ("llamacpp", "", "/llamacpp/v1"),
];

fn provider_table() -> String {
    let mut table = "| provider | in telemetry | default origin | its own SDK | OpenAI SDK | usage | trace context |\n\
                     |---|---|---|---|---|---|---|\n"
        .to_owned();
    for provider in PROVIDERS {
        let _ = writeln!(table, "{}", provider_row(*provider));
    }
    table
}

fn provider_row(provider: &dyn Provider) -> String {
    let kind = provider.kind();
    let (_, own, compatible) =
        CLIENTS.iter().find(|(known, ..)| *known == kind).expect("a row for each provider");
    let told = provider.client_variable().map(|(name, path)| format!("`{name}=…/{kind}{path}`"));
    let own = told.unwrap_or_else(|| match own.split_once('=') {
        Some((name, path)) => format!("`{name}=…{path}`"),
        None => String::new(),
    });
    let compatible =
        if compatible.is_empty() { String::new() } else { format!("`…{compatible}`") };
    let origin = provider.upstream().map_or("must be set".to_owned(), |url| format!("`{url}`"));
    let usage = match provider.usage() {
        UsagePolicy::Inject => "inject",
        UsagePolicy::Passthrough => "passthrough",
    };
    let context = if provider.public() { "none" } else { "passthrough" };
    let name = provider.provider();
    format!("| `{kind}` | `{name}` | {origin} | {own} | {compatible} | {usage} | {context} |")
}

#[test]
fn forwarding_page_is_fresh() {
    check("forwarding.md", &[("providers", provider_table())]);
}

/// One setting of the schema: path, type, default, meaning.
struct Setting {
    path: String,
    kind: String,
    default: String,
    meaning: String,
}

fn settings() -> Vec<Setting> {
    let schema = schema();
    let mut all = Vec::new();
    members(&schema, &schema, "", &mut all);
    all
}

fn members(schema: &Value, object: &Value, path: &str, all: &mut Vec<Setting>) {
    for (name, property) in object["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        setting(schema, property, &path, all);
    }
}

fn setting(schema: &Value, property: &Value, path: &str, all: &mut Vec<Setting>) {
    let target = target(schema, property);
    let text = |of: &Value| of["description"].as_str().unwrap_or_default().replace('\n', " ");
    let (meaning, default) = parted(&text(property));
    let words: Vec<String> = target["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| format!("`{}`: {}", one["const"].as_str().unwrap_or_default(), text(one)))
        .collect();
    let meaning = if meaning.is_empty() { text(target) } else { meaning };
    let meaning = std::iter::once(meaning).chain(words).collect::<Vec<_>>().join(" ");
    all.push(Setting { path: path.to_owned(), kind: kind(schema, target), default, meaning });
    // What is inside.
    for inner in std::iter::once(target).chain(target["anyOf"].as_array().into_iter().flatten()) {
        let inner = self::target(schema, inner);
        // A secret says once what it may be.
        if !is_secret_file(inner) {
            members(schema, inner, path, all);
        }
        if let Some(one) = inner.get("additionalProperties").filter(|one| one.is_object()) {
            members(schema, self::target(schema, one), &format!("{path}.NAME"), all);
        }
        if let Some(one) = inner.get("items") {
            members(schema, self::target(schema, one), &format!("{path}[]"), all);
        }
    }
}

/// `{ file: PATH }` and nothing else.
fn is_secret_file(value: &Value) -> bool {
    let members = value["properties"].as_object();
    members.is_some_and(|members| members.len() == 1 && members.contains_key("file"))
}

/// Past `null` and references.
fn target<'a>(schema: &'a Value, mut value: &'a Value) -> &'a Value {
    loop {
        if let Some(name) = value["$ref"].as_str() {
            value = &schema["$defs"][name.trim_start_matches("#/$defs/")];
            continue;
        }
        let some = |one: &&Value| one["type"] != "null";
        let several = value["anyOf"].as_array().filter(|all| all.iter().filter(some).count() == 1);
        match several.and_then(|all| all.iter().find(some)) {
            Some(one) => value = one,
            None => return value,
        }
    }
}

/// The text before "Default", and the default.
fn parted(text: &str) -> (String, String) {
    match text.split_once("Default") {
        Some((meaning, default)) => {
            let default = default.trim_start_matches(':').trim().trim_end_matches('.');
            (meaning.trim().to_owned(), default.to_owned())
        }
        None => (text.to_owned(), String::new()),
    }
}

/// A type in a word or two.
fn kind(schema: &Value, value: &Value) -> String {
    if let Some(format) = value["format"].as_str().and_then(|f| f.strip_prefix("tidegauge-")) {
        return if format == "secret" { "text" } else { format }.to_owned();
    }
    if let Some(all) = value["oneOf"].as_array() {
        let words = all.iter().filter_map(|one| one["const"].as_str());
        return words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(all) = value["anyOf"].as_array() {
        let kinds: Vec<String> = all.iter().map(|one| kind(schema, target(schema, one))).collect();
        return if kinds.iter().any(|kind| kind == "`{ file: PATH }`") {
            "secret".to_owned()
        } else {
            kinds.join(" or ")
        };
    }
    if is_secret_file(value) {
        return "`{ file: PATH }`".to_owned();
    }
    let named = match &value["type"] {
        Value::Array(all) => all.iter().find(|one| **one != "null").unwrap_or(&Value::Null),
        one => one,
    };
    match named.as_str().unwrap_or_default() {
        "object" => match value.get("additionalProperties").filter(|one| one.is_object()) {
            Some(one) => format!("map of {}", kind(schema, target(schema, one))),
            None => "map".to_owned(),
        },
        "array" => format!("list of {}", kind(schema, target(schema, &value["items"]))),
        "string" => "text".to_owned(),
        "boolean" => "true, false".to_owned(),
        other => other.to_owned(),
    }
}

fn setting_table() -> String {
    let mut table = "| setting | type | default | meaning |\n|---|---|---|---|\n".to_owned();
    for Setting { path, kind, default, meaning } in settings() {
        let (meaning, default) = (meaning.replace('|', "\\|"), default.replace('|', "\\|"));
        let _ = writeln!(table, "| `{path}` | {kind} | {default} | {meaning} |");
    }
    table
}

#[test]
fn configuration_page_is_fresh() {
    check("configuration.md", &[("settings", setting_table())]);
}

/// Every default that is told is the one that runs, as far as it is printed.
#[test]
fn told_defaults_are_the_ones_that_run() {
    let typed = Typed { file: None, flags: &Overrides::default() };
    let outside = Outside { env: &|_| None, ..Outside::real() };
    let runs = resolve(typed, &outside).expect("defaults run").config.file();
    let runs = serde_json::to_value(runs).expect("JSON");
    let mut compared = 0;
    for Setting { path, default, .. } in settings() {
        let path = path.replace(".NAME", &format!("/{}", PROVIDERS[0].kind())).replace('.', "/");
        let Some(value) = runs.pointer(&format!("/{path}")) else { continue };
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let told = default.trim_matches('`').split([',', ':']).next().unwrap_or_default();
        if default.starts_with(|c: char| c.is_ascii_digit()) || told == "true" || told == "off" {
            let told =
                if path.starts_with("listen") || path == "console" { &*default } else { told };
            assert_eq!(told, value, "{path}");
            compared += 1;
        }
    }
    assert!(compared > 12, "{compared} defaults were compared");
}

/// Words that counters are told apart by.
#[test]
fn words_of_counters_stand_on_the_page() {
    let page = read("configuration.md");
    let words = Rejected::ALL.iter().map(|word| word.name());
    let words = words.chain(Dropped::ALL.iter().map(|word| word.name()));
    let words = words.chain(Task::ALL.iter().map(|word| word.name()));
    let missing: Vec<&str> = words.filter(|word| !page.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
