//! Every recorded body, damaged in every place: nothing panics, nothing beside the damage is lost, and the short way
//! gives what the thorough way gives.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use whisp_core::model::Content;
use whisp_core::webhook::{Event, Item, WebhookErrorKind};

use super::{MetaDecoder, decoder, direct};

fn received_at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000, 0).unwrap()
}

/// The body as Meta writes it: what an item needs comes before the item. (`Value` sorts by name, and a sorted body goes
/// the thorough way.)
fn written(value: &Value) -> String {
    const FIRST: [&str; 6] = ["object", "id", "time", "messaging_product", "metadata", "contacts"];
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
            fields.sort_by_key(|(name, _)| (rank(name), *name));
            let fields = fields.iter().map(|(name, value)| format!("{}:{}", json!(name), written(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(written).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// The recorded bodies of the three channels, by file; none where the environment names no place for them.
#[expect(clippy::disallowed_methods, reason = "the recordings lie outside the project")]
fn recorded() -> Vec<(String, String)> {
    let Ok(root) = std::env::var("WHISP_FIXTURES") else {
        // Past the test runner, which keeps what a passing test prints to itself.
        std::io::Write::write_all(
            &mut std::io::stderr(),
            b"WHISP_FIXTURES is not set: the recorded webhooks are left out\n",
        )
        .unwrap();
        return Vec::new();
    };
    let mut bodies = Vec::new();
    for channel in ["whatsapp", "instagram", "messenger"] {
        for file in std::fs::read_dir(format!("{root}/{channel}")).unwrap() {
            let path = file.unwrap().path();
            bodies.push((path.display().to_string(), std::fs::read_to_string(path).unwrap()));
        }
    }
    bodies.sort();
    assert!(bodies.len() > 250, "the recordings are not where WHISP_FIXTURES says");
    bodies
}

/// Bodies of our own, so that the tests mean something without the recordings.
fn own() -> Vec<(String, String)> {
    let whatsapp = |value: Value| {
        json!({"object": "whatsapp_business_account",
               "entry": [{"id": "1", "changes": [{"value": value, "field": "messages"}]}]})
    };
    let metadata = json!({"display_phone_number": "15550001111", "phone_number_id": "2"});
    let bodies = [
        whatsapp(json!({"metadata": metadata, "contacts": [{"wa_id": "3", "profile": {"name": "Dana"}}],
            "messages": [{"id": "m1", "from": "3", "timestamp": "1750000000", "type": "text", "text": {"body": "hi"}}]})),
        whatsapp(json!({"metadata": metadata, "statuses": [{"id": "m2", "status": "read", "timestamp": 1750000000,
            "recipient_id": "3", "errors": [{"code": 131047}], "pricing": {"category": "utility"}}]})),
        json!({"object": "page", "entry": [{"id": "4", "time": 1750000000000_i64, "messaging": [
            {"sender": {"id": "5"}, "recipient": {"id": "4"}, "timestamp": 1750000000000_i64,
             "message": {"mid": "m3", "text": "hi", "reply_to": {"mid": "m2"}}},
            {"sender": {"id": "5"}, "recipient": {"id": "4"}, "timestamp": 1750000000001_i64,
             "reaction": {"mid": "m3", "action": "react", "emoji": "x"}}]}]}),
        json!({"object": "instagram", "entry": [{"id": "6", "time": 1750000000, "changes": [
            {"field": "comments", "value": {"id": "c1", "from": {"id": "7"}, "text": "hi", "media": {"id": "8"}}}]}]}),
    ];
    bodies.iter().enumerate().map(|(index, body)| (format!("own {index}"), written(body))).collect()
}

fn all() -> Vec<(String, String)> {
    let mut bodies = own();
    bodies.extend(recorded());
    bodies
}

fn decode(body: &Value) -> Result<Vec<Item>, WebhookErrorKind> {
    let text = written(body);
    let delivery = MetaDecoder::decode_verified(text.as_bytes(), received_at()).map_err(|error| error.kind())?;
    let thorough = decoder::thorough(&text.as_str().into(), received_at()).unwrap();
    assert_eq!(delivery.items, thorough, "the short way differs: {text}");
    Ok(delivery.items)
}

/// Every place in `value`, as the steps that lead there.
fn places(value: &Value) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new()];
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, child)| (name.clone(), child)).collect(),
        Value::Array(list) => list.iter().enumerate().map(|(index, child)| (index.to_string(), child)).collect(),
        _ => Vec::new(),
    };
    for (step, child) in children {
        found.extend(places(child).into_iter().map(|rest| [vec![step.clone()], rest].concat()));
    }
    found
}

