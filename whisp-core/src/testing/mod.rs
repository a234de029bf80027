//! The deterministic test kit: a clock that stands still, ids that count. Not covered by semver.

mod clock;
mod ids;

pub use clock::ManualClock;
pub use ids::SeqIds;
