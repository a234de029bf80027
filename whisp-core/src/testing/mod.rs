//! The deterministic test kit: a clock that stands still, ids that count, futures that are dropped half-way. Not covered by semver.

mod cancel;
mod clock;
mod ids;

pub use cancel::cancel_after;
pub use clock::ManualClock;
pub use ids::SeqIds;
