//! What the errors of object stores mean.

use std::error::Error;
use std::io;

use object_store::Error as ObjectError;
use whisp_core::error::Retry;
use whisp_core::store::{StoreError, StoreErrorKind};

/// Turns an object store's error into ours. It names files of ours, which are random ids, and nothing personal.
pub(super) fn failed(operation: &'static str, error: ObjectError) -> StoreError {
    let (kind, retry, advice) = match &error {
        ObjectError::PermissionDenied { .. } | ObjectError::Unauthenticated { .. } => {
            // As of a folder: somebody gives the rights back, and what waits is written then.
            (
                StoreErrorKind::PermissionDenied,
                Retry::After(None),
                "let the store's credentials read, write, list and delete",
            )
        }
        ObjectError::NotImplemented { .. } | ObjectError::NotSupported { .. } => {
            (StoreErrorKind::Invalid, Retry::Never, "use an object store that can put, get ranges, list and delete")
        }
        _ => meaning(&error),
    };
    StoreError::new(operation, kind, retry).with_advice(advice).with_source(error)
}

/// Turns an error of the file system into ours.
pub(super) fn failed_file(operation: &'static str, error: io::Error) -> StoreError {
    let (kind, retry, advice) = meaning(&error);
    StoreError::new(operation, kind, retry).with_advice(advice).with_source(error)
}

/// Looks for the operating system's word at the bottom.
fn meaning(error: &(dyn Error + 'static)) -> (StoreErrorKind, Retry, &'static str) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                return (StoreErrorKind::Full, Retry::After(None), "make room where the files are");
            }
            Some(io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
                return (StoreErrorKind::PermissionDenied, Retry::After(None), "make the folder readable and writable");
            }
            _ => cause = error.source(),
        }
    }
    (StoreErrorKind::Unavailable, Retry::After(None), "check that the media store can be reached")
}
