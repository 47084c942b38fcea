//! How starts of one size in one pool went lately, and when the next may be tried.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::assignment::{self, Assignment};
use crate::model::id::{JobId, RepositoryId};
use crate::model::runner::{Runner, RunnerState};
use crate::model::size::Size;
use crate::model::start_failure::{Cause, FailureKind};
use crate::model::story::Reason;
use crate::model::time::Timestamp;
use crate::model::timeouts;

/// A start that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// Why, as far as that is known.
    pub cause: Option<Cause>,
    /// Why, for the user.
    pub reason: Reason,
    /// A task was started, and ended by itself: such a failure costs, and more of them tell nothing
    /// more.
    pub had_task: bool,
}

impl Failure {
    /// A launch that ECS did not take, and its words.
    #[must_use]
    pub fn of_launch(kind: FailureKind, words: &str) -> Self {
        let reason = Reason::Ecs {
            message: words.to_owned(),
        };
        Self {
            kind,
            cause: Cause::in_words(words).filter(|cause| cause.kind() == kind),
            reason,
            had_task: false,
        }
    }
}

/// After this many passing failures in a row only one runner at a time is tried.
const BREAKER_TRANSIENT: u32 = 5;

/// The most runners of a size that may exist at a time without having asked for registration, until
/// one has asked since the definition changed or since the last task that ended before it asked.
pub const UNVERIFIED_MAX: u32 = 5;

/// How starts of one size went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartHealth {
    /// Failures in a row, counted in steps of the wait: all failures of launches made before the
    /// last raise are one.
    #[serde(default)]
    pub failures: u32,
    /// When the wait was raised last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised_at: Option<Timestamp>,
    /// No launch before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// The newest failure's kind; of a configuration error, the first request of a runner is the
    /// only sign that it is mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<FailureKind>,
    /// Why the newest failure of that kind came about, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The newest failure, for the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// One of the failures in a row had a task.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub had_tasks: bool,
    /// The definition that the failures speak against: image, size and role of the launches. A
    /// changed one is tried at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_definition: Option<String>,
    /// The definition under which a runner asked for registration last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_definition: Option<String>,
    /// Runners failed after they had their registration: the next one's request for it shows
    /// nothing, a job does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_registration: bool,
}

impl StartHealth {
    /// True while only one runner at a time is tried.
    #[must_use]
    pub fn breaker_open(&self) -> bool {
        match self.kind {
            Some(FailureKind::Configuration) => self.failures >= 1,
            _ => self.failures >= BREAKER_TRANSIENT,
        }
    }

    /// True if a person must act: until then no try will be better than the last one.
    #[must_use]
    pub fn must_be_corrected(&self) -> bool {
        self.kind == Some(FailureKind::Configuration) && self.breaker_open()
    }

    /// The most runners of this size that may be on their way and unasked, under `definition`.
    ///
    /// What worked before and fails now (a tag that names another image, a role that was changed)
    /// must not cost a whole pool of tasks at each try. Launches that ECS did not take cost
    /// nothing: when there is room again, all of them may go at once.
    #[must_use]
    pub fn max_unverified(&self, definition: &str) -> u32 {
        if self.breaker_open() {
            1
        } else if self.verified_definition.as_deref() == Some(definition)
            && !self.had_tasks
            && !self.after_registration
        {
            u32::MAX
        } else {
            UNVERIFIED_MAX
        }
    }

    /// The health of `definition`: failures of another definition do not count.
    #[must_use]
    pub fn under(self, definition: &str) -> Self {
        match &self.failed_definition {
            Some(failed) if failed != definition => Self {
                verified_definition: self.verified_definition,
                ..Self::default()
            },
            _ => self,
        }
    }

    /// Counts a start that failed under `definition`, as [`StartHealth::failed_definition`] does.
    pub fn record_failure_of(
        &mut self,
        definition: &str,
        launched: Timestamp,
        failure: Failure,
        now: Timestamp,
    ) -> Counted {
        let before = self.clone();
        let mut after = self.clone().under(definition);
        let (corrected, closed) = (!after.must_be_corrected(), !after.breaker_open());
        after.record_failure(launched, failure, now);
        after.failed_definition = Some(definition.to_owned());
        *self = after;
        let words = |health: &Self| Self {
            reason: None,
            cause: None,
            ..health.clone()
        };
        let opened = (corrected && self.must_be_corrected()) || (closed && self.breaker_open());
        Counted {
            changed: words(self) != words(&before),
            opened,
        }
    }

