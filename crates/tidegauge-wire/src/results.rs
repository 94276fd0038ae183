//! Splits the results of a batch job, one JSON object a line, into lines that are each reduced to a
//! bounded size, and adds up what their calls used.
//!
//! A file of results may have hundreds of megabytes and lines of any length; what is kept is one
//! reduced line and a bounded number of sums. A file that holds something else comes to nothing. Must
//! not know: how a provider writes a result.

use tidegauge_core::{Batch, BatchCalls, Usage};

use crate::skim::{Limits, Skim, Skimmed};

/// Sums at once: models times lengths of prompts.
const MAX_SUMS: usize = 1024;

/// No price list has a step below this many prompt tokens.
const SHORT: u64 = 16_000;

/// Splits a body.
#[derive(Debug, Default)]
pub(crate) struct Lines(Line);

#[derive(Debug, Default)]
enum Line {
    /// The next byte begins a line.
    #[default]
    Fresh,
    /// Inside an object.
    Object(Box<Skim>),
    /// Inside something else.
    Other,
}

impl Lines {
    /// How many bytes are held.
    #[cfg(feature = "testing")]
    pub(crate) fn held(&self) -> usize {
        match &self.0 {
            Line::Object(skim) => skim.held(),
            Line::Fresh | Line::Other => 0,
        }
    }

    /// The next piece of the body. Each line that it ends is given to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Skimmed)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let piece = match self.0 {
                // The mark of the byte order that some files begin with.
                Line::Fresh => piece.strip_prefix(b"\xef\xbb\xbf").unwrap_or(piece),
                Line::Object(_) | Line::Other => piece,
            };
            if matches!(self.0, Line::Fresh) {
                self.begin(piece);
            }
            if let Line::Object(skim) = &mut self.0 {
                skim.push(piece);
            }
            if piece.ends_with(b"\n") {
                self.end(out);
            }
        }
    }

    /// The end of the body; a last line need not be ended.
    pub(crate) fn finish(mut self, out: &mut dyn FnMut(Skimmed)) {
        self.end(out);
    }

    fn begin(&mut self, piece: &[u8]) {
        self.0 = match piece.trim_ascii_start().first() {
            None => Line::Fresh,
            Some(b'{') => Line::Object(Box::new(Skim::new(Limits::ANSWER))),
            Some(_) => Line::Other,
        };
    }

    fn end(&mut self, out: &mut dyn FnMut(Skimmed)) {
        if let Line::Object(skim) = std::mem::take(&mut self.0) {
            out(skim.finish());
        }
    }
}

/// Adds one result to those of a job.
pub(crate) fn add(batch: &mut Batch, failed: bool, model: Option<String>, usage: &Usage) {
    batch.results += 1;
    batch.failed += u64::from(failed);
    if !usage.is_known() {
        return;
    }
    let prompt = usage.input_tokens().unwrap_or(0);
    let same = |calls: &&mut BatchCalls| {
        let there = calls.usage.region == usage.region;
        calls.model == model && band(calls.prompt) == band(prompt) && there
    };
    if let Some(calls) = batch.calls.iter_mut().find(same) {
        calls.count += 1;
        calls.prompt = calls.prompt.max(prompt);
        calls.usage.add(usage);
    } else if batch.calls.len() < MAX_SUMS {
        batch.calls.push(BatchCalls { model, count: 1, prompt, usage: usage.clone() });
    } else {
        batch.left_out += 1;
    }
}

/// Prompts of one band cost the same for a token: the steps of price lists are at multiples of 1000
/// and of 1024, or one below.
fn band(prompt: u64) -> (u64, u64, u64) {
    if prompt <= SHORT {
        return (0, 0, 0);
    }
    let next = prompt.saturating_add(1);
    (prompt.div_ceil(1000), next.div_ceil(1000), prompt.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input: u64) -> Usage {
        Usage { input: Some(input), output: Some(1), ..Usage::default() }
    }

    #[test]
    fn calls_are_added_up_by_model_and_length_of_prompt() {
        let mut batch = Batch::default();
        let model = |name: &str| Some(name.to_owned());
        for (name, input) in
            [("a", 5), ("a", 7), ("b", 5), ("a", 200_000), ("a", 200_001), ("a", 3)]
        {
            add(&mut batch, false, model(name), &usage(input));
        }
        add(&mut batch, true, None, &Usage::default());
        let seen: Vec<_> = batch
            .calls
            .iter()
            .map(|calls| {
                (calls.model.as_deref().unwrap(), calls.count, calls.prompt, calls.usage.input)
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("a", 3, 7, Some(15)),
                ("b", 1, 5, Some(5)),
                ("a", 1, 200_000, Some(200_000)),
                ("a", 1, 200_001, Some(200_001)),
            ]
        );
        assert_eq!((batch.results, batch.failed, batch.left_out), (7, 1, 0));
    }

    #[test]
    fn regions_are_kept_apart() {
        let mut batch = Batch::default();
        for region in ["us", "global", "us"] {
            let usage = Usage { region: Some(region.to_owned()), ..usage(1) };
            add(&mut batch, false, None, &usage);
        }
        let seen: Vec<_> = batch
            .calls
            .iter()
            .map(|calls| (calls.usage.region.as_deref().unwrap(), calls.count))
            .collect();
        assert_eq!(seen, [("us", 2), ("global", 1)]);
    }

    #[test]
    fn no_step_of_a_price_list_is_inside_a_band() {
        for step in [32_000, 100_000, 128_000, 131_072, 199_999, 200_000, 256_000, 272_000, 524_288]
        {
            assert_ne!(band(step), band(step + 1), "{step}");
        }
        assert_eq!(band(0), band(SHORT));
        assert_eq!(band(130_100), band(130_500));
    }

    #[test]
    fn there_is_a_bound() {
        let mut batch = Batch::default();
        for number in 0..2_000 {
            add(&mut batch, false, Some(number.to_string()), &usage(1));
        }
        assert_eq!((batch.calls.len(), batch.left_out), (MAX_SUMS, 2_000 - MAX_SUMS as u64));
        assert_eq!(batch.results, 2_000);
    }

    #[test]
    fn lines_do_not_depend_on_pieces() {
        let text = b"\xef\xbb\xbf{\"a\":1}\r\n\n  {\"b\":\"x\"}\nnot one {\"c\":1}\n{\"d\":[1,2]}";
        let expected = ["{\"a\":1}", "{\"b\":\"x\"}", "{\"d\":[1,2]}"];
        for size in 1..=text.len() {
            let mut lines = Lines::default();
            let mut seen = Vec::new();
            let mut out = |line: Skimmed| seen.push(String::from_utf8(line.json).unwrap());
            // A mark of the byte order is not cut by anything that comes in one piece.
            for piece in text.chunks(size.max(4)) {
                lines.push(piece, &mut out);
            }
            lines.finish(&mut out);
            assert_eq!(seen, expected, "{size}");
        }
    }
}
