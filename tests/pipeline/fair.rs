//! Nobody waits behind somebody else: tenants, connections and conversations share what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::TimeDelta;
use secrecy::SecretString;
use tokio::sync::Semaphore;
use whisp::assistant::{Assistant, Budget, NewConnection, NewTenant, StepReport};
use whisp::channel::{
    Capabilities, Channel, ChannelError, ChannelErrorKind, Outbound, OutboundBody, Pace, Rate, SendReceipt, TextLimit,
};
use whisp::clock::Clock;
use whisp::error::Retry;
use whisp::id::{ConnectionId, ConversationId, TenantId};
use whisp::model::{
    AccountId, AutomationMode, ChannelKind, Connection, Content, DeliveryStep, Handle, HandleKind, PlatformMessageId,
    Provenance,
};
use whisp::privacy::Role;
use whisp::stores::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable, MemoryStore};
use whisp::testing::{ManualClock, SeqIds};
use whisp::webhook::{ContactRef, Delivery, Event, Item, MessageEvent};

use crate::world::{DANA, join};

const ONE: TenantId = TenantId::from_bytes([1; 16]);
const OTHER: TenantId = TenantId::from_bytes([2; 16]);

/// More conversations than a round has room for.
const MANY: usize = 400;

/// How a connection behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    Fails,
    /// Its calls end when the gate is opened.
    Hangs,
}

/// A platform whose connections behave as they are told.
#[derive(Debug)]
struct Platform {
    clock: Arc<ManualClock>,
    pace: Pace,
    manners: Mutex<BTreeMap<ConnectionId, Manner>>,
    gate: Semaphore,
    hanging: Mutex<usize>,
    calls: Mutex<Vec<(ConnectionId, String)>>,
}

impl Platform {
    fn calls_of(&self, connection: ConnectionId) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(there, _)| *there == connection).map(|(_, text)| text.clone()).collect()
    }
}

#[async_trait]
impl Channel for Platform {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::text_only(TextLimit::Chars(1_000));
        capabilities.pace = self.pace;
        capabilities
    }

    async fn send(&self, connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        let manner = self.manners.lock().unwrap().get(&connection.id).copied();
        let text = message.release(self.clock.now()).unwrap().content().readable().unwrap().to_owned();
        self.calls.lock().unwrap().push((connection.id, text));
        match manner {
            Some(Manner::Fails) => {
                return Err(ChannelError::new("send", ChannelErrorKind::Unavailable, Retry::After(None)));
            }
            Some(Manner::Hangs) => {
                *self.hanging.lock().unwrap() += 1;
                self.gate.acquire().await.unwrap().forget();
                *self.hanging.lock().unwrap() -= 1;
            }
            None => {}
        }
        Ok(SendReceipt::new(Some(PlatformMessageId::new(&format!("wamid.{}", message.tag)))))
    }
}

struct Market {
    clock: Arc<ManualClock>,
    platform: Arc<Platform>,
    assistant: Assistant,
    _keys: tempfile::TempDir,
}

impl Market {
    async fn open(pace: Pace) -> Self {
        let clock = Arc::new(ManualClock::default());
        let platform = Arc::new(Platform {
            clock: Arc::clone(&clock),
            pace,
            manners: Mutex::default(),
            gate: Semaphore::new(0),
            hanging: Mutex::default(),
            calls: Mutex::default(),
        });
        let keys = tempfile::tempdir().unwrap();
        let provider = Arc::new(LocalKeyProvider::create(keys.path().join("root.key")).unwrap());
        let vault = EnvelopeVault::open(provider, Arc::new(MemoryKeyTable::new())).await.unwrap();
        let assistant = Assistant::builder()
            .store(Arc::new(MemoryStore::new()))
            .vault(Arc::new(vault))
            .clock(Arc::clone(&clock) as _)
            .ids(Arc::new(SeqIds::new(7)))
            .channel(Arc::clone(&platform) as _)
            .build()
            .unwrap();
        for tenant in [ONE, OTHER] {
            assistant.create_tenant(NewTenant::new(tenant, "Coffee", "Asia/Almaty")).await.unwrap();
            join(&assistant, tenant, DANA, Role::Admin).await;
        }
        Self { clock, platform, assistant, _keys: keys }
    }

