//! `tidegauge prices update`: takes a price list, holds it against its form, and puts it where running
//! processes find it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, anyhow};
use tidegauge_measure::Prices;

use crate::cli::UpdateArgs;
use crate::config::{Outside, Source, load};
use crate::pricelist::{self, Place, Trouble, read_bounded};

use super::super::Exit;
use super::fetch::fetch;

/// Prints what was taken, or one line a mistake; exit 1 then, and nothing has changed.
pub(crate) fn run(args: &UpdateArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let to = destination(args)?;
    let Taken { data, source, modified } = take(&args.from)?;
    let list = match pricelist::parse(&data, modified) {
        Ok(list) => list,
        Err(trouble) => return refused(&trouble, &args.from, &to, out),
    };
    write(&data, &list, &source, &to)?;
    writeln!(out, "{} models of {} are in {} now.", list.models(), list.catalogue(), to.display())?;
    writeln!(out, "A running proxy that is configured so has noticed, or does at SIGHUP.")?;
    Ok(Exit::Well)
}

fn refused(trouble: &Trouble, from: &str, to: &Path, out: &mut dyn Write) -> anyhow::Result<Exit> {
    for line in trouble.lines() {
        writeln!(out, "{from}: {line}")?;
    }
    writeln!(out, "{} is as it was.", to.display())?;
    Ok(Exit::Bad)
}

/// A list that is wrapped already keeps its words; a plain one gets them.
fn write(data: &[u8], list: &Prices, source: &str, to: &Path) -> anyhow::Result<()> {
    let text = std::str::from_utf8(data).context("the list is no UTF-8 text")?;
    let wrapped = pricelist::is_wrapped(data);
    let text = if wrapped { text.to_owned() } else { pricelist::wrap(text, source, list.dated()) };
    pricelist::replace(to, &text).with_context(|| format!("cannot write {}", to.display()))
}

fn destination(args: &UpdateArgs) -> anyhow::Result<PathBuf> {
    if let Some(to) = &args.to {
        return Ok(to.clone());
    }
    let source = Source { file: args.config.clone(), ..Source::default() };
    let config = load(&source, &Outside::real())?.resolved.config;
    Place::of(&config).map(|place| place.path).ok_or_else(|| {
        anyhow!("nowhere to put it: set `pricing.file` or `data_dir`, or say --to FILE")
    })
}

/// A list as it came.
struct Taken {
    data: Vec<u8>,
    /// Where it is from, without anything secret.
    source: String,
    modified: SystemTime,
}

#[expect(clippy::disallowed_methods, reason = "a list that says no date is of the day it was had")]
fn take(from: &str) -> anyhow::Result<Taken> {
    let now = SystemTime::now();
    if from.starts_with("http://") || from.starts_with("https://") {
        let (data, source) = fetch(from)?;
        return Ok(Taken { data, source, modified: now });
    }
    let (mut reader, modified): (Box<dyn std::io::Read>, _) = match from {
        "-" => (Box::new(std::io::stdin()), now),
        path => {
            let file = File::open(path).with_context(|| format!("cannot open {path}"))?;
            let modified = file.metadata().and_then(|meta| meta.modified()).unwrap_or(now);
            (Box::new(file), modified)
        }
    };
    let data = read_bounded(&mut *reader).with_context(|| format!("cannot read {from}"))?;
    let data = data.ok_or(Trouble::TooLarge)?;
    let source = if from == "-" { "standard input" } else { from };
    Ok(Taken { data, source: source.to_owned(), modified })
}

#[cfg(test)]
mod tests;
