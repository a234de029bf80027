//! Who of the team may do what (promise P22): the roles, the glass, the team itself, and a policy of the host's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use whisp::assistant::{AssistantError, Desk, GLASS_BROKEN_FOR, NewMember};
use whisp::audit::{Actor, AuditAction, AuditDetail, Outcome};
use whisp::channel::OutboundBody;
use whisp::id::{
    ContactId, ConversationId, DeadLetterId, HoldId, MediaId, MemberId, MessageId, RequestId, SubjectId, SuggestionId,
};
use whisp::model::{AutomationMode, DiscardReason, Handling};
use whisp::privacy::{
    Access, AccessAction, AccessPolicy, AccessPolicyError, AccessRequest, Act, ForbiddenReason, GlassReason,
    HoldGround, HoldScope, NewHold, Purpose, RequestEvent, RequestKind, Role, RolePolicy, Statement,
};
use whisp::stores::MemoryStore;

use crate::world::{DANA, World, join, parrot};

/// A member who has nothing to do with what there is.
const ERLAN: MemberId = MemberId(SubjectId::from_bytes([6; 16]));

/// An auditor.
const OLGA: MemberId = MemberId(SubjectId::from_bytes([7; 16]));

/// Nobody.
const STRANGER: MemberId = MemberId(SubjectId::from_bytes([8; 16]));

#[track_caller]
fn forbidden<T: std::fmt::Debug>(result: Result<T, AssistantError>) -> ForbiddenReason {
    match result {
        Err(AssistantError::Forbidden(forbidden)) => forbidden.reason,
        other => panic!("{other:?}"),
    }
}

/// Everything that is done at a desk, by name. Names that lead nowhere are tried: whoever may not is told so before.
async fn everything(
    desk: &Desk,
    id: ConversationId,
    contact: ContactId,
) -> Vec<(&'static str, Option<ForbiddenReason>)> {
    let reason = |error: Option<AssistantError>| match error {
        Some(AssistantError::Forbidden(forbidden)) => Some(forbidden.reason),
        _ => None,
    };
    let mut all = Vec::new();
    macro_rules! tries {
        ($($name:literal: $call:expr),* $(,)?) => { $(all.push(($name, reason($call.await.err())));)* };
    }
    let message = MessageId::from_bytes([1; 16]);
    let letter = DeadLetterId::from_bytes([1; 16]);
    let (request, hold) = (RequestId::from_bytes([1; 16]), HoldId::from_bytes([1; 16]));
    let review_by = whisp::clock::Clock::now(&*Arc::new(whisp::testing::ManualClock::default())) + TimeDelta::days(30);
    let new_hold = NewHold {
        scope: HoldScope::default(),
        ground: HoldGround::LegalClaim,
        authority: "court 12".to_owned(),
        review_by,
    };
    let (requests, holds, team) = (desk.requests(), desk.holds(), desk.team());
    let newcomer = NewMember { id: STRANGER, name: "New".into(), role: Role::Member };
    tries! {
        "conversation": desk.conversation(id),
        "inquiry": desk.inquiry(id),
        "contact": desk.contact(contact),
        "messages": desk.messages(id, None, 10),
        "suggestions": desk.suggestions(id),
        "disclosures": desk.disclosures(contact, None, 10),
        "statements": desk.statements(contact),
        "standing": desk.standing(contact),
        "approve": desk.approve(id, SuggestionId::from_bytes([1; 16]), None),
        "reject": desk.reject(id, SuggestionId::from_bytes([1; 16])),
        "declare": desk.declare(contact, Statement::withdrawn(Purpose::Improvement), Act::Host),
        "resend": desk.resend(id, message),
        "resolve": desk.resolve(id),
        "send": desk.send(id, OutboundBody::text("Hi")),
        "hand back": desk.hand_back(id),
        "take over": desk.take_over(id),
        "agree": desk.declare(contact, Statement::given(Purpose::AutomatedReplies, None), Act::Host),
        "queue": desk.queue(None, 10),
        "dead letters": desk.dead_letters(None, 10),
        "dead letter": desk.dead_letter(letter),
        "retry": desk.retry(letter),
        "discard": desk.discard(letter, DiscardReason::Done),
        "take in": requests.take_in(contact, RequestKind::Complaint),
        "request": requests.get(request),
        "requests of": requests.of(contact),
        "open requests": requests.open(None, 10),
        "ended requests": requests.ended(None, 10),
        "apply": requests.apply(request, RequestEvent::Assess),
        "merge": requests.merge(request, request),
        "answer": requests.answer(request, 0),
        "copy": requests.copy(request, None),
        "erase": requests.erase(request),
        "ask proof": requests.ask_proof(request, id),
        "place": holds.place(contact, new_hold),
        "review": holds.review(hold, review_by),
        "release": holds.release(hold),
        "open holds": holds.open(None, 10),
        "holds on": holds.on(contact),
        "held": holds.read(hold, None, 10),
        "held file": holds.read_file(hold, MediaId::from_bytes([1; 16]), 0),
        "add": team.add(newcomer),
        "set role": team.set_role(OLGA, Role::Auditor),
        "remove": team.remove(STRANGER),
        "audit": desk.may(AccessAction::Audit),
        "settings": desk.may(AccessAction::Settings),
        "close": desk.may(AccessAction::Close),
    }
    all
}

