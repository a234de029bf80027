//! A tenant's connected account.

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::id::{ConnectionId, TenantId};
use crate::model::{AccountId, ChannelKind};

/// How far the assistant may go on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutomationMode {
    /// Nothing: messages are kept and measured, members answer.
    #[default]
    Off,
    /// Engines propose, members send.
    Suggest,
    /// Engines answer; what they can't answer goes to a member.
    Automatic,
}

/// Whether a connection can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConnectionState {
    /// The business left: nothing is sent any more.
    Disconnected,
    /// Messages come in and go out.
    #[default]
    Live,
    /// The platform refused the token: messages come in, what should go out waits until the business connects again.
    Reauthorize,
}

/// A tenant's connected Instagram, WhatsApp or Messenger account.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Which.
    pub id: ConnectionId,
    /// Whose.
    pub tenant: TenantId,
    /// On which channel.
    pub channel: ChannelKind,
    /// The platform's id of the account.
    pub account: AccountId,
    /// The access token. Sealed at rest, never printed.
    pub token: SecretString,
    /// The scopes that the business granted, as the platform names them. A scope that is not here is never used, even
    /// if the token allows it (promise P14).
    pub scopes: Vec<String>,
    /// How far the assistant may go.
    pub mode: AutomationMode,
    /// Whether it can be used.
    pub state: ConnectionState,
    /// Since when.
    pub connected_at: DateTime<Utc>,
}
