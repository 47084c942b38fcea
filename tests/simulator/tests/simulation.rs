//! The simulator itself: stories are the same every time, what is broken is found, shrinking
//! shrinks, the summary counts.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails where its world cannot be set up"
)]

use std::time::Duration;

use mayfly_github_model::jobs::Gate;
use mayfly_simulator::simulation::{
    Act, Action, Batch, CallFaultKind, FaultProfile, Figures, Invariant, JobEnd, Keep, Moment,
    Outage, Profile, Rate, RunResult, Scenario, run_story, scenario, smallest,
};
use mayfly_simulator::system::Port;

/// Tells a story on a thread of its own: the functions' draws are a thread's, and stories need
/// room.
fn told(scenario: &Scenario, keep: Keep) -> RunResult {
    let scenario = scenario.clone();
    let thread = std::thread::Builder::new()
        .stack_size(16 * 1024 * 1024)
        .spawn(move || run_story(&scenario, keep).unwrap());
    thread.unwrap().join().unwrap()
}

fn hashed(scenario: &Scenario) -> Option<u64> {
    told(
        scenario,
        Keep {
            trace: false,
            hash: true,
        },
    )
    .hash
}

/// One pool, and these acts.
fn plain(acts: Vec<Act>) -> Scenario {
    let pools = r#"{"accounts":["acme"],"pools":[{"name":"linux","labels":["self-hosted","linux","mayfly"],"max":5}]}"#;
    Scenario {
        situation: None,
        seed: 1,
        start_seconds: 30,
        pools: serde_json::from_str(pools).unwrap(),
        public: Vec::new(),
        groups: Vec::new(),
        acts,
        faults: FaultProfile::default(),
        calm_at: 300,
        page: None,
        lingers: 0,
        tight: None,
        timing: Default::default(),
        logs: true,
    }
}

fn push(at: f64, count: u32) -> Act {
    let labels = vec!["mayfly".to_owned()];
    Act {
        at,
        action: Action::Queue(Batch {
            id: 1,
            repository: "acme/app".to_owned(),
            labels,
            count,
            seconds: 20.0,
            ..Batch::default()
        }),
    }
}

#[test]
fn the_same_seed_tells_the_same_story_and_another_one_another() {
    // Few jobs: what matters is that everything that is drawn is drawn from the seed.
    let seeds: Vec<u64> = (0..60)
        .filter(|seed| scenario(*seed, Profile::Harsh).jobs() < 25)
        .take(2)
        .collect();
    let hashes: Vec<_> = seeds
        .iter()
        .map(|seed| hashed(&scenario(*seed, Profile::Harsh)))
        .collect();
    assert_eq!(
        hashes,
        seeds
            .iter()
            .map(|seed| hashed(&scenario(*seed, Profile::Harsh)))
            .collect::<Vec<_>>()
    );
    assert_ne!(hashes[0], hashes[1]);
}

#[test]
fn a_plain_story_keeps_every_promise_and_its_jobs_are_counted() {
    let told = told(&plain(vec![push(1.0, 12)]), Keep::default());
    assert_eq!(told.violations, []);
    let figures = &told.figures;
    assert_eq!(
        (
            figures.all_jobs(),
            figures.happenings["tasks started"],
            figures.runners["ran"]
        ),
        (12, 12, 12)
    );
    assert!(
        figures.waste() > 0.2 && figures.waste() < 0.9,
        "{}",
        figures.waste()
    );
}

#[test]
fn a_cancelled_job_is_counted_as_cancelled() {
    let cancel = Act {
        at: 20.0,
        action: Action::Cancel {
            batch: 1,
            job: 0,
            moment: Moment::AtStart,
        },
    };
    let told = told(&plain(vec![push(1.0, 2), cancel]), Keep::default());
    assert_eq!(told.violations, []);
    let ends: Vec<u64> = told.figures.jobs.values().copied().collect();
    assert_eq!(ends, [1, 1], "{:?}", told.figures.jobs);
}

