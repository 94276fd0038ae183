//! `tidegauge check --live`: asks a running proxy whether its books balance.

use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::config::{Outside, Source, load};
use crate::welcome::reachable;

use super::{Exit, healthcheck};

/// How often it is asked before the books count as wrong: they are read while they change.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes of an answer at most.
const LONGEST: u64 = 1 << 20;

/// Prints each identity; exit 0 when all of them hold.
pub(crate) fn run(url: &str, source: &Source, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let console = load(source, &Outside::real())?.resolved.config.console;
    let token = console.as_ref().and_then(|console| console.token.clone());
    let base = match (url, &console) {
        ("", Some(console)) => format!("http://{}", reachable(console.listen)),
        ("", None) => bail!("the console is off: nothing to ask"),
        (url, _) => url.trim_end_matches('/').to_owned(),
    };
    let page = format!("{base}/readyz?verbose");
    let token = token.as_ref().map(|token| token.expose());
    let mut told = identities(&page, token)?;
    for _ in 1..TRIES {
        if balance(&told) {
            break;
        }
        sleep(PAUSE);
        told = identities(&page, token)?;
    }
    for one in &told {
        let word = match one.get("holds").and_then(Value::as_bool) {
            Some(true) => "holds",
            Some(false) => "WRONG",
            None => "-",
        };
        let text = |key| one.get(key).and_then(Value::as_str).unwrap_or_default();
        writeln!(out, "{word:<6} {:<12} {}", text("name"), text("says"))?;
    }
    let balanced = balance(&told);
    writeln!(out, "{}", if balanced { "the books balance" } else { "the books do not balance" })?;
    Ok(if balanced { Exit::Well } else { Exit::Bad })
}

fn balance(told: &[Value]) -> bool {
    told.iter().all(|one| one.get("holds").and_then(Value::as_bool) != Some(false))
}

fn identities(page: &str, token: Option<&str>) -> anyhow::Result<Vec<Value>> {
    let answer = healthcheck::get(page, token, LONGEST)
        .with_context(|| format!("{page} does not answer"))?;
    let status = healthcheck::status(&answer)?;
    // Not ready is an answer, too: it is on its way out.
    if !matches!(status, 200 | 503) {
        bail!("{page} says {status}");
    }
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let body: Value = serde_json::from_str(body).context("the answer is not ours")?;
    let told = body.get("identities").and_then(Value::as_array).cloned();
    told.context("the proxy is of another version: it tells no identities")
}
