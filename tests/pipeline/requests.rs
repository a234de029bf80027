//! What people ask about their data: proven over the conversation that holds it, decided, done, answered in time.

mod due;
mod noted;

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use whisp::assistant::{AssistantError, DueWhat, ExportedData, RETENTION_SETTLES, Requests};
use whisp::audit::AuditAction;
use whisp::id::{ContactId, ConversationId};
use whisp::model::{AutomationMode, Handle, HandleKind, TenantRetention};
use whisp::privacy::{
    Act, Challenge, Code, ProfileId, Proof, ProofStrength, Purpose, RefusalReason, RequestError, RequestEvent,
    RequestKind, RequestOutcome, RequestState, RestrictionGround, Statement, SubjectRequest, Urgency,
};
use whisp::reply::{Decision, Proposal};
use whisp::stores::MemoryStore;
use whisp::testing::ScriptedEngine;
use whisp::webhook::{ContactRef, Event, MessageEvent};

use crate::world::{DANA, World, parrot};
use crate::yielding::Yielding;

/// Somebody who asks something about their data.
pub(crate) struct Asked {
    pub(crate) world: World,
    pub(crate) contact: ContactId,
    pub(crate) conversation: ConversationId,
}

impl Asked {
    /// Somebody writes this, and whoever handles it has. If it is a request, they were told that it arrived.
    pub(crate) async fn with(words: &str) -> Self {
        Self::over(World::new().await, words).await
    }

    pub(crate) async fn over(world: World, words: &str) -> Self {
        world.says("m1", words).await;
        world.settle().await;
        let conversation = world.conversation().await;
        let contact = world.assistant.desk(world.tenant).conversation(conversation).await.unwrap().contact;
        let asked = Self { world, contact, conversation };
        for request in asked.requests().of(contact).await.unwrap() {
            asked.requests().apply(request.id(), RequestEvent::Acknowledge).await.unwrap();
        }
        asked
    }

    pub(crate) fn requests(&self) -> Requests {
        self.world.assistant.desk(self.world.tenant).by(DANA).requests()
    }

    pub(crate) async fn only(&self) -> SubjectRequest {
        let mut all = self.requests().of(self.contact).await.unwrap();
        assert_eq!(all.len(), 1, "one request");
        all.remove(0)
    }

    /// Sends a code and reads it from what the person got.
    async fn code(&self, request: &SubjectRequest) -> String {
        self.requests().ask_proof(request.id(), self.conversation).await.unwrap();
        self.world.settle().await;
        let text = self.world.channel.texts().pop().unwrap();
        let words = text.split(|c: char| !c.is_ascii_digit());
        words.filter_map(Code::parse).next_back().map(|code| code.expose().to_owned()).unwrap()
    }

    pub(crate) async fn writes(&self, id: &str, text: &str) {
        self.world.says(id, text).await;
        self.world.settle().await;
    }

    /// Sends a code and lets the person send it back.
    pub(crate) async fn proven(&self) -> SubjectRequest {
        let request = self.only().await;
        let code = self.code(&request).await;
        self.writes("proof", &code).await;
        let request = self.only().await;
        assert_eq!(*request.state(), RequestState::Verified);
        request
    }

    pub(crate) async fn granted(&self) -> SubjectRequest {
        let request = self.proven().await;
        self.requests().apply(request.id(), RequestEvent::Assess).await.unwrap();
        self.requests().apply(request.id(), RequestEvent::Approve).await.unwrap()
    }

    pub(crate) async fn logged(&self) -> Vec<AuditAction> {
        self.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
        let audit = self.world.assistant.audit(self.world.tenant);
        let (entries, _) = audit.events(None, 1_000).await.unwrap();
        entries.into_iter().map(|entry| entry.event.action).collect()
    }
}

fn wrong(code: &str) -> String {
    let first = if code.starts_with('1') { '2' } else { '1' };
    format!("{first}{}", &code[1..])
}

