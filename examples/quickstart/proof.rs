//! Proves what can be proved here: the raw bytes, the books, the erasure.

use std::collections::BTreeSet;
use std::error::Error;

use serde_json::json;
use whisp::assistant::ErasureHorizon;
use whisp::model::{Author, DeliveryStep, Handling, Provenance};

use crate::business::Business;
use crate::script::{IVAN, said_by_contacts};

/// Pieces of what was said, of names and of numbers: none may be in a file in clear.
const CANARIES: &[&str] = &[
    "Жеткізу",
    "работаете",
    "decaf",
    "address",
    "STOP",
    "Иван",
    "Айгерім",
    "77015550101",
    IVAN,
    "KZ.1349",
    "wamid.",
    "EAAG-",
];

/// Looks for what people said in the raw bytes of the database.
pub(crate) async fn scan(business: &Business) -> Result<(), Box<dyn Error>> {
    let contents = business.database.contents(business.tenant()).await?;
    if !business.json && !contents.is_empty() {
        println!("\nThe raw bytes on disk");
    }
    for (name, bytes) in contents {
        let found: Vec<&str> = CANARIES.iter().copied().filter(|canary| holds(&bytes, canary)).collect();
        if business.json {
            println!(
                "{}",
                json!({"event": "proof", "file": name, "bytes": bytes.len(), "searched": CANARIES.len(), "found": found})
            );
        } else {
            println!(
                "  {name}: {} bytes, searched for {} texts, names and numbers: {} found",
                bytes.len(),
                CANARIES.len(),
                found.len()
            );
        }
        if !found.is_empty() {
            return Err(format!("{name} holds in clear: {found:?}").into());
        }
    }
    Ok(())
}

fn holds(bytes: &[u8], canary: &str) -> bool {
    bytes.windows(canary.len()).any(|window| window == canary.as_bytes())
}

/// The platform's books against ours.
pub(crate) struct Summary {
    said: usize,
    kept: usize,
    twice: usize,
    lost: usize,
    erased_before: bool,
}

impl Summary {
    pub(crate) fn check(self) -> Result<(), Box<dyn Error>> {
        if self.twice > 0 || self.lost > 0 || (self.kept != self.said && !self.erased_before) {
            return Err("the books do not agree: something was lost or sent twice".into());
        }
        Ok(())
    }
}

/// Compares what the platform took with what we think that we sent, and what was said with what we keep.
pub(crate) async fn reconcile(business: &Business) -> Result<Summary, Box<dyn Error>> {
    let accepted = business.simulator.accepted();
    let bodies: BTreeSet<String> =
        accepted.iter().map(|there| format!("{:?}{}", there.tag, there.body.expose())).collect();
    let twice = accepted.len() - bodies.len();
    let desk = business.assistant.desk(business.tenant());
    let (mut kept, mut sent, mut in_doubt, mut people) = (0, 0, 0, 0);
    let conversations = desk.inbox(None, 100).await?.conversations;
    for conversation in &conversations {
        people += usize::from(matches!(conversation.handling, Handling::Member { .. }));
        for message in desk.messages(conversation.id, None, 100).await?.0 {
            kept += usize::from(message.author == Author::Contact);
            if let Some(delivery) = message.delivery.filter(|_| message.provenance == Provenance::Sent) {
                sent += usize::from(
                    delivery.step.rank() >= DeliveryStep::Sent.rank() && delivery.step != DeliveryStep::Cancelled,
                );
                in_doubt += usize::from(delivery.step == DeliveryStep::InDoubt);
            }
        }
    }
    let said = said_by_contacts(business);
    let erased_before = conversations.len() < 5;
    // What is in doubt was taken or was not: a member looks. All the rest must agree.
    let agree = (sent..=sent + in_doubt).contains(&accepted.len());
    let lost = if agree || erased_before { 0 } else { accepted.len().abs_diff(sent) };
    if business.json {
        let line = json!({
            "event": "summary", "said": said, "kept": kept, "sent": sent, "twice": twice, "in_doubt": in_doubt, "person": people,
        });
        println!("{line}");
    } else {
        println!("\nThe books");
        println!("  contacts said {said} things, {kept} are kept; duplicates and redeliveries changed nothing");
        println!(
            "  the platform took {} messages, {sent} are known as sent, {in_doubt} in doubt, {twice} twice",
            accepted.len()
        );
        println!("  {people} conversations are with a person");
    }
    Ok(Summary { said, kept, twice, lost, erased_before })
}

/// Erases Ivan, and shows the receipt.
pub(crate) async fn erase(business: &Business) -> Result<(), Box<dyn Error>> {
    let desk = business.assistant.desk(business.tenant());
    for conversation in desk.inbox(None, 100).await?.conversations {
        let contact = desk.contact(conversation.contact).await?;
        if !contact.handles.iter().any(|handle| handle.value.expose() == IVAN) {
            continue;
        }
        let receipt = business.assistant.erase(business.tenant(), conversation.contact).await?;
        if business.json {
            let line = json!({
                "event": "erasure", "key_destroyed_at": receipt.key_destroyed_at, "horizon": receipt.horizon,
                "deleted": receipt.deleted,
                "book_entry_deleted_at": receipt.book_entry_deleted_at,
                "remaining": receipt.remaining,
            });
            println!("{line}");
            continue;
        }
        println!("\nErasure of one contact · receipt {}", receipt.id);
        if let Some(at) = receipt.key_destroyed_at {
            println!("  key destroyed at {}", at.format("%Y-%m-%d %H:%M:%S UTC"));
        }
        if let Some(ErasureHorizon::Until(at)) = receipt.horizon {
            println!("  no copy of the keys brings it back after {}", at.format("%Y-%m-%d %H:%M:%S UTC"));
        }
        for (kind, count) in &receipt.deleted {
            println!("  deleted {count} × {}", kind.replace('_', " "));
        }
        if receipt.book_entry_deleted_at.is_some() {
            println!("  gone from WhatsApp's contact book");
        }
        for remaining in &receipt.remaining {
            println!("  not in our hands: {remaining}");
        }
        if desk.messages(conversation.id, None, 1).await.is_ok() {
            return Err("an erased conversation can still be read".into());
        }
    }
    Ok(())
}
