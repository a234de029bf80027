//! What a simulator remembers, and can be written to a file.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use whisp_core::Sensitive;
use whisp_core::model::{AccountId, ChannelKind, PlatformMessageId};

use super::book::Books;
use super::config::{Account, Limits, Persona};
use crate::client::hex;

/// How many requests are remembered; the oldest go first.
pub const REQUESTS_MAX: usize = 100_000;

/// How many messages are taken before the simulator says that it is down: it forgets none.
pub const ACCEPTED_MAX: usize = 1_000_000;

/// How many webhooks may wait; the oldest go first, as Meta gives up too.
pub const QUEUE_MAX: usize = 100_000;

/// Everything that a simulator remembers. Serialize it to go on later; it holds what the simulated people wrote.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct State {
    seed: [u8; 16],
    minted: u64,
    queued: u64,
    /// How many things its people have said or done.
    #[serde(default)]
    pub(super) said: u64,
    people: BTreeMap<AccountId, BTreeMap<String, Person>>,
    counters: BTreeMap<AccountId, Counters>,
    #[serde(default)]
    pub(super) books: Books,
    pub(super) accepted: Vec<Accepted>,
    pub(super) requests: VecDeque<RecordedRequest>,
    pub(super) queue: VecDeque<Queued>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("accepted", &self.accepted.len())
            .field("requests", &self.requests.len())
            .field("queue", &self.queue.len())
            .finish_non_exhaustive()
    }
}

/// A message that the simulator took, once for each time that it took it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Accepted {
    /// The id that it was given.
    pub id: PlatformMessageId,
    /// Through which account.
    pub account: AccountId,
    /// To whom, by the id of their [`Persona`], or as the request named them where nobody is known by that.
    pub to: Sensitive,
    /// The opaque tag, where the request had one.
    pub tag: Option<String>,
    /// The text, where it has one.
    pub text: Option<Sensitive>,
    /// The whole request.
    pub body: Sensitive<Value>,
    /// When.
    pub at: DateTime<Utc>,
    /// The code of the status that says that it was not delivered after all.
    pub failed: Option<i64>,
}

/// A request as it came.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordedRequest {
    /// When.
    pub at: DateTime<Utc>,
    /// The path, without the query.
    pub path: String,
    /// The JSON of the body; `Null` where it is none.
    pub body: Sensitive<Value>,
    /// The HTTP status that it decided on; `None` where it broke off before.
    pub status: Option<u16>,
    /// Meta's code in the answer, where it was a refusal.
    pub code: Option<i64>,
}

/// A webhook that waits to be posted.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Queued {
    pub(super) number: u64,
    pub(super) body: Value,
    pub(super) attempts: u32,
}

/// A person as one account knows them.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) persona: Persona,
    pub(super) wrote_at: Option<DateTime<Utc>>,
    /// When the next message to them would be due if they came at an even pace.
    pair_due: Option<DateTime<Utc>>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Counters {
    second: (i64, u32),
    hour: (i64, u32),
}

