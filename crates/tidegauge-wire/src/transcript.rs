//! Requests as they are read, and what is said in them and in answers, piece by piece, as messages.
//!
//! A transcript is written where it is wanted: by whoever captures or judges what was said. Bounded: what is too much is shortened
//! and said to be. It must not know a format, and not whether the words may be kept.

mod shorten;

use std::borrow::Cow;

use tidegauge_core::{Content, Message, Modality, Part, Request, Tool, ToolDefinition, Value};

use crate::answer::MAX_NAME;
use crate::field::{Doc, Items, Json, clip};
use crate::finish;
use crate::tools;

/// The most of one body that is written down, in bytes of its JSON form.
pub(crate) const MAX_BODY: usize = 256 << 10;
/// The largest data that is kept, in bytes of base64.
const MAX_DATA: usize = 16 << 10;
/// How many messages, parts and tools of one body are written down.
const MAX_THINGS: usize = 4096;
/// How many choices are told apart.
const MAX_CHOICES: usize = 128;
/// How deep a value may nest: what is exported must be read by others, whose decoders have limits.
const MAX_VALUE_DEPTH: usize = 20;

/// Which words of an exchange are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// What is asked.
    pub request: bool,
    /// What is answered.
    pub response: bool,
    /// What the tools of a request do and take, not only their names.
    pub schemas: bool,
}

impl Wanted {
    /// Whether any words are.
    pub fn any(self) -> bool {
        self.request || self.response
    }
}

/// Takes things out of JSON, and remembers whether something of them was missing.
#[derive(Debug, Default)]
pub(crate) struct Scribe {
    truncated: bool,
    things: usize,
}

impl Scribe {
    /// A text with something in it.
    pub(crate) fn text(&mut self, text: Json<'_>) -> Option<String> {
        self.whole(text).filter(|text| !text.is_empty()).map(Cow::into_owned)
    }

    /// A name, an id or another short word.
    pub(crate) fn name(&mut self, name: Json<'_>) -> Option<String> {
        self.whole(name)
            .filter(|name| !name.is_empty())
            .map(|name| clip(&name, MAX_NAME).to_owned())
    }

    /// The elements of a list.
    pub(crate) fn items<'a>(&mut self, list: Json<'a>) -> Items<'a> {
        self.truncated |= list.is_shortened();
        list.items()
    }

    /// Any value.
    pub(crate) fn value(&mut self, value: Json<'_>) -> Value {
        self.value_at(value, 0)
    }

    /// An object that is written as one or as a text; anything else as it is.
    pub(crate) fn object(&mut self, value: Json<'_>) -> Option<Value> {
        match self.whole(value) {
            Some(text) => Some(self.parsed(text.into_owned())).filter(|_| value.has_text()),
            None => value.is_some().then(|| self.value(value)),
        }
    }

    /// A text part, if there is text.
    pub(crate) fn said(&mut self, text: Json<'_>) -> Option<Part> {
        self.text(text).map(|content| Part::Text { content })
    }

    /// Data that stands in the message as base64 or as a data URL.
    pub(crate) fn data(
        &mut self,
        modality: Modality,
        mime_type: Option<String>,
        data: Json<'_>,
    ) -> Part {
        let told = data.str().unwrap_or_default();
        let (mime_type, start) =
            match told.strip_prefix("data:").and_then(|url| url.split_once(',')) {
                Some((head, _)) => {
                    let told = head.split(';').next().filter(|told| !told.is_empty());
                    (told.map(str::to_owned).or(mime_type), "data:,".len() + head.len())
                }
                None => (mime_type, 0),
            };
        let kept = told.get(start..).filter(|kept| kept.len() <= MAX_DATA && !data.is_cut());
        self.truncated |= kept.is_none();
        Part::Blob { modality, mime_type, content: kept.unwrap_or_default().to_owned() }
    }

    /// Data behind a URL, which may be one with the data in it.
    pub(crate) fn link(
        &mut self,
        modality: Modality,
        mime_type: Option<String>,
        url: Json<'_>,
    ) -> Option<Part> {
        if url.str()?.starts_with("data:") {
            return Some(self.data(modality, mime_type, url));
        }
        Some(Part::Uri { modality, mime_type, uri: self.text(url)? })
    }

    /// Adds to a list, as long as there are not too many things.
    pub(crate) fn push<T>(&mut self, list: &mut Vec<T>, thing: T) {
        self.things += 1;
        if self.things <= MAX_THINGS {
            list.push(thing);
        } else {
            self.truncated = true;
        }
    }

    /// Adds what there is of several.
    pub(crate) fn extend<T>(&mut self, list: &mut Vec<T>, things: impl IntoIterator<Item = T>) {
        things.into_iter().for_each(|thing| self.push(list, thing));
    }

    /// A string without the mark of what is missing.
    fn whole<'a>(&mut self, text: Json<'a>) -> Option<Cow<'a, str>> {
        let told = text.str()?;
        if !text.is_cut() {
            return Some(told);
        }
        self.truncated = true;
        Some(told.trim_end_matches('\u{1a}').to_owned().into())
    }

    fn parsed(&mut self, text: String) -> Value {
        let mut doc = Doc::default();
        if doc.parse(text.as_bytes()) && doc.root(text.as_bytes()).is_object() {
            return self.value(doc.root(text.as_bytes()));
        }
        Value::Text(text)
    }

    fn value_at(&mut self, value: Json<'_>, depth: usize) -> Value {
        if depth >= MAX_VALUE_DEPTH && (value.is_object() || value.is_array()) {
            self.truncated = true;
            return Value::Null;
        }
        if value.is_object() {
            let members = value.members().map(|(name, value)| {
                let name = self.whole(name).unwrap_or_default().into_owned();
                (name, self.value_at(value, depth + 1))
            });
            return Value::Map(members.collect());
        }
        if value.is_array() {
            let items = self.items(value);
            return Value::List(items.map(|item| self.value_at(item, depth + 1)).collect());
        }
        if let Some(text) = self.whole(value) {
            return Value::Text(text.into_owned());
        }
        match value.number() {
            Some(number) => match (number.parse(), value.float()) {
                (Ok(whole), _) => Value::Whole(whole),
                (_, Some(real)) => Value::Real(real),
                _ => Value::Text(number.to_owned()),
            },
            None => value.bool().map_or(Value::Null, Value::Bool),
        }
    }
}

