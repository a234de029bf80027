//! Requests for tests.

use chrono::{DateTime, Utc};
use whisp_core::clock::Clock;
use whisp_core::model::Content;
use whisp_core::reply::{ReplyRequest, Turn};

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
    whisp_core::testing::ask_turns(turns, now())
}

pub(crate) fn ask_at(text: &str, now: DateTime<Utc>) -> ReplyRequest {
    whisp_core::testing::ask(text, now)
}
