//! Fetches one file over HTTPS, because somebody asked for it just now.
//!
//! Bounded in size and time. Follows no redirect, so that what is asked is what is written down; plain
//! HTTP goes to this machine only.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, USER_AGENT};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::pricelist::{LARGEST, Trouble};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The body of a good answer, and the address without credentials and query.
pub(super) fn fetch(url: &str) -> anyhow::Result<(Vec<u8>, String)> {
    let uri: Uri = url.parse().context("not a URL")?;
    let source = shown(&uri);
    if uri.scheme_str() != Some("https") && !is_here(&uri) {
        bail!("{source}: only https, or http on this machine");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let got = runtime.block_on(async { tokio::time::timeout(PATIENCE, get(uri)).await });
    let data = got.unwrap_or_else(|_| bail!("no answer within {} s", PATIENCE.as_secs()));
    Ok((data.with_context(|| source.clone())?, source))
}

async fn get(uri: Uri) -> anyhow::Result<Vec<u8>> {
    let provider = || rustls::crypto::ring::default_provider();
    // Where the system has no certificates, those that come with the program.
    let builder = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(provider())
        .or_else(|_| {
            HttpsConnectorBuilder::new()
                .with_provider_and_webpki_roots(provider())
                .map_err(std::io::Error::other)
        })
        .context("TLS cannot be set up")?;
    let connector = builder.https_or_http().enable_http1().build();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let request = Request::get(uri)
        .header(USER_AGENT, concat!("tidegauge/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())?;
    let response = client.request(request).await.context("no connection")?;
    let status = response.status();
    if status.is_redirection() {
        bail!("answers {status}: give the address that it leads to");
    }
    if !status.is_success() {
        bail!("answers {status}");
    }
    if response.headers().contains_key(CONTENT_ENCODING) {
        bail!("answers in an encoding that was not asked for");
    }
    let largest = usize::try_from(LARGEST).unwrap_or(usize::MAX);
    match Limited::new(response.into_body(), largest).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => Err(Trouble::TooLarge.into()),
        Err(_) => bail!("the answer broke off"),
    }
}

fn is_here(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn shown(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{}", uri.path())
}
