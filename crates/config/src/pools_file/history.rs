//! `[history]`: how long the ledger keeps records.

use mayfly_domain::model::retention::Retention;

use super::reader::{Field, Reader, Section};

/// What `[history]` may set.
pub(super) const KEYS: &[&str] = &["keep"];

/// An example of what `keep` should be.
const KEEP: &str = r#"keep = "180d""#;

/// Reads how long records are kept; the default where nothing is said.
pub(super) fn read(reader: &mut Reader<'_>, root: &Section<'_>) -> Retention {
    let section = root
        .field("history")
        .and_then(|field| reader.section(field));
    let Some(section) = section else {
        return Retention::default();
    };
    reader.check_keys(&section, KEYS, &[], |_| None);
    section
        .field("keep")
        .and_then(|field| keep(reader, &field))
        .unwrap_or_default()
}

fn keep(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Retention> {
    let text = reader.string(field, KEEP)?;
    let (least, most) = (Retention::LEAST.days(), Retention::MOST.days());
    let Some(days) = days(text) else {
        reader.report(
            field.at,
            &field.path,
            format!("{text:?} is not a number of days"),
            format!("write whole days, {least}d to {most}d, as {KEEP}"),
        );
        return None;
    };
    let keep = u16::try_from(days).ok().and_then(Retention::of_days);
    if keep.is_none() {
        let (what, hint) = if days < u64::from(least) {
            (
                "short",
                format!("write {least}d at least: a month's costs are made of it"),
            )
        } else {
            ("long", format!("write {most}d (10 years) at most"))
        };
        reader.report(
            field.at,
            &field.path,
            format!("{days} days is too {what}"),
            hint,
        );
    }
    keep
}

/// `180d`, with blanks around its parts as in other quantities. Days alone: TTL is no more exact
/// than that.
fn days(text: &str) -> Option<u64> {
    let number = text.trim().strip_suffix('d')?.trim_end();
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn days_are_whole_and_say_that_they_are_days() {
        for (text, read) in [
            ("180d", Some(180)),
            (" 30 d ", Some(30)),
            ("99999999999999999999d", Some(u64::MAX)),
            ("180", None),
            ("d", None),
            ("-30d", None),
            ("1.5d", None),
            ("720h", None),
            ("2y", None),
            ("", None),
        ] {
            assert_eq!(days(text), read, "{text}");
        }
    }

    #[test]
    fn the_schema_knows_the_keys_that_are_read() {
        let schema: Value = serde_json::from_str(super::super::SCHEMA).unwrap();
        let keys = schema.pointer("/properties/history/properties").unwrap();
        let keys: Vec<&String> = keys.as_object().unwrap().keys().collect();
        assert_eq!(keys, KEYS);
    }
}
