//! Which operation a method and a path mean.

use crate::id::{DeliveryId, InstallationId, JobId, RepositoryId, RunId, RunnerId};
use crate::model::Model;

/// Whom an operation is about, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `/repos/{owner}/{repo}`.
    Repository(String, String),
    /// `/orgs/{org}`.
    Organization(String),
    /// `/users/{username}`.
    User(String),
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// `GET /app`.
    GetApp,
    /// `GET /app/installations`.
    ListInstallations,
    /// `GET /app/installations/{id}`.
    GetInstallation(InstallationId),
    /// `POST /app/installations/{id}/access_tokens`.
    MakeToken(InstallationId),
    /// `GET …/installation`.
    InstallationOf(Place),
    /// `POST /app-manifests/{code}/conversions`.
    Convert(String),
    /// `GET /app/hook/config`.
    GetHook,
    /// `PATCH /app/hook/config`.
    SetHook,
    /// `GET /app/hook/deliveries`.
    ListDeliveries,
    /// `GET /app/hook/deliveries/{id}`.
    GetDelivery(DeliveryId),
    /// `POST /app/hook/deliveries/{id}/attempts`.
    Redeliver(DeliveryId),
    /// `GET /installation/repositories`.
    ListRepositories,
    /// `GET /repos/{owner}/{repo}`.
    GetRepository(Place),
    /// `POST …/actions/runners/generate-jitconfig`.
    JitConfigRequest(Place),
    /// `GET …/actions/runners`.
    ListRunners(Place),
    /// `GET …/actions/runners/{id}`.
    GetRunner(Place, RunnerId),
    /// `DELETE …/actions/runners/{id}`.
    DeleteRunner(Place, RunnerId),
    /// `GET /orgs/{org}/actions/runner-groups`.
    ListGroups(Place),
    /// `POST /orgs/{org}/actions/runner-groups`.
    MakeGroup(Place),
    /// `GET …/actions/jobs/{id}`.
    GetJob(Place, JobId),
    /// `POST …/actions/jobs/{id}/rerun`.
    Rerun(Place, JobId),
    /// `GET …/actions/runs`.
    ListRuns(Place),
    /// `GET …/actions/runs/{id}`.
    GetRun(Place, RunId),
    /// `GET …/actions/runs/{id}/attempts/{n}`.
    GetAttempt(Place, RunId, u32),
    /// `GET …/actions/runs/{id}/attempts/{n}/jobs`, or `…/jobs` for the latest attempt.
    ListJobs(Place, RunId, Option<u32>),
}

impl Operation {
    /// Reads a path; ids that are no numbers lead nowhere.
    #[must_use]
    pub fn parse(model: &Model, method: &str, path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match segments.as_slice() {
            ["repositories", id, rest @ ..] => {
                let full_name = model.accounts().full_name(RepositoryId(id.parse().ok()?));
                let (owner, name) = full_name.split_once('/')?;
                Self::of_place(
                    method,
                    Place::Repository(owner.to_owned(), name.to_owned()),
                    rest,
                )
            }
            ["repos", owner, name, rest @ ..] => Self::of_place(
                method,
                Place::Repository((*owner).to_owned(), (*name).to_owned()),
                rest,
            ),
            ["orgs", login, rest @ ..] => {
                Self::of_place(method, Place::Organization((*login).to_owned()), rest)
            }
            ["users", login, rest @ ..] => {
                Self::of_place(method, Place::User((*login).to_owned()), rest)
            }
            other => Self::of_app(method, other),
        }
    }

    fn of_app(method: &str, segments: &[&str]) -> Option<Self> {
        Some(match (method, segments) {
            ("GET", ["app"]) => Self::GetApp,
            ("GET", ["app", "installations"]) => Self::ListInstallations,
            ("GET", ["app", "installations", id]) => {
                Self::GetInstallation(InstallationId(id.parse().ok()?))
            }
            ("POST", ["app", "installations", id, "access_tokens"]) => {
                Self::MakeToken(InstallationId(id.parse().ok()?))
            }
            ("POST", ["app-manifests", code, "conversions"]) => Self::Convert((*code).to_owned()),
            ("GET", ["app", "hook", "config"]) => Self::GetHook,
            ("PATCH", ["app", "hook", "config"]) => Self::SetHook,
            ("GET", ["app", "hook", "deliveries"]) => Self::ListDeliveries,
            ("GET", ["app", "hook", "deliveries", id]) => {
                Self::GetDelivery(DeliveryId(id.parse().ok()?))
            }
            ("POST", ["app", "hook", "deliveries", id, "attempts"]) => {
                Self::Redeliver(DeliveryId(id.parse().ok()?))
            }
            ("GET", ["installation", "repositories"]) => Self::ListRepositories,
            _ => return None,
        })
    }

