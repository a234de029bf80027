//! What the simulated people and the platform did. The invariants compare the assistant with this and with nothing of
//! its own.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use whisp::id::{ContactId, ConversationId, TenantId};
use whisp::meta::simulator::{Account, Persona};
use whisp::model::{ChannelKind, Connection, PlatformMessageId};

use crate::invariants::pace::Limited;
use crate::sim::Sim;

/// Within this time of an erasure it is not sure what was written before it: workers' clocks differ, and move.
const BLUR: TimeDelta = TimeDelta::seconds(60);

/// How long what comes late is surely dropped after an erasure.
const FENCE_MIN: TimeDelta = TimeDelta::days(8);

#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) accounts: Vec<Shop>,
    pub(crate) people: Vec<Person>,
    pub(crate) said: Vec<Said>,
    pub(crate) changes: Vec<Change>,
    pub(crate) typed: Vec<Typed>,
    pub(crate) written: Vec<Written>,
    pub(crate) outs: Vec<Out>,
    /// Calls that the platform refused because there were too many.
    pub(crate) limited: Vec<Limited>,
    claims: Vec<Claim>,
    /// How often the clock went back by more than the assistant bears: what was written before and after it may change
    /// places.
    pub(crate) epoch: u64,
    /// The tick at which the clock last went back.
    pub(crate) turned: u64,
    /// Until when no inquiry can have gone idle.
    pub(crate) idle_from: DateTime<Utc>,
}

#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) buckets: u16,
    /// Whether automation is on.
    pub(crate) automation: Topic,
}

/// An account that a tenant connects.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) tenant: usize,
    pub(crate) channel: ChannelKind,
    pub(crate) account: Account,
    /// Whether engines may answer by themselves.
    pub(crate) automatic: bool,
    /// Whether it is connected.
    pub(crate) connected: Topic,
}

#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) shop: usize,
    pub(crate) persona: Persona,
    /// The platform's id of them.
    pub(crate) id: String,
    /// That one, and the others by which webhooks name them.
    pub(crate) ids: Vec<String>,
    /// When they last wrote, by the platform's clock.
    pub(crate) wrote_at: Option<DateTime<Utc>>,
    /// Whether a member has the conversation.
    pub(crate) held: Topic,
    /// Whether they want no automatic messages.
    pub(crate) silent: Topic,
    pub(crate) erasures: Vec<Erasure>,
}

/// What a contact wrote.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) person: usize,
    pub(crate) id: PlatformMessageId,
    pub(crate) kind: SaidKind,
    /// When, by the platform's clock.
    pub(crate) at: DateTime<Utc>,
    pub(crate) arrival: Arrival,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SaidKind {
    Question,
    /// A stop, with its claim.
    Stop(usize),
    /// The wish for automatic messages, with its claim.
    Start(usize),
    /// Something that gets no fact.
    Reaction,
}

/// When a webhook came in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Arrival {
    /// The tick before which nobody has seen it.
    pub(crate) begun: Option<u64>,
    /// The tick at which it was surely taken in.
    pub(crate) taken: Option<u64>,
    /// The latest clock by which it may have been taken in: a try whose answer was lost counts.
    pub(crate) taken_at: DateTime<Utc>,
    /// The clock went back this often before.
    pub(crate) epoch: u64,
    /// It surely came too late: its author had been erased since.
    pub(crate) fenced: bool,
}

/// A contact edited a message, or took it back.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) said: usize,
    /// The new text; `None` takes it back.
    pub(crate) text: Option<String>,
    /// When, by the platform's clock.
    pub(crate) at: DateTime<Utc>,
    pub(crate) arrival: Arrival,
}

/// A member wrote on the phone.
#[derive(Debug)]
pub(crate) struct Typed {
    pub(crate) person: usize,
    pub(crate) id: PlatformMessageId,
    /// When, by the platform's clock.
    pub(crate) at: DateTime<Utc>,
    pub(crate) arrival: Arrival,
}

/// A member wrote at the desk.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) person: usize,
    pub(crate) text: String,
    pub(crate) begun: u64,
    /// When the desk had taken it.
    pub(crate) taken: Option<u64>,
}

/// The platform took a message of ours.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    pub(crate) at: DateTime<Utc>,
    pub(crate) tick: u64,
    /// The process that sent it, and when its task began.
    pub(crate) process: usize,
    pub(crate) begun: u64,
    pub(crate) begun_at: DateTime<Utc>,
    pub(crate) shop: usize,
    pub(crate) person: Option<usize>,
    pub(crate) tag: String,
    pub(crate) by_engine: bool,
    pub(crate) automatic: bool,
    pub(crate) text: String,
    /// Whether the platform said so, by a webhook that names our tag and was surely taken in.
    pub(crate) told: bool,
}

/// The erasure of a contact, over all its tries.
#[derive(Debug)]
pub(crate) struct Erasure {
    pub(crate) contact: ContactId,
    pub(crate) conversation: ConversationId,
    pub(crate) begun: u64,
    pub(crate) begun_at: DateTime<Utc>,
    pub(crate) done: Option<u64>,
    pub(crate) done_at: DateTime<Utc>,
}

impl Erasure {
    /// Returns whether what was written at a time was surely written before it, or surely after it.
    fn is_later_than(&self, at: DateTime<Utc>) -> Option<bool> {
        if at < self.begun_at.min(self.done_at) - BLUR {
            return Some(true);
        }
        (self.done.is_some() && at > self.begun_at.max(self.done_at) + BLUR).then_some(false)
    }
}

