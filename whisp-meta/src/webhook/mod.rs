//! What Meta sends: webhooks of WhatsApp, Instagram and Messenger, verified and taken apart.
//!
//! # Examples
//! The host hands over the raw body and the header `X-Hub-Signature-256`:
//! ```
//! use whisp_core::webhook::{WebhookDecoder, WebhookErrorKind, WebhookRequest};
//! use whisp_meta::webhook::MetaDecoder;
//!
//! let decoder = MetaDecoder::new(&["app secret".into()]);
//! let request = WebhookRequest {
//!     signature: Some("sha256=none".into()),
//!     body: br#"{"object":"page","entry":[]}"#.to_vec(),
//!     received_at: chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
//! };
//! assert_eq!(decoder.decode(&request).unwrap_err().kind(), WebhookErrorKind::Unsigned);
//! ```

mod cursor;
mod decoder;
mod direct;
mod handshake;
mod item;
mod messaging;
mod notice;
mod signature;
#[cfg(test)]
mod tests;
mod whatsapp;
mod wire;

pub use decoder::{BODY_BYTES_MAX, MetaDecoder};
pub use handshake::{Handshake, HandshakeRefusal, handshake};
pub(crate) use signature::DIGEST_BYTES;
pub use signature::{AppSecrets, SIGNATURE_HEADER};
