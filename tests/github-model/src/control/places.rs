//! Switches of repositories, accounts and runner groups.

use crate::accounts::{Lookup, Visibility};
use crate::id::{GroupId, RepositoryId};
use crate::model::Model;
use crate::wire::{Answer, Request};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepositoryChange {
    name: String,
    private: Option<bool>,
    archived: Option<bool>,
    installed: Option<bool>,
    renamed_to: Option<String>,
    /// Whether the old name leads to the new one, as GitHub has it for people; for an App it is
    /// often simply gone.
    #[serde(default)]
    redirects: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountChange {
    login: String,
    installed: Option<bool>,
    suspended: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupChange {
    organization: String,
    name: String,
    #[serde(default = "everybody")]
    visibility: Visibility,
    #[serde(default)]
    allows_public: bool,
    /// Deletes the group of this name.
    #[serde(default)]
    deleted: bool,
}

fn everybody() -> Visibility {
    Visibility::All
}

impl Model {
    pub(super) fn change_repository(
        &mut self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Answer, String> {
        let change: RepositoryChange = request.read()?;
        let id: RepositoryId = self.accounts.mention(&change.name, now);
        if let Some(repository) = self.accounts.repository_mut(id) {
            repository.private = change.private.unwrap_or(repository.private);
            repository.archived = change.archived.unwrap_or(repository.archived);
            repository.installed = change.installed.unwrap_or(repository.installed);
        }
        if let Some(name) = change.renamed_to {
            let name = name.rsplit('/').next().unwrap_or_default();
            let owner = self.accounts.full_name(id);
            let owner = owner.split('/').next().unwrap_or_default();
            if self.accounts.lookup(owner, name) != Lookup::Unknown {
                return Err("that name is taken".to_owned());
            }
            self.accounts.rename(id, name, change.redirects);
        }
        Ok(Answer::json(
            200,
            json!({ "id": id, "full_name": self.accounts.full_name(id) }),
        ))
    }

    pub(super) fn change_account(
        &mut self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Answer, String> {
        let change: AccountChange = request.read()?;
        let account = self
            .accounts
            .account_by_login(&change.login)
            .map(|account| account.id);
        let account = account.ok_or_else(|| format!("nobody is called {}", change.login))?;
        let installed = self.accounts.installation_on(account).map(|one| one.id);
        match (change.installed, installed) {
            (Some(true), None) => self.accounts.install(account, now),
            (Some(false), Some(_)) => self.accounts.uninstall(account, now),
            _ => {}
        }
        match change.suspended {
            Some(true) => self.accounts.suspend(account, now),
            Some(false) => self.accounts.resume(account, now),
            None => {}
        }
        let installation = self.accounts.installation_on(account).map(|one| one.id);
        Ok(Answer::json(
            200,
            json!({ "account_id": account, "installation_id": installation }),
        ))
    }

    pub(super) fn change_group(&mut self, request: &Request) -> Result<Answer, String> {
        let change: GroupChange = request.read()?;
        let owner = self
            .accounts
            .account_by_login(&change.organization)
            .map(|account| account.id);
        let owner = owner.ok_or_else(|| format!("nobody is called {}", change.organization))?;
        let known: Option<GroupId> = self
            .accounts
            .groups(owner)
            .find(|group| group.name == change.name)
            .map(|group| group.id);
        if let Some(id) = known.filter(|id| change.deleted || id.0 != 1) {
            self.accounts.remove_group(owner, id);
        }
        if change.deleted {
            return Ok(Answer::empty(204));
        }
        let id =
            self.accounts
                .add_group(owner, &change.name, change.visibility, change.allows_public);
        Ok(Answer::json(201, json!({ "id": id })))
    }
}
