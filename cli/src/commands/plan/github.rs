//! A plan as a comment for a pull request: GitHub's Markdown, from which nothing that a file, a
//! label or a name says can break out.

use anstream::adapter::strip_str;

use super::difference::{KeyChange, Kind, is_default, toml};
use super::report::{Plan, PoolPlan};
use super::text;
use crate::terminal::text_format::{counted, plain};

/// The most that GitHub takes as a comment: "Body is too long (maximum is 65536 characters)", says
/// its API with status 422
/// (<https://docs.github.com/en/rest/issues/comments#create-an-issue-comment>). Bytes are counted
/// here, which are never fewer than characters, whatever GitHub takes for one.
pub const MOST: usize = 65_536;

/// Room for the line that says what is missing.
const NOTICE: usize = 200;

/// One heading's worth of the comment.
struct Section {
    /// With everything that changes.
    whole: String,
    /// On a line, where there is no room.
    short: String,
}

/// The comment. Its first line is invisible, and the same for each plan of a stack: by that a
/// workflow finds the comment that it replaces. Of a new pool every key is shown, or what is not
/// the default. What does not fit is left out, and it says so.
#[must_use]
pub fn comment(plan: &Plan, every_key: bool) -> String {
    let head = head(plan);
    let sections = sections(plan, every_key);
    let tail = tail(plan);
    let room = MOST.saturating_sub(head.len() + tail.len() + NOTICE);
    format!("{head}{}{tail}", fitted(&sections, room))
}

/// As many sections as there is room for: all on a line each if they are too many, and of those
/// that come first the whole.
fn fitted(sections: &[Section], room: usize) -> String {
    let mut used: usize = sections.iter().map(|section| section.whole.len()).sum();
    if used <= room {
        return sections
            .iter()
            .map(|section| section.whole.as_str())
            .collect();
    }
    used = sections.iter().map(|section| section.short.len()).sum();
    let mut written = String::new();
    let (mut left_out, mut shortened) = (0, 0);
    for section in sections {
        let more = section.whole.len().saturating_sub(section.short.len());
        if shortened == 0 && used + more <= room {
            used += more;
            written.push_str(&section.whole);
        } else if written.len() + section.short.len() <= room {
            // A list needs an empty line before it, if what comes before is none.
            if shortened == 0 {
                written.push('\n');
            }
            shortened += 1;
            written.push_str(&section.short);
        } else {
            left_out += 1;
        }
    }
    let more = match left_out {
        0 => String::new(),
        _ => format!(" and {left_out} more"),
    };
    written.push_str(&format!(
        "\nToo long for a comment: the last {shortened}{more} are not shown key by key. Run `mayfly plan` for the full plan.\n"
    ));
    written
}

fn head(plan: &Plan) -> String {
    // Only what the name of a stack may have: the line must not end before its time.
    let marked: String = plan
        .stack
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let mut head = format!(
        "<!-- mayfly plan {marked} -->\n### Mayfly plan for stack {}\n\n**{}**\n\n{}\n",
        code(&plan.stack),
        words(&text::summary(plan)),
        against(plan)
    );
    if let Some(drift) = &plan.drift {
        head.push_str(&format!(
            "\n> [!WARNING]\n> {}\n>\n> {}\n",
            escaped(&drift.problem()),
            escaped(&drift.fix())
        ));
    }
    head
}

/// What is compared with what.
fn against(plan: &Plan) -> String {
    let file = code(&plan.file);
    let Some(version) = &plan.active_pools else {
        return format!("{file}; no pools file is active yet.");
    };
    let at = version
        .applied_at
        .map(|at| format!(", written {at}"))
        .unwrap_or_default();
    let by = version
        .applied_by
        .as_ref()
        .map(|by| format!(" by {}", code(by)))
        .unwrap_or_default();
    format!(
        "{file} against the active version {}{at}{by}.",
        version.version
    )
}

fn sections(plan: &Plan, every_key: bool) -> Vec<Section> {
    let parts = plan.sections().into_iter();
    let parts = parts.filter(|(_, keys)| !keys.is_empty());
    let parts = parts.map(|(name, keys)| {
        let title = format!("Change {}", code(&format!("[{name}]")));
        let keys: Vec<String> = keys.iter().map(key).collect();
        Section {
            whole: format!("\n#### {title}\n\n{}", list(&keys)),
            short: format!("- {title}: {}\n", counted(keys.len(), "key")),
        }
    });
    parts
        .chain(plan.pools.iter().map(|pool| of_pool(pool, every_key)))
        .collect()
}

fn of_pool(pool: &PoolPlan, every_key: bool) -> Section {
    let verb = match pool.change {
        Kind::Add => "Add",
        Kind::Change => "Change",
        Kind::Remove => "Remove",
    };
    let title = format!("{verb} pool {}", code(pool.pool.as_str()));
    let keys: Vec<String> = match pool.change {
        // A removed pool's keys are known; only the effects are shown.
        Kind::Remove => Vec::new(),
        Kind::Change => pool.keys.iter().map(key).collect(),
        Kind::Add => {
            let shown = |change: &&KeyChange| every_key || !is_default(change);
            pool.keys.iter().filter(shown).filter_map(value).collect()
        }
    };
    let now = text::now(&pool.now);
    let now = match (now.is_empty(), pool.change) {
        (true, Kind::Remove) => "It is empty.".to_owned(),
        (true, _) => String::new(),
        (false, _) => format!("In it now: {}.", words(&now)),
    };
    let effects: Vec<String> = pool.effects.iter().map(|effect| escaped(effect)).collect();
    let means = if effects.is_empty() {
        String::new()
    } else {
        format!("What that means now:\n\n{}", list(&effects))
    };
    let mut whole = format!("\n#### {title}\n");
    for part in [list(&keys), now, means] {
        if !part.is_empty() {
            whole.push_str(&format!("\n{}\n", part.trim_end()));
        }
    }
    let changes = match pool.change {
        Kind::Remove => String::new(),
        _ => format!(": {}", counted(keys.len(), "key")),
    };
    Section {
        whole,
        short: format!("- {title}{changes}\n"),
    }
}

