//! Times and durations, as people read them and as JSON has them.

use std::fmt;
use std::time::Duration;

use jiff::tz::Offset;
use jiff::{Span, SpanRelativeTo};
use mayfly_domain::model::time::Timestamp;
use serde::{Serialize, Serializer};

/// A time: RFC 3339 in UTC, in JSON as in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rfc3339(pub Timestamp);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.calendar().fmt(f)
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl From<Timestamp> for Rfc3339 {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl Rfc3339 {
    /// The same time in the calendar; one beyond the years that it has, at its end.
    fn calendar(self) -> jiff::Timestamp {
        let end = if self.0.millis() < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        };
        jiff::Timestamp::from_millisecond(self.0.millis()).unwrap_or(end)
    }

    /// The day in UTC, as `2026-11-22`.
    #[must_use]
    pub fn day(self) -> String {
        self.calendar().strftime("%F").to_string()
    }

    /// The time of day in UTC, as `14:03:07`, where something else says that it is UTC.
    #[must_use]
    pub fn clock(self) -> String {
        self.calendar().strftime("%T").to_string()
    }

    /// The time of day of something that is not long ago, with its date otherwise: `14:03:07 UTC`
    /// or `2026-11-22 14:03:07 UTC`. UTC as in AWS's and GitHub's logs, so that people in several
    /// places speak of one time.
    #[must_use]
    pub fn near(self, now: Timestamp) -> String {
        format!("{} UTC", self.column(now))
    }

    /// The same in a column whose name says that it is UTC.
    #[must_use]
    pub fn column(self, now: Timestamp) -> String {
        Zone::UTC.column(self.0, now)
    }
}

/// Where a reader's clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone(Offset);

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(Offset::UTC);

    /// Reads `+02:00` or `-03:30`; none of what is further away than any place on earth.
    #[must_use]
    pub fn of_offset(text: &str) -> Option<Self> {
        let (sign, rest) = match text.split_at_checked(1)? {
            ("+", rest) => (1, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        };
        let (hours, minutes) = rest.split_once(':')?;
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        let sound = (0..=14).contains(&hours) && (0..60).contains(&minutes);
        let offset = Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok();
        offset.filter(|_| sound).map(Self)
    }

    /// `UTC`, or `UTC+02:00`.
    #[must_use]
    pub fn name(self) -> String {
        let minutes = self.0.seconds() / 60;
        if minutes == 0 {
            return "UTC".to_owned();
        }
        let sign = if minutes < 0 { '-' } else { '+' };
        format!(
            "UTC{sign}{:02}:{:02}",
            minutes.abs() / 60,
            minutes.abs() % 60
        )
    }

    /// A time there, in a column or at an axis whose name says where: `14:03:07`, with its date if
    /// it is not near another time.
    #[must_use]
    pub fn column(self, at: Timestamp, now: Timestamp) -> String {
        let apart = now.since(at).max(at.since(now));
        let there = self.0.to_datetime(Rfc3339(at).calendar());
        let form = if apart < NEAR { "%T" } else { "%F %T" };
        there.strftime(form).to_string()
    }
}

/// A time of day says enough within this time.
const NEAR: Duration = Duration::from_secs(12 * 60 * 60);

/// A duration as people say it: `0.4s`, `41s`, `3m12s`, `2h05m`, `3d04h`. Two units at most, the
/// second with two digits, so that a column of them lines up: jiff's printer pads all or none.
#[must_use]
pub fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.is_zero() => "0s".to_owned(),
        0..10 => format!("{}.{}s", seconds, duration.subsec_millis() / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// An age as a table has it: whole seconds at least.
#[must_use]
pub fn age(now: Timestamp, since: Timestamp) -> String {
    let seconds = now.since(since).as_secs();
    if seconds < 10 {
        format!("{seconds}s")
    } else {
        duration_text(Duration::from_secs(seconds))
    }
}

/// Seconds with three digits after the point, as JSON has durations.
#[must_use]
pub fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// Reads a typed duration: `90s`, `30m`, `2h`, `7d`, `1h30m`, and whatever else jiff takes for one,
/// as `1.5h` or `2 weeks`. A day is 24 hours.
///
/// # Errors
///
/// What would be right.
pub fn duration(text: &str) -> Result<Duration, String> {
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .and_then(Duration::try_from)
        .ok()
        .filter(|duration| *duration >= Duration::from_secs(1))
        .ok_or_else(|| "pass a duration, such as 90s, 30m, 2h, 7d or 1h30m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T14:03:07.250Z.
    const AT: Timestamp = Timestamp::from_millis(1_795_356_187_250);

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(Rfc3339(AT).to_string(), "2026-11-22T14:03:07.25Z");
        assert_eq!(
            Rfc3339(Timestamp::from_millis(0)).to_string(),
            "1970-01-01T00:00:00Z"
        );
        assert_eq!(Rfc3339(AT).clock(), "14:03:07");
        let beyond = Rfc3339(Timestamp::from_millis(i64::MAX)).to_string();
        assert!(beyond.starts_with("9999-12-30T"), "{beyond}");
    }

    #[test]
    fn a_time_of_another_day_has_its_date() {
        let hours = |hours: u64| AT.plus(Duration::from_secs(hours * 3600));
        assert_eq!(Rfc3339(AT).column(hours(11)), "14:03:07");
        assert_eq!(Rfc3339(AT).near(hours(11)), "14:03:07 UTC");
        assert_eq!(Rfc3339(AT).near(hours(12)), "2026-11-22 14:03:07 UTC");
        assert_eq!(Rfc3339(hours(13)).near(AT), "2026-11-23 03:03:07 UTC");
    }

    #[test]
    fn times_are_told_by_the_reader_s_clock() {
        for (offset, name, time) in [
            ("+00:00", "UTC", "14:03:07"),
            ("+02:00", "UTC+02:00", "16:03:07"),
            ("-03:30", "UTC-03:30", "10:33:07"),
        ] {
            let zone = Zone::of_offset(offset).unwrap();
            assert_eq!(
                (zone.name().as_str(), zone.column(AT, AT).as_str()),
                (name, time)
            );
        }
        for text in [
            "", "Z", "+2", "+99:00", "+02:60", "02:00", "+-2:00", "ü02:00", "+02:-5",
        ] {
            assert_eq!(Zone::of_offset(text), None, "{text}");
        }
    }

    #[test]
    fn spans_are_as_people_say_them() {
        let cases = [
            (0, "0s"),
            (450, "0.4s"),
            (9_900, "9.9s"),
            (41_000, "41s"),
            (192_000, "3m12s"),
            (7_500_000, "2h05m"),
            (273_600_000, "3d04h"),
        ];
        for (millis, said) in cases {
            assert_eq!(duration_text(Duration::from_millis(millis)), said);
        }
    }

    #[test]
    fn typed_durations_are_read_and_nonsense_is_not() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1800),
            ("2h", 7200),
            ("7d", 604_800),
            ("1h30m", 5400),
            ("1.5h", 5400),
            ("2 weeks", 1_209_600),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "0s",
            "5",
            "h",
            "-1h",
            "1h ago",
            "10ms",
            "1mo",
            "ü",
            "5ü",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