    /// Counts a start that failed; `launched` is when it was sent. Failures of launches that were
    /// made before the last raise are already waited for.
    pub fn record_failure(&mut self, launched: Timestamp, failure: Failure, now: Timestamp) {
        let Failure {
            kind,
            cause,
            reason,
            had_task,
        } = failure;
        self.reason = Some(reason);
        self.had_tasks |= had_task;
        if self.kind != Some(FailureKind::Configuration) || kind == FailureKind::Configuration {
            self.kind = Some(kind);
            self.cause = cause;
        }
        if self.raised_at.is_some_and(|raised| launched <= raised) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.raised_at = Some(now);
        self.not_before = Some(now.plus(back_off(self.failures)));
    }

    /// Writes down that the newest failure came after the registration. True if that is news.
    pub fn record_failure_after_registration(&mut self) -> bool {
        !std::mem::replace(&mut self.after_registration, true)
    }

    /// A runner had a job: the size works, whatever failed. True if that is news.
    pub fn record_job(&mut self, definition: &str) -> bool {
        let news = self.after_registration && self.failed_definition.as_deref() == Some(definition);
        if news {
            *self = Self {
                verified_definition: Some(definition.to_owned()),
                ..Self::default()
            };
        }
        news
    }

    /// A runner asked for its registration: the size works, unless runners failed later than that.
    /// True if that is news.
    pub fn record_success(&mut self, definition: &str) -> bool {
        if self.after_registration && self.failed_definition.as_deref() == Some(definition) {
            return self
                .verified_definition
                .replace(definition.to_owned())
                .as_deref()
                != Some(definition);
        }
        let news = self.failures > 0 || self.verified_definition.as_deref() != Some(definition);
        if news {
            *self = Self {
                verified_definition: Some(definition.to_owned()),
                ..Self::default()
            };
        }
        news
    }

    /// What a person must know once the breaker is open, for the log: what fails, why, and what to
    /// do.
    #[must_use]
    pub fn alarm(&self, size: &Size) -> String {
        let reason = self
            .reason
            .as_ref()
            .map_or_else(|| "the reason is not known".to_owned(), Reason::to_string);
        let what = if self.must_be_corrected() {
            "do not start until the configuration is corrected".to_owned()
        } else {
            format!(
                "have failed to start {} times in a row, one at a time is tried now",
                self.failures
            )
        };
        format!(
            "runners of {size} {what}: {reason}. What to do: {}",
            self.advice()
        )
    }

    /// What a person can do about the failures.
    #[must_use]
    pub fn advice(&self) -> String {
        let fix = self
            .cause
            .map(|cause| format!("{}: {}", cause.what(), cause.fix()));
        match self.kind {
            Some(FailureKind::Quota) => {
                "ask for more Fargate vCPUs in Service Quotas (L-3032A538 on demand, L-36FBB829 Spot), or lower max".to_owned()
            }
            Some(FailureKind::Configuration) => {
                let fix = fix.unwrap_or_else(|| "fix the image, size, role or network".to_owned());
                format!("{fix}; the next apply retries at once")
            }
            Some(FailureKind::Transient) | None => {
                format!(
                    "Mayfly tries again; if it keeps failing: {}",
                    fix.unwrap_or_else(|| "mayfly doctor tries such a start".to_owned())
                )
            }
        }
    }
}

/// What counting a failed start came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Anything but the newest words changed.
    pub changed: bool,
    /// From now on a person must act: the configuration is wrong, or what should pass has lasted
    /// for a quarter of an hour and more. True once, until a runner of the size has asked or its
    /// definition has changed.
    pub opened: bool,
}

/// The wait after `failures` in a row: 1 min, doubling, 30 min at most.
fn back_off(failures: u32) -> Duration {
    timeouts::exponential_backoff(
        timeouts::BACK_OFF_MIN,
        failures.saturating_sub(1),
        timeouts::BACK_OFF_MAX,
    )
}

