//! How much is called, minute by minute: what "bounded while faults last" (I9) is held against.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_domain::model::time::Timestamp;

use crate::system::{CallOutcome, Event, Port, PortCall};
use mayfly_fargate_model::LastStatus;

/// Minutes that are judged together: what one minute begins, a later one may have to finish.
const WINDOW: i64 = 10;

/// GitHub calls of one sweep for one installation (`functions/sweeper/src/budget.rs`), and as many
/// for the App itself and what is not counted there.
const CALLS_OF_A_SWEEP: u64 = 60;

/// Minutes before a window of which it depends whether what is refused in it is tried in vain.
const BEFORE: i64 = 5;

/// RunTask calls of a pool that ECS may refuse in a window before which it refused already: of each
/// of its sizes (on demand and Spot) one try each time that a back-off of 1, 2, 4 … min is over.
const TRIES_OF_A_POOL: u64 = 6;

/// Exceptions of ECS after which the same is sent again.
const PASSING: [&str; 3] = [
    "ThrottlingException",
    "ServerException",
    "ConflictException",
];

/// What happened in a minute.
#[derive(Clone, Debug, Default)]
struct Minute {
    /// Looks at each pool.
    looks: BTreeMap<String, u64>,
    /// Things that give reason to look: arrivals and progress.
    reasons: u64,
    /// Calls that were struck: what had to be done again.
    struck: u64,
    /// Requests for tasks.
    run_task: u64,
    /// Of these, refused by ECS with an exception: the same again can do nothing.
    refused: u64,
    /// Pools files that were applied: what was refused may be tried at once.
    files: u64,
    /// Calls to ECS.
    ecs: u64,
    /// Tasks that were started.
    tasks: u64,
    /// The most of them at a time that had not asked.
    unasked: usize,
    /// Answers to containers.
    answers: u64,
    /// GitHub calls by function.
    github: BTreeMap<&'static str, u64>,
    sweeps: u64,
}

/// Calls of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PerMinute {
    /// scaler's looks at pools.
    pub looks: u64,
    /// Requests for tasks, the SDK's repetitions included.
    pub run_task: u64,
    /// Calls to ECS.
    pub ecs: u64,
    /// Calls to GitHub.
    pub github: u64,
    /// Tasks that were started.
    pub tasks: u64,
    /// Things that give reason to look.
    pub reasons: u64,
    /// The most tasks at a time that had not asked for their registration.
    pub unasked: usize,
}

impl PerMinute {
    fn of(minute: &Minute) -> Self {
        let Minute {
            run_task,
            ecs,
            tasks,
            reasons,
            unasked,
            ..
        } = *minute;
        Self {
            looks: minute.looks.values().sum(),
            run_task,
            ecs,
            github: minute.github.values().sum(),
            tasks,
            reasons,
            unasked,
        }
    }
}

/// All minutes.
#[derive(Debug, Default)]
pub(super) struct Pace {
    minutes: BTreeMap<i64, Minute>,
}

/// The pool that scaler begins to look at with this call: it reads the pool's `meta` first.
fn looked_at(call: &PortCall) -> Option<&str> {
    (call.who == "scaler" && call.port == Port::Table && call.operation == "GetItem")
        .then_some(())?;
    call.about.strip_prefix("pool#")?.strip_suffix(" meta")
}

/// True for an exception of ECS's that says no for good.
fn is_refusal(handling: &CallOutcome) -> bool {
    matches!(handling, CallOutcome::Refused(code) if code.ends_with("Exception") && !PASSING.contains(&code.as_str()))
}

impl Pace {
    /// A pools file was applied.
    pub(super) fn applied(&mut self, at: Timestamp) {
        self.minutes.entry(at.seconds() / 60).or_default().files += 1;
    }

    /// So many tasks have not asked for their registration.
    pub(super) fn unasked(&mut self, at: Timestamp, tasks: usize) {
        let minute = self.minutes.entry(at.seconds() / 60).or_default();
        minute.unasked = minute.unasked.max(tasks);
    }

    pub(super) fn saw(&mut self, at: Timestamp, event: &Event) {
        let minute = self.minutes.entry(at.seconds() / 60).or_default();
        minute.tasks += u64::from(matches!(event, Event::TaskStarted { .. }));
        match event {
            Event::Called { call, handling, .. } => {
                minute.struck += u64::from(
                    matches!(handling, CallOutcome::Faulted(..)) || handling.is_throttled(),
                );
                if let Some(pool) = looked_at(call) {
                    *minute.looks.entry(pool.to_owned()).or_default() += 1;
                }
                if call.port == Port::Github {
                    *minute.github.entry(call.who).or_default() += 1;
                }
                minute.run_task += u64::from(call.operation == "RunTask");
                minute.refused += u64::from(call.operation == "RunTask" && is_refusal(handling));
                minute.ecs += u64::from(call.port == Port::Ecs);
                // A runner's row became its record: a slot is free, which wakes its pool. Or
                // sweeper found a job another place.
                let transaction = call.operation == "TransactWriteItems";
                let moved = call.who == "sweeper" && call.about.contains("job#");
                minute.reasons +=
                    u64::from(transaction && (moved || call.about.contains(", runner#")));
            }
            Event::Began { who: "sweeper", .. } => minute.sweeps += 1,
            Event::Answered { .. } => minute.answers += 1,
            Event::DeliverySent { .. }
            | Event::JobChanged { .. }
            | Event::TaskStarted { .. }
            | Event::SettingsChanged { .. }
            | Event::TaskChanged {
                last: LastStatus::Running | LastStatus::Stopped,
                ..
            } => minute.reasons += 1,
            _ => {}
        }
    }