fn at<'a>(value: &'a mut Value, place: &[String]) -> &'a mut Value {
    place.iter().fold(value, |value, step| match value {
        Value::Array(list) => &mut list[step.parse::<usize>().unwrap()],
        other => other.get_mut(step).unwrap(),
    })
}

/// `body` with the value at `place` removed or replaced by something of another type.
fn damaged(body: &Value, place: &[String]) -> Vec<Value> {
    let replacements = [json!(null), json!(-0.5), json!("x"), json!([1]), json!({"a": {}})];
    let mut bodies: Vec<Value> = replacements
        .into_iter()
        .map(|replacement| {
            let mut body = body.clone();
            *at(&mut body, place) = replacement;
            body
        })
        .collect();
    if let Some((last, parent)) = place.split_last() {
        let mut body = body.clone();
        match at(&mut body, parent) {
            Value::Object(fields) => drop(fields.remove(last)),
            // Removing from a list would move its siblings.
            Value::Array(list) => list[last.parse::<usize>().unwrap()] = json!([]),
            _ => {}
        }
        bodies.push(body);
    }
    bodies
}

/// An element that is well and that belongs into the list of this name.
fn sibling(list: &str, object: &str) -> Option<Value> {
    let message = json!({"id": "sibling", "from": "999", "to": "998", "timestamp": "1750000001", "type": "text",
                         "text": {"body": "unharmed"}});
    let messaging = json!({"sender": {"id": "999"}, "recipient": {"id": "998"}, "timestamp": 1750000001000_i64,
                           "message": {"mid": "sibling", "text": "unharmed"}});
    let whatsapp = object == "whatsapp_business_account";
    let change = if whatsapp {
        json!({"field": "messages", "value": {"metadata": {"phone_number_id": "997"}, "messages": [message]}})
    } else {
        json!({"field": "messages", "value": messaging})
    };
    Some(match list {
        "messages" | "message_echoes" => message,
        "statuses" => json!({"id": "sibling", "status": "read", "timestamp": "1750000001", "recipient_id": "999"}),
        "messaging" | "standby" => messaging,
        "changes" => change,
        "entry" if whatsapp => json!({"id": "996", "changes": [change]}),
        "entry" => json!({"id": "996", "time": 1750000001, "messaging": [messaging]}),
        _ => return None,
    })
}

fn is_sibling(item: &Item) -> bool {
    item.dedup.expose().split('\n').any(|part| part == "sibling")
}

#[test]
fn the_short_way_gives_what_the_thorough_way_gives() {
    let mut short = 0;
    for (file, body) in all() {
        let thorough = decoder::thorough(&body.as_str().into(), received_at()).unwrap();
        if let Some(items) = direct::items(&body.as_str().into(), received_at()) {
            assert_eq!(items, thorough, "{file}");
            short += 1;
        }
    }
    assert!(short >= 3, "only {short} bodies went the short way");
}

#[test]
fn a_body_cut_anywhere_is_refused_without_a_panic() {
    for (file, body) in all() {
        let body = body.trim_end().as_bytes();
        for end in 0..body.len() {
            let error = MetaDecoder::decode_verified(&body[..end], received_at()).expect_err(&file);
            assert_eq!(error.kind(), WebhookErrorKind::Malformed, "{file} cut at {end}");
        }
    }
}

