//! Registrations and runners.

use async_trait::async_trait;
use mayfly_domain::model::id::{GithubRunnerId, RunnerName};
use mayfly_domain::model::secret::Secret;
use mayfly_domain::model::target::{Target, TargetScope};
use mayfly_github::{
    CallError, Deleted, RegisterError, Registration, Registrations, RunnerInfo, RunnerLookup,
    Runners,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{ApiRequest, Github, Place, body, listed, words};

#[async_trait]
impl Registrations for Github {
    async fn register(
        &self,
        target: &Target,
        name: &RunnerName,
        by: Instant,
    ) -> Result<Registration, RegisterError> {
        let place = Place::of_runners(target);
        let group = match &target.scope {
            TargetScope::Repository { .. } => 1,
            TargetScope::Organization { login, group, .. } => {
                self.world.with_github(|github, _| {
                    let owner = github
                        .accounts()
                        .account_by_login(login)
                        .map(|account| account.id);
                    let groups = owner
                        .into_iter()
                        .flat_map(|owner| github.accounts().groups(owner));
                    groups
                        .filter(|known| known.name.eq_ignore_ascii_case(group))
                        .map(|known| known.id.0)
                        .next()
                        .unwrap_or(-1)
                })
            }
        };
        let labels: Vec<&str> = target.labels.iter().collect();
        let wanted =
            json!({ "name": name.to_string(), "runner_group_id": group, "labels": labels });
        let api_request = ApiRequest {
            body: Some(wanted),
            ..place.api_request("generate-jitconfig", "POST", "/generate-jitconfig")
        };
        let asked = self.ask(api_request, by).await?;
        match asked.status() {
            Some(409) => {
                let message = asked.answer.as_ref().map(words).unwrap_or_default();
                Err(RegisterError::Conflict {
                    message,
                    call: asked.call,
                })
            }
            None | Some(408 | 500..) => Err(RegisterError::Unsure {
                message: "no answer that tells".to_owned(),
                call: asked.call,
            }),
            Some(_) => {
                let made = body(asked.success(self.now())?);
                let id = GithubRunnerId(made["runner"]["id"].as_i64().unwrap_or_default());
                Ok(Registration {
                    id,
                    jit_config: Secret::new(
                        made["encoded_jit_config"].as_str().unwrap_or_default(),
                    ),
                })
            }
        }
    }
}

#[async_trait]
impl Runners for Github {
    async fn get(
        &self,
        target: &Target,
        runner: GithubRunnerId,
        by: Instant,
    ) -> Result<RunnerLookup, CallError> {
        let place = Place::of_runners(target);
        let asked = match self
            .ask(place.get("get-runner", &format!("/{runner}")), by)
            .await
        {
            Ok(asked) => asked,
            Err(error) => {
                return unseen(error).map(|()| RunnerLookup::NotFound {
                    target_visible: false,
                });
            }
        };
        if asked.status() == Some(404) {
            return Ok(RunnerLookup::NotFound {
                target_visible: self.visible(&place, by).await?,
            });
        }
        Ok(RunnerLookup::Registered(runner_now(&body(
            asked.success(self.now())?,
        ))))
    }

    async fn list(&self, target: &Target, by: Instant) -> Result<Vec<RunnerInfo>, CallError> {
        let place = Place::of_runners(target);
        let mut runners = Vec::new();
        for page in 1_u32.. {
            let found = body(
                self.answer(
                    place.get("list-runners", &format!("?per_page=100&page={page}")),
                    by,
                )
                .await?,
            );
            let found: Vec<RunnerInfo> = listed(&found, "runners").map(runner_now).collect();
            let last = found.len() < 100;
            runners.extend(found);
            if last {
                break;
            }
        }
        Ok(runners)
    }

    async fn delete(
        &self,
        target: &Target,
        runner: GithubRunnerId,
        by: Instant,
    ) -> Result<Deleted, CallError> {
        let place = Place::of_runners(target);
        let asked = match self
            .ask(
                place.api_request("delete-runner", "DELETE", &format!("/{runner}")),
                by,
            )
            .await
        {
            Ok(asked) => asked,
            Err(error) => {
                return unseen(error).map(|()| Deleted::NotFound {
                    target_visible: false,
                });
            }
        };
        match asked.status() {
            Some(422) => Ok(Deleted::Busy),
            Some(404) => Ok(Deleted::NotFound {
                target_visible: self.visible(&place, by).await?,
            }),
            _ => asked.success(self.now()).map(|_| Deleted::Gone),
        }
    }
}

impl Github {
    /// Whether anyone who did not find a runner may list the runners there.
    async fn visible(&self, place: &Place, by: Instant) -> Result<bool, CallError> {
        match self
            .answer(place.get("list-runners", "?per_page=1"), by)
            .await
        {
            Ok(_) => Ok(true),
            Err(error) => unseen(error).map(|()| false),
        }
    }
}

/// A refusal means that the App may not see the place.
fn unseen(error: CallError) -> Result<(), CallError> {
    match error {
        CallError::Refused { .. } => Ok(()),
        other => Err(other),
    }
}

fn runner_now(wire: &Value) -> RunnerInfo {
    RunnerInfo {
        id: GithubRunnerId(wire["id"].as_i64().unwrap_or_default()),
        name: wire["name"].as_str().unwrap_or_default().to_owned(),
        online: wire["status"] == "online",
        busy: wire["busy"] == true,
    }
}
