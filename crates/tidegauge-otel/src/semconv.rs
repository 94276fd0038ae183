//! Every scope, attribute, metric and event name that is emitted, once; those of counters about this
//! process stand with the counters, in core.
//!
//! GenAI names follow the OpenTelemetry GenAI conventions (development, read 2026-08-03, and the
//! token names merged after that), HTTP names the stable conventions. What they have no word for is
//! under `tidegauge.`. Knows no values and no logic.

use std::sync::LazyLock;

use tidegauge_core::{
    Health, HealthMetric, HealthReading, Ledger, LedgerMetric, LedgerReading, Scope,
};

/// Scope of HTTP spans and metrics.
pub(crate) const SCOPE_HTTP: &str = "tidegauge.http";
/// Scope of inference spans, metrics and events.
pub(crate) const SCOPE_GENAI: &str = "tidegauge.genai";
/// Scope of metrics about this process.
pub(crate) const SCOPE_SELF: &str = "tidegauge";
/// Version of all scopes.
pub(crate) const SCOPE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The name of a scope on the wire.
pub(crate) fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Http => SCOPE_HTTP,
        Scope::GenAi => SCOPE_GENAI,
        Scope::Own => SCOPE_SELF,
    }
}

/// The schema that a scope follows. HTTP is stable; the GenAI conventions have released none.
pub(crate) fn scope_schema(scope: Scope) -> &'static str {
    match scope {
        Scope::Http => "https://opentelemetry.io/schemas/1.44.0",
        Scope::GenAi | Scope::Own => "",
    }
}

/// The value that stands for all values past a bound.
pub(crate) const OTHER: &str = "_OTHER";

/// The attribute of the one set that stands for all sets past a bound, as SDKs have it.
pub(crate) const OVERFLOW: &str = "otel.metric.overflow";

macro_rules! names {
    ($($constant:ident = $name:literal;)+) => {
        $(pub(crate) const $constant: &str = $name;)+

        /// Every attribute name above, for the conformance test.
        #[cfg(test)]
        pub(crate) const ATTRIBUTES: &[&str] = &[$($name,)+];
    };
}

