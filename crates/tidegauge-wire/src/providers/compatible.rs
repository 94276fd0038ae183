//! Hosts that speak OpenAI's format: one row each.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tidegauge_core::{
    Category, Dialect, Filter, Head, Matched, Operation, Peek, ProviderError, Response, Splice,
    UsagePolicy,
};

use super::openai::{self, OpenAi, conversations};
use super::plain::Found;
use super::routes::{self, Route, post};
use super::{headers, plain};
use crate::answer::Answer;
use crate::figures::Figures;
use crate::provider::{Provider, Reader, SocketReader, peek};

/// A host that differs from OpenAI by data only.
pub(crate) struct Compatible {
    kind: &'static str,
    provider: &'static str,
    upstream: Option<&'static str>,
    price_id: Option<&'static str>,
    usage: UsagePolicy,
    public: bool,
    claims: &'static [&'static str],
    names_surfaces: bool,
    /// What only this host serves.
    routes: &'static [Route],
    /// Its own codes of errors, with their meaning.
    codes: &'static [(&'static str, Category)],
    /// What of the response head only this host has.
    read_headers: fn(&HeaderMap, &mut Answer),
}

impl fmt::Debug for Compatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Compatible({})", self.kind)
    }
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

    fn peek(&self, head: Head<'_>, body: &[u8]) -> Option<Peek> {
        peek(self, head, body)
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        self.find(head).map_or_else(routes::unknown, |(matched, _)| matched)
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
        self.find(head).and_then(|(_, reader)| reader)
    }

    fn socket(&self, head: Head<'_>) -> Option<&'static dyn SocketReader> {
        openai::socket(head)
    }

    fn read_headers(&self, told: &HeaderMap, into: &mut Answer) {
        headers::read(told, &mut into.response);
        (self.read_headers)(told, into);
    }

    fn classify(&self, _response: &Response, error: &ProviderError) -> Option<Category> {
        let code = error.code.as_deref()?;
        self.codes.iter().find(|(known, _)| *known == code).map(|(_, category)| *category)
    }
}

impl Compatible {
    /// What a path asks for. Several of these hosts speak Anthropic's Messages beside OpenAI's APIs.
    fn find(&self, head: Head<'_>) -> Option<Found> {
        plain::by_table(self.routes, head).or_else(|| openai::find_served(head))
    }
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
        routes: &[],
        codes: &[],
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
        routes: &[],
        codes: &[],
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
pub(crate) static MISTRAL: Compatible = Compatible {
    routes: &[
        post("conversations", Operation::Chat, &conversations::Conversations),
        post("conversations/{id}", Operation::Chat, &conversations::Conversations),
        post("conversations/{id}/restart", Operation::Chat, &conversations::Conversations),
    ],
    ..public("mistral", "mistral_ai", "https://api.mistral.ai", Some("mistral"))
};

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
pub(crate) static OPENROUTER: Compatible = Compatible {
    routes: &[post("images", Operation::ImageGeneration, &openai::images::Images)],
    ..public("openrouter", "openrouter", "https://openrouter.ai", Some("openrouter"))
};

/// Perplexity: usage comes in every chunk, unasked.
pub(crate) static PERPLEXITY: Compatible =
    public("perplexity", "perplexity", "https://api.perplexity.ai", Some("perplexity"));

/// xAI. An answer that was deferred is fetched once.
pub(crate) static XAI: Compatible = Compatible {
    routes: &[Route {
        method: Some(Method::GET),
        pattern: "chat/deferred-completion/{id}",
        operation: Operation::Chat,
        reader: Some(&openai::chat::Chat),
    }],
    ..public("xai", "x_ai", "https://api.x.ai", Some("x-ai"))
};

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

/// Z.ai: its error codes, of its API reference.
pub(crate) static ZAI: Compatible = Compatible {
    codes: &[
        ("1000", Category::Auth),
        ("1001", Category::Auth),
        ("1002", Category::Auth),
        ("1003", Category::Auth),
        ("1113", Category::Quota),
        ("1211", Category::ModelNotFound),
        ("1220", Category::Permission),
        ("1234", Category::ServerError),
        ("1261", Category::ContextOverflow),
        ("1301", Category::ContentFilter),
        ("1302", Category::RateLimit),
        ("1303", Category::RateLimit),
        ("1304", Category::Quota),
        ("1305", Category::Overloaded),
        ("1308", Category::Quota),
        ("1309", Category::Quota),
    ],
    ..public("zai", "zai", "https://api.z.ai", Some("zai"))
};

/// Moonshot.
pub(crate) static MOONSHOT: Compatible =
    public("moonshot", "moonshot_ai", "https://api.moonshot.ai", Some("moonshotai"));

/// vLLM.
pub(crate) static VLLM: Compatible = own("vllm", "vllm", Some("http://127.0.0.1:8000"));

/// llama.cpp's server.
pub(crate) static LLAMACPP: Compatible =
    own("llamacpp", "llama_cpp", Some("http://127.0.0.1:8080"));
