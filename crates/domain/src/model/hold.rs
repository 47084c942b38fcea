//! Why no runner is started for a job now, as its waiting row keeps it and as a user reads it.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::id::{InstallationId, PoolName};
use crate::model::story::Reason;
use crate::model::time::Timestamp;

/// Why no runner is started for a job now.
///
/// In a waiting row, which must stay small, a letter and a number: `m20`, `w1795356180`. The pool,
/// the installation and the last failure's words are not repeated there: the code that shows the
/// reason has them already ([`HoldReason::in_words`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldReason {
    /// Its own wait is not over, or GitHub must be asked about it first. Its record says why.
    Job,
    /// The pool is at its `max`, this one.
    PoolMax(u32),
    /// The repository is at the pool's `max_per_repository`, this one.
    RepositoryMax(u32),
    /// GitHub told the installation to wait until then.
    GithubLimit(Timestamp),
    /// Starts of this size failed; the next one is tried then.
    FailedStarts(Timestamp),
    /// Starts of this size failed, or its definition is new: so many are on their way, and only if
    /// one of them asks for its registration do more follow.
    Unverified(u32),
    /// GitHub gave runners for its repository nothing, several times in a row: one at a time is
    /// tried, the next one not before then.
    NotAssigned(Timestamp),
    /// GitHub refuses runners for its repository, or of its labels and group: one job is tried for
    /// all that wait there, not before then.
    Refused(Timestamp),
    /// ECS could not be asked for the definition of its task; the next look asks again.
    NoAnswer,
    /// This run has sent all it can; the next one goes on.
    ThisRun,
}

impl HoldReason {
    /// True for what is written into the waiting row. Of the others, one is in the job's record,
    /// and one lasts a moment only.
    #[must_use]
    pub fn is_written(self) -> bool {
        !matches!(self, Self::Job | Self::ThisRun)
    }

    /// The hold that a waiting row has from now on, given the hold that the plan has for its job
    /// and the row's hold so far. None if a runner is starting for the job or the job's record has
    /// the reason. A job whose turn comes in a moment keeps its hold: the cause is over, or comes
    /// back by itself.
    #[must_use]
    pub fn written(planned: Option<Self>, before: Option<Self>) -> Option<Self> {
        if planned == Some(Self::ThisRun) {
            return before;
        }
        planned.filter(|hold| hold.is_written()).map(Self::kept)
    }

    /// The reason without what it says of itself, as docs and logs name it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::PoolMax(_) => "pool_max",
            Self::RepositoryMax(_) => "repository_max",
            Self::GithubLimit(_) => "github_limit",
            Self::FailedStarts(_) => "failed_starts",
            Self::Unverified(_) => "unverified",
            Self::NotAssigned(_) => "not_assigned",
            Self::Refused(_) => "refused",
            Self::NoAnswer => "no_answer",
            Self::ThisRun => "this_run",
        }
    }

    /// The reason in words for the user. `failure` is the newest failed start of the job's size, as
    /// the pool's health has it.
    #[must_use]
    pub fn in_words(
        self,
        pool: &PoolName,
        installation: InstallationId,
        failure: Option<&Reason>,
    ) -> String {
        let because = failure
            .map(|failure| format!(" ({failure})"))
            .unwrap_or_default();
        match self {
            Self::Job => "it waits for its next try".to_owned(),
            Self::PoolMax(0) => format!("pool {pool} is paused (max = 0)"),
            Self::PoolMax(max) => format!("pool {pool} is at its max of {max}"),
            Self::RepositoryMax(max) => {
                format!("its repository is at the max_per_repository of {max} of pool {pool}")
            }
            Self::GithubLimit(until) => format!(
                "GitHub told installation {installation} to wait until {}",
                clock(until)
            ),
            Self::FailedStarts(until) => format!(
                "runners of its size do not start: the next one is tried at {}{because}",
                clock(until)
            ),
            Self::Unverified(1) => {
                format!(
                    "one runner of its size is on trial, more are started once it asks for its registration{because}"
                )
            }
            Self::Unverified(most) => {
                format!(
                    "{most} runners of its size are on trial, more are started once one of them asks for its registration{because}"
                )
            }
            Self::NotAssigned(at) => {
                format!(
                    "GitHub gave no job to the runners of its repository: one at a time is tried, the next one not before {}",
                    clock(at)
                )
            }
            Self::Refused(at) => {
                format!(
                    "GitHub refuses runners like its own: another job is tried first, not before {}",
                    clock(at)
                )
            }
            Self::NoAnswer => {
                "ECS did not answer about its task definition; ECS is asked again".to_owned()
            }
            Self::ThisRun => "runners are started for other jobs first".to_owned(),
        }
    }

    fn code(self) -> String {
        match self {
            Self::Job => "j".to_owned(),
            Self::PoolMax(max) => format!("m{max}"),
            Self::RepositoryMax(max) => format!("r{max}"),
            Self::GithubLimit(until) => format!("g{}", until.seconds()),
            Self::FailedStarts(until) => format!("w{}", until.seconds()),
            Self::Unverified(most) => format!("u{most}"),
            Self::NotAssigned(at) => format!("n{}", at.seconds()),
            Self::Refused(at) => format!("x{}", at.seconds()),
            Self::NoAnswer => "e".to_owned(),
            Self::ThisRun => "t".to_owned(),
        }
    }

    fn of_code(code: &str) -> Option<Self> {
        let mut letters = code.chars();
        let (letter, number) = (letters.next()?, letters.as_str());
        let time = || {
            number
                .parse()
                .ok()
                .map(|seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000)))
        };
        Some(match letter {
            'j' => Self::Job,
            'm' => Self::PoolMax(number.parse().ok()?),
            'r' => Self::RepositoryMax(number.parse().ok()?),
            'g' => Self::GithubLimit(time()?),
            'w' => Self::FailedStarts(time()?),
            'u' => Self::Unverified(number.parse().ok()?),
            'n' => Self::NotAssigned(time()?),
            'x' => Self::Refused(time()?),
            'e' => Self::NoAnswer,
            't' => Self::ThisRun,
            _ => return None,
        })
    }

    /// The reason as a row keeps it: times to the second, rounded up so that they are not over
    /// before their time.
    #[must_use]
    pub fn kept(self) -> Self {
        let up = |at: Timestamp| {
            Timestamp::from_millis(at.plus(Duration::from_millis(999)).seconds() * 1000)
        };
        match self {
            Self::GithubLimit(until) => Self::GithubLimit(up(until)),
            Self::FailedStarts(until) => Self::FailedStarts(up(until)),
            Self::NotAssigned(until) => Self::NotAssigned(up(until)),
            Self::Refused(until) => Self::Refused(up(until)),
            other => other,
        }
    }
}

