//! What has been read of one answer so far: the state that readers write into, event by event.
//!
//! It always takes facts: model, usage, tool calls, why it ended. Where a transcript is wanted, the same
//! calls of a reader write that. A place in an answer is a choice and, where the format numbers the
//! parts of a choice, a block of it. Bounded: so many choices, so many tool calls, so many bytes of tool
//! arguments. It must not know a format.

use std::borrow::Cow;

use tidegauge_core::{Batch, Bucket, Part, ProviderError, Response, Sample, Usage};

use crate::background::Stage;
use crate::field::{CUT, Doc, Json, clip};
use crate::finish::{self, Meaning};
use crate::said::Said;
use crate::transcript::{Reply, Scribe};

/// How many choices are told apart.
const MAX_CHOICES: usize = 128;
/// How many tool calls are told apart; more are counted only.
const MAX_CALLS: usize = 256;
/// How many bytes of tool arguments are kept to see whether they parse, over all calls.
const MAX_ARGUMENTS: usize = 256 * 1024;
/// How much of the arguments of one call goes into the sample of an answer.
const MAX_SAMPLED: usize = 4096;
/// The longest identifier that is kept.
pub(crate) const MAX_NAME: usize = 256;

/// One answer, as far as it has been read.
#[derive(Debug, Default)]
pub struct Answer {
    /// What is known of the response. Finish reasons and tool calls are filled in at the end.
    pub response: Response,
    /// What was used. The last complete figures win.
    pub usage: Usage,
    /// The present event carries visible text, reasoning or tool arguments.
    pub token: bool,
    /// The stream's own end was seen.
    pub ended: bool,
    /// The answer says that it is not ready yet.
    pub pending: bool,
    /// How far the response is, where it may last longer than the call that asks for it.
    pub stage: Option<Stage>,
    /// The results of a batch job.
    pub batch: Batch,
    /// What is read now was said before, piece by piece.
    pub(crate) repeats: bool,
    /// What is read now stands in the transcript already.
    written: bool,
    /// The beginning of the names of models whose reasoning this host states beside their output,
    /// with totals that do not show it. Empty: no model's.
    pub(crate) reasoning_beside: Option<&'static str>,
    /// A sample of what is said, if that is wanted.
    pub(crate) said: Option<Said>,
    /// The transcript, if it is wanted.
    pub(crate) reply: Option<Box<Reply>>,
    finish: Vec<Finish>,
    calls: Vec<Call>,
    more_calls: u64,
    arguments: usize,
    malformed: u64,
}

/// An answer of which no more will come.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) response: Response,
    pub(crate) usage: Usage,
    /// The results of a batch job, if there were any.
    pub(crate) batch: Option<Batch>,
    /// How far the response is, where it may last longer than its call.
    pub(crate) stage: Option<Stage>,
    /// A sample of what was said, if that was wanted.
    pub(crate) said: Option<Sample>,
    /// The calls whose arguments are whole.
    pub(crate) calls: Vec<tidegauge_core::Call>,
    /// What the reasons to finish mean.
    pub(crate) ends: Vec<Meaning>,
}

/// Why a choice ended.
#[derive(Debug)]
struct Finish {
    choice: u64,
    /// As the provider wrote it.
    reason: String,
    meaning: Option<Meaning>,
}

#[derive(Debug)]
struct Call {
    group: u64,
    index: Option<u64>,
    id: String,
    name: String,
    arguments: Vec<u8>,
    unchecked: bool,
}

impl Answer {
    /// The id of the response object: the first that is not empty.
    pub fn id(&mut self, id: Json<'_>) {
        if self.response.id.is_none() {
            let number = || id.number().map(|number| clip(number, MAX_NAME).to_owned());
            self.response.id = id.kept(MAX_NAME).or_else(number);
        }
    }

    /// The model that answered: the last that is not empty.
    pub fn model(&mut self, model: Json<'_>) {
        replace(&mut self.response.model, model);
    }

    /// The service tier: the last that is told.
    pub fn service_tier(&mut self, tier: Json<'_>) {
        replace(&mut self.response.service_tier, tier);
    }

    /// The system fingerprint: the last that is told.
    pub fn fingerprint(&mut self, fingerprint: Json<'_>) {
        replace(&mut self.response.system_fingerprint, fingerprint);
    }

    /// The provider says that it failed. What it said first stays; what it did not say is filled in.
    pub fn fail(&mut self, told: Option<ProviderError>) {
        let Some(told) = told else { return };
        let known = self.response.error.take().unwrap_or_default();
        self.response.error = Some(ProviderError {
            kind: known.kind.or(told.kind),
            code: known.code.or(told.code),
            message: known.message.or(told.message),
        });
    }

