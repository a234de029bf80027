//! A body on its way in: measured and hashed as it comes.

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use whisp_core::error::Retry;
use whisp_core::media::{MediaBody, MediaError, MediaErrorKind, PIECE_BYTES_MAX};

use super::{again, never};

/// What was told of a file before it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) size: Option<u64>,
    pub(super) sha256: Option<[u8; 32]>,
    /// How large it may be.
    pub(super) limit: u64,
}

/// A file that is being downloaded.
pub(super) struct Download {
    response: Response,
    told: Told,
    hash: Context,
    got: u64,
    /// What came in one read and is handed over in several pieces.
    rest: Vec<u8>,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Download({} bytes so far)", self.got)
    }
}

impl Download {
    /// Begins with an answer whose body is the file.
    pub(super) fn begin(response: Response, told: Told) -> Result<Box<dyn MediaBody>, MediaError> {
        let said = response.content_length();
        if said.max(told.size).is_some_and(|size| size > told.limit) {
            return Err(too_large());
        }
        if let (Some(said), Some(size)) = (said, told.size)
            && said != size
        {
            return Err(damaged("its size is not the one that was told"));
        }
        let told = Told { size: told.size.or(said), ..told };
        Ok(Box::new(Self { response, told, hash: Context::new(&SHA256), got: 0, rest: Vec::new() }))
    }

    /// Takes what came in: counts and hashes it.
    fn take(&mut self, bytes: &[u8]) -> Result<(), MediaError> {
        self.got = self.got.saturating_add(bytes.len() as u64);
        if self.got > self.told.limit {
            return Err(too_large());
        }
        if self.told.size.is_some_and(|size| self.got > size) {
            return Err(damaged("it is longer than was told"));
        }
        self.hash.update(bytes);
        Ok(())
    }

    /// Checks, at its end, that all of it came.
    fn end(&self) -> Result<(), MediaError> {
        if self.told.size.is_some_and(|size| self.got != size) {
            return Err(damaged("it is shorter than was told"));
        }
        match self.told.sha256 {
            Some(told) if self.hash.clone().finish().as_ref() != told => {
                Err(damaged("its SHA-256 is not the one told"))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl MediaBody for Download {
    fn mime(&self) -> Option<String> {
        self.response.headers().get(CONTENT_TYPE)?.to_str().ok().map(str::to_owned)
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, MediaError> {
        if self.rest.is_empty() {
            let came = self.response.chunk().await.map_err(broken)?;
            let Some(bytes) = came else { return self.end().map(|()| None) };
            self.take(&bytes)?;
            self.rest = bytes.into();
        }
        let more = self.rest.split_off(self.rest.len().min(PIECE_BYTES_MAX));
        Ok(Some(std::mem::replace(&mut self.rest, more)))
    }
}

/// A body that broke off: the rest may come the next time.
fn broken(error: reqwest::Error) -> MediaError {
    again(MediaErrorKind::Unavailable, "the download broke off").with_source(error.without_url())
}

fn damaged(advice: &'static str) -> MediaError {
    MediaError::new(super::OPERATION, MediaErrorKind::Damaged, Retry::After(None)).with_advice(advice)
}

fn too_large() -> MediaError {
    never(MediaErrorKind::TooLarge, "the channel's limit for its kind is in `FILE_LIMITS`")
}
