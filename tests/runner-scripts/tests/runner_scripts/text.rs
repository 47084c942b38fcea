//! The scripts as texts.

use crate::container::script;

/// They travel in the task definition, in an override and through bash under any locale.
#[test]
fn the_scripts_are_plain_ascii() {
    for name in ["entrypoint.sh", "job-started.sh", "probe.sh"] {
        let text = script(name);
        let strange: Vec<(usize, &str)> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.is_ascii())
            .collect();
        assert_eq!(strange, [], "{name}");
        assert!(!text.contains(['\r', '\0']), "{name}");
    }
}

/// Every exit code of the entry script is in the list at its head, with a place in the script that
/// ends with it.
#[test]
fn every_exit_code_is_listed() {
    let text = script("entrypoint.sh");
    let listed = |code: &str| {
        text.lines()
            .any(|line| line.starts_with(&format!("#   {code:>2}  ")))
    };
    let used: Vec<&str> = text
        .split("leave ")
        .skip(1)
        .filter_map(|rest| rest.split(' ').next())
        .filter(|code| code.parse::<u8>().is_ok())
        .collect();
    assert!(used.len() > 20);
    for code in used {
        assert!(listed(code), "{code}");
    }
}
