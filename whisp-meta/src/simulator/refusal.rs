//! Meta's error envelopes.

use serde_json::{Value, json};
use whisp_core::model::ChannelKind;

use crate::json::set;

/// An answer that refuses a call.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: i64,
    subcode: Option<i64>,
    kind: &'static str,
    message: String,
    details: Option<String>,
    transient: bool,
    /// In how many minutes calls are taken again, for `X-Business-Use-Case-Usage`.
    pub(super) regain_minutes: Option<u64>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: i64, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            subcode: None,
            kind: "OAuthException",
            message: message.into(),
            details: None,
            transient: false,
            regain_minutes: None,
        }
    }

    pub(super) fn with_subcode(mut self, subcode: Option<i64>) -> Self {
        self.subcode = subcode;
        self
    }

    pub(super) fn with_details(mut self, details: &str) -> Self {
        self.details = Some(details.to_owned());
        self
    }

    pub(super) fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    pub(super) const fn regained_in(mut self, minutes: u64) -> Self {
        self.regain_minutes = Some(minutes);
        self
    }

    /// A parameter that is missing or wrong.
    pub(super) fn parameter(details: &str) -> Self {
        Self::new(400, 100, "(#100) Invalid parameter").with_details(details)
    }

    /// The token is missing, or no account's.
    pub(super) fn token(present: bool) -> Self {
        if present {
            Self::new(401, 190, "Invalid OAuth access token - Cannot parse access token")
        } else {
            Self::new(401, 104, "An access token is required to request this resource")
        }
    }

    /// An object that does not exist, or that the token can't see.
    pub(super) fn no_such_object() -> Self {
        Self::new(400, 100, "Unsupported request. The object does not exist or can't be loaded with this token")
            .with_subcode(Some(33))
    }

    /// The business did not grant a permission.
    pub(super) fn permission(name: &str) -> Self {
        Self::new(403, 10, format!("(#10) To use this object, grant the {name} permission"))
    }

    /// Outside the window on Instagram or Messenger.
    pub(super) fn outside_window(channel: &ChannelKind) -> Self {
        let (kind, subcode) = match channel {
            ChannelKind::Instagram => ("IGApiException", 2_534_022),
            _ => ("OAuthException", 2_018_278),
        };
        let mut refusal = Self::new(403, 10, "(#10) This message is sent outside of allowed window.");
        refusal.kind = kind;
        refusal.with_subcode(Some(subcode))
    }

    /// Nobody is known by this id, on Instagram or Messenger.
    pub(super) fn no_such_person(channel: &ChannelKind) -> Self {
        let subcode = if *channel == ChannelKind::Instagram { 2_534_014 } else { 2_018_001 };
        Self::new(400, 100, "(#100) No matching user found").with_subcode(Some(subcode))
    }

    pub(super) fn envelope(&self, trace: &str) -> Value {
        let mut error = json!({ "message": self.message, "type": self.kind, "code": self.code, "fbtrace_id": trace });
        if let Some(subcode) = self.subcode {
            set(&mut error, "error_subcode", subcode);
        }
        if let Some(details) = &self.details {
            set(&mut error, "error_data", json!({ "messaging_product": "whatsapp", "details": details }));
        }
        if self.transient {
            set(&mut error, "is_transient", true);
        }
        json!({ "error": error })
    }
}
