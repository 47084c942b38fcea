//! GitHub's word against what the ledger has: every pair, and any order of deliveries and
//! questions.

use std::collections::BTreeSet;
use std::time::Duration;

use mayfly_domain::model::id::{GithubRunnerId, JobId};
use mayfly_domain::model::job::{
    AssignedRunner, JobEvent, JobRecord, JobState, UnconfirmedReason, WaitingJob,
};
use mayfly_domain::model::outbox::FollowUp;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::changes::{Changes, WaitingChange};
use mayfly_domain::transitions::delivery::{DeliverySnapshot, apply_delivery};
use mayfly_domain::transitions::reconcile::{
    GithubJob, GithubJobDetails, GithubJobStatus, RunEnd, reconcile_job,
};
use mayfly_domain::transitions::snapshot::JobSnapshot;
use proptest::prelude::*;

use crate::fixture::builders::{NOW, ago, busy, job, pool_name, record_of};
use crate::fixture::deliveries::{Ledger, completed, in_progress, named, pools, queued, waiting};

/// Long enough ago for what GitHub shows to count.
const LONG: u64 = 600;

fn seen(status: GithubJobStatus) -> GithubJobDetails {
    GithubJobDetails {
        status,
        runner: None,
        conclusion: (status == GithubJobStatus::Completed).then(|| "success".to_owned()),
        created_at: Some(ago(LONG)),
        started_at: Some(ago(LONG)),
        completed_at: (status == GithubJobStatus::Completed).then(|| ago(30)),
    }
}

fn says(status: GithubJobStatus) -> GithubJob {
    GithubJob::Found(seen(status))
}

fn run_over() -> GithubJob {
    GithubJob::RunCompleted(RunEnd {
        conclusion: Some("startup_failure".to_owned()),
        at: Some(ago(LONG)),
    })
}

fn stranger() -> AssignedRunner {
    AssignedRunner {
        id: GithubRunnerId(1),
        name: "buildbox".into(),
    }
}

/// A job's record in this state; something was heard of it so many seconds ago.
fn record(state: JobState, heard: u64) -> JobRecord {
    let mut record = JobRecord {
        state,
        last_heard_at: Some(ago(heard)),
        received_at: ago(heard.max(LONG)),
        ..record_of(&job(1))
    };
    match state {
        JobState::Unplaced => (record.pool, record.size, record.target) = (None, None, None),
        JobState::Blocked => record.blocking = BTreeSet::from(["gate".to_owned()]),
        JobState::Running => {
            (record.running_at, record.runner_name) =
                (Some(ago(heard)), Some("buildbox".to_owned()))
        }
        JobState::Queued | JobState::Closed => {}
    }
    record
}

fn row(record: &JobRecord) -> Option<WaitingJob> {
    (record.state == JobState::Queued).then(|| WaitingJob {
        needs_check: true,
        ..job(1)
    })
}

fn learned(
    said: &GithubJob,
    record: &JobRecord,
    runner: Option<&Runner>,
    now: Timestamp,
) -> Changes {
    let row = row(record);
    let learned = reconcile_job(
        said,
        JobSnapshot {
            pools: &pools(),
            record,
            row: row.as_ref(),
            runner,
        },
        now,
    );
    assert!(learned.waiting.len() <= 1, "the row is written twice");
    learned
}

/// In short: the state afterwards, and what happens to the row, the doubt, the follow-ups and the
/// pools.
fn in_short(learned: &Changes, before: &JobRecord) -> String {
    let after = learned.record.as_ref().unwrap_or(before);
    let mut words = vec![format!("{:?}", after.state).to_lowercase()];
    match learned.waiting.first() {
        Some(WaitingChange::Put(..)) if before.state != JobState::Queued => {
            words.push("row comes".into());
        }
        Some(WaitingChange::Put(_, row)) if row.needs_check => words.push("asked, in vain".into()),
        Some(WaitingChange::Put(..)) => words.push("may be served".into()),
        Some(WaitingChange::Remove(..)) => words.push("row goes".into()),
        None => {}
    }
    words.extend(
        after
            .unconfirmed
            .map(|unconfirmed| format!("doubt: {:?}", unconfirmed.reason)),
    );
    words.extend(learned.follow_ups.iter().map(|open| match open.follow_up {
        FollowUp::CheckJob(_) => "ask later".to_owned(),
        ref other => other.to_string(),
    }));
    words.extend(learned.wake.iter().map(|pool| format!("wakes {pool}")));
    words.join(", ")
}

