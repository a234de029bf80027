//! Invariant I-10: once a withdrawal or an erasure is committed, nothing leaves, however the calls fall between one another.
//! A withdrawal through each of its doors runs beside the delivery of a reply, one poll of either at a time, as a seed says.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use whisp::assistant::Budget;
use whisp::channel::{Capabilities, Channel, ChannelError, ChannelErrorKind, Outbound, SendReceipt, TextLimit};
use whisp::clock::Clock;
use whisp::error::Retry;
use whisp::id::{ContactId, SubjectId, TenantId};
use whisp::model::{
    AutomationMode, ChannelKind, Connection, Content, Handle, HandleKind, PlatformMessageId, Provenance,
};
use whisp::privacy::{Act, Grant, Purpose, RestrictionGround, Statement};
use whisp::store::{Kind, Sealed};
use whisp::stores::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable};
use whisp::testing::ManualClock;
use whisp::vault::{
    ClosedVault, Destruction, Digest, EpochDue, IndexField, KeyErasure, SealContext, Turn, Vault, VaultError,
};
use whisp::webhook::{ContactRef, Event, MessageEvent};

use crate::rng::Rng;
use crate::tap::{Tap, puts};
use crate::world::{World, parrot};
use crate::yielding::{Yielding, pause};

/// How many interleavings there are, over how many worlds.
const SEEDS: usize = 10_000;
const WORLDS: usize = 100;

/// What the test sees of the inside: whether the person's no is durable.
#[derive(Debug, Default)]
struct Seen {
    committed: AtomicBool,
    /// Messages that left before.
    before: AtomicUsize,
    /// Messages that left after: there must be none.
    after: AtomicUsize,
}

/// Notes the moment in which a key is gone, and yields around each call.
struct NotingVault(EnvelopeVault, Arc<Seen>);

impl fmt::Debug for NotingVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NotingVault")
    }
}

#[async_trait]
impl Vault for NotingVault {
    async fn provision(&self, tenant: TenantId, subjects: &[SubjectId]) -> Result<(), VaultError> {
        self.0.provision(tenant, subjects).await
    }
    async fn seal(&self, context: &SealContext, plain: &[u8]) -> Result<Sealed, VaultError> {
        self.0.seal(context, plain).await
    }
    async fn open(
        &self,
        grant: &Grant,
        context: &SealContext,
        sealed: &Sealed,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, VaultError> {
        pause().await;
        let opened = self.0.open(grant, context, sealed).await;
        pause().await;
        opened
    }
    async fn index(&self, tenant: TenantId, field: IndexField, value: &[u8]) -> Result<Digest, VaultError> {
        self.0.index(tenant, field, value).await
    }
    async fn renew(&self, tenant: TenantId, subject: SubjectId) -> Result<u32, VaultError> {
        self.0.renew(tenant, subject).await
    }
    async fn reseal(
        &self,
        grant: &Grant,
        context: &SealContext,
        sealed: &Sealed,
    ) -> Result<Option<Sealed>, VaultError> {
        self.0.reseal(grant, context, sealed).await
    }
    async fn erase(&self, tenant: TenantId, subject: SubjectId, at: DateTime<Utc>) -> Result<KeyErasure, VaultError> {
        pause().await;
        let erased = self.0.erase(tenant, subject, at).await?;
        self.1.committed.store(true, Ordering::Relaxed);
        pause().await;
        Ok(erased)
    }
    async fn turn(&self, tenant: TenantId, due: &EpochDue, limit: usize) -> Result<Turn, VaultError> {
        self.0.turn(tenant, due, limit).await
    }
    async fn end_turn(&self, tenant: TenantId, epoch: u32) -> Result<(), VaultError> {
        self.0.end_turn(tenant, epoch).await
    }
    async fn close(&self, tenant: TenantId, at: DateTime<Utc>, limit: usize) -> Result<ClosedVault, VaultError> {
        self.0.close(tenant, at, limit).await
    }
    fn destruction(&self) -> Destruction {
        self.0.destruction()
    }
}

/// A channel that takes its time before it opens the message, and notes when it leaves.
#[derive(Debug)]
struct Slow(Arc<ManualClock>, Arc<Seen>);

#[async_trait]
impl Channel for Slow {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::text_only(TextLimit::Chars(1_000))
    }
    async fn send(&self, _connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        for _ in 0..3 {
            pause().await;
        }
        message
            .release(self.0.now())
            .map_err(|denied| ChannelError::new("send", ChannelErrorKind::Denied, Retry::Never).with_source(denied))?;
        let count = if self.1.committed.load(Ordering::Relaxed) { &self.1.after } else { &self.1.before };
        count.fetch_add(1, Ordering::Relaxed);
        pause().await;
        Ok(SendReceipt::new(Some(PlatformMessageId::new(&message.tag))))
    }
}

