//! Any order, any repetition, same outcome: the deliveries of a job's life, shuffled and repeated,
//! applied to a ledger in memory.

use mayfly_domain::model::id::{GithubRunnerId, JobId, OwnerId, RunId};
use mayfly_domain::model::job::{
    AssignedRunner, JobEvent, JobRecord, JobState, Unconfirmed, UnconfirmedReason, WaitingJob,
    synthetic_delivery,
};
use mayfly_domain::model::outbox::FollowUp;
use mayfly_domain::model::pool::{MatchKey, Pools, RepositoryPattern};
use mayfly_domain::model::runner::{Runner, RunnerState};
use mayfly_domain::model::size::{Architecture, Capacity, Size};
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::target::TargetKey;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::changes::Verdict;
use mayfly_domain::transitions::delivery::{DeliverySnapshot, apply_delivery};
use proptest::prelude::*;

use crate::fixture::builders::{NOW, ago, busy, job, pool_name, registered, target};
use crate::fixture::deliveries::{
    Ledger, completed, elsewhere, in_progress, named, pools, queued, waiting,
};

/// The job that deliveries are about.
const JOB: i64 = 77;

/// The life of a job: its deliveries in the order in which things happened, and the runners whose
/// rows are open.
#[derive(Clone, Debug)]
struct Life {
    what: &'static str,
    deliveries: Vec<JobEvent>,
    runners: Vec<Runner>,
    ends: JobState,
}

fn ours(number: u64, reserved: i64) -> Runner {
    registered(number, reserved, target(1, "mayfly"))
}

fn of_pool_other(runner: Runner) -> Runner {
    Runner {
        pool: pool_name("other"),
        ..runner
    }
}

fn stranger() -> AssignedRunner {
    AssignedRunner {
        id: GithubRunnerId(1),
        name: "buildbox".into(),
    }
}

fn rerun(event: JobEvent) -> JobEvent {
    JobEvent {
        job: JobId(78),
        attempt: 2,
        delivery: format!("{}-again", event.delivery),
        ..event
    }
}

fn approved(event: JobEvent) -> JobEvent {
    JobEvent {
        started_at: Some(ago(40)),
        ..event
    }
}

