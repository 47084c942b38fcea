//! Where the local stack keeps its things: all of it below the repository, in `target/local` and
//! `.venv`.

use anyhow::{Context, Result};
use mayfly_test_support::repository::repository;
use std::path::PathBuf;

/// The directories and files of the local stack.
#[derive(Clone, Debug)]
pub struct Places {
    root: PathBuf,
    binaries: PathBuf,
}

impl Places {
    /// Those of the repository that this program lies in.
    ///
    /// # Errors
    /// If the program cannot tell where it lies.
    pub fn of_repository() -> Result<Self> {
        let root = repository()?;
        let program = std::env::current_exe().context("find this program's own file")?;
        let directory = program
            .parent()
            .context("find the directory of this program")?;
        // Test programs lie one deeper than the binaries that they want to start.
        let above = directory.parent().filter(|_| directory.ends_with("deps"));
        Ok(Self {
            root,
            binaries: above.unwrap_or(directory).to_owned(),
        })
    }

    #[cfg(test)]
    pub(super) fn below(root: PathBuf) -> Self {
        Self {
            binaries: root.clone(),
            root,
        }
    }

    /// Everything that a running stack writes.
    #[must_use]
    pub fn local(&self) -> PathBuf {
        self.root.join("target/local")
    }

    /// The description of the running stack.
    #[must_use]
    pub fn description(&self) -> PathBuf {
        self.local().join("stack.json")
    }

    /// What a process printed.
    #[must_use]
    pub fn log(&self, process: &str) -> PathBuf {
        self.local().join(format!("{process}.log"))
    }

    /// Where a model says how to reach it.
    pub(super) fn ready_file(&self, process: &str) -> PathBuf {
        self.local().join(format!("{process}.ready.json"))
    }

    /// Held while a stack goes up or down. It lies outside of [`Self::local`], which `down` clears.
    pub(super) fn lock(&self) -> PathBuf {
        self.root.join("target/local.lock")
    }

    /// Where every request to an AWS API is recorded, if it is to be: the folder named by
    /// `MAYFLY_REQUESTS`.
    pub(super) fn requests(&self) -> Option<PathBuf> {
        std::env::var_os("MAYFLY_REQUESTS").map(|folder| self.root.join(folder))
    }

    pub(super) fn aws_checks(&self) -> PathBuf {
        self.root.join("tests/aws")
    }

    pub(super) fn infra(&self) -> PathBuf {
        self.root.join("infra")
    }

    pub(super) fn python_tools(&self) -> PathBuf {
        self.root.join(".venv/bin")
    }

    /// A program that was built beside this one.
    #[must_use]
    pub fn binary(&self, name: &str) -> PathBuf {
        self.binaries.join(name)
    }
}
