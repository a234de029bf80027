//! What must hold, each as a check of its own: of every message that the platform takes, of every question to the
//! engine, and of what is stored once everything has come to rest.

pub(crate) mod asking;
pub(crate) mod pace;
pub(crate) mod sends;
pub(crate) mod stored;
mod tallies;
