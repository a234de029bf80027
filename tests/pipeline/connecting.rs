//! One account, one owner: whatever is dropped half-way, and whoever comes at the same moment.

use std::future::Future;
use std::sync::Arc;

use secrecy::SecretString;
use whisp::assistant::{AssistantError, Budget, NewConnection, NewTenant};
use whisp::channel::OutboundBody;
use whisp::id::{ConnectionId, TenantId};
use whisp::model::{AccountId, AutomationMode, ChannelKind, ConnectionState};
use whisp::privacy::{About, Act, Statement};
use whisp::stores::MemoryStore;
use whisp::testing::cancel_after;
use whisp::webhook::Delivery;

use crate::world::{ACCOUNT, DANA, World, parrot};
use crate::yielding::{Yielding, pause};

/// More awaits than any of the calls has.
const AWAITS_MAX: usize = 200;

fn tenant(n: u128) -> TenantId {
    TenantId::from_uuid(uuid::Uuid::from_u128(n))
}

fn account(account: &str) -> NewConnection {
    NewConnection {
        channel: ChannelKind::WhatsApp,
        account: AccountId::new(account),
        token: SecretString::from("token"),
        scopes: Vec::new(),
        mode: AutomationMode::Automatic,
    }
}

/// A world over a store that yields, with a second tenant and with the account of nobody.
async fn world() -> World {
    let world =
        World::over(Arc::new(Yielding(Arc::new(MemoryStore::new()))), parrot(), AutomationMode::Automatic).await;
    world.assistant.create_tenant(NewTenant::new(tenant(2), "Tea & Co", "Asia/Almaty")).await.unwrap();
    world
}

const FRESH: &str = "2060";

/// The state of the tenant's connections to other accounts than the world's own.
async fn states(world: &World, tenant: TenantId) -> Vec<ConnectionState> {
    let all = world.assistant.connections(tenant).await.unwrap();
    all.into_iter().filter(|(id, ..)| *id != world.connection).map(|(.., state)| state).collect()
}

/// Whether messages to the account arrive, as another process sees it.
async fn arrives(world: &World, id: &str) -> bool {
    let mut item = world.message(id, "Hello");
    item.account = Some(AccountId::new(FRESH));
    let delivery = Delivery { received_at: world.now(), items: vec![item] };
    world.another(parrot(), 99, |builder| builder).ingest(&delivery).await.unwrap().stored == 1
}

fn is_taken<T: std::fmt::Debug>(outcome: &Result<T, AssistantError>) -> bool {
    matches!(outcome, Err(AssistantError::Taken("account")))
}

#[tokio::test]
async fn a_connect_dropped_anywhere_is_completed_by_another_one() {
    for polls in 0..AWAITS_MAX {
        let world = world().await;
        let done = cancel_after(polls, world.assistant.connect(tenant(1), account(FRESH))).await.is_some();
        let live = states(&world, tenant(1)).await.contains(&ConnectionState::Live);
        assert_eq!(arrives(&world, "m1").await, live, "dropped after {polls} polls: connected or not, but not half");
        world.assistant.connect(tenant(1), account(FRESH)).await.unwrap();
        assert_eq!(states(&world, tenant(1)).await, [ConnectionState::Live]);
        assert!(arrives(&world, "m2").await, "dropped after {polls} polls");
        assert!(is_taken(&world.assistant.connect(tenant(2), account(FRESH)).await));
        assert!(states(&world, tenant(2)).await.iter().all(|state| *state == ConnectionState::Disconnected));
        if done {
            assert!(polls > 8, "dropped at {polls} awaits");
            return;
        }
    }
    panic!("connect has more than {AWAITS_MAX} awaits");
}

#[tokio::test]
async fn a_connect_dropped_anywhere_can_be_given_up_for_another_tenant() {
    for polls in 0..AWAITS_MAX {
        let world = world().await;
        let done = cancel_after(polls, world.assistant.connect(tenant(1), account(FRESH))).await.is_some();
        for (id, ..) in world.assistant.connections(tenant(1)).await.unwrap() {
            world.assistant.disconnect(tenant(1), id).await.unwrap();
        }
        world.assistant.connect(tenant(2), account(FRESH)).await.unwrap();
        assert!(arrives(&world, "m1").await, "dropped after {polls} polls");
        if done {
            return;
        }
    }
    panic!("connect has more than {AWAITS_MAX} awaits");
}

