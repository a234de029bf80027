//! Who handles a turn: an engine, a member, nobody yet.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::define_error;
use crate::id::{MemberId, TenantId};
use crate::model::{AutomationMode, Conversation, HandOffReason};

/// Decides who handles the next turn of a conversation.
///
/// # Contract
/// 1. The same request gives the same route as long as what the router itself knows (who is at work) is the same.
/// 2. It has no effect: the assignment is what the pipeline commits. Asking, for this conversation or for another, changes
///    no later route.
///
/// [`testing::router_conformance`](crate::testing::router_conformance) proves one.
///
/// # Cancellation
/// Dropping `route` has no effect.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait Router: fmt::Debug + Send + Sync + 'static {
    /// Decides.
    ///
    /// # Errors
    /// By [`RouteErrorKind`]; the turn is tried again later.
    async fn route(&self, request: &RouteRequest) -> Result<Route, RouteError>;
}

/// What a router is asked.
#[derive(Debug, Clone)]
pub struct RouteRequest {
    /// Whose conversation.
    pub tenant: TenantId,
    /// The conversation. The pipeline asks only about those that no member handles.
    pub conversation: Conversation,
    /// How far the assistant may go here, tenant and connection taken together.
    pub mode: AutomationMode,
    /// The time of asking.
    pub now: DateTime<Utc>,
}

/// Who handles the turn.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Route {
    /// The engine.
    Engine,
    /// A member, or whoever of the team takes it.
    Member {
        /// Who; `None` for the team's queue.
        member: Option<MemberId>,
        /// Why.
        reason: HandOffReason,
    },
    /// Nobody for now: it stays in the inbox.
    Hold,
}

define_error! {
    /// Why a router failed.
    RouteError, RouteErrorKind {
        /// What it asks can't be reached.
        Unavailable = "the router can't decide now",
    }
}

/// Sends everything to the engine as far as automation is on, and leaves it in the inbox where it is off.
#[derive(Debug, Clone, Copy, Default)]
pub struct EngineFirst;

#[async_trait]
impl Router for EngineFirst {
    async fn route(&self, request: &RouteRequest) -> Result<Route, RouteError> {
        Ok(match request.mode {
            AutomationMode::Off => Route::Hold,
            AutomationMode::Suggest | AutomationMode::Automatic => Route::Engine,
        })
    }
}
