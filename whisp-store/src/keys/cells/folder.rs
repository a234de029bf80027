//! Cells in a folder: one file for each.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use whisp_core::vault::{CellName, Destroyed, Destruction, ErasableCell, VaultError, VaultErrorKind};
use zeroize::Zeroizing;

use crate::keys::key_file::{io_error, readable_by_others, sync_folder};
use crate::keys::{failed, random};
use crate::thread::on_a_thread;

const READ: &str = "read a cell";
const WRITE: &str = "write a cell";
const DESTROY: &str = "destroy a cell";

/// [`ErasableCell`]s in a folder: a file for each, readable by the owner only. Several processes of one machine may share it.
///
/// A cell is destroyed by writing random bytes over the file where it lies, which are made durable, and then unlinking it. A
/// crash in between is gone on with when the cell is destroyed again.
///
/// # How far that goes
/// It says [`Destroyed::Now`], and that holds for the file as the operating system shows it, on file systems that overwrite
/// in place (ext4 and XFS in their usual modes, NTFS, FAT). It does **not** hold below and beside them:
/// - On copy-on-write file systems (btrfs, ZFS, APFS, bcachefs), and in any snapshot of a volume or a virtual machine, the old
///   block stays until its space is used again or the snapshot is deleted.
/// - An SSD writes over nothing in place: the old block stays in the flash, out of reach of the operating system but not of
///   somebody who takes the chips off, until the drive has erased it (`fstrim` hastens that).
/// - A backup or synchronisation that took the folder along has a copy.
///
/// What is left in such a place is wrapped: it is of use only together with the inner provider's key **and** a copy of the key
/// table of that epoch. Put the folder on a volume without snapshots, encrypted with a key of its own, and exclude it from
/// every backup; where that is not enough, use a key service that destroys.
#[derive(Clone)]
pub struct FolderCells {
    folder: Arc<Path>,
}

