//! Many launches at once, no faster than Fargate takes them, and over by a deadline.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use mayfly_domain::id::RunnerId;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::launch::{LaunchAnswer, Launcher};
use crate::request::LaunchRequest;

/// RunTask calls on Fargate: a second, sustained and at once, for account and region. Source: ECS developer guide, throttling quotas of Fargate.
const CALLS: u32 = 20;

/// Calls under way at a time. A call takes a second at most, so more would only wait for each other's connections.
const UNDER_WAY: usize = 20;

/// A call without an answer after this time is given up; the launch is unsure then.
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// Nothing is begun so shortly before the deadline: a call that is cut off costs the launch a wait, one that was not made costs nothing.
const BEGIN_MARGIN: Duration = Duration::from_secs(2);

/// Sends of one launch in one run.
const TRIES: u32 = 3;

/// A bucket of calls. One for each process: it outlives the runs, as AWS's own bucket does.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the bucket would be full again, if nothing more is taken.
    full_at: Mutex<Option<Instant>>,
}

impl Pace {
    /// Takes a call out of the bucket: when it may begin, or none if that is later than `last`.
    fn reserve(&self, now: Instant, last: Instant) -> Option<Instant> {
        let interval = Duration::from_secs(1) / CALLS;
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next = full_at.unwrap_or(now).max(now) + interval;
        let begin = next.checked_sub(interval * CALLS).map_or(now, |begin| begin.max(now));
        (begin < last).then(|| {
            *full_at = Some(next);
            begin
        })
    }

    /// Empties the bucket: somebody else uses the same one.
    fn drain(&self, now: Instant) {
        *self.full_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(now + Duration::from_secs(1));
    }
}

/// One launch to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The runner.
    pub runner: RunnerId,
    /// The request in its row.
    pub request: LaunchRequest,
    /// The `clientToken` of its current try.
    pub client_token: String,
}

/// What became of one launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was sent, and this is known now.
    Answered(LaunchAnswer),
    /// It was not sent: no time was left.
    NotSent,
}

/// Sends launches, the first ones first, until `deadline`. When it returns, no call is under way: one that had no answer by then is given up, and
/// its launch [unsure](LaunchAnswer::Unsure). Throttled and broken calls are sent again while there is time. The order of the answers is that of
/// their arrival.
pub async fn launch_all(launcher: &dyn Launcher, pace: &Pace, sendings: Vec<Sending>, deadline: Instant) -> Vec<(RunnerId, Sent)> {
    stream::iter(sendings)
        .map(|sending| async move {
            let sent = send(launcher, pace, &sending, deadline).await;
            (sending.runner, sent)
        })
        .buffer_unordered(UNDER_WAY)
        .collect()
        .await
}

async fn send(launcher: &dyn Launcher, pace: &Pace, sending: &Sending, deadline: Instant) -> Sent {
    let last = deadline.checked_sub(BEGIN_MARGIN).unwrap_or(deadline);
    let mut sent = Sent::NotSent;
    for _ in 0..TRIES {
        let Some(begin) = pace.reserve(Instant::now(), last) else { break };
        sleep_until(begin).await;
        let end = deadline.min(Instant::now() + CALL_LIMIT);
        let call = timeout_at(end, launcher.launch(&sending.request, &sending.client_token));
        let answer = call.await.unwrap_or_else(|_| {
            tracing::warn!(runner.address = %sending.request.runner, "a launch had no answer in time");
            LaunchAnswer::Unsure { reason: "no answer in time".to_owned(), retry_after: None }
        });
        let LaunchAnswer::Unsure { retry_after: Some(wait), .. } = answer else { return Sent::Answered(answer) };
        sent = Sent::Answered(answer);
        if wait >= Duration::from_secs(1) {
            pace.drain(Instant::now());
        }
        // Half to three halves of the wait: several scalers are told to wait at the same time.
        let again = Instant::now() + wait.mul_f64(0.5 + fastrand::f64());
        if again >= last {
            break;
        }
        sleep_until(again).await;
    }
    sent
}
