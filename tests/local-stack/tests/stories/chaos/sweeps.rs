//! Sweeps. The schedule makes one a minute; here there is one every few seconds, so that a minute
//! need not be waited for. The first of them dies with the lease in its hand.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::time::Duration;

use fastrand::Rng;
use jiff::Timestamp;
use mayfly_local_stack::events;
use mayfly_local_stack::stack::invoke;

use super::fixture::{Fixture, LOOK};
use super::killer::at_work;

/// From the end of one to the next.
const EVERY: Duration = Duration::from_secs(2);

/// How often it is tried to catch a sweep while it holds the lease.
const TRIES: usize = 30;

/// A sweep that has next to nothing to do takes this long.
const SHORT_SWEEP: Duration = Duration::from_millis(60);

/// No whole sweep within this time after the storm is a failure: the lease of the one that was
/// killed holds for 58 s.
const WITHIN: Duration = Duration::from_secs(90);

/// What became of the sweeps.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    /// How often one was killed.
    pub(super) killed: Cell<usize>,
    /// Until when that kept the others from sweeping.
    pub(super) out_until: Cell<Option<Timestamp>>,
    /// How many were begun while no one held the lease, and ended well.
    pub(super) whole: Cell<usize>,
    /// How many failed, with what they said.
    pub(super) failed: RefCell<Vec<String>>,
}

impl Sweeps {
    /// Kills the first, and has the next ones made, for ever.
    pub(super) async fn go_on(&self, fixture: &Fixture<'_>, mut rng: Rng) -> Infallible {
        for _ in 0..TRIES {
            let sweep = self.sweep(fixture);
            let kill = async {
                at_work(fixture, "sweeper", Duration::from_secs(2)).await;
                tokio::time::sleep(SHORT_SWEEP.mul_f64(rng.f64())).await;
                fixture
                    .processes(Some("sweeper"))
                    .iter()
                    .filter(|process| process.kill())
                    .count()
            };
            let ((), killed) = tokio::join!(sweep, kill);
            self.killed.set(self.killed.get() + killed);
            // Held, and no one lives who holds it.
            if let Some(until) = fixture
                .lease()
                .await
                .filter(|until| *until > Timestamp::now())
            {
                self.out_until.set(Some(until));
                break;
            }
        }
        loop {
            self.sweep(fixture).await;
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn sweep(&self, fixture: &Fixture<'_>) {
        let free = fixture
            .lease()
            .await
            .is_none_or(|until| until < Timestamp::now());
        let event = events::folder().unwrap().join("sweeper/tick.json");
        match invoke(&fixture.places, "sweeper", &event).await {
            Ok((_, false)) => self.whole.set(self.whole.get() + usize::from(free)),
            Ok((answer, true)) => self.failed.borrow_mut().push(answer.to_string()),
            Err(why) => self.failed.borrow_mut().push(format!("{why:#}")),
        }
    }

    /// Waits for a whole sweep that was begun after the lease of the dead one had run out.
    pub(super) async fn whole_one(&self) {
        let (deadline, before) = (std::time::Instant::now() + WITHIN, self.whole.get());
        while self.whole.get() == before
            || self
                .out_until
                .get()
                .is_some_and(|until| until > Timestamp::now())
        {
            assert!(
                std::time::Instant::now() < deadline,
                "no whole sweep within {WITHIN:?}: {self:?}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }
}
