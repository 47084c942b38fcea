//! No files of a crate of the product import each other in a circle: to read, move or test one of
//! them you must not need the others.
//!
//! An arrow leads from a file to the file in which a name lies that it uses, by `use` or by a path
//! in the code, through re-exports. `mod` declarations are no arrows, and tests inside a file do not
//! count. What methods call of other files by `self` is not seen.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare its ground has to fail, and says where"
)]

mod arrows;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mayfly_test_support::repository::repository;

use crate::arrows::{arrows, circles};
use crate::source::Crate;

/// The folders of the product's crates.
fn product() -> Vec<PathBuf> {
    let below = |folder: &str| {
        let mut crates: Vec<PathBuf> = fs::read_dir(repository().unwrap().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("Cargo.toml").exists())
            .collect();
        crates.sort();
        crates
    };
    let mut crates = below("crates");
    crates.extend(below("functions"));
    crates.push(repository().unwrap().join("cli"));
    crates
}

/// A crate's files as they lie on disk.
fn on_disk(folder: &Path) -> Crate {
    Crate::read(|module| {
        let path = if module.is_empty() {
            folder.join("src/lib.rs")
        } else {
            folder.join(format!("src/{}.rs", module.join("/")))
        };
        fs::read_to_string(path).ok()
    })
}

#[test]
fn no_files_of_a_product_crate_import_each_other_in_a_circle() {
    let mut told = Vec::new();
    let (mut files, mut seen) = (0, 0);
    for folder in product() {
        let whole = on_disk(&folder);
        let arrows = arrows(&whole);
        files += whole.files.len();
        seen += arrows.values().map(BTreeMap::len).sum::<usize>();
        let name = folder
            .strip_prefix(repository().unwrap())
            .unwrap()
            .display();
        told.extend(circles(&arrows).iter().map(|circle| {
            let mut lines = format!("{name}: these {} files are a circle", circle.len());
            for from in circle {
                for (to, by) in arrows[from].iter().filter(|(to, _)| circle.contains(*to)) {
                    lines.push_str(&format!("\n    {} uses {} ({by})", file(from), file(to)));
                }
            }
            lines
        }));
    }
    assert!(
        told.is_empty(),
        "what both need goes into a file beneath both:\n{}",
        told.join("\n")
    );
    // One that finds no files, or does not understand them, would find no circle either.
    assert!(files > 200 && seen > 900, "{files} files, {seen} arrows");
}

fn file(module: &[String]) -> String {
    if module.is_empty() {
        "src/lib.rs".to_owned()
    } else {
        format!("src/{}.rs", module.join("/"))
    }
}

/// The circles of a crate that is given as file names and texts.
fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let texts: BTreeMap<&str, &str> = files.iter().copied().collect();
    let whole = Crate::read(|module| {
        let name = if module.is_empty() {
            "lib".to_owned()
        } else {
            module.join("/")
        };
        texts.get(name.as_str()).map(|text| (*text).to_owned())
    });
    assert_eq!(whole.files.len(), files.len(), "{:?}", whole.files.keys());
    circles(&arrows(&whole))
        .iter()
        .map(|circle| circle.iter().map(|module| module.join("/")).collect())
        .collect()
}

#[test]
fn a_circle_is_found_however_its_files_name_each_other() {
    let lib = ("lib", "mod a;\nmod b;");
    let user = ("a", "use crate::b::B;\npub struct A(B);");
    for (how, b) in [
        ("use", "use crate::a::A;\npub struct B(Box<A>);"),
        (
            "a group",
            "use crate::{a::{A, Other as Another}};\npub struct B(Box<A>);",
        ),
        ("super", "pub struct B(Box<super::a::A>);"),
        ("a module", "use crate::a;\npub struct B(Box<a::A>);"),
        ("everything", "use crate::a::*;\npub struct B(Box<A>);"),
        (
            "a path",
            "pub struct B;\nfn f() -> B { let _ = \"\\\"\"; crate::a::f('{') }",
        ),
    ] {
        assert_eq!(circles_of(&[lib, user, ("b", b)]), [["a", "b"]], "by {how}");
    }
    let told = circles_of(&[
        ("lib", "mod a;\nmod b;\npub use a::A;"),
        user,
        ("b", "use crate::A;\npub struct B(Box<A>);"),
    ]);
    assert_eq!(
        told,
        [["a", "b"]],
        "through a re-export, which lib.rs is no part of"
    );
    let told = circles_of(&[
        ("lib", "pub mod a;\npub struct L;"),
        ("a", "mod b;\nfn f() { b::g() }"),
        ("a/b", "use super::super::L;\npub fn g(l: L) { super::f() }"),
    ]);
    assert_eq!(told, [["a", "a/b"]], "of a file and one in its folder");
}

#[test]
fn what_only_looks_like_a_circle_is_none() {
    let lib = ("lib", "mod a;\nmod b;\npub use a::A;\npub use self::b::B;");
    let user = ("a", "use crate::b::B;\npub struct A(B);");
    for (how, b) in [
        (
            "a comment",
            "// crate::a::A\n/* use crate::a::A; /* nested */ */\npub struct B;",
        ),
        (
            "a text",
            "pub struct B;\nconst T: &str = \"crate::a::A\";\nconst R: &str = r#\"use crate::a::A;\"#;",
        ),
        (
            "a test",
            "pub struct B;\n#[cfg(test)]\nmod tests { use crate::a::A; }",
        ),
        (
            "a test's import",
            "#[cfg(test)]\nuse crate::a::A;\npub struct B;",
        ),
        ("where it may be seen", "pub(in crate::a) struct B;"),
        ("another crate", "use other::a::A;\npub struct B(A);"),
        (
            "itself",
            "pub struct B;\nfn f(_: crate::b::B, _: crate::B) {}",
        ),
    ] {
        assert_eq!(circles_of(&[lib, user, ("b", b)]), [[""; 0]; 0], "by {how}");
    }
}