type Call<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Polls two calls, one at a time, as the seed says, until both have ended.
fn interleave(rng: &mut Rng, calls: [Call<'_>; 2]) {
    let mut left = Vec::from(calls);
    // Now and then one of the two is far ahead of the other.
    let bias = [1, 2, 2, 2, 4, 16][rng.below(6)];
    let favoured = rng.below(2);
    while !left.is_empty() {
        let place = if left.len() == 1 {
            0
        } else if rng.one_in(bias) {
            1 - favoured
        } else {
            favoured
        };
        if left[place].as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            drop(left.remove(place));
        }
    }
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "a run tells what it tried")]
async fn i10_after_the_commit_of_a_no_nothing_leaves_in_ten_thousand_interleavings() {
    let seen = Arc::new(Seen::default());
    let (mut denied, mut sent) = (0, 0);
    for number in 0..WORLDS {
        let (tap, noted) = (Tap::new(), Arc::clone(&seen));
        // The moment in which a statement is durable.
        tap.tell(move |batch| {
            if puts(batch, Kind::CONSENT).next().is_some() {
                noted.committed.store(true, Ordering::Relaxed);
            }
        });
        let store = Arc::new(Yielding(tap.store()));
        let keys = tempfile::tempdir().unwrap();
        let provider = LocalKeyProvider::create(keys.path().join("root.key")).unwrap();
        let vault = EnvelopeVault::open(Arc::new(provider), Arc::new(MemoryKeyTable::new())).await.unwrap();
        let clock = Arc::new(ManualClock::default());
        let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| {
            builder
                .clock(Arc::clone(&clock) as _)
                .vault(Arc::new(NotingVault(vault, Arc::clone(&seen))))
                .channel(Arc::new(Slow(Arc::clone(&clock), Arc::clone(&seen))))
        })
        .await;
        for round in 0..SEEDS / WORLDS {
            let mut rng = Rng((number * SEEDS + round) as u64);
            one(&world, &clock, &seen, round, &mut rng).await;
            assert_eq!(seen.after.load(Ordering::Relaxed), 0, "world {number}, round {round}");
            match seen.before.swap(0, Ordering::Relaxed) {
                0 => denied += 1,
                _ => sent += 1,
            }
        }
    }
    println!("{SEEDS} interleavings: in {sent} the reply had left before, in {denied} it never did, in none after");
    assert!(denied > SEEDS / 10 && sent > SEEDS / 10, "{denied} {sent}: the calls do not meet");
}

/// Somebody writes, a reply waits, and while it is sent the person says no.
async fn one(world: &World, clock: &ManualClock, seen: &Seen, round: usize, rng: &mut Rng) {
    seen.committed.store(false, Ordering::Relaxed);
    let phone = ContactRef { handles: vec![Handle::new(HandleKind::Phone, &format!("7701{round:07}"))], name: None };
    let says = |id: &str, text: &str| {
        let id = format!("{round}:{id}");
        let message = MessageEvent::new(Some(PlatformMessageId::new(&id)), phone.clone(), Content::text(text));
        let mut item = world.event(&id, Provenance::Live, Event::Message(message));
        item.at = DateTime::from_timestamp(clock.now().timestamp(), 0).unwrap();
        whisp::webhook::Delivery { received_at: clock.now(), items: vec![item] }
    };
    let assistant = &world.assistant;
    assistant.ingest(&says("hello", "Hello")).await.unwrap();
    clock.advance(chrono::TimeDelta::seconds(4));
    assert_eq!(assistant.step(&Budget::default()).await.unwrap().queued, 1);
    let desk = assistant.desk(world.tenant);
    let contact: ContactId = desk.inbox(None, 1).await.unwrap().conversations[0].contact;
    let no: Call<'_> = match rng.below(6) {
        0 => Box::pin(async move { drop(assistant.erase(world.tenant, contact).await.unwrap()) }),
        1 => {
            let stop = says("stop", "стоп");
            Box::pin(async move { assert_eq!(assistant.ingest(&stop).await.unwrap().stored, 1) })
        }
        // The business itself gives the account up; Meta's word that it did comes to the same.
        2 => Box::pin(async move { assistant.disconnect(world.tenant, world.connection).await.unwrap() }),
        door => {
            let statement = match door {
                3 => Statement::withdrawn(Purpose::AutomatedReplies),
                4 => Statement::Objection { purpose: Purpose::AutomatedReplies, stands: true },
                _ => Statement::Restriction { ground: RestrictionGround::Unlawful, stands: true },
            };
            Box::pin(async move { drop(desk.declare(contact, statement, Act::Host).await.unwrap()) })
        }
    };
    let deliver: Call<'_> = Box::pin(async move {
        // What it could not send, because somebody was about to say no, it says; the next round looks again.
        drop(assistant.deliver(&Budget::default()).await.unwrap());
    });
    interleave(rng, [deliver, no]);
    // Whatever is left to do must not send it either.
    for _ in 0..3 {
        clock.advance(chrono::TimeDelta::seconds(4));
        drop(assistant.step(&Budget::default()).await.unwrap());
        drop(assistant.deliver(&Budget::default()).await.unwrap());
    }
    // For the next round, if it is not.
    world.connect().await;
}
