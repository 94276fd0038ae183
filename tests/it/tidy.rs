//! The house rules that a compiler does not check: who may depend on whom, what a file begins with,
//! where a provider may be named, and what is never written down.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which of our crates each of our crates may use.
const FLOORS: &[(&str, &[&str])] = &[
    ("tidegauge-core", &[]),
    ("tidegauge-wire", &["tidegauge-core"]),
    ("tidegauge-measure", &["tidegauge-core"]),
    ("tidegauge-stored", &["tidegauge-core"]),
    ("tidegauge-record", &["tidegauge-core"]),
    ("tidegauge-proxy", &["tidegauge-core"]),
    ("tidegauge-spool", &[]),
    ("tidegauge-otel", &["tidegauge-core"]),
    ("tidegauge-export", &["tidegauge-core", "tidegauge-spool"]),
    (
        "tidegauge",
        &[
            "tidegauge-core",
            "tidegauge-wire",
            "tidegauge-measure",
            "tidegauge-stored",
            "tidegauge-record",
            "tidegauge-proxy",
            "tidegauge-otel",
            "tidegauge-export",
            "tidegauge-spool",
        ],
    ),
];

/// Packages, by the beginning of their names, and the only crates that may name them.
const LEAVES: &[(&str, &[&str])] = &[
    // The export side names it for the answers of receivers alone.
    ("opentelemetry", &["tidegauge-otel", "tidegauge-export"]),
    ("tracing-opentelemetry", &["tidegauge-otel"]),
    ("tonic", &["tidegauge-export"]),
    ("prost", &["tidegauge-otel", "tidegauge-export", "tidegauge-stored"]),
    ("tokio", &["tidegauge-proxy", "tidegauge-export", "tidegauge"]),
    ("hyper", &["tidegauge-proxy", "tidegauge-export", "tidegauge"]),
    ("rustls", &["tidegauge-proxy", "tidegauge-export", "tidegauge"]),
    ("socket2", &["tidegauge-proxy"]),
    ("tower", &["tidegauge-proxy"]),
    ("axum", &["tidegauge"]),
    ("clap", &["tidegauge"]),
    ("serde-saphyr", &["tidegauge"]),
    ("genai-prices", &["tidegauge-measure"]),
    ("hdrhistogram", &["tidegauge-measure"]),
    ("jsonschema", &["tidegauge-measure"]),
    ("tiktoken", &["tidegauge-measure"]),
    ("brotli", &["tidegauge-wire"]),
    ("reqwest", &[]),
    ("openssl", &[]),
    ("native-tls", &[]),
    ("aws-lc", &[]),
];

/// Names of providers that are also words of another meaning.
const WORDS: &[&str] = &["together"];

/// Names of providers, as they would stand in code that asks which one it is.
fn provider_names() -> impl Iterator<Item = &'static str> {
    let kinds = tidegauge_wire::PROVIDERS.iter().map(|provider| provider.kind());
    kinds.filter(|kind| !WORDS.contains(kind))
}

/// Where they may stand, besides comments and tests, and why.
const PROVIDERS_MAY_STAND: &[&str] = &[
    // What is known about each of them.
    "crates/tidegauge-wire/src/providers/",
    // Plays one.
    "crates/tidegauge/src/demo/",
    "crates/tidegauge/src/cmd/demo.rs",
    // The convention's own attribute names hold some of their names.
    "crates/tidegauge-otel/src/semconv.rs",
];

