//! What we send on WhatsApp, against Meta's own OpenAPI document.

use serde_json::{Map, Value};
use whisp_core::channel::OutboundBody;
use whisp_core::model::{ChannelKind, MediaKind, PlatformMessageId};

use crate::requests::{buttons, list, media, reaction, template};
use crate::world::{World, fixtures};

const DOCUMENT: &str = "openapi/business-messaging-api_v23.0.yaml";

/// Fields that Meta's reference has and its OpenAPI document does not: the document is of v23.0, and it lists for
/// media only what refers to the file.
const NEWER: &[&str] = &["biz_opaque_callback_data", "context", "caption", "filename", "title", "description"];

struct Schemas(Value);

impl Schemas {
    /// Follows a reference.
    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) else {
            return schema;
        };
        self.resolve(&self.0["components"]["schemas"][name])
    }

    /// The properties and the required names of a schema with its `allOf` and one alternative of its `oneOf`.
    fn merge<'a>(
        &'a self,
        schema: &'a Value,
        value: &Value,
        fields: &mut Map<String, Value>,
        required: &mut Vec<String>,
    ) {
        let schema = self.resolve(schema);
        fields.extend(schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default());
        let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        required.extend(names.filter_map(Value::as_str).map(str::to_owned));
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.merge(part, value, fields, required);
        }
        if let Some(alternatives) = schema.get("oneOf").and_then(Value::as_array) {
            let mut fitting = alternatives.iter().filter(|alternative| self.faults(alternative, value, "").is_empty());
            let fitting = fitting.next_back().unwrap_or_else(|| panic!("no alternative takes {value}"));
            self.merge(fitting, value, fields, required);
        }
    }

    /// What is wrong with `value`. An unknown field is a fault only outside the alternatives of a `oneOf`, where it
    /// belongs to a sibling.
    fn faults(&self, schema: &Value, value: &Value, path: &str) -> Vec<String> {
        let schema = self.resolve(schema);
        let mut faults = Vec::new();
        let kind = schema.get("type").and_then(Value::as_str);
        let right = match kind {
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            _ => true,
        };
        if !right {
            faults.push(format!("{path} is not a {kind:?}"));
        }
        if schema.get("enum").and_then(Value::as_array).is_some_and(|known| !known.contains(value)) {
            faults.push(format!("{path} is none of the known words"));
        }
        let length = value.as_str().map(|text| text.chars().count()).or(value.as_array().map(Vec::len));
        for (bound, over) in [("maxLength", true), ("maxItems", true), ("minItems", false)] {
            let bound = schema.get(bound).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
            if let (Some(bound), Some(length)) = (bound, length)
                && if over { length > bound } else { length < bound }
            {
                faults.push(format!("{path} is out of bounds"));
            }
        }
        if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
            faults.extend(values.iter().flat_map(|value| self.faults(items, value, &format!("{path}[]"))));
        }
        if let Some(object) = value.as_object() {
            let mut fields = Map::new();
            let mut required = Vec::new();
            self.merge(schema, value, &mut fields, &mut required);
            faults.extend(
                required
                    .iter()
                    .filter(|name| !object.contains_key(*name))
                    .map(|name| format!("{path}.{name} is missing")),
            );
            for (key, value) in object {
                match fields.get(key) {
                    Some(schema) => faults.extend(self.faults(schema, value, &format!("{path}.{key}"))),
                    None if fields.is_empty() || path.is_empty() || NEWER.contains(&key.as_str()) => {}
                    None => faults.push(format!("{path}.{key} is not known")),
                }
            }
        }
        faults
    }
}

#[tokio::test]
async fn what_whatsapp_is_sent_keeps_to_metas_schema() {
    let Some(folder) = fixtures() else { return };
    let text = std::fs::read_to_string(folder.join(DOCUMENT)).expect("the document is there");
    let schemas = Schemas(serde_yaml_ng::from_str(&text).expect("the document is YAML"));
    let mapping = &schemas.0["components"]["schemas"]["Message"]["discriminator"]["mapping"];
    let world = World::open(&ChannelKind::WhatsApp).await;
    for body in [
        OutboundBody::text("Hello"),
        media(MediaKind::Image, Some("c")),
        media(MediaKind::Audio, None),
        media(MediaKind::Video, None),
        media(MediaKind::Document, Some("c")),
        media(MediaKind::Sticker, None),
        buttons(),
        list(),
        template(),
        reaction(Some("👍")),
    ] {
        let mut outbound = world.outbound(body);
        if !matches!(outbound.release(chrono::DateTime::UNIX_EPOCH), Ok(OutboundBody::Reaction { .. })) {
            outbound.reply_to = Some(PlatformMessageId::new("wamid.HBgL"));
        }
        world.send(&outbound).await.expect("it is sent");
        let request = world.last_request();
        let kind = request["type"].as_str().expect("each has a type");
        let schema = serde_json::json!({ "$ref": mapping[kind] });
        let faults = schemas.faults(&schema, &request, "message");
        assert!(faults.is_empty(), "{kind}: {faults:?}\n{request}");
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let schema = serde_json::json!({ "components": { "schemas": { "M": {
        "type": "object", "required": ["to"],
        "properties": { "to": { "type": "string" }, "kind": { "type": "string", "enum": ["a"], "maxLength": 3 } },
    } } } });
    let schemas = Schemas(schema);
    let reference = serde_json::json!({ "$ref": "#/components/schemas/M" });
    let faults = schemas.faults(&reference, &serde_json::json!({ "kind": "long", "odd": 1 }), "m");
    assert_eq!(
        faults,
        ["m.to is missing", "m.kind is none of the known words", "m.kind is out of bounds", "m.odd is not known"]
    );
}