#[tokio::test]
async fn who_writes_that_they_want_to_be_erased_is_once_they_have_proven_it() {
    let asked = Asked::with("Пожалуйста, удалите мои данные").await;
    let request = asked.only().await;
    assert_eq!((request.kind(), request.state()), (RequestKind::Erasure, &RequestState::Received));
    assert_eq!(request.due(&whisp::privacy::Law::built_in(), asked.world.now()).unwrap().profile, ProfileId::new("kz"));
    asked.writes("m2", "Удалите мои данные!!!").await;
    assert_eq!(asked.only().await, request, "asking again is not a second request while the first waits");

    let code = asked.code(&request).await;
    assert!(asked.world.channel.texts().last().unwrap().starts_with("Вы обратились"), "in their language");
    asked.writes("m3", &format!("{} {}", &code[..4], &code[4..])).await;
    assert_eq!(asked.only().await.state(), &RequestState::Verified);
    assert!(asked.world.channel.texts().last().unwrap().starts_with("Спасибо, подтверждено"));

    asked.requests().apply(request.id(), RequestEvent::Assess).await.unwrap();
    asked.requests().apply(request.id(), RequestEvent::Approve).await.unwrap();
    let receipt = asked.requests().erase(request.id()).await.unwrap();
    assert!(receipt.key_destroyed_at.is_some());
    let done = asked.only().await;
    assert!(done.steps_left().next().is_none(), "noted with the end of the erasure");
    let answered = asked.requests().answer(request.id(), 0).await.unwrap();
    assert_eq!(*answered.state(), RequestState::Answered { outcome: RequestOutcome::Approved });

    let page = asked.requests().ended(None, 10).await.unwrap();
    assert_eq!(page.requests, [answered], "it outlives whom it erased");
    assert!(asked.requests().open(None, 10).await.unwrap().requests.is_empty());
    let wanted = [
        AuditAction::RequestReceived,
        AuditAction::RequestProofAsked,
        AuditAction::RequestProven,
        AuditAction::RequestAssessed,
        AuditAction::RequestGranted,
        AuditAction::RequestBegun,
        AuditAction::ErasureBegun,
        AuditAction::RequestStep,
        AuditAction::ErasureDone,
        AuditAction::RequestAnswered,
    ];
    let logged = asked.logged().await;
    for action in wanted {
        assert_eq!(logged.iter().filter(|each| **each == action).count(), 1, "{action:?} once in {logged:?}");
    }
}

#[tokio::test]
async fn nothing_is_handed_out_or_erased_before_the_proof_and_the_grant() {
    for (words, kind) in [("delete my data", RequestKind::Erasure), ("a copy of my data", RequestKind::Access)] {
        let asked = Asked::with(words).await;
        let act = async |request: &SubjectRequest| match kind {
            RequestKind::Erasure => asked.requests().erase(request.id()).await.map(drop),
            _ => asked.requests().copy(request.id(), None).await.map(drop),
        };
        let request = asked.only().await;
        assert!(matches!(act(&request).await, Err(AssistantError::Request(RequestError::WrongState { .. }))));
        let weak = Proof { strength: ProofStrength::Channel, at: asked.world.now() };
        let proven = asked.requests().apply(request.id(), RequestEvent::Prove(weak)).await;
        assert!(
            matches!(proven, Err(AssistantError::Request(RequestError::WeakProof { .. }))),
            "their word is not enough"
        );
        let request = asked.proven().await;
        assert!(act(&request).await.is_err(), "proven, and not granted");
        asked.requests().apply(request.id(), RequestEvent::Assess).await.unwrap();
        let refuse = RequestEvent::Refuse(RefusalReason::LegalClaims);
        asked.requests().apply(request.id(), refuse).await.unwrap();
        assert!(act(&request).await.is_err(), "refused");
        assert!(asked.world.assistant.desk(asked.world.tenant).contact(asked.contact).await.is_ok(), "still there");
    }
}

