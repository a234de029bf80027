//! What an operator does with a store: back it up, check it, make it small.

use std::path::Path;
use std::sync::Arc;

use whisp_core::store::StoreError;

use super::backup::Backup;
use super::error::Failure;
use super::writer::{Job, Upkeep};
use super::{SqliteStore, check, schema};

impl SqliteStore {
    /// Copies the store to a file that is not there yet, while everything goes on: between two transactions the writer
    /// copies a megabyte. The copy is the store as it is when the copying ends, of one moment; it opens as a store.
    ///
    /// It is readable for its owner alone and gets its name when it is whole and durable: a crash leaves at most a file
    /// whose name begins with `.whisp-backup-`.
    ///
    /// **Backups and erasure.** What is sealed stays sealed in a backup: whose key was destroyed can't be read in any
    /// backup either, however old. That holds as long as no copy of the *key table* from before the erasure is kept,
    /// and so there is no method that backs up the key table: copy its file while nothing is running, and keep the copies
    /// for a few days only. Without the key table, nothing in a backup of the data can be read. What is not sealed,
    /// such as times, random ids and keyed indexes, is in a backup until that is deleted.
    ///
    /// A store that was restored does not know what happened since: its leases are given out again and messages that came
    /// later are taken for new when they are delivered again. Stop every worker before, and start them after.
    ///
    /// # Errors
    /// - [`Invalid`](whisp_core::store::StoreErrorKind::Invalid) if there is a file of this name, or a log beside it.
    /// - [`Full`](whisp_core::store::StoreErrorKind::Full),
    ///   [`PermissionDenied`](whisp_core::store::StoreErrorKind::PermissionDenied) or
    ///   [`Unavailable`](whisp_core::store::StoreErrorKind::Unavailable) if the folder is not there or can't take it.
    ///   The store goes on.
    ///
    /// # Cancellation
    /// Dropping the future ends the copying and removes the unfinished file; dropped in its last moment, the backup may
    /// be there.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use whisp_store::SqliteStore;
    ///
    /// let folder = tempfile::tempdir()?;
    /// let (path, copy) = (folder.path().join("whisp.db"), folder.path().join("2026-11-25.db"));
    /// let store = SqliteStore::open(path)?;
    /// store.backup(&copy).await?;
    /// assert!(store.backup(&copy).await.is_err(), "nothing is overwritten");
    /// assert!(SqliteStore::open(&copy)?.check().await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn backup(&self, path: impl AsRef<Path> + Send) -> Result<(), StoreError> {
        const OPERATION: &str = "backup";
        let path = path.as_ref().to_owned();
        let told = |failure: Failure| failure.into_error(OPERATION);
        let backup = self.asides.run(move |_| Backup::start(&path)).await.map_err(told)?;
        let backup = self.write(OPERATION, |reply| Job::Upkeep(Upkeep::Backup(Box::new(backup), reply))).await?;
        self.asides.run(move |_| backup.finish()).await.map_err(told)
    }

    /// Looks for damage and returns what is wrong, in words that name tables and places in the file and nothing that a
    /// row holds. An empty list means that all is well: SQLite's integrity check finds nothing, every record can be
    /// read, and records, lookups and subjects lead to one another.
    ///
    /// It reads the whole file, on a thread of its own, while everything goes on. Where the log would grow too long
    /// meanwhile (see [`SqliteOptions::log_bytes_max`](super::SqliteOptions::log_bytes_max)) it gives way.
    ///
    /// # Errors
    /// [`Unavailable`](whisp_core::store::StoreErrorKind::Unavailable) if it gave way, or the disk fails.
    ///
    /// # Cancellation
    /// Dropping the future ends the check.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        let (path, kinds, is_log_full) = (self.path.clone(), self.kinds.clone(), Arc::clone(&self.is_log_full));
        let check = self.asides.run(move |gone| {
            let conn = schema::connect_reader(&path)?;
            check::check(&conn, &kinds, gone, &is_log_full)
        });
        check.await.map_err(|failure| failure.into_error("check"))
    }

    /// Gives up to a megabyte of what was deleted back to the disk and cuts the log to nothing. Returns how many
    /// bytes of the file are still free: call it again until there are few enough. A bounded step, beside the load.
    ///
    /// After it returned, nothing of what was deleted before is in the log, nor in the pages that were free. For what may
    /// be left between the rows of a page see [`rewrite`](SqliteStore::rewrite).
    ///
    /// # Errors
    /// [`Locked`](whisp_core::store::StoreErrorKind::Locked) if another program reads the file all the time: the log
    /// was not cut. Else by [`StoreErrorKind`](whisp_core::store::StoreErrorKind).
    ///
    /// # Cancellation
    /// Dropping the future leaves the step done or not done.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let store = whisp_store::SqliteStore::open(folder.path().join("whisp.db"))?;
    /// while store.compact().await? > 16 << 20 {}
    /// # Ok(())
    /// # }
    /// ```
    pub async fn compact(&self) -> Result<u64, StoreError> {
        self.write("compact", |reply| Job::Upkeep(Upkeep::Compact(reply))).await
    }

    /// Writes the whole file anew: afterwards it is as small as it can be, and **nothing** of what was deleted before is
    /// in it or beside it.
    ///
    /// Deleting zeroes the bytes of a row, but where SQLite moved a row to make room in a page it may leave a copy of
    /// the old place in the gap between the rows: of three thousand deleted rows, pieces of three to five were still
    /// there. They are sealed, and a destroyed key makes them unreadable at once; this removes them too.
    ///
    /// Reads go on, writes wait: for a time that grows with the file, some seconds a gigabyte. It needs room for two
    /// more copies, one of them in the folder for temporary files and one in the log.
    ///
    /// # Errors
    /// [`Full`](whisp_core::store::StoreErrorKind::Full) without that room, and nothing has changed.
    /// [`Locked`](whisp_core::store::StoreErrorKind::Locked) if another program reads the file all the time: it is
    /// rewritten, but the log was not cut. Else by [`StoreErrorKind`](whisp_core::store::StoreErrorKind).
    ///
    /// # Cancellation
    /// Dropping the future does not end it: it is done whole, or not at all if it had not begun.
    pub async fn rewrite(&self) -> Result<(), StoreError> {
        self.write("rewrite", |reply| Job::Upkeep(Upkeep::Rewrite(reply))).await
    }
}
