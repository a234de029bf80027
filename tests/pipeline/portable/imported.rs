//! What somebody brings along is the same here as it was there, once, and nothing of it is live.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};
use whisp::assistant::{AssistantError, Imported, NewConnection, PackagePart, PortableCopy};
use whisp::channel::OutboundBody;
use whisp::kpi::{KpiWindow, built_in};
use whisp::model::{
    AccountId, AutomationMode, ChannelKind, Content, Location, Media, MediaKind, PlatformMessageId, Provenance,
};
use whisp::privacy::{
    Act, DeniedReason, LawfulBasis, Notice, Proof, ProofStrength, Purpose, RequestEvent, RequestKind,
    RestrictionGround, Statement,
};
use whisp::store::{Kind, ListOrder, ListQuery};
use whisp::stores::MemoryStore;
use whisp::testing::{ScriptedEngine, Yielding, cancel_after};
use whisp::webhook::Event;

use super::kit::{Files, aigerim, contact, counts, says};
use crate::world::{DANA, World, parrot};

/// Somewhere else, where somebody wrote, was answered by an engine and a member, and said what may be done with their data.
async fn elsewhere() -> World {
    let world = World::new().await;
    let contents = [
        Content::text("Do you have cake?"),
        Content::Media {
            items: vec![Media::link(MediaKind::Image, "https://a.example/b")],
            caption: Some("This".into()),
        },
        Content::Location(Location { latitude: 43.25.into(), longitude: 76.95.into(), name: None, address: None }),
        Content::text("To be taken back"),
    ];
    for (n, content) in contents.into_iter().enumerate() {
        says(&world, &format!("m{n}"), content).await;
        world.settle().await;
        world.later(3_600);
    }
    let unsent = Event::Unsent { contact: Some(aigerim()), target: PlatformMessageId::new("m3") };
    world.ingest(vec![world.event("u1", Provenance::Live, unsent)]).await;
    world.settle().await;
    let (desk, contact) = (world.assistant.desk(world.tenant), contact(&world).await);
    desk.by(DANA).send(world.conversation().await, OutboundBody::text("Yes, we do")).await.unwrap();
    world.settle().await;
    let notice = Notice { version: "1".to_owned(), language: "kk".to_owned(), evidence: None };
    for statement in [
        Statement::given(Purpose::Improvement, Some(notice)),
        Statement::Objection { purpose: Purpose::Analytics, stands: true },
        Statement::Restriction { ground: RestrictionGround::Claim, stands: true },
        Statement::Restriction { ground: RestrictionGround::Claim, stands: false },
    ] {
        desk.declare(contact, statement, Act::Host).await.unwrap();
        world.later(60);
    }
    let request = desk.requests().take_in(contact, RequestKind::Rectification).await.unwrap();
    let proof = Proof { strength: ProofStrength::Confirmed, at: world.now() };
    for event in [RequestEvent::Prove(proof), RequestEvent::Assess, RequestEvent::Approve] {
        desk.requests().apply(request.id(), event).await.unwrap();
    }
    let first = world.messages().await[0].id;
    desk.requests().annotate(request.id(), first, &"They say that it was tea".into()).await.unwrap();
    world
}

async fn brought(world: &World) -> Files {
    Files::of(world.assistant.package(world.tenant, contact(world).await, PackagePart::Whole)).await
}

/// An empty store, later. Its engine fails the test if it is asked.
async fn here() -> World {
    over(Arc::new(MemoryStore::new())).await
}

async fn over(store: Arc<dyn whisp::store::Store>) -> World {
    let engine = ScriptedEngine::new(|_| panic!("an engine is asked"));
    let world = World::over(store, Arc::new(engine), AutomationMode::Automatic).await;
    world.later(30 * 24 * 3_600);
    world
}

async fn import(world: &World, copy: &PortableCopy) -> Result<Imported, AssistantError> {
    world.assistant.desk(world.tenant).import(world.connection, copy).await
}

/// The lines that go along, without what is another one here: ids, how a message came, who did what to say something.
fn the_same(lines: &[Value]) -> Vec<Value> {
    let mut same = Vec::new();
    for line in lines {
        let mut line = line.clone();
        let fields = line.as_object_mut().unwrap();
        match fields["kind"].as_str().unwrap() {
            "contact" | "conversation" => {}
            "message" => {
                fields.remove("inquiry");
                fields["provenance"] = json!(null);
                if fields["author"] == "member" {
                    fields["member"] = json!(null);
                }
            }
            "statement" => drop(fields.insert("act".to_owned(), json!(null))),
            _ => continue,
        }
        for id in ["id", "conversation", "message", "kept_until"] {
            fields.remove(id);
        }
        same.push(line);
    }
    same.sort_by_key(|line| line.to_string());
    same
}

