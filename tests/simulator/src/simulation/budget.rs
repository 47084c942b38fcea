//! What sweeper asks GitHub for, sweep by sweep, against the budget that it states itself
//! (`functions/sweeper/src/budget.rs`): I9.

use std::collections::BTreeMap;

use crate::system::{Port, PortCall};

/// Questions of one sweep for one installation, those aside that are urgent.
const QUESTIONS: u64 = 30;

/// Urgent ones of one sweep, at most.
const URGENT: u64 = 130;

/// Calls of a question: about a job and its run, a job and its repository, a runner and its
/// repository.
const CALLS_EACH: u64 = 2;

/// Urgent questions that come of one registration, at most: it was handed to a runner that got no
/// job, or one that has to go, and GitHub may have to be asked again. "Both come of a registration
/// that was paid with a call."
const URGENT_EACH: u64 = 3;

/// Calls by installation.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// Of each sweep so far.
    sweeps: BTreeMap<(u64, String), u64>,
    /// Registrations asked for.
    registrations: BTreeMap<String, u64>,
    /// Calls beyond what is not urgent, in all sweeps.
    urgent: BTreeMap<String, u64>,
}

impl Budget {
    /// A function asks GitHub something. What was exceeded by it, in words.
    pub(super) fn called(&mut self, call: &PortCall, invocation: Option<u64>) -> Option<String> {
        if call.port != Port::Github {
            return None;
        }
        let installation = call.about.rsplit_once(" of ")?.1.to_owned();
        if call.operation == "generate-jitconfig" {
            *self.registrations.entry(installation).or_default() += 1;
            return None;
        }
        let invocation = invocation.filter(|_| call.who == "sweeper")?;
        let calls = self
            .sweeps
            .entry((invocation, installation.clone()))
            .or_default();
        *calls += 1;
        if *calls <= CALLS_EACH * QUESTIONS {
            return None;
        }
        if *calls == CALLS_EACH * (QUESTIONS + URGENT) + 1 {
            return Some(format!(
                "sweep {invocation} made more than {} calls to GitHub for installation {installation}",
                *calls - 1
            ));
        }
        let urgent = self.urgent.entry(installation.clone()).or_default();
        *urgent += 1;
        let registrations = self
            .registrations
            .get(&installation)
            .copied()
            .unwrap_or_default();
        (*urgent == CALLS_EACH * URGENT_EACH * registrations + 1).then(|| {
            format!(
                "sweeps made {urgent} calls to GitHub for installation {installation} as urgent ones, after {registrations} registrations"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(who: &'static str, operation: &'static str) -> PortCall {
        PortCall {
            who,
            port: Port::Github,
            operation,
            about: "GET /repos/acme/app/actions/jobs/7 of 61000001".to_owned(),
            nth: 0,
        }
    }

    #[test]
    fn a_sweep_may_ask_what_its_budget_says_and_more_only_for_registrations_that_were_made() {
        let mut budget = Budget::default();
        let asked = |budget: &mut Budget, sweep: u64, times: u64| {
            (0..times)
                .filter_map(|_| budget.called(&call("sweeper", "get-job"), Some(sweep)))
                .count()
        };
        assert_eq!(asked(&mut budget, 1, 60), 0);
        assert_eq!(asked(&mut budget, 2, 60), 0);
        assert_eq!(asked(&mut budget, 2, 1), 1, "nothing was registered");
        assert_eq!(
            budget.called(&call("registrar", "generate-jitconfig"), Some(3)),
            None
        );
        assert_eq!(asked(&mut budget, 2, 5), 0);
        assert_eq!(asked(&mut budget, 4, 61), 1, "six for one registration");
        assert_eq!(asked(&mut budget, 4, 260), 1, "no sweep makes so many");
    }
}