#[test]
fn damage_in_an_item_leaves_its_siblings_as_they_were() {
    let mut cases = 0;
    for (file, body) in all() {
        let body: Value = serde_json::from_str(&body).unwrap();
        let object = body["object"].as_str().unwrap().to_owned();
        // A notice is one item, whatever lists are in it.
        if decode(&body).unwrap().iter().all(|item| matches!(item.event, Event::Notice { .. })) {
            continue;
        }
        for place in places(&body) {
            // The innermost list that the place lies in, and a sibling for it.
            let list = place.iter().rposition(|step| sibling(step, &object).is_some());
            let Some(list) = list.filter(|list| *list + 1 < place.len()) else { continue };
            let mut well = body.clone();
            let Value::Array(elements) = at(&mut well, &place[..=list]) else { continue };
            elements.push(sibling(&place[list], &object).unwrap());
            let before: Vec<Item> = decode(&well).unwrap().into_iter().filter(is_sibling).collect();
            assert_eq!(before.len(), 1, "{file}: {place:?}");
            for damaged in damaged(&well, &place) {
                let after: Vec<Item> = decode(&damaged).unwrap().into_iter().filter(is_sibling).collect();
                assert_eq!(after, before, "{file}: {place:?}: {damaged}");
                cases += 1;
            }
        }
    }
    assert!(cases > 100, "only {cases} cases");
}

#[test]
fn damage_anywhere_never_panics_and_never_makes_an_item_vanish() {
    for (file, body) in all() {
        let body: Value = serde_json::from_str(&body).unwrap();
        for place in places(&body) {
            for damaged in damaged(&body, &place) {
                match decode(&damaged) {
                    // Something is always said of a list that is not empty, be it that it is not understood.
                    Ok(items) => {
                        let entries = damaged["entry"].as_array().map_or(0, Vec::len);
                        assert!(items.len() >= usize::from(entries > 0), "{file}: {place:?}: {damaged}");
                    }
                    Err(kind) => {
                        assert_eq!(kind, WebhookErrorKind::Malformed, "{file}: {place:?}");
                        assert!(place.len() <= 1, "{file}: {place:?} made the body unreadable");
                    }
                }
            }
        }
    }
}

#[test]
fn the_same_bytes_give_the_same_items_and_layout_does_not_matter() {
    for (file, body) in all() {
        let value: Value = serde_json::from_str(&body).unwrap();
        let items = MetaDecoder::decode_verified(body.as_bytes(), received_at()).unwrap().items;
        let again = MetaDecoder::decode_verified(body.as_bytes(), received_at()).unwrap().items;
        assert_eq!(items, again, "{file}");
        let spread = serde_json::to_string_pretty(&value).unwrap();
        let spread = MetaDecoder::decode_verified(spread.as_bytes(), received_at()).unwrap().items;
        let identities = |items: &[Item]| items.iter().map(|item| item.dedup.clone()).collect::<Vec<_>>();
        // `Value` sorts fields, which moves the lists of a value; a digest is over the fields as they came.
        if !items.iter().any(|item| item.dedup.expose().starts_with("digest")) {
            let (mut a, mut b) = (identities(&items), identities(&spread));
            a.sort();
            b.sort();
            assert_eq!(a, b, "{file}");
        }
    }
}

#[test]
fn an_item_delivered_again_in_another_batch_keeps_its_identity() {
    let bodies = all();
    for (file, body) in &bodies {
        let alone: Value = serde_json::from_str(body).unwrap();
        let mut batch = alone.clone();
        let entries = batch["entry"].as_array_mut().unwrap();
        for (_, other) in &bodies {
            let other: Value = serde_json::from_str(other).unwrap();
            if other["object"] == alone["object"] && entries.len() < 40 {
                entries.splice(0..0, other["entry"].as_array().unwrap().iter().cloned());
            }
        }
        let identities: Vec<_> = decode(&batch).unwrap().into_iter().map(|item| (item.account, item.dedup)).collect();
        for item in decode(&alone).unwrap() {
            assert!(identities.contains(&(item.account, item.dedup)), "{file}");
        }
    }
}

