//! Proves that a router keeps the contracts of [`Router`]. Run it against your own.
//!
//! Each function here checks the contract of its number, [`CASES`] lists them and [`check_all`] runs all. Cases may be added
//! in a minor release: pin the version.
//!
//! # Examples
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use whisp_core::id::TenantId;
//! use whisp_core::route::EngineFirst;
//! use whisp_core::testing::router_conformance::{Subject, check_all};
//!
//! check_all(&Subject { router: &EngineFirst, tenant: TenantId::from_bytes([1; 16]) }).await
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use chrono::{DateTime, TimeDelta};
use futures_util::future::BoxFuture;

use crate::id::{ConnectionId, ContactId, ConversationId, InquiryId, SubjectId, TenantId};
use crate::model::{AutomationMode, ChannelKind, Conversation, Handling};
use crate::route::{Route, RouteRequest, Router};
use crate::testing::cancel_after;
use crate::testing::case::{Case, Violation, cases, ensure};

/// A router, and a tenant whose conversations it decides on. Meanwhile nobody else asks it, comes to work or goes.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'r> {
    /// The router.
    pub router: &'r dyn Router,
    /// The tenant.
    pub tenant: TenantId,
}

/// Runs a case.
pub type Run = for<'a> fn(&'a Subject<'a>) -> BoxFuture<'a, Result<(), Violation>>;

/// All cases, in the order of the contract.
pub const CASES: &[Case<Run>] = cases![async
    1 the_same_request_has_the_same_route,
    2 asking_changes_nothing,
];

/// Checks all contracts, in the order of their numbers.
///
/// # Errors
/// The first [`Violation`].
///
/// # Cancellation
/// Dropping it asks no more.
pub async fn check_all(subject: &Subject<'_>) -> Result<(), Violation> {
    for case in CASES {
        (case.run)(subject).await?;
    }
    Ok(())
}

/// Contract 1: a request that is made again has the route that it had.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it asks no more.
pub async fn the_same_request_has_the_same_route(subject: &Subject<'_>) -> Result<(), Violation> {
    for request in subject.requests() {
        let (first, again) = (subject.route(1, &request).await?, subject.route(1, &request).await?);
        ensure(1, first == again, || format!("asked again it said {again:?}, not {first:?}"))?;
    }
    Ok(())
}

/// Contract 2: whatever was asked since, and however far, a request has the route that it had.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it asks no more.
pub async fn asking_changes_nothing(subject: &Subject<'_>) -> Result<(), Violation> {
    let mut before = Vec::new();
    for request in subject.requests() {
        before.push((subject.route(2, &request).await?, request));
    }
    // The other way round, so that each comes after others than before.
    for (first, request) in before.iter().rev() {
        // Most are dropped before they are done.
        drop(cancel_after(1, subject.router.route(request)).await);
        let again = subject.route(2, request).await?;
        ensure(2, again == *first, || format!("after other requests it said {again:?}, not {first:?}"))?;
    }
    Ok(())
}

impl Subject<'_> {
    async fn route(&self, contract: u8, request: &RouteRequest) -> Result<Route, Violation> {
        self.router.route(request).await.map_err(|error| Violation::new(contract, format!("it failed: {error}")))
    }

    /// Conversations of several people, on each channel, as far as the assistant may go.
    fn requests(&self) -> Vec<RouteRequest> {
        let channels =
            [ChannelKind::WhatsApp, ChannelKind::Instagram, ChannelKind::Messenger, ChannelKind::custom("sms")];
        let modes = [AutomationMode::Off, AutomationMode::Suggest, AutomationMode::Automatic];
        let all = channels.into_iter().flat_map(|channel| modes.map(|mode| (channel.clone(), mode)));
        (1..).zip(all).map(|(n, (channel, mode))| self.request(n, channel, mode)).collect()
    }

    fn request(&self, n: u8, channel: ChannelKind, mode: AutomationMode) -> RouteRequest {
        let began = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let now = began + TimeDelta::hours(n.into());
        let conversation = Conversation {
            id: ConversationId::from_bytes([n; 16]),
            connection: ConnectionId::from_bytes([n; 16]),
            channel,
            contact: ContactId(SubjectId::from_bytes([n; 16])),
            handling: Handling::Engine,
            inquiry: n.is_multiple_of(2).then(|| InquiryId::from_bytes([n; 16])),
            outbox: Vec::new(),
            contact_wrote_at: Some(now),
            active_at: now,
            created_at: began,
            code_until: None,
            thread_at: None,
        };
        RouteRequest { tenant: self.tenant, conversation, mode, now }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::id::MemberId;
    use crate::model::HandOffReason;
    use crate::route::{EngineFirst, RouteError};
    use crate::testing::case::assert_complete;
    use crate::testing::pause;

    const TENANT: TenantId = TenantId::from_bytes([1; 16]);

    /// What a router does wrong.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        /// The next member, whoever asks.
        GoesRound,
        /// The member for whom the others leave most time, by its own count of what it was asked.
        CountsTheOthers,
        /// Another member where it was asked often, also where nobody waited for the answer.
        CountsWhatWasDropped,
    }

    #[derive(Debug)]
    struct Team {
        fault: Fault,
        asked: Mutex<BTreeMap<ConversationId, u8>>,
    }

    #[async_trait]
    impl Router for Team {
        async fn route(&self, request: &RouteRequest) -> Result<Route, RouteError> {
            let id = request.conversation.id;
            let asked = {
                let mut asked = self.asked.lock().unwrap();
                *asked.entry(id).or_default() += 1;
                asked.clone()
            };
            pause().await;
            let n = match self.fault {
                Fault::GoesRound => asked.values().sum(),
                Fault::CountsTheOthers => asked.values().sum::<u8>() - asked[&id],
                Fault::CountsWhatWasDropped => asked[&id] / 4,
            };
            let member = Some(MemberId(SubjectId::from_bytes([n; 16])));
            Ok(Route::Member { member, reason: HandOffReason::Assigned })
        }
    }

    #[tokio::test]
    async fn the_router_that_comes_with_whisp_passes() {
        check_all(&Subject { router: &EngineFirst, tenant: TENANT }).await.unwrap();
    }

    #[tokio::test]
    async fn each_broken_contract_is_found() {
        let faults = [(Fault::GoesRound, 1), (Fault::CountsTheOthers, 2), (Fault::CountsWhatWasDropped, 2)];
        for (fault, contract) in faults {
            let router = Team { fault, asked: Mutex::default() };
            let violation = check_all(&Subject { router: &router, tenant: TENANT }).await.unwrap_err();
            assert_eq!(violation.contract, contract, "{fault:?}");
        }
        let found = faults.map(|(_, contract)| contract);
        assert_complete(CASES, include_str!("../route.rs"), "Router", &found);
    }
}
