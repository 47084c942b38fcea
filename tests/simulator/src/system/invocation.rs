//! One invocation of a function: it can be ended from within, by a call of its own.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::sync::Notify;

tokio::task_local! {
    static CURRENT: Invocation;
}

/// The invocation that a call belongs to.
#[derive(Clone)]
pub(super) struct Invocation {
    number: u64,
    killed: Arc<Killed>,
}

#[derive(Default)]
struct Killed {
    flag: AtomicBool,
    notify: Notify,
}

/// What an invocation came to.
pub(super) enum Came<T> {
    /// It returned.
    To(T),
    /// Its process died.
    Crashed,
    /// Its time was up.
    TimedOut,
}

impl<T> Came<T> {
    /// What it returned, if it did.
    pub(super) fn to(self) -> Option<T> {
        match self {
            Self::To(result) => Some(result),
            Self::Crashed | Self::TimedOut => None,
        }
    }
}

/// The number of the invocation that calls.
pub(super) fn current() -> Option<u64> {
    CURRENT.try_with(|invocation| invocation.number).ok()
}

/// The invocation that calls dies here. One that belongs to none waits for ever.
pub(super) async fn die<T>() -> T {
    let _ = CURRENT.try_with(|invocation| {
        invocation.killed.flag.store(true, Ordering::Relaxed);
        invocation.killed.notify.notify_one();
    });
    std::future::pending().await
}

/// Runs a function for one event, for as long as Lambda lets it.
pub(super) async fn run<T>(
    number: u64,
    limit: Duration,
    handler: Pin<Box<impl Future<Output = T>>>,
) -> Came<T> {
    let killed = Arc::new(Killed::default());
    let invocation = Invocation {
        number,
        killed: Arc::clone(&killed),
    };
    let handler = std::pin::pin!(tokio::time::timeout(
        limit,
        CURRENT.scope(invocation, handler)
    ));
    let over = std::pin::pin!(killed.notify.notified());
    match select(handler, over).await {
        // Whatever it came to in the very moment of its death, no one hears of it.
        _ if killed.flag.load(Ordering::Relaxed) => Came::Crashed,
        Either::Left((Ok(result), _)) => Came::To(result),
        Either::Left((Err(_), _)) => Came::TimedOut,
        Either::Right(_) => Came::Crashed,
    }
}
