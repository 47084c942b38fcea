//! Words and figures on the screen.

use std::collections::BTreeSet;

use mayfly_config::pools_file::{cpu_in_words, memory_in_words};
use mayfly_domain::model::size::{Capacity, Size};

pub use mayfly_reports::text::{
    counted, difference, disturbs, dollars, outcome_word, plain, quoted,
};

/// Text of ours as it goes to a terminal: lines, tabs and colours stay, whatever else [disturbs] is
/// shown as `\u{fffd}`. All that is printed comes by here, so a text that was forgotten elsewhere
/// does no harm.
#[must_use]
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(colour) = colour(rest) {
            shown.push_str(&rest[..colour]);
            rest = &rest[colour..];
            continue;
        }
        shown.push(if matches!(c, '\n' | '\t') || !disturbs(c) {
            c
        } else {
            '\u{fffd}'
        });
        rest = &rest[c.len_utf8()..];
    }
    shown
}

/// How long the sequence is that sets a colour, where a text begins with one (ECMA-48, SGR).
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(2 + end + 1)
}

/// JSON whose strings hold nothing that [disturbs] as it is: written as `\u0085`, which means the
/// same (RFC 8259, 7).
#[must_use]
pub fn escaped(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        // A newline is between values: within a string it is written as \n already.
        if c == '\n' || !disturbs(c) {
            shown.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units)
                .iter()
                .for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        }
    }
    shown
}

/// How wide a text is on a terminal, as far as that can be known.
#[must_use]
pub fn width(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}

/// The longest beginning of a text that is no wider than this.
fn beginning(text: &str, most: usize) -> &str {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends
        .take_while(|end| width(&text[..*end]) <= most)
        .last()
        .unwrap_or(0);
    &text[..end]
}

/// The beginning of a text, for a column.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    format!("{}…", beginning(text, most.saturating_sub(1)).trim_end())
}

/// The end of a text, for a column.
#[must_use]
pub fn cut_front(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let begins = text.char_indices().map(|(at, _)| at);
    let begin = begins
        .rev()
        .take_while(|begin| width(&text[*begin..]) < most)
        .last()
        .unwrap_or(text.len());
    format!("…{}", text[begin..].trim_start())
}

/// How many last characters of an id are shown where it is cut: ids of one burst differ in these
/// only.
const TAIL: usize = 4;

/// An id without its middle: its beginning tells when it was made, its end tells it from others of
/// that moment.
#[must_use]
pub fn cut_middle(text: &str, most: usize) -> String {
    let tail = text
        .len()
        .checked_sub(TAIL)
        .and_then(|at| text.get(at..))
        .unwrap_or_default();
    if width(text) <= most {
        return text.to_owned();
    }
    format!("{}…{tail}", beginning(text, most.saturating_sub(TAIL + 1)))
}

/// A text in lines no wider than this, broken between words where that can be.
#[must_use]
pub fn wrap(text: &str, most: usize) -> Vec<String> {
    let most = most.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        let line = lines.last_mut().map(|line| (width(line), line));
        let Some((used, line)) = line else { continue };
        if used > 0 && used + 1 + width(word) <= most {
            line.push(' ');
            line.push_str(word);
            continue;
        }
        if used > 0 {
            lines.push(String::new());
        }
        while width(word) > most {
            let part = beginning(word, most);
            let part = if part.is_empty() {
                &word[..word.chars().next().map_or(0, char::len_utf8)]
            } else {
                part
            };
            if let Some(line) = lines.last_mut() {
                line.push_str(part);
            }
            lines.push(String::new());
            word = &word[part.len()..];
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
        }
    }
    lines
}

