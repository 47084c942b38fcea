//! Calls of functions on their way: the faults has its say, the listener hears what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::event::{CallOutcome, Event};
use super::faults::{CallFault, FaultInjector, Port, PortCall};
use super::invocation::{current, die};
use super::underway::under_way;
use super::world::World;

/// How long the SDK tries when no one answers: three attempts of 3 s and the pauses between them
/// (`mayfly_config::aws`).
pub(super) const SILENCE: Duration = Duration::from_millis(9_500);

/// What befalls calls, and how often each was made.
#[derive(Default)]
pub(super) struct Sky {
    faults: Option<Box<dyn FaultInjector>>,
    made: BTreeMap<(&'static str, Port, &'static str), u64>,
}

/// A call that leaves now.
pub(super) struct Leaving {
    world: Arc<World>,
    /// None if no one wants to know of it.
    call: Option<PortCall>,
    invocation: Option<u64>,
    pub(super) call_fault: Option<CallFault>,
    noted: AtomicBool,
}

/// What the way there and back made of a call.
pub(super) enum Made<T> {
    /// It was done, and this came back.
    Well(T),
    /// It was not done.
    Not(CallFault),
    /// It was done; its caller does not hear of it.
    Unheard(CallFault, T),
}

impl World {
    /// From now on this befalls the calls of functions.
    pub fn set_fault_injector(&self, faults: Box<dyn FaultInjector>) {
        self.sky().faults = Some(faults);
    }

    /// From now on nothing befalls them.
    pub fn clear_fault_injector(&self) -> Option<Box<dyn FaultInjector>> {
        self.sky().faults.take()
    }

    /// A function makes a call.
    pub(super) fn leaves(
        self: &Arc<Self>,
        who: &'static str,
        port: Port,
        operation: &'static str,
        about: impl FnOnce() -> String,
    ) -> Leaving {
        let mut sky = self.sky();
        let made = sky.made.entry((who, port, operation)).or_default();
        let nth = *made;
        *made += 1;
        let wanted = sky.faults.is_some() || self.is_witnessed();
        let call = wanted.then(|| PortCall {
            who,
            port,
            operation,
            about: about(),
            nth,
        });
        let now = self.clock.now();
        let call_fault = call
            .as_ref()
            .zip(sky.faults.as_mut())
            .and_then(|(call, faults)| faults.fault(call, now));
        Leaving {
            world: Arc::clone(self),
            call,
            invocation: current(),
            call_fault,
            noted: AtomicBool::new(false),
        }
    }
}

/// A call whose caller is gone, or waits no longer, before anything came back.
impl Drop for Leaving {
    fn drop(&mut self) {
        const GONE: &str = "nobody waits for it any more";
        if !self.noted.load(Ordering::Relaxed) {
            self.note(|| {
                self.call_fault.map_or_else(
                    || CallOutcome::Refused(GONE.to_owned()),
                    |call_fault| CallOutcome::Faulted(call_fault, GONE),
                )
            });
        }
    }
}

impl Leaving {
    /// The call was struck where its port can only do less, or something else.
    pub(super) fn instead(mut self, call_fault: impl FnOnce(CallFault) -> CallFault) -> Self {
        self.call_fault = self.call_fault.map(call_fault);
        self
    }

    /// What became of it is known.
    pub(super) fn note(&self, handling: impl FnOnce() -> CallOutcome) {
        let Some(call) = &self.call else { return };
        self.noted.store(true, Ordering::Relaxed);
        self.world.tell(|| Event::Called {
            call: call.clone(),
            invocation: self.invocation,
            handling: handling(),
        });
    }

    /// Makes the call: `work` is the way there, what the other side does, and the way back.
    pub(super) async fn make<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Made<T> {
        let Some(call_fault) = self.call_fault else {
            return Made::Well(under_way(work).await);
        };
        match call_fault {
            CallFault::Slow(by) => {
                let there = by.mul_f64(self.world.share());
                let slow = async move {
                    tokio::time::sleep(there).await;
                    let done = work.await;
                    tokio::time::sleep(by.saturating_sub(there)).await;
                    done
                };
                Made::Well(under_way(slow).await)
            }
            CallFault::FailAfter | CallFault::HangAfter => {
                Made::Unheard(call_fault, under_way(work).await)
            }
            CallFault::CrashAfter => {
                let _ = under_way(work).await;
                self.crash("its caller is dead").await
            }
            CallFault::CrashBefore => {
                let chances = self.world.platform_rates();
                if !self.world.chance(chances.arrives_after_crash) {
                    return self.crash("it never arrives").await;
                }
                let later = chances.arrives_within.mul_f64(self.world.share());
                drop(tokio::spawn(Box::pin(async move {
                    tokio::time::sleep(later).await;
                    let _ = work.await;
                })));
                self.crash("it arrives later").await
            }
            CallFault::FailBefore
            | CallFault::HangBefore
            | CallFault::Throttle
            | CallFault::Conflict => {
                self.world.travel().await;
                Made::Not(call_fault)
            }
        }
    }

    async fn crash<T>(&self, seen: &'static str) -> T {
        let call_fault = self.call_fault.unwrap_or(CallFault::CrashAfter);
        self.note(|| CallOutcome::Faulted(call_fault, seen));
        die().await
    }
}
