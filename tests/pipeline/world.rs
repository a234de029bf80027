//! A small world for the tests: one tenant, one WhatsApp connection, a store in memory, a real vault, a recording channel.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use whisp::assistant::{
    Assistant, AssistantBuilder, Budget, Ingested, NewConnection, NewMember, NewTenant, StepReport,
};
use whisp::clock::Clock;
use whisp::id::{ConnectionId, ConversationId, MemberId, MessageId, SubjectId, TenantId};
use whisp::kpi::Fact;
use whisp::model::{
    AccountId, AutomationMode, ChannelKind, Content, DeliveryStep, FailureCode, Handle, HandleKind, Message,
    PlatformMessageId, Provenance,
};
use whisp::privacy::Role;
use whisp::reply::ReplyEngine;
use whisp::store::{FactQuery, Kind, ListOrder, ListQuery, Store};
use whisp::stores::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable, MemoryStore};
use whisp::testing::{ManualClock, RecordingChannel, ScriptedEngine, SeqIds};
use whisp::webhook::{ContactRef, Delivery, Event, Item, MessageEvent, Receipt, ReceiptTarget};

pub(crate) const PHONE: &str = "77011234567";
pub(crate) const ACCOUNT: &str = "1060";
pub(crate) const TOKEN: &str = "EAAG-canary-token";
/// An admin of the team.
pub(crate) const DANA: MemberId = MemberId(SubjectId::from_bytes([5; 16]));

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) vault: Arc<EnvelopeVault>,
    pub(crate) channel: Arc<RecordingChannel>,
    pub(crate) assistant: Assistant,
    pub(crate) tenant: TenantId,
    pub(crate) connection: ConnectionId,
    pub(crate) keys: tempfile::TempDir,
}

/// Takes somebody into a team.
pub(crate) async fn join(assistant: &Assistant, tenant: TenantId, id: MemberId, role: Role) {
    assistant.desk(tenant).team().add(NewMember { id, name: "Dana".into(), role }).await.unwrap();
}

/// Answers every question with `Answer: <question>`.
pub(crate) fn parrot() -> Arc<dyn ReplyEngine> {
    Arc::new(ScriptedEngine::replying(|question| format!("Answer: {question}")))
}

impl World {
    /// An automatic world with a parrot.
    pub(crate) async fn new() -> Self {
        Self::with(parrot(), AutomationMode::Automatic).await
    }

    pub(crate) async fn with(engine: Arc<dyn ReplyEngine>, mode: AutomationMode) -> Self {
        Self::over(Arc::new(MemoryStore::new()), engine, mode).await
    }

    pub(crate) async fn over(store: Arc<dyn Store>, engine: Arc<dyn ReplyEngine>, mode: AutomationMode) -> Self {
        Self::equipped(store, engine, mode, |builder| builder).await
    }

