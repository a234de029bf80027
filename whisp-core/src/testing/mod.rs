//! The deterministic test kit: a clock that stands still, ids that count, futures that are dropped half-way, a store that
//! waits, a channel and an engine that do as a test says, the suites for what a host plugs in. Not covered by semver.

pub mod access_conformance;
pub mod anchor_conformance;
mod ask;
mod cancel;
mod case;
pub mod channel_conformance;
mod clock;
pub mod decoder_conformance;
pub mod detector_conformance;
pub mod erasable_conformance;
pub mod id_conformance;
mod ids;
pub mod kpi_conformance;
mod recording;
pub mod router_conformance;
mod scripted;
pub mod source_conformance;
mod yielding;

pub use ask::{ask, ask_turns};
pub use cancel::cancel_after;
pub use case::{Case, Violation};
pub use clock::ManualClock;
pub use ids::SeqIds;
pub use recording::{RecordingChannel, SentMessage};
pub use scripted::ScriptedEngine;
pub use yielding::{Yielding, pause};
