//! Instagram, WhatsApp and Messenger for Whisp: what comes in through webhooks and what goes out through the Graph API.

mod client;
mod error_map;
mod guard;
mod instagram;
mod json;
mod limits;
mod messenger;
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
pub use messenger::Messenger;
pub use whatsapp::WhatsApp;
