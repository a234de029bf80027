//! What is handed to an authority (promise P37): two of the team agree, it is within its scope and once, and the person is
//! told when they may be.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use whisp::assistant::{
    AssistantError, Config, DueWhat, Exported, ExportedData, HandedOut, LegalDisclosures, PackagePart, PackagePiece,
};
use whisp::audit::AuditAction;
use whisp::documents::Language;
use whisp::id::{ContactId, ConversationId, LegalDisclosureId, MemberId, SubjectId};
use whisp::model::{Author, AutomationMode, Content, Handle, HandleKind, PlatformMessageId, Provenance};
use whisp::privacy::{
    Act, Categories, Controller, DataCategory, DeniedReason, DisclosureGround, HoldGround, HoldScope, LegalError,
    LegalScope, LegalState, NewBreach, NewHold, NewLegalDisclosure, Recipient, RestrictionGround, Role, Statement,
};
use whisp::stores::MemoryStore;
use whisp::testing::cancel_after;
use whisp::webhook::{ContactRef, Event, MessageEvent};

use crate::holds::register;
use crate::world::{DANA, World, join, parrot};
use crate::yielding::Yielding;

/// Another admin of the team.
const ERLAN: MemberId = MemberId(SubjectId::from_bytes([6; 16]));

struct Asked {
    world: World,
    contact: ContactId,
    conversation: ConversationId,
}

impl Asked {
    /// Two people write; the first one on two days, and a member answers.
    async fn new() -> Self {
        let mut config = Config::default();
        config.register = register();
        config.controller = Some(Controller::new("Coffee & Co", "Almaty", "privacy@coffee.example"));
        let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
        let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.config(config)).await;
        join(&world.assistant, world.tenant, ERLAN, Role::Admin).await;
        world.says("m1", "canary-first").await;
        world.settle().await;
        let conversation = world.conversation().await;
        let contact = world.assistant.desk(world.tenant).conversation(conversation).await.unwrap().contact;
        let somebody = ContactRef {
            handles: vec![Handle::new(HandleKind::Phone, "77770000000")],
            name: Some("canary-other-name".into()),
        };
        let content = Content::text("canary-other");
        let message = MessageEvent::new(Some(PlatformMessageId::new("o1")), somebody, content);
        world.ingest(vec![world.event("o1", Provenance::Live, Event::Message(message))]).await;
        world.later(86_400);
        world.says("m2", "canary-second").await;
        world.settle().await;
        let body = whisp::channel::OutboundBody::text("canary-member");
        world.assistant.desk(world.tenant).by(DANA).send(conversation, body).await.unwrap();
        world.settle().await;
        Self { world, contact, conversation }
    }

    fn by(&self, member: MemberId) -> LegalDisclosures {
        self.world.assistant.desk(self.world.tenant).by(member).legal_disclosures()
    }

    fn host(&self) -> LegalDisclosures {
        self.world.assistant.desk(self.world.tenant).legal_disclosures()
    }

    /// What was written in the last hours.
    fn new_one(&self, categories: &[DataCategory]) -> NewLegalDisclosure {
        let from = Some(self.world.now() - TimeDelta::hours(2));
        NewLegalDisclosure {
            authority: "District court of Almaty".to_owned(),
            reference: "2-1234/2026".to_owned(),
            law: "Code of Criminal Procedure, Art. 126".to_owned(),
            scope: LegalScope {
                categories: Categories::of(categories),
                written: HoldScope { from, ..HoldScope::default() },
            },
            gag_until: None,
            asked_by: None,
        }
    }

    fn messages(&self) -> NewLegalDisclosure {
        self.new_one(&[DataCategory::MessageContent])
    }

    async fn approved(&self, new: NewLegalDisclosure) -> LegalDisclosureId {
        let id = self.by(DANA).ask(self.contact, new).await.unwrap().id;
        self.by(ERLAN).approve(id).await.unwrap();
        id
    }

    async fn copy(&self) -> Vec<Exported> {
        let page = self.world.assistant.export(self.world.tenant, self.contact, None).await.unwrap();
        assert_eq!(page.next, None);
        page.entries
    }

    /// What the person's copy tells of authorities.
    async fn told(&self) -> Vec<String> {
        let entries = self.copy().await;
        let each = entries.into_iter().filter_map(|entry| match entry.data {
            ExportedData::Disclosure { disclosure } if disclosure.ground == DisclosureGround::LegalRequirement => {
                Some(disclosure.processor.as_str().to_owned())
            }
            _ => None,
        });
        each.collect()
    }

    /// What the package of the person's data says, all files together.
    async fn packaged(&self) -> String {
        let mut package = self.world.assistant.package(self.world.tenant, self.contact, PackagePart::Whole);
        let mut all = Vec::new();
        while let Some(piece) = package.next().await.unwrap() {
            if let PackagePiece::Bytes(bytes) = piece {
                all.extend_from_slice(&bytes);
            }
        }
        String::from_utf8(all).unwrap()
    }

    async fn recipients(&self) -> Vec<Recipient> {
        self.world.assistant.recipients(self.world.tenant, self.contact).await.unwrap()
    }
}