/// Who works on the job, as far as the ledger knows.
fn workers() -> Vec<(&'static str, AssignedRunner, Vec<Runner>)> {
    let (own, another) = (ours(1, JOB), of_pool_other(ours(2, 50)));
    let admitted = busy(3, JOB, 7, None);
    let forged = AssignedRunner {
        id: GithubRunnerId(2),
        ..named(&own)
    };
    let older = AssignedRunner {
        name: named(&own).name.replace("-1", "-9"),
        ..named(&own)
    };
    vec![
        ("its own runner", named(&own), vec![own.clone()]),
        (
            "its own runner, already admitted",
            named(&admitted),
            vec![admitted],
        ),
        (
            "a runner of ours that was meant for another job",
            named(&ours(1, 50)),
            vec![ours(1, 50)],
        ),
        (
            "a runner of another pool of ours",
            named(&another),
            vec![another],
        ),
        (
            "a runner of ours whose row is closed",
            named(&own),
            Vec::new(),
        ),
        ("a stranger's runner", stranger(), vec![own.clone()]),
        (
            "a stranger's runner under our runner's name",
            forged,
            vec![own.clone()],
        ),
        (
            "a runner of ours under a name of another registration attempt",
            older,
            vec![own],
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn lives() -> Vec<Life> {
    let mut lives = Vec::new();
    let mut add = |what, deliveries: Vec<JobEvent>, runners: Vec<Runner>, ends| {
        lives.push(Life {
            what,
            deliveries,
            runners,
            ends,
        })
    };
    for (what, runner, rows) in workers() {
        let began = in_progress("b", runner.clone());
        let over = completed("c", "success", Some(runner));
        add(
            what,
            vec![queued("a"), began.clone(), over.clone()],
            rows.clone(),
            JobState::Closed,
        );
        add(
            what,
            vec![queued("a"), over.clone()],
            rows.clone(),
            JobState::Closed,
        );
        add(
            what,
            vec![queued("a"), began.clone()],
            rows.clone(),
            JobState::Running,
        );
        add(
            what,
            vec![
                queued("a"),
                waiting("g"),
                approved(queued("h")),
                began,
                over,
            ],
            rows,
            JobState::Closed,
        );
    }
    let nobody = || {
        Some(AssignedRunner {
            id: GithubRunnerId(0),
            name: String::new(),
        })
    };
    add("queued", vec![queued("a")], vec![], JobState::Queued);
    add(
        "cancelled before it began",
        vec![queued("a"), completed("c", "cancelled", None)],
        vec![ours(1, JOB)],
        JobState::Closed,
    );
    add(
        "cancelled, with an empty runner name",
        vec![queued("a"), completed("c", "cancelled", nobody())],
        vec![],
        JobState::Closed,
    );
    add(
        "skipped",
        vec![completed("c", "skipped", None)],
        vec![],
        JobState::Closed,
    );
    add("held back", vec![waiting("g")], vec![], JobState::Blocked);
    add(
        "queued, then held back",
        vec![queued("a"), waiting("g")],
        vec![],
        JobState::Blocked,
    );
    add(
        "gated and approved",
        vec![queued("a"), waiting("g"), approved(queued("h"))],
        vec![],
        JobState::Queued,
    );
    let twice = vec![
        queued("a"),
        waiting("g"),
        queued("h"),
        waiting("i"),
        approved(queued("j")),
    ];
    add(
        "gated and approved twice",
        twice.clone(),
        vec![],
        JobState::Queued,
    );
    add(
        "gated twice, approved once",
        twice[..4].to_vec(),
        vec![],
        JobState::Blocked,
    );
    let pending = JobEvent {
        gated: true,
        ..queued("p")
    };
    add(
        "queued while a concurrency group is full",
        vec![pending.clone()],
        vec![],
        JobState::Blocked,
    );
    add(
        "pending, then queued",
        vec![pending, queued("a")],
        vec![],
        JobState::Queued,
    );
    add(
        "gated, refused",
        vec![queued("a"), waiting("g"), completed("c", "failure", None)],
        vec![],
        JobState::Closed,
    );
    lives
}

/// Deliveries in any order, each at least once, some several times.
fn shuffled(deliveries: Vec<JobEvent>) -> impl Strategy<Value = Vec<JobEvent>> {
    let again = prop::collection::vec(prop::sample::select(deliveries.clone()), 0..4);
    again.prop_flat_map(move |again| Just([deliveries.clone(), again].concat()).prop_shuffle())
}

fn life_in_any_order() -> impl Strategy<Value = (Life, Vec<JobEvent>)> {
    prop::sample::select(lives())
        .prop_flat_map(|life| (Just(life.clone()), shuffled(life.deliveries)))
}

fn lived(runners: &[Runner], deliveries: &[JobEvent]) -> Ledger {
    let mut ledger = Ledger::with(runners.to_vec());
    for event in deliveries {
        ledger.record(event, &pools());
    }
    ledger
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
    fn deliveries_in_any_order_and_any_repetition_have_one_outcome((life, deliveries) in life_in_any_order()) {
        let (in_order, shuffled) = (lived(&life.runners, &life.deliveries), lived(&life.runners, &deliveries));
        prop_assert_eq!(in_order.records[&JobId(JOB)].state, life.ends, "{}", life.what);
        let order: Vec<_> = deliveries.iter().map(|event| event.delivery.clone()).collect();
        prop_assert_eq!(shuffled.outcome(JOB), in_order.outcome(JOB), "{} as {:?}", life.what, order);
    }

    #[test]
    fn a_job_that_waits_in_the_end_was_woken_for((life, deliveries) in life_in_any_order()) {
        let ledger = lived(&life.runners, &deliveries);
        if life.ends == JobState::Queued {
            prop_assert!(ledger.woken.contains(&pool_name("linux")), "{}", life.what);
        }
    }

    #[test]
    fn a_rerun_is_a_job_of_its_own(deliveries in shuffled(
        [queued("a"), completed("c", "failure", Some(stranger()))].into_iter().chain([queued("a"), waiting("w"), queued("b")].map(rerun)).collect()
    )) {
        let ledger = lived(&[], &deliveries);
        let states = [JOB, JOB + 1].map(|id| ledger.records[&JobId(id)].state);
        prop_assert_eq!(states, [JobState::Closed, JobState::Queued]);
        prop_assert_eq!(ledger.waiting.into_keys().collect::<Vec<_>>(), vec![(pool_name("linux"), JobId(JOB + 1))]);
    }

    #[test]
    fn a_strangers_name_changes_no_runner(deliveries in shuffled(vec![
        in_progress("a", AssignedRunner { id: GithubRunnerId(2), ..named(&ours(1, JOB)) }),
        completed("b", "success", Some(AssignedRunner { id: GithubRunnerId(2), ..named(&ours(1, JOB)) })),
        in_progress("c", AssignedRunner { name: "buildbox".into(), ..named(&ours(1, JOB)) }),
        elsewhere(in_progress("d", named(&ours(1, JOB)))),
        elsewhere(completed("e", "success", Some(named(&ours(1, JOB))))),
    ])) {
        let ledger = lived(&[ours(1, JOB)], &deliveries);
        prop_assert_eq!(ledger.runners, vec![ours(1, JOB)]);
    }

    #[test]
    fn an_unplaced_job_has_one_outcome_whatever_the_order(deliveries in shuffled(
        [queued("a"), in_progress("b", stranger()), completed("c", "success", Some(stranger()))].map(for_nobody).into()
    )) {
        prop_assert_eq!(lived(&[], &deliveries).records[&JobId(JOB)].state, JobState::Closed);
    }
}

/// The delivery of a job that names `self-hosted` and a label that no pool offers.
fn for_nobody(event: JobEvent) -> JobEvent {
    JobEvent {
        labels: ["self-hosted", "buildbox"].into_iter().collect(),
        ..event
    }
}

#[test]
fn a_job_that_nobody_takes_is_unplaced_with_the_reason() {
    let mut ledger = Ledger::default();
    let verdict = ledger.record(&for_nobody(queued("a")), &pools());
    assert!(
        matches!(&verdict, Verdict::Unplaced(why) if why.to_string().contains("does not offer buildbox")),
        "{verdict:?}"
    );
    let record = &ledger.records[&JobId(JOB)];
    assert!(record.reason.is_some() && record.expires_at.is_some() && record.pool.is_none());
    assert_eq!(ledger.record(&for_nobody(queued("b")), &pools()), verdict);
    assert!(ledger.woken.is_empty());
}

/// GitHub cancels a job that has waited for a day, and that is all it says.
#[test]
fn what_kept_a_job_from_every_runner_is_told_when_it_is_over_and_of_one_that_ran_nothing_is() {
    let mut ledger = Ledger::default();
    ledger.record(&for_nobody(queued("a")), &pools());
    let before = ledger.records[&JobId(JOB)].reason.clone();
    assert!(before.is_some());
    ledger.record(&for_nobody(completed("b", "cancelled", None)), &pools());
    let record = &ledger.records[&JobId(JOB)];
    assert_eq!((record.is_over(), &record.reason), (true, &before));

    let over = |reason: Reason, change: &dyn Fn(&mut JobRecord), last: JobEvent| {
        let mut ledger = lived(&[], &[queued("a")]);
        let record = ledger.records.get_mut(&JobId(JOB)).unwrap();
        record.reason = Some(reason);
        change(record);
        ledger.record(&last, &pools());
        ledger.records[&JobId(JOB)].reason.clone()
    };
    let cancelled = || completed("b", "cancelled", None);
    assert_eq!(
        over(Reason::AskedFirst, &|_| {}, cancelled()),
        Some(Reason::WhileItWaited {
            why: Box::new(Reason::AskedFirst)
        })
    );
    assert_eq!(
        over(
            Reason::AskedFirst,
            &|_| {},
            completed("b", "success", Some(stranger()))
        ),
        None,
        "it ran, anyone who has the runner"
    );
    let doubted = |record: &mut JobRecord| {
        record.unconfirmed = Some(Unconfirmed {
            reason: UnconfirmedReason::NotFound,
            since: NOW,
        })
    };
    assert_eq!(over(Reason::JobNotFound, &doubted, cancelled()), None);
    assert_eq!(over(Reason::Gated, &|_| {}, cancelled()), None);
}

#[test]
fn jobs_of_others_leave_nothing_behind() {
    let hosted = |event: JobEvent| JobEvent {
        labels: ["ubuntu-latest"].into_iter().collect(),
        ..event
    };
    for event in [
        queued("a"),
        waiting("b"),
        in_progress("c", stranger()),
        completed("d", "success", Some(stranger())),
    ] {
        let mut ledger = Ledger::default();
        assert!(matches!(
            ledger.record(&hosted(event), &pools()),
            Verdict::Ignored(_)
        ));
        assert!(ledger.records.is_empty());
    }
}

#[test]
fn a_runner_of_ours_that_works_for_nobody_we_serve_is_busy_all_the_same() {
    let hosted = JobEvent {
        labels: ["linux"].into_iter().collect(),
        ..in_progress("c", named(&ours(1, 50)))
    };
    let mut ledger = Ledger::with([ours(1, 50)]);
    ledger.record(&hosted, &pools());
    assert_eq!(ledger.runners[0].state, RunnerState::Busy);
    assert_eq!(
        (ledger.records[&JobId(JOB)].state, ledger.woken),
        (JobState::Running, vec![pool_name("linux")])
    );
}

#[test]
fn a_late_in_progress_of_a_closed_job_makes_its_runner_busy_and_nothing_else() {
    let mut ledger = lived(
        &[ours(1, JOB)],
        &[queued("a"), completed("c", "cancelled", None)],
    );
    let closed = ledger.records.clone();
    ledger.record(&in_progress("b", named(&ours(1, JOB))), &pools());
    assert_eq!(
        (ledger.runners[0].state, &ledger.records),
        (RunnerState::Busy, &closed)
    );
}

#[test]
fn a_runner_with_a_job_is_not_taken_away_from_it_by_another_delivery() {
    let own = ours(1, JOB);
    let mut ledger = lived(
        std::slice::from_ref(&own),
        &[queued("a"), in_progress("b", named(&own))],
    );
    let other = JobEvent {
        job: JobId(99),
        run: RunId(8),
        ..in_progress("c", named(&own))
    };
    ledger.record(&other, &pools());
    assert_eq!(
        ledger.runners[0].work.as_ref().unwrap().job,
        Some(JobId(JOB))
    );
}

/// As a matrix has them: jobs of one run, which are alike in all but their id.
#[test]
fn a_runner_with_a_job_is_not_taken_away_from_it_by_another_job_of_its_run() {
    let own = ours(1, JOB);
    let mut ledger = lived(
        std::slice::from_ref(&own),
        &[queued("a"), in_progress("b", named(&own))],
    );
    for other in [
        in_progress("c", named(&own)),
        completed("d", "success", Some(named(&own))),
    ] {
        ledger.record(
            &JobEvent {
                job: JobId(99),
                ..other
            },
            &pools(),
        );
        let runner = &ledger.runners[0];
        assert_eq!(
            (runner.work.as_ref().unwrap().job, runner.done_at),
            (Some(JobId(JOB)), None)
        );
    }
}

#[test]
fn a_repeated_queued_wakes_again_because_the_first_may_have_died_before_its_wake() {
    let ledger = lived(&[], &[queued("a"), queued("a")]);
    assert_eq!(ledger.woken, vec![pool_name("linux"); 2]);
}

#[test]
fn pool_size_and_target_stand_when_the_pools_file_changes() {
    let mut ledger = lived(&[], &[queued("a"), waiting("b")]);
    let mut changed = pools();
    changed.version = 8;
    changed.pools[0].size = crate::fixture::builders::OLD;
    changed.pools[1].labels = changed.pools[0].labels.clone();
    changed.pools[1].priority = 9;
    ledger.record(&queued("c"), &changed);
    let row = &ledger.waiting[&(pool_name("linux"), JobId(JOB))];
    assert_eq!(
        (row.size, ledger.records[&JobId(JOB)].pools_version),
        (crate::fixture::builders::OWN, 7)
    );
}

#[test]
fn a_job_of_a_public_or_unlisted_repository_is_kept_with_the_reason_and_one_of_a_strangers_is_not()
{
    let at = |change: &dyn Fn(&mut JobEvent)| {
        let mut event = queued("a");
        change(&mut event);
        event
    };
    let mut listed = pools();
    listed
        .pools
        .iter_mut()
        .for_each(|pool| pool.repositories = vec![RepositoryPattern("acme/app-1".into())]);
    let public = (
        at(&|event| event.repository.private = false),
        pools(),
        "public = true",
    );
    let unlisted = (
        at(&|event| event.repository.name = "acme/lib".into()),
        listed,
        "lists it under repositories",
    );
    for (event, pools, why) in [public, unlisted] {
        let mut ledger = Ledger::default();
        assert!(
            matches!(ledger.record(&event, &pools), Verdict::Unplaced(reason) if reason.to_string().contains(why)),
            "{why}"
        );
        let record = &ledger.records[&JobId(JOB)];
        assert_eq!(
            (
                record.state,
                record.story.len(),
                record.expires_at.is_some()
            ),
            (JobState::Unplaced, 1, true),
            "{why}"
        );
        assert!(
            ledger.snapshot(&event, &pools).1.writes_nothing(),
            "told again: nothing more is written"
        );
        // Another fleet has it, and it is over: nothing is left to be seen to, and the record goes
        // in its time.
        let running = JobEvent {
            repository: event.repository.clone(),
            ..in_progress("b", stranger())
        };
        let (_, changes) = ledger.snapshot(&running, &pools);
        assert!(
            changes.follow_ups.is_empty()
                && matches!(changes.completed, Some(FollowUp::MatchJob { .. })),
            "{why}"
        );
        ledger.record(&running, &pools);
        let over = JobEvent {
            repository: event.repository.clone(),
            ..completed("c", "success", Some(stranger()))
        };
        ledger.record(&over, &pools);
        let record = &ledger.records[&JobId(JOB)];
        assert!(
            record.is_over() && record.expires_at.is_some() && record.story.len() < 5,
            "{record:?}"
        );
    }
    let mut ledger = Ledger::default();
    let stranger = at(&|event| event.repository.owner = OwnerId(66));
    assert!(
        matches!(ledger.record(&stranger, &pools()), Verdict::Ignored(why) if why.to_string().contains("account not allowed"))
    );
    assert!(ledger.records.is_empty());
}

/// Bytes of a number as DynamoDB counts them: two digits a byte, and one for the exponent; one more
/// for a sign.
///
/// Source: DynamoDB developer guide, "Item sizes and formats" (approximately (significant digits /
/// 2) + 1).
fn number_size(number: i64) -> usize {
    let digits = number
        .unsigned_abs()
        .to_string()
        .trim_end_matches('0')
        .len()
        .max(1);
    digits.div_ceil(2) + 1 + usize::from(number < 0)
}

fn item_size(row: &WaitingJob) -> usize {
    let attributes = serde_json::to_value(row).unwrap();
    let value = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.len(),
        serde_json::Value::Number(number) => number_size(number.as_i64().unwrap()),
        serde_json::Value::Bool(_) => 1,
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
            usize::MAX / 100
        }
    };
    let keys = "pk".len() + "pool#".len() + 28 + "sk".len() + "job#".len() + 20;
    keys + attributes
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, attribute)| name.len() + value(attribute))
        .sum::<usize>()
}

