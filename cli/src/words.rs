//! Words and figures on the screen.

use mayfly_domain::price::MicroDollars;
use mayfly_domain::size::{Architecture, Capacity, Size};
use mayfly_settings::pools_file::{cpu_in_words, memory_in_words};

/// A text that others chose (a job's name, a label, an error) for a terminal: what would move the cursor, colour or hide something is shown as `\u{fffd}`.
#[must_use]
pub fn plain(text: &str) -> String {
    let hidden = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    let shown = text.chars().map(|c| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() || hidden(c) => '\u{fffd}',
        c => c,
    });
    shown.collect()
}

/// The beginning of a text, for a column.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// `$0.0097`: four digits, since a job costs about a cent.
#[must_use]
pub fn dollars(cost: MicroDollars) -> String {
    let tenths = cost.0.saturating_add(50) / 100;
    format!("${}.{:04}", tenths / 10_000, tenths % 10_000)
}

/// `1 job`, `2 jobs`.
#[must_use]
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A size as people say it: `2 vCPU, 8 GiB, 30 GiB disk, x64, Spot`.
#[must_use]
pub fn size(size: &Size) -> String {
    let architecture = match size.architecture {
        Architecture::X64 => "x64",
        Architecture::Arm64 => "arm64",
    };
    let capacity = match size.capacity {
        Capacity::OnDemand => "on demand",
        Capacity::Spot => "Spot",
    };
    format!("{} vCPU, {}, {} GiB disk, {architecture}, {capacity}", cpu_in_words(size.cpu), memory_in_words(size.memory_mib), size.disk_gib)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_paints_on_the_terminal_by_a_jobs_name() {
        assert_eq!(plain("build\u{1b}[2J\r\nok\u{202e}\u{9b}31m é"), "build\u{fffd}[2J  ok\u{fffd}\u{fffd}31m é");
    }

    #[test]
    fn money_has_four_digits() {
        for (cost, said) in [(0, "$0.0000"), (49, "$0.0000"), (50, "$0.0001"), (9_710, "$0.0097"), (12_345_678, "$12.3457")] {
            assert_eq!(dollars(MicroDollars(cost)), said);
        }
    }

    #[test]
    fn sizes_are_said_as_the_pools_file_says_them() {
        let small = Size { cpu: 256, memory_mib: 512, disk_gib: 20, architecture: Architecture::Arm64, capacity: Capacity::Spot };
        assert_eq!(size(&small), "0.25 vCPU, 512 MiB, 20 GiB disk, arm64, Spot");
        let large = Size { cpu: 16384, memory_mib: 32768, disk_gib: 200, architecture: Architecture::X64, capacity: Capacity::OnDemand };
        assert_eq!(size(&large), "16 vCPU, 32 GiB, 200 GiB disk, x64, on demand");
    }

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!((cut("abc", 3).as_str(), cut("abcd", 3).as_str(), cut("ab cd", 4).as_str()), ("abc", "ab…", "ab…"));
    }
}
