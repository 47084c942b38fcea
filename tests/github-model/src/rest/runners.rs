//! Runners of a repository or an organization.

use super::{Operation, pages};
use crate::accounts::{Account, Visibility};
use crate::faults::Refusal;
use crate::id::RunnerId;
use crate::model::{Deletion, JitConfigError, JitConfigRequest, Model};
use crate::runners::{Listed, Presence, Runner, Scope};
use crate::shape;
use crate::wire::{Answer, Request};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Model {
    /// Carries out what was allowed in a scope.
    pub(super) fn perform_in(
        &mut self,
        scope: Scope,
        operation: &Operation,
        request: &Request,
        now: Timestamp,
    ) -> Answer {
        match operation {
            Operation::JitConfigRequest(_) => self.mint_answer(scope, request, now),
            Operation::ListRunners(_) => self.runners_page(scope, request, now),
            Operation::GetRunner(_, id) => self.runner_answer(scope, *id),
            Operation::DeleteRunner(_, id) => match self.delete_runner(scope, *id, now) {
                Deletion::Done => Answer::empty(204),
                Deletion::Unknown => Answer::not_found(),
                Deletion::Busy(words) => Answer::message(422, &words),
            },
            Operation::ListGroups(_) => self.groups_page(scope, request),
            Operation::MakeGroup(_) => self.make_group(scope, request),
            Operation::GetRepository(_) => self.repository_answer(scope),
            other => self.perform_on_jobs(scope, other, request, now),
        }
    }

    fn repository_answer(&self, scope: Scope) -> Answer {
        let Scope::Repository(id) = scope else {
            return Answer::not_found();
        };
        let found = self
            .accounts
            .repository(id)
            .and_then(|one| Some((one, self.accounts.account(one.owner)?)));
        found.map_or_else(Answer::not_found, |(one, owner)| {
            let mut shown = shape::repository::full(&self.urls, one, owner);
            // Only here, not in payloads.
            shown["network_count"] = json!(0);
            shown["subscribers_count"] = json!(0);
            Answer::json(200, shown)
        })
    }

    fn mint_answer(&mut self, scope: Scope, request: &Request, now: Timestamp) -> Answer {
        if let Some(refusal) = self.refusal(scope) {
            return Answer::message(refusal.status, refusal.words());
        }
        let wanted: JitConfigRequest = match request.read() {
            Ok(wanted) => wanted,
            Err(words) if serde_json::from_slice::<Value>(&request.body).is_err() => {
                return Answer::message(400, &format!("Problems parsing JSON: {words}"));
            }
            Err(words) => return Answer::message(422, &format!("Invalid request. {words}")),
        };
        match self.generate_jit_config(scope, &wanted, now) {
            Ok(id) => self.registration_answer(id),
            Err(JitConfigError::UnknownGroup) => Answer::not_found(),
            Err(JitConfigError::NameTaken) => Answer::message(
                409,
                &format!(
                    "Already exists - A runner with the name {} already exists.",
                    wanted.name
                ),
            ),
            Err(JitConfigError::Invalid(words)) => Answer::message(422, words),
        }
    }

    fn registration_answer(&self, id: RunnerId) -> Answer {
        self.runners
            .get(id)
            .map_or_else(Answer::not_found, |runner| {
                let shown = shape::runner::runner(runner, &now_listed(runner));
                Answer::json(
                    201,
                    json!({ "runner": shown, "encoded_jit_config": runner.registration }),
                )
            })
    }

    /// A refusal for good, by repository or organization.
    fn refusal(&self, scope: Scope) -> Option<Refusal> {
        let name = match scope {
            Scope::Repository(id) => self.accounts.full_name(id),
            Scope::Organization(id) => self
                .accounts
                .account(id)
                .map(|one| one.login.clone())
                .unwrap_or_default(),
        };
        self.faults
            .refused
            .iter()
            .find(|(refused, _)| refused.eq_ignore_ascii_case(&name))
            .map(|(_, why)| why.clone())
    }

    /// The list, up to a minute old: what was made or deleted since does not show.
    fn runners_page(&mut self, scope: Scope, request: &Request, now: Timestamp) -> Answer {
        let listed = self.runners.listed(scope, self.settings.list_cache, now);
        let name = request.query.get("name");
        let lines: Vec<_> = listed
            .iter()
            .filter_map(|line| Some((self.runners.get(line.id)?, line)))
            .filter(|(runner, _)| name.is_none_or(|name| runner.name.eq_ignore_ascii_case(name)))
            .map(|(runner, line)| shape::runner::runner(runner, line))
            .collect();
        pages::page(&self.urls.api, request, Some("runners"), lines)
    }

    fn runner_answer(&self, scope: Scope, id: RunnerId) -> Answer {
        let runner = self
            .runners
            .get(id)
            .filter(|one| one.scope == scope && one.removed.is_none());
        runner.map_or_else(Answer::not_found, |runner| {
            Answer::json(200, shape::runner::runner(runner, &now_listed(runner)))
        })
    }

    /// Makes a runner group, unless the organization is refused things: one without GitHub Team has
    /// none but the default group.
    fn make_group(&mut self, scope: Scope, request: &Request) -> Answer {
        let Scope::Organization(owner) = scope else {
            return Answer::not_found();
        };
        if let Some(refusal) = self.refusal(scope) {
            return Answer::message(refusal.status, refusal.words());
        }
        let wish: NewGroup = match request.read() {
            Ok(wish) => wish,
            Err(words) => return Answer::message(422, &format!("Invalid request. {words}")),
        };
        if self
            .accounts
            .groups(owner)
            .any(|group| group.name.eq_ignore_ascii_case(&wish.name))
        {
            return Answer::message(409, "Runner group name has already been taken");
        }
        let visibility = match wish.visibility.as_str() {
            "all" => Visibility::All,
            "private" => Visibility::Private,
            "selected" => Visibility::Selected(BTreeSet::new()),
            _ => {
                return Answer::message(
                    422,
                    "Invalid request. visibility is not one of selected, all, private",
                );
            }
        };
        let id = self.accounts.add_group(
            owner,
            &wish.name,
            visibility,
            wish.allows_public_repositories,
        );
        let found = self
            .accounts
            .account(owner)
            .zip(self.accounts.group(owner, id));
        found.map_or_else(Answer::not_found, |(owner, group)| {
            Answer::json(201, shape::runner::group(&self.urls, owner, group))
        })
    }

    fn groups_page(&self, scope: Scope, request: &Request) -> Answer {
        let owner: Option<&Account> = match scope {
            Scope::Organization(id) => self.accounts.account(id),
            Scope::Repository(_) => None,
        };
        owner.map_or_else(Answer::not_found, |owner| {
            let seeing = request.query.get("visible_to_repository");
            let repository = seeing.and_then(|name| {
                self.accounts
                    .repositories()
                    .find(|one| one.owner == owner.id && one.name.eq_ignore_ascii_case(name))
            });
            let lines: Vec<_> = self
                .accounts
                .groups(owner.id)
                .filter(|group| repository.is_none_or(|one| self.accounts.group_serves(group, one)))
                .map(|group| shape::runner::group(&self.urls, owner, group))
                .collect();
            pages::page(&self.urls.api, request, Some("runner_groups"), lines)
        })
    }
}

/// The body of a new runner group, with the defaults that GitHub's description gives.
#[derive(Deserialize)]
struct NewGroup {
    name: String,
    #[serde(default = "all")]
    visibility: String,
    #[serde(default)]
    allows_public_repositories: bool,
}

fn all() -> String {
    "all".to_owned()
}

/// A runner as it is now.
fn now_listed(runner: &Runner) -> Listed {
    Listed {
        id: runner.id,
        online: matches!(runner.presence, Presence::Online { .. }),
        busy: runner.job.is_some(),
    }
}
