//! Nothing personal and no secret in what `Debug` and `Display` print.

use std::fmt::{Debug, Display};

use chrono::DateTime;
use whisp_core::Sensitive;
use whisp_core::channel::{
    ChannelError, ChannelErrorKind, Choice, ListSection, Outbound, OutboundBody, SendReceipt, Template, TemplateValue,
};
use whisp_core::error::{BoxError, Retry};
use whisp_core::id::{
    ConnectionId, ContactId, ConversationId, InquiryId, MemberId, MessageId, SubjectId, SuggestionId, TenantId,
};
use whisp_core::model::{
    AccountId, Author, AutomationMode, ChannelKind, Connection, ConnectionState, Contact, Content, FlowReply, Handle,
    HandleKind, Location, Media, MediaKind, Member, Message, OrderItem, PlatformMessageId, Provenance, Share,
    ShareKind, SharedContact, StoryRef, Suggestion, SuggestionState,
};
use whisp_core::privacy::{Grant, Purpose, Role};
use whisp_core::reply::{
    Decision, EngineId, Ground, Proposal, ReplyContext, ReplyError, ReplyErrorKind, ReplyRequest, Turn,
};
use whisp_core::route::{RouteError, RouteErrorKind};
use whisp_core::store::{Sealed, StoreError, StoreErrorKind};
use whisp_core::vault::{SecretKey, VaultError, VaultErrorKind, WrappedKey};
use whisp_core::webhook::{
    Comment, ContactRef, Delivery, Event, Item, MessageEvent, Receipt, ReceiptTarget, Referral, WebhookError,
    WebhookErrorKind, WebhookRequest,
};

/// Stands in every field that holds something about a person, or a secret.
const CANARY: &str = "canary-77019876543";

fn secret() -> Sensitive {
    CANARY.into()
}

fn some() -> Option<Sensitive> {
    Some(secret())
}

#[track_caller]
fn hides(value: &impl Debug) {
    let (plain, pretty) = (format!("{value:?}"), format!("{value:#?}"));
    assert!(!plain.contains(CANARY) && !pretty.contains(CANARY), "{plain}");
}

fn handle() -> Handle {
    Handle::new(HandleKind::Phone, CANARY)
}

fn mid() -> PlatformMessageId {
    PlatformMessageId::new(CANARY)
}

fn who() -> ContactRef {
    ContactRef { handles: vec![handle()], name: some() }
}

fn media() -> Media {
    Media { id: some(), url: some(), filename: some(), ..Media::new(MediaKind::Document) }
}

fn contents() -> Vec<Content> {
    let place = Location { latitude: 43.25.into(), longitude: 76.95.into(), name: some(), address: some() };
    let card = SharedContact { name: some(), phones: vec![secret()], own: Some(handle()) };
    let line = OrderItem { product: secret(), quantity: "1".to_owned(), price: None, currency: None };
    vec![
        Content::text(CANARY),
        Content::Media { items: vec![media()], caption: some() },
        Content::Location(place),
        Content::Contacts { cards: vec![card] },
        Content::Button { payload: secret(), title: some() },
        Content::List { id: secret(), title: secret(), description: some() },
        Content::Postback { payload: some(), title: some() },
        Content::Flow(FlowReply { name: "flow".to_owned(), response: secret() }),
        Content::Order { catalog: some(), items: vec![line], text: some() },
        Content::Reaction { target: mid(), emoji: some() },
        Content::Share(Share { kind: ShareKind::Post, id: some(), url: some(), title: some() }),
        Content::StoryMention(StoryRef { id: some(), url: some() }),
        Content::Template { name: "t".to_owned(), language: "en".to_owned(), parameters: vec![secret()] },
        Content::Interactive { text: secret(), choices: vec![(secret(), secret())] },
    ]
}