    fn of_place(method: &str, place: Place, rest: &[&str]) -> Option<Self> {
        Some(match (method, rest) {
            ("GET", []) if matches!(place, Place::Repository(..)) => Self::GetRepository(place),
            ("GET", ["installation"]) => Self::InstallationOf(place),
            ("POST", ["actions", "runners", "generate-jitconfig"]) => Self::JitConfigRequest(place),
            ("GET", ["actions", "runners"]) => Self::ListRunners(place),
            ("GET", ["actions", "runners", id]) => {
                Self::GetRunner(place, RunnerId(id.parse().ok()?))
            }
            ("DELETE", ["actions", "runners", id]) => {
                Self::DeleteRunner(place, RunnerId(id.parse().ok()?))
            }
            ("GET", ["actions", "runner-groups"]) => Self::ListGroups(place),
            ("POST", ["actions", "runner-groups"]) if matches!(place, Place::Organization(_)) => {
                Self::MakeGroup(place)
            }
            ("GET", ["actions", "jobs", id]) => Self::GetJob(place, JobId(id.parse().ok()?)),
            ("POST", ["actions", "jobs", id, "rerun"]) => {
                Self::Rerun(place, JobId(id.parse().ok()?))
            }
            ("GET", ["actions", "runs"]) => Self::ListRuns(place),
            ("GET", ["actions", "runs", id]) => Self::GetRun(place, RunId(id.parse().ok()?)),
            ("GET", ["actions", "runs", id, "attempts", attempt]) => {
                Self::GetAttempt(place, RunId(id.parse().ok()?), attempt.parse().ok()?)
            }
            ("GET", ["actions", "runs", id, "jobs"]) => {
                Self::ListJobs(place, RunId(id.parse().ok()?), None)
            }
            ("GET", ["actions", "runs", id, "attempts", attempt, "jobs"]) => {
                Self::ListJobs(place, RunId(id.parse().ok()?), Some(attempt.parse().ok()?))
            }
            _ => return None,
        })
    }

    /// Its `operationId` in GitHub's OpenAPI description.
    #[must_use]
    pub fn name(&self) -> &'static str {
        let organization = matches!(self.place(), Some(Place::Organization(_)));
        let either = |repository, org| if organization { org } else { repository };
        match self {
            Self::GetApp => "apps/get-authenticated",
            Self::ListInstallations => "apps/list-installations",
            Self::GetInstallation(_) => "apps/get-installation",
            Self::MakeToken(_) => "apps/create-installation-access-token",
            Self::InstallationOf(Place::Repository(..)) => "apps/get-repo-installation",
            Self::InstallationOf(Place::Organization(_)) => "apps/get-org-installation",
            Self::InstallationOf(Place::User(_)) => "apps/get-user-installation",
            Self::Convert(_) => "apps/create-from-manifest",
            Self::GetHook => "apps/get-webhook-config-for-app",
            Self::SetHook => "apps/update-webhook-config-for-app",
            Self::ListDeliveries => "apps/list-webhook-deliveries",
            Self::GetDelivery(_) => "apps/get-webhook-delivery",
            Self::Redeliver(_) => "apps/redeliver-webhook-delivery",
            Self::ListRepositories => "apps/list-repos-accessible-to-installation",
            Self::GetRepository(_) => "repos/get",
            Self::JitConfigRequest(_) => either(
                "actions/generate-runner-jitconfig-for-repo",
                "actions/generate-runner-jitconfig-for-org",
            ),
            Self::ListRunners(_) => either(
                "actions/list-self-hosted-runners-for-repo",
                "actions/list-self-hosted-runners-for-org",
            ),
            Self::GetRunner(..) => either(
                "actions/get-self-hosted-runner-for-repo",
                "actions/get-self-hosted-runner-for-org",
            ),
            Self::DeleteRunner(..) => either(
                "actions/delete-self-hosted-runner-from-repo",
                "actions/delete-self-hosted-runner-from-org",
            ),
            Self::ListGroups(_) => "actions/list-self-hosted-runner-groups-for-org",
            Self::MakeGroup(_) => "actions/create-self-hosted-runner-group-for-org",
            Self::GetJob(..) => "actions/get-job-for-workflow-run",
            Self::Rerun(..) => "actions/re-run-job-for-workflow-run",
            Self::ListRuns(_) => "actions/list-workflow-runs-for-repo",
            Self::GetRun(..) => "actions/get-workflow-run",
            Self::GetAttempt(..) => "actions/get-workflow-run-attempt",
            Self::ListJobs(_, _, Some(_)) => "actions/list-jobs-for-workflow-run-attempt",
            Self::ListJobs(_, _, None) => "actions/list-jobs-for-workflow-run",
        }
    }

    /// Whom it is about.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::InstallationOf(place)
            | Self::GetRepository(place)
            | Self::JitConfigRequest(place)
            | Self::ListRunners(place)
            | Self::GetRunner(place, _)
            | Self::DeleteRunner(place, _)
            | Self::ListGroups(place)
            | Self::MakeGroup(place)
            | Self::GetJob(place, _)
            | Self::Rerun(place, _)
            | Self::ListRuns(place)
            | Self::GetRun(place, _)
            | Self::GetAttempt(place, ..)
            | Self::ListJobs(place, _, _) => Some(place),
            _ => None,
        }
    }
}
