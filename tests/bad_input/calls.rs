//! Calls that can't be done.

use std::sync::Arc;

use whisp::assistant::{Assistant, AssistantError, NewConnection, NewTenant};
use whisp::channel::OutboundBody;
use whisp::id::{ConversationId, TenantId};
use whisp::model::{AccountId, AutomationMode, ChannelKind, DeliveryStep, HandOffReason, Handling};
use whisp::stores::MemoryStore;
use whisp::testing::{ManualClock, ScriptedEngine, SeqIds};

use crate::discreet::{TEXT, said};
use crate::world::{ACCOUNT, DANA, TOKEN, World};

#[test]
fn a_builder_says_what_is_missing() {
    let said_of = |builder: whisp::assistant::AssistantBuilder| said(&builder.build().unwrap_err());
    let builder = || Assistant::builder().clock(Arc::new(ManualClock::default())).ids(Arc::new(SeqIds::new(1)));
    let expected =
        |what: &str| format!("the assistant has no {what}: give it one with the builder's method of that name");
    assert_eq!(said_of(builder()), expected("store"));
    assert_eq!(said_of(builder().store(Arc::new(MemoryStore::new()))), expected("vault"));
    assert_eq!(said_of(Assistant::builder()), expected("clock"));
    assert_eq!(said_of(Assistant::builder().clock(Arc::new(ManualClock::default()))), expected("ids"));
}

fn account() -> NewConnection {
    NewConnection {
        channel: ChannelKind::WhatsApp,
        account: AccountId::new(ACCOUNT),
        token: TOKEN.into(),
        scopes: Vec::new(),
        mode: AutomationMode::Automatic,
    }
}

#[tokio::test]
async fn an_account_of_another_tenant_is_not_connected_and_stays_where_it_is() {
    let world = World::new().await;
    let other = TenantId::from_bytes([9; 16]);
    let connected = world.assistant.connect(other, account()).await.unwrap_err();
    assert!(matches!(connected, AssistantError::NotFound("tenant")), "{connected:?}");
    world.assistant.create_tenant(NewTenant::new(other, "Flowers", "Asia/Almaty")).await.unwrap();
    let error = world.assistant.connect(other, account()).await.unwrap_err();
    assert!(matches!(error, AssistantError::Taken("account")), "{error:?}");
    assert!(said(&error).contains("another tenant has this account"), "{error}");
    assert_eq!(world.assistant.connections(other).await.unwrap(), [], "nothing is half-written");
    assert_eq!(world.assistant.connections(world.tenant).await.unwrap().len(), 1);
    world.says("m1", TEXT).await;
    assert_eq!(world.messages().await.len(), 1, "messages still reach the tenant whose account it is");
    assert_eq!(world.assistant.desk(other).inbox(None, 10).await.unwrap().conversations, []);
}

#[tokio::test]
async fn a_members_text_longer_than_the_channel_takes_is_refused_at_once() {
    let world = World::new().await;
    world.says("m1", TEXT).await;
    let desk = world.assistant.desk(world.tenant);
    let id = world.conversation().await;
    let error = desk.by(DANA).send(id, OutboundBody::text(&"long ".repeat(1_000))).await.unwrap_err();
    assert!(said(&error).contains("shorten or split it"), "{error}");
    assert!(desk.conversation(id).await.unwrap().outbox.is_empty());
}

#[tokio::test]
async fn a_message_to_an_erased_conversation_is_refused_and_brings_nothing_back() {
    let world = World::new().await;
    world.says("m1", TEXT).await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let conversation = desk.conversation(world.conversation().await).await.unwrap();
    world.assistant.erase(world.tenant, conversation.contact).await.unwrap();
    let sent = world.channel.sent().len();
    let body = OutboundBody::text(TEXT);
    let error = desk.by(DANA).send(conversation.id, body.clone()).await.unwrap_err();
    assert!(matches!(error, AssistantError::NotFound("conversation")), "{error:?}");
    assert_eq!(said(&error), "there is no such conversation");
    let error = desk.messages(conversation.id, None, 10).await.unwrap_err();
    assert!(matches!(error, AssistantError::NotFound("conversation")), "{error:?}");
    let unknown = ConversationId::from_bytes([8; 16]);
    assert!(matches!(desk.by(DANA).send(unknown, body).await, Err(AssistantError::NotFound("conversation"))));
    world.settle().await;
    assert_eq!(world.channel.sent().len(), sent, "nothing goes out");
    assert_eq!(desk.inbox(None, 10).await.unwrap().conversations, []);
}

/// A world whose engine answers each question with so many characters.
async fn chatterbox(chars: usize) -> World {
    let engine = ScriptedEngine::replying(move |_| "word ".repeat(chars.div_ceil(5)));
    World::with(Arc::new(engine), AutomationMode::Automatic).await
}

#[tokio::test]
async fn a_text_longer_than_the_channel_takes_is_sent_in_parts_and_loses_no_word() {
    let world = chatterbox(2_500).await;
    world.says("m1", TEXT).await;
    world.settle().await;
    let texts = world.channel.texts();
    assert!((3..=4).contains(&texts.len()), "{} parts", texts.len());
    assert!(texts.iter().all(|text| text.chars().count() <= 1_000));
    assert_eq!(texts.concat().matches("word ").count(), 500, "every word, once");
    let messages = world.messages().await;
    assert_eq!(messages.len(), 1 + texts.len());
    let steps: Vec<_> = messages[1..].iter().map(|message| message.delivery.as_ref().unwrap().step).collect();
    assert!(steps.iter().all(|step| *step == DeliveryStep::Sent), "{steps:?}");
}

#[tokio::test]
async fn a_text_of_too_many_parts_is_suggested_to_a_member_whole() {
    let world = chatterbox(20_000).await;
    world.says("m1", TEXT).await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let id = world.conversation().await;
    let suggestions = desk.suggestions(id).await.unwrap();
    assert_eq!(suggestions.len(), 1);
    assert_eq!(suggestions[0].content.readable().unwrap().chars().count(), 20_000, "nothing of it is lost");
    let handling = desk.conversation(id).await.unwrap().handling;
    assert!(matches!(handling, Handling::Member { reason: HandOffReason::NoAnswer, .. }), "{handling:?}");
    assert_eq!(world.channel.texts(), ["Thank you. A person from our team will answer you here."]);
}
