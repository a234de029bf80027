//! The fields of each persisted kind, clear and sealed, as they are written today. What is here was stored once, so it must be read
//! for ever: a change of a field adds a case and keeps the old one readable.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::breach::BreachClear;
use super::connection::{ConnectionClear, ConnectionSecret};
use super::contact::{ContactClear, ContactSecret};
use super::handle_key::HandleKeyClear;
use super::hold::HeldClear;
use super::legal::LegalClear;
use super::media::{MediaClear, MediaSecret};
use super::member::{GlassClear, MemberClear};
use super::message::MessageSecret;
use super::message_clear::MessageClear;
use super::plain::StatementClear;
use super::raw::{RawClear, SuggestionClear};
use super::request::RequestClear;
use super::transfer::TransferClear;
use super::{Former, Holder, LetterClear, LogHead, RouteTarget, leaf_of};
use crate::assistant::{ClockClear, ClosedClear, DatedClear, EpochClear, ErasureClear, ErasureReceipt};
use crate::audit::{AuditAction, AuditDetail, AuditEvent, SaltedDetail};
use crate::channel::OutboundBody;
use crate::id::RecordId;
use crate::kpi::Figures;
use crate::model::{AutomationMode, Content, Conversation, Inquiry, Tenant};
use crate::privacy::{Challenge, Controller, Disclosure, Hold};
use crate::store::{Kind, Record};

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
        r#"{"author":"contact","provenance":"live","kind":"text","at":"2026-11-22T09:00:00Z","received_at":"2026-11-22T09:00:01Z","revision":1,"edited_at":"2026-11-22T09:05:00Z"}"#,
        r#"{"author":"member","member":"00000000-0000-0000-0000-000000000001","provenance":"sent","kind":"interactive","at":"2026-11-22T09:00:00Z","received_at":"2026-11-22T09:00:00Z","inquiry":"00000000-0000-0000-0000-000000000002","revision":1,"delivery":{"step":"failed","at":"2026-11-22T09:00:00Z","attempts":2,"failure":131026},"tag":"0123456789abcdef0123456789abcdef"}"#,
        r#"{"author":"member","member":null,"provenance":"echo","kind":"story_mention","at":"2026-11-22T09:00:00Z","received_at":"2026-11-22T09:00:00Z","revision":0}"#,
        r#"{"author":"engine","engine":"openai:gpt-5-mini","provenance":"sent","kind":"text","at":"2026-11-22T09:00:00Z","received_at":"2026-11-22T09:00:00Z","revision":0,"delivery":{"step":"in_doubt","at":"2026-11-22T09:00:00Z","attempts":1,"failure":null},"tag":"t"}"#,
        r#"{"author":"engine","engine":"rules","provenance":"sent","kind":"text","at":"2026-11-22T09:00:00Z","received_at":"2026-11-22T09:00:00Z","revision":0,"delivery":{"step":"in_doubt","at":"2026-11-22T09:00:05Z","attempts":2,"called_at":"2026-11-22T09:00:04Z","failure":null,"log":[{"at":"2026-11-22T09:00:00Z","end":"refused","error":"pair_limited","code":131056},{"at":"2026-11-22T09:00:04Z","end":"in_doubt"}]},"tag":"t"}"#,
        r#"{"author":"system","provenance":"sent","kind":"text","at":"2026-11-22T09:00:00Z","received_at":"2026-11-22T09:00:00Z","revision":0,"delivery":{"step":"queued","at":"2026-11-22T09:00:00Z","attempts":0,"failure":null},"tag":"t","for_rights":true}"#,
        r#"{"author":"system","provenance":"history","kind":"unsent","at":"2026-11-22T09:00:00Z","received_at":"2026-11-22T09:00:00Z","revision":3}"#,
    ]);
}

#[test]
fn figures_are_kept_like_this() {
    is_kept::<Figures>(&[
        r#"{"from":"2024-11-22T00:00:00Z","until":"2024-11-23T00:00:00Z","as_of":"2024-12-24T00:00:00Z","values":null}"#,
        r#"{"from":"2024-11-22T00:00:00Z","until":"2024-11-24T00:00:00Z","as_of":"2024-12-25T00:00:00Z","values":[{"kpi":"volumes","version":1,"value":{"counts":{"contact":40}}},{"kpi":"response_rate","version":1,"value":{"rate":{"part":20,"whole":40}}},{"kpi":"first_reply_anyone","version":2,"value":{"durations":{"n":20,"pending":10,"mean_ms":1,"p50_ms":2,"p90_ms":3,"max_ms":null}}},{"kpi":"orders","version":1,"value":{"count":12}},{"kpi":"rare","version":1,"value":null}]}"#,
    ]);
}

