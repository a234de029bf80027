//! Work that blocks, on a thread of its own.

use std::io;
use std::thread;

use tokio::sync::oneshot;

/// Runs `work` on a thread of its own. A caller that is dropped meanwhile does not stop it.
pub(crate) async fn on_a_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Nobody waits any more: it is done all the same.
        let _dropped = done.send(work());
    })?;
    result.await.map_err(|_| io::ErrorKind::BrokenPipe.into())
}