const STATES: [JobState; 5] = [
    JobState::Unplaced,
    JobState::Blocked,
    JobState::Queued,
    JobState::Running,
    JobState::Closed,
];

fn words() -> Vec<(&'static str, GithubJob)> {
    vec![
        ("queued", says(GithubJobStatus::Queued)),
        ("held", says(GithubJobStatus::Gated)),
        (
            "running",
            GithubJob::Found(GithubJobDetails {
                runner: Some(stranger()),
                ..seen(GithubJobStatus::Running)
            }),
        ),
        ("over", says(GithubJobStatus::Completed)),
        ("unclear", says(GithubJobStatus::Unknown)),
        ("run over", run_over()),
        ("not shown", GithubJob::NotFound),
        ("not seen", GithubJob::RepositoryNotVisible("why".into())),
    ]
}

fn table(heard: u64) -> String {
    let mut lines = Vec::new();
    for state in STATES {
        for (word, said) in words() {
            let record = record(state, heard);
            lines.push(format!(
                "{state:?}, {word}: {}",
                in_short(&learned(&said, &record, None, NOW), &record)
            ));
        }
    }
    lines.join("\n")
}

#[test]
fn every_state_and_every_word_when_nothing_was_heard_for_long() {
    insta::assert_snapshot!(table(LONG));
}

#[test]
fn what_was_heard_lately_is_not_taken_back_by_a_word_that_may_be_old() {
    insta::assert_snapshot!(table(60));
}

#[test]
fn a_job_runs_again_only_when_github_says_so_twice_and_its_runner_is_gone() {
    let open = busy(1, 1, 1001, Some(1));
    let said = says(GithubJobStatus::Queued);
    let first = learned(&said, &record(JobState::Running, LONG), None, NOW)
        .record
        .unwrap();
    assert_eq!(
        (first.state, first.unconfirmed.unwrap().reason),
        (JobState::Running, UnconfirmedReason::QueuedAgain)
    );
    let soon = NOW.plus(timeouts::REREAD_AFTER - Duration::from_secs(1));
    let later = NOW.plus(timeouts::REREAD_AFTER);
    assert!(
        learned(&said, &first, None, soon).record.is_none(),
        "an echo of the first answer"
    );
    assert!(
        learned(&said, &first, Some(&open), later).record.is_none(),
        "its runner may still be at work"
    );
    let again = learned(&said, &first, None, later);
    assert_eq!(in_short(&again, &first), "queued, row comes, wakes linux");
    let record = again.record.unwrap();
    assert_eq!(
        (
            record.epoch,
            record.runner_name.as_deref(),
            record.running_at,
            record.unconfirmed
        ),
        (1, None, None, None)
    );
    assert!(
        record.reason.is_none()
            && record.story.iter().any(|note| note
                .event
                .to_string()
                .contains("buildbox began it and is gone"))
    );
}

#[test]
fn one_answer_makes_up_for_every_delivery_that_is_missing() {
    let held = |blocking: &[&str]| JobRecord {
        queued: BTreeSet::new(),
        blocking: blocking.iter().map(|&guid| guid.to_owned()).collect(),
        ..record(JobState::Blocked, LONG)
    };
    for blocking in [&["a"][..], &["a", "b", "c"]] {
        let after = learned(&says(GithubJobStatus::Queued), &held(blocking), None, NOW)
            .record
            .unwrap();
        assert_eq!(
            (after.state, after.queued.len()),
            (JobState::Queued, blocking.len() + 1)
        );
    }
    let waits = JobRecord {
        queued: ["a", "b"].map(str::to_owned).into(),
        ..record(JobState::Queued, LONG)
    };
    let after = learned(&says(GithubJobStatus::Gated), &waits, None, NOW)
        .record
        .unwrap();
    assert_eq!((after.state, after.blocking.len()), (JobState::Blocked, 2));
}