#[test]
fn a_connection_and_the_route_to_it_are_kept_like_this() {
    is_kept::<ConnectionClear>(&[
        r#"{"channel":"whatsapp","mode":"automatic","state":"live","scopes":["whatsapp_business_messaging"],"connected_at":"2026-11-22T09:00:00Z","revision":0}"#,
        r#"{"channel":"sms","mode":"suggest","state":"reauthorize","scopes":[],"connected_at":"2026-11-22T09:00:00Z","revision":2}"#,
        r#"{"channel":"whatsapp","mode":"automatic","state":"live","scopes":[],"connected_at":"2026-11-22T09:00:00Z","revision":1,"rate":{"burst":200,"every_micros":1250}}"#,
        r#"{"channel":"instagram","mode":"off","state":"disconnected","scopes":[],"connected_at":"2026-11-22T09:00:00Z","revision":7}"#,
        r#"{"channel":"whatsapp","mode":"automatic","state":"live","scopes":[],"connected_at":"2026-11-22T09:00:00Z","revision":1,"handles":{"newest":{"own":"00000000-0000-0000-0000-000000000001"},"since":"2026-11-22T09:00:00Z"}}"#,
        r#"{"channel":"whatsapp","mode":"automatic","state":"live","scopes":[],"connected_at":"2026-11-22T09:00:00Z","revision":1,"handles":{"newest":{"own":"00000000-0000-0000-0000-000000000002"},"since":"2026-11-22T09:00:00Z","before":{"own":"00000000-0000-0000-0000-000000000001"}}}"#,
        r#"{"channel":"whatsapp","mode":"automatic","state":"live","scopes":[],"connected_at":"2026-11-22T09:00:00Z","revision":1,"handles":{"newest":{"own":"00000000-0000-0000-0000-000000000001"},"since":"2026-11-22T09:00:00Z","before":"shared"}}"#,
    ]);
    is_kept::<HandleKeyClear>(&[
        r#"{"connection":"00000000-0000-0000-0000-000000000001","moving":{"after":null}}"#,
        r#"{"connection":"00000000-0000-0000-0000-000000000001","moving":{"after":{"position":1,"id":"00000000-0000-0000-0000-000000000002"}}}"#,
        r#"{"connection":"00000000-0000-0000-0000-000000000001","moving":{"done":"2026-11-22T09:00:00Z"}}"#,
    ]);
    is_kept::<RouteTarget>(&[
        r#"{"tenant":"00000000-0000-0000-0000-000000000001","connection":"00000000-0000-0000-0000-000000000002"}"#,
    ]);
}

#[test]
fn a_contact_and_the_aliases_that_lead_to_it_are_kept_like_this() {
    is_kept::<ContactClear>(&[
        r#"{"revision":4}"#,
        r#"{"revision":4,"conversation":"00000000-0000-0000-0000-000000000002"}"#,
        r#"{"revision":5,"conversation":"00000000-0000-0000-0000-000000000002","rectified":true}"#,
    ]);
    is_kept::<Holder>(&[
        r#"{"contact":"00000000-0000-0000-0000-000000000001","conversation":"00000000-0000-0000-0000-000000000002"}"#,
        r#"{"contact":"00000000-0000-0000-0000-000000000001","conversation":"00000000-0000-0000-0000-000000000002","since":"2026-11-22T09:00:00Z"}"#,
    ]);
    is_kept::<Former>(&[
        r#"{"contact":"00000000-0000-0000-0000-000000000001","conversation":"00000000-0000-0000-0000-000000000002","until":"2026-11-22T09:00:00Z"}"#,
        r#"{"contact":"00000000-0000-0000-0000-000000000001","conversation":"00000000-0000-0000-0000-000000000002","since":"2026-11-21T09:00:00Z","until":"2026-11-22T09:00:00Z"}"#,
        r#"{"until":"2026-11-22T09:00:00Z"}"#,
        r#"{"until":"2026-11-22T09:00:00Z","erased":true}"#,
    ]);
}

