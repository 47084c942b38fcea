//! Many launches at once, no faster than Fargate takes them, and over by a deadline.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use mayfly_domain::model::id::RunnerId;
use mayfly_domain::model::timeouts;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::request::LaunchRequest;
use crate::run_task::{LaunchAnswer, RunTask};

/// RunTask calls on Fargate: a second, sustained and at once, for account and region. Source: ECS
/// developer guide, throttling quotas of Fargate.
const CALLS: u32 = 20;

/// Calls under way at a time: as many as one plan launches. A call that ECS is slow to answer must
/// not keep others from being made.
const UNDER_WAY: usize = 40;

/// Nothing is begun so shortly before the deadline: a call that is cut off costs the launch a wait,
/// one that was not made costs nothing.
const BEGIN_MARGIN: Duration = Duration::from_secs(2);

/// Sends of one launch in one run.
const TRIES: u32 = 3;

/// A bucket of calls. One for each process: it outlives the runs, as AWS's own bucket does.
#[derive(Debug, Default)]
pub struct RateLimiter {
    /// When the bucket would be full again, if nothing more is taken.
    full_at: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// Takes a call out of the bucket: when it may begin, or none if that is later than `last`.
    fn reserve(&self, now: Instant, last: Instant) -> Option<Instant> {
        let interval = Duration::from_secs(1) / CALLS;
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = full_at.unwrap_or(now).max(now) + interval;
        let begin = next
            .checked_sub(interval * CALLS)
            .map_or(now, |begin| begin.max(now));
        (begin < last).then(|| {
            *full_at = Some(next);
            begin
        })
    }

    /// Empties the bucket: someone else uses the same one.
    fn drain(&self, now: Instant) {
        *self.full_at.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(now + Duration::from_secs(1));
    }
}

/// One launch to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchAttempt {
    /// The runner.
    pub runner: RunnerId,
    /// The request in its row.
    pub request: LaunchRequest,
    /// The `clientToken` of its current try.
    pub client_token: String,
}

/// What became of one launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaunchOutcome {
    /// It was sent, and this is known now.
    Answered(LaunchAnswer),
    /// It was not sent: no time was left.
    NotSent,
}

/// Sends launches, the first ones first, until `deadline`. When it returns, no call is under way:
/// one that had no answer by then is given up, and its launch [unsure](LaunchAnswer::Unsure).
/// Throttled and broken calls are sent again while there is time. The order of the answers is that
/// of their arrival.
pub async fn launch_all(
    launcher: &dyn RunTask,
    pace: &RateLimiter,
    sendings: Vec<LaunchAttempt>,
    deadline: Instant,
) -> Vec<(RunnerId, LaunchOutcome)> {
    stream::iter(sendings)
        .map(|sending| async move {
            let sent = send(launcher, pace, &sending, deadline).await;
            (sending.runner, sent)
        })
        .buffer_unordered(UNDER_WAY)
        .collect()
        .await
}

async fn send(
    launcher: &dyn RunTask,
    pace: &RateLimiter,
    sending: &LaunchAttempt,
    deadline: Instant,
) -> LaunchOutcome {
    let last = deadline.checked_sub(BEGIN_MARGIN).unwrap_or(deadline);
    let mut sent = LaunchOutcome::NotSent;
    for _ in 0..TRIES {
        let Some(begin) = pace.reserve(Instant::now(), last) else {
            break;
        };
        sleep_until(begin).await;
        let answer = one_call(launcher, sending, deadline).await;
        if matches!(
            answer,
            LaunchAnswer::Unsure {
                may_have_started: false,
                ..
            }
        ) {
            pace.drain(Instant::now());
        }
        let answer = after(&sent, answer);
        let LaunchAnswer::Unsure {
            retry_after: Some(wait),
            ..
        } = answer
        else {
            return LaunchOutcome::Answered(answer);
        };
        sent = LaunchOutcome::Answered(answer);
        // Half to three halves of the wait: ECS throttles several scalers at the same time.
        let again = Instant::now() + wait.mul_f64(0.5 + fastrand::f64());
        if again >= last {
            break;
        }
        sleep_until(again).await;
    }
    sent
}

