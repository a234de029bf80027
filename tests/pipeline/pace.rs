//! Sending at the platform's pace, against a platform that refuses as Meta does. Time moves only when told.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use whisp::assistant::{Assistant, Budget, NewConnection, NewTenant, StepReport};
use whisp::channel::{Channel, ChannelErrorKind, OutboundBody, Pace, Rate};
use whisp::clock::Clock;
use whisp::id::{ConnectionId, ConversationId, TenantId};
use whisp::meta::simulator::{Account, Fault, Limits, Persona, Say, Simulator, SimulatorConfig};
use whisp::meta::{GraphClient, WhatsApp};
use whisp::model::{
    AttemptEnd, AutomationMode, ChannelKind, Connection, Content, Conversation, DeliveryStep, Handle, HandleKind,
    Message, PlatformMessageId, Provenance,
};
use whisp::privacy::Role;
use whisp::stores::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable, MemoryStore};
use whisp::testing::{ManualClock, SeqIds};
use whisp::webhook::{ContactRef, Delivery, Event, Item, MessageEvent};

use crate::world::{DANA, join};

const TENANT: TenantId = TenantId::from_bytes([1; 16]);
const PEOPLE: [&str; 3] = ["77010000001", "77010000002", "77010000003"];

struct Shop {
    clock: Arc<ManualClock>,
    simulator: Simulator,
    assistant: Assistant,
    connection: ConnectionId,
    conversations: Vec<ConversationId>,
    /// What was asked to be sent, by conversation.
    asked: BTreeMap<ConversationId, Vec<String>>,
    _keys: tempfile::TempDir,
}

impl Shop {
    /// A WhatsApp number with three people who have just written.
    async fn open(limits: Limits, pace: Option<Pace>) -> Self {
        let clock = Arc::new(ManualClock::default());
        let account = Account::whatsapp("106540352242922", "102290129340398", "15550783881", "token".into());
        let config = SimulatorConfig::new(Arc::clone(&clock) as _, Arc::new(SeqIds::new(1)), "secret".into());
        let simulator = Simulator::start(config.with_account(&account).with_limits(limits)).await.unwrap();
        let keys = tempfile::tempdir().unwrap();
        let provider = Arc::new(LocalKeyProvider::create(keys.path().join("root.key")).unwrap());
        let vault = EnvelopeVault::open(provider, Arc::new(MemoryKeyTable::new())).await.unwrap();
        let mut channel = WhatsApp::new(GraphClient::new(&simulator.graph()).unwrap(), Arc::clone(&clock) as _);
        if let Some(pace) = pace {
            channel = channel.with_pace(pace);
        }
        let assistant = Assistant::builder()
            .store(Arc::new(MemoryStore::new()))
            .vault(Arc::new(vault))
            .clock(Arc::clone(&clock) as _)
            .ids(Arc::new(SeqIds::new(7)))
            .channel(Arc::new(channel) as Arc<dyn Channel>)
            .build()
            .unwrap();
        assistant.create_tenant(NewTenant::new(TENANT, "Coffee", "Asia/Almaty")).await.unwrap();
        join(&assistant, TENANT, DANA, Role::Admin).await;
        let Connection { channel, account: id, token, scopes, .. } =
            account.connection(ConnectionId::from_bytes([0; 16]), TENANT, clock.now());
        let mode = AutomationMode::Off;
        let connection =
            assistant.connect(TENANT, NewConnection { channel, account: id, token, scopes, mode }).await.unwrap();
        for person in PEOPLE {
            let id = simulator.contact_says(&account, &Persona::new(person), &Say::text("Hello"));
            let handles = vec![Handle::new(HandleKind::Phone, person)];
            let contact = ContactRef { handles, name: None };
            let message = MessageEvent::new(Some(PlatformMessageId::new(id.expose())), contact, Content::text("Hello"));
            let item = Item {
                channel: ChannelKind::WhatsApp,
                account: Some(account.id().clone()),
                provenance: Provenance::Live,
                at: clock.now(),
                dedup: person.into(),
                event: Event::Message(message),
            };
            assistant.ingest(&Delivery { received_at: clock.now(), items: vec![item] }).await.unwrap();
        }
        clock.advance(TimeDelta::seconds(4));
        assistant.step(&Budget::default()).await.unwrap();
        let inbox = assistant.desk(TENANT).inbox(None, 10).await.unwrap();
        let conversations: Vec<_> = inbox.conversations.iter().map(|conversation| conversation.id).collect();
        assert_eq!(conversations.len(), PEOPLE.len());
        Self { clock, simulator, assistant, connection, conversations, asked: BTreeMap::new(), _keys: keys }
    }

