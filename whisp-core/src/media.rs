//! Media: where the bytes of a file come from, and where its sealed chunks are kept.
//!
//! A platform hands a file over for a short time only, so the pipeline fetches it at once: piece by piece out of a
//! [`MediaSource`], sealed in chunks of [`CHUNK_BYTES`] under the contact's key, chunk by chunk into a [`MediaStore`]. No
//! more than a few chunks are in memory, whatever the size of the file, and no store sees a byte of it in clear.
//!
//! Each chunk is sealed for its file, its number, and whether it is the last: one that is missing, comes twice, stands
//! elsewhere or is of another file does not open, nor does a file whose end was cut off (the STREAM construction). The
//! key is the contact's, so an erasure makes every copy of a file unreadable, in backups too.
//!
//! A story that a message mentions or answers is shown and not kept: see
//! [`Desk::open_story`](crate::assistant::Desk::open_story).

use std::fmt;

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::error::define_error;
use crate::id::{MediaId, TenantId};
use crate::model::{ChannelKind, Connection, Media, MediaKind, PlatformMessageId, StoryRef};
use crate::store::{Sealed, StoreError};

/// How many bytes of a file are sealed together. The last chunk of a file is shorter.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// The most bytes that a [`MediaSource`] hands over in one piece.
pub const PIECE_BYTES_MAX: usize = 512 * 1024;

/// How many files of one message are fetched at most; Instagram and Messenger put up to ten into one.
pub const FILES_MAX: usize = 10;

/// Which file is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaRequest {
    /// The file, as its message told it.
    pub media: Media,
    /// The platform's id of its message, by which the file is found again when its address has expired.
    pub message: Option<PlatformMessageId>,
    /// What of the message it is.
    pub part: MediaPart,
}

impl MediaRequest {
    /// Asks for the story that a message mentions or answers. A story is a picture or a video, and nobody tells which
    /// before it comes: it may be as large as a video.
    #[must_use]
    pub fn story(story: &StoryRef, message: Option<PlatformMessageId>) -> Self {
        let media = Media { url: story.url.clone(), ..Media::new(MediaKind::Video) };
        Self { media, message, part: MediaPart::Story }
    }
}

/// What of a message a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaPart {
    /// One of the files that came with it: which of them, counted from 0.
    File(usize),
    /// The story that it mentions or answers.
    Story,
}

/// Fetches the files of one channel from its platform.
///
/// # Contract
/// 1. [`open`](MediaSource::open) makes at most one download; retries are the pipeline's. Where the address has expired, it
///    asks the platform once for another, by the id of the file or of its message, and goes on with that one. It is the
///    same file: of the same place in the message and of the same kind, else [`MediaErrorKind::Gone`].
/// 2. The token goes to the platform's own hosts alone, never to where an address or a redirect points besides.
/// 3. Only `https` and only hosts of the platform are called, whatever the reference says; anything else is
///    [`MediaErrorKind::Refused`] before a byte leaves.
/// 4. A file that is said to be larger than the channel's limit for its kind is [`MediaErrorKind::TooLarge`] before its
///    body is read, and one that turns out to be as soon as it does.
/// 5. A body ends with `None` only when it came whole: of the size and with the SHA-256 that the platform told, where it
///    told them. Else it ends with an error: [`MediaErrorKind::Damaged`] where what came is not what was told.
/// 6. Pieces are never larger than [`PIECE_BYTES_MAX`], and nothing is read ahead of the caller beyond one piece.
/// 7. No error, `Debug` or log holds the token, an address, an id or a byte of the file.
///
/// [`testing::source_conformance`](crate::testing::source_conformance) proves one.
///
/// # Cancellation
/// Dropping `open`, or the body at any time, ends the download.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait MediaSource: fmt::Debug + Send + Sync + 'static {
    /// Returns whose files it fetches.
    fn kind(&self) -> ChannelKind;

    /// Returns how long after a message the platform hands such a part of it over; zero where it never does.
    fn keeps_for(&self, part: MediaPart) -> TimeDelta;

    /// Begins to fetch a file with the connection's token.
    ///
    /// # Errors
    /// By [`MediaErrorKind`].
    async fn open(&self, connection: &Connection, request: &MediaRequest) -> Result<Box<dyn MediaBody>, MediaError>;
}

