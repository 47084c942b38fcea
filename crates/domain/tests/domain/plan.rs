//! Properties of the plan, over random looks at a pool.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::runner::{Runner, RunnerState};
use proptest::prelude::*;

use crate::fixture::builders::{NOW, OWN};
use crate::fixture::coverage::{most_covered, open};
use crate::fixture::snapshots::{Look, World, snapshot};

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn unasked(runners: &[Runner], size: mayfly_domain::model::size::Size) -> usize {
    runners
        .iter()
        .filter(|runner| runner.size == size && runner.first_polled_at.is_none())
        .count()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_order_of_jobs_and_runners_does_not_matter(
        (snapshot, jobs, runners) in snapshot(World::Wild).prop_flat_map(|snapshot| {
            let (jobs, runners) = (Just(snapshot.jobs.clone()).prop_shuffle(), Just(snapshot.runners.clone()).prop_shuffle());
            (Just(snapshot), jobs, runners)
        })
    ) {
        let shuffled = Look { jobs, runners, ..snapshot.clone() };
        prop_assert_eq!(snapshot.plan(), shuffled.plan());
        prop_assert_eq!(snapshot.plan(), snapshot.plan());
    }

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(snapshot in snapshot(World::Wild)) {
        let plan = snapshot.plan();
        let run_bounded = plan.holds.iter().any(|(_, hold)| *hold == HoldReason::ThisRun) || plan.launch.len() == snapshot.limits.launches;
        let after = snapshot.with_applied(&plan);
        let again = after.plan();
        prop_assert_eq!(&again.stop, &vec![], "{:#?}", plan);
        if !run_bounded {
            prop_assert_eq!(&again.launch, &vec![], "{:#?}", plan);
        }
        // Bounded or not, carrying plans out again and again settles, and with what one unbounded
        // run would have done.
        let (mut bounded, mut rounds) = (after, 0);
        while snapshot.limits.launches > 0 && !bounded.plan().launch.is_empty() {
            bounded = bounded.with_applied(&bounded.plan());
            rounds += 1;
            prop_assert!(rounds < 50, "never settles");
        }
    }

    #[test]
    fn rows_and_launches_are_never_more_than_max(snapshot in snapshot(World::Wild)) {
        let (rows, max) = (snapshot.runners.len(), usize::try_from(snapshot.pool.max).unwrap());
        let launches = snapshot.plan().launch.len();
        prop_assert!(launches <= max.saturating_sub(rows), "{rows} rows, {launches} launches, max {max}");
    }

    #[test]
    fn no_launch_goes_beyond_what_repository_installation_size_and_run_allow(snapshot in snapshot(World::Wild)) {
        let plan = snapshot.plan();
        prop_assert!(plan.launch.len() <= snapshot.limits.launches);
        let mut of_repository = BTreeMap::new();
        for start in &plan.launch {
            let health = snapshot.health.of_with(&start.size, &snapshot.runners);
            prop_assert!(health.not_before.is_none_or(|at| at <= NOW), "launched before the size's wait was over");
            let Some(id) = start.job else { continue };
            let job = snapshot.jobs.iter().find(|job| job.id == id).unwrap();
            prop_assert_eq!((start.size, start.repository), (job.size, Some(job.repository)));
            prop_assert!(job.eligible(NOW), "launched for a job that is to wait");
            let reset = snapshot.limits.github.get(&job.installation);
            prop_assert!(reset.is_none_or(|at| *at <= NOW), "launched for an installation that is to wait");
            *of_repository.entry(job.repository).or_insert(0) += 1;
        }
        for (repository, launches) in of_repository {
            let rows = snapshot.runners.iter().filter(|runner| runner.repository == Some(repository)).count();
            let most = snapshot.pool.max_per_repository.map_or(usize::MAX, |max| usize::try_from(max).unwrap());
            prop_assert!(rows + launches <= most, "{rows} rows and {launches} launches for {repository}, at most {most}");
        }
    }

    #[test]
    fn a_size_that_never_worked_is_tried_five_at_a_time_and_one_that_fails_is_probed_by_one(snapshot in snapshot(World::Wild)) {
        let plan = snapshot.plan();
        for size in plan.launch.iter().map(|start| start.size).collect::<BTreeSet<_>>() {
            let health = snapshot.health.of_with(&size, &snapshot.runners);
            let verified = health.verified_definition.is_some() && health.verified_definition.as_ref() == snapshot.limits.definitions.get(&size.to_string());
            let most = if health.breaker_open() { 1 } else if verified && !health.after_registration { usize::MAX } else { 5 };
            let launches = plan.launch.iter().filter(|start| start.size == size).count();
            prop_assert!(unasked(&snapshot.runners, size) + launches <= most, "{launches} launches of {size}: {health:?}");
        }
    }

    #[test]
    fn only_unmarked_runners_that_were_never_registered_are_stopped_and_the_newest_first(snapshot in snapshot(World::Wild)) {
        let plan = snapshot.plan();
        for stop in &plan.stop {
            let runner = snapshot.runners.iter().find(|runner| runner.id == stop.runner).unwrap();
            prop_assert!(matches!(runner.state, RunnerState::Requested | RunnerState::Parked) && runner.stop.is_none(), "{runner:?}");
        }
        prop_assert!(plan.stop.is_sorted_by(|one, other| one.runner > other.runner), "not newest first, or twice: {:?}", plan.stop);
    }

    #[test]
    fn a_stopped_runner_was_needed_neither_by_a_job_nor_by_the_floor(snapshot in snapshot(World::Wild)) {
        let plan = snapshot.plan();
        let stopped = |runner: &&Runner| plan.stop.iter().any(|stop| stop.runner == runner.id);
        let kept: Vec<Runner> = snapshot.runners.iter().filter(|runner| !stopped(runner)).cloned().collect();
        let open = open(&snapshot.jobs, &snapshot.runners);
        let eligible: Vec<_> = open.into_iter().filter(|job| job.eligible(NOW)).collect();
        let uncovered = plan.launch.iter().filter(|start| start.job.is_some()).count()
            + plan.holds.iter().filter(|(id, _)| eligible.iter().any(|job| job.id == *id)).count();
        prop_assert!(most_covered(&eligible, &kept) >= eligible.len() - uncovered);
        let idle = kept.iter().filter(|runner| runner.state.unregistered() && runner.stop.is_none() && runner.size == OWN).count();
        // One that hangs is no part of the floor: as long as it stood for one, the floor would have
        // a hole that no one mends.
        if snapshot.runners.iter().filter(stopped).any(|runner| runner.size == OWN && !runner.is_unresponsive(NOW)) {
            prop_assert!(idle >= usize::try_from(snapshot.pool.floor()).unwrap(), "the floor was undercut");
        }
    }

    #[test]
    fn every_waiting_job_is_covered_launched_for_once_or_held_with_a_reason(snapshot in snapshot(World::Wild)) {
        let plan = snapshot.plan();
        let open = open(&snapshot.jobs, &snapshot.runners);
        let launched: Vec<JobId> = plan.launch.iter().filter_map(|start| start.job).collect();
        let hold: Vec<JobId> = plan.holds.iter().map(|(id, _)| *id).collect();
        let told: BTreeSet<JobId> = launched.iter().chain(&hold).copied().collect();
        prop_assert_eq!(told.len(), launched.len() + hold.len(), "a job is told of twice");
        prop_assert!(told.iter().all(|id| open.iter().any(|job| job.id == *id)), "a job that does not wait is told of");
        let rest: Vec<_> = open.into_iter().filter(|job| !told.contains(&job.id)).collect();
        prop_assert_eq!(most_covered(&rest, &snapshot.runners), rest.len(), "a job counts as covered and no runner is left for it");
    }

    #[test]
    fn with_capacity_and_health_every_job_whose_time_has_come_is_covered_or_launched_for(snapshot in snapshot(World::Wild)) {
        let snapshot = snapshot.unlimited();
        let plan = snapshot.plan();
        for (id, hold) in &plan.holds {
            let job = snapshot.jobs.iter().find(|job| job.id == *id).unwrap();
            prop_assert!(*hold == HoldReason::Job && !job.eligible(NOW), "job {id} is held: {hold:?}");
        }
        let floor = usize::try_from(snapshot.pool.floor()).unwrap();
        let after = snapshot.with_applied(&plan);
        let idle = after.runners.iter().filter(|runner| runner.state.unregistered() && runner.stop.is_none() && runner.size == OWN);
        prop_assert!(idle.count() >= floor);
    }

    #[test]
    fn the_oldest_jobs_are_launched_for_first(snapshot in snapshot(World::Wild)) {
        // Among jobs that differ in nothing but age, a younger one never gets a runner before an
        // older one.
        let plan = snapshot.plan();
        let launched: BTreeSet<JobId> = plan.launch.iter().filter_map(|start| start.job).collect();
        let job = |id: &JobId| snapshot.jobs.iter().find(|job| job.id == *id).unwrap();
        let kind = |id: &JobId| (job(id).size, job(id).repository, job(id).installation, job(id).eligible(NOW));
        for (hold, _) in &plan.holds {
            for younger in launched.iter().filter(|id| kind(id) == kind(hold)) {
                prop_assert!(job(younger).rank() < job(hold).rank(), "{younger} before {hold}");
            }
        }
    }

    #[test]
    fn no_runner_is_wasted_where_every_target_has_one_size(mut snapshot in snapshot(World::Plain)) {
        snapshot.pool.max_per_repository = None;
        snapshot.limits.github.clear();
        // What a busy runner holds in reserve is covered by it first, whether its time has come or
        // not.
        let hold: Vec<_> = snapshot.runners.iter().filter(|runner| runner.state == RunnerState::Busy).filter_map(|runner| runner.reserved).collect();
        for job in snapshot.jobs.iter_mut().filter(|job| hold.contains(&job.id)) {
            (job.needs_check, job.not_before) = (false, None);
        }
        let plan = snapshot.plan();
        let open = open(&snapshot.jobs, &snapshot.runners);
        let eligible: Vec<_> = open.into_iter().filter(|job| job.eligible(NOW)).collect();
        let told = |id: JobId| plan.launch.iter().any(|start| start.job == Some(id)) || plan.holds.iter().any(|(hold, _)| *hold == id);
        let covered = eligible.iter().filter(|job| !told(job.id)).count();
        prop_assert_eq!(covered, most_covered(&eligible, &snapshot.runners));
    }

    #[test]
    fn a_limit_that_is_lifted_launches_no_fewer(snapshot in snapshot(World::Wild)) {
        let (bounded, free) = (snapshot.plan().launch.len(), snapshot.clone().unlimited().plan().launch.len());
        prop_assert!(bounded <= free, "{bounded} with limits, {free} without");
    }
}
