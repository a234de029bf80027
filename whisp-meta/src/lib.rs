//! Instagram, WhatsApp and Messenger for Whisp: what comes in through webhooks and what goes out through the Graph API.
//!
//! A webhook is verified over its raw bytes and taken apart into items that each stand alone:
//! ```
//! use whisp_core::webhook::{WebhookDecoder, WebhookErrorKind, WebhookRequest};
//! use whisp_meta::webhook::MetaDecoder;
//!
//! let decoder = MetaDecoder::new(&["app secret".into()]);
//! let forged = WebhookRequest {
//!     signature: Some(format!("sha256={}", "0".repeat(64))),
//!     body: br#"{"object":"page","entry":[]}"#.to_vec(),
//!     received_at: chrono::DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
//! };
//! assert_eq!(decoder.decode(&forged).unwrap_err().kind(), WebhookErrorKind::BadSignature);
//! ```
//! - [`webhook`]: the handshake, the signature, the decoder; `router` (feature `axum`) mounts them.
//! - [`callback`]: Meta's privacy callbacks, deauthorize and data deletion; `router` mounts them too.
//! - [`WhatsApp`], [`Instagram`], [`Messenger`]: the channels, over one [`GraphClient`]; each is a source of the files that
//!   come with messages too.
//! - [`explain`]: what Meta's error codes mean and whether to try again.
//! - [`pace`](mod@pace): how fast Meta lets messages go.
//! - `simulator` (feature `simulator`): a Graph API in this process.
//!
//! # What it does not do
//! It does not refresh tokens or walk through Meta's connect dialogs, and it sends no template buttons but
//! quick replies. What a privacy callback asks for is done by an [`Assistant`](whisp_core::assistant::Assistant) (feature
//! `axum`), or by what the host has instead; by whose leave an account is used only the host knows, and tells with
//! [`set_authorizer`](whisp_core::assistant::Assistant::set_authorizer). It follows no redirect but from one of Meta's hosts
//! of files to another, and uses no proxy.

pub mod callback;
mod client;
mod error_map;
mod guard;
mod instagram;
mod json;
mod limits;
mod media;
mod messenger;
pub mod pace;
#[cfg(feature = "axum")]
pub mod router;
mod send_api;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod webhook;
mod whatsapp;
mod window;

pub use client::{
    ANSWER_BYTES_MAX, ANSWER_TIMEOUT, API_VERSION, CONNECT_TIMEOUT, GraphClient, GraphConfig, GraphConfigError,
};
pub use error_map::{Meaning, explain};
pub use instagram::Instagram;
pub use limits::{HUMAN_WINDOW, WINDOW};
pub use media::{FILE_LIMITS, FileLimit};
pub use messenger::Messenger;
pub use whatsapp::WhatsApp;