/// One request, as far as it has been read: its facts, the tools it declares, and where a transcript is
/// wanted, what it says.
#[derive(Debug, Default)]
pub struct Prompt {
    /// The facts.
    pub request: Request,
    /// Tokens that the provider says it adds to a prompt with tools, beside the tools themselves.
    pub(crate) tool_frame: u64,
    pub(crate) scribe: Scribe,
    content: Content,
    wanted: Wanted,
    /// The schemas of tools, if arguments are to be checked against them.
    schemas: Option<Vec<Tool>>,
}

impl Prompt {
    /// A request of which so much is wanted beside its facts.
    pub(crate) fn new(wanted: Wanted) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// The same, with the schemas of its tools.
    pub(crate) fn with_schemas(wanted: Wanted) -> Self {
        Self { schemas: Some(Vec::new()), ..Self::new(wanted) }
    }

    /// Whether a transcript is wanted: if not, what is said need not be looked at.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.request
    }

    /// The schemas of the declared tools, if they were wanted.
    pub(crate) fn take_schemas(&mut self) -> Vec<Tool> {
        self.schemas.take().unwrap_or_default()
    }

    /// Instructions apart from the messages.
    pub(crate) fn system(&mut self, parts: impl IntoIterator<Item = Part>) {
        self.scribe.extend(&mut self.content.system, parts);
    }

    /// A message.
    pub(crate) fn message(&mut self, message: Message) {
        self.scribe.push(&mut self.content.input, message);
    }

    /// A message of that role.
    pub(crate) fn says(&mut self, role: &str, parts: Vec<Part>) {
        if !parts.is_empty() {
            self.message(Message { role: role.to_owned(), parts, ..Message::default() });
        }
    }

    /// A text in that role, if there is one.
    pub fn text(&mut self, role: &str, text: Json<'_>) {
        if self.is_wanted() {
            let said = self.scribe.said(text);
            self.says(role, said.into_iter().collect());
        }
    }

    /// A function of the caller's, with the JSON schema of its arguments.
    pub fn function(&mut self, name: Json<'_>, description: Json<'_>, schema: Json<'_>) {
        self.function_as(name, description, schema, str::to_owned);
    }

    /// The same for a schema in a dialect, of which `standard` makes a plain one.
    pub(crate) fn function_as(
        &mut self,
        name: Json<'_>,
        description: Json<'_>,
        schema: Json<'_>,
        standard: fn(&str) -> String,
    ) {
        if let Some(schemas) = &mut self.schemas {
            let known = schemas.len();
            tools::keep(name, schema, schemas);
            for tool in schemas.iter_mut().skip(known) {
                tool.schema = standard(&tool.schema);
            }
        }
        self.define(name, description, schema);
    }

    /// A function whose arguments have no schema that could be checked.
    pub(crate) fn define(&mut self, name: Json<'_>, description: Json<'_>, parameters: Json<'_>) {
        if !self.is_wanted() {
            return;
        }
        let Some(name) = self.scribe.name(name) else { return };
        let whole = self.wanted.schemas;
        let tool = ToolDefinition {
            kind: "function".to_owned(),
            name,
            description: whole.then(|| self.scribe.text(description)).flatten(),
            parameters: (whole && parameters.is_object()).then(|| self.scribe.value(parameters)),
        };
        self.scribe.push(&mut self.content.tools, tool);
    }

    /// A tool of the provider's own.
    pub(crate) fn tool(&mut self, kind: &str, name: &str) {
        if !self.is_wanted() {
            return;
        }
        let word = |word: &str| clip(word, MAX_NAME).to_owned();
        let tool =
            ToolDefinition { kind: word(kind), name: word(name), ..ToolDefinition::default() };
        self.scribe.push(&mut self.content.tools, tool);
    }

    /// What stands for all that is asked, unless this says otherwise.
    pub(crate) fn stand(&mut self, standing: Content) {
        if self.content.system.is_empty() {
            self.content.system = standing.system;
        }
        if self.content.tools.is_empty() {
            self.content.tools = standing.tools;
        }
        self.scribe.truncated |= standing.truncated;
    }

    /// About how many bytes of JSON it takes.
    pub(crate) fn size(&mut self) -> usize {
        shorten::size(&mut self.content)
    }

    /// Takes the sound out of it.
    pub(crate) fn mute(&mut self) {
        mute(&mut self.content);
    }

    /// Goes on with what was written elsewhere.
    pub(crate) fn append(&mut self, more: Self) {
        let Content { system, input, output: _, tools, truncated: _ } = more.content;
        self.scribe.extend(&mut self.content.system, system);
        self.scribe.extend(&mut self.content.input, input);
        self.scribe.extend(&mut self.content.tools, tools);
        self.scribe.truncated |= more.scribe.truncated;
    }

    /// Shortens what is there to what is kept of a body.
    pub(crate) fn shorten(&mut self) {
        self.scribe.truncated |= shorten::to(&mut self.content, MAX_BODY);
    }

    /// The words, shortened to what is kept of a body.
    pub(crate) fn settle(self, lossy: bool) -> Content {
        let mut content = self.content;
        content.truncated = self.scribe.truncated | lossy;
        content.truncated |= shorten::to(&mut content, MAX_BODY);
        content
    }
}

