//! `tidegauge healthcheck`: one question to a running proxy, for container runtimes.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context as _, bail};
use http::Uri;

use crate::cli::HealthArgs;
use crate::config::{Outside, Source, load};
use crate::welcome::reachable;

use super::Exit;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Exit 0 when the answer is 200.
pub(crate) fn run(args: &HealthArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let url = match &args.url {
        Some(url) => url.clone(),
        None => configured()?,
    };
    let status = ask(&url).with_context(|| format!("{url} does not answer"))?;
    writeln!(out, "{url} says {status}")?;
    Ok(if status == 200 { Exit::Well } else { Exit::Bad })
}

/// The health page of the configured console or, where that is off, of the proxy.
fn configured() -> anyhow::Result<String> {
    let config = load(&Source::default(), &Outside::real())?.resolved.config;
    match (&config.console, &config.listen_tls) {
        (Some(console), _) => Ok(format!("http://{}/readyz", reachable(console.listen))),
        (None, None) => Ok(format!("http://{}/healthz", reachable(config.listen))),
        (None, Some(_)) => bail!("the console is off and the proxy speaks TLS: nothing to ask"),
    }
}

/// The status of a GET.
fn ask(url: &str) -> anyhow::Result<u16> {
    status(&get(url, None, 64)?)
}

/// The status an answer begins with.
pub(super) fn status(answer: &str) -> anyhow::Result<u16> {
    let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    status.context("the answer is not HTTP")
}

/// The answer to a GET, at most so many bytes of it.
pub(super) fn get(url: &str, token: Option<&str>, most: u64) -> anyhow::Result<String> {
    let uri: Uri = url.parse().context("not a URL")?;
    let Some(host) = uri.host().filter(|_| uri.scheme_str() == Some("http")) else {
        bail!("not an http URL");
    };
    let port = uri.port_u16().unwrap_or(80);
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let addr = (name, port).to_socket_addrs()?.next().context("no such host")?;
    let mut stream = TcpStream::connect_timeout(&addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n")?;
    if let Some(token) = token {
        write!(stream, "authorization: Bearer {token}\r\n")?;
    }
    write!(stream, "\r\n")?;
    let mut answer = String::new();
    stream.take(most).read_to_string(&mut answer).or_else(|error| match answer.is_empty() {
        true => Err(error),
        false => Ok(answer.len()),
    })?;
    Ok(answer)
}
