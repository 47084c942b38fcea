//! A pools file with other sizes, and the difference as a patch. Comments and layout stay.

use std::collections::BTreeMap;

use mayfly_config::pools_file::{cpu_in_words, memory_in_words, parse};
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::{Pool, Pools};
use mayfly_domain::model::size::Size;

/// Lines of the file around a change.
const CONTEXT: usize = 3;

/// What follows a line of a patch that no line break ends.
const NO_NEWLINE: &str = "\n\\ No newline at end of file";

/// The patch that gives pools these sizes. `None` if there is nothing to change, or the file is
/// written so that its lines cannot be changed one by one: whatever is made of it is read again, and
/// has to say these sizes and nothing else that is new.
#[must_use]
pub fn patch(text: &str, sizes: &BTreeMap<PoolName, Size>) -> Option<String> {
    let before = parse(text, 0).ok()?;
    let edits = edits(text, &before, sizes)?;
    let changed = applied(text, &edits);
    let after = parse(&changed, 0).ok()?;
    (!edits.is_empty() && after == resized(&before, sizes)).then(|| unified(text, &edits))
}

/// The pools with these sizes.
fn resized(before: &Pools, sizes: &BTreeMap<PoolName, Size>) -> Pools {
    let mut after = before.clone();
    for pool in &mut after.pools {
        if let Some(size) = sizes.get(&pool.name) {
            *pool = Pool {
                size: *size,
                ..pool.clone()
            };
        }
    }
    after
}

/// A change of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Edit {
    /// It becomes this.
    Replace(String),
    /// These follow it.
    Append(Vec<String>),
}

/// The changes by the number of their line, from 0. `None` if a pool has no table of its own.
fn edits(
    text: &str,
    before: &Pools,
    sizes: &BTreeMap<PoolName, Size>,
) -> Option<BTreeMap<usize, Edit>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut edits = BTreeMap::new();
    for (pool, size) in sizes {
        let old = before.get(pool)?.size;
        let header = lines.iter().position(|line| is_header(line, pool))?;
        let body = lines[header + 1..]
            .iter()
            .take_while(|line| !line.trim_start().starts_with('['));
        let end = header + 1 + body.count();
        let mut missing = Vec::new();
        let memory = format!("{:?}", memory_in_words(size.memory_mib));
        let keys = [
            ("cpu", cpu_in_words(size.cpu), size.cpu != old.cpu),
            ("memory", memory, size.memory_mib != old.memory_mib),
        ];
        for (key, value, _) in keys.into_iter().filter(|(.., changes)| *changes) {
            match (header + 1..end).find(|at| key_of(lines[*at]) == Some(key)) {
                Some(at) => {
                    edits.insert(at, Edit::Replace(with_value(lines[at], &value)?));
                }
                None => missing.push(format!("{key} = {value}")),
            }
        }
        if !missing.is_empty() {
            edits.insert(header, Edit::Append(missing));
        }
    }
    Some(edits)
}

/// True for the line that begins a pool's table.
fn is_header(line: &str, pool: &PoolName) -> bool {
    let Some((inside, rest)) = line
        .trim()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    else {
        return false;
    };
    let mut parts = inside
        .split('.')
        .map(|part| part.trim().trim_matches(['"', '\'']));
    let is_it = parts.next() == Some("pools") && parts.next() == Some(pool.as_str());
    is_it && parts.next().is_none() && (rest.trim().is_empty() || rest.trim().starts_with('#'))
}

/// The key that a line gives a value to.
fn key_of(line: &str) -> Option<&str> {
    line.split_once('=').map(|(key, _)| key.trim())
}

/// The line with another value; what stands around the value stays. `None` if the value does not
/// end on it.
fn with_value(line: &str, value: &str) -> Option<String> {
    let (key, rest) = line.split_once('=')?;
    let blank = &rest[..rest.len() - rest.trim_start().len()];
    let old = rest.trim_start();
    let end = match old.chars().next()? {
        quote @ ('"' | '\'') => old[1..].find(quote)? + 2,
        _ => old.find(['#', ' ', '\t']).unwrap_or(old.len()),
    };
    Some(format!("{key}={blank}{value}{}", &old[end..]))
}

