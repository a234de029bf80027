//! The clear fields of each persisted kind, as they are written today. What is here was stored once, so it must be read
//! for ever: a change of a field adds a case and keeps the old one readable.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::ConnectionClear;
use super::contact::ContactClear;
use super::message::MessageClear;
use super::plain::ConsentClear;
use super::raw::{RawClear, SuggestionClear};
use super::{Alias, DeadLetter, RouteTarget};
use crate::assistant::ErasureReceipt;
use crate::model::{Conversation, Inquiry, Tenant};

/// Each literal is read, and printed back as it was.
#[track_caller]
fn is_kept<T: Serialize + DeserializeOwned>(literals: &[&str]) {
    for literal in literals {
        let value: T = serde_json::from_str(literal).unwrap_or_else(|error| panic!("{literal}: {error}"));
        assert_eq!(serde_json::to_string(&value).unwrap(), *literal);
    }
}

#[test]
fn a_message_is_kept_like_this() {
    is_kept::<MessageClear>(&[
        r#"{"author":"contact","provenance":"live","kind":"text","at":"2026-11-22T09:00:00Z","received_at":"2026-11-22T09:00:01.000500Z","revision":0}"#,
        r#"{"author":"member","member":"00000000-0000-0000-0000-000000000001","provenance":"sent","kind":"interactive","at":"2026-11-22T09:00:00Z","received_at":"2026-11-22T09:00:00Z","inquiry":"00000000-0000-0000-0000-000000000002","revision":1,"delivery":{"step":"failed","at":"2026-11-22T09:00:00Z","attempts":2,"failure":131026},"tag":"0123456789abcdef0123456789abcdef"}"#,
        r#"{"author":"member","member":null,"provenance":"echo","kind":"story_mention","at":"2026-11-22T09:00:00Z","received_at":"2026-11-22T09:00:00Z","revision":0}"#,
        r#"{"author":"engine","engine":"openai:gpt-5-mini","provenance":"sent","kind":"text","at":"2026-11-22T09:00:00Z","received_at":"2026-11-22T09:00:00Z","revision":0,"delivery":{"step":"in_doubt","at":"2026-11-22T09:00:00Z","attempts":1,"failure":null},"tag":"t"}"#,
        r#"{"author":"system","provenance":"history","kind":"unsent","at":"2026-11-22T09:00:00Z","received_at":"2026-11-22T09:00:00Z","revision":3}"#,
    ]);
}

#[test]
fn a_connection_and_the_route_to_it_are_kept_like_this() {
    is_kept::<ConnectionClear>(&[
        r#"{"channel":"whatsapp","mode":"automatic","state":"live","scopes":["whatsapp_business_messaging"],"connected_at":"2026-11-22T09:00:00Z","revision":0}"#,
        r#"{"channel":"sms","mode":"suggest","state":"reauthorize","scopes":[],"connected_at":"2026-11-22T09:00:00Z","revision":2}"#,
        r#"{"channel":"instagram","mode":"off","state":"disconnected","scopes":[],"connected_at":"2026-11-22T09:00:00Z","revision":7}"#,
    ]);
    is_kept::<RouteTarget>(&[
        r#"{"tenant":"00000000-0000-0000-0000-000000000001","connection":"00000000-0000-0000-0000-000000000002"}"#,
    ]);
}

