//! Each kind of message becomes the request that was recorded.

use serde_json::{Value, json};
use whisp_core::channel::{ChannelErrorKind, Choice, ListSection, OutboundBody, Template, TemplateValue};
use whisp_core::model::{ChannelKind, Handle, HandleKind, Media, MediaKind, PlatformMessageId};

use crate::world::{CHANNELS, PHONE, SCOPED, World, engine, fixture, fixtures, shape};

pub(crate) fn choice(id: &str, title: &str) -> Choice {
    Choice { id: id.into(), title: title.into(), description: None }
}

pub(crate) fn buttons() -> OutboundBody {
    OutboundBody::Buttons { text: "What next?".into(), buttons: vec![choice("a", "Book"), choice("b", "Ask")] }
}

pub(crate) fn list() -> OutboundBody {
    let row = |id: &str| Choice { description: Some("Half an hour".into()), ..choice(id, "Cut") };
    let section = |title: &str, id: &str| ListSection { title: Some(title.into()), rows: vec![row(id)] };
    OutboundBody::List {
        text: "Our services".into(),
        button: "Choose".to_owned(),
        sections: vec![section("Hair", "1"), section("Nails", "2")],
    }
}

pub(crate) fn media(kind: MediaKind, caption: Option<&str>) -> OutboundBody {
    OutboundBody::Media { media: Media::link(kind, "https://example.test/1"), caption: caption.map(Into::into) }
}

pub(crate) fn template() -> OutboundBody {
    OutboundBody::Template(Template {
        name: "visit".to_owned(),
        language: "en_US".to_owned(),
        header: vec![TemplateValue::Media(Media::link(MediaKind::Image, "https://example.test/1.jpg"))],
        body: vec![TemplateValue::Text { name: None, text: "Tuesday".into() }],
        buttons: vec!["CONFIRM".into(), "MOVE".into()],
    })
}

pub(crate) fn reaction(emoji: Option<&str>) -> OutboundBody {
    OutboundBody::Reaction { target: PlatformMessageId::new("wamid.HBgL"), emoji: emoji.map(Into::into) }
}

pub(crate) fn seen(typing: bool) -> OutboundBody {
    OutboundBody::Seen { target: PlatformMessageId::new("wamid.HBgL"), typing }
}

/// Every kind of message of a channel, with the recorded request of the same kind.
fn cases(kind: &ChannelKind) -> Vec<(OutboundBody, &'static str)> {
    match kind {
        ChannelKind::WhatsApp => vec![
            (OutboundBody::text("Hello"), "post-phone-number-id-messages-send-text-message--meta-openapi.json"),
            (
                media(MediaKind::Image, None),
                "post-phone-number-id-messages-send-image-message-by-url--meta-openapi.json",
            ),
            (
                media(MediaKind::Audio, None),
                "post-phone-number-id-messages-send-audio-message-by-url--meta-openapi.json",
            ),
            (
                media(MediaKind::Video, Some("c")),
                "post-phone-number-id-messages-send-video-message-by-url--meta-openapi.json",
            ),
            (
                media(MediaKind::Document, Some("c")),
                "post-phone-number-id-messages-send-document-message-by-url--meta-openapi.json",
            ),
            (
                media(MediaKind::Sticker, None),
                "post-phone-number-id-messages-send-sticker-message-by-url--meta-openapi.json",
            ),
            (buttons(), "post-phone-number-id-messages-send-reply-button--meta-openapi.json"),
            (list(), "post-phone-number-id-messages-send-list-message--meta-openapi.json"),
            (template(), "post-phone-number-id-messages-send-message-template-interactive--meta-openapi.json"),
            (reaction(Some("👍")), "post-phone-number-id-messages-send-reply-with-reaction-message--meta-openapi.json"),
            (reaction(None), "post-phone-number-id-messages-send-reply-with-reaction-message--meta-openapi.json"),
            (seen(false), "wa-mark-read--docs.json"),
            (seen(true), "wa-typing-indicator--docs.json"),
        ],
        ChannelKind::Instagram => vec![
            (OutboundBody::text("Hello"), "ig-send-text--docs.json"),
            (media(MediaKind::Video, None), "ig-send-video--docs.json"),
            (media(MediaKind::Document, None), "ig-send-video--docs.json"),
            (buttons(), "ig-quick-replies--docs.json"),
            (reaction(Some("❤️")), "ig-send-reaction--docs.json"),
            (reaction(None), "ig-send-unreact--docs.json"),
            (seen(false), "ig-mark-seen--docs.json"),
            (seen(true), "ig-typing-on--docs.json"),
        ],
        _ => vec![
            (OutboundBody::text("Hello"), "messenger-response--docs.json"),
            (media(MediaKind::Image, None), "ig-send-video--docs.json"),
            (buttons(), "ig-quick-replies--docs.json"),
            (reaction(Some("👍")), "ig-send-reaction--docs.json"),
            (seen(true), "ig-typing-on--docs.json"),
        ],
    }
}

/// Paths that we always send and the recorded request may lack, or that it has and we have no use for.
fn comparable(value: &Value) -> std::collections::BTreeSet<String> {
    const OURS: &[&str] = &[
        ".biz_opaque_callback_data",
        ".messaging_type",
        ".message.metadata",
        ".template.language.policy",
        ".interactive.header",
        ".interactive.footer",
        ".template.components[].parameters[].currency",
        ".template.components[].parameters[].date_time",
    ];
    shape(value).into_iter().filter(|path| !OURS.iter().any(|ours| path.starts_with(ours))).collect()
}