/// When the runner was chosen for the job that GitHub then did not give it: at its launch, or when
/// a runner of the idle floor, or one whose own job was gone, took the job over.
fn meant_for_it_at(runner: &Runner) -> Timestamp {
    let launched = runner.launch.first_sent_at;
    if runner.reserved == runner.intended {
        launched
    } else {
        runner.last_attempt_at.unwrap_or(launched)
    }
}

/// The health of a pool: one entry per size.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolHealth {
    /// By [`Size`] in its text form.
    #[serde(default)]
    pub sizes: BTreeMap<String, StartHealth>,
    /// Repositories whose runners GitHub gave nothing lately.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assignments: Vec<Assignment>,
}

impl PoolHealth {
    /// The health of a size; that of an untried size if there is none.
    #[must_use]
    pub fn of(&self, size: &Size) -> StartHealth {
        self.sizes
            .get(&size.to_string())
            .cloned()
            .unwrap_or_default()
    }

    /// The health of a size as the open runners show it: one that was launched after the newest
    /// failure and has a job shows that the size works, long before its end is written down.
    #[must_use]
    pub fn of_with(&self, size: &Size, runners: &[Runner]) -> StartHealth {
        let mut health = self.of(size);
        if health.after_registration {
            let later = |runner: &&Runner| {
                runner.size == *size
                    && health
                        .raised_at
                        .is_none_or(|raised| runner.launch.first_sent_at > raised)
            };
            let works = runners.iter().filter(later).find(|runner| runner.at_work());
            if let Some(definition) = works.map(|runner| runner.launch.definition.clone()) {
                health.record_job(&definition);
            }
        }
        health
    }

    /// True for a runner that has yet to show that its size works: it has not asked, or, where
    /// others failed later than that, has no job yet. A parked one shows nothing before there is a
    /// job for it.
    #[must_use]
    pub fn on_trial(&self, runner: &Runner) -> bool {
        let late = || {
            self.sizes
                .get(&runner.size.to_string())
                .is_some_and(|size| size.after_registration)
        };
        match runner.state {
            RunnerState::Registering | RunnerState::Registered => {
                runner.first_polled_at.is_none() || late()
            }
            RunnerState::Requested | RunnerState::Parked | RunnerState::Busy => {
                runner.first_polled_at.is_none()
            }
        }
    }

    /// What is known of runners for a repository that were given nothing.
    #[must_use]
    pub fn assignment(&self, repository: RepositoryId) -> Option<&Assignment> {
        self.assignments
            .iter()
            .find(|assignment| assignment.repository == repository)
    }

    /// Counts a runner that registered for a job of the repository and was given nothing although
    /// the job still waits.
    pub(crate) fn record_not_assigned(
        &mut self,
        runner: &Runner,
        (repository, job): (RepositoryId, JobId),
        now: Timestamp,
    ) -> assignment::Counted {
        let definition = &runner.launch.definition;
        // A changed image starts over.
        self.assignments
            .retain(|known| known.repository != repository || known.definition == *definition);
        if self.assignment(repository).is_none() {
            self.assignments
                .push(Assignment::new(repository, definition, now));
        }
        if self.assignments.len() > assignment::REMEMBERED {
            let oldest = self
                .assignments
                .iter()
                .filter(|known| known.repository != repository)
                .map(|known| (known.at, known.repository))
                .min();
            self.assignments
                .retain(|known| Some((known.at, known.repository)) != oldest);
        }
        let of_repository = self
            .assignments
            .iter_mut()
            .find(|known| known.repository == repository);
        of_repository.map_or(
            assignment::Counted {
                changed: false,
                opened: false,
            },
            |known| known.record_not_assigned(job, meant_for_it_at(runner), now),
        )
    }

    /// A runner was given a job of the repository. True if that is news.
    pub(crate) fn given(&mut self, repository: RepositoryId) -> bool {
        let before = self.assignments.len();
        self.assignments
            .retain(|known| known.repository != repository);
        self.assignments.len() < before
    }

