//! Who may send now: token buckets for each connection and each pair of connection and person, and rest for connections
//! that fail.
//!
//! All of it is in memory, bounded, and safe to lose: after a restart the platform refuses what is too much with an error
//! that says so, and the connection rests.
//!
//! Several workers share a connection's rate in equal parts, by the number of workers that hold buckets: each knows it
//! (see `share`), so that together they never exceed it, whichever of them has the conversations. For the seconds until
//! all know of one that came, and where somebody else uses the account too, the platform's refusal settles it. A pair is
//! one conversation, which one worker has at a time: its rate is not shared.
//!
//! The crate `governor` is not used: it takes from one bucket at a time and gives nothing back, so that a message that
//! waits for its pair would cost the connection a token each time; its rates are fixed; and a clock that goes back is
//! outside its contract. What is needed is [`Tokens`].

use std::hash::Hash;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lru::LruCache;

use crate::channel::{ChannelErrorKind, Pace, Rate, Usage};
use crate::id::{ConnectionId, ConversationId, IdSource, TenantId};

/// How many connections are remembered.
const FLOWS_MAX: usize = 10_000;

/// How many pairs are remembered: those that were written to last. A pair that was left alone for some minutes may send
/// its whole burst again anyway.
const PAIRS_MAX: usize = 50_000;

/// How long a connection that ran out of tokens gathers new ones, so that a round sends some instead of one.
const GATHER: TimeDelta = TimeDelta::milliseconds(100);

/// How long a connection rests after a failure, where the platform says nothing; doubled with each further one.
const REST: TimeDelta = TimeDelta::seconds(1);

/// How often the rest is doubled at most: to a little more than four minutes.
const REST_DOUBLINGS_MAX: u32 = 8;

/// How often the rate is halved at most while a connection recovers.
const HALVINGS_MAX: u32 = 6;

/// How long a pair rests after a refusal; four times as long with each further one. Meta asks for `4^X` seconds.
const PAIR_REST: TimeDelta = TimeDelta::seconds(1);

/// How often that is done at most: to 17 minutes.
const PAIR_FAILURES_MAX: u32 = 5;

/// The longest wait that is believed.
const WAIT_MAX: TimeDelta = TimeDelta::hours(24);

/// From which part of the budget on, in percent, the rate is halved, how often. Meta asks to slow down before the end.
const USAGE_HALVINGS: [(u32, u32); 3] = [(95, 3), (85, 2), (75, 1)];

/// How long what the platform said about its budget counts.
const USAGE_FOR: TimeDelta = TimeDelta::minutes(5);

/// How long a connection rests that has used its budget up, where the platform does not say for how long.
const USAGE_REST: TimeDelta = TimeDelta::minutes(1);

/// A time during which nothing goes. It ends early where the clock goes back before its begin: a jump makes no wait that
/// never ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub(super) since: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
}

impl Hold {
    pub(super) fn until(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        (self.since <= now && now < self.until).then_some(self.until)
    }
}

/// A token bucket: when the next message would be due if all went at an even pace. It is full once that has passed.
#[derive(Debug, Clone, Copy, Default)]
struct Tokens {
    due: Option<DateTime<Utc>>,
}

impl Tokens {
    /// Returns when the next message would be due, as far as this can be: a clock that went back empties the bucket at
    /// most.
    fn due(self, rate: Rate, now: DateTime<Utc>) -> DateTime<Utc> {
        self.due.map_or(now, |due| due.clamp(now, now + whole(rate)))
    }

    /// Returns how many may go now.
    fn room(self, rate: Rate, now: DateTime<Utc>) -> usize {
        let free = (now + whole(rate) - self.due(rate, now)).num_microseconds().unwrap_or(i64::MAX);
        let every = rate.every().num_microseconds().unwrap_or(i64::MAX).max(1);
        usize::try_from(free / every).unwrap_or(0)
    }

    /// Returns when one may go.
    fn free_at(self, rate: Rate, now: DateTime<Utc>) -> DateTime<Utc> {
        self.due(rate, now) + rate.every() - whole(rate)
    }