/// Something that is so or not, as somebody wants it.
#[derive(Debug, Default)]
pub(crate) struct Topic(pub(crate) Vec<usize>);

/// Somebody made something so.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) value: bool,
    /// The tick before which it had no effect; `None` while nobody has seen it.
    pub(crate) begun: Option<u64>,
    /// The tick after which it has none any more.
    pub(crate) ended: Option<u64>,
    pub(crate) ended_at: DateTime<Utc>,
    /// Whether it surely took effect.
    pub(crate) ok: bool,
    /// The process that did it, if only one tried.
    pub(crate) process: Option<usize>,
}

impl Model {
    /// Adds a claim that nobody has seen yet.
    pub(crate) fn claim(&mut self, value: bool) -> usize {
        let claim = Claim { value, begun: None, ended: None, ended_at: DateTime::UNIX_EPOCH, ok: false, process: None };
        self.claims.push(claim);
        self.claims.len() - 1
    }

    pub(crate) fn begin(&mut self, claim: usize, sim: &Sim, process: usize) {
        let claim = &mut self.claims[claim];
        claim.process = if claim.begun.is_none() { Some(process) } else { claim.process.filter(|own| *own == process) };
        claim.begun.get_or_insert(sim.tick());
    }

    pub(crate) fn end(&mut self, claim: usize, sim: &Sim, ok: bool) {
        let claim = &mut self.claims[claim];
        if claim.ended.is_none() {
            (claim.ended, claim.ended_at, claim.ok) = (Some(sim.tick()), sim.now(), ok);
        }
    }

    /// Returns the claim by which a topic surely has this value since, if there is one.
    pub(crate) fn surely(&self, topic: &Topic, value: bool) -> Option<&Claim> {
        let claims = || topic.0.iter().map(|claim| &self.claims[*claim]);
        let latest = claims()
            .filter(|claim| claim.value == value && claim.ok)
            // Of those that hold, the one that ended first: since then it is so.
            .filter(|claim| {
                claims().filter(|other| other.value != value).all(|other| match (other.begun, other.ended) {
                    (None, _) => true,
                    (Some(_), Some(ended)) => claim.begun.is_some_and(|begun| ended < begun),
                    (Some(_), None) => false,
                })
            });
        latest.min_by_key(|claim| claim.ended)
    }

    /// Returns whether nobody has tried to change a topic since a tick.
    pub(crate) fn untouched_since(&self, topic: &Topic, tick: u64) -> bool {
        let mut claims = topic.0.iter().map(|claim| &self.claims[*claim]).filter(|claim| claim.begun.is_some());
        claims.all(|claim| claim.ended.is_some_and(|ended| ended < tick))
    }

    pub(crate) fn person_of(&self, shop: usize, id: &str) -> Option<usize> {
        self.people.iter().position(|person| person.shop == shop && person.id == id)
    }

    pub(crate) fn shop_of(&self, connection: &Connection) -> usize {
        self.accounts.iter().position(|shop| *shop.account.id() == connection.account).unwrap()
    }

    pub(crate) fn tenant_of(&self, person: usize) -> &Tenant {
        &self.tenants[self.accounts[self.people[person].shop].tenant]
    }

    /// Who asked the question of this number: what contacts say is numbered by its place.
    pub(crate) fn asked(&self, number: usize) -> Option<&Said> {
        self.said.get(number)
    }

    /// Returns whether what came at these ticks is surely gone with an erasure, or surely not touched by any.
    pub(crate) fn survives(&self, person: usize, arrival: &Arrival) -> Option<bool> {
        let (Some(begun), Some(taken)) = (arrival.begun, arrival.taken) else { return None };
        let erasures = &self.people[person].erasures;
        if erasures.iter().any(|erasure| erasure.done.is_some() && taken < erasure.begun) {
            return Some(false);
        }
        erasures.iter().all(|erasure| erasure.done.is_some_and(|done| done < begun)).then_some(true)
    }

    /// Returns whether what a person wrote at a time surely comes too late, or surely not, because they were erased.
    pub(crate) fn is_fenced(&self, person: usize, at: DateTime<Utc>, now: DateTime<Utc>) -> Option<bool> {
        let erasures = &self.people[person].erasures;
        let fences = |erasure: &Erasure| {
            let stands = now - erasure.begun_at < FENCE_MIN && now - erasure.done_at < FENCE_MIN;
            erasure.done.is_some() && stands && erasure.is_later_than(at) == Some(true)
        };
        if erasures.iter().any(fences) {
            return Some(true);
        }
        erasures.iter().all(|erasure| erasure.is_later_than(at) == Some(false)).then_some(false)
    }

    /// Texts of the engines' answers, by the number of what they answer.
    pub(crate) fn answers(&self) -> BTreeMap<usize, Vec<&Out>> {
        let mut answers: BTreeMap<usize, Vec<&Out>> = BTreeMap::new();
        for out in self.outs.iter().filter(|out| out.by_engine) {
            for number in numbers(&out.text) {
                answers.entry(number).or_default().push(out);
            }
        }
        answers
    }
}

/// The numbers of the questions that a text names.
pub(crate) fn numbers(text: &str) -> Vec<usize> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|word| word.strip_prefix('q')?.parse().ok()).collect()
}
