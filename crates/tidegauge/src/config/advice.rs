//! What can run and is probably not meant: lines for `check`, and for the log at the start.
//!
//! In: a resolved configuration and the variables. Out: warnings, each with the setting, what it does
//! and what to do. Nothing here is a mistake: some network is always built otherwise.

use std::net::{IpAddr, Ipv4Addr};

use tidegauge_wire::provider;

use super::Config;
use super::mistake::{nearest, shown};
use super::outside::Outside;
use super::resolve::Warning;
use super::upstream::{Upstream, is_secret_name, origin};
use crate::telemetry::{ExporterPlan, TelemetryConfig};

/// Variables by which other programs find a forward proxy.
const PROXY_VARIABLES: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Levels of the log.
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// Ends of names that anybody can register, besides those of two letters. Not all of them: a name that
/// is not known here may be one of a private network.
const PUBLIC_ENDS: [&str; 12] =
    ["com", "net", "org", "edu", "gov", "info", "dev", "app", "cloud", "tech", "xyz", "online"];

/// All there is to say.
pub(super) fn warnings(
    config: &Config,
    exporter: &TelemetryConfig,
    outside: &Outside<'_>,
) -> Vec<Warning> {
    let lines = [
        config.upstreams.iter().filter_map(version_twice).collect(),
        config.upstreams.iter().filter_map(in_the_clear).collect(),
        exporter.exporters.iter().flat_map(receiver).collect(),
        keys_for_everybody(config).into_iter().collect(),
        no_level(&config.log.level),
        forward_proxy(outside).into_iter().collect::<Vec<_>>(),
    ];
    lines.concat().into_iter().map(Warning).collect()
}

/// The path that clients send begins with `/v1` as well.
fn version_twice(upstream: &Upstream) -> Option<String> {
    let usual = provider(upstream.provider).and_then(|provider| provider.upstream());
    let usual =
        usual.and_then(|url| origin(url).ok()).is_some_and(|usual| usual == upstream.origin);
    let name = &upstream.name;
    (upstream.origin.prefix.ends_with("/v1") && !usual).then(|| {
        format!(
            "upstreams.{name}.base_url ends in `/v1`, which clients send too: /{name}/v1/... is forwarded \
             to {}/v1/...; leave it out",
            upstream.origin
        )
    })
}

fn in_the_clear(upstream: &Upstream) -> Option<String> {
    let open = !upstream.origin.secure && is_public(&upstream.origin.host);
    open.then(|| {
        format!(
            "upstreams.{}.base_url: keys and prompts go to {} unencrypted; use https",
            upstream.name, upstream.origin.host
        )
    })
}

/// What is odd about where telemetry goes.
fn receiver(plan: &ExporterPlan) -> Vec<String> {
    let options = &plan.options;
    let name = &options.name;
    let mut lines = Vec::new();
    for target in [&options.traces, &options.metrics, &options.logs].into_iter().flatten() {
        let path = target.endpoint.path();
        let ends = ["/v1/traces", "/v1/metrics", "/v1/logs"];
        let own = ends.iter().find_map(|end| path.strip_suffix(end));
        if let Some(end) = own.and_then(|own| ends.iter().find(|end| own.ends_with(*end))) {
            lines.push(format!(
                "exporter `{name}`: its endpoint ends in `{end}`, which is appended for each signal: \
                 leave it out, or say `traces_endpoint`"
            ));
        }
        let host = target.endpoint.host().unwrap_or_default();
        if target.endpoint.scheme_str() == Some("http") && is_public(host) {
            lines.push(format!(
                "exporter `{name}`: telemetry goes to {host} unencrypted; use https"
            ));
        }
    }
    lines.sort();
    lines.dedup();
    lines
}

/// Whoever reaches the proxy spends the keys that it adds.
fn keys_for_everybody(config: &Config) -> Option<String> {
    let keys = |upstream: &&Upstream| upstream.headers.keys().any(|name| is_secret_name(name));
    let named: Vec<_> = config.upstreams.iter().filter(keys).map(|one| &*one.name).collect();
    let open = !config.listen.ip().is_loopback() && !named.is_empty();
    open.then(|| {
        format!(
            "listen: {} can be reached from other machines, and whoever reaches it uses the keys set under \
             `headers` of {}: clients are not asked who they are",
            config.listen,
            named.join(", ")
        )
    })
}

/// A word that is no level is taken for a part of the program, and nothing else is logged then.
fn no_level(directives: &str) -> Vec<String> {
    let words = directives.split(',').map(str::trim).filter(|word| !word.is_empty());
    let known = |word: &&str| {
        let lower = word.to_ascii_lowercase();
        word.contains(['=', '[', ':'])
            || LEVELS.contains(&lower.as_str())
            || lower.starts_with("tidegauge")
            || matches!(lower.as_str(), "0" | "1" | "2" | "3" | "4" | "5")
    };
    let told = |word: &str| {
        let meant = nearest(word, LEVELS).map(|near| format!("; did you mean `{near}`?"));
        let known = format!("log.level: `{}` is no level ({})", shown(word), LEVELS.join(", "));
        format!("{known}{}", meant.unwrap_or_default())
    };
    words.filter(|word| !known(word)).map(told).collect()
}

/// Connections are made directly, which cannot work where only a forward proxy may.
fn forward_proxy(outside: &Outside<'_>) -> Option<String> {
    let set: Vec<_> =
        PROXY_VARIABLES.into_iter().filter(|name| (outside.env)(name).is_some()).collect();
    (!set.is_empty()).then(|| {
        let verb = if set.len() == 1 { "is" } else { "are" };
        let names = set.join(", ");
        format!(
            "{names} {verb} set and not honoured: upstreams and OTLP receivers are connected to directly"
        )
    })
}

/// Whether a host is certainly not of a private network, as far as its name or address says.
fn is_public(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    if let Ok(address) = host.parse::<IpAddr>() {
        return !is_private(address);
    }
    let Some((_, end)) = host.rsplit_once('.') else { return false };
    let end = end.to_ascii_lowercase();
    end.len() == 2 || PUBLIC_ENDS.contains(&end.as_str())
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            // 100.64.0.0/10: between a provider and its customers, and overlay networks.
            let shared = Ipv4Addr::from_bits(v4.to_bits() & 0xffc0_0000);
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_unspecified()
                || shared == Ipv4Addr::new(100, 64, 0, 0)
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests;
