//! What each field means: the tables of the documentation.

/// One row of the table: fields that have a type and a meaning together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldDoc {
    /// Their paths, with dots between the names.
    pub paths: &'static [&'static str],
    /// Text, number, ...
    pub kind: &'static str,
    /// What they say; Markdown, with links from `docs/records.md`.
    pub meaning: &'static str,
    /// When they are not there.
    pub absent: &'static str,
}

const fn field(
    paths: &'static [&'static str],
    kind: &'static str,
    meaning: &'static str,
    absent: &'static str,
) -> FieldDoc {
    FieldDoc { paths, kind, meaning, absent }
}

/// Every field of a record, in the order of the documentation.
#[rustfmt::skip]
pub const FIELDS: &[FieldDoc] = &[
    field(&["v"], "number", "version of this format: 1", "never"),
    field(&["id"], "text", "our id, a ULID: sorts by time of arrival", "never"),
    field(&["time"], "text", "when the request head was read; UTC, milliseconds", "never"),
    field(&["trace_id"], "text", "32 hex digits; the caller's if its trace is continued", "never"),
    field(&["span_id"], "text", "16 hex digits: the `call` span of a model call, else the `server` span. Also there when the trace is not sampled", "never"),
    field(&["upstream"], "text", "where it went, by configuration", "never"),
    field(&["provider"], "text", "the provider's name in telemetry, see the [table](forwarding.md#providers)", "never"),
    field(&["operation"], "text", "what was asked, from a [closed list](telemetry.md#operations)", "never"),
    field(&["route"], "text", "pattern of the path; `/{path}` for an unknown one", "never"),
    field(&["stream"], "boolean", "the answer was a stream; or one was asked for and none came", "never"),
    field(&["request.model"], "text", "model asked for", "not told or not read"),
    field(&["request.bytes"], "number", "body bytes read from the client", "never"),
    field(&["request.max_tokens"], "number", "bound on output that was asked for", "not told"),
    field(&["request.tools"], "number", "tools declared", "not told"),
    field(&["request.messages"], "number", "messages or input items", "not told"),
    field(&["request.service_tier"], "text", "service tier that was asked for", "not told"),
    field(&["request.tool_errors"], "number", "tool results in the request that say they failed", "when 0"),
    field(&["response.status"], "number", "status the client got; else the upstream's", "there was none"),
    field(&["response.id"], "text", "the provider's id of the response", "not told"),
    field(&["response.model"], "text", "model that answered", "not told"),
    field(&["response.finish_reasons"], "list", "one a choice, in the provider's words; a reason that is a number on the wire is one here", "none came"),
    field(&["response.tool_calls"], "number", "distinct tool calls for the client to run", "nothing was answered that could hold one"),
    field(&["response.service_tier"], "text", "service tier that served the call", "not told"),
    field(&["response.bytes"], "number", "body bytes passed to the client", "never"),
    field(&["usage.source"], "text", "[who counted](#usage)", "never"),
    field(&["usage.input_tokens"], "number", "all prompt tokens, cached ones included", "not told"),
    field(&["usage.output_tokens"], "number", "all generated tokens, reasoning included", "not told"),
    field(&["usage.cache_read_tokens"], "number", "part of the input read from the provider's cache", "not told"),
    field(&["usage.cache_write_tokens"], "number", "part of the input written to it", "not told"),
    field(&["usage.reasoning_tokens"], "number", "part of the output that is reasoning", "not told"),
    field(&["usage.buckets"], "map of number", "tokens in each [bucket](#money) that is not empty; no token is in two", "none is known to be used"),
    field(&["usage.billed"], "list", "what is [billed](#money) in place of the buckets: `buckets` of each part, and its `model` if that is another", "the buckets are what is billed"),
    field(&["usage.region"], "text", "where the model ran, as the answer, the path or the host of a provider tells that bills by it (`us`, `global`, `europe-west1`)", "not told"),
    field(&["usage.audio_seconds"], "number", "seconds of audio that are billed by time", "not told"),
    field(&["usage.searches"], "number", "searches of the provider's own tools", "not told"),
    field(&["usage.grounded_prompts"], "number", "prompts that were grounded in searches", "not told"),
    field(&["usage.file_searches"], "number", "searches in the caller's stored files", "not told"),
    field(&["usage.hosted_tools"], "number", "calls of other tools that have a fee, of which no price is known", "not told"),
    field(&["usage.search_size"], "text", "how much a search reads, told by a provider that bills by it (`low`, `medium`, `high`)", "not told"),
    field(&["usage.audio_input_tokens"], "number", "part of the input that is audio, cached or not", "not told"),
    field(&["usage.audio_output_tokens"], "number", "part of the output that is audio", "not told"),
    field(&["usage.estimated.by"], "text", "what [counted](#estimates): `o200k` or `o200k_approximate`", "nothing was counted here"),
    field(&["usage.estimated.input_tokens"], "number", "prompt tokens, counted here", "they were told"),
    field(&["usage.estimated.output_tokens"], "number", "generated tokens, counted here", "they were told"),
    field(&["cost.status"], "text", "[how sure it is](#money)", "never"),
    field(&["cost.usd"], "text", "US dollars, a decimal with 2 to 9 places", "unless `priced` or `reported`"),
    field(&["cost.list_usd"], "text", "what a price list says, beside the provider's own bill", "`status` is not `reported`, or no list has a price"),
    field(&["cost.reported_usd"], "text", "the provider's own bill, beside a price of yours", "it stated none, or `status` is `reported`"),
    field(&["cost.unpriced"], "text", "[why](#money) there is no amount", "`status` is not `unpriced`"),
    field(&["cost.model"], "text", "entry of the price list that matched", "none did"),
    field(&["cost.catalogue"], "text", "version and date of the price list; `own prices` for one of yours", "there was nothing to price"),
    field(&["batch.results", "batch.failed"], "number", "results in the file of [a batch job](prices.md#batch-jobs), and those of them that are errors", "not such a file"),
    field(&["batch.left_out"], "number", "results with usage for which there was no room; the cost is `unpriced` then", "when 0"),
    field(&["batch.models"], "list", "one a model: `model`, `calls`, `buckets`, and of the cost `status`, `usd`, `catalogue` and `lines`, each with `charge`, `quantity`, `usd` (the price) and `nanos` (what it makes, in billionths of a dollar)", "not such a file"),
    field(&["timing.duration_ms"], "number", "upstream request issued until the response was over; if nothing was sent, the whole exchange", "never"),
    field(&["timing.ttfb_ms"], "number", "issued until the first byte of the response body", "no byte came"),
    field(&["timing.time_to_first_chunk_ms"], "number", "issued until the first event with data", "no stream"),
    field(&["timing.ttft_ms"], "number", "issued until the first event with visible text, reasoning or tool arguments", "no stream, or no such event"),
    field(&["timing.tpot_ms"], "number", "(last − first such event) ÷ (output tokens − 1)", "no stream, fewer than two tokens known, or all came at once"),
    field(&["timing.overhead_ms"], "number", "what the proxy added; making a connection is not in it", "never"),
    field(&["end"], "text", "`complete`: the whole response was passed on, whatever its status. `failed`: it could not be had or broke off. `cancelled`: the client left before the end, of a stream before its last event", "never"),
    field(&["category"], "text or null", "[what went wrong or mattered](#categories)", "never"),
    field(&["domain"], "text or null", "whose fault it is", "never"),
    field(&["error"], "text or null", "the value of [`error.type`](telemetry.md#errors); null unless the call failed", "never"),
    field(&["session", "user", "agent", "request_id"], "text", "[who is calling](attribution.md)", "not told"),
    field(&["tags"], "map of text", "tags of the caller", "none"),
    field(&["prompt.name", "prompt.version"], "text", "prompt that the caller names", "not told"),
    field(&["content"], "object", "[what was said](#content)", "not captured"),
    field(&["within"], "text", "`id` of the session that this is a [turn](#sessions-and-their-turns) of", "it is none"),
    field(&["turns"], "number", "turns of this session, each a record of its own", "it is no session, or not read"),
    field(&["partial"], "boolean", "`true`: [parts were not read](#what-a-record-cannot-know)", "when false"),
    field(&["scores"], "list", "empty: nothing makes scores yet", "never"),
];

/// The fields of `content`, and what they hold.
#[rustfmt::skip]
pub const CONTENT: &[(&str, &str)] = &[
    ("system_instructions", "parts: instructions that the request keeps apart from its messages"),
    ("input_messages", "messages of the request"),
    ("output_messages", "one message a choice"),
    ("tool_definitions", "tools of the request"),
    ("truncated", "`true`: something was shortened or left out"),
];
