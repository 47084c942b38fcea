//! The runner groups that pools at organization scope name: where one is missing, GitHub registers
//! no runner.

use mayfly_github::RunnerGroups;

use super::finding::{Area, Finding, Repair};
use crate::github::runner_group::{Ensured, FIX, NamedGroup, ensure};

/// What follows for the groups.
#[must_use]
pub fn judge(groups: &[NamedGroup]) -> Vec<Finding> {
    let findings = groups.iter().map(|named| match &named.there {
        Err(failure) => Finding::not_seen(Area::App, failure),
        Ok(true) => Finding::good(
            Area::App,
            format!(
                "{} has the runner group {}",
                named.organization.login, named.group
            ),
        ),
        Ok(false) => {
            let repair = Repair::MakeGroup {
                organization: named.organization.login.clone(),
                name: named.group.clone(),
            };
            Finding::error(Area::App, named.missing(), FIX).repairable(repair)
        }
    });
    findings.collect()
}

/// Makes the groups that are missing. Tells what was done.
pub async fn repair(github: &impl RunnerGroups, groups: &mut [NamedGroup]) -> Vec<Finding> {
    let mut done = Vec::new();
    for named in groups.iter_mut().filter(|named| named.there == Ok(false)) {
        let (login, group) = (&named.organization.login, &named.group);
        done.push(match ensure(github, named.installation, &named.organization, group).await {
            Ok(Ensured::Found | Ensured::Made) => {
                let made = Finding::good(Area::App, format!("repaired: created the runner group {group} of {login}"));
                named.there = Ok(true);
                made
            }
            Ok(Ensured::Refused(why)) => Finding::error(
                Area::App,
                format!("GitHub did not create the runner group {group} of {login}: {why}"),
                "runner groups need GitHub Team or Enterprise: otherwise set runner_group = \"Default\", and mayfly apply it",
            ),
            Err(failure) => Finding::error(Area::App, failure.problem, failure.hint),
        });
    }
    done
}
