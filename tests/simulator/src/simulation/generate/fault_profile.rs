//! What goes wrong by itself, and how often.

use super::chance::Chance;
use crate::simulation::scenario::{CallFaultKind, FaultProfile, PlatformSpec, Rate};
use crate::system::Port;
use mayfly_fargate_model::{Fault, FaultKind};
use mayfly_github_model::faults::{ApiFaults, DeliveryFaults, Faults};

/// Everything that goes wrong by itself: which of it, and how much, is drawn.
pub(super) fn trouble(chance: &mut Chance, intensity: f64) -> FaultProfile {
    FaultProfile {
        rates: rates(chance, intensity),
        calls: Vec::new(),
        github: github(chance, intensity),
        ecs: ecs(chance, intensity),
        platform: unkindness(chance, intensity),
    }
}

/// A share around `usual`, or none at all.
fn share(chance: &mut Chance, percent: u64, usual: f64, intensity: f64) -> f64 {
    if !chance.percent(percent) {
        return 0.0;
    }
    let drawn = usual * intensity * (0.3 + 1.4 * chance.share());
    // As it is written in a scenario: four digits are enough.
    (drawn.min(0.9) * 10_000.0).round() / 10_000.0
}

fn rates(chance: &mut Chance, intensity: f64) -> Vec<Rate> {
    let mut rates = Vec::new();
    for port in Port::ALL {
        for kind in CallFaultKind::ALL {
            let share = share(chance, 45, 0.008, intensity);
            if share > 0.0 {
                rates.push(Rate::of(port, kind, share));
            }
        }
    }
    // A function that is struck much harder than the rest.
    if chance.one_in(3) {
        let who = chance.pick(&["webhook", "scaler", "registrar", "observer", "sweeper"]);
        let port = chance.pick(&Port::ALL);
        let kind = chance.pick(&CallFaultKind::ALL);
        let share = share(chance, 100, 0.12, intensity);
        rates.push(Rate::of(port, kind, share).by(who));
    }
    rates
}

fn github(chance: &mut Chance, intensity: f64) -> Faults {
    let mut s = |percent, usual| share(chance, percent, usual, intensity);
    let deliveries = DeliveryFaults {
        never_made: s(20, 0.02),
        lost: s(40, 0.04),
        answered_5xx: s(40, 0.04),
        repeated: s(50, 0.1),
        times: 3,
        reordered: s(50, 0.2),
        window: 20.0,
        late: s(40, 0.05),
        late_by: 240.0,
        ..DeliveryFaults::default()
    };
    let api = ApiFaults {
        server_error: s(30, 0.03),
        answer_lost: s(30, 0.03),
        primary_limit: s(15, 0.005),
        primary_reset: 300,
        secondary_limit: s(25, 0.02),
        retry_after: 30,
        slow: s(30, 0.05),
        slow_by: 9.0,
        stale: s(40, 0.2),
        ..ApiFaults::default()
    };
    let (stolen, too_old) = (s(40, 0.3), s(12, 0.15));
    let forgets_idle_after = if chance.one_in(8) { 90.0 } else { 0.0 };
    Faults {
        deliveries,
        api,
        stolen,
        too_old,
        forgets_idle_after,
        ..Faults::default()
    }
}

fn ecs(chance: &mut Chance, intensity: f64) -> Vec<Fault> {
    let all = [
        (FaultKind::NoCapacity, 6, 0),
        (FaultKind::NoQuota, 2, 0),
        (FaultKind::SlowStart, 8, 90_000),
        (FaultKind::PullFailure, 4, 0),
        (FaultKind::DiesBeforeAsking, 4, 2_000),
        (FaultKind::SpotInterruption, 12, 45_000),
        (FaultKind::HostRetired, 3, 60_000),
        (FaultKind::HostUnhealthy, 3, 30_000),
        (FaultKind::EventLost, 6, 0),
        (FaultKind::EventRepeated, 10, 1_500),
        (FaultKind::EventLate, 6, 90_000),
        (FaultKind::EventReordered, 10, 8_000),
        (FaultKind::ReadLag, 30, 20_000),
    ];
    let mut faults = Vec::new();
    for (kind, usual, milliseconds) in all {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number up to 90"
        )]
        let percent = (share(chance, 40, f64::from(usual) / 100.0, intensity) * 100.0) as u8;
        if percent > 0 {
            faults.push(Fault {
                percent,
                milliseconds: (milliseconds > 0).then_some(milliseconds),
                ..Fault::of(kind)
            });
        }
    }
    // RunTask places before it answers, and is slow where zones are short.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number up to 90"
    )]
    let percent = (share(chance, 40, 0.1, intensity) * 100.0) as u8;
    if percent > 0 {
        faults.push(Fault {
            percent,
            milliseconds: Some(chance.between(3_000, 10_000)),
            ..Fault::of(FaultKind::SlowAnswer)
        });
    }
    faults
}

fn unkindness(chance: &mut Chance, intensity: f64) -> PlatformSpec {
    let mut s = |percent, usual| share(chance, percent, usual, intensity);
    PlatformSpec {
        cold_start: s(50, 0.05),
        scaler_late: s(30, 0.03),
        two_scalers: s(30, 0.05),
        wake_lost: s(30, 0.05),
        wake_repeated: s(40, 0.1),
        wake_late: s(30, 0.05),
        schedule_twice: s(30, 0.05),
        schedule_late: s(30, 0.1),
        schedule_skipped: s(20, 0.05),
    }
}