#[test]
fn the_largest_waiting_row_is_250_bytes_at_most() {
    let size = Size {
        cpu: 16_384,
        memory_mib: 122_880,
        disk_gib: 200,
        architecture: Architecture::Arm64,
        capacity: Capacity::OnDemand,
    };
    // Ten times the ids of 2026 and more: job ids had 11 digits in 2023, run ids too, installations
    // 8, repositories 9.
    let row = WaitingJob {
        id: JobId(999_999_999_999_999),
        size,
        target: TargetKey("0123456789abcdef".into()),
        matched: Some(MatchKey("012345".into())),
        installation: mayfly_domain::model::id::InstallationId(999_999_999_999),
        repository: mayfly_domain::model::id::RepositoryId(999_999_999_999),
        run: RunId(999_999_999_999_999),
        attempt: 9999,
        queued_at: Timestamp::from_millis(1_999_999_999_999),
        not_before: Some(Timestamp::from_millis(1_999_999_999_999)),
        runner: Some(crate::fixture::builders::runner_id(1)),
        needs_check: true,
        checked_at_github: Some(Timestamp::from_millis(1_999_999_999_999)),
        attempts: 9999,
        refused: Some(mayfly_domain::model::job::RefusalScope::Target),
        hold: Some(mayfly_domain::model::hold::HoldReason::GithubLimit(
            Timestamp::from_millis(1_795_356_180_000),
        )),
    };
    // The ledger adds its version: three letters and a number of ten digits.
    let size = item_size(&row) + 9;
    assert!(size <= 250, "{size} bytes");
    assert!(item_size(&job(1)) < 200, "{} bytes", item_size(&job(1)));
}

