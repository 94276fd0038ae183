//! Where one signal goes: the endpoint, and how it is reached.
//!
//! In: what the file says about a receiver, and the `OTEL_EXPORTER_OTLP_*` variables. Out: a
//! [`Target`], or `None` where nothing is sent. A variable for the signal wins over the one for all
//! signals, and that over the file; one that means nothing is passed over. Reads certificate files;
//! opens no connection.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::PathAndQuery};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tidegauge_core::Signal;
use tidegauge_export::{Compression, Identity, Protocol, Target, can_use_tls};

use super::receiver::Receiver;
use super::variables::{MILLIS, Misread, Variables, decoded, millis};

const TIMEOUT: Duration = Duration::from_secs(10);
const URL: &str = "a URL with http:// or https:// and a host";
const PAIRS: &str = "name=value pairs separated by commas";

/// A value, and what it was read from.
struct Found<T> {
    what: String,
    value: T,
    /// From a variable for this signal alone.
    own: bool,
}

/// Reads what is known about one receiver.
pub(super) struct TargetReader<'r, 'v> {
    /// What the file says.
    pub(super) receiver: &'r Receiver,
    /// Where that stands in the file.
    pub(super) place: &'r str,
    /// The variables; `None` where they say nothing about this receiver.
    pub(super) variables: Option<&'r mut Variables<'v>>,
    /// What in the file means nothing.
    pub(super) mistakes: &'r mut Vec<Misread>,
    /// What works otherwise than it was typed.
    pub(super) ignored: &'r mut Vec<Misread>,
}

impl TargetReader<'_, '_> {
    /// Where a signal goes; `None`: nowhere.
    pub(super) fn target(&mut self, signal: Signal) -> Option<Target> {
        let wanted = self.exporter(signal);
        let typed = self.protocol(signal);
        let protocol = typed.as_ref().map(|found| found.value);
        let endpoint = self.endpoint(signal, protocol);
        if wanted == Some(false) || (wanted.is_none() && endpoint.is_none()) {
            return None;
        }
        let endpoint = endpoint.or_else(|| self.usual(signal, protocol))?;
        // A protocol that a variable sets for a whole machine makes no mistake of the file's URL.
        let outside = typed.is_some_and(|found| is_variable(&found.what));
        let protocol = protocol.or_else(|| by_port(&endpoint.value));
        let (protocol, endpoint) = self.placed(signal, (protocol, outside), endpoint)?;
        let timeout = self.variable(signal, "TIMEOUT", MILLIS, millis).map(|found| found.value);
        Some(Target {
            protocol,
            endpoint,
            headers: self.headers(signal),
            compression: self.compression(signal),
            timeout: timeout.or(self.receiver.timeout).unwrap_or(TIMEOUT),
            ca: self.trusted(signal),
            identity: self.identity(signal),
        })
    }

    /// `OTEL_<SIGNAL>_EXPORTER`: `None` when it is not set, or names nothing that is known here.
    fn exporter(&mut self, signal: Signal) -> Option<bool> {
        let name = format!("OTEL_{}_EXPORTER", word(signal));
        let variables = self.variables.as_mut()?;
        let mut wanted = None;
        for exporter in variables.text(&name)?.split(',').map(str::trim) {
            match exporter {
                "otlp" => wanted = Some(true),
                "none" => wanted = wanted.or(Some(false)),
                // The metrics page is there in any case.
                "prometheus" if signal == Signal::Metrics => wanted = wanted.or(Some(false)),
                _ => variables.ignore(&name, "otlp or none"),
            }
        }
        wanted
    }

    /// The protocol, where it was typed.
    fn protocol(&mut self, signal: Signal) -> Option<Found<Protocol>> {
        let found = self.variable(signal, "PROTOCOL", "grpc or http/protobuf", Protocol::of_name);
        let what = format!("{}.protocol", self.place);
        found.or_else(|| Some(Found { what, value: self.receiver.protocol?, own: false }))
    }

