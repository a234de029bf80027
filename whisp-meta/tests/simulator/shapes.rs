//! Answers and webhooks have the keys of the recorded ones.

use std::collections::BTreeSet;

use chrono::DateTime;
use serde_json::Value;
use whisp_core::channel::OutboundBody;
use whisp_core::model::{ChannelKind, PlatformMessageId};
use whisp_meta::simulator::{HistoryLine, Persona, Say};

use crate::world::{PHONE, TOKEN, World, fixture, fixtures, shape};

/// Posts a request by hand and returns the status and the answer.
async fn call(world: &World, token: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/v25.0/{}/messages", world.simulator.url(), world.account.id().as_str());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client.post(url).bearer_auth(token).json(&body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn recorded(name: &str) -> Option<BTreeSet<String>> {
    fixtures().map(|folder| shape(&fixture(&folder, name)))
}

#[tokio::test]
async fn successful_answers_have_the_recorded_keys() {
    let text = || OutboundBody::text("hi");
    let whatsapp = World::open(&ChannelKind::WhatsApp).await;
    whatsapp.send(&whatsapp.outbound(text())).await.unwrap();
    let body = whatsapp.last_request();
    let (_, answer) = call(&whatsapp, TOKEN, body.clone()).await;
    if let Some(wanted) = recorded("graph-responses/200-post-phone-number-id-message-sent--meta-openapi.json") {
        assert_eq!(shape(&answer), wanted);
    }
    let hidden = Persona::new(PHONE).with_bsuid("US.1").hiding_phone_behind("@a");
    whatsapp.simulator.meet(&whatsapp.account, &hidden);
    let mut to_bsuid = body;
    to_bsuid.as_object_mut().unwrap().remove("to");
    to_bsuid["recipient"] = "US.1".into();
    let (_, answer) = call(&whatsapp, TOKEN, to_bsuid).await;
    if let Some(wanted) = recorded("graph-responses/send-message-by-bsuid-no-wa-id--docs.json") {
        assert_eq!(shape(&answer), wanted);
    }
    for kind in [ChannelKind::Instagram, ChannelKind::Messenger] {
        let world = World::open(&kind).await;
        for (body, name) in [
            (text(), "graph-responses/send-message-instagram-messenger--docs.json"),
            (heart(), "graph-responses/send-reaction--docs.json"),
        ] {
            world.send(&world.outbound(body)).await.unwrap();
            let (status, answer) = call(&world, TOKEN, world.last_request()).await;
            assert_eq!(status, 200);
            if let Some(wanted) = recorded(name) {
                assert_eq!(shape(&answer), wanted, "{name}");
            }
        }
    }
}

fn heart() -> OutboundBody {
    OutboundBody::Reaction { target: PlatformMessageId::new("m_1"), emoji: Some("❤".into()) }
}

#[tokio::test]
async fn refusals_have_the_recorded_codes_and_keys() {
    let mut cases = Vec::new();
    for (kind, name) in [
        (ChannelKind::Instagram, "error-10-2534022-outside-window--issue.json"),
        (ChannelKind::Messenger, "error-10-2018278-messenger-outside-window--docs.json"),
    ] {
        let world = World::open(&kind).await;
        world.send_text("x").await.unwrap();
        world.clock.advance(chrono::TimeDelta::hours(25));
        cases.push((call(&world, TOKEN, world.last_request()).await.1, name));
    }
    let world = World::open(&ChannelKind::WhatsApp).await;
    let template = serde_json::json!({
        "messaging_product": "whatsapp", "to": PHONE, "type": "template",
        "template": { "name": "visit", "language": { "code": "en_US" } },
    });
    let (status, missing) = call(&world, TOKEN, template.clone()).await;
    assert_eq!(status, 400);
    cases.push((missing, "error-132000-param-count--issue.json"));
    let mut unknown = template.clone();
    unknown["template"]["name"] = "nobody".into();
    let (status, unknown) = call(&world, TOKEN, unknown).await;
    assert_eq!(status, 404);
    cases.push((unknown, "error-132001-template-missing--issue.json"));
    for (answer, name) in cases {
        let Some(folder) = fixtures() else { return };
        let wanted = fixture(&folder.join("graph-responses"), name);
        assert_eq!(shape(&answer), shape(&wanted), "{name}");
        for field in ["code", "error_subcode", "type"] {
            assert_eq!(answer["error"].get(field), wanted["error"].get(field), "{name}");
        }
    }
    assert_eq!(call(&world, "wrong", template).await.0, 401);
}

