//! What is wrong is corrected, and the wrong thing can't be read any more (promise P44).

use whisp::Sensitive;
use whisp::assistant::AssistantError;
use whisp::audit::AuditAction;
use whisp::id::{MessageId, TenantId};
use whisp::model::{Content, Handle, HandleKind, PlatformMessageId, Provenance};
use whisp::privacy::{
    About, Proof, ProofStrength, RequestError, RequestEvent, RequestKind, RequestOutcome, RequestState, SubjectRequest,
};
use whisp::store::{Commit, Kind, WriteBatch, WriteOp};
use whisp::webhook::{Event, Item};

use crate::requests::Asked;
use crate::world::{DANA, PHONE, World, contact, incoming};

async fn asked() -> (Asked, SubjectRequest) {
    let asked = Asked::with("Hello").await;
    let request = asked.requests().take_in(asked.contact, RequestKind::Rectification).await.unwrap();
    (asked, request)
}

async fn name(asked: &Asked) -> String {
    let desk = asked.world.assistant.desk(asked.world.tenant);
    desk.contact(asked.contact).await.unwrap().name.unwrap().expose().to_string()
}

/// The contact writes over an id that is new to us, and the platform tells the name in their profile.
fn over_a_new_id(world: &World, id: &str) -> Item {
    let mut message = incoming(id, Content::text("me again"));
    message.contact.handles = vec![Handle::new(HandleKind::Bsuid, "KZ.100"), Handle::new(HandleKind::Phone, PHONE)];
    world.event(id, Provenance::Live, Event::Message(message))
}

#[tokio::test]
async fn p44_a_corrected_name_replaces_the_wrong_one_for_good() {
    let (asked, request) = asked().await;
    let right = Sensitive::from("Aigerim Canary-Right");
    let early = asked.requests().rectify(request.id(), &right).await;
    assert!(matches!(early, Err(AssistantError::Request(RequestError::WrongState { .. }))), "{early:?}");
    let before = asked.world.store.get(asked.world.tenant, Kind::CONTACT, asked.contact.into()).await.unwrap().unwrap();
    asked.granted().await;
    for wrong in ["", "  ", &"x".repeat(501)] {
        let refused = asked.requests().rectify(request.id(), &Sensitive::from(wrong)).await;
        assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{refused:?}");
    }
    let done = asked.requests().rectify(request.id(), &right).await.unwrap();
    assert!(matches!(done.state(), RequestState::Executing { .. }) && done.steps_left().next().is_none());
    assert_eq!(name(&asked).await, "Aigerim Canary-Right");
    // A mistake in the correction is corrected too.
    let better = Sensitive::from("Aigerim Canary-Better");
    asked.requests().rectify(request.id(), &better).await.unwrap();
    let answered = asked.requests().answer(request.id(), 1).await.unwrap();
    assert_eq!(*answered.state(), RequestState::Answered { outcome: RequestOutcome::Approved });

    // What the platform says the name is does not overwrite it, and the new id is added.
    asked.world.later(1);
    asked.world.ingest(vec![over_a_new_id(&asked.world, "m2")]).await;
    let desk = asked.world.assistant.desk(asked.world.tenant);
    assert_eq!(desk.contact(asked.contact).await.unwrap().handles.len(), 2);
    assert_eq!(name(&asked).await, "Aigerim Canary-Better");

    // Whoever puts the old bytes back has put back nothing.
    let now = asked.world.store.get(asked.world.tenant, Kind::CONTACT, asked.contact.into()).await.unwrap().unwrap();
    let mut forged = now.clone();
    forged.version += 1;
    forged.sealed = before.sealed;
    let put = asked.world.store.commit(WriteBatch::new(asked.world.tenant).op(WriteOp::Put(forged))).await.unwrap();
    assert_eq!(put, Commit::Done);
    let read = desk.contact(asked.contact).await;
    assert!(matches!(read, Err(AssistantError::Vault(_))), "{read:?}");

    let logged = asked.logged().await;
    assert_eq!(logged.iter().filter(|action| **action == AuditAction::Rectified).count(), 2, "{logged:?}");
    let (entries, _) = asked.world.assistant.audit(asked.world.tenant).events(None, 1_000).await.unwrap();
    let log = serde_json::to_string(&entries.iter().map(|entry| &entry.event).collect::<Vec<_>>()).unwrap();
    assert!(!log.contains("Canary"), "{log}");
}

