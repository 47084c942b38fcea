//! Which file uses which, and where that goes round.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Crate, Module};

/// For each file, the others of its crate that it uses, and one of the paths by which it does.
pub(crate) type Arrows = BTreeMap<Module, BTreeMap<Module, String>>;

/// The arrows of a crate.
pub(crate) fn arrows(whole: &Crate) -> Arrows {
    let of = |module: &Module| {
        let file = &whole.files[module];
        let imported = file.imports.iter().map(|import| &import.path);
        let mut to = BTreeMap::new();
        for path in imported.chain(&file.paths) {
            if let Some(there) = whole
                .absolute(module, path)
                .and_then(|path| whole.file_of(&path, 0))
                && there != *module
            {
                to.entry(there).or_insert_with(|| path.join("::"));
            }
        }
        to
    };
    whole
        .files
        .keys()
        .map(|module| (module.clone(), of(module)))
        .collect()
}

impl Crate {
    /// A path from the crate's own file, of one that a module has in its code; none if it leads to
    /// another crate.
    fn absolute(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        self.rooted(module, path).or_else(|| {
            let first = path.first()?;
            let imports = &self.files.get(module)?.imports;
            let import = imports.iter().find(|import| import.name == *first)?;
            let there = self.rooted(module, &import.path)?;
            Some([&there, &path[1..]].concat())
        })
    }

    /// The same of a path that begins at the crate, the module, one above or one below it.
    fn rooted(&self, module: &Module, path: &[String]) -> Option<Vec<String>> {
        let first = path.first()?;
        let up = path.iter().take_while(|name| *name == "super").count();
        if first == "crate" {
            Some(path[1..].to_vec())
        } else if first == "self" {
            Some([module, &path[1..]].concat())
        } else if up > 0 {
            Some([&module[..module.len().checked_sub(up)?], &path[up..]].concat())
        } else {
            let children = &self.files.get(module)?.children;
            children.contains(first).then(|| [module, path].concat())
        }
    }

    /// The file in which the name lies that a path leads to.
    fn file_of(&self, path: &[String], followed: usize) -> Option<Module> {
        let mut module = Module::new();
        for (at, name) in path.iter().enumerate() {
            let file = self.files.get(&module)?;
            if file.children.contains(name) {
                module.push(name.clone());
                continue;
            }
            let import = file
                .imports
                .iter()
                .find(|import| import.name == *name && followed < 10);
            return match import {
                Some(import) => {
                    let there = self.rooted(&module, &import.path)?;
                    self.file_of(&[&there, &path[at + 1..]].concat(), followed + 1)
                }
                None => Some(module),
            };
        }
        Some(module)
    }
}

/// The groups of files that can each be reached from each other.
pub(crate) fn circles(arrows: &Arrows) -> Vec<BTreeSet<Module>> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> = arrows
        .keys()
        .map(|from| (from, reachable(arrows, from)))
        .collect();
    let circles: BTreeSet<BTreeSet<Module>> = reached
        .iter()
        .filter(|(from, there)| there.contains(*from))
        .map(|(from, there)| {
            there
                .iter()
                .filter(|to| reached[**to].contains(from))
                .map(|to| (*to).clone())
                .collect()
        })
        .collect();
    circles.into_iter().collect()
}

fn reachable<'a>(arrows: &'a Arrows, from: &Module) -> BTreeSet<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&Module> = arrows[from].keys().collect();
    while let Some(module) = open.pop() {
        if seen.insert(module) {
            open.extend(arrows[module].keys());
        }
    }
    seen
}