    /// The first endpoint that means something.
    fn endpoint(&mut self, signal: Signal, protocol: Option<Protocol>) -> Option<Found<Uri>> {
        let plain = self.variable(signal, "INSECURE", "true or false", |text| match text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        });
        let plain = plain.is_some_and(|found| found.value);
        let read = |text: &str| url(text, protocol, plain);
        if let Some(found) = self.variable(signal, "ENDPOINT", URL, read) {
            return Some(found);
        }
        let own = self.receiver.signal_endpoints.get(signal as usize).and_then(Option::as_deref);
        if let Some(text) = own.filter(|text| !text.trim().is_empty()) {
            let what = format!("{}.{}_endpoint", self.place, signal.name());
            let Some(value) = url(text.trim(), protocol, plain) else {
                self.mistake(&what, URL);
                return None;
            };
            return Some(Found { what, value, own: true });
        }
        let text = self.receiver.endpoint.as_deref().filter(|text| !text.trim().is_empty())?;
        let what = format!("{}.endpoint", self.place);
        let Some(value) = url(text.trim(), protocol, plain) else {
            self.mistake(&what, URL);
            return None;
        };
        Some(Found { what, value, own: false })
    }

    /// Where a signal goes that is wanted and was given no endpoint.
    fn usual(&self, _: Signal, protocol: Option<Protocol>) -> Option<Found<Uri>> {
        let usual = match protocol {
            Some(Protocol::Grpc) => "http://localhost:4317",
            None | Some(Protocol::HttpProtobuf) => "http://localhost:4318",
        };
        let value = Uri::from_str(usual).ok()?;
        Some(Found { what: format!("{}.endpoint", self.place), value, own: false })
    }

    /// The URL that exports go to. gRPC has no path: in the file one is a mistake, and where a variable
    /// says either of the two it is ignored. Where the protocol is to be found by trying, a path of its
    /// own says that it is HTTP.
    fn placed(
        &mut self,
        signal: Signal,
        (protocol, outside): (Option<Protocol>, bool),
        endpoint: Found<Uri>,
    ) -> Option<(Option<Protocol>, Uri)> {
        let Found { what, value: uri, own } = endpoint;
        let has_path = !matches!(uri.path(), "" | "/") || uri.query().is_some();
        match protocol {
            Some(Protocol::Grpc) => {
                if has_path && (outside || is_variable(&what)) {
                    self.ignore(&what, "a URL without a path: gRPC has none");
                } else if has_path {
                    self.mistake(&what, "a URL without a path for gRPC, which has none");
                }
                Some((protocol, joined(uri, "", true)?))
            }
            Some(Protocol::HttpProtobuf) if own => Some((protocol, uri)),
            Some(Protocol::HttpProtobuf) => Some((protocol, joined(uri, path(signal), false)?)),
            None if own && has_path => Some((Some(Protocol::HttpProtobuf), uri)),
            None if has_path => {
                Some((Some(Protocol::HttpProtobuf), joined(uri, path(signal), false)?))
            }
            None if own => Some((None, uri)),
            None => Some((None, joined(uri, path(signal), false)?)),
        }
    }

    /// Those of the file, and over them those of the variables: pairs as in W3C baggage.
    fn headers(&mut self, signal: Signal) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.receiver.headers {
            if !add_header(&mut headers, name, value) {
                let what = format!("{}.headers", self.place);
                self.mistake(&what, "header names and values that HTTP allows");
            }
        }
        let Some(variables) = self.variables.as_mut() else { return headers };
        for what in [
            "OTEL_EXPORTER_OTLP_HEADERS".to_owned(),
            format!("OTEL_EXPORTER_OTLP_{}_HEADERS", word(signal)),
        ] {
            let list = variables.text(&what).unwrap_or_default();
            for pair in list.split(',').filter(|pair| !pair.trim().is_empty()) {
                match pair.split_once('=') {
                    None => variables.ignore(&what, PAIRS),
                    Some((name, value)) => {
                        if !add_header(&mut headers, name.trim(), &decoded(value.trim())) {
                            variables.ignore(&what, "header names and values that HTTP allows");
                        }
                    }
                }
            }
        }
        headers
    }

    fn compression(&mut self, signal: Signal) -> Option<Compression> {
        let read = |text: &str| match text {
            "gzip" => Some(Some(Compression::Gzip)),
            "zstd" => Some(Some(Compression::Zstd)),
            "none" => Some(None),
            _ => None,
        };
        let found = self.variable(signal, "COMPRESSION", "gzip, zstd or none", read);
        found.map_or(self.receiver.compression, |found| found.value)
    }

    /// Certificates that are trusted besides the platform's.
    fn trusted(&mut self, signal: Signal) -> Option<Arc<[u8]>> {
        let typed = self.receiver.certificate.clone();
        let found = self.pem(signal, "CERTIFICATE", "certificate", typed)?;
        if can_use_tls(Some(&found.value), None).is_err() {
            self.misread(&found.what, "certificates that can be trusted");
            return None;
        }
        Some(found.value)
    }

    fn identity(&mut self, signal: Signal) -> Option<Identity> {
        let chain = self.receiver.client_certificate.clone();
        let chain = self.pem(signal, "CLIENT_CERTIFICATE", "client_certificate", chain);
        let key = self.receiver.client_key.clone();
        let key = self.file(signal, "CLIENT_KEY", "client_key", key);
        let (chain, key) = match (chain, key) {
            (Some(chain), Some(key)) => (chain, key),
            (Some(alone), None) => {
                self.misread(&alone.what, "a client key beside it");
                return None;
            }
            (None, Some(alone)) => {
                self.misread(&alone.what, "a client certificate beside it");
                return None;
            }
            (None, None) => return None,
        };
        if PrivateKeyDer::from_pem_slice(&key.value).is_err() {
            self.misread(&key.what, "a file with a PEM private key");
            return None;
        }
        let identity = Identity { chain: chain.value, key: key.value };
        if can_use_tls(None, Some(&identity)).is_err() {
            // Either may be the wrong one; the start stops only if both are the file's.
            let of = if is_variable(&key.what) { key.what } else { chain.what };
            self.misread(&of, "a client certificate and the key that belongs to it");
            return None;
        }
        Some(identity)
    }

    /// A file with at least one PEM certificate and none that is broken.
    fn pem(
        &mut self,
        signal: Signal,
        variable: &str,
        setting: &str,
        typed: Option<String>,
    ) -> Option<Found<Arc<[u8]>>> {
        let found = self.file(signal, variable, setting, typed)?;
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&found.value).collect();
        let good = read.is_ok_and(|read| !read.is_empty());
        if !good {
            self.misread(&found.what, "a file with PEM certificates");
        }
        good.then_some(found)
    }

    fn file(
        &mut self,
        signal: Signal,
        variable: &str,
        setting: &str,
        typed: Option<String>,
    ) -> Option<Found<Arc<[u8]>>> {
        let any = |text: &str| Some(text.to_owned());
        let place = format!("{}.{setting}", self.place);
        let typed = typed.filter(|value| !value.is_empty());
        let typed = typed.map(|value| Found { what: place, value, own: false });
        let found = self.variable(signal, variable, "", any).or(typed)?;
        match std::fs::read(&found.value) {
            Ok(bytes) => Some(Found { what: found.what, value: bytes.into(), own: found.own }),
            Err(error) => {
                self.misread(&found.what, &format!("a readable file ({})", error.kind()));
                None
            }
        }
    }

    /// The variable for this signal, else the one for all.
    fn variable<T>(
        &mut self,
        signal: Signal,
        suffix: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<Found<T>> {
        let variables = self.variables.as_mut()?;
        let own = format!("OTEL_EXPORTER_OTLP_{}_{suffix}", word(signal));
        if let Some(value) = variables.read(&own, expected, &read) {
            return Some(Found { what: own, value, own: true });
        }
        let all = format!("OTEL_EXPORTER_OTLP_{suffix}");
        let value = variables.read(&all, expected, &read)?;
        Some(Found { what: all, value, own: false })
    }

    /// A value of the file is a mistake, one of a variable is ignored.
    fn misread(&mut self, what: &str, expected: &str) {
        match self.variables.as_mut().filter(|_| is_variable(what)) {
            Some(variables) => variables.ignore(what, expected),
            None => self.mistake(what, expected),
        }
    }

    fn mistake(&mut self, what: &str, expected: &str) {
        note(self.mistakes, what, expected);
    }

    fn ignore(&mut self, what: &str, expected: &str) {
        note(self.ignored, what, expected);
    }
}

