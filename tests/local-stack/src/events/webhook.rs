//! Deliveries: made, signed and sent by the GitHub model, then wrapped as API Gateway does.

use super::gateway::{Arrival, event};
use anyhow::Context as _;
use jiff::{Timestamp, ToSpan as _};
use mayfly_github_model::accounts::ACME;
use mayfly_github_model::deliveries::{Outgoing, Signing};
use mayfly_github_model::hook::ContentType;
use mayfly_github_model::id::SessionId;
use mayfly_github_model::jobs::{Conclusion, Gate, NewJob};
use mayfly_github_model::key::KeyPair;
use mayfly_github_model::model::{HandMade, JitConfigRequest, Model};
use mayfly_github_model::runners::Scope;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// When everything here happens: 2026-11-22T14:00:00Z.
const START: i64 = 1_795_356_000;

/// A GitHub of which only the deliveries are looked at.
struct Source {
    model: Model,
    now: Timestamp,
    files: BTreeMap<String, Value>,
}

/// The files of the webhook function.
pub(super) fn all() -> anyhow::Result<BTreeMap<String, Value>> {
    let now = Timestamp::from_second(START).context("the files' time")?;
    let mut model = Model::new(
        "https://github.com",
        &KeyPair::without_private_half()?,
        7,
        now,
    );
    model.hook.url =
        Some("https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/webhook".to_owned());
    let mut source = Source {
        model,
        now,
        files: BTreeMap::new(),
    };
    source.life_of_a_job()?;
    source.gates();
    source.ways_to_end();
    source.others();
    Ok(source.files)
}

impl Source {
    /// `queued`, `in_progress`, `completed` of one job, run by the runner that all files speak of.
    fn life_of_a_job(&mut self) -> anyhow::Result<()> {
        let wish = job();
        self.model.queue(&wish, self.now);
        self.keep("queued");
        let repository = self
            .model
            .accounts_mut()
            .mention(&wish.repository, self.now);
        let wanted = JitConfigRequest {
            name: super::runner_name(),
            runner_group_id: 1,
            labels: wish.labels,
            work_folder: "_work".to_owned(),
        };
        self.later(40);
        let id = self
            .model
            .generate_jit_config(Scope::Repository(repository), &wanted, self.now)
            .ok()
            .context("register the runner")?;
        let registration = self
            .model
            .runner(id)
            .map(|runner| runner.registration.clone())
            .unwrap_or_default();
        let opened = self.model.open_session(&registration, self.now).ok();
        let (session, _): (SessionId, _) = opened.context("connect the runner")?;
        self.later(3);
        self.model
            .start(&session, self.now)
            .ok()
            .context("start the job")?;
        self.keep("in-progress");
        for name in ["Check out", "Build", "Test"] {
            self.later(4);
            self.model
                .step(&session, name, self.now)
                .ok()
                .context("run a step")?;
        }
        self.model
            .complete(&session, None, self.now)
            .ok()
            .context("complete the job")?;
        self.keep("completed");
        Ok(())
    }

    fn gates(&mut self) {
        let gated = |gate| NewJob {
            gate: Some(gate),
            name: "deploy".to_owned(),
            ..job()
        };
        self.model.queue(&gated(Gate::Environment), self.now);
        // The first of the two says `queued`, like any other.
        self.keep("waiting");
        self.model.queue(&gated(Gate::Deployment), self.now);
        self.keep("gate");
        self.model.queue(&gated(Gate::Concurrency), self.now);
        self.keep("pending");
    }

    fn ways_to_end(&mut self) {
        let ids = self.model.queue(&job(), self.now);
        self.drop_due();
        for id in ids {
            self.model.cancel(id, self.now);
        }
        self.keep("cancelled");
        let hosted = NewJob {
            labels: vec!["ubuntu-latest".to_owned()],
            conclusion: Conclusion::Failure,
            ..job()
        };
        self.model.queue(&hosted, self.now);
        self.keep("queued-hosted");
    }

    /// What is not a job of ours, or not from GitHub at all.
    fn others(&mut self) {
        let public = NewJob {
            repository: "acme/site".to_owned(),
            private: Some(false),
            ..job()
        };
        self.model.queue(&public, self.now);
        self.keep("queued-public");
        self.model.queue(
            &NewJob {
                repository: "mona/dotfiles".to_owned(),
                ..job()
            },
            self.now,
        );
        self.keep("queued-user");
        self.model.hook.content_type = ContentType::Form;
        self.model.queue(&job(), self.now);
        self.keep("queued-form");
        self.model.hook.content_type = ContentType::Json;
        self.model.ping(self.now);
        self.keep("ping");
        let login = self
            .model
            .accounts()
            .account(ACME)
            .map(|account| account.login.clone());
        let starred = json!({ "action": "created", "starred_at": "2026-11-22T14:00:00Z", "organization": { "login": login } });
        self.forge("star", starred, Signing::Valid);
        self.keep("unknown");
        self.model.queue(&job(), self.now);
        let last = self
            .model
            .deliveries()
            .next_back()
            .map(|delivery| delivery.payload.clone())
            .unwrap_or_default();
        self.drop_due();
        let mut payload: Value = serde_json::from_str(&last).unwrap_or_default();
        self.forge("workflow_job", payload.clone(), Signing::Wrong);
        self.keep("bad-signature");
        self.forge("workflow_job", payload.clone(), Signing::Missing);
        self.keep("no-signature");
        payload["action"] = json!("paused");
        self.forge("workflow_job", payload, Signing::Valid);
        self.keep("unknown-action");
    }

    fn forge(&mut self, name: &str, payload: Value, signing: Signing) {
        let made = HandMade {
            event: name.to_owned(),
            payload: Some(payload),
            text: None,
            signing,
            guid: None,
            headers: BTreeMap::new(),
        };
        self.model.forge(made, self.now);
    }

    /// The last delivery that is due, as a file of this name.
    fn keep(&mut self, name: &str) {
        if let Some(Outgoing { headers, body, .. }) = self.model.take_due(self.now).pop() {
            let arrival = Arrival {
                path: "/webhook",
                headers,
                body,
                source: "140.82.115.1",
                signed_by: None,
            };
            self.files
                .insert(format!("webhook/{name}.json"), event(arrival));
        }
    }

    fn drop_due(&mut self) {
        self.model.take_due(self.now);
    }

    fn later(&mut self, seconds: i64) {
        self.now = self.now.checked_add(seconds.seconds()).unwrap_or(self.now);
    }
}

/// The job that most files are about.
fn job() -> NewJob {
    NewJob {
        labels: ["self-hosted", "linux", "x64", "mayfly"]
            .map(str::to_owned)
            .to_vec(),
        ..NewJob::default()
    }
}
