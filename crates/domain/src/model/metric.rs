//! Every metric: what is counted and measured, where it is written, and who gets to see it.
//!
//! Functions publish nothing. A metric is a field of a line that they log anyway. CloudWatch makes
//! a metric of it because the line declares it in the embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
//! `mayfly-telemetry` adds that by this list. A few are counted by a metric filter of the template
//! instead: what the gateway logs, and lines whose words are all that there is to count.
//!
//! Names and meanings are those of actions-runner-controller where it has the metric, too
//! (<https://docs.github.com/en/actions/how-tos/manage-runners/use-actions-runner-controller/deploy-runner-scale-sets#available-metrics-for-arc>).

use serde::{Deserialize, Serialize};

/// How much is sent to CloudWatch, which has a price for each metric: `[metrics] level` of the pools
/// file. Every field is in the log all the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricsLevel {
    /// What alarms watch, and counts without a pool that arise only while something is wrong.
    Off,
    /// What shows whether anything is stuck.
    #[default]
    Basic,
    /// All.
    Full,
}

impl MetricsLevel {
    /// Every level with its word.
    pub const WORDS: [(&'static str, Self); 3] = [
        ("off", Self::Off),
        ("basic", Self::Basic),
        ("full", Self::Full),
    ];

    /// The word, as the pools file has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Basic => "basic",
            Self::Full => "full",
        }
    }

    /// The level of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::WORDS
            .into_iter()
            .find(|(known, _)| *known == word)
            .map(|(_, level)| level)
    }
}

/// CloudWatch's unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of things.
    Count,
    /// Seconds.
    Seconds,
    /// CloudWatch has none for it: US dollars.
    None,
}

impl Unit {
    /// CloudWatch's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::None => "None",
        }
    }
}

/// Where a metric comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A field of a line that this function logs.
    Field(&'static str),
    /// A metric filter of the template, over this log.
    Filter(&'static str),
}

/// When there is a value: CloudWatch charges a metric for the hours in which it gets one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Every minute.
    Always,
    /// While jobs come and go.
    Busy,
    /// While something is wrong.
    Trouble,
}

/// A metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, and the field's.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Its dimensions. `pool` is the field `pool.name`, any other the field of its name. No
    /// repository, job or runner: each value is a metric to be paid for.
    pub dimensions: &'static [&'static str],
    /// The lowest level at which it is sent.
    pub level: MetricsLevel,
    /// Where it comes from.
    pub source: Source,
    /// When there is a value.
    pub sent: Sent,
    /// What it means.
    pub meaning: &'static str,
    /// actions-runner-controller's metrics that mean the same, by other names, too.
    pub arc: &'static [&'static str],
}

const POOL: &[&str] = &["pool"];

