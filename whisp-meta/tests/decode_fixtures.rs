//! Recorded webhooks and signatures: what each turns into.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::path::PathBuf;

use chrono::DateTime;
use serde_json::Value;
use whisp_core::model::{Content, DeliveryStep, HandleKind, MediaKind, ShareKind};
use whisp_core::webhook::{Event, Item, MessageEvent, Receipt, ReceiptTarget, WebhookErrorKind};
use whisp_meta::webhook::{AppSecrets, MetaDecoder};

mod decode_expected;

/// The recordings in which something stays unknown, and why.
const UNKNOWN: &[(&str, &str)] = &[
    ("messenger/event--bottender.json", "the list `other` is the test author's, not Meta's"),
    ("messenger/standby--bottender.json", "the element holds a sender and nothing else"),
    ("whatsapp/message-location--netflie.json", "the coordinates are placeholder words"),
];

#[expect(clippy::disallowed_methods, reason = "the recordings lie outside the project")]
fn root() -> Option<PathBuf> {
    let root = std::env::var("WHISP_FIXTURES").ok().map(PathBuf::from);
    if root.is_none() {
        // Past the test runner, which keeps what a passing test prints to itself.
        std::io::Write::write_all(
            &mut std::io::stderr(),
            b"WHISP_FIXTURES is not set: the recorded webhooks are left out\n",
        )
        .unwrap();
    }
    root
}

fn items(file: &str) -> Option<Vec<Item>> {
    let body = std::fs::read(root()?.join(file)).unwrap();
    let received_at = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    Some(MetaDecoder::decode_verified(&body, received_at).unwrap_or_else(|error| panic!("{file}: {error}")).items)
}

fn files() -> Vec<String> {
    let Some(root) = root() else { return Vec::new() };
    let mut files = Vec::new();
    for channel in ["whatsapp", "instagram", "messenger"] {
        for file in std::fs::read_dir(root.join(channel)).unwrap() {
            files.push(format!("{channel}/{}", file.unwrap().file_name().into_string().unwrap()));
        }
    }
    files.sort();
    assert!(files.len() > 250, "the recordings are not where WHISP_FIXTURES says");
    files
}

/// An item in a few words: how it came, what it is, and what kind.
fn describe(item: &Item) -> String {
    let words = match &item.event {
        Event::Message(message) => {
            let side = if message.outgoing { "our" } else { "a" };
            format!("{side} {}{}", message.content.kind().as_str(), extras(message))
        }
        Event::Edited { content, .. } => {
            format!("edited {}", content.as_ref().map_or("somehow", |content| content.kind().as_str()))
        }
        Event::Unsent { .. } => "unsent".to_owned(),
        Event::Receipt(receipt) => receipt_in_words(receipt),
        Event::Referral { referral, .. } => format!("referral {}", referral.source.as_deref().unwrap_or("-")),
        Event::IdentityChanged { old, new } => format!("identity {} to {}", old.len(), new.len()),
        Event::Preference { category, wanted, .. } => format!("preference {category} {wanted}"),
        Event::Thread { ours, .. } => format!("thread ours {ours}"),
        Event::Comment(comment) => format!("comment, text {}", comment.text.is_some()),
        Event::HistoryProgress { percent } => format!("history progress {percent:?}"),
        Event::AddressBook { removed, .. } => format!("address book, removed {removed}"),
        Event::Failure { code } => format!("failure {}", code.0),
        Event::Notice { topic, .. } => format!("notice {topic}"),
        Event::Unknown { kind, .. } => format!("UNKNOWN {}", kind.as_deref().unwrap_or("-")),
        _ => "a new variant".to_owned(),
    };
    format!("{:?}: {words}", item.provenance).to_lowercase()
}

fn extras(message: &MessageEvent) -> String {
    let kinds: Vec<HandleKind> = message.contact.handles.iter().map(|handle| handle.kind).collect();
    [
        (kinds.contains(&HandleKind::Bsuid), " bsuid"),
        (message.extras.reply_to.is_some(), " reply"),
        (message.extras.story.is_some(), " story"),
        (message.extras.forwarded, " forwarded"),
        (message.extras.referral.is_some(), " referral"),
        (message.extras.tag.is_some(), " tag"),
        (message.extras.group.is_some(), " group"),
        (message.extras.raw.is_some(), " UNREAD"),
    ]
    .into_iter()
    .filter(|(is, _)| *is)
    .map(|(_, word)| word)
    .collect()
}

