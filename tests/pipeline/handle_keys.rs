//! The key by which people are found is replaced: everybody is found as before, in every process and at every moment, and
//! whoever has the new one can't tell who is in an old copy of the data.

use std::sync::Arc;

use chrono::TimeDelta;
use whisp::assistant::{Assistant, AssistantError, Config};
use whisp::audit::AuditAction;
use whisp::id::{ConnectionId, ContactId, ConversationId, RecordId, SubjectId};
use whisp::model::{AutomationMode, ConnectionState, Content, Handle, HandleKind, Provenance};
use whisp::privacy::{DataCategory, Grant, Purpose};
use whisp::store::{Clear, Commit, Kind, Record, Records, Store, SubjectQuery, WriteBatch, WriteOp};
use whisp::stores::{MemoryStore, SqliteStore};
use whisp::testing::{SeqIds, cancel_after};
use whisp::vault::{IndexField, SealContext, Vault, VaultErrorKind};
use whisp::webhook::{Delivery, Event, Item};

use crate::world::{PHONE, World, incoming, parrot};
use crate::yielding::Yielding;

const DAY: i64 = 24 * 3_600;

/// A live message of somebody with a number.
fn writes(world: &World, id: &str, phone: &str) -> Item {
    let mut message = incoming(id, Content::text(&format!("text of {id}")));
    message.contact.handles = vec![Handle::new(HandleKind::Phone, phone)];
    world.event(id, Provenance::Live, Event::Message(message))
}

async fn ingest(world: &World, assistant: &Assistant, item: Item) -> usize {
    assistant.ingest(&Delivery { received_at: world.now(), items: vec![item] }).await.unwrap().stored
}

/// Everybody, and in which conversation.
async fn inbox(world: &World) -> Vec<(ConversationId, ContactId)> {
    let page = world.assistant.desk(world.tenant).inbox(None, 100).await.unwrap();
    page.conversations.into_iter().map(|conversation| (conversation.id, conversation.contact)).collect()
}

async fn sweeps(world: &World) {
    while world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().more {}
}

/// Days pass, with a sweep each.
async fn pass(world: &World, days: i64) {
    for _ in 0..days {
        world.later(DAY);
        sweeps(world).await;
    }
}

/// Where the handles of a contact are kept, of those that they have and of those that they gave up.
async fn places(store: &dyn Store, world: &World, contact: ContactId) -> Vec<(Kind, RecordId)> {
    let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 1_000 };
    let records = store.of_subject(&query).await.unwrap().records;
    let handles = records.into_iter().filter(|record| [Kind::ALIAS, Kind::FORMER_ALIAS].contains(&record.kind));
    handles.map(|record| (record.kind, record.id)).collect()
}

async fn connection(store: &dyn Store, world: &World) -> Record {
    store.get(world.tenant, Kind::CONNECTION, world.connection.into()).await.unwrap().unwrap()
}

/// The keys that the connection names, the newest first.
async fn keys(world: &World) -> Vec<SubjectId> {
    let clear: serde_json::Value = serde_json::from_str(&connection(&*world.store, world).await.clear.0).unwrap();
    let handles = &clear["handles"];
    let own = [&handles["newest"]["own"], &handles["before"]["own"]];
    own.into_iter().filter_map(|id| id.as_str()).map(|id| id.parse().unwrap()).collect()
}

/// The bytes of a key, for whoever has the keys of now and an old copy of the data.
async fn bytes(store: &dyn Store, world: &World, key: SubjectId) -> Result<Vec<u8>, VaultErrorKind> {
    let grant = Grant::for_tests(world.tenant, key, Purpose::Storage, world.now());
    let place = SealContext {
        tenant: world.tenant,
        subject: key,
        kind: Kind::HANDLE_KEY,
        record: key.into(),
        field: "key",
        category: DataCategory::Identity,
        revision: 0,
    };
    let record = store.get(world.tenant, Kind::HANDLE_KEY, key.into()).await.unwrap().unwrap();
    let opened = world.vault.open(&grant, &place, &record.sealed).await;
    opened.map(|bytes| bytes.to_vec()).map_err(|error| error.kind())
}

