//! A change whose event can't be written does not happen.

use whisp::assistant::{AssistantError, NewConnection, NewTenant};
use whisp::id::TenantId;
use whisp::model::{AccountId, AutomationMode, ChannelKind, ConnectionState};
use whisp::privacy::{Act, Purpose, Statement};
use whisp::store::{Kind, WriteBatch};

use crate::tap::{Fate, Tap, puts};
use crate::world::{DANA, TOKEN, World, parrot};

/// No event can be written.
fn no_events(batch: &WriteBatch) -> Fate {
    if puts(batch, Kind::AUDIT).next().is_some() { Fate::Lost } else { Fate::Done }
}

#[track_caller]
fn fails<T: std::fmt::Debug>(result: Result<T, AssistantError>) {
    assert!(matches!(result, Err(AssistantError::Store(_))), "{result:?}");
}

#[tokio::test]
async fn i33_nothing_that_is_audited_happens_without_its_event() {
    let tap = Tap::new();
    let world = World::over(tap.store(), parrot(), AutomationMode::Automatic).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let (assistant, tenant) = (&world.assistant, world.tenant);
    let desk = assistant.desk(tenant).by(DANA);
    let id = world.conversation().await;
    let before = desk.conversation(id).await.unwrap();
    let contact = before.contact;
    tap.ask(no_events);

    fails(assistant.set_automation(tenant, false).await);
    fails(assistant.set_mode(tenant, world.connection, AutomationMode::Off).await);
    fails(assistant.disconnect(tenant, world.connection).await);
    fails(assistant.erase(tenant, contact).await);
    fails(assistant.create_tenant(NewTenant::new(TenantId::from_bytes([9; 16]), "Another", "UTC")).await);
    let new = NewConnection {
        channel: ChannelKind::WhatsApp,
        account: AccountId::new("2070"),
        token: TOKEN.into(),
        scopes: Vec::new(),
        mode: AutomationMode::Off,
    };
    fails(assistant.connect(tenant, new).await);
    fails(desk.by(DANA).take_over(id).await);
    fails(desk.declare(contact, Statement::withdrawn(Purpose::AutomatedReplies), Act::Host).await);
    fails(desk.by(DANA).send(id, whisp::channel::OutboundBody::text("Hello")).await);
    fails(desk.messages(id, None, 10).await);
    fails(desk.contact(contact).await);
    let stop = whisp::webhook::Delivery { received_at: world.now(), items: vec![world.message("m2", "stop")] };
    fails(assistant.ingest(&stop).await);
    // What is answered automatically needs no event.
    world.says("m3", "And now?").await;
    world.settle().await;
    assert_eq!(world.channel.sent().len(), 2);

    tap.heal();
    assert!(assistant.tenant(tenant).await.unwrap().automation);
    assert!(assistant.tenant(TenantId::from_bytes([9; 16])).await.is_err());
    let live: Vec<_> = assistant.connections(tenant).await.unwrap().into_iter().map(|row| (row.2, row.3)).collect();
    assert!(live.contains(&(AutomationMode::Automatic, ConnectionState::Live)), "{live:?}");
    assert_eq!(live.iter().filter(|(_, state)| *state == ConnectionState::Live).count(), 1);
    assert_eq!(desk.statements(contact).await.unwrap(), []);
    assert_eq!(desk.conversation(id).await.unwrap().handling, before.handling);
    let (messages, _) = desk.messages(id, None, 10).await.unwrap();
    assert_eq!(messages.len(), 4, "the key is there, and nothing of the stop is");
}