fn receipt_in_words(receipt: &Receipt) -> String {
    let step = format!("{:?}", receipt.step);
    let target = match &receipt.target {
        ReceiptTarget::Messages(messages) => format!("of {}", messages.len()),
        ReceiptTarget::UpTo(_) => "up to a time".to_owned(),
    };
    let failure = receipt.failure.map(|code| format!(" code {}", code.0)).unwrap_or_default();
    let contact = if receipt.contact.is_some() { "" } else { " of nobody" };
    format!("receipt {step} {target}{failure}{contact}")
}

#[test]
fn each_recording_turns_into_what_it_is() {
    for (file, expected) in decode_expected::ITEMS {
        let Some(items) = items(file) else { return };
        let found: Vec<String> = items.iter().map(describe).collect();
        assert_eq!(found, *expected, "{file}");
    }
}

#[test]
fn nothing_of_meta_reference_stays_unknown() {
    for file in files() {
        let unknown = items(&file).unwrap().iter().any(|item| item.event.is_unknown());
        let reason = UNKNOWN.iter().find(|(name, _)| *name == file).map(|(_, reason)| reason);
        assert_eq!(unknown, reason.is_some(), "{file}: {reason:?}");
    }
}

fn message(file: &str) -> Option<MessageEvent> {
    let item = items(file)?.into_iter().next().unwrap();
    let Event::Message(message) = item.event else { panic!("{file} is no message") };
    Some(message)
}

#[test]
fn the_ids_of_a_person_come_with_the_preferred_one_first() {
    let Some(only) = message("whatsapp/message-text-bsuid-only--bsuid-docs.json") else { return };
    let kinds: Vec<HandleKind> = only.contact.handles.iter().map(|handle| handle.kind).collect();
    assert_eq!(kinds, [HandleKind::Bsuid, HandleKind::ParentBsuid]);
    // The number that wrote comes before the account's.
    let brazil = message("whatsapp/message-text-br-ninth-digit-mismatch--composed-after-issue.json").unwrap();
    let numbers: Vec<&str> = brazil.contact.handles.iter().map(|handle| handle.value.expose().as_str()).collect();
    assert_eq!(numbers, ["5511987654321", "551187654321"]);
    // An empty number is no number.
    let hidden = message("whatsapp/business-scoped-user-ids-24--metadocs.json").unwrap();
    assert_eq!(hidden.contact.handles.len(), 1);
}

#[test]
fn media_are_described_with_what_it_takes_to_fetch_them() {
    let Some(voice) = message("whatsapp/messages-audio--metadocs.json") else { return };
    let Content::Media { items, .. } = &voice.content else { panic!("no media") };
    assert_eq!((items[0].kind, items[0].live), (MediaKind::Audio, true));
    assert!(items[0].id.is_some() && items[0].url.is_some() && items[0].sha256.is_some());
    let pictures = message("instagram/message-attachments-image-video--igdocs.json").unwrap();
    let Content::Media { items, .. } = &pictures.content else { panic!("no media") };
    assert_eq!(items.iter().map(|media| media.kind).collect::<Vec<_>>(), [MediaKind::Image, MediaKind::Video]);
    // The twin image that Messenger adds for old clients is left out.
    let sticker = message("messenger/message-sticker-new-type-with-image-duplicate--docs.json").unwrap();
    let Content::Media { items, .. } = &sticker.content else { panic!("no media") };
    assert_eq!(items.iter().map(|media| media.kind).collect::<Vec<_>>(), [MediaKind::Sticker]);
}

#[test]
fn a_post_that_is_sent_in_two_forms_is_one() {
    let Some(post) = message("instagram/message-share-legacy-plus-ig-post--igdocs.json") else { return };
    let Content::Share(share) = &post.content else { panic!("no share") };
    assert_eq!(share.kind, ShareKind::Post);
    assert_eq!(share.id.as_ref().unwrap().expose(), "17900000000000002");
}

