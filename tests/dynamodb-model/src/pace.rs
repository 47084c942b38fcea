//! How long the steps of a call take: the model has no clock of its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// Waits for one step, by a draw that says how long. Anyone who drives the model decides what long
/// is.
pub type Pace = Arc<dyn Fn(u64) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// No step takes any time: calls follow each other.
#[must_use]
pub fn at_once() -> Pace {
    Arc::new(|_| Box::pin(std::future::ready(())))
}

/// Every step lets other tasks go first, up to `most` times.
#[must_use]
pub fn yielding(most: u64) -> Pace {
    Arc::new(move |draw| Box::pin(yield_times(draw % (most + 1))))
}

async fn yield_times(times: u64) {
    let mut left = times;
    std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
