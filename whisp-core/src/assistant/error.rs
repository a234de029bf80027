//! What can go wrong in the assistant.

use crate::audit::AnchorError;
use crate::channel::ChannelError;
use crate::error::Retry;
use crate::media::MediaError;
use crate::model::ChannelKind;
use crate::privacy::{BreachError, Denied, DeniedReason, Forbidden, LawError, LegalError, RequestError};
use crate::reply::ReplyError;
use crate::route::RouteError;
use crate::store::{StoreError, StoreErrorKind};
use crate::vault::{VaultError, VaultErrorKind};

/// Why the assistant could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AssistantError {
    /// The audit log could not be anchored.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
    /// That does not happen to a breach, or not now.
    #[error(transparent)]
    Breach(#[from] BreachError),
    /// A channel failed; why is the cause.
    #[error("the channel {0} failed")]
    Channel(ChannelKind, #[source] ChannelError),
    /// The clock can't be believed.
    #[error(
        "the clock says {now}, and the last sweep was at {last}: nothing is deleted by age until somebody has looked; \
         if the clock is right, call trust_clock"
    )]
    Clock {
        /// When somebody swept last.
        last: chrono::DateTime<chrono::Utc>,
        /// What the clock says.
        now: chrono::DateTime<chrono::Utc>,
    },
    /// Somebody else changed it meanwhile: read it again and decide again.
    #[error("the {0} was changed by somebody else; read it again")]
    Conflict(&'static str),
    /// The gate denies it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Whoever sits at the desk may not do it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The facts of that time are past theirs, and only figures are left of them.
    #[error(
        "facts before {until} have become figures: let the window begin there, and read the figures of what was before"
    )]
    Frozen {
        /// Until when.
        until: chrono::DateTime<chrono::Utc>,
    },
    /// The request is wrong.
    #[error("{0}")]
    Invalid(&'static str),
    /// That does not happen to what is handed to an authority, or not now.
    #[error(transparent)]
    Legal(#[from] LegalError),
    /// A file could not be fetched.
    #[error("{0}: {1}")]
    Media(ChannelKind, #[source] MediaError),
    /// There is no such thing, or no longer.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// An engine failed.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// That does not happen to a request about data, or not now.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A router failed.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another tenant has it, and must give it up first.
    #[error("another tenant has this {0}: disconnect it there first")]
    Taken(&'static str),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl AssistantError {
    /// Returns whether and when the call may be repeated.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Anchor(error) => error.retry(),
            Self::Channel(_, error) => error.retry(),
            Self::Media(_, error) => error.retry(),
            Self::Conflict(_) => Retry::After(None),
            // Where the person stands could not be read, or changed since the permit was given: ask for a new one.
            Self::Denied(Denied {
                reason:
                    DeniedReason::Contained | DeniedReason::Unavailable | DeniedReason::Voided | DeniedReason::Expired,
                ..
            }) => Retry::After(None),
            Self::Breach(_)
            | Self::Clock { .. }
            | Self::Denied(_)
            | Self::Forbidden(_)
            | Self::Frozen { .. }
            | Self::Invalid(_)
            | Self::Legal(_)
            | Self::NotFound(_)
            | Self::Request(_)
            | Self::Taken(_) => Retry::Never,
            Self::Reply(error) => error.retry(),
            Self::Route(error) => error.retry(),
            Self::Store(error) => {
                use StoreErrorKind as Kind;
                patient(
                    error.retry(),
                    matches!(error.kind(), Kind::Locked | Kind::PermissionDenied | Kind::Unavailable),
                )
            }
            Self::Vault(error) => {
                use VaultErrorKind as Kind;
                let kind = error.kind();
                patient(
                    error.retry(),
                    matches!(kind, Kind::Denied | Kind::Locked | Kind::Permissions | Kind::Unavailable),
                )
            }
        }
    }
}

/// What an operator puts right (rights, an address, another process that holds it) must not cost the work that waits.
const fn patient(retry: Retry, can_be_put_right: bool) -> Retry {
    match retry {
        Retry::Never if can_be_put_right => Retry::After(None),
        retry => retry,
    }
}

impl From<LawError> for AssistantError {
    fn from(error: LawError) -> Self {
        Self::Request(error.into())
    }
}