impl FolderCells {
    /// Opens the folder at `path`, and makes it, for the owner only, where there is none. Blocks for a moment.
    ///
    /// # Errors
    /// [`Permissions`](VaultErrorKind::Permissions) or [`Unavailable`](VaultErrorKind::Unavailable).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, VaultError> {
        let path = path.into();
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| io_error("open the folder of cells", error))?;
        Ok(Self { folder: path.into() })
    }

    fn file(&self, name: &CellName) -> PathBuf {
        self.folder.join(name.as_str())
    }

    /// What is no longer to be read, and still to be overwritten.
    fn remains(&self, name: &CellName) -> PathBuf {
        self.folder.join(format!("{}.old", name.as_str()))
    }

    /// Keeps other writers out until it is dropped.
    fn lock(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock = options.open(self.folder.join("lock"))?;
        lock.lock()?;
        Ok(lock)
    }

    fn read_now(&self, name: &CellName) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let file = match File::open(self.file(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(READ, error)),
        };
        let metadata = file.metadata().map_err(|error| io_error(READ, error))?;
        if readable_by_others(&metadata) {
            return Err(failed(READ, VaultErrorKind::Permissions)
                .with_advice("take the rights of group and others away: chmod 600"));
        }
        // All the room at once, so that no part is left behind where a buffer grew; more than there may be, so that a longer
        // file is noticed.
        let mut value = Zeroizing::new(Vec::with_capacity(CellName::VALUE_MAX + 1));
        file.take(CellName::VALUE_MAX as u64 + 1).read_to_end(&mut value).map_err(|error| io_error(READ, error))?;
        if value.len() > CellName::VALUE_MAX {
            return Err(failed(READ, VaultErrorKind::WrongKey).with_advice("a file in the folder is no cell"));
        }
        Ok(Some(value))
    }

    fn put_now(
        &self,
        name: &CellName,
        there: Option<&[u8]>,
        value: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let broken = |error: io::Error| io_error(WRITE, error);
        let _lock = self.lock().map_err(broken)?;
        let found = self.read_now(name)?;
        let is_there = found.as_ref().map(|value| value.as_slice());
        if is_there != there || is_there == Some(value) {
            return Ok(found);
        }
        let file = self.file(name);
        // Whole or not at all: written beside its place, with the rights 0600, made durable, and then given its name.
        let mut new = tempfile::Builder::new().prefix(".cell-").tempfile_in(&self.folder).map_err(broken)?;
        new.write_all(value).map_err(broken)?;
        new.as_file().sync_all().map_err(broken)?;
        if found.is_some() {
            self.overwrite_remains(name).map_err(broken)?;
            fs::hard_link(&file, self.remains(name)).map_err(broken)?;
        }
        new.persist(&file).map_err(|error| broken(error.error))?;
        sync_folder(&self.folder).map_err(broken)?;
        self.overwrite_remains(name).map_err(broken)?;
        Ok(Some(Zeroizing::new(value.to_vec())))
    }

    fn destroy_now(&self, name: &CellName) -> Result<Destroyed, VaultError> {
        let broken = |error: io::Error| io_error(DESTROY, error);
        let _lock = self.lock().map_err(broken)?;
        // What a crash left.
        self.overwrite_remains(name).map_err(broken)?;
        // First it can be read no more, so that nobody sees half of it.
        match fs::rename(self.file(name), self.remains(name)) {
            Ok(()) => sync_folder(&self.folder).map_err(broken)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(broken(error)),
        }
        self.overwrite_remains(name).map_err(broken)?;
        Ok(Destroyed::Now)
    }

    /// Writes over a file in its place, durably, and unlinks it.
    fn overwrite_remains(&self, name: &CellName) -> io::Result<()> {
        let path = self.remains(name);
        if let (Ok(there), Ok(remains)) =
            (fs::read(self.file(name)).map(Zeroizing::new), fs::read(&path).map(Zeroizing::new))
            && there == remains
        {
            // A crash before the new value had its name: this is another name of the one that is in use.
            return fs::remove_file(&path);
        }
        let mut file = match OpenOptions::new().write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let noise: [u8; CellName::VALUE_MAX] = random().map_err(io::Error::other)?;
        let mut left = file.metadata()?.len();
        while left > 0 {
            let some = usize::try_from(left).unwrap_or(usize::MAX).min(noise.len());
            file.write_all(noise.get(..some).unwrap_or(&noise))?;
            left -= some as u64;
        }
        file.sync_all()?;
        drop(file);
        fs::remove_file(&path)?;
        sync_folder(&self.folder)
    }

    async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Self) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let cells = self.clone();
        on_a_thread("whisp-cells", move || work(&cells)).await.map_err(|error| io_error(operation, error))?
    }
}

#[async_trait]
impl ErasableCell for FolderCells {
    async fn read(&self, name: &CellName) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let name = name.clone();
        self.run(READ, move |cells| cells.read_now(&name)).await
    }

    async fn compare_and_put(
        &self,
        name: &CellName,
        there: Option<&[u8]>,
        value: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        if value.len() > CellName::VALUE_MAX {
            return Err(failed(WRITE, VaultErrorKind::WrongKey).with_advice("a cell holds 4096 bytes at most"));
        }
        let (name, value) = (name.clone(), Zeroizing::new(value.to_vec()));
        let there = there.map(|there| Zeroizing::new(there.to_vec()));
        self.run(WRITE, move |cells| cells.put_now(&name, there.as_ref().map(|there| there.as_slice()), &value)).await
    }

    async fn destroy(&self, name: &CellName) -> Result<Destroyed, VaultError> {
        let name = name.clone();
        self.run(DESTROY, move |cells| cells.destroy_now(&name)).await
    }

    fn destruction(&self) -> Destruction {
        Destruction::AtOnce
    }
}

impl fmt::Debug for FolderCells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FolderCells(..)")
    }
}