/// Where a number is by a key; by none of the connection's own where that is empty.
async fn place(world: &World, key: &[u8], phone: &str) -> RecordId {
    let connection = world.connection.into_bytes();
    let value = [key, connection.as_slice(), b"phone\0", phone.as_bytes()].concat();
    world.vault.index(world.tenant, IndexField::Handle, &value).await.unwrap().record_id()
}

#[tokio::test]
async fn an_old_copy_of_the_data_does_not_tell_who_was_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("whisp.db")).unwrap());
    let world = World::over(Arc::clone(&store) as _, parrot(), AutomationMode::Automatic).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let everybody = inbox(&world).await;
    let [(_, contact)] = everybody[..] else { panic!() };
    let [first] = keys(&world).await[..] else { panic!() };
    let before = place(&world, &bytes(&*store, &world, first).await.unwrap(), PHONE).await;
    assert_eq!(places(&*store, &world, contact).await, [(Kind::ALIAS, before)], "by the key anybody can be looked for");
    assert_ne!(place(&world, &[], PHONE).await, before, "and by the vault's own nobody");
    let copy = folder.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    let copy = SqliteStore::open(&copy).unwrap();

    world.later(30 * DAY);
    sweeps(&world).await;
    let [second, former] = keys(&world).await[..] else { panic!("{:?}", keys(&world).await) };
    assert_eq!(former, first);
    let after = places(&*store, &world, contact).await;
    assert!(after.len() == 1 && after[0].1 != before, "they were moved");
    world.says("m2", "Hello again").await;
    world.settle().await;
    assert_eq!(inbox(&world).await, everybody, "and are found");
    for _ in 0..9 {
        assert_eq!(keys(&world).await.len(), 2, "as long as something may come late");
        world.later(DAY);
        sweeps(&world).await;
    }
    world.later(3_600);
    sweeps(&world).await;
    assert_eq!(keys(&world).await, [second]);
    assert!(store.get(world.tenant, Kind::HANDLE_KEY, first.into()).await.unwrap().is_none());
    assert_eq!(bytes(&copy, &world, first).await, Err(VaultErrorKind::Erased));
    assert_ne!(place(&world, &bytes(&*store, &world, second).await.unwrap(), PHONE).await, before);
    world.says("m3", "Still me").await;
    assert_eq!(inbox(&world).await, everybody);
    let (events, _) = world.assistant.audit(world.tenant).events(None, 1_000).await.unwrap();
    assert_eq!(events.iter().filter(|entry| entry.event.action == AuditAction::HandleKeyRenewed).count(), 1);
}

#[tokio::test]
async fn what_comes_late_finds_whom_it_means_and_nobody_who_was_erased() {
    let world = World::new().await;
    let (old, new, own) = ("77010000001", "77010000002", "77010000003");
    let phone = |number: &str| vec![Handle::new(HandleKind::Phone, number)];
    world.ingest(vec![writes(&world, "m1", old), writes(&world, "e1", own)]).await;
    world.settle().await;
    let both = inbox(&world).await;
    world.later(60);
    let late = [writes(&world, "m2", old), writes(&world, "e2", own)];
    world.later(60);
    let change = Event::IdentityChanged { old: phone(old), new: phone(new) };
    world.ingest(vec![world.event("c1", Provenance::Live, change)]).await;
    let mut erased = None;
    for (conversation, contact) in &both {
        let messages = world.assistant.desk(world.tenant).messages(*conversation, None, 10).await.unwrap().0;
        if messages.iter().any(|message| message.content == Content::text("text of e1")) {
            world.assistant.erase(world.tenant, *contact).await.unwrap();
            erased = Some(*contact);
        }
    }
    let (stays, who) = *both.iter().find(|(_, contact)| Some(*contact) != erased).unwrap();

    let renewal = world.assistant.renew_handle_keys(world.tenant).await.unwrap();
    assert_eq!((renewal.renewed, renewal.left, renewal.moved), (1, 0, 1));
    assert_eq!(world.assistant.renew_handle_keys(world.tenant).await.unwrap().left, 1, "one at a time");
    let [m2, e2] = late;
    assert_eq!(world.ingest(vec![e2]).await.stored, 0, "erased");
    assert_eq!(world.ingest(vec![m2]).await.stored, 1);
    let (messages, _) = world.assistant.desk(world.tenant).messages(stays, None, 10).await.unwrap();
    assert!(messages.iter().any(|message| message.content == Content::text("text of m2")));
    world.ingest(vec![writes(&world, "m3", new)]).await;
    assert_eq!(inbox(&world).await, [(stays, who)]);
    world.later(60);
    world.ingest(vec![writes(&world, "m4", old), writes(&world, "e4", own)]).await;
    assert_eq!(inbox(&world).await.len(), 3, "whoever has the old number now, and the one who was erased, are new");
    let left = places(&*world.store, &world, who).await;
    let [newest, _] = keys(&world).await[..] else { panic!() };
    let newest = bytes(&*world.store, &world, newest).await.unwrap();
    assert!(left.contains(&(Kind::ALIAS, place(&world, &newest, new).await)), "{left:?}");
    assert!(left.contains(&(Kind::FORMER_ALIAS, place(&world, &newest, old).await)), "{left:?}");
}