#[tokio::test]
async fn i31_a_code_is_tried_a_few_times_and_a_stranger_uses_none_of_them_up() {
    let asked = Asked::with("delete my data").await;
    let request = asked.only().await;
    let code = asked.code(&request).await;

    // Somebody else, who has seen the code.
    let stranger = ContactRef { handles: vec![Handle::new(HandleKind::Phone, "77770000000")], name: None };
    for n in 0..10 {
        let id = format!("s{n}");
        let mut message = MessageEvent::new(
            Some(whisp::model::PlatformMessageId::new(&id)),
            stranger.clone(),
            whisp::model::Content::text(&code),
        );
        message.outgoing = false;
        let event = asked.world.event(&id, whisp::model::Provenance::Live, Event::Message(message));
        asked.world.ingest(vec![event]).await;
    }
    asked.world.settle().await;
    assert!(matches!(asked.only().await.state(), RequestState::AwaitingProof { .. }), "it came from elsewhere");

    // The person, guessing, also several times in one burst.
    for n in 1..Challenge::ATTEMPTS_MAX {
        asked.world.says(&format!("g{n}"), &wrong(&code)).await;
    }
    asked.world.settle().await;
    assert!(matches!(asked.only().await.state(), RequestState::AwaitingProof { .. }));
    assert_eq!(asked.world.channel.texts().last().unwrap(), "This code is not right.");
    asked.writes("last", &wrong(&code)).await;
    assert_eq!(*asked.only().await.state(), RequestState::ProofFailed);
    asked.writes("late", &code).await;
    assert_eq!(*asked.only().await.state(), RequestState::ProofFailed, "too late for the right one");

    // A new one works, once, and the old one no more.
    let new = asked.code(&request).await;
    asked.writes("old", &code).await;
    assert!(matches!(asked.only().await.state(), RequestState::AwaitingProof { .. }), "the first code counts no more");
    asked.writes("new", &new).await;
    assert_eq!(*asked.only().await.state(), RequestState::Verified);
}

#[tokio::test]
async fn a_code_that_does_not_come_back_in_time_proves_nothing() {
    let asked = Asked::with("delete my data").await;
    let request = asked.only().await;
    let code = asked.code(&request).await;
    asked.world.clock.advance(Challenge::LIFE);
    asked.writes("late", &code).await;
    assert!(matches!(asked.only().await.state(), RequestState::AwaitingProof { .. }));
    asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    assert_eq!(*asked.only().await.state(), RequestState::ProofFailed, "the time goes on");
    assert!(asked.logged().await.contains(&AuditAction::RequestProofFailed));
}

#[tokio::test]
async fn a_code_goes_over_the_persons_own_conversation_alone() {
    let asked = Asked::with("delete my data").await;
    let stranger = ContactRef { handles: vec![Handle::new(HandleKind::Phone, "77770000000")], name: None };
    let message = MessageEvent::new(
        Some(whisp::model::PlatformMessageId::new("s")),
        stranger,
        whisp::model::Content::text("Hello"),
    );
    let event = asked.world.event("s", whisp::model::Provenance::Live, Event::Message(message));
    asked.world.ingest(vec![event]).await;
    asked.world.settle().await;
    let inbox = asked.world.assistant.desk(asked.world.tenant).inbox(None, 10).await.unwrap();
    let other = inbox.conversations.iter().find(|each| each.id != asked.conversation).unwrap().id;
    let sent = asked.world.channel.sent().len();
    let request = asked.only().await;
    let refused = asked.requests().ask_proof(request.id(), other).await;
    assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{refused:?}");
    asked.world.settle().await;
    assert_eq!(asked.world.channel.sent().len(), sent);
}

#[tokio::test]
async fn whoever_restricted_the_use_of_their_data_can_still_be_erased() {
    let asked = Asked::with("delete my data").await;
    let desk = asked.world.assistant.desk(asked.world.tenant);
    let restriction = Statement::Restriction { ground: RestrictionGround::Unlawful, stands: true };
    desk.declare(asked.contact, restriction, Act::Host).await.unwrap();
    let request = asked.granted().await;
    asked.requests().erase(request.id()).await.unwrap();
    assert!(matches!(desk.contact(asked.contact).await, Err(AssistantError::NotFound(_))));
}

