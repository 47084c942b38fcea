//! Jobs rematched when the pools file is another one.

use std::collections::BTreeSet;

use mayfly_domain::model::job::{JobRecord, JobState, WaitingJob};
use mayfly_domain::model::outbox::FollowUp;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::target::{Scope, TargetScope};
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::rematch::{RematchOutcome, rematch};
use mayfly_domain::transitions::snapshot::JobSnapshot;

use crate::fixture::builders::{
    NOW, ago, job, later, pool_name, record_of, registered, requested, target,
};
use crate::fixture::changes::{Rematched, rematched};

/// The pools file after `linux` was renamed.
fn renamed() -> Pools {
    let mut pools = crate::fixture::deliveries::pools();
    pools.version = 8;
    pools.pools[0].name = pool_name("renamed");
    pools
}

/// The pools file after `linux` was removed.
fn without() -> Pools {
    let mut pools = renamed();
    pools.pools.remove(0);
    pools
}

fn record(state: JobState) -> JobRecord {
    let mut record = JobRecord {
        state,
        pools_version: 7,
        queued_at: ago(60),
        ..record_of(&job(1))
    };
    if state == JobState::Unplaced {
        (record.pool, record.size, record.target) = (None, None, None);
        record.reason = Some(Reason::NoLabelOffered);
        record.expire(NOW);
    }
    if state == JobState::Blocked {
        record.blocking = BTreeSet::from(["gate".to_owned()]);
    }
    record
}

fn matched(pools: &Pools, record: &JobRecord, holder: Option<&Runner>) -> RematchOutcome {
    let row = (record.state == JobState::Queued).then(|| WaitingJob {
        runner: holder.map(|holder| holder.id.clone()),
        ..job(1)
    });
    rematch(
        JobSnapshot {
            pools,
            record,
            row: row.as_ref(),
            runner: holder,
        },
        NOW,
    )
}

