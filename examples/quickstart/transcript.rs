//! Shows conversations and KPIs.

use std::error::Error;

use chrono::{FixedOffset, TimeDelta};
use serde_json::json;
use whisp::kpi::{Durations, KpiValue, KpiWindow, built_in};
use whisp::model::{Author, Content, Conversation, DeliveryStep, Handling, Message};

use crate::business::{Business, channel_name};

/// Almaty's offset from UTC since 1 March 2024.
const ALMATY: i32 = 5 * 3_600;

/// Prints every conversation, the oldest first.
pub(crate) async fn conversations(business: &Business) -> Result<(), Box<dyn Error>> {
    let desk = business.assistant.desk(business.tenant());
    let mut conversations = desk.inbox(None, 100).await?.conversations;
    conversations.sort_by_key(|conversation| conversation.created_at);
    for conversation in conversations {
        let contact = desk.contact(conversation.contact).await?;
        let name = contact.name.as_ref().map_or("(no name told)", |name| name.expose());
        let (mut messages, _) = desk.messages(conversation.id, None, 100).await?;
        messages.reverse();
        // In the order in which we saw them: the platforms' own clocks count in seconds.
        messages.sort_by_key(|message| message.received_at);
        if business.json {
            messages.iter().for_each(|message| println!("{}", line(&conversation, name, message)));
            continue;
        }
        println!("\n{} · {name} · {}", channel_name(&conversation.channel), handled(&conversation.handling));
        for message in &messages {
            let at = message.at.with_timezone(&FixedOffset::east_opt(ALMATY).ok_or("no such offset")?);
            let text = said(&message.content).replace('\n', "\n                      ");
            println!("  {}  {:<10} {text}{}", at.format("%H:%M:%S"), author(&message.author), delivered(message));
        }
        for suggestion in desk.suggestions(conversation.id).await? {
            let text = said(&suggestion.content).replace('\n', "\n                      ");
            println!("            suggests   {text}");
        }
    }
    Ok(())
}

fn line(conversation: &Conversation, name: &str, message: &Message) -> serde_json::Value {
    json!({
        "event": "message",
        "channel": conversation.channel.as_str(),
        "contact": name,
        "author": author(&message.author),
        "at": message.at,
        "content": message.content.kind(),
        "text": message.content.readable(),
        "delivery": message.delivery.as_ref().map(|delivery| delivery.step),
    })
}

fn handled(handling: &Handling) -> String {
    match handling {
        Handling::Engine => "the engine answers".to_owned(),
        Handling::Member { reason, .. } => format!("with a person: {}", word(reason)),
    }
}

/// A value's name in JSON, as words.
fn word(value: &impl serde::Serialize) -> String {
    let name = serde_json::to_value(value).ok();
    name.as_ref().and_then(|name| name.as_str()).unwrap_or("?").replace('_', " ")
}

const fn author(author: &Author) -> &'static str {
    match author {
        Author::Contact => "contact",
        Author::Member { .. } => "member",
        Author::Engine { .. } => "engine",
        Author::System => "whisp",
    }
}

fn said(content: &Content) -> String {
    match content {
        Content::Reaction { emoji, .. } => format!("[reacts {}]", emoji.as_ref().map_or("no more", |e| e.expose())),
        Content::Media { items, caption } => {
            let kinds: Vec<&str> = items.iter().map(|media| media.kind.as_str()).collect();
            format!("[{}] {}", kinds.join(", "), caption.as_ref().map_or("", |caption| caption.expose()))
        }
        Content::Button { .. } => format!("[button] {}", content.readable().unwrap_or_default()),
        Content::Postback { .. } => format!("[menu] {}", content.readable().unwrap_or_default()),
        other => other.readable().map_or_else(|| format!("[{}]", word(&other.kind())), str::to_owned),
    }
}

fn delivered(message: &Message) -> String {
    match &message.delivery {
        Some(delivery) if delivery.step == DeliveryStep::Failed => "  ✗ failed".to_owned(),
        Some(delivery) => format!("  ✓ {}", word(&delivery.step)),
        None => String::new(),
    }
}

/// Prints the KPIs of the last day.
pub(crate) async fn kpis(business: &Business) -> Result<(), Box<dyn Error>> {
    let as_of = business.assistant.now();
    let window = KpiWindow { from: as_of - TimeDelta::days(1), until: as_of, as_of };
    let values = business.assistant.measure(business.tenant(), &window, &built_in()).await?;
    if !business.json {
        println!("\nKPIs of the last 24 hours");
    }
    for (id, value) in values {
        if business.json {
            println!("{}", json!({"event": "kpi", "id": id, "value": value}));
        } else {
            println!("  {:<20} {}", id.replace('_', " "), shown(&value));
        }
    }
    Ok(())
}

fn shown(value: &KpiValue) -> String {
    match value {
        KpiValue::Count(count) => count.to_string(),
        KpiValue::Counts(counts) => {
            let parts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            parts.join(", ").replace('_', " ")
        }
        KpiValue::Rate { whole: 0, .. } => "nothing to answer yet".to_owned(),
        KpiValue::Rate { part, whole } => format!("{part} of {whole}"),
        KpiValue::Durations(Durations { n, pending, p50_ms, p90_ms, .. }) => {
            let time = |ms: &Option<i64>| {
                ms.map_or_else(|| "unknown".to_owned(), |ms| format!("{}.{:03} s", ms / 1_000, ms % 1_000))
            };
            format!("median {}, p90 {} (n {n}, pending {pending})", time(p50_ms), time(p90_ms))
        }
        _ => "?".to_owned(),
    }
}
