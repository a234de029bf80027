//! The gate: decides whether a purpose may read or send about a person now, and hands out permits.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use lru::LruCache;

use crate::entity::Entities;
use crate::id::{SubjectId, TenantId};
use crate::model::Tenant;
use crate::privacy::permit::Generation;
use crate::privacy::{
    About, Denied, DeniedReason, Grant, LawfulBasis, Permit, Purpose, PurposeKind, Register, Standing,
};

/// How long the gate trusts what it has read about a person: a withdrawal that another process committed is noticed
/// after this time at the latest (`reference/privacy.md` 3.3).
pub const STANDING_LIFE: TimeDelta = TimeDelta::seconds(5);

/// Of how many people the gate remembers where they stand.
pub const STANDINGS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// Decides whether a purpose may read or send about a person now.
///
/// Deny overrides, unknown means deny: what is not in the [`Register`], and what can't be read, is denied. In this order:
/// is automation on, where it is asked for; is there an activity with this purpose about such a person, over this channel;
/// has its assessment not run out; is the person no minor; is nothing restricted; did the person not object; and did they
/// say yes, or at least not no. A permit names the kinds of data that the activity uses, and opens no other.
#[derive(Debug)]
pub struct Gate {
    entities: Entities,
    register: Register,
    memory: Mutex<Memory>,
}

/// A person of a tenant.
type Key = (TenantId, SubjectId);

/// What the gate remembers of people.
#[derive(Debug)]
struct Memory {
    known: LruCache<Key, Known>,
    /// About whom nothing is permitted while something about them is being written, and how often it is.
    closed: BTreeMap<Key, usize>,
}

impl Memory {
    /// Voids every permit about a person that was handed out so far.
    fn void(&mut self, key: Key) {
        if let Some(known) = self.known.pop(&key) {
            known.generation.fetch_add(1, Ordering::AcqRel);
        }
    }
}

#[derive(Debug)]
struct Known {
    standing: Standing,
    read_at: DateTime<Utc>,
    generation: Arc<AtomicU64>,
}

impl Gate {
    pub(crate) fn new(entities: Entities, register: Register) -> Self {
        let memory = Memory { known: LruCache::new(STANDINGS_MAX), closed: BTreeMap::new() };
        Self { entities, register, memory: Mutex::new(memory) }
    }

    /// Returns the register that it goes by.
    #[must_use]
    pub const fn register(&self) -> &Register {
        &self.register
    }

    /// Asks for a permit.
    ///
    /// # Errors
    /// [`Denied`], with the reason.
    ///
    /// # Cancellation
    /// Dropping it has no effect.
    pub async fn permit<P: PurposeKind>(
        &self,
        tenant: &Tenant,
        about: impl Into<About> + Send,
        now: DateTime<Utc>,
    ) -> Result<Permit<P>, Denied> {
        Ok(Permit::of(self.grant(tenant, P::PURPOSE, &about.into(), now).await?))
    }

    /// Asks for a grant for a purpose that is a value, such as one of the host's own.
    ///
    /// # Errors
    /// [`Denied`], with the reason.
    ///
    /// # Cancellation
    /// Dropping it has no effect.
    pub async fn grant(
        &self,
        tenant: &Tenant,
        purpose: Purpose,
        about: &About,
        now: DateTime<Utc>,
    ) -> Result<Grant, Denied> {
        let denied = |reason| Denied { purpose, reason };
        if purpose == Purpose::AutomatedReplies && !tenant.automation {
            return Err(denied(DeniedReason::AutomationOff));
        }
        let activity = self.register.activity(purpose, about, now).map_err(denied)?;
        let key = (tenant.id, about.subject);
        let (verdict, generation) = match self.remembered(key, (purpose, &activity.basis), now) {
            Some(known) => known,
            None => {
                // The generation is taken before the log is read, so that a withdrawal in between voids what we read.
                let generation = self.generation(key).ok_or(denied(DeniedReason::Voided))?;
                let seen = generation.load(Ordering::Acquire);
                let standing = self.entities.standing(tenant.id, about.subject).await;
                let standing = standing.map_err(|_| denied(DeniedReason::Unavailable))?;
                let verdict = standing.check(purpose, &activity.basis, now);
                self.remember(key, standing, now, &generation, seen);
                (verdict, (generation, seen))
            }
        };
        verdict.map_err(denied)?;
        Ok(Grant::new(key, purpose, activity.categories, generation, now))
    }

    /// Voids every permit about some people that was handed out so far, and hands out none until what this returns is
    /// dropped. Held over the commit of a withdrawal or an erasure, so that nothing leaves between the commit and the
    /// moment when the gate knows of it; other processes notice within [`STANDING_LIFE`].
    pub(crate) fn close(&self, tenant: TenantId, subjects: impl IntoIterator<Item = SubjectId>) -> Closed<'_> {
        let keys: Vec<Key> = subjects.into_iter().map(|subject| (tenant, subject)).collect();
        if keys.is_empty() {
            // As with nearly all that is taken in: no lock for it.
            return Closed { gate: self, keys };
        }
        let mut memory = self.memory();
        for key in &keys {
            memory.void(*key);
            *memory.closed.entry(*key).or_default() += 1;
        }
        Closed { gate: self, keys }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(
        &self,
        key: Key,
        (purpose, basis): (Purpose, &LawfulBasis),
        now: DateTime<Utc>,
    ) -> Option<(Result<(), DeniedReason>, Generation)> {
        let mut memory = self.memory();
        let known = memory.known.get(&key)?;
        // A clock that jumped back must not make an old reading look fresh.
        let age = now - known.read_at;
        (age >= TimeDelta::zero() && age < STANDING_LIFE).then(|| {
            let seen = known.generation.load(Ordering::Acquire);
            (known.standing.check(purpose, basis, now), (Arc::clone(&known.generation), seen))
        })
    }

    /// Returns how often something changed about a person so far; `None` while something is being written.
    fn generation(&self, key: Key) -> Option<Arc<AtomicU64>> {
        let mut memory = self.memory();
        if memory.closed.contains_key(&key) {
            return None;
        }
        if let Some(known) = memory.known.get(&key) {
            return Some(Arc::clone(&known.generation));
        }
        let generation = Arc::new(AtomicU64::new(0));
        let unread = Known {
            standing: Standing::default(),
            read_at: DateTime::<Utc>::MIN_UTC,
            generation: Arc::clone(&generation),
        };
        // What is pushed out can no longer be voided by name, so its permits end here.
        if let Some((_, evicted)) = memory.known.push(key, unread) {
            evicted.generation.fetch_add(1, Ordering::AcqRel);
        }
        Some(generation)
    }

    fn remember(&self, key: Key, standing: Standing, now: DateTime<Utc>, generation: &Arc<AtomicU64>, seen: u64) {
        if let Some(known) = self.memory().known.get_mut(&key)
            && Arc::ptr_eq(&known.generation, generation)
            && generation.load(Ordering::Acquire) == seen
        {
            known.standing = standing;
            known.read_at = now;
        }
    }
}

/// Nothing is permitted about these people as long as this lives.
#[must_use = "it opens the gate again when it is dropped"]
#[derive(Debug)]
pub(crate) struct Closed<'g> {
    gate: &'g Gate,
    keys: Vec<Key>,
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let mut memory = self.gate.memory();
        for key in &self.keys {
            if let Some(times) = memory.closed.get_mut(key) {
                *times -= 1;
                if *times == 0 {
                    memory.closed.remove(key);
                }
            }
        }
    }
}
