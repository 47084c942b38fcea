//! Words and figures, as every report and page has them.

use mayfly_domain::model::label::Labels;
use mayfly_domain::model::pool::RepositoryPattern;
use mayfly_domain::model::price::NanoDollars;
use mayfly_domain::model::runner::Outcome;

use crate::cost::NanoDollarsDifference;

/// True for what would move the cursor, or hide or reorder text, on a terminal: control characters
/// (C0, DEL, C1), the line and paragraph separators, marks for the direction of writing and what
/// has no width, the tag characters among it. Source: Unicode Standard Annex #9 (directions),
/// Technical Report #36, 2.10.
#[must_use]
pub fn disturbs(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A text that others chose (a job's name, a label, an error), on one line of a terminal: what
/// [disturbs] is shown as `\u{fffd}`.
#[must_use]
pub fn plain(text: &str) -> String {
    let shown = text.chars().map(|c| match c {
        '\n' | '\r' | '\t' => ' ',
        c if disturbs(c) => '\u{fffd}',
        c => c,
    });
    shown.collect()
}

/// A word as a shell reads it back.
#[must_use]
pub fn quoted(word: &str) -> String {
    let bare = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '-' | '_' | '.' | '/' | '=' | ':' | '@' | '+' | ',')
    };
    if !word.is_empty() && word.chars().all(bare) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The command that asks about such a job; none if a label of it cannot be shown as it is.
#[must_use]
pub fn match_command(labels: &Labels, repository: &str) -> Option<String> {
    let words: Vec<&str> = labels.iter().chain([repository]).collect();
    let clean = !words.iter().any(|word| word.chars().any(disturbs));
    let labels: Vec<String> = labels.iter().map(quoted).collect();
    clean.then(|| {
        format!(
            "mayfly match {} --repository {}",
            labels.join(" "),
            quoted(repository)
        )
    })
}

/// `owner/name`, either part with `*`; none of what is not.
#[must_use]
pub fn repository_pattern(text: &str) -> Option<RepositoryPattern> {
    let parts = text
        .split_once('/')
        .filter(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'));
    parts.map(|_| RepositoryPattern(text.to_owned()))
}

/// `$0.0097`: four digits, since a job costs about a cent.
#[must_use]
pub fn dollars(cost: NanoDollars) -> String {
    let tenths = cost.0.saturating_add(50_000) / 100_000;
    format!("${}.{:04}", tenths / 10_000, tenths % 10_000)
}

/// Money that may be owed: `-$0.0097`.
#[must_use]
pub fn difference(money: NanoDollarsDifference) -> String {
    let size = NanoDollars(money.unsigned_abs());
    let sign = if money < 0 { "-" } else { "" };
    format!("{sign}{}", dollars(size))
}

/// `1 job`, `2 jobs`.
#[must_use]
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// How a runner ended.
#[must_use]
pub fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ran => "ran",
        Outcome::Surplus => "surplus",
        Outcome::FailedStart => "failed_start",
        Outcome::Refused => "refused",
        Outcome::NeverAssigned => "not_assigned",
        Outcome::Unknown => "lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        let cases = [
            ("linux", "linux"),
            ("run=15871-2", "run=15871-2"),
            ("full build", "'full build'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("$x", "'$x'"),
        ];
        for (word, shown) in cases {
            assert_eq!(quoted(word), shown);
        }
    }

    #[test]
    fn money_has_four_digits() {
        for (cost, said) in [
            (0, "$0.0000"),
            (49_999, "$0.0000"),
            (50_000, "$0.0001"),
            (9_710_000, "$0.0097"),
            (12_345_678_900, "$12.3457"),
        ] {
            assert_eq!(dollars(NanoDollars(cost)), said);
        }
    }
}