/// A styled line, cut to this width: colours take no room.
#[must_use]
pub fn clip(line: &str, most: usize) -> String {
    if width(&anstream::adapter::strip_str(line).to_string()) <= most {
        return line.to_owned();
    }
    let (mut shown, mut bare, mut rest) = (String::new(), String::new(), line);
    while let Some(c) = rest.chars().next() {
        if let Some(colour) = colour(rest) {
            shown.push_str(&rest[..colour]);
            rest = &rest[colour..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        bare.push(c);
        // Colours that follow still count: one that is not ended would go on in the next line.
        if width(&bare) < most {
            shown.push(c);
        } else if !shown.contains('…') {
            shown.push('…');
        }
    }
    shown
}

/// Why no cost is shown of some, each reason once, on lines of their own.
#[must_use]
pub fn no_costs<'a>(reasons: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let reasons: BTreeSet<&str> = reasons.into_iter().collect();
    reasons
        .into_iter()
        .map(|why| format!("no cost is known: {}", plain(why)))
        .collect()
}

/// A size as people say it: `2 vCPU, 8 GiB, 30 GiB disk, x64, Spot`.
#[must_use]
pub fn size(size: &Size) -> String {
    let architecture = size.architecture.word();
    let capacity = match size.capacity {
        Capacity::OnDemand => "on demand",
        Capacity::Spot => "Spot",
    };
    format!(
        "{} vCPU, {}, {} GiB disk, {architecture}, {capacity}",
        cpu_in_words(size.cpu),
        memory_in_words(size.memory_mib),
        size.disk_gib
    )
}

#[cfg(test)]
mod tests {
    use mayfly_domain::model::size::Architecture;

    use super::*;

    /// One of each kind that must not reach a terminal.
    const DISTURBING: [char; 13] = [
        '\u{7}',
        '\u{1b}',
        '\u{7f}',
        '\u{85}',
        '\u{9b}',
        '\u{9f}',
        '\u{61c}',
        '\u{200f}',
        '\u{2028}',
        '\u{2029}',
        '\u{202e}',
        '\u{2066}',
        '\u{e0041}',
    ];

    #[test]
    fn a_job_s_name_does_not_paint_on_the_terminal() {
        assert_eq!(
            plain("build\u{1b}[2J\r\nok\u{202e}\u{9b}31m é"),
            "build\u{fffd}[2J  ok\u{fffd}\u{fffd}31m é"
        );
        for c in DISTURBING {
            assert_eq!(plain(&format!("a{c}b")), "a\u{fffd}b", "{c:?}");
            assert_eq!(harmless(&format!("a{c}b\n\t")), "a\u{fffd}b\n\t", "{c:?}");
        }
        assert_eq!(plain("構築 é 👍 café"), "構築 é 👍 café");
    }

    #[test]
    fn colours_pass_and_nothing_else_that_begins_like_them() {
        assert_eq!(
            harmless("\u{1b}[1;31mred\u{1b}[0m"),
            "\u{1b}[1;31mred\u{1b}[0m"
        );
        assert_eq!(
            harmless("\u{1b}[2Jx\u{1b}]0;title\u{7}\u{1b}[31"),
            "\u{fffd}[2Jx\u{fffd}]0;title\u{fffd}\u{fffd}[31"
        );
    }

    #[test]
    fn json_for_a_terminal_means_the_same() {
        let text: String = DISTURBING.iter().collect::<String>() + "\n\"é構\\";
        let json =
            escaped(&serde_json::to_string_pretty(&serde_json::json!({ "name": text })).unwrap());
        assert!(!json.chars().any(|c| c != '\n' && disturbs(c)), "{json}");
        assert!(
            json.contains("\\u009b") && json.contains("\\udb40\\udc41"),
            "{json}"
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&json).unwrap()["name"],
            text
        );
    }

    #[test]
    fn text_is_wrapped_between_words_and_cut_within_them() {
        assert_eq!(
            wrap("its task pulls the image", 14),
            ["its task pulls", "the image"]
        );
        assert_eq!(
            wrap("arn:aws:ecs:eu-west-1 x", 10),
            ["arn:aws:ec", "s:eu-west-", "1 x"]
        );
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("構築構築", 3), ["構", "築", "構", "築"]);
    }

    #[test]
    fn a_styled_line_is_cut_by_what_is_seen() {
        let line = "\u{1b}[1mwaits\u{1b}[0m for a runner";
        assert_eq!(clip(line, 18), line);
        assert_eq!(clip(line, 10), "\u{1b}[1mwaits\u{1b}[0m for…");
        assert_eq!(clip(line, 3), "\u{1b}[1mwa…\u{1b}[0m");
    }

    #[test]
    fn a_reason_for_a_missing_cost_is_said_once() {
        let said = no_costs([
            "no price of disks",
            "no price of vCPUs",
            "no price of disks",
        ]);
        let said: Vec<String> = said
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
            .collect();
        assert_eq!(
            said,
            [
                "no cost is known: no price of disks",
                "no cost is known: no price of vCPUs"
            ]
        );
    }

    #[test]
    fn sizes_are_said_as_the_pools_file_says_them() {
        let small = Size {
            cpu: 256,
            memory_mib: 512,
            disk_gib: 20,
            architecture: Architecture::Arm64,
            capacity: Capacity::Spot,
        };
        assert_eq!(size(&small), "0.25 vCPU, 512 MiB, 20 GiB disk, arm64, Spot");
        let large = Size {
            cpu: 16384,
            memory_mib: 32768,
            disk_gib: 200,
            architecture: Architecture::X64,
            capacity: Capacity::OnDemand,
        };
        assert_eq!(
            size(&large),
            "16 vCPU, 32 GiB, 200 GiB disk, x64, on demand"
        );
    }

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(
            (
                cut("abc", 3).as_str(),
                cut("abcd", 3).as_str(),
                cut("ab cd", 4).as_str()
            ),
            ("abc", "ab…", "ab…")
        );
        assert_eq!(
            cut_middle("01m81rwzxck4pqyh9wff0tabdp", 15),
            "01m81rwzxc…abdp"
        );
        assert_eq!(
            (
                cut("構築する", 5).as_str(),
                cut_front("acme/app", 8).as_str(),
                cut_front("acme/app", 5).as_str()
            ),
            ("構築…", "acme/app", "…/app")
        );
    }
}
