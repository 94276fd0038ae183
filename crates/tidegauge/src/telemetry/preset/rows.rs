//! The receivers that are known by name. A new one is a row here.

use tidegauge_export::Protocol;
use tidegauge_otel::{CacheWriteName, Compat, Extra, Names, SpanTree, Sums};

use super::row::{Endpoint, Need, NeedPlace, PresetRow};
use crate::telemetry::receiver::Signals;

const TRACES: Signals = Signals { traces: true, metrics: false, logs: false };

pub(super) const ANY: PresetRow = PresetRow {
    name: "none",
    title: "Any other",
    about: "Any OTLP receiver.",
    endpoint: Endpoint::Yours("https://otlp.example.com"),
    signals: Signals::ALL,
    protocol: None,
    headers: &[],
    needs: &[],
    tree: SpanTree::All,
    cache_write: None,
    modalities: None,
    usage_cost: None,
    compat: Compat::NONE,
    wants_content: false,
    metric_names: None,
    sums: None,
    histograms: None,
    limits: None,
    shown: "what the receiver makes of the GenAI conventions",
    note: "A receiver that reads only `gen_ai.usage.cache_creation.input_tokens` takes cache writes for plain input: \
           `semconv.cache_write: both` gives it that name too.",
};

/// A tool for model calls: spans of calls alone, over HTTP, with the cache under the name that most
/// readers know.
const LLM_TOOL: PresetRow = PresetRow {
    signals: TRACES,
    protocol: Some(Protocol::HttpProtobuf),
    tree: SpanTree::Calls,
    cache_write: Some(CacheWriteName::Old),
    ..ANY
};

const fn header(name: &'static str, sample: &'static str, about: &'static str) -> Need {
    Need { place: NeedPlace::Header, name, sample, about }
}

const fn key(name: &'static str, sample: &'static str, about: &'static str) -> Need {
    Need { place: NeedPlace::Key, name, sample, about }
}

const fn maybe(name: &'static str, sample: &'static str, about: &'static str) -> Need {
    Need { place: NeedPlace::Maybe, name, sample, about }
}

const fn resource(name: &'static str, sample: &'static str, about: &'static str) -> Need {
    Need { place: NeedPlace::Resource, name, sample, about }
}