#[tokio::test]
async fn no_engine_sees_a_code() {
    let seen = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&seen);
    let engine = Arc::new(ScriptedEngine::new(move |request| {
        let mut all = heard.lock().unwrap();
        request.turns()?.iter().filter_map(|turn| turn.content.readable()).for_each(|text| all.push_str(text));
        Ok(Decision::Reply(Proposal::new("Yes.")))
    }));
    let world = World::over(Arc::new(MemoryStore::new()), engine, AutomationMode::Automatic).await;
    let asked = Asked::over(world, "delete my data").await;
    let request = asked.only().await;
    let code = asked.code(&request).await;
    asked.world.assistant.desk(asked.world.tenant).by(DANA).hand_back(asked.conversation).await.unwrap();
    asked.writes("m2", "By the way: are you open today?").await;
    let seen = seen.lock().unwrap().clone();
    assert!(seen.contains("are you open today?"), "{seen}");
    assert!(!seen.contains(&code), "{seen}");
}

#[tokio::test]
async fn i25_while_somebody_waits_for_a_copy_nothing_of_theirs_is_deleted_and_nobody_else_reads_it() {
    let asked = Asked::with("What data do you have about me?").await;
    let desk = asked.world.assistant.desk(asked.world.tenant);
    let keep = whisp::assistant::Retention::default().messages;
    asked.world.clock.set(asked.world.now() + keep - TimeDelta::minutes(30));
    // Time goes by in steps that a clock may go by.
    asked.world.assistant.trust_clock().await.unwrap();
    let answered = asked.requests().take_in(asked.contact, RequestKind::Complaint).await.unwrap();
    assert_eq!(answered.kind(), RequestKind::Complaint);
    asked.writes("m2", "I am still waiting").await;
    let access = asked.requests().of(asked.contact).await.unwrap().remove(0);
    let code = asked.code(&access).await;
    asked.writes("proof", &code).await;
    asked.requests().apply(access.id(), RequestEvent::Assess).await.unwrap();
    asked.requests().apply(access.id(), RequestEvent::Approve).await.unwrap();

    asked.world.clock.advance(TimeDelta::hours(1));
    asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    let texts = |messages: &[whisp::model::Message]| {
        messages.iter().filter_map(|message| message.content.readable().map(str::to_owned)).collect::<Vec<_>>()
    };
    let (shown, _) = desk.messages(asked.conversation, None, 100).await.unwrap();
    assert!(!texts(&shown).iter().any(|text| text.starts_with("What data")), "past its time nobody reads it");
    let page = asked.requests().copy(access.id(), None).await.unwrap();
    let copied = page.entries.iter().any(|entry| match &entry.data {
        ExportedData::Message { content, .. } => content.readable().is_some_and(|text| text.starts_with("What data")),
        _ => false,
    });
    assert!(copied, "but for the copy of what there was when it was asked for");

    asked.requests().answer(access.id(), page.entries.len() as u64).await.unwrap();
    let before = asked.world.assistant.export(asked.world.tenant, asked.contact, None).await.unwrap().entries.len();
    assert!(asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().deleted > 0, "then it goes");
    let after = asked.world.assistant.export(asked.world.tenant, asked.contact, None).await.unwrap().entries.len();
    assert_eq!(before, after, "what has gone was read by nobody any more");
    assert!(asked.requests().copy(access.id(), None).await.is_err(), "answered is answered");
}

