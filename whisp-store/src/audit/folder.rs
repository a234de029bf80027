//! Checkpoints in a folder.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use whisp_core::audit::{
    AnchorError, AnchorErrorKind, Checkpoint, CheckpointSink, NOTE_MAX, SignedNote, TreeHash, goes_on,
};
use whisp_core::error::Retry;

use crate::keys::sync_folder;
use crate::thread::on_a_thread;

/// The longest name of a file, without its ending.
const NAME_MAX: usize = 200;

/// A [`CheckpointSink`] over a folder: one file for each log, with its latest checkpoint, which is replaced only by one
/// that goes on from it.
///
/// It shows that a log was changed only as far as whoever changes the log can't change the folder: mount it from another
/// machine, or copy it away. Several processes may share it, where the file system has locks.
#[derive(Debug, Clone)]
pub struct FolderSink {
    folder: Arc<Path>,
}

impl FolderSink {
    /// Opens the folder at `path`, and makes it, readable by the owner only, where there is none. Blocks for a moment.
    ///
    /// # Errors
    /// [`AnchorErrorKind::Unavailable`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, AnchorError> {
        let path = path.into();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| io_error("open the folder of checkpoints", &error))?;
        Ok(Self { folder: path.into() })
    }

    fn file(&self, origin: &str) -> PathBuf {
        self.folder.join(format!("{}.checkpoint", file_name(origin)))
    }

    fn read(&self, origin: &str) -> Result<Option<SignedNote>, AnchorError> {
        const OPERATION: &str = "read a checkpoint";
        let path = self.file(origin);
        let bytes = match fs::metadata(&path) {
            Ok(metadata) if metadata.len() > NOTE_MAX as u64 => return Err(corrupt(OPERATION)),
            Ok(_) => fs::read_to_string(&path),
            Err(error) => Err(error),
        };
        match bytes {
            Ok(text) => SignedNote::parse(&text).map(Some).map_err(|_| corrupt(OPERATION)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(corrupt(OPERATION)),
            Err(error) => Err(io_error(OPERATION, &error)),
        }
    }

    fn replace(&self, note: &SignedNote, old: u64, path: &[TreeHash]) -> Result<(), AnchorError> {
        const OPERATION: &str = "keep a checkpoint";
        let checkpoint = note.checkpoint().map_err(|_| corrupt(OPERATION))?;
        let broken = |error: io::Error| io_error(OPERATION, &error);
        // Held until the end, so that nobody else goes on from the same one.
        let lock = File::create(self.folder.join("lock")).map_err(broken)?;
        lock.lock().map_err(broken)?;
        match self.read(&checkpoint.origin)? {
            Some(latest) if latest == *note => return Ok(()),
            Some(latest) => {
                let latest = latest.checkpoint().map_err(|_| corrupt(OPERATION))?;
                check(&latest, &checkpoint, old, path).map_err(|kind| failed(OPERATION, kind))?;
            }
            None if old == 0 => {}
            // It was there when the caller looked.
            None => return Err(corrupt(OPERATION)),
        }
        let mut file = tempfile::Builder::new().prefix(".checkpoint-").tempfile_in(&self.folder).map_err(broken)?;
        file.write_all(note.to_string().as_bytes()).map_err(broken)?;
        file.as_file().sync_all().map_err(broken)?;
        file.persist(self.file(&checkpoint.origin)).map_err(|error| broken(error.error))?;
        sync_folder(&self.folder).map_err(broken)
    }

    /// Works with files on a thread of its own.
    async fn blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Self) -> Result<T, AnchorError> + Send + 'static,
    ) -> Result<T, AnchorError> {
        let sink = self.clone();
        let done = on_a_thread("whisp-anchor", move || work(&sink)).await;
        done.map_err(|error| io_error(operation, &error))?
    }
}

#[async_trait]
impl CheckpointSink for FolderSink {
    async fn latest(&self, origin: &str) -> Result<Option<SignedNote>, AnchorError> {
        let origin = origin.to_owned();
        self.blocking("read a checkpoint", move |sink| sink.read(&origin)).await
    }

    async fn publish(&self, note: &SignedNote, old: u64, path: &[TreeHash]) -> Result<(), AnchorError> {
        let (note, path) = (note.clone(), path.to_vec());
        self.blocking("keep a checkpoint", move |sink| sink.replace(&note, old, &path)).await
    }
}

/// Returns whether a checkpoint may take the place of the latest one.
fn check(latest: &Checkpoint, new: &Checkpoint, old: u64, path: &[TreeHash]) -> Result<(), AnchorErrorKind> {
    if new.size < latest.size {
        return Err(AnchorErrorKind::Back);
    }
    if new.size == latest.size && new.root != latest.root {
        return Err(AnchorErrorKind::Fork);
    }
    if old != latest.size {
        return Err(AnchorErrorKind::Overtaken);
    }
    if goes_on((latest.size, latest.root), (new.size, new.root), path) { Ok(()) } else { Err(AnchorErrorKind::Fork) }
}

/// Returns a name for the file of a log: every other byte than of letters, digits, dots and dashes as a percent sign and
/// two digits.
fn file_name(origin: &str) -> String {
    let mut name = String::with_capacity(origin.len());
    for byte in origin.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' => name.push(char::from(byte)),
            // Upper-case letters too: not every file system tells them from the others.
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    if name.len() <= NAME_MAX {
        return name;
    }
    TreeHash::of(&[origin.as_bytes()]).0.iter().map(|byte| format!("{byte:02x}")).collect()
}

const fn failed(operation: &'static str, kind: AnchorErrorKind) -> AnchorError {
    let retry = match kind {
        AnchorErrorKind::Overtaken | AnchorErrorKind::Unavailable => Retry::After(None),
        _ => Retry::Never,
    };
    AnchorError::new(operation, kind, retry)
}

fn corrupt(operation: &'static str) -> AnchorError {
    failed(operation, AnchorErrorKind::Corrupt)
        .with_advice("look at the folder: the checkpoint of this log is gone, or is none; restore it from a copy")
}

/// Keeps of an error what it is, not its text, which may name a path.
fn io_error(operation: &'static str, error: &io::Error) -> AnchorError {
    failed(operation, AnchorErrorKind::Unavailable)
        .with_advice("the folder must be there, and this program must be able to write in it")
        .with_source(io::Error::from(error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_log_has_a_file_of_its_own() {
        assert_eq!(file_name("whisp/audit/00-1"), "whisp%2faudit%2f00-1");
        assert_eq!(file_name("A"), "%41");
        assert_eq!(file_name("../x"), "..%2fx");
        let long = "é".repeat(100);
        assert_eq!(file_name(&long).len(), 64);
        assert_ne!(file_name(&long), file_name(&format!("{long}a")));
    }
}
