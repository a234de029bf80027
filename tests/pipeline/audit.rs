//! The audit log: what is in it, that no change goes without, and what an erasure leaves of it.

mod crash;
mod erased;
mod events;
mod faults;
