//! Turns a configuration into the snapshot the data plane reads.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use tidegauge_core::{Policy, Upstream};
use tidegauge_wire::{PROVIDERS, credential_owner, provider};

use crate::telemetry::Sampler;

use super::{Config, upstream};

impl Config {
    /// The policy this configuration means, with the sampler that the exporter resolved. Upstreams whose provider is not in the registry are left
    /// out; resolving lets none such through.
    pub fn policy(&self, sampler: Sampler) -> Policy {
        let mut ordered: Vec<_> = self.upstreams.iter().collect();
        ordered.sort_by_key(|upstream| rank(upstream));
        let upstreams: Vec<_> = ordered.into_iter().filter_map(published).collect();
        let default = upstreams.iter().find(|one| *one.name == *self.default_upstream);
        Policy {
            default_upstream: default.cloned(),
            owner: credential_owner,
            trust: self.telemetry.trust,
            sample_ratio: sampler.ratio,
            parent_based: sampler.parent_based,
            session_traces: self.telemetry.sessions == super::SessionsWord::Trace,
            trace_header: self.telemetry.trace_header,
            hold: usize::try_from(self.limits.hold).unwrap_or(usize::MAX),
            upstreams,
            admit: None,
        }
    }
}

/// Requests at the root go to the first upstream whose protocol claims them: the one that has its
/// provider's name before others of that provider, and the providers in the registry's order.
fn rank(upstream: &upstream::Upstream) -> (bool, usize, &str) {
    let at = PROVIDERS.iter().position(|provider| provider.kind() == upstream.provider);
    (upstream.name != upstream.provider, at.unwrap_or(usize::MAX), &upstream.name)
}

fn published(upstream: &upstream::Upstream) -> Option<Arc<Upstream>> {
    let header = |(name, secret): (&String, &super::Secret)| {
        let name = HeaderName::try_from(name).ok()?;
        let mut value = HeaderValue::try_from(secret.expose()).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    };
    let identity = match (&upstream.tls.cert, &upstream.tls.key) {
        (Some((_, cert)), Some((_, key))) => Some([&**cert, b"\n", &**key].concat().into()),
        _ => None,
    };
    Some(Arc::new(Upstream {
        name: upstream.name.as_str().into(),
        dialect: provider(upstream.provider)?,
        origin: Arc::new(upstream.origin.clone()),
        usage: upstream.usage,
        timeouts: upstream.timeouts,
        headers: upstream.headers.iter().filter_map(header).collect(),
        propagate: upstream.propagate,
        ca: upstream.tls.ca.as_ref().map(|(_, pem)| Arc::clone(pem)),
        client_identity: identity,
        capture: upstream.capture,
        http2: upstream.http2,
    }))
}