    /// The health of a size, to be changed.
    pub fn of_mut(&mut self, size: &Size) -> &mut StartHealth {
        self.sizes.entry(size.to_string()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(kind: FailureKind, message: &str) -> Failure {
        Failure {
            kind,
            cause: None,
            reason: Reason::Ecs {
                message: message.to_owned(),
            },
            had_task: true,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_burst_of_failures_is_one_wait() {
        let mut health = StartHealth::default();
        for second in 10..30 {
            health.record_failure(
                at(0),
                failure(FailureKind::Transient, "no capacity"),
                at(second),
            );
        }
        assert_eq!((health.failures, health.not_before), (1, Some(at(70))));
    }

    #[test]
    fn a_changed_definition_does_not_wait_for_the_failures_of_the_old_one() {
        let mut health = StartHealth::default();
        let gone = |reason| failure(FailureKind::Configuration, reason);
        assert_eq!(
            health.record_failure_of("old", at(0), gone("no such image"), at(10)),
            Counted {
                changed: true,
                opened: true
            }
        );
        assert_eq!(
            health.record_failure_of("old", at(0), gone("no such image here"), at(11)),
            Counted {
                changed: false,
                opened: false
            }
        );
        assert!(health.clone().under("old").breaker_open());
        let fresh = health.clone().under("new");
        assert_eq!(
            (
                fresh.breaker_open(),
                fresh.not_before,
                fresh.max_unverified("new")
            ),
            (false, None, UNVERIFIED_MAX)
        );
        let passing = health.record_failure_of(
            "new",
            at(20),
            failure(FailureKind::Transient, "no capacity"),
            at(30),
        );
        assert_eq!(
            passing,
            Counted {
                changed: true,
                opened: false
            }
        );
        assert_eq!(
            (health.failures, health.kind),
            (1, Some(FailureKind::Transient))
        );
    }

    #[test]
    fn waits_double_to_half_an_hour() {
        let mut health = StartHealth::default();
        let mut waits = Vec::new();
        let mut now = at(0);
        for _ in 0..7 {
            let launched = now.plus(Duration::from_secs(1));
            now = now.plus(Duration::from_secs(10));
            health.record_failure(launched, failure(FailureKind::Transient, "x"), now);
            waits.push(health.not_before.unwrap().since(now).as_secs() / 60);
            now = health.not_before.unwrap();
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_request_for_registration_shows_nothing_where_runners_fail_after_it() {
        let mut health = StartHealth::default();
        assert!(
            health
                .record_failure_of(
                    "d",
                    at(0),
                    failure(FailureKind::Transient, "exit code 1"),
                    at(10)
                )
                .changed
        );
        assert!(health.record_failure_after_registration());
        assert!(!health.record_failure_after_registration());
        assert_eq!(
            (
                health.record_success("d"),
                health.record_success("d"),
                health.failures,
                health.max_unverified("d")
            ),
            (true, false, 1, UNVERIFIED_MAX)
        );
        for n in 2..=5 {
            assert!(!health.breaker_open(), "{n}");
            assert!(
                health
                    .record_failure_of(
                        "d",
                        at(n * 1_000),
                        failure(FailureKind::Transient, "exit code 1"),
                        at(n * 1_000)
                    )
                    .changed
            );
            assert!(!health.record_success("d"));
        }
        assert_eq!(
            (health.breaker_open(), health.max_unverified("d")),
            (true, 1)
        );
        assert!(!health.record_job("other"));
        assert!(health.record_job("d"));
        assert_eq!(
            (
                health.breaker_open(),
                health.max_unverified("d"),
                health.record_job("d")
            ),
            (false, u32::MAX, false)
        );
    }

    #[test]
    fn a_changed_definition_that_asks_is_not_held_to_what_failed_after_registration() {
        let mut health = StartHealth::default();
        health.record_failure_of(
            "old",
            at(0),
            failure(FailureKind::Configuration, "exit code 7"),
            at(10),
        );
        health.record_failure_after_registration();
        assert_eq!(
            health.clone().under("new").max_unverified("new"),
            UNVERIFIED_MAX
        );
        assert!(health.record_success("new"));
        assert_eq!(
            (
                health.after_registration,
                health.breaker_open(),
                health.max_unverified("new")
            ),
            (false, false, u32::MAX)
        );
    }

    #[test]
    fn the_breaker_opens_after_five_failures_or_one_of_configuration_and_the_first_request_closes_it()
     {
        let mut health = StartHealth::default();
        for n in 1..=5 {
            assert!(!health.breaker_open());
            health.record_failure(
                at(n * 10_000),
                failure(FailureKind::Transient, "x"),
                at(n * 10_000),
            );
        }
        assert_eq!(
            (health.breaker_open(), health.max_unverified("d")),
            (true, 1)
        );
        assert!(health.record_success("d"));
        assert_eq!(
            (
                health.breaker_open(),
                health.max_unverified("d"),
                health.max_unverified("other")
            ),
            (false, u32::MAX, UNVERIFIED_MAX)
        );
        assert!(!health.record_success("d"));
        health.record_failure(
            at(1),
            failure(FailureKind::Configuration, "image not found"),
            at(2),
        );
        assert!(health.breaker_open());
    }

    #[test]
    fn what_worked_and_fails_now_is_tried_by_a_few_until_one_has_asked() {
        let mut health = StartHealth::default();
        health.record_success("d");
        assert_eq!(health.max_unverified("d"), u32::MAX);
        // ECS took no launch: that costs nothing, and says nothing of the image.
        let full = Failure::of_launch(
            FailureKind::Quota,
            "You've reached the limit on the number of vCPUs you can run concurrently",
        );
        health.record_failure_of("d", at(0), full, at(1));
        assert_eq!(health.max_unverified("d"), u32::MAX);
        health.record_failure_of(
            "d",
            at(100),
            failure(FailureKind::Transient, "exit code 1"),
            at(101),
        );
        assert_eq!(health.max_unverified("d"), UNVERIFIED_MAX);
        assert!(health.record_success("d"));
        assert_eq!(health.max_unverified("d"), u32::MAX);
    }

    #[test]
    fn a_person_is_called_once_until_a_runner_has_asked_or_the_definition_has_changed() {
        let mut health = StartHealth::default();
        let wrong = || failure(FailureKind::Configuration, "not found");
        let mut opened = |definition, second, failure| {
            health
                .record_failure_of(definition, at(second), failure, at(second + 1))
                .opened
        };
        assert!(!opened(
            "d",
            0,
            failure(FailureKind::Transient, "no interface")
        ));
        // Of the same wave, so that nothing is raised: the kind is another one all the same.
        assert!(opened("d", 0, wrong()));
        assert!(
            !opened("d", 0, wrong())
                && !opened("d", 100, wrong())
                && !opened("d", 200, failure(FailureKind::Transient, "no interface"))
        );
        assert!(opened("other", 300, wrong()));
        assert!(health.record_success("other"));
        assert!(
            health
                .record_failure_of("other", at(400), wrong(), at(401))
                .opened
        );
    }

    #[test]
    fn passing_failures_call_a_person_once_they_have_lasted() {
        let mut health = StartHealth::default();
        let opened = (1..=20).filter(|n| {
            health
                .record_failure_of(
                    "d",
                    at(n * 10_000),
                    failure(FailureKind::Transient, "x"),
                    at(n * 10_000),
                )
                .opened
        });
        assert_eq!(opened.collect::<Vec<_>>(), [i64::from(BREAKER_TRANSIENT)]);
        assert!(health.breaker_open());
    }

    #[test]
    fn advice_is_of_the_cause() {
        let of = |failure| {
            let mut health = StartHealth::default();
            health.record_failure(at(0), failure, at(1));
            health.advice()
        };
        let pulled = |cause: Cause| Failure {
            cause: Some(cause),
            ..failure(cause.kind(), "x")
        };
        assert!(of(pulled(Cause::WrongArchitecture)).contains("buildx"));
        assert!(of(pulled(Cause::Ended)).contains("mayfly logs"));
        assert!(!of(failure(FailureKind::Transient, "x")).contains("mayfly logs"));
        assert!(
            of(Failure::of_launch(
                FailureKind::Configuration,
                "ClientException: Role is not valid"
            ))
            .contains("TaskRolePath")
        );
        assert!(of(failure(FailureKind::Configuration, "x")).starts_with("fix the image"));
    }

    /// The probe met no capacity: what must be corrected is what it was.
    #[test]
    fn advice_stays_that_of_what_must_be_corrected() {
        let mut health = StartHealth::default();
        let wrong = Failure {
            cause: Some(Cause::ImageNotFound),
            ..failure(FailureKind::Configuration, "x")
        };
        health.record_failure(at(0), wrong, at(1));
        health.record_failure(
            at(100),
            Failure {
                cause: Some(Cause::NoInterface),
                ..failure(FailureKind::Transient, "y")
            },
            at(101),
        );
        assert_eq!(health.cause, Some(Cause::ImageNotFound));
    }
}