    /// Connects an account, to which so many people write; each of them is sent one message.
    async fn connect(&self, tenant: TenantId, account: &str, people: usize) -> (ConnectionId, Vec<ConversationId>) {
        let new = NewConnection {
            channel: ChannelKind::WhatsApp,
            account: AccountId::new(account),
            token: SecretString::from("token"),
            scopes: Vec::new(),
            mode: AutomationMode::Off,
        };
        let connection = self.assistant.connect(tenant, new).await.unwrap();
        let items = (0..people).map(|person| {
            let id = format!("{account}.{person}");
            let handles = vec![Handle::new(HandleKind::Phone, &format!("7701{account}{person:05}"))];
            let contact = ContactRef { handles, name: None };
            let message = MessageEvent::new(Some(PlatformMessageId::new(&id)), contact, Content::text("Hello"));
            Item {
                channel: ChannelKind::WhatsApp,
                account: Some(AccountId::new(account)),
                provenance: Provenance::Live,
                at: self.clock.now(),
                dedup: id.as_str().into(),
                event: Event::Message(message),
            }
        });
        let items = items.collect();
        self.assistant.ingest(&Delivery { received_at: self.clock.now(), items }).await.unwrap();
        self.clock.advance(TimeDelta::seconds(4));
        while self.assistant.step(&Budget::default()).await.unwrap().lanes > 0 {}
        let inbox = self.assistant.desk(tenant).inbox(None, 1_000).await.unwrap().conversations;
        let conversations = inbox.into_iter().filter(|there| there.connection == connection).map(|there| there.id);
        let conversations: Vec<ConversationId> = conversations.collect();
        assert_eq!(conversations.len(), people);
        for conversation in &conversations {
            self.ask(tenant, *conversation, account).await;
        }
        self.clock.advance(TimeDelta::seconds(1));
        (connection, conversations)
    }

    async fn ask(&self, tenant: TenantId, conversation: ConversationId, text: &str) {
        self.assistant.desk(tenant).by(DANA).send(conversation, OutboundBody::text(text)).await.unwrap();
    }

    async fn deliver(&self) -> StepReport {
        self.assistant.deliver(&Budget::default()).await.unwrap()
    }

    fn behave(&self, connection: ConnectionId, manner: Manner) {
        self.platform.manners.lock().unwrap().insert(connection, manner);
    }
}

#[tokio::test]
async fn a_tenant_with_one_message_is_served_within_one_round_beside_one_with_thousands() {
    let market = Market::open(Pace::UNLIMITED).await;
    let (_, many) = market.connect(ONE, "111", MANY).await;
    for _ in 0..4 {
        for conversation in &many {
            market.ask(ONE, *conversation, "more").await;
        }
    }
    let (single, conversations) = market.connect(OTHER, "222", 1).await;
    for round in 1..=6 {
        market.deliver().await;
        assert_eq!(market.platform.calls_of(single).len(), round);
        market.ask(OTHER, conversations[0], "again").await;
    }
    let all = market.platform.calls.lock().unwrap().len();
    assert!(all >= 6 * 250, "and the other one had the rest of each round: {all}");
}

#[tokio::test]
async fn a_connection_with_one_message_is_served_within_one_round_beside_one_with_hundreds() {
    let second = TimeDelta::seconds(1);
    let mut paced = Pace::UNLIMITED;
    paced.connection = Some(Rate::within(80, second));
    for pace in [Pace::UNLIMITED, paced] {
        let market = Market::open(pace).await;
        market.connect(ONE, "111", MANY).await;
        // Its tokens are used up before the other one has anything to do.
        market.deliver().await;
        let (single, conversations) = market.connect(ONE, "222", 1).await;
        for round in 1..=4 {
            market.deliver().await;
            assert_eq!(market.platform.calls_of(single).len(), round, "{pace:?}");
            market.ask(ONE, conversations[0], "again").await;
        }
    }
}

#[tokio::test]
async fn a_conversation_with_one_message_goes_before_the_second_of_one_with_many() {
    let mut pace = Pace::UNLIMITED;
    pace.connection = Some(Rate::new(1, TimeDelta::seconds(1)));
    let market = Market::open(pace).await;
    let (_, conversations) = market.connect(ONE, "111", 8).await;
    for n in 0..40 {
        market.ask(ONE, conversations[0], &format!("more {n}")).await;
    }
    for _ in 0..8 {
        assert_eq!(market.deliver().await.sent, 1);
        market.clock.advance(TimeDelta::seconds(1));
    }
    let calls: Vec<String> = market.platform.calls.lock().unwrap().iter().map(|(_, text)| text.clone()).collect();
    assert_eq!(calls, ["111"; 8], "the first of each");
}

