//! Properties of the plan, over random looks at a pool.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_domain::model::held::Held;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::runner::{Runner, RunnerState};
use proptest::prelude::*;

use crate::world::builders::{NOW, OWN};
use crate::world::cover::{most_covered, open};
use crate::world::looks::{Look, World, look};

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn unasked(runners: &[Runner], size: mayfly_domain::model::size::Size) -> usize {
    runners.iter().filter(|runner| runner.size == size && runner.asked_at.is_none()).count()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_order_of_jobs_and_runners_does_not_matter(
        (look, jobs, runners) in look(World::Wild).prop_flat_map(|look| {
            let (jobs, runners) = (Just(look.jobs.clone()).prop_shuffle(), Just(look.runners.clone()).prop_shuffle());
            (Just(look), jobs, runners)
        })
    ) {
        let shuffled = Look { jobs, runners, ..look.clone() };
        prop_assert_eq!(look.plan(), shuffled.plan());
        prop_assert_eq!(look.plan(), look.plan());
    }

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(look in look(World::Wild)) {
        let plan = look.plan();
        let run_bounded = plan.held.iter().any(|(_, held)| *held == Held::ThisRun) || plan.launch.len() == look.limits.launches;
        let after = look.with_applied(&plan);
        let again = after.plan();
        prop_assert_eq!(&again.stop, &vec![], "{:#?}", plan);
        if !run_bounded {
            prop_assert_eq!(&again.launch, &vec![], "{:#?}", plan);
        }
        // Bounded or not, carrying plans out again and again settles, and with what one unbounded run would have done.
        let (mut bounded, mut rounds) = (after, 0);
        while look.limits.launches > 0 && !bounded.plan().launch.is_empty() {
            bounded = bounded.with_applied(&bounded.plan());
            rounds += 1;
            prop_assert!(rounds < 50, "never settles");
        }
    }

    #[test]
    fn rows_and_launches_are_never_more_than_max(look in look(World::Wild)) {
        let (rows, max) = (look.runners.len(), usize::try_from(look.pool.max).unwrap());
        let launches = look.plan().launch.len();
        prop_assert!(launches <= max.saturating_sub(rows), "{rows} rows, {launches} launches, max {max}");
    }

    #[test]
    fn no_launch_goes_beyond_what_repository_installation_size_and_run_allow(look in look(World::Wild)) {
        let plan = look.plan();
        prop_assert!(plan.launch.len() <= look.limits.launches);
        let mut of_repository = BTreeMap::new();
        for start in &plan.launch {
            let health = look.health.of_with(&start.size, &look.runners);
            prop_assert!(health.not_before.is_none_or(|at| at <= NOW), "launched before the size's wait was over");
            let Some(id) = start.job else { continue };
            let job = look.jobs.iter().find(|job| job.id == id).unwrap();
            prop_assert_eq!((start.size, start.repository), (job.size, Some(job.repository)));
            prop_assert!(job.eligible(NOW), "launched for a job that is to wait");
            let reset = look.limits.github.get(&job.installation);
            prop_assert!(reset.is_none_or(|at| *at <= NOW), "launched for an installation that is to wait");
            *of_repository.entry(job.repository).or_insert(0) += 1;
        }
        for (repository, launches) in of_repository {
            let rows = look.runners.iter().filter(|runner| runner.repository == Some(repository)).count();
            let most = look.pool.max_per_repository.map_or(usize::MAX, |max| usize::try_from(max).unwrap());
            prop_assert!(rows + launches <= most, "{rows} rows and {launches} launches for {repository}, at most {most}");
        }
    }

    #[test]
    fn a_size_that_never_worked_is_tried_five_at_a_time_and_one_that_fails_is_probed_by_one(look in look(World::Wild)) {
        let plan = look.plan();
        for size in plan.launch.iter().map(|start| start.size).collect::<BTreeSet<_>>() {
            let health = look.health.of_with(&size, &look.runners);
            let proven = health.proven.is_some() && health.proven.as_ref() == look.limits.definitions.get(&size.to_string());
            let most = if health.breaker_open() { 1 } else if proven && !health.after_registration { usize::MAX } else { 5 };
            let launches = plan.launch.iter().filter(|start| start.size == size).count();
            prop_assert!(unasked(&look.runners, size) + launches <= most, "{launches} launches of {size}: {health:?}");
        }
    }

    #[test]
    fn only_unmarked_runners_that_were_never_registered_are_stopped_and_the_newest_first(look in look(World::Wild)) {
        let plan = look.plan();
        for stop in &plan.stop {
            let runner = look.runners.iter().find(|runner| runner.id == stop.runner).unwrap();
            prop_assert!(matches!(runner.state, RunnerState::Requested | RunnerState::Parked) && runner.stop.is_none(), "{runner:?}");
        }
        prop_assert!(plan.stop.is_sorted_by(|one, other| one.runner > other.runner), "not newest first, or twice: {:?}", plan.stop);
    }

    #[test]
    fn a_stopped_runner_was_needed_neither_by_a_job_nor_by_the_floor(look in look(World::Wild)) {
        let plan = look.plan();
        let stopped = |runner: &&Runner| plan.stop.iter().any(|stop| stop.runner == runner.id);
        let kept: Vec<Runner> = look.runners.iter().filter(|runner| !stopped(runner)).cloned().collect();
        let open = open(&look.jobs, &look.runners);
        let eligible: Vec<_> = open.into_iter().filter(|job| job.eligible(NOW)).collect();
        let uncovered = plan.launch.iter().filter(|start| start.job.is_some()).count()
            + plan.held.iter().filter(|(id, _)| eligible.iter().any(|job| job.id == *id)).count();
        prop_assert!(most_covered(&eligible, &kept) >= eligible.len() - uncovered);
        let idle = kept.iter().filter(|runner| runner.state.unregistered() && runner.stop.is_none() && runner.size == OWN).count();
        // One that hangs is no part of the floor: as long as it stood for one, the floor would have a hole that nobody mends.
        if look.runners.iter().filter(stopped).any(|runner| runner.size == OWN && !runner.silent(NOW)) {
            prop_assert!(idle >= usize::try_from(look.pool.floor()).unwrap(), "the floor was undercut");
        }
    }

    #[test]
    fn every_waiting_job_is_covered_launched_for_once_or_held_with_a_reason(look in look(World::Wild)) {
        let plan = look.plan();
        let open = open(&look.jobs, &look.runners);
        let launched: Vec<JobId> = plan.launch.iter().filter_map(|start| start.job).collect();
        let held: Vec<JobId> = plan.held.iter().map(|(id, _)| *id).collect();
        let told: BTreeSet<JobId> = launched.iter().chain(&held).copied().collect();
        prop_assert_eq!(told.len(), launched.len() + held.len(), "a job is told of twice");
        prop_assert!(told.iter().all(|id| open.iter().any(|job| job.id == *id)), "a job that does not wait is told of");
        let rest: Vec<_> = open.into_iter().filter(|job| !told.contains(&job.id)).collect();
        prop_assert_eq!(most_covered(&rest, &look.runners), rest.len(), "a job counts as covered and no runner is left for it");
    }

    #[test]
    fn with_capacity_and_health_every_job_whose_time_has_come_is_covered_or_launched_for(look in look(World::Wild)) {
        let look = look.unlimited();
        let plan = look.plan();
        for (id, held) in &plan.held {
            let job = look.jobs.iter().find(|job| job.id == *id).unwrap();
            prop_assert!(*held == Held::Job && !job.eligible(NOW), "job {id} is held: {held:?}");
        }
        let floor = usize::try_from(look.pool.floor()).unwrap();
        let after = look.with_applied(&plan);
        let idle = after.runners.iter().filter(|runner| runner.state.unregistered() && runner.stop.is_none() && runner.size == OWN);
        prop_assert!(idle.count() >= floor);
    }

    #[test]
    fn the_oldest_jobs_are_launched_for_first(look in look(World::Wild)) {
        // Among jobs that differ in nothing but age, a younger one never gets a runner before an older one.
        let plan = look.plan();
        let launched: BTreeSet<JobId> = plan.launch.iter().filter_map(|start| start.job).collect();
        let job = |id: &JobId| look.jobs.iter().find(|job| job.id == *id).unwrap();
        let kind = |id: &JobId| (job(id).size, job(id).repository, job(id).installation, job(id).eligible(NOW));
        for (held, _) in &plan.held {
            for younger in launched.iter().filter(|id| kind(id) == kind(held)) {
                prop_assert!(job(younger).rank() < job(held).rank(), "{younger} before {held}");
            }
        }
    }

    #[test]
    fn no_runner_is_wasted_where_every_target_has_one_size(mut look in look(World::Plain)) {
        look.pool.max_per_repository = None;
        look.limits.github.clear();
        // What a busy runner holds in reserve is covered by it first, whether its time has come or not.
        let held: Vec<_> = look.runners.iter().filter(|runner| runner.state == RunnerState::Busy).filter_map(|runner| runner.reserved).collect();
        for job in look.jobs.iter_mut().filter(|job| held.contains(&job.id)) {
            (job.ask, job.not_before) = (false, None);
        }
        let plan = look.plan();
        let open = open(&look.jobs, &look.runners);
        let eligible: Vec<_> = open.into_iter().filter(|job| job.eligible(NOW)).collect();
        let told = |id: JobId| plan.launch.iter().any(|start| start.job == Some(id)) || plan.held.iter().any(|(held, _)| *held == id);
        let covered = eligible.iter().filter(|job| !told(job.id)).count();
        prop_assert_eq!(covered, most_covered(&eligible, &look.runners));
    }

    #[test]
    fn a_limit_that_is_lifted_launches_no_fewer(look in look(World::Wild)) {
        let (bounded, free) = (look.plan().launch.len(), look.clone().unlimited().plan().launch.len());
        prop_assert!(bounded <= free, "{bounded} with limits, {free} without");
    }
}