#[tokio::test]
async fn who_waits_for_a_copy_gets_what_was_there_when_they_asked_though_a_rule_got_shorter_since() {
    let asked = Asked::with("Hello").await;
    let world = &asked.world;
    world.clock.set(world.now() + TimeDelta::days(40));
    world.assistant.trust_clock().await.unwrap();
    asked.writes("m2", "What data do you have about me?").await;
    let access = asked.requests().of(asked.contact).await.unwrap().remove(0);
    let code = asked.code(&access).await;
    asked.writes("proof", &code).await;
    for event in [RequestEvent::Assess, RequestEvent::Approve] {
        asked.requests().apply(access.id(), event).await.unwrap();
    }
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    let shorter = TenantRetention { messages: Some(30), ..TenantRetention::default() };
    world.assistant.set_retention(world.tenant, shorter).await.unwrap();
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    world.clock.set(world.now() + RETENTION_SETTLES);
    assert!(
        world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().redated > 2,
        "nobody else reads it from now on"
    );
    world.later(1);
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    let texts = |entries: Vec<whisp::assistant::Exported>| {
        let text = |entry: whisp::assistant::Exported| match entry.data {
            ExportedData::Message { content, .. } => content.readable().map(str::to_owned),
            _ => None,
        };
        entries.into_iter().filter_map(text).collect::<Vec<_>>()
    };
    let copy = texts(asked.requests().copy(access.id(), None).await.unwrap().entries);
    assert!(copy.iter().any(|text| text == "Hello"), "{copy:?}");
    let now = texts(world.assistant.export(world.tenant, asked.contact, None).await.unwrap().entries);
    assert!(!now.iter().any(|text| text == "Hello"), "{now:?}");
}

#[tokio::test]
async fn each_time_that_a_deadline_comes_closer_is_told_once() {
    let asked = Asked::with("delete my data").await;
    let request = asked.only().await;
    let due = request.due(&whisp::privacy::Law::built_in(), asked.world.now()).unwrap();
    assert!(asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().due.is_empty());
    for urgency in [Urgency::Half, Urgency::Most, Urgency::Overdue] {
        asked.world.clock.set(due.reaches(urgency));
        asked.world.assistant.trust_clock().await.unwrap();
        let told = asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().due;
        assert_eq!(told.len(), 1);
        let what = DueWhat::Request { request: request.id(), kind: request.kind() };
        assert_eq!((told[0].what, told[0].urgency, told[0].due), (what, urgency, due.at));
        assert!(
            asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().due.is_empty(),
            "told already"
        );
    }
    assert_eq!(asked.logged().await.iter().filter(|action| **action == AuditAction::RequestDue).count(), 3);
}

#[tokio::test]
async fn what_is_taken_elsewhere_is_what_the_person_gave() {
    let asked = Asked::with("Hello there").await;
    let request = asked.requests().take_in(asked.contact, RequestKind::Portability).await.unwrap();
    asked.granted().await;
    let page = asked.requests().copy(request.id(), None).await.unwrap();
    assert!(!page.entries.is_empty() && page.entries.iter().all(whisp::assistant::Exported::is_portable));
    let written = page.entries.iter().filter(|entry| matches!(entry.data, ExportedData::Message { .. })).count();
    assert_eq!(written, 2, "their two messages, and none of ours");
    assert!(
        matches!(asked.requests().erase(request.id()).await, Err(AssistantError::Invalid(_))),
        "that was not asked"
    );
}

#[tokio::test]
async fn an_erasure_that_a_crash_cut_short_is_noted_in_its_request_when_the_sweep_ends_it() {
    let (mut before, mut cut, mut ended) = (0, 0, 0);
    for polls in 0..600 {
        let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
        let asked = Asked::over(World::over(store, parrot(), AutomationMode::Automatic).await, "delete my data").await;
        let request = asked.granted().await;
        let done = whisp::testing::cancel_after(polls, asked.requests().erase(request.id())).await;
        if matches!(asked.only().await.state(), RequestState::Approved) {
            before += 1;
            continue;
        }
        let is_cut = asked.only().await.steps_left().next().is_some();
        cut += usize::from(is_cut);
        let other = asked.world.second(parrot());
        assert_eq!(
            other.sweep(1_000).await.unwrap().into_result().unwrap().erasures,
            usize::from(is_cut),
            "{polls} polls"
        );
        assert!(asked.only().await.steps_left().next().is_none(), "{polls} polls");
        asked.requests().answer(request.id(), 0).await.unwrap();
        assert_eq!(asked.world.assistant.receipts(asked.world.tenant).await.unwrap().len(), 1, "{polls} polls");
        if done.is_some() {
            ended += 1;
            break;
        }
    }
    assert!(before > 1 && cut > 5 && ended == 1, "{before} {cut} {ended}");
}

