//! Quantities with units: `"8 GiB"`, `"5m"`.

use std::time::Duration;

/// Reads memory or disk, in MiB: a whole number and `MiB` or `GiB`.
pub(super) fn mebibytes(text: &str) -> Option<u32> {
    let (number, unit) = split(text)?;
    match unit {
        "MiB" => Some(number),
        "GiB" => number.checked_mul(1024),
        _ => None,
    }
}

/// Reads a duration: a whole number and `s`, `m`, `h` or `d`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(u64::from(number) * seconds))
}

/// A number in digits alone, and the unit behind it.
fn split(text: &str) -> Option<(u32, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Memory as it is written in a pools file.
pub fn memory_in_words(mib: u32) -> String {
    if mib.is_multiple_of(1024) {
        format!("{} GiB", mib / 1024)
    } else {
        format!("{mib} MiB")
    }
}

/// CPU units as vCPUs.
pub fn cpu_in_words(units: u32) -> String {
    let vcpu = f64::from(units) / 1024.0;
    format!("{vcpu}")
}

/// A duration as it is written in a pools file: in the largest unit that leaves no rest.
pub fn duration_in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let fits = [(86_400, "d"), (3_600, "h"), (60, "m")]
        .into_iter()
        .find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    fits.map_or_else(
        || format!("{seconds}s"),
        |(unit, name)| format!("{}{name}", seconds / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_with_and_without_a_space() {
        assert_eq!(mebibytes("8 GiB"), Some(8192));
        assert_eq!(mebibytes("8GiB"), Some(8192));
        assert_eq!(mebibytes("512 MiB"), Some(512));
        assert_eq!(duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("5 m"), Some(Duration::from_secs(300)));
        assert_eq!(duration("5d"), Some(Duration::from_secs(432_000)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "8",
            "GiB",
            "8 GB",
            "8 gib",
            "-8 GiB",
            "8.5 GiB",
            "99999999999 GiB",
            "4194304 GiB",
            "8 GiB x",
        ] {
            assert_eq!(mebibytes(text), None, "{text}");
        }
        for text in ["", "5", "m", "5 min", "-5m", "1.5h", "5M", "1h30m"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn quantities_in_words_are_read_back() {
        for mib in [512, 1024, 122_880] {
            assert_eq!(mebibytes(&memory_in_words(mib)), Some(mib));
        }
        for seconds in [0, 59, 60, 90, 3600, 86_400, 432_000] {
            let time = Duration::from_secs(seconds);
            assert_eq!(duration(&duration_in_words(time)), Some(time));
        }
        assert_eq!(cpu_in_words(256), "0.25");
        assert_eq!(cpu_in_words(16384), "16");
    }
}