const fn of_pool(
    name: &'static str,
    unit: Unit,
    level: MetricsLevel,
    (source, sent): (&'static str, Sent),
    meaning: &'static str,
) -> Metric {
    Metric {
        name,
        unit,
        dimensions: POOL,
        level,
        source: Source::Field(source),
        sent,
        meaning,
        arc: &[],
    }
}

/// One of the whole stack, at every level.
const fn watched(
    name: &'static str,
    unit: Unit,
    source: Source,
    sent: Sent,
    meaning: &'static str,
) -> Metric {
    Metric {
        name,
        unit,
        dimensions: &[],
        level: MetricsLevel::Off,
        source,
        sent,
        meaning,
        arc: &[],
    }
}

const fn phase(name: &'static str, meaning: &'static str) -> Metric {
    of_pool(
        name,
        Unit::Seconds,
        MetricsLevel::Full,
        ("webhook", Sent::Busy),
        meaning,
    )
}

/// All metrics.
pub const METRICS: &[Metric] = &[
    // A look at a pool.
    of_pool(
        "waiting_jobs",
        Unit::Count,
        MetricsLevel::Basic,
        ("scaler", Sent::Always),
        "jobs that wait for a runner, on its way or not",
    ),
    Metric {
        arc: &["gha_busy_runners"],
        ..of_pool(
            "gha_running_jobs",
            Unit::Count,
            MetricsLevel::Basic,
            ("scaler", Sent::Always),
            "jobs that run; a runner has one job, so this is the number of busy runners, too",
        )
    },
    Metric {
        arc: &["gha_controller_pending_ephemeral_runners"],
        ..of_pool(
            "starting_runners",
            Unit::Count,
            MetricsLevel::Full,
            ("scaler", Sent::Always),
            "runners whose task was asked for, and that have not asked for a registration",
        )
    },
    of_pool(
        "gha_idle_runners",
        Unit::Count,
        MetricsLevel::Full,
        ("scaler", Sent::Always),
        "runners that are alive and have no job",
    ),
    watched(
        "oldest_waiting_job_seconds",
        Unit::Seconds,
        Source::Field("scaler"),
        Sent::Busy,
        "how long the job has waited that has waited longest; pools that are paused do not count",
    ),
    watched(
        "open_breakers",
        Unit::Count,
        Source::Field("scaler"),
        Sent::Trouble,
        "sizes of a pool whose runners do not start, or repositories whose runners GitHub gives nothing: one runner at a time is tried",
    ),
    // A job's beginning.
    of_pool(
        "gha_job_startup_duration_seconds",
        Unit::Seconds,
        MetricsLevel::Basic,
        ("webhook", Sent::Busy),
        "from the moment when GitHub queued a job to the one when a runner began it",
    ),
    phase(
        "wait_delivery_seconds",
        "of that: GitHub sends the delivery",
    ),
    phase(
        "wait_plan_seconds",
        "of that: scaler decides on a runner; limits and failed starts hold it up",
    ),
    phase("wait_launch_seconds", "of that: ECS takes the request"),
    phase(
        "wait_provisioning_seconds",
        "of that: Fargate finds a machine and connects it to the network",
    ),
    phase(
        "wait_image_pull_seconds",
        "of that: the image is downloaded",
    ),
    phase(
        "wait_container_start_seconds",
        "of that: the container is started",
    ),
    phase(
        "wait_boot_seconds",
        "of that: the container asks for its registration",
    ),
    phase(
        "wait_registration_seconds",
        "of that: GitHub registers the runner",
    ),
    phase(
        "wait_assignment_seconds",
        "of that: the runner connects to GitHub, which gives it the job",
    ),
    // A runner's end.
    of_pool(
        "gha_job_execution_duration_seconds",
        Unit::Seconds,
        MetricsLevel::Full,
        ("observer", Sent::Busy),
        "how long a job ran",
    ),
    Metric {
        dimensions: &["pool", "outcome"],
        ..of_pool(
            "ended_runners",
            Unit::Count,
            MetricsLevel::Full,
            ("observer", Sent::Busy),
            "runners that ended, by outcome; `ran` is `gha_completed_jobs_total`",
        )
    },
    of_pool(
        "runner_cost_dollars",
        Unit::None,
        MetricsLevel::Full,
        ("observer", Sent::Busy),
        "what a runner cost",
    ),
    of_pool(
        "runner_waste_dollars",
        Unit::None,
        MetricsLevel::Full,
        ("observer", Sent::Busy),
        "of that: the start-up of one that had a job, and all of one that had none",
    ),
    Metric {
        dimensions: &["pool", "reason"],
        arc: &["gha_controller_failed_ephemeral_runners"],
        ..of_pool(
            "failed_starts",
            Unit::Count,
            MetricsLevel::Basic,
            ("observer", Sent::Trouble),
            "runners that did not start, by kind of failure",
        )
    },
    Metric {
        level: MetricsLevel::Basic,
        dimensions: POOL,
        ..watched(
            "interrupted_jobs",
            Unit::Count,
            Source::Field("observer"),
            Sent::Trouble,
            "jobs whose runner AWS reclaimed",
        )
    },
    watched(
        "refused_runner_versions",
        Unit::Count,
        Source::Field("observer"),
        Sent::Trouble,
        "runners that ended because GitHub refuses their version",
    ),
    // Sweeper's work.
    watched(
        "redelivered_deliveries",
        Unit::Count,
        Source::Field("sweeper"),
        Sent::Trouble,
        "deliveries that GitHub was asked to send again",
    ),
    watched(
        "recovered_jobs",
        Unit::Count,
        Source::Field("sweeper"),
        Sent::Trouble,
        "waiting jobs without a delivery, found by asking GitHub",
    ),
    watched(
        "sweeps",
        Unit::Count,
        Source::Filter("sweeper"),
        Sent::Always,
        "sweeps that came to their end: sweeper's heartbeat",
    ),
    // Other lines.
    watched(
        "errors",
        Unit::Count,
        Source::Filter("every function"),
        Sent::Trouble,
        "lines at `ERROR`: a person has to act",
    ),
    watched(
        "settings_problems",
        Unit::Count,
        Source::Field("every function"),
        Sent::Trouble,
        "lines that say that the pools file, the App's key or the webhook secret cannot be used",
    ),
    watched(
        "github_limits",
        Unit::Count,
        Source::Field("registrar and sweeper"),
        Sent::Trouble,
        "answers by which GitHub told an installation or the App to wait",
    ),
    watched(
        "wrong_signatures",
        Unit::Count,
        Source::Filter("webhook"),
        Sent::Trouble,
        "deliveries that are signed with another secret (401)",
    ),
    watched(
        "failed_deliveries",
        Unit::Count,
        Source::Filter("API"),
        Sent::Trouble,
        "deliveries that were answered 5xx",
    ),
    watched(
        "throttled_requests",
        Unit::Count,
        Source::Filter("API"),
        Sent::Trouble,
        "requests that a route's limit turned away (429)",
    ),
];

/// The metric of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}
