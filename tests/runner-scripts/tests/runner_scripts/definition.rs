//! The scripts as a task definition has them, without comments: every other test of this program
//! runs them so.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use mayfly_ecs::without_comments;
use mayfly_test_support::repository::repository;

/// What bash understands of a script, as bash itself prints it; empty lines say nothing.
fn understood(script: &str) -> Vec<String> {
    let bash = Command::new("/bin/bash")
        .args(["--pretty-print", "/dev/stdin"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut bash = bash.unwrap();
    bash.stdin
        .take()
        .unwrap()
        .write_all(script.as_bytes())
        .unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success(), "bash does not understand it");
    // In some locales bash prints bytes that are no UTF-8 for characters that a script names by
    // number.
    let printed = String::from_utf8_lossy(&output.stdout);
    printed
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn without_its_comments_a_script_means_the_same() {
    for name in ["entrypoint.sh", "job-started.sh", "probe.sh"] {
        let script = fs::read_to_string(repository().unwrap().join("runner").join(name)).unwrap();
        let without = without_comments(&script);
        assert!(without.len() + 500 < script.len(), "{name} has comments");
        assert_eq!(
            understood(&without),
            understood(&script),
            "{name}: is there a line that begins with # in a text of several lines?"
        );
    }
}

/// What the test above is there to find.
#[test]
fn a_text_with_a_line_like_a_comment_does_not_mean_the_same() {
    let script = "text='one\n# two\nthree'\nprintf '%s' \"$text\"\n";
    assert_ne!(understood(&without_comments(script)), understood(script));
}
