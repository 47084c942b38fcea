//! What README tells a newcomer to type.

use mayfly_test_support::repository::repository;

const HEADING: &str = "## The first ten minutes\n";

/// The section, as far as it is followed.
pub(crate) struct Readme {
    /// The lines of its shell blocks, without what is remarked behind them.
    pub(crate) commands: Vec<String>,
    /// `runs-on` of its workflow.
    pub(crate) labels: Vec<String>,
}

impl Readme {
    pub(crate) fn read() -> Self {
        let text = std::fs::read_to_string(repository().unwrap().join("README.md")).unwrap();
        Self::of(&text)
    }

    fn of(text: &str) -> Self {
        let (_, section) = text.split_once(HEADING).expect("README has the section");
        let section = section.split("\n## ").next().unwrap_or_default();
        let (mut commands, mut workflow) = (Vec::new(), String::new());
        // What is between fences is every second part.
        for block in section.split("```").skip(1).step_by(2) {
            match block.split_once('\n') {
                Some(("sh", lines)) => {
                    commands.extend(lines.lines().map(command).filter(|line| !line.is_empty()))
                }
                Some(("yaml", lines)) => workflow.push_str(lines),
                other => panic!("a block of another kind: {other:?}"),
            }
        }
        let runs_on = workflow
            .lines()
            .find_map(|line| line.trim().strip_prefix("runs-on: [")?.strip_suffix(']'))
            .expect("a job's runs-on");
        Self {
            commands,
            labels: runs_on.split(", ").map(str::to_owned).collect(),
        }
    }
}

/// A line without its remark.
fn command(line: &str) -> String {
    let line = if line.starts_with('#') { "" } else { line };
    line.split(" #")
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[test]
fn every_line_of_every_shell_block_counts() {
    let text = format!(
        "# X\n\n```sh\nno\n```\n\n{HEADING}\n```sh\nmayfly a   # why\n\n# only a remark\nmayfly b#c\n```\n\nthen\n\n```yaml\njobs:\n  x:\n    \
         runs-on: [self-hosted, x]\n```\n\n```sh\nmayfly d\n```\n\n## Next\n\n```sh\nno\n```\n"
    );
    let readme = Readme::of(&text);
    assert_eq!(
        (readme.commands, readme.labels),
        (
            ["mayfly a", "mayfly b#c", "mayfly d"]
                .map(str::to_owned)
                .to_vec(),
            ["self-hosted", "x"].map(str::to_owned).to_vec()
        )
    );
}
