//! Requests to engines, without a pipeline.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::id::{ConversationId, InquiryId, SubjectId, TenantId};
use crate::model::{ChannelKind, Content};
use crate::privacy::{Grant, Purpose};
use crate::reply::{ReplyContext, ReplyRequest, Turn};

/// Asks what a contact on WhatsApp wrote, at this time, with 30 seconds to answer. Change the other fields as need be.
///
/// # Examples
/// ```
/// use whisp_core::{clock::Clock, testing::{ManualClock, ask}};
/// let request = ask("When are you open?", ManualClock::default().now());
/// assert_eq!(request.question().unwrap(), "When are you open?");
/// ```
#[must_use]
pub fn ask(text: &str, now: DateTime<Utc>) -> ReplyRequest {
    ask_turns(vec![Turn { from_contact: true, content: Content::text(text), at: now }], now)
}

/// Asks these turns, all of which wait for an answer.
#[must_use]
pub fn ask_turns(turns: Vec<Turn>, now: DateTime<Utc>) -> ReplyRequest {
    let tenant = TenantId::from_uuid(Uuid::nil());
    let grant = Grant::for_tests(tenant, SubjectId::from_uuid(Uuid::nil()), Purpose::AutomatedReplies, now);
    let context = ReplyContext {
        tenant,
        conversation: ConversationId::from_uuid(Uuid::nil()),
        inquiry: InquiryId::from_uuid(Uuid::nil()),
        channel: ChannelKind::WhatsApp,
        business: "Corner Bakery".into(),
        zone: "UTC".to_owned(),
        contact_name: None,
        now,
        deadline: now + TimeDelta::seconds(30),
    };
    let unanswered = turns.len();
    ReplyRequest::new(grant, context, turns, unanswered)
}
