//! What was erased, and what must be kept.

use std::collections::BTreeMap;
use std::error::Error;

use serde_json::{Value, json};
use whisp::assistant::{Assistant, Desk, ErasureHorizon, ErasureReceipt};
use whisp::model::TenantRetention;
use whisp::privacy::Hold;

use crate::{Options, PAGE, TENANT, print};

/// Finds the hold whose id begins like this, and ends it.
pub(crate) async fn release(
    options: &Options,
    (assistant, desk): (&Assistant, &Desk),
    hold: &str,
) -> Result<(), Box<dyn Error>> {
    let (open, _) = desk.holds().open(None, PAGE).await?;
    let mut found = open.into_iter().filter(|each| each.id.to_string().starts_with(hold));
    let (Some(one), None) = (found.next(), found.next()) else {
        return Err(format!("no hold, or more than one, begins with {hold}: `holds` lists them").into());
    };
    let erased = desk.holds().release(one.id).await?;
    let mut value = hold_json(&one);
    if let Some(value) = value.as_object_mut() {
        value.insert("released_at".to_owned(), json!(assistant.now()));
    }
    print(options, &value, &|| format!("released {}\n{}", hold_line(&one), told(&erased)))
}

pub(crate) fn hold_json(hold: &Hold) -> Value {
    json!({
        "hold": hold.id,
        "person": hold.subject,
        "authority": hold.authority,
        "review_by": hold.review_by,
        "released_at": hold.released_at,
    })
}

pub(crate) fn hold_line(hold: &Hold) -> String {
    format!(
        "{}  person {}  {}, to be looked at by {}",
        hold.id,
        hold.subject,
        hold.authority,
        hold.review_by.format("%F")
    )
}

pub(crate) fn receipt(done: &ErasureReceipt) -> Value {
    json!({
        "receipt": done.id,
        "key_destroyed_at": done.key_destroyed_at,
        "horizon": done.horizon,
        "deleted": done.deleted.iter().cloned().collect::<BTreeMap<_, _>>(),
        "withheld": done.withheld,
        "processors": done.processors,
        "completed_at": done.completed_at,
        "book_entry_deleted_at": done.book_entry_deleted_at,
        "remaining": done.remaining,
    })
}

pub(crate) fn told(done: &ErasureReceipt) -> String {
    let records: u64 = done.deleted.iter().map(|(_, records)| records).sum();
    let key = done
        .key_destroyed_at
        .map_or_else(|| "there was no key".to_owned(), |at| format!("key destroyed {}", at.format("%F %T")));
    let horizon = done.horizon.map_or_else(String::new, |horizon| match horizon {
        ErasureHorizon::Until(at) => format!(", final for copies of the keys {}", at.format("%F %T")),
        ErasureHorizon::Since(at) => format!(", final for copies of the keys since {}", at.format("%F %T")),
        ErasureHorizon::Unbounded(why) => format!("\n  {why}"),
        _ => String::new(),
    });
    let elsewhere = done.processors.iter().fold(String::new(), |all, (processor, until)| {
        format!("{all}\n  {processor} deletes what it was given until {}", until.format("%F"))
    });
    let book = done.book_entry_deleted_at.map_or("", |_| "\n  gone from the platform's contact book");
    let left = done.remaining.iter().fold(String::new(), |all, left| all + "\n  not in our hands: " + left);
    let kept: u64 = done.withheld.iter().map(|each| each.records).sum();
    let kept = if kept == 0 { String::new() } else { format!("\n  {kept} records are kept under a hold") };
    format!(
        "{}  {records} records gone, {key}, done {}{horizon}{kept}{elsewhere}{book}{left}",
        done.id,
        done.completed_at.format("%F %T")
    )
}

/// Says what the next sweep would delete, and why, once the business's own rule is set where there is one.
pub(crate) async fn retention(
    options: &Options,
    assistant: &Assistant,
    (messages, files): (Option<u16>, Option<u16>),
) -> Result<(), Box<dyn Error>> {
    if messages.or(files).is_some() {
        let own = assistant.tenant(TENANT).await?.retention;
        let own = TenantRetention { messages: messages.or(own.messages), files: files.or(own.files), ..own };
        assistant.set_retention(TENANT, own).await?;
    }
    let plan = assistant.retention_plan(TENANT).await?;
    let days = json!({
        "messages": plan.keeps.messages.num_days(),
        "files": plan.keeps.files.num_days(),
        "special": plan.keeps.special.num_days(),
        "suggestions": plan.keeps.suggestions.num_days(),
        "contacts": plan.keeps.contacts.map(|time| time.num_days()),
    });
    let value = json!({"days": days, "past": plan.past, "silent": plan.silent, "kept": plan.kept, "more": plan.more});
    print(options, &value, &|| {
        let days = days.as_object().into_iter().flatten().fold(String::new(), |all, (data, days)| {
            let days =
                if days.is_null() { "as long as the business is served".to_owned() } else { format!("{days} days") };
            format!("{all}\n{data:>14}: {days}")
        });
        let past = plan.past.iter().fold(String::new(), |all, (kind, records)| format!("{all}\n{records:>6} {kind}"));
        format!(
            "kept:{days}\npast its time:{}\nsilent for too long: {} people\nkept, though old: of {} people",
            if past.is_empty() { " nothing" } else { &past },
            plan.silent.len(),
            plan.kept.len()
        )
    })
}
