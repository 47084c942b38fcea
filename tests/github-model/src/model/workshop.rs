//! Apps in the making.

use super::Model;
use super::outbox::Notification;
use crate::accounts::{ACME, GLOBEX, MONA};
use crate::app::App;
use crate::hook::{ContentType, Hook};
use crate::id::{AccountId, InstallationId};
use crate::key::KeyPair;
use crate::manifest::{Manifest, name_problem, slug};
use crate::settings::after;
use crate::shape;
use crate::wire::Answer;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What was begun on GitHub's pages. The model knows one App: one that is made takes the place of
/// the one before.
#[derive(Debug, Clone, Default)]
pub struct Workshop {
    drafts: BTreeMap<String, Draft>,
    /// When each code was given, until it is used.
    codes: BTreeMap<String, Timestamp>,
    taken: BTreeSet<String>,
    made: u64,
    next_key: Option<KeyPair>,
}

/// A manifest that waits for its user's word.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) owner: AccountId,
    pub(crate) manifest: Manifest,
    pub(crate) state: Option<String>,
}

impl Model {
    /// The next App gets this key; else one is made, which takes a while.
    pub fn provide_key(&mut self, key: KeyPair) {
        self.workshop.next_key = Some(key);
    }

    /// Someone else has an App of this name.
    pub fn take_name(&mut self, name: &str) {
        self.workshop.taken.insert(name.to_owned());
    }

    /// Whose App someone who is signed in as mona may make there: her own, or one of her
    /// organizations'.
    pub(crate) fn maker(&self, organization: Option<&str>) -> Option<AccountId> {
        match organization {
            None => Some(MONA),
            Some(login) => self
                .accounts
                .account_by_login(login)
                .map(|one| one.id)
                .filter(|id| [ACME, GLOBEX].contains(id)),
        }
    }

    /// Keeps a manifest until its user says yes.
    pub(crate) fn draft(&mut self, draft: Draft) -> String {
        let id = self.chance.hex(8);
        self.workshop.drafts.insert(id.clone(), draft);
        id
    }

    /// The user says yes: the App is there, and the browser goes on with a code.
    ///
    /// # Errors
    /// What is wrong with the name; none if there is no such draft.
    pub(crate) fn make_app(
        &mut self,
        draft: &str,
        name: &str,
        now: Timestamp,
    ) -> Result<String, Option<&'static str>> {
        let Some(Draft {
            owner,
            manifest,
            state,
        }) = self.workshop.drafts.get(draft).cloned()
        else {
            return Err(None);
        };
        let taken = self
            .workshop
            .taken
            .iter()
            .cloned()
            .chain([self.app.name.clone()]);
        if let Some(problem) = name_problem(name, taken) {
            return Err(Some(problem));
        }
        let Some(key) = self
            .workshop
            .next_key
            .take()
            .or_else(|| KeyPair::generate().ok())
        else {
            return Err(None);
        };
        self.workshop.drafts.remove(draft);
        self.workshop.taken.insert(self.app.name.clone());
        self.workshop.made += 1;
        let number = i64::try_from(self.workshop.made).unwrap_or_default();
        self.app = App {
            id: 2_000_000 + number,
            client_id: format!("Iv23liMade{number:010}"),
            slug: slug(name),
            name: name.to_owned(),
            owner,
            permissions: manifest.permissions(),
            events: manifest.default_events.clone(),
            created_at: now,
            public_key: key.public,
            private_pem: key.private_pem,
        };
        self.accounts.uninstall_all(now);
        self.deliveries = self.deliveries.cleared();
        let hook = manifest.hook_attributes.filter(|hook| hook.active);
        // GitHub's default for what is made by API is the form.
        self.hook = Hook {
            url: hook.map(|hook| hook.url),
            secret: self.chance.hex(20),
            content_type: ContentType::Form,
        };
        if self.hook.url.is_some() {
            self.ping(now);
        }
        let code = self.chance.hex(20);
        self.workshop.codes.insert(code.clone(), now);
        let joint = if manifest.redirect_url.contains('?') {
            '&'
        } else {
            '?'
        };
        let state = state
            .map(|state| format!("&state={state}"))
            .unwrap_or_default();
        Ok(format!(
            "{}{joint}code={code}{state}",
            manifest.redirect_url
        ))
    }

    /// The code's App with its secrets: once, and within an hour.
    pub(crate) fn convert(&mut self, code: &str, now: Timestamp) -> Answer {
        match self.workshop.codes.remove(code) {
            Some(given) if now <= after(given, self.settings.manifest_code_life) => {
                Answer::json(201, shape::installation::conversion(self))
            }
            _ => Answer::not_found(),
        }
    }

    /// Someone installs the App. A private one goes nowhere but to its owner.
    pub fn install_app(&mut self, now: Timestamp) -> InstallationId {
        let id = self
            .accounts
            .install_with(self.app.owner, self.app.permissions.clone(), now);
        if self.hook.url.is_some()
            && let Some(installation) = self.accounts.installation(id).cloned()
        {
            let payload = shape::payload::installation(self, &installation).to_string();
            self.notify(
                Notification {
                    event: "installation",
                    action: Some("created"),
                    installation: Some(id),
                    payload,
                },
                now,
            );
        }
        id
    }
}
