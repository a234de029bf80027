//! The core of Whisp: types, traits, policies, KPIs and the pipeline. It opens no socket, reads no clock, file or
//! environment and starts no task.

pub mod assistant;
pub mod channel;
pub mod clock;
pub mod detect;
mod entity;
pub mod error;
pub mod id;
pub mod kpi;
pub mod model;
pub mod privacy;
pub mod reply;
pub mod route;
mod sensitive;
pub mod store;
#[cfg(feature = "system")]
pub mod system;
#[cfg(any(test, feature = "test-util"))]
pub mod testing;
pub mod vault;
pub mod webhook;

pub use sensitive::Sensitive;
