//! Decides what happens in the demo: who calls, which model, how long it takes, what goes wrong.
//!
//! Everything about a request and its answer is a function of the seed and the request's number, and
//! of nothing else, so that two runs with the same seed tell the same story at any speed. Must not
//! know: sockets, clocks, wire formats.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Exp1, LogNormal};

/// The wire format and surface of a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Surface {
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's responses.
    Responses,
    /// OpenAI's embeddings.
    Embeddings,
    /// Anthropic's messages.
    Messages,
}

/// A simulated model. Times are medians; the spread is that of a log-normal distribution.
#[derive(PartialEq, Debug)]
pub(crate) struct Model {
    /// The name clients ask for.
    pub(crate) name: &'static str,
    /// The name it answers with.
    pub(crate) dated: &'static str,
    /// Where it is called, most often first.
    pub(crate) surfaces: &'static [Surface],
    /// Milliseconds to the first token.
    first_ms: f64,
    /// Spread of the time to the first token.
    first_spread: f64,
    /// Milliseconds from token to token.
    gap_ms: f64,
    /// Visible tokens of an answer.
    output: f64,
    /// Hidden reasoning tokens; 0 for a model that does not reason.
    reasoning: f64,
    /// How many tokens fit.
    pub(crate) window: u64,
}

/// The models, with names that the price catalogue knows.
pub(crate) static MODELS: [Model; 6] = [
    Model {
        name: "gpt-4o-mini",
        dated: "gpt-4o-mini-2024-07-18",
        surfaces: &[Surface::Chat],
        first_ms: 380.0,
        first_spread: 0.45,
        gap_ms: 9.0,
        output: 140.0,
        reasoning: 0.0,
        window: 128_000,
    },
    Model {
        name: "gpt-4.1",
        dated: "gpt-4.1-2025-04-14",
        surfaces: &[Surface::Chat, Surface::Responses],
        first_ms: 560.0,
        first_spread: 0.5,
        gap_ms: 14.0,
        output: 220.0,
        reasoning: 0.0,
        window: 1_047_576,
    },
    Model {
        name: "gpt-5-mini",
        dated: "gpt-5-mini-2025-08-07",
        surfaces: &[Surface::Responses, Surface::Chat],
        first_ms: 700.0,
        first_spread: 0.5,
        gap_ms: 8.0,
        output: 180.0,
        reasoning: 256.0,
        window: 400_000,
    },
    Model {
        name: "claude-sonnet-4-5",
        dated: "claude-sonnet-4-5-20250929",
        surfaces: &[Surface::Messages],
        first_ms: 920.0,
        first_spread: 0.55,
        gap_ms: 16.0,
        output: 260.0,
        reasoning: 0.0,
        window: 200_000,
    },
    Model {
        name: "claude-haiku-4-5",
        dated: "claude-haiku-4-5-20251001",
        surfaces: &[Surface::Messages],
        first_ms: 450.0,
        first_spread: 0.45,
        gap_ms: 8.0,
        output: 150.0,
        reasoning: 0.0,
        window: 200_000,
    },
    Model {
        name: "text-embedding-3-small",
        dated: "text-embedding-3-small",
        surfaces: &[Surface::Embeddings],
        first_ms: 95.0,
        first_spread: 0.35,
        gap_ms: 0.0,
        output: 0.0,
        reasoning: 0.0,
        window: 8_192,
    },
];

/// A prompt that a team keeps, and the versions of it that are in use, the newest last.
#[derive(Debug)]
pub(crate) struct Prompt {
    pub(crate) name: &'static str,
    versions: &'static [&'static str],
    pub(crate) system: &'static str,
}

/// Who calls.
#[derive(Debug)]
pub(crate) struct Team {
    pub(crate) name: &'static str,
    /// Share of the traffic.
    weight: f64,
    /// Models by name, with their share.
    models: &'static [(&'static str, f64)],
    prompts: &'static [Prompt],
    /// Share of calls that want a stream.
    streams: f64,
    /// Share of calls that declare tools.
    tools: f64,
    /// Prompt tokens.
    input: f64,
    users: u32,
}

