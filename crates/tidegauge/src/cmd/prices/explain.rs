//! `tidegauge prices explain`: a record's cost line by line, from the record itself and the price list
//! in use.
//!
//! Records are read leniently: what is missing is unknown, and what cannot be exact is said.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use tidegauge_core::{Billed, Bucket, Charge, CostLine, Money, Unpriced, Usage};
use tidegauge_measure::{Asked, Breakdown, By, Found, Prices, Why};
use tidegauge_record::{
    BatchJson, BilledJson, LineJson, RecordJson, UsageJson, from_rfc3339, read,
};
use tidegauge_wire::{PROVIDERS, provider};

use crate::cli::ExplainArgs;
use crate::config::Config;
use crate::pipeline::price_id;

use super::super::Exit;
use super::{configured, per};

/// The longest line that is read, in bytes.
const LONGEST: u64 = 4 << 20;

/// Prints how each cost comes about; exit 1 when one with this price list comes out as another than
/// the record says, or there is no such record.
pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let (config, prices) = configured(args.config.clone())?;
    let (path, wanted) = place(&args.records);
    let mut reader: Box<dyn BufRead> = match path {
        "-" => Box::new(BufReader::new(io::stdin())),
        path => {
            let file = File::open(path).with_context(|| format!("cannot open {path}"))?;
            Box::new(BufReader::new(file))
        }
    };
    let (mut number, mut found, mut same) = (0, false, true);
    while let Some(line) = next_line(&mut *reader)? {
        number += 1;
        let skip = wanted.is_some_and(|wanted| wanted != number) || line.trim_ascii().is_empty();
        if skip {
            continue;
        }
        let record = match read(&line) {
            Ok(record) => record,
            Err(why) => bail!("{path}:{number} is no record: {why}"),
        };
        if found {
            writeln!(out)?;
        }
        found = true;
        same &= explain(&record, &config, &prices, out)?;
        if wanted.is_some() {
            break;
        }
    }
    if !found {
        bail!("{} has no such record", args.records);
    }
    Ok(if same { Exit::Well } else { Exit::Bad })
}

/// The file and the line in it; a file whose name ends like that comes first.
fn place(text: &str) -> (&str, Option<u64>) {
    let split = text.rsplit_once(':').filter(|_| !Path::new(text).exists());
    match split.and_then(|(path, line)| Some((path, line.parse().ok()?))) {
        Some((path, line)) => (path, Some(line)),
        None => (text, None),
    }
}

fn next_line(reader: &mut dyn BufRead) -> anyhow::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(LONGEST + 1).read_until(b'\n', &mut line).context("cannot read on")?;
    if line.len() as u64 > LONGEST {
        bail!("a line is longer than {} MiB", LONGEST >> 20);
    }
    Ok(Some(line).filter(|line| !line.is_empty()))
}

/// One record; whether it costs what it says, as far as that can be told.
fn explain(
    record: &RecordJson<'_>,
    config: &Config,
    prices: &Prices,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    let call = Call::of(record, config);
    let model = call.response_model.or(call.request_model).unwrap_or("no model");
    let (id, time, upstream) = (told(&record.id), told(&record.time), told(&record.upstream));
    writeln!(out, "{id}  {time}  {upstream}  {}  {model}", told(&record.operation))?;
    if let Some(batch) = &record.batch {
        return explain_batch(batch, record, out);
    }
    let breakdown = prices.break_down(&call.asked());
    for line in circumstances(&call, &breakdown, prices) {
        writeln!(out, "  {line}")?;
    }
    if let Some(amount) = by_prices(&breakdown).filter(|_| breakdown.found.is_some()) {
        writeln!(out, "{}", bill(&breakdown.cost.lines, &breakdown.why, amount))?;
    }
    let (line, same) = verdict(record, &call, &breakdown);
    writeln!(out, "  {line}")?;
    Ok(same)
}

/// A text, or a dash for one that is not there.
fn told(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

/// What a record tells of a call.
struct Call<'a> {
    upstream: &'a str,
    provider: &'a str,
    price_id: Option<&'static str>,
    request_model: Option<&'a str>,
    response_model: Option<&'a str>,
    usage: Usage,
    prompt: Option<u64>,
    tier: Option<&'a str>,
    tier_stated: bool,
    at: SystemTime,
    duration: Duration,
    /// The record names its buckets; one of an older version has only sums.
    exact: bool,
}

