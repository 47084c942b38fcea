//! What a container reports of its use, and jobs that were killed for want of memory.

use mayfly_domain::model::end::End;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::{JobAction, JobRecord, JobState};
use mayfly_domain::model::runner::{Outcome, Runner, Timeline};
use mayfly_domain::model::story::{MemoryKill, Reason, StoryEvent, TaskEnd};
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_domain::model::usage::{JobUsage, Usage};
use mayfly_domain::transitions::close::{RunnerSnapshot, close, tells_of_job};
use mayfly_domain::transitions::delivery::{DeliverySnapshot, apply_delivery};
use mayfly_domain::transitions::usage::{UsageRefusal, UsageReport, record_usage};
use proptest::prelude::*;

use crate::fixture::builders::{NOW, OWN, ago, busy, job, parked, record_of, registered, target};
use crate::fixture::deliveries::{completed, in_progress, named, pools};

const MIB: u64 = 1024 * 1024;

fn report(memory_peak_bytes: u64, cpu_milliseconds: u64, memory_kills: u32) -> UsageReport {
    UsageReport {
        runner: "linux/1".into(),
        memory_peak_bytes,
        cpu_milliseconds,
        memory_kills,
    }
}

/// Job 1's runner, at work on it for five seconds; its task was requested a minute ago.
fn at_work() -> Runner {
    busy(1, 1, 1001, Some(1))
}

fn its_job(runner: &Runner) -> JobRecord {
    JobRecord {
        state: JobState::Running,
        runner: Some(runner.id.clone()),
        running_at: Some(ago(5)),
        ..record_of(&job(1))
    }
}

#[test]
fn a_report_is_written_down_with_the_runner_and_with_its_job_in_whole_units() {
    let runner = at_work();
    let record = its_job(&runner);
    let changes = record_usage(
        &runner,
        Some(&record),
        &report(700 * MIB + 1, 61_001, 0),
        NOW,
    )
    .unwrap();
    let usage = Usage {
        memory_peak_mib: 701,
        cpu_seconds: 62,
        memory_kills: 0,
    };
    let after = changes.runner.clone().unwrap();
    assert_eq!(after.usage, Some(usage));
    assert_eq!(
        changes.record.clone().unwrap().usage,
        Some(JobUsage { usage, size: OWN })
    );
    assert_eq!(
        (
            Runner {
                usage: None,
                ..after.clone()
            },
            &changes.wake.len()
        ),
        (runner, &0),
        "nothing else of the runner changes, and no pool has to look"
    );
    // Whatever is said after that.
    for again in [report(MIB, 0, 0), report(8_000 * MIB, 1, 9)] {
        let second = record_usage(&after, changes.record.as_ref(), &again, NOW).unwrap();
        assert!(second.writes_nothing(), "the first report stands");
    }
}

#[test]
fn processes_that_the_kernel_killed_are_told_in_both_stories() {
    let runner = at_work();
    let record = its_job(&runner);
    let changes = record_usage(&runner, Some(&record), &report(MIB, 0, 2), NOW).unwrap();
    let told = StoryEvent::ProcessesKilled {
        count: 2,
        memory_mib: 8192,
    };
    let last = |story: &[mayfly_domain::model::story::Note]| story.last().unwrap().event.clone();
    assert_eq!(last(&changes.runner.unwrap().story), told);
    assert_eq!(last(&changes.record.unwrap().story), told);
}

#[test]
fn a_report_that_cannot_be_true_changes_nothing_and_says_why() {
    let runner = at_work();
    let most = 8192 * MIB;
    // Requested a minute ago, and clocks differ by a second: 2 vCPUs of 61 seconds.
    assert!(record_usage(&runner, None, &report(most, 122_000, u32::MAX), NOW).is_ok());
    for (report, refusal) in [
        (report(0, 0, 0), UsageRefusal::NoMemory),
        (
            report(most + 1, 0, 0),
            UsageRefusal::TooMuchMemory {
                reported_mib: 8193,
                task_mib: 8192,
            },
        ),
        (
            report(u64::MAX, u64::MAX, 0),
            UsageRefusal::TooMuchMemory {
                reported_mib: u64::MAX.div_ceil(MIB),
                task_mib: 8192,
            },
        ),
        (
            report(1, 122_001, 0),
            UsageRefusal::TooMuchCpu {
                reported_seconds: 123,
                possible_seconds: 122,
            },
        ),
    ] {
        assert_eq!(record_usage(&runner, None, &report, NOW), Err(refusal));
    }
    let refused = Runner {
        refused: Some(Reason::HadItsJob),
        ..at_work()
    };
    for idle in [parked(1), registered(1, 1, target(1, "mayfly")), refused] {
        assert_eq!(
            record_usage(&idle, None, &report(MIB, 0, 0), NOW),
            Err(UsageRefusal::NoJob)
        );
    }
}

