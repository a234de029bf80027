//! The deterministic test kit: a clock that stands still, ids that count, the suite for channels. Not covered by
//! semver.

pub mod channel_conformance;
mod clock;
mod ids;

pub use clock::ManualClock;
pub use ids::SeqIds;