impl<'a> Call<'a> {
    fn of(record: &'a RecordJson<'_>, config: &Config) -> Self {
        let RecordJson { upstream, provider: telemetry, usage, request, response, .. } = record;
        let configured = config.upstreams.iter().find(|one| one.name == *upstream);
        let known = configured
            .and_then(|one| provider(one.provider))
            .or_else(|| PROVIDERS.iter().copied().find(|one| one.provider() == *telemetry));
        let stated = response.service_tier.as_deref();
        Self {
            upstream,
            provider: telemetry,
            price_id: known.and_then(price_id),
            request_model: request.model.as_deref(),
            response_model: response.model.as_deref(),
            exact: !usage.buckets.is_empty()
                || [usage.input_tokens, usage.output_tokens]
                    .iter()
                    .all(|sum| sum.is_none_or(|sum| sum == 0)),
            usage: read_usage(usage),
            prompt: usage.input_tokens,
            tier: stated.or(request.service_tier.as_deref()),
            tier_stated: stated.is_some(),
            at: from_rfc3339(&record.time).unwrap_or(UNIX_EPOCH),
            duration: Duration::try_from_secs_f64(record.timing.duration_ms / 1000.0)
                .unwrap_or_default(),
        }
    }

    fn asked(&self) -> Asked<'_> {
        Asked {
            upstream: self.upstream,
            provider: self.provider,
            price_id: self.price_id,
            request_model: self.request_model,
            response_model: self.response_model,
            usage: &self.usage,
            prompt: self.prompt,
            calls: 1,
            service_tier: self.tier,
            tier_stated: self.tier_stated,
            batch: self.tier == Some("batch"),
            at: self.at,
            duration: self.duration,
        }
    }
}

/// The buckets that a record names, else those that its sums leave.
fn read_usage(told: &UsageJson<'_>) -> Usage {
    let mut usage = Usage {
        audio_seconds: told.audio_seconds,
        searches: told.searches,
        grounded_prompts: told.grounded_prompts,
        file_searches: told.file_searches,
        hosted_tools: told.hosted_tools,
        search_size: told.search_size.as_deref().map(str::to_owned),
        region: told.region.as_deref().map(str::to_owned),
        ..Usage::default()
    };
    told.billed.iter().for_each(|part| usage.bill(read_part(part)));
    let (input, output) = (told.input_tokens, told.output_tokens);
    if told.buckets.is_empty() {
        usage.cache_read = told.cache_read_tokens;
        usage.cache_write_5m = told.cache_write_tokens;
        usage.reasoning = told.reasoning_tokens;
        let cached =
            usage.cache_read.unwrap_or(0).saturating_add(usage.cache_write_5m.unwrap_or(0));
        usage.input = input.map(|input| input.saturating_sub(cached));
        usage.output = output.map(|output| output.saturating_sub(usage.reasoning.unwrap_or(0)));
    } else {
        let count = |bucket: Bucket| told.buckets.get(bucket.name());
        usage.input = count(Bucket::Input);
        usage.cache_read = count(Bucket::CacheRead);
        usage.cache_read_audio = count(Bucket::CacheReadAudio);
        usage.cache_write_5m = count(Bucket::CacheWrite5m);
        usage.cache_write_1h = count(Bucket::CacheWrite1h);
        usage.input_audio = count(Bucket::InputAudio);
        usage.input_image = count(Bucket::InputImage);
        usage.output = count(Bucket::Output);
        usage.reasoning = count(Bucket::Reasoning);
        usage.output_audio = count(Bucket::OutputAudio);
        usage.output_image = count(Bucket::OutputImage);
    }
    // Nothing used is known all the same.
    usage.input = usage.input.or(input.filter(|input| *input == 0));
    usage.output = usage.output.or(output.filter(|output| *output == 0));
    usage
}

/// One part of what is billed.
fn read_part(told: &BilledJson<'_>) -> Billed {
    let count = |bucket: Bucket| Some((bucket, told.buckets.get(bucket.name())?));
    Billed {
        model: told.model.as_deref().map(str::to_owned),
        tokens: Bucket::ALL.into_iter().filter_map(count).collect(),
    }
}