/// Whether this is the name of a variable and not of a setting.
fn is_variable(what: &str) -> bool {
    what.starts_with("OTEL_")
}

/// Notes something once.
pub(super) fn note(list: &mut Vec<Misread>, what: &str, expected: &str) {
    let misread = Misread { what: what.to_owned(), expected: expected.to_owned() };
    if !list.contains(&misread) {
        list.push(misread);
    }
}

/// A signal as the variables name it.
fn word(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "TRACES",
        Signal::Metrics => "METRICS",
        Signal::Logs => "LOGS",
    }
}

/// After the endpoint for all signals, over HTTP.
fn path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "v1/traces",
        Signal::Metrics => "v1/metrics",
        Signal::Logs => "v1/logs",
    }
}

/// What the port says about the protocol; `None`: nothing.
fn by_port(endpoint: &Uri) -> Option<Protocol> {
    match endpoint.port_u16() {
        Some(4317) => Some(Protocol::Grpc),
        Some(4318) => Some(Protocol::HttpProtobuf),
        _ => None,
    }
}

/// A URL with a host and without credentials. gRPC's may lack the scheme.
fn url(text: &str, protocol: Option<Protocol>, plain: bool) -> Option<Uri> {
    let by_port = protocol.is_none() && text.trim_end_matches('/').ends_with(":4317");
    let bare = (by_port || protocol == Some(Protocol::Grpc)) && !text.contains("://");
    let scheme = if plain { "http" } else { "https" };
    let text = if bare { format!("{scheme}://{text}") } else { text.to_owned() };
    Uri::from_str(&text).ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && !text.contains('@')
    })
}

/// The URL with a path after its own, or in place of it.
fn joined(uri: Uri, path: &str, alone: bool) -> Option<Uri> {
    let base = if alone { "" } else { uri.path().trim_end_matches('/') };
    let query = uri.query().filter(|_| !alone).map(|query| format!("?{query}"));
    let query = query.unwrap_or_default();
    let path = PathAndQuery::from_str(&format!("{base}/{path}{query}")).ok()?;
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).ok()
}

/// Whether HTTP allows this header, which then is one.
fn add_header(headers: &mut HeaderMap, name: &str, value: &str) -> bool {
    let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
    else {
        return false;
    };
    value.set_sensitive(true);
    headers.insert(name, value);
    true
}
