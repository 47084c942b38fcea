//! What happens once or for a while: outages, hostile callers, Apps that are taken away, containers
//! that die.

use super::chance::Chance;
use super::pools::House;
use crate::simulation::scenario::{Act, Action, Fake, Outage, Stranger};

/// The acts.
pub(super) fn acts(chance: &mut Chance, house: &House, last: f64, intensity: f64) -> Vec<Act> {
    let mut acts = Vec::new();
    let mut moments = Moments { chance, last };
    outages(&mut moments, intensity, &mut acts);
    app(&mut moments, house, &mut acts);
    refusals(&mut moments, house, &mut acts);
    hostile(&mut moments, house, &mut acts);
    containers(&mut moments, intensity, &mut acts);
    acts
}

/// Draws with a time span.
struct Moments<'a> {
    chance: &'a mut Chance,
    last: f64,
}

impl Moments<'_> {
    /// Some time before the last push, or shortly after it.
    fn any(&mut self) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "seconds of some hours"
        )]
        let last = self.last as u64;
        self.chance.seconds(0, last + 60)
    }

    fn act(&mut self, action: Action, acts: &mut Vec<Act>) -> f64 {
        let at = self.any();
        acts.push(Act { at, action });
        at
    }

    fn later(&mut self, at: f64, action: Action, acts: &mut Vec<Act>) {
        acts.push(Act {
            at: at + self.chance.seconds(30, 900),
            action,
        });
    }
}

fn outages(moments: &mut Moments<'_>, intensity: f64, acts: &mut Vec<Act>) {
    let all = [
        Outage::Github,
        Outage::Github,
        Outage::Deliveries,
        Outage::Deliveries,
        Outage::Ecs,
        Outage::EcsRefuses,
        Outage::Table,
        Outage::Queue,
        Outage::Parameters,
    ];
    for what in all {
        if moments.chance.share() < 0.12 * intensity {
            let seconds = moments.chance.between(20, 600);
            moments.act(Action::Down { what, seconds }, acts);
        }
    }
}

fn app(moments: &mut Moments<'_>, house: &House, acts: &mut Vec<Act>) {
    let account = moments.chance.pick(&house.file.accounts);
    if moments.chance.one_in(14) {
        let at = moments.act(
            Action::Uninstall {
                account: account.clone(),
            },
            acts,
        );
        moments.later(
            at,
            Action::Install {
                account: account.clone(),
            },
            acts,
        );
    }
    if moments.chance.one_in(14) {
        let at = moments.act(
            Action::Suspend {
                account: account.clone(),
            },
            acts,
        );
        moments.later(at, Action::Resume { account }, acts);
    }
    if moments.chance.one_in(10) {
        let repository = moments.chance.pick(&house.repositories);
        // GitHub sends callers on until someone makes a repository of the old name.
        let redirects = moments.chance.one_in(2);
        moments.act(
            Action::Rename {
                repository,
                to: "renamed".to_owned(),
                redirects,
            },
            acts,
        );
    }
    if moments.chance.one_in(12) {
        let at = moments.act(Action::Spoil, acts);
        moments.later(at, Action::Apply(house.file.clone()), acts);
    }
}

fn refusals(moments: &mut Moments<'_>, house: &House, acts: &mut Vec<Act>) {
    if !moments.chance.one_in(6) {
        return;
    }
    let place = moments.chance.pick(&house.repositories);
    let status = moments.chance.pick(&[403, 404, 422]);
    let at = moments.act(
        Action::Refuse {
            place: place.clone(),
            status,
        },
        acts,
    );
    if moments.chance.percent(70) {
        moments.later(at, Action::Allow { place }, acts);
    }
}

fn hostile(moments: &mut Moments<'_>, house: &House, acts: &mut Vec<Act>) {
    for fake in [Fake::WronglySigned, Fake::Unsigned, Fake::Nonsense] {
        if moments.chance.one_in(4) {
            let action = moments
                .chance
                .pick(&["queued", "in_progress", "completed"])
                .to_owned();
            moments.act(Action::Forge { fake, action }, acts);
        }
    }
    for stranger in [
        Stranger::OtherTask,
        Stranger::NoTask,
        Stranger::OtherRole,
        Stranger::OtherAccount,
    ] {
        if moments.chance.one_in(4) {
            for _ in 0..moments.chance.between(1, 4) {
                moments.act(Action::Intrude { stranger }, acts);
            }
        }
    }
    if moments.chance.one_in(8) {
        let repository = moments.chance.pick(&house.repositories);
        let pool = moments.chance.pick(&house.file.pools);
        moments.act(
            Action::Impersonate {
                repository,
                labels: pool.labels,
            },
            acts,
        );
    }
}

fn containers(moments: &mut Moments<'_>, intensity: f64, acts: &mut Vec<Act>) {
    if moments.chance.share() < 0.3 * intensity {
        for _ in 0..moments.chance.between(1, 3) {
            moments.act(Action::Kill, acts);
        }
    }
    if moments.chance.share() < 0.3 * intensity {
        for _ in 0..moments.chance.between(1, 3) {
            moments.act(Action::Reclaim, acts);
        }
    }
    if moments.chance.one_in(6) {
        let at = moments.act(Action::Hang { on: true }, acts);
        moments.later(at, Action::Hang { on: false }, acts);
    }
}
