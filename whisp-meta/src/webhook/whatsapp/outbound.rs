//! What only the business can send: it comes back as an echo or in imported history.

use serde::Deserialize;
use serde_json::value::RawValue;
use whisp_core::Sensitive;
use whisp_core::model::Content;

use crate::webhook::wire::{Obj, Text, read, readable};

#[derive(Deserialize)]
struct Interactive<'a> {
    #[serde(borrow, default)]
    body: Obj<Body<'a>>,
    #[serde(borrow, default)]
    action: Obj<Action<'a>>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
}

#[derive(Deserialize)]
struct Action<'a> {
    #[serde(borrow, default)]
    buttons: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sections: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Button<'a> {
    #[serde(borrow, default)]
    reply: Obj<Choice<'a>>,
}

#[derive(Deserialize)]
struct Section<'a> {
    #[serde(borrow, default)]
    rows: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    title: Text<'a>,
}

/// A text with buttons, a list, or a call to action.
pub(super) fn interactive(raw: &RawValue) -> Option<Content> {
    let wire: Interactive<'_> = read(raw)?;
    let text = wire.body.get()?.text.sensitive()?;
    let action = wire.action.get();
    let buttons: Vec<Button<'_>> = readable(action.and_then(|action| action.buttons));
    let sections: Vec<Section<'_>> = readable(action.and_then(|action| action.sections));
    let rows = sections.iter().flat_map(|section| readable::<Choice<'_>>(section.rows));
    let choices =
        buttons.iter().filter_map(|button| choice(button.reply.get()?)).chain(rows.filter_map(|row| choice(&row)));
    Some(Content::Interactive { text, choices: choices.collect() })
}

fn choice(choice: &Choice<'_>) -> Option<(Sensitive, Sensitive)> {
    Some((choice.id.sensitive()?, choice.title.sensitive()?))
}

#[derive(Deserialize)]
struct Template<'a> {
    #[serde(borrow, default)]
    name: Text<'a>,
    #[serde(borrow, default)]
    language: Obj<Language<'a>>,
    #[serde(borrow, default)]
    components: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Language<'a> {
    #[serde(borrow, default)]
    code: Text<'a>,
}

#[derive(Deserialize)]
struct Component<'a> {
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Parameter<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
}

/// A template with the texts that were put into it.
pub(super) fn template(raw: &RawValue) -> Option<Content> {
    let wire: Template<'_> = read(raw)?;
    let components: Vec<Component<'_>> = readable(wire.components);
    let parameters = components.iter().flat_map(|component| readable::<Parameter<'_>>(component.parameters));
    Some(Content::Template {
        name: wire.name.owned()?,
        language: wire.language.get()?.code.owned()?,
        parameters: parameters.filter_map(|parameter| parameter.text.sensitive()).collect(),
    })
}
