//! Making, listing and deleting registrations.

use super::Model;
use super::journal::Change;
use crate::accounts::Level;
use crate::id::{GroupId, RunnerId};
use crate::jit::{self, Registration};
use crate::runners::{Presence, Removal, Runner, Scope};
use jiff::Timestamp;
use serde::Deserialize;

/// The longest name of a runner: 64 characters (docker-github-actions-runner#465).
const LONGEST_NAME: usize = 64;
/// The longest label: 256 characters (the runner's own validator).
const LONGEST_LABEL: usize = 256;
/// The most labels in one request: 100 (GitHub's OpenAPI description).
const MOST_LABELS: usize = 100;

/// A request for a registration.
#[derive(Debug, Clone, Deserialize)]
pub struct JitConfigRequest {
    /// The runner's name.
    pub name: String,
    /// Its group; 1 is the default one.
    pub runner_group_id: i64,
    /// Its labels: exactly these.
    pub labels: Vec<String>,
    /// Where it works.
    #[serde(default = "default_work_folder")]
    pub work_folder: String,
}

fn default_work_folder() -> String {
    "_work".to_owned()
}

/// Why there is no registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JitConfigError {
    /// 404: no such group.
    UnknownGroup,
    /// 409: the name is taken.
    NameTaken,
    /// 422: what the request says cannot be.
    Invalid(&'static str),
}

/// What came of deleting a runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    /// 204: it is gone.
    Done,
    /// 404: it was not there.
    Unknown,
    /// 422: it has a job.
    Busy(String),
}

impl Model {
    /// Registers a runner for one job.
    ///
    /// # Errors
    /// See [`JitConfigError`].
    pub fn generate_jit_config(
        &mut self,
        scope: Scope,
        wanted: &JitConfigRequest,
        now: Timestamp,
    ) -> Result<RunnerId, JitConfigError> {
        check(wanted)?;
        let group = GroupId(wanted.runner_group_id);
        let known = match scope {
            Scope::Repository(_) => group == GroupId(1),
            Scope::Organization(owner) => self.accounts.group(owner, group).is_some(),
        };
        if !known {
            return Err(JitConfigError::UnknownGroup);
        }
        if self.runners.named(scope, &wanted.name).is_some() {
            return Err(JitConfigError::NameTaken);
        }
        let id = self.runners.next_id();
        let registration = Registration {
            id,
            name: &wanted.name,
            group,
            group_name: &self.group_name(scope, group),
            work_folder: &wanted.work_folder,
            server_url: &self.urls.html,
            owner_url: &self.owner_url(scope),
        };
        let registration = jit::encode(&registration, &mut self.chance);
        self.runners.insert(Runner {
            id,
            name: wanted.name.clone(),
            scope,
            group,
            labels: wanted.labels.clone(),
            registration,
            created_at: now,
            presence: Presence::Never,
            session: None,
            too_old: false,
            job: None,
            removed: None,
        });
        self.journal.note(|| Change::Registered {
            id,
            name: wanted.name.clone(),
            scope,
        });
        Ok(id)
    }

    /// Deletes a runner, unless it has a job.
    pub fn delete_runner(&mut self, scope: Scope, id: RunnerId, now: Timestamp) -> Deletion {
        let Some(runner) = self
            .runners
            .get(id)
            .filter(|one| one.scope == scope && one.removed.is_none())
        else {
            return Deletion::Unknown;
        };
        if runner.job.is_some() {
            // The orphan quotation mark is GitHub's (actions-runner-controller,
            // runner_graceful_stop.go).
            return Deletion::Busy(format!(
                "Bad request - Runner \"{}\" is still running a job\"",
                runner.name
            ));
        }
        self.remove_runner(id, Removal::Deleted, now);
        Deletion::Done
    }

    /// The name of a runner's group.
    pub(crate) fn group_name(&self, scope: Scope, group: GroupId) -> String {
        match scope {
            Scope::Repository(_) => "Default".to_owned(),
            Scope::Organization(owner) => self
                .accounts
                .group(owner, group)
                .map_or_else(|| "Default".to_owned(), |group| group.name.clone()),
        }
    }

    /// The page of anyone who a runner is registered with.
    fn owner_url(&self, scope: Scope) -> String {
        let path = match scope {
            Scope::Repository(id) => self.accounts.full_name(id),
            Scope::Organization(owner) => self
                .accounts
                .account(owner)
                .map(|account| account.login.clone())
                .unwrap_or_default(),
        };
        format!("{}/{path}", self.urls.html)
    }

    /// The permission that runners of a scope need.
    #[must_use]
    pub fn runner_permission(scope: Scope, level: Level) -> (&'static str, Level) {
        match scope {
            Scope::Repository(_) => ("administration", level),
            Scope::Organization(_) => ("organization_self_hosted_runners", level),
        }
    }
}

fn check(wanted: &JitConfigRequest) -> Result<(), JitConfigError> {
    let fails = |condition: bool, words| {
        if condition {
            Err(JitConfigError::Invalid(words))
        } else {
            Ok(())
        }
    };
    fails(wanted.name.trim().is_empty(), "Name cannot be empty")?;
    fails(
        wanted.name.chars().count() > LONGEST_NAME,
        "Name is too long (maximum is 64 characters)",
    )?;
    fails(wanted.labels.is_empty(), "Labels cannot be empty")?;
    fails(
        wanted.labels.len() > MOST_LABELS,
        "Labels cannot be more than 100",
    )?;
    let wrong = |label: &String| label.trim().is_empty() || label.chars().count() > LONGEST_LABEL;
    fails(wanted.labels.iter().any(wrong), "Label is invalid")?;
    fails(wanted.work_folder.is_empty(), "Work folder cannot be empty")
}
