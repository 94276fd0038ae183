//! Keeps the schemas of declared tools, to check the arguments of calls against.

use tidegauge_core::Tool;

use crate::answer::MAX_NAME;
use crate::field::{CUT, Json};

/// How many tools are kept.
const MAX_TOOLS: usize = 512;
/// The longest schema that is kept, in bytes.
const MAX_SCHEMA: usize = 64 << 10;

/// Keeps a tool of that name and schema, if it has both. Of a schema that is not whole nothing is kept.
pub(crate) fn keep(name: Json<'_>, schema: Json<'_>, into: &mut Vec<Tool>) {
    let takes = schema.is_object() && into.len() < MAX_TOOLS;
    let (Some(name), true) = (name.kept(MAX_NAME), takes) else { return };
    let source = Some(schema.source()).filter(|source| source.len() <= MAX_SCHEMA);
    let whole = source.and_then(|source| without_prose(std::str::from_utf8(source).ok()?));
    into.push(Tool { name, schema: whole.unwrap_or_default() });
}

/// A schema of which only descriptions were shortened is whole; `None` for any other that was.
fn without_prose(schema: &str) -> Option<String> {
    if !schema.contains(CUT) {
        return Some(schema.to_owned());
    }
    let mut doc = crate::field::Doc::default();
    doc.parse(schema.as_bytes());
    let mut cut = Vec::new();
    prose(doc.root(schema.as_bytes()), &mut cut);
    let mut out = String::with_capacity(schema.len());
    let mut from = 0;
    for (start, end) in cut {
        out.push_str(schema.get(from..start)?);
        out.push_str("\"\"");
        from = end;
    }
    out.push_str(schema.get(from..)?);
    (!out.contains(CUT)).then_some(out)
}

/// Where shortened descriptions stand, in order.
fn prose(value: Json<'_>, into: &mut Vec<(usize, usize)>) {
    value.items().for_each(|item| prose(item, into));
    for (name, member) in value.members() {
        if member.is_cut() && (name.is("description") || name.is("title")) {
            into.extend(member.span());
        } else {
            prose(member, into);
        }
    }
}