    /// Who speaks in a choice; the first that is told.
    pub fn role(&mut self, choice: u64, role: Json<'_>) {
        if let Some(reply) = self.transcript() {
            reply.role(choice, role);
        }
    }

    /// Why a choice ended: the last reason wins.
    pub fn finish(&mut self, choice: u64, reason: Json<'_>) {
        if let Some(reason) = reason.text() {
            self.finish_as(choice, &reason, &reason);
        }
    }

    /// The same for a reason that is not written as such, or as a number: `word` says what it means.
    pub(crate) fn finish_as(&mut self, choice: u64, reason: &str, word: &str) {
        let (reason, meaning) = (clip(reason, MAX_NAME), finish::meaning(word));
        if let Some(known) = self.finish.iter_mut().find(|known| known.choice == choice) {
            reason.clone_into(&mut known.reason);
            known.meaning = meaning;
        } else if self.finish.len() < MAX_CHOICES {
            self.finish.push(Finish { choice, reason: reason.to_owned(), meaning });
        }
        self.close(choice, word);
    }

    /// How a choice ended, where the format has no reason to finish: for the transcript alone.
    pub(crate) fn close(&mut self, choice: u64, word: &str) {
        if let Some(reply) = &mut self.reply {
            reply.finish(choice, word);
        }
    }

    /// The same in the provider's word.
    pub(crate) fn close_as(&mut self, choice: u64, reason: Json<'_>) {
        if let Some(reason) = reason.text() {
            self.close(choice, &reason);
        }
    }

    /// Visible text came, if `text` holds any. Without a block it goes on with what was said last.
    pub fn text(&mut self, choice: u64, block: Option<u64>, text: Json<'_>) {
        if text.has_text() {
            self.note_token();
            self.response.output = true;
            self.say(text);
            if let Some(reply) = self.transcript() {
                reply.text(choice, block, text);
            }
        }
    }

    /// Reasoning came, if `text` holds any. It is a token, but no output.
    pub fn reasoning(&mut self, choice: u64, block: Option<u64>, text: Json<'_>) {
        if text.has_text() {
            self.note_token();
            self.say(text);
            if let Some(reply) = self.transcript() {
                reply.reasoning(choice, block, text);
            }
        }
    }

    /// The model declines, if `text` says anything.
    pub fn refusal(&mut self, choice: u64, block: Option<u64>, text: Json<'_>) {
        if text.has_text() {
            self.note_token();
            self.response.output = true;
            self.response.refusal = true;
            self.say(text);
            if let Some(reply) = self.transcript() {
                reply.refusal(choice, block, text);
            }
        }
    }

    /// Something that is no text came: a picture, audio, what a tool of the provider's did. `part` makes
    /// what the transcript says of it.
    pub(crate) fn part(&mut self, choice: u64, part: impl FnOnce(&mut Scribe) -> Option<Part>) {
        if let Some(reply) = self.transcript() {
            reply.part(choice, part);
        }
    }

    /// What is said again is no token, unless nothing was said before.
    fn note_token(&mut self) {
        self.token |= !(self.repeats && self.response.output);
    }

    /// What is said is sampled once: where it comes in pieces and then whole, the pieces.
    fn say(&mut self, text: Json<'_>) {
        if let Some(said) = &mut self.said
            && (!self.repeats || said.is_empty())
        {
            said.push(text);
        }
    }

    /// The transcript, if it is wanted and what is read now is not in it yet.
    fn transcript(&mut self) -> Option<&mut Reply> {
        self.reply.as_deref_mut().filter(|_| !self.written)
    }

    /// Reads what may have come in pieces before: a block of a choice, or, without one, all of it.
    pub(crate) fn repeat(&mut self, block: Option<u64>, read: impl FnOnce(&mut Self)) {
        self.repeats = true;
        self.written = self.reply.as_ref().is_some_and(|reply| match block {
            Some(block) => reply.has(0, block),
            None => !reply.is_empty(),
        });
        read(self);
        (self.repeats, self.written) = (false, false);
    }

    /// Whether the last thing said in a choice is a call for the client.
    pub(crate) fn ends_with_call(&self, choice: u64) -> bool {
        self.reply.as_ref().is_some_and(|reply| reply.ends_with_call(choice))
    }

    /// A tool call for the client, or a piece of one. Pieces with the same choice and block, or without
    /// block the same id, are one call; a piece without either belongs to the last call of its choice.
    /// Arguments are JSON in a string, or JSON as it is.
    pub fn call(
        &mut self,
        choice: u64,
        block: Option<u64>,
        id: Json<'_>,
        name: Json<'_>,
        arguments: Json<'_>,
    ) {
        if self.repeats && self.has_arguments(choice, block) {
            return;
        }
        self.count_call(choice, block, id, name, arguments);
        if let Some(reply) = self.transcript() {
            reply.call(choice, block, id, name);
            reply.arguments(choice, block, arguments);
        }
    }

