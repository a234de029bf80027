//! Instagram, WhatsApp and Messenger for Whisp: what comes in through webhooks and what goes out through the Graph API.

pub mod webhook;
