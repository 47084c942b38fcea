//! Labels: what a job asks for (`runs-on`) and what a pool offers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::model::id::RunId;

/// Labels that GitHub gives to self-hosted runners by itself, lower case. A job that names only
/// these says nothing about which pool it wants.
///
/// Source: docs.github.com "Using self-hosted runners in a workflow", default labels.
pub const DEFAULT_LABELS: [&str; 8] = [
    "self-hosted",
    "linux",
    "windows",
    "macos",
    "x64",
    "x86",
    "arm",
    "arm64",
];

/// Most labels that a runner may be registered with (REST `generate-jitconfig`, `labels`: 1 to
/// 100).
pub const MAX_LABELS: usize = 100;

/// Most characters of one label (actions/runner, `Validators.cs`).
pub const MAX_LABEL_LENGTH: usize = 256;

/// The most labels that a sentence shows, and the most characters of each, so that sentences stay
/// readable and records small.
const SHOWN: (usize, usize) = (20, 64);

/// A set of labels. GitHub compares labels without case, so does this; the first spelling is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// True if `label` is in the set, whatever its case.
    #[must_use]
    pub fn contains(&self, label: &str) -> bool {
        self.0.contains_key(&folded(label))
    }

    /// The labels as they were written, in the order of their lower-case forms.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// The labels in lower case, in order.
    pub fn folded(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// How many different labels there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if no runner can have all of them: GitHub registers none with so many labels, or with
    /// one so long.
    #[must_use]
    pub fn fit_no_runner(&self) -> bool {
        self.len() > MAX_LABELS
            || self
                .iter()
                .any(|label| label.chars().count() > MAX_LABEL_LENGTH)
    }
}

impl<S: Into<String>> FromIterator<S> for Labels {
    fn from_iter<I: IntoIterator<Item = S>>(labels: I) -> Self {
        let mut set = BTreeMap::new();
        for label in labels {
            let label = label.into();
            set.entry(folded(&label)).or_insert(label);
        }
        Self(set)
    }
}

impl From<Vec<String>> for Labels {
    fn from(labels: Vec<String>) -> Self {
        labels.into_iter().collect()
    }
}

impl From<Labels> for Vec<String> {
    fn from(labels: Labels) -> Self {
        labels.0.into_values().collect()
    }
}

/// The form of a label in which two of them are compared.
#[must_use]
pub fn folded(label: &str) -> String {
    label.to_lowercase()
}

/// Labels as a sentence shows them: `self-hosted, linux, "two words"`.
#[must_use]
pub fn list<'a>(labels: impl IntoIterator<Item = &'a str>) -> String {
    let mut labels = labels.into_iter();
    let mut text = labels
        .by_ref()
        .take(SHOWN.0)
        .map(shown)
        .collect::<Vec<_>>()
        .join(", ");
    let more = labels.count();
    if more > 0 {
        let _never_fails = write!(text, " and {more} more");
    }
    text
}

/// A label as a sentence shows it: unchanged if nothing in it can be mistaken for the text around
/// it; otherwise in quotes, with invisible characters as escapes. Of a long one the beginning.
#[must_use]
pub fn shown(label: &str) -> String {
    let start: String = label.chars().take(SHOWN.1).collect();
    let quoted = format!("{start:?}");
    if start.len() < label.len() {
        return format!("{quoted}…");
    }
    let unclear = |c: char| c.is_whitespace() || matches!(c, ',' | '\'' | '[' | ']' | '…');
    // Nothing in it had to be escaped, so there is nothing in it that hides or moves the text
    // beside it.
    if !label.is_empty() && quoted.len() == label.len() + 2 && !label.contains(unclear) {
        start
    } else {
        quoted
    }
}

/// True if GitHub gives this label to runners by itself.
#[must_use]
pub fn is_default(label: &str) -> bool {
    let label = folded(label);
    DEFAULT_LABELS.contains(&label.as_str())
}