#[test]
fn no_id_of_a_message_passes_for_the_identity_of_something_else() {
    let event = |message: Value| json!({"sender": {"id": "5"}, "recipient": {"id": "4"}, "message": message});
    let messaging = [event(json!({"mid": "m", "is_deleted": true})), event(json!({"mid": "unsent\nm", "text": "hi"}))];
    let body = json!({"object": "page", "entry": [{"id": "4", "messaging": messaging}]});
    let items = decode(&body).unwrap();
    assert_eq!(items[0].dedup.expose(), "unsent\nm");
    assert_eq!(items[1].dedup.expose(), "message\nunsent\nm");
}

#[test]
fn a_change_of_the_bsuid_alone_gives_up_no_number() {
    let ends = |kind: &str| {
        let system = json!({"type": kind, "body": "x", "user_id": "KZ.2", "previous_user_id": "KZ.1"});
        let message = json!({"id": "m1", "from": "3", "from_user_id": "KZ.1", "timestamp": "1750000000",
                             "type": "system", "system": system});
        let value = json!({"metadata": {"phone_number_id": "2"}, "messages": [message]});
        let body = json!({"object": "whatsapp_business_account",
                          "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]});
        let items = decode(&body).unwrap();
        let Event::IdentityChanged { old, .. } = &items[0].event else { panic!("{items:?}") };
        old.iter().map(|handle| handle.value.expose().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(ends("user_changed_user_id"), ["KZ.1"]);
    assert_eq!(ends("user_changed_number"), ["KZ.1", "3"]);
}

/// The code of a failure may be all that ever tells it.
#[test]
fn a_status_tells_whether_it_failed_because_its_reader_stopped_such_messages() {
    for (step, code, opted_out) in [("failed", 131_050, true), ("failed", 131_047, false), ("sent", 131_050, false)] {
        let status = json!({"id": "m1", "status": step, "timestamp": "1750000000", "recipient_id": "3",
                            "errors": [{"code": code}]});
        let value = json!({"metadata": {"phone_number_id": "2"}, "statuses": [status]});
        let body = json!({"object": "whatsapp_business_account",
                          "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]});
        let items = decode(&body).unwrap();
        let Event::Receipt(receipt) = &items[0].event else { panic!("{items:?}") };
        let told = receipt.failure.map(|code| code.0);
        assert_eq!((told, receipt.opted_out), (Some(code), opted_out), "{step}");
    }
}

#[test]
fn other_objects_of_an_app_are_kept_as_unknown() {
    let body = json!({"object": "permissions", "entry": [{"id": "1", "changed_fields": ["x"]}]});
    let items = decode(&body).unwrap();
    assert_eq!(items.len(), 1);
    assert!(matches!(&items[0].event, Event::Unknown { kind: Some(kind), .. } if kind == "permissions"));
}

/// Somebody wrote it and waits for an answer.
#[test]
fn a_message_whose_content_is_not_understood_is_a_message_all_the_same() {
    let whatsapp = |message: Value| {
        json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": [{"field": "messages", "value": {
            "metadata": {"display_phone_number": "15550001111", "phone_number_id": "2"},
            "contacts": [{"wa_id": "3", "profile": {"name": "Dana"}}], "messages": [message]}}]}]})
    };
    let page = |message: Value| {
        json!({"object": "page", "entry": [{"id": "4", "time": 1_750_000_000_000_i64, "messaging": [
            {"sender": {"id": "3"}, "recipient": {"id": "4"}, "timestamp": 1_750_000_000_000_i64, "message": message}]}]})
    };
    let new = json!({"id": "m1", "from": "3", "timestamp": "1750000000", "type": "hologram", "context": {"id": "m0"}});
    let broken =
        json!({"id": "m1", "from": "3", "timestamp": "1750000000", "type": "location", "location": {"name": 1}});
    let attached =
        json!({"mid": "m1", "attachments": [{"type": "hologram", "payload": {}}], "reply_to": {"mid": "m0"}});
    for (body, kind) in [
        (whatsapp(new), Some("hologram")),
        (whatsapp(broken), Some("location")),
        (page(attached), Some("hologram")),
        (page(json!({"mid": "m1", "attachments": 5})), None),
    ] {
        let items = decode(&body).unwrap();
        let [Item { event, dedup, .. }] = &items[..] else { panic!("{items:?}") };
        let Event::Message(message) = event else { panic!("{event:?}") };
        assert!(event.is_unknown());
        assert_eq!(dedup.expose(), "m1", "known again by its id");
        assert_eq!(message.contact.handles[0].value.expose(), "3");
        assert_eq!(message.extras.reply_to.is_some(), kind == Some("hologram"));
        assert!(message.extras.raw.as_ref().is_some_and(|raw| raw.expose().contains("m1")));
        assert_eq!(message.content, Content::Unsupported { kind: kind.map(str::to_owned), code: None });
    }
    // What nobody wrote as a message is none, and neither is what nobody knows whose it is.
    let reaction = json!({"id": "m1", "from": "3", "timestamp": "1750000000", "type": "reaction", "reaction": {}});
    let nameless = json!({"from": "3", "timestamp": "1750000000", "type": "hologram"});
    for message in [reaction, nameless] {
        assert!(matches!(decode(&whatsapp(message)).unwrap()[0].event, Event::Unknown { contact: Some(_), .. }));
    }
}

