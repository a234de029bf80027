//! The commands of a developer: `cargo xtask test`.
fn main() {}
