//! Running the whole suite by hand, where a program proves a store and not `cargo test`.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use whisp_core::store::Store;

use super::{CASES, Case};

/// Runs every case, each on a store of its own that `open` makes for it, and tells `report` about each at once: `Err`
/// with what the case found broken, in its own words. Returns how many failed.
///
/// A case fails by panicking, which is caught here; the panic hook of the program still hears of it.
///
/// # Examples
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use std::convert::Infallible;
/// use whisp_store::{MemoryStore, conformance::run_all};
///
/// let report = |case: &whisp_store::conformance::Case, outcome: Result<(), &str>| {
///     println!("{}: {outcome:?}", case.name);
/// };
/// let failed = run_all(|_| async { Ok::<_, Infallible>(MemoryStore::new()) }, report).await?;
/// assert_eq!(failed, 0);
/// # Ok::<(), Infallible>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The error of `open`; the cases after it have not run.
///
/// # Cancellation
/// Dropped, it runs no further case.
pub async fn run_all<S, E, F>(
    mut open: impl FnMut(&'static Case) -> F + Send,
    mut report: impl FnMut(&'static Case, Result<(), &str>) + Send,
) -> Result<usize, E>
where
    S: Store,
    F: Future<Output = Result<S, E>> + Send,
{
    let mut failed = 0;
    for case in CASES {
        let store = open(case).await?;
        let outcome = AssertUnwindSafe((case.run)(&store)).catch_unwind().await;
        failed += usize::from(outcome.is_err());
        report(case, outcome.as_ref().copied().map_err(|panic| message(&**panic)));
    }
    Ok(failed)
}

pub(super) fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked without a message")
}
