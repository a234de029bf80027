//! An account is closed (promise P30): after a time to think it over nothing of the business is left, and nothing of it can
//! be read, wherever it is cut short; nobody else's is touched.

use std::sync::Arc;

use chrono::TimeDelta;
use secrecy::SecretString;
use whisp::Sensitive;
use whisp::assistant::{
    Assistant, AssistantError, DeletionProgress, NewConnection, NewMember, NewTenant, PlatformWord,
};
use whisp::id::{ContactId, MemberId, SubjectId, TenantId};
use whisp::model::{AccountId, AutomationMode, ChannelKind, ConnectionState};
use whisp::privacy::{
    Categories, DataCategory, HoldGround, HoldScope, LawfulBasis, NewHold, ProcessingActivity, Proof, ProofStrength,
    Purpose, Register, RequestEvent, RequestKind, Role, SubjectKind,
};
use whisp::store::{Kind, Store};
use whisp::stores::MemoryStore;
use whisp::testing::cancel_after;
use whisp::vault::{IndexField, Vault, VaultErrorKind};

use crate::world::{ACCOUNT, World, parrot};
use crate::yielding::Yielding;

const GRACE: TimeDelta = TimeDelta::days(30);
const OTHER: TenantId = TenantId::from_bytes([9; 16]);

/// A business with a conversation, beside another one.
async fn two_of(store: Arc<dyn Store>) -> (World, ContactId) {
    let world = World::over(store, parrot(), AutomationMode::Automatic).await;
    for id in ["m1", "m2"] {
        world.says(id, "Do you have cake?").await;
        world.settle().await;
    }
    world.assistant.create_tenant(NewTenant::new(OTHER, "Tea & Co", "UTC")).await.unwrap();
    let contact = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact;
    (world, contact)
}

async fn world() -> (World, ContactId) {
    two_of(Arc::new(MemoryStore::new())).await
}

/// Days pass, with a sweep each.
async fn days(world: &World, days: i64) {
    for _ in 0..days {
        world.later(24 * 3_600);
        world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    }
}

async fn is_gone(world: &World, assistant: &Assistant) {
    assert!(matches!(assistant.tenant(world.tenant).await, Err(AssistantError::NotFound("tenant"))));
    assert_eq!(world.store.clear(world.tenant, 1).await.unwrap(), 0, "nothing is left in the store");
    let index = world.vault.index(world.tenant, IndexField::Handle, b"77").await;
    assert_eq!(index.unwrap_err().kind(), VaultErrorKind::Erased, "nor any key");
    assert!(assistant.tenant(OTHER).await.is_ok());
    assert!(world.vault.index(OTHER, IndexField::Handle, b"77").await.is_ok());
}

#[tokio::test]
async fn p30_of_a_business_that_leaves_nothing_is_left_after_its_time() {
    let (world, contact) = world().await;
    let (desk, conversation) = (world.assistant.desk(world.tenant), world.conversation().await);
    let closing = desk.close(GRACE).await.unwrap();
    assert_eq!(closing.at, world.now() + GRACE);
    assert_eq!(desk.close(TimeDelta::zero()).await.unwrap(), closing, "it is sooner by no second word");
    // Nothing comes in, nothing goes out, and what is there can be taken out.
    assert_eq!(world.says("m3", "Hello?").await.unrouted, 1);
    assert!(!world.assistant.tenant(world.tenant).await.unwrap().automation);
    assert!(matches!(world.assistant.set_automation(world.tenant, true).await, Err(AssistantError::Invalid(_))));
    assert!(desk.messages(world.conversation().await, None, 10).await.is_ok());
    assert!(!world.assistant.export(world.tenant, contact, None).await.unwrap().entries.is_empty());
    // The account is free at once.
    let account = NewConnection {
        channel: ChannelKind::WhatsApp,
        account: AccountId::new(ACCOUNT),
        token: SecretString::from("t"),
        scopes: Vec::new(),
        mode: AutomationMode::Off,
    };
    world.assistant.connect(OTHER, account).await.unwrap();
    days(&world, 29).await;
    assert!(world.assistant.tenant(world.tenant).await.is_ok());
    assert_eq!(world.assistant.closed(world.tenant).await.unwrap(), None);
    let log = world.assistant.audit(world.tenant).head().await.unwrap();
    days(&world, 1).await;
    is_gone(&world, &world.assistant).await;
    let receipt = world.assistant.closed(world.tenant).await.unwrap().unwrap();
    assert_eq!((receipt.asked_at, receipt.completed_at), (closing.asked_at, world.now()));
    assert_eq!(receipt.key_destroyed_at, world.now());
    assert!(receipt.removed > 20, "{receipt:?}");
    assert_eq!(receipt.log, log, "its log can be compared with its anchors still");
    assert!(matches!(desk.messages(conversation, None, 10).await, Err(AssistantError::NotFound(_))));
    // Its id is nobody's again, and its account the other's still.
    let again = world.assistant.create_tenant(NewTenant::new(world.tenant, "Coffee", "UTC")).await;
    assert!(matches!(again, Err(AssistantError::Invalid(_))), "{again:?}");
    assert_eq!(world.says("m4", "Hello").await.stored, 1);
}

