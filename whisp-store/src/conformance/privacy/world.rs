//! Two businesses over the parts under test: what the cases act on.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use whisp_core::assistant::{
    Assistant, AssistantError, Budget, Config, Exported, Ingested, NewConnection, NewMember, NewTenant, OpenFile,
};
use whisp_core::clock::Clock;
use whisp_core::id::{
    ConnectionId, ContactId, ConversationId, IdSource, MediaId, MemberId, MessageId, SubjectId, TenantId,
};
use whisp_core::media::{MediaBody, MediaError, MediaPart, MediaRequest, MediaSource};
use whisp_core::model::{AccountId, AutomationMode, ChannelKind, Connection, Provenance};
use whisp_core::privacy::{
    About, Categories, DataCategory, LawfulBasis, ProcessingActivity, Purpose, Register, Role, SubjectKind,
};
use whisp_core::store::{Kind, ListOrder, ListQuery, PAGE_MAX, Record, Store, SubjectQuery};
use whisp_core::testing::{ManualClock, RecordingChannel, ScriptedEngine, SeqIds};
use whisp_core::webhook::{Delivery, Event, Item};

use super::raw::Needle;
use super::{Parts, Raw};
use crate::EnvelopeVault;

/// With this begins everything that is planted and may be nowhere in clear. Not all of it is ASCII, so that an escape hides
/// it no more than a code page.
pub(super) const CANARY: &str = "канарейка-7c1d";

/// What a file that somebody sends holds, over and over.
pub(super) const FILE: &str = "канарейка-7c1d-in-a-file ";

/// An assistant over the parts.
pub(super) struct World<'a> {
    pub(super) parts: &'a dyn Parts,
    pub(super) store: Arc<dyn Store>,
    pub(super) vault: Arc<EnvelopeVault>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) channel: Arc<RecordingChannel>,
    pub(super) assistant: Assistant,
    ids: Arc<SeqIds>,
}

/// A tenant of it.
pub(super) struct Business {
    pub(super) tenant: TenantId,
    pub(super) connection: ConnectionId,
    pub(super) member: MemberId,
    account: String,
}

impl<'a> World<'a> {
    pub(super) async fn new(parts: &'a dyn Parts) -> Self {
        Self::over(parts, parts.store()).await
    }

    /// The same with a decorator around the store.
    pub(super) async fn over(parts: &'a dyn Parts, store: Arc<dyn Store>) -> Self {
        let clock = Arc::new(ManualClock::default());
        let channel = Arc::new(RecordingChannel::new(ChannelKind::WhatsApp, Arc::clone(&clock) as Arc<dyn Clock>));
        Self::open(parts, store, clock, channel, 7).await
    }