#[test]
fn a_contact_and_the_alias_that_leads_to_it_are_kept_like_this() {
    is_kept::<ContactClear>(&[r#"{"revision":4}"#]);
    is_kept::<Alias>(&[
        r#"{"contact":"00000000-0000-0000-0000-000000000001","conversation":"00000000-0000-0000-0000-000000000002"}"#,
    ]);
}

#[test]
fn a_conversation_is_kept_like_this() {
    is_kept::<Conversation>(&[
        r#"{"id":"00000000-0000-0000-0000-000000000001","connection":"00000000-0000-0000-0000-000000000002","channel":"messenger","contact":"00000000-0000-0000-0000-000000000003","handling":{"by":"engine"},"inquiry":null,"outbox":[],"contact_wrote_at":null,"active_at":"2026-11-22T09:00:00Z","created_at":"2026-11-22T09:00:00Z"}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","connection":"00000000-0000-0000-0000-000000000002","channel":"whatsapp","contact":"00000000-0000-0000-0000-000000000003","handling":{"by":"member","member":"00000000-0000-0000-0000-000000000004","reason":"engine_failed","since":"2026-11-22T09:00:00Z"},"inquiry":"00000000-0000-0000-0000-000000000005","outbox":["00000000-0000-0000-0000-000000000006"],"contact_wrote_at":"2026-11-22T08:59:59Z","active_at":"2026-11-22T09:00:00.000001Z","created_at":"2026-11-22T09:00:00Z"}"#,
    ]);
}

#[test]
fn an_inquiry_is_kept_like_this() {
    is_kept::<Inquiry>(&[
        r#"{"id":"00000000-0000-0000-0000-000000000001","conversation":"00000000-0000-0000-0000-000000000002","contact":"00000000-0000-0000-0000-000000000003","opened_at":"2026-11-22T09:00:00Z","active_at":"2026-11-22T09:00:00Z","first_reply_at":null,"first_member_reply_at":null,"disclosed_at":null,"resolved":null}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","conversation":"00000000-0000-0000-0000-000000000002","contact":"00000000-0000-0000-0000-000000000003","opened_at":"2026-11-22T09:00:00Z","active_at":"2026-11-22T09:00:00Z","first_reply_at":"2026-11-22T09:00:05Z","first_member_reply_at":"2026-11-22T09:10:00Z","disclosed_at":"2026-11-22T09:00:05Z","resolved":["2026-11-23T09:00:00Z","idle"]}"#,
    ]);
}

#[test]
fn a_consent_is_kept_like_this() {
    is_kept::<ConsentClear>(&[
        r#"{"purpose":"automated_replies","state":"withdrawn","act":"in_chat","message":"00000000-0000-0000-0000-000000000001","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"purpose":"direct_marketing","state":"withdrawn","act":"platform","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"purpose":"automated_replies","state":"given","act":"host","at":"2026-11-22T09:00:00Z"}"#,
    ]);
}

#[test]
fn what_could_not_be_done_is_kept_like_this() {
    is_kept::<DeadLetter>(&[
        r#"{"conversation":"00000000-0000-0000-0000-000000000001","task":{"task":"send"},"reason":"commit: no space is left","at":"2026-11-22T09:00:00Z"}"#,
    ]);
}

#[test]
fn what_was_not_understood_and_a_suggestion_are_kept_like_this() {
    is_kept::<RawClear<'static>>(&[r#"{"topic":"account_update"}"#]);
    is_kept::<SuggestionClear>(&[
        r#"{"engine":"retrieval","at":"2026-11-22T09:00:00Z","state":"open"}"#,
        r#"{"engine":"rules","at":"2026-11-22T09:00:00Z","state":"stale"}"#,
    ]);
}

#[test]
fn a_tenant_is_kept_like_this() {
    is_kept::<Tenant>(&[
        r#"{"id":"00000000-0000-0000-0000-000000000001","account_holder":"00000000-0000-0000-0000-000000000002","automation":true,"zone":"Asia/Almaty","buckets":4,"created_at":"2026-11-22T09:00:00Z"}"#,
    ]);
}

#[test]
fn the_receipt_of_an_erasure_is_kept_like_this() {
    is_kept::<ErasureReceipt>(&[
        r#"{"id":"00000000-0000-0000-0000-000000000001","key_destroyed_at":"2026-11-22T09:00:00Z","deleted":[["contact",1],["message",2]],"completed_at":"2026-11-22T09:00:00Z","remaining":["the platform's copy"]}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","key_destroyed_at":null,"deleted":[],"completed_at":"2026-11-22T09:00:00Z","remaining":[]}"#,
    ]);
}
