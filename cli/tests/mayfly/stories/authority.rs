//! What `mayfly doctor` says of runner groups and of the roles of pools.

use async_trait::async_trait;
use mayfly_cli::commands::doctor::checks::{judge, repair};
use mayfly_cli::commands::doctor::finding::{Area, Finding, Level};
use mayfly_cli::commands::doctor::roles;
use mayfly_cli::commands::plan::references;
use mayfly_cli::deployment::iam::{Role, Roles};
use mayfly_cli::failure::Failure;
use mayfly_ecs::LaunchConfig;
use mayfly_github_model::accounts::{ACME, Visibility};
use mayfly_github_model::faults::Refusal;
use mayfly_simulator::system::{Start, System};
use serde_json::json;

use crate::stories::doctor_fixture::{holds_report, patient, seen};
use crate::stories::fixture::{now, pools};
use crate::stories::told::pool_with;

fn at_an_organization(seed: u64, group: &str) -> System {
    let pool = pool_with(&format!(
        "max = 3\nscope = \"organization\"\nrunner_group = \"{group}\""
    ));
    Start::seeded(seed)
        .pools(&pool)
        .without_sweeps()
        .begin()
        .unwrap()
}

fn of_groups(findings: &[Finding]) -> Vec<(Level, &str)> {
    findings
        .iter()
        .filter(|one| one.what.contains("runner group"))
        .map(|one| (one.level, one.what.as_str()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_runner_group_that_is_missing_is_an_error_and_is_made_once() {
    let system = at_an_organization(520, "mayfly");
    let github = system.github_for("mayfly");
    let mut facts = seen(&system).await;
    let told = judge(&facts, &patient(), now(&system));
    let missing = "acme has no runner group \"mayfly\", which pool linux names: GitHub registers no runner for it";
    assert_eq!(of_groups(&told), [(Level::Error, missing)]);
    assert_eq!(
        references::missing(&facts.groups)[0].0,
        missing,
        "plan and apply warn of it, too"
    );
    let told = repair(&github, &mut facts, &patient()).await;
    assert_eq!(
        of_groups(&told),
        [(
            Level::Good,
            "repaired: created the runner group mayfly of acme"
        )]
    );
    assert_eq!(
        of_groups(&judge(&facts, &patient(), now(&system))),
        [(Level::Good, "acme has the runner group mayfly")]
    );
    // Another look finds it, and makes no other.
    let mut facts = seen(&system).await;
    assert_eq!(repair(&github, &mut facts, &patient()).await, []);
    let made = system.world.with_github(|github, _| {
        github
            .accounts()
            .groups(ACME)
            .filter(|group| group.name == "mayfly")
            .count()
    });
    assert_eq!(made, 1);
}

#[tokio::test(start_paused = true)]
async fn a_runner_group_that_is_there_and_the_default_one_are_well() {
    for (seed, group) in [(521, "Default"), (522, "builders")] {
        let system = at_an_organization(seed, group);
        system.world.with_github(|github, _| {
            github
                .accounts_mut()
                .add_group(ACME, "builders", Visibility::All, false)
        });
        let told = judge(&seen(&system).await, &patient(), now(&system));
        assert_eq!(
            of_groups(&told),
            [(
                Level::Good,
                format!("acme has the runner group {group}").as_str()
            )]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn where_github_makes_no_group_it_is_told_what_to_write() {
    let system = at_an_organization(523, "mayfly");
    system.world.with_github(|github, _| {
        let why = Refusal {
            status: 403,
            message: Some("Upgrade to GitHub Team".to_owned()),
        };
        github.faults.refused.insert("acme".to_owned(), why);
    });
    let told = repair(
        &system.github_for("mayfly"),
        &mut seen(&system).await,
        &patient(),
    )
    .await;
    assert_eq!(
        of_groups(&told),
        [(
            Level::Error,
            "GitHub did not create the runner group mayfly of acme: Upgrade to GitHub Team"
        )]
    );
    assert!(
        told[0]
            .fix
            .as_deref()
            .unwrap()
            .contains("runner_group = \"Default\""),
        "{told:?}"
    );
}

/// IAM with some roles, each with whom it trusts.
struct Account;

const HERE: &str = "123456789012";

fn trusts(statements: &[serde_json::Value]) -> String {
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

fn statement(principal: &serde_json::Value, condition: &serde_json::Value) -> serde_json::Value {
    json!({ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": condition })
}

#[async_trait]
impl Roles for Account {
    async fn role(&self, name: &str) -> Result<Option<Role>, Failure> {
        let ecs = json!({ "Service": "ecs-tasks.amazonaws.com" });
        let here = json!({ "StringEquals": { "aws:SourceAccount": HERE } });
        let right = statement(&ecs, &here);
        let trust = match name {
            "right" | "elsewhere" => trusts(&[right]),
            "unheld" => trusts(&[statement(&ecs, &json!({}))]),
            "foreign" => trusts(&[
                right,
                statement(
                    &json!({ "AWS": "arn:aws:iam::999999999999:root" }),
                    &json!({}),
                ),
            ]),
            "anyone" => trusts(&[statement(&json!("*"), &here)]),
            "own-user" => trusts(&[
                right,
                statement(
                    &json!({ "AWS": format!("arn:aws:iam::{HERE}:user/eve") }),
                    &json!({}),
                ),
            ]),
            "hidden" => {
                return Err(Failure::new(
                    "could not read the role hidden: AccessDenied",
                    "attach DoctorPolicyArn",
                ));
            }
            _ => return Ok(None),
        };
        let path = if name == "elsewhere" {
            "/"
        } else {
            "/mayfly/mayfly/"
        };
        Ok(Some(Role {
            arn: format!("arn:aws:iam::{HERE}:role{path}{name}"),
            trust,
        }))
    }
}

const ROLES: [&str; 8] = [
    "right",
    "unheld",
    "foreign",
    "anyone",
    "own-user",
    "hidden",
    "elsewhere",
    "none",
];

fn site() -> LaunchConfig {
    LaunchConfig {
        stack: "mayfly".to_owned(),
        region: "us-east-1".to_owned(),
        cluster: format!("arn:aws:ecs:us-east-1:{HERE}:cluster/mayfly"),
        subnets: Vec::new(),
        security_groups: Vec::new(),
        public_ip: true,
        task_role: format!("arn:aws:iam::{HERE}:role/mayfly/mayfly/mayfly-TaskRole-x"),
        execution_role: format!("arn:aws:iam::{HERE}:role/mayfly/mayfly/execution/x"),
        log_group: "/mayfly/mayfly/runners".to_owned(),
        registration_url: "https://api.test".to_owned(),
    }
}

/// Each kind of trust, in one report. A runner is known by its role's session name, so a role that
/// a user may assume is that user's way to be any runner of the pool, and to get the secrets of its
/// next job.
#[tokio::test(start_paused = true)]
async fn a_role_that_others_may_assume_is_an_error() {
    let pools_file: String = ROLES.iter().fold("[github]\naccounts = [\"acme\"]\n".to_owned(), |file, role| {
        format!("{file}[pools.{role}]\nlabels = [\"{role}\"]\ncpu = 1\nmemory = \"2 GiB\"\nmax = 1\ntask_role = \"{role}\"\nrepositories = [\"acme/app\"]\n")
    });
    let system = Start::seeded(524)
        .pools(&pools_file)
        .without_sweeps()
        .begin()
        .unwrap();
    let looked = roles::gather(&Account, Some(&pools(&system)), &site()).await;
    let report = holds_report(&system, "doctor_roles", roles::judge(&looked));
    let level = |role: &str| {
        report
            .findings
            .iter()
            .find(|one| one.what.contains(&format!("role {role}")))
            .map(|one| one.level)
    };
    let levels = ROLES.map(level);
    let error = Some(Level::Error);
    assert_eq!(
        levels,
        [
            Some(Level::Good),
            error,
            error,
            error,
            error,
            Some(Level::Unknown),
            error,
            error
        ]
    );
    assert!(report.findings.iter().all(|one| one.area == Area::Roles));
}

#[tokio::test(start_paused = true)]
async fn pools_without_a_role_of_their_own_ask_iam_nothing() {
    let system = at_an_organization(525, "Default");
    assert!(
        roles::gather(&Account, Some(&pools(&system)), &site())
            .await
            .is_empty()
    );
    assert!(roles::gather(&Account, None, &site()).await.is_empty());
}