#[tokio::test]
async fn one_erasure_fulfils_every_request_for_it() {
    let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
    let asked = Asked::over(World::over(store, parrot(), AutomationMode::Automatic).await, "delete my data").await;
    let first = asked.granted().await;
    let second = asked.requests().take_in(asked.contact, RequestKind::Erasure).await.unwrap();
    let proof = Proof { strength: ProofStrength::Confirmed, at: asked.world.now() };
    for event in [RequestEvent::Prove(proof), RequestEvent::Assess, RequestEvent::Approve] {
        asked.requests().apply(second.id(), event).await.unwrap();
    }
    // The first is cut short once it has begun.
    let mut polls = 0;
    while !matches!(asked.requests().get(first.id()).await.unwrap().state(), RequestState::Executing { .. }) {
        polls += 1;
        assert!(whisp::testing::cancel_after(polls, asked.requests().erase(first.id())).await.is_none());
    }
    asked.requests().erase(second.id()).await.unwrap();
    for id in [first.id(), second.id()] {
        asked.requests().answer(id, 0).await.unwrap();
    }
    assert_eq!(asked.world.assistant.receipts(asked.world.tenant).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_code_goes_out_though_a_member_has_the_conversation() {
    let asked = Asked::with("delete my data").await;
    let desk = asked.world.assistant.desk(asked.world.tenant);
    desk.by(DANA).send(asked.conversation, whisp::channel::OutboundBody::text("I will look at it")).await.unwrap();
    asked.world.settle().await;
    assert_eq!(asked.proven().await.state(), &RequestState::Verified);
}

/// Whoever was told that their data are used no more must be able to rely on it (promises P49, P53).
#[tokio::test]
async fn nobody_is_told_that_a_use_has_ended_before_it_was_declared_to() {
    let withdrawn = Statement::withdrawn(Purpose::DirectMarketing);
    let objection = Statement::Objection { purpose: Purpose::AutomatedReplies, stands: true };
    let restriction = Statement::Restriction { ground: RestrictionGround::AccuracyContested, stands: true };
    let lifted = Statement::Restriction { ground: RestrictionGround::AccuracyContested, stands: false };
    for (kind, other, right) in [
        (RequestKind::Withdrawal, &objection, &withdrawn),
        (RequestKind::Objection, &restriction, &objection),
        (RequestKind::Restriction, &lifted, &restriction),
    ] {
        let asked = Asked::with("Hello").await;
        let requests = asked.requests();
        let id = requests.take_in(asked.contact, kind).await.unwrap().id();
        let proof = Proof { strength: ProofStrength::Channel, at: asked.world.now() };
        for event in [RequestEvent::Prove(proof), RequestEvent::Assess, RequestEvent::Approve] {
            requests.apply(id, event).await.unwrap();
        }
        let desk = asked.world.assistant.desk(asked.world.tenant).by(DANA);
        let early = requests.answer(id, 1).await;
        assert!(matches!(early, Err(AssistantError::Invalid(_))), "{kind:?}: {early:?}");
        desk.declare(asked.contact, other.clone(), Act::Host).await.unwrap();
        let early = requests.answer(id, 1).await;
        assert!(matches!(early, Err(AssistantError::Invalid(_))), "{kind:?}, something else: {early:?}");
        desk.declare(asked.contact, right.clone(), Act::Host).await.unwrap();
        let answered = requests.answer(id, 1).await.unwrap();
        assert!(matches!(answered.state(), RequestState::Answered { .. }), "{kind:?}: {answered:?}");
    }
}
