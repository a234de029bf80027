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

#[cfg(test)]
mod tests {
    use super::*;

    /// Else every file that comes meanwhile would be given up.
    #[test]
    fn what_a_store_refuses_for_its_credentials_is_tried_again() {
        let refused = |path: &str| (path.to_owned(), Box::new(io::Error::other("403")));
        let ((path, source), (other, cause)) = (refused("a"), refused("b"));
        for error in [
            ObjectError::PermissionDenied { path, source },
            ObjectError::Unauthenticated { path: other, source: cause },
        ] {
            let error = failed("append", error);
            assert_eq!((error.kind(), error.retry()), (StoreErrorKind::PermissionDenied, Retry::After(None)));
        }
    }
}
