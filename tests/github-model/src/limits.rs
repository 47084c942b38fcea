//! GitHub's rate limits: requests in an hour, points in a minute.

use super::settings::Settings;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// An hour, in seconds: the window of the primary limit.
const HOUR: i64 = 3_600;
/// A minute, in seconds: the window of the secondary limit.
const MINUTE: i64 = 60;

/// What one caller has used.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    hour_ends: i64,
    requests: u32,
    minute_ends: i64,
    points: u32,
}

/// Where a caller stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitStatus {
    /// Requests an hour.
    pub limit: u32,
    /// Requests left in this one.
    pub remaining: u32,
    /// Requests made in it.
    pub used: u32,
    /// When it ends, in seconds since 1970.
    pub reset: i64,
}

/// Whether a request may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Pass(LimitStatus),
    /// The hour's requests are used up.
    Primary(LimitStatus),
    /// Too many points in this minute: wait these seconds.
    Secondary(LimitStatus, i64),
}

/// All callers' use, by installation (or the App itself, for calls with its JWT).
#[derive(Debug, Clone, Default)]
pub struct Limits {
    used: BTreeMap<i64, Used>,
}

impl Limits {
    /// Counts a request and says whether it may pass. Refused ones do not count.
    pub fn spend(
        &mut self,
        caller: i64,
        write: bool,
        settings: &Settings,
        now: Timestamp,
    ) -> Verdict {
        let now = now.as_second();
        let used = self.used.entry(caller).or_default();
        if used.hour_ends <= now {
            (used.hour_ends, used.requests) = (now + HOUR, 0);
        }
        if used.minute_ends <= now {
            (used.minute_ends, used.points) = (now + MINUTE, 0);
        }
        let limit_status = |used: &Used| LimitStatus {
            limit: settings.primary_per_hour,
            remaining: settings.primary_per_hour.saturating_sub(used.requests),
            used: used.requests,
            reset: used.hour_ends,
        };
        // A GET costs one point, everything else five (GitHub docs, secondary rate limits).
        let points = if write { 5 } else { 1 };
        if used.requests >= settings.primary_per_hour {
            return Verdict::Primary(limit_status(used));
        }
        if used.points + points > settings.points_per_minute {
            return Verdict::Secondary(limit_status(used), used.minute_ends - now);
        }
        used.requests += 1;
        used.points += points;
        Verdict::Pass(limit_status(used))
    }
}