#[tokio::test]
async fn a_connection_that_fails_delays_no_other_and_is_called_seldom() {
    let market = Market::open(Pace::UNLIMITED).await;
    let (failing, _) = market.connect(ONE, "111", MANY).await;
    market.behave(failing, Manner::Fails);
    let (working, conversations) = market.connect(ONE, "222", 20).await;
    for round in 1..=30 {
        market.deliver().await;
        assert_eq!(market.platform.calls_of(working).len(), 20 * round);
        for conversation in &conversations {
            market.ask(ONE, *conversation, "again").await;
        }
        market.clock.advance(TimeDelta::seconds(1));
    }
    // As many as were under way when it failed first, then one each time that it had rested.
    let calls = market.platform.calls_of(failing).len();
    assert!((5..=24).contains(&calls), "{calls}");
}

#[tokio::test]
async fn a_connection_whose_calls_hang_takes_a_part_of_the_slots_and_the_next_round_serves_the_others() {
    let market = Market::open(Pace::UNLIMITED).await;
    let (hanging, _) = market.connect(ONE, "111", MANY).await;
    market.behave(hanging, Manner::Hangs);
    let (beside, conversations) = market.connect(ONE, "222", 40).await;
    let (neighbour, theirs) = market.connect(OTHER, "333", 40).await;
    let budget = Budget { lanes: 256, concurrency: 16 };
    let all = async {
        // In the same round.
        while market.platform.calls_of(beside).len() + market.platform.calls_of(neighbour).len() < 80 {
            tokio::task::yield_now().await;
        }
        assert!(*market.platform.hanging.lock().unwrap() <= 4, "a quarter: half of half");
        // And in the rounds beside it.
        for round in 1..=5 {
            market.ask(ONE, conversations[0], "again").await;
            market.ask(OTHER, theirs[0], "again").await;
            let next = async {
                while market.platform.calls.lock().unwrap().iter().filter(|(_, text)| text == "again").count()
                    < 2 * round
                {
                    tokio::task::yield_now().await;
                }
            };
            // A round that has nothing else to do would wait for the calls that hang.
            tokio::select! {
                biased;
                () = next => {}
                report = market.assistant.deliver(&budget) => assert!(report.unwrap().errors.is_empty()),
            }
            assert!(*market.platform.hanging.lock().unwrap() <= 8, "and no more of it with each round");
        }
        market.platform.manners.lock().unwrap().clear();
        market.platform.gate.add_permits(10_000);
    };
    let (report, ()) = tokio::join!(market.assistant.deliver(&budget), all);
    assert!(report.unwrap().errors.is_empty());
    market.clock.advance(TimeDelta::minutes(10));
    while market.deliver().await.lanes > 0 {}
    let texts: BTreeSet<usize> = [hanging, beside, neighbour].map(|c| market.platform.calls_of(c).len()).into();
    assert!(texts.contains(&45), "{texts:?}");
}

#[tokio::test]
async fn what_another_call_did_meanwhile_is_not_done_again() {
    let market = Market::open(Pace::UNLIMITED).await;
    let (connection, conversations) = market.connect(ONE, "111", 3).await;
    market.behave(connection, Manner::Hangs);
    let one = Budget { lanes: 256, concurrency: 1 };
    let mut first = std::pin::pin!(market.assistant.deliver(&one));
    while *market.platform.hanging.lock().unwrap() == 0 {
        tokio::select! { biased; _ = &mut first => panic!("it hangs"), () = tokio::task::yield_now() => {} }
    }
    market.platform.manners.lock().unwrap().clear();
    // The call that hangs has picked the other two as well; this one sends what waits in them.
    assert_eq!(market.deliver().await.sent, 2);
    for conversation in &conversations {
        market.ask(ONE, *conversation, "again").await;
    }
    market.platform.gate.add_permits(1);
    assert!(first.await.unwrap().errors.is_empty());
    while market.deliver().await.lanes > 0 {}
    assert_eq!(market.platform.calls_of(connection).len(), 6);
    for conversation in conversations {
        let (messages, _) = market.assistant.desk(ONE).messages(conversation, None, 10).await.unwrap();
        let sent = messages.iter().filter_map(|message| message.delivery.as_ref());
        assert_eq!(sent.map(|delivery| delivery.step).collect::<Vec<_>>(), [DeliveryStep::Sent; 2]);
    }
}
