//! The JSON schema of the configuration file: for editors, and for reading.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::file::File;

/// The schema. The file `tidegauge.schema.json` is this, and a test compares the two.
pub fn schema() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>().to_value()
}
