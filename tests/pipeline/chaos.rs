//! Everything at once: contacts, members, receipts, echoes, erasures, two workers that are dropped half-way, a platform
//! that loses answers and a clock that jumps. One seed decides all of it.

mod check;
pub(crate) mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use secrecy::SecretString;
use whisp::assistant::{Assistant, Budget, NewConnection, NewTenant};
use whisp::channel::OutboundBody;
use whisp::clock::Clock;
use whisp::error::Retry;
use whisp::id::{ContactId, ConversationId, MemberId, SubjectId, TenantId};
use whisp::model::{
    AccountId, AutomationMode, ChannelKind, Content, DeliveryStep, HandOffReason, Handle, HandleKind,
    PlatformMessageId, Provenance,
};
use whisp::reply::{Decision, Proposal, ReplyError, ReplyErrorKind};
use whisp::store::Store;
use whisp::stores::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable, MemoryStore};
use whisp::testing::{ManualClock, ScriptedEngine, SeqIds, cancel_after};
use whisp::webhook::{ContactRef, Delivery, Event as Hook, Item, MessageEvent, Receipt, ReceiptTarget};

use crate::chaos::wire::{Event, Log, Rng, Wire};
use crate::yielding::{Yielding, pause};

/// How many seeds the test runs.
const SEEDS: u64 = 300;

/// On how many threads; each seed has a world of its own.
const THREADS: u64 = 4;

/// How many things happen under one seed before all is left to settle.
const ACTIONS: usize = 60;

/// How many contacts write.
const CONTACTS: usize = 3;

/// After how many polls at most a call is dropped; most calls have fewer awaits.
const POLLS_MAX: usize = 90;

struct Chaos {
    rng: Rng,
    clock: Arc<ManualClock>,
    log: Log,
    store: Arc<dyn Store>,
    workers: Vec<Assistant>,
    tenant: TenantId,
    /// Every message of each contact that the platform has delivered since the contact was last erased.
    accepted: Vec<BTreeSet<String>>,
    /// Of those, the ones that were taken back.
    unsent: BTreeSet<String>,
    /// Items that may come again.
    seen: Vec<Item>,
    counter: usize,
    _keys: tempfile::TempDir,
}

fn member() -> MemberId {
    MemberId(SubjectId::from_uuid(uuid::Uuid::from_u128(42)))
}

fn phone(contact: usize) -> String {
    format!("7701{contact:07}")
}

/// Answers with the questions that it was asked, fails or hands over by their number.
fn engine() -> ScriptedEngine {
    ScriptedEngine::new(|request| {
        let question = request.question()?;
        let numbers = check::numbers(&question);
        let (least, last) = (numbers.iter().min().unwrap_or(&0), numbers.iter().max().unwrap_or(&0));
        // Short, so that the first of several parts holds it all.
        let question = if numbers.is_empty() { question } else { format!("q{least} q{last}") };
        let tries = request.now.timestamp().unsigned_abs();
        match last % 9 {
            0 => Ok(Decision::HandOff { reason: HandOffReason::NoAnswer, notice: None }),
            1 if tries % 3 != 0 => Err(ReplyError::new("reply", ReplyErrorKind::Unavailable, Retry::After(None))),
            2 => Ok(Decision::Reply(Proposal::new(&format!("{question} {}", "and so on ".repeat(20))))),
            _ => Ok(Decision::Reply(Proposal::new(&question))),
        }
    })
}

