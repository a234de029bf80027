//! A file with a secret key, the root key or the one that signs: its layout, how it is read, and how it is written once and never again.

use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use whisp_core::vault::{SecretKey, VaultError, VaultErrorKind};
use zeroize::Zeroizing;

use super::wrap::{KEY_LEN, random, random_key};
use super::{failed, unavailable};

/// What a key is for: with what its file begins, so that none is taken for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyUse {
    /// It wraps other keys.
    Root,
    /// It signs checkpoints.
    Signing,
}

impl KeyUse {
    const fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Root => b"WHISPKEY",
            Self::Signing => b"WHISPSIG",
        }
    }
}

/// The version of the layout that this library writes, and the newest that it reads.
const VERSION: u32 = 1;

/// How many bytes the name of a key has.
pub(crate) const ID_LEN: usize = 16;

const CHECKSUM_LEN: usize = 32;

/// `magic 8 | version u32 | key id 16 | key 32 | SHA-256 of all before 32`, numbers big endian.
const FILE_LEN: usize = 8 + 4 + ID_LEN + KEY_LEN + CHECKSUM_LEN;

/// Room to read a file into; more than it may have, so that a longer one is noticed.
const READ_MAX: u64 = 256;

/// A key and its name. The name is random and says nothing about the key.
pub(crate) struct FileKey {
    pub(crate) id: [u8; ID_LEN],
    pub(crate) key: SecretKey,
}

/// Reads a key file; `None` if there is none.
pub(crate) fn read(path: &Path, used: KeyUse) -> Result<Option<FileKey>, VaultError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error("open the key file", error)),
    };
    let metadata = file.metadata().map_err(|error| io_error("open the key file", error))?;
    if !metadata.is_file() {
        return Err(foreign("what is there is no file"));
    }
    if readable_by_others(&metadata) {
        return Err(failed("open the key file", VaultErrorKind::Permissions)
            .with_advice("take the rights of group and others away: chmod 600"));
    }
    // All the room at once, so that no half-read key is left behind where a buffer grew.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(READ_MAX).unwrap_or(FILE_LEN)));
    file.take(READ_MAX).read_to_end(&mut bytes).map_err(|error| io_error("read the key file", error))?;
    parse(&bytes, used).map(Some)
}

/// Makes a new key and writes it to a file that does not exist yet; `None` if there is one by now, which stays.
///
/// The file appears whole or not at all: it is written under another name beside its place, with the rights 0600, made
/// durable, and then given its name, which fails where the name is taken.
pub(crate) fn create(path: &Path, used: KeyUse) -> Result<Option<FileKey>, VaultError> {
    const OPERATION: &str = "create the key file";
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let new = FileKey { id: random()?, key: random_key()? };
    // On Unix such a file has the rights 0600 from the beginning.
    let mut file = tempfile::Builder::new()
        .prefix(".whisp-key-")
        .tempfile_in(folder)
        .map_err(|error| io_error(OPERATION, error))?;
    file.write_all(&encode(&new, used)).map_err(|error| io_error(OPERATION, error))?;
    file.as_file().sync_all().map_err(|error| io_error(OPERATION, error))?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => return Err(io_error(OPERATION, error.error)),
    }
    sync_folder(folder).map_err(|error| io_error(OPERATION, error))?;
    Ok(Some(new))
}

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder can't be opened, and the entry is durable with the file.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Returns whether somebody else than the owner may read or write a file.
#[cfg(unix)]
pub(super) fn readable_by_others(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    const GROUP_AND_OTHERS: u32 = 0o077;
    metadata.permissions().mode() & GROUP_AND_OTHERS != 0
}

/// Returns whether somebody else than the owner may read or write a file. Only Unix says so in a way that we know.
#[cfg(not(unix))]
pub(super) fn readable_by_others(_metadata: &Metadata) -> bool {
    false
}

