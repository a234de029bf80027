//! What a hostile reviewer tried: each test is one way in which something was once lost, doubled or stuck.

use std::collections::BTreeSet;
use std::sync::Arc;

use whisp::assistant::{Assistant, AssistantError, Budget, Config, NewTenant};
use whisp::channel::{ChannelError, ChannelErrorKind, OutboundBody};
use whisp::error::Retry;
use whisp::id::{RecordId, TenantId, WorkId};
use whisp::model::{Content, DeliveryStep, HandOffReason, Handle, HandleKind, Handling, Provenance, Tenant};
use whisp::store::{
    BATCH_MAX, Bucket, Clear, Commit, Kind, ListOrder, ListQuery, PAGE_MAX, Record, WorkItem, WorkKey, WriteBatch,
    WriteOp,
};
use whisp::testing::SeqIds;
use whisp::vault::Vault;
use whisp::webhook::{Delivery, Event, Item};

use crate::world::{DANA, World, incoming};

#[tokio::test]
async fn a_message_received_in_the_second_in_which_it_was_written_is_a_duplicate_when_it_comes_again() {
    let world = World::new().await;
    let mut item = world.message("m1", "Hello");
    // The platform tells seconds, and so may the host's clock.
    item.at = world.now();
    let mut delivery = Delivery { received_at: world.now(), items: vec![item] };
    assert_eq!(world.assistant.ingest(&delivery).await.unwrap().stored, 1);
    delivery.received_at += chrono::TimeDelta::seconds(30);
    assert_eq!(world.assistant.ingest(&delivery).await.unwrap().duplicates, 1);
    // And where the platform told no time, the time of receipt stands in for it, another one each time.
    let event = || Event::Message(incoming("m2", Content::text("Hello")));
    for expected in [1, 0] {
        let mut item = world.event("m2", Provenance::Live, event());
        item.at = world.now();
        assert_eq!(world.ingest(vec![item]).await.stored, expected);
        world.later(30);
    }
}

/// A message from the usual number that tells another handle too.
fn known_as(world: &World, id: &str, kind: HandleKind, handle: &str) -> Item {
    let mut message = incoming(id, Content::text("Hello"));
    message.contact.handles.push(Handle::new(kind, handle));
    world.event(id, Provenance::Live, Event::Message(message))
}

#[tokio::test]
async fn a_batch_that_tells_two_new_handles_of_a_contact_is_taken_in() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    let more = vec![
        known_as(&world, "m2", HandleKind::Bsuid, "KZ.1"),
        known_as(&world, "m3", HandleKind::ParentBsuid, "KZ.ENT.1"),
    ];
    assert_eq!(world.ingest(more).await.stored, 2);
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(world.conversation().await).await.unwrap().contact;
    assert_eq!(desk.contact(contact).await.unwrap().handles.len(), 3);
}

#[tokio::test]
async fn what_a_person_said_last_holds_whatever_the_clock_and_the_batch() {
    for (words, answers) in [(["start", "stop"], 0), (["stop", "start"], 1)] {
        for seconds_back in [0, 3] {
            let world = World::new().await;
            if seconds_back == 0 {
                world.ingest(vec![world.message("m1", words[0]), world.message("m2", words[1])]).await;
            } else {
                world.says("m1", words[0]).await;
                // Ours goes back, the platform's does not.
                let next = world.message("m2", words[1]);
                world.later(-seconds_back);
                world.ingest(vec![next]).await;
            }
            let desk = world.assistant.desk(world.tenant);
            world.settle().await;
            desk.by(DANA).hand_back(world.conversation().await).await.unwrap();
            world.says("m3", "Hello").await;
            world.settle().await;
            assert_eq!(world.channel.sent().len(), answers, "{words:?}, {seconds_back} s back");
        }
    }
}

#[tokio::test]
async fn p15_a_start_that_was_written_before_a_stop_and_comes_after_it_is_not_the_last_word() {
    let world = World::new().await;
    let start = world.message("m1", "start");
    world.later(60);
    world.says("m2", "stop").await;
    world.settle().await;
    world.later(240);
    // Delivered again, since it was not taken the first time.
    world.ingest(vec![start]).await;
    world.settle().await;
    world.says("m3", "Hello").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 0, "nothing automatic");
    world.says("m4", "start").await;
    world.settle().await;
    world.says("m5", "Hello again").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1, "who says so after it is answered again");
}

