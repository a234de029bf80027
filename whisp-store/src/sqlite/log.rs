//! The write-ahead log: when it is written back into the file, and how long it may get.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use whisp_core::store::StoreErrorKind;

use super::error::Failure;
use super::helper::Helper;
use super::schema::BUSY_WAIT;

/// From how many bytes on the log is written back: 64 MiB, or half of what it may have. A page that many messages
/// changed is written back once, so a longer log writes less: with 16 MiB the bench `store` took in a fifth to a third
/// fewer messages a second.
const LONG: u64 = 64 << 20;

/// How many bytes the log may have, unless told otherwise.
pub(super) const MAX_DEFAULT: u64 = 256 << 20;

/// The least that the log may be allowed to have.
pub(super) const MAX_LEAST: u64 = 1 << 20;

/// After so many transactions at most the deleted bytes are gone from the log, even if there is never a pause.
const PURGE_GROUPS: u32 = 16;

/// How long the writer waits for readers before it goes on and tries again later. Our own readers are done by then.
const READERS_WAIT: Duration = Duration::from_millis(100);

thread_local! {
    /// How many pages the log held after this thread's last commit.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

/// How a log is written back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// The next transaction overwrites it from its beginning.
    Restart,
    /// It is cut to nothing, with what was deleted.
    Truncate,
}

/// The log of the writer's connection.
pub(super) struct Log<'c> {
    conn: &'c Connection,
    helper: Helper,
    /// How many pages it held after the transaction before.
    pages: i32,
    /// From how many pages on the helper is woken.
    early: i32,
    /// From how many pages on it is written back.
    long: i32,
    /// With how many pages nothing is added to it.
    max: i32,
    /// With how many pages the next attempt follows where the last one failed, else zero.
    not_before: i32,
    /// Whether deleted bytes may still be in it.
    has_deleted: bool,
    /// How many transactions there were since the last attempt to get rid of them.
    groups_since: u32,
    /// Tells our own long reads to give way.
    is_full: Arc<AtomicBool>,
}

impl<'c> Log<'c> {
    pub(super) fn new(
        conn: &'c Connection,
        path: &Path,
        bytes_max: u64,
        is_full: Arc<AtomicBool>,
    ) -> Result<Self, Failure> {
        let page: u32 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let count = |bytes: u64| i32::try_from(bytes / u64::from(page.max(1))).unwrap_or(i32::MAX);
        let long = count(LONG.min(bytes_max / 2));
        conn.wal_hook(Some(|_, pages| {
            PAGES.set(pages);
            Ok(())
        }));
        Ok(Self {
            conn,
            helper: Helper::start(path)?,
            pages: 0,
            early: long / 2,
            long,
            max: count(bytes_max),
            not_before: 0,
            // What an earlier process deleted before it crashed.
            has_deleted: true,
            groups_since: 0,
            is_full,
        })
    }

    /// Takes note that something was deleted: until the log is cut, the deleted bytes are still in it.
    pub(super) const fn note_deleted(&mut self) {
        self.has_deleted = true;
    }

    /// Makes sure that there is room for another transaction, which waits a moment for whoever still reads the log.
    pub(super) fn admit(&mut self) -> Result<(), Failure> {
        if PAGES.get() < self.max {
            return Ok(());
        }
        self.is_full.store(true, Ordering::Relaxed);
        if !self.write_back(Mode::Restart, BUSY_WAIT)? {
            return Err(held());
        }
        Ok(())
    }

    /// Returns whether the next pause is to be used: deleted bytes are in the log, and nobody held it up lately.
    pub(super) const fn wants_pause(&self) -> bool {
        self.has_deleted && self.not_before == 0
    }

    /// Cuts the log while nobody writes. Where somebody reads the old one, or the disk fails, the next attempt follows.
    pub(super) fn in_pause(&mut self) {
        let _follows = self.write_back(Mode::Truncate, READERS_WAIT);
    }

    /// Writes the log back after a transaction that was answered: when it is long, and some transactions after something was
    /// deleted. Where somebody reads the old log or the disk fails it stays as it is, and the next attempt follows.
    pub(super) fn after_group(&mut self) {
        self.wake_helper();
        self.groups_since = self.groups_since.saturating_add(1);
        let is_purge_due = self.has_deleted && self.groups_since >= PURGE_GROUPS;
        if is_purge_due || PAGES.get() >= self.long.max(self.not_before) {
            let mode = if self.has_deleted { Mode::Truncate } else { Mode::Restart };
            let _follows = self.write_back(mode, READERS_WAIT);
        }
    }

    /// Has the helper write back what there is at a half and at three quarters of a long log, so that little is left.
    fn wake_helper(&mut self) {
        let before = std::mem::replace(&mut self.pages, PAGES.get());
        if self.pages < before {
            self.early = self.long / 2;
        }
        if self.pages >= self.early {
            self.early = self.pages.saturating_add(self.long / 4);
            self.helper.wake();
        }
    }

    /// Makes room in the log after a transaction that failed: what is in the log may be all that lacks room.
    pub(super) fn after_failure(&mut self) {
        let _follows = self.write_back(Mode::Restart, READERS_WAIT);
    }

    /// Cuts the log to nothing, so that what was deleted is nowhere any more.
    pub(super) fn purge(&mut self) -> Result<(), Failure> {
        if self.write_back(Mode::Truncate, BUSY_WAIT)? {
            return Ok(());
        }
        Err(held())
    }

    /// Returns whether all of it was written back.
    fn write_back(&mut self, mode: Mode, wait: Duration) -> Result<bool, Failure> {
        let _paused = self.helper.pause();
        self.groups_since = 0;
        self.not_before = PAGES.get().saturating_add(self.long / 4);
        let sql = match mode {
            Mode::Restart => "PRAGMA wal_checkpoint(RESTART)",
            Mode::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
        };
        self.conn.busy_timeout(wait)?;
        let is_busy = self.conn.query_row(sql, [], |row| row.get::<_, bool>(0));
        self.conn.busy_timeout(BUSY_WAIT)?;
        if is_busy? {
            return Ok(false);
        }
        PAGES.set(0);
        self.not_before = 0;
        self.is_full.store(false, Ordering::Relaxed);
        self.has_deleted &= mode != Mode::Truncate;
        // SQLite as rusqlite builds it keeps the pages of all connections in one place. Where readers have filled that, a writer
        // with less than its share keeps no page for longer than it is at it, and reads each anew, for ever. So all begin anew
        // now and then, which costs milliseconds.
        self.conn.release_memory()?;
        Ok(true)
    }
}

/// Another program reads the old log.
const fn held() -> Failure {
    Failure::later(StoreErrorKind::Locked, "end the long read in the other program")
}
