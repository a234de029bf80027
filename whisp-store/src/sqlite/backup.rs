//! Copying the file while it is written to.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::backup::StepResult;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempPath;
use tokio::sync::oneshot;
use whisp_core::store::StoreErrorKind;

use super::error::Failure;
use super::schema::beside;

/// How many pages are copied between two transactions, a megabyte: a transaction waits for a few milliseconds.
const STEP_PAGES: i32 = 256;

/// A copy in the making, under a name of its own beside its place. Dropping it removes it.
pub(super) struct Backup {
    /// `None` once it is closed.
    conn: Option<Connection>,
    file: TempPath,
    to: PathBuf,
}

impl Backup {
    /// Makes an empty file, readable for its owner alone.
    pub(super) fn start(to: &Path) -> Result<Self, Failure> {
        // A log that lies there from another file would be taken for the copy's own.
        for name in [to.to_owned(), beside(to, "-wal"), beside(to, "-journal")] {
            if name.try_exists()? {
                return Err(taken());
            }
        }
        let file = tempfile::Builder::new().prefix(".whisp-backup-").tempfile_in(folder(to))?.into_temp_path();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&file, flags)?;
        // Nobody looks at it before it has its name, which it gets when it is whole and durable.
        conn.pragma_update(None, "journal_mode", "off")?;
        conn.pragma_update(None, "synchronous", "off")?;
        Ok(Self { conn: Some(conn), file, to: to.to_owned() })
    }

    /// Copies step by step; `between` is called between two steps. What the same connection writes meanwhile is in the
    /// copy: it is the state at the end. It ends early where nobody waits for it any more.
    pub(super) fn fill<T>(
        &mut self,
        from: &Connection,
        reply: &oneshot::Sender<T>,
        mut between: impl FnMut(),
    ) -> Result<(), Failure> {
        let Some(conn) = &mut self.conn else { return Err(Failure::stopped()) };
        let steps = rusqlite::backup::Backup::new(from, conn)?;
        while !reply.is_closed() {
            match steps.step(STEP_PAGES)? {
                StepResult::Done => return Ok(()),
                StepResult::More => between(),
                _ => return Err(Failure::later(StoreErrorKind::Locked, "stop the other program that uses the file")),
            }
        }
        Err(Failure::stopped())
    }

    /// Makes the copy durable and gives it its name, unless somebody else was faster.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        if let Some(conn) = self.conn.take() {
            conn.close().map_err(|(_, error)| error)?;
        }
        std::fs::OpenOptions::new().write(true).open(&self.file)?.sync_all()?;
        match self.file.persist_noclobber(&self.to) {
            Ok(()) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Err(taken()),
            Err(error) => return Err(error.error.into()),
        }
        Ok(crate::keys::sync_folder(folder(&self.to))?)
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

const fn taken() -> Failure {
    Failure::new(StoreErrorKind::Invalid, "a file is there already, or a log that is not its own: name another one")
}
