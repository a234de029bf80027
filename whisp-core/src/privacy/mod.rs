//! Purposes, consent, and the gate: no permit, no plaintext; no permit, no egress.

mod consent;
mod gate;
mod purpose;

pub use consent::{AffirmativeAct, ConsentEvent, ConsentState, Standing};
pub use gate::{Denied, DeniedReason, Gate, Grant, PERMIT_LIFE, Permit, STANDING_LIFE, STANDINGS_MAX};
pub use purpose::{AutomatedReplies, DataCategory, Purpose, PurposeKind, Rights, ServiceProvision};