fn bodies() -> Vec<OutboundBody> {
    let choice = Choice { id: secret(), title: secret(), description: some() };
    let section = ListSection { title: some(), rows: vec![choice.clone()] };
    let template = Template {
        name: "t".to_owned(),
        language: "en".to_owned(),
        header: vec![TemplateValue::Media(media())],
        body: vec![TemplateValue::Text { name: None, text: secret() }],
        buttons: vec![secret()],
    };
    vec![
        OutboundBody::text(CANARY),
        OutboundBody::Media { media: media(), caption: some() },
        OutboundBody::Buttons { text: secret(), buttons: vec![choice] },
        OutboundBody::List { text: secret(), button: "Open".to_owned(), sections: vec![section] },
        OutboundBody::Template(template),
        OutboundBody::Reaction { target: mid(), emoji: some() },
        OutboundBody::Seen { target: mid(), typing: true },
    ]
}

fn grant() -> Grant {
    let (tenant, subject) = (TenantId::from_bytes([1; 16]), SubjectId::from_bytes([2; 16]));
    Grant::for_tests(tenant, subject, Purpose::ServiceProvision, DateTime::UNIX_EPOCH)
}

#[test]
fn the_model_hides_what_is_personal() {
    let (id, conversation) = (ContactId(SubjectId::from_bytes([2; 16])), ConversationId::from_bytes([3; 16]));
    hides(&Contact { id, handles: vec![handle()], name: some() });
    let (role, joined_at) = (Role::Member, DateTime::UNIX_EPOCH);
    hides(&Member { id: MemberId(SubjectId::from_bytes([4; 16])), name: secret(), role, joined_at });
    hides(&Connection {
        id: ConnectionId::from_bytes([5; 16]),
        tenant: TenantId::from_bytes([1; 16]),
        channel: ChannelKind::WhatsApp,
        account: AccountId::new("1060"),
        token: CANARY.into(),
        scopes: Vec::new(),
        mode: AutomationMode::Automatic,
        state: ConnectionState::Live,
        connected_at: DateTime::UNIX_EPOCH,
    });
    for content in contents() {
        hides(&content);
        hides(&Message {
            id: MessageId::from_bytes([6; 16]),
            conversation,
            contact: id,
            author: Author::Contact,
            provenance: Provenance::Live,
            content: content.clone(),
            platform_id: Some(mid()),
            handle: Some(handle()),
            reply_to: Some(mid()),
            story: Some(StoryRef { id: some(), url: some() }),
            at: DateTime::UNIX_EPOCH,
            received_at: DateTime::UNIX_EPOCH,
            inquiry: None,
            revision: 0,
            note: some(),
            delivery: None,
        });
        hides(&Suggestion {
            id: SuggestionId::from_bytes([7; 16]),
            conversation,
            contact: id,
            engine: EngineId::new("rules"),
            content,
            at: DateTime::UNIX_EPOCH,
            decides: false,
            state: SuggestionState::Open,
        });
    }
}

fn events() -> Vec<Event> {
    let raw = || Event::Unknown { kind: Some("new".to_owned()), contact: Some(who()), raw: secret() };
    let referral = Referral {
        source: Some("ad".to_owned()),
        source_id: some(),
        parameter: some(),
        headline: some(),
        click_id: some(),
    };
    let receipt = Receipt {
        target: ReceiptTarget::Messages(vec![mid()]),
        contact: Some(who()),
        step: whisp_core::model::DeliveryStep::Read,
        failure: None,
        opted_out: false,
        tag: None,
        pricing: None,
    };
    let comment = Comment { id: Some(mid()), media: some(), from: Some(who()), text: some() };
    let mut events = vec![
        Event::Edited { contact: Some(who()), target: mid(), content: Some(Content::text(CANARY)) },
        Event::Unsent { contact: Some(who()), target: mid() },
        Event::Receipt(receipt),
        Event::Referral { contact: who(), referral: referral.clone() },
        Event::IdentityChanged { old: vec![handle()], new: vec![handle()] },
        Event::Preference { contact: who(), category: "marketing_messages".to_owned(), wanted: false },
        Event::Thread { contact: Some(who()), ours: false },
        Event::Comment(comment),
        Event::AddressBook { contact: who(), removed: false },
        Event::Notice { topic: "calls".to_owned(), raw: secret() },
        raw(),
    ];
    events.extend(contents().into_iter().map(|content| {
        let mut message = MessageEvent::new(Some(mid()), who(), content);
        message.extras.reply_to = Some(mid());
        message.extras.story = Some(StoryRef { id: some(), url: some() });
        message.extras.referral = Some(referral.clone());
        message.extras.group = some();
        Event::Message(message)
    }));
    events
}

