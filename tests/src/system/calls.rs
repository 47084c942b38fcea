//! Calls of functions on their way: the weather has its say, the witness hears what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::invocation::{current, die};
use super::underway::under_way;
use super::weather::{Port, PortCall, Strike, Weather};
use super::witness::{Fate, Happening};
use super::world::World;

/// How long the SDK tries when nobody answers: three attempts of 3 s and the pauses between them (`mayfly_config::aws`).
pub(super) const SILENCE: Duration = Duration::from_millis(9_500);

/// What befalls calls, and how often each was made.
#[derive(Default)]
pub(super) struct Sky {
    weather: Option<Box<dyn Weather>>,
    made: BTreeMap<(&'static str, Port, &'static str), u64>,
}

/// A call that leaves now.
pub(super) struct Leaving {
    world: Arc<World>,
    /// None if nobody wants to know of it.
    call: Option<PortCall>,
    invocation: Option<u64>,
    pub(super) strike: Option<Strike>,
    noted: AtomicBool,
}

/// What the way there and back made of a call.
pub(super) enum Made<T> {
    /// It was done, and this came back.
    Well(T),
    /// It was not done.
    Not(Strike),
    /// It was done; its caller does not hear of it.
    Unheard(Strike, T),
}

impl World {
    /// From now on this befalls the calls of functions.
    pub fn set_weather(&self, weather: Box<dyn Weather>) {
        self.sky().weather = Some(weather);
    }

    /// From now on nothing befalls them.
    pub fn clear_weather(&self) -> Option<Box<dyn Weather>> {
        self.sky().weather.take()
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
        let wanted = sky.weather.is_some() || self.is_witnessed();
        let call = wanted.then(|| PortCall { who, port, operation, about: about(), nth });
        let now = self.clock.now();
        let strike = call.as_ref().zip(sky.weather.as_mut()).and_then(|(call, weather)| weather.strike(call, now));
        Leaving { world: Arc::clone(self), call, invocation: current(), strike, noted: AtomicBool::new(false) }
    }
}

/// A call whose caller is gone, or waits no longer, before anything came back.
impl Drop for Leaving {
    fn drop(&mut self) {
        const GONE: &str = "nobody waits for it any more";
        if !self.noted.load(Ordering::Relaxed) {
            self.note(|| self.strike.map_or_else(|| Fate::Refused(GONE.to_owned()), |strike| Fate::Struck(strike, GONE)));
        }
    }
}

impl Leaving {
    /// The call was struck where its port can only do less, or something else.
    pub(super) fn instead(mut self, strike: impl FnOnce(Strike) -> Strike) -> Self {
        self.strike = self.strike.map(strike);
        self
    }

    /// What became of it is known.
    pub(super) fn note(&self, fate: impl FnOnce() -> Fate) {
        let Some(call) = &self.call else { return };
        self.noted.store(true, Ordering::Relaxed);
        self.world.tell(|| Happening::Called { call: call.clone(), invocation: self.invocation, fate: fate() });
    }

    /// Makes the call: `work` is the way there, what the other side does, and the way back.
    pub(super) async fn make<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Made<T> {
        let Some(strike) = self.strike else { return Made::Well(under_way(work).await) };
        match strike {
            Strike::Slow(by) => {
                let there = by.mul_f64(self.world.share());
                let slow = async move {
                    tokio::time::sleep(there).await;
                    let done = work.await;
                    tokio::time::sleep(by.saturating_sub(there)).await;
                    done
                };
                Made::Well(under_way(slow).await)
            }
            Strike::FailAfter | Strike::HangAfter => Made::Unheard(strike, under_way(work).await),
            Strike::CrashAfter => {
                let _ = under_way(work).await;
                self.crash("its caller is dead").await
            }
            Strike::CrashBefore => {
                let chances = self.world.chances();
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
            Strike::FailBefore | Strike::HangBefore | Strike::Throttle | Strike::Conflict => {
                self.world.travel().await;
                Made::Not(strike)
            }
        }
    }

    async fn crash<T>(&self, seen: &'static str) -> T {
        let strike = self.strike.unwrap_or(Strike::CrashAfter);
        self.note(|| Fate::Struck(strike, seen));
        die().await
    }
}
