//! Files that come with messages: kept sealed, beside the answers, and gone with what they belong to.

mod bounds;
mod fate;
mod fetch;
mod gallery;
mod handed;
pub(crate) mod kit;
mod part;
mod platform;
mod resolve;
mod story;
mod tampered;