#[test]
fn a_webhook_hides_what_it_holds() {
    let signature = Some(CANARY.to_owned());
    hides(&WebhookRequest { signature, body: CANARY.into(), received_at: DateTime::UNIX_EPOCH });
    let items = events().into_iter().map(|event| Item {
        channel: ChannelKind::WhatsApp,
        account: Some(AccountId::new("1060")),
        provenance: Provenance::Live,
        at: DateTime::UNIX_EPOCH,
        dedup: secret(),
        event,
    });
    hides(&Delivery { received_at: DateTime::UNIX_EPOCH, items: items.collect() });
}

#[test]
fn what_goes_out_hides_what_it_says_and_to_whom() {
    for body in bodies() {
        hides(&body);
        hides(&body.content());
        let mut message = Outbound::new(grant(), handle(), Author::System, body, "tag".to_owned());
        message.reply_to = Some(mid());
        hides(&message);
    }
    hides(&SendReceipt { recipient: Some(handle()), ..SendReceipt::new(Some(mid())) });
}

#[test]
fn what_an_engine_sees_and_says_is_hidden() {
    let turn = |content| Turn { from_contact: true, content, at: DateTime::UNIX_EPOCH };
    let context = ReplyContext {
        tenant: TenantId::from_bytes([1; 16]),
        conversation: ConversationId::from_bytes([3; 16]),
        inquiry: InquiryId::from_bytes([8; 16]),
        channel: ChannelKind::WhatsApp,
        business: secret(),
        zone: "Asia/Almaty".to_owned(),
        contact_name: some(),
        now: DateTime::UNIX_EPOCH,
        deadline: DateTime::UNIX_EPOCH,
    };
    hides(&context);
    hides(&ReplyRequest::new(grant(), context, contents().into_iter().map(turn).collect(), 1));
    let choice = Choice { id: secret(), title: secret(), description: some() };
    for decision in [
        Decision::Reply(Proposal::new(CANARY)),
        Decision::Suggest(Proposal::new(CANARY)),
        Decision::Ask { text: secret(), choices: vec![choice], ground: Ground::default() },
        Decision::HandOff { reason: whisp_core::model::HandOffReason::Asked, notice: some() },
    ] {
        hides(&decision);
    }
}

#[test]
fn keys_and_sealed_bytes_are_not_printed() {
    let printed = format!("{:?}", SecretKey::new([0xAB; 32].into()))
        + &format!("{:?}", WrappedKey(vec![0xAB; 32]))
        + &format!("{:?}", Sealed(vec![0xAB; 32]));
    assert_eq!(printed, "SecretKey(..)WrappedKey(32 bytes)Sealed(32 bytes)");
}

#[test]
fn an_error_says_what_to_do_and_never_its_cause() {
    let cause = || -> BoxError { CANARY.into() };
    let (op, never) = ("send", Retry::Never);
    let errors: [Box<dyn Display>; 6] = [
        Box::new(ChannelError::new(op, ChannelErrorKind::Auth, never).with_source(cause()).with_advice("do this")),
        Box::new(ReplyError::new(op, ReplyErrorKind::Auth, never).with_source(cause()).with_advice("do this")),
        Box::new(RouteError::new(op, RouteErrorKind::Unavailable, never).with_source(cause()).with_advice("do this")),
        Box::new(StoreError::new(op, StoreErrorKind::Full, never).with_source(cause()).with_advice("do this")),
        Box::new(VaultError::new(op, VaultErrorKind::Erased, never).with_source(cause()).with_advice("do this")),
        Box::new(WebhookError::new(op, WebhookErrorKind::Unsigned, never).with_source(cause()).with_advice("do this")),
    ];
    for error in errors {
        let said = error.to_string();
        assert!(said.starts_with("send: ") && said.ends_with("; do this") && !said.contains(CANARY), "{said}");
    }
    let said = CANARY.parse::<TenantId>().unwrap_err().to_string();
    assert_eq!(said, "not a TenantId: expected a UUID");
}