#[tokio::test]
async fn a_wrong_request_is_refused_with_metas_code() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    let base =
        serde_json::json!({ "messaging_product": "whatsapp", "to": PHONE, "type": "text", "text": { "body": "x" } });
    let with = |key: &str, value: Value| {
        let mut body = base.clone();
        body[key] = value;
        body
    };
    for (body, code) in [
        (with("messaging_product", Value::Null), 100),
        (with("type", "fax".into()), 100),
        (with("to", Value::Null), 100),
        (with("surprise", 1.into()), 100),
        (with("text", Value::Null), 131_008),
        (with("text", serde_json::json!({ "body": "" })), 131_009),
        (with("text", serde_json::json!({ "body": "x".repeat(4_097) })), 131_009),
    ] {
        let (status, answer) = call(&world, TOKEN, body.clone()).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &code.into()), "{body}");
    }
    let pages = World::open(&ChannelKind::Messenger).await;
    let to = serde_json::json!({ "id": crate::world::SCOPED });
    for body in [
        serde_json::json!({ "message": { "text": "x" } }),
        serde_json::json!({ "recipient": to }),
        serde_json::json!({ "recipient": to, "message": {} }),
        serde_json::json!({ "recipient": to, "message": { "text": "x".repeat(2_001) } }),
        serde_json::json!({ "recipient": to, "messaging_type": "MESSAGE_TAG", "message": { "text": "x" } }),
        serde_json::json!({ "recipient": to, "sender_action": "dance" }),
    ] {
        let (status, answer) = call(&pages, TOKEN, body.clone()).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &100.into()), "{body}");
    }
    assert!(world.simulator.accepted().is_empty() && pages.simulator.accepted().is_empty());
}

/// The last webhook that waits.
fn pushed(world: &World) -> Value {
    world.simulator.waiting_bodies().pop().expect("a webhook waits")
}

#[tokio::test]
async fn what_people_do_has_the_recorded_keys_on_whatsapp() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    world.send_text("x").await.unwrap();
    let target = PlatformMessageId::new("wamid.A");
    let cases = [
        (Say::text("hi"), "text-message--meta-openapi.json"),
        (Say::Image { caption: Some("c".into()) }, "messages-image--metadocs.json"),
        (Say::Voice, "messages-audio--metadocs.json"),
        (
            Say::Button { id: "1".into(), title: "t".into() },
            "messages-interactive-reply-buttons-messages-5--metadocs.json",
        ),
        (
            Say::List { id: "1".into(), title: "t".into(), description: Some("d".into()) },
            "messages-interactive-list-messages-4--metadocs.json",
        ),
        (Say::Postback { payload: "p".into(), title: "t".into() }, "messages-button--metadocs.json"),
        (Say::Reaction { target: target.clone(), emoji: Some("👍".into()) }, "reaction-message--meta-openapi.json"),
        (Say::Unsupported, "messages-unsupported--metadocs.json"),
        (Say::Unsend { target }, "embedded-signup-onboarding-business-app-users-14--metadocs.json"),
    ];
    for (say, name) in cases {
        world.simulator.contact_says(&world.account, &world.persona, &say);
        if let Some(wanted) = recorded(&format!("whatsapp/{name}")) {
            assert_eq!(shape(&pushed(&world)), wanted, "{name}");
        }
    }
    let hidden = Persona::new(PHONE)
        .named("Aigerim")
        .with_bsuid("US.1")
        .with_parent_bsuid("US.ENT.1")
        .hiding_phone_behind("@aigerim");
    world.simulator.contact_says(&world.account, &hidden, &Say::text("hi"));
    if let Some(wanted) = recorded("whatsapp/message-text-bsuid-only--bsuid-docs.json") {
        assert_eq!(shape(&pushed(&world)), wanted);
    }
}

#[tokio::test]
async fn what_the_business_does_elsewhere_has_the_recorded_keys_on_whatsapp() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    let known = Persona::new(PHONE).named("Aigerim").with_bsuid("US.1").with_parent_bsuid("US.ENT.1");
    world.simulator.member_types(&world.account, &known, "from the phone");
    if let Some(wanted) = recorded("whatsapp/outgoing-message-text--pywa.json") {
        assert_eq!(shape(&pushed(&world)), wanted);
    }
    let at = DateTime::from_timestamp(1_739_230_955, 0).unwrap();
    let lines = [
        HistoryLine { outgoing: true, text: Some("We open at nine".into()), at },
        HistoryLine { outgoing: false, text: None, at },
    ];
    world.simulator.import_history(&world.account, &known, &lines);
    if let Some(wanted) = recorded("whatsapp/embedded-signup-onboarding-business-app-users-16--metadocs.json") {
        assert_eq!(shape(&pushed(&world)), wanted);
    }
    world.simulator.contact_says_on_standby(&world.account, &known, &Say::text("hi"));
    assert_eq!(pushed(&world)["entry"][0]["changes"][0]["field"], "standby");
}

