//! `mayfly dashboard`: who gets an answer, what the pages show, and how they look in a real browser.

use std::time::Duration;

use async_trait::async_trait;
use mayfly_cli::commands::dashboard::job_page;
use mayfly_cli::commands::dashboard::look::{self, Look, Source, View};
use mayfly_cli::commands::dashboard::server::Listening;
use mayfly_cli::commands::explain::report::JobReport;
use mayfly_cli::commands::jobs::report::{JobsReport, Line};
use mayfly_cli::commands::report::summary::report;
use mayfly_cli::commands::status::report::{PoolLine, StatusReport, SweeperHealth, WaitingLine};
use mayfly_cli::deployment::wait_reason::{WaitKind, WaitReason};
use mayfly_cli::failure::Failure;
use mayfly_cli::terminal::time_format::Rfc3339;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::JobState;
use mayfly_reports::live_page;
use mayfly_reports::widget::{Frame, MOST_BYTES, widget};
use reqwest::StatusCode;
use serde_json::json;

use crate::report::{HOSTILE, NOW, SOUND, week};
use crate::setup::browser::{CONTRAST, have_browser, keep_picture};
use crate::setup::chromium::{Browser, axe};
use crate::stories::fixture::{explained, ledger, now, pools};
use crate::stories::told::{done, job, pool_with, queue_one, rest, until};

fn view() -> View {
    View {
        repository: None,
        within: Duration::from_secs(7 * 24 * 3600),
        until: None,
        refresh: true,
    }
}

fn open_job(number: usize) -> Line {
    let name = HOSTILE[number % HOSTILE.len()];
    Line {
        job: JobId(i64::try_from(number).unwrap() + 100_000),
        run: 1,
        attempt: 1,
        name: name.to_owned(),
        repository: format!("acme/{name}"),
        labels: vec![name.to_owned()],
        pool: Some("linux".parse().unwrap()),
        state: JobState::Queued,
        conclusion: None,
        queued_at: Rfc3339(NOW),
        running_at: None,
        closed_at: None,
        waited_seconds: 30.0,
        ran_seconds: None,
        runner_name: None,
        cost_nanodollars: None,
        no_cost: None,
        because: Some(format!("pool linux is at its max of 4; {name}")),
    }
}

fn waiting(number: usize) -> WaitingLine {
    let job = open_job(number);
    WaitingLine {
        job: job.job,
        pool: "linux".parse().unwrap(),
        repository: Some(job.repository),
        name: Some(job.name),
        queued_at: Rfc3339(NOW.minus(Duration::from_secs(95))),
        waits: WaitReason::new(WaitKind::PoolMax, "pool linux is at its max of 4"),
    }
}

/// So many jobs that wait, and as many that ended in the week before.
fn a_look(jobs: usize) -> Look {
    let ended = week(u32::try_from(jobs).unwrap());
    let since = NOW.minus(view().within);
    let pool = PoolLine {
        pool: "linux".parse().unwrap(),
        gone: false,
        max: 4,
        live: 4,
        starting: 1,
        idle: 0,
        min_idle: 0,
        busy: 3,
        ending: 0,
        waiting: jobs,
        starts: Vec::new(),
        not_assigned: Vec::new(),
    };
    Look {
        at: NOW,
        since,
        until: NOW,
        status: StatusReport {
            drift: None,
            at: Rfc3339(NOW),
            pools_version: Some(1),
            pools: vec![pool],
            waiting: jobs,
            oldest_waiting: (0..jobs.min(10)).map(waiting).collect(),
            unplaced: jobs / 100,
            oldest_unplaced: Vec::new(),
            blocked: 0,
            failures: 0,
            last_failures: Vec::new(),
            github_limits: Vec::new(),
            safety_net: SweeperHealth {
                deliveries_read_at: Some(Rfc3339(NOW)),
                follow_ups: 3,
                overdue: jobs / 100,
                overdue_since: (jobs >= 100).then_some(Rfc3339(NOW)),
            },
        },
        open: JobsReport {
            at: Rfc3339(NOW),
            since: Rfc3339(since),
            jobs: (0..jobs.min(50)).map(open_job).collect(),
            more: jobs > 50,
        },
        report: report(&ended, None, None, since, NOW),
        ended,
    }
}