#[test]
fn a_job_that_succeeds_where_none_may_run_unadmitted_shows_that_it_was_not_asked_about() {
    let guarded = Runner {
        fails_closed: true,
        ..ours(1, JOB)
    };
    let over = |runner: &Runner, conclusion: &str| {
        let event = completed("over", conclusion, Some(named(runner)));
        let known = mayfly_domain::transitions::delivery::DeliverySnapshot {
            pools: &pools(),
            record: None,
            runner: Some(runner),
        };
        mayfly_domain::transitions::delivery::apply_delivery(&event, known).1
    };
    let shown = over(&guarded, "success");
    let runner = shown.unadmitted().unwrap();
    assert_eq!(
        (runner.refused.is_some(), runner.done_at.is_some()),
        (true, true)
    );
    // Where the hook could not ask, or the job was cancelled before it was called, it ends without
    // an admission.
    for conclusion in ["failure", "cancelled"] {
        assert_eq!(
            over(&guarded, conclusion).unadmitted(),
            None,
            "{conclusion}"
        );
    }
    let legal = [
        Runner {
            fails_closed: false,
            ..guarded.clone()
        },
        Runner {
            admitted_at: Some(ago(9)),
            ..guarded.clone()
        },
        Runner {
            refused: Some(Reason::HadItsJob),
            ..guarded
        },
    ];
    for runner in legal {
        assert_eq!(over(&runner, "success").unadmitted(), None, "{runner:?}");
    }
}

