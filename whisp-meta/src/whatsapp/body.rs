//! The part of a WhatsApp request that says what to send, each kind with its limits.

use serde_json::{Map, Value, json};
use whisp_core::channel::{ChannelError, Choice, ListSection, OutboundBody, Template, TemplateValue};
use whisp_core::model::{Media, MediaKind};

use crate::json::set;
use crate::limits::{check_count, invalid, unsupported, whatsapp as limit};
use whisp_core::Sensitive;

/// Returns the `type` of a message and the object of that name.
pub(super) fn write(body: &OutboundBody) -> Result<(&'static str, Value), ChannelError> {
    match body {
        OutboundBody::Text { text } => {
            limit::TEXT.check(text.expose())?;
            Ok(("text", json!({ "body": text.expose(), "preview_url": false })))
        }
        OutboundBody::Media { media, caption } => media_object(media, caption.as_ref()),
        OutboundBody::Buttons { text, buttons } => Ok(("interactive", with_buttons(text, buttons)?)),
        OutboundBody::List { text, button, sections } => Ok(("interactive", with_list(text, button, sections)?)),
        OutboundBody::Template(template) => Ok(("template", template_object(template)?)),
        OutboundBody::Reaction { target, emoji } => {
            let emoji = emoji.as_ref().map_or("", |emoji| emoji.expose());
            Ok(("reaction", json!({ "message_id": target.expose(), "emoji": emoji })))
        }
        _ => Err(unsupported("WhatsApp has no message of this kind")),
    }
}

const fn kind_name(kind: MediaKind) -> Option<&'static str> {
    match kind {
        MediaKind::Audio => Some("audio"),
        MediaKind::Document => Some("document"),
        MediaKind::Image => Some("image"),
        MediaKind::Sticker => Some("sticker"),
        MediaKind::Video => Some("video"),
        _ => None,
    }
}

fn media_object(media: &Media, caption: Option<&Sensitive>) -> Result<(&'static str, Value), ChannelError> {
    let kind = kind_name(media.kind).ok_or_else(|| unsupported("WhatsApp has no such media"))?;
    let mut object = reference(media)?;
    if let Some(caption) = caption {
        if matches!(media.kind, MediaKind::Audio | MediaKind::Sticker) {
            return Err(unsupported("WhatsApp takes no caption under a sound or a sticker; send a text of its own"));
        }
        limit::CAPTION.check(caption.expose())?;
        object.insert("caption".to_owned(), caption.expose().as_str().into());
    }
    if let (MediaKind::Document, Some(name)) = (media.kind, &media.filename) {
        object.insert("filename".to_owned(), name.expose().as_str().into());
    }
    if media.kind == MediaKind::Audio && media.live {
        object.insert("voice".to_owned(), true.into());
    }
    Ok((kind, Value::Object(object)))
}

/// Returns `{"link"}`, or `{"id"}` of media that WhatsApp already has.
fn reference(media: &Media) -> Result<Map<String, Value>, ChannelError> {
    let (key, value) = match (&media.url, &media.id) {
        (Some(url), _) => ("link", https_link(url)?),
        (None, Some(id)) => ("id", id.expose().as_str()),
        (None, None) => return Err(invalid("the media has neither a link nor an id")),
    };
    Ok(Map::from_iter([(key.to_owned(), value.into())]))
}

/// Returns a link that Meta can fetch.
pub(crate) fn https_link(url: &Sensitive) -> Result<&str, ChannelError> {
    let url = url.expose();
    if url.starts_with("https://") { Ok(url) } else { Err(invalid("a link to media must be https")) }
}

fn with_buttons(text: &Sensitive, buttons: &[Choice]) -> Result<Value, ChannelError> {
    limit::BUTTONS_TEXT.check(text.expose())?;
    check_count("buttons", buttons.len(), limit::BUTTONS_MAX)?;
    let buttons = buttons.iter().map(|button| {
        limit::BUTTON_ID.check(button.id.expose())?;
        limit::BUTTON_TITLE.check(button.title.expose())?;
        Ok(json!({ "type": "reply", "reply": { "id": button.id.expose(), "title": button.title.expose() } }))
    });
    let buttons = buttons.collect::<Result<Vec<_>, ChannelError>>()?;
    Ok(json!({ "type": "button", "body": { "text": text.expose() }, "action": { "buttons": buttons } }))
}