#[test]
fn a_report_says_nothing_of_a_job_that_another_runner_has() {
    let runner = at_work();
    let others = JobRecord {
        runner: Some(parked(2).id),
        ..its_job(&runner)
    };
    let changes = record_usage(&runner, Some(&others), &report(MIB, 0, 0), NOW).unwrap();
    assert!(changes.record.is_none() && changes.runner.is_some());
}

/// A runner knows its run from admission, and its job from a delivery, which may be late.
#[test]
fn a_report_that_comes_before_the_delivery_is_written_down_with_the_job_once_that_is_known() {
    let usage = Usage {
        memory_peak_mib: 300,
        cpu_seconds: 4,
        memory_kills: 1,
    };
    let runner = Runner {
        usage: Some(usage),
        ..busy(1, 77, 7, None)
    };
    let pools = pools();
    for event in [
        in_progress("a", named(&runner)),
        completed("a", "success", Some(named(&runner))),
    ] {
        let known = DeliverySnapshot {
            pools: &pools,
            record: None,
            runner: Some(&runner),
        };
        let (_, changes) = apply_delivery(&event, known);
        let record = changes.record.unwrap();
        assert_eq!(
            (record.id, record.usage),
            (JobId(77), Some(JobUsage { usage, size: OWN })),
            "{:?}",
            event.action
        );
        let kills = |record: &JobRecord| {
            let told = |event: &StoryEvent| matches!(event, StoryEvent::ProcessesKilled { .. });
            record.story.iter().filter(|note| told(&note.event)).count()
        };
        assert_eq!(kills(&record), 1);
        let again = DeliverySnapshot {
            record: Some(&record),
            runner: changes.runner.as_ref(),
            ..known
        };
        let (_, changes) = apply_delivery(&completed("b", "success", Some(named(&runner))), again);
        let after = changes.record.as_ref().unwrap_or(&record);
        assert_eq!((after.usage, kills(after)), (record.usage, 1), "told once");
        assert!(event.action != JobAction::Queued);
    }
}

proptest! {
    /// A container runs other people's code.
    #[test]
    fn whatever_is_reported_stays_within_what_the_task_had_and_touches_nothing_else(
        memory: u64, cpu: u64, kills: u32, plausible: bool,
    ) {
        let (memory, cpu) = match plausible {
            true => (memory % (9_000 * MIB), cpu % 130_000),
            false => (memory, cpu),
        };
        let runner = at_work();
        let record = its_job(&runner);
        let Ok(changes) = record_usage(&runner, Some(&record), &report(memory, cpu, kills), NOW) else {
            return Ok(());
        };
        let after = changes.runner.unwrap();
        let usage = after.usage.unwrap();
        prop_assert!((1..=OWN.memory_mib).contains(&usage.memory_peak_mib));
        prop_assert!(u64::from(usage.memory_peak_mib) * MIB >= memory);
        prop_assert!(usage.cpu_seconds <= 2 * 61);
        prop_assert!(u64::from(usage.cpu_seconds) * 1000 >= cpu);
        let story = after.story.clone();
        prop_assert_eq!(Runner { usage: None, story: runner.story.clone(), ..after }, runner.clone());
        prop_assert!(story.len() <= runner.story.len() + 1);
        let told = changes.record.unwrap();
        prop_assert_eq!(told.usage.map(|it| (it.usage, it.size)), Some((usage, OWN)));
        prop_assert_eq!(JobRecord { usage: None, story: record.story.clone(), ..told }, record);
        prop_assert!(changes.waiting.is_empty() && changes.follow_ups.is_empty() && changes.wake.is_empty());
    }
}