#[test]
fn a_job_that_github_gives_up_because_no_runner_came_breaks_i1() {
    let down = Act {
        at: 0.5,
        action: Action::Down {
            what: Outage::Ecs,
            seconds: 90_000,
        },
    };
    let told = told(
        &Scenario {
            calm_at: 90_000,
            ..plain(vec![down, push(1.0, 1)])
        },
        Keep::default(),
    );
    assert!(
        told.violations
            .iter()
            .any(|violation| violation.invariant == Invariant::I1),
        "{:?}",
        told.violations
    );
}

#[test]
fn a_story_without_a_webhook_does_not_count_as_served() {
    // Deliveries are never made, and no one ever heard of the repository: an excuse, but no
    // service.
    let mut scenario = plain(vec![push(1.0, 1)]);
    scenario.faults.github.deliveries.never_made = 1.0;
    let told = told(&scenario, Keep::default());
    assert!(
        told.figures
            .jobs
            .keys()
            .all(|end| *end != mayfly_simulator::simulation::JobEnd::Done),
        "{:?}",
        told.figures.jobs
    );
}

fn act(at: f64, action: Action) -> Act {
    Act { at, action }
}

/// A push of one job: its labels, and the gate that it stands at.
fn one_job(label: &str, gate: Option<Gate>) -> Act {
    let labels = vec![label.to_owned()];
    act(
        2.0,
        Action::Queue(Batch {
            id: 1,
            repository: "acme/app".to_owned(),
            labels,
            count: 1,
            seconds: 20.0,
            gate,
            ..Batch::default()
        }),
    )
}

/// For each reason for which a job may wait for ever: the words, and a story with that reason
/// alone.
fn excused() -> Vec<(&'static str, Scenario)> {
    let before = |action: Action| plain(vec![act(1.0, action), one_job("mayfly", None)]);
    let public = |scenario: Scenario| Scenario {
        public: vec!["acme/app".to_owned()],
        ..scenario
    };
    let mut grouped = public(plain(vec![one_job("mayfly", None)]));
    for pool in &mut grouped.pools.pools {
        (pool.group, pool.public) = (Some("Default".to_owned()), true);
    }
    let mut unheard = plain(vec![one_job("mayfly", None)]);
    unheard.faults.github.deliveries.never_made = 1.0;
    vec![
        (
            "held back by GitHub",
            plain(vec![one_job("mayfly", Some(Gate::Deployment))]),
        ),
        (
            "no pool takes it any more",
            public(plain(vec![one_job("mayfly", None)])),
        ),
        (
            "nobody's when it came",
            plain(vec![one_job("unknown", None)]),
        ),
        (
            "GitHub refuses its runners",
            before(Action::Refuse {
                place: "acme/app".to_owned(),
                status: 403,
            }),
        ),
        ("its runner group lets no public repository in", grouped),
        (
            "the App is away",
            before(Action::Suspend {
                account: "acme".to_owned(),
            }),
        ),
        ("nothing of its repository ever came", unheard),
    ]
}

#[test]
fn each_reason_to_wait_for_ever_excuses_its_own_job_and_is_counted() {
    for (words, scenario) in excused() {
        let told = told(&scenario, Keep::default());
        assert_eq!(told.violations, [], "{words}");
        assert_eq!(told.figures.waiting, [(words, 1)].into(), "{words}");
    }
}