    async fn ask(&mut self, conversation: ConversationId, text: String) {
        self.assistant.desk(TENANT).by(DANA).send(conversation, OutboundBody::text(&text)).await.unwrap();
        self.asked.entry(conversation).or_default().push(text);
    }

    async fn deliver(&self) -> StepReport {
        self.assistant.deliver(&Budget::default()).await.unwrap()
    }

    /// Sends so many messages, as many at a time as an outbox holds, moving time to when the next one is due.
    async fn send(&mut self, count: usize) {
        let mut asked = 0;
        let begin = self.clock.now();
        for _ in 0..10_000 {
            for conversation in self.conversations.clone() {
                let outbox = self.assistant.desk(TENANT).conversation(conversation).await.unwrap().outbox.len();
                for _ in outbox..Conversation::OUTBOX_MAX {
                    if asked < count {
                        self.ask(conversation, format!("Message {asked}")).await;
                        asked += 1;
                    }
                }
            }
            let report = self.deliver().await;
            assert!(report.errors.iter().all(|error| error.to_string().contains("whatsapp")), "{report:?}");
            if report.lanes > 0 {
                continue;
            }
            let Some(due) = report.next_due else {
                assert_eq!(self.simulator.accepted().len(), count);
                return;
            };
            assert!(due > self.clock.now() && due - begin < TimeDelta::hours(1), "{report:?}");
            self.clock.set(due);
        }
        panic!("there is always something to do");
    }

    /// How often the platform refused, by its code.
    fn refusals(&self) -> BTreeMap<i64, usize> {
        let mut refusals = BTreeMap::new();
        for code in self.simulator.requests().iter().filter_map(|request| request.code) {
            *refusals.entry(code).or_default() += 1;
        }
        refusals
    }

    async fn messages(&self) -> Vec<Message> {
        let mut all = Vec::new();
        for conversation in &self.conversations {
            all.extend(self.assistant.desk(TENANT).messages(*conversation, None, 500).await.unwrap().0);
        }
        all.retain(|message| message.provenance == Provenance::Sent);
        all
    }

    /// Each message went out once, each conversation in its order.
    async fn all_went_once_in_order(&self) {
        assert!(self.messages().await.iter().all(|m| m.delivery.as_ref().unwrap().step == DeliveryStep::Sent));
        let mut to: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for accepted in self.simulator.accepted() {
            let text = accepted.text.unwrap().expose().to_string();
            to.entry(accepted.to.expose().to_string()).or_default().push(text);
        }
        let mut went: Vec<Vec<String>> = to.into_values().collect();
        let mut asked: Vec<Vec<String>> = self.asked.values().cloned().collect();
        went.sort();
        asked.sort();
        assert_eq!(went, asked);
    }
}

#[tokio::test]
async fn at_the_platforms_pace_nothing_is_refused() {
    let mut shop = Shop::open(Limits::default(), None).await;
    let begin = shop.clock.now();
    shop.send(200).await;
    assert_eq!(shop.refusals(), BTreeMap::new());
    shop.all_went_once_in_order().await;
    // Each person takes 45 at once and then one in 6 seconds, and nothing else holds anything up.
    let most = shop.asked.values().map(Vec::len).max().unwrap();
    let least = TimeDelta::seconds(6) * i32::try_from(most - 45).unwrap();
    let took = shop.clock.now() - begin;
    assert!(took >= least && took <= least + TimeDelta::seconds(5), "{took}, at least {least}");
}

#[tokio::test]
async fn without_a_pace_every_refusal_is_backed_off_and_nothing_is_lost() {
    let limits = Limits { per_second: 8, ..Limits::default() };
    let mut shop = Shop::open(limits, Some(Pace::UNLIMITED)).await;
    shop.send(200).await;
    let refusals = shop.refusals();
    assert!(refusals.contains_key(&130_429) && refusals.contains_key(&131_056), "{refusals:?}");
    assert!(refusals.values().sum::<usize>() < 200, "it does not hammer: {refusals:?}");
    shop.all_went_once_in_order().await;
}

