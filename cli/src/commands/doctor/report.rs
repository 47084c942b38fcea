//! Everything that was found, as text and as JSON.

use anstyle::Style;
use mayfly_domain::model::time::Timestamp;
use serde::Serialize;

use super::finding::{Area, Finding, Level};
use crate::failure::Exit;
use crate::terminal::screen::{BAD, CAUTION, FAINT, GOOD, STRONG};
use crate::terminal::text_format::{counted, plain};
use crate::terminal::time_format::Rfc3339;

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The stack that was looked at.
    pub stack: String,
    /// When.
    pub at: Rfc3339,
    /// What keeps jobs from running.
    pub errors: usize,
    /// What is likely to bite.
    pub warnings: usize,
    /// What could not be looked at.
    pub unknown: usize,
    /// What is as it should be.
    pub good: usize,
    /// What was found, by area, the worst of each first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Of these findings, in any order.
    #[must_use]
    pub fn new(stack: &str, at: Timestamp, mut findings: Vec<Finding>) -> Self {
        sort(&mut findings);
        let count = |level: Level| {
            findings
                .iter()
                .filter(|finding| finding.level == level)
                .count()
        };
        Self {
            stack: stack.to_owned(),
            at: Rfc3339(at),
            errors: count(Level::Error),
            warnings: count(Level::Warning),
            unknown: count(Level::Unknown),
            good: count(Level::Good),
            findings,
        }
    }

    /// Failed if there is an error.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.errors > 0 {
            Exit::Failed
        } else {
            Exit::Done
        }
    }
}

/// By area, the worst of each first.
fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| (finding.area, std::cmp::Reverse(finding.level)));
}

fn mark(level: Level) -> (char, Style) {
    match level {
        Level::Good => ('✓', GOOD),
        Level::Unknown => ('?', FAINT),
        Level::Warning => ('!', CAUTION),
        Level::Error => ('✗', BAD),
    }
}

/// The findings under their areas, and how many there are.
#[must_use]
pub fn text(report: &Report) -> String {
    text_after(&report.findings, report)
}

/// The rest of the findings where the others were printed already, and how many there are in all.
#[must_use]
pub fn text_after(rest: &[Finding], report: &Report) -> String {
    format!("{}\n\n{}", areas(rest), sum(report))
}

/// Findings under their areas.
#[must_use]
pub fn areas(findings: &[Finding]) -> String {
    let mut findings = findings.to_vec();
    sort(&mut findings);
    let mut lines = Vec::new();
    let mut area: Option<Area> = None;
    for finding in &findings {
        if area != Some(finding.area) {
            area = Some(finding.area);
            lines.push(format!("{STRONG}{}{STRONG:#}", finding.area.word()));
        }
        let (mark, style) = mark(finding.level);
        lines.push(format!("  {style}{mark}{style:#} {}", plain(&finding.what)));
        lines.extend(
            finding
                .fix
                .as_ref()
                .map(|fix| format!("    {FAINT}{}{FAINT:#}", plain(fix))),
        );
    }
    lines.join("\n")
}

fn sum(report: &Report) -> String {
    let style = if report.errors > 0 {
        BAD
    } else if report.warnings > 0 {
        CAUTION
    } else {
        GOOD
    };
    let mut parts = vec![
        counted(report.errors, "error"),
        counted(report.warnings, "warning"),
    ];
    if report.unknown > 0 {
        parts.push(format!("{} could not be checked", report.unknown));
    }
    parts.push(format!("{} ok", report.good));
    format!(
        "{style}{}:{style:#} {}",
        plain(&report.stack),
        parts.join(", ")
    )
}