fn allowed(all: &[(&'static str, Option<ForbiddenReason>)]) -> Vec<&'static str> {
    all.iter().filter(|(_, reason)| reason.is_none()).map(|(name, _)| *name).collect()
}

async fn a_team() -> (World, ConversationId, ContactId) {
    let world = World::new().await;
    join(&world.assistant, world.tenant, ERLAN, Role::Member).await;
    join(&world.assistant, world.tenant, OLGA, Role::Auditor).await;
    world.says("m1", "Do you have cake?").await;
    world.settle().await;
    let id = world.conversation().await;
    let contact = world.assistant.desk(world.tenant).conversation(id).await.unwrap().contact;
    (world, id, contact)
}

#[tokio::test]
async fn each_role_may_what_it_is_there_for_and_nothing_else() {
    let (world, id, contact) = a_team().await;
    let desk = world.assistant.desk(world.tenant);
    let stranger = everything(&desk.by(STRANGER), id, contact).await;
    assert!(stranger.iter().all(|(_, reason)| *reason == Some(ForbiddenReason::Stranger)), "{stranger:?}");
    assert_eq!(allowed(&everything(&desk.by(OLGA), id, contact).await), ["audit"]);
    // Engines have the conversation: it is nobody's of the team.
    assert_eq!(allowed(&everything(&desk.by(ERLAN), id, contact).await), [""; 0]);
    // It waits for anybody.
    desk.take_over(id).await.unwrap();
    let theirs = [
        "conversation",
        "inquiry",
        "contact",
        "messages",
        "suggestions",
        "disclosures",
        "statements",
        "standing",
        "approve",
        "reject",
        "declare",
        "resend",
        "resolve",
    ];
    // Resolved it is the engines' again.
    assert_eq!(allowed(&everything(&desk.by(ERLAN), id, contact).await), theirs);
    // It is theirs.
    world.says("m2", "operator").await;
    world.settle().await;
    desk.by(ERLAN).take_over(id).await.unwrap();
    desk.by(ERLAN).send(id, OutboundBody::text("I am Erlan")).await.unwrap();
    assert!(desk.by(ERLAN).messages(id, None, 10).await.is_ok());
    // Somebody else has it now.
    desk.by(DANA).take_over(id).await.unwrap();
    assert_eq!(forbidden(desk.by(ERLAN).messages(id, None, 10).await), ForbiddenReason::Policy);
    assert_eq!(desk.by(ERLAN).inbox(None, 10).await.unwrap().conversations, [], "nor is it seen to be there");
    assert_eq!(desk.by(OLGA).inbox(None, 10).await.unwrap().conversations, []);
    assert_eq!(forbidden(desk.by(STRANGER).inbox(None, 10).await), ForbiddenReason::Stranger);
    assert_eq!(desk.by(DANA).inbox(None, 10).await.unwrap().conversations.len(), 1);
    let admin = everything(&desk.by(DANA), id, contact).await;
    let denied: Vec<_> = admin.iter().filter(|(_, reason)| reason.is_some()).map(|(name, _)| *name).collect();
    assert_eq!(denied, ["close"]);
    let host = everything(&desk, id, contact).await;
    assert!(host.iter().all(|(_, reason)| reason.is_none()), "{host:?}");
}

#[tokio::test]
async fn who_may_not_is_logged_once_in_a_view_and_reads_nothing() {
    let (world, id, contact) = a_team().await;
    let desk = world.assistant.desk(world.tenant);
    for _ in 0..3 {
        assert_eq!(forbidden(desk.by(ERLAN).messages(id, None, 10).await), ForbiddenReason::Policy);
        assert_eq!(forbidden(desk.by(ERLAN).contact(contact).await), ForbiddenReason::Policy);
    }
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    let audit = world.assistant.audit(world.tenant);
    let log = audit.events(None, 1_000).await.unwrap().0;
    let denied: Vec<_> = log.iter().filter(|entry| entry.event.action == AuditAction::AccessDenied).collect();
    assert_eq!(denied.len(), 1);
    assert_eq!(denied[0].event.outcome, Outcome::Denied);
    assert_eq!(denied[0].event.subject, Some(audit.tag(contact.0).await.unwrap()));
    assert_eq!(denied[0].event.actor, Actor::Member { tag: Some(audit.tag(ERLAN.0).await.unwrap()) });
    assert!(log.iter().all(|entry| entry.event.action != AuditAction::ContentRead), "nothing was read");
}

#[tokio::test]
async fn a_broken_glass_is_looked_through_for_a_while_with_a_reason_in_the_log() {
    let (world, id, contact) = a_team().await;
    let erlan = world.assistant.desk(world.tenant).by(ERLAN);
    assert_eq!(
        forbidden(world.assistant.desk(world.tenant).by(OLGA).break_glass(id, GlassReason::Review).await),
        ForbiddenReason::Policy
    );
    assert!(matches!(
        world.assistant.desk(world.tenant).break_glass(id, GlassReason::Review).await,
        Err(AssistantError::Invalid(_))
    ));
    let until = erlan.break_glass(id, GlassReason::Complaint).await.unwrap();
    assert_eq!(until, world.now() + GLASS_BROKEN_FOR);
    assert_eq!(erlan.messages(id, None, 10).await.unwrap().0.len(), 2);
    assert!(erlan.contact(contact).await.is_ok());
    assert_eq!(
        forbidden(erlan.send(id, OutboundBody::text("Hi")).await),
        ForbiddenReason::Policy,
        "to look, not to write"
    );
    let olga = world.assistant.desk(world.tenant).by(OLGA);
    assert_eq!(forbidden(olga.messages(id, None, 10).await), ForbiddenReason::Policy, "theirs alone");
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    let audit = world.assistant.audit(world.tenant);
    let log = audit.events(None, 1_000).await.unwrap().0;
    let at = |action| log.iter().position(|entry| entry.event.action == action);
    let broken = at(AuditAction::GlassBroken).unwrap();
    assert!(Some(broken) < at(AuditAction::ContentRead), "before anything was read");
    let detail = audit.detail(log[broken].event.id).await.unwrap();
    assert_eq!(detail, Some(AuditDetail::BrokenGlass { reason: GlassReason::Complaint }));
    // The contact's copy tells it.
    let copy = world.assistant.export(world.tenant, contact, None).await.unwrap();
    let lines: Vec<String> = copy.entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
    assert!(lines.iter().any(|line| line.contains(r#""kind":"look","reason":"complaint""#)), "{lines:#?}");
    world.later(GLASS_BROKEN_FOR.num_seconds() - 1);
    assert!(erlan.messages(id, None, 10).await.is_ok());
    world.later(1);
    assert_eq!(forbidden(erlan.messages(id, None, 10).await), ForbiddenReason::Policy);
    // Again, after the first has ended, and once it was swept away.
    erlan.break_glass(id, GlassReason::Cover).await.unwrap();
    assert!(erlan.messages(id, None, 10).await.is_ok());
    world.later(2 * GLASS_BROKEN_FOR.num_seconds());
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    // What lets the member in is gone by then; that they looked, and why, is told to the contact still.
    let copy = world.assistant.export(world.tenant, contact, None).await.unwrap();
    let lines: Vec<String> = copy.entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
    assert!(!lines.iter().any(|line| line.contains(r#""kind":"look""#)), "{lines:#?}");
    for reason in ["complaint", "cover"] {
        let told = |line: &&String| line.contains(r#""action":"glass_broken""#) && line.contains(reason);
        assert_eq!(lines.iter().filter(told).count(), 1, "{lines:#?}");
    }
    erlan.break_glass(id, GlassReason::Cover).await.unwrap();
    assert!(erlan.messages(id, None, 10).await.is_ok());
}

/// A policy engine that fails when it is told to.
#[derive(Debug, Default)]
struct Shaky(AtomicBool);

impl AccessPolicy for Shaky {
    fn decide(&self, request: &AccessRequest) -> Result<Access, AccessPolicyError> {
        if self.0.load(Ordering::SeqCst) {
            return Err(AccessPolicyError::new("an attribute is missing"));
        }
        RolePolicy::default().shared_inbox().decide(request)
    }
}

#[tokio::test]
async fn i16_a_policy_that_can_not_decide_denies() {
    let policy = Arc::new(Shaky::default());
    let world = World::equipped(Arc::new(MemoryStore::new()), parrot(), AutomationMode::Automatic, |builder| {
        builder.access_policy(Arc::clone(&policy) as _)
    })
    .await;
    join(&world.assistant, world.tenant, ERLAN, Role::Member).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let id = world.conversation().await;
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(id).await.unwrap().contact;
    assert!(desk.by(ERLAN).messages(id, None, 10).await.is_ok(), "the host's own policy counts");
    policy.0.store(true, Ordering::SeqCst);
    for who in [DANA, ERLAN] {
        let all = everything(&desk.by(who), id, contact).await;
        assert!(all.iter().all(|(_, reason)| *reason == Some(ForbiddenReason::PolicyFailed)), "{all:?}");
        assert_eq!(desk.by(who).inbox(None, 10).await.unwrap().conversations, []);
    }
}

#[tokio::test]
async fn owners_are_made_and_unmade_by_owners_or_the_host() {
    let (world, ..) = a_team().await;
    let desk = world.assistant.desk(world.tenant);
    let owner = MemberId(SubjectId::from_bytes([9; 16]));
    let new = || NewMember { id: owner, name: "Aliya".into(), role: Role::Owner };
    assert_eq!(forbidden(desk.by(DANA).team().add(new()).await), ForbiddenReason::Policy);
    desk.team().add(new()).await.unwrap();
    assert_eq!(forbidden(desk.by(DANA).team().set_role(owner, Role::Member).await), ForbiddenReason::Policy);
    assert_eq!(forbidden(desk.by(DANA).team().set_role(DANA, Role::Owner).await), ForbiddenReason::Policy);
    assert_eq!(forbidden(desk.by(DANA).team().remove(owner).await), ForbiddenReason::Policy);
    desk.by(owner).team().set_role(DANA, Role::Owner).await.unwrap();
    assert!(desk.by(DANA).may(AccessAction::Close).await.is_ok());
    desk.by(DANA).team().set_role(owner, Role::Auditor).await.unwrap();
    assert_eq!(forbidden(desk.by(owner).may(AccessAction::Close).await), ForbiddenReason::Policy, "at once");
    let names: Vec<_> = desk.by(ERLAN).team().list().await.unwrap().into_iter().map(|member| member.role).collect();
    assert_eq!(names, [Role::Owner, Role::Member, Role::Auditor, Role::Auditor]);
    assert_eq!(forbidden(desk.by(STRANGER).team().list().await), ForbiddenReason::Stranger);
    let twice = desk.team().add(new()).await.unwrap_err();
    assert!(matches!(twice, AssistantError::Invalid(_)), "{twice:?}");
}

#[tokio::test]
async fn who_leaves_the_team_is_erased_and_what_they_wrote_stays_with_the_contacts() {
    let (world, id, contact) = a_team().await;
    let desk = world.assistant.desk(world.tenant);
    desk.by(DANA).take_over(id).await.unwrap();
    desk.by(DANA).send(id, OutboundBody::text("I am Dana")).await.unwrap();
    world.settle().await;
    // What is kept of a member is told to them, and proven by the host, which knows them.
    let requests = desk.requests();
    let request = requests.take_in(DANA, RequestKind::Access).await.unwrap();
    assert_eq!(requests.of(DANA).await.unwrap().len(), 1);
    assert!(matches!(requests.take_in(ContactId(DANA.0), RequestKind::Access).await, Err(AssistantError::NotFound(_))));
    assert_eq!(request.proof(), None);
    let copy = world.assistant.export(world.tenant, DANA, None).await.unwrap();
    let lines: Vec<String> = copy.entries.iter().map(|entry| serde_json::to_string(entry).unwrap()).collect();
    assert!(lines.iter().any(|line| line.contains(r#""kind":"member","name":"Dana","role":"admin""#)), "{lines:#?}");
    assert!(lines.iter().all(|line| !line.contains("cake")), "nothing of anybody else: {lines:#?}");
    let receipt = desk.team().remove(DANA).await.unwrap();
    assert!(receipt.deleted.iter().any(|(kind, count)| kind == "member" && *count == 1), "{receipt:?}");
    assert!(receipt.key_destroyed_at.is_some());
    assert_eq!(forbidden(desk.by(DANA).messages(id, None, 10).await), ForbiddenReason::Stranger);
    let conversation = desk.conversation(id).await.unwrap();
    assert!(matches!(conversation.handling, Handling::Member { member: None, .. }), "{conversation:?}");
    assert!(desk.by(ERLAN).messages(id, None, 10).await.unwrap().0.len() == 3, "it waits for anybody");
    assert!(desk.contact(contact).await.is_ok());
    let refused = desk.team().add(NewMember { id: DANA, name: "Dana".into(), role: Role::Admin }).await.unwrap_err();
    assert!(matches!(refused, AssistantError::Vault(_)), "an erased id is used by nobody again: {refused:?}");
    assert!(matches!(desk.team().remove(DANA).await, Err(AssistantError::NotFound(_))));
}
