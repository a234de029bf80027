//! What is stored once everything has come to rest.

use std::collections::BTreeMap;

use whisp::assistant::Assistant;
use whisp::id::{ContactId, ConversationId};
use whisp::model::{Author, ContentKind, DeliveryStep, Message};
use whisp::store::{Store, SubjectQuery};

use crate::executor::block_on;
use crate::invariants::tallies;
use crate::model::{Change, Model, Said, SaidKind};
use crate::sim::Sim;

type Holds = Result<(), String>;

/// How many messages one look reads at most.
pub(crate) const MESSAGES_MAX: usize = 1_000;

/// What the desk shows of one person.
#[derive(Debug, Default)]
pub(crate) struct Thread {
    pub(crate) conversation: Option<(ConversationId, ContactId)>,
    /// Messages that wait to be sent.
    pub(crate) outbox: usize,
    /// Oldest first.
    pub(crate) messages: Vec<Message>,
}

pub(crate) fn all(sim: &Sim, observer: &Assistant, store: &dyn Store) {
    let threads = match block_on(threads(sim, observer)) {
        Ok(threads) => threads,
        Err(seen) => return sim.violated("each person has one conversation", seen),
    };
    let model = sim.model();
    for (person, thread) in threads.iter().enumerate() {
        for (place, said) in model.said.iter().enumerate().filter(|(_, said)| said.person == person) {
            sim.check("no accepted message is lost, none is kept twice", kept(&model, place, said, thread));
        }
        sim.check("a person's messages are theirs", nobody_elses(&model, person, thread));
        sim.check("what was taken back is gone", taken_back(&model, person, thread));
        sim.check("the last edit holds", edited(&model, person, thread));
        sim.check("what a member wrote on the phone is kept once", typed(&model, person, thread));
        sim.check("nothing waits for ever", nothing_waits(person, thread));
        sim.check("what the platform took and told is known as sent", told(&model, person, thread));
        sim.check("what is known as sent the platform took", really_sent(&model, person, thread));
    }
    for (person, thread) in threads.iter().enumerate() {
        sim.check("who was erased is gone", erased(&model, person, thread, store));
    }
    tallies::all(sim, &model, &threads, store);
}

/// Reads all conversations, and finds out whose each is.
async fn threads(sim: &Sim, observer: &Assistant) -> Result<Vec<Thread>, String> {
    let tenants: Vec<_> = sim.model().tenants.iter().map(|tenant| tenant.id).collect();
    let mut threads: Vec<Thread> = sim.model().people.iter().map(|_| Thread::default()).collect();
    for tenant in tenants {
        let desk = observer.desk(tenant);
        for conversation in desk.inbox(None, MESSAGES_MAX).await.map_err(|e| e.to_string())?.conversations {
            let (id, contact) = (conversation.id, conversation.contact);
            let handles = desk.contact(contact).await.map_err(|e| format!("{e:?}"))?.handles;
            let person = {
                let model = sim.model();
                (0..model.people.len()).find(|person| {
                    let person = &model.people[*person];
                    let shop = &model.accounts[person.shop];
                    model.tenants[shop.tenant].id == tenant
                        && shop.channel == conversation.channel
                        && handles.iter().any(|handle| person.ids.contains(&handle.value.expose().to_string()))
                })
            };
            let Some(person) = person else { return Err(format!("{id:?} is nobody's")) };
            if threads[person].conversation.is_some() {
                return Err(format!("person {person} has two"));
            }
            let (mut messages, _) = desk.messages(id, None, MESSAGES_MAX).await.map_err(|e| format!("{e:?}"))?;
            messages.reverse();
            threads[person] = Thread { conversation: Some((id, contact)), outbox: conversation.outbox.len(), messages };
        }
    }
    Ok(threads)
}

fn kept(model: &Model, place: usize, said: &Said, thread: &Thread) -> Holds {
    if said.kind == SaidKind::Reaction {
        // On Instagram and Messenger a reaction has no id of its own.
        return Ok(());
    }
    let own = |message: &&Message| message.author == Author::Contact && message.platform_id.as_ref() == Some(&said.id);
    let times = thread.messages.iter().filter(own).count();
    let unsent = model.changes.iter().any(|change| change.said == place && change.text.is_none());
    if times > 1 {
        return Err(format!("q{place} of person {} is kept {times} times", said.person));
    }
    if said.arrival.fenced && times > 0 {
        return Err(format!("q{place} brought person {} back, who was erased", said.person));
    }
    match model.survives(said.person, &said.arrival) {
        // What is taken back leaves its place, without the platform's id.
        Some(true) if times == 0 && !unsent => {
            Err(format!("q{place} of person {} was taken in at tick {:?} and is lost", said.person, said.arrival.taken))
        }
        Some(false) if times > 0 => Err(format!("q{place} of person {} was erased and is kept", said.person)),
        _ => Ok(()),
    }
}

fn nobody_elses(model: &Model, person: usize, thread: &Thread) -> Holds {
    for message in &thread.messages {
        let Some(text) = message.content.readable() else { continue };
        for number in crate::model::numbers(text) {
            if model.asked(number).is_none_or(|said| said.person != person) {
                return Err(format!("q{number} stands with person {person}"));
            }
        }
    }
    Ok(())
}