/// Every receiver that is known by name; the first is any other.
pub(super) static ROWS: &[PresetRow] = &[
    ANY,
    // It takes every usage key that it does not know for a further kind of token, and does not know the
    // new name of the cache.
    PresetRow {
        name: "langfuse",
        title: "Langfuse",
        about: "Calls, over HTTP.",
        endpoint: Endpoint::Yours("https://cloud.langfuse.com/api/public/otel"),
        headers: &[("x-langfuse-ingestion-version", "4")],
        needs: &[key("authorization", "Basic ${LANGFUSE_AUTH}", "base64 of public-key:secret-key")],
        modalities: Some(false),
        usage_cost: Some(true),
        compat: Compat::NONE.and(Extra::Langfuse),
        shown: "generation, tokens, cost, session, user, prompt and its version, tags, time to first token",
        note: "Langfuse takes every numeric `gen_ai.usage.*` key that it does not know for one more kind of token and \
               adds it up. The preset sends only those that it knows. A prompt is linked if a prompt of that name and \
               whole-numbered version is stored there.",
        ..LLM_TOOL
    },
    PresetRow {
        name: "phoenix",
        title: "Phoenix",
        about: "Calls.",
        endpoint: Endpoint::Yours("http://localhost:6006"),
        protocol: None,
        needs: &[maybe("authorization", "Bearer ${PHOENIX_API_KEY}", "a key, where it wants one")],
        cache_write: Some(CacheWriteName::Both),
        compat: Compat::NONE.and(Extra::OpenInference).and(Extra::InputOutput),
        shown: "LLM span, model, tokens, session, user, what was said; it computes the cost itself",
        note: "The project is the resource attribute `openinference.project.name`, else `default`.",
        ..LLM_TOOL
    },
    PresetRow {
        name: "arize",
        title: "Arize AX",
        about: "Calls, over HTTP.",
        endpoint: Endpoint::Usual("https://otlp.arize.com"),
        needs: &[
            header("space_id", "${ARIZE_SPACE_ID}", "the space"),
            key("api_key", "${ARIZE_API_KEY}", "a key of the space"),
            resource("model_id", "tidegauge", "the project"),
        ],
        cache_write: Some(CacheWriteName::Both),
        compat: Compat::NONE.and(Extra::OpenInference).and(Extra::InputOutput),
        shown: "LLM span, model, tokens, session, user, what was said",
        ..LLM_TOOL
    },
    PresetRow {
        name: "galileo",
        title: "Galileo",
        about: "Calls, over HTTP.",
        endpoint: Endpoint::UsualTraces("https://api.galileo.ai/otel/traces"),
        needs: &[
            key("galileo-api-key", "${GALILEO_API_KEY}", "a key of yours"),
            header("project", "${GALILEO_PROJECT}", "the project"),
            header("logstream", "${GALILEO_LOG_STREAM}", "the log stream"),
        ],
        compat: Compat::NONE.and(Extra::OpenInference).and(Extra::InputOutput),
        wants_content: true,
        shown: "LLM span, model, tokens, what was said",
        note: "Galileo takes no call without input and output: switch [capture](capture.md) on. An installation of \
               your own is named by `traces_endpoint`.",
        ..LLM_TOOL
    },
    PresetRow {
        name: "braintrust",
        title: "Braintrust",
        about: "Calls, over HTTP.",
        endpoint: Endpoint::Usual("https://api.braintrust.dev/otel"),
        needs: &[
            key("authorization", "Bearer ${BRAINTRUST_API_KEY}", "a key of yours"),
            header(
                "x-bt-parent",
                "project_name:${BRAINTRUST_PROJECT}",
                "spans without one are dropped",
            ),
        ],
        compat: Compat::NONE.and(Extra::Braintrust),
        shown: "LLM span, input, output, metrics, tags, metadata",
        ..LLM_TOOL
    },
    PresetRow {
        name: "langsmith",
        title: "LangSmith",
        about: "Calls, over HTTP.",
        endpoint: Endpoint::Usual("https://api.smith.langchain.com/otel"),
        needs: &[key("x-api-key", "${LANGSMITH_API_KEY}", "a key of yours")],
        compat: Compat::NONE.and(Extra::Langsmith).and(Extra::System),
        shown: "llm run, model, tokens, thread, metadata",
        note: "The header `Langsmith-Project` names a project other than `default`.",
        ..LLM_TOOL
    },
    // It takes every key under `gen_ai.usage.` for usage.
    PresetRow {
        name: "opik",
        title: "Opik",
        about: "Calls, over HTTP.",
        endpoint: Endpoint::Yours("https://www.comet.com/opik/api/v1/private/otel"),
        needs: &[
            maybe(
                "authorization",
                "${OPIK_API_KEY}",
                "a key of yours, in the cloud, with no word before it",
            ),
            maybe("comet-workspace", "${OPIK_WORKSPACE}", "the workspace, in the cloud"),
        ],
        modalities: Some(false),
        usage_cost: Some(false),
        compat: Compat::NONE.and(Extra::System),
        shown: "llm span, model, usage, thread",
        note: "The header `projectName` names a project.",
        ..LLM_TOOL
    },
    PresetRow {
        name: "laminar",
        title: "Laminar",
        about: "Calls, over HTTP.",
        endpoint: Endpoint::Usual("https://api.lmnr.ai"),
        needs: &[key("authorization", "Bearer ${LMNR_PROJECT_API_KEY}", "a key of the project")],
        usage_cost: Some(true),
        compat: Compat::NONE.and(Extra::System).and(Extra::ReasoningTokens).and(Extra::Laminar),
        shown: "LLM span, model, tokens, cost, session, user, metadata",
        ..LLM_TOOL
    },
    PresetRow {
        name: "weave",
        title: "Weights & Biases Weave",
        about: "Calls, over HTTP.",
        endpoint: Endpoint::Usual("https://trace.wandb.ai/otel"),
        needs: &[
            key("wandb-api-key", "${WANDB_API_KEY}", "a key of yours"),
            resource("wandb.entity", "${WANDB_ENTITY}", "the team or user"),
            resource("wandb.project", "${WANDB_PROJECT}", "the project"),
        ],
        compat: Compat::NONE.and(Extra::ReasoningTokens),
        shown: "call, model, tokens, conversation, agent, messages",
        ..LLM_TOOL
    },
    PresetRow {
        name: "mlflow",
        title: "MLflow",
        about: "Calls, over HTTP.",
        endpoint: Endpoint::Yours("http://localhost:5000"),
        needs: &[header("x-mlflow-experiment-id", "${MLFLOW_EXPERIMENT_ID}", "the experiment")],
        shown: "span of its type, model, tokens, messages",
        ..LLM_TOOL
    },
    PresetRow {
        name: "axiom",
        title: "Axiom",
        about: "Calls, over HTTP.",
        endpoint: Endpoint::Usual("https://api.axiom.co"),
        needs: &[
            key("authorization", "Bearer ${AXIOM_TOKEN}", "a token that may ingest"),
            header("x-axiom-dataset", "${AXIOM_DATASET}", "the dataset, one for each signal"),
        ],
        cache_write: None,
        compat: Compat::NONE.and(Extra::Axiom),
        shown: "AI call by capability and step",
        note: "The capability is the tag `capability`, else the agent, the prompt or the upstream; the step is the tag \
               `step`, else the prompt or the operation.",
        ..LLM_TOOL
    },
    PresetRow {
        name: "datadog",
        title: "Datadog",
        about: "Calls, over HTTP, marked as those of LLM calls.",
        endpoint: Endpoint::Yours("https://otlp.datadoghq.com"),
        headers: &[("dd-otlp-source", "llmobs")],
        needs: &[key("dd-api-key", "${DD_API_KEY}", "a key of your organisation")],
        cache_write: None,
        sums: Some(Sums::Delta),
        shown: "LLM Observability span, model, tokens; it computes the cost itself",
        note: "The application there (`ml_app`) is `service.name`. Whoever adds metrics to `signals` sends deltas.",
        ..LLM_TOOL
    },
    PresetRow {
        name: "signoz",
        title: "SigNoz",
        about: "All signals.",
        endpoint: Endpoint::Yours("https://ingest.eu.signoz.cloud:443"),
        protocol: Some(Protocol::HttpProtobuf),
        needs: &[maybe("signoz-ingestion-key", "${SIGNOZ_KEY}", "an ingestion key, in the cloud")],
        cache_write: Some(CacheWriteName::Old),
        compat: Compat::NONE.and(Extra::ServerTtft),
        shown: "call by model, tokens, time to first token",
        ..ANY
    },
    PresetRow {
        name: "dynatrace",
        title: "Dynatrace",
        about: "All signals, over HTTP, sums as deltas.",
        endpoint: Endpoint::Yours("https://abc12345.live.dynatrace.com/api/v2/otlp"),
        protocol: Some(Protocol::HttpProtobuf),
        needs: &[key("authorization", "Api-Token ${DT_API_TOKEN}", "a token that may ingest")],
        sums: Some(Sums::Delta),
        shown: "spans and metrics of calls; it takes deltas only",
        ..ANY
    },
    PresetRow {
        name: "newrelic",
        title: "New Relic",
        about: "All signals, sums as deltas.",
        endpoint: Endpoint::Usual("https://otlp.nr-data.net"),
        protocol: Some(Protocol::HttpProtobuf),
        needs: &[key("api-key", "${NEW_RELIC_LICENSE_KEY}", "a licence key")],
        sums: Some(Sums::Delta),
        shown: "spans of calls, metrics; it prefers deltas",
        note: "In Europe the endpoint is `https://otlp.eu01.nr-data.net`.",
        ..ANY
    },
    PresetRow {
        name: "honeycomb",
        title: "Honeycomb",
        about: "All signals.",
        endpoint: Endpoint::Usual("https://api.honeycomb.io"),
        needs: &[key("x-honeycomb-team", "${HONEYCOMB_KEY}", "an ingest key")],
        shown: "columns for everything; its agent view needs a session and an agent name",
        ..ANY
    },
    // Its dashboards know the names of today.
    PresetRow {
        name: "grafana-cloud",
        title: "Grafana Cloud",
        about: "All signals, over HTTP.",
        endpoint: Endpoint::Yours("https://otlp-gateway-prod-eu-west-2.grafana.net/otlp"),
        protocol: Some(Protocol::HttpProtobuf),
        needs: &[key("authorization", "Basic ${GRAFANA_AUTH}", "base64 of instance:token")],
        metric_names: Some(Names::Current),
        sums: Some(Sums::Cumulative),
        shown: "traces, and dashboards over `gen_ai.client.*`",
        ..ANY
    },
    PresetRow {
        name: "openlit",
        title: "OpenLIT",
        about: "All signals.",
        endpoint: Endpoint::Yours("http://localhost:4318"),
        usage_cost: Some(true),
        compat: Compat::NONE.and(Extra::OpenLit),
        metric_names: Some(Names::Current),
        shown: "requests, tokens, cost, users",
        ..ANY
    },
    PresetRow {
        name: "elastic",
        title: "Elastic",
        about: "All signals.",
        endpoint: Endpoint::Yours("https://mine.ingest.eu-west-1.aws.elastic.cloud"),
        protocol: Some(Protocol::HttpProtobuf),
        needs: &[key(
            "authorization",
            "ApiKey ${ELASTIC_API_KEY}",
            "a key of the managed endpoint",
        )],
        shown: "traces, metrics and logs with all attributes",
        ..ANY
    },
    PresetRow {
        name: "jaeger",
        title: "Jaeger",
        about: "Traces.",
        endpoint: Endpoint::Yours("http://localhost:4317"),
        signals: TRACES,
        shown: "the tree of spans with all attributes; its view of model calls from version 2.20 on",
        ..ANY
    },
];
