//! Who has proven that they want to be erased is served that right alone until they are.

use whisp::assistant::{AssistantError, Desk};
use whisp::privacy::{DeniedReason, Proof, ProofStrength, RefusalReason, RequestEvent, RequestKind, RestrictionGround};

use crate::requests::Asked;

fn desk(asked: &Asked) -> Desk {
    asked.world.assistant.desk(asked.world.tenant)
}

async fn is_restricted(asked: &Asked) -> bool {
    let standing = desk(asked).standing(asked.contact).await.unwrap();
    let restricted = standing.restrictions().any(|ground| ground == RestrictionGround::ErasureUnderWay);
    let read = desk(asked).messages(asked.conversation, None, 10).await;
    match &read {
        Err(AssistantError::Denied(denied)) => assert_eq!(denied.reason, DeniedReason::Restricted),
        other => assert!(other.is_ok(), "{other:?}"),
    }
    assert_eq!(read.is_err(), restricted, "what stands is what holds");
    restricted
}

#[tokio::test]
async fn from_the_proof_of_a_wish_to_be_erased_on_nothing_is_used_for_anything_else() {
    let asked = Asked::with("delete my data").await;
    assert!(!is_restricted(&asked).await, "anybody may write that");
    let request = asked.proven().await;
    assert!(is_restricted(&asked).await);
    // Engines are silent, what the person writes is kept, and their own right is served.
    let sent = asked.world.channel.sent().len();
    asked.writes("m9", "By the way, what does a latte cost?").await;
    assert_eq!(asked.world.channel.sent().len(), sent);
    assert!(!asked.world.assistant.export(asked.world.tenant, asked.contact, None).await.unwrap().entries.is_empty());
    asked.requests().apply(request.id(), RequestEvent::Assess).await.unwrap();
    asked.requests().apply(request.id(), RequestEvent::Approve).await.unwrap();
    assert!(is_restricted(&asked).await);
    asked.requests().erase(request.id()).await.unwrap();
    assert!(desk(&asked).contact(asked.contact).await.is_err());
}

#[tokio::test]
async fn a_wish_that_is_refused_or_taken_back_restricts_no_longer() {
    for refused in [true, false] {
        let asked = Asked::with("delete my data").await;
        let request = asked.proven().await;
        // A second one, that somebody at the desk took down and nobody has proven.
        let second = asked.requests().take_in(asked.contact, RequestKind::Erasure).await.unwrap();
        let proof = Proof { strength: ProofStrength::Confirmed, at: asked.world.now() };
        asked.requests().apply(second.id(), RequestEvent::Prove(proof)).await.unwrap();
        for id in [request.id(), second.id()] {
            assert!(is_restricted(&asked).await, "one of them waits still");
            if refused {
                asked.requests().apply(id, RequestEvent::Assess).await.unwrap();
                let why = RequestEvent::Refuse(RefusalReason::LegalClaims);
                asked.requests().apply(id, why).await.unwrap();
            } else {
                asked.requests().apply(id, RequestEvent::Withdraw(proof)).await.unwrap();
            }
        }
        assert!(!is_restricted(&asked).await, "refused: {refused}");
    }
}

#[tokio::test]
async fn a_wish_that_nobody_has_proven_restricts_nobody_and_a_refusal_of_it_lifts_nothing() {
    let asked = Asked::with("delete my data").await;
    let request = asked.only().await;
    asked.requests().ask_proof(request.id(), asked.conversation).await.unwrap();
    asked.requests().apply(request.id(), RequestEvent::FailProof).await.unwrap();
    let unproven = RequestEvent::Refuse(RefusalReason::IdentityFailure);
    asked.requests().apply(request.id(), unproven).await.unwrap();
    assert!(!is_restricted(&asked).await);
    assert!(desk(&asked).statements(asked.contact).await.unwrap().is_empty(), "nothing was said about it");
}