/// Stands in for a team without prompts.
static PLAIN: Prompt =
    Prompt { name: "plain", versions: &["1"], system: "You are a helpful assistant." };

static TEAMS: [Team; 4] = [
    Team {
        name: "support",
        weight: 40.0,
        models: &[("gpt-4o-mini", 5.0), ("claude-haiku-4-5", 4.0), ("gpt-4.1", 1.0)],
        prompts: &[
            Prompt {
                name: "answer-ticket",
                versions: &["11", "12"],
                system: "You answer tickets of a harbour authority. Be brief and name the rule you rely on.",
            },
            Prompt {
                name: "summarise-thread",
                versions: &["3"],
                system: "Summarise the thread in three sentences for the next colleague on shift.",
            },
        ],
        streams: 0.8,
        tools: 0.1,
        input: 900.0,
        users: 60,
    },
    Team {
        name: "search",
        weight: 25.0,
        models: &[("text-embedding-3-small", 6.0), ("gpt-4o-mini", 4.0)],
        prompts: &[Prompt {
            name: "rewrite-query",
            versions: &["5", "6"],
            system: "Rewrite the question as one search query. Answer with the query only.",
        }],
        streams: 0.2,
        tools: 0.0,
        input: 350.0,
        users: 200,
    },
    Team {
        name: "agents",
        weight: 20.0,
        models: &[("claude-sonnet-4-5", 6.0), ("gpt-5-mini", 4.0)],
        prompts: &[Prompt {
            name: "berth-planner",
            versions: &["1", "2", "3"],
            system: "You plan berths. Use the tools to look up ships, tides and berths before you decide.",
        }],
        streams: 0.7,
        tools: 0.9,
        input: 2600.0,
        users: 12,
    },
    Team {
        name: "analytics",
        weight: 15.0,
        models: &[("gpt-5-mini", 5.0), ("gpt-4.1", 4.0), ("claude-sonnet-4-5", 1.0)],
        prompts: &[Prompt {
            name: "explain-chart",
            versions: &["7"],
            system: "Explain what the figures show and what they do not. Give numbers.",
        }],
        streams: 0.4,
        tools: 0.2,
        input: 1600.0,
        users: 20,
    },
];

/// What a simulated provider does with a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Answer {
    /// Text, to its natural end.
    Text,
    /// A tool is called.
    Tool,
    /// A tool is called with arguments that do not parse.
    BadTool,
    /// The model declines.
    Refusal,
    /// A filter stops the answer.
    ContentFilter,
    /// The answer hits its token limit.
    Truncated,
    /// 429.
    RateLimit,
    /// 429, and waiting does not help.
    Quota,
    /// 400: the prompt does not fit.
    Overflow,
    /// 401.
    Key,
    /// 500.
    ServerError,
    /// No capacity: 503 or 529.
    Overloaded,
    /// The connection is closed in the middle of a stream.
    Cut,
    /// An error event inside a stream that began with 200.
    BrokenStream,
}

/// How often what goes wrong, in a thousand calls; a quiet week of a production fleet. A fault that
/// a call cannot have (a cut without a stream, a bad tool call without tools) does not happen to it.
const FAULTS: [(Answer, f64); 12] = [
    (Answer::BadTool, 6.0),
    (Answer::Refusal, 7.0),
    (Answer::ContentFilter, 4.0),
    (Answer::Truncated, 14.0),
    (Answer::RateLimit, 16.0),
    (Answer::Quota, 1.0),
    (Answer::Overflow, 5.0),
    (Answer::Key, 1.0),
    (Answer::ServerError, 5.0),
    (Answer::Overloaded, 7.0),
    (Answer::Cut, 5.0),
    (Answer::BrokenStream, 2.0),
];

/// Clients that leave in the middle of a stream, in a thousand streams.
const LEAVERS: f64 = 15.0;

/// How busy each hour of the day is, against the busiest.
const DAY: [f64; 24] = [
    0.22, 0.18, 0.15, 0.14, 0.16, 0.22, 0.35, 0.55, 0.78, 0.93, 1.0, 0.97, 0.82, 0.88, 0.98, 0.96,
    0.88, 0.74, 0.60, 0.52, 0.47, 0.42, 0.35, 0.28,
];

