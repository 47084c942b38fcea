//! The job that GitHub hands to a runner is not always one that may run there.

use mayfly_domain::runner::Outcome;
use mayfly_tests::github::jobs::{Conclusion, NewJob, Status};
use mayfly_tests::system::Start;

use crate::told::{done, job, outcomes, queue_one, rest, story, until};

const ORGANIZATION: &str = r#"
[github]
accounts = ["acme"]
[pools.linux]
labels = ["self-hosted", "linux", "x64", "mayfly"]
scope = "organization"
runner_group = "Default"
repositories = ["acme/app"]
cpu = 2
memory = "8 GiB"
max = 20
"#;

#[tokio::test(start_paused = true)]
async fn a_refused_job_ends_the_container_before_its_first_step_and_the_accepted_one_gets_the_next_runner() {
    let system = Start::seeded(30).pools(ORGANIZATION).begin().unwrap();
    // Older, of the same labels, and of a repository that the pool does not list: GitHub hands it to the first runner that waits.
    let stranger = system.queue_jobs(&NewJob { repository: "acme/secret".to_owned(), ..job() })[0];
    let accepted = queue_one(&system);
    done(&system, 300, &[accepted]).await;
    until(&system, 120, "GitHub gives the stranger up", |system| {
        system.at_github(stranger) == Some((Status::Completed, Some(Conclusion::Failure)))
    })
    .await;
    rest(&system, 300).await;
    assert_eq!((system.steps_run(stranger), system.steps_run(accepted)), (0, 3));
    assert_eq!(outcomes(&system), [Outcome::Refused, Outcome::Ran], "{}", story(&system));
    assert_eq!(system.closed_runners()[0].exit_code, Some(137));
}

#[tokio::test(start_paused = true)]
async fn a_public_repository_is_refused_at_admission() {
    let everything = ORGANIZATION.replace("repositories = [\"acme/app\"]\n", "");
    let system = Start::seeded(31).pools(&everything).begin().unwrap();
    system.world.with_github(|github, now| {
        let group = github.accounts().account_by_login("acme").map(|account| account.id).unwrap();
        github.accounts_mut().add_group(group, "open", mayfly_tests::github::accounts::Visibility::All, true);
        let _ = now;
    });
    system.world.parameters.put_pools(&everything.replace("\"Default\"", "\"open\""));
    let stranger = system.queue_jobs(&NewJob { repository: "acme/public".to_owned(), private: Some(false), ..job() })[0];
    let accepted = queue_one(&system);
    done(&system, 300, &[accepted]).await;
    rest(&system, 300).await;
    assert_eq!(system.steps_run(stranger), 0, "{}", story(&system));
    assert!(outcomes(&system).contains(&Outcome::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_runner_of_a_repository_cannot_be_handed_anothers_job() {
    let system = crate::told::begin(32);
    let stranger = system.queue_jobs(&NewJob { repository: "globex/app".to_owned(), ..job() })[0];
    let accepted = queue_one(&system);
    done(&system, 300, &[accepted]).await;
    rest(&system, 300).await;
    assert_eq!((system.at_github(stranger).map(|(status, _)| status), outcomes(&system)), (Some(Status::Queued), vec![Outcome::Ran]));
}
