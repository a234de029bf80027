//! Dropping a future half-way.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Polls a future at most `polls` times and drops it then; returns its output if it came that far.
///
/// Calling it with 0, 1, 2, ... until it returns something drops the future at each await that it has.
///
/// # Examples
/// A future that needs three polls:
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use whisp_core::testing::cancel_after;
/// let work = || async {
///     tokio::task::yield_now().await;
///     tokio::task::yield_now().await;
///     7
/// };
/// assert_eq!(cancel_after(2, work()).await, None);
/// assert_eq!(cancel_after(3, work()).await, Some(7));
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn cancel_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