#[tokio::test]
async fn p52_what_was_brought_along_is_the_same_here_but_for_ids() {
    let there = elsewhere().await;
    let package = brought(&there).await;
    let here = here().await;
    let imported = import(&here, &package.copy()).await.unwrap();
    assert_eq!((imported.messages, imported.statements, imported.there), (8, 4, 0), "{imported:?}");
    assert!(imported.left.keys().all(|kind| !["contact", "conversation", "message", "statement"].contains(&&**kind)));
    let again = Files::of(here.assistant.package(here.tenant, imported.contact, PackagePart::Whole)).await;
    assert_eq!(the_same(&again.lines()), the_same(&package.lines()));
    let ids = |files: &Files| -> Vec<Value> {
        files.lines().iter().filter(|line| line["kind"] == "message").map(|line| line["id"].clone()).collect()
    };
    assert!(ids(&again).iter().all(|id| !ids(&package).contains(id)), "ids are new");
    for line in again.lines() {
        assert!(line["kind"] != "message" || line["provenance"] == "imported", "{line}");
        assert!(line["kind"] != "statement" || line["act"] == "imported", "{line}");
    }
    // And on to the next one.
    let next = World::new().await;
    next.later(60 * 24 * 3_600);
    let imported = import(&next, &again.copy()).await.unwrap();
    let last = Files::of(next.assistant.package(next.tenant, imported.contact, PackagePart::Whole)).await;
    assert_eq!(the_same(&last.lines()), the_same(&package.lines()));
}

#[tokio::test]
async fn what_the_person_gave_alone_is_enough() {
    let there = elsewhere().await;
    let contact = contact(&there).await;
    let package = Files::of(there.assistant.package(there.tenant, contact, PackagePart::Portable)).await;
    let here = here().await;
    let imported = import(&here, &package.copy()).await.unwrap();
    let conversation = here.assistant.desk(here.tenant).conversation(imported.conversation).await.unwrap();
    let messages = package.lines().into_iter().filter(|line| line["kind"] == "message");
    let mut times: Vec<String> = messages.map(|line| line["at"].as_str().unwrap().to_owned()).collect();
    times.sort();
    assert_eq!(json!(conversation.created_at), json!(times[0]));
    assert_eq!(json!(conversation.active_at), json!(times[times.len() - 1]));
    let again = Files::of(here.assistant.package(here.tenant, imported.contact, PackagePart::Portable)).await;
    assert_eq!(counts(&again.lines()), counts(&package.lines()));
}

#[tokio::test]
async fn nothing_of_it_is_live() {
    let copy = brought(&elsewhere().await).await.copy();
    let here = here().await;
    let window = KpiWindow { from: here.now() - TimeDelta::days(90), until: here.now(), as_of: here.now() };
    let numbers = async || format!("{:?}", here.assistant.measure(here.tenant, &window, &built_in()).await.unwrap());
    let before = numbers().await;
    let imported = import(&here, &copy).await.unwrap();
    here.settle().await;
    assert_eq!(numbers().await, before, "nobody is faster or slower for it");
    assert!(here.channel.sent().is_empty());
    let desk = here.assistant.desk(here.tenant);
    let conversation = desk.conversation(imported.conversation).await.unwrap();
    assert_eq!((conversation.contact_wrote_at, conversation.inquiry), (None, None), "no window, no inquiry");
    // A member had it there: no engine has it here.
    assert!(!conversation.engine_handles());
    assert!(desk.queue(None, 10).await.unwrap().waiting.is_empty());
    // Whoever writes under the number is who was brought along, and the engine sees nothing of before.
    desk.hand_back(imported.conversation).await.unwrap();
    let seen = Arc::new(ScriptedEngine::new(|request| {
        assert_eq!(request.turns().unwrap().len(), 1, "what was brought along is shown to no engine");
        Ok(whisp::reply::Decision::Reply(whisp::reply::Proposal::new("Yes")))
    }));
    let world = here.second(seen);
    says(&here, "new", Content::text("And tea?")).await;
    here.later(4);
    for _ in 0..3 {
        let step = world.step(&whisp::assistant::Budget::default()).await.unwrap();
        assert!(step.errors.is_empty(), "{step:?}");
    }
    assert_eq!(desk.inbox(None, 10).await.unwrap().conversations.len(), 1);
}

#[tokio::test]
async fn consent_that_was_given_elsewhere_is_none_here_and_a_refusal_is_one() {
    let copy = brought(&elsewhere().await).await.copy();
    let here = here().await;
    let contact = import(&here, &copy).await.unwrap().contact;
    let desk = here.assistant.desk(here.tenant);
    let standing = desk.standing(contact).await.unwrap();
    let check = |purpose| standing.check(purpose, &LawfulBasis::Consent, here.now());
    assert_eq!(check(Purpose::Improvement), Err(DeniedReason::NoConsent), "it was given to somebody else");
    assert_eq!(standing.objections().collect::<Vec<_>>(), [Purpose::Analytics]);
    assert_eq!(standing.restrictions().count(), 0, "it was taken back there");
    assert_eq!(desk.statements(contact).await.unwrap().len(), 4, "all of it is in their log");
}