names! {
    // HTTP and network (stable)
    CLIENT_ADDRESS = "client.address";
    ERROR_TYPE = "error.type";
    HTTP_METHOD = "http.request.method";
    HTTP_METHOD_ORIGINAL = "http.request.method_original";
    HTTP_RESEND_COUNT = "http.request.resend_count";
    HTTP_ROUTE = "http.route";
    HTTP_STATUS_CODE = "http.response.status_code";
    NETWORK_PEER_ADDRESS = "network.peer.address";
    NETWORK_PEER_PORT = "network.peer.port";
    NETWORK_PROTOCOL_VERSION = "network.protocol.version";
    SERVER_ADDRESS = "server.address";
    SERVER_PORT = "server.port";
    URL_FULL = "url.full";
    URL_PATH = "url.path";
    URL_QUERY = "url.query";
    URL_SCHEME = "url.scheme";
    USER_AGENT = "user_agent.original";
    EXCEPTION_TYPE = "exception.type";
    // who is calling
    SESSION_ID = "session.id";
    USER_ID = "user.id";
    // GenAI (development)
    AGENT_NAME = "gen_ai.agent.name";
    CONVERSATION_ID = "gen_ai.conversation.id";
    INPUT_MESSAGES = "gen_ai.input.messages";
    DIMENSION_COUNT = "gen_ai.embeddings.dimension.count";
    OPERATION_NAME = "gen_ai.operation.name";
    OUTPUT_TYPE = "gen_ai.output.type";
    OUTPUT_MESSAGES = "gen_ai.output.messages";
    PROMPT_NAME = "gen_ai.prompt.name";
    PROMPT_VERSION = "gen_ai.prompt.version";
    PROVIDER_NAME = "gen_ai.provider.name";
    REQUEST_CHOICE_COUNT = "gen_ai.request.choice.count";
    REQUEST_ENCODING_FORMATS = "gen_ai.request.encoding_formats";
    REQUEST_FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty";
    REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens";
    REQUEST_MODEL = "gen_ai.request.model";
    REQUEST_PRESENCE_PENALTY = "gen_ai.request.presence_penalty";
    REQUEST_PREVIOUS_RESPONSE_ID = "gen_ai.request.previous_response.id";
    REQUEST_REASONING_LEVEL = "gen_ai.request.reasoning.level";
    REQUEST_SEED = "gen_ai.request.seed";
    REQUEST_STOP_SEQUENCES = "gen_ai.request.stop_sequences";
    REQUEST_STREAM = "gen_ai.request.stream";
    REQUEST_TEMPERATURE = "gen_ai.request.temperature";
    REQUEST_TOP_K = "gen_ai.request.top_k";
    REQUEST_TOP_P = "gen_ai.request.top_p";
    RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons";
    RESPONSE_ID = "gen_ai.response.id";
    RESPONSE_MODEL = "gen_ai.response.model";
    RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk";
    SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions";
    MODALITY = "gen_ai.token.modality";
    TOKEN_TYPE = "gen_ai.token.type";
    TOOL_DEFINITIONS = "gen_ai.tool.definitions";
    USAGE_CACHE_READ = "gen_ai.usage.cache_read.input_tokens";
    USAGE_CACHE_WRITE = "gen_ai.usage.cache_write.input_tokens";
    USAGE_CACHE_WRITE_OLD = "gen_ai.usage.cache_creation.input_tokens";
    USAGE_INPUT = "gen_ai.usage.input_tokens";
    USAGE_INPUT_AUDIO = "gen_ai.usage.audio.input_tokens";
    USAGE_INPUT_IMAGE = "gen_ai.usage.image.input_tokens";
    USAGE_CACHE_READ_AUDIO = "gen_ai.usage.audio.cache_read.input_tokens";
    USAGE_OUTPUT = "gen_ai.usage.output_tokens";
    USAGE_OUTPUT_AUDIO = "gen_ai.usage.audio.output_tokens";
    USAGE_OUTPUT_IMAGE = "gen_ai.usage.image.output_tokens";
    USAGE_REASONING = "gen_ai.usage.reasoning.output_tokens";
    // vendor extensions of the GenAI conventions
    API_TYPE = "openai.api.type";
    REQUEST_SERVICE_TIER = "openai.request.service_tier";
    RESPONSE_SERVICE_TIER = "openai.response.service_tier";
    SYSTEM_FINGERPRINT = "openai.response.system_fingerprint";
    // in no registry, but read by several backends: behind a switch
    COMPAT_USAGE_COST = "gen_ai.usage.cost";
    LANGFUSE_FIRST_TOKEN = "langfuse.observation.completion_start_time";
    LANGFUSE_PROMPT_NAME = "langfuse.observation.prompt.name";
    LANGFUSE_PROMPT_VERSION = "langfuse.observation.prompt.version";
    LANGFUSE_TAGS = "langfuse.trace.tags";
    LANGFUSE_TRACE_NAME = "langfuse.trace.name";
    LANGSMITH_SESSION = "langsmith.trace.session_id";
    AXIOM_CAPABILITY = "gen_ai.capability.name";
    AXIOM_STEP = "gen_ai.step.name";
    BRAINTRUST_TAGS = "braintrust.tags";
    INPUT_MIME_TYPE = "input.mime_type";
    INPUT_VALUE = "input.value";
    OUTPUT_MIME_TYPE = "output.mime_type";
    OUTPUT_VALUE = "output.value";
    REASONING_TOKENS = "gen_ai.usage.reasoning_tokens";
    SERVER_TTFT = "gen_ai.server.ttft";
    SYSTEM = "gen_ai.system";
    LLM_MODEL = "llm.model_name";
    LLM_PROVIDER = "llm.provider";
    LLM_TOKENS_CACHE_READ = "llm.token_count.prompt_details.cache_read";
    LLM_TOKENS_COMPLETION = "llm.token_count.completion";
    LLM_TOKENS_PROMPT = "llm.token_count.prompt";
    LLM_TOKENS_TOTAL = "llm.token_count.total";
    OPENINFERENCE_KIND = "openinference.span.kind";
    OPENLIT_USER = "gen_ai.user";
    // ours
    BUCKET = "tidegauge.token.bucket";
    CATEGORY = "tidegauge.error.category";
    CONTENT_TRUNCATED = "tidegauge.content.truncated";
    COST_CATALOGUE = "tidegauge.cost.catalogue";
    COST_MODEL = "tidegauge.cost.model";
    COST_STATUS = "tidegauge.cost.status";
    COST_USD = "tidegauge.cost.usd";
    COUNTED_TOKENS = "tidegauge.counted_tokens";
    DOMAIN = "tidegauge.error.domain";
    END = "tidegauge.end";
    EXCHANGE_ID = "tidegauge.exchange.id";
    EXPORTER = "tidegauge.exporter";
    OPERATION = "tidegauge.operation";
    OVERHEAD_ACCEPT = "tidegauge.overhead.accept";
    OVERHEAD_ADMISSION = "tidegauge.overhead.admission";
    OVERHEAD_CONNECT = "tidegauge.overhead.connect";
    OVERHEAD_RELAY = "tidegauge.overhead.relay";
    OVERHEAD_TOTAL = "tidegauge.overhead.total";
    PARTIAL = "tidegauge.observation.partial";
    PHASE = "tidegauge.overhead.phase";
    RATE_LIMIT_RESOURCE = "tidegauge.rate_limit.resource";
    REASON = "tidegauge.reason";
    REQUEST_ID = "tidegauge.request.id";
    REQUEST_MESSAGES = "tidegauge.request.messages";
    REQUEST_TOOLS = "tidegauge.request.tools";
    REQUEST_TOOL_ERRORS = "tidegauge.request.tool_errors";
    RESPONSE_BAD_TOOL_CALLS = "tidegauge.response.bad_tool_calls";
    RESPONSE_PROCESSING = "tidegauge.response.processing_time";
    RESPONSE_REQUEST_ID = "tidegauge.response.request_id";
    RESPONSE_TIME_PER_OUTPUT_TOKEN = "tidegauge.response.time_per_output_token";
    RESPONSE_TIME_TO_FIRST_TOKEN = "tidegauge.response.time_to_first_token";
    RESPONSE_TOOL_CALLS = "tidegauge.response.tool_calls";
    TASK = "tidegauge.task";
    SESSION_TURNS = "tidegauge.session.turns";
    UPSTREAM = "tidegauge.upstream";
    USAGE_ESTIMATOR = "tidegauge.usage.estimator";
    USAGE_SOURCE = "tidegauge.usage.source";
    // the process
    HOST_ARCH = "host.arch";
    HOST_NAME = "host.name";
    OS_TYPE = "os.type";
    PROCESS_EXECUTABLE = "process.executable.name";
    PROCESS_PID = "process.pid";
    SERVICE_INSTANCE_ID = "service.instance.id";
    SERVICE_NAME = "service.name";
    SERVICE_VERSION = "service.version";
    SDK_LANGUAGE = "telemetry.sdk.language";
    SDK_NAME = "telemetry.sdk.name";
    SDK_VERSION = "telemetry.sdk.version";
    // our own logs
    LOG_TARGET = "tidegauge.log.target";
}