fn applied(text: &str, edits: &BTreeMap<usize, Edit>) -> String {
    let mut changed = String::new();
    for (number, line) in text.lines().enumerate() {
        match edits.get(&number) {
            Some(Edit::Replace(new)) => changed.push_str(new),
            Some(Edit::Append(_)) | None => changed.push_str(line),
        }
        changed.push('\n');
        if let Some(Edit::Append(more)) = edits.get(&number) {
            for line in more {
                changed.push_str(line);
                changed.push('\n');
            }
        }
    }
    changed
}

/// The changes as `patch` takes them.
fn unified(text: &str, edits: &BTreeMap<usize, Edit>) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    for at in edits.keys() {
        let (from, to) = (
            at.saturating_sub(CONTEXT),
            (at + CONTEXT + 1).min(lines.len()),
        );
        match hunks.last_mut() {
            Some((_, end)) if from <= *end => *end = to,
            _ => hunks.push((from, to)),
        }
    }
    let mut patch = "--- a/pools.toml\n+++ b/pools.toml\n".to_owned();
    let mut added = 0;
    for (from, to) in hunks {
        let (mut body, mut new) = (String::new(), 0);
        let mut push = |mark: char, line: &str| {
            body.push(mark);
            body.push_str(line);
            body.push('\n');
            new += usize::from(mark != '-');
        };
        for (number, line) in lines.iter().enumerate().take(to).skip(from) {
            // As `diff` says of a last line.
            let unended = number + 1 == lines.len() && !text.ends_with('\n');
            let end = if unended { NO_NEWLINE } else { "" };
            match edits.get(&number) {
                None => push(' ', &format!("{line}{end}")),
                Some(Edit::Replace(after)) => {
                    push('-', &format!("{line}{end}"));
                    push('+', &format!("{after}{end}"));
                }
                Some(Edit::Append(more)) => {
                    push(' ', line);
                    more.iter().for_each(|line| push('+', line));
                }
            }
        }
        let old = to - from;
        patch.push_str(&format!(
            "@@ -{},{old} +{},{new} @@\n{body}",
            from + 1,
            from + 1 + added
        ));
        added += new - old;
    }
    patch
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use mayfly_domain::model::size::{Architecture, Capacity};

    const FILE: &str = r#"# Ours
[github]
accounts = ["acme"]

[defaults]
cpu = 4 # most of them
memory = "16 GiB"
max = 10

[pools.linux]   # the usual
labels = ["linux", "mid"]
cpu   =   2    # enough?
memory='8 GiB' # 'yes'
max = 4

[ pools . "arm-big" ]
labels = ["arm-big"]
architecture = "arm64"
# cpu = 1
idle_timeout = "5m"

