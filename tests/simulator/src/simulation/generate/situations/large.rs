//! A pool of hundreds of runners that all work for half an hour: bursts far above GitHub's 180
//! registrations a minute, questions about runners at work, matrices that are cancelled, and
//! between all that short jobs that no one wants to wait for.

use super::super::chance::Chance;
use super::super::fault_profile;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{afterwards, push, push_to};
use crate::simulation::scenario::{Act, Action, FaultProfile, Moment, Scenario, Timing};

pub(super) const SITUATION: Situation = Situation {
    name: "large",
    draw,
};

/// Jobs of a matrix, at most. Source: GitHub docs, Actions limits.
const MATRIX: u32 = 256;

/// After so many seconds GitHub gives a silent runner up, as it really does.
const LOST_AFTER: f64 = 600.0;

fn draw(chance: &mut Chance) -> Scenario {
    let max = chance.pick(&[500, 500, 500, 600, 750, 990]);
    // A size that has started is launched without caution.
    let mut acts = vec![push(1, 1.0, 1, 20.0)];
    let burst = chance.count(300, max.min(900));
    acts.push(push(
        2,
        chance.seconds(70, 120),
        burst,
        chance.seconds(1_500, 2_100),
    ));
    for id in 10..chance.count(14, 22) {
        let repository = chance.pick(&["acme/app", "acme/lib"]);
        let (at, seconds) = (chance.seconds(150, 2_400), chance.seconds(10, 120));
        acts.push(push_to(repository, (id, at), (chance.count(1, 6), seconds)));
    }
    if chance.percent(40) {
        let (at, jobs) = (chance.seconds(200, 1_200), chance.count(100, MATRIX));
        acts.push(push(3, at, jobs, 300.0));
        let moment = chance.pick(&[Moment::Then, Moment::AtLaunch, Moment::AtRegistration]);
        let gone = at + chance.seconds(20, 200);
        acts.extend((0..jobs).map(|job| Act {
            at: gone,
            action: Action::Cancel {
                batch: 3,
                job,
                moment,
            },
        }));
    }
    acts.push(afterwards(chance, 2_500.0));
    let trouble = if chance.percent(40) {
        fault_profile::trouble(chance, 0.3)
    } else {
        FaultProfile::default()
    };
    let timing = Timing {
        lost_after: Some(LOST_AFTER),
        ..Timing::default()
    };
    Scenario {
        start_seconds: chance.between(20, 60),
        pools: one_pool(max),
        acts,
        faults: trouble,
        timing,
        calm_at: 2_700,
        ..Scenario::default()
    }
}
