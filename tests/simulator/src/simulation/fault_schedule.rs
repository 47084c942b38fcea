//! The faults of a story: shares of calls until it is calm, single calls by their names, ports that
//! are down.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mayfly_domain::model::time::Timestamp;

use super::scenario::{FaultProfile, NthCallFault, Rate};
use crate::system::{CallFault as Struck, FaultInjector, Port, PortCall};

/// Ports that are down, and until when.
#[derive(Clone, Debug, Default)]
pub(super) struct Down(Arc<Mutex<Vec<(Port, Timestamp)>>>);

impl Down {
    /// Every call of a port fails from now until then.
    pub(super) fn until(&self, port: Port, until: Timestamp) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((port, until));
    }

    fn strikes(&self, port: Port, now: Timestamp) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|(down, until)| *down == port && now < *until)
    }
}

/// What befalls calls. What befalls one follows from the seed and the call's name alone, whatever
/// happened before.
pub(super) struct FaultSchedule {
    seed: u64,
    rates: Vec<Rate>,
    strikes: BTreeMap<(String, String, String, u64), NthCallFault>,
    down: Down,
    calm_at: Timestamp,
}

impl FaultSchedule {
    pub(super) fn new(seed: u64, trouble: &FaultProfile, down: Down, calm_at: Timestamp) -> Self {
        let named = |call_fault: &NthCallFault| {
            (
                call_fault.who.clone(),
                call_fault.port.clone(),
                call_fault.operation.clone(),
                call_fault.nth,
            )
        };
        let strikes = trouble
            .calls
            .iter()
            .map(|call_fault| (named(call_fault), call_fault.clone()))
            .collect();
        Self {
            seed,
            rates: trouble.rates.clone(),
            strikes,
            down,
            calm_at,
        }
    }

    /// A number that only this call of this seed has.
    fn draw(&self, call: &PortCall) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        for text in [call.who, call.operation] {
            hasher.write(text.as_bytes());
        }
        hasher.write_u64(call.port as u64);
        hasher.write_u64(call.nth);
        hasher.finish()
    }
}

impl FaultInjector for FaultSchedule {
    fn fault(&mut self, call: &PortCall, now: Timestamp) -> Option<Struck> {
        if now >= self.calm_at {
            return None;
        }
        if self.down.strikes(call.port, now) {
            return Some(Struck::FailBefore);
        }
        let draw = self.draw(call);
        let named = (
            call.who.to_owned(),
            call.port.to_string(),
            call.operation.to_owned(),
            call.nth,
        );
        if let Some(call_fault) = self.strikes.get(&named) {
            return Some(call_fault.fault(draw));
        }
        let mut dice = fastrand::Rng::with_seed(draw);
        let rate = self
            .rates
            .iter()
            .filter(|rate| rate.concerns(call))
            .find(|rate| dice.f64() < rate.share)?;
        Some(rate.fault(draw))
    }
}

/// A time so many seconds after the beginning.
pub(super) fn after(began: Timestamp, seconds: u64) -> Timestamp {
    began.plus(Duration::from_secs(seconds))
}