fn work(world: &World, lane: RecordId, payload: &str) -> WorkItem {
    let bytes = lane.into_bytes();
    let bucket = Bucket(u16::from_be_bytes([bytes[14], bytes[15]]) % Tenant::BUCKETS_DEFAULT);
    let id = WorkId::from_uuid(uuid::Uuid::from_u128(99));
    WorkItem { key: WorkKey { bucket, due: world.now(), id }, lane, attempts: 0, payload: Clear(payload.to_owned()) }
}

async fn commit(world: &World, op: WriteOp) {
    assert_eq!(world.store.commit(WriteBatch::new(world.tenant).op(op)).await.unwrap(), Commit::Done);
}

async fn dead_letters(world: &World) -> usize {
    let query = ListQuery {
        tenant: world.tenant,
        kind: Kind::DEAD_LETTER,
        parent: world.tenant.into(),
        order: ListOrder::Ascending,
        after: None,
        limit: 100,
    };
    world.store.list(&query).await.unwrap().records.len()
}

/// Breaks the seal of a stored message.
async fn corrupt(world: &World, message: usize) {
    let id = world.messages().await[message].id;
    let mut record = world.store.get(world.tenant, Kind::MESSAGE, id.into()).await.unwrap().unwrap();
    record.version += 1;
    *record.sealed.0.last_mut().unwrap() ^= 1;
    commit(world, WriteOp::Put(record)).await;
}

/// The records of the only conversation's messages, oldest first.
async fn records(world: &World) -> Vec<Record> {
    let query = ListQuery {
        tenant: world.tenant,
        kind: Kind::MESSAGE,
        parent: world.conversation().await.into(),
        order: ListOrder::Ascending,
        after: None,
        limit: 100,
    };
    world.store.list(&query).await.unwrap().records
}

async fn handling(world: &World) -> Option<HandOffReason> {
    match world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().handling {
        Handling::Member { reason, .. } => Some(reason),
        Handling::Engine => None,
    }
}

#[tokio::test]
async fn work_that_cannot_be_read_is_buried_alone() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    let lane = world.conversation().await.into();
    commit(&world, WriteOp::Enqueue(work(&world, lane, "{\"task\":\"of a newer version\"}"))).await;
    world.later(4);
    let report = world.step().await;
    assert_eq!((report.errors.len(), report.queued), (1, 1));
    assert_eq!(dead_letters(&world).await, 1);
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1);
}

#[tokio::test]
async fn a_message_that_cannot_be_opened_takes_nothing_else_along_and_goes_to_a_person() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    world.later(10);
    world.says("m2", "What do you charge?").await;
    corrupt(&world, 2).await;
    let receipt = world.receipt(world.channel.sent()[0].id.expose(), DeliveryStep::Read, None, None);
    world.ingest(vec![receipt]).await;
    world.later(4);
    assert_eq!(world.step().await.errors.len(), 1);
    assert_eq!(dead_letters(&world).await, 1, "the turn, not the receipt");
    assert_eq!(handling(&world).await, Some(HandOffReason::EngineFailed));
    assert!(records(&world).await[1].clear.0.contains("\"read\""), "the receipt was taken in");
}

#[tokio::test]
async fn an_outbox_whose_first_message_cannot_be_opened_goes_on_with_the_next() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let id = world.conversation().await;
    world.later(1);
    desk.by(DANA).send(id, OutboundBody::text("one")).await.unwrap();
    world.later(1);
    desk.by(DANA).send(id, OutboundBody::text("two")).await.unwrap();
    corrupt(&world, 2).await;
    assert_eq!(world.deliver().await.errors.len(), 1);
    world.settle().await;
    assert_eq!(world.channel.texts()[1..], ["two"]);
    assert_eq!(dead_letters(&world).await, 1);
    assert!(desk.conversation(id).await.unwrap().outbox.is_empty());
}