#[tokio::test]
async fn p44_a_note_stands_beside_what_somebody_wrote_and_the_one_before_it_is_read_by_nobody() {
    let (asked, request) = asked().await;
    let message = asked.world.messages().await[0].id;
    let early = asked.requests().annotate(request.id(), message, &"canary-early".into()).await;
    assert!(matches!(early, Err(AssistantError::Request(RequestError::WrongState { .. }))), "{early:?}");
    asked.granted().await;
    for wrong in ["", "  ", &"x".repeat(4_097)] {
        let refused = asked.requests().annotate(request.id(), message, &Sensitive::from(wrong)).await;
        assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{refused:?}");
    }
    let unknown = asked.requests().annotate(request.id(), MessageId::from_bytes([9; 16]), &"canary-lost".into()).await;
    assert!(matches!(unknown, Err(AssistantError::NotFound("message"))), "{unknown:?}");
    let note = Sensitive::from("canary-first: they say that it was two");
    let done = asked.requests().annotate(request.id(), message, &note).await.unwrap();
    assert!(matches!(done.state(), RequestState::Executing { .. }) && done.steps_left().next().is_none());
    let before = asked.world.store.get(asked.world.tenant, Kind::MESSAGE, message.into()).await.unwrap().unwrap();
    let note = Sensitive::from("canary-second: they say that it was three");
    asked.requests().annotate(request.id(), message, &note).await.unwrap();
    let read = asked.world.messages().await;
    assert_eq!((read[0].content.readable(), read[0].note.as_ref()), (Some("Hello"), Some(&note)));
    assert!(read[1..].iter().all(|other| other.note.is_none()));

    // It goes with the message: into the person's copy, and away with them. It is in no log.
    let person = About::from(asked.contact);
    let copy = asked.world.assistant.export(asked.world.tenant, person, None).await.unwrap();
    let copy = serde_json::to_string(&copy.entries).unwrap();
    assert!(copy.contains("canary-second") && !copy.contains("canary-first"), "{copy}");
    let logged = asked.logged().await;
    assert_eq!(logged.iter().filter(|action| **action == AuditAction::Rectified).count(), 2, "{logged:?}");
    let (entries, _) = asked.world.assistant.audit(asked.world.tenant).events(None, 1_000).await.unwrap();
    let log = serde_json::to_string(&entries.iter().map(|entry| &entry.event).collect::<Vec<_>>()).unwrap();
    assert!(!log.contains("canary"), "{log}");

    // Whoever puts the old bytes back has put back nothing.
    let now = asked.world.store.get(asked.world.tenant, Kind::MESSAGE, message.into()).await.unwrap().unwrap();
    let forged = whisp::store::Record { version: now.version + 1, sealed: before.sealed, ..now };
    let put = asked.world.store.commit(WriteBatch::new(asked.world.tenant).op(WriteOp::Put(forged))).await.unwrap();
    assert_eq!(put, Commit::Done);
    let desk = asked.world.assistant.desk(asked.world.tenant);
    let read = desk.messages(asked.conversation, None, 100).await;
    assert!(matches!(read, Err(AssistantError::Vault(_))), "{read:?}");
}

