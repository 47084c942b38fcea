//! What Lambda, SQS and EventBridge may do without anything being at fault: chances that a scenario
//! turns.

use std::time::Duration;

/// Shares (0 to 1) of all cases. All are 0 at first; what is 0 draws nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct PlatformRates {
    /// An invocation meets a fresh process although a warm one is idle. (After a crash or a timeout
    /// the next one always does.)
    pub cold_start: f64,
    /// A batch of wakes begins to be worked on late: Lambda throttles scaler. Later than the
    /// visibility timeout means two scalers at once.
    pub scaler_late: f64,
    /// By how much at most.
    pub scaler_late_by: Duration,
    /// A batch is handed to two scalers at once.
    pub two_scalers: f64,
    /// A wake that was sent is never seen.
    pub wake_lost: f64,
    /// A wake is there twice.
    pub wake_repeated: f64,
    /// A wake shows up late.
    pub wake_late: f64,
    /// By how much at most.
    pub wake_late_by: Duration,
    /// The schedule invokes sweeper twice for one minute.
    pub schedule_twice: f64,
    /// The schedule is late.
    pub schedule_late: f64,
    /// By how much at most.
    pub schedule_late_by: Duration,
    /// The schedule leaves a minute out.
    pub schedule_skipped: f64,
    /// The request of a `CrashBefore` arrives all the same.
    pub arrives_after_crash: f64,
    /// By how much later at most.
    pub arrives_within: Duration,
}

impl Default for PlatformRates {
    fn default() -> Self {
        Self {
            cold_start: 0.0,
            scaler_late: 0.0,
            // Source: Lambda developer guide: an invocation that is throttled is tried again; a
            // minute is more than SQS pollers wait.
            scaler_late_by: Duration::from_secs(60),
            two_scalers: 0.0,
            wake_lost: 0.0,
            wake_repeated: 0.0,
            wake_late: 0.0,
            wake_late_by: Duration::from_secs(90),
            schedule_twice: 0.0,
            schedule_late: 0.0,
            schedule_late_by: Duration::from_secs(59),
            schedule_skipped: 0.0,
            arrives_after_crash: 0.5,
            arrives_within: Duration::from_secs(10),
        }
    }
}
