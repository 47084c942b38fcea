//! README's first ten minutes, followed to the letter: from a stack where no one has set anything
//! up to a job that ran, and its story.
//!
//! The lines come from README itself. What a line cannot be here is in [`LINES`], each with its
//! reason; a line that is in the one and not in the other fails.

mod browser;
mod readme;

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::Duration;

use mayfly_local_stack::stack::Places;
use mayfly_test_support::repository::repository;
use serde_json::{Value, json};

use crate::command::person::{Person, Ran};
use crate::settled::Stage;
use readme::Readme;

/// What becomes of a line of README's here.
enum Here {
    /// It is typed as it stands.
    Literally,
    /// With other words in the place of these; `{github}` and `{job}` are known only here.
    With(&'static str, &'static str, &'static str),
    /// It is not typed.
    Not(&'static str),
}

/// Every line of the section, in its order.
const LINES: [(&str, Here); 13] = [
    (
        "rustup target add aarch64-unknown-linux-gnu",
        Here::Not("the local stack runs the functions on this machine's processor"),
    ),
    (
        "make deploy VPC=vpc-... SUBNETS=subnet-...,subnet-...",
        Here::Not(
            "there is no AWS here: `stack bare` has deployed the same template by the same sam, and what make would say is looked at",
        ),
    ),
    (
        "cargo install --locked --path cli",
        Here::Not("make has built mayfly, and it lies in the PATH; another build takes minutes"),
    ),
    (
        "mayfly init",
        Here::With(
            "init",
            "init --github-url {github}",
            "GitHub is a model on loopback",
        ),
    ),
    ("mayfly check pools.toml", Here::Literally),
    ("mayfly plan pools.toml", Here::Literally),
    (
        "mayfly apply pools.toml",
        Here::With("apply", "apply --yes", "nobody sits here to be asked"),
    ),
    ("mayfly status", Here::Literally),
    ("mayfly jobs", Here::Literally),
    (
        "mayfly logs --follow 43821",
        Here::With("43821", "{job}", "README names some job"),
    ),
    (
        "mayfly explain 43821",
        Here::With("43821", "{job}", "README names some job"),
    ),
    (
        "mayfly dashboard",
        Here::Not("it serves its page until Ctrl-C: the story of the command opens it"),
    ),
    ("mayfly report --since 7d", Here::Literally),
];

#[test]
fn readme_has_these_lines_in_this_order_and_no_other() {
    assert_eq!(Readme::read().commands, LINES.map(|(line, _)| line));
    for (line, here) in LINES {
        match here {
            Here::With(from, _, reason) => {
                assert!(line.contains(from) && !reason.is_empty(), "{line}")
            }
            Here::Not(reason) => assert!(!reason.is_empty(), "{line}"),
            Here::Literally => {}
        }
    }
}

#[test]
fn what_is_not_followed_is_there_all_the_same() {
    let root = repository().unwrap();
    let mut words = LINES[1].0.split_whitespace();
    assert_eq!(words.next(), Some("make"));
    let said = Command::new("make")
        .arg("--dry-run")
        .args(words)
        .current_dir(&root)
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let deploys = "python infra/deploy.py deploy --stack mayfly VpcId=vpc-... SubnetIds=subnet-...,subnet-...";
    assert!(
        said.contains(deploys) && root.join("infra/deploy.py").is_file(),
        "{said}"
    );
    let package = std::fs::read_to_string(root.join("cli/Cargo.toml")).unwrap();
    assert!(
        package.contains("name = \"mayfly\""),
        "the package in cli makes the program mayfly: {package}"
    );
}

/// Someone who follows README.
struct Newcomer {
    stage: Stage,
    person: Person,
    readme: Readme,
    job: Option<i64>,
    /// All that was ever printed.
    seen: String,
}

impl Newcomer {
    /// With mayfly in the PATH, and a desktop that opens addresses in a browser.
    async fn arrives() -> Self {
        let stage = Stage::enter().await;
        let person = Person::newcomer(&stage).await;
        // Of an earlier run on this machine: mayfly overwrites nothing.
        let file = person.home().join("pools.toml");
        if file.exists() {
            std::fs::remove_file(file).unwrap();
        }
        let bin = person.home().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        symlink(
            Places::of_repository().unwrap().binary("mayfly"),
            bin.join("mayfly"),
        )
        .unwrap();
        let opener = bin.join("xdg-open");
        std::fs::write(&opener, browser::OPENER).unwrap();
        std::fs::set_permissions(&opener, Permissions::from_mode(0o755)).unwrap();
        Self {
            stage,
            person,
            readme: Readme::read(),
            job: None,
            seen: String::new(),
        }
    }

    /// The line of README's that begins so, as it is typed here.
    fn line(&self, start: &str) -> String {
        let (line, here) = LINES
            .into_iter()
            .find(|(line, _)| line.starts_with(start))
            .unwrap();
        assert!(self.readme.commands.iter().any(|one| one == line));
        let job = self.job.map(|job| job.to_string()).unwrap_or_default();
        match here {
            Here::Literally => line.to_owned(),
            Here::With(from, to, _) => line.replacen(
                from,
                &to.replace("{github}", &self.stage.stack.github_url)
                    .replace("{job}", &job),
                1,
            ),
            Here::Not(reason) => panic!("{line}: {reason}"),
        }
    }

    fn has_seen(&mut self, line: &str, ran: Ran) -> Ran {
        assert_eq!(ran.code, 0, "{line}: {ran:?}");
        self.seen = format!("{}{}{}", self.seen, ran.stdout, ran.stderr);
        ran
    }

    async fn types(&mut self, start: &str) -> String {
        let line = self.line(start);
        let ran = self.person.types(&line).await;
        self.has_seen(&line, ran).stdout
    }

    /// The App: mayfly in the terminal, the browser beside it.
    async fn sets_up(&mut self) {
        let line = self.line("mayfly init");
        let browsing = browser::play(self.person.home().join("opened"), &self.stage.client);
        let (ran, installed) = tokio::join!(self.person.types(&line), browsing);
        assert!(installed.contains("id=\"installed\""), "{installed}");
        let told = self.has_seen(&line, ran).stderr;
        assert!(
            told.contains("set up.") && told.contains("wrote pools.toml"),
            "{told}"
        );
        // The group that the file names is there, and was not made by hand.
        let file = std::fs::read_to_string(self.person.home().join("pools.toml")).unwrap();
        assert!(file.contains("runner_group = \"mayfly\""), "{file}");
        assert!(
            told.contains("created the runner group mayfly of acme"),
            "{told}"
        );
    }

    /// Pushes the workflow: GitHub queues its job.
    async fn pushes(&mut self) -> i64 {
        let wish =
            json!({ "repository": "acme/hello", "labels": self.readme.labels, "seconds": 3.0 });
        let job = self.stage.watch.queue(&wish, 1).await.unwrap()[0];
        // webhook remembers for a second or two that there was no secret. It has been written for
        // longer: the first delivery is taken.
        self.stage
            .until("the job's record", Duration::from_secs(30), |_, ledger| {
                ledger.job(job).is_some()
            })
            .await;
        self.job = Some(job);
        job
    }

    /// What no one may see.
    async fn secrets(&self) -> Vec<String> {
        let mut found = Vec::new();
        for name in [
            &self.stage.stack.app_parameter,
            &self.stage.stack.webhook_secret_parameter,
        ] {
            let answer = self
                .stage
                .aws(
                    "ssm",
                    "AmazonSSM.GetParameter",
                    &json!({ "Name": name, "WithDecryption": true }),
                )
                .await;
            let text: Value =
                serde_json::from_str(answer["Parameter"]["Value"].as_str().unwrap()).unwrap();
            found.extend(text["current"].as_str().map(str::to_owned));
            found.extend(
                text["private_key"]
                    .as_str()
                    .and_then(|pem| pem.lines().nth(1))
                    .map(str::to_owned),
            );
        }
        assert_eq!(found.len(), 2);
        found
    }
}

#[tokio::test]
#[ignore = "needs the local stack, and nothing set up on it: make test"]
async fn first_ten_minutes_on_a_bare_stack() {
    let mut newcomer = Newcomer::arrives().await;
    newcomer.sets_up().await;
    newcomer.types("mayfly check").await;
    let plan = newcomer.types("mayfly plan").await;
    assert!(
        plan.contains("+ [pools.linux]")
            && plan.contains("plan: 1 to add, 0 to change, 0 to remove"),
        "{plan}"
    );
    let applied = newcomer.types("mayfly apply").await;
    assert!(applied.contains("version 1 is active"), "{applied}");

    let job = newcomer.pushes().await;
    let status = newcomer.types("mayfly status").await;
    assert!(status.contains("linux"), "{status}");
    let jobs = newcomer.types("mayfly jobs").await;
    assert!(
        jobs.lines()
            .any(|line| line.contains(&job.to_string()) && line.contains("acme/hello")),
        "{jobs}"
    );
    let log = newcomer.types("mayfly logs").await;
    assert!(
        log.contains("Listening for Jobs") && log.contains(&format!("({job})")),
        "{log}"
    );
    let (over, _) = newcomer.stage.over(&[job], Duration::from_secs(60)).await;
    assert_eq!(over[0].conclusion.as_deref(), Some("success"));
    let story = newcomer.types("mayfly explain").await;
    for part in ["acme/hello", "success", "runner"] {
        assert!(story.contains(part), "{part}: {story}");
    }
    let report = newcomer.types("mayfly report").await;
    assert!(report.contains("1 job ended since"), "{report}");

    let files: BTreeSet<String> = ["pools.toml", "opened"]
        .map(|name| std::fs::read_to_string(newcomer.person.home().join(name)).unwrap())
        .into();
    for secret in newcomer.secrets().await {
        assert!(
            !newcomer.seen.contains(&secret) && !files.iter().any(|text| text.contains(&secret))
        );
    }
}