    /// More arguments for a call that has begun; no fact if there is no such call.
    pub fn more_arguments(&mut self, choice: u64, block: Option<u64>, piece: Json<'_>) {
        self.token |= piece.has_text();
        let slot = self.calls.iter().rposition(|call| call.is(choice, block, ""));
        self.append(slot, piece);
        if let Some(reply) = self.transcript() {
            reply.arguments(choice, block, piece);
        }
    }

    /// A piece of what the last call of a block is given as free text, which is no JSON to be checked.
    pub(crate) fn free_text(&mut self, choice: u64, block: Option<u64>, piece: Json<'_>) {
        if self.repeats && self.has_arguments(choice, block) {
            return;
        }
        let call = self.calls.iter_mut().rfind(|call| call.is(choice, block, ""));
        if let Some(call) = call {
            call.unchecked = true;
        }
        if piece.has_text() {
            self.note_token();
        }
        if let Some(reply) = self.transcript() {
            reply.arguments(choice, block, piece);
        }
    }

    /// A tool call for the client that comes whole and stands on its own.
    pub fn whole_call(&mut self, choice: u64, id: Json<'_>, name: Json<'_>, arguments: Json<'_>) {
        let block = u64::MAX - self.calls.len() as u64;
        self.count_call(u64::MAX, Some(block), Json::ABSENT, name, arguments);
        if let Some(reply) = self.transcript() {
            reply.whole_call(choice, id, name, arguments);
        }
    }

    /// A call for the client of a tool that is no function: what it is given is not checked. `part` makes
    /// what the transcript says of it.
    pub(crate) fn built_in_call(
        &mut self,
        choice: u64,
        part: impl FnOnce(&mut Scribe) -> Option<Part>,
    ) {
        let block = u64::MAX - self.calls.len() as u64;
        self.count_call(u64::MAX, Some(block), Json::ABSENT, Json::ABSENT, Json::ABSENT);
        self.part(choice, part);
    }

    /// A call of a tool that the provider runs itself. What it is given may come in pieces.
    pub(crate) fn server_call(
        &mut self,
        choice: u64,
        block: Option<u64>,
        id: Json<'_>,
        name: Json<'_>,
        input: Json<'_>,
    ) {
        self.response.output = true;
        if let Some(reply) = self.transcript() {
            reply.call(choice, block, id, name);
            if input.members().next().is_some() {
                reply.arguments(choice, block, input);
            }
            reply.by_server(choice, block);
        }
    }

    /// Counts a call, with a piece of its arguments.
    fn count_call(
        &mut self,
        choice: u64,
        block: Option<u64>,
        id: Json<'_>,
        name: Json<'_>,
        arguments: Json<'_>,
    ) {
        let id = id.text().unwrap_or_default();
        self.response.output = true;
        let slot = self.slot(choice, block, &id);
        let call = slot.and_then(|slot| self.calls.get_mut(slot));
        if let Some(call) = call.filter(|call| call.name.is_empty()) {
            call.name = name.kept(MAX_NAME).unwrap_or_default();
        }
        if arguments.is_object() {
            self.token = true;
            self.whole_arguments(slot, arguments);
        }
        self.append(slot, arguments);
    }

    /// Whether arguments of that call came.
    fn has_arguments(&self, choice: u64, block: Option<u64>) -> bool {
        let call = self.calls.iter().rfind(|call| block.is_some() && call.is(choice, block, ""));
        call.is_some_and(|call| call.unchecked || !call.arguments.is_empty())
    }

    /// The provider itself says that a tool call is malformed.
    pub fn bad_call(&mut self) {
        self.malformed += 1;
    }

    /// How many tool calls there are so far.
    pub fn calls(&self) -> u64 {
        self.calls.len() as u64 + self.more_calls
    }

    /// Nothing more will come: fills in what is only known now.
    pub(crate) fn settle(mut self) -> Settled {
        self.forget_zeros();
        self.finish.sort_by_key(|finish| finish.choice);
        let ends: Vec<Meaning> = self.finish.iter().filter_map(|finish| finish.meaning).collect();
        self.response.content_filter |= ends.contains(&Meaning::Filter);
        self.response.refusal |= ends.contains(&Meaning::Refusal);
        self.malformed += ends.iter().filter(|end| **end == Meaning::BadCall).count() as u64;
        let mut doc = Doc::default();
        let bad = self.calls.iter().filter(|call| !call.parses(&mut doc)).count() as u64;
        self.response.tool_calls = self.calls();
        self.response.bad_tool_calls = bad.max(self.malformed);
        self.response.finish_reasons =
            self.finish.into_iter().map(|finish| finish.reason).collect();
        let batch = Some(self.batch).filter(|batch| batch.results > 0);
        let said = self.said.map(|said| {
            let mut said = said.settle();
            self.calls.iter().for_each(|call| call.count(&mut said));
            said
        });
        let calls = self.calls.into_iter().filter_map(|call| call.whole(&mut doc)).collect();
        Settled {
            response: self.response,
            usage: self.usage,
            batch,
            stage: self.stage,
            said,
            calls,
            ends,
        }
    }

