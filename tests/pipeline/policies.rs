//! I-36: what a published notice adds is denied about everybody who was there before until they say yes, and whoever has not
//! been told is listed.

use std::sync::Arc;

use chrono::{Days, NaiveDate};
use whisp::assistant::{Assistant, AssistantError, Config};
use whisp::documents::{Finding, Language, PolicyChange};
use whisp::id::ContactId;
use whisp::model::{AutomationMode, HandOffReason, Handling};
use whisp::privacy::{About, Act, Controller, Notice, PolicyAnswer, Purpose, Register, Statement, SubjectKind};
use whisp::store::Store;
use whisp::stores::MemoryStore;
use whisp::webhook::{Event, Item};

use crate::world::{DANA, World, contact, incoming, parrot};
use crate::yielding::Yielding;

const REPLIES: (Purpose, SubjectKind) = (Purpose::AutomatedReplies, SubjectKind::Contact);

/// A business where engines answer, or, in its register, do not.
fn config(replies: bool) -> Config {
    let mut config = Config::default();
    config.controller = Some(Controller::new("Coffee & Co", "1 Abay Avenue, Almaty", "privacy@coffee.example"));
    if !replies {
        config.register = Register::standard().without(REPLIES.0, REPLIES.1);
    }
    config
}

async fn world(replies: bool) -> World {
    over(Arc::new(MemoryStore::new()), replies).await
}

async fn over(store: Arc<dyn Store>, replies: bool) -> World {
    World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.config(config(replies))).await
}

/// The same business under another configuration, an hour later.
fn redeploy(world: &mut World, ids: u64, config: Config) {
    world.later(3_600);
    world.assistant = world.another(parrot(), ids, |builder| builder.config(config));
}

fn today(world: &World) -> NaiveDate {
    world.now().date_naive()
}

fn tomorrow(world: &World) -> NaiveDate {
    today(world) + Days::new(1)
}

/// A message of the contact of some number.
fn from(world: &World, phone: &str, id: &str) -> Item {
    let mut message = incoming(id, whisp::model::Content::text(&format!("question {id}")));
    message.contact = contact();
    message.contact.handles = vec![whisp::model::Handle::new(whisp::model::HandleKind::Phone, phone)];
    world.event(id, whisp::model::Provenance::Live, Event::Message(message))
}

async fn writes(world: &World, phone: &str, id: &str) {
    // After whatever was sent before.
    world.later(10);
    world.ingest(vec![from(world, phone, id)]).await;
    world.settle().await;
}

fn answered(world: &World, id: &str) -> bool {
    world.channel.texts().iter().any(|text| text.contains(&format!("Answer: question {id}")))
}

/// The contact who wrote last, and why a member handles the conversation.
async fn latest(world: &World) -> (ContactId, Option<HandOffReason>) {
    let page = world.assistant.desk(world.tenant).inbox(None, 10).await.unwrap();
    let conversation = page.conversations.first().unwrap();
    let reason = match conversation.handling {
        Handling::Engine => None,
        Handling::Member { reason, .. } => Some(reason),
    };
    (conversation.contact, reason)
}

fn told(version: &str) -> Notice {
    Notice { version: version.to_owned(), language: "en".to_owned(), evidence: None }
}

async fn declare(world: &World, about: impl Into<About> + Send, statement: Statement, act: Act) {
    world.assistant.desk(world.tenant).declare(about, statement, act).await.unwrap();
}

async fn hand_back(world: &World) {
    let id = world.assistant.desk(world.tenant).inbox(None, 10).await.unwrap().conversations[0].id;
    world.assistant.desk(world.tenant).hand_back(id).await.unwrap();
}