#[tokio::test]
async fn a_process_that_has_not_heard_of_it_loses_nothing_and_makes_nobody_twice() {
    let world = World::new().await;
    let other = world.second(parrot());
    ingest(&world, &other, writes(&world, "m1", "77010000001")).await;
    world.settle().await;
    let known = inbox(&world).await;
    world.assistant.renew_handle_keys(world.tenant).await.unwrap();
    // It remembers the account with the key before, by which nobody is found any more.
    let thread = Event::Thread { contact: Some(incoming("t", Content::text("")).contact), ours: false };
    let mut thread = world.event("t1", Provenance::Live, thread);
    if let Event::Thread { contact: Some(contact), .. } = &mut thread.event {
        contact.handles = vec![Handle::new(HandleKind::Phone, "77010000001")];
    }
    assert_eq!(ingest(&world, &other, thread).await, 1, "what alone would be ignored");
    let third = world.another(parrot(), 9, |builder| builder);
    assert_eq!(ingest(&world, &third, writes(&world, "x1", "77010000009")).await, 1);
    assert_eq!(ingest(&world, &other, writes(&world, "x2", "77010000009")).await, 1);
    assert_eq!(ingest(&world, &other, writes(&world, "m2", "77010000001")).await, 1);
    let now = inbox(&world).await;
    assert!(now.len() == 2 && now.contains(&known[0]), "{now:?}");
}

#[tokio::test]
async fn no_moment_of_it_loses_anybody() {
    let mut cut = 0;
    for polls in 0..200 {
        let world =
            World::over(Arc::new(Yielding(Arc::new(MemoryStore::new()))), parrot(), AutomationMode::Automatic).await;
        world.ingest(vec![writes(&world, "m1", "77010000001"), writes(&world, "n1", "77010000002")]).await;
        world.settle().await;
        let known = inbox(&world).await;
        let done = cancel_after(polls, world.assistant.renew_handle_keys(world.tenant)).await;
        world.ingest(vec![writes(&world, "m2", "77010000001")]).await;
        assert_eq!(inbox(&world).await.len(), 2, "after {polls} steps");
        sweeps(&world).await;
        pass(&world, 10).await;
        world.ingest(vec![writes(&world, "n2", "77010000002")]).await;
        let now = inbox(&world).await;
        assert!(known.iter().all(|one| now.contains(one)) && now.len() == 2, "after {polls} steps: {now:?}");
        assert_eq!(keys(&world).await.len(), 1, "after {polls} steps");
        if done.is_some() {
            break;
        }
        cut += 1;
    }
    assert!((5..200).contains(&cut), "{cut}");
}