/// What a caller's tag `<name>` is called: `tidegauge.tag.<name>`.
pub(crate) const TAG_PREFIX: &str = "tidegauge.tag.";

/// Before session, user and tags where single receivers look for them.
pub(crate) const LANGSMITH_METADATA: &str = "langsmith.metadata.";
/// The same for another.
pub(crate) const BRAINTRUST_METADATA: &str = "braintrust.metadata.";
/// And another.
pub(crate) const LAMINAR_PROPERTIES: &str = "lmnr.association.properties.";

/// What every attribute begins with whose name somebody chose.
#[cfg(any(test, feature = "testing"))]
pub(crate) const CHOSEN: [&str; 4] =
    [TAG_PREFIX, LANGSMITH_METADATA, BRAINTRUST_METADATA, LAMINAR_PROPERTIES];

/// The event for a failed operation.
pub(crate) const EVENT_EXCEPTION: &str = "gen_ai.client.operation.exception";

/// The event for what a model call says and was told.
pub(crate) const EVENT_DETAILS: &str = "gen_ai.client.inference.operation.details";

/// What an instrument does with what it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Only grows.
    Counter,
    /// A current amount that can be summed over processes.
    UpDownCounter,
    /// A current value.
    Gauge,
    /// A distribution.
    Histogram,
}

