//! What is sent to ECS besides new launches: launches that an earlier run left unanswered.

use crate::model::runner::Runner;
use crate::model::time::Timestamp;
use crate::model::timeouts;

/// Launches of earlier runs without an answer that one run sends again at most: ECS takes 20
/// RunTask calls a second (ECS API request throttling), and a run has some twelve seconds for them.
pub const MOST_AGAIN: usize = 200;

/// What an earlier run left to be sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToSend {
    /// Rows that are marked, of this run and of earlier ones: their tasks are stopped.
    pub marked: Vec<Runner>,
    /// Rows whose launch was sent and not answered, those first that wait for longest: it is sent
    /// again.
    pub unanswered: Vec<Runner>,
    /// There are more of them than one run can send.
    pub more: bool,
}

/// What of these rows is to be sent. `marked`: rows as this run marked them.
#[must_use]
pub fn to_send(rows: &[Runner], marked: Vec<Runner>, now: Timestamp) -> ToSend {
    let marked_before = rows
        .iter()
        .filter(|runner| runner.stop.is_some() && runner.state.unregistered());
    let is_marked = |runner: &Runner| marked.iter().any(|marked| marked.id == runner.id);
    let mut unanswered: Vec<Runner> = rows
        .iter()
        .filter(|runner| is_unanswered(runner, now) && !is_marked(runner))
        .cloned()
        .collect();
    unanswered.sort_by(|one, other| {
        (one.launch.sent_at, &one.id).cmp(&(other.launch.sent_at, &other.id))
    });
    let more = unanswered.len() > MOST_AGAIN;
    unanswered.truncate(MOST_AGAIN);
    ToSend {
        marked: marked_before.cloned().chain(marked).collect(),
        unanswered,
        more,
    }
}

/// True if a row's launch is to be sent again: it was not answered in time, and ECS still honours
/// its token.
fn is_unanswered(runner: &Runner, now: Timestamp) -> bool {
    let launch = &runner.launch;
    runner.arn.is_none()
        && runner.stop.is_none()
        && !launch.given_up
        && now.since(launch.sent_at) > timeouts::RESEND_AFTER
        && now.since(launch.first_sent_at) < timeouts::SEND_WITHIN
}