#[tokio::test]
async fn an_account_is_kept_open_as_long_as_its_time_has_not_come() {
    let (world, _) = world().await;
    let desk = world.assistant.desk(world.tenant);
    assert!(matches!(desk.keep_open().await, Err(AssistantError::NotFound(_))));
    assert!(matches!(desk.close(TimeDelta::seconds(-1)).await, Err(AssistantError::Invalid(_))));
    desk.close(GRACE).await.unwrap();
    days(&world, 20).await;
    desk.keep_open().await.unwrap();
    days(&world, 20).await;
    world.assistant.set_automation(world.tenant, true).await.unwrap();
    assert!(desk.messages(world.conversation().await, None, 10).await.is_ok());
    // An owner may, and nobody else of the team.
    let (owner, admin) = (MemberId(SubjectId::from_bytes([7; 16])), crate::world::DANA);
    desk.team().add(NewMember { id: owner, name: "Aliya".into(), role: Role::Owner }).await.unwrap();
    assert!(matches!(desk.by(admin).close(GRACE).await, Err(AssistantError::Forbidden(_))));
    desk.by(owner).close(GRACE).await.unwrap();
    assert!(matches!(desk.by(admin).keep_open().await, Err(AssistantError::Forbidden(_))));
}

#[tokio::test]
async fn a_hold_and_somebody_who_waits_for_a_copy_keep_an_account_from_its_end() {
    let basis = LawfulBasis::LegalObligation { law: "a court's order".to_owned() };
    let categories = Categories::of(&[DataCategory::Identity, DataCategory::MessageContent, DataCategory::Media]);
    let activity = ProcessingActivity::new(Purpose::LegalCompliance, SubjectKind::Contact, basis, categories);
    let mut config = whisp::assistant::Config::default();
    config.register = Register::standard().with(activity).unwrap();
    let store = Arc::new(MemoryStore::new());
    let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.config(config)).await;
    world.says("m1", "I will see you in court").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(world.conversation().await).await.unwrap().contact;
    let hold = NewHold {
        scope: HoldScope::default(),
        ground: HoldGround::LegalClaim,
        authority: "District court, 2-1234/2026".to_owned(),
        review_by: world.now() + TimeDelta::days(300),
    };
    let hold = desk.holds().place(contact, hold).await.unwrap();
    let request = desk.requests().take_in(contact, RequestKind::Access).await.unwrap();
    desk.close(TimeDelta::zero()).await.unwrap();
    days(&world, 3).await;
    assert!(world.assistant.tenant(world.tenant).await.is_ok());
    desk.holds().release(hold.id).await.unwrap();
    days(&world, 1).await;
    assert!(world.assistant.tenant(world.tenant).await.is_ok(), "somebody waits");
    let proof = Proof { strength: ProofStrength::Confirmed, at: world.now() };
    for event in [RequestEvent::Prove(proof), RequestEvent::Assess, RequestEvent::Approve] {
        desk.requests().apply(request.id(), event).await.unwrap();
    }
    desk.requests().copy(request.id(), None).await.unwrap();
    desk.requests().answer(request.id(), 1).await.unwrap();
    days(&world, 1).await;
    assert!(world.assistant.closed(world.tenant).await.unwrap().is_some());
}

#[tokio::test]
async fn a_closing_cut_short_anywhere_ends_with_the_next_sweep() {
    for (cut, polls) in (0..2_000).step_by(3).enumerate() {
        let (world, _) = two_of(Arc::new(Yielding(Arc::new(MemoryStore::new())))).await;
        world.assistant.desk(world.tenant).close(TimeDelta::zero()).await.unwrap();
        let swept = cancel_after(polls, world.assistant.sweep(1_000)).await;
        // Another process goes on: this one has crashed.
        let other = world.second(parrot());
        other.sweep(1_000).await.unwrap().into_result().unwrap();
        is_gone(&world, &other).await;
        let receipt = other.closed(world.tenant).await.unwrap().unwrap();
        assert_eq!(receipt.key_destroyed_at, world.now());
        if swept.is_some() {
            assert!(cut > 20, "{cut}");
            return;
        }
    }
    panic!("a sweep comes to no end");
}

