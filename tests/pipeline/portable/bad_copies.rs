//! A copy that is wrong anywhere is not taken in at all, and the error says where, and quotes nothing.

use std::io::{BufReader, Read};

use serde_json::{Value, json};
use whisp::assistant::{AssistantError, CopyError, CopyFault, PortableCopy};

use crate::world::World;

const ID: &str = "00000000-0000-0000-0000-000000000001";

fn contact() -> Value {
    json!({"id": ID, "kind": "contact", "name": "canary", "handles": [{"kind": "phone", "value": "77010000000"}]})
}

fn message(n: u8) -> Value {
    json!({
        "id": uuid::Uuid::from_bytes([n; 16]), "kind": "message", "conversation": ID, "author": "contact",
        "provenance": "live", "content": {"type": "text", "text": "canary"}, "at": "2026-11-26T09:00:00Z",
    })
}

fn read(lines: &[Value]) -> Result<PortableCopy, CopyError> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    PortableCopy::read(text.as_bytes())
}

#[track_caller]
fn wrong(text: &[u8], line: usize, fault: CopyFault) {
    let error = PortableCopy::read(text).unwrap_err();
    assert_eq!((error.line, error.fault), (line, fault));
    assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    assert!(error.to_string().starts_with(&format!("line {line}: ")), "{error}");
}

#[test]
fn each_fault_is_told_with_its_line() {
    let good = format!("{}\n\n{}\n", contact(), message(1));
    assert_eq!(PortableCopy::read(good.as_bytes()).unwrap().lines(), 2);
    let after = |line: &str| format!("{good}{line}\n").into_bytes();
    wrong(&after("{\"canary\""), 4, CopyFault::NotJson);
    wrong(&after("[]"), 4, CopyFault::Shape);
    wrong(&after(r#"{"kind": "canary"}"#), 4, CopyFault::UnknownKind);
    wrong(&after(&contact().to_string()), 4, CopyFault::SecondContact);
    wrong(&after(&message(1).to_string()), 4, CopyFault::Twice);
    wrong(&[good.as_bytes(), b"\"\xff\"\n"].concat(), 4, CopyFault::Unread);
    wrong(b"", 1, CopyFault::NoContact);
    wrong(format!("{}\n", message(1)).as_bytes(), 2, CopyFault::NoContact);
    let long = format!("{{\"kind\":\"index\",\"x\":\"{}\"}}", "x".repeat(PortableCopy::LINE_MAX));
    wrong(&after(&long), 4, CopyFault::TooLong);
    // A field of each kind that is needed is missing, or is something else.
    let statement = json!({"id": ID, "kind": "statement", "act": "host", "objection": "analytics", "stands": true,
        "at": "2026-11-26T09:00:00Z"});
    let conversation = json!({"id": ID, "kind": "conversation", "channel": "whatsapp", "engines_answer": true,
        "created_at": "2026-11-26T09:00:00Z", "active_at": "2026-11-26T09:00:00Z"});
    let kinds = [
        (contact(), "handles"),
        (message(2), "content"),
        (message(2), "at"),
        (statement, "stands"),
        (conversation, "channel"),
    ];
    for (line, field) in kinds {
        let mut without = line.clone();
        without.as_object_mut().unwrap().remove(field);
        let mut other = line.clone();
        other[field] = json!({"canary": 1});
        for line in [without, other] {
            wrong(format!("\n{line}\n").as_bytes(), 2, CopyFault::Shape);
        }
    }
}

#[test]
fn a_source_that_fails_is_told() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("canary"))
        }
    }
    let error = PortableCopy::read(BufReader::new(Broken)).unwrap_err();
    assert_eq!((error.line, error.fault), (1, CopyFault::Unread));
}

#[test]
fn nothing_of_a_copy_is_printed() {
    let copy = read(&[contact(), message(1)]).unwrap();
    assert_eq!(format!("{copy:?}"), "PortableCopy(2 lines)");
}

#[tokio::test]
async fn what_can_not_be_done_whole_is_not_begun() {
    let world = World::new().await;
    let desk = world.assistant.desk(world.tenant);
    let mut nobody = contact();
    nobody["handles"] = json!([]);
    let mut large = message(2);
    large["content"]["text"] = json!("x".repeat(whisp::store::RECORD_MAX));
    for lines in [vec![nobody, message(1)], vec![contact(), message(1), large]] {
        let refused = desk.import(world.connection, &read(&lines).unwrap()).await;
        assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{refused:?}");
        assert!(desk.inbox(None, 10).await.unwrap().conversations.is_empty());
    }
}
