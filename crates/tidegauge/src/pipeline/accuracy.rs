//! How far estimates are from what providers count, on recorded traffic where a folder of it is at
//! hand: `TIDEGAUGE_RECORDINGS`. Each recording is read with its usage made unreadable, so that it has
//! to be estimated, and compared with what it told.

use std::collections::BTreeMap;
use std::path::Path;

use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;
use tidegauge_core::{Head, Operation, Source};

use super::*;
use crate::testing::exchange;

/// Relative errors of input and output, by provider: where all is text, and with tools.
type Table = BTreeMap<String, [Vec<f64>; 4]>;

const COLUMNS: [&str; 4] = ["text in", "text out", "tools in", "tools out"];

/// What the documentation says of them is what this prints. The bounds are loose: recordings are few.
#[test]
fn estimates_are_near_what_providers_count() {
    let Ok(folder) = std::env::var("TIDEGAUGE_RECORDINGS") else {
        println!("skipped: TIDEGAUGE_RECORDINGS names no folder of recordings");
        return;
    };
    let mut table = Table::new();
    for path in json_files(Path::new(&folder)) {
        let text = std::fs::read_to_string(&path).expect("a recording");
        let recording: Value = serde_json::from_str(&text).expect("a recording is JSON");
        if recording["kind"] == "http" {
            compare(&recording, &mut table);
        }
    }
    let all = table.values().fold(<[Vec<f64>; 4]>::default(), |mut all, row| {
        all.iter_mut().zip(row).for_each(|(all, errors)| all.extend(errors));
        all
    });
    let (counts, medians) = (all.each_ref().map(Vec::len), all.each_ref().map(|e| median(e)));
    table.insert("all".to_owned(), all);
    println!("| provider | {} |", COLUMNS.join(" | "));
    for (label, columns) in &table {
        println!("| {label} | {} |", columns.each_ref().map(|errors| told(errors)).join(" | "));
    }
    assert!(counts.iter().all(|count| *count >= 15), "there is something to compare: {counts:?}");
    let bounds = [0.25, 0.10, 0.50, 0.40];
    assert!(medians.iter().zip(bounds).all(|(median, most)| *median < most), "{medians:?}");
}

fn compare(recording: &Value, table: &mut Table) {
    let expected = &recording["expected"];
    let operation = match expected["operation"].as_str() {
        Some("chat") => Operation::Chat,
        Some("generate_content") => Operation::GenerateContent,
        Some("text_completion") => Operation::TextCompletion,
        Some("embeddings") => Operation::Embeddings,
        _ => return,
    };
    let status = recording["response"]["status"].as_u64().unwrap_or(0);
    let Some(seen) = (status == 200).then(|| estimated(recording, operation)).flatten() else {
        return;
    };
    let label = recording["provider"].as_str().unwrap_or_default().to_owned();
    let usage = &seen.usage;
    let Some(estimate) = usage.estimate else { return };
    let sides = [("input_tokens", estimate.input), ("output_tokens", estimate.output)];
    // Hidden reasoning cannot be counted.
    let hidden = expected["reasoning_tokens"].as_u64().unwrap_or(0) > 0;
    let asked = recording["request"]["body"].as_str().unwrap_or_default();
    // Pictures, files and what tools of the provider add are no text that could be counted.
    let unseen = [
        "image",
        "\"file",
        "input_file",
        "document",
        "inlineData",
        "inline_data",
        "fileData",
        "audio",
        "web_search",
        "search_",
        "compound",
        "file_search",
        "previous_response_id",
        "citations",
    ];
    if unseen.iter().any(|word| asked.contains(word)) {
        return;
    }
    let tools = seen.request.tools.is_some_and(|tools| tools > 0);
    let row = table.entry(label).or_default();
    let columns = row.iter_mut().skip(if tools { 2 } else { 0 });
    for (side, ((name, counted), errors)) in sides.into_iter().zip(columns).enumerate() {
        let Some((want, counted)) =
            expected[name].as_u64().zip(counted).filter(|(want, _)| *want > 0)
        else {
            continue;
        };
        if side == 0 || !hidden {
            let error = (counted as f64 - want as f64) / want as f64;
            if std::env::var("TIDEGAUGE_EACH").is_ok() {
                println!("{} {name} {want} {counted} {error:+.2}", recording["id"]);
            }
            errors.push(error);
        }
    }
}

/// What is made of a recording whose usage cannot be read; `None` where that cannot be spoilt.
fn estimated(recording: &Value, operation: Operation) -> Option<Observation> {
    let label = recording["provider"].as_str()?;
    let compatible = concat!("open", "ai-compatible");
    let kind = if provider(label).is_some() { label } else { compatible };
    let path = recording["request"]["path"].as_str()?;
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let headers = headers(&recording["request"]);
    let head = Head { method: &Method::POST, path, query, headers: &headers };
    let mut observer = Observer::new(provider(kind)?, operation, head);
    observer.sample_texts();
    observer.request(Duration::ZERO, recording["request"]["body"].as_str()?.as_bytes());
    let response = &recording["response"];
    observer.response_head(Duration::ZERO, StatusCode::OK, &self::headers(response));
    let spoilt = ["usage", "eval_count", "okenCount", "billed_units", "token_count"]
        .iter()
        .fold(response["body"].as_str()?.to_owned(), |body, word| body.replace(word, "spoilt"));
    observer.response(Duration::ZERO, spoilt.as_bytes());
    let exchange = Exchange { operation, injected: false, ..exchange() };
    let Concluded { observation: mut seen, texts, .. } = observer.conclude(&exchange);
    let told = seen.usage.source != Source::Missing;
    estimate(&mut seen, &texts);
    (!told).then_some(seen)
}

fn headers(part: &Value) -> HeaderMap {
    let pair = |header: &Value| {
        let name = HeaderName::try_from(header[0].as_str()?).ok()?;
        Some((name, HeaderValue::from_str(header[1].as_str()?).ok()?))
    };
    part["headers"].as_array().into_iter().flatten().filter_map(pair).collect()
}

/// How many, the median of the distances, and the worst.
fn told(errors: &[f64]) -> String {
    if errors.is_empty() {
        return "–".to_owned();
    }
    let worst = errors.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0);
    format!("{}: {:.0} %, {:+.0} %", errors.len(), median(errors) * 100.0, worst * 100.0)
}

fn median(errors: &[f64]) -> f64 {
    let mut distances: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    distances.sort_by(f64::total_cmp);
    distances.get(distances.len() / 2).copied().unwrap_or(0.0)
}

fn json_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(json_files(&path));
        } else if path.extension().is_some_and(|kind| kind == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}