/// Answers with a look of so many jobs, and with one job, or fails.
struct Answers {
    jobs: Option<usize>,
    job: Option<JobReport>,
}

#[async_trait]
impl Source for Answers {
    async fn look(&self, _: &View) -> Result<Look, Failure> {
        self.jobs
            .map(a_look)
            .ok_or_else(|| Failure::new("read the ledger: access <denied>", "ask for rights"))
    }

    async fn job(&self, job: JobId) -> Result<Option<JobReport>, Failure> {
        Ok(self.job.clone().filter(|report| report.job == job))
    }
}

async fn serve(answers: Answers) -> (String, String) {
    let listening = Listening::start(answers, "mayfly", "eu-west-1", 0)
        .await
        .unwrap();
    let address = listening.address.clone();
    let origin = address.split("/open/").next().unwrap().to_owned();
    tokio::spawn(listening.serve());
    (address, origin)
}

/// A client that follows nothing and keeps no cookie by itself.
fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

#[tokio::test]
async fn only_the_browser_that_opened_the_printed_address_gets_an_answer() {
    let (address, origin) = serve(Answers {
        jobs: Some(1),
        job: None,
    })
    .await;
    let client = client();
    let get = async |url: &str, headers: &[(&str, &str)]| {
        let request = headers
            .iter()
            .fold(client.get(url), |request, (name, value)| {
                request.header(*name, *value)
            });
        request.send().await.unwrap()
    };
    let opened = get(&address, &[]).await;
    assert_eq!(opened.status(), StatusCode::SEE_OTHER);
    assert_eq!(opened.headers()["location"], "/");
    let set = opened.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        set.contains("HttpOnly") && set.contains("SameSite=Strict"),
        "{set}"
    );
    let cookie = set.split(';').next().unwrap();
    let (name, value) = cookie.split_once('=').unwrap();
    let (start, last) = value.split_at(value.len() - 1);
    let wrong = format!("{name}={start}{}", if last == "0" { "1" } else { "0" });
    for (path, headers, status) in [
        ("/", vec![("cookie", cookie)], StatusCode::OK),
        ("/", vec![], StatusCode::FORBIDDEN),
        ("/", vec![("cookie", wrong.as_str())], StatusCode::FORBIDDEN),
        ("/job/1", vec![], StatusCode::FORBIDDEN),
        ("/open/0", vec![], StatusCode::FORBIDDEN),
        (
            "/",
            vec![("cookie", cookie), ("host", "evil.example")],
            StatusCode::MISDIRECTED_REQUEST,
        ),
        ("/x", vec![("cookie", cookie)], StatusCode::NOT_FOUND),
        ("/job/1", vec![("cookie", cookie)], StatusCode::NOT_FOUND),
        ("/job/one", vec![("cookie", cookie)], StatusCode::NOT_FOUND),
        (
            "/?hours=73",
            vec![("cookie", cookie)],
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "/?hours=x",
            vec![("cookie", cookie)],
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "/?repository=acme",
            vec![("cookie", cookie)],
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "/?repository=acme%2F*&hours=24",
            vec![("cookie", cookie)],
            StatusCode::OK,
        ),
        ("/?refresh=off", vec![("cookie", cookie)], StatusCode::OK),
        (
            "/?repository=&hours=",
            vec![("cookie", cookie)],
            StatusCode::OK,
        ),
    ] {
        let answer = get(&format!("{origin}{path}"), &headers).await;
        assert_eq!(answer.status(), status, "{path} {headers:?}");
        let policy = answer.headers()["content-security-policy"]
            .to_str()
            .unwrap();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let again = status == StatusCode::OK && !path.contains("refresh=off");
        assert_eq!(answer.headers().contains_key("refresh"), again, "{path}");
    }
}

