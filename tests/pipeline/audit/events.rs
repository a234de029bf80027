//! Which events there are, by whom and about whom.

use std::collections::BTreeMap;

use whisp::assistant::{AuditEntry, Inclusion};
use whisp::audit::{Actor, AuditAction, AuditDetail, Outcome, VIEW};
use whisp::id::{ConversationId, MemberId, RecordId, SubjectId};
use whisp::model::{AutomationMode, Conversation, HandOffReason, Handling};
use whisp::privacy::{Act, AgeSignal, Purpose, RestrictionGround, Role, Statement};
use whisp::store::Kind;

use crate::tap::{Tap, puts};
use crate::world::{DANA, World, join, parrot};

/// How many events there are when a world begins.
const FIRST: usize = 5;

/// Another admin.
const ALIYA: MemberId = MemberId(SubjectId::from_bytes([2; 16]));

/// The events since the first `skip`, oldest first, once a sweep has put them into the log.
async fn logged(world: &World, skip: usize) -> Vec<AuditEntry> {
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    let audit = world.assistant.audit(world.tenant);
    assert_eq!(audit.waiting().await.unwrap(), []);
    assert_eq!(audit.verify(None).await.unwrap().faults, []);
    audit.events(None, 1_000).await.unwrap().0.split_off(skip)
}

fn actions(entries: &[AuditEntry]) -> Vec<AuditAction> {
    entries.iter().map(|entry| entry.event.action).collect()
}

