//! What of a plan is carried out, and what an earlier run left to be sent.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::runner::{Launch, Runner};
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::plan::confirm::{confirm, is_stale, marks_now};
use mayfly_domain::transitions::plan::to_send::{MOST_AGAIN, to_send};
use mayfly_domain::transitions::plan::{Plan, Start, Stop};

use crate::fixture::builders::{
    NOW, OLD, OWN, ago, arn, later, marked, parked, registered, requested, runner_id, target,
};

fn start(job: i64) -> Start {
    Start {
        size: OWN,
        job: Some(JobId(job)),
        repository: None,
    }
}

fn stops(runners: &[u64]) -> Plan {
    let stop = |number: &u64| Stop {
        runner: runner_id(*number),
        reason: Reason::NotNeeded,
    };
    Plan {
        stop: runners.iter().map(stop).collect(),
        ..Plan::default()
    }
}

#[test]
fn a_stop_needs_both_looks_and_the_one_between_and_launches_are_those_of_the_second() {
    let second = Plan {
        launch: vec![start(1)],
        holds: vec![(JobId(2), HoldReason::Job)],
        ..stops(&[5, 4, 3, 2])
    };
    let confirmed = confirm(
        &Plan {
            launch: vec![start(9)],
            ..stops(&[4, 3, 2, 1])
        },
        second.clone(),
        &stops(&[5, 3, 2]),
    );
    assert_eq!(
        confirmed,
        Plan {
            stop: stops(&[3, 2]).stop,
            ..second
        }
    );
}

#[test]
fn launches_do_not_wait_for_the_second_look_of_stops_where_looks_are_slow_or_far_apart() {
    let (short, long) = (Duration::from_millis(500), Duration::from_millis(501));
    let both = Plan {
        launch: vec![start(1)],
        ..stops(&[1])
    };
    assert!(!both.stops_wait(timeouts::PLAN_FRESH, short));
    assert!(both.stops_wait(timeouts::PLAN_FRESH + Duration::from_millis(1), short));
    assert!(both.stops_wait(Duration::ZERO, long));
    assert!(
        !stops(&[1]).stops_wait(timeouts::SCALER_DEADLINE, long),
        "nothing else waits"
    );
}

#[test]
fn marks_do_not_hold_up_launches_in_try_after_try() {
    assert_eq!(
        [0, 1, 2, 3].map(|attempt| marks_now(attempt, 1)),
        [true, true, false, false]
    );
    assert!(marks_now(3, 0));
}

#[test]
fn an_old_plan_is_made_again_later_each_time_and_only_while_there_is_time() {
    let began = NOW;
    let at = |age: Duration, attempt, deadline| is_stale(began, attempt, deadline, began.plus(age));
    let (fresh, moment, far) = (timeouts::PLAN_FRESH, Duration::from_millis(1), later(3600));
    assert!(!at(fresh, 0, far) && at(fresh + moment, 0, far));
    assert!(!at(fresh * 2, 1, far) && at(fresh * 2 + moment, 1, far));
    let age = fresh + moment;
    assert!(
        !at(age, 0, began.plus(age * 2)),
        "another one would not be made in time"
    );
    assert!(at(age, 0, began.plus(age * 2 + moment)));
}

#[test]
fn what_has_no_task_definition_is_not_launched_and_its_jobs_say_why() {
    let floor = Start {
        size: OLD,
        job: None,
        repository: None,
    };
    let old = Start {
        size: OLD,
        ..start(2)
    };
    let mut plan = Plan {
        launch: vec![start(1), old, floor, start(3)],
        holds: vec![(JobId(4), HoldReason::Job)],
        ..stops(&[1])
    };
    plan.withhold(&BTreeMap::from([(OLD, HoldReason::NoAnswer)]));
    let expected = Plan {
        launch: vec![start(1), start(3)],
        holds: vec![
            (JobId(4), HoldReason::Job),
            (JobId(2), HoldReason::NoAnswer),
        ],
        ..stops(&[1])
    };
    assert_eq!(plan, expected);
}

/// A row whose launch was sent first and last so many seconds ago, and never answered.
fn unanswered(number: u64, first: u64, last: u64) -> Runner {
    let row = Runner {
        arn: None,
        ..requested(number)
    };
    Runner {
        launch: Launch {
            first_sent_at: ago(first),
            sent_at: ago(last),
            ..row.launch.clone()
        },
        ..row
    }
}

fn ids(rows: &[Runner]) -> Vec<u64> {
    rows.iter()
        .map(|row| row.id.as_str().trim_start_matches('0').parse().unwrap())
        .collect()
}

#[test]
fn a_launch_is_sent_again_once_an_answer_is_overdue_and_while_ecs_honours_its_token() {
    let (resend, within) = (
        timeouts::RESEND_AFTER.as_secs(),
        timeouts::SEND_WITHIN.as_secs(),
    );
    let again = |row: Runner| to_send(&[row], Vec::new(), NOW).unanswered.len() == 1;
    assert!(!again(unanswered(1, resend, resend)) && again(unanswered(1, resend + 1, resend + 1)));
    assert!(
        again(unanswered(1, within - 1, resend + 1)) && !again(unanswered(1, within, resend + 1))
    );
    let overdue = unanswered(1, resend + 1, resend + 1);
    assert!(!again(Runner {
        arn: Some(arn(1)),
        ..overdue.clone()
    }));
    assert!(!again(marked(overdue.clone())));
    assert!(!again(Runner {
        launch: Launch {
            given_up: true,
            ..overdue.launch.clone()
        },
        ..overdue.clone()
    }));
    assert!(
        to_send(
            std::slice::from_ref(&overdue),
            vec![marked(overdue.clone())],
            NOW
        )
        .unanswered
        .is_empty(),
        "this run marks it"
    );
}

#[test]
fn those_that_wait_for_longest_are_sent_first_and_no_more_than_a_run_can_send() {
    let resend = timeouts::RESEND_AFTER.as_secs();
    let few = [
        unanswered(1, 600, resend + 1),
        unanswered(2, 600, resend + 9),
        unanswered(3, 600, resend + 9),
    ];
    let sent = to_send(&few, Vec::new(), NOW);
    assert_eq!((ids(&sent.unanswered), sent.more), (vec![2, 3, 1], false));
    let many: Vec<Runner> = (1..=201)
        .map(|number| unanswered(number, 600, resend + 300 - number))
        .collect();
    let sent = to_send(&many, Vec::new(), NOW);
    assert_eq!((sent.unanswered.len(), sent.more), (MOST_AGAIN, true));
    assert_eq!(ids(&sent.unanswered)[..2], [1, 2]);
}

#[test]
fn tasks_of_rows_that_were_marked_now_or_before_are_stopped_but_never_of_one_that_github_may_know()
{
    let rows = [
        marked(parked(1)),
        marked(registered(2, 1, target(1, "mayfly"))),
        parked(3),
        parked(4),
    ];
    let sent = to_send(&rows, vec![marked(parked(3))], NOW);
    assert_eq!(ids(&sent.marked), [1, 3]);
}
