//! Access: the copy that a person gets is whole, and holds nobody else's (invariant I-29).

use std::collections::BTreeSet;

use whisp::assistant::{AssistantError, EXPORT_SCHEMA, Exported, ExportedData};
use whisp::channel::OutboundBody;
use whisp::id::ContactId;
use whisp::model::{AutomationMode, Content, Handle, HandleKind, Media, MediaKind, PlatformMessageId, Provenance};
use whisp::privacy::{Act, Notice, Purpose, RestrictionGround, Statement, SubjectKind};
use whisp::store::SubjectQuery;
use whisp::webhook::{ContactRef, Event, MessageEvent};

use crate::world::{DANA, World, parrot};

/// What is planted through each door about one person: every string ends in who it is about.
struct Person {
    who: &'static str,
    phone: &'static str,
}

const ANNA: Person = Person { who: "anna", phone: "77010000001" };
const BERIK: Person = Person { who: "berik", phone: "77010000002" };

impl Person {
    fn canary(&self, what: &str) -> String {
        format!("canary-{what}-{}", self.who)
    }

    fn contact(&self) -> ContactRef {
        let handles = vec![Handle::new(HandleKind::Phone, self.phone)];
        ContactRef { handles, name: Some(self.canary("name").as_str().into()) }
    }

    fn event(&self, id: &str, content: Content) -> MessageEvent {
        MessageEvent::new(Some(PlatformMessageId::new(&self.canary(id))), self.contact(), content)
    }
}

/// Plants everything about somebody, and returns who they are and what was planted.
async fn plant(world: &World, person: &Person) -> (ContactId, Vec<String>) {
    let desk = world.assistant.desk(world.tenant);
    let live = |id: &str, event| world.event(&person.canary(id), Provenance::Live, event);
    let mut planted = vec![person.canary("name"), person.phone.to_owned()];
    let mut say = |what: &str| {
        planted.push(person.canary(what));
        person.canary(what)
    };
    // Whoever writes last is on top of the inbox.
    world.later(60);
    let text = say("text");
    let hello = live("hello", Event::Message(person.event("hello", Content::text(&text))));
    world.ingest(vec![hello]).await;
    world.settle().await;
    let id = desk.inbox(None, 1).await.unwrap().conversations[0].id;
    let contact = desk.conversation(id).await.unwrap().contact;

    let mut file = Media::new(MediaKind::Document);
    file.filename = Some(say("filename").as_str().into());
    let caption = say("caption");
    let picture = Content::Media { items: vec![file], caption: Some(caption.as_str().into()) };
    let mut quoting = person.event("picture", picture);
    quoting.extras.reply_to = Some(PlatformMessageId::new(&say("reply-to")));
    world.ingest(vec![live("picture", Event::Message(quoting))]).await;

    let edited = Event::Edited {
        contact: Some(person.contact()),
        target: PlatformMessageId::new(&person.canary("hello")),
        content: Some(Content::text(&say("edited"))),
    };
    world.ingest(vec![live("edit", edited)]).await;
    let unknown = Event::Unknown {
        kind: Some("hologram".to_owned()),
        contact: Some(person.contact()),
        raw: format!("{{\"x\":\"{}\"}}", say("raw")).as_str().into(),
    };
    world.ingest(vec![live("unknown", unknown)]).await;
    desk.by(DANA).send(id, OutboundBody::text(&say("member"))).await.unwrap();
    let notice = Notice { version: say("notice"), language: "kk".into(), evidence: None };
    desk.declare(contact, Statement::given(Purpose::AutomatedReplies, Some(notice)), Act::Host).await.unwrap();
    world.settle().await;
    (contact, planted)
}

async fn export(world: &World, contact: ContactId) -> Vec<Exported> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let page = world.assistant.export(world.tenant, contact, after).await.unwrap();
        entries.extend(page.entries);
        match page.next {
            Some(next) => after = Some(next),
            None => return entries,
        }
    }
}

fn lines(entries: &[Exported]) -> String {
    entries.iter().map(|entry| serde_json::to_string(entry).unwrap() + "\n").collect()
}

#[tokio::test]
async fn a_copy_holds_everything_of_the_person_and_nothing_of_anybody_else() {
    let world = World::with(parrot(), AutomationMode::Suggest).await;
    let (anna, of_anna) = plant(&world, &ANNA).await;
    let (berik, of_berik) = plant(&world, &BERIK).await;
    for (contact, own, others) in [(anna, &of_anna, &of_berik), (berik, &of_berik, &of_anna)] {
        let entries = export(&world, contact).await;
        let text = lines(&entries);
        for canary in own {
            assert!(text.contains(canary), "{canary} is missing in\n{text}");
        }
        for canary in others {
            assert!(!text.contains(canary), "{canary} is somebody else's");
        }
        let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 1_000 };
        let kept: BTreeSet<_> = world.store.of_subject(&query).await.unwrap().records.iter().map(|r| r.id).collect();
        let told: BTreeSet<_> = entries.iter().map(|entry| entry.id).collect();
        assert_eq!(told, kept, "each record has an entry");
        let other = entries.iter().find(|entry| matches!(entry.data, ExportedData::Other { .. }));
        assert!(other.is_none(), "{other:?}");
        let portable = lines(&entries.iter().filter(|entry| entry.is_portable()).cloned().collect::<Vec<_>>());
        assert!(portable.contains("caption") && !portable.contains("canary-member"), "what others wrote stays here");
    }
}

