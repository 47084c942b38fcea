//! What DynamoDB may show of a transaction that is being applied is any part of it: a plan made
//! from a part must not launch more than one made from the whole, before or after
//! (docs/ARCHITECTURE.md, "The ledger": a Query is no snapshot).

use mayfly_domain::model::end::End;
use mayfly_domain::model::id::{JobId, RunnerId};
use mayfly_domain::model::job::WaitingJob;
use mayfly_domain::model::runner::{Runner, RunnerState, Work};
use mayfly_domain::model::start_health::PoolHealth;
use mayfly_domain::transitions::close::RunnerSnapshot;
use mayfly_domain::transitions::plan::jobs_to_reread;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::fixture::builders::{
    DEFINITION, NOW, job, limits, pool, record_of, registered, requested, target, verified,
};
use crate::fixture::changes::close_runner;
use crate::fixture::snapshots::{Look, World, snapshot};

/// One item of a transaction, as it is afterwards.
#[derive(Clone, Debug)]
enum Item {
    Runner(RunnerId, Option<Box<Runner>>),
    Job(JobId, Option<WaitingJob>),
    Health(PoolHealth),
}

/// What someone does to the ledger while scaler looks.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// registrar holds a job in reserve for a runner.
    Reserve,
    /// webhook: a runner works on a job.
    InProgress,
    /// webhook: a job is gone, run by a stranger or cancelled.
    Gone,
    /// observer: a runner that was registered ends, and its job still waits.
    NotAssigned,
    /// observer: a runner ends before its first request.
    FailedStart,
    /// registrar: a runner's first request.
    Asked,
    /// scaler, the run before: rows and marks. Its `meta` is what this run read first, or this
    /// run's commit fails.
    Commit,
}

fn event() -> impl Strategy<Value = Event> {
    use Event::*;
    prop_oneof![
        Just(Reserve),
        Just(InProgress),
        Just(Gone),
        Just(NotAssigned),
        Just(FailedStart),
        Just(Asked),
        Just(Commit)
    ]
}

fn put_runner(runner: &Runner, after: Runner) -> Item {
    Item::Runner(runner.id.clone(), Some(Box::new(after)))
}

/// The event as a transaction on this look, if it can happen there. What must be so beforehand is
/// made so.
fn transaction(snapshot: &mut Look, event: Event, runner: Index, job: Index) -> Option<Vec<Item>> {
    if matches!(event, Event::Commit) {
        let (plan, before) = (snapshot.plan(), snapshot.clone());
        let after = before.with_applied(&plan);
        let changed = after
            .runners
            .iter()
            .filter(|runner| !before.runners.contains(runner));
        return Some(
            changed
                .map(|runner| put_runner(runner, runner.clone()))
                .collect(),
        );
    }
    if snapshot.jobs.is_empty() || snapshot.runners.is_empty() {
        return None;
    }
    let (runner, job) = (
        runner.index(snapshot.runners.len()),
        job.index(snapshot.jobs.len()),
    );
    let (runner, job) = (&mut snapshot.runners[runner], &mut snapshot.jobs[job]);
    let unmarked = runner.stop.is_none();
    match event {
        Event::Reserve
            if unmarked
                && runner.state < RunnerState::Registered
                && runner.size == job.size
                && job.eligible(NOW) =>
        {
            let after = runner.registering(&record_of(job), NOW);
            Some(vec![
                put_runner(runner, after),
                Item::Job(job.id, Some(job.reserved_for(&runner.id))),
            ])
        }
        Event::InProgress if runner.state >= RunnerState::Registered => {
            let work = Work {
                run: job.run,
                attempt: job.attempt,
                job: Some(job.id),
                since: NOW,
            };
            let after = Runner {
                state: RunnerState::Busy,
                work: Some(work),
                ..runner.clone()
            };
            Some(vec![put_runner(runner, after), Item::Job(job.id, None)])
        }
        Event::Gone => Some(vec![Item::Job(job.id, None)]),
        Event::NotAssigned
            if matches!(
                runner.state,
                RunnerState::Registering | RunnerState::Registered
            ) =>
        {
            let record = record_of(job);
            // By registrar's own transition: of a runner that is made by hand, the target and the
            // repository that it counts for could differ.
            *runner = Runner {
                state: runner.state,
                ..runner.registering(&record, NOW)
            };
            *job = job.reserved_for(&runner.id);
            let around = RunnerSnapshot {
                waiting: Some(job),
                record: Some(&record),
                ..RunnerSnapshot::default()
            };
            let closing = close_runner(runner, End::Missing, around, NOW);
            Some(vec![
                Item::Runner(runner.id.clone(), None),
                Item::Job(job.id, Some(closing.waiting.unwrap())),
            ])
        }
        Event::FailedStart if unmarked && runner.state == RunnerState::Requested => {
            let around = RunnerSnapshot {
                health: Some(&snapshot.health),
                ..RunnerSnapshot::default()
            };
            let closing = close_runner(runner, End::Missing, around, NOW);
            Some(vec![
                Item::Runner(runner.id.clone(), None),
                Item::Health(closing.health.unwrap()),
            ])
        }
        Event::Asked if runner.state == RunnerState::Requested => {
            let mut health = snapshot.health.clone();
            health.of_mut(&runner.size).record_success(DEFINITION);
            Some(vec![
                put_runner(runner, runner.parked(NOW)),
                Item::Health(health),
            ])
        }
        _ => None,
    }
}