/// What the whole comes to.
fn tail(plan: &Plan) -> String {
    let lines: Vec<String> = text::price(plan)
        .into_iter()
        .chain(plan.vcpus.iter().filter_map(text::vcpus))
        .map(|line| words(&line))
        .collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!("\n#### In all\n\n{}", list(&lines))
    }
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("- {line}\n")).collect()
}

/// One key, before and after.
fn key(change: &KeyChange) -> String {
    let KeyChange { key, before, after } = change;
    let shown = |value: &serde_json::Value| code(&toml(value));
    let key = code(key);
    match (before, after) {
        (Some(before), Some(after)) => format!("{key}: {} → {}", shown(before), shown(after)),
        (None, Some(after)) => format!("{key}: {} (new)", shown(after)),
        (Some(before), None) => format!("{key}: no longer set (was {})", shown(before)),
        (None, None) => key,
    }
}

/// One key of a new pool.
fn value(change: &KeyChange) -> Option<String> {
    let after = change.after.as_ref()?;
    Some(format!("{}: {}", code(change.key), code(&toml(after))))
}

/// A styled line of the terminal's.
fn words(styled: &str) -> String {
    escaped(&strip_str(styled).to_string())
}

/// Text in a code span, where nothing means anything: no HTML, no mention, no reference, no link.
/// It is between more backticks than it has in a row
/// (<https://github.github.com/gfm/#code-spans>).
fn code(text: &str) -> String {
    let text = plain(text);
    if text.trim().is_empty() {
        return "(nothing)".to_owned();
    }
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let edge = |c: char| c == '`' || c == ' ';
    let room = if text.starts_with(edge) || text.ends_with(edge) {
        " "
    } else {
        ""
    };
    format!("{fence}{room}{text}{room}{fence}")
}

/// Has no width, and is no part of a name.
const BREAK: char = '\u{200b}';

/// Text of ours that may hold text of others, as it is: what Markdown or HTML would read is escaped
/// (<https://github.github.com/gfm/#backslash-escapes>), and what GitHub looks for in the rendered
/// text is broken, since there an escaped sign looks like any other: mentions, references to issues
/// and addresses
/// (<https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls>).
/// Amounts are code, as two dollar signs on a line would be a formula
/// (<https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/writing-mathematical-expressions>).
fn escaped(text: &str) -> String {
    let text = plain(text);
    let mut shown = String::with_capacity(text.len() + text.len() / 4);
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        match c {
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '@' => shown.extend(['@', BREAK]),
            '#' => shown.extend(['\\', '#', BREAK]),
            ':' if rest.starts_with(":/") => shown.extend([':', BREAK]),
            'w' | 'W'
                if rest
                    .get(..4)
                    .is_some_and(|www| www.eq_ignore_ascii_case("www.")) =>
            {
                shown.push_str(&rest[..3]);
                shown.push(BREAK);
                taken = 3;
            }
            '$' => {
                taken = rest
                    .find(|c: char| !matches!(c, '$' | '.' | '0'..='9'))
                    .unwrap_or(rest.len());
                let amount = &rest[..taken];
                // A dollar sign beside a backtick begins a formula, too. The spaces are not shown.
                let room = if amount.ends_with('$') { " " } else { "" };
                shown.push_str(&format!("`{room}{amount}{room}`"));
            }
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '~' | '!' => {
                shown.extend(['\\', c]);
            }
            // A list in the list.
            '-' | '+' if shown.is_empty() => shown.extend(['\\', c]),
            _ => shown.push(c),
        }
        rest = &rest[taken..];
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_between_more_backticks_than_it_has() {
        let cases = [
            ("linux", "`linux`"),
            ("a`b", "``a`b``"),
            ("`a``b", "``` `a``b ```"),
            (" a ", "`  a  `"),
            ("a|b\nc", "`a|b c`"),
            ("", "(nothing)"),
            ("\u{202e}gpj", "`\u{fffd}gpj`"),
        ];
        for (text, written) in cases {
            assert_eq!(code(text), written);
        }
    }

    #[test]
    fn nothing_in_a_sentence_means_anything_to_github() {
        let cases = [
            ("a job of @octocat", "a job of @\u{200b}octocat"),
            ("acme/app#7", "acme/app\\#\u{200b}7"),
            (
                "https://x.test www.x.test",
                "https:\u{200b}//x.test www\u{200b}.x.test",
            ),
            ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
            (
                "![x](y) a|b `c` *d* _e_",
                "\\!\\[x\\](y) a\\|b \\`c\\` \\*d\\* \\_e\\_",
            ),
            ("$0.00 → $88.04 a month", "`$0.00` → `$88.04` a month"),
            ("$x$", "` $ `x` $ `"),
            ("- x", "\\- x"),
            ("5 × 2: Grüße, 日本", "5 × 2: Grüße, 日本"),
        ];
        for (text, written) in cases {
            assert_eq!(escaped(text), written);
        }
    }
}