/// One metric: everything about it that is not a value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Metric {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its unit, in UCUM.
    pub(crate) unit: &'static str,
    /// What it does.
    pub(crate) kind: Kind,
    /// The bounds that are advised where a histogram has fixed ones.
    pub(crate) bounds: &'static [f64],
    /// One sentence.
    pub(crate) about: &'static str,
}

impl Metric {
    /// The bounds of fixed buckets: those that are advised, or finer ones for the times of a call. Gaps
    /// between chunks are too short for those.
    pub(crate) fn bounds(&self, fine: bool) -> &'static [f64] {
        let fits = fine && self.bounds == SECONDS && *self != CLIENT_TIME_PER_OUTPUT_CHUNK;
        if fits { FINE_SECONDS } else { self.bounds }
    }

    /// A number about this process, whose words stand where it is counted.
    const fn counted(
        name: &'static str,
        unit: &'static str,
        about: &'static str,
        kind: Kind,
    ) -> Self {
        Self { name, unit, kind, bounds: &[], about }
    }
}

/// The metrics of [`Health::metrics`], in its order.
pub(crate) static HEALTH: LazyLock<Vec<(Metric, HealthReading)>> = LazyLock::new(|| {
    let metric = |row: &HealthMetric| {
        let kind = match row.read {
            HealthReading::Total(_)
            | HealthReading::TotalByReason(_)
            | HealthReading::TotalByTask(_) => Kind::Counter,
            HealthReading::Level(_) => Kind::UpDownCounter,
            HealthReading::Gauge(_) => Kind::Gauge,
        };
        (Metric::counted(row.name, row.unit, row.about, kind), row.read)
    };
    Health::metrics().map(metric).collect()
});

/// The metrics of [`Ledger::METRICS`], in its order.
pub(crate) static LEDGER: LazyLock<Vec<(Metric, LedgerReading)>> = LazyLock::new(|| {
    let metric = |row: &LedgerMetric| {
        let kind = match row.read {
            LedgerReading::Total(_) | LedgerReading::Loss(_) => Kind::Counter,
            LedgerReading::Level(_) => Kind::UpDownCounter,
        };
        (Metric::counted(row.name, row.unit, row.about, kind), row.read)
    };
    Ledger::METRICS.iter().map(metric).collect()
});

/// Every metric that can be emitted, for the tests of names and of the reference.
#[cfg(test)]
pub(crate) static METRICS: LazyLock<Vec<Metric>> = LazyLock::new(|| {
    let health = HEALTH.iter().map(|(metric, _)| *metric);
    let ledger = LEDGER.iter().map(|(metric, _)| *metric);
    CONSTANTS.iter().copied().chain(health).chain(ledger).collect()
});

/// Seconds of a call: 10 ms, doubling up to 81.92 s.
const SECONDS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// Seconds of a call where finer ones are wanted: 50 ms to 10 minutes, four to a doubling.
const FINE_SECONDS: &[f64] = &[
    0.05, 0.0595, 0.0707, 0.0841, 0.1, 0.119, 0.141, 0.168, 0.2, 0.238, 0.283, 0.336, 0.4, 0.476,
    0.566, 0.673, 0.8, 0.951, 1.13, 1.35, 1.6, 1.9, 2.26, 2.69, 3.2, 3.81, 4.53, 5.38, 6.4, 7.61,
    9.05, 10.8, 12.8, 15.2, 18.1, 21.5, 25.6, 30.4, 36.2, 43.1, 51.2, 60.9, 72.4, 86.1, 102.0,
    122.0, 145.0, 172.0, 205.0, 244.0, 290.0, 344.0, 410.0, 487.0, 579.0, 689.0,
];
/// Seconds of an HTTP request.
const HTTP_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Seconds for a token.
const TOKEN_SECONDS: &[f64] =
    &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];