#[tokio::test]
async fn statuses_have_the_recorded_keys() {
    let world = World::open(&ChannelKind::WhatsApp).await;
    let known = world.persona.clone().with_bsuid("US.1").with_parent_bsuid("US.ENT.1").with_username("@aigerim");
    world.simulator.contact_says(&world.account, &known, &Say::text("hi"));
    world.send_text("x").await.unwrap();
    // Ours bring the tag back as well.
    let without_tag = |body: Value| -> BTreeSet<String> {
        shape(&body).into_iter().filter(|path| !path.contains("biz_opaque_callback_data")).collect()
    };
    if let Some(wanted) = recorded("whatsapp/status-delivered-username-user-phone-known--bsuid-docs.json") {
        assert_eq!(without_tag(pushed(&world)), wanted);
    }
    world.clock.advance(chrono::TimeDelta::hours(25));
    world.send_text("too late").await.unwrap();
    assert_eq!(pushed(&world).pointer("/entry/0/changes/0/value/statuses/0/errors/0/code"), Some(&131_047.into()));
    let plain = Persona::new("77000000000");
    world.simulator.meet(&world.account, &plain);
    let mut outbound = world.outbound(OutboundBody::text("x"));
    outbound.to = plain.handle(&world.account);
    world.send(&outbound).await.unwrap();
    if let Some(wanted) = recorded("whatsapp/messages-status-4--metadocs.json") {
        assert_eq!(without_tag(pushed(&world)), wanted);
    }
}

#[tokio::test]
async fn what_people_do_has_the_recorded_keys_on_instagram_and_messenger() {
    let target = || PlatformMessageId::new("m_1");
    let world = World::open(&ChannelKind::Instagram).await;
    for (say, name) in [
        (Say::text("hi"), "message-text--igdocs.json"),
        (Say::Reply { target: target(), text: "yes".into() }, "message-reply-to-message--igdocs.json"),
        (Say::Voice, "message-attachment-audio--igdocs.json"),
        (Say::Button { id: "1".into(), title: "Red".into() }, "message-quick-reply--igdocs.json"),
        (Say::Postback { payload: "p".into(), title: "t".into() }, "postback--igdocs.json"),
        (Say::Reaction { target: target(), emoji: Some("🙏".into()) }, "reaction-other-emoji--igdocs.json"),
        (Say::Reaction { target: target(), emoji: None }, "reaction-unreact--igdocs.json"),
        (Say::Unsupported, "message-is-unsupported--igdocs.json"),
        (Say::Edit { target: target(), text: "t".into() }, "message-edit--igdocs.json"),
        (Say::Unsend { target: target() }, "message-is-deleted--igdocs.json"),
    ] {
        world.simulator.contact_says(&world.account, &world.persona, &say);
        if let Some(wanted) = recorded(&format!("instagram/{name}")) {
            assert_eq!(shape(&pushed(&world)), wanted, "{name}");
        }
    }
    world.simulator.contact_says_on_standby(&world.account, &world.persona, &Say::text("hi"));
    if let Some(wanted) = recorded("instagram/standby-channel-message--igdocs.json") {
        assert_eq!(shape(&pushed(&world)), wanted);
    }
    world.simulator.member_types(&world.account, &world.persona, "hi");
    if let Some(wanted) = recorded("instagram/message-is-echo--igdocs.json") {
        assert_eq!(shape(&pushed(&world)), wanted);
    }
    let world = World::open(&ChannelKind::Messenger).await;
    for (say, name) in [
        (Say::text("hi"), "messaging-message--bottender.json"),
        (Say::Voice, "message-audio--docs.json"),
        (Say::Edit { target: target(), text: "t".into() }, "message-edit--docs.json"),
        (Say::Reaction { target: target(), emoji: Some("❤️".into()) }, "event-reaction-react--bottender.json"),
    ] {
        world.simulator.contact_says(&world.account, &world.persona, &say);
        if let Some(wanted) = recorded(&format!("messenger/{name}")) {
            assert_eq!(shape(&pushed(&world)), wanted, "{name}");
        }
    }
    let waiting = world.simulator.waiting();
    world.simulator.contact_says(&world.account, &world.persona, &Say::Unsend { target: target() });
    assert_eq!(world.simulator.waiting(), waiting, "Messenger tells nobody of an unsend");
}

#[tokio::test]
async fn echoes_and_receipts_have_the_recorded_keys() {
    for (kind, names) in [
        (
            ChannelKind::Messenger,
            &[
                "messenger/message-echo-by-other-app--docs.json",
                "messenger/delivery-watermark--docs.json",
                "messenger/read-watermark--docs.json",
            ][..],
        ),
        (ChannelKind::Instagram, &["instagram/message-is-echo--igdocs.json", "instagram/read--igdocs.json"]),
    ] {
        let world = World::open(&kind).await;
        world.send_text("x").await.unwrap();
        let bodies = world.simulator.waiting_bodies();
        assert_eq!(bodies.len(), names.len() + 1, "the contact's own message comes first");
        for (body, name) in bodies.iter().skip(1).zip(names) {
            if let Some(wanted) = recorded(name) {
                assert_eq!(shape(body), wanted, "{name}");
            }
        }
    }
}
