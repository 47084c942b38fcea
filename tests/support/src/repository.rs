//! Where the repository lies, found when a program runs.
//!
//! A path that is compiled in (`env!("CARGO_MANIFEST_DIR")`) goes on naming the old place when a
//! clone is moved or copied with its `target` folder, and cargo sees no reason to build again: the
//! moved clone would drive, and clear, the original.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// What only the repository's top folder holds.
const MARK: &str = "infra/template.yaml";

/// The repository's top folder: above the crate that cargo runs, else above this program's own
/// file.
///
/// # Errors
/// If the program lies outside of every clone, as with a target folder elsewhere, and cargo did not
/// start it.
pub fn repository() -> Result<PathBuf> {
    let program = std::env::current_exe().context("find this program's own file")?;
    let of_cargo = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let root = of_cargo
        .as_deref()
        .and_then(above)
        .or_else(|| above(&program));
    root.map(Path::to_owned).with_context(|| {
        format!("{} lies in no clone of Mayfly: no folder above it holds {MARK}; build in the clone's own target folder", program.display())
    })
}

fn above(place: &Path) -> Option<&Path> {
    place.ancestors().find(|folder| folder.join(MARK).is_file())
}

#[cfg(test)]
mod tests {
    use super::above;
    use std::path::Path;

    #[test]
    fn the_nearest_folder_above_that_holds_a_template_is_the_repository() {
        let home = tempfile::tempdir().unwrap();
        let clone = home.path().join("moved");
        std::fs::create_dir_all(clone.join("infra")).unwrap();
        std::fs::create_dir_all(clone.join("target/debug/deps")).unwrap();
        std::fs::write(clone.join("infra/template.yaml"), "").unwrap();

        assert_eq!(
            above(&clone.join("target/debug/deps/stories-1")),
            Some(clone.as_path())
        );
        assert_eq!(above(&clone.join("tests")), Some(clone.as_path()));
        assert_eq!(above(Path::new("/")), None);
    }

    #[test]
    fn no_source_compiles_in_where_it_lay() {
        let root = super::repository().unwrap();
        let mut folders: Vec<_> = ["crates", "functions", "cli", "tests"]
            .map(|name| root.join(name))
            .into();
        let mut sources = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "rs") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let code = text
                        .lines()
                        .filter(|line| !line.trim_start().starts_with("//"));
                    for name in ["MANIFEST_DIR", "BIN_EXE"] {
                        let compiled_in = format!("env!(\"CARGO_{name}");
                        assert!(
                            !code.clone().any(|line| line.contains(&compiled_in)),
                            "{}: read {name} at run time",
                            path.display()
                        );
                    }
                    sources += 1;
                }
            }
        }
        assert!(sources > 300, "{sources} sources were read");
    }
}