#[test]
fn history_is_told_by_its_field_and_knows_both_sides() {
    let Some(thread) = items("whatsapp/embedded-signup-onboarding-business-app-users-16--metadocs.json") else {
        return;
    };
    let sides: Vec<bool> = thread
        .iter()
        .filter_map(|item| match &item.event {
            Event::Message(message) => Some(message.outgoing),
            _ => None,
        })
        .collect();
    assert_eq!(sides, [true, true, false, true]);
    for item in &thread {
        if let Event::Message(message) = &item.event {
            // With whom the thread is, also for what the business wrote.
            assert_ne!(message.contact.handles[0].value.expose(), "15550783881");
        }
    }
    // The media of a placeholder come later under the same id: two items.
    let media = items("whatsapp/embedded-signup-onboarding-business-app-users-17--metadocs.json").unwrap();
    assert!(thread.iter().all(|item| item.dedup != media[0].dedup));
}

#[test]
fn a_status_carries_its_tag_price_and_error() {
    let Some(items) = items("whatsapp/message-status-with-tracker--pywa.json") else { return };
    let Event::Receipt(receipt) = &items[0].event else { panic!("no receipt") };
    assert_eq!(receipt.step, DeliveryStep::Sent);
    assert_eq!(receipt.tag.as_deref(), Some("some data"));
    assert_eq!(receipt.pricing.as_deref(), Some("service"));
}

#[test]
fn times_come_in_seconds_and_in_milliseconds() {
    let Some(seconds) = items("instagram/dashboard-test-value-shape--issue.json") else { return };
    assert_eq!(seconds[0].at.timestamp_millis(), 1_527_459_824_000);
    // The App Dashboard's test names no account.
    assert_eq!(seconds[0].account, None);
    let milliseconds = items("instagram/message-text--igdocs.json").unwrap();
    assert_eq!(milliseconds[0].at.timestamp_millis(), 1_569_262_485_349);
    assert_eq!(milliseconds[0].account.as_ref().unwrap().as_str(), "17841400000000001");
}

#[test]
fn what_is_printed_of_a_delivery_holds_nothing_personal() {
    for file in files() {
        let body: Value = serde_json::from_slice(&std::fs::read(root().unwrap().join(&file)).unwrap()).unwrap();
        let mut personal = Vec::new();
        collect(&body, "", &mut personal);
        let printed = format!("{:?}", items(&file).unwrap());
        for text in personal {
            assert!(!printed.contains(&text), "{file} prints {text}");
        }
    }
}

/// The texts of persons, names, ids of persons and of messages in a recording.
fn collect(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| collect(value, name, found)),
        Value::Array(list) => list.iter().for_each(|value| collect(value, name, found)),
        Value::String(text) => {
            let personal = matches!(
                name,
                "body"
                    | "text"
                    | "caption"
                    | "formatted_name"
                    | "emoji"
                    | "user_id"
                    | "from_user_id"
                    | "mid"
                    | "response_json"
                    | "url"
                    | "filename"
                    | "vcard"
                    | "address"
                    | "username"
            );
            let platform_id = text.starts_with("wamid.") && name == "id";
            if (personal || platform_id) && text.len() > 8 {
                found.push(text.clone());
            }
        }
        _ => {}
    }
}

#[test]
fn each_recorded_signature_verifies_or_not_as_it_says() {
    let Some(root) = root() else { return };
    let vectors: Value = serde_json::from_slice(&std::fs::read(root.join("signature-vectors.json")).unwrap()).unwrap();
    let vectors = vectors["x_hub_signature_256"].as_array().unwrap();
    assert_eq!(vectors.len(), 6);
    for vector in vectors {
        let text = |name: &str| vector[name].as_str().unwrap();
        let secrets = AppSecrets::new(&["another".into(), text("app_secret").into()]);
        let verified = secrets.verify(text("raw_body").as_bytes(), Some(text("header")));
        match vector["valid"].as_bool() {
            Some(valid) => assert_eq!(verified.is_ok(), valid, "{}", text("source")),
            // Left open: upper-case digits, which name the same bytes.
            None => assert!(verified.is_ok()),
        }
        if text("source").contains("prefix") {
            assert_eq!(verified.unwrap_err().kind(), WebhookErrorKind::Unsigned);
        }
    }
}
