//! Files that came with messages: fetched, kept sealed, read, and gone with what they belong to.
//!
//! What makes sure that no file outlives its record: the record is written **before** the first byte of its file, in the
//! commit of the message itself, and deleted **after** the file. A worker that is told, at the end of a fetch, that the
//! record is gone deletes what it has just written. What a crash leaves behind between two of these steps is a file
//! without a record, which can't be anything but rubbish: [`sweep`](crate::assistant::Assistant::sweep) goes round the
//! media store, page by page, and deletes it.

mod chunks;
mod collect;
mod fetch;
mod files;
mod keep;
mod story;
mod wanted;

pub(crate) use collect::Round;
pub(super) use files::KeptFile;
pub use files::OpenFile;
pub use story::LiveStory;