/// Tells missing rights from other troubles with a file. The cause is kept without its text, which may name a path,
/// and a path the person whose folder it is.
pub(super) fn io_error(operation: &'static str, error: io::Error) -> VaultError {
    let code = error.raw_os_error();
    let error = io::Error::from(error.kind());
    let made = match error.kind() {
        io::ErrorKind::PermissionDenied => failed(operation, VaultErrorKind::Permissions)
            .with_advice("let the account that runs this read and write it, and nobody else")
            .with_source(error),
        io::ErrorKind::NotFound => {
            failed(operation, VaultErrorKind::Unavailable).with_advice("its folder must exist").with_source(error)
        }
        _ => unavailable(operation).with_source(error),
    };
    match code {
        Some(code) => made.with_code(code.into()),
        None => made,
    }
}

fn encode(key: &FileKey, used: KeyUse) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_LEN));
    bytes.extend_from_slice(used.magic());
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&key.id);
    bytes.extend_from_slice(key.key.expose());
    let checksum = digest(&SHA256, &bytes);
    bytes.extend_from_slice(checksum.as_ref());
    bytes
}

fn parse(bytes: &[u8], used: KeyUse) -> Result<FileKey, VaultError> {
    let rest = bytes.strip_prefix(used.magic()).ok_or_else(|| foreign("this is no key file of Whisp for this use"))?;
    let (version, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
    match u32::from_be_bytes(*version) {
        VERSION => {}
        0 => return Err(damaged()),
        _ => {
            return Err(failed("read the key file", VaultErrorKind::Newer)
                .with_advice("a newer version of this library wrote it: update, and do not replace the file"));
        }
    }
    let (id, rest) = rest.split_first_chunk::<ID_LEN>().ok_or_else(damaged)?;
    let (key, checksum) = rest.split_first_chunk::<KEY_LEN>().ok_or_else(damaged)?;
    let body = bytes.strip_suffix(checksum).unwrap_or_default();
    if checksum != digest(&SHA256, body).as_ref() {
        return Err(damaged());
    }
    Ok(FileKey { id: *id, key: SecretKey::new(Zeroizing::new(*key)) })
}

fn foreign(advice: &'static str) -> VaultError {
    failed("read the key file", VaultErrorKind::WrongKey).with_advice(advice)
}

fn damaged() -> VaultError {
    foreign("it is cut short or damaged: restore it from its backup, nothing else opens what it sealed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> FileKey {
        FileKey { id: [7; ID_LEN], key: SecretKey::new(Zeroizing::new([9; KEY_LEN])) }
    }

    #[test]
    fn what_is_written_is_read_and_every_other_file_is_refused() {
        let bytes = encode(&root(), KeyUse::Root);
        assert_eq!(bytes.len(), FILE_LEN);
        let read = parse(&bytes, KeyUse::Root).unwrap();
        assert_eq!((read.id, *read.key.expose()), ([7; ID_LEN], [9; KEY_LEN]));
        for len in 0..bytes.len() {
            assert_eq!(
                parse(&bytes[..len], KeyUse::Root).err().unwrap().kind(),
                VaultErrorKind::WrongKey,
                "{len} bytes"
            );
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let kind = parse(&changed, KeyUse::Root).err().unwrap().kind();
            let in_version = (8..12).contains(&(bit / 8));
            let newer = kind == VaultErrorKind::Newer && in_version;
            assert!(newer || kind == VaultErrorKind::WrongKey, "bit {bit}: {kind:?}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(parse(&longer, KeyUse::Root).err().unwrap().kind(), VaultErrorKind::WrongKey);
    }

    #[test]
    fn a_newer_file_is_told_from_a_damaged_one_whatever_follows_its_version() {
        let bytes = [KeyUse::Root.magic().as_slice(), &2_u32.to_be_bytes(), b"something else"].concat();
        assert_eq!(parse(&bytes, KeyUse::Root).err().unwrap().kind(), VaultErrorKind::Newer);
    }

    #[test]
    fn a_key_of_one_use_is_not_taken_for_one_of_the_other() {
        for (used, other) in [(KeyUse::Root, KeyUse::Signing), (KeyUse::Signing, KeyUse::Root)] {
            let bytes = encode(&root(), used);
            assert!(parse(&bytes, used).is_ok());
            assert_eq!(parse(&bytes, other).err().unwrap().kind(), VaultErrorKind::WrongKey);
        }
    }
}
