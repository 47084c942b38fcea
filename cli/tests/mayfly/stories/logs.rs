//! logs: whose log is meant, and what is read of it.

use std::sync::Mutex;

use async_trait::async_trait;
use mayfly_cli::commands::logs::{Line, LogStreams, Page, Reader, Whose, as_json, in_words, whose};
use mayfly_cli::failure::Failure;
use mayfly_cli::terminal::time_format::Rfc3339;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::runner::Runner;
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::{Start, System};

use crate::stories::changing::{active_pools, ledger};
use crate::stories::fixture::holds;
use crate::stories::told::{begin, done, job, pool_with, queue_one, rest, until};

/// Streams that say a line each ten seconds while their task lives, in pages of two, some of them
/// empty.
struct Streams<'a> {
    system: &'a System,
    begun: Mutex<Option<u64>>,
}

impl<'a> Streams<'a> {
    fn new(system: &'a System) -> Self {
        Self {
            system,
            begun: Mutex::default(),
        }
    }

    fn lines(&self) -> usize {
        let now = self.system.world.clock.elapsed().as_secs();
        let begun = *self.begun.lock().unwrap().get_or_insert(now);
        let last = if self.system.runners().is_empty() {
            1
        } else {
            0
        };
        usize::try_from((now - begun) / 10).unwrap().min(5) + last
    }
}

#[async_trait]
impl LogStreams for Streams<'_> {
    async fn page(&self, stream: &str, after: Option<&str>) -> Result<Option<Page>, Failure> {
        let tasks: Vec<String> = self
            .system
            .closed_runners()
            .iter()
            .chain(&self.system.runners())
            .filter_map(Runner::log_stream)
            .collect();
        if !tasks.iter().any(|known| known == stream) {
            return Ok(None);
        }
        let from: usize = after.map_or(0, |after| after.parse().unwrap());
        // The first page is an empty one, as CloudWatch may have it.
        let to = if after.is_none() {
            0
        } else {
            self.lines().min(from + 2)
        };
        let line = |number: usize| Line {
            at: Rfc3339(self.system.world.clock.now()),
            message: format!("line {number}"),
        };
        let next = if after.is_none() {
            "0".to_owned()
        } else {
            to.to_string()
        };
        Ok(Some(Page {
            lines: (from..to).map(line).collect(),
            next: Some(next),
        }))
    }
}

async fn find(system: &System, named: &str) -> Whose {
    whose(&ledger(system), active_pools(system).as_ref(), named)
        .await
        .unwrap()
}

async fn of_job(system: &System, job: JobId) -> Whose {
    find(system, &job.to_string()).await
}

fn runner_of(whose: Whose) -> Runner {
    match whose {
        Whose::Runner(runner) => *runner,
        other => panic!("{other:?}"),
    }
}

async fn read(system: &System, runner: &Runner, follow: bool) -> (bool, Vec<String>) {
    let (ledger, streams) = (ledger(system), Streams::new(system));
    let mut seen = Vec::new();
    let reader = Reader {
        ledger: &ledger,
        streams: &streams,
        follow,
    };
    let found = reader.read(runner, |line| {
        seen.push(line.message.clone());
        Ok(())
    });
    let found = found.await.unwrap();
    (found, seen)
}