    /// Calls in each minute since the beginning.
    pub(super) fn per_minute(&self) -> impl Iterator<Item = PerMinute> {
        let (first, last) = (
            self.minutes.keys().next().copied().unwrap_or(0),
            self.minutes.keys().next_back().copied().unwrap_or(-1),
        );
        (first..=last).map(|minute| {
            self.minutes
                .get(&minute)
                .map_or_else(PerMinute::default, PerMinute::of)
        })
    }

    /// Where there was more than can be explained.
    pub(super) fn excesses(&self, until: Timestamp) -> Vec<(Timestamp, String)> {
        let (Some(first), last) = (self.minutes.keys().next().copied(), until.seconds() / 60)
        else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for from in (first..=last).step_by(usize::try_from(WINDOW).unwrap_or(1)) {
            let window: Vec<&Minute> = self
                .minutes
                .range(from..from + WINDOW)
                .map(|(_, minute)| minute)
                .collect();
            let at = Timestamp::from_millis((from + WINDOW) * 60_000);
            found.extend(excess(&window).into_iter().map(|words| (at, words)));
        }
        // The first one that is in vain says enough.
        found.extend((first + BEFORE..=last - WINDOW).find_map(|from| {
            let of = |range| {
                self.minutes
                    .range(range)
                    .map(|(_, minute)| minute)
                    .collect::<Vec<_>>()
            };
            let words = in_vain(&of(from - BEFORE..from), &of(from..from + WINDOW))?;
            Some((Timestamp::from_millis((from + WINDOW) * 60_000), words))
        }));
        found
    }
}

/// What is tried although it was refused and nothing has changed since: no task started, no
/// container asked, no file was applied.
fn in_vain(before: &[&Minute], window: &[&Minute]) -> Option<String> {
    let still = |minute: &&&Minute| minute.tasks == 0 && minute.answers == 0 && minute.files == 0;
    // A first wave of launches may reach into the next minute.
    let refused_before = before
        .split_last()
        .is_some_and(|(_, earlier)| earlier.iter().any(|minute| minute.refused > 0));
    if !refused_before
        || before.iter().chain(window).filter(still).count() < before.len() + window.len()
    {
        return None;
    }
    let pools = window
        .iter()
        .flat_map(|minute| minute.looks.keys())
        .collect::<BTreeSet<_>>()
        .len();
    let refused: u64 = window.iter().map(|minute| minute.refused).sum();
    let struck: u64 = window.iter().map(|minute| minute.struck).sum();
    let most = TRIES_OF_A_POOL * u64::try_from(pools).unwrap_or(1) + struck;
    (refused > most).then(|| {
        format!("{refused} RunTask in {WINDOW} min at {pools} pools, after ECS had refused as much")
    })
}

fn excess(window: &[&Minute]) -> Vec<String> {
    let sum = |of: &dyn Fn(&Minute) -> u64| window.iter().map(|minute| of(minute)).sum::<u64>();
    let (reasons, struck, sweeps) = (sum(&|m| m.reasons), sum(&|m| m.struck), sum(&|m| m.sweeps));
    let mut looks: BTreeMap<&str, u64> = BTreeMap::new();
    for (pool, count) in window.iter().flat_map(|minute| &minute.looks) {
        *looks.entry(pool).or_default() += count;
    }
    let mut found = Vec::new();
    let pools = u64::try_from(looks.len()).unwrap_or(1);
    // A tick a minute, maybe doubled; wakes that come back after 25 s because a call was struck;
    // and one look for what arrived or went on.
    let most = 3 * u64::try_from(WINDOW).unwrap_or(10) + 2 * reasons + 3 * struck;
    for (pool, count) in looks.iter().filter(|(_, count)| **count > most) {
        found.push(format!("{count} looks at {pool} in {WINDOW} min, for {reasons} arrivals and {struck} struck calls"));
    }
    let all: u64 = looks.values().sum();
    let run_task = sum(&|m| m.run_task);
    if run_task > 3 * 25 * all.max(1) {
        found.push(format!(
            "{run_task} RunTask in {WINDOW} min by {all} looks at {pools} pools"
        ));
    }
    let of = |who: &'static str| sum(&|m| m.github.get(who).copied().unwrap_or_default());
    if of("sweeper") > CALLS_OF_A_SWEEP * 3 * (sweeps + 1) {
        found.push(format!(
            "{} GitHub calls of sweeper in {WINDOW} min, in {sweeps} sweeps",
            of("sweeper")
        ));
    }
    let answers = sum(&|m| m.answers);
    if of("registrar") > 8 * (answers + 5) + 3 * struck {
        found.push(format!(
            "{} GitHub calls of registrar in {WINDOW} min, for {answers} requests",
            of("registrar")
        ));
    }
    found
}