#[tokio::test]
async fn p44_a_note_outlives_an_edit_and_not_the_message() {
    let (asked, request) = asked().await;
    let message = asked.world.messages().await[0].id;
    asked.granted().await;
    let note = Sensitive::from("they say that it was two");
    asked.requests().annotate(request.id(), message, &note).await.unwrap();
    asked.world.later(1);
    let (target, whose) = (PlatformMessageId::new("m1"), Some(contact()));
    let content = Some(Content::text("Hello again"));
    let edited = Event::Edited { contact: whose.clone(), target: target.clone(), content };
    asked.world.ingest(vec![asked.world.event("e1", Provenance::Live, edited)]).await;
    asked.world.settle().await;
    let read = &asked.world.messages().await[0];
    assert_eq!((read.content.readable(), read.note.as_ref()), (Some("Hello again"), Some(&note)));
    let unsent = Event::Unsent { contact: whose, target };
    asked.world.ingest(vec![asked.world.event("e2", Provenance::Live, unsent)]).await;
    asked.world.settle().await;
    let read = &asked.world.messages().await[0];
    assert_eq!((&read.content, read.note.as_ref()), (&Content::Unsent, None));
    let late = asked.requests().annotate(request.id(), message, &note).await;
    assert!(matches!(late, Err(AssistantError::Invalid(_))), "{late:?}");
}

#[tokio::test]
async fn p44_a_members_name_is_corrected_and_that_of_somebody_else_is_not() {
    let (asked, contacts) = asked().await;
    let desk = asked.world.assistant.desk(asked.world.tenant);
    let requests = desk.requests();
    let theirs = requests.take_in(DANA, RequestKind::Rectification).await.unwrap();
    let proof = Proof { strength: ProofStrength::Confirmed, at: asked.world.now() };
    for event in [RequestEvent::Prove(proof), RequestEvent::Assess, RequestEvent::Approve] {
        requests.apply(theirs.id(), event).await.unwrap();
    }
    requests.rectify(theirs.id(), &Sensitive::from("Danara")).await.unwrap();
    let team = desk.team().list().await.unwrap();
    assert_eq!(team.iter().map(|member| member.name.expose().to_string()).collect::<Vec<_>>(), ["Danara"]);
    assert_eq!(name(&asked).await, "Aigerim", "nobody else's");
    let other = requests.take_in(asked.contact, RequestKind::Restriction).await.unwrap();
    let refused = requests.rectify(other.id(), &Sensitive::from("X")).await;
    assert!(matches!(refused, Err(AssistantError::Invalid(_))), "they did not ask for that: {refused:?}");
    assert!(matches!(requests.get(contacts.id()).await.unwrap().state(), RequestState::Received));
}

#[tokio::test]
async fn p44_the_name_of_the_business_is_corrected_and_the_one_before_is_read_by_nobody() {
    let world = World::new().await;
    let (tenant, desk) = (world.assistant.tenant(world.tenant).await.unwrap(), world.assistant.desk(world.tenant));
    let before = world.store.get(TenantId::DIRECTORY, Kind::TENANT, tenant.id.into()).await.unwrap().unwrap();
    let request = desk.requests().take_in(About::holder(&tenant), RequestKind::Rectification).await.unwrap();
    let proof = Proof { strength: ProofStrength::Confirmed, at: world.now() };
    for event in [RequestEvent::Prove(proof), RequestEvent::Assess, RequestEvent::Approve] {
        desk.requests().apply(request.id(), event).await.unwrap();
    }
    desk.requests().rectify(request.id(), &Sensitive::from("Coffee and Tea")).await.unwrap();
    let answered = desk.requests().answer(request.id(), 1).await.unwrap();
    assert_eq!(*answered.state(), RequestState::Answered { outcome: RequestOutcome::Approved });
    let copy = || async {
        let page = world.assistant.export(world.tenant, About::holder(&tenant), None).await;
        page.map(|page| page.entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect::<String>())
    };
    let told = copy().await.unwrap();
    assert!(told.contains("Coffee and Tea") && !told.contains("Coffee & Co"), "{told}");
    let refused = world.assistant.rename(world.tenant, &Sensitive::from(" ")).await;
    assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{refused:?}");
    // Whoever puts the old bytes back has put back nothing.
    let now = world.store.get(TenantId::DIRECTORY, Kind::TENANT, tenant.id.into()).await.unwrap().unwrap();
    let forged = whisp::store::Record { version: now.version + 1, sealed: before.sealed, ..now };
    let put = world.store.commit(WriteBatch::new(TenantId::DIRECTORY).op(WriteOp::Put(forged))).await.unwrap();
    assert_eq!(put, Commit::Done);
    assert!(matches!(copy().await, Err(AssistantError::Vault(_))));
}