impl Serialize for HoldReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.code())
    }
}

impl<'de> Deserialize<'de> for HoldReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::of_code(&code).ok_or_else(|| {
            serde::de::Error::custom(format!("{code:?} is not a reason that this version knows"))
        })
    }
}

/// Reads a row's reason; one that a later version wrote is none, since it must not keep the row
/// from being read.
pub(crate) fn lenient<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<HoldReason>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?
        .as_deref()
        .and_then(HoldReason::of_code))
}

/// The time of day, in UTC.
fn clock(at: Timestamp) -> String {
    let minutes = at.seconds().div_euclid(60).rem_euclid(24 * 60);
    format!("{:02}:{:02} UTC", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1_795_356_180_000);

    const ALL: [HoldReason; 10] = [
        HoldReason::Job,
        HoldReason::PoolMax(20),
        HoldReason::RepositoryMax(5),
        HoldReason::GithubLimit(AT),
        HoldReason::FailedStarts(AT),
        HoldReason::Unverified(5),
        HoldReason::NotAssigned(AT),
        HoldReason::Refused(AT),
        HoldReason::NoAnswer,
        HoldReason::ThisRun,
    ];

    #[test]
    fn every_reason_is_read_back_as_it_was_written() {
        for hold in ALL {
            assert_eq!(HoldReason::of_code(&hold.code()), Some(hold));
            assert!(hold.code().len() <= 11, "{hold:?}");
        }
    }

    #[test]
    fn what_no_version_wrote_is_no_reason() {
        for code in ["", "z", "m", "mx", "g", "w1.5", "u-1"] {
            assert_eq!(HoldReason::of_code(code), None, "{code}");
        }
    }

    #[test]
    fn a_kept_time_is_never_over_too_early() {
        let late = AT.plus(Duration::from_millis(1));
        assert_eq!(
            HoldReason::FailedStarts(late).kept(),
            HoldReason::FailedStarts(AT.plus(Duration::from_secs(1)))
        );
        assert_eq!(
            HoldReason::FailedStarts(AT).kept(),
            HoldReason::FailedStarts(AT)
        );
    }

    #[test]
    fn a_row_says_what_was_planned_as_it_is_kept_and_nothing_that_is_over_in_a_moment() {
        let before = Some(HoldReason::PoolMax(20));
        let late = HoldReason::FailedStarts(AT.plus(Duration::from_millis(1)));
        let kept = late.kept();
        assert_ne!(late, kept);
        for (planned, after) in [
            (Some(HoldReason::ThisRun), before),
            (Some(HoldReason::Job), None),
            (None, None),
            (Some(late), Some(kept)),
            (before, before),
        ] {
            assert_eq!(HoldReason::written(planned, before), after, "{planned:?}");
        }
        assert_eq!(
            HoldReason::written(Some(late), Some(kept)),
            Some(kept),
            "a row that says so already is written once"
        );
    }

    #[test]
    fn words_say_what_a_user_can_act_on() {
        let pool: PoolName = "linux".parse().unwrap();
        let failure = Reason::Ecs {
            message: "CannotPullContainerError: not found".to_owned(),
        };
        let words = |hold: HoldReason| hold.in_words(&pool, InstallationId(7), Some(&failure));
        assert_eq!(
            words(HoldReason::PoolMax(20)),
            "pool linux is at its max of 20"
        );
        assert_eq!(
            words(HoldReason::PoolMax(0)),
            "pool linux is paused (max = 0)"
        );
        assert_eq!(
            words(HoldReason::GithubLimit(AT)),
            "GitHub told installation 7 to wait until 14:03 UTC"
        );
        assert_eq!(
            words(HoldReason::FailedStarts(AT)),
            "runners of its size do not start: the next one is tried at 14:03 UTC (CannotPullContainerError: not found)"
        );
        assert!(ALL.iter().all(|hold| !words(*hold).is_empty()));
    }
}