fn taken_back(model: &Model, person: usize, thread: &Thread) -> Holds {
    for change in model.changes.iter().filter(|change| change.text.is_none()) {
        let said = &model.said[change.said];
        if said.person != person || change.arrival.taken.is_none() || said.arrival.taken.is_none() {
            continue;
        }
        // An unsend that waits for its message goes with an erasure in between.
        let began = change.arrival.begun;
        if model.people[person].erasures.iter().any(|erasure| erasure.done.zip(began).is_none_or(|(d, b)| d >= b)) {
            continue;
        }
        let there = thread.messages.iter().any(|message| {
            message.platform_id.as_ref() == Some(&said.id)
                && message.author == Author::Contact
                && message.content.kind() != ContentKind::Unsent
        });
        if there {
            return Err(format!("q{} of person {person} was taken back and can be read", change.said));
        }
    }
    Ok(())
}

/// Where the message was there before the edits came (an edit that comes earlier waits for a day only), all are known to
/// be taken in, and the platform's clock tells which is the last: WhatsApp's counts in seconds.
fn edited(model: &Model, person: usize, thread: &Thread) -> Holds {
    let mut edits: BTreeMap<usize, Vec<&Change>> = BTreeMap::new();
    for change in model.changes.iter().filter(|change| model.said[change.said].person == person) {
        edits.entry(change.said).or_default().push(change);
    }
    for (place, edits) in edits {
        let said = &model.said[place];
        let sure = edits.iter().all(|change| {
            let after = said.arrival.taken.zip(change.arrival.begun).is_some_and(|(taken, begun)| taken < begun);
            change.text.is_some() && change.arrival.taken.is_some() && after
        });
        let ordered = edits.is_sorted_by(|one, other| one.at.timestamp() < other.at.timestamp());
        if !sure || !ordered || model.survives(person, &said.arrival) != Some(true) {
            continue;
        }
        let last = edits.last().and_then(|change| change.text.as_deref());
        let message = thread.messages.iter().find(|message| message.platform_id.as_ref() == Some(&said.id));
        let reads = message.and_then(|message| message.content.readable());
        if reads != last {
            return Err(format!("q{place} of person {person} reads {reads:?}, not {last:?}"));
        }
    }
    Ok(())
}

fn typed(model: &Model, person: usize, thread: &Thread) -> Holds {
    for typed in model.typed.iter().filter(|typed| typed.person == person) {
        let own = |message: &&Message| message.platform_id.as_ref() == Some(&typed.id);
        let times = thread.messages.iter().filter(own).count();
        let expected = model.survives(person, &typed.arrival);
        if typed.arrival.fenced && times > 0 {
            return Err(format!("{:?} brought person {person} back, who was erased", typed.arrival));
        }
        if times > 1 || (times == 0 && expected == Some(true)) || (times > 0 && expected == Some(false)) {
            return Err(format!("{:?} of person {person} is kept {times} times", typed.arrival));
        }
    }
    Ok(())
}

fn nothing_waits(person: usize, thread: &Thread) -> Holds {
    for message in &thread.messages {
        let step = message.delivery.as_ref().map(|delivery| delivery.step);
        if matches!(step, Some(DeliveryStep::Queued | DeliveryStep::Sending)) {
            return Err(format!("person {person}: {:?} is left {step:?}", message.content.readable()));
        }
    }
    if thread.outbox > 0 {
        return Err(format!("person {person}: {} are left in the outbox", thread.outbox));
    }
    Ok(())
}

fn went_out(message: &Message) -> bool {
    let step = message.delivery.as_ref().map(|delivery| delivery.step);
    use DeliveryStep::{Delivered, Played, Read, Sent};
    matches!(step, Some(Sent | Delivered | Read | Played))
}

fn told(model: &Model, person: usize, thread: &Thread) -> Holds {
    let known = |out: &crate::model::Out| {
        thread.messages.iter().any(|message| went_out(message) && message.content.readable() == Some(&out.text))
    };
    for out in model.outs.iter().filter(|out| out.person == Some(person) && out.told) {
        // What an erasure may have taken nobody knows.
        let erased =
            model.people[person].erasures.iter().any(|erasure| erasure.done.is_none_or(|done| done >= out.begun));
        if !erased && !known(out) {
            return Err(format!("person {person} got {:?} at tick {}", out.text, out.tick));
        }
    }
    Ok(())
}

fn really_sent(model: &Model, person: usize, thread: &Thread) -> Holds {
    for message in thread.messages.iter().filter(|message| went_out(message)) {
        let text = message.content.readable().unwrap_or_default();
        if !model.outs.iter().any(|out| out.person == Some(person) && out.text == text) {
            return Err(format!("person {person} never got {text:?}"));
        }
    }
    Ok(())
}

fn erased(model: &Model, person: usize, thread: &Thread, store: &dyn Store) -> Holds {
    let tenant = model.tenant_of(person).id;
    for erasure in &model.people[person].erasures {
        let query = SubjectQuery { tenant, subject: erasure.contact.0, after: None, limit: 10 };
        let left = block_on(store.of_subject(&query)).map_err(|error| error.to_string())?.records;
        if let Some(record) = left.first() {
            return Err(format!("person {person}: {} records are left, as {:?}", left.len(), record.kind));
        }
        let again = thread
            .conversation
            .is_some_and(|(conversation, contact)| conversation == erasure.conversation || contact == erasure.contact);
        if again {
            return Err(format!("person {person} is found under the old id"));
        }
    }
    Ok(())
}