    fn take(&mut self, rate: Rate, now: DateTime<Utc>) {
        self.due = Some(self.due(rate, now) + rate.every());
    }

    fn give_back(&mut self, rate: Rate) {
        self.due = self.due.map(|due| due - rate.every());
    }
}

/// Returns how long an empty bucket takes to be full.
fn whole(rate: Rate) -> TimeDelta {
    let burst = i32::try_from(rate.burst()).unwrap_or(i32::MAX);
    rate.every().checked_mul(burst).unwrap_or(WAIT_MAX).min(TimeDelta::days(365))
}

/// What goes through one connection.
#[derive(Debug, Default)]
struct Flow {
    tokens: Tokens,
    media: Tokens,
    /// The connection's rate, as it was told last.
    rate: Option<Rate>,
    /// It ran out of tokens, or rests.
    hold: Option<Hold>,
    /// When it began to rest last: calls that were under way then tell nothing new.
    rested_at: Option<DateTime<Utc>>,
    /// How often it failed and has not gone well since.
    failures: u32,
    /// How often the rate is halved for what the platform said about its budget, and for how long that counts.
    usage: Option<(u32, Hold)>,
}

impl Flow {
    fn halvings(&self, now: DateTime<Utc>) -> u32 {
        let usage = self.usage.filter(|(_, hold)| hold.until(now).is_some()).map_or(0, |(halvings, _)| halvings);
        usage.max(self.failures.min(HALVINGS_MAX))
    }

    fn slowed(&self, rate: Rate, workers: u32, now: DateTime<Utc>) -> Rate {
        rate.shared_by(workers.max(1).saturating_mul(1 << self.halvings(now)))
    }

    /// Holds a connection that has no token left until it has gathered some. Returns until when, if it has none.
    fn gather(&mut self, rate: Rate, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let empty = self.tokens.room(rate, now) == 0;
        let until = self.tokens.free_at(rate, now).max(now + GATHER.min(whole(rate) / 2));
        empty.then(|| self.hold.insert(Hold { since: now, until }).until)
    }

    fn rest(&mut self, wait: TimeDelta, now: DateTime<Utc>) {
        let until = now + wait.min(WAIT_MAX);
        let later = self.hold.and_then(|hold| hold.until(now)).filter(|there| *there > until);
        self.hold = Some(Hold { since: now, until: later.unwrap_or(until) });
        self.rested_at = Some(now);
    }
}

/// What goes to one person through one connection: one conversation.
#[derive(Debug, Default)]
struct Pair {
    tokens: Tokens,
    hold: Option<Hold>,
    failures: u32,
}

/// Asks for the tokens of one message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) flow: (TenantId, ConnectionId),
    pub(crate) lane: ConversationId,
    /// The channel's pace, with the connection's own rate in it where the host set one.
    pub(crate) pace: Pace,
    pub(crate) media: bool,
    pub(crate) now: DateTime<Utc>,
}

/// What came of a call, as far as the pace goes by it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// The platform took it, and may have said how much of its budget is used up.
    Taken(Option<Usage>),
    /// It failed; the platform may have said when to come back.
    Failed(ChannelErrorKind, Option<Duration>),
}

/// The pace of all connections.
#[derive(Debug)]
pub(crate) struct Paces {
    flows: LruCache<(TenantId, ConnectionId), Flow>,
    pairs: LruCache<(TenantId, ConversationId), Pair>,
    /// How many workers share the rates.
    workers: u32,
}

impl Default for Paces {
    fn default() -> Self {
        Self { flows: LruCache::unbounded(), pairs: LruCache::unbounded(), workers: 1 }
    }
}

/// Returns what is known of a key; forgets who was asked for longest ago where there are too many.
pub(super) fn entry<K: Hash + Eq, V: Default>(all: &mut LruCache<K, V>, key: K, max: usize) -> &mut V {
    if all.len() >= max && !all.contains(&key) {
        all.pop_lru();
    }
    all.get_or_insert_mut(key, V::default)
}

impl Paces {
    pub(crate) fn share_between(&mut self, workers: usize) {
        self.workers = u32::try_from(workers).unwrap_or(u32::MAX).max(1);
    }

