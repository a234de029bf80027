//! What a message of WhatsApp says, by its type.

use serde::Deserialize;
use serde_json::value::RawValue;
use whisp_core::Sensitive;
use whisp_core::model::{
    Content, FlowReply, Handle, HandleKind, Location, Media, MediaKind, OrderItem, PlatformMessageId, SharedContact,
};

use super::message::Message;
use super::{Scene, WireError, outbound};
use crate::webhook::wire::{Flag, Obj, Real, Text, elements, read, readable};

/// The content of a message of type `kind`; `None` if the type is not in Meta's reference or its object is missing or
/// malformed.
pub(super) fn content(kind: &str, message: &Message<'_>, scene: &Scene<'_>) -> Option<Content> {
    let part = |name| message.others.some(name);
    match kind {
        "text" => {
            let text = message.text.get()?.body.as_str()?;
            Some(Content::Text { text: scene.body.part(text).into() })
        }
        "image" => media(MediaKind::Image, part("image")?),
        "video" => media(MediaKind::Video, part("video")?),
        "audio" => media(MediaKind::Audio, part("audio")?),
        "voice" => media(MediaKind::Audio, part("voice").or_else(|| part("audio"))?),
        "document" => media(MediaKind::Document, part("document")?),
        "sticker" => media(MediaKind::Sticker, part("sticker")?),
        "location" => location(part("location")?),
        "contacts" => contacts(part("contacts")?),
        "button" => button(part("button")?),
        "interactive" => match part("interactive") {
            Some(raw) => interactive(raw),
            // WhatsApp itself could not describe it; why is among the value's errors.
            None => Some(Content::Unsupported { kind: Some(kind.to_owned()), code: code(message).or(scene.error) }),
        },
        "order" => order(part("order")?),
        "reaction" => reaction(part("reaction")?),
        "template" => outbound::template(part("template")?),
        "request_welcome" => Some(Content::Welcome),
        "media_placeholder" => Some(Content::Placeholder),
        "unsupported" | "unknown" => {
            let unsupported = part("unsupported").and_then(read::<Typed<'_>>);
            let kind = unsupported.and_then(|unsupported| unsupported.kind.owned());
            Some(Content::Unsupported { kind, code: code(message) })
        }
        _ => None,
    }
}

/// The first of the message's own error codes.
fn code(message: &Message<'_>) -> Option<i64> {
    let errors: Vec<WireError> = readable(message.others.get("errors"));
    errors.iter().find_map(|error| error.code.0)
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
}

#[derive(Deserialize)]
struct WireMedia<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    url: Text<'a>,
    #[serde(borrow, default)]
    mime_type: Text<'a>,
    #[serde(borrow, default)]
    sha256: Text<'a>,
    #[serde(borrow, default)]
    caption: Text<'a>,
    #[serde(borrow, default)]
    filename: Text<'a>,
    #[serde(default)]
    animated: Flag,
    #[serde(default)]
    voice: Flag,
}

fn media(kind: MediaKind, raw: &RawValue) -> Option<Content> {
    let wire: WireMedia<'_> = read(raw)?;
    let media = Media {
        kind,
        id: wire.id.sensitive(),
        url: wire.url.sensitive(),
        mime: wire.mime_type.owned(),
        sha256: wire.sha256.owned(),
        filename: wire.filename.sensitive(),
        live: wire.animated.0 || wire.voice.0,
    };
    (media.id.is_some() || media.url.is_some())
        .then(|| Content::Media { items: vec![media], caption: wire.caption.sensitive() })
}

#[derive(Deserialize)]
struct WireLocation<'a> {
    #[serde(default)]
    latitude: Real,
    #[serde(default)]
    longitude: Real,
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    address: Text<'a>,
}

fn location(raw: &RawValue) -> Option<Content> {
    let wire: WireLocation<'_> = read(raw)?;
    Some(Content::Location(Location {
        latitude: Sensitive::new(wire.latitude.0?),
        longitude: Sensitive::new(wire.longitude.0?),
        name: wire.name.sensitive(),
        address: wire.address.sensitive(),
    }))
}

#[derive(Deserialize)]
struct Card<'a> {
    #[serde(borrow, default)]
    name: Obj<CardName<'a>>,
    #[serde(borrow, default)]
    origin: Text<'a>,
    #[serde(borrow, default)]
    phones: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct CardName<'a> {
    #[serde(borrow, default)]
    formatted_name: Text<'a>,
    #[serde(borrow, default)]
    first_name: Text<'a>,
}

#[derive(Deserialize)]
struct CardPhone<'a> {
    #[serde(borrow, default)]
    phone: Text<'a>,
    #[serde(borrow, default)]
    wa_id: Text<'a>,
}

