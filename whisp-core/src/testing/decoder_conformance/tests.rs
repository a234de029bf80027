//! The suite finds each broken contract.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::error::Retry;
use crate::model::{AccountId, ChannelKind, Handle, HandleKind, PlatformMessageId, Provenance};
use crate::testing::case::assert_complete;
use crate::webhook::{ContactRef, Extra, MessageEvent};

/// What a decoder does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    ChecksNoSignature,
    ParsesFirst,
    PrintsTheBody,
    DropsWhatItDoesNotKnow,
    TakesNoUnreadableMessage,
    KeepsNothingRaw,
    StopsAtTheMalformed,
    CountsWhatItSaw,
    KnowsByTheTime,
    KnowsByPlace,
    KnowsByText,
    TurnsRound,
    Panics,
}

/// A platform whose bodies are lists of objects with a type, an id and a text; and its decoder.
#[derive(Debug)]
struct Platform {
    fault: Fault,
    seen: AtomicUsize,
}

/// No signature to trust, but one that depends on each byte.
fn toy(body: &[u8]) -> String {
    let sum = body.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("toy={sum:016x}")
}

impl DecoderHarness for Platform {
    fn decoder(&self) -> &dyn WebhookDecoder {
        self
    }

    fn sign(&self, body: &[u8]) -> String {
        toy(body)
    }

    fn body(&self, sent: &[Sent]) -> Option<Vec<u8>> {
        let one = |sent: &Sent| match sent.what {
            What::Text => json!({"type": "text", "id": sent.id, "text": sent.word}),
            What::Unreadable => json!({"type": "hologram", "id": sent.id, "light": sent.word}),
            What::Novelty => json!({"novelty": sent.word}),
            What::Malformed => json!({"type": ["text"], "text": sent.word}),
        };
        Some(Value::from_iter(sent.iter().map(one)).to_string().into_bytes())
    }
}

impl WebhookDecoder for Platform {
    fn decode(&self, request: &WebhookRequest) -> Result<Delivery, WebhookError> {
        let error = |kind| WebhookError::new("decode", kind, Retry::Never);
        let list = serde_json::from_slice::<Vec<Value>>(&request.body).map_err(|_| error(WebhookErrorKind::Malformed));
        if self.fault == Fault::ParsesFirst {
            list.as_ref().map_err(|broken| error(broken.kind()))?;
        }
        if self.fault != Fault::ChecksNoSignature {
            let signature = request.signature.as_deref().ok_or_else(|| error(WebhookErrorKind::Unsigned))?;
            if signature != toy(&request.body) {
                let error = error(WebhookErrorKind::BadSignature);
                let body = String::from_utf8_lossy(&request.body).into_owned();
                return Err(if self.fault == Fault::PrintsTheBody { error.with_advice(body) } else { error });
            }
        }
        assert!(self.fault != Fault::Panics || list.is_ok(), "an unwrapped body");
        let mut items: Vec<Item> = Vec::new();
        for (place, value) in (0..).zip(list?) {
            items.extend(self.item(place, &value, request.received_at));
            if self.fault == Fault::StopsAtTheMalformed && value["type"].is_array() {
                break;
            }
        }
        if self.fault == Fault::TurnsRound {
            items.reverse();
        }
        Ok(Delivery { received_at: request.received_at, items })
    }
}

impl Platform {
    fn item(&self, place: usize, value: &Value, received_at: DateTime<Utc>) -> Option<Item> {
        let raw = (self.fault != Fault::KeepsNothingRaw).then(|| Sensitive::from(value.to_string()));
        let message = |content, raw| {
            let id = PlatformMessageId::new(&value["id"].to_string());
            let contact = ContactRef { handles: vec![Handle::new(HandleKind::Custom, "7")], name: None };
            Event::Message(MessageEvent {
                extras: Extra { raw, ..Extra::default() }.into(),
                ..MessageEvent::new(Some(id), contact, content)
            })
        };
        let unknown = Event::Unknown { kind: None, contact: None, raw: raw.clone().unwrap_or("{}".into()) };
        let event = match (value["type"].as_str(), value["text"].as_str()) {
            (Some("text"), Some(text)) => message(Content::Text { text: text.into() }, None),
            (None, _) if self.fault == Fault::DropsWhatItDoesNotKnow => return None,
            (Some(_), _) if self.fault != Fault::TakesNoUnreadableMessage => {
                message(Content::Unsupported { kind: None, code: None }, raw)
            }
            _ => unknown,
        };
        let dedup = match self.fault {
            Fault::CountsWhatItSaw => self.seen.fetch_add(1, Ordering::Relaxed).to_string(),
            Fault::KnowsByTheTime => format!("{value}{received_at}"),
            Fault::KnowsByPlace => format!("{place}{value}"),
            Fault::KnowsByText => value["text"].to_string(),
            _ => value.to_string(),
        };
        Some(Item {
            channel: ChannelKind::custom("platform"),
            account: Some(AccountId::new("1")),
            provenance: Provenance::Live,
            at: received_at,
            dedup: dedup.into(),
            event,
        })
    }
}

fn check(fault: Fault) -> Result<(), Violation> {
    check_all(&Platform { fault, seen: AtomicUsize::new(0) })
}

#[test]
fn a_decoder_that_keeps_all_contracts_passes() {
    check(Fault::Nothing).unwrap();
}

#[test]
fn each_broken_contract_is_found() {
    let faults = [
        (Fault::ChecksNoSignature, 1),
        (Fault::ParsesFirst, 1),
        (Fault::PrintsTheBody, 1),
        (Fault::DropsWhatItDoesNotKnow, 2),
        (Fault::TakesNoUnreadableMessage, 2),
        (Fault::KeepsNothingRaw, 2),
        (Fault::StopsAtTheMalformed, 3),
        (Fault::CountsWhatItSaw, 4),
        (Fault::KnowsByTheTime, 4),
        (Fault::KnowsByPlace, 5),
        (Fault::KnowsByText, 5),
        (Fault::TurnsRound, 6),
        (Fault::Panics, 7),
    ];
    for (fault, contract) in faults {
        assert_eq!(check(fault).unwrap_err().contract, contract, "{fault:?}");
    }
    let found = faults.map(|(_, contract)| contract);
    assert_complete(CASES, include_str!("../../webhook.rs"), "WebhookDecoder", &found);
}

/// A platform that sends one thing at a time, and nothing that is not a text.
#[derive(Debug)]
struct Plain(Platform);

impl DecoderHarness for Plain {
    fn decoder(&self) -> &dyn WebhookDecoder {
        &self.0
    }

    fn sign(&self, body: &[u8]) -> String {
        toy(body)
    }

    fn body(&self, sent: &[Sent]) -> Option<Vec<u8>> {
        let is_one_text = matches!(sent, [Sent { what: What::Text, .. }]);
        if is_one_text { self.0.body(sent) } else { None }
    }
}

#[test]
fn what_a_platform_never_sends_is_not_asked_for() {
    let plain = |fault| Plain(Platform { fault, seen: AtomicUsize::new(0) });
    check_all(&plain(Fault::Nothing)).unwrap();
    assert_eq!(check_all(&plain(Fault::KnowsByText)).unwrap_err().contract, 5);
}
