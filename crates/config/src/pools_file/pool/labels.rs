//! What a pool offers.

use std::collections::BTreeSet;

use mayfly_domain::model::label::{self, Labels, MAX_LABEL_LENGTH, MAX_LABELS, RunBinding};
use mayfly_domain::model::size::Architecture;

use super::super::reader::{Field, Reader};
use super::declared::Declared;

/// An example of what `labels` should be.
const LABELS: &str = r#"labels = ["self-hosted", "linux", "x64", "mayfly"]"#;

/// The labels, and the architecture that follows from them and from `architecture`.
pub(super) struct Offered {
    pub(super) labels: Option<Labels>,
    pub(super) architecture: Option<Architecture>,
}

pub(super) fn read(reader: &mut Reader<'_>, pool: &Declared<'_, '_>, any: bool) -> Offered {
    let field = pool.required(reader, "labels", LABELS);
    let labels = field.as_ref().and_then(|field| labels(reader, field));
    if let (Some(field), Some(labels)) = (&field, &labels)
        && !any
        && !labels.is_empty()
        && labels.iter().all(label::is_default)
    {
        let message =
            "all of these are labels that GitHub gives every runner, so no job would be taken";
        reader.report(
            field.at,
            &field.path,
            message,
            "add a label of the pool's own, or set any = true",
        );
    }
    let architecture = architecture(
        reader,
        pool,
        field.as_ref(),
        labels.as_ref().unwrap_or(&Labels::default()),
    );
    Offered {
        labels,
        architecture,
    }
}

fn labels(reader: &mut Reader<'_>, field: &Field<'_>) -> Option<Labels> {
    let parts = reader.list(field, LABELS)?;
    if parts.is_empty() {
        reader.report(
            field.at,
            &field.path,
            "a pool without labels takes no job",
            format!("write {LABELS}"),
        );
    }
    if parts.len() > MAX_LABELS {
        let hint = format!("GitHub registers a runner with at most {MAX_LABELS}");
        reader.report(
            field.at,
            &field.path,
            format!("there are {} labels", parts.len()),
            hint,
        );
    }
    let mut seen = BTreeSet::new();
    let mut labels = Vec::new();
    for part in &parts {
        let Some(text) = reader.string(part, LABELS) else {
            continue;
        };
        if let Some((problem, hint)) = wrong_label(text) {
            reader.report(
                part.at,
                &part.path,
                format!("label {} {problem}", shown(text)),
                hint,
            );
        } else if !seen.insert(label::folded(text)) {
            reader.report(
                part.at,
                &part.path,
                format!("label {text:?} is listed twice"),
                "leave one out (case does not matter)",
            );
        } else {
            labels.push(text);
        }
    }
    Some(labels.into_iter().collect())
}

fn wrong_label(text: &str) -> Option<(&'static str, &'static str)> {
    if text.trim().is_empty() {
        return Some(("is empty", "write a word, or leave it out"));
    }
    if text.chars().count() > MAX_LABEL_LENGTH {
        return Some(("is too long", "GitHub allows 256 characters"));
    }
    if text.contains(',') {
        return Some(("has a comma", "write two labels, each in quotes"));
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        return Some((
            "has a control character, or a space at its beginning or end",
            "take it out",
        ));
    }
    RunBinding::parse(text).map(|_| {
        (
            "binds to one run",
            "every pool takes jobs with run=<run id>: leave it out",
        )
    })
}

/// The label as it is shown: not hundreds of characters of it.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(40).collect();
    if start.len() < text.len() {
        format!("{start:?}…")
    } else {
        format!("{text:?}")
    }
}

fn architecture(
    reader: &mut Reader<'_>,
    pool: &Declared<'_, '_>,
    at: Option<&Field<'_>>,
    labels: &Labels,
) -> Option<Architecture> {
    let written = pool.field("architecture");
    let chosen = written.as_ref().map(|field| {
        reader.word(
            field,
            &[("x64", Architecture::X64), ("arm64", Architecture::Arm64)],
        )
    });
    let (x64, arm64) = (labels.contains("x64"), labels.contains("arm64"));
    if let (true, true, Some(field)) = (x64, arm64, at) {
        let hint = "a pool has one architecture: write two pools";
        reader.report(
            field.at,
            &field.path,
            "labels x64 and arm64 exclude each other",
            hint,
        );
    }
    match (chosen, &written, x64, arm64) {
        (Some(Some(Architecture::Arm64)), Some(field), true, false) => {
            conflict(reader, pool, field, "arm64", "x64")
        }
        (Some(Some(Architecture::X64)), Some(field), false, true) => {
            conflict(reader, pool, field, "x64", "arm64")
        }
        _ => {}
    }
    match chosen {
        Some(chosen) => chosen,
        None if arm64 => Some(Architecture::Arm64),
        None => Some(Architecture::X64),
    }
}

fn conflict(
    reader: &mut Reader<'_>,
    pool: &Declared<'_, '_>,
    field: &Field<'_>,
    architecture: &str,
    label: &str,
) {
    let message = format!("{architecture:?} contradicts the pool's label {label:?}");
    reader.report(
        field.at,
        &pool.own.path_of("architecture"),
        message,
        "change one of them; without architecture the label decides",
    );
}
