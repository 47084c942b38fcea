//! What someone knows only the name of.

use async_trait::async_trait;
use mayfly_domain::model::id::{InstallationId, OwnerId, RepositoryId};
use mayfly_domain::model::target::Repository;
use mayfly_github::{Account, CallError, Lookup, MadeGroup, RunnerGroupAccess, RunnerGroups};
use serde_json::json;
use tokio::time::Instant;

use super::{ApiRequest, Github, Grant, body, listed};
use mayfly_github_model::accounts::Level;

fn api_request(
    name: &'static str,
    path: String,
    installation: InstallationId,
    permission: (&'static str, Level),
) -> ApiRequest {
    ApiRequest {
        name,
        method: "GET",
        path,
        body: None,
        grant: Some(Grant {
            installation,
            permission,
            repository: None,
        }),
    }
}

#[async_trait]
impl Lookup for Github {
    async fn repository_named(
        &self,
        installation: InstallationId,
        name: &str,
        by: Instant,
    ) -> Result<Option<Repository>, CallError> {
        let asked = self
            .ask(
                api_request(
                    "get-repository",
                    format!("/repos/{name}"),
                    installation,
                    ("metadata", Level::Read),
                ),
                by,
            )
            .await?;
        if asked.status() == Some(404) {
            return Ok(None);
        }
        let found = body(asked.success(self.now())?);
        Ok(Some(Repository {
            id: RepositoryId(found["id"].as_i64().unwrap_or_default()),
            name: found["full_name"].as_str().unwrap_or_default().to_owned(),
            owner: OwnerId(found["owner"]["id"].as_i64().unwrap_or_default()),
            private: found["private"].as_bool().unwrap_or_default(),
        }))
    }

    async fn group_named(
        &self,
        installation: InstallationId,
        repository: &Repository,
        group: &str,
        by: Instant,
    ) -> Result<RunnerGroupAccess, CallError> {
        let groups = async |filter: &str| {
            let path = format!(
                "/orgs/{}/actions/runner-groups?per_page=100{filter}",
                repository.owner_login()
            );
            let permission = ("organization_self_hosted_runners", Level::Write);
            Ok::<_, CallError>(body(
                self.answer(
                    api_request("list-runner-groups", path, installation, permission),
                    by,
                )
                .await?,
            ))
        };
        let short = repository.name.split('/').nth(1).unwrap_or_default();
        let open = groups(&format!("&visible_to_repository={short}")).await?;
        if let Some(found) = listed(&open, "runner_groups").find(|one| one["name"] == group) {
            let flag = |name: &str| found[name].as_bool().unwrap_or_default();
            return Ok(RunnerGroupAccess::Open {
                public: flag("allows_public_repositories"),
                restricted: flag("restricted_to_workflows"),
            });
        }
        let all = groups("").await?;
        let names: Vec<String> = listed(&all, "runner_groups")
            .filter_map(|one| one["name"].as_str().map(str::to_owned))
            .collect();
        Ok(if names.iter().any(|name| name == group) {
            RunnerGroupAccess::Closed
        } else {
            RunnerGroupAccess::Missing(names)
        })
    }
}

#[async_trait]
impl RunnerGroups for Github {
    async fn runner_groups(
        &self,
        installation: InstallationId,
        organization: &Account,
        by: Instant,
    ) -> Result<Vec<String>, CallError> {
        let path = format!(
            "/orgs/{}/actions/runner-groups?per_page=100",
            organization.login
        );
        let permission = ("organization_self_hosted_runners", Level::Write);
        let all = body(
            self.answer(
                api_request("list-runner-groups", path, installation, permission),
                by,
            )
            .await?,
        );
        Ok(listed(&all, "runner_groups")
            .filter_map(|one| one["name"].as_str().map(str::to_owned))
            .collect())
    }

    async fn make_runner_group(
        &self,
        installation: InstallationId,
        organization: &Account,
        name: &str,
        by: Instant,
    ) -> Result<MadeGroup, CallError> {
        let path = format!("/orgs/{}/actions/runner-groups", organization.login);
        let wish =
            json!({ "name": name, "visibility": "all", "allows_public_repositories": false });
        let asked = api_request(
            "make-runner-group",
            path,
            installation,
            ("organization_self_hosted_runners", Level::Write),
        );
        match self
            .answer(
                ApiRequest {
                    method: "POST",
                    body: Some(wish),
                    ..asked
                },
                by,
            )
            .await
        {
            Ok(_) => Ok(MadeGroup::Made),
            Err(CallError::Refused { message, .. }) => Ok(MadeGroup::Refused(message)),
            Err(error) => Err(error),
        }
    }
}