    /// A world whose assistant has something more.
    pub(crate) async fn equipped(
        store: Arc<dyn Store>,
        engine: Arc<dyn ReplyEngine>,
        mode: AutomationMode,
        equip: impl FnOnce(AssistantBuilder) -> AssistantBuilder,
    ) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let provider = Arc::new(LocalKeyProvider::create(keys.path().join("root.key")).unwrap());
        let vault = Arc::new(EnvelopeVault::open(provider, Arc::new(MemoryKeyTable::new())).await.unwrap());
        let clock = Arc::new(ManualClock::default());
        let channel = RecordingChannel::new(ChannelKind::WhatsApp, Arc::clone(&clock) as Arc<dyn Clock>);
        let channel = Arc::new(channel.with_contact_book(HandleKind::Bsuid));
        let builder = Assistant::builder()
            .store(Arc::clone(&store))
            .vault(Arc::clone(&vault) as _)
            .clock(Arc::clone(&clock) as _)
            .ids(Arc::new(SeqIds::new(7)))
            .channel(Arc::clone(&channel) as _)
            .engine(engine);
        let assistant = equip(builder).build().unwrap();
        let tenant = TenantId::from_uuid(uuid::Uuid::from_u128(1));
        assistant.create_tenant(NewTenant::new(tenant, "Coffee & Co", "Asia/Almaty")).await.unwrap();
        join(&assistant, tenant, DANA, Role::Admin).await;
        assistant.set_automation(tenant, true).await.unwrap();
        let connection = assistant.connect(tenant, account(mode)).await.unwrap();
        Self { clock, store, vault, channel, assistant, tenant, connection, keys }
    }

    /// Connects the account again, automatic.
    pub(crate) async fn connect(&self) {
        self.assistant.connect(self.tenant, account(AutomationMode::Automatic)).await.unwrap();
    }

    /// A second process over the same store and keys.
    pub(crate) fn second(&self, engine: Arc<dyn ReplyEngine>) -> Assistant {
        self.another(engine, 8, |builder| builder)
    }

    /// One more process, with ids of its own, whose assistant has something more.
    pub(crate) fn another(
        &self,
        engine: Arc<dyn ReplyEngine>,
        ids: u64,
        equip: impl FnOnce(AssistantBuilder) -> AssistantBuilder,
    ) -> Assistant {
        let builder = Assistant::builder()
            .store(Arc::clone(&self.store))
            .vault(Arc::clone(&self.vault) as _)
            .clock(Arc::clone(&self.clock) as _)
            .ids(Arc::new(SeqIds::new(ids)))
            .channel(Arc::clone(&self.channel) as _)
            .engine(engine);
        equip(builder).build().unwrap()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn later(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
    }

    pub(crate) async fn ingest(&self, items: Vec<Item>) -> Ingested {
        let delivery = Delivery { received_at: self.now(), items };
        self.assistant.ingest(&delivery).await.unwrap()
    }

    /// The contact writes, now.
    pub(crate) async fn says(&self, id: &str, text: &str) -> Ingested {
        self.ingest(vec![self.message(id, text)]).await
    }

    pub(crate) fn message(&self, id: &str, text: &str) -> Item {
        self.event(id, Provenance::Live, Event::Message(incoming(id, Content::text(text))))
    }

    /// A member writes on the phone, or the platform echoes what we sent.
    pub(crate) fn echo(&self, id: &str, text: &str, tag: Option<&str>) -> Item {
        let mut message = incoming(id, Content::text(text));
        message.outgoing = true;
        message.extras.tag = tag.map(Into::into);
        self.event(&format!("echo:{id}"), Provenance::Echo, Event::Message(message))
    }

    pub(crate) fn event(&self, dedup: &str, provenance: Provenance, event: Event) -> Item {
        Item {
            channel: ChannelKind::WhatsApp,
            account: Some(AccountId::new(ACCOUNT)),
            provenance,
            // The platform's clock counts in seconds and is a little behind.
            at: DateTime::from_timestamp(self.now().timestamp() - 1, 0).unwrap(),
            dedup: dedup.into(),
            event,
        }
    }

    pub(crate) fn receipt(&self, id: &str, step: DeliveryStep, tag: Option<&str>, failure: Option<i64>) -> Item {
        let event = Event::Receipt(Receipt {
            target: ReceiptTarget::Messages(vec![PlatformMessageId::new(id)]),
            contact: None,
            step,
            failure: failure.map(FailureCode),
            opted_out: false,
            tag: tag.map(Into::into),
            pricing: None,
        });
        self.event(&format!("{id}:{step:?}"), Provenance::Live, event)
    }

    pub(crate) async fn step(&self) -> StepReport {
        self.assistant.step(&Budget::default()).await.unwrap()
    }

    pub(crate) async fn deliver(&self) -> StepReport {
        self.assistant.deliver(&Budget::default()).await.unwrap()
    }

    /// Lets the burst end, then steps and delivers until nothing is left to do now. Fails on any error.
    pub(crate) async fn settle(&self) {
        self.later(4);
        for _ in 0..50 {
            let step = self.step().await;
            let delivery = self.deliver().await;
            assert!(step.errors.is_empty() && delivery.errors.is_empty(), "{step:?} {delivery:?}");
            if step.lanes + delivery.lanes == 0 {
                return;
            }
        }
        panic!("there is always something to do");
    }

    /// The same where the channel fails.
    pub(crate) async fn settle_with_errors(&self) {
        self.later(4);
        self.step().await;
        assert_eq!(self.deliver().await.errors.len(), 1);
    }

    pub(crate) async fn conversation(&self) -> ConversationId {
        let inbox = self.assistant.desk(self.tenant).inbox(None, 10).await.unwrap();
        assert_eq!(inbox.conversations.len(), 1, "one conversation");
        inbox.conversations[0].id
    }

    /// All facts, oldest first.
    pub(crate) async fn facts(&self) -> Vec<Fact> {
        let (from, until) = (DateTime::<Utc>::MIN_UTC, self.now() + TimeDelta::days(1));
        let query = FactQuery { tenant: self.tenant, from, until, after: None, limit: 1_000 };
        self.store.scan(&query).await.unwrap().facts
    }

    /// The ids of the messages of the only conversation, oldest first, whether they can be opened or not.
    pub(crate) async fn messages_raw(&self) -> Vec<MessageId> {
        let query = ListQuery {
            tenant: self.tenant,
            kind: Kind::MESSAGE,
            parent: self.conversation().await.into(),
            order: ListOrder::Ascending,
            after: None,
            limit: 100,
        };
        let records = self.store.list(&query).await.unwrap().records;
        records.into_iter().map(|record| MessageId::from_uuid(record.id.as_uuid())).collect()
    }

    /// The messages of the only conversation, oldest first.
    pub(crate) async fn messages(&self) -> Vec<Message> {
        let id = self.conversation().await;
        let (mut messages, _) = self.assistant.desk(self.tenant).messages(id, None, 100).await.unwrap();
        messages.reverse();
        messages
    }
}

fn account(mode: AutomationMode) -> NewConnection {
    NewConnection {
        channel: ChannelKind::WhatsApp,
        account: AccountId::new(ACCOUNT),
        token: SecretString::from(TOKEN),
        scopes: vec!["whatsapp_business_messaging".to_owned()],
        mode,
    }
}

pub(crate) fn contact() -> ContactRef {
    ContactRef { handles: vec![Handle::new(HandleKind::Phone, PHONE)], name: Some("Aigerim".into()) }
}

pub(crate) fn incoming(id: &str, content: Content) -> MessageEvent {
    MessageEvent::new(Some(PlatformMessageId::new(id)), contact(), content)
}