#[tokio::test]
async fn each_line_of_a_copy_has_its_shape() {
    let world = World::with(parrot(), AutomationMode::Suggest).await;
    let (anna, _) = plant(&world, &ANNA).await;
    let mut shapes = BTreeSet::new();
    for entry in export(&world, anna).await {
        let value = serde_json::to_value(&entry).unwrap();
        let fields = value.as_object().unwrap();
        let names: Vec<&str> = fields.keys().map(String::as_str).filter(|name| *name != "kept_until").collect();
        shapes.insert(format!("{}: {}", fields["kind"].as_str().unwrap(), names.join(" ")));
    }
    let shapes: Vec<String> = shapes.into_iter().collect();
    assert_eq!(
        shapes,
        [
            "contact: handles id kind name",
            "conversation: active_at channel created_at engines_answer id kind",
            "index: id kind",
            "inquiry: conversation first_reply_at id kind opened_at resolved_at",
            "message: at author content conversation delivery id inquiry kind member platform_id provenance",
            "message: at author content conversation id kind platform_id provenance",
            "message: at author content conversation id kind platform_id provenance reply_to",
            "raw: id kind value",
            "statement: act at id kind notice purpose state",
            "suggestion: at content conversation engine id kind",
        ]
    );
}

#[tokio::test]
async fn a_copy_comes_in_pages_under_restriction_too_and_of_the_erased_there_is_none() {
    let world = World::new().await;
    for n in 0..430 {
        world.says(&format!("m{n}"), &format!("number {n}")).await;
    }
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(world.conversation().await).await.unwrap().contact;
    let restriction = Statement::Restriction { ground: RestrictionGround::Claim, stands: true };
    desk.declare(contact, restriction, Act::Host).await.unwrap();
    let first = world.assistant.export(world.tenant, contact, None).await.unwrap();
    assert!(first.entries.len() <= 400 && first.next.is_some());
    let text = lines(&export(&world, contact).await);
    for n in 0..430 {
        assert!(text.contains(&format!("number {n}\"")), "number {n}");
    }
    world.assistant.erase(world.tenant, contact).await.unwrap();
    assert!(export(&world, contact).await.is_empty());
}

#[tokio::test]
async fn what_is_done_with_the_data_is_explained_by_the_register() {
    let world = World::new().await;
    let explanation = world.assistant.explain(SubjectKind::Contact);
    assert_eq!((explanation.schema, explanation.made_at), (EXPORT_SCHEMA, world.now()));
    let told = serde_json::to_value(&explanation.activities).unwrap();
    let automated = told.as_array().unwrap().iter().find(|a| a["purpose"] == "automated_replies").unwrap();
    assert_eq!(automated["basis"], "contract");
    assert_eq!(automated["categories"], serde_json::json!(["identity", "message_content"]));
    assert_eq!(
        automated["rights"],
        serde_json::json!(["access", "rectification", "erasure", "restriction", "portability"])
    );
    let unknown = world.assistant.export(whisp::id::TenantId::from_bytes([9; 16]), ContactId(DANA.0), None).await;
    assert!(matches!(unknown, Err(AssistantError::NotFound(_))), "{unknown:?}");
}

#[tokio::test]
async fn p22_that_a_copy_was_read_is_in_the_log() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let contact = world.assistant.desk(world.tenant).inbox(None, 1).await.unwrap().conversations[0].contact;
    let reads = async || {
        world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
        let (log, _) = world.assistant.audit(world.tenant).events(None, 1_000).await.unwrap();
        log.iter().filter(|entry| entry.event.action == whisp::audit::AuditAction::ContentRead).count()
    };
    // Whoever looked before has stopped looking.
    world.later(24 * 3_600);
    let before = reads().await;
    world.assistant.export(world.tenant, contact, None).await.unwrap();
    assert_eq!(reads().await, before + 1);
    world.later(24 * 3_600);
    let mut package = world.assistant.package(world.tenant, contact, whisp::assistant::PackagePart::Whole);
    while package.next().await.unwrap().is_some() {}
    assert_eq!(reads().await, before + 2, "one look, however many pieces");
}
