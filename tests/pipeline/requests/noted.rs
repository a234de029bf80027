//! What of a request is noted by hand, and what only whatever does it may note.

use std::sync::Arc;

use chrono::TimeDelta;
use whisp::assistant::AssistantError;
use whisp::id::RequestId;
use whisp::model::{AutomationMode, Content};
use whisp::privacy::{
    About, Act, Proof, ProofStrength, Purpose, RequestError, RequestEvent, RequestKind, RequestOutcome, RequestState,
    RestrictionGround, Statement, StepOutcome,
};
use whisp::stores::MemoryStore;
use whisp::testing::cancel_after;

use super::Asked;
use crate::world::{World, parrot};
use crate::yielding::Yielding;

fn execute(step: &str) -> RequestEvent {
    RequestEvent::Execute(vec![step.to_owned()])
}

fn report(step: &str) -> RequestEvent {
    RequestEvent::Report { step: step.to_owned(), outcome: StepOutcome::Done { records: 1 } }
}

/// Who asks is known, and gets it.
async fn approve(asked: &Asked, id: RequestId) {
    let proof = Proof { strength: ProofStrength::Confirmed, at: asked.world.now() };
    for event in [RequestEvent::Prove(proof), RequestEvent::Assess, RequestEvent::Approve] {
        asked.requests().apply(id, event).await.unwrap();
    }
}

/// Processors need a day.
fn hand_on(asked: &Asked) -> RequestEvent {
    RequestEvent::AwaitProcessors { until: asked.world.now() + TimeDelta::days(1) }
}

/// Whoever was told that they are erased must have been (promise P45).
#[tokio::test]
async fn an_erasure_is_noted_by_what_erases_and_by_nobody_else() {
    let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
    let asked = Asked::over(World::over(store, parrot(), AutomationMode::Automatic).await, "delete my data").await;
    let id = asked.granted().await.id();
    let requests = asked.requests();
    for event in [execute("by hand"), execute("erase"), report("erase"), hand_on(&asked)] {
        let noted = requests.apply(id, event.clone()).await;
        assert!(matches!(noted, Err(AssistantError::Invalid(_))), "{event:?}: {noted:?}");
    }
    assert!(requests.answer(id, 0).await.is_err(), "nothing is erased");
    assert_eq!(*asked.only().await.state(), RequestState::Approved);

    // It is cut short once it has begun.
    let mut polls = 0;
    while !matches!(requests.get(id).await.unwrap().state(), RequestState::Executing { .. }) {
        polls += 1;
        assert!(cancel_after(polls, requests.erase(id)).await.is_none());
    }
    let noted = requests.apply(id, report("erase")).await;
    assert!(matches!(noted, Err(AssistantError::Invalid(_))), "it has not ended: {noted:?}");
    let early = requests.answer(id, 0).await;
    assert!(matches!(early, Err(AssistantError::Request(RequestError::StepsLeft { left: 1 }))), "{early:?}");
    requests.erase(id).await.unwrap();
    requests.apply(id, hand_on(&asked)).await.unwrap();
    let answered = requests.answer(id, 0).await.unwrap();
    assert_eq!(*answered.state(), RequestState::Answered { outcome: RequestOutcome::Approved });
    assert_eq!(asked.world.assistant.receipts(asked.world.tenant).await.unwrap().len(), 1);
}

#[tokio::test]
async fn that_all_was_taken_out_of_what_others_wrote_is_noted_by_people() {
    let asked = Asked::with("my neighbour Timur owes me money").await;
    let requests = asked.requests();
    let id = requests.take_in_of_mentioned(RequestKind::Erasure).await.unwrap().id();
    approve(&asked, id).await;
    for event in [execute("by hand"), RequestEvent::Execute(Vec::new()), hand_on(&asked)] {
        let noted = requests.apply(id, event.clone()).await;
        assert!(matches!(noted, Err(AssistantError::Invalid(_))), "{event:?}: {noted:?}");
    }
    let early = requests.apply(id, report("redact")).await;
    assert!(matches!(early, Err(AssistantError::Request(RequestError::WrongState { .. }))), "{early:?}");
    requests.redact(id, asked.world.messages().await[0].id).await.unwrap();
    assert_eq!(asked.world.messages().await[0].content, Content::Unsent);
    for event in [report("redact"), hand_on(&asked), RequestEvent::Answer] {
        requests.apply(id, event).await.unwrap();
    }
    assert!(matches!(requests.get(id).await.unwrap().state(), RequestState::Answered { .. }));
    // Nothing need be there to be taken out.
    let id = requests.take_in_of_mentioned(RequestKind::Erasure).await.unwrap().id();
    approve(&asked, id).await;
    requests.apply(id, execute("redact")).await.unwrap();
    let answered = requests.answer(id, 0).await.unwrap();
    assert!(matches!(answered.state(), RequestState::Answered { .. }), "{answered:?}");
}

/// Whose the account is asks to be erased: the account is closed, or it stays with somebody else. Nothing but people know.
#[tokio::test]
async fn what_became_of_an_account_holders_erasure_is_noted_by_people() {
    let asked = Asked::with("Hello").await;
    let requests = asked.requests();
    let tenant = asked.world.assistant.tenant(asked.world.tenant).await.unwrap();
    let id = requests.take_in(About::holder(&tenant), RequestKind::Erasure).await.unwrap().id();
    approve(&asked, id).await;
    for event in [execute("by hand"), report("by hand"), RequestEvent::Answer] {
        requests.apply(id, event).await.unwrap();
    }
    assert!(matches!(requests.get(id).await.unwrap().state(), RequestState::Answered { .. }));
}

#[tokio::test]
async fn an_answer_that_is_noted_step_by_step_waits_for_what_was_promised_too() {
    let restriction = Statement::Restriction { ground: RestrictionGround::AccuracyContested, stands: true };
    for (kind, promised) in [
        (RequestKind::Withdrawal, Some(Statement::withdrawn(Purpose::DirectMarketing))),
        (RequestKind::Objection, Some(Statement::Objection { purpose: Purpose::AutomatedReplies, stands: true })),
        (RequestKind::Restriction, Some(restriction)),
        (RequestKind::Access, None),
    ] {
        let asked = Asked::with("Hello").await;
        let requests = asked.requests();
        let id = requests.take_in(asked.contact, kind).await.unwrap().id();
        approve(&asked, id).await;
        for event in [execute("by hand"), report("by hand")] {
            requests.apply(id, event).await.unwrap();
        }
        if let Some(promised) = promised {
            let early = requests.apply(id, RequestEvent::Answer).await;
            assert!(matches!(early, Err(AssistantError::Invalid(_))), "{kind:?}: {early:?}");
            requests.apply(id, hand_on(&asked)).await.unwrap();
            let early = requests.apply(id, RequestEvent::Answer).await;
            assert!(matches!(early, Err(AssistantError::Invalid(_))), "{kind:?}, handed on: {early:?}");
            let desk = asked.world.assistant.desk(asked.world.tenant);
            desk.declare(asked.contact, promised, Act::Host).await.unwrap();
        }
        let answered = requests.apply(id, RequestEvent::Answer).await.unwrap();
        assert!(matches!(answered.state(), RequestState::Answered { .. }), "{kind:?}: {answered:?}");
    }
}