#[tokio::test]
async fn a_conversation_with_more_waiting_than_a_batch_holds_is_worked_through() {
    let world = World::new().await;
    for chunk in 0..9 {
        let items = (0..BATCH_MAX / 8).map(|n| world.message(&format!("m{chunk}.{n}"), "Hello")).collect();
        world.ingest(items).await;
    }
    world.later(4);
    while world.step().await.lanes > 0 {}
    world.deliver().await;
    assert_eq!(world.channel.sent().len(), 1);
    assert_eq!(dead_letters(&world).await, 0);
}

#[tokio::test]
async fn a_worker_with_fewer_leases_than_buckets_serves_them_all() {
    for leases_max in [0, 1] {
        serves_them_all(leases_max).await;
    }
}

async fn serves_them_all(leases_max: usize) {
    let world = World::new().await;
    let mut config = Config::default();
    config.leases_max = leases_max;
    let worker = Assistant::builder()
        .store(Arc::clone(&world.store))
        .vault(Arc::clone(&world.vault) as _)
        .clock(Arc::clone(&world.clock) as _)
        .ids(Arc::new(SeqIds::new(9)))
        .channel(Arc::clone(&world.channel) as _)
        .engine(crate::world::parrot())
        .config(config)
        .build()
        .unwrap();
    for n in 0..20 {
        let mut message = incoming(&format!("m{n}"), Content::text("Hello"));
        message.contact.handles = vec![Handle::new(HandleKind::Phone, &format!("7701000{n:04}"))];
        world.ingest(vec![world.event(&format!("m{n}"), Provenance::Live, Event::Message(message))]).await;
    }
    for _ in 0..30 {
        world.later(2);
        worker.step(&Budget::default()).await.unwrap();
        worker.deliver(&Budget::default()).await.unwrap();
    }
    assert_eq!(world.channel.sent().len(), 20);
}

/// Where every bucket that is held has work all the time, the others have their turn too.
#[tokio::test]
async fn a_bucket_that_never_empties_keeps_no_other_waiting_for_ever() {
    let world = World::new().await;
    let mut config = Config::default();
    config.leases_max = 1;
    let worker = world.another(crate::world::parrot(), 9, |builder| builder.config(config));
    let mut served = BTreeSet::new();
    // Every bucket has something new at each look.
    for round in 0..60 {
        for who in 0..20 {
            let id = format!("m{round}.{who}");
            let mut message = incoming(&id, Content::text("Hello"));
            message.contact.handles = vec![Handle::new(HandleKind::Phone, &format!("7701000{who:04}"))];
            let items = vec![world.event(&id, Provenance::Live, Event::Message(message))];
            // By the worker itself, which knows of it at once.
            worker.ingest(&Delivery { received_at: world.now(), items }).await.unwrap();
        }
        world.later(4);
        worker.step(&Budget::default()).await.unwrap();
        worker.deliver(&Budget::default()).await.unwrap();
        served = world.channel.sent().into_iter().map(|sent| sent.to.value.expose().to_string()).collect();
    }
    assert_eq!(served.len(), 20, "{served:?}");
}

#[tokio::test]
async fn an_echo_that_was_taken_back_before_we_knew_it_for_ours_does_not_block_the_conversation() {
    let world = World::new().await;
    world.channel.fail_next(ChannelError::new("send", ChannelErrorKind::Unknown, Retry::OutcomeUnknown));
    world.says("m1", "Hello").await;
    world.later(4);
    world.step().await;
    let tag = {
        let raw = records(&world).await;
        let clear: serde_json::Value = serde_json::from_str(&raw[1].clear.0).unwrap();
        clear["tag"].as_str().unwrap().to_owned()
    };
    // The echo without a tag waits; then the same message is taken back, and the echo's tag is told after all.
    world.ingest(vec![world.echo("wamid.1", "Answer: Hello", None)]).await;
    let target = whisp::model::PlatformMessageId::new("wamid.1");
    let unsent = Event::Unsent { contact: Some(crate::world::contact()), target };
    world.ingest(vec![world.event("u1", Provenance::Live, unsent)]).await;
    world.deliver().await;
    world.step().await;
    world.ingest(vec![world.receipt("wamid.1", DeliveryStep::Sent, Some(&tag), None)]).await;
    world.settle().await;
    world.later(30);
    world.settle().await;
    assert_eq!(world.step().await.conflicts, 0);
}

