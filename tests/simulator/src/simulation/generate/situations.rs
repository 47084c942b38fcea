//! Situations: moments that chance alone seldom brings about, made on purpose. Every other seed
//! tells one, each in its turn.

mod app_away;
mod ask_again;
mod blind;
mod capped;
mod changed_repositories;
mod copies;
mod days;
mod doubles;
mod failing_deliveries;
mod foreign_jobs;
mod given_nothing;
mod idle_floor;
mod killed_idle;
mod large;
mod late_marks;
mod late_news;
mod late_reads;
mod late_starts;
mod long_queue;
mod moved_repositories;
mod other_labels;
mod out_of_sight;
mod parts;
mod refused;
mod removed_pool;
mod retire;
mod sent_again;
mod slow_launches;
mod strange_repositories;
mod tight;
mod trickle;
mod turned_pools;
mod unanswered;
mod withdrawn;

use super::chance::Chance;
use crate::simulation::scenario::Scenario;

/// One of them.
pub(super) struct Situation {
    /// Its name: also a profile of `simulate`.
    pub(super) name: &'static str,
    /// Draws a scenario of its kind.
    pub(super) draw: fn(&mut Chance) -> Scenario,
}

/// All of them.
pub(super) const ALL: &[Situation] = &[
    late_starts::SITUATION,
    trickle::SITUATION,
    withdrawn::SITUATION,
    unanswered::SITUATION,
    idle_floor::SITUATION,
    other_labels::SITUATION,
    late_marks::SITUATION,
    failing_deliveries::SITUATION,
    strange_repositories::SITUATION,
    app_away::SITUATION,
    removed_pool::SITUATION,
    killed_idle::SITUATION,
    ask_again::SITUATION,
    blind::SITUATION,
    copies::SITUATION,
    doubles::SITUATION,
    foreign_jobs::SITUATION,
    late_reads::SITUATION,
    refused::SITUATION,
    retire::SITUATION,
    sent_again::SITUATION,
    out_of_sight::SITUATION,
    late_news::SITUATION,
    slow_launches::SITUATION,
    capped::SITUATION,
    long_queue::SITUATION,
    turned_pools::SITUATION,
    changed_repositories::SITUATION,
    moved_repositories::SITUATION,
    tight::SITUATION,
    given_nothing::SITUATION,
];

/// Those that are told by name only: they take long.
const LONG: &[Situation] = &[large::SITUATION, days::SITUATION];

/// Every situation.
pub(super) fn every() -> impl Iterator<Item = &'static Situation> {
    ALL.iter().chain(LONG)
}

/// The situation that a seed tells, if it tells one.
pub(super) fn of(seed: u64) -> Option<&'static Situation> {
    let count = u64::try_from(ALL.len()).ok()?;
    let which = usize::try_from(seed / 2 % count).ok()?;
    (seed % 2 == 1).then(|| &ALL[which])
}

/// The situation of this name.
pub(super) fn named(name: &str) -> Option<&'static Situation> {
    every().find(|situation| situation.name == name)
}