#[test]
fn a_changed_byte_never_panics() {
    for (name, body) in own() {
        for index in 0..body.len() {
            for byte in [0, b' ', b'"', b'0', b'-', b'{', b'}', b'[', b',', b':', b'\\', b'u', 0xff] {
                let mut body = body.as_bytes().to_vec();
                body[index] = byte;
                let Ok(delivery) = MetaDecoder::decode_verified(&body, received_at()) else { continue };
                let text = std::str::from_utf8(&body).unwrap();
                assert_eq!(
                    delivery.items,
                    decoder::thorough(&text.into(), received_at()).unwrap(),
                    "{name} at {index}"
                );
            }
        }
    }
}

#[test]
fn depth_is_no_danger() {
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    let of = |item: &str| format!(r#"{{"object":"page","entry":[{{"id":"1","messaging":[{item},{item}]}}]}}"#);
    for (body, kind) in [
        (of(&deep), None),
        (of(&format!(r#"{{"message":{{"mid":"m","text":{deep}}}}}"#)), Some("message")),
        (of(&format!(r#"{{"reaction":{deep}}}"#)), Some("reaction")),
        (of(&format!(r#"{{"novelty":{deep}}}"#)), Some("novelty")),
    ] {
        let items = MetaDecoder::decode_verified(body.as_bytes(), received_at()).unwrap().items;
        assert_eq!(items.len(), 2);
        assert!(matches!(&items[0].event, Event::Unknown { kind: found, .. } if found.as_deref() == kind));
    }
}

#[test]
fn a_large_batch_of_many_people_takes_no_quadratic_time() {
    let count = 8_000;
    let contacts: Vec<Value> =
        (0..count).rev().map(|n| json!({"wa_id": n.to_string(), "profile": {"name": format!("name {n}")}})).collect();
    let messages: Vec<Value> = (0..count)
        .map(|n| {
            json!({"id": format!("m{n}"), "from": n.to_string(), "timestamp": 1_750_000_000, "type": "text",
                        "text": {"body": "hi"}})
        })
        .collect();
    let value = json!({"metadata": {"phone_number_id": "2"}, "contacts": contacts, "messages": messages});
    let body = json!({"object": "whatsapp_business_account",
                      "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}]});
    let items = MetaDecoder::decode_verified(written(&body).as_bytes(), received_at()).unwrap().items;
    assert_eq!(items.len(), count);
    for (n, item) in items.iter().enumerate() {
        let Event::Message(message) = &item.event else { panic!("no message") };
        assert_eq!(message.contact.name.as_ref().unwrap().expose(), &format!("name {n}"));
    }
}
