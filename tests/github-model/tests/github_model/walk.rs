//! Whatever happens in whatever order, the model keeps its own rules.

use crate::world::{LABELS, World, job};
use mayfly_github_model::id::{JobId, SessionId};
use mayfly_github_model::jobs::{Gate, NewJob, Status};
use mayfly_github_model::model::Model;
use mayfly_github_model::runners::Scope;
use proptest::prelude::{Just, Strategy, prop, prop_oneof, proptest};

#[derive(Debug, Clone)]
enum Move {
    Queue(Option<Gate>),
    Connect,
    Start(usize),
    Step(usize),
    Complete(usize),
    Vanish(f64),
    Close(usize),
    Cancel(usize),
    Approve(usize),
    Delete(usize),
}

fn moves() -> impl Strategy<Value = Move> {
    let gates = prop::option::of(prop::sample::select(vec![
        Gate::Environment,
        Gate::Deployment,
        Gate::Concurrency,
    ]));
    prop_oneof![
        gates.prop_map(Move::Queue),
        Just(Move::Connect),
        (0..8_usize).prop_map(Move::Start),
        (0..8_usize).prop_map(Move::Step),
        (0..8_usize).prop_map(Move::Complete),
        (0.1..70.0_f64).prop_map(Move::Vanish),
        (0..8_usize).prop_map(Move::Close),
        (0..8_usize).prop_map(Move::Cancel),
        (0..8_usize).prop_map(Move::Approve),
        (0..8_usize).prop_map(Move::Delete),
    ]
}

/// A world, and what was handed out in it.
struct Walk {
    world: World,
    scope: Scope,
    sessions: Vec<SessionId>,
    jobs: Vec<JobId>,
}

impl Walk {
    fn new() -> Self {
        let mut world = World::new();
        world.model.faults.forgets_idle_after = 40.0;
        world.model.settings.assign_after = 2.0;
        let scope = world.repository("acme/app");
        Self {
            world,
            scope,
            sessions: Vec::new(),
            jobs: Vec::new(),
        }
    }

    /// Moves that are not allowed are refused: that is their part in this.
    fn make(&mut self, number: usize, chosen: Move) {
        let now = self.world.now;
        let Self {
            world: World { model, .. },
            sessions,
            jobs,
            ..
        } = self;
        match chosen {
            Move::Queue(gate) => jobs.extend(model.queue(&NewJob { gate, ..job() }, now)),
            Move::Connect => {
                let session =
                    self.world
                        .online_in(self.scope, &format!("runner-{number}"), &LABELS);
                self.sessions.push(session);
            }
            Move::Start(one) => drop(sessions.get(one).map(|session| model.start(session, now))),
            Move::Step(one) => drop(
                sessions
                    .get(one)
                    .map(|session| model.step(session, "Build", now)),
            ),
            Move::Complete(one) => drop(
                sessions
                    .get(one)
                    .map(|session| model.complete(session, None, now)),
            ),
            Move::Close(one) => drop(
                sessions
                    .get(one)
                    .map(|session| model.close_session(session, now)),
            ),
            Move::Cancel(one) => drop(jobs.get(one).map(|job| model.cancel(*job, now))),
            Move::Approve(one) => drop(jobs.get(one).map(|job| model.approve(*job, now))),
            Move::Delete(one) => {
                let id = model.runners().nth(one).map(|runner| runner.id);
                drop(id.map(|id| model.delete_runner(self.scope, id, now)));
            }
            Move::Vanish(seconds) => self.world.wait(seconds),
        }
    }
}

/// What is always true.
fn check(model: &Model) {
    for job in model.jobs() {
        let given = job
            .executor
            .as_ref()
            .and_then(|executor| model.runner(executor.id));
        match job.status {
            Status::Queued | Status::InProgress => {
                if let Some(runner) = given {
                    assert_eq!(
                        runner.job,
                        Some(job.id),
                        "{} has job {}",
                        runner.name,
                        job.id
                    );
                    assert!(
                        runner.removed.is_none(),
                        "{} is gone with job {}",
                        runner.name,
                        job.id
                    );
                }
            }
            Status::Waiting | Status::Pending => {
                assert!(job.executor.is_none(), "{} is gated", job.id)
            }
            Status::Completed => assert!(
                job.conclusion.is_some() && job.completed_at.is_some(),
                "{} has no end",
                job.id
            ),
        }
        assert!(
            job.started_at.is_some() || job.steps.is_empty(),
            "{} ran before it began",
            job.id
        );
    }
    for runner in model.runners().filter(|runner| runner.removed.is_none()) {
        if let Some(job) = runner.job.and_then(|id| model.job(id)) {
            assert_eq!(
                job.executor.as_ref().map(|executor| executor.id),
                Some(runner.id)
            );
            assert_ne!(
                job.status,
                Status::Completed,
                "{} keeps a finished job",
                runner.name
            );
        }
    }
}

proptest! {
    #[test]
    fn the_rules_hold_after_every_move(chosen in prop::collection::vec(moves(), 1..60)) {
        let mut walk = Walk::new();
        for (number, one) in chosen.into_iter().enumerate() {
            walk.make(number, one);
            let now = walk.world.now;
            walk.world.model.advance(now);
            walk.world.model.take_due(now);
            check(&walk.world.model);
            // What was due has been done: a loop over deadlines never stands still.
            let next = walk.world.model.next_deadline();
            assert!(next.is_none_or(|next| next > now), "{next:?} is due at {now}");
        }
    }

    /// Left alone, everything ends: jobs within their day, runners within theirs.
    #[test]
    fn everything_ends(chosen in prop::collection::vec(moves(), 1..40)) {
        let mut walk = Walk::new();
        for (number, one) in chosen.into_iter().enumerate() {
            walk.make(number, one);
        }
        for id in walk.jobs {
            walk.world.model.approve(id, walk.world.now);
        }
        let mut looks = 0;
        while let Some(next) = walk.world.model.next_deadline() {
            walk.world.now = next.max(walk.world.now);
            walk.world.model.advance(walk.world.now);
            walk.world.model.take_due(walk.world.now);
            looks += 1;
            assert!(looks < 1_000, "it goes on for ever");
        }
        assert!(walk.world.model.jobs().all(|job| job.status == Status::Completed));
        assert!(walk.world.model.runners().all(|runner| runner.removed.is_some()));
    }
}