/// What was said on both sides, if anything was.
pub(crate) fn join(asked: Option<Content>, answered: Option<Content>) -> Option<Box<Content>> {
    let (mut words, answered) = (asked.unwrap_or_default(), answered.unwrap_or_default());
    words.output = answered.output;
    words.truncated |= answered.truncated;
    (!words.is_empty()).then(|| Box::new(words))
}

/// Takes the sound out of it, and leaves that there was some.
pub(crate) fn mute(content: &mut Content) {
    let messages = content.input.iter_mut().chain(&mut content.output);
    let parts = messages.flat_map(|Message { parts, .. }| parts);
    for part in parts.chain(&mut content.system) {
        if let Part::Blob { modality: Modality::Audio, content, .. } = part {
            content.clear();
        }
    }
}

/// What is answered, as far as it has been said.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) scribe: Scribe,
    drafts: Vec<Draft>,
    /// Bytes that may still be written down.
    left: usize,
}

/// A message in the making.
#[derive(Debug)]
struct Draft {
    choice: u64,
    role: Option<String>,
    blocks: Vec<Block>,
    finish: Option<String>,
}

/// What a block is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Text,
    Reasoning,
    Refusal,
    Call,
    Whole,
}

/// A part in the making.
#[derive(Debug)]
struct Block {
    kind: Kind,
    index: Option<u64>,
    id: Option<String>,
    name: Option<String>,
    /// Text, or arguments as text.
    text: String,
    /// Arguments as a value, or a part as it is.
    value: Option<Value>,
    part: Option<Part>,
    by_server: bool,
}

/// How an answer ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// As it should.
    Well,
    /// Before it was over.
    Broken,
    /// Because the client left.
    Cancelled,
}

impl Reply {
    pub(crate) fn new() -> Self {
        Self { scribe: Scribe::default(), drafts: Vec::new(), left: MAX_BODY }
    }

    /// How much was written down.
    pub(crate) fn len(&self) -> usize {
        MAX_BODY - self.left
    }

    /// Who speaks; the first that is told.
    pub(crate) fn role(&mut self, choice: u64, role: Json<'_>) {
        let Some(role) = self.scribe.name(role) else { return };
        if let Some(draft) = self.draft(choice) {
            draft.role.get_or_insert(role);
        }
    }

