//! What those may ask whom others wrote about, and what becomes of it.

use chrono::TimeDelta;
use whisp::Sensitive;
use whisp::assistant::{AssistantError, Config};
use whisp::audit::AuditAction;
use whisp::channel::OutboundBody;
use whisp::model::{AutomationMode, Content};
use whisp::privacy::{
    HoldGround, HoldScope, NewHold, Proof, ProofStrength, RequestError, RequestEvent, RequestKind, RequestOutcome,
    RequestState, SubjectRequest,
};
use whisp::store::Kind;
use whisp::webhook::Item;

use crate::holds::register;
use crate::requests::Asked;
use crate::world::{World, parrot};

/// Somebody writes about somebody else.
async fn written() -> Asked {
    Asked::with("canary-mention: my neighbour Timur owes me money").await
}

/// Whom others wrote about asks this, is known to the host, and gets it.
async fn granted(asked: &Asked, kind: RequestKind) -> SubjectRequest {
    let request = asked.requests().take_in_of_mentioned(kind).await.unwrap();
    let proof = Proof { strength: ProofStrength::Confirmed, at: asked.world.now() };
    for event in [RequestEvent::Prove(proof), RequestEvent::Assess, RequestEvent::Approve] {
        asked.requests().apply(request.id(), event).await.unwrap();
    }
    asked.requests().get(request.id()).await.unwrap()
}

#[tokio::test]
async fn whoever_was_written_about_is_taken_out_of_what_others_wrote() {
    let asked = written().await;
    let [message, answer] = asked.world.messages_raw().await[..] else { panic!("a message and its answer") };
    let open = asked.requests().take_in_of_mentioned(RequestKind::Erasure).await.unwrap();
    let early = asked.requests().redact(open.id(), message).await;
    assert!(matches!(early, Err(AssistantError::Request(RequestError::WrongState { .. }))), "{early:?}");
    let waiting = asked.requests().open(None, 10).await.unwrap().requests;
    assert_eq!(waiting, [open], "the time for the answer runs");

    let request = granted(&asked, RequestKind::Erasure).await;
    for each in [message, answer] {
        asked.requests().redact(request.id(), each).await.unwrap();
    }
    let again = asked.requests().redact(request.id(), message).await;
    assert!(matches!(again, Err(AssistantError::Invalid(_))), "nothing is left of it: {again:?}");
    let read = asked.world.messages().await;
    assert!(read.len() == 2 && read.iter().all(|message| message.content == Content::Unsent), "{read:?}");
    for id in [message, answer] {
        let record = asked.world.store.get(asked.world.tenant, Kind::MESSAGE, id.into()).await.unwrap().unwrap();
        assert!(record.sealed.0.is_empty(), "its bytes are gone");
    }
    // What is delivered once more brings nothing back.
    let again = Item { at: read[0].at, ..asked.world.message("m1", "canary-mention") };
    asked.world.ingest(vec![again]).await;
    asked.world.settle().await;
    let read = asked.world.messages().await;
    assert!(read.iter().all(|message| message.content == Content::Unsent), "{read:?}");

    let answered = asked.requests().answer(request.id(), 2).await.unwrap();
    assert_eq!(*answered.state(), RequestState::Answered { outcome: RequestOutcome::Approved });
    let late = asked.requests().redact(request.id(), message).await;
    assert!(matches!(late, Err(AssistantError::Request(_))), "{late:?}");
    let logged = asked.logged().await;
    assert_eq!(logged.iter().filter(|action| **action == AuditAction::Redacted).count(), 2, "{logged:?}");
}

#[tokio::test]
async fn a_note_of_whoever_was_written_about_stands_beside_it() {
    let asked = written().await;
    let request = granted(&asked, RequestKind::Rectification).await;
    let message = asked.world.messages().await[0].id;
    let note = Sensitive::from("Timur says that he has paid");
    asked.requests().annotate(request.id(), message, &note).await.unwrap();
    assert_eq!(asked.world.messages().await[0].note, Some(note));
    let answered = asked.requests().answer(request.id(), 1).await.unwrap();
    assert_eq!(*answered.state(), RequestState::Answered { outcome: RequestOutcome::Approved });
}

