//! The core of Whisp: types, traits, policies, KPIs and the pipeline.
//!
//! An engine of one's own is a trait with a name, to whom its data go, and one method that decides:
//! ```
//! use async_trait::async_trait;
//! use whisp_core::privacy::ProcessorId;
//! use whisp_core::reply::{Decision, EngineId, Proposal, ReplyEngine, ReplyError, ReplyRequest};
//!
//! #[derive(Debug)]
//! struct Echo(EngineId);
//!
//! #[async_trait]
//! impl ReplyEngine for Echo {
//!     fn id(&self) -> &EngineId {
//!         &self.0
//!     }
//!
//!     fn processor(&self) -> Option<ProcessorId> {
//!         // What it is shown stays in this process.
//!         None
//!     }
//!
//!     async fn reply(&self, request: &ReplyRequest) -> Result<Decision, ReplyError> {
//!         // The question can only be read while the contact's permit holds.
//!         let question = request.question()?;
//!         Ok(Decision::Reply(Proposal::new(&format!("You asked: {question}"))))
//!     }
//! }
//! ```
//!
//! # The way of a message
//! | step | where |
//! |---|---|
//! | a webhook is verified and taken apart | [`webhook`] |
//! | its items are sealed and stored, once | [`assistant`]: `ingest` |
//! | who handles it | [`detect`], [`route`] |
//! | what to answer | [`reply`] |
//! | whether that may be read or sent | [`privacy`] |
//! | what of it a language model elsewhere is not shown | [`find`] |
//! | it goes out | [`channel`], [`assistant`]: `deliver` |
//! | its files are fetched and kept, sealed in chunks | [`media`], [`assistant`]: `fetch` |
//! | who did what with it is logged, for whoever checks | [`audit`] |
//! | what people and authorities are told of all this | [`documents`] |
//! | it is counted | [`kpi`], [`assistant`]: `measure` |
//! | it is kept | [`store`], sealed by the [`vault`] |
//!
//! # What it does not do
//! It opens no socket, reads no clock, file or environment and starts no task: time, ids and randomness come in through
//! [`clock::Clock`] and [`id::IdSource`]. Channels are in whisp-meta, engines in whisp-ai, stores and keys in whisp-store.
//!
//! # Features
//! | feature | what it adds |
//! |---|---|
//! | `system` | the system's clock and random ids |
//! | `runtime` | `assistant::Runner`, on tokio |
//! | `test-util` | a clock that stands still, ids that count, scripted doubles, the suite for channels; not covered by semver |
//! | `mock` | `mockall` mocks of the traits; not covered by semver |

#[macro_use]
mod names;

pub mod assistant;
pub mod audit;
pub mod channel;
pub mod clock;
pub mod detect;
pub mod documents;
mod entity;
pub mod error;
pub mod find;
pub mod id;
mod instant;
pub mod kpi;
pub mod media;
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

pub use sensitive::{Sensitive, Text};
