//! Hears what this thread logs, and all of it.

use std::sync::LazyLock;

use tracing::subscriber::{DefaultGuard, NoSubscriber, Subscriber};
use tracing::{Dispatch, dispatcher};

/// Lives as long as the process.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// Makes this the thread's subscriber until the guard goes.
///
/// Use it in place of `tracing::subscriber::set_default`, which now and then hears nothing: while
/// the process has one subscriber only, tracing asks for each line the thread that comes by it first
/// whether anyone listens, and takes that for every thread's answer
/// (<https://docs.rs/tracing-core/0.1.36/src/tracing_core/callsite.rs.html>, `Rebuilder::JustOne`).
/// With a second one it asks all subscribers.
#[must_use]
pub fn listen(subscriber: impl Subscriber + Send + Sync + 'static) -> DefaultGuard {
    LazyLock::force(&SECOND);
    dispatcher::set_default(&Dispatch::new(subscriber))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata};

    struct Count(Arc<AtomicU32>);

    impl Subscriber for Count {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn a_line_that_another_thread_came_by_first_is_heard() {
        let log = || tracing::error!("something");
        let heard = Arc::new(AtomicU32::new(0));
        let _listening = listen(Count(Arc::clone(&heard)));
        std::thread::spawn(log).join().unwrap();
        log();
        assert_eq!(heard.load(Ordering::Relaxed), 1);
    }
}