#[tokio::test]
async fn what_aws_refuses_is_a_page_that_says_so() {
    let (address, origin) = serve(Answers {
        jobs: None,
        job: None,
    })
    .await;
    let client = client();
    let opened = client.get(&address).send().await.unwrap();
    let cookie = opened.headers()["set-cookie"].clone();
    let answer = client
        .get(&origin)
        .header("cookie", cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    let page = answer.text().await.unwrap();
    assert!(page.contains("access &lt;denied&gt;"), "{page}");
}

/// What holds for the page in every width, scheme and number of jobs. How its text stands out.
async fn sound(browser: &Browser, case: &str) -> serde_json::Value {
    assert_eq!(
        browser.run(SOUND).await,
        json!({
            "title": "Mayfly: mayfly", "overflows": false, "scripts": 0, "unnamed": 0,
            "language": "en", "headings": 1, "mains": 1, "tables": true,
        }),
        "{case}"
    );
    let found = browser.run(CONTRAST).await;
    assert!(found["least"].as_f64().unwrap() >= 4.5, "{case}: {found}");
    found
}

#[tokio::test]
async fn pages_are_readable_and_sound_however_many_jobs_and_whatever_their_names() {
    if !have_browser() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let browser = Browser::start(folder.path()).await;
    for jobs in [0, 1, 500] {
        let (address, _) = serve(Answers {
            jobs: Some(jobs),
            job: None,
        })
        .await;
        browser.go(&address).await;
        for width in [400, 1280] {
            browser.is_wide(width).await;
            for (scheme, light) in [("light", true), ("dark", false)] {
                browser.prefers(scheme).await;
                let case = format!("{jobs} jobs, {width} px, {scheme}");
                let found = sound(&browser, &case).await;
                assert_eq!(found["page"].as_f64().unwrap() > 0.5, light, "{case}");
                if let Some(axe) = axe() {
                    assert_eq!(browser.accessibility(&axe).await, json!([]), "{case}");
                }
                keep_picture(&browser, &format!("dashboard-{jobs}-{width}-{scheme}")).await;
            }
        }
    }
    browser.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_page_tells_what_waits_and_why_and_what_ended() {
    let system = begin_with_one_place(380).await;
    let over = queue_one(&system);
    done(&system, 120, &[over]).await;
    rest(&system, 60).await;
    let running = system.queue_jobs(&mayfly_github_model::jobs::NewJob {
        seconds: 900.0,
        ..job()
    })[0];
    until(&system, 120, "it runs", |system| {
        system
            .job(running)
            .is_some_and(|job| job.state == JobState::Running)
    })
    .await;
    let waits = queue_one(&system);
    until(&system, 60, "it waits", |system| {
        system.job(waits).is_some()
    })
    .await;
    system.pass(20).await;
    let view = View {
        repository: None,
        within: Duration::from_secs(3600),
        until: None,
        refresh: true,
    };
    let look = look::gather(&ledger(&system), Some(&pools(&system)), &view, now(&system))
        .await
        .unwrap();
    let page = live_page::live(&look, &view, "mayfly");
    for job in [over, running, waits] {
        assert!(page.contains(&format!("/job/{job}\"")), "{job}: {page}");
    }
    let why = look
        .open
        .jobs
        .iter()
        .find(|line| line.job == waits)
        .and_then(|line| line.because.clone())
        .unwrap();
    assert!(page.contains(&why), "{why}");
    let one = explained(&system, over).await;
    let page = job_page::job(&one, "eu-west-1");
    for text in [&one.summary, "the image pull", "at GitHub"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    let task = one.runners[0].task.clone().unwrap();
    let id = task.rsplit('/').next().unwrap();
    assert!(
        page.contains(&format!("/tasks/{id}/logs?region=eu-west-1")),
        "{page}"
    );
    let elsewhere = View {
        repository: Some(mayfly_domain::model::pool::RepositoryPattern(
            "acme/other".to_owned(),
        )),
        ..view
    };
    let look = look::gather(
        &ledger(&system),
        Some(&pools(&system)),
        &elsewhere,
        now(&system),
    )
    .await
    .unwrap();
    assert!(
        look.open.jobs.is_empty()
            && look.ended.jobs.is_empty()
            && look.report.cost.lines.is_empty()
    );
}

async fn begin_with_one_place(seed: u64) -> mayfly_simulator::system::System {
    let system = mayfly_simulator::system::Start::seeded(seed)
        .pools(&pool_with("max = 1"))
        .begin()
        .unwrap();
    system.pass(1).await;
    system
}

const FRAME: Frame = Frame::DEFAULT;

#[test]
fn a_widget_is_bounded_escaped_and_has_no_links_that_lead_nowhere() {
    for jobs in [0, 1, 500] {
        for height in [100, 900, 4_000] {
            let page = widget(&a_look(jobs), Frame { height, ..FRAME });
            assert!(
                page.len() <= MOST_BYTES,
                "{jobs} jobs: {} bytes",
                page.len()
            );
            assert!(
                !page.contains("<script") && !page.contains("<img") && !page.contains("href="),
                "{page}"
            );
            assert_eq!(page.contains("<rect"), jobs > 0, "{jobs}");
        }
    }
    let low = widget(
        &a_look(500),
        Frame {
            height: 100,
            ..FRAME
        },
    );
    let high = widget(
        &a_look(500),
        Frame {
            height: 4_000,
            ..FRAME
        },
    );
    assert!(low.len() < high.len());
}

#[test]
fn names_of_any_length_leave_a_widget_within_its_bounds() {
    let mut look = a_look(500);
    for job in look.ended.jobs.values_mut() {
        job.name = "<".repeat(50_000);
    }
    let page = widget(&look, FRAME);
    assert!(page.len() <= MOST_BYTES && page.contains("Pools"));
    for job in &mut look.open.jobs {
        job.because = Some("&".repeat(50_000));
    }
    look.status.pools[0].pool = "linux".parse().unwrap();
    let page = widget(&look, FRAME);
    assert!(page.len() <= MOST_BYTES && page.contains("Pools"));
}

/// A page of CloudWatch's with a widget in it: its own rules must not reach the rest, nor theirs it.
fn console(widget: &str, dark: bool) -> String {
    let (ground, text) = if dark {
        ("#0f1b2a", "#fff")
    } else {
        ("#fff", "#000")
    };
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><title>Mayfly: mayfly</title><style>body{{margin:0;background:{ground};color:{text}}}</style></head><body><main><h1>CloudWatch</h1><p id=\"theirs\">theirs</p>{widget}</main></body></html>"
    )
}

#[tokio::test]
async fn a_widget_is_readable_and_sound_in_a_page_of_cloudwatch_s() {
    if !have_browser() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let browser = Browser::start(folder.path()).await;
    for jobs in [0, 1, 500] {
        for (scheme, dark) in [("light", false), ("dark", true)] {
            for width in [400, 1280] {
                let case = format!("widget-{jobs}-{width}-{scheme}");
                let frame = Frame {
                    dark,
                    width,
                    ..FRAME
                };
                let page = console(&widget(&a_look(jobs), frame), dark);
                let file = folder.path().join(format!("{case}.html"));
                std::fs::write(&file, page).unwrap();
                browser.is_wide(width).await;
                browser.go(&format!("file://{}", file.display())).await;
                sound(&browser, &case).await;
                let margin = "return getComputedStyle(document.getElementById('theirs')).marginTop";
                assert_eq!(browser.run(margin).await, json!("16px"), "{case}");
                if let Some(axe) = axe() {
                    assert_eq!(browser.accessibility(&axe).await, json!([]), "{case}");
                }
                keep_picture(&browser, &case).await;
            }
        }
    }
    browser.end().await;
}