    /// Usage of nothing at all beside an answer is a filler, and no usage.
    fn forget_zeros(&mut self) {
        let usage = &mut self.usage;
        let none = |count: Option<u64>| count.unwrap_or(0) == 0;
        let empty = none(usage.input_tokens()) && none(usage.output_tokens());
        if self.response.output && empty && usage.billed.is_empty() {
            Bucket::ALL.into_iter().for_each(|bucket| *usage.bucket_mut(bucket) = None);
            usage.stated_total = None;
        }
    }

    /// Arguments that are JSON as it is.
    fn whole_arguments(&mut self, slot: Option<usize>, arguments: Json<'_>) {
        let text = arguments.source();
        let room = MAX_ARGUMENTS.saturating_sub(self.arguments);
        let Some(call) = slot.and_then(|slot| self.calls.get_mut(slot)) else { return };
        let shortened = memchr::memmem::find(text, CUT.as_bytes()).is_some();
        if text.len() > room || shortened || !call.arguments.is_empty() {
            call.unchecked = true;
        } else {
            call.arguments.extend_from_slice(text);
            self.arguments += text.len();
        }
    }

    /// How many bytes are held.
    #[cfg(feature = "testing")]
    pub(crate) fn held(&self) -> usize {
        let calls = self.calls.iter().map(|call| call.id.capacity() + call.arguments.capacity());
        let finish = self.finish.iter().map(|finish| finish.reason.capacity());
        calls.chain(finish).sum::<usize>()
            + self.calls.capacity() * size_of::<Call>()
            + self.finish.capacity() * size_of::<Finish>()
    }

    fn append(&mut self, slot: Option<usize>, piece: Json<'_>) {
        let Some(text) = piece.text() else { return };
        self.token = true;
        let room = MAX_ARGUMENTS.saturating_sub(self.arguments);
        let Some(call) = slot.and_then(|slot| self.calls.get_mut(slot)) else { return };
        if text.len() > room || piece.is_cut() {
            call.unchecked = true;
        } else {
            call.arguments.extend_from_slice(text.as_bytes());
            self.arguments += text.len();
        }
    }

    fn slot(&mut self, group: u64, index: Option<u64>, id: &str) -> Option<usize> {
        if let Some(known) = self.calls.iter().rposition(|call| call.is(group, index, id)) {
            return Some(known);
        }
        if self.calls.len() >= MAX_CALLS {
            self.more_calls += 1;
            return None;
        }
        let id = clip(id, MAX_NAME).to_owned();
        self.calls.push(Call {
            group,
            index,
            id,
            name: String::new(),
            arguments: Vec::new(),
            unchecked: false,
        });
        Some(self.calls.len() - 1)
    }
}

impl Call {
    fn is(&self, group: u64, index: Option<u64>, id: &str) -> bool {
        let same_place = index.is_none() || self.index == index;
        let same_id = id.is_empty() || self.id.is_empty() || self.id == clip(id, MAX_NAME);
        self.group == group && same_place && same_id
    }

    /// Adds it to a sample: its tokens are tokens of the answer.
    fn count(&self, said: &mut Sample) {
        let arguments = String::from_utf8_lossy(&self.arguments);
        let fits = clip(&arguments, MAX_SAMPLED);
        said.text.push_str(&self.name);
        said.text.push('\n');
        said.text.push_str(fits);
        said.bytes += (self.name.len() + 1 + self.arguments.len()) as u64;
    }

    /// The call, if all of its arguments are there and are JSON.
    fn whole(self, doc: &mut Doc) -> Option<tidegauge_core::Call> {
        if self.unchecked || self.name.is_empty() || !self.parses(doc) {
            return None;
        }
        let given = self.arguments.trim_ascii();
        let given = if given.is_empty() { b"{}" } else { given };
        let arguments = String::from_utf8(given.to_vec()).ok()?;
        Some(tidegauge_core::Call { name: self.name, arguments })
    }

    /// Whether the arguments are JSON as far as can be told. None at all is how some say `{}`.
    fn parses(&self, doc: &mut Doc) -> bool {
        self.unchecked || self.arguments.trim_ascii().is_empty() || doc.parse(&self.arguments)
    }
}

fn replace(known: &mut Option<String>, told: Json<'_>) {
    let Some(told) = told.text() else { return };
    let told = clip(&told, MAX_NAME);
    if known.as_deref() != Some(told) {
        *known = Some(Cow::Borrowed(told).into_owned());
    }
}
