//! `mayfly check`, `mayfly schema`, `mayfly completions`, as they are called.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use mayfly_config::pools_file;
use serde_json::Value;

const GOOD: &str = r#"[github]
accounts = ["acme"]

[pools.linux]
labels = ["self-hosted", "linux", "x64", "mayfly"]
cpu = 2
memory = "8 GiB"
max = 50
"#;

const BAD: &str = r#"[github]
accounts = ["acme"]

[pools.linux]
labels = ["linux", "gpu,large"]
cpu = 3
memmory = "8 GiB"
max = -1

[pools.Arm]
labels = ["arm"]
cpu = 1
memory = "64 GiB"
max = 1
"#;

const DOUBTFUL: &str = r#"[github]
accounts = ["acme"]

[pools.linux]
labels = ["ubuntu-latest", "full_build staging"]
cpu = 2
memory = "8 GiB"
max = 50
public = true
task_role = "deploy"
"#;

/// What a call of mayfly came to, in a folder that has some files.
fn called(line: &str, stdin: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    put("good.toml", GOOD.as_bytes());
    put("bad.toml", BAD.as_bytes());
    put("doubtful.toml", DOUBTFUL.as_bytes());
    put("latin1.toml", b"[github]\naccounts = [\"acm\xe9\"]\n");
    put("broken.toml", b"[github\naccounts = [\"acme\"]\n");
    put("empty.toml", b"");
    put(
        "full.toml",
        format!("{GOOD}#{}\n", " ".repeat(4_000)).as_bytes(),
    );
    put(
        "two.toml",
        GOOD.replace("[\"acme\"]", "[\"acme\", \"globex\"]")
            .as_bytes(),
    );
    put(
        "address.toml",
        GOOD.replace(
            "[\"acme\"]",
            "[\"acme\"]\nurl = \"https://github.example.com\"",
        )
        .as_bytes(),
    );
    run(line, folder.path(), stdin)
}

fn run(line: &str, folder: &Path, stdin: &[u8]) -> String {
    let mut command = Command::new(std::env::var_os("CARGO_BIN_EXE_mayfly").unwrap());
    command
        .args(line.split_whitespace())
        .current_dir(folder)
        .env_remove("NO_COLOR");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    format!(
        "$ mayfly {line}\n{}--- stderr\n{}--- exit {}\n",
        text(output.stdout),
        text(output.stderr),
        output.status.code().unwrap()
    )
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_what_to_do() {
    insta::assert_snapshot!("errors", called("check bad.toml", b""));
    insta::assert_snapshot!("not_toml", called("check broken.toml", b""));
    insta::assert_snapshot!("empty", called("check empty.toml", b""));
}

#[test]
fn what_is_surely_not_meant_is_a_warning_and_fails_only_if_asked_to() {
    insta::assert_snapshot!("warnings", called("check doubtful.toml --vcpus 6", b""));
    assert!(called("check doubtful.toml --strict", b"").ends_with("--- exit 1\n"));
    assert!(called("check good.toml --strict", b"").ends_with("--- exit 0\n"));
}

#[test]
fn a_good_file_is_said_to_be_good() {
    insta::assert_snapshot!("good", called("check good.toml", b""));
    insta::assert_snapshot!("stdin", called("check -", GOOD.as_bytes()));
}

#[test]
fn what_is_worth_knowing_is_told_and_fails_nothing() {
    insta::assert_snapshot!("full", called("check full.toml --strict", b""));
    insta::assert_snapshot!("two_accounts", called("check two.toml --strict", b""));
}

/// Anyone who writes the pools file does not choose who receives what the App's key signs.
#[test]
fn the_address_of_github_is_refused_with_where_it_belongs() {
    insta::assert_snapshot!("address", called("check address.toml", b""));
}

#[test]
fn findings_in_json_are_for_scripts() {
    insta::assert_snapshot!("json", called("check bad.toml --json", b""));
    insta::assert_snapshot!("json_warnings", called("--json check doubtful.toml", b""));
}

#[test]
fn what_cannot_be_read_is_told() {
    insta::assert_snapshot!("no_file", called("check none.toml", b""));
    insta::assert_snapshot!("not_utf8", called("check latin1.toml", b""));
    insta::assert_snapshot!("a_folder", called("check .", b""));
    insta::assert_snapshot!(
        "match_in_a_bad_file",
        called("match gpu --file bad.toml", b"")
    );
}

#[test]
fn what_is_called_wrongly_fails() {
    for line in [
        "",
        "check",
        "chekc good.toml",
        "check good.toml --vcpus many",
        "match --file good.toml",
        "match x --file good.toml --public",
        "completions tcsh",
    ] {
        assert!(
            called(line, b"").ends_with("--- exit 1\n"),
            "{line}: {}",
            called(line, b"")
        );
    }
    for line in [
        "match x --file good.toml --repository acme",
        "match x --file good.toml --repository a/b/c",
        "match x --file good.toml --run 0",
        "match x --file good.toml --run 1-x",
    ] {
        assert!(
            called(line, b"").ends_with("--- exit 1\n"),
            "{line}: {}",
            called(line, b"")
        );
    }
}

#[test]
fn match_tells_why_the_others_do_not() {
    let two = format!(
        "{GOOD}\n[pools.other]\nlabels = [\"mayfly\", \"gpu\"]\ncpu = 1\nmemory = \"2 GiB\"\nmax = 1\nrepositories = [\"acme/ml\"]\npublic = true\n"
    );
    let ask = |line: &str| called(&format!("match {line} --file -"), two.as_bytes());
    insta::assert_snapshot!("match_taken", ask("mayfly linux"));
    insta::assert_snapshot!("match_yields", ask("mayfly"));
    insta::assert_snapshot!("match_none", ask("self-hosted linux"));
    insta::assert_snapshot!(
        "match_repository",
        ask("mayfly --repository acme/app --public")
    );
    insta::assert_snapshot!("match_stranger", ask("mayfly --repository other/app"));
    insta::assert_snapshot!("match_json", ask("gpu --json"));
}

#[test]
fn colour_is_for_terminals_and_for_who_asks_for_it() {
    assert!(!called("check bad.toml", b"").contains('\x1b'));
    assert!(called("check bad.toml --color always", b"").contains("\x1b["));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = called(&format!("completions {shell}"), b"");
        assert!(
            script.contains("check")
                && script.contains("match")
                && script.ends_with("--- exit 0\n"),
            "{shell}"
        );
    }
}

