//! What the App does as itself: installations, tokens, deliveries.

use super::access::Access;
use super::{Operation, Place, pages};
use crate::deliveries::{Delivery, Stage};
use crate::hook::HookChange;
use crate::id::{DeliveryId, InstallationId};
use crate::model::Model;
use crate::shape;
use crate::tokens::Narrowing;
use crate::wire::{Answer, Request};
use jiff::Timestamp;
use serde_json::{Value, json};

impl Model {
    /// Carries out what was allowed.
    pub(super) fn perform(
        &mut self,
        operation: &Operation,
        access: &Access,
        request: &Request,
        now: Timestamp,
    ) -> Answer {
        match access {
            Access::Scope(scope) => self.perform_in(*scope, operation, request, now),
            Access::Installation(grant) => {
                let repositories = self.accounts.repositories().filter(|one| {
                    one.installed
                        && grant.covers(one.id)
                        && self
                            .accounts
                            .installation(grant.installation)
                            .is_some_and(|own| own.account == one.owner)
                });
                let lines: Vec<Value> = repositories
                    .filter_map(|one| {
                        let owner = self.accounts.account(one.owner)?;
                        Some(shape::repository::full(&self.urls, one, owner))
                    })
                    .collect();
                pages::page(&self.urls.api, request, Some("repositories"), lines)
            }
            Access::App => self.perform_as_app(operation, request, now),
        }
    }

    fn perform_as_app(
        &mut self,
        operation: &Operation,
        request: &Request,
        now: Timestamp,
    ) -> Answer {
        match operation {
            Operation::GetApp => Answer::json(200, shape::installation::app(self)),
            Operation::ListInstallations => {
                let lines = self
                    .accounts
                    .installations()
                    .map(|one| shape::installation::installation(self, one));
                let lines: Vec<_> = lines.collect();
                pages::page(&self.urls.api, request, None, lines)
            }
            Operation::GetInstallation(id) => self.installation_answer(Some(*id)),
            Operation::InstallationOf(place) => match self.installation_of(place, request) {
                Ok(id) => self.installation_answer(id),
                Err(answer) => *answer,
            },
            Operation::MakeToken(id) => self.token_answer(*id, request, now),
            Operation::GetHook => self.hook_answer(),
            Operation::SetHook => match request.read::<HookChange>() {
                Ok(change) => {
                    self.hook.apply(change);
                    self.hook_answer()
                }
                Err(_) => Answer::message(422, "Validation Failed"),
            },
            Operation::ListDeliveries => self.deliveries_page(request),
            Operation::GetDelivery(id) => self.delivery_answer(*id),
            Operation::Redeliver(id) => {
                if self.deliveries.get(*id).is_none_or(|one| one.forged) {
                    return Answer::not_found();
                }
                match self.redeliver(*id, now) {
                    Some(_) => Answer::json(202, json!({})),
                    None => Answer::message(422, "This delivery cannot be redelivered."),
                }
            }
            _ => Answer::not_found(),
        }
    }

    fn hook_answer(&self) -> Answer {
        let (url, content_type) = (
            self.hook.url.clone().unwrap_or_default(),
            self.hook.content_type,
        );
        Answer::json(
            200,
            json!({ "url": url, "content_type": content_type, "secret": "********", "insecure_ssl": "0" }),
        )
    }

    fn installation_of(
        &self,
        place: &Place,
        request: &Request,
    ) -> Result<Option<InstallationId>, Box<Answer>> {
        let found = match place {
            Place::Repository(owner, name) => self
                .accounts
                .installation_for(self.follow(owner, name, request)?),
            Place::Organization(login) | Place::User(login) => self
                .accounts
                .account_by_login(login)
                .filter(|account| account.organization == matches!(place, Place::Organization(_)))
                .and_then(|account| self.accounts.installation_on(account.id)),
        };
        Ok(found.map(|installation| installation.id))
    }

    fn installation_answer(&self, id: Option<InstallationId>) -> Answer {
        id.and_then(|id| self.accounts.installation(id))
            .map_or_else(Answer::not_found, |installation| {
                Answer::json(200, shape::installation::installation(self, installation))
            })
    }

    fn token_answer(&mut self, id: InstallationId, request: &Request, now: Timestamp) -> Answer {
        let narrowing: Narrowing = match request.read() {
            Ok(narrowing) => narrowing,
            Err(_) => return Answer::message(422, "Invalid request."),
        };
        if self
            .accounts
            .installation(id)
            .is_some_and(|one| one.suspended_at.is_some())
        {
            return Answer::message(403, "This installation has been suspended");
        }
        match self.make_token(id, &narrowing, now) {
            None => Answer::not_found(),
            Some(Err(denied)) => Answer::message(422, denied.words()),
            Some(Ok((token, grant))) => {
                Answer::json(201, shape::installation::token(self, &token, &grant))
            }
        }
    }

    /// Newest first; `cursor` names the first delivery of the page.
    fn deliveries_page(&self, request: &Request) -> Answer {
        let size = pages::size(request);
        let form = format!("v{}_", self.faults.cursor_form + 1);
        let named = request.query.get("cursor").map(|cursor| {
            cursor
                .strip_prefix(&form)
                .and_then(|id| id.parse().ok())
                .map(DeliveryId)
        });
        let wanted = self.deliveries.shown().filter(|(_, outcome)| {
            match request.query.get("status").map(String::as_str) {
                Some("success") => outcome.is_success(),
                Some("failure") => !outcome.is_success(),
                _ => true,
            }
        });
        let mut page: Vec<_> = wanted
            .skip_while(|(one, _)| named.is_some_and(|named| named != Some(one.id)))
            .take(size + 1)
            .collect();
        if named.is_some() && page.is_empty() {
            return Answer::message(400, "Invalid cursor");
        }
        let next = if page.len() > size { page.pop() } else { None };
        let lines = page
            .iter()
            .map(|(one, outcome)| shape::delivery::line(one, outcome));
        let answer = Answer::json(200, Value::Array(lines.collect()));
        match next {
            None => answer,
            Some((next, _)) => {
                let next = pages::link(
                    &self.urls.api,
                    request,
                    "cursor",
                    &format!("{form}{}", next.id),
                );
                answer.header("link", format!("<{next}>; rel=\"next\""))
            }
        }
    }

    fn delivery_answer(&self, id: DeliveryId) -> Answer {
        match self.deliveries.get(id) {
            Some(
                one @ Delivery {
                    stage: Stage::Over(outcome),
                    forged: false,
                    ..
                },
            ) => Answer::json(
                200,
                shape::delivery::full(one, outcome, self.hook.url.as_deref()),
            ),
            _ => Answer::not_found(),
        }
    }
}
