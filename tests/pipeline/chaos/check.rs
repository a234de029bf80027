//! What must hold when the chaos is over.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use whisp::kpi::FactKind;
use whisp::model::{Author, DeliveryStep, Message, Provenance};
use whisp::privacy::STANDING_LIFE;
use whisp::store::{Bucket, FactQuery, PendingQuery};

use crate::chaos::wire::Event;
use crate::chaos::{CONTACTS, Chaos, phone};

pub(super) async fn all(chaos: &Chaos) {
    let log = chaos.log.lock().unwrap().clone();
    sends(&log);
    for contact in 0..CONTACTS {
        replies_in_order(&log, contact);
        silence(&log, contact);
    }
    messages(chaos).await;
    work(chaos).await;
}

fn sends(log: &[Event]) {
    let mut tags = BTreeSet::new();
    for event in log {
        if let Event::Sent { tag, text, .. } = event {
            assert!(tags.insert(tag.clone()), "{text:?} was sent twice");
        }
    }
}

pub(super) fn numbers(text: &str) -> Vec<usize> {
    text.split(|c: char| c.is_whitespace()).filter_map(|word| word.strip_prefix('q')?.parse().ok()).collect()
}

/// The engine answers each question at most once and later ones later.
fn replies_in_order(log: &[Event], contact: usize) {
    let mut last = 0;
    for event in log {
        match event {
            Event::Erased { contact: erased } if *erased == contact => last = 0,
            Event::Sent { to, engine: true, text, .. } if *to == phone(contact) => {
                let numbers = numbers(text);
                let (Some(least), Some(most)) = (numbers.iter().min(), numbers.iter().max()) else { continue };
                assert!(*least > last, "contact {contact}: {numbers:?} was answered after {last}");
                last = *most;
            }
            _ => {}
        }
    }
}

/// Nothing automatic after a stop, no engine while a member has the conversation.
fn silence(log: &[Event], contact: usize) {
    let (mut stopped, mut taken): (Option<(usize, DateTime<Utc>)>, bool) = (None, false);
    for event in log {
        match event {
            Event::Stopped { contact: who, worker, at } if *who == contact => stopped = Some((*worker, *at)),
            Event::Resumed { contact: who } if *who == contact => stopped = None,
            Event::TakenOver { contact: who } if *who == contact => taken = true,
            Event::HandedBack { contact: who } if *who == contact => taken = false,
            Event::Erased { contact: who } if *who == contact => (stopped, taken) = (None, false),
            Event::Sent { to, worker, engine, automatic, text, at, .. } if *to == phone(contact) => {
                assert!(!(*engine && taken), "{text:?} was sent while a member had the conversation");
                // Another process notices a withdrawal a little later: `STANDING_LIFE` says how much.
                let noticed = stopped.is_some_and(|(by, since)| by == *worker || *at - since > STANDING_LIFE);
                assert!(!(*automatic && noticed), "{text:?} was sent after a stop");
            }
            _ => {}
        }
    }
}

async fn messages(chaos: &Chaos) {
    let desk = chaos.workers[0].desk(chaos.tenant);
    let conversations = chaos.conversations().await;
    let facts = facts(chaos).await;
    for contact in 0..CONTACTS {
        let accepted = &chaos.accepted[contact];
        let Some((id, _)) = conversations.get(&contact) else {
            assert!(accepted.is_empty(), "contact {contact} is lost with {accepted:?}");
            continue;
        };
        let (messages, _) = desk.messages(*id, None, 1_000).await.unwrap();
        stored_once(accepted, &chaos.unsent, &messages);
        for message in &messages {
            let step = message.delivery.as_ref().map(|delivery| delivery.step);
            let waits = matches!(step, Some(DeliveryStep::Queued | DeliveryStep::Sending));
            assert!(!waits, "contact {contact}: {:?} is left {step:?}", message.content.readable());
        }
        let conversation = desk.conversation(*id).await.unwrap();
        assert!(conversation.outbox.is_empty(), "contact {contact}: {} wait for ever", conversation.outbox.len());
        let count = |kind| facts.get(&(*id, kind)).copied().unwrap_or(0);
        let written = messages.iter().filter(|message| message.author == Author::Contact).count();
        assert_eq!(count(FactKind::MessageIn as u8), written, "contact {contact}: messages in");
        assert_eq!(count(FactKind::MessageOut as u8), out(&messages), "contact {contact}: messages out");
    }
}

fn stored_once(accepted: &BTreeSet<String>, unsent: &BTreeSet<String>, messages: &[Message]) {
    let mut stored: BTreeMap<&str, usize> = BTreeMap::new();
    for message in messages.iter().filter(|message| message.author == Author::Contact) {
        if let Some(id) = &message.platform_id {
            *stored.entry(id.expose()).or_default() += 1;
        }
    }
    for id in accepted {
        let times = stored.get(id.as_str()).copied().unwrap_or(0);
        let expected = usize::from(!unsent.contains(id));
        assert_eq!(times, expected, "{id} is stored {times} times");
    }
}

/// How many messages of the business the platform is known to have.
fn out(messages: &[Message]) -> usize {
    let took = |message: &&Message| match &message.delivery {
        Some(delivery) => {
            use DeliveryStep::{Delivered, Played, Read, Sent};
            matches!(delivery.step, Sent | Delivered | Read | Played)
        }
        None => message.provenance == Provenance::Echo,
    };
    messages.iter().filter(took).count()
}

async fn facts(chaos: &Chaos) -> BTreeMap<(whisp::id::ConversationId, u8), usize> {
    let year = TimeDelta::days(365);
    let now = whisp::clock::Clock::now(&*chaos.clock);
    let mut query = FactQuery { tenant: chaos.tenant, from: now - year, until: now + year, after: None, limit: 1_000 };
    let mut counts = BTreeMap::new();
    loop {
        let page = chaos.store.scan(&query).await.unwrap();
        for fact in page.facts {
            *counts.entry((fact.conversation, fact.kind as u8)).or_default() += 1;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return counts,
        }
    }
}

/// Only what waits for days is left.
async fn work(chaos: &Chaos) {
    let buckets = chaos.workers[0].tenant(chaos.tenant).await.unwrap().buckets;
    for bucket in 0..buckets {
        let due_by = whisp::clock::Clock::now(&*chaos.clock) + TimeDelta::days(365);
        let query = PendingQuery { tenant: chaos.tenant, bucket: Bucket(bucket), due_by, after: None, limit: 1_000 };
        for item in chaos.store.pending(&query).await.unwrap() {
            let parked = ["edit", "unsend", "receipt", "idle"];
            let task: serde_json::Value = serde_json::from_str(&item.payload.0).unwrap();
            let known = task["task"].as_str().is_some_and(|task| parked.contains(&task));
            assert!(known, "left behind: {}", item.payload.0);
        }
    }
}
