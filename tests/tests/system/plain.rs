//! What happens when nothing goes wrong.

use mayfly_domain::job::JobState;
use mayfly_domain::runner::Outcome;

use crate::told::{begin, queue_one, rest, story, until};

#[tokio::test(start_paused = true)]
async fn one_queued_job_becomes_one_runner() {
    let system = begin(1);
    let job = queue_one(&system);
    until(&system, 120, "the job is done", |system| system.all_done(&[job])).await;
    rest(&system, 60).await;
    let closed = system.closed_runners();
    assert_eq!(closed.iter().map(|runner| (runner.outcome, runner.intended)).collect::<Vec<_>>(), [(Some(Outcome::Ran), Some(job))]);
    let record = system.job(job).unwrap();
    assert_eq!((record.state, record.runner.as_ref()), (JobState::Closed, Some(&closed[0].id)), "{}", story(&system));
    assert_eq!(system.launched_and_most_live(), (1, 1));
}
