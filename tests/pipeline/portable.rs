//! A copy as a package (promises P51 and P52): every line and the manifest keep to their schema, every file is what the
//! manifest says, and what was brought elsewhere is the same there, and is nothing live.

mod bad_copies;
mod imported;
mod kit;
mod packages;
mod schemas;
