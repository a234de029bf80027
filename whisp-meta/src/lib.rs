//! Instagram, WhatsApp and Messenger for Whisp: what comes in through webhooks and what goes out through the Graph API.

#[cfg(feature = "axum")]
pub mod router;
pub mod webhook;