impl Chaos {
    async fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let keys = tempfile::tempdir().unwrap();
        let provider = Arc::new(LocalKeyProvider::create(keys.path().join("root.key")).unwrap());
        let vault = Arc::new(EnvelopeVault::open(provider, Arc::new(MemoryKeyTable::new())).await.unwrap());
        let clock = Arc::new(ManualClock::default());
        let store: Arc<dyn Store> = Arc::new(Yielding(Arc::new(MemoryStore::new())));
        let log = Log::default();
        let workers: Vec<Assistant> = (0..1 + rng.below(2))
            .map(|worker| {
                let wire = Wire {
                    worker,
                    clock: Arc::clone(&clock),
                    log: Arc::clone(&log),
                    rng: Mutex::new(Rng(seed ^ (0xabc + worker as u64))),
                };
                Assistant::builder()
                    .store(Arc::clone(&store))
                    .vault(Arc::clone(&vault) as _)
                    .clock(Arc::clone(&clock) as _)
                    .ids(Arc::new(SeqIds::new(seed * 2 + worker as u64)))
                    .channel(Arc::new(wire))
                    .engine(Arc::new(engine()))
                    .build()
                    .unwrap()
            })
            .collect();
        let tenant = TenantId::from_uuid(uuid::Uuid::from_u128(1));
        workers[0].create_tenant(NewTenant::new(tenant, "Coffee & Co", "Asia/Almaty")).await.unwrap();
        workers[0].set_automation(tenant, true).await.unwrap();
        let connection = NewConnection {
            channel: ChannelKind::WhatsApp,
            account: AccountId::new("1060"),
            token: SecretString::from("token"),
            scopes: Vec::new(),
            mode: AutomationMode::Automatic,
        };
        workers[0].connect(tenant, connection).await.unwrap();
        let accepted = vec![BTreeSet::new(); CONTACTS];
        let (unsent, seen) = (BTreeSet::new(), Vec::new());
        Self { rng, clock, log, store, workers, tenant, accepted, unsent, seen, counter: 0, _keys: keys }
    }

    fn note(&self, event: Event) {
        self.log.lock().unwrap().push(event);
    }

    fn did(&self, what: String) {
        self.note(Event::Did(what));
    }

    fn worker(&mut self) -> (usize, Assistant) {
        let worker = self.rng.below(self.workers.len());
        (worker, self.workers[worker].clone())
    }

    fn item(&mut self, dedup: &str, provenance: Provenance, event: Hook) -> Item {
        // The platform's clock counts in seconds, runs a little apart from ours, and items overtake one another.
        let off = i64::try_from(self.rng.below(8)).unwrap() - 5;
        Item {
            channel: ChannelKind::WhatsApp,
            account: Some(AccountId::new("1060")),
            provenance,
            at: chrono::DateTime::from_timestamp(self.clock.now().timestamp() + off, 0).unwrap(),
            dedup: dedup.into(),
            event,
        }
    }

    fn contact_ref(&mut self, contact: usize) -> ContactRef {
        let mut handles = vec![Handle::new(HandleKind::Phone, &phone(contact))];
        if self.rng.one_in(3) {
            handles.push(Handle::new(HandleKind::Bsuid, &format!("KZ.{contact}")));
        }
        if self.rng.one_in(4) {
            handles.push(Handle::new(HandleKind::ParentBsuid, &format!("KZ.ENT.{contact}")));
        }
        ContactRef { handles, name: None }
    }

    /// Takes items in, dropped a few times before it is let through, as a platform that delivers again does.
    async fn ingest(&mut self, items: Vec<Item>) -> usize {
        let (worker, assistant) = self.worker();
        let delivery = Delivery { received_at: self.clock.now(), items };
        if self.rng.one_in(3) {
            let polls = self.rng.below(POLLS_MAX);
            cancel_after(polls, assistant.ingest(&delivery)).await;
        }
        let report = assistant.ingest(&delivery).await.expect("a webhook is taken in");
        self.did(format!("{worker} took in {report:?}"));
        self.seen.extend(delivery.items);
        worker
    }

    fn writes(&mut self, contact: usize, text: &str) -> Item {
        self.counter += 1;
        let id = format!("in.{}", self.counter);
        self.accepted[contact].insert(id.clone());
        let from = self.contact_ref(contact);
        let event = MessageEvent::new(Some(PlatformMessageId::new(&id)), from, Content::text(text));
        self.item(&id, Provenance::Live, Hook::Message(Box::new(event)))
    }

    async fn questions(&mut self) {
        let mut items = Vec::new();
        for _ in 0..=self.rng.below(3) {
            let contact = self.rng.below(CONTACTS);
            let text = format!("q{}", self.counter + 1);
            items.push(self.writes(contact, &text));
        }
        for _ in 0..self.rng.below(3) {
            if !self.seen.is_empty() {
                let again = self.rng.below(self.seen.len());
                items.push(self.seen[again].clone());
            }
        }
        self.ingest(items).await;
    }

    async fn stops(&mut self) {
        let contact = self.rng.below(CONTACTS);
        if self.rng.one_in(2) {
            let item = self.writes(contact, "start");
            self.note(Event::Resumed { contact });
            self.ingest(vec![item]).await;
            return;
        }
        let items = if self.rng.one_in(2) {
            vec![self.writes(contact, "start"), self.writes(contact, "stop")]
        } else {
            vec![self.writes(contact, "stop")]
        };
        let worker = self.ingest(items).await;
        self.note(Event::Stopped { contact, worker, at: self.clock.now() });
    }

    /// The platform tells what became of a message, or repeats it.
    async fn news(&mut self) {
        let sent: Vec<(String, String, String)> = self
            .log
            .lock()
            .unwrap()
            .iter()
            .filter_map(|event| match event {
                Event::Sent { to, tag, id, .. } => Some((to.clone(), tag.clone(), id.clone())),
                _ => None,
            })
            .collect();
        if sent.is_empty() {
            return;
        }
        let (to, tag, id) = sent[self.rng.below(sent.len())].clone();
        let tag = (!self.rng.one_in(3)).then_some(tag);
        let step = [DeliveryStep::Sent, DeliveryStep::Delivered, DeliveryStep::Read][self.rng.below(3)];
        let contact = ContactRef { handles: vec![Handle::new(HandleKind::Phone, &to)], name: None };
        let item = if self.rng.one_in(2) {
            let told = (!self.rng.one_in(4)).then_some(contact);
            let target = ReceiptTarget::Messages(vec![PlatformMessageId::new(&id)]);
            let receipt = Receipt { target, contact: told, step, failure: None, tag, pricing: None };
            self.item(&format!("{id}:{step:?}"), Provenance::Live, Hook::Receipt(receipt))
        } else {
            self.echo(&id, contact, tag)
        };
        self.ingest(vec![item]).await;
    }

    fn echo(&mut self, id: &str, contact: ContactRef, tag: Option<String>) -> Item {
        let mut event = MessageEvent::new(Some(PlatformMessageId::new(id)), contact, Content::text("as sent"));
        event.outgoing = true;
        event.tag = tag;
        self.item(&format!("echo:{id}"), Provenance::Echo, Hook::Message(Box::new(event)))
    }

    /// A member writes on the phone.
    async fn phones(&mut self) {
        let contact = self.rng.below(CONTACTS);
        self.counter += 1;
        let id = format!("phone.{}", self.counter);
        let from = self.contact_ref(contact);
        let item = self.echo(&id, from, None);
        self.ingest(vec![item]).await;
    }

    async fn unsends(&mut self) {
        let contact = self.rng.below(CONTACTS);
        let mut ids: Vec<String> = self.accepted[contact].iter().cloned().collect();
        // Also what the business wrote on the phone, and what we sent.
        ids.push(format!("phone.{}", self.counter));
        ids.push(format!("out.{}", self.log.lock().unwrap().len() / 2));
        let id = ids[self.rng.below(ids.len())].clone();
        let from = self.contact_ref(contact);
        let target = PlatformMessageId::new(&id);
        let event = if self.rng.one_in(2) {
            self.unsent.insert(id.clone());
            Hook::Unsent { contact: Some(from), target }
        } else {
            Hook::Edited { contact: Some(from), target, content: Some(Content::text("edited")) }
        };
        self.counter += 1;
        let dedup = format!("change.{}", self.counter);
        let item = self.item(&dedup, Provenance::Live, event);
        self.ingest(vec![item]).await;
    }

    /// The conversations that there are, by contact.
    async fn conversations(&self) -> BTreeMap<usize, (ConversationId, ContactId)> {
        let desk = self.workers[0].desk(self.tenant);
        let inbox = desk.inbox(None, 100).await.unwrap().conversations;
        let mut found = BTreeMap::new();
        for conversation in inbox {
            let who = desk.contact(conversation.contact).await.unwrap();
            let contact = (0..CONTACTS)
                .find(|contact| who.handles.iter().any(|handle| handle.value.expose() == &phone(*contact)))
                .expect("each contact has a phone number");
            let twice = found.insert(contact, (conversation.id, conversation.contact));
            assert!(twice.is_none(), "contact {contact} has two conversations");
        }
        found
    }

    async fn members(&mut self) {
        let (_, assistant) = self.worker();
        let contact = self.rng.below(CONTACTS);
        let Some((id, subject)) = self.conversations().await.get(&contact).copied() else { return };
        let desk = assistant.desk(self.tenant);
        match self.rng.below(8) {
            0..=2 => {
                desk.take_over(id, member()).await.unwrap();
                self.note(Event::TakenOver { contact });
            }
            3 | 4 => {
                self.note(Event::HandedBack { contact });
                desk.hand_back(id, member()).await.unwrap();
            }
            5 => {
                self.counter += 1;
                let text = OutboundBody::text(&format!("member {}", self.counter));
                match desk.send(id, member(), text).await {
                    Ok(_) => self.note(Event::TakenOver { contact }),
                    Err(error) => self.did(format!("not sent: {error}")),
                }
            }
            6 => {
                self.note(Event::HandedBack { contact });
                let done = desk.resolve(id, member()).await.is_ok();
                self.did(format!("resolved {contact}: {done}"));
            }
            _ => {
                if self.rng.one_in(2) {
                    cancel_after(self.rng.below(20), assistant.erase(self.tenant, subject)).await;
                }
                assistant.erase(self.tenant, subject).await.unwrap();
                self.accepted[contact].clear();
                self.note(Event::Erased { contact });
            }
        }
    }

    /// Both workers go on, dropped half-way now and then, while the platform repeats what it just got.
    async fn work(&mut self) {
        let budget = Budget { lanes: 1 + self.rng.below(4), concurrency: 1 + self.rng.below(3) };
        let (first, one) = self.worker();
        let (_, other) = self.worker();
        let polls = |rng: &mut Rng| if rng.one_in(3) { rng.below(POLLS_MAX) } else { usize::MAX };
        let (mine, theirs) = (polls(&mut self.rng), polls(&mut self.rng));
        match self.rng.below(4) {
            0 => drop(cancel_after(mine, one.step(&budget)).await),
            1 => drop(cancel_after(mine, one.deliver(&budget)).await),
            2 => {
                tokio::join!(cancel_after(mine, one.step(&budget)), cancel_after(theirs, other.deliver(&budget)));
            }
            _ => {
                let before = self.log.lock().unwrap().len();
                let log = Arc::clone(&self.log);
                let delivered = async {
                    drop(cancel_after(mine, one.deliver(&budget)).await);
                };
                let fresh = async {
                    for _ in 0..40 {
                        let sent = log.lock().unwrap().get(before).cloned();
                        if let Some(Event::Sent { to, id, .. }) = sent {
                            return Some((to, id));
                        }
                        pause().await;
                    }
                    None
                };
                // The echo without a tag comes before the call returns: it has to be taken in at that very moment.
                let echo = |to: String, id: String| {
                    let mut event = MessageEvent::new(
                        Some(PlatformMessageId::new(&id)),
                        ContactRef { handles: vec![Handle::new(HandleKind::Phone, &to)], name: None },
                        Content::text("as sent"),
                    );
                    event.outgoing = true;
                    let item = Item {
                        channel: ChannelKind::WhatsApp,
                        account: Some(AccountId::new("1060")),
                        provenance: Provenance::Echo,
                        at: self.clock.now(),
                        dedup: format!("echo:{id}").as_str().into(),
                        event: Hook::Message(Box::new(event)),
                    };
                    Delivery { received_at: self.clock.now(), items: vec![item] }
                };
                let race = async {
                    if let Some((to, id)) = fresh.await {
                        other.ingest(&echo(to, id)).await.unwrap();
                    }
                };
                tokio::join!(delivered, race);
            }
        }
        self.did(format!("{first} worked, {mine} {theirs}"));
    }

    async fn act(&mut self) {
        match self.rng.below(20) {
            0..=3 => self.questions().await,
            4 => self.stops().await,
            5..=7 => self.news().await,
            8 => self.phones().await,
            9 => self.unsends().await,
            10 => self.members().await,
            11 => self.clock.advance(TimeDelta::seconds(-3)),
            12 | 13 => self.clock.advance(TimeDelta::seconds(4)),
            14 => self.clock.advance(TimeDelta::seconds([1, 20, 61, 400][self.rng.below(4)])),
            _ => self.work().await,
        }
    }

    /// Leaves everything alone until nothing is left to do but what waits for days.
    async fn settle(&mut self) {
        for round in 0..32 {
            let wait = match round {
                0..10 => 4,
                10..20 => 70,
                _ => 9_000,
            };
            self.clock.advance(TimeDelta::seconds(wait));
            for worker in self.workers.clone() {
                worker.step(&Budget::default()).await.unwrap();
                worker.deliver(&Budget::default()).await.unwrap();
            }
        }
    }
}

async fn run(seed: u64) -> Vec<Event> {
    let mut chaos = Chaos::new(seed).await;
    for _ in 0..ACTIONS {
        chaos.act().await;
    }
    chaos.settle().await;
    check::all(&chaos).await;
    let log = chaos.log.lock().unwrap();
    log.clone()
}

/// Says which seed it was when a check fails.
struct Blame(u64);

impl Drop for Blame {
    #[expect(clippy::print_stderr, reason = "whoever reads the failure needs the seed")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("chaos: seed {}", self.0);
        }
    }
}

#[test]
fn no_chaos_loses_a_message_sends_one_twice_or_leaves_one_behind() {
    std::thread::scope(|scope| {
        for first in 0..THREADS {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for seed in (first..SEEDS).step_by(usize::try_from(THREADS).unwrap()) {
                    let blame = Blame(seed);
                    runtime.block_on(run(seed));
                    drop(blame);
                }
            });
        }
    });
}

#[tokio::test]
async fn the_same_seed_gives_the_same_trace() {
    assert_eq!(run(7).await, run(7).await);
}
