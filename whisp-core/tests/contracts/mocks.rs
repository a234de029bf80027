//! The mocks of feature `mock` stand in for the traits behind trait objects.

use std::sync::Arc;

use chrono::DateTime;
use whisp_core::channel::{
    Capabilities, Channel, ChannelError, ChannelErrorKind, MockChannel, Outbound, OutboundBody, TextLimit,
};
use whisp_core::error::Retry;
use whisp_core::id::{ConnectionId, ContactId, ConversationId, InquiryId, SubjectId, TenantId};
use whisp_core::model::{
    AccountId, Author, AutomationMode, ChannelKind, Connection, ConnectionState, Conversation, HandOffReason, Handle,
    HandleKind, Handling,
};
use whisp_core::privacy::{Grant, Purpose};
use whisp_core::reply::{Decision, EngineId, MockReplyEngine, ReplyContext, ReplyEngine, ReplyRequest};
use whisp_core::route::{MockRouter, Route, RouteRequest, Router};
use whisp_core::vault::{Destroyed, KeyContext, KeyProvider, MockKeyProvider, SecretKey, WrappedKey};
use whisp_core::webhook::{Delivery, MockWebhookDecoder, WebhookDecoder, WebhookRequest};

const TENANT: TenantId = TenantId::from_bytes([1; 16]);
const SUBJECT: SubjectId = SubjectId::from_bytes([2; 16]);

fn grant() -> Grant {
    Grant::for_tests(TENANT, SUBJECT, Purpose::AutomatedReplies, DateTime::UNIX_EPOCH)
}

fn conversation() -> Conversation {
    Conversation {
        id: ConversationId::from_bytes([3; 16]),
        connection: ConnectionId::from_bytes([4; 16]),
        channel: ChannelKind::WhatsApp,
        contact: ContactId(SUBJECT),
        handling: Handling::Engine,
        inquiry: None,
        outbox: Vec::new(),
        contact_wrote_at: None,
        active_at: DateTime::UNIX_EPOCH,
        created_at: DateTime::UNIX_EPOCH,
        code_until: None,
        thread_at: None,
    }
}

#[tokio::test]
async fn a_mocked_channel_counts_its_calls() {
    let mut mock = MockChannel::new();
    mock.expect_kind().return_const(ChannelKind::WhatsApp);
    mock.expect_capabilities().returning(|| Capabilities::text_only(TextLimit::Chars(10)));
    mock.expect_send()
        .withf(|connection, message| connection.account.as_str() == "1" && message.tag == "tag")
        .times(1)
        .returning(|_, _| Err(ChannelError::new("send", ChannelErrorKind::Recipient, Retry::Never)));
    let channel: Arc<dyn Channel> = Arc::new(mock);
    assert_eq!((channel.kind(), channel.capabilities().text.max()), (ChannelKind::WhatsApp, 10));
    let connection = Connection {
        id: ConnectionId::from_bytes([4; 16]),
        tenant: TENANT,
        channel: ChannelKind::WhatsApp,
        account: AccountId::new("1"),
        token: "token".into(),
        scopes: Vec::new(),
        mode: AutomationMode::Automatic,
        state: ConnectionState::Live,
        connected_at: DateTime::UNIX_EPOCH,
    };
    let to = Handle::new(HandleKind::Phone, "7701");
    let message = Outbound::new(grant(), to, Author::System, OutboundBody::text("Hi"), "tag".to_owned());
    assert_eq!(channel.send(&connection, &message).await.unwrap_err().kind(), ChannelErrorKind::Recipient);
}

#[tokio::test]
async fn a_mocked_engine_answers_as_told() {
    let mut mock = MockReplyEngine::new();
    mock.expect_id().return_const(EngineId::new("mock"));
    mock.expect_processor().return_const(None);
    mock.expect_reply().returning(|_| Ok(Decision::Silence));
    let engine: Arc<dyn ReplyEngine> = Arc::new(mock);
    let context = ReplyContext {
        tenant: TENANT,
        conversation: conversation().id,
        inquiry: InquiryId::from_bytes([5; 16]),
        channel: ChannelKind::WhatsApp,
        business: "Coffee".into(),
        zone: "Asia/Almaty".to_owned(),
        contact_name: None,
        now: DateTime::UNIX_EPOCH,
        deadline: DateTime::UNIX_EPOCH,
    };
    let request = ReplyRequest::new(grant(), context, Vec::new(), 0);
    assert_eq!(engine.reply(&request).await.unwrap(), Decision::Silence);
    assert_eq!(engine.id().as_str(), "mock");
}

#[tokio::test]
async fn a_mocked_router_routes_as_told() {
    let mut mock = MockRouter::new();
    let route = Route::Member { member: None, reason: HandOffReason::Assigned };
    let told = route.clone();
    mock.expect_route().returning(move |_| Ok(told.clone()));
    let router: Arc<dyn Router> = Arc::new(mock);
    let request = RouteRequest {
        tenant: TENANT,
        conversation: conversation(),
        mode: AutomationMode::Automatic,
        now: DateTime::UNIX_EPOCH,
    };
    assert_eq!(router.route(&request).await.unwrap(), route);
}

#[tokio::test]
async fn a_mocked_key_service_wraps_and_unwraps_as_told() {
    let mut mock = MockKeyProvider::new();
    mock.expect_wrap().returning(|_, key| Ok(WrappedKey(key.expose().to_vec())));
    mock.expect_unwrap().returning(|_, _| Ok(SecretKey::new([7; 32].into())));
    mock.expect_destroy().times(1).returning(|_| Ok(Destroyed::Now));
    let provider: Arc<dyn KeyProvider> = Arc::new(mock);
    let context = KeyContext { tenant: TENANT, epoch: 1 };
    let wrapped = provider.wrap(&context, &SecretKey::new([7; 32].into())).await.unwrap();
    assert_eq!(provider.unwrap(&context, &wrapped).await.unwrap().expose(), &[7; 32]);
    assert_eq!(provider.destroy(&context).await.unwrap(), Destroyed::Now);
}

#[test]
fn a_mocked_decoder_decodes_as_told() {
    let mut mock = MockWebhookDecoder::new();
    mock.expect_decode().returning(|request| Ok(Delivery { received_at: request.received_at, items: Vec::new() }));
    let decoder: Arc<dyn WebhookDecoder> = Arc::new(mock);
    let request = WebhookRequest { signature: None, body: b"{}".to_vec(), received_at: DateTime::UNIX_EPOCH };
    assert_eq!(decoder.decode(&request).unwrap().items, []);
}