async fn one_call(
    launcher: &dyn RunTask,
    sending: &LaunchAttempt,
    deadline: Instant,
) -> LaunchAnswer {
    let end = deadline.min(Instant::now() + timeouts::RUN_TASK);
    timeout_at(
        end,
        launcher.launch(&sending.request, &sending.client_token),
    )
    .await
    .unwrap_or_else(|_| {
        tracing::warn!(runner.address = %sending.request.runner, "a launch had no answer in time");
        LaunchAnswer::Unsure {
            reason: "no answer in time".to_owned(),
            retry_after: None,
            may_have_started: true,
        }
    })
}

/// What is known after an answer, given what was known before: a refusal of this call proves
/// nothing about an earlier, unanswered one.
fn after(before: &LaunchOutcome, answer: LaunchAnswer) -> LaunchAnswer {
    let LaunchOutcome::Answered(LaunchAnswer::Unsure {
        reason: earlier,
        may_have_started: true,
        ..
    }) = before
    else {
        return answer;
    };
    match answer {
        LaunchAnswer::Started(arn) => LaunchAnswer::Started(arn),
        LaunchAnswer::Failed { reason, .. } => LaunchAnswer::Unsure {
            reason: format!("{reason}; before that: {earlier}"),
            retry_after: None,
            may_have_started: true,
        },
        LaunchAnswer::Unsure {
            reason,
            retry_after,
            ..
        } => LaunchAnswer::Unsure {
            reason,
            retry_after,
            may_have_started: true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use mayfly_domain::model::id::TaskArn;

    /// An ECS that takes its time, gives answers of its own to the first calls, and keeps when each
    /// call came.
    struct Ecs {
        takes: Duration,
        first: Vec<LaunchAnswer>,
        calls: Mutex<Vec<Duration>>,
        since: Instant,
    }

    impl Ecs {
        fn taking(takes: Duration) -> Self {
            Self {
                takes,
                first: Vec::new(),
                calls: Mutex::default(),
                since: Instant::now(),
            }
        }

        fn calls(&self) -> Vec<Duration> {
            self.calls.lock().unwrap().clone()
        }

        async fn launch_all(
            &self,
            pace: &RateLimiter,
            launches: usize,
            within: Duration,
        ) -> Vec<LaunchOutcome> {
            let sent = launch_all(self, pace, sendings(launches), Instant::now() + within).await;
            sent.into_iter().map(|(_, sent)| sent).collect()
        }
    }

    #[async_trait]
    impl RunTask for Ecs {
        async fn launch(&self, _: &LaunchRequest, client_token: &str) -> LaunchAnswer {
            let call = {
                let mut calls = self.calls.lock().unwrap();
                calls.push(self.since.elapsed());
                calls.len()
            };
            tokio::time::sleep(self.takes).await;
            self.first
                .get(call - 1)
                .cloned()
                .unwrap_or_else(|| LaunchAnswer::Started(TaskArn(client_token.into())))
        }
    }

    fn throttled() -> LaunchAnswer {
        LaunchAnswer::Unsure {
            reason: "Rate exceeded".into(),
            retry_after: Some(Duration::from_secs(1)),
            may_have_started: false,
        }
    }

    fn broken() -> LaunchAnswer {
        LaunchAnswer::Unsure {
            reason: "connection lost".into(),
            retry_after: Some(Duration::from_millis(200)),
            may_have_started: true,
        }
    }

    fn refused() -> LaunchAnswer {
        LaunchAnswer::Failed {
            kind: crate::LaunchFailure::Configuration,
            reason: "no such role".into(),
            no_place: false,
        }
    }

    fn sendings(count: usize) -> Vec<LaunchAttempt> {
        (0..count)
            .map(|n| {
                let runner: RunnerId = format!("{n:026}").parse().unwrap();
                let request = serde_json::json!({
                    "runner": { "pool": "linux", "runner": runner }, "definition": "d", "cluster": "c", "capacity": "ondemand",
                    "placement": { "capacity": "ondemand" }, "network": { "subnets": ["s"], "security_groups": [], "public_ip": true },
                    "resources": { "cpu": 256, "memory_mib": 512 }, "task_role": "r", "execution_role": "e", "environment": {}, "tags": {},
                });
                LaunchAttempt {
                    client_token: format!("{runner}-1"),
                    runner,
                    request: LaunchRequest::from_json(&request.to_string()).unwrap(),
                }
            })
            .collect()
    }

    fn count(sent: &[LaunchOutcome], which: impl Fn(&LaunchOutcome) -> bool) -> usize {
        sent.iter().filter(|sent| which(sent)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_has_more_calls_than_fargate_takes() {
        let ecs = Ecs::taking(Duration::from_millis(300));
        let sent = ecs
            .launch_all(&RateLimiter::default(), 100, Duration::from_secs(15))
            .await;
        assert_eq!(
            count(&sent, |sent| matches!(
                sent,
                LaunchOutcome::Answered(LaunchAnswer::Started(_))
            )),
            100
        );
        // A full bucket at first, then 20 a second: 20 + 20 × 4 within 4 s.
        for second in 1..=5_u32 {
            let within = ecs
                .calls()
                .iter()
                .filter(|at| **at <= Duration::from_secs(second.into()))
                .count();
            assert!(
                within <= 20 + 20 * usize::try_from(second).unwrap(),
                "{within} in {second} s"
            );
        }
        assert!(ecs.since.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_outlives_a_run() {
        let (ecs, pace) = (Ecs::taking(Duration::ZERO), RateLimiter::default());
        ecs.launch_all(&pace, 20, Duration::from_secs(15)).await;
        ecs.launch_all(&pace, 1, Duration::from_secs(15)).await;
        assert_eq!(ecs.calls()[20], Duration::from_millis(50));
    }

    #[tokio::test(start_paused = true)]
    async fn what_there_is_no_time_for_is_not_sent_and_the_first_ones_are() {
        let ecs = Ecs::taking(Duration::from_millis(100));
        let sent = launch_all(
            &ecs,
            &RateLimiter::default(),
            sendings(200),
            Instant::now() + Duration::from_secs(4),
        )
        .await;
        let begun: Vec<_> = sent
            .iter()
            .filter(|(_, sent)| *sent != LaunchOutcome::NotSent)
            .map(|(runner, _)| runner.as_str())
            .collect();
        assert_eq!(begun.len(), ecs.calls().len());
        assert!((40..=60).contains(&begun.len()), "{}", begun.len());
        assert!(
            begun
                .iter()
                .all(|runner| runner.parse::<usize>().unwrap() < 60)
        );
        assert!(ecs.since.elapsed() < Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_under_way_at_the_deadline_is_given_up_and_unsure() {
        let ecs = Ecs::taking(Duration::from_secs(60));
        let sent = ecs
            .launch_all(&RateLimiter::default(), 3, Duration::from_secs(3))
            .await;
        assert_eq!(
            count(&sent, |sent| matches!(
                sent,
                LaunchOutcome::Answered(LaunchAnswer::Unsure { .. })
            )),
            3
        );
        assert_eq!(ecs.since.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_never_answered_is_given_up_after_its_limit_however_much_time_is_left() {
        let ecs = Ecs::taking(Duration::from_secs(600));
        let sent = ecs
            .launch_all(&RateLimiter::default(), 1, Duration::from_secs(60))
            .await;
        // Not sent again in this run: a later one does, when the first send's fate may be seen.
        assert!(
            matches!(
                sent[0],
                LaunchOutcome::Answered(LaunchAnswer::Unsure {
                    may_have_started: true,
                    ..
                })
            ),
            "{sent:?}"
        );
        assert_eq!(
            (ecs.calls().len(), ecs.since.elapsed()),
            (1, mayfly_domain::model::timeouts::RUN_TASK)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn throttled_launches_are_sent_again_within_the_run() {
        let ecs = Ecs {
            first: vec![throttled(); 5],
            ..Ecs::taking(Duration::from_millis(100))
        };
        let sent = ecs
            .launch_all(&RateLimiter::default(), 10, Duration::from_secs(15))
            .await;
        assert_eq!(
            count(&sent, |sent| matches!(
                sent,
                LaunchOutcome::Answered(LaunchAnswer::Started(_))
            )),
            10
        );
        assert_eq!(ecs.calls().len(), 15);
    }

    #[tokio::test(start_paused = true)]
    async fn throttled_again_and_again_ends_unsure_after_three_tries() {
        let ecs = Ecs {
            first: vec![throttled(); 9],
            ..Ecs::taking(Duration::from_millis(100))
        };
        let sent = ecs
            .launch_all(&RateLimiter::default(), 1, Duration::from_secs(60))
            .await;
        assert!(matches!(
            sent[0],
            LaunchOutcome::Answered(LaunchAnswer::Unsure { .. })
        ));
        assert_eq!(ecs.calls().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_without_time_sends_nothing() {
        let ecs = Ecs::taking(Duration::ZERO);
        let sent = ecs
            .launch_all(&RateLimiter::default(), 2, Duration::from_secs(1))
            .await;
        assert_eq!(
            (
                count(&sent, |sent| *sent == LaunchOutcome::NotSent),
                ecs.calls().len()
            ),
            (2, 0)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_no_after_a_call_without_answer_says_nothing_about_that_one() {
        for (first, sure) in [(broken(), false), (throttled(), true)] {
            let ecs = Ecs {
                first: vec![first.clone(), refused()],
                ..Ecs::taking(Duration::from_millis(100))
            };
            let sent = ecs
                .launch_all(&RateLimiter::default(), 1, Duration::from_secs(15))
                .await;
            assert_eq!(
                sent[0] == LaunchOutcome::Answered(refused()),
                sure,
                "{first:?}: {sent:?}"
            );
            assert_eq!(ecs.calls().len(), 2);
        }
    }

    #[test]
    fn doubt_stays_until_a_task_is_known() {
        let before = LaunchOutcome::Answered(broken());
        assert!(matches!(
            after(&before, throttled()),
            LaunchAnswer::Unsure {
                may_have_started: true,
                ..
            }
        ));
        let started = LaunchAnswer::Started(TaskArn("t".into()));
        assert_eq!(after(&before, started.clone()), started);
        assert_eq!(after(&LaunchOutcome::NotSent, refused()), refused());
    }

    /// Someone else uses the account's bucket, too: it has nothing saved up, whatever ours says.
    #[tokio::test(start_paused = true)]
    async fn after_a_throttle_nothing_is_saved_up() {
        let (ecs, pace) = (
            Ecs {
                first: vec![throttled()],
                ..Ecs::taking(Duration::ZERO)
            },
            RateLimiter::default(),
        );
        let end = Duration::from_millis(2_100);
        ecs.launch_all(&pace, 1, end).await;
        let begun = ecs.calls().len();
        ecs.launch_all(&pace, 10, Duration::from_secs(15)).await;
        let later = &ecs.calls()[begun..];
        let apart: Vec<Duration> = later.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(apart, [Duration::from_millis(50); 9], "{later:?}");
    }

    /// The wait that ECS asks for is half as long to half as long again: most of these have time
    /// for one more try only.
    #[tokio::test(start_paused = true)]
    async fn no_try_is_begun_so_late_that_it_is_cut_off() {
        for seed in 0..50 {
            fastrand::seed(seed);
            let ecs = Ecs {
                first: vec![throttled(); 5],
                ..Ecs::taking(Duration::ZERO)
            };
            let within = Duration::from_secs(3);
            ecs.launch_all(&RateLimiter::default(), 1, within).await;
            let last = within - BEGIN_MARGIN;
            assert!(
                ecs.calls().iter().all(|at| *at < last) && ecs.since.elapsed() < last,
                "{:?}, over after {:?}",
                ecs.calls(),
                ecs.since.elapsed()
            );
        }
    }
}