#[tokio::test]
async fn the_settings_of_a_business_are_logged_and_what_they_were_set_to() {
    let world = World::new().await;
    world.later(1);
    world.assistant.set_automation(world.tenant, false).await.unwrap();
    world.later(1);
    world.assistant.set_mode(world.tenant, world.connection, AutomationMode::Suggest).await.unwrap();
    world.later(1);
    world.assistant.disconnect(world.tenant, world.connection).await.unwrap();
    let log = logged(&world, 0).await;
    assert_eq!(log.iter().map(|entry| entry.index.unwrap()).collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
    let mut all = actions(&log);
    // The first ones came at one moment.
    all[..FIRST].sort_by_key(|action| format!("{action:?}"));
    // So did the last two, of one commit.
    all[FIRST + 2..].sort_by_key(|action| format!("{action:?}"));
    use AuditAction::{AutomationOff, AutomationOn, Connected, Disconnected, MemberAdded, ModeSet, TenantCreated};
    use AuditAction::{ConsentGiven, ConsentWithdrawn};
    let first = [AutomationOn, Connected, ConsentGiven, MemberAdded, TenantCreated];
    assert_eq!(all, [&first[..], &[AutomationOff, ModeSet, ConsentWithdrawn, Disconnected]].concat());
    assert!(log.iter().all(|entry| entry.event.actor == Actor::Host && entry.event.outcome == Outcome::Done));
    let about: Vec<_> = log.iter().filter(|entry| entry.event.action != MemberAdded).collect();
    let holder = about[0].event.subject;
    assert!(holder.is_some() && about.iter().all(|entry| entry.event.subject == holder), "one person has one tag");
    let audit = world.assistant.audit(world.tenant);
    let set = log.iter().find(|entry| entry.event.action == ModeSet).unwrap();
    let detail = audit.detail(set.event.id).await.unwrap();
    assert_eq!(detail, Some(AuditDetail::Mode { mode: AutomationMode::Suggest }));
    let connected = log.iter().find(|entry| entry.event.action == Connected).unwrap();
    let detail = audit.detail(connected.event.id).await.unwrap().unwrap();
    assert!(matches!(detail, AuditDetail::Connection { mode: AutomationMode::Automatic, .. }), "{detail:?}");
    assert_eq!(audit.detail(log[FIRST].event.id).await.unwrap(), None);
    assert_eq!(set.event.object, connected.event.object, "the same connection");
    assert!(audit.event(RecordId::from_bytes([9; 16])).await.is_err());
    assert_eq!(audit.event(set.event.id).await.unwrap(), *set);
}

#[tokio::test]
async fn a_stop_in_the_chat_and_what_becomes_of_the_conversation_are_logged() {
    let world = World::new().await;
    world.says("m1", "Do you have cake?").await;
    world.settle().await;
    assert_eq!(logged(&world, FIRST).await, [], "a message and its automatic answer are no events");
    world.says("m2", "stop").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let id = world.conversation().await;
    let contact = desk.conversation(id).await.unwrap().contact;
    world.later(1);
    desk.declare(contact, Statement::given(Purpose::AutomatedReplies, None), Act::Host).await.unwrap();
    world.later(1);
    desk.by(DANA).hand_back(id).await.unwrap();
    world.later(1);
    desk.by(DANA).hand_back(id).await.unwrap();
    desk.by(DANA).take_over(id).await.unwrap();
    let log = logged(&world, FIRST).await;
    use AuditAction::{ConsentGiven, ConsentWithdrawn, HandedBack, HandedOff, TakenOver};
    assert_eq!(actions(&log), [ConsentWithdrawn, HandedOff, ConsentGiven, HandedBack, TakenOver]);
    let audit = world.assistant.audit(world.tenant);
    let (them, us) = (audit.tag(contact.0).await.unwrap(), audit.tag(DANA.0).await.unwrap());
    assert!(log.iter().all(|entry| entry.event.subject == Some(them)));
    let actors: Vec<Actor> = log.iter().map(|entry| entry.event.actor).collect();
    let by_us = Actor::Member { tag: Some(us) };
    assert_eq!(actors, [Actor::Subject, Actor::System, Actor::Host, by_us, by_us]);
    assert_eq!(log[0].event.purpose, Some(Purpose::AutomatedReplies));
    let detail = audit.detail(log[1].event.id).await.unwrap();
    assert_eq!(detail, Some(AuditDetail::HandOff { reason: HandOffReason::OptedOut }));
    assert_eq!(log[1].event.object, log[3].event.object, "the same conversation");
}

#[tokio::test]
async fn a_look_at_a_conversation_is_one_event_for_each_member_and_view() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let id = world.conversation().await;
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(id).await.unwrap().contact;
    join(&world.assistant, world.tenant, ALIYA, Role::Admin).await;
    world.later(1);
    let look = |desk: whisp::assistant::Desk| async move {
        desk.messages(id, None, 10).await.unwrap();
        desk.contact(contact).await.unwrap();
        desk.suggestions(id).await.unwrap();
        let (_, next) = desk.messages(id, None, 1).await.unwrap();
        desk.messages(id, next, 1).await.unwrap();
    };
    look(desk.by(DANA)).await;
    world.later(1);
    look(desk.by(ALIYA)).await;
    world.later(1);
    look(desk.clone()).await;
    world.later(VIEW.num_seconds());
    look(desk.by(DANA)).await;
    let log = logged(&world, FIRST + 1).await;
    assert_eq!(actions(&log), [AuditAction::ContentRead; 4]);
    let audit = world.assistant.audit(world.tenant);
    let who = |tag| Actor::Member { tag: Some(tag) };
    let (one, two) = (audit.tag(DANA.0).await.unwrap(), audit.tag(ALIYA.0).await.unwrap());
    let actors: Vec<Actor> = log.iter().map(|entry| entry.event.actor).collect();
    assert_eq!(actors, [who(one), who(two), Actor::Host, who(one)]);
    let them = audit.tag(contact.0).await.unwrap();
    assert!(log.iter().all(|entry| entry.event.subject == Some(them)));
    // What shows nobody's content is no look at it.
    desk.inbox(None, 10).await.unwrap();
    desk.inquiry(id).await.unwrap();
    assert_eq!(logged(&world, FIRST + 5).await, []);
}