#[tokio::test]
async fn a_member_may_answer_at_once() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    // The burst is still waited out, so the conversation does not know yet that the contact wrote.
    let desk = world.assistant.desk(world.tenant);
    desk.by(DANA).send(world.conversation().await, OutboundBody::text("Hi, Dana here")).await.unwrap();
    world.deliver().await;
    assert_eq!(world.channel.texts(), ["Hi, Dana here"]);
}

#[tokio::test]
async fn a_person_whose_erasure_was_cut_short_may_write_again() {
    let world = World::new().await;
    world.says("m1", "Forget me").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let old = desk.conversation(world.conversation().await).await.unwrap();
    world.vault.erase(world.tenant, old.contact.0, world.now()).await.unwrap();
    assert_eq!(world.says("m2", "Hello, it is me").await.stored, 1);
    world.assistant.erase(world.tenant, old.contact).await.unwrap();
    let new = desk.conversation(world.conversation().await).await.unwrap();
    assert_ne!(new.contact, old.contact);
    world.settle().await;
    assert_eq!(world.messages().await.len(), 2);
}

#[tokio::test]
async fn a_time_that_has_not_come_yet_is_taken_for_now() {
    let world = World::new().await;
    let mut item = world.message("m1", "Hello");
    item.at = chrono::DateTime::<chrono::Utc>::MAX_UTC;
    world.ingest(vec![item]).await;
    let now = world.now();
    world.settle().await;
    let conversation = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap();
    assert_eq!(conversation.contact_wrote_at, Some(now));
}

#[tokio::test]
async fn a_stop_that_is_edited_into_an_earlier_message_is_a_stop() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let target = whisp::model::PlatformMessageId::new("m1");
    let content = Some(Content::text("stop"));
    let edited = Event::Edited { contact: Some(crate::world::contact()), target, content };
    world.ingest(vec![world.event("e1", Provenance::Live, edited)]).await;
    world.says("m2", "I mean it").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 1, "the answer from before");
    assert_eq!(handling(&world).await, Some(HandOffReason::OptedOut));
}

#[tokio::test]
async fn a_tenant_has_a_time_zone_that_there_is() {
    let world = World::new().await;
    let tenant = |n, zone| NewTenant::new(TenantId::from_uuid(uuid::Uuid::from_u128(n)), "Coffee", zone);
    for zone in ["", "Almaty", "asia/almaty", "UTC+5", "+05:00", "Asia/Almaty "] {
        let refused = world.assistant.create_tenant(tenant(3, zone)).await;
        let Err(AssistantError::Invalid(advice)) = refused else { panic!("{zone:?}: {refused:?}") };
        assert!(advice.contains("Asia/Almaty"), "{advice}");
    }
    for (n, zone) in [(3, "Asia/Almaty"), (4, "UTC"), (5, "America/Argentina/Buenos_Aires"), (6, "Etc/GMT-5")] {
        assert_eq!(world.assistant.create_tenant(tenant(n, zone)).await.unwrap().zone, zone);
    }
}

#[tokio::test]
async fn a_business_with_more_accounts_than_a_page_has_all_of_them() {
    let world = World::new().await;
    let one = world.store.get(world.tenant, Kind::CONNECTION, world.connection.into()).await.unwrap().unwrap();
    let others = (1..=PAGE_MAX as u128).map(|n| RecordId::from_bytes(n.to_be_bytes()));
    let others = others.map(|id| WriteOp::Put(Record { id, version: 1, ..one.clone() })).collect();
    let batch = WriteBatch { ops: others, ..WriteBatch::new(world.tenant) };
    assert_eq!(world.store.commit(batch).await.unwrap(), Commit::Done);
    assert_eq!(world.assistant.connections(world.tenant).await.unwrap().len(), PAGE_MAX + 1);
}