/// Tokens of a tool call.
const TOOL_TOKENS: u64 = 16;

/// Tokens of a refusal.
const REFUSAL_TOKENS: u64 = 12;

/// Whether a stream asks for its usage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum AskUsage {
    /// The client asks.
    Yes,
    /// It asks not to.
    No,
    /// It does not say.
    Unset,
}

/// One call and what becomes of it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) sequence: u64,
    pub(crate) team: &'static str,
    pub(crate) user: String,
    pub(crate) session: String,
    pub(crate) prompt: &'static Prompt,
    pub(crate) version: &'static str,
    pub(crate) model: &'static Model,
    pub(crate) surface: Surface,
    pub(crate) stream: bool,
    pub(crate) ask_usage: AskUsage,
    pub(crate) tools: bool,
    pub(crate) answer: Answer,
    /// All prompt tokens.
    pub(crate) input: u64,
    /// Those of them that come from the cache.
    pub(crate) cached: u64,
    /// Those of them that are written to it.
    pub(crate) written: u64,
    /// Visible tokens.
    pub(crate) output: u64,
    /// Hidden tokens before them.
    pub(crate) reasoning: u64,
    /// Simulated time to the first visible token.
    pub(crate) first: Duration,
    /// Simulated time from token to token.
    pub(crate) gap: Duration,
    /// The client leaves after this share of the answer.
    pub(crate) leaves: Option<f64>,
    /// Simulated wait before the next call, as a share of the mean wait.
    pub(crate) pause: f64,
}

/// The story of one seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script {
    seed: u64,
}

impl Script {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Random numbers of one call; `part` keeps unrelated choices apart.
    pub(crate) fn random(&self, sequence: u64, part: u64) -> SmallRng {
        SmallRng::seed_from_u64(mix(self.seed ^ mix(sequence ^ mix(part))))
    }

    /// The call with that number.
    pub(crate) fn case(&self, sequence: u64) -> Case {
        let rng = &mut self.random(sequence, 0);
        let team = weighted(rng, TEAMS.iter().map(|team| (team, team.weight))).unwrap_or(&TEAMS[0]);
        let wanted = weighted(rng, team.models.iter().copied()).unwrap_or_default();
        let model = model(wanted).unwrap_or(&MODELS[0]);
        let surface = surface(rng, model);
        let has_text = surface != Surface::Embeddings;
        let stream = has_text && rng.random_bool(team.streams);
        let tools = has_text && rng.random_bool(team.tools);
        let prompt = pick(rng, team.prompts).unwrap_or(&PLAIN);
        let version = pick(rng, prompt.versions).copied().unwrap_or("1");
        let user = rng.random_range(0..team.users);
        let answer = answer(rng, stream, tools, surface);
        let input = around(rng, team.input, 0.6).clamp(12, 7_000);
        let (cached, written) = cache(rng, surface, input);
        let output = if has_text { around(rng, model.output, 0.7).clamp(4, 1_200) } else { 0 };
        let output = match answer {
            Answer::Tool | Answer::BadTool => TOOL_TOKENS,
            Answer::Refusal => REFUSAL_TOKENS,
            // A filter stops an answer early.
            Answer::ContentFilter => output.div_ceil(3),
            _ => output,
        };
        let reasoning = if model.reasoning > 0.0 { around(rng, model.reasoning, 0.8) } else { 0 };
        // A provider counts reasoning in steps of 64; it passes before the first visible token.
        let reasoning = (reasoning / 64 * 64).min(2_048);
        let gap_ms = scatter(rng, model.gap_ms, 0.25);
        #[expect(clippy::cast_precision_loss, reason = "at most 2048")]
        let thinking = reasoning as f64 * gap_ms / 4.0;
        let first_ms = scatter(rng, model.first_ms, model.first_spread) + thinking;
        Case {
            sequence,
            team: team.name,
            user: format!("{}-user-{user}", team.name),
            session: format!("{}-{user}-{}", team.name, rng.random_range(0..4)),
            prompt,
            version,
            model,
            surface,
            stream,
            ask_usage: ask_usage(rng),
            tools,
            answer,
            input,
            cached,
            written,
            output,
            reasoning,
            first: Duration::from_secs_f64(first_ms / 1e3),
            gap: Duration::from_secs_f64(gap_ms / 1e3),
            leaves: leaves(rng, stream),
            pause: Exp1.sample(rng),
        }
    }
}

