//! Telling other processes that there is work, and hearing of it: `LISTEN` and `NOTIFY` on a connection of their own.
//!
//! A hint, and not more: workers look again by the clock as well. So it is sent after the commit and not in it, where
//! `NOTIFY` would have all commits of the server wait for one another, and many commits in a short time send one.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client};

use super::connect::Address;
use super::error::Failure;

/// The shortest time between two notices.
const NOTICE_EVERY: Duration = Duration::from_millis(20);

/// How long it waits before it connects again.
const CONNECT_EVERY: Duration = Duration::from_secs(1);

/// Listens and notifies until it is dropped.
#[derive(Debug)]
pub(super) struct Notices {
    heard: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Notices {
    /// Starts, on the runtime that it is called on. `news` is woken when others should hear of something.
    pub(super) fn start(address: Address, channel: String, news: Arc<Notify>) -> Self {
        let heard = Arc::new(Notify::new());
        let task = tokio::spawn(run(address, channel, news, Arc::clone(&heard)));
        Self { heard, task }
    }

    /// Returns when another process has told of work since the last time, or may have told before anybody listened.
    pub(super) async fn heard(&self) {
        self.heard.notified().await;
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(address: Address, channel: String, news: Arc<Notify>, heard: Arc<Notify>) {
    loop {
        // Whatever went wrong, workers look by the clock until it is right again.
        drop(serve(&address, &channel, &news, &heard).await);
        tokio::time::sleep(CONNECT_EVERY).await;
    }
}

/// Serves one connection until it ends.
async fn serve(address: &Address, channel: &str, news: &Notify, heard: &Notify) -> Result<(), Failure> {
    let (client, mut connection) = address.connect().await?;
    // What this process tells, it knows.
    let own = AtomicI32::new(0);
    let hear = poll_fn(|cx| {
        loop {
            match ready!(connection.poll_message(cx)) {
                Some(Ok(AsyncMessage::Notification(notice))) if notice.process_id() != own.load(Ordering::Relaxed) => {
                    heard.notify_one();
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(Failure::from(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
    });
    let tell = async {
        let row = client.query_one("SELECT pg_backend_pid()", &[]).await?;
        own.store(row.try_get(0)?, Ordering::Relaxed);
        client.batch_execute(&format!("LISTEN {channel}")).await?;
        // What was told before was not heard: workers look once.
        heard.notify_one();
        tell(&client, channel, news).await
    };
    tokio::select! { ended = hear => ended, ended = tell => ended }
}

async fn tell(client: &Client, channel: &str, news: &Notify) -> Result<(), Failure> {
    loop {
        news.notified().await;
        client.batch_execute(&format!("NOTIFY {channel}")).await?;
        tokio::time::sleep(NOTICE_EVERY).await;
    }
}