#[tokio::test]
async fn a_token_that_is_replaced_keeps_the_connection_alive_wherever_the_call_is_dropped() {
    for polls in 0..AWAITS_MAX {
        let world = world().await;
        let done = cancel_after(polls, world.assistant.connect(tenant(1), account(ACCOUNT))).await.is_some();
        let (_, _, _, state) = world.assistant.connections(tenant(1)).await.unwrap()[0];
        assert_eq!(state, ConnectionState::Live, "dropped after {polls} polls");
        assert_eq!(world.says("m1", "Hello").await.stored, 1);
        if done {
            return;
        }
    }
    panic!("connect has more than {AWAITS_MAX} awaits");
}

#[tokio::test]
async fn a_disconnect_dropped_anywhere_is_completed_by_another_one_or_undone_by_a_connect() {
    for polls in 0..AWAITS_MAX {
        let world = world().await;
        let id = world.assistant.connect(tenant(1), account(FRESH)).await.unwrap();
        let done = cancel_after(polls, world.assistant.disconnect(tenant(1), id)).await.is_some();
        let live = states(&world, tenant(1)).await.contains(&ConnectionState::Live);
        assert_eq!(arrives(&world, "m1").await, live, "dropped after {polls} polls");
        if polls % 2 == 0 {
            world.assistant.connect(tenant(1), account(FRESH)).await.unwrap();
            assert!(arrives(&world, "m2").await, "dropped after {polls} polls");
        } else {
            world.assistant.disconnect(tenant(1), id).await.unwrap();
            world.assistant.connect(tenant(2), account(FRESH)).await.unwrap();
        }
        if done {
            return;
        }
    }
    panic!("disconnect has more than {AWAITS_MAX} awaits");
}

/// Lets the second call begin so many polls after the first.
async fn together<A: Future, B: Future>(delay: usize, first: A, second: B) -> (A::Output, B::Output) {
    let second = async {
        for _ in 0..delay {
            pause().await;
        }
        second.await
    };
    tokio::join!(first, second)
}

#[tokio::test]
async fn of_two_tenants_that_connect_an_account_at_once_one_gets_it() {
    for delay in 0..40 {
        let world = world().await;
        let other = world.second(parrot());
        let (first, second) = together(
            delay,
            world.assistant.connect(tenant(1), account(FRESH)),
            other.connect(tenant(2), account(FRESH)),
        )
        .await;
        assert!(first.is_ok() != second.is_ok(), "{delay}: {first:?} {second:?}");
        assert!(is_taken(&first) || is_taken(&second), "{delay}: {first:?} {second:?}");
        let (winner, loser) = if first.is_ok() { (1, 2) } else { (2, 1) };
        assert_eq!(states(&world, tenant(winner)).await, [ConnectionState::Live], "{delay}");
        assert_eq!(states(&world, tenant(loser)).await, [], "{delay}: who lost keeps nothing");
        assert!(arrives(&world, "m1").await);
    }
}

#[tokio::test]
async fn a_tenant_that_connects_an_account_twice_at_once_has_connected_it() {
    for delay in 0..40 {
        let world = world().await;
        let other = world.second(parrot());
        let (first, second) = together(
            delay,
            world.assistant.connect(tenant(1), account(FRESH)),
            other.connect(tenant(1), account(FRESH)),
        )
        .await;
        assert_eq!(first.unwrap(), second.unwrap());
        assert_eq!(states(&world, tenant(1)).await, [ConnectionState::Live], "{delay}");
        assert!(arrives(&world, "m1").await, "{delay}");
    }
}

#[tokio::test]
async fn connecting_and_disconnecting_at_once_leaves_one_or_the_other() {
    for delay in 0..60 {
        for swapped in [false, true] {
            let world = world().await;
            let other = world.second(parrot());
            let id: ConnectionId = world.assistant.connect(tenant(1), account(FRESH)).await.unwrap();
            let connect = world.assistant.connect(tenant(1), account(FRESH));
            let disconnect = other.disconnect(tenant(1), id);
            let (connected, disconnected) = if swapped {
                let (disconnected, connected) = together(delay, disconnect, connect).await;
                (connected, disconnected)
            } else {
                together(delay, connect, disconnect).await
            };
            // Whoever disconnects is told if somebody connects at the same moment.
            assert!(matches!(disconnected, Ok(()) | Err(AssistantError::Conflict(_))), "{disconnected:?}");
            assert_eq!(connected.unwrap(), id);
            let live = states(&world, tenant(1)).await.contains(&ConnectionState::Live);
            assert_eq!(arrives(&world, "m1").await, live, "{delay} {swapped}");
        }
    }
}