/// What prices say, whether that is the cost or stands beside the provider's bill.
fn by_prices(breakdown: &Breakdown) -> Option<Money> {
    breakdown.cost.list.or(breakdown.cost.amount)
}

/// The entry, the list and what chose between its prices, a line each.
fn circumstances(call: &Call<'_>, breakdown: &Breakdown, prices: &Prices) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(found) = &breakdown.found {
        lines.push(format!("entry       {}", entry(found)));
    }
    let listed = breakdown.found.as_ref().is_some_and(|found| !found.own);
    let catalogue = breakdown.cost.catalogue.as_deref().unwrap_or(prices.catalogue());
    lines.push(format!("price list  {catalogue}"));
    if listed {
        lines.push(format!("prompt      {} tokens", breakdown.prompt));
        lines.push(format!("served as   {}", call.tier.unwrap_or("standard")));
        lines.extend(call.usage.region.as_ref().map(|region| format!("ran in      {region}")));
        if !call.usage.billed.is_empty() {
            lines
                .push("billed      what the provider bills, not the tokens of the call".to_owned());
        }
    }
    if !call.exact {
        let note = "the record has no buckets: written caches count as 5 minutes, audio as text";
        lines.push(format!("note        {note}"));
    }
    lines
}

fn entry(found: &Found) -> String {
    let own = if found.own { " (own)" } else { "" };
    let provider = found.provider.as_deref().map_or(String::new(), |name| format!("{name}/"));
    let by = match found.by {
        By::Answered => "the model that answered",
        By::Requested => "the model asked for",
        By::Alias => "the alias of",
    };
    format!("{provider}{}{own}, found by {by}, `{}`", found.model, found.name)
}

/// The lines with their sum, dollars to the last place.
fn bill(lines: &[CostLine], why: &[Why], amount: Money) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["charge", "quantity", "USD", "per", "makes USD", ""]);
    for column in [1, 2, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let nothing = Why::default();
    for (index, line) in lines.iter().enumerate() {
        let reason = reason(why.get(index).unwrap_or(&nothing));
        table.add_row([
            line.charge.name(),
            &quantity(line),
            &line.usd,
            per(line.charge),
            &nine(line.amount),
            &reason,
        ]);
    }
    table.add_row(["total", "", "", "", &nine(amount), ""]);
    table
}

/// How many there are, in a unit that people read: times in seconds, all else as counted.
fn quantity(line: &CostLine) -> String {
    match line.charge {
        Charge::AudioTime | Charge::GpuTime => {
            format!("{}.{:06} s", line.quantity / 1_000_000, line.quantity % 1_000_000)
        }
        _ => line.quantity.to_string(),
    }
}

/// Dollars with all nine places, so that columns add up by eye.
fn nine(amount: Money) -> String {
    format!("{}.{:09}", amount.nanos() / 1_000_000_000, amount.nanos() % 1_000_000_000)
}

fn reason(why: &Why) -> String {
    let mut reasons = Vec::new();
    if let Some(like) = why.like {
        reasons.push(format!("priced as {}", like.name()));
    }
    if let Some(above) = why.above {
        let short = why.short_usd.as_deref().map(|usd| format!(", {usd} up to there"));
        reasons.push(format!("prompt above {above}{}", short.unwrap_or_default()));
    }
    if let Some(usd) = &why.standard_usd {
        let factor = why.factor.as_deref().map(|factor| format!("{factor} x "));
        reasons.push(format!("{}standard {usd}", factor.unwrap_or_default()));
    }
    reasons.join("; ")
}

/// What the record says beside that, and whether the two agree where they should.
fn verdict(record: &RecordJson<'_>, call: &Call<'_>, breakdown: &Breakdown) -> (String, bool) {
    let cost = &record.cost;
    match (&*cost.status, cost.usd.as_deref()) {
        ("priced", Some(recorded)) => comparison(record, recorded, call, breakdown),
        ("reported", Some(bill)) => match cost.list_usd.as_deref() {
            Some(recorded) => {
                let (line, same) = comparison(record, recorded, call, breakdown);
                (
                    format!("The provider's bill is {bill}, which is the cost. By prices: {line}"),
                    same,
                )
            }
            None => (format!("The provider's bill is {bill}; {}", no_price(breakdown)), true),
        },
        ("unpriced", _) => {
            let why = cost.unpriced.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
            (format!("The record is unpriced{why}; {}", no_price(breakdown)), true)
        }
        _ => (
            "The record has nothing to price: no usage, no model call, or it failed.".to_owned(),
            true,
        ),
    }
}