[pools.small]
labels = ["small"]
cpu = 1
memory = "2 GiB""#;

    fn size(cpu: u32, memory_mib: u32) -> Size {
        Size {
            cpu,
            memory_mib,
            disk_gib: 20,
            architecture: Architecture::X64,
            capacity: Capacity::OnDemand,
        }
    }

    fn sizes(wanted: &[(&str, Size)]) -> BTreeMap<PoolName, Size> {
        let named = wanted
            .iter()
            .map(|(pool, size)| (pool.parse().unwrap(), *size));
        named.collect()
    }

    fn arm(cpu: u32, memory_mib: u32) -> Size {
        Size {
            architecture: Architecture::Arm64,
            ..size(cpu, memory_mib)
        }
    }

    /// What `git apply` makes of the file.
    fn patched(text: &str, patch: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pools.toml");
        std::fs::write(&file, text).unwrap();
        std::fs::write(folder.path().join("it.patch"), patch).unwrap();
        let output = Command::new("git")
            .args(["apply", "it.patch"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}\n{patch}");
        std::fs::read_to_string(file).unwrap()
    }

    #[test]
    fn only_the_values_change_and_what_a_pool_has_by_default_is_added() {
        let wanted = sizes(&[("linux", size(1024, 4096)), ("arm-big", arm(8192, 16_384))]);
        let expected = r#"--- a/pools.toml
+++ b/pools.toml
@@ -9,11 +9,12 @@
 
 [pools.linux]   # the usual
 labels = ["linux", "mid"]
-cpu   =   2    # enough?
+cpu   =   1    # enough?
-memory='8 GiB' # 'yes'
+memory="4 GiB" # 'yes'
 max = 4
 
 [ pools . "arm-big" ]
+cpu = 8
 labels = ["arm-big"]
 architecture = "arm64"
 # cpu = 1
"#;
        assert_eq!(patch(FILE, &wanted).unwrap(), expected);
    }

    #[test]
    fn what_says_the_same_already_is_no_change() {
        assert_eq!(patch(FILE, &sizes(&[])), None);
        assert_eq!(patch(FILE, &sizes(&[("linux", size(2048, 8192))])), None);
    }

    #[test]
    fn a_file_that_cannot_be_changed_line_by_line_has_no_patch() {
        let wanted = sizes(&[("linux", size(1024, 4096))]);
        let github = "[github]\naccounts = [\"acme\"]\n";
        let rest = "labels = [\"mid\"]\nmax = 4\n";
        for odd in [
            format!(
                "{github}[pools]\nlinux = {{ labels = [\"mid\"], max = 4, cpu = 2, memory = \"8 GiB\" }}\n"
            ),
            format!(
                "{github}[pools]\nlinux.cpu = 2\nlinux.memory = \"8 GiB\"\nlinux.max = 4\nlinux.labels = [\"mid\"]\n"
            ),
            format!("{github}[pools.linux]\n{rest}cpu = 2\nmemory = \"\"\"\n8 GiB\"\"\"\n"),
            format!("{github}[pools.linux]\n{rest}\"cpu\" = 2\nmemory = \"8 GiB\"\n"),
            "nonsense".to_owned(),
        ] {
            assert!(parse(&odd, 0).is_ok() || odd == "nonsense", "{odd}");
            assert_eq!(patch(&odd, &wanted), None, "{odd}");
        }
        assert_eq!(patch(FILE, &sizes(&[("absent", size(1024, 4096))])), None);
        assert_eq!(
            patch(FILE, &sizes(&[("linux", size(1024, 16_384))])),
            None,
            "Fargate has no such size"
        );
    }

    /// What `mayfly check` and `mayfly apply` read of the patched file is what was proposed.
    #[test]
    fn a_patched_file_is_valid_and_has_the_new_sizes() {
        let pairs = [(256, 512), (1024, 4096), (2048, 8192), (4096, 30_720)];
        for end in ["", "\n"] {
            let text = format!("{FILE}{end}");
            for (cpu, memory) in pairs {
                for which in 1..8 {
                    let all = [
                        ("linux", size(cpu, memory)),
                        ("arm-big", arm(cpu, memory)),
                        ("small", size(cpu, memory)),
                    ];
                    let wanted: Vec<_> = (0..3)
                        .filter(|place| which & (1 << place) != 0)
                        .map(|place| all[place])
                        .collect();
                    let wanted = sizes(&wanted);
                    let Some(patch) = patch(&text, &wanted) else {
                        assert!(
                            resized(&parse(&text, 0).unwrap(), &wanted) == parse(&text, 0).unwrap()
                        );
                        continue;
                    };
                    let after = patched(&text, &patch);
                    let pools = parse(&after, 0).unwrap();
                    assert_eq!(pools, resized(&parse(&text, 0).unwrap(), &wanted));
                    assert!(after.contains("# enough?") && after.contains("# cpu = 1"));
                }
            }
        }
    }
}