    /// Another process over the same parts, which remembers nothing.
    pub(super) async fn again(&self, seed: u64) -> World<'a> {
        Self::open(self.parts, Arc::clone(&self.store), Arc::clone(&self.clock), Arc::clone(&self.channel), seed).await
    }

    async fn open(
        parts: &'a dyn Parts,
        store: Arc<dyn Store>,
        clock: Arc<ManualClock>,
        channel: Arc<RecordingChannel>,
        seed: u64,
    ) -> Self {
        let vault = EnvelopeVault::open(parts.provider(), parts.keys()).await.expect("the keys open");
        let (vault, ids) = (Arc::new(vault), Arc::new(SeqIds::new(seed)));
        let mut config = Config::default();
        config.register = register();
        let assistant = Assistant::builder()
            .store(Arc::clone(&store))
            .vault(Arc::clone(&vault) as _)
            .clock(Arc::clone(&clock) as _)
            .ids(Arc::clone(&ids) as _)
            .media(parts.media())
            .media_source(Arc::new(Files))
            .channel(Arc::clone(&channel) as _)
            .engine(Arc::new(ScriptedEngine::replying(|question| format!("You wrote: {question}"))))
            .config(config)
            .build()
            .expect("nothing is missing");
        Self { parts, store, vault, clock, channel, assistant, ids }
    }

    /// Takes a business on, with an account, a member, and everything of theirs planted.
    pub(super) async fn business(&self, name: &str) -> Business {
        let tenant = TenantId::from_uuid(self.ids.random());
        let canary = |what: &str| format!("{CANARY}-{what}-{name}");
        let new = NewTenant::new(tenant, &canary("business"), "Asia/Almaty");
        self.assistant.create_tenant(new).await.expect("takes a business on");
        let account = format!("1060-{name}");
        let new = NewConnection {
            channel: ChannelKind::WhatsApp,
            account: AccountId::new(&account),
            token: SecretString::from(canary("token")),
            scopes: vec!["whatsapp_business_messaging".to_owned()],
            mode: AutomationMode::Suggest,
        };
        let connection = self.assistant.connect(tenant, new).await.expect("connects");
        self.assistant.set_authorizer(tenant, connection, &canary("authorizer")).await.expect("notes who let us");
        self.assistant.set_automation(tenant, true).await.expect("turns it on");
        let member = MemberId(SubjectId::from_uuid(self.ids.random()));
        let new = NewMember { id: member, name: canary("member").as_str().into(), role: Role::Owner };
        self.assistant.desk(tenant).team().add(new).await.expect("takes a member in");
        Business { tenant, connection, member, account }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Time goes by.
    pub(super) fn later(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// Something that happens on an account, a moment ago by the platform's clock.
    pub(super) fn item(&self, business: &Business, id: &str, provenance: Provenance, event: Event) -> Item {
        Item {
            channel: ChannelKind::WhatsApp,
            account: Some(AccountId::new(&business.account)),
            provenance,
            at: DateTime::from_timestamp(self.now().timestamp() - 1, 0).expect("a time"),
            dedup: id.into(),
            event,
        }
    }

    pub(super) async fn ingest(&self, items: Vec<Item>) -> Ingested {
        let delivery = Delivery { received_at: self.now(), items };
        self.assistant.ingest(&delivery).await.expect("takes a webhook in")
    }

    /// Lets bursts end, then does what there is to do now. What fails because a case wants it to is tried no more then.
    pub(super) async fn settle(&self) {
        const ROUNDS_MAX: usize = 100;
        let budget = Budget::default();
        self.later(TimeDelta::seconds(4));
        for _ in 0..ROUNDS_MAX {
            let step = self.assistant.step(&budget).await.expect("steps");
            let sent = self.assistant.deliver(&budget).await.expect("delivers");
            let fetched = self.assistant.fetch(&budget).await.expect("fetches");
            if step.lanes + sent.lanes + fetched.lanes == 0 {
                return;
            }
        }
        panic!("there is always something to do");
    }

    /// Sweeps until nothing is left.
    pub(super) async fn sweep(&self) {
        const SWEEPS_MAX: usize = 100;
        for _ in 0..SWEEPS_MAX {
            if !self.assistant.sweep(10_000).await.expect("sweeps").into_result().expect("sweeps").more {
                return;
            }
        }
        panic!("there is always something past its time");
    }

    /// Whoever wrote last to a business.
    pub(super) async fn last(&self, business: &Business) -> (ContactId, ConversationId) {
        let inbox = self.assistant.desk(business.tenant).inbox(None, 1).await.expect("lists the inbox");
        let conversation = inbox.conversations.first().expect("somebody wrote");
        (conversation.contact, conversation.id)
    }

    /// Every record of somebody, as the store tells it.
    pub(super) async fn owned(&self, tenant: TenantId, subject: SubjectId) -> Vec<Record> {
        let mut query = SubjectQuery { tenant, subject, after: None, limit: PAGE_MAX };
        let mut records = Vec::new();
        loop {
            let page = self.store.of_subject(&query).await.expect("lists what somebody has");
            records.extend(page.records);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return records,
            }
        }
    }

    /// Every record of somebody that is found under a parent, whatever the store says about its people: under the tenant,
    /// the person, their conversation, their messages.
    pub(super) async fn listed(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        conversation: ConversationId,
    ) -> Vec<Record> {
        let mut parents = vec![tenant.into(), subject.into(), conversation.into()];
        let mut records = Vec::new();
        let listed = || Kind::ALL.iter().filter(|kind| kind.paths().listed && kind.paths().owned);
        while let Some(parent) = parents.pop() {
            for kind in listed() {
                for record in self.under(tenant, *kind, parent).await {
                    if record.kind == Kind::MESSAGE {
                        parents.push(record.id);
                    }
                    if record.subjects.contains(&subject) {
                        records.push(record);
                    }
                }
            }
        }
        records
    }

    async fn under(&self, tenant: TenantId, kind: Kind, parent: whisp_core::id::RecordId) -> Vec<Record> {
        let order = ListOrder::Ascending;
        let mut query = ListQuery { tenant, kind, parent, order, after: None, limit: PAGE_MAX };
        let mut records = Vec::new();
        loop {
            let page = self.store.list(&query).await.expect("lists");
            records.extend(page.records);
            match page.next {
                Some(next) => query.after = Some(next),
                None => return records,
            }
        }
    }

    /// The whole copy that somebody gets.
    pub(super) async fn copy(
        &self,
        tenant: TenantId,
        about: impl Into<About>,
    ) -> Result<Vec<Exported>, AssistantError> {
        let about = about.into();
        let (mut entries, mut after) = (Vec::new(), None);
        loop {
            let page = self.assistant.export(tenant, about.clone(), after).await?;
            entries.extend(page.entries);
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(entries),
            }
        }
    }

    /// The same, as a person gets it: a line each.
    pub(super) async fn lines(&self, tenant: TenantId, about: impl Into<About>) -> String {
        let entries = self.copy(tenant, about).await.expect("copies");
        entries.iter().map(|entry| serde_json::to_string(entry).expect("it is JSON") + "\n").collect()
    }

    /// The ids of the files of a message, and what is in each.
    pub(super) async fn files(&self, tenant: TenantId, message: MessageId) -> Vec<(MediaId, Vec<u8>)> {
        let desk = self.assistant.desk(tenant);
        let mut files = Vec::new();
        for file in desk.media(message).await.expect("lists files") {
            let open = desk.open_media(file.id).await.expect("opens a file");
            files.push((file.id, read(open).await));
        }
        files
    }

    /// Every file of a business, of whomever.
    pub(super) async fn kept_files(&self, tenant: TenantId) -> Vec<MediaId> {
        self.parts.media().list(tenant, None, PAGE_MAX).await.expect("lists files")
    }

    /// Panics if one of these is in the bytes behind the parts; tells where there are none to look at.
    pub(super) async fn nowhere(&self, needles: &[Needle]) {
        match self.parts.raw().await {
            Raw::Bytes(bytes) => {
                if let Some(found) = bytes.find(needles) {
                    panic!("{found}");
                }
            }
            Raw::Nothing(why) => super::left_out("at the bytes", why),
        }
    }

    /// The same for what was deleted, where it can be wiped.
    pub(super) async fn wiped(&self, needles: &[Needle]) {
        match self.parts.wipe().await {
            Ok(()) => self.nowhere(needles).await,
            Err(why) => super::left_out("for what was deleted", why),
        }
    }
}

