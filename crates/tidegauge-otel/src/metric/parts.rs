//! One record of a batch job's results into a record for each model, for the sums of tokens and money.
//!
//! Nothing else of it is counted by model: times and answers are those of the file that was fetched.

use tidegauge_core::{Measurement, Record};

/// The parts of a record that have a model and a cost of their own; none for an ordinary call.
pub(crate) fn parts(record: &Record) -> impl Iterator<Item = Record> {
    record.measurement.batch.iter().map(|part| {
        let mut of = record.clone();
        of.observation.usage = part.usage.clone();
        of.observation.response.model = part.model.clone();
        of.measurement = Measurement { cost: part.cost.clone(), ..Measurement::default() };
        of
    })
}