#[tokio::test]
async fn one_refusal_slows_the_connection_and_not_only_the_message() {
    let mut shop = Shop::open(Limits::default(), None).await;
    shop.simulator.fail_next(1, Fault::Refuse { status: 400, code: 130_429, subcode: None });
    let [one, two, three] = shop.conversations[..] else { panic!("three") };
    shop.ask(one, "first".to_owned()).await;
    shop.deliver().await;
    shop.ask(two, "second".to_owned()).await;
    shop.ask(three, "third".to_owned()).await;
    let report = shop.deliver().await;
    assert_eq!((report.lanes, report.sent), (0, 0), "{report:?}");
    assert_eq!(shop.simulator.requests().len(), 1, "no call while it rests");
    shop.clock.set(report.next_due.unwrap());
    let mut sent = 0;
    for _ in 0..10 {
        let report = shop.deliver().await;
        sent += report.sent;
        shop.clock.set(report.next_due.unwrap_or_else(|| shop.clock.now()));
    }
    assert_eq!(sent, 3);
    shop.all_went_once_in_order().await;
    let log = |message: &Message| message.delivery.as_ref().unwrap().log.clone();
    let messages = shop.messages().await;
    let refused = messages.iter().find(|message| log(message).len() > 1).unwrap();
    let [first, second] = log(refused)[..] else { panic!("two calls: {:?}", log(refused)) };
    assert_eq!((first.end, first.error), (AttemptEnd::Refused, Some(ChannelErrorKind::RateLimited)));
    assert_eq!(first.code.unwrap().0, 130_429);
    assert_eq!((second.end, second.error, second.code), (AttemptEnd::Taken, None, None));
    assert!(first.at < second.at);
}

#[tokio::test]
async fn a_message_that_waits_for_its_pace_writes_nothing_and_loses_no_try() {
    let mut pace = Pace::UNLIMITED;
    pace.pair = Some(Rate::new(1, TimeDelta::seconds(60)));
    let mut shop = Shop::open(Limits::default(), Some(pace)).await;
    let one = shop.conversations[0];
    shop.ask(one, "first".to_owned()).await;
    shop.ask(one, "second".to_owned()).await;
    assert_eq!(shop.deliver().await.sent, 1);
    let before = shop.messages().await;
    for _ in 0..20 {
        let report = shop.deliver().await;
        assert_eq!((report.sent, report.lanes), (0, 0));
        assert!(report.next_due.unwrap() > shop.clock.now());
        shop.clock.advance(TimeDelta::seconds(2));
    }
    assert_eq!(shop.messages().await, before, "nothing was written");
    shop.clock.advance(TimeDelta::seconds(60));
    assert_eq!(shop.deliver().await.sent, 1);
    assert!(shop.messages().await.iter().all(|message| message.delivery.as_ref().unwrap().attempts == 1));
}

#[tokio::test]
async fn a_host_raises_and_lowers_the_rate_of_a_connection() {
    let limits = Limits { per_second: 1_000, ..Limits::default() };
    let mut shop = Shop::open(limits, None).await;
    let conversations = shop.conversations.clone();
    for rate in [Some(Rate::new(1, TimeDelta::seconds(10))), None] {
        shop.assistant.set_rate(TENANT, shop.connection, rate).await.unwrap();
        for conversation in &conversations {
            shop.ask(*conversation, "Hello".to_owned()).await;
        }
        let sent = shop.deliver().await.sent;
        assert_eq!(sent, if rate.is_some() { 1 } else { 3 }, "{rate:?}");
        for _ in 0..10 {
            shop.clock.advance(TimeDelta::seconds(10));
            shop.deliver().await;
        }
    }
    assert_eq!(shop.refusals(), BTreeMap::new());
    shop.all_went_once_in_order().await;
    let nobody = ConnectionId::from_bytes([9; 16]);
    assert!(shop.assistant.set_rate(TENANT, nobody, None).await.is_err());
}

#[tokio::test]
async fn the_platforms_own_usage_slows_sending_before_it_refuses() {
    // Four calls an hour: the third answer tells 75 %, the fourth 100 %.
    let mut shop = Shop::open(Limits { calls_per_hour: 4, ..Limits::default() }, None).await;
    let one = shop.conversations[0];
    for n in 0..5 {
        shop.ask(one, format!("Message {n}")).await;
    }
    while shop.deliver().await.sent > 0 {}
    assert_eq!(shop.simulator.accepted().len(), 4);
    assert_eq!(shop.refusals(), BTreeMap::new(), "it stopped by itself");
    let due = shop.deliver().await.next_due.unwrap();
    assert!(due - shop.clock.now() >= TimeDelta::seconds(59), "{due}");
    for _ in 0..200 {
        let report = shop.deliver().await;
        // What is due in more than a minute is not looked at yet.
        shop.clock.set(report.next_due.unwrap_or_else(|| shop.clock.now() + TimeDelta::minutes(1)));
    }
    shop.all_went_once_in_order().await;
}