    /// A piece of text. Without a block it continues what was said last.
    pub(crate) fn text(&mut self, choice: u64, block: Option<u64>, piece: Json<'_>) {
        self.append(choice, Kind::Text, block, piece);
    }

    /// A piece of what the model thinks.
    pub(crate) fn reasoning(&mut self, choice: u64, block: Option<u64>, piece: Json<'_>) {
        self.append(choice, Kind::Reasoning, block, piece);
    }

    /// A piece of why the model declines.
    pub(crate) fn refusal(&mut self, choice: u64, block: Option<u64>, piece: Json<'_>) {
        self.append(choice, Kind::Refusal, block, piece);
    }

    /// A tool call, or a piece of one: pieces with the same block, or without block the same id, are
    /// one call; one with neither belongs to the last.
    pub(crate) fn call(&mut self, choice: u64, block: Option<u64>, id: Json<'_>, name: Json<'_>) {
        let (id, name) = (self.scribe.name(id), self.scribe.name(name));
        let known = |call: &Block| match (block, &id) {
            (Some(_), _) => call.index == block,
            (None, Some(_)) => call.id == id,
            (None, None) => true,
        };
        let Some(call) = self.block(choice, Kind::Call, block, known) else { return };
        call.id = call.id.take().or(id);
        call.name = call.name.take().or(name);
    }

    /// Arguments of a call, or a piece of them: of the block, or without one of the last call.
    pub(crate) fn arguments(&mut self, choice: u64, block: Option<u64>, piece: Json<'_>) {
        if piece.has_text() {
            return self.append(choice, Kind::Call, block, piece);
        }
        if piece.is_object() || piece.is_array() {
            let value = self.scribe.value(piece);
            let known = |call: &Block| block.is_none() || call.index == block;
            if let Some(call) = self.block(choice, Kind::Call, block, known) {
                call.value = Some(value);
            }
        }
    }

    /// That call is of a tool that the provider runs itself.
    pub(crate) fn by_server(&mut self, choice: u64, block: Option<u64>) {
        let known = |call: &Block| block.is_none() || call.index == block;
        if let Some(call) = self.block(choice, Kind::Call, block, known) {
            call.by_server = true;
        }
    }

    /// A tool call that comes whole and stands on its own.
    pub(crate) fn whole_call(
        &mut self,
        choice: u64,
        id: Json<'_>,
        name: Json<'_>,
        arguments: Json<'_>,
    ) {
        self.part(choice, |scribe| {
            let (id, name) = (scribe.name(id), scribe.name(name).unwrap_or_default());
            Some(Part::ToolCall { id, name, arguments: scribe.object(arguments) })
        });
    }

    /// A part that comes whole, if `make` makes one.
    pub(crate) fn part(&mut self, choice: u64, make: impl FnOnce(&mut Scribe) -> Option<Part>) {
        let Some(part) = make(&mut self.scribe) else { return };
        if let Some(block) = self.block(choice, Kind::Whole, None, |_| false) {
            block.part = Some(part);
        }
    }

    /// Whether something was said in that block.
    pub(crate) fn has(&self, choice: u64, block: u64) -> bool {
        let draft = self.drafts.iter().find(|draft| draft.choice == choice);
        let said = |known: &Block| known.index == Some(block) && !known.text.is_empty();
        draft.is_some_and(|draft| draft.blocks.iter().any(said))
    }

    /// Whether the last thing said is a call of a tool of the caller's.
    pub(crate) fn ends_with_call(&self, choice: u64) -> bool {
        let draft = self.drafts.iter().find(|draft| draft.choice == choice);
        let last = draft.and_then(|draft| draft.blocks.last());
        last.is_some_and(|block| {
            block.kind == Kind::Call || matches!(block.part, Some(Part::ToolCall { .. }))
        })
    }