fn schema() -> jsonschema::Validator {
    let printed = called("schema", b"");
    let text = printed
        .strip_prefix("$ mayfly schema\n")
        .unwrap()
        .split("--- stderr")
        .next()
        .unwrap();
    jsonschema::validator_for(&serde_json::from_str::<Value>(text).unwrap()).unwrap()
}

fn as_json(toml: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Value>(toml).unwrap()).unwrap()
}

#[test]
fn the_schema_takes_the_files_that_the_repository_shows() {
    let reference = include_str!("../../../docs/REFERENCE.md");
    let shown = reference
        .split("```toml\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let uncommented = shown.replace("\n# ", "\n").replace(
        "scope = \"repository\"",
        "scope = \"organization\"\nrunner_group = \"builders\"",
    );
    let local = include_str!("../../../infra/local/pools.toml");
    let examples = [
        include_str!("../../../examples/one-team.toml"),
        include_str!("../../../examples/twelve-services.toml"),
        include_str!("../../../examples/organization.toml"),
    ];
    let schema = schema();
    for text in [GOOD, DOUBTFUL, shown, &uncommented, local]
        .into_iter()
        .chain(examples)
    {
        let problems: Vec<String> = schema
            .iter_errors(&as_json(text))
            .map(|error| error.to_string())
            .collect();
        assert!(problems.is_empty(), "{text}\n{problems:?}");
    }
}

#[test]
fn the_schema_refuses_what_check_refuses() {
    let schema = schema();
    let spoilt = [
        ("accounts = [\"acme\"]", "accounts = []"),
        ("accounts = [\"acme\"]", "accounts = [\"acme/app\"]"),
        ("accounts = [\"acme\"]", "accounts = [{ id = 7 }]"),
        ("accounts = [\"acme\"]", "acounts = [\"acme\"]"),
        ("[pools.linux]", "[pools.Linux]"),
        ("[pools.linux]", "[pools.a-name-that-is-longer-than-28]"),
        (
            "labels = [\"self-hosted\", \"linux\", \"x64\", \"mayfly\"]",
            "labels = []",
        ),
        (
            "labels = [\"self-hosted\", \"linux\", \"x64\", \"mayfly\"]",
            "labels = [\"a,b\"]",
        ),
        ("cpu = 2", "cpu = 3"),
        ("cpu = 2", "cpu = \"2\""),
        ("memory = \"8 GiB\"", "memory = \"8 GB\""),
        ("max = 50", "max = -1"),
        ("max = 50", "max = 50\nscope = \"enterprise\""),
        ("max = 50", "max = 50\ncapacity = \"cheap\""),
        ("max = 50", "max = 50\nidle_timeout = 5"),
        (
            "max = 50",
            "max = 50\ntask_role = \"arn:aws:iam::1:role/x\"",
        ),
        ("max = 50", "max = 50\nname = \"x\""),
        ("max = 50", "max = 50\n[history]\nkeep = \"29d\""),
        ("max = 50", "max = 50\n[history]\nkeep = \"3651d\""),
        ("max = 50", "max = 50\n[history]\nkeep = 180"),
        ("max = 50", "max = 50\n[prices]\ndiscount = \"100%\""),
        ("max = 50", "max = 50\n[prices]\ndiscount = 20"),
        ("max = 50", "max = 50\n[prices]\nvcpu_hour = 0.04"),
        ("max = 50", "max = 50\n[prices.x64]\nvcpu_hour = -0.04"),
        ("max = 50", "max = 50\n[prices.x64]\ngib_hour = 11"),
        (
            "max = 50",
            "max = 50\n[prices.x64]\ngithub_minute = { 3 = 0.01 }",
        ),
    ];
    for (good, bad) in spoilt {
        let text = GOOD.replace(good, bad);
        assert!(pools_file::parse(&text, 1).is_err(), "{text}");
        assert!(!schema.is_valid(&as_json(&text)), "{text}");
    }
}
