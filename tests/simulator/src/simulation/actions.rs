//! What people do, done to the models.

use mayfly_domain::model::id::JobId;

use super::attackers;
use super::fault_schedule::after;
use super::scenario::{Action, Batch, Outage, Stranger};
use super::shadow_model::Task;
use super::story_run::Teller;
use mayfly_fargate_model::TaskId;
use mayfly_github_model::accounts::{ACME, GLOBEX, Repository};
use mayfly_github_model::faults::Refusal;
use mayfly_github_model::id;
use mayfly_github_model::jobs::NewJob;

impl Teller<'_> {
    /// Someone does something.
    #[expect(clippy::too_many_lines, reason = "a table: one arm for each action")]
    pub(super) fn act(&mut self, action: &Action) {
        if !action.is_orderly() {
            self.recorder.get().quiet.broken(self.now());
        }
        match action {
            Action::Queue(batch) => self.queue(batch),
            Action::Cancel { batch, job, moment } => {
                if let Some(job) = self.job(*batch, *job) {
                    self.cancel(job, *moment);
                }
            }
            Action::Approve { batch } => self.each_of(*batch, |github, job, now| {
                github.approve(job, now);
            }),
            Action::Reject { batch } => self.each_of(*batch, |github, job, now| {
                github.reject(job, now);
            }),
            Action::Rerun { batch, job } => {
                if let Some(job) = self.job(*batch, *job) {
                    self.system
                        .world
                        .with_github(|github, now| github.rerun(id::JobId(job.0), now));
                }
            }
            Action::Apply(file) => {
                self.system.world.parameters.put_pools(&file.text());
                self.recorder
                    .get()
                    .files
                    .applied(self.now(), Some(file.clone()));
                self.recorder.get().pace.applied(self.now());
            }
            Action::Spoil => {
                self.system
                    .world
                    .parameters
                    .put_pools("[pools.linux]\nlabels = 7");
                self.recorder.get().files.applied(self.now(), None);
            }
            Action::Down { what, seconds } => self.down(*what, *seconds),
            Action::Rename {
                repository,
                to,
                redirects,
            } => self.rename(repository, to, *redirects),
            Action::Delete { repository } => {
                let name = self.name(repository);
                self.system.world.with_github(|github, now| {
                    let id = github.accounts_mut().mention(&name, now);
                    github.delete_repository(id, now);
                });
            }
            Action::Transfer {
                repository,
                to,
                redirects,
            } => self.transfer(repository, to, *redirects),
            Action::Show {
                repository,
                private,
            } => self.change_repository(repository, |one| one.private = *private),
            Action::Archive { repository, on } => {
                self.change_repository(repository, |one| one.archived = *on)
            }
            Action::Cover { repository, on } => {
                self.change_repository(repository, |one| one.installed = *on)
            }
            Action::Unregister => self.unregister(),
            Action::Uninstall { account } => self.system.world.with_github(|github, now| {
                github.accounts_mut().uninstall(account_id(account), now);
            }),
            Action::Install { account } => {
                self.system.world.with_github(|github, now| {
                    github.accounts_mut().install(account_id(account), now)
                });
                self.grant_reruns();
            }
            Action::Suspend { account } => self.system.world.with_github(|github, now| {
                github.accounts_mut().suspend(account_id(account), now);
            }),
            Action::Resume { account } => self.system.world.with_github(|github, now| {
                github.accounts_mut().resume(account_id(account), now);
            }),
            Action::Refuse { place, status } => {
                let place = self.name(place);
                self.github.refused.insert(
                    place,
                    Refusal {
                        status: *status,
                        message: None,
                    },
                );
                self.put_faults();
            }
            Action::Allow { place } => {
                let place = self.name(place);
                self.github.refused.remove(&place);
                self.put_faults();
            }
            Action::Forge { .. }
            | Action::Intrude { .. }
            | Action::Impersonate { .. }
            | Action::Double { .. } => self.harm(action),
            Action::Copy { idle } => self.copy(*idle),
            Action::Reclaim => self.interrupt(),
            Action::Kill => self.kill(),
            Action::Hang { on: true } => self.system.world.let_containers_hang(),
            Action::Hang { on: false } => self.system.world.let_containers_end(),
        }
    }

    fn queue(&mut self, batch: &Batch) {
        let repository = self.name(&batch.repository);
        let wish = NewJob {
            private: self.privacy(&batch.repository),
            repository,
            labels: batch.labels.clone(),
            count: batch.count,
            seconds: batch.seconds,
            gate: batch.gate,
            runner_group: batch.runner_group.clone(),
            ..NewJob::default()
        };
        let wish = if batch.one_run {
            let run = self
                .system
                .world
                .with_github(|github, _| github.next_run_id());
            NewJob {
                run_id: Some(run),
                ..wish
            }
        } else {
            wish
        };
        let jobs = self.system.queue_jobs(&wish);
        self.batches.entry(batch.id).or_default().extend(jobs);
    }

    /// What a push makes of its repository: nothing, where someone changes that besides.
    fn privacy(&self, repository: &str) -> Option<bool> {
        let shown = self.scenario.acts.iter().any(
            |act| matches!(&act.action, Action::Show { repository: one, .. } if one == repository),
        );
        (!shown).then(|| !self.scenario.public.iter().any(|one| one == repository))
    }

    /// What a repository is called now.
    fn name(&self, repository: &str) -> String {
        self.names
            .get(repository)
            .cloned()
            .unwrap_or_else(|| repository.to_owned())
    }

    fn job(&self, batch: u32, job: u32) -> Option<JobId> {
        self.batches
            .get(&batch)?
            .get(usize::try_from(job).ok()?)
            .copied()
    }

    fn each_of(
        &self,
        batch: u32,
        act: impl Fn(&mut mayfly_github_model::model::Model, id::JobId, jiff::Timestamp),
    ) {
        let jobs = self.batches.get(&batch).cloned().unwrap_or_default();
        self.system.world.with_github(|github, now| {
            for job in jobs {
                act(github, id::JobId(job.0), now);
            }
        });
    }

    fn down(&mut self, what: Outage, seconds: u64) {
        let until = after(self.now(), seconds);
        match what.port() {
            Some(port) => self.down.until(port, until),
            None => {
                self.outages.push((what, until));
                self.put_faults();
            }
        }
    }

    fn rename(&mut self, repository: &str, to: &str, redirects: bool) {
        let before = self.name(repository);
        let Some((owner, _)) = before.split_once('/') else {
            return;
        };
        let after = format!("{owner}/{to}");
        self.system.world.with_github(|github, now| {
            let id = github.accounts_mut().mention(&before, now);
            github.accounts_mut().rename(id, to, redirects);
            if !redirects {
                github.accounts_mut().mention(&before, now);
            }
        });
        self.names.insert(repository.to_owned(), after);
    }

    fn transfer(&mut self, repository: &str, to: &str, redirects: bool) {
        let before = self.name(repository);
        let Some((_, name)) = before.split_once('/') else {
            return;
        };
        let after = format!("{to}/{name}");
        self.system.world.with_github(|github, now| {
            let id = github.accounts_mut().mention(&before, now);
            github.accounts_mut().transfer(id, to, redirects);
            if !redirects {
                github.accounts_mut().mention(&before, now);
            }
        });
        self.names.insert(repository.to_owned(), after);
    }

    fn change_repository(&self, repository: &str, change: impl Fn(&mut Repository)) {
        let name = self.name(repository);
        self.system.world.with_github(|github, now| {
            let id = github.accounts_mut().mention(&name, now);
            if let Some(found) = github.accounts_mut().repository_mut(id) {
                change(found);
            }
        });
    }

    fn unregister(&self) {
        self.system.world.with_github(|github, now| {
            let idle = github
                .registered()
                .find(|runner| runner.job.is_none())
                .map(|runner| (runner.scope, runner.id));
            if let Some((scope, id)) = idle {
                github.delete_runner(scope, id, now);
            }
        });
    }

    fn harm(&self, action: &Action) {
        let (system, recorder, number) = (self.system.clone(), self.recorder.clone(), self.actions);
        match action {
            Action::Forge { fake, action } => attackers::forge(&system, *fake, action, number),
            Action::Intrude {
                stranger: Stranger::Itself,
            } => {
                tokio::spawn(Box::pin(attackers::ask_again(system, recorder, number)));
            }
            Action::Double { repository, labels } => {
                let whom = (self.name(repository), labels.clone());
                tokio::spawn(Box::pin(attackers::double(system, recorder, whom, number)));
            }
            Action::Intrude { stranger } => {
                tokio::spawn(Box::pin(attackers::intrude(
                    system, recorder, *stranger, number,
                )));
            }
            Action::Impersonate { repository, labels } => {
                let repository = self.name(repository);
                tokio::spawn(Box::pin(attackers::impersonate(
                    system,
                    recorder,
                    repository,
                    labels.clone(),
                )));
            }
            _ => {}
        }
    }

    /// Spot takes one of its tasks back: one that works, if there is one.
    fn interrupt(&self) {
        let busy = self.busy_first();
        self.system.world.with_ecs(|ecs, at| {
            let views = ecs.task_views();
            let spot = |id: &str| {
                let named = |task: &&serde_json::Value| {
                    task["taskArn"]
                        .as_str()
                        .is_some_and(|arn| arn.ends_with(id))
                };
                views.iter().find(named).is_some_and(|task| {
                    task["capacityProviderName"] == "FARGATE_SPOT"
                        && task["lastStatus"] == "RUNNING"
                })
            };
            if let Some(task) = busy.iter().find(|id| spot(id)) {
                ecs.interrupt(&TaskId::of(task), at);
            }
        });
    }

    /// A container dies.
    fn kill(&self) {
        if let Some(task) = self.busy_first().first() {
            self.system.kill_container(task);
        }
    }

    /// Someone starts a task once more: one whose container has asked, so that its ARN is written
    /// down, and of those each in its turn.
    fn copy(&self, idle: bool) {
        let task = {
            let recorder = self.recorder.get();
            let asked = |task: &Task| {
                recorder
                    .shadow
                    .runners
                    .get(&task.runner)
                    .is_some_and(|runner| runner.asked.is_some())
            };
            let tasks: Vec<&String> = recorder
                .shadow
                .live_tasks()
                .filter(|(_, task)| !task.copy && asked(task))
                .map(|(id, _)| id)
                .collect();
            tasks
                .get(self.actions % tasks.len().max(1))
                .map(|id| TaskId::of(id))
        };
        if let Some(task) = task {
            self.system
                .world
                .with_ecs(|ecs, at| ecs.copy(&task, idle, at));
        }
    }

    /// Tasks that run, those whose runner has a job first.
    fn busy_first(&self) -> Vec<String> {
        let recorder = self.recorder.get();
        let running = recorder
            .shadow
            .live_tasks()
            .filter(|(_, task)| task.running.is_some());
        let idle = |runner: &str| {
            recorder
                .shadow
                .runners
                .get(runner)
                .is_none_or(|runner| runner.job.is_none())
        };
        let mut tasks: Vec<(bool, String)> = running
            .map(|(id, task)| (idle(&task.runner), id.clone()))
            .collect();
        tasks.sort();
        tasks.into_iter().map(|(_, id)| id).collect()
    }
}

fn account_id(login: &str) -> id::AccountId {
    if login == "globex" { GLOBEX } else { ACME }
}