#[test]
fn a_doubt_goes_when_github_says_what_is_known() {
    for (what, said) in [
        (
            UnconfirmedReason::QueuedAgain,
            says(GithubJobStatus::Queued),
        ),
        (UnconfirmedReason::NotFound, GithubJob::NotFound),
    ] {
        let unconfirmed = learned(&said, &record(JobState::Running, LONG), None, NOW)
            .record
            .unwrap();
        assert_eq!(
            unconfirmed
                .unconfirmed
                .map(|unconfirmed| unconfirmed.reason),
            Some(what)
        );
        assert!(unconfirmed.reason.is_some());
        let sure = learned(
            &words()[2].1,
            &unconfirmed,
            None,
            NOW.plus(timeouts::REREAD_AFTER),
        )
        .record
        .unwrap();
        assert_eq!(
            (sure.state, sure.unconfirmed, sure.reason),
            (JobState::Running, None, None)
        );
    }
}

#[test]
fn what_github_does_not_show_is_given_up_after_a_day_and_two_answers() {
    let day = timeouts::QUEUED_AT_MOST;
    for (said, state) in [
        GithubJob::NotFound,
        GithubJob::RepositoryNotVisible("no such repository".into()),
    ]
    .into_iter()
    .zip([JobState::Queued, JobState::Running])
    {
        let mut record = record(state, LONG);
        let mut now = NOW;
        let mut answers = 0;
        while record.state != JobState::Closed {
            let learned = learned(&said, &record, None, now);
            record = learned.record.unwrap_or(record);
            assert!(record.reason.is_some(), "no words after {answers} answers");
            answers += 1;
            now = now.plus(Duration::from_secs(3600));
        }
        // A job that is not shown has its age; one that is not seen may have been seen until the
        // first answer.
        let expected = if said == GithubJob::NotFound {
            day - Duration::from_secs(LONG)
        } else {
            day
        };
        assert_eq!(answers, expected.as_secs().div_ceil(3600) + 1, "{said:?}");
        assert!(
            record.conclusion.is_none()
                && record.expires_at.is_some()
                && matches!(record.reason, Some(Reason::GivenUp { .. }))
        );
    }
}

#[test]
fn what_a_gate_holds_back_is_given_up_only_when_github_keeps_no_run_for_so_long() {
    for said in [
        GithubJob::NotFound,
        GithubJob::RepositoryNotVisible("suspended".into()),
    ] {
        let held = record(JobState::Blocked, LONG);
        let once = learned(&said, &held, None, NOW).record.unwrap();
        let at = |days: u64| NOW.plus(Duration::from_secs(days * 86_400));
        let state = |now| {
            learned(&said, &once, None, now)
                .record
                .map_or(once.state, |after| after.state)
        };
        assert_eq!(
            (state(at(2)), state(at(34)), state(at(35))),
            (JobState::Blocked, JobState::Blocked, JobState::Closed),
            "{said:?}"
        );
    }
}

/// A job that was given up, as the ledger has it.
fn given_up() -> JobRecord {
    let waits = JobRecord {
        received_at: ago(2 * 86_400),
        queued: ["a".to_owned()].into(),
        ..record(JobState::Queued, LONG)
    };
    let once = learned(&GithubJob::NotFound, &waits, None, NOW)
        .record
        .unwrap();
    let given_up = learned(
        &GithubJob::NotFound,
        &once,
        None,
        NOW.plus(timeouts::REREAD_AFTER),
    )
    .record
    .unwrap();
    assert_eq!(
        (given_up.state, given_up.given_up),
        (JobState::Closed, true)
    );
    given_up
}

