//! AWS, GitHub and Fargate as processes on loopback, with the unchanged template deployed on them
//! ([`stack`]), the events that functions are called with by hand ([`events`]), what a stack holds
//! ([`inspect`]), and the demonstration ([`demo`]).

pub mod demo;
pub mod events;
pub mod inspect;
pub mod stack;
