//! `mayfly match`: a table of some hundred jobs, each with the pool that takes it.

use std::process::Command;

use mayfly_config::pools_file::parse;
use mayfly_domain::model::id::{OwnerId, RepositoryId, RunId};
use mayfly_domain::model::label::Labels;
use mayfly_domain::model::matching::{MatchQuery, Verdict};
use mayfly_domain::model::placement::{JobRequirements, Placement};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::target::Repository;

const TABLE: &str = include_str!("matching/table.txt");

/// A line of the table.
struct Case {
    line: &'static str,
    labels: Labels,
    repository: Option<Repository>,
    run: Option<(RunId, u32)>,
    pool: Option<&'static str>,
}

fn case(line: &'static str) -> Case {
    let (asked, pool) = line.split_once(" => ").unwrap();
    let (labels, rest) = asked.rsplit_once(']').unwrap();
    let labels: Vec<String> = serde_json::from_str(&format!("{labels}]")).unwrap();
    let words: Vec<&str> = rest.split_whitespace().collect();
    let after = |word: &str| {
        words
            .iter()
            .position(|one| *one == word)
            .map(|at| words[at + 1])
    };
    let repository = after("at").map(|name| Repository {
        id: RepositoryId(1),
        name: name.to_owned(),
        owner: OwnerId(1),
        private: !words.contains(&"public"),
    });
    let run = after("run").map(|run| {
        let (run, attempt) = run.split_once('-').unwrap();
        (RunId(run.parse().unwrap()), attempt.parse().unwrap())
    });
    Case {
        line,
        labels: labels.into_iter().collect(),
        repository,
        run,
        pool: (pool != "-").then_some(pool),
    }
}

const HEAD: &str = "[github]\naccounts = [\"acme\"]\n";

/// The parts of the table: a pools file each, and its cases.
fn parts() -> Vec<(String, Vec<Case>)> {
    let part = |text: &'static str| {
        let (pools, cases) = text.split_once("--- cases\n").unwrap();
        let (_title, pools) = pools.split_once('\n').unwrap();
        (
            format!("{HEAD}{pools}"),
            cases
                .lines()
                .filter(|line| line.contains(" => "))
                .map(case)
                .collect(),
        )
    };
    TABLE.split("=== ").skip(1).map(part).collect()
}

fn parsed(file: &str) -> Pools {
    parse(file, 1).unwrap()
}

#[test]
fn the_table_has_three_hundred_cases() {
    let cases: usize = parts().iter().map(|(_, cases)| cases.len()).sum();
    assert!(cases >= 300, "{cases}");
}

#[test]
fn each_job_is_taken_by_the_pool_that_the_table_says() {
    let mut wrong = Vec::new();
    for (file, cases) in parts() {
        let pools = parsed(&file);
        for Case {
            line,
            labels,
            repository,
            run,
            pool,
        } in cases
        {
            let said = pools.verdicts(MatchQuery {
                labels: &labels,
                repository: repository.as_ref(),
                run,
            });
            let takes = said
                .iter()
                .find(|(_, verdict)| *verdict == Verdict::Takes)
                .map(|(pool, _)| pool.name.as_str());
            if takes != pool {
                wrong.push(format!("{line}, not {takes:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn webhook_gives_each_job_to_the_same_pool() {
    let mut wrong = Vec::new();
    for (file, cases) in parts() {
        let pools = parsed(&file);
        for Case {
            line,
            labels,
            repository,
            run,
            pool,
        } in cases
        {
            let Some(repository) = repository else {
                continue;
            };
            let (run, attempt) = run.unwrap_or((RunId(1), 1));
            let placed = match pools.place(JobRequirements {
                labels: &labels,
                repository: &repository,
                run,
                attempt,
            }) {
                Placement::Pool(pool) => Some(pool.name.as_str()),
                _ => None,
            };
            if placed != pool {
                wrong.push(format!("{line}, not {placed:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_command_says_what_the_table_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pools.toml");
    std::fs::write(&file, &parts()[0].0).unwrap();
    let ask = |labels: &[&str]| {
        let output = Command::new(std::env::var_os("CARGO_BIN_EXE_mayfly").unwrap())
            .arg("match")
            .args(labels)
            .arg("--file")
            .arg(&file)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    assert_eq!(
        ask(&["SELF-HOSTED", "mayfly"]),
        (Some(0), "linux\n".to_owned())
    );
    assert_eq!(ask(&["mayfly", "gpu"]), (Some(3), String::new()));
    assert_eq!(ask(&[]), (Some(1), String::new()));
}

/// A label that was pasted from somewhere may hold what a terminal obeys.
#[test]
fn no_label_paints_on_the_terminal_in_text_or_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pools.toml");
    std::fs::write(
        &file,
        format!(
            "{HEAD}[pools.linux]\nlabels = [\"mayfly\"]\ncpu = 2\nmemory = \"8 GiB\"\nmax = 5\n"
        ),
    )
    .unwrap();
    let label = "a\u{1b}[2Jb\u{9b}31mc\u{202e}d\u{7f}e\u{2028}f";
    for arguments in [
        &["--color", "always"][..],
        &["--color", "never"],
        &["--json"],
    ] {
        let mut command = Command::new(std::env::var_os("CARGO_BIN_EXE_mayfly").unwrap());
        let output = command
            .args(["match", label, "--file"])
            .arg(&file)
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let bare = anstream::adapter::strip_str(&said).to_string();
        assert!(bare.contains("does not offer"), "{said:?}");
        assert!(!said.contains("\u{1b}[2J"), "{arguments:?}: {said:?}");
        assert!(
            !bare
                .chars()
                .any(|c| c != '\n' && mayfly_cli::terminal::text_format::disturbs(c)),
            "{arguments:?}: {said:?}"
        );
    }
}