    /// Returns how many messages may go through a connection now; `Err` with the time from which on some may, where none
    /// may. A connection that is not known yet sets no bound: the first message tells its rate.
    pub(crate) fn room(&self, flow: (TenantId, ConnectionId), now: DateTime<Utc>) -> Result<usize, DateTime<Utc>> {
        let Some(flow) = self.flows.peek(&flow) else { return Ok(usize::MAX) };
        if let Some(until) = flow.hold.and_then(|hold| hold.until(now)) {
            return Err(until);
        }
        let Some(rate) = flow.rate.map(|rate| flow.slowed(rate, self.workers, now)) else { return Ok(usize::MAX) };
        match flow.tokens.room(rate, now) {
            0 => Err(flow.tokens.free_at(rate, now)),
            room => Ok(room),
        }
    }

    /// Returns until when a connection rests because it failed, or has used its budget up, if it does.
    pub(crate) fn rests(&self, flow: (TenantId, ConnectionId), now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let flow = self.flows.peek(&flow)?;
        flow.hold.filter(|hold| flow.rested_at == Some(hold.since))?.until(now)
    }

    /// Returns whether a connection is to have one message on its way at most: it failed, and has not gone well since.
    pub(crate) fn one_at_a_time(&self, flow: (TenantId, ConnectionId)) -> bool {
        self.flows.peek(&flow).is_some_and(|flow| flow.failures > 0)
    }

    /// Returns until when a conversation waits, if it does.
    pub(crate) fn waits(&self, lane: (TenantId, ConversationId), now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.pairs.peek(&lane)?.hold?.until(now)
    }

    /// Takes all the tokens that a message needs, or none; `Err` with the time from which on they are there.
    pub(crate) fn take(&mut self, ask: &Ask) -> Result<(), DateTime<Utc>> {
        let (now, workers) = (ask.now, self.workers);
        let lane = (ask.flow.0, ask.lane);
        let pair = entry(&mut self.pairs, lane, PAIRS_MAX);
        let flow = entry(&mut self.flows, ask.flow, FLOWS_MAX);
        flow.rate = ask.pace.connection;
        if let Some(until) = flow.hold.and_then(|hold| hold.until(now)) {
            return Err(until);
        }
        if let Some(until) = pair.hold.and_then(|hold| hold.until(now)) {
            return Err(until);
        }
        let all = ask.pace.connection.map(|rate| flow.slowed(rate, workers, now));
        let media = ask.pace.media.filter(|_| ask.media).map(|rate| flow.slowed(rate, workers, now));
        if let Some(until) = all.and_then(|rate| flow.gather(rate, now)) {
            return Err(until);
        }
        let own = [(flow.media, media), (pair.tokens, ask.pace.pair)];
        let empty = own.into_iter().filter_map(|(tokens, rate)| Some((tokens, rate?)));
        let until =
            empty.filter(|(tokens, rate)| tokens.room(*rate, now) == 0).map(|(t, rate)| t.free_at(rate, now)).max();
        if let Some(until) = until {
            // The conversation alone waits: other ones may send through the connection.
            pair.hold = Some(Hold { since: now, until });
            return Err(until);
        }
        for (tokens, rate) in [(&mut flow.tokens, all), (&mut flow.media, media), (&mut pair.tokens, ask.pace.pair)] {
            if let Some(rate) = rate {
                tokens.take(rate, now);
            }
        }
        if let Some(rate) = all {
            flow.gather(rate, now);
        }
        Ok(())
    }

    /// Gives the tokens of a message back whose call was not made.
    pub(crate) fn give_back(&mut self, ask: &Ask) {
        let workers = self.workers;
        let Some(pair) = self.pairs.peek_mut(&(ask.flow.0, ask.lane)) else { return };
        let Some(flow) = self.flows.peek_mut(&ask.flow) else { return };
        let all = ask.pace.connection.map(|rate| flow.slowed(rate, workers, ask.now));
        let media = ask.pace.media.filter(|_| ask.media).map(|rate| flow.slowed(rate, workers, ask.now));
        for (tokens, rate) in [(&mut flow.tokens, all), (&mut flow.media, media), (&mut pair.tokens, ask.pace.pair)] {
            if let Some(rate) = rate {
                tokens.give_back(rate);
            }
        }
    }

