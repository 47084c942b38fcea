//! What GitHub is asked as the App: by `mayfly explain` about jobs that the ledger does not know,
//! by `mayfly match` about a repository.

use clap::Parser as _;
use mayfly_cli::args::{Arguments, Command};
use mayfly_cli::commands::explain::github_lookup::{self, Outside};
use mayfly_cli::commands::matching::{Answer, Match, beside};
use mayfly_cli::github::access::{App, Group};
use mayfly_cli::input::job_arg::JobArg;
use mayfly_domain::model::id::JobId;
use mayfly_github_model::accounts::{ACME, Level, Visibility};
use mayfly_github_model::jobs::{Action, JobDeliveries, NewJob};
use mayfly_simulator::system::{Start, System};

use crate::stories::fixture::{holds, holds_json, now, pools};
use crate::stories::told::{begin, job, pool_with};

async fn outside(system: &System, job: JobId, repository: &str) -> Outside {
    let named = JobArg {
        id: job,
        repository: Some(repository.to_owned()),
    };
    github_lookup::ask(
        &system.github_for("mayfly"),
        &named,
        repository,
        &pools(system),
        "https://github.com",
        now(system),
    )
    .await
    .unwrap()
}

/// A system that no one looks after, so that what was not delivered stays so.
fn alone(seed: u64) -> System {
    Start::seeded(seed).without_sweeps().begin().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_delivery_was_lost_is_told_with_that_delivery() {
    let system = alone(360);
    let deliveries = JobDeliveries {
        lost: vec![Action::Queued],
        ..JobDeliveries::default()
    };
    let lost = system.queue_jobs(&NewJob {
        deliveries,
        ..job()
    })[0];
    system.pass(60).await;
    assert_eq!(system.job(lost), None);
    let answer = outside(&system, lost, "acme/app").await;
    holds(&system, "outside_lost", &github_lookup::text(&answer, None));
    assert_eq!(
        (
            answer.undelivered.len(),
            answer.pool.as_ref().map(ToString::to_string)
        ),
        (1, Some("linux".to_owned()))
    );
    assert!(
        answer
            .help
            .is_some_and(|help| help.contains("mayfly retry https://"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_of_githubs_own_runners_is_none_of_ours() {
    let system = alone(361);
    let hosted = system.queue_jobs(&NewJob {
        labels: vec!["ubuntu-latest".to_owned()],
        ..job()
    })[0];
    system.pass(60).await;
    let answer = outside(&system, hosted, "acme/app").await;
    holds(
        &system,
        "outside_hosted",
        &github_lookup::text(&answer, None),
    );
    holds_json(&system, "outside_hosted_json", &answer);
    assert!(answer.pool.is_none() && answer.undelivered.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_job_that_names_only_a_runner_group_is_told_what_it_lacks() {
    let system = alone(364);
    let job = system.queue_jobs(&NewJob {
        labels: Vec::new(),
        runner_group: Some("mayfly".to_owned()),
        ..job()
    })[0];
    system.pass(60).await;
    let answer = outside(&system, job, "acme/app").await;
    assert!(answer.pool.is_none(), "{}", answer.summary);
    assert!(
        answer
            .help
            .is_some_and(|help| help.contains("it names no label (runs-on: {group: …} alone)"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_with_its_labels_in_one_string_is_shown_with_that_string() {
    let system = alone(365);
    let job = system.queue_jobs(&NewJob {
        labels: vec!["linux, mayfly".to_owned(), "gpu\n".to_owned()],
        ..job()
    })[0];
    let text = anstream::adapter::strip_str(&github_lookup::text(
        &outside(&system, job, "acme/app").await,
        None,
    ))
    .to_string();
    assert!(
        text.contains(r#"runs-on ["gpu\n", "linux, mayfly"]"#),
        "{text}"
    );
    assert!(
        text.contains(r#"does not offer "gpu\n", "linux, mayfly""#),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_nobody_knows() {
    let system = alone(362);
    system.queue_jobs(&job());
    system.pass(5).await;
    let answer = outside(&system, JobId(404), "acme/app").await;
    assert_eq!(
        (answer.shown, answer.summary.as_str()),
        (
            None,
            "neither the ledger nor GitHub knows job 404 of acme/app"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn an_app_that_is_not_there_is_said_to_be_missing() {
    let system = alone(363);
    for (name, said) in [
        ("nobody/app", "the App is not installed on nobody"),
        ("acme/nothing", "does not see acme/nothing"),
    ] {
        let answer = outside(&system, JobId(404), name).await;
        assert!(
            answer.summary.contains(said) && answer.shown.is_none(),
            "{}",
            answer.summary
        );
    }
    system
        .world
        .with_github(|github, now| github.accounts_mut().suspend(ACME, now));
    let answer = outside(&system, JobId(404), "acme/app").await;
    assert_eq!(
        answer.github.map(|at| at.app),
        Some(App::Suspended),
        "{}",
        answer.summary
    );
}

#[test]
fn without_a_way_to_ask_that_is_said() {
    let named: JobArg = "404".parse().unwrap();
    let answer = github_lookup::unasked(
        &named,
        "these credentials may not read the App's key",
        mayfly_domain::model::time::Timestamp::from_millis(0),
    );
    let text = anstream::adapter::strip_str(&github_lookup::text(&answer, None)).to_string();
    assert_eq!(
        text,
        "the ledger does not know job 404\n  GitHub was not asked: these credentials may not read the App's key"
    );
}

fn matching(arguments: &[&str]) -> Match {
    let words = ["mayfly", "match"]
        .into_iter()
        .chain(arguments.iter().copied());
    match Arguments::try_parse_from(words).unwrap().command {
        Command::Match(matching) => matching,
        other => panic!("{other:?}"),
    }
}

async fn matched(system: &System, labels: &[&str], repository: &str) -> Answer {
    matching(labels)
        .ask(&system.github_for("mayfly"), &pools(system), repository)
        .await
        .unwrap()
}

fn problems(answer: &Answer) -> Vec<String> {
    answer
        .github
        .as_ref()
        .map(|github| github.problems.clone())
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn github_has_the_last_word_on_who_can_see_a_repository() {
    let system = begin(364);
    system.queue_jobs(&job());
    system.queue_jobs(&NewJob {
        repository: "acme/open".to_owned(),
        private: Some(false),
        ..job()
    });
    let private = matched(&system, &["mayfly"], "acme/app").await;
    assert_eq!(
        (
            private.pool.map(|pool| pool.to_string()),
            problems(&matched(&system, &["mayfly"], "acme/app").await)
        ),
        (Some("linux".to_owned()), vec![])
    );
    let public = matched(&system, &["mayfly"], "acme/open").await;
    assert!(public.pool.is_none(), "{public:?}");
    holds(&system, "match_public", &beside(&public).join("\n"));
}

#[tokio::test(start_paused = true)]
async fn what_the_installation_has_not_granted_is_told() {
    let system = begin(365);
    system.queue_jobs(&job());
    system.world.with_github(|github, _| {
        let acme = github.accounts().installation_on(ACME).unwrap().id;
        let permissions = &mut github
            .accounts_mut()
            .installation_mut(acme)
            .unwrap()
            .permissions;
        permissions.insert("administration".to_owned(), Level::Read);
    });
    let answer = matched(&system, &["mayfly"], "acme/app").await;
    assert_eq!(
        problems(&answer),
        ["the App's installation has not granted administration: write, which pool linux needs"]
    );
    holds_json(&system, "match_lacks_json", &answer);
}

#[tokio::test(start_paused = true)]
async fn runner_groups_are_told_as_they_are() {
    let of_group = |group: &str| {
        pool_with(&format!(
            "max = 2\npublic = true\nscope = \"organization\"\nrunner_group = \"{group}\""
        ))
    };
    let system = Start::seeded(366)
        .pools(&of_group("Default"))
        .begin()
        .unwrap();
    system.queue_jobs(&job());
    system.queue_jobs(&NewJob {
        repository: "acme/open".to_owned(),
        private: Some(false),
        ..job()
    });
    system.world.with_github(|github, _| {
        github.accounts_mut().add_group(
            ACME,
            "some",
            Visibility::Selected(std::collections::BTreeSet::new()),
            true,
        );
        github
            .accounts_mut()
            .add_group(ACME, "inner", Visibility::All, false);
    });
    let cases = [
        ("Default", "acme/app", Group::Open),
        ("some", "acme/app", Group::Closed),
        ("inner", "acme/app", Group::Open),
        (
            "absent",
            "acme/app",
            Group::Missing {
                there_are: Vec::new(),
            },
        ),
    ];
    for (group, repository, expected) in cases {
        system.world.parameters.put_pools(&of_group(group));
        let answer = matched(&system, &["mayfly"], repository).await;
        let found = answer
            .github
            .as_ref()
            .and_then(|github| github.runner_group.clone())
            .unwrap();
        assert_eq!(
            std::mem::discriminant(&found),
            std::mem::discriminant(&expected),
            "{group} {repository}: {found:?}"
        );
        assert_eq!(
            problems(&answer).is_empty(),
            expected == Group::Open,
            "{group}: {:?}",
            problems(&answer)
        );
    }
    system.world.parameters.put_pools(&of_group("inner"));
    let public = matched(&system, &["mayfly"], "acme/open").await;
    let found = public
        .github
        .as_ref()
        .and_then(|github| github.runner_group.clone());
    assert!(
        matches!(found, Some(Group::NotForPublic | Group::Closed)),
        "{found:?}"
    );
}