#[tokio::test]
async fn i36_what_a_notice_adds_waits_for_its_day_and_for_a_yes_of_whoever_was_there_before() {
    let mut world = world(false).await;
    let first = world.assistant.publish("2026-11", today(&world), false).await.unwrap();
    assert!(first.significant && first.changes.is_empty());
    writes(&world, "77010000001", "m1").await;
    let (old, _) = latest(&world).await;

    // The program may more than the notice says.
    redeploy(&mut world, 8, config(true));
    writes(&world, "77010000001", "m2").await;
    assert!(!answered(&world, "m2"), "it was not published");
    let added = [
        PolicyChange::NewUse { about: REPLIES.1, purpose: REPLIES.0 },
        PolicyChange::ReceiverGetsMore { name: "Meta Platforms".to_owned() },
    ];
    assert_eq!(world.assistant.unpublished().await.unwrap(), Some(added.to_vec()));

    let early = world.assistant.publish("2026-12", today(&world), false).await;
    assert!(matches!(early, Err(AssistantError::Invalid(_))), "{early:?}");
    let second = world.assistant.publish("2026-12", tomorrow(&world), false).await.unwrap();
    assert!(second.significant && second.changes == added, "{:?}", second.changes);
    assert_eq!(world.assistant.unpublished().await.unwrap(), None);
    writes(&world, "77010000001", "m3").await;
    assert!(!answered(&world, "m3"), "its day has not come");

    world.later(24 * 3_600);
    writes(&world, "77010000002", "n1").await;
    assert!(answered(&world, "n1"), "who comes now was told from the beginning");
    writes(&world, "77010000001", "m4").await;
    assert_eq!(latest(&world).await, (old, Some(HandOffReason::OptedOut)));

    // Nothing of this is a yes to what was added.
    let version = second.notice.version.as_str();
    let policy = |answer| Statement::Policy { answer, notice: told(version) };
    declare(&world, old, policy(PolicyAnswer::Told), Act::Host).await;
    declare(&world, old, policy(PolicyAnswer::Accepted), Act::Host).await;
    let yes = |version: &str| Statement::given(REPLIES.0, Some(told(version)));
    declare(&world, old, yes(version), Act::Asserted { by: DANA }).await;
    declare(&world, old, yes(&first.notice.version), Act::Host).await;
    declare(&world, old, Statement::given(REPLIES.0, None), Act::Host).await;
    hand_back(&world).await;
    writes(&world, "77010000001", "m5").await;
    assert!(!answered(&world, "m4") && !answered(&world, "m5"));
    assert_eq!(latest(&world).await.1, Some(HandOffReason::OptedOut), "going on is no yes either");

    declare(&world, old, yes(version), Act::Host).await;
    hand_back(&world).await;
    writes(&world, "77010000001", "m6").await;
    assert!(answered(&world, "m6"));
    // And a no is a no again.
    declare(&world, old, Statement::withdrawn(REPLIES.0), Act::Host).await;
    writes(&world, "77010000001", "m7").await;
    assert!(!answered(&world, "m7"));
}

