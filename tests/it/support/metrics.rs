//! Reads what the program's own `/metrics` page says.

use std::collections::BTreeMap;
use std::fmt;

/// One line of the page.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

impl Sample {
    pub(crate) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// A page in the OpenMetrics or Prometheus text format.
#[derive(Clone)]
pub(crate) struct Page(pub(crate) Vec<Sample>);

impl fmt::Debug for Page {
    /// Our own counters that are not zero: what a failed test wants to know.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut own = self.0.iter().filter(|sample| {
            sample.value != 0.0
                && sample.name.starts_with("tidegauge_")
                && !sample.name.ends_with("_bucket")
        });
        own.try_for_each(|sample| {
            write!(f, "\n{} {:?} {}", sample.name, sample.labels, sample.value)
        })
    }
}

impl Page {
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// The sum over all series of that name whose labels `wanted` likes.
    pub(crate) fn sum(&self, name: &str, wanted: impl Fn(&Sample) -> bool) -> f64 {
        let series = self.0.iter().filter(|sample| sample.name == name);
        series.filter(|sample| wanted(sample)).map(|sample| sample.value).sum()
    }

    /// The sum over all series of that name.
    pub(crate) fn total(&self, name: &str) -> f64 {
        self.sum(name, |_| true)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|sample| sample.name == name)
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, rest) = match line.find('{') {
        Some(_) => line.split_at(end_of_labels(line)?),
        None => line.split_once(' ')?,
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    Some(Sample { name: name.to_owned(), labels: parse_labels(labels), value })
}

/// One past the brace that closes the labels; braces inside quotes do not count.
fn end_of_labels(line: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, char) in line.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '}' if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn parse_labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text.trim_end_matches('}');
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut chars = after.char_indices();
        let mut end = after.len();
        while let Some((at, char)) = chars.next() {
            match char {
                '\\' => value.extend(chars.next().map(|(_, escaped)| match escaped {
                    'n' => '\n',
                    other => other,
                })),
                '"' => {
                    end = at + 1;
                    break;
                }
                other => value.push(other),
            }
        }
        labels.insert(name.trim_start_matches(',').to_owned(), value);
        rest = &after[end..];
    }
    labels
}
