//! Every log line of a story, as text, so that it can be searched for secrets.
//!
//! One subscriber for the whole process, from the first story on: AWS's SDK draws a number for a
//! span that someone listens to, so whether anyone listens must not differ from story to story.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    /// What was logged on this thread, if someone wants to know.
    static LINES: RefCell<Option<String>> = const { RefCell::new(None) };
}

static INSTALLED: Once = Once::new();

/// Runs something on this thread; also what was logged meanwhile, if it is `wanted`.
pub(super) fn captured<T>(wanted: bool, run: impl FnOnce() -> T) -> T {
    INSTALLED.call_once(|| {
        // Fails only where a test has set another one.
        let _ = tracing::subscriber::set_global_default(Listener);
    });
    LINES.set(wanted.then(String::new));
    let result = run();
    LINES.set(None);
    result
}

/// What was logged so far.
pub(super) fn text() -> String {
    LINES.with_borrow(|lines| lines.clone().unwrap_or_default())
}

struct Listener;

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{}={value:?} ", field.name());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, "{}={value} ", field.name());
    }
}

fn add(record: impl FnOnce(&mut dyn Visit)) {
    LINES.with_borrow_mut(|lines| {
        if let Some(lines) = lines {
            record(&mut Line(lines));
            lines.push('\n');
        }
    });
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // As `mayfly_telemetry` lets through: below `info`, libraries write down whole requests.
        metadata.target().starts_with("mayfly") || *metadata.level() <= tracing::Level::INFO
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        add(|line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        add(|line| values.record(line));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        add(|line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