#[test]
fn a_job_that_was_given_up_opens_again_when_github_shows_it_and_one_that_is_over_does_not() {
    let later = NOW.plus(Duration::from_secs(7_200));
    let words = [
        (GithubJobStatus::Queued, JobState::Queued),
        (GithubJobStatus::Gated, JobState::Blocked),
        (GithubJobStatus::Running, JobState::Running),
        (GithubJobStatus::Completed, JobState::Closed),
    ];
    for (status, state) in words {
        let learned = learned(&says(status), &given_up(), None, later);
        let after = learned.record.unwrap();
        assert_eq!(
            (after.state, after.given_up, after.is_over()),
            (state, false, state == JobState::Closed),
            "{status:?}"
        );
        assert_eq!(
            after.expires_at.is_some() && after.closed_at.is_some(),
            state == JobState::Closed,
            "{status:?}"
        );
        assert_eq!(
            matches!(learned.waiting[..], [WaitingChange::Put(..)]),
            state == JobState::Queued,
            "{status:?}"
        );
        assert!(state != JobState::Queued || !learned.wake.is_empty());
        let over = JobRecord {
            given_up: false,
            ..given_up()
        };
        assert!(
            reconcile_job(
                &says(status),
                JobSnapshot {
                    pools: &pools(),
                    record: &over,
                    row: None,
                    runner: None
                },
                later
            )
            .writes_nothing()
        );
    }
    for said in [
        GithubJob::NotFound,
        GithubJob::RepositoryNotVisible("suspended".into()),
    ] {
        assert!(
            learned(&said, &given_up(), None, later).writes_nothing(),
            "{said:?}"
        );
    }
}

#[test]
fn a_delivery_about_a_job_that_was_given_up_counts_and_an_old_one_said_again_does_not() {
    let deliveries = [
        (queued("new"), JobState::Queued),
        (waiting("new"), JobState::Blocked),
        (in_progress("new", stranger()), JobState::Running),
        (completed("new", "success", None), JobState::Closed),
    ];
    for (event, state) in deliveries {
        let event = JobEvent {
            job: JobId(1),
            ..event
        };
        let (_, changes) = apply_delivery(
            &event,
            DeliverySnapshot {
                pools: &pools(),
                record: Some(&given_up()),
                runner: None,
            },
        );
        let after = changes.record.unwrap();
        assert_eq!(
            (after.state, after.given_up, after.expires_at.is_some()),
            (state, false, state == JobState::Closed),
            "{:?}",
            event.action
        );
        assert_eq!(
            matches!(changes.waiting[..], [WaitingChange::Put(..)]),
            state == JobState::Queued
        );
    }
    let again = JobEvent {
        job: JobId(1),
        ..queued("a")
    };
    assert!(
        apply_delivery(
            &again,
            DeliverySnapshot {
                pools: &pools(),
                record: Some(&given_up()),
                runner: None
            }
        )
        .1
        .writes_nothing()
    );
}

#[test]
fn an_old_job_is_not_given_up_for_a_single_answer() {
    let old = JobRecord {
        received_at: ago(3 * 86_400),
        ..record(JobState::Queued, LONG)
    };
    let first = learned(&GithubJob::NotFound, &old, None, NOW)
        .record
        .unwrap();
    assert_eq!(first.state, JobState::Queued);
    let second = learned(
        &GithubJob::NotFound,
        &first,
        None,
        NOW.plus(timeouts::REREAD_AFTER),
    )
    .record
    .unwrap();
    assert_eq!(second.state, JobState::Closed);
}

#[test]
fn a_runner_of_ours_that_github_names_is_at_work_or_done_as_after_a_delivery() {
    let runner =
        crate::fixture::builders::registered(1, 1, crate::fixture::builders::target(1, "mayfly"));
    for (status, done) in [
        (GithubJobStatus::Running, false),
        (GithubJobStatus::Completed, true),
    ] {
        let said = GithubJob::Found(GithubJobDetails {
            runner: Some(named(&runner)),
            ..seen(status)
        });
        for state in [JobState::Queued, JobState::Running, JobState::Closed] {
            let after = learned(&said, &record(state, LONG), Some(&runner), NOW).runner;
            let works = after.map(|after| {
                (
                    after.work.and_then(|work| work.job),
                    after.done_at.is_some(),
                )
            });
            let expected = (state != JobState::Closed || done).then_some((Some(JobId(1)), done));
            assert_eq!(works, expected, "{status:?}, {state:?}");
        }
        let forged = GithubJob::Found(GithubJobDetails {
            runner: Some(AssignedRunner {
                id: GithubRunnerId(2),
                ..named(&runner)
            }),
            ..seen(status)
        });
        assert_eq!(
            learned(&forged, &record(JobState::Queued, LONG), Some(&runner), NOW).runner,
            None
        );
    }
}

/// What happens to a job at GitHub, one every ten minutes; each is told by a delivery, but the last
/// way back, of which no one tells.
#[derive(Clone, Debug)]
struct Step {
    event: Option<JobEvent>,
    then: GithubJobStatus,
    runner: Option<AssignedRunner>,
}

