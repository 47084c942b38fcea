//! The phases of a job's wait sum to it, whatever the three clocks say.

use std::time::Duration;

use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::job_timeline::{Clock, JobTimeline, Phase, Step};
use mayfly_domain::model::runner::{Runner, Timeline};
use mayfly_domain::model::time::Timestamp;
use proptest::prelude::*;

use crate::fixture::builders::{NOW, job, record_of, requested};

fn at(seconds: i64) -> Timestamp {
    NOW.plus(Duration::from_secs(3600))
        .minus(Duration::from_secs(u64::try_from(3600 - seconds).unwrap()))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A job that was queued at 0, was over at 360, and ran on a runner that was started for it.
fn usual() -> (JobRecord, Runner) {
    let record = JobRecord {
        queued_at: at(0),
        received_at: at(2),
        running_at: Some(at(60)),
        closed_at: Some(at(360)),
        ..record_of(&job(1))
    };
    let runner = Runner {
        requested_at: at(3),
        timeline: Timeline {
            created: Some(at(4)),
            pull_started: Some(at(20)),
            pull_stopped: Some(at(40)),
            started: Some(at(45)),
            stopping: Some(at(363)),
            stopped: Some(at(375)),
        },
        first_polled_at: Some(at(47)),
        registered_at: Some(at(50)),
        ..requested(1)
    };
    (record, runner)
}

fn phases(timeline: &JobTimeline) -> Vec<(Phase, u64)> {
    timeline
        .phases()
        .iter()
        .map(|one| (one.phase, one.took.as_secs()))
        .collect()
}

#[test]
fn a_usual_jobs_phases_are_told_each_by_the_clock_that_knows() {
    let (record, runner) = usual();
    let timeline = JobTimeline::of(&record, Some(&runner));
    assert_eq!(
        phases(&timeline),
        [
            (Phase::Delivery, 2),
            (Phase::Plan, 1),
            (Phase::Launch, 1),
            (Phase::Provisioning, 16),
            (Phase::ImagePull, 20),
            (Phase::ContainerStart, 5),
            (Phase::Boot, 2),
            (Phase::Registration, 3),
            (Phase::Assignment, 10),
            (Phase::Run, 300),
            (Phase::Shutdown, 15),
        ]
    );
    let clocks: Vec<Clock> = timeline
        .moments()
        .iter()
        .map(|moment| moment.step.clock())
        .collect();
    assert_eq!(
        clocks,
        [
            Clock::Github,
            Clock::Mayfly,
            Clock::Mayfly,
            Clock::Ecs,
            Clock::Ecs,
            Clock::Ecs,
            Clock::Ecs,
            Clock::Mayfly,
            Clock::Mayfly,
            Clock::Github,
            Clock::Github,
            Clock::Ecs,
        ]
    );
    assert_eq!(timeline.wait(), Some(seconds(60)));
}

#[test]
fn a_runner_that_was_there_before_the_job_costs_it_no_wait_but_the_last_phase() {
    let (mut record, runner) = usual();
    record.queued_at = at(100);
    record.received_at = at(101);
    record.running_at = Some(at(105));
    let timeline = JobTimeline::of(&record, Some(&runner));
    let spent: Vec<_> = phases(&timeline)
        .into_iter()
        .filter(|(phase, took)| phase.is_wait() && *took > 0)
        .collect();
    assert_eq!(spent, [(Phase::Delivery, 1), (Phase::Assignment, 4)]);
}

#[test]
fn what_is_not_told_counts_in_the_next_phase_that_is() {
    let (record, mut runner) = usual();
    runner.timeline.pull_started = None;
    runner.timeline.pull_stopped = None;
    let timeline = JobTimeline::of(&record, Some(&runner));
    assert!(phases(&timeline).contains(&(Phase::ContainerStart, 41)));
    let alone = JobTimeline::of(&record, None);
    assert_eq!(
        phases(&alone),
        [
            (Phase::Delivery, 2),
            (Phase::Assignment, 58),
            (Phase::Run, 300)
        ]
    );
}

#[test]
fn a_job_that_waits_has_the_phases_that_are_behind_it_and_one_that_never_began_has_no_run() {
    let (mut record, mut runner) = usual();
    record.running_at = None;
    runner.registered_at = None;
    let cancelled = JobTimeline::of(&record, Some(&runner));
    assert_eq!(cancelled.wait(), None);
    assert_eq!(cancelled.at(Step::Completed), None);
    record.closed_at = None;
    runner.timeline.stopped = None;
    let waits = JobTimeline::of(&record, Some(&runner));
    assert_eq!(
        waits.phases().last().map(|one| one.phase),
        Some(Phase::Boot)
    );
}

fn moment() -> impl Strategy<Value = Option<Timestamp>> {
    prop::option::weighted(0.8, (0i64..600).prop_map(at))
}

proptest! {
    #[test]
    fn the_phases_of_a_wait_sum_to_it_whatever_the_clocks_say(
        queued in 0i64..600,
        received in 0i64..600,
        began in 0i64..600,
        closed in moment(),
        planned in 0i64..600,
        task in [moment(), moment(), moment(), moment(), moment()],
        polled in moment(),
        registered in moment(),
    ) {
        let record = JobRecord {
            queued_at: at(queued),
            received_at: at(received),
            running_at: Some(at(began)),
            closed_at: closed,
            ..record_of(&job(1))
        };
        let [created, pull_started, pull_stopped, started, stopped] = task;
        let runner = Runner {
            requested_at: at(planned),
            timeline: Timeline { created, pull_started, pull_stopped, started, stopping: None, stopped },
            first_polled_at: polled,
            registered_at: registered,
            ..requested(1)
        };
        let timeline = JobTimeline::of(&record, Some(&runner));
        let waited: Duration = timeline.phases().iter().filter(|one| one.phase.is_wait()).map(|one| one.took).sum();
        prop_assert_eq!(Some(waited), timeline.wait());
    }
}