/// Connections of earlier versions have no key of their own.
#[tokio::test]
async fn who_was_known_before_there_were_such_keys_is_found_and_moved() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let everybody = inbox(&world).await;
    let [(_, contact)] = everybody[..] else { panic!() };
    let [(_, id)] = places(&*world.store, &world, contact).await[..] else { panic!() };
    let alias = world.store.get(world.tenant, Kind::ALIAS, id).await.unwrap().unwrap();
    let shared = Record { id: place(&world, &[], PHONE).await, ..alias };
    let mut connection = connection(&*world.store, &world).await;
    let mut clear: serde_json::Value = serde_json::from_str(&connection.clear.0).unwrap();
    assert!(clear.as_object_mut().unwrap().remove("handles").is_some());
    connection.clear = Clear(clear.to_string());
    connection.version += 1;
    let ops = [WriteOp::Put(connection), WriteOp::Delete(Kind::ALIAS, id, 1), WriteOp::Put(shared.clone())];
    let batch = WriteBatch { ops: ops.to_vec(), ..WriteBatch::new(world.tenant) };
    assert_eq!(world.store.commit(batch).await.unwrap(), Commit::Done);

    world.says("m2", "Hello again").await;
    assert_eq!(places(&*world.store, &world, contact).await, [(Kind::ALIAS, shared.id)]);
    sweeps(&world).await;
    let moved = places(&*world.store, &world, contact).await;
    assert!(moved.len() == 1 && moved[0].1 != shared.id, "the first sweep moves them");
    pass(&world, 10).await;
    world.says("m3", "Still me").await;
    assert_eq!((inbox(&world).await, keys(&world).await.len()), (everybody, 1));
}

#[tokio::test]
async fn a_copy_of_which_the_key_is_destroyed_says_what_to_do_and_then_finds_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("whisp.db")).unwrap());
    let world = World::over(Arc::clone(&store) as _, parrot(), AutomationMode::Automatic).await;
    world.ingest(vec![writes(&world, "m1", "77010000001"), writes(&world, "n1", "77010000002")]).await;
    world.settle().await;
    let known = inbox(&world).await;
    let copy = folder.path().join("copy.db");
    store.backup(&copy).await.unwrap();
    pass(&world, 40).await;
    let restored = Arc::new(SqliteStore::open(&copy).unwrap());
    let builder = Assistant::builder().store(Arc::clone(&restored) as _).vault(Arc::clone(&world.vault) as _);
    let builder = builder.clock(Arc::clone(&world.clock) as _).ids(Arc::new(SeqIds::new(9))).engine(parrot());
    let assistant = builder.channel(Arc::clone(&world.channel) as _).build().unwrap();
    let items = vec![writes(&world, "m2", "77010000001")];
    let refused = assistant.ingest(&Delivery { received_at: world.now(), items }).await.unwrap_err();
    assert!(refused.to_string().contains("recover"), "{refused}");
    let mut after = None;
    loop {
        let part = assistant.recover(world.tenant, after, 1).await.unwrap();
        match part.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    for (id, phone) in [("m2", "77010000001"), ("n2", "77010000002")] {
        assert_eq!(ingest(&world, &assistant, writes(&world, id, phone)).await, 1);
    }
    let page = assistant.desk(world.tenant).inbox(None, 10).await.unwrap().conversations;
    assert_eq!(page.len(), 2);
    assert!(page.iter().all(|one| known.contains(&(one.id, one.contact))));
}

#[tokio::test]
async fn how_long_a_key_is_used_is_the_hosts_to_say_and_each_connection_has_its_own() {
    let equip = |builder: whisp::assistant::AssistantBuilder| {
        let mut config = Config::default();
        config.handle_key = TimeDelta::days(2);
        builder.config(config)
    };
    let world = World::equipped(Arc::new(MemoryStore::new()), parrot(), AutomationMode::Automatic, equip).await;
    let [first] = keys(&world).await[..] else { panic!() };
    world.later(2 * DAY - 1);
    sweeps(&world).await;
    assert_eq!(keys(&world).await, [first]);
    world.later(1);
    sweeps(&world).await;
    let both = keys(&world).await;
    assert!(both.len() == 2 && both[1] == first, "{both:?}");
    // Disconnected and connected again it goes on with its own.
    world.assistant.disconnect(world.tenant, world.connection).await.unwrap();
    world.connect().await;
    assert_eq!(keys(&world).await, both);
    let connections = world.assistant.connections(world.tenant).await.unwrap();
    let ids: Vec<(ConnectionId, ConnectionState)> = connections.iter().map(|(id, .., state)| (*id, *state)).collect();
    assert_eq!(ids, [(world.connection, ConnectionState::Live)]);
    match world.assistant.renew_handle_keys(whisp::id::TenantId::from_bytes([9; 16])).await {
        Err(AssistantError::NotFound(_)) => {}
        other => panic!("{other:?}"),
    }
}