    /// Notes what came of a call that took its tokens with `ask`. Returns how long the message waits at least, if it is to
    /// go again.
    pub(crate) fn note(
        &mut self,
        ask: &Ask,
        outcome: Outcome,
        now: DateTime<Utc>,
        ids: &dyn IdSource,
    ) -> Option<TimeDelta> {
        let pair = entry(&mut self.pairs, (ask.flow.0, ask.lane), PAIRS_MAX);
        let flow = entry(&mut self.flows, ask.flow, FLOWS_MAX);
        match outcome {
            Outcome::Taken(usage) => {
                pair.failures = 0;
                // Step by step, so that it does not run into the next refusal at full speed.
                flow.failures = flow.failures.saturating_sub(1);
                if let Some(usage) = usage {
                    note_usage(flow, usage, now, ids);
                }
                None
            }
            Outcome::Failed(ChannelErrorKind::PairLimited, told) => {
                let own = PAIR_REST * 4_i32.pow(pair.failures.min(PAIR_FAILURES_MAX));
                pair.failures += 1;
                let wait = own.max(time(told)) + jitter(own, ids);
                pair.hold = Some(Hold { since: now, until: now + wait });
                Some(wait)
            }
            Outcome::Failed(kind, told) if is_of_the_connection(kind) => {
                // What was under way when the connection began to rest tells nothing new but for how long.
                let own = if flow.rested_at.is_none_or(|at| ask.now > at) {
                    let doublings = flow.failures.min(REST_DOUBLINGS_MAX);
                    flow.failures = flow.failures.saturating_add(1).min(REST_DOUBLINGS_MAX + 1);
                    REST * (1 << doublings)
                } else {
                    TimeDelta::zero()
                };
                flow.rest(own.max(time(told)) + jitter(own, ids), now);
                flow.hold.and_then(|hold| hold.until(now)).map(|until| until - now)
            }
            Outcome::Failed(..) => None,
        }
    }

    /// The business connected the account again, or the host set another rate: what was learned before counts no more.
    pub(crate) fn forget(&mut self, flow: (TenantId, ConnectionId)) {
        self.flows.pop(&flow);
    }
}

/// Whether what failed is the connection, or the way to the platform, and not this one message.
const fn is_of_the_connection(kind: ChannelErrorKind) -> bool {
    matches!(
        kind,
        ChannelErrorKind::Auth
            | ChannelErrorKind::Malformed
            | ChannelErrorKind::RateLimited
            | ChannelErrorKind::Unavailable
            | ChannelErrorKind::Unknown
    )
}

fn note_usage(flow: &mut Flow, usage: Usage, now: DateTime<Utc>, ids: &dyn IdSource) {
    let halvings = USAGE_HALVINGS.iter().find(|(from, _)| usage.percent >= *from).map(|(_, halvings)| *halvings);
    flow.usage = halvings.map(|halvings| (halvings, Hold { since: now, until: now + USAGE_FOR }));
    if usage.percent >= 100 || usage.regain.is_some() {
        let wait = if usage.regain.is_some() { time(usage.regain) } else { USAGE_REST };
        flow.rest(wait + jitter(REST, ids), now);
    }
}

/// Returns how long a platform says to wait, as far as that is believed.
pub(super) fn time(told: Option<Duration>) -> TimeDelta {
    told.map_or(TimeDelta::zero(), |told| TimeDelta::from_std(told).unwrap_or(WAIT_MAX).min(WAIT_MAX))
}

/// Returns up to a quarter of a wait, to be added to it: those who were refused together do not come back together.
fn jitter(wait: TimeDelta, ids: &dyn IdSource) -> TimeDelta {
    let mut random = [0; 2];
    ids.fill(&mut random);
    let part = i64::from(u16::from_le_bytes(random));
    let micros = wait.num_microseconds().unwrap_or(i64::MAX / 4);
    TimeDelta::microseconds(micros / 4 / i64::from(u16::MAX) * part)
}

#[cfg(test)]
mod tests;
