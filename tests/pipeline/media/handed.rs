//! A file that is handed to an authority: its bytes are read for a day, by whoever may, and those of no other file.

use chrono::TimeDelta;
use whisp::assistant::{AssistantError, ExportedData};
use whisp::id::{MediaId, MemberId, SubjectId};
use whisp::privacy::{Categories, DataCategory, HoldScope, LegalScope, NewLegalDisclosure, Role};

use super::kit::{Album, Next, picture};
use crate::world::{DANA, join};

const ERLAN: MemberId = MemberId(SubjectId::from_bytes([6; 16]));

#[tokio::test]
async fn the_files_of_what_is_handed_out_are_read_for_a_day() {
    let album = Album::new().await;
    let world = &album.world;
    join(&world.assistant, world.tenant, ERLAN, Role::Admin).await;
    album.sends("before", 1).await;
    album.fetch().await;
    let before = album.files().await[0].id;
    world.later(86_400);
    album.platform.then(Next::File(picture(100_000)));
    album.sends("m1", 1).await;
    album.fetch().await;
    let conversation = world.conversation().await;
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(conversation).await.unwrap().contact;
    let written = HoldScope { from: Some(world.now() - TimeDelta::hours(1)), ..HoldScope::default() };
    let new = NewLegalDisclosure {
        authority: "Court".into(),
        reference: "1".into(),
        law: "Art. 1".into(),
        scope: LegalScope { categories: Categories::of(&[DataCategory::Media]), written },
        gag_until: None,
        asked_by: None,
    };
    let id = desk.by(DANA).legal_disclosures().ask(contact, new).await.unwrap().id;
    desk.by(ERLAN).legal_disclosures().approve(id).await.unwrap();
    let legal = desk.legal_disclosures();
    let file = album.files().await[0].id;
    let gone = async |file| matches!(legal.read_file(id, file, 0).await, Err(AssistantError::NotFound(_)));
    assert!(gone(file).await, "not before it is handed out");
    let handed = legal.hand_out(id).await.unwrap();
    assert!(matches!(handed.lines[..], [ref line] if matches!(line.data, ExportedData::File { .. })), "{handed:?}");
    assert_eq!(MediaId::from_uuid(handed.lines[0].id.as_uuid()), file);
    let mut bytes = Vec::new();
    for chunk in 0.. {
        match legal.read_file(id, file, chunk).await.unwrap() {
            Some(chunk) => bytes.extend_from_slice(&chunk),
            None => break,
        }
    }
    assert_eq!(bytes, picture(100_000));
    assert!(gone(before).await, "that one is outside of the scope");
    world.later(86_400);
    assert!(gone(file).await, "its day is over");
}