/// A recorded figure beside the one that prices make of it now.
fn comparison(
    record: &RecordJson<'_>,
    recorded: &str,
    call: &Call<'_>,
    breakdown: &Breakdown,
) -> (String, bool) {
    let computed = by_prices(breakdown).map(|amount| amount.to_string());
    let theirs = record.cost.catalogue.as_deref();
    if computed.as_deref() == Some(recorded) {
        return (format!("The record says {recorded}: the same."), true);
    }
    if theirs != breakdown.cost.catalogue.as_deref() {
        let here = computed.unwrap_or_else(|| "no price".to_owned());
        let list = theirs.unwrap_or("an unnamed list");
        let line =
            format!("The record says {recorded}, by another list ({list}); here it is {here}.");
        return (line, true);
    }
    if !call.exact {
        return (format!("The record says {recorded}; its buckets would tell why."), true);
    }
    let line = format!(
        "The record says {recorded}: not the same. Own prices and aliases are those of the configuration now."
    );
    (line, false)
}

fn no_price(breakdown: &Breakdown) -> String {
    let quoted =
        |names: Vec<&str>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
    if breakdown.found.is_some() {
        return "this list has a price for it.".to_owned();
    }
    let own = "set `pricing.models`";
    match breakdown.unpriced {
        Some(Unpriced::Tier) => {
            return format!(
                "its tier is paid for beforehand, or has neither a price in the list nor a published factor: {own}."
            );
        }
        Some(Unpriced::Region) => {
            return format!(
                "where it ran has neither a price in the list nor a published factor: {own}."
            );
        }
        Some(Unpriced::Fee) => {
            return format!(
                "a tool of the provider's was used that costs extra, and how often or what it costs is not known: {own}."
            );
        }
        _ => {}
    }
    if !breakdown.lacks.is_empty() {
        let lacks = breakdown.lacks.iter().map(|charge| charge.name()).collect();
        return format!("its entry has no price for {}.", quoted(lacks).join(", "));
    }
    if breakdown.tried.is_empty() {
        return "the list is not asked for what runs at home: set `pricing.models`.".to_owned();
    }
    let tried = breakdown.tried.iter().map(String::as_str).collect();
    format!("no entry is named {}.", quoted(tried).join(" or "))
}

/// Results of a batch carry their own lines: prices depend on the length of each prompt, which is not
/// in the record.
fn explain_batch(
    batch: &BatchJson<'_>,
    record: &RecordJson<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<bool> {
    let (mut sum, mut whole) = (Money::ZERO, true);
    for model in &batch.models {
        let name = model.model.as_deref().unwrap_or("no model");
        let catalogue = model.catalogue.as_deref().unwrap_or("no price list");
        writeln!(out, "  {} calls to {name}, by {catalogue}, as recorded", model.calls)?;
        let lines: Vec<CostLine> = model.lines.iter().filter_map(recorded_line).collect();
        let amount: Money = lines.iter().map(|line| line.amount).sum();
        whole &= model.status == "priced";
        sum += amount;
        if !lines.is_empty() {
            writeln!(out, "{}", bill(&lines, &[], amount))?;
        }
    }
    let recorded = record.cost.usd.as_deref();
    let same = !whole || recorded == Some(&sum.to_string());
    let recorded = recorded.unwrap_or("no amount");
    let verdict = match (whole, same) {
        (true, true) => "the same",
        (false, _) => "a model has no price",
        (true, false) => "not the same",
    };
    writeln!(out, "  The record says {recorded}: {verdict}.")?;
    Ok(same)
}

/// A line as records write it.
fn recorded_line(line: &LineJson<'_>) -> Option<CostLine> {
    let mut charges = Bucket::ALL.into_iter().map(Charge::Tokens).chain(Charge::FEES);
    Some(CostLine {
        charge: charges.find(|charge| charge.name() == line.charge)?,
        quantity: line.quantity,
        usd: line.usd.to_string(),
        amount: Money::from_nanos(line.nanos),
    })
}

#[cfg(test)]
mod tests;
