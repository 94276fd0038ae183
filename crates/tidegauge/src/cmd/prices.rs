//! `tidegauge prices`: what models cost, and where that is from.

mod explain;
mod fetch;
mod update;

use std::io::Write;
use std::path::PathBuf;
use std::time::SystemTime;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use tidegauge_core::Charge;
use tidegauge_measure::{Listed, ListedRate, ListedRates, Prices};

use crate::cli::{PricesArgs, PricesCommand};
use crate::config::{Config, Outside, Source, load};
use crate::pricelist;
use crate::serve::over;

use super::Exit;

/// Prints a table of the models that match; exit 1 when none does.
pub(crate) fn run(args: &PricesArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    match &args.command {
        None => list(args, out),
        Some(PricesCommand::Explain(args)) => explain::run(args, out),
        Some(PricesCommand::Update(args)) => update::run(args, out),
    }
}

/// What a process with that configuration uses. A list that is no good is a mistake here.
fn configured(file: Option<PathBuf>) -> anyhow::Result<(Config, Prices)> {
    let source = Source { file, ..Source::default() };
    let config = load(&source, &Outside::real())?.resolved.config;
    let list = pricelist::read(&config)?.unwrap_or_else(Prices::bundled);
    let prices = over(list, &config)?;
    Ok((config, prices))
}

#[expect(clippy::disallowed_methods, reason = "prices are those of today")]
fn list(args: &PricesArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let (_, prices) = configured(args.config.clone())?;
    let query = args.model.as_deref().unwrap_or_default();
    let listed = prices.list(query, SystemTime::now(), args.limit);
    writeln!(out, "Price list {}. US dollars.", prices.catalogue())?;
    if listed.is_empty() {
        return none(query, &prices, out);
    }
    writeln!(out, "{}", table(&listed))?;
    if listed.len() == args.limit {
        writeln!(out, "\nThe first {} only: name a model, or raise --limit.", args.limit)?;
    }
    Ok(Exit::Well)
}

fn none(query: &str, prices: &Prices, out: &mut dyn Write) -> anyhow::Result<Exit> {
    writeln!(out, "No model matches `{query}`: calls to it are `unpriced`, never free.")?;
    let similar = prices.similar(query, 5);
    if !similar.is_empty() {
        writeln!(out, "Near are {}.", similar.join(", "))?;
    }
    writeln!(out, "A price of your own goes under `pricing.models` in tidegauge.yaml.")?;
    Ok(Exit::Bad)
}

fn table(listed: &[Listed]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header([
        "provider",
        "model",
        "served",
        "charge",
        "per",
        "USD",
        "longer prompts",
        "list",
    ]);
    if let Some(column) = table.column_mut(5) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for model in listed {
        let provider =
            if model.own { format!("{} (own)", model.provider) } else { model.provider.clone() };
        let mut first = [provider, model.model.clone(), model.list.clone()];
        if model.rates.iter().all(|rates| rates.rates.is_empty()) {
            let [provider, name, list] = first;
            table.add_row([&provider, &name, "", "no price in the list", "", "", "", &list]);
            continue;
        }
        for ListedRates { served, rates } in &model.rates {
            let mut served = *served;
            for rate in rates {
                let [provider, name, list] = std::mem::take(&mut first);
                table.add_row([
                    &provider,
                    &name,
                    served,
                    rate.charge.name(),
                    per(rate.charge),
                    &rate.usd,
                    &tiers(rate),
                    &list,
                ]);
                served = "";
            }
        }
    }
    table
}

fn per(charge: Charge) -> &'static str {
    match charge.per() {
        1_000_000 => "million",
        1000 => "thousand",
        3_600_000_000 => "hour",
        _ => "one",
    }
}

fn tiers(rate: &ListedRate) -> String {
    let tiers = rate.tiers.iter().map(|tier| format!("{} above {}", tier.usd, tier.above));
    tiers.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
