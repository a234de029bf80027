//! Requests for tests.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use whisp_core::clock::Clock;
use whisp_core::id::{ConversationId, InquiryId, SubjectId, TenantId};
use whisp_core::model::{ChannelKind, Content};
use whisp_core::privacy::{Grant, Purpose};
use whisp_core::reply::{ReplyContext, ReplyRequest, Turn};

pub(crate) fn now() -> DateTime<Utc> {
    whisp_core::testing::ManualClock::default().now()
}

pub(crate) fn turn(content: Content) -> Turn {
    Turn { from_contact: true, content, at: now() }
}

pub(crate) fn contact(text: &str) -> Turn {
    turn(Content::Text { text: text.into() })
}

pub(crate) fn ask(text: &str) -> ReplyRequest {
    turns(vec![contact(text)])
}

pub(crate) fn turns(turns: Vec<Turn>) -> ReplyRequest {
    request(turns, now())
}

pub(crate) fn ask_at(text: &str, now: DateTime<Utc>) -> ReplyRequest {
    request(vec![contact(text)], now)
}

fn request(turns: Vec<Turn>, now: DateTime<Utc>) -> ReplyRequest {
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