#[tokio::test]
async fn each_kind_of_message_has_the_shape_of_the_recorded_request() {
    for kind in CHANNELS {
        let world = World::open(&kind).await;
        for (body, recorded) in cases(&kind) {
            let what = format!("{kind} like {recorded}");
            world.send(&world.outbound(body)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            let Some(folder) = fixtures() else { continue };
            let recorded = fixture(&folder.join("graph-requests"), recorded);
            assert_eq!(comparable(&world.last_request()), comparable(&recorded), "{what}");
        }
    }
}

#[tokio::test]
async fn whatsapp_writes_the_tag_the_number_with_plus_and_the_quote() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    let mut outbound = world.outbound(OutboundBody::text("Hi"));
    outbound.reply_to = Some(PlatformMessageId::new("wamid.X"));
    let receipt = world.send(&outbound).await.unwrap();
    let wanted = json!({
        "messaging_product": "whatsapp", "recipient_type": "individual", "to": format!("+{PHONE}"), "type": "text",
        "text": { "body": "Hi", "preview_url": false }, "context": { "message_id": "wamid.X" },
        "biz_opaque_callback_data": "tag-1",
    });
    assert_eq!(world.last_request(), wanted);
    assert_eq!(receipt.recipient, Some(Handle::new(HandleKind::Phone, PHONE)));
    assert!(receipt.id.unwrap().expose().starts_with("wamid."));
}

#[tokio::test]
async fn whatsapp_addresses_a_bsuid_as_recipient() {
    let mut world = World::open(&ChannelKind::WhatsApp).await;
    world.persona = world.persona.with_bsuid("US.13491208655302741918").hiding_phone_behind("@aigerim");
    world.simulator.meet(&world.account, &world.persona);
    let receipt = world.send_text("Hi").await.unwrap();
    let request = world.last_request();
    assert_eq!((&request["recipient"], request.get("to")), (&json!("US.13491208655302741918"), None));
    assert_eq!(receipt.recipient, Some(Handle::new(HandleKind::Bsuid, "US.13491208655302741918")));
}

#[tokio::test]
async fn only_messenger_carries_the_tag_as_metadata() {
    for (kind, metadata) in [(ChannelKind::Messenger, Some("tag-1")), (ChannelKind::Instagram, None)] {
        let world = World::open(&kind).await;
        let mut outbound = world.outbound(OutboundBody::text("Hi"));
        outbound.reply_to = Some(PlatformMessageId::new("m_1"));
        let receipt = world.send(&outbound).await.unwrap();
        let request = world.last_request();
        assert_eq!(request.pointer("/message/metadata").and_then(Value::as_str), metadata);
        assert_eq!(request["messaging_type"], "RESPONSE");
        assert_eq!(request["reply_to"], json!({ "mid": "m_1" }));
        assert_eq!(receipt.recipient.unwrap().value.expose(), SCOPED);
    }
}

#[tokio::test]
async fn instagram_calls_the_host_that_the_granted_scope_names() {
    let mut world = World::open(&ChannelKind::Instagram).await;
    world.send_text("Hi").await.unwrap();
    world.connection.scopes = vec!["instagram_manage_messages".to_owned()];
    world.send_text("Hi").await.unwrap();
    let paths: Vec<String> = world.simulator.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/v25.0/17841400000000001/messages", "/v25.0/me/messages"]);
}

#[tokio::test]
async fn outside_the_window_only_a_member_writes_and_with_the_human_tag() {
    for kind in [ChannelKind::Instagram, ChannelKind::Messenger] {
        let world = World::open(&kind).await;
        world.clock.advance(chrono::TimeDelta::days(3));
        let mut outbound = world.outbound(OutboundBody::text("Back to you"));
        outbound.outside_window = true;
        world.send(&outbound).await.unwrap();
        assert_eq!(world.last_request()["messaging_type"], "MESSAGE_TAG");
        assert_eq!(world.last_request()["tag"], "HUMAN_AGENT");
        let before = world.simulator.requests().len();
        for author in [engine(), whisp_core::model::Author::System, whisp_core::model::Author::Contact] {
            for body in [OutboundBody::text("x"), buttons(), reaction(None), seen(true)] {
                let mut outbound = world.outbound(body);
                outbound.outside_window = true;
                outbound.author = author.clone();
                let error = world.send(&outbound).await.unwrap_err();
                assert_eq!(error.kind(), ChannelErrorKind::WindowClosed);
            }
        }
        assert_eq!(world.simulator.requests().len(), before, "nothing went out");
    }
}

#[tokio::test]
async fn outside_the_window_whatsapp_takes_templates_only() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    world.clock.advance(chrono::TimeDelta::hours(25));
    for (body, goes) in [(OutboundBody::text("x"), false), (buttons(), false), (template(), true), (seen(false), true)]
    {
        let mut outbound = world.outbound(body);
        outbound.outside_window = true;
        let outcome = world.send(&outbound).await;
        assert_eq!(outcome.is_ok(), goes);
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ChannelErrorKind::WindowClosed);
        }
    }
    assert_eq!(world.simulator.requests().len(), 2);
}

#[tokio::test]
async fn an_app_secret_is_proved_with_each_call() {
    let clock = std::sync::Arc::new(whisp_core::testing::ManualClock::default());
    let kind = ChannelKind::Messenger;
    let config = crate::world::config(&kind, &clock).requiring_proof();
    let mut world = World::with(&kind, std::sync::Arc::clone(&clock), config).await;
    world.simulator.contact_says(&world.account, &world.persona, &whisp_meta::simulator::Say::text("hi"));
    assert_eq!(world.send_text("x").await.unwrap_err().code(), Some(100));
    let config = world.simulator.graph().with_app_secret("app-secret".to_owned().into());
    world.channel = crate::world::channel(&kind, whisp_meta::GraphClient::new(&config).unwrap(), clock);
    world.send_text("x").await.unwrap();
}
