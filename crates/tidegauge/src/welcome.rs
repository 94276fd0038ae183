//! The lines a start prints: where to point a client, where to look, where telemetry goes.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tidegauge_core::Capture;
use tidegauge_wire::provider;

use crate::config::{Config, Resolved};
use crate::serve::Running;

/// Prints them.
pub(crate) fn print(running: &Running, resolved: &Resolved, out: &mut dyn Write) -> io::Result<()> {
    lines(running.proxy_addr(), running.console_addr(), resolved, out)
}

fn lines(
    proxy: SocketAddr,
    console: Option<SocketAddr>,
    resolved: &Resolved,
    out: &mut dyn Write,
) -> io::Result<()> {
    let proxy = reachable(proxy);
    let scheme = if resolved.config.listen_tls.is_some() { "https" } else { "http" };
    let base = format!("{scheme}://{proxy}");
    writeln!(out, "point clients at  {}", clients(&base, resolved))?;
    match console {
        Some(addr) => writeln!(out, "look at           http://{}/", reachable(addr))?,
        None => writeln!(out, "look at           nothing: the console is off")?,
    }
    writeln!(out, "telemetry goes    {}", destination(resolved))?;
    out.flush()
}

/// The variables that clients of the upstreams read.
fn clients(base: &str, resolved: &Resolved) -> String {
    let variables = resolved.config.upstreams.iter().filter_map(|upstream| {
        let (variable, path) = provider(upstream.provider)?.client_variable()?;
        (upstream.name == upstream.provider)
            .then(|| format!("{variable}={base}/{}{path}", upstream.name))
    });
    let mut all: Vec<String> = variables.collect();
    all.push(format!("or {base}/UPSTREAM/..."));
    all.join("  ")
}

/// Where telemetry goes, and what of the content of calls goes with it.
pub(crate) fn destination(resolved: &Resolved) -> String {
    let mut named: Vec<(String, Vec<&str>)> = Vec::new();
    for exporter in &resolved.exporter.exporters {
        let first = named.len();
        let targets = [
            ("traces", &exporter.options.traces),
            ("metrics", &exporter.options.metrics),
            ("events", &exporter.options.logs),
        ];
        for (signal, target) in targets {
            let Some(target) = target else { continue };
            let host = target.endpoint.authority().map_or("?", http::uri::Authority::as_str);
            match named.iter_mut().skip(first).find(|(known, _)| known == host) {
                Some((_, signals)) => signals.push(signal),
                None => named.push((host.to_owned(), vec![signal])),
            }
        }
    }
    let captured = captured(&resolved.config);
    if named.is_empty() {
        let nowhere = "nowhere (set OTEL_EXPORTER_OTLP_ENDPOINT, or telemetry.otlp.endpoint)";
        return format!("{nowhere}; captured content: {captured}");
    }
    let said = named.iter().map(|(host, signals)| format!("to {host} ({})", signals.join(", ")));
    format!("{}; captured content: {captured}", said.collect::<Vec<_>>().join(" and "))
}

/// How much of what is said may be kept: one word where it is the same everywhere.
fn captured(config: &Config) -> String {
    let of = |level: Capture| -> Vec<&str> {
        let upstreams = config.upstreams.iter().filter(|upstream| upstream.capture == level);
        upstreams.map(|upstream| upstream.name.as_str()).collect()
    };
    let levels = [Capture::Full, Capture::Redacted].map(|level| (level, of(level)));
    let told: Vec<String> = levels
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(level, names)| match names.len() == config.upstreams.len() {
            true => level.name().to_owned(),
            false => format!("{} of {}", level.name(), names.join(", ")),
        })
        .collect();
    if told.is_empty() { "none".to_owned() } else { told.join("; ") }
}

/// An address that can be typed into a client on this machine.
pub(crate) fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        ip if ip.is_unspecified() && ip.is_ipv4() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Outside, Overrides, Typed, resolve};

    /// What is captured and where it goes is said at every start.
    #[test]
    fn a_start_says_where_things_are() {
        let table = [
            ("", true),
            ("console: off", false),
            ("telemetry: {otlp: {endpoint: 'http://c:4317'}}", true),
            ("capture: redacted", true),
            (
                "{capture: off, upstreams: {ollama: {capture: full}, groq: {capture: redacted}}}",
                true,
            ),
        ];
        let mut all = Vec::new();
        for (text, console) in table {
            let typed = Typed { file: Some(("t", text)), flags: &Overrides::default() };
            let outside = Outside { env: &|_| None, ..Outside::real() };
            let resolved = resolve(typed, &outside).unwrap();
            let console = console.then_some(([127, 0, 0, 1], 4311).into());
            lines(([0, 0, 0, 0], 4310).into(), console, &resolved, &mut all).unwrap();
        }
        insta::assert_snapshot!(String::from_utf8(all).unwrap());
    }
}