/// A label `run=<run id>` or `run=<run id>-<attempt>`: allowed in every pool, it binds a runner to
/// one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunBinding {
    /// The only run whose jobs the runner may take.
    pub run: RunId,
    /// The only attempt of it, if named.
    pub attempt: Option<u32>,
}

impl RunBinding {
    /// Reads a label; `None` if it is not of this form.
    #[must_use]
    pub fn parse(label: &str) -> Option<Self> {
        let label = folded(label);
        let value = label.strip_prefix("run=")?;
        let (run, attempt) = match value.split_once('-') {
            Some((run, attempt)) => (run, Some(digits(attempt)?.try_into().ok()?)),
            None => (value, None),
        };
        Some(Self {
            run: RunId(digits(run)?),
            attempt,
        })
    }

    /// True if a job of this run and attempt may carry the label.
    #[must_use]
    pub fn admits(self, run: RunId, attempt: u32) -> bool {
        self.run == run && self.attempt.is_none_or(|only| only == attempt)
    }
}

/// A number written in digits alone: no sign, no space.
fn digits(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_compared_without_case_and_kept_as_written() {
        let labels: Labels = ["Linux", "LINUX", "Größe"].into_iter().collect();
        assert_eq!(labels.iter().collect::<Vec<_>>(), ["Größe", "Linux"]);
        assert!(labels.contains("linux") && labels.contains("GRÖSSE".replace("SS", "ß").as_str()));
    }

    #[test]
    fn a_label_that_could_be_mistaken_for_its_surroundings_is_shown_in_quotes() {
        for plain in [
            "mayfly",
            "self-hosted",
            "run=5-2",
            "größe",
            "🚀",
            "c++",
            "a.b_c:d/e@f",
        ] {
            assert_eq!(shown(plain), plain);
        }
        for (label, expected) in [
            ("", r#""""#),
            ("a, b", r#""a, b""#),
            ("two words", r#""two words""#),
            (" mayfly", r#"" mayfly""#),
            ("mayfly\n", r#""mayfly\n""#),
            ("tab\t", r#""tab\t""#),
            ("\u{1b}[31m", r#""\u{1b}[31m""#),
            ("no\u{a0}break", r#""no\u{a0}break""#),
            ("wide\u{3000}", r#""wide\u{3000}""#),
            ("zero\u{200b}width", r#""zero\u{200b}width""#),
            ("\u{202e}dlrow", r#""\u{202e}dlrow""#),
            ("\"mayfly\"", r#""\"mayfly\"""#),
            ("'mayfly'", r#""'mayfly'""#),
            ("[mayfly]", r#""[mayfly]""#),
        ] {
            assert_eq!(shown(label), expected);
        }
    }

    #[test]
    fn a_list_of_labels_is_one_sentence_however_many_and_long_they_are() {
        assert_eq!(list([]), "");
        assert_eq!(list(["a", "b c", "d"]), r#"a, "b c", d"#);
        let many: Vec<String> = (0..100).map(|n| format!("{n:0256}")).collect();
        let text = list(many.iter().map(String::as_str));
        assert!(
            text.ends_with("…, and 80 more") || text.ends_with("… and 80 more"),
            "{text}"
        );
        assert!(text.len() < 1_500, "{} bytes", text.len());
    }

    #[test]
    fn run_binding_reads_run_and_attempt() {
        let with = |run, attempt| {
            Some(RunBinding {
                run: RunId(run),
                attempt,
            })
        };
        assert_eq!(RunBinding::parse("run=12"), with(12, None));
        assert_eq!(RunBinding::parse("Run=12-3"), with(12, Some(3)));
        for no in [
            "run=",
            "run=a",
            "run=1-",
            "run=-1",
            "run= 1",
            "run=+1",
            "run=1-2-3",
            "runs=1",
            "run=99999999999999999999",
        ] {
            assert_eq!(RunBinding::parse(no), None, "{no}");
        }
    }
}
