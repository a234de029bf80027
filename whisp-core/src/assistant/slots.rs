//! How many conversations are worked on at a time: no tenant and no connection takes all that there is.
//!
//! Counted over all calls of this process, so that a connection whose calls take long holds no more when it is called
//! beside another one.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::assistant::Inner;
use crate::assistant::own::LaneKey;
use crate::assistant::pick::{LaneWork, Phase};
use crate::id::{ConnectionId, TenantId};

/// Who takes a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Taker {
    Tenant(Phase, TenantId),
    Connection(TenantId, ConnectionId),
}

/// How many slots are taken, by whom.
#[derive(Debug, Default)]
pub(crate) struct Slots(BTreeMap<Taker, usize>);

/// How many slots one may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caps {
    tenant: usize,
    connection: usize,
}

impl Caps {
    /// All for one tenant that is alone, else half of them for each; and half of what a tenant has for each connection,
    /// where there are more connections than tenants.
    pub(crate) fn of(lanes: &[LaneWork], concurrency: usize) -> Self {
        let tenants: BTreeSet<TenantId> = lanes.iter().map(|work| work.lease.tenant).collect();
        let connections: BTreeSet<(TenantId, ConnectionId)> = lanes.iter().filter_map(LaneWork::flow).collect();
        let half_unless = |alone: bool, all: usize| if alone { all } else { all.div_ceil(2) };
        let tenant = half_unless(tenants.len() <= 1, concurrency.max(1));
        Self { tenant, connection: half_unless(connections.len() <= tenants.len(), tenant) }
    }
}

/// Work on a lane, by one task at a time. Ends when dropped, so a cancelled step frees its lanes.
#[derive(Debug)]
pub(crate) struct Busy<'a> {
    inner: &'a Inner,
    key: LaneKey,
    takers: [Option<Taker>; 2],
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut lanes = self.inner.lanes();
        lanes.busy.remove(&self.key);
        for taker in self.takers.into_iter().flatten() {
            if let Entry::Occupied(mut taken) = lanes.slots.0.entry(taker) {
                *taken.get_mut() = taken.get().saturating_sub(1);
                if *taken.get() == 0 {
                    taken.remove();
                }
            }
        }
    }
}

impl Inner {
    /// Takes the first lane for which there is a slot. Those that a task of this process is at, or was at meanwhile, are
    /// dropped: they come again.
    pub(crate) fn admit(
        &self,
        waiting: &mut VecDeque<LaneWork>,
        phase: Phase,
        caps: Caps,
    ) -> Option<(LaneWork, Busy<'_>)> {
        let (mut at, now) = (0, self.clock.now());
        loop {
            let work = waiting.get(at)?;
            let flow = work.flow().filter(|_| phase == Phase::Deliver);
            let one = flow.is_some_and(|flow| self.pace().one_at_a_time(flow));
            let takers = [
                Some((Taker::Tenant(phase, work.lease.tenant), caps.tenant)),
                flow.map(|(tenant, connection)| {
                    (Taker::Connection(tenant, connection), if one { 1 } else { caps.connection })
                }),
            ];
            let key = work.key(phase);
            let mut lanes = self.lanes();
            if lanes.busy.contains_key(&key) {
                drop(lanes);
                waiting.remove(at);
                continue;
            }
            let full = |(taker, cap): &(Taker, usize)| lanes.slots.0.get(taker).is_some_and(|taken| taken >= cap);
            if takers.iter().flatten().any(full) {
                at += 1;
                continue;
            }
            let Some(work) = waiting.remove(at).and_then(|work| self.again(&lanes, work, phase, now)) else { continue };
            let takers = takers.map(|taker| taker.map(|(taker, _)| taker));
            for taker in takers.into_iter().flatten() {
                *lanes.slots.0.entry(taker).or_default() += 1;
            }
            lanes.busy.insert(key, work.lease.bucket);
            drop(lanes);
            return Some((work, Busy { inner: self, key, takers }));
        }
    }
}
