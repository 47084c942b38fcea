//! Whether a callback is GitHub's answer to a form of this run: `state` is random, compared in
//! constant time, good once and for an hour.

use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use subtle::ConstantTimeEq as _;

use super::manifest::Choice;
use crate::deployment::secrets_store;
use crate::failure::Failure;

/// How long a form may lie before its answer counts no more: GitHub's code is good for an hour
/// (docs.github.com, "Registering a GitHub App from a manifest").
const LIFE: Duration = Duration::from_secs(60 * 60);

/// Forms that may be open at a time; the oldest gives way.
const OPEN: usize = 16;

/// Longest code that is taken. GitHub's have 40 characters.
const LONGEST_CODE: usize = 128;

/// Why a callback is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It has no state, or another one than any form of this run.
    #[error("this answer belongs to another run of mayfly: its state differs")]
    Foreign,
    /// It came before.
    #[error("this answer was used already, and works only once")]
    Replayed,
    /// Its form is more than an hour old.
    #[error("the form of this answer is more than an hour old: start again on mayfly's page")]
    Stale,
    /// It has no code, or one that is none of GitHub's.
    #[error("this answer has no code in the form that GitHub uses")]
    NoCode,
}

/// What GitHub exchanges for the App's secrets: as good as those until it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

impl Code {
    /// The code, for the one call that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A code as it stands in a callback's query. It becomes a part of a path: nothing that would
    /// lead elsewhere is taken.
    fn read(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (!text.is_empty() && text.len() <= LONGEST_CODE && text.bytes().all(allowed))
            .then(|| Self(text.to_owned()))
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(…)")
    }
}

struct Form {
    state: String,
    at: Timestamp,
    choice: Choice,
}

/// The forms of this run, and whether one was answered.
#[derive(Default)]
pub struct OauthStates {
    forms: Vec<Form>,
    answered: bool,
}

impl OauthStates {
    /// A form is given out: its state.
    ///
    /// # Errors
    ///
    /// If the operating system has no randomness.
    pub fn issue(&mut self, choice: Choice, now: Timestamp) -> Result<String, Failure> {
        let state = secrets_store::fresh()?.expose().to_owned();
        if self.forms.len() >= OPEN {
            self.forms.remove(0);
        }
        self.forms.push(Form {
            state: state.clone(),
            at: now,
            choice,
        });
        Ok(state)
    }

    /// An answer came.
    ///
    /// # Errors
    ///
    /// [`Refused`]; nothing changes then, so that strangers cannot spoil the true answer.
    pub fn take(
        &mut self,
        state: Option<&str>,
        code: Option<&str>,
        now: Timestamp,
    ) -> Result<(Code, Choice), Refused> {
        let given = state.unwrap_or_default().as_bytes();
        // All of them, whichever it is: how long this takes says nothing.
        let mut found = None;
        for form in &self.forms {
            if bool::from(form.state.as_bytes().ct_eq(given)) {
                found = Some(form);
            }
        }
        let form = found.ok_or(Refused::Foreign)?;
        if self.answered {
            return Err(Refused::Replayed);
        }
        if now.since(form.at) > LIFE {
            return Err(Refused::Stale);
        }
        let code = code.and_then(Code::read).ok_or(Refused::NoCode)?;
        let choice = form.choice.clone();
        self.answered = true;
        Ok((code, choice))
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Scope;
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_356_000_000);

    fn guard() -> (OauthStates, String) {
        let mut guard = OauthStates::default();
        let state = guard.issue(choice("one"), NOW).unwrap();
        (guard, state)
    }

    fn choice(name: &str) -> Choice {
        Choice::checked(Scope::Organization, "acme", name).unwrap()
    }

    #[test]
    fn the_answer_to_a_form_is_taken_with_what_was_chosen_on_it() {
        let (mut guard, first) = guard();
        guard.issue(choice("two"), NOW).unwrap();
        let (code, chosen) = guard.take(Some(&first), Some("c0de"), NOW).unwrap();
        assert_eq!((code.expose(), chosen.name.as_str()), ("c0de", "one"));
        assert_eq!(format!("{code:?}"), "Code(…)");
    }

    #[test]
    fn an_answer_counts_once_and_so_do_all_forms_together() {
        let (mut guard, first) = guard();
        let second = guard.issue(choice("two"), NOW).unwrap();
        guard.take(Some(&first), Some("c0de"), NOW).unwrap();
        assert_eq!(
            guard.take(Some(&first), Some("c0de"), NOW),
            Err(Refused::Replayed)
        );
        assert_eq!(
            guard.take(Some(&second), Some("other"), NOW),
            Err(Refused::Replayed)
        );
    }

    #[test]
    fn a_strange_state_is_refused_and_spoils_nothing() {
        let (mut guard, state) = guard();
        let (shorter, longer) = (&state[..63], format!("{state}0"));
        for strange in [
            None,
            Some(""),
            Some("x"),
            Some(shorter),
            Some(longer.as_str()),
            Some(state.to_uppercase().as_str()),
        ] {
            assert_eq!(
                guard.take(strange, Some("c0de"), NOW),
                Err(Refused::Foreign),
                "{strange:?}"
            );
        }
        assert!(guard.take(Some(&state), Some("c0de"), NOW).is_ok());
    }

    #[test]
    fn an_answer_after_an_hour_is_stale() {
        let (mut guard, state) = guard();
        let late = NOW.plus(LIFE).plus(Duration::from_millis(1));
        assert_eq!(
            guard.take(Some(&state), Some("c0de"), late),
            Err(Refused::Stale)
        );
        assert!(
            guard
                .take(Some(&state), Some("c0de"), NOW.plus(LIFE))
                .is_ok()
        );
    }

    #[test]
    fn a_code_cannot_lead_elsewhere() {
        let (mut guard, state) = guard();
        let long = "c".repeat(129);
        for strange in [
            None,
            Some(""),
            Some("../../user"),
            Some("a/b"),
            Some("a?b"),
            Some("a%2Fb"),
            Some("a b"),
            Some(long.as_str()),
        ] {
            assert_eq!(
                guard.take(Some(&state), strange, NOW),
                Err(Refused::NoCode),
                "{strange:?}"
            );
        }
    }

    #[test]
    fn forms_do_not_pile_up() {
        let (mut guard, first) = guard();
        for _ in 0..OPEN {
            guard.issue(choice("more"), NOW).unwrap();
        }
        assert_eq!(
            guard.take(Some(&first), Some("c0de"), NOW),
            Err(Refused::Foreign)
        );
        assert_eq!(guard.forms.len(), OPEN);
    }
}
