//! Labels: what a job asks for (`runs-on`) and what a pool offers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::RunId;

/// Labels that GitHub gives to self-hosted runners by itself, lower case. A job that names only these says nothing about which pool it wants.
///
/// Source: docs.github.com "Using self-hosted runners in a workflow", default labels.
pub const DEFAULT_LABELS: [&str; 8] = ["self-hosted", "linux", "windows", "macos", "x64", "x86", "arm", "arm64"];

/// Most labels that a runner may be registered with (REST `generate-jitconfig`, `labels`: 1 to 100).
pub const MAX_LABELS: usize = 100;

/// Most characters of one label (actions/runner, `Validators.cs`).
pub const MAX_LABEL_LENGTH: usize = 256;

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

/// True if GitHub gives this label to runners by itself.
#[must_use]
pub fn is_default(label: &str) -> bool {
    let label = folded(label);
    DEFAULT_LABELS.contains(&label.as_str())
}

/// A label `run=<run id>` or `run=<run id>-<attempt>`: allowed in every pool, it binds a runner to one run.
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
        Some(Self { run: RunId(digits(run)?), attempt })
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
    fn run_binding_reads_run_and_attempt() {
        let with = |run, attempt| Some(RunBinding { run: RunId(run), attempt });
        assert_eq!(RunBinding::parse("run=12"), with(12, None));
        assert_eq!(RunBinding::parse("Run=12-3"), with(12, Some(3)));
        for no in ["run=", "run=a", "run=1-", "run=-1", "run= 1", "run=+1", "run=1-2-3", "runs=1", "run=99999999999999999999"] {
            assert_eq!(RunBinding::parse(no), None, "{no}");
        }
    }
}
