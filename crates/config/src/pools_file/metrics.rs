//! `[metrics]`: how much is sent to CloudWatch.

use mayfly_domain::model::metric::MetricsLevel;

use super::reader::{Reader, Section};

/// What `[metrics]` may set.
pub(super) const KEYS: &[&str] = &["level"];

/// Reads the level; [`MetricsLevel::Basic`] where nothing is said.
pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> MetricsLevel {
    let section = root
        .field("metrics")
        .and_then(|field| reader.section(field));
    let Some(section) = section else {
        return MetricsLevel::default();
    };
    reader.check_keys(&section, KEYS, &[], |_| None);
    section
        .field("level")
        .and_then(|field| reader.word(&field, &MetricsLevel::WORDS))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_every_level() {
        let schema: serde_json::Value = serde_json::from_str(super::super::SCHEMA).unwrap();
        let section = &schema["properties"]["metrics"];
        let keys: Vec<&String> = section["properties"].as_object().unwrap().keys().collect();
        assert_eq!(keys, KEYS);
        let words = MetricsLevel::WORDS.map(|(word, _)| word);
        let level = &section["properties"]["level"];
        assert_eq!(level["enum"], serde_json::json!(words));
        assert_eq!(level["default"], MetricsLevel::default().word());
    }
}