fn with_list(text: &Sensitive, button: &str, sections: &[ListSection]) -> Result<Value, ChannelError> {
    limit::LIST_TEXT.check(text.expose())?;
    limit::LIST_BUTTON.check(button)?;
    check_count("sections", sections.len(), limit::SECTIONS_MAX)?;
    check_count("rows", sections.iter().map(|section| section.rows.len()).sum(), limit::ROWS_MAX)?;
    let several = sections.len() > 1;
    let sections = sections.iter().map(|section| section_object(section, several));
    let sections = sections.collect::<Result<Vec<_>, ChannelError>>()?;
    let action = json!({ "button": button, "sections": sections });
    Ok(json!({ "type": "list", "body": { "text": text.expose() }, "action": action }))
}

fn section_object(section: &ListSection, several: bool) -> Result<Value, ChannelError> {
    let rows = section.rows.iter().map(row_object).collect::<Result<Vec<_>, ChannelError>>()?;
    let mut object = json!({ "rows": rows });
    match &section.title {
        Some(title) => {
            limit::SECTION_TITLE.check(title.expose())?;
            set(&mut object, "title", title.expose().as_str());
        }
        None if several => return Err(invalid("each of several sections needs a title")),
        None => {}
    }
    Ok(object)
}

fn row_object(row: &Choice) -> Result<Value, ChannelError> {
    limit::ROW_ID.check(row.id.expose())?;
    limit::ROW_TITLE.check(row.title.expose())?;
    let mut object = json!({ "id": row.id.expose(), "title": row.title.expose() });
    if let Some(description) = &row.description {
        limit::ROW_DESCRIPTION.check(description.expose())?;
        set(&mut object, "description", description.expose().as_str());
    }
    Ok(object)
}

fn template_object(template: &Template) -> Result<Value, ChannelError> {
    limit::TEMPLATE_NAME.check(&template.name)?;
    let mut components = Vec::new();
    for (part, values) in [("header", &template.header), ("body", &template.body)] {
        if !values.is_empty() {
            let parameters = values.iter().map(parameter).collect::<Result<Vec<_>, ChannelError>>()?;
            components.push(json!({ "type": part, "parameters": parameters }));
        }
    }
    if !template.buttons.is_empty() {
        check_count("template buttons", template.buttons.len(), limit::TEMPLATE_BUTTONS_MAX)?;
    }
    components.extend(template.buttons.iter().enumerate().map(|(index, payload)| {
        let parameters = [json!({ "type": "payload", "payload": payload.expose() })];
        json!({ "type": "button", "sub_type": "quick_reply", "index": index.to_string(), "parameters": parameters })
    }));
    let mut object =
        json!({ "name": template.name, "language": { "policy": "deterministic", "code": template.language } });
    if !components.is_empty() {
        set(&mut object, "components", components);
    }
    Ok(object)
}

fn parameter(value: &TemplateValue) -> Result<Value, ChannelError> {
    match value {
        TemplateValue::Text { name, text } => {
            limit::TEMPLATE_VALUE.check(text.expose())?;
            let mut object = json!({ "type": "text", "text": text.expose() });
            if let Some(name) = name {
                set(&mut object, "parameter_name", name.as_str());
            }
            Ok(object)
        }
        TemplateValue::Media(media) => {
            let kind = kind_name(media.kind).ok_or_else(|| unsupported("WhatsApp has no such media"))?;
            Ok(Value::Object(Map::from_iter([
                ("type".to_owned(), kind.into()),
                (kind.to_owned(), Value::Object(reference(media)?)),
            ])))
        }
        _ => Err(unsupported("WhatsApp has no such template value")),
    }
}