fn contacts(raw: &RawValue) -> Option<Content> {
    elements(raw)?;
    let cards: Vec<Card<'_>> = readable(Some(raw));
    Some(Content::Contacts { cards: cards.iter().map(card).collect() })
}

fn card(card: &Card<'_>) -> SharedContact {
    let phones: Vec<CardPhone<'_>> = readable(card.phones);
    let name = card.name.get();
    // Shared because the business asked the contact for their own card.
    let asked = card.origin.as_str() == Some("contact_request");
    let own = phones.iter().filter(|_| asked).find_map(|phone| phone.wa_id.filled());
    SharedContact {
        name: name.and_then(|name| name.formatted_name.sensitive().or_else(|| name.first_name.sensitive())),
        phones: phones.iter().filter_map(|phone| phone.phone.sensitive().or_else(|| phone.wa_id.sensitive())).collect(),
        own: own.map(|number| Handle::new(HandleKind::Phone, number)),
    }
}

#[derive(Deserialize)]
struct Button<'a> {
    #[serde(borrow, default)]
    payload: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
}

fn button(raw: &RawValue) -> Option<Content> {
    let wire: Button<'_> = read(raw)?;
    // A template's quick reply without a payload of its own has its text as payload.
    let payload = wire.payload.sensitive().or_else(|| wire.text.sensitive())?;
    Some(Content::Button { payload, title: wire.text.sensitive() })
}

#[derive(Deserialize)]
struct Interactive<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    button_reply: Obj<Choice<'a>>,
    #[serde(borrow, default)]
    list_reply: Obj<Choice<'a>>,
    #[serde(borrow, default)]
    nfm_reply: Obj<Form<'a>>,
    #[serde(borrow, default)]
    call_permission_reply: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    title: Text<'a>,
    #[serde(borrow, default)]
    description: Text<'a>,
}

#[derive(Deserialize)]
struct Form<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    response_json: Text<'a>,
}

fn interactive(raw: &RawValue) -> Option<Content> {
    let wire: Interactive<'_> = read(raw)?;
    let kind = wire.kind.as_str()?;
    match kind {
        "button_reply" => {
            let choice = wire.button_reply.get()?;
            Some(Content::Button { payload: choice.id.as_str()?.into(), title: choice.title.sensitive() })
        }
        "list_reply" => {
            let choice = wire.list_reply.get()?;
            Some(Content::List {
                id: choice.id.as_str()?.into(),
                title: choice.title.as_str().unwrap_or_default().into(),
                description: choice.description.sensitive(),
            })
        }
        "nfm_reply" => {
            let form = wire.nfm_reply.get()?;
            let name = form.name.owned().unwrap_or_else(|| kind.to_owned());
            Some(Content::Flow(FlowReply { name, response: form.response_json.as_str()?.into() }))
        }
        "call_permission_reply" => {
            let response = wire.call_permission_reply?.get().into();
            Some(Content::Flow(FlowReply { name: kind.to_owned(), response }))
        }
        _ => outbound::interactive(raw),
    }
}

#[derive(Deserialize)]
struct Order<'a> {
    #[serde(borrow, default)]
    catalog_id: Text<'a>,
    #[serde(borrow, default)]
    text: Text<'a>,
    #[serde(borrow, default)]
    product_items: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ProductItem<'a> {
    #[serde(borrow, default)]
    product_retailer_id: Text<'a>,
    #[serde(borrow, default)]
    quantity: Text<'a>,
    #[serde(borrow, default)]
    item_price: Text<'a>,
    #[serde(borrow, default)]
    currency: Text<'a>,
}

fn order(raw: &RawValue) -> Option<Content> {
    let wire: Order<'_> = read(raw)?;
    // An order with a line that can't be read would be a smaller order: better none.
    let items: Option<Vec<OrderItem>> = elements(wire.product_items?)?.into_iter().map(order_item).collect();
    Some(Content::Order { catalog: wire.catalog_id.sensitive(), items: items?, text: wire.text.sensitive() })
}

fn order_item(raw: &RawValue) -> Option<OrderItem> {
    let wire: ProductItem<'_> = read(raw)?;
    Some(OrderItem {
        product: wire.product_retailer_id.sensitive()?,
        quantity: wire.quantity.owned()?,
        price: wire.item_price.owned(),
        currency: wire.currency.owned(),
    })
}

#[derive(Deserialize)]
struct Reaction<'a> {
    #[serde(borrow, default)]
    message_id: Text<'a>,
    #[serde(borrow, default)]
    emoji: Text<'a>,
}

fn reaction(raw: &RawValue) -> Option<Content> {
    let wire: Reaction<'_> = read(raw)?;
    let target = PlatformMessageId::new(wire.message_id.filled()?);
    Some(Content::Reaction { target, emoji: wire.emoji.sensitive() })
}
