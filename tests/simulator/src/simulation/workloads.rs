//! The figures of docs/RELIABILITY.md: what is paid for while no job runs, and that there is no
//! storm.

use super::figures::Figures;
use super::generate::one_pool;
use super::recorder::Keep;
use super::run::with_room;
use super::scenario::{
    Act, Action, Batch, CallFaultKind, FaultProfile, Outage, Rate, Scenario, Timing,
};
use super::story_run::{RunResult, run_story};
use crate::system::Port;
use mayfly_fargate_model::{Fault, FaultKind};
use mayfly_github_model::faults::{DeliveryFaults, Faults};

/// How many stories of the burst workload.
const STORIES: u64 = 10;

/// Minutes until arrivals are over: what comes later is no arrival.
const ARRIVED: usize = 3;

const HOUR: u64 = 3_600;

fn jobs(id: u32, at: f64, count: u32, seconds: f64) -> Act {
    let labels = ["self-hosted", "mayfly"].map(str::to_owned).to_vec();
    Act {
        at,
        action: Action::Queue(Batch {
            id,
            repository: "acme/app".to_owned(),
            labels,
            count,
            seconds,
            ..Batch::default()
        }),
    }
}

/// Five bursts of forty jobs of one to three minutes, ten minutes apart, on at most forty runners.
#[must_use]
pub(super) fn bursts(seed: u64, share: f64) -> Scenario {
    let acts = (0..5_u32).map(|burst| {
        jobs(
            burst,
            10.0 + 600.0 * f64::from(burst),
            40,
            60.0 + 30.0 * f64::from(burst),
        )
    });
    let trouble = if share > 0.0 {
        every_share(share)
    } else {
        FaultProfile::default()
    };
    Scenario {
        seed,
        situation: None,
        // From RunTask to RUNNING with GitHub's image, as measured on a Fargate task.
        start_seconds: 47,
        pools: one_pool(40),
        public: Vec::new(),
        groups: Vec::new(),
        acts: acts.collect(),
        faults: trouble,
        calm_at: HOUR,
        page: None,
        lingers: 0,
        tight: None,
        timing: Timing::default(),
        logs: false,
    }
}

/// This share of all calls fails, in all ways alike; so do deliveries, starts and task events.
fn every_share(share: f64) -> FaultProfile {
    #[expect(clippy::cast_precision_loss, reason = "nine")]
    let each = share / CallFaultKind::ALL.len() as f64;
    let rates = Port::ALL
        .iter()
        .flat_map(|port| CallFaultKind::ALL.map(|kind| Rate::of(*port, kind, each)));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of one"
    )]
    let percent = (share * 100.0).round() as u8;
    let kinds = [
        (FaultKind::DiesBeforeAsking, 2_000),
        (FaultKind::NoCapacity, 0),
        (FaultKind::EventLost, 0),
        (FaultKind::SlowStart, 60_000),
    ];
    let deliveries = DeliveryFaults {
        lost: share,
        repeated: share,
        late: share,
        late_by: 120.0,
        ..DeliveryFaults::default()
    };
    FaultProfile {
        rates: rates.collect(),
        github: Faults {
            deliveries,
            stolen: share,
            ..Faults::default()
        },
        ecs: kinds
            .map(|(kind, millis)| Fault {
                percent,
                milliseconds: (millis > 0).then_some(millis),
                ..Fault::of(kind)
            })
            .to_vec(),
        ..FaultProfile::default()
    }
}

fn told(scenario: &Scenario) -> anyhow::Result<RunResult> {
    let told = with_room(|| run_story(scenario, Keep::default()))??;
    for violation in &told.violations {
        println!("  {violation}");
    }
    Ok(told)
}

/// What is paid for while no job runs.
pub(super) fn waste() -> anyhow::Result<bool> {
    let mut well = true;
    println!(
        "burst workload: {STORIES} stories of 200 jobs, paid from the image pull to the task's end"
    );
    for (share, name) in [(0.0, "without faults"), (0.05, "with 5 % faults")] {
        let mut figures = Figures::default();
        for seed in 0..STORIES {
            let told = told(&bursts(seed, share))?;
            well &= told.violations.is_empty();
            figures.add(&told.figures);
        }
        #[expect(clippy::cast_precision_loss, reason = "some thousand jobs")]
        let each =
            (figures.paid.as_secs_f64() - figures.used.as_secs_f64()) / figures.all_jobs() as f64;
        println!(
            "{name:<16} {} jobs, {:.1} runner-hours paid for, {:.1} with a job: {:.1} % waste, {each:.1} s a job",
            figures.all_jobs(),
            figures.paid.as_secs_f64() / 3600.0,
            figures.used.as_secs_f64() / 3600.0,
            100.0 * figures.waste(),
        );
    }
    Ok(well)
}