#[test]
fn a_reason_that_has_passed_is_no_excuse_and_the_job_is_served() {
    let done = |scenario: &Scenario| {
        told(scenario, Keep::default())
            .figures
            .jobs
            .get(&JobEnd::Done)
            .copied()
    };
    let over = [
        ("held back by GitHub", Action::Approve { batch: 1 }),
        (
            "GitHub refuses its runners",
            Action::Allow {
                place: "acme/app".to_owned(),
            },
        ),
    ];
    for (words, action) in over {
        let mut scenario = excused()
            .into_iter()
            .find(|(of, _)| *of == words)
            .unwrap()
            .1;
        scenario.acts.push(act(200.0, action));
        assert_eq!(done(&scenario), Some(1), "{words}");
    }
    // Only GitHub says so, when it is asked.
    let shown = act(
        200.0,
        Action::Show {
            repository: "acme/app".to_owned(),
            private: true,
        },
    );
    let public = Scenario {
        public: vec!["acme/app".to_owned()],
        ..plain(vec![one_job("mayfly", None), shown])
    };
    assert_eq!(done(&public), Some(1));
    // Of what is pushed while the App is suspended nothing is ever told.
    let suspended = act(
        5.0,
        Action::Suspend {
            account: "acme".to_owned(),
        },
    );
    let resumed = act(
        200.0,
        Action::Resume {
            account: "acme".to_owned(),
        },
    );
    assert_eq!(
        done(&plain(vec![one_job("mayfly", None), suspended, resumed])),
        Some(1)
    );
}

#[test]
fn a_pools_file_that_functions_refuse_fails_its_story() {
    let mut bad = plain(vec![push(1.0, 1)]);
    bad.pools.pools[0].labels.clear();
    let later = plain(vec![
        push(1.0, 1),
        act(9.0, Action::Apply(bad.pools.clone())),
    ]);
    for scenario in [bad, later] {
        let told = told(&scenario, Keep::default());
        assert_eq!(
            told.violations
                .iter()
                .map(|one| one.invariant)
                .collect::<Vec<_>>(),
            [Invariant::Panic]
        );
        assert!(
            told.violations[0]
                .words
                .contains("none that functions accept"),
            "{:?}",
            told.violations
        );
        assert_eq!(told.figures.all_jobs(), 0);
    }
}

#[test]
fn every_call_that_is_struck_is_known_by_its_name_and_struck_again_by_it() {
    let mut scenario = plain(vec![push(1.0, 4)]);
    let rate = |port, call_fault| Rate::of(port, call_fault, 0.05);
    scenario.faults.rates = vec![
        rate(Port::Table, CallFaultKind::FailBefore),
        rate(Port::Ecs, CallFaultKind::Throttle),
        rate(Port::Table, CallFaultKind::CrashAfter),
        rate(Port::Github, CallFaultKind::Slow),
    ];
    let first = told(
        &scenario,
        Keep {
            trace: false,
            hash: true,
        },
    );
    assert!(first.strikes.len() > 3);
    scenario.faults.rates.clear();
    scenario.faults.calls.clone_from(&first.strikes);
    let second = told(
        &scenario,
        Keep {
            trace: false,
            hash: true,
        },
    );
    assert_eq!((first.hash, first.strikes), (second.hash, second.strikes));
}

#[test]
fn shrinking_leaves_what_the_failure_needs_and_nothing_else() {
    let drawn = (0..200)
        .map(|seed| scenario(seed, Profile::Harsh))
        .find(|one| one.jobs() > 40 && one.acts.len() > 20)
        .unwrap();
    let needs = |one: &Scenario| {
        one.jobs() >= 3
            && one
                .acts
                .iter()
                .any(|act| matches!(act.action, Action::Cancel { .. } | Action::Down { .. }))
    };
    let (small, tries) = smallest(&drawn, &[], &needs, Duration::from_secs(20));
    assert!(needs(&small));
    assert_eq!(
        (
            small.jobs(),
            small
                .acts
                .iter()
                .filter(|act| !matches!(act.action, Action::Queue(_)))
                .count()
        ),
        (3, 1),
        "{tries} tries"
    );
    assert!(small.faults.is_none() && small.pools.pools.len() == 1);
}

#[test]
fn figures_add_up() {
    let one = told(&plain(vec![push(1.0, 2)]), Keep::default()).figures;
    let mut sum = Figures::default();
    sum.add(&one);
    sum.add(&one);
    assert_eq!(
        (sum.seeds, sum.all_jobs(), sum.lasted),
        (2, 4, 2 * one.lasted)
    );
    assert!(sum.calls.values().all(|calls| calls.made % 2 == 0));
}