/// GitHub cancels what has waited for a day, and the news of that may be lost.
#[test]
fn a_job_that_was_queued_a_day_ago_is_asked_about_before_a_runner_is_started() {
    for (seconds, asked) in [(86_399, false), (86_400, true)] {
        let event = JobEvent {
            created_at: Some(ago(90_000)),
            started_at: Some(ago(seconds)),
            ..queued("a")
        };
        let ledger = lived(&[], &[event]);
        let row = &ledger.waiting[&(pool_name("linux"), JobId(JOB))];
        assert_eq!(row.needs_check, asked, "queued {seconds} s ago");
    }
}

/// Sweeper forgets a pool that is gone and empty, and comes by no more.
#[test]
fn a_job_that_is_queued_in_a_pool_that_is_gone_is_matched_again() {
    let ledger = lived(&[], &[waiting("a")]);
    let record = &ledger.records[&JobId(JOB)];
    let without = Pools {
        pools: Vec::new(),
        ..pools()
    };
    for (pools, expected) in [
        (
            &without,
            Some(FollowUp::MatchJob {
                job: record.id,
                pools_version: 0,
            }),
        ),
        (&pools(), None),
    ] {
        let known = DeliverySnapshot {
            pools,
            record: Some(record),
            runner: None,
        };
        let opened = JobEvent {
            gated: false,
            ..queued("b")
        };
        let twice = apply_delivery(&opened, known).1.record.unwrap();
        let known = DeliverySnapshot {
            record: Some(&twice),
            ..known
        };
        let (_, changes) = apply_delivery(
            &JobEvent {
                delivery: "c".into(),
                ..opened
            },
            known,
        );
        assert_eq!(changes.record.unwrap().state, JobState::Queued);
        let follow_ups = changes.follow_ups.into_iter();
        assert!(follow_ups.map(|open| open.follow_up).eq(expected));
    }
}