#[test]
fn crates_depend_downwards_only() {
    let floors: BTreeMap<_, _> = FLOORS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (name, dependencies) in packages() {
        let Some(allowed) = floors.get(name.as_str()) else {
            wrong.push(format!("{name} stands on no floor: add it to the table and the page"));
            continue;
        };
        for dependency in &dependencies {
            if dependency.starts_with("tidegauge") && !allowed.contains(&dependency.as_str()) {
                wrong.push(format!("{name} may not use {dependency}"));
            }
            for (leaf, may) in LEAVES {
                if dependency.starts_with(leaf) && !may.contains(&name.as_str()) {
                    wrong.push(format!("{name} may not name {dependency}: only {may:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    let mut wrong = Vec::new();
    for (path, text) in files(&["crates", "tests"], &["rs"]) {
        if !text.starts_with("//! ") {
            wrong.push(format!("{path} has no `//!` head"));
        }
        let stem = Path::new(&path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if ["util", "utils", "helper", "helpers", "common", "misc", "manager"]
            .contains(&stem.as_str())
        {
            wrong.push(format!("{path} is named after nothing"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn providers_are_named_in_their_own_place() {
    let mut wrong = Vec::new();
    for (path, text) in files(&["crates"], &["rs"]) {
        let may = PROVIDERS_MAY_STAND.iter().any(|place| path.starts_with(place));
        if may || is_test(&path) {
            continue;
        }
        for (number, line) in code(&text) {
            let low = line.to_lowercase();
            for name in provider_names().filter(|name| has_word(&low, name)) {
                wrong.push(format!("{path}:{number} names {name}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A provider is a file, a `mod` line and a slot; a host of another's format is a row and a slot.
#[test]
fn a_provider_is_one_file_and_two_lines() {
    let folder = "crates/tidegauge-wire/src/providers/";
    let files = files(&["crates/tidegauge-wire/src"], &["rs"]);
    let (_, list) = files.iter().find(|(path, _)| *path == format!("{folder}mod.rs")).unwrap();
    let slots: Vec<(&str, &str)> = list
        .lines()
        .filter_map(|line| line.trim().strip_prefix('&')?.strip_suffix(',')?.split_once("::"))
        .collect();
    assert_eq!(slots.len(), tidegauge_wire::PROVIDERS.len(), "a slot a line");
    let mut wrong = Vec::new();
    for (module, value) in slots {
        let lines = list.lines().filter(|line| line.contains(&format!("mod {module};"))).count();
        let own = [format!("{folder}{module}.rs"), format!("{folder}{module}/")];
        let named = |path: &str| !own.iter().any(|own| path.starts_with(own.as_str()));
        let elsewhere: Vec<&str> = files
            .iter()
            .filter(|(path, _)| named(path) && !path.starts_with(folder))
            .filter(|(_, text)| code(text).iter().any(|(_, line)| has_word(line, value)))
            .map(|(path, _)| path.as_str())
            .collect();
        if lines != 1 || !elsewhere.is_empty() {
            wrong.push(format!("{module}::{value}: {lines} `mod` lines, named in {elsewhere:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lints_are_expected_not_silenced() {
    let silenced = concat!("[all", "ow(");
    let wrong: Vec<String> = files(&["crates", "tests"], &["rs"])
        .into_iter()
        .filter(|(_, text)| text.contains(silenced))
        .map(|(path, _)| format!("{path} silences a lint: expect it, with a reason"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_program_begins_small() {
    let text = std::fs::read_to_string(root().join("crates/tidegauge/src/main.rs")).unwrap();
    assert!(text.lines().count() < 60, "main.rs has {} lines", text.lines().count());
}

#[test]
fn nothing_speaks_of_where_it_was_written() {
    let never = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/fa", "rm/"),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!("),
        concat!("un", "implemented!("),
        concat!("work", "tree"),
        concat!("sub", "agent"),
        concat!("as an ", "AI"),
        concat!("the ", "brief"),
    ];
    let shared = concat!("../sha", "red");
    let kinds = ["rs", "md", "toml", "yaml", "yml", "json", "py", "mjs", "sh", "run", "justfile"];
    let mut wrong = Vec::new();
    for (path, text) in files(&["."], &kinds) {
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            for word in never.iter().filter(|word| line.contains(*word)) {
                wrong.push(format!("{path}:{number} says {word:?}"));
            }
            if line.contains(shared) && path != ".ci/run" {
                wrong.push(format!("{path}:{number} reaches outside the repository"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn links_lead_somewhere() {
    let mut wrong = Vec::new();
    for (path, text) in files(&["."], &["md"]) {
        let folder = root().join(&path).parent().unwrap().to_owned();
        for (line, link) in links(&text) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(&path) } else { folder.join(file) };
            if !target.exists() {
                wrong.push(format!("{path}:{line} links to {link}, which is not there"));
            } else if !heading.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap_or_default();
                if !headings(&text).any(|known| known == heading) {
                    wrong.push(format!(
                        "{path}:{line} links to {link}, a heading that is not there"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each fault on the page of promises has a test, by its name.
#[test]
fn what_is_promised_is_tested() {
    let page = std::fs::read_to_string(root().join("docs/reliability.md")).expect("the page");
    let sources: String = files(&["crates", "tests"], &["rs"])
        .into_iter()
        .map(|(path, text)| format!("// {path}\n{text}"))
        .collect();
    let mut wrong = Vec::new();
    for (number, line) in page.lines().enumerate().filter(|(_, line)| line.starts_with("| ")) {
        let shown = line.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        let names: Vec<_> = shown.split('`').skip(1).step_by(2).collect();
        let exists = |name: &str| match name.rsplit_once("::") {
            Some(("it", module)) => sources.contains(&format!("// tests/it/{module}.rs")),
            Some((_, name)) => sources.contains(&format!("fn {name}(")),
            None => sources.contains(&format!("fn {name}(")),
        };
        if line.contains("---") || shown.trim() == "shown by" {
            continue;
        }
        if names.is_empty() || !names.iter().all(|name| exists(name)) {
            wrong.push(format!("docs/reliability.md:{}: {}", number + 1, shown.trim()));
        }
    }
    assert!(wrong.is_empty(), "no such test:\n{}", wrong.join("\n"));
}

/// The relative links of a page, with their lines.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for rest in line.split("](").skip(1) {
            let link = rest.split([')', ' ']).next().unwrap_or_default();
            if !link.contains("://") {
                found.push((number, link));
            }
        }
    }
    found
}

/// The anchors of a page's headings, as forges make them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    prose(text).into_iter().filter(|(_, line)| line.starts_with('#')).map(|(_, line)| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

/// The lines of a page that are no code, numbered.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut code = false;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            code = !code;
        } else if !code {
            lines.push((number + 1, line));
        }
    }
    lines
}

#[test]
fn what_is_linked_is_allowed() {
    let deny = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let (_, licences) = deny.split_once("allow = [").expect("deny.toml allows licences");
    let (licences, _) = licences.split_once(']').expect("a list ends");
    let allowed: Vec<&str> = licences.split('"').skip(1).step_by(2).collect();
    let banned: Vec<&str> = deny
        .split("crate = \"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or_default())
        .collect();
    assert!(allowed.len() > 5 && banned.len() > 3, "deny.toml is read: {allowed:?} {banned:?}");
    let mut wrong = Vec::new();
    for package in metadata(&["--filter-platform", "x86_64-unknown-linux-gnu"]) {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default();
        if !permits(licence, &allowed) {
            wrong.push(format!("{name} has the licence {licence:?}"));
        }
        if banned.contains(&name) {
            wrong.push(format!("{name} is banned"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether one of the alternatives of a licence expression is allowed in all its parts.
fn permits(expression: &str, allowed: &[&str]) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" OR ").any(|all| all.split(" AND ").all(|one| allowed.contains(&one.trim())))
}

/// Whether a file is only built for tests.
fn is_test(path: &str) -> bool {
    ["tests.rs", "/tests/", "/testing.rs", "/testing/", "/benches/"]
        .iter()
        .any(|part| path.contains(part))
}

/// The checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// The packages that cargo knows of.
fn metadata(more: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(more)
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    list(&metadata["packages"])
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Our packages and the names of their normal dependencies.
fn packages() -> BTreeMap<String, BTreeSet<String>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let normal = |package: &Value| {
        let all = list(&package["dependencies"]);
        all.iter().filter(|d| d["kind"].is_null()).map(|d| text(&d["name"])).collect()
    };
    metadata(&["--no-deps"]).iter().map(|p| (text(&p["name"]), normal(p))).collect()
}

/// The text files below these folders, by path from the checkout; nothing built or fetched.
fn files(folders: &[&str], kinds: &[&str]) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", ".git", "node_modules", "__pycache__", "fuzz"].contains(&&*name) {
                    folders.push(path);
                }
                continue;
            }
            let kind = path.extension().map_or(name.clone(), |e| e.to_string_lossy().into_owned());
            if let (true, Ok(text)) =
                (kinds.contains(&kind.as_str()), std::fs::read_to_string(&path))
            {
                let path = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
                found.push((path.trim_start_matches("./").to_owned(), text));
            }
        }
    }
    assert!(!found.is_empty(), "there is something to look at");
    found.sort();
    found
}

/// The lines of code, numbered, without comments and without a test module at the end.
fn code(text: &str) -> Vec<(usize, &str)> {
    let end = text.find("#[cfg(test)]").unwrap_or(text.len());
    let lines = text[..end].lines().enumerate().map(|(number, line)| (number + 1, line));
    lines
        .map(|(number, line)| (number, line.split("// ").next().unwrap_or(line)))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .collect()
}

/// Whether `line` holds `word` with no letter or digit on either side.
fn has_word(line: &str, word: &str) -> bool {
    let plain = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    line.match_indices(word).any(|(at, _)| {
        plain(line[..at].chars().next_back()) && plain(line[at + word.len()..].chars().next())
    })
}