/// Seconds that a proxy adds.
const OVERHEAD_SECONDS: &[f64] = &[
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005,
    0.01, 0.025, 0.05, 0.1,
];
/// Tokens of a call: powers of four.
const TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

macro_rules! metrics {
    ($($constant:ident = $kind:ident $name:literal $unit:literal $bounds:expr, $about:literal;)+) => {
        $(pub(crate) const $constant: Metric = Metric {
            name: $name, unit: $unit, kind: Kind::$kind, bounds: $bounds, about: $about,
        };)+

        #[cfg(test)]
        const CONSTANTS: &[Metric] = &[$($constant,)+];
    };
}

metrics! {
    CLIENT_OPERATION_DURATION = Histogram "gen_ai.client.operation.duration" "s" SECONDS,
        "Duration of a model call: request sent upstream until the response was over.";
    CLIENT_TIME_TO_FIRST_CHUNK = Histogram "gen_ai.client.operation.time_to_first_chunk" "s" SECONDS,
        "Request sent upstream until the first chunk of the response stream.";
    CLIENT_TIME_PER_OUTPUT_CHUNK = Histogram "gen_ai.client.operation.time_per_output_chunk" "s" SECONDS,
        "Gap between two chunks of a response stream.";
    CLIENT_TOKEN_USAGE = Histogram "gen_ai.client.token.usage" "{token}" TOKENS,
        "Tokens of a model call, by type.";
    INFERENCE_DURATION = Histogram "gen_ai.client.inference.duration" "s" SECONDS,
        "Duration of a model call, under its next name.";
    INFERENCE_TIME_TO_FIRST_CHUNK = Histogram "gen_ai.client.inference.time_to_first_chunk" "s" SECONDS,
        "Time to the first chunk of a response stream, under its next name.";
    INFERENCE_TIME_PER_OUTPUT_CHUNK = Histogram "gen_ai.client.inference.time_per_output_chunk" "s" SECONDS,
        "Gap between two chunks of a response stream, under its next name.";
    INFERENCE_OPERATION_INPUT_TOKENS = Histogram "gen_ai.client.inference.operation.input_tokens" "{token}" TOKENS,
        "Prompt tokens of a model call.";
    INFERENCE_OPERATION_OUTPUT_TOKENS = Histogram "gen_ai.client.inference.operation.output_tokens" "{token}" TOKENS,
        "Generated tokens of a model call.";
    INFERENCE_INPUT_TOKENS = Counter "gen_ai.client.inference.usage.input_tokens" "{token}" &[],
        "Prompt tokens, cached or not, by kind of content.";
    INFERENCE_OUTPUT_TOKENS = Counter "gen_ai.client.inference.usage.output_tokens" "{token}" &[],
        "Generated tokens, reasoning included, by kind of content.";
    INFERENCE_CACHE_READ_TOKENS = Counter "gen_ai.client.inference.usage.cache_read.input_tokens" "{token}" &[],
        "Prompt tokens read from the cache, by kind of content.";
    INFERENCE_CACHE_WRITE_TOKENS = Counter "gen_ai.client.inference.usage.cache_write.input_tokens" "{token}" &[],
        "Prompt tokens written to the cache, by kind of content.";
    INFERENCE_REASONING_TOKENS = Counter "gen_ai.client.inference.usage.reasoning.output_tokens" "{token}" &[],
        "Reasoning tokens, by kind of content.";
    EMBEDDINGS_DURATION = Histogram "gen_ai.client.embeddings.duration" "s" SECONDS,
        "Duration of a request for embeddings, under its next name.";
    EMBEDDINGS_OPERATION_INPUT_TOKENS = Histogram "gen_ai.client.embeddings.operation.input_tokens" "{token}" TOKENS,
        "Tokens of a request for embeddings.";
    HTTP_SERVER_DURATION = Histogram "http.server.request.duration" "s" HTTP_SECONDS,
        "Duration of a client's request.";
    HTTP_CLIENT_DURATION = Histogram "http.client.request.duration" "s" HTTP_SECONDS,
        "Duration of a request to an upstream.";
    HTTP_SERVER_ACTIVE = UpDownCounter "http.server.active_requests" "{request}" &[],
        "Requests that are being served.";
    TIME_TO_FIRST_TOKEN = Histogram "tidegauge.response.time_to_first_token" "s" SECONDS,
        "Request sent upstream until the first text, reasoning or tool argument of a stream.";
    TIME_PER_OUTPUT_TOKEN = Histogram "tidegauge.response.time_per_output_token" "s" TOKEN_SECONDS,
        "Mean time for an output token of a stream after the first.";
    OVERHEAD_DURATION = Histogram "tidegauge.overhead.duration" "s" OVERHEAD_SECONDS,
        "Time that the proxy added to a request, by phase.";
    OVERHEAD_SUM = Histogram "tidegauge.overhead.total" "s" OVERHEAD_SECONDS,
        "Time that the proxy added to a request, making a connection not counted.";
    REQUESTS = Counter "tidegauge.requests" "{request}" &[],
        "Requests that are over, by how they ended.";
    ERRORS = Counter "tidegauge.errors" "{request}" &[],
        "Requests by category, counted from 0 for every category once an upstream was asked.";
    TOKENS_USED = Counter "tidegauge.tokens" "{token}" &[],
        "Tokens by bucket; the buckets do not overlap.";
    COST = Counter "tidegauge.cost" "{USD}" &[],
        "US dollars spent, exact to a billionth.";
    BUILD_INFO = Gauge "tidegauge.build.info" "" &[],
        "1, with what runs.";
    COST_DISAGREEMENTS = Counter "tidegauge.cost.disagreements" "{record}" &[],
        "Records whose cost by our price list and by the provider differ by more than 1 %.";
    PRICES_AGE = Gauge "tidegauge.prices.age" "s" &[],
        "Age of the price list in use.";
    RATE_LIMIT_LIMIT = Gauge "tidegauge.rate_limit.limit" "" &[],
        "Rate limit of an upstream as it was last told.";
    RATE_LIMIT_REMAINING = Gauge "tidegauge.rate_limit.remaining" "" &[],
        "What was last left of a rate limit; 0 is nothing.";
    RATE_LIMIT_RESET = Gauge "tidegauge.rate_limit.reset_timestamp" "s" &[],
        "When a rate limit is whole again, in seconds since 1970.";
    LABELS_FOLDED = Counter "tidegauge.labels.folded" "{value}" &[],
        "Metric attribute values that became _OTHER because there were too many.";
    SETS_FOLDED = Counter "tidegauge.sets.folded" "{measurement}" &[],
        "Measurements added up without their attributes because there were too many attribute sets.";
}

/// What Prometheus' own clients say about a process, in their words. On the page alone: OpenTelemetry has
/// other names for these, and an agent beside us tells them.
macro_rules! process {
    ($($constant:ident = $kind:ident $name:literal $unit:literal, $about:literal;)+) => {
        $(pub(crate) const $constant: Metric =
            Metric::counted($name, $unit, $about, Kind::$kind);)+
    };
}

process! {
    PROCESS_CPU = Counter "process.cpu" "s", "User and system CPU time, in seconds.";
    PROCESS_MEMORY = Gauge "process.resident_memory" "By", "Resident memory, in bytes.";
    PROCESS_VIRTUAL = Gauge "process.virtual_memory" "By", "Virtual memory, in bytes.";
    PROCESS_FDS = Gauge "process.open_fds" "", "Open file descriptors.";
    PROCESS_MAX_FDS = Gauge "process.max_fds" "", "Most file descriptors that may be open.";
    PROCESS_THREADS = Gauge "process.threads" "", "Threads.";
    PROCESS_START = Gauge "process.start_time" "s", "Start of the process, in seconds since 1970.";
}