    /// Whether nothing was said at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.drafts.iter().all(|draft| draft.blocks.is_empty())
    }

    /// Why a choice ended, in the provider's word: the last that is told.
    pub(crate) fn finish(&mut self, choice: u64, reason: &str) {
        let reason = clip(finish::word(reason), MAX_NAME).to_owned();
        if let Some(draft) = self.draft(choice) {
            draft.finish = Some(reason);
        }
    }

    /// The messages, one per choice, shortened to what is kept of a body.
    pub(crate) fn settle(mut self, ended: Ended, lossy: bool) -> Content {
        self.drafts.sort_by_key(|draft| draft.choice);
        let mut content = Content::default();
        for draft in std::mem::take(&mut self.drafts) {
            let message = self.message(draft, ended);
            content.output.extend(message);
        }
        content.truncated = self.scribe.truncated | lossy;
        content.truncated |= shorten::to(&mut content, MAX_BODY);
        content
    }

    /// A choice of which neither words nor an end came is none.
    fn message(&mut self, draft: Draft, ended: Ended) -> Option<Message> {
        let Draft { role, blocks, finish, .. } = draft;
        if blocks.is_empty() && finish.is_none() {
            return None;
        }
        let parts = blocks.into_iter().filter_map(|block| self.settled(block)).collect();
        let unsaid = match ended {
            Ended::Well => "stop",
            Ended::Broken => "error",
            Ended::Cancelled => "cancelled",
        };
        Some(Message {
            role: role.unwrap_or_else(|| "assistant".to_owned()),
            parts,
            name: None,
            finish_reason: Some(finish.unwrap_or_else(|| unsaid.to_owned())),
        })
    }

    fn settled(&mut self, block: Block) -> Option<Part> {
        let Block { kind, id, name, text: content, value, part, by_server, index: _ } = block;
        match kind {
            Kind::Whole => part,
            Kind::Call => {
                let text = Some(content).filter(|text| !text.is_empty());
                let arguments = value.or_else(|| text.map(|text| self.scribe.parsed(text)));
                let name = name.unwrap_or_default();
                if by_server {
                    let kind = ("type".to_owned(), Value::Text(name.clone()));
                    let input = arguments.map(|input| ("input".to_owned(), input));
                    let call = Value::Map([kind].into_iter().chain(input).collect());
                    return Some(Part::ServerToolCall { id, name, call });
                }
                Some(Part::ToolCall { id, name, arguments })
            }
            _ if content.is_empty() => None,
            Kind::Text => Some(Part::Text { content }),
            Kind::Reasoning => Some(Part::Reasoning { content }),
            Kind::Refusal => {
                Some(Part::Other { kind: "refusal".to_owned(), content: Some(content) })
            }
        }
    }

    fn append(&mut self, choice: u64, kind: Kind, index: Option<u64>, piece: Json<'_>) {
        let Some(piece) = self.scribe.whole(piece).filter(|piece| !piece.is_empty()) else {
            return;
        };
        let fits = clip(&piece, self.left).len();
        let last = self.last_kind(choice);
        // Without an index only what was said last goes on, but arguments may lag behind.
        let goes_on = |block: &Block| match index {
            Some(_) => block.index == index,
            None => kind == Kind::Call || last == Some(kind),
        };
        let Some(block) = self.block(choice, kind, index, goes_on) else { return };
        block.text.push_str(piece.get(..fits).unwrap_or_default());
        self.left -= fits;
        self.scribe.truncated |= fits < piece.len();
    }

    fn last_kind(&self, choice: u64) -> Option<Kind> {
        let draft = self.drafts.iter().find(|draft| draft.choice == choice)?;
        draft.blocks.last().map(|block| block.kind)
    }

    /// The last block of that kind that is the wanted one, or a new one.
    fn block(
        &mut self,
        choice: u64,
        kind: Kind,
        index: Option<u64>,
        wanted: impl Fn(&Block) -> bool,
    ) -> Option<&mut Block> {
        let at = self.drafts.iter().position(|draft| draft.choice == choice);
        let known = at.and_then(|at| self.drafts.get(at)).and_then(|draft| {
            draft.blocks.iter().rposition(|block| block.kind == kind && wanted(block))
        });
        if known.is_none() {
            let block = Block {
                kind,
                index,
                id: None,
                name: None,
                text: String::new(),
                value: None,
                part: None,
                by_server: false,
            };
            let mut blocks = std::mem::take(&mut self.draft(choice)?.blocks);
            let before = blocks.len();
            self.scribe.push(&mut blocks, block);
            let grew = blocks.len() > before;
            self.draft(choice)?.blocks = blocks;
            if !grew {
                return None;
            }
        }
        let blocks = &mut self.draft(choice)?.blocks;
        match known {
            Some(known) => blocks.get_mut(known),
            None => blocks.last_mut(),
        }
    }

    fn draft(&mut self, choice: u64) -> Option<&mut Draft> {
        let known = self.drafts.iter().position(|draft| draft.choice == choice);
        let at = match known {
            Some(at) => at,
            None if self.drafts.len() >= MAX_CHOICES => {
                self.scribe.truncated = true;
                return None;
            }
            None => {
                let draft = Draft { choice, role: None, blocks: Vec::new(), finish: None };
                self.drafts.push(draft);
                self.drafts.len() - 1
            }
        };
        self.drafts.get_mut(at)
    }
}