/// The model of that name, dated or not.
pub(crate) fn model(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name || model.dated == name)
}

/// How busy a moment of the simulated day is, against the busiest, between the hours as on a line.
pub(crate) fn rhythm(hour: f64) -> f64 {
    let hour = hour.rem_euclid(24.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 23")]
    let index = hour as usize;
    let at = |index: usize| DAY.get(index % DAY.len()).copied().unwrap_or(1.0);
    at(index) + (at(index + 1) - at(index)) * hour.fract()
}

fn answer(rng: &mut SmallRng, stream: bool, tools: bool, surface: Surface) -> Answer {
    let plain = if tools && rng.random_bool(0.55) { Answer::Tool } else { Answer::Text };
    let mut at = rng.random_range(0.0..1000.0);
    let fault = FAULTS.iter().find(|(_, share)| {
        at -= share;
        at < 0.0
    });
    match fault.map(|(answer, _)| *answer) {
        None => plain,
        Some(Answer::Cut | Answer::BrokenStream) if !stream => plain,
        Some(Answer::BadTool) if !tools => plain,
        Some(Answer::Refusal | Answer::ContentFilter | Answer::Truncated)
            if surface == Surface::Embeddings =>
        {
            plain
        }
        Some(fault) => fault,
    }
}

fn surface(rng: &mut SmallRng, model: &Model) -> Surface {
    let usual = rng.random_bool(0.75);
    match model.surfaces {
        [_, other, ..] if !usual => *other,
        [usual, ..] => *usual,
        [] => Surface::Chat,
    }
}

/// Long prompts that were sent before are read from the cache, in blocks; a new one is written where
/// the provider counts that.
fn cache(rng: &mut SmallRng, surface: Surface, input: u64) -> (u64, u64) {
    let block = (input.saturating_sub(100)) / 128 * 128;
    let luck = rng.random_range(0.0..1.0);
    match surface {
        _ if block < 1_024 => (0, 0),
        Surface::Embeddings => (0, 0),
        Surface::Messages if luck < 0.6 => (block, 0),
        Surface::Messages if luck < 0.8 => (0, block),
        Surface::Chat | Surface::Responses if luck < 0.55 => (block, 0),
        Surface::Chat | Surface::Responses | Surface::Messages => (0, 0),
    }
}

fn ask_usage(rng: &mut SmallRng) -> AskUsage {
    match rng.random_range(0..100) {
        0..40 => AskUsage::Yes,
        40..43 => AskUsage::No,
        _ => AskUsage::Unset,
    }
}

fn leaves(rng: &mut SmallRng, stream: bool) -> Option<f64> {
    let share = rng.random_range(0.1..0.9);
    (rng.random_bool(LEAVERS / 1000.0) && stream).then_some(share)
}

fn pick<T>(rng: &mut SmallRng, from: &'static [T]) -> Option<&'static T> {
    from.get(rng.random_range(0..from.len().max(1)))
}

fn weighted<T>(rng: &mut SmallRng, mut of: impl Iterator<Item = (T, f64)> + Clone) -> Option<T> {
    let total: f64 = of.clone().map(|(_, weight)| weight).sum();
    let mut at = rng.random_range(0.0..total);
    let chosen = of.find(|(_, weight)| {
        at -= weight;
        at < 0.0
    });
    chosen.map(|(item, _)| item)
}

/// Log-normal around a median.
fn scatter(rng: &mut SmallRng, median: f64, spread: f64) -> f64 {
    LogNormal::new(median.max(1e-3).ln(), spread).map_or(median, |of| of.sample(rng))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and small")]
fn around(rng: &mut SmallRng, median: f64, spread: f64) -> u64 {
    scatter(rng, median, spread).round().min(1e6) as u64
}

/// Spreads neighbouring numbers over the whole range (the finaliser of SplitMix64).
pub(crate) fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
