//! What functions log: ERROR is counted, and rings for a person.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use mayfly_domain::model::time::Timestamp;
use mayfly_simulator::system::{CallFault, PortCall, System};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::start::{begin, done, jobs, queue_one, rest};

/// Listens to lines at ERROR.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<String>>>);

impl Errors {
    fn heard(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Errors {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // As the template's filter has it.
        *metadata.level() == Level::ERROR && metadata.target().starts_with("mayfly")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = String::new();
        event.record(&mut Message(&mut line));
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A story in which every function's every kind of call goes wrong in this way, the first time and
/// some times after.
async fn struck(system: &System, call_fault: CallFault) {
    system
        .world
        .set_fault_injector(Box::new(move |call: &PortCall, _: Timestamp| {
            [0, 2, 3, 7, 12].contains(&call.nth).then_some(call_fault)
        }));
    let jobs = system.queue_jobs(&jobs(6));
    done(system, 3_600, &jobs).await;
    system.world.clear_fault_injector();
    rest(system, 3_600).await;
}

#[tokio::test(start_paused = true)]
async fn what_passes_by_itself_is_no_error() {
    for (seed, call_fault) in (600..).zip([
        CallFault::FailBefore,
        CallFault::Throttle,
        CallFault::Conflict,
    ]) {
        let system = begin(seed);
        let errors = Errors::default();
        let listening = mayfly_test_support::log::listen(errors.clone());
        struck(&system, call_fault).await;
        drop(listening);
        assert_eq!(errors.heard(), [""; 0], "{call_fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_person_is_an_error() {
    let system = begin(610);
    let errors = Errors::default();
    let _listening = mayfly_test_support::log::listen(errors.clone());
    system.put_pools("[github]\naccounts = 7\n");
    queue_one(&system);
    system.pass(300).await;
    assert!(!errors.heard().is_empty());
}

/// Listens to every line of every level.
#[derive(Clone, Default)]
struct Lines(Errors);

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.0.new_span(span)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.0.event(event);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// I8: who reads the log could take the runner's place.
#[tokio::test(start_paused = true)]
async fn a_registration_is_in_no_line_of_any_level() {
    let system = mayfly_simulator::system::Start::seeded(611)
        .tasks_start_in(300)
        .begin()
        .unwrap();
    let lines = Lines::default();
    let listening = mayfly_test_support::log::listen(lines.clone());
    queue_one(&system);
    let known = system.until(20, |system| {
        system.runners().iter().any(|runner| runner.arn.is_some())
    });
    assert!(known.await);
    let runner = system.runners().remove(0);
    let task = runner.arn.as_ref().unwrap().task_id().to_owned();
    let caller = format!("arn:aws:sts::123456789012:assumed-role/mayfly-runner/{task}");
    let body = serde_json::json!({ "runner": runner.address().to_string() });
    let reply = system.request(&caller, "/registration", &body).await;
    drop(listening);
    assert_eq!(reply.status, 200);
    let heard = lines.0.heard();
    assert!(
        heard.iter().any(|line| line.contains("registered")),
        "nothing was heard: {heard:?}"
    );
    assert!(
        !heard.iter().any(|line| line.contains(&reply.body)),
        "the registration was logged"
    );
}