#[tokio::test]
async fn no_process_takes_in_for_the_tenant_that_had_the_account_before() {
    let world = world().await;
    let other = world.second(parrot());
    let hears = |id: &str| Delivery { received_at: world.now(), items: vec![world.message(id, "Hello")] };
    assert_eq!(other.ingest(&hears("m1")).await.unwrap().stored, 1);
    // Only the first process does it; the other one remembers whose account it was.
    world.assistant.disconnect(tenant(1), world.connection).await.unwrap();
    assert_eq!(other.ingest(&hears("m2")).await.unwrap().unrouted, 1);
    world.assistant.connect(tenant(2), account(ACCOUNT)).await.unwrap();
    assert_eq!(other.ingest(&hears("m3")).await.unwrap().stored, 1);
    assert_eq!(world.messages().await.len(), 1, "nothing more for the first tenant");
    let inbox = other.desk(tenant(2)).inbox(None, 10).await.unwrap();
    assert_eq!(inbox.conversations.len(), 1);
    // A change of the connection that moves it nowhere loses nothing.
    world.assistant.set_mode(tenant(2), world.connection, AutomationMode::Suggest).await.unwrap();
    assert_eq!(other.ingest(&hears("m4")).await.unwrap().stored, 1);
}

#[tokio::test]
async fn nothing_is_sent_for_the_tenant_that_lost_the_account() {
    let world = world().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let desk = world.assistant.desk(tenant(1));
    desk.by(DANA).send(world.conversation().await, OutboundBody::text("Dana here")).await.unwrap();
    world.assistant.disconnect(tenant(1), world.connection).await.unwrap();
    world.assistant.connect(tenant(2), account(ACCOUNT)).await.unwrap();
    world.assistant.deliver(&Budget::default()).await.unwrap();
    assert_eq!(world.channel.texts().len(), 1, "the answer from before");
}

/// Promise P14: what was granted, in the log of the account holder, in the commit of what it allows.
#[tokio::test]
async fn p14_what_the_holder_granted_and_took_back_is_in_their_log_and_nobody_writes_it_by_hand() {
    let world = world().await;
    let holder = world.assistant.tenant(tenant(2)).await.unwrap();
    let desk = world.assistant.desk(tenant(2));
    let log = || async { desk.statements(About::holder(&holder)).await.unwrap() };
    let scoped = |scopes: &[&str]| NewConnection {
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..account(FRESH)
    };
    let id = world.assistant.connect(tenant(2), scoped(&["messaging"])).await.unwrap();
    let account = |scopes: &[&str], stands| Statement::Account {
        connection: id,
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        stands,
    };
    world.assistant.connect(tenant(2), scoped(&["messaging", "management"])).await.unwrap();
    world.assistant.disconnect(tenant(2), id).await.unwrap();
    let said: Vec<Statement> = log().await.into_iter().map(|event| event.statement).collect();
    let expected = [account(&["messaging"], true), account(&["messaging", "management"], true), account(&[], false)];
    assert_eq!(said, expected, "more scopes are a consent of their own");
    for stands in [true, false] {
        let by_hand = desk.declare(About::holder(&holder), account(&["everything"], stands), Act::Host).await;
        assert!(matches!(by_hand, Err(AssistantError::Invalid(_))), "{by_hand:?}");
    }
    // Whoever is dropped half-way has connected and granted, or neither.
    for polls in 1..AWAITS_MAX {
        let mut connecting = Box::pin(world.assistant.connect(tenant(2), scoped(&["messaging"])));
        let ended = cancel_after(polls, connecting.as_mut()).await.is_some();
        drop(connecting);
        let live = states(&world, tenant(2)).await == [ConnectionState::Live];
        let granted = matches!(log().await.last().unwrap().statement, Statement::Account { stands: true, .. });
        assert_eq!(live, granted, "after {polls} polls");
        if ended {
            return;
        }
        if live {
            world.assistant.disconnect(tenant(2), id).await.unwrap();
        }
    }
    panic!("it ends");
}
