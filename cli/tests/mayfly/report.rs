//! `mayfly report`: as text, CSV and JSON, and as a page in a real browser.

use std::time::Duration;

use mayfly_cli::commands::report::summary::{Report, report};
use mayfly_cli::commands::report::{csv, html, text};
use mayfly_cli::deployment::ended::{Ended, EndedJob, EndedRunner};
use mayfly_domain::model::id::{JobId, RepositoryId};
use mayfly_domain::model::job_timeline::{JobTimeline, Moment, Phase, Step};
use mayfly_domain::model::price::NanoDollars;
use mayfly_domain::model::runner::Outcome;
use mayfly_domain::model::size::{Architecture, Capacity, Size};
use mayfly_domain::model::spend::Spend;
use mayfly_domain::model::time::Timestamp;

use crate::setup::browser::{CONTRAST, have_browser, keep_picture};
use crate::setup::chromium::{Browser, axe};
use crate::stories::cost::a_day;
use crate::stories::fixture::{holds, holds_json, ledger, now, pools};

/// 2027-01-15T08:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Names that a stranger may give a job or a repository.
pub(crate) const HOSTILE: [&str; 6] = [
    "<script>document.title='ran'</script>",
    "</table><img src=x onerror=\"document.title='ran'\">",
    "🦋🦋 build ビルド 构建",
    "\u{202e}drowssap\u{202c}",
    "=HYPERLINK(\"https://example.com\",\"x\")",
    "a-job-whose-name-is-a-hundred-characters-long-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// So many jobs over a week, each fifth one failed, each with its runner; a failed start for each
/// hundred.
pub(crate) fn week(jobs: u32) -> Ended {
    let mut ended = Ended {
        read: 2 * jobs as usize,
        ..Ended::default()
    };
    for number in 0..jobs {
        let closed_at = NOW.minus(WEEK * number / (jobs + 1));
        let ran = Duration::from_secs(u64::from(number % 600) + 5);
        let hostile = HOSTILE[number as usize % HOSTILE.len()];
        let id = JobId(i64::from(number) + 1);
        let waited = Duration::from_secs(u64::from(number % 90) + 2);
        let queued_at = closed_at.minus(ran + waited);
        ended.jobs.insert(
            id,
            EndedJob {
                repository: RepositoryId(i64::from(number % 9)),
                repository_name: format!("acme/{hostile}"),
                private: number % 2 == 0,
                workflow: Some(hostile.to_owned()),
                name: hostile.to_owned(),
                conclusion: Some(
                    if number % 5 == 0 {
                        "failure"
                    } else {
                        "success"
                    }
                    .to_owned(),
                ),
                ran: Some(ran),
                queued_at,
                waited: Some(waited),
                timeline: job_steps(queued_at, queued_at.plus(waited), closed_at),
                pool: Some("linux".parse().unwrap()),
                closed_at,
            },
        );
        let ran_it = runner(id, closed_at, None);
        ended.runners.push(EndedRunner {
            timeline: runner_steps(queued_at, waited),
            ..ran_it
        });
        if number % 100 == 99 {
            ended.runners.push(EndedRunner {
                job: None,
                ..runner(
                    id,
                    closed_at,
                    Some(format!("CannotPullContainerError: {hostile}")),
                )
            });
        }
    }
    ended
}

fn job_steps(queued_at: Timestamp, began: Timestamp, closed_at: Timestamp) -> JobTimeline {
    [
        (Step::Queued, queued_at),
        (Step::Began, began),
        (Step::Completed, closed_at),
    ]
    .map(|(step, at)| Moment { step, at })
    .into_iter()
    .collect()
}

/// A runner's steps, a tenth of the wait each.
fn runner_steps(queued_at: Timestamp, waited: Duration) -> JobTimeline {
    [
        Step::Planned,
        Step::TaskCreated,
        Step::PullStarted,
        Step::PullStopped,
        Step::ContainerStarted,
        Step::Polled,
        Step::Registered,
    ]
    .into_iter()
    .zip(1..)
    .map(|(step, tenths)| Moment {
        step,
        at: queued_at.plus(waited * tenths / 10),
    })
    .collect()
}

fn runner(job: JobId, closed_at: Timestamp, failure: Option<String>) -> EndedRunner {
    EndedRunner {
        pool: "linux".parse().unwrap(),
        size: Size {
            cpu: 2048,
            memory_mib: 8192,
            disk_gib: 20,
            architecture: Architecture::X64,
            capacity: Capacity::OnDemand,
        },
        job: Some(job),
        intended: Some(job),
        repository: None,
        place: None,
        timeline: JobTimeline::default(),
        usage: None,
        out_of_memory: false,
        outcome: Some(match failure {
            Some(_) => Outcome::FailedStart,
            None => Outcome::Ran,
        }),
        failure,
        spend: Some(Spend {
            start_up: NanoDollars(1_000_000),
            work: NanoDollars(4_000_000),
            unused: NanoDollars(0),
        }),
        no_price: None,
        closed_at,
    }
}

fn of(ended: &Ended) -> Report {
    report(ended, None, None, NOW.minus(WEEK), NOW)
}

/// A page is as wide as its window, and what does not fit scrolls by itself; no element came to be
/// by a name; every picture has a name.
pub(crate) const SOUND: &str = r"
    return {
        title: document.title,
        overflows: document.documentElement.scrollWidth > window.innerWidth,
        scripts: document.querySelectorAll('script, img, iframe, object, [onerror], [onclick]').length,
        unnamed: document.querySelectorAll('svg:not([aria-label])').length,
        language: document.documentElement.lang,
        headings: document.querySelectorAll('h1').length,
        mains: document.querySelectorAll('main').length,
        tables: [...document.querySelectorAll('table')].every(table => table.querySelector('thead th')),
    };
";

#[tokio::test]
async fn a_page_is_readable_and_sound_however_many_jobs_and_whatever_their_names() {
    if !have_browser() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let browser = Browser::start(folder.path()).await;
    for jobs in [0, 1, 500] {
        let file = folder.path().join(format!("report-{jobs}.html"));
        std::fs::write(&file, html::page(&of(&week(jobs)), "mayfly")).unwrap();
        browser.go(&format!("file://{}", file.display())).await;
        for width in [400, 1280] {
            browser.is_wide(width).await;
            for (scheme, light) in [("light", true), ("dark", false)] {
                browser.prefers(scheme).await;
                let case = format!("{jobs} jobs, {width} px, {scheme}");
                let sound = browser.run(SOUND).await;
                assert_eq!(
                    sound,
                    serde_json::json!({
                        "title": "Mayfly report: mayfly", "overflows": false, "scripts": 0, "unnamed": 0,
                        "language": "en", "headings": 1, "mains": 1, "tables": true,
                    }),
                    "{case}"
                );
                let found = browser.run(CONTRAST).await;
                assert!(found["least"].as_f64().unwrap() >= 4.5, "{case}: {found}");
                assert_eq!(found["page"].as_f64().unwrap() > 0.5, light, "{case}");
                if let Some(axe) = axe() {
                    assert_eq!(
                        browser.accessibility(&axe).await,
                        serde_json::json!([]),
                        "{case}"
                    );
                }
                keep_picture(&browser, &format!("report-{jobs}-{width}-{scheme}")).await;
            }
        }
    }
    browser.end().await;
}

#[test]
fn no_name_is_markup_in_a_page_or_a_formula_in_a_spreadsheet() {
    let ended = week(100);
    let page = html::page(&of(&ended), "<b>stack</b>");
    for markup in ["<script", "<img", "<b>stack"] {
        assert!(!page.contains(markup), "{markup}");
    }
    let csv = csv::csv(&ended, NOW.minus(WEEK)).unwrap();
    assert_eq!(csv.lines().count(), 101, "{csv}");
    assert!(csv.contains("'=HYPERLINK"));
    assert!(!csv.contains(",=HYPERLINK") && !csv.contains("\"=HYPERLINK"));
}

#[test]
fn what_ended_before_the_time_is_in_no_figure() {
    let report = report(&week(100), None, None, NOW.minus(WEEK / 2), NOW);
    assert!((45..=55).contains(&report.jobs), "{}", report.jobs);
    assert_eq!(report.wait.count, report.jobs);
}

#[tokio::test(start_paused = true)]
async fn a_report_tells_what_the_models_did() {
    let system = a_day(370).await;
    let since = now(&system).minus(Duration::from_secs(24 * 3600));
    let (report, _) = mayfly_cli::commands::report::summary::gather(
        &ledger(&system),
        Some(&pools(&system)),
        since,
        now(&system),
    )
    .await
    .unwrap();
    let runners = system.closed_runners();
    let spent: u64 = runners.iter().map(|runner| runner.cost.unwrap().0).sum();
    assert_eq!(report.cost.total.cost_nanodollars.0, spent);
    assert_eq!(
        (
            report.jobs,
            report.conclusions.get("success"),
            report.never_began
        ),
        (3, Some(&3), 0)
    );
    let of_days: usize = report.days.iter().map(|day| day.jobs).sum();
    let of_pools: usize = report.pools.iter().map(|pool| pool.jobs).sum();
    assert_eq!((of_days, of_pools), (3, 3));
    let shares: f64 = report.phases.iter().map(|line| line.share).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    assert!(
        report
            .phases
            .iter()
            .any(|line| line.phase == Phase::ImagePull && line.took.p50_seconds > 0.0)
    );
    holds(&system, "report", &text::text(&report, None));
    holds_json(&system, "report_json", &report);
}