fn text(handed: &HandedOut) -> String {
    handed.lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn is(error: Result<impl std::fmt::Debug, AssistantError>, expected: LegalError) {
    match error {
        Err(AssistantError::Legal(error)) => assert_eq!(error, expected),
        other => panic!("{other:?}"),
    }
}

fn wrong(event: &'static str, state: &'static str) -> LegalError {
    LegalError::WrongState { event, state }
}

#[tokio::test]
async fn p37_what_is_handed_out_is_in_its_scope_once_and_nothing_of_anybody_else() {
    let asked = Asked::new().await;
    let id = asked.approved(asked.messages()).await;
    let handed = asked.host().hand_out(id).await.unwrap();
    let all = text(&handed);
    for there in ["canary-second", "canary-member"] {
        assert!(all.contains(there), "{all}");
    }
    for elsewhere in ["canary-first", "canary-other", "Aigerim", "7701"] {
        assert!(!all.contains(elsewhere), "{all}");
    }
    assert!(handed.lines.iter().all(|line| matches!(line.data, ExportedData::Message { .. })));
    assert!(!all.contains(&DANA.0.to_string()), "which member wrote is no business of theirs");
    let member = |line: &Exported| matches!(line.data, ExportedData::Message { author: Author::Member { .. }, .. });
    assert!(handed.lines.iter().any(member));
    assert_eq!((handed.disclosure.state, handed.disclosure.count), (LegalState::HandedOut, 3));
    is(asked.host().hand_out(id).await, wrong("hand out", "handed_out"));

    // Who they are, of another one; and a conversation that is none of theirs gives nothing.
    let id = asked.approved(asked.new_one(&[DataCategory::Identity])).await;
    let handed = asked.by(DANA).hand_out(id).await.unwrap();
    assert!(matches!(handed.lines[..], [Exported { data: ExportedData::Contact { .. }, .. }]));
    let mut none = asked.messages();
    none.scope.written = HoldScope { conversations: vec![ConversationId::from_bytes([9; 16])], ..HoldScope::default() };
    let id = asked.approved(none).await;
    assert!(asked.host().hand_out(id).await.unwrap().lines.is_empty());
    let mut theirs = asked.messages();
    theirs.scope.written = HoldScope { conversations: vec![asked.conversation], ..HoldScope::default() };
    let id = asked.approved(theirs).await;
    assert_eq!(asked.host().hand_out(id).await.unwrap().lines.len(), 5);
}

#[tokio::test]
async fn p37_two_of_the_team_agree_and_both_are_of_it_still() {
    let asked = Asked::new().await;
    let id = asked.by(DANA).ask(asked.contact, asked.messages()).await.unwrap().id;
    is(asked.by(DANA).approve(id).await, LegalError::SamePerson);
    is(asked.by(DANA).refuse(id).await, LegalError::SamePerson);
    is(asked.host().hand_out(id).await, wrong("hand out", "asked"));
    assert!(
        matches!(asked.host().approve(id).await, Err(AssistantError::Invalid(_))),
        "the host is nobody of the team"
    );
    let refused = asked.by(ERLAN).refuse(id).await.unwrap();
    assert_eq!((refused.state, refused.decided_by), (LegalState::Refused, Some(ERLAN)));
    is(asked.by(ERLAN).approve(id).await, wrong("approve", "refused"));
    is(asked.host().hand_out(id).await, wrong("hand out", "refused"));
    assert_eq!(asked.host().ended(None, 10).await.unwrap().disclosures, [refused]);

    // The host takes it down for somebody.
    let on_behalf = NewLegalDisclosure { asked_by: Some(DANA), ..asked.messages() };
    let id = asked.host().ask(asked.contact, on_behalf.clone()).await.unwrap().id;
    is(asked.by(DANA).approve(id).await, LegalError::SamePerson);
    assert!(asked.by(ERLAN).ask(asked.contact, on_behalf).await.is_err(), "nobody asks for another");
    assert!(asked.host().ask(asked.contact, asked.messages()).await.is_err(), "somebody has to");
    asked.by(ERLAN).approve(id).await.unwrap();
    let waits = asked.by(DANA).ask(asked.contact, asked.messages()).await.unwrap().id;
    let team = asked.world.assistant.desk(asked.world.tenant).team();
    team.remove(DANA).await.unwrap();
    is(asked.host().hand_out(id).await, LegalError::NotOfTheTeam);
    is(asked.by(ERLAN).approve(waits).await, LegalError::NotOfTheTeam);
}

#[tokio::test]
async fn who_of_the_team_may_and_what_has_to_be_said() {
    let asked = Asked::new().await;
    for (number, role) in [(11, Role::Member), (12, Role::Auditor), (13, Role::Integration)] {
        let member = MemberId(SubjectId::from_bytes([number; 16]));
        join(&asked.world.assistant, asked.world.tenant, member, role).await;
        let refused = asked.by(member).ask(asked.contact, asked.messages()).await;
        assert!(matches!(refused, Err(AssistantError::Forbidden(_))), "{role:?}");
        let on_behalf = NewLegalDisclosure { asked_by: Some(member), ..asked.messages() };
        assert!(matches!(asked.host().ask(asked.contact, on_behalf).await, Err(AssistantError::Forbidden(_))));
        let id = asked.by(DANA).ask(asked.contact, asked.messages()).await.unwrap().id;
        assert!(matches!(asked.by(member).approve(id).await, Err(AssistantError::Forbidden(_))), "{role:?}");
        assert!(matches!(asked.by(member).hand_out(id).await, Err(AssistantError::Forbidden(_))), "{role:?}");
    }
    let good = asked.messages();
    for bad in [
        NewLegalDisclosure { authority: " ".into(), ..good.clone() },
        NewLegalDisclosure { reference: String::new(), ..good.clone() },
        NewLegalDisclosure { law: String::new(), ..good.clone() },
        NewLegalDisclosure { gag_until: Some(asked.world.now()), ..good.clone() },
        asked.new_one(&[]),
        asked.new_one(&[DataCategory::Credential]),
    ] {
        let refused = asked.by(DANA).ask(asked.contact, bad.clone()).await;
        assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{bad:?}");
    }
    let nobody = ContactId(SubjectId::from_bytes([99; 16]));
    assert!(matches!(asked.by(DANA).ask(nobody, good.clone()).await, Err(AssistantError::NotFound("contact"))));

    // Without a ground in the register nothing is handed out.
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(world.conversation().await).await.unwrap().contact;
    match desk.by(DANA).legal_disclosures().ask(contact, good).await {
        Err(AssistantError::Denied(denied)) => assert_eq!(denied.reason, DeniedReason::Unregistered),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn p37_the_person_is_told_at_once_or_when_the_gag_has_ended_and_not_before() {
    let asked = Asked::new().await;
    let id = asked.approved(asked.messages()).await;
    assert!(asked.told().await.is_empty(), "nothing was handed out yet");
    asked.host().hand_out(id).await.unwrap();
    assert_eq!(asked.told().await, ["District court of Almaty"]);

    let until: DateTime<Utc> = asked.world.now() + TimeDelta::days(3);
    let gagged = NewLegalDisclosure { authority: "Prosecutor".into(), gag_until: Some(until), ..asked.messages() };
    let id = asked.approved(gagged).await;
    asked.host().hand_out(id).await.unwrap();
    let desk = asked.world.assistant.desk(asked.world.tenant);
    let summary = async || {
        let summary =
            asked.world.assistant.summary(asked.world.tenant, asked.contact, Language::English).await.unwrap();
        summary.matches("Prosecutor").count()
    };
    for _ in 0..3 {
        assert_eq!(asked.told().await, ["District court of Almaty"]);
        assert_eq!(asked.recipients().await.len(), 1);
        assert_eq!(desk.disclosures(asked.contact, None, 10).await.unwrap().disclosures.len(), 1);
        assert_eq!(summary().await, 0);
        assert!(!asked.packaged().await.contains("Prosecutor"));
        assert!(asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().due.is_empty());
        asked.world.later(86_399);
    }
    assert_eq!(asked.host().open(None, 10).await.unwrap().disclosures.len(), 1, "the person is to be told");
    asked.world.clock.set(until);
    let due = asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().due;
    assert_eq!(
        due.iter().map(|due| (due.what, due.due)).collect::<Vec<_>>(),
        [(DueWhat::GagEnded { disclosure: id, contact: asked.contact }, until)]
    );
    assert!(asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().due.is_empty(), "once");
    assert_eq!(asked.told().await.len(), 2);
    assert_eq!(asked.recipients().await.len(), 2);
    assert_eq!(summary().await, 1);
    assert!(asked.packaged().await.contains("Prosecutor"));
    assert!(asked.host().open(None, 10).await.unwrap().disclosures.is_empty());
}

#[tokio::test]
async fn a_restriction_does_not_stop_it_a_contained_breach_does_and_of_the_erased_there_is_nothing() {
    let asked = Asked::new().await;
    let desk = asked.world.assistant.desk(asked.world.tenant);
    let restriction = Statement::Restriction { ground: RestrictionGround::Unlawful, stands: true };
    desk.declare(asked.contact, restriction, Act::Host).await.unwrap();
    let id = asked.approved(asked.messages()).await;
    let breach = NewBreach {
        origin: whisp::privacy::BreachOrigin::Ours,
        nature: whisp::privacy::BreachNature::Disclosed,
        from: asked.world.now(),
        until: None,
    };
    let breach = desk.breaches().suspect(breach).await.unwrap().id;
    desk.breaches().contain(breach).await.unwrap();
    match asked.host().hand_out(id).await {
        Err(AssistantError::Denied(denied)) => assert_eq!(denied.reason, DeniedReason::Contained),
        other => panic!("{other:?}"),
    }
    desk.breaches().lift(breach).await.unwrap();
    assert_eq!(asked.host().hand_out(id).await.unwrap().lines.len(), 3, "restricted, and handed out");

    let new = NewHold {
        scope: HoldScope::default(),
        ground: HoldGround::LegalObligation,
        authority: "District court of Almaty, 2-1234/2026".to_owned(),
        review_by: asked.world.now() + TimeDelta::days(90),
    };
    let hold = desk.holds().place(asked.contact, new).await.unwrap();
    let waits = asked.approved(asked.messages()).await;
    asked.world.assistant.erase(asked.world.tenant, asked.contact).await.unwrap();
    assert!(matches!(asked.host().hand_out(waits).await, Err(AssistantError::NotFound("contact"))));
    let kept = desk.holds().read(hold.id, None, 100).await.unwrap().held;
    assert!(kept.iter().any(|held| held.value.expose().contains("canary-second")), "what a hold kept it reads");
    let known = asked.host().of(asked.contact).await.unwrap();
    assert_eq!(known.len(), 2, "that it was handed out stays known, by a random id");
}

#[tokio::test]
async fn the_receipt_of_an_erasure_counts_nothing_that_the_person_must_not_be_told() {
    for gag in [None, Some(TimeDelta::days(3))] {
        let asked = Asked::new().await;
        let gag_until = gag.map(|gag| asked.world.now() + gag);
        let id = asked.approved(NewLegalDisclosure { gag_until, ..asked.messages() }).await;
        asked.host().hand_out(id).await.unwrap();
        let receipt = asked.world.assistant.erase(asked.world.tenant, asked.contact).await.unwrap();
        let counted = receipt.deleted.iter().any(|(kind, _)| kind == "disclosure");
        assert_eq!(counted, gag.is_none(), "{receipt:?}");
        asked.world.later(4 * 86_400);
        let due = asked.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().due;
        assert_eq!(due.len(), usize::from(gag.is_some()), "the host is told of its end all the same");
    }
}

#[tokio::test]
async fn a_hand_out_that_is_cut_short_is_handed_out_or_not_and_what_is_handed_out_is_written_down() {
    let mut cut = 0;
    for polls in 0..400 {
        let asked = Asked::new().await;
        let id = asked.approved(asked.messages()).await;
        let done = cancel_after(polls, asked.host().hand_out(id)).await;
        let state = asked.host().get(id).await.unwrap().state;
        let told = asked.told().await.len();
        match state {
            LegalState::Approved => assert_eq!(told, 0, "{polls} polls"),
            LegalState::HandedOut => assert_eq!(told, 1, "{polls} polls"),
            other => panic!("{other:?}"),
        }
        cut += 1;
        if done.is_some() {
            assert!(cut > 10, "{cut}");
            return;
        }
    }
    panic!("it has more awaits");
}

#[tokio::test]
async fn each_step_is_in_the_log_with_nothing_of_the_person() {
    let asked = Asked::new().await;
    let id = asked.approved(asked.messages()).await;
    asked.host().hand_out(id).await.unwrap();
    let audit = asked.world.assistant.audit(asked.world.tenant);
    while audit.sequence(1_000).await.unwrap() > 0 {}
    let (events, _) = audit.events(None, 1_000).await.unwrap();
    let steps = [AuditAction::LegalAsked, AuditAction::LegalApproved, AuditAction::LegalHandedOut];
    let logged: Vec<_> = events.iter().filter(|entry| steps.contains(&entry.event.action)).collect();
    assert_eq!(logged.iter().map(|entry| entry.event.action).collect::<Vec<_>>(), steps);
    let tag = audit.tag(asked.contact.0).await.unwrap();
    for entry in logged {
        assert_eq!((entry.event.subject, &entry.event.detail), (Some(tag), &None));
        for canary in ["canary", "court", "2-1234", "Aigerim", &asked.contact.0.to_string()] {
            assert!(!entry.leaf.contains(canary), "{}", entry.leaf);
        }
    }
}