/// An account is disconnected, or connected for the first time, and that is cut short anywhere: what is left of it keeps no
/// business from its end.
#[tokio::test]
async fn p30_what_a_crash_left_of_a_connection_keeps_no_account_open() {
    for connects in [false, true] {
        let (mut ended, mut left) = (false, 0);
        for polls in 0..2_000 {
            let (world, _) = two_of(Arc::new(Yielding(Arc::new(MemoryStore::new())))).await;
            ended = if connects {
                let new = NewConnection {
                    channel: ChannelKind::WhatsApp,
                    account: AccountId::new("2060"),
                    token: SecretString::from("a token"),
                    scopes: Vec::new(),
                    mode: AutomationMode::Off,
                };
                cancel_after(polls, world.assistant.connect(world.tenant, new)).await.is_some()
            } else {
                cancel_after(polls, world.assistant.disconnect(world.tenant, world.connection)).await.is_some()
            };
            let other = world.second(parrot());
            let states = other.connections(world.tenant).await.unwrap();
            left += usize::from(!ended && states.iter().any(|(.., state)| *state == ConnectionState::Disconnected));
            other.desk(world.tenant).close(TimeDelta::zero()).await.unwrap();
            other.sweep(1_000).await.unwrap().into_result().unwrap();
            is_gone(&world, &other).await;
            if ended {
                break;
            }
        }
        assert!(ended && left > 0, "it was cut short nowhere in between");
    }
}

#[tokio::test]
async fn what_a_crash_left_connected_is_disconnected_by_the_next_sweep() {
    let mut left = 0;
    for polls in 0..2_000 {
        let (world, _) = two_of(Arc::new(Yielding(Arc::new(MemoryStore::new())))).await;
        let closing = cancel_after(polls, world.assistant.desk(world.tenant).close(GRACE)).await;
        let other = world.second(parrot());
        let asked = other.tenant(world.tenant).await.unwrap().closing.is_some();
        let live = async || {
            let all = other.connections(world.tenant).await.unwrap();
            all.iter().any(|(.., state)| *state != ConnectionState::Disconnected)
        };
        left += usize::from(asked && live().await);
        other.sweep(1_000).await.unwrap().into_result().unwrap();
        assert_eq!(live().await, !asked, "after {polls} polls");
        if closing.is_some() {
            assert!(left > 0, "it was cut short nowhere in between");
            return;
        }
    }
    panic!("it comes to no end");
}

#[tokio::test]
async fn a_clock_that_jumps_closes_no_account() {
    let (world, _) = world().await;
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    world.assistant.desk(world.tenant).close(GRACE).await.unwrap();
    world.later(40 * 24 * 3_600);
    assert!(matches!(world.assistant.sweep(1_000).await, Err(AssistantError::Clock { .. })));
    assert!(world.assistant.tenant(world.tenant).await.is_ok());
    world.assistant.trust_clock().await.unwrap();
    assert_eq!(world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().closed, 1);
}

#[tokio::test]
async fn who_asked_the_platform_to_delete_their_account_is_told_when_it_is_closed() {
    let (world, _) = world().await;
    world.assistant.set_authorizer(world.tenant, world.connection, "app-user-1").await.unwrap();
    let repeats_until = world.now() + TimeDelta::days(1);
    let word = PlatformWord { user: Sensitive::from("app-user-1"), digest: [3; 32], repeats_until };
    let code = world.assistant.delete_account_data(&word).await.unwrap();
    assert_eq!(world.assistant.deletion(code).await.unwrap(), Some(DeletionProgress::Received));
    let desk = world.assistant.desk(world.tenant);
    desk.close(TimeDelta::zero()).await.unwrap();
    assert_eq!(world.assistant.deletion(code).await.unwrap(), Some(DeletionProgress::Received));
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    is_gone(&world, &world.assistant).await;
    assert_eq!(world.assistant.deletion(code).await.unwrap(), Some(DeletionProgress::Done));
    let grantor = world.store.get(TenantId::DIRECTORY, Kind::GRANTOR, world.connection.into()).await.unwrap();
    assert_eq!(grantor, None);
}