async fn read(mut file: OpenFile) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(chunk) = file.next().await.expect("reads a file") {
        bytes.extend_from_slice(&chunk);
    }
    bytes
}

/// What the platform hands over, whatever is asked for.
#[derive(Debug)]
struct Files;

#[derive(Debug)]
struct Body(Option<Vec<u8>>);

#[async_trait]
impl MediaSource for Files {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }

    fn keeps_for(&self, _part: MediaPart) -> TimeDelta {
        TimeDelta::days(7)
    }

    async fn open(&self, _: &Connection, _: &MediaRequest) -> Result<Box<dyn MediaBody>, MediaError> {
        Ok(Box::new(Body(Some(FILE.repeat(100).into_bytes()))))
    }
}

#[async_trait]
impl MediaBody for Body {
    fn mime(&self) -> Option<String> {
        None
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, MediaError> {
        Ok(self.0.take())
    }
}

/// The standard register, and claims, for which a hold keeps something.
fn register() -> Register {
    let basis = LawfulBasis::LegalObligation { law: "a court's order".to_owned() };
    let categories = Categories::of(&[DataCategory::Identity, DataCategory::Media, DataCategory::MessageContent]);
    let claims = ProcessingActivity::new(Purpose::LegalCompliance, SubjectKind::Contact, basis, categories);
    Register::standard().with(claims).expect("it is in there once")
}