/// The record is one item of the table, which holds 400 KB.
#[test]
fn a_job_of_hundreds_of_deliveries_keeps_the_first_of_them() {
    let deliveries: Vec<_> = (0..200).map(|number| queued(&number.to_string())).collect();
    let ledger = lived(&[], &deliveries);
    let record = &ledger.records[&JobId(JOB)];
    assert_eq!((record.queued.len(), record.state), (32, JobState::Queued));
}

/// The two minutes that a task has to leave by itself begin when its job is over, not when that is
/// told of.
#[test]
fn a_runner_is_done_when_its_job_was_over() {
    let runner = ours(1, JOB);
    let ledger = lived(
        std::slice::from_ref(&runner),
        &[completed("a", "success", Some(named(&runner)))],
    );
    assert_eq!(ledger.runners[0].done_at, Some(ago(5)));
}

#[test]
fn a_jobs_place_in_the_line_is_from_when_it_was_queued_last() {
    let event = JobEvent {
        created_at: Some(ago(600)),
        started_at: Some(ago(60)),
        ..queued("a")
    };
    let ledger = lived(&[], &[event]);
    assert_eq!(ledger.records[&JobId(JOB)].queued_at, ago(60));
}

/// Sweeper finds a job whose delivery is late: that counts once, whichever comes first, or a gate
/// that closes later would not hold the job back.
#[test]
fn a_delivery_and_what_stood_in_for_it_count_once() {
    let found = || queued(&synthetic_delivery(NOW, 0));
    for deliveries in [[found(), queued("a")], [queued("a"), found()]] {
        let mut ledger = lived(&[], &deliveries);
        let known: Vec<_> = ledger.records[&JobId(JOB)].queued.iter().cloned().collect();
        assert_eq!(known, ["a"]);
        ledger.record(&waiting("b"), &pools());
        assert_eq!(ledger.records[&JobId(JOB)].state, JobState::Blocked);
    }
}
