//! Work that does not end because no one waits for it any more.

use std::pin::Pin;
use std::task::{Context, Poll};

/// A call that has left: when its caller dies or gives up, it goes on by itself.
pub(super) struct UnderWay<T: Send + 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
}

/// This call is under way as soon as it is waited for.
pub(super) fn under_way<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> UnderWay<T> {
    UnderWay {
        work: Some(Box::pin(work)),
    }
}

impl<T: Send + 'static> Future for UnderWay<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(work) = self.work.as_mut() else {
            return Poll::Pending;
        };
        let polled = work.as_mut().poll(context);
        if polled.is_ready() {
            self.work = None;
        }
        polled
    }
}

impl<T: Send + 'static> Drop for UnderWay<T> {
    fn drop(&mut self) {
        // Without a runtime the whole world is over.
        if let (Some(work), Ok(runtime)) = (self.work.take(), tokio::runtime::Handle::try_current())
        {
            drop(runtime.spawn(work));
        }
    }
}
