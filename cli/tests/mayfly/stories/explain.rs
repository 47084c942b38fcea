//! `mayfly explain`: each kind of story, and each reason to wait.

use mayfly_cli::commands::explain::{self, report};
use mayfly_cli::deployment::killed::Killed;
use mayfly_cli::deployment::wait_reason::WaitKind;
use mayfly_cli::terminal::text_format::width;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::JobState;
use mayfly_domain::model::price::NanoDollars;
use mayfly_fargate_model::{Fault, FaultKind};
use mayfly_github_model::jobs::{Conclusion, Gate, NewJob, Status};
use mayfly_simulator::system::{Start, System};

use crate::stories::fixture::{
    all_jobs, explained, holds, holds_json, jobs, ledger, now, pools, status, text,
};
use crate::stories::told::{begin, done, job, pool_with, queue_one, rest, until};

async fn told(system: &System, name: &str, job: JobId) {
    holds(system, name, &text(&explained(system, job).await));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_served_at_once() {
    let system = begin(300);
    let job = queue_one(&system);
    done(&system, 120, &[job]).await;
    rest(&system, 60).await;
    let report = explained(&system, job).await;
    holds(&system, "served", &text(&report));
    holds_json(&system, "served_json", &report);
    assert!(
        report.cost_nanodollars.is_some_and(|cost| cost.0 > 0)
            && report.swaps.is_empty()
            && report.waits.is_none()
    );
    assert!(report.story.iter().map(|line| line.at).is_sorted());
    // GitHub's runner with 2 vCPUs and 8 GB costs $0.006 a minute, and the job ran for 20 seconds.
    assert_eq!(report.hosted_nanodollars, Some(NanoDollars(6_000_000)));
    let unknown = report::JobReport {
        cost_nanodollars: None,
        no_cost: vec!["Mayfly knows no price of it".to_owned()],
        ..report
    };
    let said = text(&unknown);
    assert_eq!(
        said.matches("Mayfly knows no price of it").count(),
        1,
        "{said}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_runner_is_on_its_way() {
    let system = begin(301);
    let job = queue_one(&system);
    until(&system, 20, "its task is on its way", |system| {
        !system.live_tasks().is_empty()
    })
    .await;
    system.pass(5).await;
    told(&system, "on_its_way", job).await;
    let report = explained(&system, job).await;
    let waits = report.waits.unwrap();
    assert_eq!(
        (waits.waits_for, waits.runner),
        (WaitKind::Runner, Some(system.runners()[0].id.clone()))
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_runs() {
    let system = begin(302);
    let job = system.queue_jobs(&NewJob {
        seconds: 300.0,
        ..job()
    })[0];
    until(&system, 120, "it runs", |system| {
        system
            .job(job)
            .is_some_and(|job| job.state == JobState::Running)
    })
    .await;
    system.pass(30).await;
    told(&system, "runs", job).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_at_max_knows_how_many_come_before_it() {
    let system = Start::seeded(303)
        .pools(&pool_with("max = 1"))
        .begin()
        .unwrap();
    let first = system.queue_jobs(&NewJob {
        seconds: 400.0,
        ..job()
    })[0];
    until(&system, 60, "the first one has its runner", |system| {
        !system.runners().is_empty()
    })
    .await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(queue_one(&system));
        system.pass(5).await;
    }
    system.pass(60).await;
    for (ahead, job) in waiting.iter().enumerate() {
        let waits = explained(&system, *job).await.waits.unwrap();
        assert_eq!(
            (waits.waits_for, waits.ahead),
            (WaitKind::PoolMax, Some(ahead))
        );
    }
    told(&system, "at_max", waiting[2]).await;
    holds_json(
        &system,
        "at_max_json",
        &explained(&system, waiting[2]).await.waits,
    );
    assert!(explained(&system, first).await.waits.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_repository_at_its_max() {
    let system = Start::seeded(304)
        .pools(&pool_with("max = 10\nmax_per_repository = 1"))
        .begin()
        .unwrap();
    system.queue_jobs(&NewJob {
        seconds: 200.0,
        ..job()
    });
    system.pass(5).await;
    let second = queue_one(&system);
    system.pass(30).await;
    let waits = explained(&system, second).await.waits.unwrap();
    assert_eq!(
        (waits.waits_for, waits.ahead),
        (WaitKind::RepositoryMax, Some(0)),
        "{}",
        waits.because
    );
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_is_open_tells_why_and_when_it_probes() {
    let system = begin(305);
    system.fault(Fault::of(FaultKind::PullFailure));
    let job = queue_one(&system);
    until(&system, 300, "a start has failed", |system| {
        !system.closed_runners().is_empty()
    })
    .await;
    system.pass(5).await;
    let report = explained(&system, job).await;
    holds(&system, "breaker_open", &text(&report));
    let waits = report.waits.unwrap();
    assert_eq!(waits.waits_for, WaitKind::FailedStarts);
    assert!(
        waits.next_try_at.is_some_and(|at| at.0 > now(&system))
            && waits.help.is_some_and(|help| help.contains("image"))
    );
}

#[tokio::test(start_paused = true)]
async fn no_capacity_is_told_in_ecs_words() {
    let system = begin(306);
    system.fault(Fault::of(FaultKind::NoCapacity));
    let job = queue_one(&system);
    system.pass(30).await;
    let waits = explained(&system, job).await.waits.unwrap();
    assert_eq!(waits.waits_for, WaitKind::FailedStarts);
    assert!(
        waits.because.contains("Capacity is unavailable"),
        "{}",
        waits.because
    );
}

#[tokio::test(start_paused = true)]
async fn github_told_us_to_wait() {
    let system = begin(307);
    system.world.with_github(|github, _| {
        github.faults.api.primary_limit = 1.0;
        github.faults.api.primary_reset = 600;
        github.faults.api.budget = Some(1);
        github.faults.api.operations =
            vec!["actions/generate-runner-jitconfig-for-repo".to_owned()];
    });
    queue_one(&system);
    until(&system, 120, "GitHub says so", |system| {
        !system
            .world
            .with_github(|github, _| github.faults.api.budget == Some(1))
    })
    .await;
    system.pass(2).await;
    let second = queue_one(&system);
    system.pass(20).await;
    let waits = explained(&system, second).await.waits.unwrap();
    assert_eq!(waits.waits_for, WaitKind::GithubLimit);
    assert!(
        waits.next_try_at.is_some_and(|at| at.0 > now(&system)),
        "{waits:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_no_pool_takes_is_told_which_label_is_missing() {
    let system = begin(308);
    let labels = ["self-hosted", "linux", "mayfly", "gpu"]
        .map(str::to_owned)
        .to_vec();
    let job = system.queue_jobs(&NewJob { labels, ..job() })[0];
    until(&system, 30, "it is written down", |system| {
        system.job(job).is_some()
    })
    .await;
    told(&system, "no_pool", job).await;
    // Once a pool takes it, it is said that it will.
    system
        .world
        .parameters
        .put_pools(&pool_with("max = 2").replace("\"mayfly\"", "\"mayfly\", \"gpu\""));
    let waits = explained(&system, job).await.waits.unwrap();
    assert!(
        waits
            .help
            .is_some_and(|help| help.contains("pool linux takes it"))
    );
    done(&system, 300, &[job]).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_behind_a_gate_is_told_who_can_open_it() {
    let system = begin(309);
    let job = system.queue_jobs(&NewJob {
        gate: Some(Gate::Environment),
        ..job()
    })[0];
    let blocked = |system: &System| {
        system
            .job(job)
            .is_some_and(|job| job.state == JobState::Blocked)
            && system.is_at_rest()
    };
    until(&system, 60, "it is known to be held back", blocked).await;
    told(&system, "gate", job).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_stolen_from_its_runner_and_recovered() {
    let system = begin(4);
    let victim = queue_one(&system);
    until(&system, 20, "a runner is started for it", |system| {
        !system.runners().is_empty()
    })
    .await;
    let thief = system.queue_jobs(&NewJob {
        thief: true,
        ..job()
    })[0];
    done(&system, 240, &[victim, thief]).await;
    rest(&system, 60).await;
    let (robbed, served) = (
        explained(&system, victim).await,
        explained(&system, thief).await,
    );
    holds(&system, "stolen", &text(&robbed));
    holds(&system, "thief", &text(&served));
    assert!(
        robbed
            .swaps
            .iter()
            .any(|swap| swap.contains(&format!("GitHub gave it job {thief} instead"))),
        "{:?}",
        robbed.swaps
    );
    assert!(
        served
            .swaps
            .iter()
            .any(|swap| swap.contains(&format!("which was started for job {victim}"))),
        "{:?}",
        served.swaps
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_cancelled_before_it_began() {
    let system = begin(311);
    let job = queue_one(&system);
    until(&system, 20, "its task is on its way", |system| {
        !system.live_tasks().is_empty()
    })
    .await;
    system.cancel(job);
    rest(&system, 60).await;
    let report = explained(&system, job).await;
    holds(&system, "cancelled", &text(&report));
    assert_eq!(report.runners.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_runner_was_killed() {
    let system = begin(312);
    let job = system.queue_jobs(&NewJob {
        seconds: 200.0,
        ..job()
    })[0];
    until(&system, 120, "it runs", |system| {
        system
            .job(job)
            .is_some_and(|job| job.state == JobState::Running)
    })
    .await;
    let task = system.runners()[0].arn.clone().unwrap();
    system.kill_container(task.task_id());
    let killed = Some(Killed::OutOfMemory { certain: false });
    until(&system, 60, "its runner is gone", |system| {
        system.runners().is_empty()
    })
    .await;
    told(&system, "runner_killed", job).await;
    // Long before GitHub gives the job up.
    let failures = status(&system).await.last_failures;
    assert_eq!(
        failures
            .iter()
            .map(|line| (line.job, &line.killed))
            .collect::<Vec<_>>(),
        [(Some(job), &killed)]
    );
    let over = |system: &System| {
        system
            .job(job)
            .is_some_and(|job| job.state == JobState::Closed)
    };
    until(&system, 3_600, "GitHub fails it", over).await;
    told(&system, "failed_with_its_runner", job).await;
    let report = explained(&system, job).await;
    assert!(
        report.summary.starts_with("failed because its runner was killed: most likely out of memory (exit code 137); waited"),
        "{}",
        report.summary
    );
    assert_eq!(
        report.help.as_deref(),
        Some("give pool linux more than 8 GiB, or have the job use less memory")
    );
    let listed = &jobs(&system, &all_jobs(&system)).await.jobs[0];
    assert_eq!(
        listed.because.as_deref(),
        Some("its runner was killed: most likely out of memory (exit code 137)")
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_admission_refused() {
    let organization = pool_with(
        "max = 20\nscope = \"organization\"\nrunner_group = \"Default\"\nrepositories = [\"acme/app\"]",
    );
    let system = Start::seeded(313).pools(&organization).begin().unwrap();
    // Older, of the same labels, and of a repository that the pool does not list: GitHub hands it
    // to the first runner that waits.
    let stranger = system.queue_jobs(&NewJob {
        repository: "acme/secret".to_owned(),
        ..job()
    })[0];
    let accepted = queue_one(&system);
    done(&system, 300, &[accepted]).await;
    let failed = |system: &System| {
        system.at_github(stranger) == Some((Status::Completed, Some(Conclusion::Failure)))
    };
    until(&system, 120, "GitHub gives the stranger up", failed).await;
    rest(&system, 300).await;
    told(&system, "refused_by_admission", stranger).await;
    told(&system, "robbed_by_a_stranger", accepted).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_spot_capacity_was_taken_back() {
    let system = Start::seeded(314)
        .pools(&pool_with("max = 4\ncapacity = \"spot\""))
        .begin()
        .unwrap();
    system.fault(Fault {
        milliseconds: Some(20_000),
        ..Fault::of(FaultKind::SpotInterruption).times(1)
    });
    let job = system.queue_jobs(&NewJob {
        seconds: 200.0,
        ..job()
    })[0];
    let over = |system: &System| {
        system
            .job(job)
            .is_some_and(|job| job.state == JobState::Closed)
    };
    until(&system, 1_200, "the job is over", over).await;
    rest(&system, 900).await;
    told(&system, "interrupted", job).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_pool_is_gone() {
    let system = Start::seeded(315)
        .pools(&pool_with("max = 1"))
        .begin()
        .unwrap();
    system.queue_jobs(&NewJob {
        seconds: 400.0,
        ..job()
    });
    system.pass(5).await;
    let second = queue_one(&system);
    system.pass(10).await;
    system.world.parameters.put_pools(
        &pool_with("max = 1")
            .replace("[pools.linux]", "[pools.other]")
            .replace("\"mayfly\"", "\"other\""),
    );
    let waits = explained(&system, second).await.waits.unwrap();
    assert_eq!(waits.waits_for, WaitKind::Pool, "{}", waits.because);
    let unplaced = |system: &System| {
        system
            .job(second)
            .is_some_and(|job| job.state == JobState::Unplaced)
    };
    until(&system, 200, "no pool has it", unplaced).await;
    assert_eq!(
        explained(&system, second).await.waits.unwrap().waits_for,
        WaitKind::NoPool
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_nobody_told_of_is_not_known() {
    let system = begin(316);
    assert_eq!(
        report::gather(
            &ledger(&system),
            Some(&pools(&system)),
            JobId(404),
            "https://github.com",
            now(&system)
        )
        .await
        .unwrap(),
        None
    );
}

#[tokio::test(start_paused = true)]
async fn a_name_that_would_paint_the_terminal_is_shown_and_does_nothing() {
    let system = begin(317);
    let job = system.queue_jobs(&NewJob {
        name: "build\u{1b}[2J\u{7}\nok".to_owned(),
        ..job()
    })[0];
    until(&system, 20, "it is written down", |system| {
        system.job(job).is_some()
    })
    .await;
    let shown = anstream::adapter::strip_str(&text(&explained(&system, job).await)).to_string();
    assert!(shown.contains("build\u{fffd}[2J\u{fffd} ok"), "{shown}");
}

/// A terminal of any usual width breaks no line of a table, and all that happened is there.
#[tokio::test(start_paused = true)]
async fn a_story_fits_the_terminal_and_loses_nothing() {
    let system = begin(319);
    let job = system.queue_jobs(&NewJob {
        name: "構築 👷 test (ubuntu-22.04, node 20, a long name)".to_owned(),
        ..job()
    })[0];
    done(&system, 120, &[job]).await;
    rest(&system, 60).await;
    let report = explained(&system, job).await;
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for room in 70..180 {
        let text =
            anstream::adapter::strip_str(&explain::text::text(&report, Some(room))).to_string();
        let table: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.starts_with("TIME (UTC)"))
            .collect();
        assert!(
            table.iter().all(|line| width(line) <= room),
            "{room}:\n{}",
            table.join("\n")
        );
        let all = words(&table.join("\n"));
        for line in &report.story {
            assert!(
                words(&line.text).iter().all(|word| all.contains(word)),
                "{room}: {}",
                line.text
            );
        }
    }
}

/// A job that was placed without a pools file at hand is explained, too: only what the file says is
/// left out.
#[tokio::test(start_paused = true)]
async fn without_a_pools_file_the_ledger_alone_is_told() {
    let system = begin(318);
    let job = queue_one(&system);
    done(&system, 120, &[job]).await;
    let report = report::gather(
        &ledger(&system),
        None,
        job,
        "https://github.com",
        now(&system),
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!((report.matched, report.state), (None, JobState::Closed));
}