#[test]
fn a_member_and_the_glass_that_they_broke_are_kept_like_this() {
    is_kept::<MemberClear>(&[
        r#"{"role":"owner","joined_at":"2026-11-22T09:00:00Z"}"#,
        r#"{"role":"integration","joined_at":"2026-11-22T09:00:00Z","left_at":"2026-11-23T09:00:00Z"}"#,
        r#"{"role":"admin","joined_at":"2026-11-22T09:00:00Z","revision":2}"#,
    ]);
    is_kept::<GlassClear>(&[r#"{"reason":"cover","since":"2026-11-22T09:00:00Z"}"#]);
}

#[test]
fn an_account_that_is_closed_is_kept_like_this() {
    is_kept::<ClosedClear>(&[
        r#"{"asked_at":"2026-11-22T09:00:00Z","log":{"origin":"whisp/audit/1","size":3,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},"removed":0,"files":0}"#,
        r#"{"asked_at":"2026-11-22T09:00:00Z","log":{"origin":"whisp/audit/1","size":3,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},"keys":["2026-12-22T09:00:00Z",null],"removed":70,"files":2,"completed_at":"2026-12-22T09:00:01Z"}"#,
    ]);
}

#[test]
fn a_conversation_is_kept_like_this() {
    is_kept::<Conversation>(&[
        r#"{"id":"00000000-0000-0000-0000-000000000001","connection":"00000000-0000-0000-0000-000000000002","channel":"messenger","contact":"00000000-0000-0000-0000-000000000003","handling":{"by":"engine"},"inquiry":null,"outbox":[],"contact_wrote_at":null,"active_at":"2026-11-22T09:00:00Z","created_at":"2026-11-22T09:00:00Z"}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","connection":"00000000-0000-0000-0000-000000000002","channel":"whatsapp","contact":"00000000-0000-0000-0000-000000000003","handling":{"by":"member","member":"00000000-0000-0000-0000-000000000004","reason":"engine_failed","since":"2026-11-22T09:00:00Z"},"inquiry":"00000000-0000-0000-0000-000000000005","outbox":["00000000-0000-0000-0000-000000000006"],"contact_wrote_at":"2026-11-22T08:59:59Z","active_at":"2026-11-22T09:00:00.000001Z","created_at":"2026-11-22T09:00:00Z"}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","connection":"00000000-0000-0000-0000-000000000002","channel":"messenger","contact":"00000000-0000-0000-0000-000000000003","handling":{"by":"engine"},"inquiry":null,"outbox":[],"contact_wrote_at":null,"active_at":"2026-11-22T09:00:00Z","created_at":"2026-11-22T09:00:00Z","code_until":"2026-11-22T09:15:00Z"}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","connection":"00000000-0000-0000-0000-000000000002","channel":"messenger","contact":"00000000-0000-0000-0000-000000000003","handling":{"by":"engine"},"inquiry":null,"outbox":[],"contact_wrote_at":null,"active_at":"2026-11-22T09:00:00Z","created_at":"2026-11-22T09:00:00Z","thread_at":"2026-11-22T08:59:59Z"}"#,
    ]);
}

#[test]
fn a_request_about_data_and_its_code_are_kept_like_this() {
    is_kept::<RequestClear>(&[
        r#"{"request":{"v":1,"id":"00000000-0000-0000-0000-000000000001","subject":"00000000-0000-0000-0000-000000000002","kind":"erasure","received_at":"2026-11-22T09:00:00Z","profiles":["kz"],"proof_needed":"confirmed","challenges":1,"stopped_seconds":0,"state":{"at":"awaiting_proof","since":"2026-11-22T09:01:00Z"},"changed_at":"2026-11-22T09:01:00Z"},"noted":"calm"}"#,
    ]);
    is_kept::<Challenge>(&[
        r#"{"request":"00000000-0000-0000-0000-000000000001","conversation":"00000000-0000-0000-0000-000000000002","digest":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","expires_at":"2026-11-22T09:15:00Z","attempts":2,"used":false}"#,
    ]);
}

#[test]
fn a_hold_and_what_it_keeps_are_kept_like_this() {
    is_kept::<Hold>(&[
        r#"{"id":"00000000-0000-0000-0000-000000000001","subject":"00000000-0000-0000-0000-000000000002","keeper":"00000000-0000-0000-0000-000000000003","scope":{},"ground":"legal_claim","authority":"a court","placed_at":"2026-11-22T09:00:00Z","review_by":"2027-11-22T09:00:00Z"}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","subject":"00000000-0000-0000-0000-000000000002","keeper":"00000000-0000-0000-0000-000000000003","scope":{"conversations":["00000000-0000-0000-0000-000000000004"],"from":"2026-01-01T00:00:00Z","until":"2026-02-01T00:00:00Z"},"ground":"legal_obligation","authority":"a law","placed_at":"2026-11-22T09:00:00Z","review_by":"2027-11-22T09:00:00Z","released_at":"2027-01-01T00:00:00Z"}"#,
    ]);
    is_kept::<HeldClear>(&[
        r#"{"kind":"message","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"kind":"media","at":"2026-11-22T09:00:00Z","file":"00000000-0000-0000-0000-000000000001"}"#,
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
fn a_statement_is_kept_like_this() {
    is_kept::<StatementClear>(&[
        r#"{"purpose":"automated_replies","state":"withdrawn","act":"in_chat","message":"00000000-0000-0000-0000-000000000001","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"purpose":"direct_marketing","state":"withdrawn","act":"platform","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"purpose":"automated_replies","state":"withdrawn","act":"in_edit","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"purpose":"automated_replies","state":"given","act":"host","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"purpose":"improvement","state":"given","notice":{"version":"3","language":"kk","evidence":"00ff"},"until":"2027-11-22T09:00:00Z","act":"host","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"purpose":{"custom":"00000000-0000-0000-0000-000000000001"},"state":"refused","act":"asserted","by":"00000000-0000-0000-0000-000000000002","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"objection":"automated_replies","stands":true,"act":"host","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"restriction":"accuracy_contested","stands":false,"act":"member","member":"00000000-0000-0000-0000-000000000002","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"policy":"told","notice":{"version":"00ff","language":"kk"},"act":"host","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"policy":"declined","notice":{"version":"00ff","language":"kk"},"act":"in_chat","message":"00000000-0000-0000-0000-000000000001","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"account":"00000000-0000-0000-0000-000000000001","scopes":["whatsapp_business_messaging"],"stands":true,"act":"host","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"age":"flagged","act":"member","member":"00000000-0000-0000-0000-000000000002","at":"2026-11-22T09:00:00Z"}"#,
    ]);
}

#[test]
fn what_could_not_be_done_is_kept_like_this() {
    is_kept::<LetterClear>(&[
        r#"{"conversation":"00000000-0000-0000-0000-000000000001","task":{"task":"send"},"reason":"commit: no space is left","at":"2026-11-22T09:00:00Z"}"#,
        r#"{"conversation":"00000000-0000-0000-0000-000000000001","task":{"task":"send"},"message":"00000000-0000-0000-0000-000000000002","reason":"open: the key is gone","at":"2026-11-22T09:00:00Z","state":{"is":"retried","by":"00000000-0000-0000-0000-000000000003","at":"2026-11-22T09:10:00Z"}}"#,
        r#"{"conversation":"00000000-0000-0000-0000-000000000001","task":"of a newer version","reason":"read work: the store is damaged","at":"2026-11-22T09:00:00Z","state":{"is":"discarded","by":"00000000-0000-0000-0000-000000000003","at":"2026-11-22T09:10:00Z","why":"late"}}"#,
    ]);
}

#[test]
fn what_was_not_understood_and_a_suggestion_are_kept_like_this() {
    is_kept::<RawClear<'static>>(&[r#"{"topic":"account_update"}"#]);
    is_kept::<SuggestionClear>(&[
        r#"{"engine":"retrieval","at":"2026-11-22T09:00:00Z","state":"open"}"#,
        r#"{"engine":"rules","at":"2026-11-22T09:00:00Z","state":"stale"}"#,
        r#"{"engine":"rules","at":"2026-11-22T09:00:00Z","decides":true,"state":"rejected"}"#,
    ]);
}

#[test]
fn what_went_to_a_processor_is_kept_like_this() {
    is_kept::<Disclosure>(&[
        r#"{"processor":"api.openai.com","ground":"processor","purpose":"automated_replies","categories":["message_content"],"bytes":512,"at":"2026-11-22T09:00:00Z","retained_until":"2026-12-22T09:00:00Z"}"#,
        r#"{"processor":"court","ground":"legal_requirement","purpose":"legal_compliance","categories":["identity","message_content"],"bytes":0,"at":"2026-11-22T09:00:00Z"}"#,
        r#"{"processor":"court","ground":"legal_requirement","purpose":"legal_compliance","categories":["identity"],"bytes":9,"at":"2026-11-22T09:00:00Z","told_from":"2026-12-22T09:00:00Z"}"#,
    ]);
}

#[test]
fn a_tenant_is_kept_like_this() {
    is_kept::<Tenant>(&[
        r#"{"id":"00000000-0000-0000-0000-000000000001","account_holder":"00000000-0000-0000-0000-000000000002","automation":true,"zone":"Asia/Almaty","buckets":4,"sensitive":"with_consent","created_at":"2026-11-22T09:00:00Z"}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","account_holder":"00000000-0000-0000-0000-000000000002","automation":true,"zone":"Asia/Almaty","buckets":4,"created_at":"2026-11-22T09:00:00Z"}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","account_holder":"00000000-0000-0000-0000-000000000002","automation":false,"zone":"Asia/Almaty","buckets":4,"created_at":"2026-11-22T09:00:00Z","closing":{"asked_at":"2026-11-22T09:00:00Z","at":"2026-12-22T09:00:00Z"}}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","account_holder":"00000000-0000-0000-0000-000000000002","automation":true,"zone":"Asia/Almaty","buckets":4,"created_at":"2026-11-22T09:00:00Z","containment":{"changes":1,"breaches":{"00000000-0000-0000-0000-000000000003":"2026-11-26T09:00:00Z"}}}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","account_holder":"00000000-0000-0000-0000-000000000002","automation":true,"zone":"Asia/Almaty","buckets":4,"created_at":"2026-11-22T09:00:00Z","containment":{"changes":2}}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","account_holder":"00000000-0000-0000-0000-000000000002","automation":true,"zone":"Asia/Almaty","buckets":4,"retention":{"messages":90,"files":30},"renamed":2,"created_at":"2026-11-22T09:00:00Z"}"#,
    ]);
}

#[test]
fn a_breach_is_kept_like_this() {
    is_kept::<BreachClear>(&[
        r#"{"breach":{"id":"00000000-0000-0000-0000-000000000001","origin":"ours","nature":"disclosed","from":"2026-11-22T09:00:00Z","profiles":["eu-gdpr"],"noted_at":"2026-11-23T09:00:00Z","state":"suspected","changed_at":"2026-11-23T09:00:00Z"}}"#,
        r#"{"breach":{"id":"00000000-0000-0000-0000-000000000001","origin":{"processor":"model.example"},"nature":"altered","from":"2026-11-22T09:00:00Z","until":"2026-11-22T10:00:00Z","profiles":["eu-gdpr","kz"],"noted_at":"2026-11-23T09:00:00Z","aware_at":"2026-11-23T08:00:00Z","contained_at":"2026-11-23T09:00:00Z","lifted_at":"2026-11-24T09:00:00Z","assessment":{"risk":{"unlikely":{"reason":"a test account"}},"categories":["identity","message_content"],"people":1,"records":4,"exposure":"sealed_with_keys"},"told":{"authority":"2026-11-23T10:00:00Z","platform":"2026-11-23T10:00:00Z","processors":"2026-11-23T10:00:00Z","subjects":"2026-11-23T10:00:00Z"},"state":"closed","changed_at":"2026-11-24T09:00:00Z"},"noted":{"authority":"half"}}"#,
        r#"{"breach":{"id":"00000000-0000-0000-0000-000000000001","origin":"ours","nature":"lost","from":"2026-11-22T09:00:00Z","profiles":["kz"],"noted_at":"2026-11-23T09:00:00Z","aware_at":"2026-11-23T08:00:00Z","assessment":{"risk":"high","categories":[],"people":0,"records":0,"exposure":"sealed"},"state":"assessed","changed_at":"2026-11-23T09:00:00Z"}}"#,
        r#"{"breach":{"id":"00000000-0000-0000-0000-000000000001","origin":"ours","nature":"lost","from":"2026-11-22T09:00:00Z","profiles":["kz"],"noted_at":"2026-11-23T09:00:00Z","aware_at":"2026-11-23T08:00:00Z","assessment":{"risk":"risk","categories":[],"people":0,"records":0,"exposure":"unknown"},"state":"confirmed","changed_at":"2026-11-23T09:00:00Z"}}"#,
        r#"{"breach":{"id":"00000000-0000-0000-0000-000000000001","origin":"ours","nature":"lost","from":"2026-11-22T09:00:00Z","profiles":["kz"],"noted_at":"2026-11-23T09:00:00Z","state":{"dismissed":{"reason":"a drill"}},"changed_at":"2026-11-23T09:00:00Z"}}"#,
    ]);
}

#[test]
fn what_is_handed_to_an_authority_is_kept_like_this() {
    is_kept::<LegalClear>(&[
        r#"{"disclosure":{"id":"00000000-0000-0000-0000-000000000001","subject":"00000000-0000-0000-0000-000000000002","authority":"District court","reference":"2-1","law":"Art. 1","scope":{"categories":["identity"],"written":{}},"asked_by":"00000000-0000-0000-0000-000000000003","asked_at":"2026-11-26T09:00:00Z","count":0,"state":"asked"}}"#,
        r#"{"disclosure":{"id":"00000000-0000-0000-0000-000000000001","subject":"00000000-0000-0000-0000-000000000002","authority":"District court","reference":"2-1","law":"Art. 1","scope":{"categories":["media","message_content"],"written":{"conversations":["00000000-0000-0000-0000-000000000005"],"from":"2026-11-01T00:00:00Z","until":"2026-11-02T00:00:00Z"}},"asked_by":"00000000-0000-0000-0000-000000000003","asked_at":"2026-11-26T09:00:00Z","gag_until":"2026-12-26T09:00:00Z","decided_by":"00000000-0000-0000-0000-000000000004","decided_at":"2026-11-26T10:00:00Z","handed_at":"2026-11-26T11:00:00Z","count":2,"state":"handed_out"},"gag_ended":true}"#,
        r#"{"disclosure":{"id":"00000000-0000-0000-0000-000000000001","subject":"00000000-0000-0000-0000-000000000002","authority":"District court","reference":"2-1","law":"Art. 1","scope":{"categories":["identity"],"written":{}},"asked_by":"00000000-0000-0000-0000-000000000003","asked_at":"2026-11-26T09:00:00Z","decided_by":"00000000-0000-0000-0000-000000000004","decided_at":"2026-11-26T10:00:00Z","count":0,"state":"refused"}}"#,
    ]);
}

#[test]
fn the_passing_of_a_business_is_kept_like_this() {
    is_kept::<TransferClear>(&[
        r#"{"from":"2026-12-01T00:00:00Z","noted_at":"2026-11-26T09:00:00Z"}"#,
        r#"{"from":"2026-12-01T00:00:00Z","noted_at":"2026-11-26T09:00:00Z","completed_at":"2026-12-02T00:00:00Z","keys":{"begun_at":"2026-11-30T00:00:00Z","old_gone_at":"2026-11-30T00:00:01Z"},"told_at":"2026-12-01T00:00:00Z"}"#,
        r#"{"from":"2026-12-01T00:00:00Z","noted_at":"2026-11-26T09:00:00Z","completed_at":"2026-12-02T00:00:00Z","keys":{"begun_at":"2026-11-30T00:00:00Z"}}"#,
    ]);
    is_kept::<Controller>(&[
        r#"{"name":"Tea & Co","address":"2 Abay Avenue, Almaty","contact":"privacy@tea.example"}"#,
    ]);
}

#[test]
fn the_receipt_of_an_erasure_is_kept_like_this() {
    is_kept::<ClockClear>(&[r#"{"at":"2026-11-22T09:00:00Z"}"#]);
    is_kept::<ErasureClear>(&[
        r#"{"receipt":"00000000-0000-0000-0000-000000000001","started_at":"2026-11-22T09:00:00Z","deleted":{}}"#,
        r#"{"receipt":"00000000-0000-0000-0000-000000000001","started_at":"2026-11-22T09:00:00Z","deleted":{"contact":1,"message":500}}"#,
        r#"{"receipt":"00000000-0000-0000-0000-000000000001","started_at":"2026-11-22T09:00:00Z","deleted":{},"requests":["00000000-0000-0000-0000-000000000002"]}"#,
        r#"{"receipt":"00000000-0000-0000-0000-000000000001","started_at":"2026-11-22T09:00:00Z","deleted":{},"withheld":[{"what":"identity","reason":"legally_required","records":1}]}"#,
        r#"{"receipt":"00000000-0000-0000-0000-000000000001","started_at":"2026-11-22T09:00:00Z","deleted":{"disclosure":1},"processors":{"model.example":"2026-12-22T09:00:00Z"}}"#,
        r#"{"receipt":"00000000-0000-0000-0000-000000000001","started_at":"2026-11-22T09:00:00Z","deleted":{},"book":{"ask":{"channel":"whatsapp","connection":"00000000-0000-0000-0000-000000000002"}}}"#,
        r#"{"receipt":"00000000-0000-0000-0000-000000000001","started_at":"2026-11-22T09:00:00Z","deleted":{},"book":{"deleted":"2026-11-22T09:00:00Z"}}"#,
        r#"{"receipt":"00000000-0000-0000-0000-000000000001","started_at":"2026-11-22T09:00:00Z","deleted":{},"book":{"remains":"whatsapp"}}"#,
    ]);
    is_kept::<ErasureReceipt>(&[
        r#"{"id":"00000000-0000-0000-0000-000000000001","key_destroyed_at":"2026-11-22T09:00:00Z","deleted":[["contact",1],["message",2]],"completed_at":"2026-11-22T09:00:00Z","remaining":["the platform's copy"]}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","key_destroyed_at":null,"deleted":[],"completed_at":"2026-11-22T09:00:00Z","remaining":[]}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","key_destroyed_at":null,"deleted":[],"completed_at":"2026-11-22T09:00:00Z","remaining":[],"audit":"00000000-0000-0000-0000-000000000002"}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","key_destroyed_at":null,"deleted":[["disclosure",2]],"completed_at":"2026-11-22T09:00:00Z","processors":{"model.example":"2026-12-22T09:00:00Z"},"remaining":[]}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","key_destroyed_at":null,"deleted":[],"completed_at":"2026-11-22T09:00:00Z","withheld":[{"what":"message_content","reason":"legal_claims","records":2}],"remaining":[]}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","key_destroyed_at":"2026-11-22T09:00:00Z","horizon":{"until":"2026-11-30T09:00:00Z"},"deleted":[],"completed_at":"2026-11-22T09:00:00Z","remaining":[],"audit":"00000000-0000-0000-0000-000000000002"}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","key_destroyed_at":"2026-11-22T09:00:00Z","horizon":{"unbounded":"key_provider"},"deleted":[],"completed_at":"2026-11-22T09:00:00Z","remaining":[],"horizon_now":{"since":"2026-11-29T09:00:00Z"}}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","key_destroyed_at":"2026-11-22T09:00:00Z","horizon":{"unbounded":"earlier_epoch"},"deleted":[],"completed_at":"2026-11-22T09:00:00Z","remaining":[],"horizon_now":{"unbounded":"overdue"}}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","key_destroyed_at":null,"deleted":[],"completed_at":"2026-11-22T09:00:00Z","book_entry_deleted_at":"2026-11-22T09:00:00Z","remaining":[]}"#,
    ]);
}

#[test]
fn by_which_rules_things_are_dated_is_kept_like_this() {
    is_kept::<DatedClear>(&[
        r#"{"messages":31536000,"files":31536000,"suggestions":2592000,"since":"2026-11-22T09:00:00Z"}"#,
        r#"{"messages":1,"files":1,"suggestions":1,"support":1,"usage":1,"since":"2026-11-22T09:00:00Z","pass":{}}"#,
        r#"{"messages":1,"files":1,"suggestions":1,"since":"2026-11-22T09:00:00Z","pass":{"after":{"position":9,"id":"00000000-0000-0000-0000-000000000001"}}}"#,
    ]);
}

#[test]
fn an_epoch_is_kept_like_this() {
    is_kept::<EpochClear>(&[
        r#"{"epoch":2,"begun_at":"2026-11-22T09:00:00Z","ended_at":"2026-11-22T09:01:00Z","before":{"how":"now"}}"#,
        r#"{"epoch":3,"begun_at":"2026-11-22T09:00:00Z","ended_at":"2026-11-22T09:01:00Z","before":{"how":"scheduled","at":"2026-12-22T09:01:00Z"}}"#,
        r#"{"epoch":4,"begun_at":"2026-11-22T09:00:00Z","ended_at":"2026-11-22T09:01:00Z","before":{"how":"unverifiable"}}"#,
    ]);
}

/// The clear fields of an event are its leaf: what is printed here is what was hashed, byte for byte.
#[test]
fn an_event_of_the_audit_log_is_kept_like_this() {
    is_kept::<AuditEvent>(&[
        r#"{"id":"00000000-0000-0000-0000-000000000001","at":"2026-11-22T09:00:00Z","action":"tenant_created","actor":{"by":"host"},"subject":"000102030405060708090a0b0c0d0e0f","object":{"kind":"tenant","tag":"ffffffffffffffffffffffffffffffff"},"outcome":"done"}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","at":"2026-11-22T09:00:00.000001Z","action":"consent_withdrawn","purpose":"automated_replies","actor":{"by":"subject"},"subject":"000102030405060708090a0b0c0d0e0f","object":{"kind":"consent","tag":"ffffffffffffffffffffffffffffffff"},"outcome":"done"}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","at":"2026-11-22T09:00:00Z","action":"content_read","actor":{"by":"member","tag":"000102030405060708090a0b0c0d0e0f"},"subject":"000102030405060708090a0b0c0d0e0f","outcome":"denied"}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","at":"2026-11-22T09:00:00Z","action":"handed_off","actor":{"by":"system"},"subject":"000102030405060708090a0b0c0d0e0f","object":{"kind":"conversation","tag":"ffffffffffffffffffffffffffffffff"},"outcome":"done","detail":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}"#,
        r#"{"id":"00000000-0000-0000-0000-000000000001","at":"2026-11-22T09:00:00Z","action":"taken_over","actor":{"by":"member"},"outcome":"done"}"#,
    ]);
    let actions = [
        "age_cleared",
        "age_doubted",
        "automation_off",
        "automation_on",
        "connected",
        "consent_given",
        "consent_invalidated",
        "consent_refused",
        "consent_withdrawn",
        "content_read",
        "decided",
        "disconnected",
        "egress_refused",
        "erasure_begun",
        "erasure_done",
        "handed_back",
        "handed_off",
        "mode_set",
        "objected",
        "objection_ended",
        "policy_accepted",
        "policy_declined",
        "policy_told",
        "rectified",
        "redacted",
        "restricted",
        "restriction_ended",
        "retention_set",
        "sensitive_set",
        "taken_over",
        "tenant_created",
    ];
    is_kept::<AuditAction>(&actions.map(|action| format!("\"{action}\"")).each_ref().map(String::as_str));
}

#[test]
fn what_more_is_known_of_an_event_and_how_large_the_log_is_are_kept_like_this() {
    is_kept::<AuditDetail>(&[
        r#"{"of":"connection","channel":"whatsapp","mode":"automatic","scopes":["whatsapp_business_messaging"]}"#,
        r#"{"of":"egress","processor":"api.openai.com","refusal":"no_contract"}"#,
        r#"{"of":"egress","processor":"api.openai.com","refusal":{"category":"message_content"}}"#,
        r#"{"of":"hand_off","reason":"opted_out"}"#,
        r#"{"of":"mode","mode":"suggest"}"#,
    ]);
    is_kept::<SaltedDetail>(&[
        r#"{"salt":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=","detail":"{\"of\":\"mode\",\"mode\":\"off\"}"}"#,
    ]);
    is_kept::<LogHead>(&[r#"{"size":0,"root":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}"#]);
}

/// `SHA-256(0x00 || leaf)` and `SHA-256(salt || detail)`, computed elsewhere.
#[test]
fn a_leaf_and_a_detail_are_hashed_like_this() {
    let mut record = Record::new(Kind::AUDIT, RecordId::from_bytes([1; 16]));
    record.clear.0 = r#"{"a":1}"#.to_owned();
    assert_eq!(leaf_of(&record).to_string(), "xyYUY+vXdvRlC20P6ULZzDjJJdkPd9RAq2341d0ljF8=");
    let salted = SaltedDetail::new([7; 32], &AuditDetail::Mode { mode: AutomationMode::Off }).unwrap();
    assert_eq!(salted.commitment().to_string(), "qgZxWNoFkWFPIXcifQ9Vgx1HZSutppeBis9JFcstOf8=");
}

#[test]
fn what_is_sealed_of_a_connection_a_contact_and_a_message_is_kept_like_this() {
    is_kept::<ConnectionSecret>(&[r#"{"account":"1060","token":"EAAG"}"#]);
    is_kept::<ContactSecret>(&[
        r#"{"handles":[{"kind":"bsuid","value":"KZ.1"},{"kind":"parent_bsuid","value":"KZ.2"},{"kind":"phone","value":"7701"}],"name":"Aigerim"}"#,
        r#"{"handles":[{"kind":"instagram_scoped","value":"1"},{"kind":"page_scoped","value":"2"},{"kind":"custom","value":"3"}],"name":null}"#,
    ]);
    is_kept::<MessageSecret>(&[
        r#"{"said":{"in":{"type":"text","text":"Hello"}},"platform_id":"wamid.1","handle":{"kind":"phone","value":"7701"},"reply_to":"wamid.0"}"#,
        r#"{"said":{"in":{"type":"text","text":"Hello"}},"platform_id":"aWd","story":{"id":"17900","url":"https://a.example/b"}}"#,
        r#"{"said":{"in":{"type":"text","text":"Hello"}},"note":"They say that it was two"}"#,
        r#"{"said":{"out":{"send":"text","text":"Hello"}}}"#,
    ]);
}

#[test]
fn a_file_that_came_with_a_message_is_kept_like_this() {
    is_kept::<MediaClear>(&[
        r#"{"connection":"00000000-0000-0000-0000-000000000001","kind":"image","at":"2026-11-22T09:00:00Z","state":"pending","revision":0}"#,
        r#"{"connection":"00000000-0000-0000-0000-000000000001","kind":"document","at":"2026-11-22T09:00:00Z","state":"kept","revision":1}"#,
        r#"{"connection":"00000000-0000-0000-0000-000000000001","kind":"audio","at":"2026-11-22T09:00:00Z","state":"lost","reason":"too_large","revision":0}"#,
        r#"{"connection":"00000000-0000-0000-0000-000000000001","kind":"image","at":"2026-11-22T09:00:00Z","state":"kept","revision":0,"hold":"00000000-0000-0000-0000-000000000002"}"#,
    ]);
    is_kept::<MediaSecret>(&[
        r#"{"reference":{"kind":"image","id":null,"url":"https://a.example/b","mime":null,"sha256":null,"filename":null,"live":false},"message":"m_1"}"#,
        r#"{"reference":{"kind":"audio","id":"1","url":null,"mime":"audio/ogg","sha256":"abc=","filename":null,"live":true}}"#,
        r#"{"reference":{"kind":"document","id":null,"url":"https://a.example/b","mime":"application/pdf","sha256":null,"filename":"menu.pdf","live":false},"layout":{"size":65537,"chunk":65536,"stride":65616}}"#,
    ]);
}

#[test]
fn each_content_is_kept_like_this() {
    is_kept::<Content>(&[
        r#"{"type":"text","text":"Hello"}"#,
        r#"{"type":"media","items":[{"kind":"audio","id":"1","url":null,"mime":"audio/ogg","sha256":"abc=","filename":null,"live":true},{"kind":"document","id":null,"url":"https://a.example/b","mime":null,"sha256":null,"filename":"menu.pdf","live":false}],"caption":"Look"}"#,
        r#"{"type":"location","latitude":43.25,"longitude":76.95,"name":"Shop","address":null}"#,
        r#"{"type":"contacts","cards":[{"name":"Dana","phones":["+7701"],"own":{"kind":"phone","value":"7701"}},{"name":null,"phones":[],"own":null}]}"#,
        r#"{"type":"button","payload":"yes","title":"Yes"}"#,
        r#"{"type":"list","id":"1","title":"Cake","description":null}"#,
        r#"{"type":"postback","payload":"start","title":"Start"}"#,
        r#"{"type":"flow","name":"flow","response":"{\"a\":1}"}"#,
        r#"{"type":"order","catalog":"1","items":[{"product":"cake","quantity":"2","price":"100","currency":"KZT"}],"text":null}"#,
        r#"{"type":"reaction","target":"wamid.1","emoji":"👍"}"#,
        r#"{"type":"share","kind":"reel","id":"1","url":null,"title":"A reel"}"#,
        r#"{"type":"story_mention","id":"1","url":null}"#,
        r#"{"type":"template","name":"hello","language":"en_US","parameters":["Dana"]}"#,
        r#"{"type":"interactive","text":"Which?","choices":[["1","Cake"]]}"#,
        r#"{"type":"welcome"}"#,
        r#"{"type":"placeholder"}"#,
        r#"{"type":"unsupported","kind":"poll","code":131051}"#,
        r#"{"type":"unsent"}"#,
    ]);
}

#[test]
fn each_body_that_waits_to_go_out_is_kept_like_this() {
    is_kept::<OutboundBody>(&[
        r#"{"send":"text","text":"Hello"}"#,
        r#"{"send":"media","media":{"kind":"image","id":null,"url":"https://a.example/b","mime":null,"sha256":null,"filename":null,"live":false},"caption":null}"#,
        r#"{"send":"buttons","text":"Which?","buttons":[{"id":"1","title":"Cake","description":null}]}"#,
        r#"{"send":"list","text":"Which?","button":"Menu","sections":[{"title":"Sweet","rows":[{"id":"1","title":"Cake","description":"With cream"}]}]}"#,
        r#"{"send":"template","name":"hello","language":"en_US","header":[{"media":{"kind":"video","id":null,"url":"https://a.example/b","mime":null,"sha256":null,"filename":null,"live":false}}],"body":[{"text":{"name":"who","text":"Dana"}}],"buttons":["yes"]}"#,
        r#"{"send":"reaction","target":"wamid.1","emoji":null}"#,
        r#"{"send":"seen","target":"wamid.1","typing":true}"#,
    ]);
}
