//! The whole system in virtual time: the real functions on models of everything they talk to
//! ([`system`]), and as many stories of it as there are seeds ([`simulation`]).

pub mod simulation;
pub mod system;