const EXITED: &str = "EssentialContainerExited";

fn end(stop_code: &str, exit_code: i32, container_reason: Option<&str>) -> TaskEnd {
    TaskEnd {
        stop_code: Some(stop_code.into()),
        stopped_reason: Some("in ECS's words".into()),
        container_reason: container_reason.map(str::to_owned),
        exit_code: Some(exit_code),
    }
}

fn stopped(runner: &Runner, end: TaskEnd) -> Task {
    Task {
        arn: runner.arn.clone().unwrap(),
        address: runner.address(),
        version: 9,
        status: TaskStatus::Stopped,
        timeline: Timeline::default(),
        end,
    }
}

/// How the end of a runner is told: in its reason, and in the story of its job.
fn told(runner: &Runner, end: TaskEnd, record: &JobRecord) -> (Reason, Option<StoryEvent>) {
    let task = stopped(runner, end);
    let around = RunnerSnapshot {
        job: Some(record).filter(|_| tells_of_job(runner, End::Stopped(&task))),
        ..RunnerSnapshot::default()
    };
    let changes = close(runner, End::Stopped(&task), around, NOW).changes;
    let closed = changes.closed.unwrap();
    assert_ne!(closed.outcome, Some(Outcome::FailedStart));
    let line = changes
        .record
        .map(|job| job.story.last().unwrap().event.clone());
    (closed.reason.unwrap(), line)
}

const OUT_OF_MEMORY: &str = "OutOfMemoryError: Container killed due to memory usage";

#[test]
fn a_runner_that_was_killed_for_want_of_memory_is_told_so_with_its_job() {
    let runner = at_work();
    let record = its_job(&runner);
    for (end, kill) in [
        (end(EXITED, 137, Some(OUT_OF_MEMORY)), MemoryKill::Certain),
        (end(EXITED, 1, Some(OUT_OF_MEMORY)), MemoryKill::Certain),
        (end(EXITED, 137, None), MemoryKill::Likely),
    ] {
        let reason = Reason::OutOfMemory {
            told: kill,
            memory_mib: 8192,
            end: end.clone(),
        };
        let line = StoryEvent::OutOfMemory {
            runner: runner.id.clone(),
            pool: runner.pool.clone(),
            memory_mib: 8192,
            told: kill,
        };
        assert_eq!(told(&runner, end, &record), (reason, Some(line)));
    }
}

#[test]
fn another_end_is_not_taken_for_one_by_memory() {
    let runner = at_work();
    let record = its_job(&runner);
    let fails_closed = Runner {
        fails_closed: true,
        ..at_work()
    };
    let over = Runner {
        done_at: Some(ago(2)),
        ..at_work()
    };
    for (what, runner, end) in [
        ("StopTask", &runner, end("UserInitiated", 137, None)),
        ("another signal", &runner, end(EXITED, 143, None)),
        ("an exit of its own", &runner, end(EXITED, 1, None)),
        (
            "the hook, unadmitted",
            &fails_closed,
            end(EXITED, 137, None),
        ),
        ("after its job", &over, end(EXITED, 137, None)),
    ] {
        let (reason, line) = told(runner, end, &record);
        assert!(
            matches!(reason, Reason::TaskStopped(_)),
            "{what}: {reason:?}"
        );
        assert_eq!(line, None, "{what}");
    }
    let refused = Runner {
        refused: Some(Reason::HadItsJob),
        ..at_work()
    };
    let (reason, line) = told(&refused, end(EXITED, 137, None), &record);
    assert!(matches!(reason, Reason::JobRefused { .. }), "{reason:?}");
    assert_eq!(line, None);
}

#[test]
fn a_job_that_succeeded_was_not_cut_short() {
    let runner = at_work();
    let record = JobRecord {
        state: JobState::Closed,
        conclusion: Some("success".into()),
        ..its_job(&runner)
    };
    let (reason, line) = told(&runner, end(EXITED, 137, Some(OUT_OF_MEMORY)), &record);
    assert!(matches!(reason, Reason::OutOfMemory { .. }), "{reason:?}");
    assert_eq!(line, None);
}