fn with(snapshot: &Look, items: &[Item]) -> Look {
    let mut after = snapshot.clone();
    for item in items {
        match item {
            Item::Runner(id, row) => {
                after.runners.retain(|runner| runner.id != *id);
                after.runners.extend(row.clone().map(|row| *row));
            }
            Item::Job(id, row) => {
                after.jobs.retain(|job| job.id != *id);
                after.jobs.extend(row.clone());
            }
            Item::Health(health) => after.health = health.clone(),
        }
    }
    after
}

/// The items that a look shows of a transaction, read as the ledger reads: `meta`, the runners,
/// then health as a single item, the jobs last.
fn shown(event: Event, items: &[Item], visible: &[bool]) -> Vec<Item> {
    let part: Vec<(&Item, bool)> = items
        .iter()
        .zip(visible.iter().copied().chain(std::iter::repeat(false)))
        .collect();
    let seen = |item: &&(&Item, bool)| match item.0 {
        // A single read of health, made after the query that showed the transaction, shows it, too.
        Item::Health(_) => {
            item.1
                || part
                    .iter()
                    .any(|(other, seen)| *seen && matches!(other, Item::Runner(..)))
        }
        // Rows launched by the commit that `meta` tells of are looked up one by one.
        Item::Runner(_, Some(row)) if matches!(event, Event::Commit) && row.stop.is_none() => true,
        _ => item.1,
    };
    part.iter()
        .filter(seen)
        .map(|(item, _)| (*item).clone())
        .collect()
}

/// The look with every doubtful job read again, by itself.
fn reread(snapshot: Look, after: &Look) -> Look {
    let again: Vec<JobId> = jobs_to_reread(&snapshot.jobs, &snapshot.runners)
        .map(|job| job.id)
        .collect();
    let jobs = snapshot
        .jobs
        .iter()
        .filter(|job| !again.contains(&job.id))
        .chain(after.jobs.iter().filter(|job| again.contains(&job.id)));
    Look {
        jobs: jobs.cloned().collect(),
        ..snapshot.clone()
    }
}

fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    // Many draws are of events that cannot happen where they fall.
    ProptestConfig {
        cases: 4 * usual.cases,
        failure_persistence: None,
        ..usual
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_part_of_a_transaction_launches_no_more_than_the_whole(
        mut before in snapshot(World::Wild),
        event in event(),
        runner: Index,
        job: Index,
        visible in prop::collection::vec(any::<bool>(), 12),
    ) {
        let Some(items) = transaction(&mut before, event, runner, job) else { return Ok(()) };
        let after = with(&before, &items);
        let part = reread(with(&before, &shown(event, &items, &visible)), &after);
        let most = before.plan().launch.len().max(after.plan().launch.len());
        let most = match event {
            // What the run before launched is in `meta`, so only the whole, without some of its
            // marks, is comparable.
            Event::Commit => after.plan().launch.len(),
            // That runners of a size start, any other runner may have shown before: the old row
            // beside the new health is a whole look, too. It may launch more than either, as runners
            // that asked are given to jobs first, and that order counts at `max_per_repository`.
            Event::Asked => most.max(Look { health: after.health.clone(), ..before.clone() }.plan().launch.len()),
            _ => most,
        };
        prop_assert!(part.plan().launch.len() <= most, "{event:?} {visible:?}: {} launches, at most {most}", part.plan().launch.len());
    }
}

/// One job, held in reserve by one registered runner that ends without having been given it.
fn not_assigned() -> (Look, Vec<Item>) {
    let holder = registered(1, 1, target(1, "mayfly"));
    let waiting = job(1).reserved_for(&holder.id);
    let record = record_of(&waiting);
    let closing = close_runner(
        &holder,
        End::Missing,
        RunnerSnapshot {
            waiting: Some(&waiting),
            record: Some(&record),
            ..RunnerSnapshot::default()
        },
        NOW,
    );
    let items = vec![
        Item::Runner(holder.id.clone(), None),
        Item::Job(JobId(1), closing.waiting),
    ];
    (
        Look {
            pool: pool(),
            health: verified(),
            jobs: vec![waiting],
            runners: vec![holder],
            limits: limits(),
        },
        items,
    )
}

#[test]
fn without_a_second_reading_the_end_of_an_unassigned_runner_would_launch_another_one_too_soon() {
    let (before, items) = not_assigned();
    let after = with(&before, &items);
    let half = with(&before, &items[..1]);
    assert_eq!(
        (before.plan().launch.len(), after.plan().launch.len()),
        (0, 0)
    );
    assert_eq!(
        half.plan().launch.len(),
        1,
        "the finding: this half alone launches"
    );
    assert_eq!(reread(half, &after).plan().launch.len(), 0);
}

#[test]
fn a_health_that_was_read_before_the_runners_would_launch_again_for_every_failed_start() {
    let failed = requested(1);
    let closing = close_runner(&failed, End::Missing, RunnerSnapshot::default(), NOW);
    let before = Look {
        pool: pool(),
        health: verified(),
        jobs: vec![job(1)],
        runners: vec![failed],
        limits: limits(),
    };
    let gone = Look {
        runners: Vec::new(),
        ..before.clone()
    };
    assert_eq!(
        (before.plan().launch.len(), gone.plan().launch.len()),
        (0, 1),
        "the finding: old health and new runners launch"
    );
    let after = Look {
        health: closing.health.unwrap(),
        ..gone
    };
    assert_eq!(after.plan().launch.len(), 0);
}

#[test]
fn a_job_whose_runner_is_shown_or_that_nobody_holds_is_not_doubtful() {
    let held = |by: u64| job(1).reserved_for(&requested(by).id);
    assert_eq!(
        jobs_to_reread(&[job(1), held(2)], &[requested(2)]).count(),
        0
    );
    assert_eq!(jobs_to_reread(&[held(3)], &[requested(2)]).count(), 1);
}
