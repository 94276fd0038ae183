//! Hosts that speak OpenAI's format: one row each.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tidegauge_core::{Dialect, Filter, Head, Matched, Operation, Splice, UsagePolicy};

use super::openai::{self, OpenAi};
use super::plain::Found;
use super::{anthropic, headers, routes};
use crate::answer::Answer;
use crate::figures::Figures;
use crate::provider::{Provider, Reader, SocketReader};

/// A host that differs from OpenAI by data only.
#[derive(Debug)]
pub(crate) struct Compatible {
    kind: &'static str,
    provider: &'static str,
    upstream: Option<&'static str>,
    price_id: Option<&'static str>,
    usage: UsagePolicy,
    public: bool,
    claims: &'static [&'static str],
    names_surfaces: bool,
    /// What of the response head only this host has.
    read_headers: fn(&HeaderMap, &mut Answer),
}

impl Dialect for Compatible {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn provider(&self) -> &'static str {
        self.provider
    }

    fn claims(&self, head: Head<'_>) -> bool {
        self.claims.iter().any(|prefix| head.path.starts_with(prefix))
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        find(head).map_or_else(routes::unknown, |(matched, _)| matched)
    }

    fn may_splice(&self, operation: Operation, head: Head<'_>) -> bool {
        openai::may_splice(operation, head)
    }

    fn splice(&self, body: &[u8]) -> Option<Splice> {
        OpenAi.splice(body)
    }

    fn refuses_splice(&self, status: StatusCode, body: &[u8]) -> bool {
        OpenAi.refuses_splice(status, body)
    }

    fn filter(&self) -> Box<dyn Filter> {
        OpenAi.filter()
    }

    fn error_body(&self, _status: StatusCode, kind: &str, message: &str) -> Bytes {
        openai::error_body(kind, message)
    }
}

impl Provider for Compatible {
    fn upstream(&self) -> Option<&'static str> {
        self.upstream
    }

    fn usage(&self) -> UsagePolicy {
        self.usage
    }

    fn price_id(&self) -> Option<&'static str> {
        self.price_id
    }

    fn public(&self) -> bool {
        self.public
    }

    fn names_surfaces(&self) -> bool {
        self.names_surfaces
    }

    fn reader(&self, head: Head<'_>) -> Option<&'static dyn Reader> {
        find(head).and_then(|(_, reader)| reader)
    }

    fn socket(&self, head: Head<'_>) -> Option<&'static dyn SocketReader> {
        openai::socket(head)
    }

    fn read_headers(&self, told: &HeaderMap, into: &mut Answer) {
        headers::read(told, &mut into.response);
        (self.read_headers)(told, into);
    }
}

/// Several of these hosts speak Anthropic's Messages beside OpenAI's APIs.
fn find(head: Head<'_>) -> Option<Found> {
    openai::find(head).or_else(|| anthropic::find(head))
}

/// Somebody else's host, which is not asked for usage.
const fn public(
    kind: &'static str,
    provider: &'static str,
    upstream: &'static str,
    price_id: Option<&'static str>,
) -> Compatible {
    Compatible {
        kind,
        provider,
        upstream: Some(upstream),
        price_id,
        usage: UsagePolicy::Passthrough,
        public: true,
        claims: &[],
        names_surfaces: false,
        read_headers: |_, _| {},
    }
}

/// One's own model server, which is asked for usage.
const fn own(
    kind: &'static str,
    provider: &'static str,
    upstream: Option<&'static str>,
) -> Compatible {
    Compatible {
        kind,
        provider,
        upstream,
        price_id: None,
        usage: UsagePolicy::Inject,
        public: false,
        claims: &[],
        names_surfaces: false,
        read_headers: |_, _| {},
    }
}

/// Anything that speaks the format. Whether it knows how to be asked for usage is not known.
pub(crate) static COMPATIBLE: Compatible = Compatible {
    usage: UsagePolicy::Passthrough,
    ..own("openai-compatible", "openai_compatible", None)
};

/// Groq.
pub(crate) static GROQ: Compatible = Compatible {
    usage: UsagePolicy::Inject,
    ..public("groq", "groq", "https://api.groq.com", Some("groq"))
};

/// DeepSeek: usage comes unasked.
pub(crate) static DEEPSEEK: Compatible =
    public("deepseek", "deepseek", "https://api.deepseek.com", Some("deepseek"));

/// Mistral: usage comes unasked.
pub(crate) static MISTRAL: Compatible =
    public("mistral", "mistral_ai", "https://api.mistral.ai", Some("mistral"));

/// Together: usage mostly comes unasked.
pub(crate) static TOGETHER: Compatible =
    public("together", "together", "https://api.together.xyz", Some("together"));

/// Fireworks: usage comes unasked, and the prompt's in the head, with what of it was cached.
pub(crate) static FIREWORKS: Compatible = Compatible {
    read_headers: read_prompt,
    ..public("fireworks", "fireworks", "https://api.fireworks.ai", Some("fireworks"))
};

/// The prompt's tokens as a head tells them: a body tells no less, but for the cached ones.
fn read_prompt(told: &HeaderMap, into: &mut Answer) {
    let count = |name: &str| told.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let served = into.response.status.is_some_and(|status| status.is_success());
    let input = count("fireworks-prompt-tokens").filter(|_| served);
    if input.is_some() {
        let cache_read = count("fireworks-cached-prompt-tokens");
        Figures { input, cache_read, ..Figures::default() }.fill(&mut into.usage);
    }
}

/// OpenRouter: usage and cost come unasked.
pub(crate) static OPENROUTER: Compatible =
    public("openrouter", "openrouter", "https://openrouter.ai", Some("openrouter"));

/// Perplexity: usage comes in every chunk, unasked.
pub(crate) static PERPLEXITY: Compatible =
    public("perplexity", "perplexity", "https://api.perplexity.ai", Some("perplexity"));

/// xAI.
pub(crate) static XAI: Compatible = public("xai", "x_ai", "https://api.x.ai", Some("x-ai"));

/// Cerebras.
pub(crate) static CEREBRAS: Compatible =
    public("cerebras", "cerebras", "https://api.cerebras.ai", Some("cerebras"));

/// Hugging Face's router.
pub(crate) static HUGGINGFACE: Compatible =
    public("huggingface", "huggingface", "https://router.huggingface.co", None);

/// Vercel's gateway. Of Google's models it states the reasoning beside the output; its bill shows it.
pub(crate) static VERCEL: Compatible = Compatible {
    read_headers: |_, into| into.reasoning_beside = Some("google/"),
    ..public("vercel", "vercel", "https://ai-gateway.vercel.sh", None)
};

/// Z.ai.
pub(crate) static ZAI: Compatible = public("zai", "zai", "https://api.z.ai", Some("zai"));

/// Moonshot.
pub(crate) static MOONSHOT: Compatible =
    public("moonshot", "moonshot_ai", "https://api.moonshot.ai", Some("moonshotai"));

/// vLLM.
pub(crate) static VLLM: Compatible = own("vllm", "vllm", Some("http://127.0.0.1:8000"));

/// llama.cpp's server.
pub(crate) static LLAMACPP: Compatible =
    own("llamacpp", "llama_cpp", Some("http://127.0.0.1:8080"));
