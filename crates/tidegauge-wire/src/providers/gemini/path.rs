//! Takes apart the paths of Google's APIs: `/version/.../models/MODEL:method`.

use std::borrow::Cow;

use crate::answer::MAX_NAME;
use crate::field::clip;
use crate::percent;

/// How many segments a path may have and still be looked at.
const MAX_SEGMENTS: usize = 16;
const VERSIONS: &[&str] = &["v1", "v1beta", "v1alpha", "v1beta1", "v1beta2", "v1beta3"];
/// Collections, and what stands for a member of one in a route.
const COLLECTIONS: &[(&str, &str)] = &[
    ("projects", "{project}"),
    ("locations", "{location}"),
    ("publishers", "{publisher}"),
    ("models", "{model}"),
    ("tunedModels", "{model}"),
    ("endpoints", "{endpoint}"),
    ("cachedContents", "{id}"),
    ("files", "{id}"),
    ("batches", "{id}"),
    ("operations", "{id}"),
    ("interactions", "{id}"),
];
const METHODS: &[&str] = &[
    "generateContent",
    "streamGenerateContent",
    "countTokens",
    "computeTokens",
    "embedContent",
    "batchEmbedContents",
    "predict",
    "predictLongRunning",
    "fetchPredictOperation",
    "batchGenerateContent",
    "asyncBatchEmbedContent",
    "rawPredict",
    "streamRawPredict",
    "download",
];
/// Stands before the version where files are fetched.
const DOWNLOAD: &str = "download";
/// The one method of the socket API; it stands in a path of its own.
pub(in crate::providers) const LIVE: &str = "BidiGenerateContent";
/// The same for keys that may do only so much.
const LIVE_CONSTRAINED: &str = "BidiGenerateContentConstrained";

/// One path, taken apart. What is not known is empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::providers) struct Path<'a> {
    /// The model, or the endpoint it is served at.
    pub(in crate::providers) model: Cow<'a, str>,
    /// Whose model it is.
    pub(in crate::providers) publisher: Cow<'a, str>,
    /// The location of the cloud platform.
    location: Cow<'a, str>,
    /// What is asked.
    pub(in crate::providers) method: &'static str,
    /// The last collection named.
    pub(in crate::providers) collection: &'static str,
    route: String,
}

impl<'a> Path<'a> {
    /// Takes a path apart.
    pub(in crate::providers) fn of(path: &'a str) -> Self {
        let mut taken = Self::default();
        if path.ends_with(LIVE) || path.ends_with(LIVE_CONSTRAINED) {
            let route = "/ws/{service}".to_owned();
            return Self { method: LIVE, route, ..taken };
        }
        let mut segments = segments(path);
        let mut version = segments.next().unwrap_or_default();
        if version == DOWNLOAD {
            taken.route = format!("/{DOWNLOAD}");
            version = segments.next().unwrap_or_default();
        }
        if !VERSIONS.contains(&version) || segments.clone().nth(MAX_SEGMENTS).is_some() {
            return Self::default();
        }
        taken.route.push('/');
        taken.route.push_str(version);
        while let Some(collection) = segments.next() {
            taken.collection(collection);
            if let Some(member) = segments.next() {
                taken.member(member);
            }
        }
        taken
    }

    /// The low-cardinality pattern of the path.
    pub(in crate::providers) fn route(&self) -> Cow<'static, str> {
        if self.route.is_empty() { "/{path}".into() } else { self.route.clone().into() }
    }

    /// Whether one batch job is named.
    pub(in crate::providers) fn is_batch(&self) -> bool {
        self.route.ends_with("/batches/{id}")
    }

    /// Whether the collection of interactions is named, to which new ones are added.
    pub(in crate::providers) fn is_interaction(&self) -> bool {
        self.route.ends_with("/interactions")
    }

    /// Where the model runs, as the path says.
    pub(in crate::providers) fn location(&self) -> Option<String> {
        let location = clip(&self.location, 64);
        (!location.is_empty()).then(|| location.to_owned())
    }

    fn collection(&mut self, segment: &str) {
        let (name, method) = method_of(segment);
        let known = COLLECTIONS.iter().find(|(collection, _)| *collection == name);
        self.collection = known.map_or("", |(collection, _)| collection);
        self.push(known.map_or("{path}", |(collection, _)| collection), method);
    }

    fn member(&mut self, segment: &'a str) {
        let (name, method) = method_of(segment);
        let known = COLLECTIONS.iter().find(|(collection, _)| *collection == self.collection);
        self.push(known.map_or("{path}", |(_, member)| member), method);
        match self.collection {
            "publishers" => self.publisher = name,
            "locations" => self.location = name,
            "models" | "tunedModels" | "endpoints" => self.model = name,
            _ => {}
        }
    }

    fn push(&mut self, name: &str, method: &'static str) {
        self.method = method;
        self.route.push('/');
        self.route.push_str(name);
        if !method.is_empty() {
            self.route.push(':');
            self.route.push_str(method);
        }
    }
}

/// A segment without the method at its end, and the method.
fn method_of(segment: &str) -> (Cow<'_, str>, &'static str) {
    let decoded = percent::decode(segment);
    let Some((name, method)) = decoded.rsplit_once(':') else { return (decoded, "") };
    let known = METHODS.iter().find(|known| **known == method).copied().unwrap_or("{method}");
    let length = name.len();
    let name = match decoded {
        Cow::Borrowed(text) => Cow::Borrowed(text.get(..length).unwrap_or(text)),
        Cow::Owned(mut text) => {
            text.truncate(length);
            Cow::Owned(text)
        }
    };
    (name, known)
}

/// Whether this is a path of the public API and of no other provider's: others have models under
/// `/v1`, but ask nothing of them there.
pub(in crate::providers) fn is_public(path: &str) -> bool {
    let mut segments = segments(path);
    match (segments.next(), segments.next()) {
        (Some("v1beta" | "v1alpha"), Some(collection)) => {
            let own = [
                "models",
                "tunedModels",
                "cachedContents",
                "openai",
                "batches",
                "files",
                "interactions",
            ];
            own.contains(&collection)
        }
        (Some(DOWNLOAD), Some(version)) => VERSIONS.contains(&version),
        (Some("v1"), Some("models")) => METHODS.contains(&Path::of(path).method),
        (Some("ws"), Some(service)) => service.starts_with("google.ai.generativelanguage."),
        _ => false,
    }
}

/// Whether this is a path of the cloud platform.
pub(in crate::providers) fn is_platform(path: &str) -> bool {
    let mut segments = segments(path);
    let first = segments.next();
    let version = first.is_some_and(|version| VERSIONS.contains(&version));
    let second = segments.next();
    if first == Some("ws") {
        return second.is_some_and(|service| service.starts_with("google.cloud.aiplatform."));
    }
    let of_project = match second {
        Some("projects") => segments.nth(1) == Some("locations"),
        Some("publishers") => segments.nth(1) == Some("models"),
        _ => false,
    };
    version && of_project
}

/// Whether this is a path of the part of the API that speaks OpenAI's format.
pub(in crate::providers) fn is_compatible(path: &str) -> bool {
    segments(path).any(|segment| matches!(segment, "openai" | "openapi"))
}

fn segments(path: &str) -> impl Iterator<Item = &str> + Clone {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// The model a path names.
pub(in crate::providers) fn model(path: &Path<'_>) -> Option<String> {
    let model = clip(&path.model, MAX_NAME);
    (!model.is_empty()).then(|| model.to_owned())
}