#[tokio::test]
async fn i36_the_list_of_the_untold_is_complete_and_ends() {
    let mut world = world(true).await;
    let desk = |world: &World| world.assistant.desk(world.tenant);
    for (phone, id) in [("77010000001", "m1"), ("77010000002", "m2"), ("77010000003", "m3")] {
        writes(&world, phone, id).await;
    }
    assert_eq!(desk(&world).untold(None, 10).await.unwrap().people, [], "nothing was published");
    let first = world.assistant.publish("2026-11", tomorrow(&world), false).await.unwrap();
    world.later(24 * 3_600);
    writes(&world, "77010000004", "m4").await;
    let (new, _) = latest(&world).await;

    let (mut people, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = desk(&world).untold(after, 2).await.unwrap();
        people.extend(page.people);
        pages += 1;
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert!(pages > 1);
    let kinds = |people: &[About]| people.iter().map(|about| about.kind).collect::<Vec<_>>();
    use SubjectKind::{AccountHolder, Contact, Member};
    assert_eq!(kinds(&people), [AccountHolder, Member, Contact, Contact, Contact]);
    assert!(people.iter().all(|about| about.subject != new.0), "who came on its day or later");

    for about in &people {
        let notice = Notice { evidence: Some("00ff".to_owned()), ..told(&first.notice.version) };
        let statement = Statement::Policy { answer: PolicyAnswer::Told, notice };
        declare(&world, about.clone(), statement, Act::Host).await;
    }
    assert_eq!(desk(&world).untold(None, 10).await.unwrap().people, []);

    // Less is kept, and nothing more is done: nobody has to be told.
    let mut less = config(true);
    less.retention.messages -= chrono::TimeDelta::days(1);
    redeploy(&mut world, 8, less.clone());
    let minor = world.assistant.publish("2026-11 b", today(&world), false).await.unwrap();
    assert!(!minor.significant && minor.changes.is_empty());
    assert_eq!(desk(&world).untold(None, 10).await.unwrap().people, []);

    // The business wants everybody told, though only an address is another.
    let mut moved = less;
    moved.controller.as_mut().unwrap().address.push_str(", office 2");
    redeploy(&mut world, 9, moved);
    let wanted = world.assistant.publish("2026-12", tomorrow(&world), true).await.unwrap();
    assert!(wanted.significant && wanted.changes.is_empty());
    let people = desk(&world).untold(None, 10).await.unwrap().people;
    assert_eq!(kinds(&people), [AccountHolder, Member, Contact, Contact, Contact, Contact]);
    let gone = people.last().unwrap();
    world.assistant.erase(world.tenant, ContactId(gone.subject)).await.unwrap();
    assert_eq!(desk(&world).untold(None, 10).await.unwrap().people.len(), 5, "who was erased is told nothing");
}

#[tokio::test]
async fn a_published_notice_stays_what_it_was() {
    let mut world = world(true).await;
    let first = world.assistant.publish(" 2026-11 ", today(&world), false).await.unwrap();
    assert_eq!((first.number, first.label.as_str(), first.published_at), (1, "2026-11", world.now()));
    let mut other = config(true);
    other.retention.messages += chrono::TimeDelta::days(1);
    redeploy(&mut world, 8, other);
    let second = world.assistant.publish("2026-12", tomorrow(&world), false).await.unwrap();
    let kept = world.assistant.policies().await.unwrap();
    assert_eq!(kept, [first.clone(), second.clone()]);
    for language in Language::ALL {
        assert_eq!(kept[0].notice.to_markdown(language), first.notice.to_markdown(language));
    }
    assert_ne!(first.notice.version, second.notice.version);
    // Back to what was said before: that is one more version, with the digest of the first.
    redeploy(&mut world, 9, config(true));
    let third = world.assistant.publish("2027-01", tomorrow(&world), false).await.unwrap();
    assert_eq!((third.number, &third.notice.version), (3, &first.notice.version));
}

#[tokio::test]
async fn what_can_not_be_published_is_refused_with_what_to_do() {
    let world = world(true).await;
    let refused =
        async |assistant: &Assistant, label: &str, day: NaiveDate| match assistant.publish(label, day, false).await {
            Err(AssistantError::Invalid(why)) => why,
            other => panic!("{other:?}"),
        };
    let assistant = &world.assistant;
    assert!(refused(assistant, "  ", today(&world)).await.contains("name"));
    assert!(refused(assistant, &"x".repeat(101), today(&world)).await.contains("name"));
    assert!(refused(assistant, "a", today(&world) - Days::new(1)).await.contains("before"));
    let nobody = world.another(parrot(), 8, |builder| builder);
    assert!(refused(&nobody, "a", today(&world)).await.contains("responsible"));
    assistant.publish("a", tomorrow(&world) + Days::new(7), false).await.unwrap();
    assert!(refused(assistant, "b", tomorrow(&world) + Days::new(8)).await.contains("nothing has changed"));
    let mut longer = config(true);
    longer.retention.messages += chrono::TimeDelta::days(1);
    let longer = world.another(parrot(), 9, |builder| builder.config(longer));
    assert!(refused(&longer, "b", tomorrow(&world)).await.contains("nor before the last one"));
    assert_eq!(assistant.policies().await.unwrap().len(), 1);
}

#[tokio::test]
async fn of_two_who_publish_at_once_one_is_told() {
    let world = over(Arc::new(Yielding(Arc::new(MemoryStore::new()))), true).await;
    let (day, other) = (today(&world), world.another(parrot(), 8, |builder| builder.config(config(true))));
    let both = tokio::join!(world.assistant.publish("a", day, false), other.publish("b", day, false));
    let lost = match &both {
        (Ok(_), Err(lost)) | (Err(lost), Ok(_)) => lost,
        both => panic!("{both:?}"),
    };
    assert!(matches!(lost, AssistantError::Conflict(_)), "{lost:?}");
    assert_eq!(world.assistant.policies().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_not_published_is_found() {
    let mut world = world(true).await;
    let found = async |world: &World| {
        let stale = world.assistant.stale_in(world.tenant).await.unwrap();
        stale
            .findings
            .into_iter()
            .filter(|finding| matches!(finding, Finding::NoticeNeverPublished | Finding::NoticeUnpublished { .. }))
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&world).await, [Finding::NoticeNeverPublished]);
    world.assistant.publish("2026-11", today(&world), false).await.unwrap();
    assert_eq!(found(&world).await, []);
    redeploy(&mut world, 8, config(false));
    assert_eq!(found(&world).await, [Finding::NoticeUnpublished { label: "2026-11".to_owned() }]);
}