#[tokio::test(start_paused = true)]
async fn a_job_leads_to_the_runner_that_had_it_open_or_closed() {
    let system = begin(460);
    let job = system.queue_jobs(&NewJob {
        seconds: 100.0,
        ..job()
    })[0];
    let Whose::Nobody(why) = of_job(&system, JobId(1)).await else {
        panic!("an unknown job")
    };
    assert_eq!(why, "Mayfly does not know job 1");
    until(&system, 10, "it waits", |system| system.job(job).is_some()).await;
    let Whose::NotYet(why) = of_job(&system, job).await else {
        panic!("a job that waits")
    };
    assert!(why.starts_with("no runner has it yet"), "{why}");
    until(&system, 120, "it runs", |system| {
        system
            .job(job)
            .is_some_and(|record| record.runner.is_some())
    })
    .await;
    let open = runner_of(of_job(&system, job).await);
    assert!(open.closed_at.is_none());
    done(&system, 300, &[job]).await;
    rest(&system, 60).await;
    let closed = runner_of(
        find(
            &system,
            &format!("https://github.com/acme/app/actions/runs/1/job/{job}"),
        )
        .await,
    );
    assert_eq!(
        (closed.id.clone(), closed.closed_at.is_some()),
        (open.id, true)
    );
    assert_eq!(
        runner_of(find(&system, closed.id.as_str()).await).id,
        closed.id
    );
    assert!(matches!(find(&system, "nobody").await, Whose::Nobody(_)));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_over_without_a_runner_has_no_log() {
    let system = Start::seeded(461)
        .pools(&pool_with("max = 1"))
        .begin()
        .unwrap();
    let first = system.queue_jobs(&NewJob {
        seconds: 60.0,
        ..job()
    })[0];
    let cancelled = queue_one(&system);
    until(&system, 60, "it waits", |system| {
        system.job(cancelled).is_some()
    })
    .await;
    system.cancel(cancelled);
    done(&system, 300, &[first]).await;
    assert_eq!(
        of_job(&system, cancelled).await,
        Whose::Nobody("it is over, and no runner had it".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_log_is_read_to_where_it_is_or_followed_to_the_runners_end() {
    let system = begin(462);
    let job = system.queue_jobs(&NewJob {
        seconds: 45.0,
        ..job()
    })[0];
    until(&system, 120, "it runs", |system| {
        system
            .job(job)
            .is_some_and(|record| record.runner.is_some())
    })
    .await;
    let runner = runner_of(of_job(&system, job).await);
    let stream = runner.log_stream().unwrap();
    assert!(
        stream.starts_with("runner/runner/")
            && stream.ends_with(runner.arn.as_ref().unwrap().task_id()),
        "{stream}"
    );
    assert_eq!(
        read(&system, &runner, false).await,
        (true, Vec::new()),
        "nothing is printed yet, but the stream is there"
    );
    let (found, seen) = read(&system, &runner, true).await;
    assert!(system.runners().is_empty(), "followed until it was gone");
    let expected: Vec<String> = (0..6).map(|number| format!("line {number}")).collect();
    assert_eq!(
        (found, &seen[..]),
        (true, &expected[..seen.len()]),
        "each line once, in its order"
    );
    assert!(seen.len() >= 5, "what came after its end, too: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_runner_without_a_task_has_no_log_and_is_followed_until_it_has() {
    let system = begin(463);
    let job = queue_one(&system);
    until(&system, 20, "its row is there", |system| {
        !system.runners().is_empty()
    })
    .await;
    let early = Runner {
        arn: None,
        ..system.runners().remove(0)
    };
    assert_eq!(read(&system, &early, false).await, (false, Vec::new()));
    let (found, _) = read(&system, &early, true).await;
    assert!(found && system.runners().is_empty());
    done(&system, 10, &[job]).await;
}

#[tokio::test(start_paused = true)]
async fn a_line_that_cannot_be_shown_ends_the_reading() {
    let system = begin(464);
    let job = system.queue_jobs(&NewJob {
        seconds: 60.0,
        ..job()
    })[0];
    until(&system, 120, "it runs", |system| {
        system
            .job(job)
            .is_some_and(|record| record.runner.is_some())
    })
    .await;
    let runner = runner_of(of_job(&system, job).await);
    let (ledger, streams) = (ledger(&system), Streams::new(&system));
    let reader = Reader {
        ledger: &ledger,
        streams: &streams,
        follow: true,
    };
    let ended = reader
        .read(&runner, |_| Err(Failure::new("stdout is full", "")))
        .await;
    assert_eq!(ended.unwrap_err().problem, "stdout is full");
}

#[tokio::test(start_paused = true)]
async fn a_line_is_shown_as_text_as_text_with_its_time_and_as_json() {
    let system = begin(465);
    let printed = [
        "\u{221a} Connected to GitHub\r\n",
        "2026-07-01 06:00:47Z: Listening for Jobs",
        "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}\u{1b}[2Jand \"quoted\"\ttab",
        "",
    ];
    let at = Rfc3339(system.world.clock.now());
    let lines: Vec<Line> = printed
        .iter()
        .map(|message| Line {
            at,
            message: (*message).to_owned(),
        })
        .collect();
    let all =
        |show: &dyn Fn(&Line) -> String| lines.iter().map(show).collect::<Vec<_>>().join("\n");
    holds(&system, "logs", &all(&|line| in_words(line, false)));
    holds(
        &system,
        "logs_timestamps",
        &all(&|line| in_words(line, true)),
    );
    holds(&system, "logs_json", &all(&|line| as_json(line).unwrap()));
}