/// Whatever changes consent, connections, settings or who has a conversation has an event in its own batch.
#[tokio::test]
async fn i33_no_batch_changes_what_is_audited_without_its_event() {
    let tap = Tap::new();
    let world = World::over(tap.store(), parrot(), AutomationMode::Automatic).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    world.says("m2", "operator").await;
    world.settle().await;
    let id = world.conversation().await;
    let desk = world.assistant.desk(world.tenant);
    desk.by(DANA).hand_back(id).await.unwrap();
    desk.by(DANA).send(id, whisp::channel::OutboundBody::text("Yes?")).await.unwrap();
    world.settle().await;
    desk.by(DANA).resolve(id).await.unwrap();
    world.ingest(vec![world.echo("m3", "From the phone", None)]).await;
    world.later(120);
    world.settle().await;
    world.says("m4", "stop").await;
    world.settle().await;
    world.says("m5", "start").await;
    world.settle().await;
    let contact = desk.conversation(id).await.unwrap().contact;
    desk.declare(contact, Statement::withdrawn(Purpose::AutomatedReplies), Act::Host).await.unwrap();
    world.assistant.set_mode(world.tenant, world.connection, AutomationMode::Off).await.unwrap();
    world.assistant.set_automation(world.tenant, false).await.unwrap();
    world.assistant.disconnect(world.tenant, world.connection).await.unwrap();
    world.assistant.erase(world.tenant, contact).await.unwrap();

    let mut held: BTreeMap<ConversationId, Handling> = BTreeMap::new();
    let mut audited = 0;
    for batch in tap.done() {
        let mut changes = 0;
        for conversation in puts(&batch, Kind::CONVERSATION) {
            let now: Conversation = serde_json::from_str(&conversation.clear.0).unwrap();
            let before = held.insert(now.id, now.handling.clone()).unwrap_or(Handling::Engine);
            changes += usize::from(before != now.handling);
        }
        // A connection that is not live yet is nobody's.
        changes += puts(&batch, Kind::CONNECTION).filter(|record| record.version > 1).count();
        for kind in [Kind::CONSENT, Kind::TENANT, Kind::MEMBER, Kind::RECEIPT] {
            changes += puts(&batch, kind).count();
        }
        let events = puts(&batch, Kind::AUDIT).count();
        assert!(events >= changes, "{changes} changes and {events} events: {:?}", batch.ops);
        audited += changes;
    }
    assert_eq!(audited, 18, "changes of each sort");
}

#[tokio::test]
async fn an_event_that_waits_is_listed_and_has_no_proof_yet() {
    let world = World::new().await;
    let audit = world.assistant.audit(world.tenant);
    let waiting = audit.waiting().await.unwrap();
    assert_eq!(waiting.len(), FIRST, "two of them in the directory");
    for entry in &waiting {
        assert_eq!(entry.index, None);
        assert_eq!(audit.event(entry.event.id).await.unwrap(), *entry);
        assert_eq!(audit.prove(entry.event.id).await.unwrap(), Inclusion::Waiting);
    }
    assert_eq!(audit.events(None, 10).await.unwrap(), (Vec::new(), None));
    assert_eq!(audit.head().await.unwrap().size, 0);
    let report = world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    assert_eq!((report.logged, audit.head().await.unwrap().size), (FIRST, FIRST as u64));
    assert!(audit.prove(waiting[0].event.id).await.is_err(), "nobody signs");
}

#[tokio::test]
async fn whatever_is_said_about_the_use_of_data_is_logged_and_a_look_that_was_denied_too() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let id = world.conversation().await;
    let desk = world.assistant.desk(world.tenant).by(DANA);
    let contact = desk.conversation(id).await.unwrap().contact;
    let objection = |stands| Statement::Objection { purpose: Purpose::AutomatedReplies, stands };
    let restriction = |stands| Statement::Restriction { ground: RestrictionGround::Unlawful, stands };
    let age = |signal| Statement::Age { signal };
    let by_member = Act::Member { member: DANA };
    world.later(1);
    desk.declare(contact, restriction(true), by_member).await.unwrap();
    desk.messages(id, None, 10).await.unwrap_err();
    desk.messages(id, None, 10).await.unwrap_err();
    let said = [
        (restriction(false), by_member),
        (objection(true), Act::Platform),
        (objection(false), by_member),
        (age(AgeSignal::Flagged), by_member),
        (age(AgeSignal::Mistaken), by_member),
    ];
    for (statement, act) in said {
        world.later(1);
        desk.declare(contact, statement, act).await.unwrap();
    }
    let log = logged(&world, FIRST).await;
    use AuditAction::{AgeCleared, AgeDoubted, ContentRead, Objected, ObjectionEnded, Restricted, RestrictionEnded};
    let all = [Restricted, ContentRead, RestrictionEnded, Objected, ObjectionEnded, AgeDoubted, AgeCleared];
    assert_eq!(actions(&log), all);
    assert_eq!(log[1].event.outcome, Outcome::Denied);
    assert_eq!(log[3].event.actor, Actor::Subject);
    assert_eq!(log[3].event.purpose, Some(Purpose::AutomatedReplies));
    let member = world.assistant.audit(world.tenant).tag(DANA.0).await.unwrap();
    assert!(log.iter().filter(|entry| entry.event.actor == Actor::Member { tag: Some(member) }).count() == 6);
}