/// The job that deliveries are about.
const JOB: i64 = 77;
/// Seconds between two things that happen to it.
const PACE: u64 = 600;

fn at(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

fn step(number: usize, event: JobEvent, then: GithubJobStatus) -> Step {
    let at = at(PACE * u64::try_from(number).unwrap());
    let event = JobEvent {
        delivery: format!("{number}"),
        started_at: Some(at),
        created_at: Some(ago(0)),
        completed_at: None,
        ..event
    };
    Step {
        runner: event.runner.clone(),
        event: Some(event),
        then,
    }
}

fn histories() -> Vec<Vec<Step>> {
    use GithubJobStatus::{Completed, Gated, Queued, Running};
    let other = AssignedRunner {
        id: GithubRunnerId(3),
        name: "buildbox-2".into(),
    };
    let ran = |from: usize, runner: &AssignedRunner| {
        [
            step(from, in_progress("", runner.clone()), Running),
            step(
                from + 1,
                completed("", "success", Some(runner.clone())),
                Completed,
            ),
        ]
    };
    let pending = || JobEvent {
        gated: true,
        ..queued("")
    };
    let plain = [
        vec![step(0, queued(""), Queued)],
        ran(1, &stranger()).into(),
    ]
    .concat();
    let cancelled = vec![
        step(0, queued(""), Queued),
        step(1, completed("", "cancelled", None), Completed),
    ];
    let gate = |n: usize| [step(n, waiting(""), Gated), step(n + 1, queued(""), Queued)];
    let gated = [
        vec![step(0, queued(""), Queued)],
        gate(1).into(),
        ran(3, &stranger()).into(),
    ]
    .concat();
    let twice = [
        vec![step(0, queued(""), Queued)],
        gate(1).into(),
        gate(3).into(),
        ran(5, &stranger()).into(),
    ]
    .concat();
    let concurrency = [
        vec![step(0, pending(), Gated), step(1, queued(""), Queued)],
        ran(2, &stranger()).into(),
    ]
    .concat();
    let again = Step {
        event: None,
        then: Queued,
        runner: None,
    };
    let back = [
        vec![
            step(0, queued(""), Queued),
            ran(1, &stranger())[0].clone(),
            again,
        ],
        ran(3, &other).into(),
    ]
    .concat();
    let whole = [plain, cancelled, gated, twice, concurrency, back];
    // As far as it has come.
    whole
        .iter()
        .flat_map(|all| (1..=all.len()).map(|to| all[..to].to_vec()))
        .collect()
}

/// What is heard of a history: when each delivery comes, if ever, and when GitHub is asked, with
/// how old an answer.
#[derive(Clone, Debug)]
struct Heard {
    history: Vec<Step>,
    delays: Vec<Option<u64>>,
    asks: Vec<(u64, u64)>,
}

fn heard(never: bool) -> impl Strategy<Value = Heard> {
    let ends = PACE * 12;
    prop::sample::select(histories()).prop_flat_map(move |history| {
        let delay = prop_oneof![4 => (0..60_u64).prop_map(Some), 2 => (0..3600_u64).prop_map(Some), 2 => Just(None)];
        let delays = prop::collection::vec(delay, history.len());
        let delays = delays.prop_map(move |all| all.into_iter().map(|one| one.or((!never).then_some(1800))).collect());
        let asks = prop::collection::vec((0..ends, 0..100_u64), 0..8);
        (Just(history), delays, asks).prop_map(|(history, delays, asks)| Heard { history, delays, asks })
    })
}

/// One thing that the ledger hears.
enum News {
    Delivery(Box<JobEvent>),
    Answer(u64),
}

impl Heard {
    fn shown(&self, at: u64) -> Option<GithubJob> {
        let so_far = self
            .history
            .iter()
            .enumerate()
            .take_while(|(number, _)| PACE * u64::try_from(*number).unwrap() <= at);
        let now = so_far.last()?.1;
        Some(GithubJob::Found(GithubJobDetails {
            runner: now.runner.clone(),
            started_at: None,
            ..seen(now.then)
        }))
    }

    fn news(&self) -> Vec<(u64, News)> {
        let mut news = Vec::new();
        for (number, (step, delay)) in self.history.iter().zip(&self.delays).enumerate() {
            if let (Some(event), Some(delay)) = (&step.event, delay) {
                news.push((
                    PACE * u64::try_from(number).unwrap() + delay,
                    News::Delivery(Box::new(event.clone())),
                ));
            }
        }
        news.extend(self.asks.iter().map(|(at, age)| (*at, News::Answer(*age))));
        news.sort_by_key(|(at, _)| *at);
        news
    }

    fn lived(&self) -> Ledger {
        let mut ledger = Ledger::default();
        for (seconds, news) in self.news() {
            match news {
                News::Delivery(event) => drop(ledger.record(
                    &JobEvent {
                        received_at: at(seconds),
                        ..*event
                    },
                    &pools(),
                )),
                News::Answer(age) => {
                    if let Some(said) = self.shown(seconds.saturating_sub(age)) {
                        ask(&mut ledger, &said, at(seconds));
                    }
                }
            }
        }
        ledger
    }

    fn ends(&self) -> JobState {
        match self.history.last().unwrap().then {
            GithubJobStatus::Gated => JobState::Blocked,
            GithubJobStatus::Queued | GithubJobStatus::Unknown => JobState::Queued,
            GithubJobStatus::Running => JobState::Running,
            GithubJobStatus::Completed => JobState::Closed,
        }
    }
}

fn ask(ledger: &mut Ledger, said: &GithubJob, now: Timestamp) {
    let Some(record) = ledger.records.get(&JobId(JOB)).cloned() else {
        return;
    };
    let key = (pool_name("linux"), JobId(JOB));
    let row = ledger.waiting.get(&key).cloned();
    let learned = reconcile_job(
        said,
        JobSnapshot {
            pools: &pools(),
            record: &record,
            row: row.as_ref(),
            runner: None,
        },
        now,
    );
    if let Some(after) = learned.record {
        ledger.records.insert(after.id, after);
    }
    for change in learned.waiting {
        match change {
            WaitingChange::Put(pool, after) => {
                let before = ledger.waiting.insert((pool, after.id), after);
                assert_eq!(before, row, "the row is not the one that was read");
            }
            WaitingChange::Remove(pool, job) => drop(ledger.waiting.remove(&(pool, job)).unwrap()),
        }
    }
    let record = &ledger.records[&JobId(JOB)];
    assert_eq!(
        ledger.waiting.len(),
        usize::from(record.state == JobState::Queued),
        "a waiting row, if and only if the job waits"
    );
}

fn config() -> ProptestConfig {
    let usual = ProptestConfig::default();
    ProptestConfig {
        cases: 8 * usual.cases,
        failure_persistence: None,
        ..usual
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_came_and_did_not_come_the_last_answers_settle_it(heard in heard(true)) {
        let mut ledger = heard.lived();
        let known = !ledger.records.is_empty();
        for late in 1..=3 {
            let now = PACE * 24 + late * 300;
            ask(&mut ledger, &heard.shown(now).unwrap(), at(now));
        }
        if known {
            prop_assert_eq!(ledger.records[&JobId(JOB)].state, heard.ends(), "{:?}", ledger.records[&JobId(JOB)].story);
        }
    }

    #[test]
    fn questions_in_between_do_not_mislead_what_deliveries_say(heard in heard(false)) {
        // A way back that no delivery tells needs a last question.
        prop_assume!(heard.history.iter().all(|step| step.event.is_some()));
        let ledger = heard.lived();
        prop_assert_eq!(ledger.records[&JobId(JOB)].state, heard.ends(), "{:?}", ledger.records[&JobId(JOB)]);
    }
}

#[test]
fn a_beginning_that_came_to_nothing_is_old_news_when_it_is_told_late() {
    let mut ledger = Ledger::default();
    let began = JobEvent {
        started_at: Some(ago(1000)),
        received_at: ago(1000),
        ..in_progress("b", stranger())
    };
    ledger.record(
        &JobEvent {
            received_at: ago(1100),
            ..queued("a")
        },
        &pools(),
    );
    ledger.record(&began, &pools());
    for seconds in [120, 60] {
        ask(&mut ledger, &says(GithubJobStatus::Queued), ago(seconds));
    }
    assert_eq!(
        (
            ledger.records[&JobId(JOB)].state,
            ledger.records[&JobId(JOB)].epoch
        ),
        (JobState::Queued, 1)
    );
    ledger.record(
        &JobEvent {
            delivery: "late".into(),
            received_at: NOW,
            ..began
        },
        &pools(),
    );
    assert_eq!(ledger.records[&JobId(JOB)].state, JobState::Queued);
    let next = JobEvent {
        started_at: Some(ago(10)),
        ..in_progress(
            "c",
            AssignedRunner {
                id: GithubRunnerId(3),
                name: "another".into(),
            },
        )
    };
    ledger.record(&next, &pools());
    assert_eq!(ledger.records[&JobId(JOB)].state, JobState::Running);
}

#[test]
fn the_run_of_a_job_is_looked_at_when_the_job_waits_for_longer_than_github_lets_any_wait() {
    let day = timeouts::QUEUED_AT_MOST.as_secs();
    let waits = [JobState::Queued, JobState::Blocked];
    for state in STATES {
        for status in [
            GithubJobStatus::Queued,
            GithubJobStatus::Gated,
            GithubJobStatus::Running,
            GithubJobStatus::Completed,
            GithubJobStatus::Unknown,
        ] {
            for age in [day - 1, day, 30 * day] {
                let record = JobRecord {
                    queued_at: ago(age),
                    ..record(state, LONG)
                };
                let expected = age >= day
                    && waits.contains(&state)
                    && matches!(status, GithubJobStatus::Queued | GithubJobStatus::Gated);
                assert_eq!(
                    seen(status).run_may_be_over(&record, NOW),
                    expected,
                    "{state:?}, {status:?}, {age} s"
                );
            }
        }
    }
}

#[test]
fn a_job_that_waits_in_a_run_that_is_over_is_over_as_the_run_is() {
    for state in [JobState::Queued, JobState::Blocked] {
        let before = record(state, LONG);
        let learned = learned(&run_over(), &before, None, NOW);
        let after = learned.record.unwrap();
        assert_eq!(
            (after.state, after.conclusion.as_deref(), after.closed_at),
            (JobState::Closed, Some("startup_failure"), Some(ago(LONG)))
        );
        let row_goes = matches!(learned.waiting[..], [WaitingChange::Remove(..)]);
        assert_eq!(
            (row_goes, !learned.wake.is_empty()),
            (state == JobState::Queued, state == JobState::Queued)
        );
    }
}

#[test]
fn waiting_jobs_are_asked_about_at_once_if_someone_needs_to_know_and_every_half_hour_otherwise() {
    let later = |seconds| NOW.plus(Duration::from_secs(seconds));
    let plain = WaitingJob {
        queued_at: NOW,
        ..job(1)
    };
    assert!(!plain.needs_check(later(1799)) && plain.needs_check(later(1800)));
    let asked = WaitingJob {
        checked_at_github: Some(later(1800)),
        ..plain.clone()
    };
    assert!(!asked.needs_check(later(3599)) && asked.needs_check(later(3600)));
    let urgent = WaitingJob {
        needs_check: true,
        ..plain
    };
    assert!(urgent.needs_check(NOW));
    let in_vain = WaitingJob {
        checked_at_github: Some(NOW),
        ..urgent
    };
    assert!(!in_vain.needs_check(later(119)) && in_vain.needs_check(later(120)));
}

/// Kept, the doubt would count as the first of two answers when another comes days later.
#[test]
fn an_answer_that_changes_a_job_otherwise_ends_the_doubt_about_it_too() {
    let known = record(JobState::Running, LONG);
    let unconfirmed = learned(&says(GithubJobStatus::Queued), &known, None, NOW).record;
    let unconfirmed = JobRecord {
        runner_name: None,
        ..unconfirmed.unwrap()
    };
    assert!(unconfirmed.unconfirmed.is_some());
    let runs = GithubJob::Found(GithubJobDetails {
        runner: Some(stranger()),
        ..seen(GithubJobStatus::Running)
    });
    let after = learned(&runs, &unconfirmed, None, NOW.plus(timeouts::REREAD_AFTER));
    let after = after.record.unwrap();
    assert_eq!(
        (after.runner_name.as_deref(), after.unconfirmed),
        (Some("buildbox"), None)
    );
}
