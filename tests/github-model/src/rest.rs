//! GitHub's REST API, as far as a GitHub App with runners uses it.
//!
//! One call goes: fault, route, caller, rate limit, permission, operation. Below `/api/v3` like
//! GitHub Enterprise Server, and at the root.

mod access;
mod actions;
mod apps;
mod operation;
mod pages;
mod runners;

pub use operation::{Operation, Place};

use super::exchanges::Exchange;
use super::jobs::Status;
use super::limits::{LimitStatus, Verdict};
use super::model::{Caller, Model};
use super::settings::seconds;
use super::wire::{Answer, Request};
use jiff::Timestamp;
use std::time::Duration;

/// Versions of the API that GitHub serves today (GitHub docs, API versions).
const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

impl Model {
    /// Answers a call of the REST API.
    pub fn rest(&mut self, request: &Request, now: Timestamp) -> Answer {
        self.rest_by(None, request, now)
    }

    /// Answers a call that the App makes as itself, without the JWT by which it would prove that.
    pub fn rest_as_app(&mut self, request: &Request, now: Timestamp) -> Answer {
        self.rest_by(Some(Caller::App), request, now)
    }

    /// Answers a call of someone who is known, or else has to say who calls.
    fn rest_by(&mut self, known: Option<Caller>, request: &Request, now: Timestamp) -> Answer {
        self.advance(now);
        let path = request
            .path
            .strip_prefix("/api/v3")
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(&request.path);
        let operation = Operation::parse(self, &request.method, path);
        let answer = match &operation {
            None => Answer::not_found(),
            Some(operation) => self.struck(operation, known, request, now),
        };
        let name = operation.as_ref().map_or("unknown", Operation::name);
        self.calls.count(name, answer.status);
        self.exchanges.keep(Exchange {
            operation: name.to_owned(),
            status: answer.status,
            query: request.query.clone(),
            request: serde_json::from_slice(&request.body).ok(),
            response: answer.body.clone(),
        });
        let id = self.chance.hex(10).to_uppercase();
        let date = jiff::fmt::rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&now)
            .unwrap_or_default();
        answer
            .header("x-github-request-id", id)
            .header("x-github-media-type", "github.v3; format=json")
            .header("date", date)
    }

    /// The operation, or what a fault makes of it.
    fn struck(
        &mut self,
        operation: &Operation,
        known: Option<Caller>,
        request: &Request,
        now: Timestamp,
    ) -> Answer {
        let faults = self.faults.api.clone();
        let concerned = faults.concerns(operation.name());
        let mut hits = |share: f64| concerned && self.chance.hits(share);
        let delay = if hits(faults.slow) {
            seconds(faults.slow_by)
        } else {
            Duration::ZERO
        };
        let fault = if hits(faults.server_error) {
            Some(None)
        } else if hits(faults.primary_limit) {
            Some(Some(primary(
                faults.limited_with,
                now.as_second() + faults.primary_reset,
            )))
        } else if hits(faults.secondary_limit) {
            Some(Some(secondary(faults.limited_with, faults.retry_after)))
        } else {
            None
        };
        let lost = fault.is_none() && hits(faults.answer_lost);
        if lost || fault.is_some() || !delay.is_zero() {
            self.faults.api.spend();
        }
        let mut answer = match fault {
            Some(Some(limited)) => limited,
            Some(None) => self.broken(),
            None => self.serve(operation, known, request, now),
        };
        if lost {
            // Carried out, and no one will know.
            answer = Answer::message(502, "Server Error");
        }
        answer.delay = delay;
        answer
    }

    fn broken(&mut self) -> Answer {
        match self.chance.below(3) {
            0 => Answer::message(500, "Server Error"),
            1 => Answer::message(502, "Server Error"),
            _ => Answer::message(503, "Service Unavailable"),
        }
    }

    fn serve(
        &mut self,
        operation: &Operation,
        known: Option<Caller>,
        request: &Request,
        now: Timestamp,
    ) -> Answer {
        if request
            .headers
            .get("user-agent")
            .is_none_or(|agent| agent.trim().is_empty())
        {
            return Answer::message(
                403,
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.",
            );
        }
        if let Some(version) = request.headers.get("x-github-api-version")
            && !VERSIONS.contains(&version.as_str())
        {
            return Answer::message(
                400,
                &format!("{version:?} is not a supported version of the GitHub API."),
            );
        }
        // No one is anyone before there is an App: the code is the proof.
        if let Operation::Convert(code) = operation {
            return self.convert(code, now);
        }
        let proven = |model: &Self| {
            model.caller(
                request.headers.get("authorization").map(String::as_str),
                now,
            )
        };
        let caller = match known.map_or_else(|| proven(self), Ok) {
            Ok(caller) => caller,
            Err(Some(rejection)) => {
                let (status, words) = rejection.words();
                return Answer::message(status, words);
            }
            Err(None) if request.headers.contains_key("authorization") => {
                return Answer::message(401, "Bad credentials");
            }
            Err(None) => return Answer::message(401, "Requires authentication"),
        };
        let payer = match &caller {
            Caller::App => self.app.id,
            Caller::Installation(grant) => grant.installation.0,
        };
        let limit_status =
            match self
                .limits
                .spend(payer, request.method != "GET", &self.settings, now)
            {
                Verdict::Pass(limit_status) => limit_status,
                Verdict::Primary(limit_status) => {
                    return with_rate_limit(primary(403, limit_status.reset), limit_status);
                }
                Verdict::Secondary(limit_status, wait) => {
                    return with_rate_limit(
                        secondary(403, u32::try_from(wait).unwrap_or(60)),
                        limit_status,
                    );
                }
            };
        let answer = match self.authorize(operation, &caller, request) {
            Ok(access) => self.perform(operation, &access, request, now),
            Err(answer) => *answer,
        };
        with_rate_limit(answer, limit_status)
    }
}

fn with_rate_limit(answer: Answer, limit_status: LimitStatus) -> Answer {
    answer
        .header("x-ratelimit-limit", limit_status.limit)
        .header("x-ratelimit-remaining", limit_status.remaining)
        .header("x-ratelimit-used", limit_status.used)
        .header("x-ratelimit-reset", limit_status.reset)
        .header("x-ratelimit-resource", "core")
}

/// The hour's requests are used up.
fn primary(status: u16, reset: i64) -> Answer {
    let answer = Answer::message(status, "API rate limit exceeded for installation.");
    with_rate_limit(
        answer,
        LimitStatus {
            limit: 5_000,
            remaining: 0,
            used: 5_000,
            reset,
        },
    )
}

/// Too much at once.
fn secondary(status: u16, retry_after: u32) -> Answer {
    Answer::message(
        status,
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
    )
    .header("retry-after", retry_after)
}

/// What `?status=` of the list of runs means: a state, or a conclusion.
fn status_named(name: &str) -> Option<Status> {
    [
        Status::Queued,
        Status::Waiting,
        Status::Pending,
        Status::InProgress,
        Status::Completed,
    ]
    .into_iter()
    .find(|status| status.word() == name)
}
