//! Who may do what. GitHub hides what a caller may not see: 404 where one would expect 403.

use super::{Operation, Place};
use crate::accounts::{Level, Lookup, Repository};
use crate::id::RepositoryId;
use crate::model::{Caller, Model};
use crate::runners::Scope;
use crate::tokens::Grant;
use crate::wire::{Answer, Request};
use serde_json::json;

/// What a call may be about.
#[derive(Debug, Clone)]
pub(super) enum Access {
    /// The App itself.
    App,
    /// What a token covers.
    Installation(Grant),
    /// A repository or an organization.
    Scope(Scope),
}

/// A refusal; boxed, because it is large and rare.
type Refused = Box<Answer>;

const NOT_ACCESSIBLE: &str = "Resource not accessible by integration";

impl Model {
    /// Checks a caller against an operation.
    pub(super) fn authorize(
        &self,
        operation: &Operation,
        caller: &Caller,
        request: &Request,
    ) -> Result<Access, Refused> {
        let needs = permission(operation);
        match (caller, needs) {
            (Caller::App, None) => Ok(Access::App),
            (Caller::App, Some(_)) => Err(refusal(401, "Bad credentials")),
            (Caller::Installation(_), None) => {
                Err(refusal(401, "A JSON web token could not be decoded"))
            }
            (Caller::Installation(grant), Some((name, level))) => {
                let installation = self.accounts.installation(grant.installation);
                let installation = installation.ok_or_else(|| refusal(401, "Bad credentials"))?;
                if installation.suspended_at.is_some() {
                    return Err(refusal(403, "This installation has been suspended"));
                }
                let Some(place) = operation.place() else {
                    return Ok(Access::Installation(grant.clone()));
                };
                let scope = self.scope(place, grant, request)?;
                let granted = installation
                    .permissions
                    .get(name)
                    .is_some_and(|has| *has >= level);
                if !granted || !grant.allows(name, level) {
                    let wanted = format!(
                        "{name}={}",
                        if level == Level::Write {
                            "write"
                        } else {
                            "read"
                        }
                    );
                    let answer = Answer::message(403, NOT_ACCESSIBLE);
                    return Err(Box::new(
                        answer.header("x-accepted-github-permissions", wanted),
                    ));
                }
                self.refuse_archived(scope, request)?;
                Ok(Access::Scope(scope))
            }
        }
    }

    /// The repository or organization of a path, if the token may see it.
    fn scope(&self, place: &Place, grant: &Grant, request: &Request) -> Result<Scope, Refused> {
        let account = self
            .accounts
            .installation(grant.installation)
            .map(|one| one.account);
        match place {
            Place::Repository(owner, name) => {
                let id = self.follow(owner, name, request)?;
                let repository = self.accounts.repository(id);
                let covered = |one: &Repository| {
                    one.installed && Some(one.owner) == account && grant.covers(id)
                };
                match repository {
                    Some(one) if covered(one) => Ok(Scope::Repository(id)),
                    // Everyone sees a public repository; that does not mean much.
                    Some(one) if !one.private => Err(refusal(403, NOT_ACCESSIBLE)),
                    _ => Err(Box::new(Answer::not_found())),
                }
            }
            Place::Organization(login) => match self.accounts.account_by_login(login) {
                Some(found) if found.organization && Some(found.id) == account => {
                    Ok(Scope::Organization(found.id))
                }
                Some(found) if found.organization => Err(refusal(403, NOT_ACCESSIBLE)),
                _ => Err(Box::new(Answer::not_found())),
            },
            Place::User(_) => Err(Box::new(Answer::not_found())),
        }
    }

    /// The repository of this name; a former name may send the caller on (301, and 307 for what is
    /// not a GET).
    pub(super) fn follow(
        &self,
        owner: &str,
        name: &str,
        request: &Request,
    ) -> Result<RepositoryId, Refused> {
        match self.accounts.lookup(owner, name) {
            Lookup::Found(id) => Ok(id),
            Lookup::Unknown => Err(Box::new(Answer::not_found())),
            Lookup::Moved(id) => {
                let rest: Vec<&str> = request
                    .path
                    .split('/')
                    .skip_while(|part| *part != "repos")
                    .skip(3)
                    .collect();
                let query: Vec<String> = request
                    .query
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                let query = if query.is_empty() {
                    String::new()
                } else {
                    format!("?{}", query.join("&"))
                };
                let url = format!(
                    "{}/repositories/{id}/{}{query}",
                    self.urls.api,
                    rest.join("/")
                );
                let (status, words) = if request.method == "GET" {
                    (301, "Moved Permanently")
                } else {
                    (307, "Temporary Redirect")
                };
                let answer = Answer::json(status, json!({ "message": words, "url": url }));
                Err(Box::new(answer.header("location", url)))
            }
        }
    }

    fn refuse_archived(&self, scope: Scope, request: &Request) -> Result<(), Refused> {
        let Scope::Repository(id) = scope else {
            return Ok(());
        };
        let archived = self
            .accounts
            .repository(id)
            .is_some_and(|repository| repository.archived);
        if archived && request.method != "GET" {
            return Err(refusal(403, "Repository was archived so is read-only."));
        }
        Ok(())
    }
}

fn refusal(status: u16, words: &str) -> Refused {
    Box::new(Answer::message(status, words))
}

/// The permission a token needs; none for what the App does by its JWT.
fn permission(operation: &Operation) -> Option<(&'static str, Level)> {
    let runners = |place: &Place, level| {
        Some(match place {
            Place::Organization(_) => ("organization_self_hosted_runners", level),
            Place::Repository(..) | Place::User(_) => ("administration", level),
        })
    };
    match operation {
        Operation::GetApp
        | Operation::ListInstallations
        | Operation::GetInstallation(_)
        | Operation::MakeToken(_)
        | Operation::InstallationOf(_)
        | Operation::Convert(_)
        | Operation::GetHook
        | Operation::SetHook
        | Operation::ListDeliveries
        | Operation::GetDelivery(_)
        | Operation::Redeliver(_) => None,
        Operation::ListRepositories | Operation::GetRepository(_) => {
            Some(("metadata", Level::Read))
        }
        Operation::JitConfigRequest(place)
        | Operation::DeleteRunner(place, _)
        | Operation::MakeGroup(place) => runners(place, Level::Write),
        Operation::ListRunners(place)
        | Operation::GetRunner(place, _)
        | Operation::ListGroups(place) => runners(place, Level::Read),
        Operation::Rerun(..) => Some(("actions", Level::Write)),
        Operation::GetJob(..)
        | Operation::ListRuns(_)
        | Operation::GetRun(..)
        | Operation::GetAttempt(..)
        | Operation::ListJobs(..) => Some(("actions", Level::Read)),
    }
}