#[tokio::test]
async fn what_is_on_its_way_is_left_alone_until_it_is_there() {
    let asked = written().await;
    let desk = asked.world.assistant.desk(asked.world.tenant);
    let message = desk.send(asked.conversation, OutboundBody::text("Timur? He owes everybody")).await.unwrap();
    let (erasure, correction) =
        (granted(&asked, RequestKind::Erasure).await, granted(&asked, RequestKind::Rectification).await);
    let early = asked.requests().redact(erasure.id(), message).await;
    assert!(matches!(early, Err(AssistantError::Invalid(_))), "{early:?}");
    let early = asked.requests().annotate(correction.id(), message, &"He has paid".into()).await;
    assert!(matches!(early, Err(AssistantError::Invalid(_))), "{early:?}");
    asked.world.settle().await;
    assert_eq!(asked.world.channel.texts().last().unwrap(), "Timur? He owes everybody");
    asked.requests().annotate(correction.id(), message, &"He has paid".into()).await.unwrap();
    asked.requests().redact(erasure.id(), message).await.unwrap();
    let read = asked.world.messages().await;
    let read = read.iter().find(|each| each.id == message).unwrap();
    assert_eq!((&read.content, &read.note), (&Content::Unsent, &None));
}

#[tokio::test]
async fn whoever_was_written_about_is_told_by_people_what_is_said() {
    let asked = written().await;
    let request = granted(&asked, RequestKind::Access).await;
    let copy = asked.requests().copy(request.id(), None).await;
    assert!(matches!(copy, Err(AssistantError::NotFound("person"))), "nothing is theirs alone: {copy:?}");
    let answered = asked.requests().answer(request.id(), 3).await.unwrap();
    assert_eq!(*answered.state(), RequestState::Answered { outcome: RequestOutcome::Approved });
}

#[tokio::test]
async fn nothing_is_taken_out_for_whoever_is_somebody_to_the_business_or_asked_something_else() {
    let asked = Asked::with("Удалите мои данные").await;
    let message = asked.world.messages().await[0].id;
    let known = asked.granted().await;
    let copy = granted(&asked, RequestKind::Access).await;
    for request in [known, copy] {
        let refused = asked.requests().redact(request.id(), message).await;
        assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{refused:?}");
    }
    for kind in [RequestKind::Portability, RequestKind::Restriction, RequestKind::Objection, RequestKind::Withdrawal] {
        let refused = asked.requests().take_in_of_mentioned(kind).await;
        assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{kind:?}: {refused:?}");
    }
    let record = asked.world.store.get(asked.world.tenant, Kind::MESSAGE, message.into()).await.unwrap().unwrap();
    assert!(!record.sealed.0.is_empty());
}

#[tokio::test]
async fn i23_what_is_taken_out_under_a_hold_is_kept_for_the_claim_alone() {
    let mut config = Config::default();
    config.register = register();
    let engine = (parrot(), AutomationMode::Automatic);
    let store = std::sync::Arc::new(whisp::stores::MemoryStore::new());
    let world = World::equipped(store, engine.0, engine.1, |builder| builder.config(config)).await;
    let asked = Asked::over(world, "canary-held").await;
    let hold = NewHold {
        scope: HoldScope::default(),
        ground: HoldGround::LegalClaim,
        authority: "District court of Almaty, 2-1234/2026".to_owned(),
        review_by: asked.world.now() + TimeDelta::days(90),
    };
    let holds = asked.world.assistant.desk(asked.world.tenant).holds();
    let hold = holds.place(asked.contact, hold).await.unwrap();
    let request = granted(&asked, RequestKind::Erasure).await;
    asked.requests().redact(request.id(), asked.world.messages_raw().await[0]).await.unwrap();
    assert_eq!(asked.world.messages().await[0].content, Content::Unsent);
    let page = holds.read(hold.id, None, 100).await.unwrap();
    assert!(page.held.iter().any(|held| held.value.expose().to_string().contains("canary-held")));
}
