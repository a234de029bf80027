//! The permit is checked again at the socket: what changes while a message is on its way stops it.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use whisp::assistant::{Assistant, Budget};
use whisp::channel::{
    Capabilities, Channel, ChannelError, ChannelErrorKind, Outbound, OutboundBody, SendReceipt, TextLimit,
};
use whisp::clock::Clock;
use whisp::error::Retry;
use whisp::id::{ContactId, TenantId};
use whisp::model::{ChannelKind, Connection, DeliveryStep};
use whisp::privacy::{Act, Purpose, Statement};
use whisp::testing::{ManualClock, SeqIds};

use crate::world::{DANA, World, parrot};

/// A channel during whose call the contact withdraws.
#[derive(Debug)]
struct Interrupted {
    clock: Arc<ManualClock>,
    assistant: OnceLock<Assistant>,
    who: OnceLock<(TenantId, ContactId)>,
}

#[async_trait]
impl Channel for Interrupted {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::text_only(TextLimit::Chars(1_000))
    }

    async fn send(&self, _connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        let (tenant, contact) = self.who.get().unwrap();
        let desk = self.assistant.get().unwrap().desk(*tenant);
        desk.declare(*contact, Statement::withdrawn(Purpose::AutomatedReplies), Act::Host).await.unwrap();
        match message.release(self.clock.now()) {
            Ok(_) => panic!("released after the withdrawal"),
            Err(denied) => Err(ChannelError::new("send", ChannelErrorKind::Denied, Retry::Never).with_source(denied)),
        }
    }
}

#[tokio::test]
async fn a_withdrawal_while_the_reply_is_on_its_way_stops_it() {
    let world = World::new().await;
    let channel =
        Arc::new(Interrupted { clock: Arc::clone(&world.clock), assistant: OnceLock::new(), who: OnceLock::new() });
    let assistant = Assistant::builder()
        .store(Arc::clone(&world.store))
        .vault(Arc::clone(&world.vault) as _)
        .clock(Arc::clone(&world.clock) as _)
        .ids(Arc::new(SeqIds::new(9)))
        .channel(Arc::clone(&channel) as _)
        .engine(parrot())
        .build()
        .unwrap();
    world.says("m1", "Hello").await;
    let conversation = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap();
    channel.assistant.set(assistant.clone()).unwrap();
    channel.who.set((world.tenant, conversation.contact)).unwrap();
    world.later(4);
    assistant.step(&Budget::default()).await.unwrap();
    let report = assistant.deliver(&Budget::default()).await.unwrap();
    assert_eq!((report.sent, report.unsent), (0, 1));
    assert_eq!(world.messages().await[1].delivery.as_ref().unwrap().step, DeliveryStep::Cancelled);
}

/// A channel during whose first call the member writes again, which voids every permit about the contact.
#[derive(Debug)]
struct WritesAgain {
    clock: Arc<ManualClock>,
    again: OnceLock<(Assistant, TenantId, whisp::id::ConversationId)>,
    calls: std::sync::atomic::AtomicUsize,
    sent: std::sync::Mutex<Vec<String>>,
}

#[async_trait]
impl Channel for WritesAgain {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::text_only(TextLimit::Chars(1_000))
    }

    async fn send(&self, _connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        if self.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
            let (assistant, tenant, conversation) = self.again.get().unwrap();
            assistant.desk(*tenant).by(DANA).send(*conversation, OutboundBody::text("two")).await.unwrap();
        }
        let body = message
            .release(self.clock.now())
            .map_err(|denied| ChannelError::new("send", ChannelErrorKind::Denied, Retry::Never).with_source(denied))?;
        self.sent.lock().unwrap().extend(body.content().readable().map(str::to_owned));
        Ok(SendReceipt::new(None))
    }
}

#[tokio::test]
async fn a_members_second_message_does_not_cost_them_the_first_that_is_on_its_way() {
    let world = World::new().await;
    world.says("m1", "Hello").await;
    let id = world.conversation().await;
    let channel = Arc::new(WritesAgain {
        clock: Arc::clone(&world.clock),
        again: OnceLock::new(),
        calls: Default::default(),
        sent: Default::default(),
    });
    let assistant = Assistant::builder()
        .store(Arc::clone(&world.store))
        .vault(Arc::clone(&world.vault) as _)
        .clock(Arc::clone(&world.clock) as _)
        .ids(Arc::new(SeqIds::new(9)))
        .channel(Arc::clone(&channel) as _)
        .build()
        .unwrap();
    channel.again.set((assistant.clone(), world.tenant, id)).unwrap();
    assistant.desk(world.tenant).by(DANA).send(id, OutboundBody::text("one")).await.unwrap();
    for _ in 0..6 {
        assistant.deliver(&Budget::default()).await.unwrap();
    }
    assert_eq!(*channel.sent.lock().unwrap(), ["one", "two"], "both, in order");
}