#[tokio::test]
async fn importing_again_changes_nothing() {
    let package = brought(&elsewhere().await).await;
    let here = here().await;
    let first = import(&here, &package.copy()).await.unwrap();
    let records = async || {
        let query =
            whisp::store::SubjectQuery { tenant: here.tenant, subject: first.contact.0, after: None, limit: 1_000 };
        here.store.of_subject(&query).await.unwrap().records
    };
    let (before, log) = (records().await, here.assistant.audit(here.tenant).waiting().await.unwrap().len());
    for assistant in [here.assistant.clone(), here.second(parrot())] {
        here.later(60);
        let again = assistant.desk(here.tenant).import(here.connection, &package.copy()).await.unwrap();
        assert_eq!((again.messages, again.statements, again.there), (0, 0, 12));
        assert_eq!((again.contact, again.conversation), (first.contact, first.conversation));
    }
    assert_eq!(records().await, before);
    assert_eq!(here.assistant.audit(here.tenant).waiting().await.unwrap().len(), log);
}

#[tokio::test]
async fn an_import_cut_short_anywhere_is_gone_on_with() {
    let package = brought(&elsewhere().await).await;
    let mut begun = 0;
    for polls in 0..2_000 {
        let here = over(Arc::new(Yielding(Arc::new(MemoryStore::new())))).await;
        let done = cancel_after(polls, import(&here, &package.copy())).await;
        let inbox = here.assistant.desk(here.tenant).inbox(None, 10).await.unwrap();
        begun += usize::from(done.is_none() && !inbox.conversations.is_empty());
        let other = here.second(parrot());
        let imported = other.desk(here.tenant).import(here.connection, &package.copy()).await.unwrap();
        assert_eq!(imported.messages + imported.statements + imported.there, 12);
        let again = Files::of(other.package(here.tenant, imported.contact, PackagePart::Whole)).await;
        assert_eq!(the_same(&again.lines()), the_same(&package.lines()), "after {polls} polls");
        if let Some(done) = done {
            assert_eq!(done.unwrap().messages, 8);
            assert!(polls > 20 && begun > 0, "{polls} {begun}");
            return;
        }
    }
    panic!("it comes to no end");
}

#[tokio::test]
async fn two_people_are_never_made_one() {
    let package = brought(&elsewhere().await).await;
    let here = World::new().await;
    says(&here, "own", Content::text("I am somebody else by now")).await;
    here.settle().await;
    let refused = import(&here, &package.copy()).await;
    assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{refused:?}");
    assert_eq!(here.messages().await.len(), 2, "nothing is written");
    // Once they are gone, whoever comes with the number is somebody new.
    let gone = contact(&here).await;
    here.assistant.erase(here.tenant, gone).await.unwrap();
    here.later(60);
    let imported = import(&here, &package.copy()).await.unwrap();
    assert_ne!(imported.contact, gone);
    // And who is erased after they were brought along is gone like anybody.
    here.assistant.erase(here.tenant, imported.contact).await.unwrap();
    let query = ListQuery {
        tenant: here.tenant,
        kind: Kind::MESSAGE,
        parent: imported.conversation.into(),
        order: ListOrder::Ascending,
        after: None,
        limit: 10,
    };
    assert!(here.store.list(&query).await.unwrap().records.is_empty());
}

#[tokio::test]
async fn who_may_import_and_where_to() {
    let package = brought(&elsewhere().await).await;
    let here = here().await;
    let desk = here.assistant.desk(here.tenant);
    let nowhere = desk.import(whisp::id::ConnectionId::from_bytes([9; 16]), &package.copy()).await;
    assert!(matches!(nowhere, Err(AssistantError::NotFound("connection"))), "{nowhere:?}");
    let member = whisp::id::MemberId(whisp::id::SubjectId::from_bytes([7; 16]));
    crate::world::join(&here.assistant, here.tenant, member, whisp::privacy::Role::Member).await;
    let denied = desk.by(member).import(here.connection, &package.copy()).await;
    assert!(matches!(denied, Err(AssistantError::Forbidden(_))), "{denied:?}");
    let page = NewConnection {
        channel: ChannelKind::Messenger,
        account: AccountId::new("2060"),
        token: "t".to_owned().into(),
        scopes: Vec::new(),
        mode: AutomationMode::Off,
    };
    let page = here.assistant.connect(here.tenant, page).await.unwrap();
    let other = desk.import(page, &package.copy()).await;
    assert!(matches!(other, Err(AssistantError::Invalid(_))), "{other:?}");
    desk.close(TimeDelta::days(30)).await.unwrap();
    let closing = import(&here, &package.copy()).await;
    assert!(matches!(closing, Err(AssistantError::Invalid(_))), "{closing:?}");
    assert!(desk.inbox(None, 10).await.unwrap().conversations.is_empty());
}
