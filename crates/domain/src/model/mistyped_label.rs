//! The hint for a label that no pool offers and that is one of ours but for how it is written: with
//! blanks, quotes or brackets around it, or several labels in one string.

use crate::model::label;
use crate::model::pool::Pools;
use crate::model::story::Reason;

impl Pools {
    /// True if a job that names this label seems meant for Mayfly.
    pub(crate) fn is_meant(&self, label: &str) -> bool {
        label == "self-hosted"
            || (!label::is_default(label)
                && self.pools.iter().any(|pool| pool.labels.contains(label)))
    }

    /// What is wrong with a label that no pool offers, and that would be one of ours if it were
    /// written as it was surely meant.
    pub(crate) fn miswritten(&self, label: &str, asked: &str) -> Option<Reason> {
        if self.pools.iter().any(|pool| pool.labels.contains(label)) {
            return None;
        }
        let ways = meant_by(label);
        let meant = ways
            .iter()
            .find(|way| way.iter().any(|part| self.is_meant(part)))?;
        let (asked, label) = (asked.to_owned(), label::shown(label));
        Some(match meant.as_slice() {
            [one] => Reason::LabelMiswritten {
                asked,
                label,
                meant: label::shown(one),
            },
            several => Reason::LabelsInOne {
                asked,
                label,
                meant: label::list(several.iter().copied()),
            },
        })
    }
}

/// The labels that someone may have meant who wrote this one: without what surrounds it, or several
/// in one string. None if it can only be meant as it is.
fn meant_by(label: &str) -> Vec<Vec<&str>> {
    let between = |c: char| c == ',' || c.is_whitespace();
    let ways = [
        vec![bare(label)],
        label.split(',').map(bare).collect(),
        label.split(between).map(bare).collect(),
    ];
    let ways = ways.into_iter().map(|way: Vec<&str>| {
        way.into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
    });
    let mut ways: Vec<Vec<&str>> = ways
        .filter(|way| !way.is_empty() && *way != [label])
        .collect();
    ways.dedup();
    ways
}

/// A label without what slips in around it: blanks, line breaks, quotes, brackets.
fn bare(part: &str) -> &str {
    part.trim_matches(|c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '[' | ']' | '"' | '\'' | '\u{200b}' | '\u{feff}')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_someone_may_have_meant_is_found() {
        for (label, expected) in [
            ("mayfly", &[][..]),
            ("mayfly\n", &[&["mayfly"][..]][..]),
            ("\u{a0}mayfly\u{200b}", &[&["mayfly"]]),
            ("'mayfly'", &[&["mayfly"]]),
            ("a, b", &[&["a", "b"]]),
            ("[a, b c]", &[&["a, b c"], &["a", "b c"], &["a", "b", "c"]]),
            (r#"["a","b"]"#, &[&[r#"a","b"#], &["a", "b"]]),
            ("a b", &[&["a", "b"]]),
            ("", &[]),
            (" ,\n", &[&[","]]),
        ] {
            let ways = meant_by(label);
            assert_eq!(
                ways.iter().map(Vec::as_slice).collect::<Vec<_>>(),
                expected,
                "{label:?}"
            );
        }
    }
}