/// A file on its way in.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait MediaBody: fmt::Debug + Send {
    /// Returns the MIME type that came with the body, if one did.
    fn mime(&self) -> Option<String>;

    /// Returns the next piece, `None` at the end of a body that came whole.
    ///
    /// # Errors
    /// By [`MediaErrorKind`].
    async fn next(&mut self) -> Result<Option<Vec<u8>>, MediaError>;
}

/// Keeps sealed files. It sees ids of ours and sealed bytes, and nothing else.
///
/// Not every call needs to be fast, but a host's database is the wrong place: files are large and never change.
/// `whisp_store::ObjectMedia` keeps them in a folder or in any object store.
///
/// # Contract
/// 1. A file can be read only after its writer [finished](MediaWriter::finish), and then it is durable. A writer that
///    was abandoned or dropped leaves what was there before.
/// 2. A file is the bytes that were written, in their order. A later writer of the same id replaces it as a whole.
/// 3. [`read`](MediaStore::read) returns the bytes from `offset` on, `len` of them or as many as there are: none beyond the
///    end, and `None` where there is no such file.
/// 4. After [`delete`](MediaStore::delete) the file can't be read. Deleting what is not there is harmless.
/// 5. [`list`](MediaStore::list) returns the ids of a tenant's files in their order, after the given one, up to `limit`.
/// 6. No method returns or changes a file of another tenant than the one that it is given.
///
/// # Cancellation
/// Dropping a call leaves it done or not done; repeat it.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait MediaStore: fmt::Debug + Send + Sync + 'static {
    /// Begins to write a file.
    ///
    /// # Errors
    /// By [`StoreErrorKind`](crate::store::StoreErrorKind).
    async fn write(&self, tenant: TenantId, id: MediaId) -> Result<Box<dyn MediaWriter>, StoreError>;

    /// Reads a part of a file.
    ///
    /// # Errors
    /// By [`StoreErrorKind`](crate::store::StoreErrorKind).
    async fn read(&self, tenant: TenantId, id: MediaId, offset: u64, len: usize)
    -> Result<Option<Vec<u8>>, StoreError>;

    /// Deletes a file.
    ///
    /// # Errors
    /// By [`StoreErrorKind`](crate::store::StoreErrorKind).
    async fn delete(&self, tenant: TenantId, id: MediaId) -> Result<(), StoreError>;

    /// Lists files.
    ///
    /// # Errors
    /// By [`StoreErrorKind`](crate::store::StoreErrorKind).
    async fn list(&self, tenant: TenantId, after: Option<MediaId>, limit: usize) -> Result<Vec<MediaId>, StoreError>;
}

/// A file on its way into a [`MediaStore`].
#[async_trait]
pub trait MediaWriter: fmt::Debug + Send {
    /// Appends a chunk.
    ///
    /// # Errors
    /// By [`StoreErrorKind`](crate::store::StoreErrorKind); the file is then to be abandoned.
    async fn append(&mut self, chunk: Sealed) -> Result<(), StoreError>;

    /// Makes the file readable, durably.
    ///
    /// # Errors
    /// By [`StoreErrorKind`](crate::store::StoreErrorKind).
    async fn finish(self: Box<Self>) -> Result<(), StoreError>;

    /// Throws away what was written. Dropping the writer does so too, but some stores then keep the bytes, unreadable,
    /// until rules of their own remove them.
    async fn abandon(self: Box<Self>);
}

define_error! {
    /// Why a file could not be fetched.
    MediaError, MediaErrorKind {
        /// The token is invalid, expired or lacks a permission: the business must connect again.
        Auth = "the platform refused the token",
        /// What came is not what the platform told: cut off, another size, another hash.
        Damaged = "the file is not what the platform told",
        /// The platform does not have it, or no longer.
        Gone = "the platform no longer has the file",
        /// Too much in too short a time.
        RateLimited = "too many calls",
        /// The reference can't or must not be followed: no address, not https, not the platform's host.
        Refused = "the reference must not be followed",
        /// It is larger than the channel allows.
        TooLarge = "the file is too large",
        /// The platform is down or can't be reached.
        Unavailable = "the platform can't be reached",
    }
}