/// A thousand jobs within seconds, no more at once than the API lets in.
fn thousand_jobs() -> impl Iterator<Item = Act> {
    (0..5_u32).map(|wave| jobs(1 + wave, 30.0 + f64::from(wave), 200, 20.0))
}

/// A thousand jobs, and then something for an hour.
fn thousand(trouble: FaultProfile, down: Option<Outage>) -> Scenario {
    let mut acts: Vec<Act> = thousand_jobs().collect();
    acts.extend(down.map(|what| Act {
        at: 1.0,
        action: Action::Down {
            what,
            seconds: HOUR,
        },
    }));
    acts.sort_by(|one, other| one.at.total_cmp(&other.at));
    Scenario {
        acts,
        faults: trouble,
        pools: one_pool(100),
        calm_at: HOUR + 1,
        ..bursts(1, 0.0)
    }
}

/// The same, and ECS fails once it has taken the task definition, so that launches are what gets no
/// answer.
fn unanswered() -> Scenario {
    let down = Act {
        at: 20.0,
        action: Action::Down {
            what: Outage::Ecs,
            seconds: HOUR,
        },
    };
    Scenario {
        acts: [jobs(0, 1.0, 1, 20.0), down]
            .into_iter()
            .chain(thousand_jobs())
            .collect(),
        calm_at: HOUR + 60,
        ..thousand(FaultProfile::default(), None)
    }
}

/// Calls and tasks while ECS fails, or refuses everything, for an hour, and with a bad image.
pub(super) fn storm() -> anyhow::Result<bool> {
    let bad_image = FaultProfile {
        ecs: vec![Fault::of(FaultKind::PullFailure)],
        ..FaultProfile::default()
    };
    let stories = [
        (
            "ECS answers 500",
            thousand(FaultProfile::default(), Some(Outage::Ecs)),
        ),
        ("ECS answers 500 to launches", unanswered()),
        (
            "ECS refuses everything",
            thousand(FaultProfile::default(), Some(Outage::EcsRefuses)),
        ),
        ("a bad image", thousand(bad_image, None)),
    ];
    let mut well = true;
    println!("1,000 jobs wait for an hour; arrivals are the first {ARRIVED} minutes");
    for (name, scenario) in stories {
        let told = told(&scenario)?;
        let hour = &told.minutes[..told.minutes.len().min(60)];
        let later = hour.get(ARRIVED..).unwrap_or_default();
        let sum = |of: fn(&super::pace::PerMinute) -> u64| hour.iter().map(of).sum::<u64>();
        let most =
            |of: fn(&super::pace::PerMinute) -> u64| later.iter().map(of).max().unwrap_or_default();
        let unasked = hour
            .iter()
            .map(|minute| minute.unasked)
            .max()
            .unwrap_or_default();
        // One look a minute, and one for each task that started or ended and each row that closed:
        // that is progress. What happens at the end of one minute is looked at in the next.
        let excess = later
            .windows(2)
            .filter(|pair| pair[1].looks > 1 + pair[0].reasons + pair[1].reasons)
            .count();
        println!(
            "{name:<27} {:>4} looks ({} a minute at most once all have arrived), {:>5} calls to ECS ({} a minute), {:>5} to GitHub ({} a minute), {:>3} tasks in the hour, {} unasked at a time at most",
            sum(|minute| minute.looks),
            most(|minute| minute.looks),
            sum(|minute| minute.ecs),
            most(|minute| minute.ecs),
            sum(|minute| minute.github),
            most(|minute| minute.github),
            sum(|minute| minute.tasks),
            unasked,
        );
        well &= told.violations.is_empty() && excess == 0;
        if excess > 0 {
            println!("  in {excess} minutes there was more than a look a minute");
        }
        if name == "a bad image" && (sum(|minute| minute.tasks) > 20 || unasked > 5) {
            println!("  more than 20 tasks in the hour, or more than 5 unasked ones at a time");
            well = false;
        }
    }
    Ok(well)
}