fn changed(pools: &Pools, record: &JobRecord) -> Rematched {
    match matched(pools, record, None) {
        RematchOutcome::Changed(changes) => rematched(*changes),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn only_jobs_without_a_pool_that_exists_are_rematched() {
    let same = Pools {
        version: 9,
        ..crate::fixture::deliveries::pools()
    };
    for state in [JobState::Blocked, JobState::Queued] {
        assert_eq!(
            matched(&same, &record(state), None),
            RematchOutcome::NotNeeded
        );
        // The file at hand is older than the one that placed it.
        assert_eq!(
            matched(
                &Pools {
                    version: 7,
                    ..renamed()
                },
                &record(state),
                None
            ),
            RematchOutcome::Later
        );
    }
    for state in [JobState::Running, JobState::Closed] {
        assert_eq!(
            matched(&without(), &record(state), None),
            RematchOutcome::NotNeeded
        );
    }
}

#[test]
fn a_waiting_job_of_a_renamed_pool_moves_and_both_pools_are_woken() {
    let rematched = changed(&renamed(), &record(JobState::Queued));
    let (pool, row) = rematched.added.unwrap();
    assert_eq!(
        (pool, row.needs_check, row.runner),
        (pool_name("renamed"), false, None)
    );
    assert_eq!(rematched.removed, Some((pool_name("linux"), job(1).id)));
    assert_eq!(
        rematched.wake,
        BTreeSet::from([pool_name("linux"), pool_name("renamed")])
    );
    assert_eq!(
        (
            rematched.record.state,
            rematched.record.pools_version,
            rematched.follow_up
        ),
        (JobState::Queued, 8, None)
    );
    assert!(
        rematched
            .record
            .story
            .last()
            .unwrap()
            .event
            .to_string()
            .contains("since pool linux is gone")
    );
}

#[test]
fn a_blocked_job_moves_without_a_row_and_stays_blocked_with_its_reason() {
    let blocked = JobRecord {
        reason: Some(Reason::Gated),
        ..record(JobState::Blocked)
    };
    let rematched = changed(&renamed(), &blocked);
    assert_eq!(
        (rematched.removed, rematched.added, rematched.follow_up),
        (None, None, None)
    );
    assert_eq!(
        (rematched.record.state, rematched.record.reason),
        (JobState::Blocked, blocked.reason)
    );
}

#[test]
fn a_job_that_a_runner_may_have_already_stays_until_it_is_known() {
    let holder = registered(1, 1, target(1, "mayfly"));
    assert_eq!(
        matched(&renamed(), &record(JobState::Queued), Some(&holder)),
        RematchOutcome::Later
    );
    assert!(matches!(
        matched(&renamed(), &record(JobState::Queued), Some(&requested(1))),
        RematchOutcome::Changed(_)
    ));
}

#[test]
fn a_job_that_no_pool_takes_any_more_is_unplaced_with_the_reason_and_a_follow_up() {
    for state in [JobState::Queued, JobState::Blocked] {
        let rematched = changed(&without(), &record(state));
        let reason = rematched.record.reason.unwrap().to_string();
        assert!(
            reason.contains("pool linux is gone") && reason.contains("does not offer mayfly"),
            "{reason}"
        );
        assert_eq!(
            (
                rematched.record.state,
                rematched.record.pool,
                rematched.record.target
            ),
            (JobState::Unplaced, None, None)
        );
        assert!(rematched.record.expires_at.is_some() && rematched.added.is_none());
        assert_eq!(rematched.removed.is_some(), state == JobState::Queued);
        let follow_up = rematched.follow_up.unwrap();
        assert_eq!(
            (follow_up.follow_up, follow_up.since),
            (
                FollowUp::MatchJob {
                    job: job(1).id,
                    pools_version: 8
                },
                ago(60)
            )
        );
    }
}

#[test]
fn an_unplaced_job_goes_where_its_deliveries_say() {
    let waits = changed(&renamed(), &record(JobState::Unplaced));
    assert_eq!(
        (
            waits.record.state,
            waits.record.expires_at,
            waits.record.reason
        ),
        (JobState::Queued, None, None)
    );
    assert_eq!(
        (waits.added.unwrap().0, waits.removed, waits.follow_up),
        (pool_name("renamed"), None, None)
    );
    let gated = JobRecord {
        blocking: BTreeSet::from(["gate".to_owned()]),
        ..record(JobState::Unplaced)
    };
    let blocked = changed(&renamed(), &gated);
    assert_eq!(
        (blocked.record.state, blocked.added),
        (JobState::Blocked, None)
    );
    assert_eq!(
        blocked.follow_up.unwrap().follow_up,
        FollowUp::CheckJob(job(1).id)
    );
}

#[test]
fn github_is_asked_first_about_a_job_that_has_waited_for_long() {
    for (seconds, ask) in [(600, false), (601, true)] {
        for state in [JobState::Queued, JobState::Unplaced] {
            let old = JobRecord {
                queued_at: ago(seconds),
                ..record(state)
            };
            assert_eq!(
                changed(&renamed(), &old).added.unwrap().1.needs_check,
                ask,
                "{state:?}, {seconds} s"
            );
        }
    }
}

#[test]
fn after_a_day_an_unplaced_job_is_matched_no_more_and_says_so_once() {
    let old = JobRecord {
        queued_at: ago(timeouts::QUEUED_AT_MOST.as_secs()),
        ..record(JobState::Unplaced)
    };
    let given_up = changed(&renamed(), &old);
    assert_eq!(
        (given_up.record.state, &given_up.added, &given_up.follow_up),
        (JobState::Unplaced, &None, &None)
    );
    assert!(matches!(
        given_up.record.reason,
        Some(Reason::MatchingGivenUp { last: Some(_) })
    ));
    assert_eq!(
        matched(&renamed(), &given_up.record, None),
        RematchOutcome::NotNeeded
    );
}

/// The pools file after `linux` has become another one, still with that name.
fn with_another_linux(change: impl Fn(&mut mayfly_domain::model::pool::Pool)) -> Pools {
    let mut pools = Pools {
        version: 8,
        ..crate::fixture::deliveries::pools()
    };
    change(&mut pools.pools[0]);
    pools
}

fn in_group(group: &str) -> Pools {
    with_another_linux(|pool| {
        pool.scope = Scope::Organization {
            group: group.to_owned(),
        }
    })
}

/// The record of a job that `linux` took as it is in [`crate::fixture::deliveries::pools`].
fn place_in(state: JobState) -> JobRecord {
    JobRecord {
        matched: Some(crate::fixture::deliveries::pools().pools[0].match_key()),
        ..record(state)
    }
}

fn group_of(record: &JobRecord) -> Option<String> {
    match &record.target.as_ref()?.scope {
        TargetScope::Organization { group, .. } => Some(group.clone()),
        TargetScope::Repository { .. } => None,
    }
}

#[test]
fn a_job_registers_where_its_pool_does_by_the_newer_file() {
    for state in [JobState::Queued, JobState::Blocked] {
        let rematched = changed(&in_group("builders"), &place_in(state));
        assert_eq!(
            (rematched.record.pool.clone(), group_of(&rematched.record)),
            (Some(pool_name("linux")), Some("builders".to_owned())),
            "{state:?}"
        );
        assert!(
            rematched
                .record
                .story
                .last()
                .unwrap()
                .event
                .to_string()
                .contains("in group builders from now on (pools file, version 8)")
        );
        assert_eq!(
            (
                rematched.record.state,
                rematched.removed,
                rematched.follow_up
            ),
            (state, None, None)
        );
        let row = rematched
            .added
            .map(|(pool, row)| (pool, row.target, row.matched));
        let expected = (
            pool_name("linux"),
            rematched.record.target.as_ref().unwrap().key(),
            rematched.record.matched.clone(),
        );
        assert_eq!(
            row,
            (state == JobState::Queued).then_some(expected),
            "{state:?}"
        );
        // From one group to another, and back to the repository.
        let moved = changed(
            &Pools {
                version: 9,
                ..in_group("others")
            },
            &rematched.record,
        );
        assert_eq!(group_of(&moved.record), Some("others".to_owned()));
        let back = changed(
            &Pools {
                version: 10,
                ..crate::fixture::deliveries::pools()
            },
            &moved.record,
        );
        assert_eq!(back.record.target, place_in(state).target);
        assert_eq!(
            matched(
                &Pools {
                    version: 11,
                    ..crate::fixture::deliveries::pools()
                },
                &back.record,
                None
            ),
            RematchOutcome::NotNeeded
        );
    }
}

#[test]
fn what_a_job_met_where_its_runners_registered_before_counts_no_longer() {
    let row = WaitingJob {
        attempts: 3,
        not_before: Some(later(3_000)),
        ..job(1)
    };
    let again = |pools: &Pools| match rematch(
        JobSnapshot {
            pools,
            record: &place_in(JobState::Queued),
            row: Some(&row),
            runner: None,
        },
        NOW,
    ) {
        RematchOutcome::Changed(changes) => rematched(*changes).added.unwrap().1,
        other => unreachable!("{other:?}"),
    };
    let elsewhere = again(&in_group("builders"));
    assert_eq!((elsewhere.attempts, elsewhere.not_before), (0, None));
    // Other labels, and they fit as before: its runners register where they did.
    let one_more = again(&with_another_linux(|pool| {
        pool.labels = pool.labels.iter().chain(["one-more"]).collect()
    }));
    assert_eq!(
        (one_more.attempts, one_more.not_before, &one_more.target),
        (3, row.not_before, &row.target)
    );
}

#[test]
fn a_job_that_its_pools_labels_fit_no_longer_goes_where_they_fit_or_is_told() {
    let labels = |labels: &[&str]| labels.iter().copied().collect();
    let handed_on =
        with_another_linux(|pool| pool.labels = labels(&["self-hosted", "linux", "small"]));
    let mut to_other = handed_on.clone();
    to_other.pools[1].labels = labels(&["self-hosted", "linux", "mayfly"]);
    let rematched = changed(&to_other, &place_in(JobState::Queued));
    assert_eq!(
        (rematched.record.pool, rematched.removed),
        (
            Some(pool_name("other")),
            Some((pool_name("linux"), job(1).id))
        )
    );
    assert!(
        rematched
            .record
            .story
            .last()
            .unwrap()
            .event
            .to_string()
            .contains("since pool linux has other labels now")
    );
    let left = changed(&handed_on, &place_in(JobState::Queued)).record;
    assert_eq!((left.state, left.matched), (JobState::Unplaced, None));
    assert!(
        left.reason
            .as_ref()
            .unwrap()
            .to_string()
            .contains("pool linux has other labels now, and"),
        "{:?}",
        left.reason
    );
}

#[test]
fn a_job_of_another_pool_than_before_stays_while_a_runner_may_have_it_or_the_file_is_older() {
    let holder = registered(1, 1, target(1, "mayfly"));
    assert_eq!(
        matched(
            &in_group("builders"),
            &place_in(JobState::Queued),
            Some(&holder)
        ),
        RematchOutcome::Later
    );
    assert_eq!(
        matched(
            &Pools {
                version: 7,
                ..in_group("builders")
            },
            &place_in(JobState::Queued),
            None
        ),
        RematchOutcome::Later
    );
    // What it was matched by is not known of a record that an earlier version wrote.
    assert_eq!(
        matched(&in_group("builders"), &record(JobState::Queued), None),
        RematchOutcome::NotNeeded
    );
    let sized = with_another_linux(|pool| (pool.max, pool.public, pool.priority) = (1, true, 5));
    assert_eq!(
        matched(&sized, &place_in(JobState::Queued), None),
        RematchOutcome::NotNeeded
    );
}
