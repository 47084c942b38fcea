//! Processes of a function: each works on one invocation at a time, with a memory of its own, until
//! it dies.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::capacity::Running;
use super::event::{End, Event};
use super::invocation::{self, Came};
use super::world::World;

/// All processes of one function.
pub(super) struct Processes<P> {
    who: &'static str,
    limit: Duration,
    start: Box<dyn Fn() -> P + Send + Sync>,
    /// Those that have nothing to do, the one that has waited longest first: so that old memories
    /// meet new facts.
    idle: Mutex<VecDeque<(u64, Arc<P>)>>,
}

/// A process that has an invocation to work on.
pub(super) struct Busy<'a, P> {
    all: &'a Processes<P>,
    process: u64,
    invocation: u64,
    function: Arc<P>,
    _running: Running,
}

impl<P> Processes<P> {
    /// None yet: they are started when they are needed. `limit` is the function's `Timeout`.
    pub(super) fn new(
        who: &'static str,
        limit: Duration,
        start: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self {
        Self {
            who,
            limit,
            start: Box::new(start),
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<(u64, Arc<P>)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lambda hands an event to an idle process, or to a fresh one; to none while as many run as
    /// there may.
    pub(super) fn take(
        &self,
        world: &World,
        about: impl FnOnce() -> String,
    ) -> Option<Busy<'_, P>> {
        let running = world.in_use().run(self.who)?;
        let fresh = world.chance(world.platform_rates().cold_start);
        let mut idle = self.idle();
        if fresh {
            // Lambda ends processes when it likes.
            idle.pop_front();
        }
        let warm = if fresh { None } else { idle.pop_front() };
        drop(idle);
        let (process, function) =
            warm.unwrap_or_else(|| (world.next_number(), Arc::new((self.start)())));
        let invocation = world.next_number();
        world.tell(|| Event::Began {
            who: self.who,
            invocation,
            process,
            about: about(),
        });
        Some(Busy {
            all: self,
            process,
            invocation,
            function,
            _running: running,
        })
    }
}

impl<P> Busy<'_, P> {
    /// What the process does.
    pub(super) fn function(&self) -> Arc<P> {
        Arc::clone(&self.function)
    }

    /// Works on the event until it is done, dies, or its time is up. A process that did not get to
    /// the end is gone, and what it knew.
    pub(super) async fn run<T>(
        self,
        world: &World,
        handler: Pin<Box<impl Future<Output = T>>>,
        words: impl Fn(&T) -> String,
    ) -> Came<T> {
        let came = invocation::run(self.invocation, self.all.limit, handler).await;
        let (who, invocation) = (self.all.who, self.invocation);
        world.tell(|| {
            let end = match &came {
                Came::To(result) => End::Returned(words(result)),
                Came::Crashed => End::Crashed,
                Came::TimedOut => End::TimedOut,
            };
            Event::Ended {
                who,
                invocation,
                end,
            }
        });
        if matches!(came, Came::To(_)) {
            self.all.idle().push_back((self.process, self.function));
        }
        came
    }
}
