//! Who emits: the attributes of the OTLP resource.
//!
//! In: what the settings and the standard variables say. Out: a sorted list without duplicates. Reads
//! the host name and the process id; knows no exporter.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use tidegauge_core::{Emitter, Scope};

use crate::attribute::pair;
use crate::semconv::{self as name, scope_name, scope_schema};

/// Resource attributes by name. Texts only, but for the process id.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ResourceAttributes(BTreeMap<String, String>);

impl ResourceAttributes {
    /// What is known without being told: service name, version and instance, host and process.
    pub fn detected() -> Self {
        let mut known = Self::default();
        known.set(name::SERVICE_NAME, "tidegauge");
        known.set(name::SERVICE_VERSION, env!("CARGO_PKG_VERSION"));
        known.set(name::SERVICE_INSTANCE_ID, &instance());
        known.set(name::SDK_LANGUAGE, "rust");
        known.set(name::SDK_NAME, "tidegauge");
        known.set(name::SDK_VERSION, env!("CARGO_PKG_VERSION"));
        known.set(name::HOST_ARCH, arch());
        known.set(name::OS_TYPE, os());
        if let Some(host) = host() {
            known.set(name::HOST_NAME, &host);
        }
        known.set(name::PROCESS_PID, &std::process::id().to_string());
        let program = std::env::current_exe().ok();
        if let Some(file) = program.as_deref().and_then(|path| path.file_name()?.to_str()) {
            known.set(name::PROCESS_EXECUTABLE, file);
        }
        known
    }

    /// Sets one attribute; an empty value is not told.
    pub fn set(&mut self, key: &str, value: &str) {
        if !key.is_empty() && !value.is_empty() {
            self.0.insert(key.to_owned(), value.to_owned());
        }
    }

    /// The value of one attribute.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Every attribute, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Who makes the telemetry of this process, for the exports.
    pub fn emitter(&self) -> Emitter {
        let scopes = Scope::ALL.map(|scope| {
            InstrumentationScope {
                name: scope_name(scope).to_owned(),
                version: name::SCOPE_VERSION.to_owned(),
                ..InstrumentationScope::default()
            }
            .encode_to_vec()
        });
        let schemas = Scope::ALL.map(scope_schema);
        Emitter { resource: self.proto().encode_to_vec(), scopes, schemas }
    }

    /// As it goes over the wire.
    pub(crate) fn proto(&self) -> Resource {
        let attributes = self.iter().map(|(key, value)| {
            let number = value.parse().ok().filter(|_| key == name::PROCESS_PID);
            pair(key, number.map_or_else(|| Value::StringValue(value.to_owned()), Value::IntValue))
        });
        Resource { attributes: attributes.collect(), ..Resource::default() }
    }
}

/// A random UUID, version 4: unlike a host name it is new after every start.
fn instance() -> String {
    let (high, low) = (RandomState::new().hash_one(1), RandomState::new().hash_one(2));
    let high = high & 0xffff_ffff_ffff_0fff | 0x4000;
    let low = low & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

fn host() -> Option<String> {
    let told = || std::env::var("HOSTNAME").ok();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel.or_else(told)?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// `host.arch`.
pub(crate) fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "x86",
        other => other,
    }
}

/// `os.type`.
pub(crate) fn os() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}