impl State {
    /// Reads it from a file; `None` if there is none.
    pub(super) fn load(file: &Path) -> io::Result<Option<Self>> {
        match fs::read(file) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes it to a file, whole or not at all: a process that is killed leaves the old or the new one.
    pub(super) fn save(&self, file: &Path) -> io::Result<()> {
        let next = file.with_extension("next");
        fs::write(&next, serde_json::to_vec(self)?)?;
        fs::rename(&next, file)
    }

    pub(super) fn seeded(seed: [u8; 16]) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Makes the bytes of a new id. They follow from the seed and a count, so that a state that was loaded goes on
    /// without repeating one.
    pub(super) fn mint(&mut self) -> [u8; 32] {
        self.minted += 1;
        let mut input = self.seed.to_vec();
        input.extend_from_slice(&self.minted.to_be_bytes());
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(digest::digest(&digest::SHA256, &input).as_ref()).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Makes a message id in the form of the channel. A `wamid` holds the contact's number, as Meta's do.
    pub(super) fn message_id(&mut self, account: &Account, person: &str, outgoing: bool) -> String {
        let random = self.mint();
        match account.channel {
            ChannelKind::Instagram => {
                let number = random.iter().take(16).fold(0_u128, |number, byte| (number << 8) | u128::from(*byte));
                let name = format!("ig_dm_item:1:IGMessageID:{}:{person}:{number}", account.id.as_str());
                BASE64_URL_SAFE_NO_PAD.encode(name)
            }
            ChannelKind::Messenger => format!("m_{}", BASE64_URL_SAFE_NO_PAD.encode([random, random].concat())),
            _ => wamid(person, outgoing, &random),
        }
    }

    pub(super) fn person(&mut self, account: &AccountId, persona: &Persona) -> &mut Person {
        let person = Person { persona: persona.clone(), wrote_at: None, pair_due: None };
        let known = self.people.entry(account.clone()).or_default().entry(persona.id.clone()).or_insert(person);
        known.persona = persona.clone();
        known
    }

    /// Finds a person by phone number, scoped id or BSUID.
    pub(super) fn find(&self, account: &AccountId, id: &str) -> Option<&Person> {
        let people = self.people.get(account)?;
        people.get(id).or_else(|| {
            people.values().find(|person| {
                let persona = &person.persona;
                [&persona.bsuid, &persona.parent_bsuid].into_iter().flatten().any(|bsuid| bsuid == id)
            })
        })
    }

    /// Counts a message to a person; returns whether it is within the pair's rate.
    pub(super) fn within_pair_rate(
        &mut self,
        account: &AccountId,
        id: &str,
        limits: &Limits,
        now: DateTime<Utc>,
    ) -> bool {
        let Some(person) = self.people.get_mut(account).and_then(|people| people.get_mut(id)) else { return true };
        let due = person.pair_due.unwrap_or(now).max(now);
        let burst = i32::try_from(limits.pair_burst.saturating_sub(1)).unwrap_or(i32::MAX);
        if due - now > limits.pair_every * burst {
            return false;
        }
        person.pair_due = Some(due + limits.pair_every);
        true
    }

    /// Counts a call; returns whether it is within the hour's budget.
    pub(super) fn within_hour(&mut self, account: &AccountId, max: u32, now: DateTime<Utc>) -> bool {
        let counters = self.counters.entry(account.clone()).or_default();
        count(&mut counters.hour, now.timestamp() / TimeDelta::hours(1).num_seconds(), max)
    }

    /// Returns how much of the hour's budget is used up, in percent.
    pub(super) fn used_of_hour(&self, account: &AccountId, max: u32, now: DateTime<Utc>) -> u32 {
        let hour = now.timestamp() / TimeDelta::hours(1).num_seconds();
        let used = self.counters.get(account).filter(|counters| counters.hour.0 == hour);
        let percent = used.map_or(0, |counters| u64::from(counters.hour.1) * 100 / u64::from(max.max(1)));
        u32::try_from(percent).unwrap_or(u32::MAX)
    }

    /// Counts a message; returns whether it is within the second's throughput.
    pub(super) fn within_second(&mut self, account: &AccountId, max: u32, now: DateTime<Utc>) -> bool {
        let counters = self.counters.entry(account.clone()).or_default();
        count(&mut counters.second, now.timestamp(), max)
    }

    /// Returns the last message to a person that they got.
    pub(super) fn last_to<'a>(&'a self, account: &'a AccountId, id: &'a str) -> Option<&'a Accepted> {
        self.all_to(account, id).next_back()
    }

    /// Returns the messages to a person that they got, oldest first.
    pub(super) fn all_to<'a>(
        &'a self,
        account: &'a AccountId,
        id: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Accepted> {
        self.accepted.iter().filter(move |accepted| {
            accepted.account == *account && accepted.to.expose() == id && accepted.failed.is_none()
        })
    }

    pub(super) fn enqueue(&mut self, body: Value) {
        self.queued += 1;
        push_bounded(&mut self.queue, Queued { number: self.queued, body, attempts: 0 }, QUEUE_MAX);
    }

    pub(super) fn record(&mut self, request: RecordedRequest) {
        push_bounded(&mut self.requests, request, REQUESTS_MAX);
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, item: T, max: usize) {
    if queue.len() >= max {
        queue.pop_front();
    }
    queue.push_back(item);
}

fn count(counter: &mut (i64, u32), period: i64, max: u32) -> bool {
    if counter.0 != period {
        *counter = (period, 0);
    }
    if counter.1 >= max {
        return false;
    }
    counter.1 += 1;
    true
}

/// The binary form of a `wamid`: the contact's number, the direction, an id in hexadecimal.
fn wamid(phone: &str, outgoing: bool, random: &[u8; 32]) -> String {
    let id = match outgoing {
        true => hex(random.get(..9).unwrap_or_default()).to_uppercase(),
        false => format!("3A{}", hex(random.get(..9).unwrap_or_default()).to_uppercase()),
    };
    let mut bytes = vec![0x1c, 0x18, u8::try_from(phone.len()).unwrap_or(u8::MAX)];
    bytes.extend_from_slice(phone.as_bytes());
    bytes.extend_from_slice(&[0x15, 0x02, 0x00, if outgoing { 0x11 } else { 0x12 }, 0x18]);
    bytes.push(u8::try_from(id.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(id.as_bytes());
    bytes.push(0);
    format!("wamid.{}", BASE64_STANDARD.encode(bytes))
}
