//! What only a test may touch, below `/_model`.
//!
//! | call | what |
//! | --- | --- |
//! | `GET app` | the App: id, private key, webhook secret, installations |
//! | `POST hook` | `url`, `secret`, `content_type`; `POST ping` pings it |
//! | `POST jobs`, `GET jobs[?run_id=]`, `GET jobs/{id}` | [`super::jobs::NewJob`]; the jobs so far |
//! | `POST jobs/{id}/cancel`, `approve`, `reject`, `rerun` | what a person would do |
//! | `GET runners[?all=1]` | registered runners, or all there ever were |
//! | `GET deliveries`, `POST deliveries`, `POST deliveries/{id}/redeliver` | all deliveries; a hand-made one; one again |
//! | `GET faults`, `POST faults` | [`super::faults::Faults`]; only what is named changes |
//! | `GET settings`, `POST settings` | [`super::settings::Settings`]; only what is named changes |
//! | `POST repositories`, `POST accounts`, `POST groups` | switches of repositories, installations, runner groups |
//! | `GET calls` | calls of the REST API by operation |
//! | `GET exchanges` | the first calls of each kind with their answers, tokens included: local use only |
//! | `GET summary` | counts for a last line: jobs, done, waiting, live runners, unsettled deliveries |
//! | `POST expire-tokens`, `POST reset` | ends every token; begins again |

mod places;
mod tables;

use super::faults::Faults;
use super::hook::ContentType;
use super::id::{DeliveryId, JobId};
use super::jobs::NewJob;
use super::model::{HandMade, Model};
use super::settings::Settings;
use super::wire::{Answer, Request};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookChange {
    url: Option<String>,
    secret: Option<String>,
    content_type: Option<ContentType>,
}

impl Model {
    /// Answers a test.
    pub fn control(&mut self, request: &Request, now: Timestamp) -> Answer {
        self.advance(now);
        let segments = request.segments();
        let answer = match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["_model", table, rest @ ..]) => self.show(table, rest, request),
            ("POST", ["_model", "jobs", id, what]) => self.act_on_job(id, what, now),
            ("POST", ["_model", "deliveries", id, "redeliver"]) => {
                Ok(self.redeliver_answer(id, now))
            }
            ("POST", ["_model", what]) => self.change(what, request, now),
            _ => Ok(Answer::not_found()),
        };
        // What was changed may bring something about at once.
        self.advance(now);
        answer.unwrap_or_else(|words| Answer::message(400, &words))
    }

    fn change(&mut self, what: &str, request: &Request, now: Timestamp) -> Result<Answer, String> {
        match what {
            "jobs" => {
                let wish: NewJob = request.read()?;
                let ids = self.queue(&wish, now);
                let lines: Vec<Value> = ids
                    .iter()
                    .filter_map(|id| self.job(*id))
                    .map(|job| json!({ "id": job.id, "run_id": job.run }))
                    .collect();
                return Ok(Answer::json(201, Value::Array(lines)));
            }
            "hook" => {
                let change: HookChange = request.read()?;
                self.hook.url = change.url.or(self.hook.url.take());
                if let Some(secret) = change.secret {
                    self.hook.secret = secret;
                }
                self.hook.content_type = change.content_type.unwrap_or(self.hook.content_type);
            }
            "ping" => {
                let id = self.ping(now);
                return Ok(Answer::json(201, json!({ "id": id })));
            }
            "deliveries" => {
                let made: HandMade = request.read()?;
                let id = self.forge(made, now);
                let guid = self.deliveries.get(id).map(|one| one.guid.clone());
                return Ok(Answer::json(201, json!({ "id": id, "guid": guid })));
            }
            "faults" => self.faults = merged::<Faults>(&self.faults, request)?,
            "settings" => self.settings = merged::<Settings>(&self.settings, request)?,
            "repositories" => return self.change_repository(request, now),
            "accounts" => return self.change_account(request, now),
            "groups" => return self.change_group(request),
            "expire-tokens" => self.tokens.expire_all(),
            "reset" => self.reset(now),
            _ => return Ok(Answer::not_found()),
        }
        Ok(Answer::empty(204))
    }

    fn act_on_job(&mut self, id: &str, what: &str, now: Timestamp) -> Result<Answer, String> {
        let id = JobId(
            id.parse()
                .map_err(|_| "a job's id is a number".to_owned())?,
        );
        if self.job(id).is_none() {
            return Ok(Answer::not_found());
        }
        let done = match what {
            "cancel" => self.cancel(id, now),
            "approve" => self.approve(id, now),
            "reject" => self.reject(id, now),
            "rerun" => {
                return Ok(self.rerun(id, now).and_then(|id| self.job(id)).map_or_else(
                    || Answer::message(409, "The job is not over."),
                    |job| {
                        Answer::json(
                            201,
                            json!({ "id": job.id, "run_id": job.run, "run_attempt": job.attempt }),
                        )
                    },
                ));
            }
            _ => return Ok(Answer::not_found()),
        };
        Ok(if done {
            Answer::empty(204)
        } else {
            Answer::message(409, "The job is not in a state for that.")
        })
    }

    fn redeliver_answer(&mut self, id: &str, now: Timestamp) -> Answer {
        let again = id
            .parse()
            .ok()
            .and_then(|id| self.redeliver(DeliveryId(id), now));
        again.map_or_else(Answer::not_found, |id| {
            Answer::json(201, json!({ "id": id }))
        })
    }
}

/// `current` with the fields of the body changed, objects within objects likewise; null goes back
/// to the default.
fn merged<T: Serialize + DeserializeOwned>(current: &T, request: &Request) -> Result<T, String> {
    let patch: Value = request.read()?;
    let mut value = serde_json::to_value(current).map_err(|error| error.to_string())?;
    merge(&mut value, patch);
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn merge(target: &mut Value, patch: Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, value) in patch {
                if value.is_null() {
                    target.remove(&name);
                } else {
                    merge(target.entry(name).or_insert(Value::Null), value);
                }
            }
        }
        (target, patch) => *target = patch,
    }
}
