//! The kinds that a store was opened with. Only they have tables, so only they may come as far as those.

use whisp_core::error::Retry;
use whisp_core::store::{Expect, Kind, StoreError, StoreErrorKind, WriteBatch, WriteOp};

/// The longest name of a kind, in bytes.
const NAME_MAX: usize = 48;

/// What to do about a kind that can't name a table.
pub(crate) const NAME_ADVICE: &str = "name a kind with 1 to 48 lower-case letters and underscores";

/// What to do about records of a kind that is not there.
pub(crate) const MISSING_ADVICE: &str =
    "there are records of a kind that was not given: open the store with every kind of the host";

/// What to do about a kind that is found otherwise than before.
pub(crate) const PATHS_ADVICE: &str = "a kind with records keeps its paths: name a new one";

/// Returns whether a kind's name can be part of a table's.
pub(crate) fn is_plain(kind: Kind) -> bool {
    let name = kind.name();
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// Returns the paths as bits, as they are stored: 1 listed, 2 found, 4 owned, 8 expires.
pub(crate) fn paths_bits(kind: Kind) -> u8 {
    let paths = kind.paths();
    u8::from(paths.listed) | u8::from(paths.found) << 1 | u8::from(paths.owned) << 2 | u8::from(paths.expires) << 3
}

/// Refuses a kind that the store was not opened with.
pub(crate) fn check(kinds: &[Kind], operation: &'static str, kind: Kind) -> Result<(), StoreError> {
    if kinds.contains(&kind) {
        return Ok(());
    }
    Err(StoreError::new(operation, StoreErrorKind::Invalid, Retry::Never)
        .with_advice("give the kind to the store's options when it is opened"))
}

/// Refuses a batch that is too large or touches a kind that the store was not opened with.
pub(crate) fn check_batch(kinds: &[Kind], batch: &WriteBatch) -> Result<(), StoreError> {
    batch.check_size()?;
    let expected = batch.expects.iter().filter_map(|expect| match expect {
        Expect::Absent(kind, _) | Expect::Version(kind, ..) => Some(*kind),
        Expect::Unseen { .. } | Expect::Owner { .. } => None,
    });
    let written = batch.ops.iter().filter_map(|op| match op {
        WriteOp::Put(record) => Some(record.kind),
        WriteOp::Delete(kind, ..) => Some(*kind),
        WriteOp::Remember { .. } | WriteOp::Append(_) | WriteOp::Enqueue(_) | WriteOp::Complete(_) => None,
    });
    expected.chain(written).try_for_each(|kind| check(kinds, "commit", kind))
}
