//! The lines a start prints: where to point a client, where to look, where telemetry goes.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tidegauge_wire::provider;

use crate::config::Resolved;
use crate::serve::Running;

/// Prints them.
pub(crate) fn print(running: &Running, resolved: &Resolved, out: &mut dyn Write) -> io::Result<()> {
    let proxy = reachable(running.proxy_addr());
    let scheme = if resolved.config.listen_tls.is_some() { "https" } else { "http" };
    let base = format!("{scheme}://{proxy}");
    writeln!(out, "point clients at  {}", clients(&base, resolved))?;
    match running.console_addr() {
        Some(addr) => writeln!(out, "look at           http://{}/", reachable(addr))?,
        None => writeln!(out, "look at           nothing: the console is off")?,
    }
    writeln!(out, "telemetry goes    {}; captured content: none", destination(resolved))?;
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

fn destination(resolved: &Resolved) -> String {
    let exporter = &resolved.exporter;
    let targets =
        [("traces", &exporter.traces), ("metrics", &exporter.metrics), ("events", &exporter.logs)];
    let mut named: Vec<(String, Vec<&str>)> = Vec::new();
    for (signal, target) in targets {
        let Some(target) = target else { continue };
        let host = target.endpoint.authority().map_or("?", http::uri::Authority::as_str);
        match named.iter_mut().find(|(known, _)| known == host) {
            Some((_, signals)) => signals.push(signal),
            None => named.push((host.to_owned(), vec![signal])),
        }
    }
    if named.is_empty() {
        return "nowhere (set OTEL_EXPORTER_OTLP_ENDPOINT, or telemetry.otlp.endpoint)".to_owned();
    }
    let said = named.iter().map(|(host, signals)| format!("to {host} ({})", signals.join(", ")));
    said.collect::<Vec<_>>().join(" and ")
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
