//! The gate: decides whether a purpose may read or send about a person now, and hands out permits.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use lru::LruCache;

use crate::entity::Entities;
use crate::id::{SubjectId, TenantId};
#[cfg(doc)]
use crate::model::Containment;
use crate::model::Tenant;
use crate::privacy::permit::{PERMIT_LIFE, Seen};
use crate::privacy::published::{Published, Widening};
use crate::privacy::{
    About, Categories, Denied, DeniedReason, Grant, LawfulBasis, Permit, ProcessingActivity, Purpose, PurposeKind,
    Register, Standing,
};

/// How long the gate trusts what it has read about a person: a withdrawal that another process committed is noticed
/// after this time at the latest (`reference/privacy.md` 3.3).
pub const STANDING_LIFE: TimeDelta = TimeDelta::seconds(5);

/// How long the gate trusts what it has read of the notices that were published. One that lets more be done holds from a later
/// day on, so that to read it late only denies; one that lets less be done may hold at once, and is noticed after this time
/// at the latest by a process whose register still has more.
pub const POLICY_LIFE: TimeDelta = TimeDelta::seconds(60);

/// Of how many people the gate remembers where they stand.
pub const STANDINGS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// Decides whether a purpose may read or send about a person now.
///
/// Deny overrides, unknown means deny: what is not in the [`Register`], and what can't be read, is denied. In this order:
/// is automation on, where it is asked for; is there an activity with this purpose about such a person, over this channel;
/// has its assessment not run out; does the notice that was published say so much; is the person no minor; is nothing
/// restricted; did the person not object; did they say yes, or at least not no; and, where more is done than when they came,
/// did they say yes to that; and, for what leaves, is no breach of the business being contained. A permit names the kinds of
/// data that the activity uses, and opens no other.
#[derive(Debug)]
pub struct Gate {
    entities: Entities,
    register: Register,
    memory: Mutex<Memory>,
    /// Whether something of a tenant's was ever stopped here: where not, nobody looks for it.
    stopped: AtomicBool,
}

/// A person of a tenant.
type Key = (TenantId, SubjectId);

/// What the gate remembers.
#[derive(Debug)]
struct Memory {
    known: LruCache<Key, Known>,
    published: Option<(Young, Arc<Published>)>,
    /// About whom nothing is permitted while something about them is being written, and how often it is.
    closed: BTreeMap<Key, usize>,
    /// About nobody of which tenants anything is permitted, for the same reason, and how often.
    shut: BTreeMap<TenantId, usize>,
    /// Of which tenants nothing leaves, unless their settings are of at least so many [changes](Containment::changes).
    stopped: BTreeMap<TenantId, u32>,
}

impl Memory {
    /// Voids every permit about anybody of a tenant that was handed out so far.
    fn void_all(&mut self, tenant: TenantId) {
        let theirs: Vec<Key> = self.known.iter().map(|(key, _)| *key).filter(|key| key.0 == tenant).collect();
        theirs.into_iter().for_each(|key| self.void(key));
    }

    /// Returns what was published, where it was read lately.
    fn published(&self, now: DateTime<Utc>) -> Option<&Arc<Published>> {
        self.published.as_ref().filter(|(young, _)| young.is_so(now)).map(|(_, published)| published)
    }

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
    /// Since when the person is known, where that was looked up.
    since: Option<DateTime<Utc>>,
    /// `None` where nothing was read yet.
    young: Option<Young>,
    /// Until when what was read carries a grant: reckoned once, because a permit is asked for all the time.
    carries_until: DateTime<Utc>,
    generation: Arc<AtomicU64>,
}

/// From when to when what was read is trusted. By a clock that went back since it is not: an old reading must not look fresh.
#[derive(Debug, Clone, Copy)]
struct Young {
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Young {
    fn new(read_at: DateTime<Utc>, life: TimeDelta) -> Self {
        Self { from: read_at, until: read_at + life }
    }

    fn is_so(&self, now: DateTime<Utc>) -> bool {
        self.from <= now && now < self.until
    }
}

/// Which data a grant is for, and what it rests on.
type Granted = (Categories, Seen);

impl Known {
    /// Answers by what was read lately; `None` where it has to be read anew.
    fn answer(&self, asked: &Asked<'_>, now: DateTime<Utc>) -> Option<Result<Seen, DeniedReason>> {
        if !self.young.is_some_and(|young| young.is_so(now)) {
            return None;
        }
        let was = self.generation.load(Ordering::Acquire);
        match asked.check(&self.standing, self.since, now) {
            Ok(()) => Some(Ok(Seen { generation: Arc::clone(&self.generation), was, until: self.carries_until })),
            // For a purpose that was not widened, nobody looked since when they are known.
            Err(DeniedReason::Widened) if self.since.is_none() => None,
            Err(reason) => Some(Err(reason)),
        }
    }
}

/// What is asked about a person.
struct Asked<'a> {
    purpose: Purpose,
    basis: &'a LawfulBasis,
    widening: Option<&'a Widening<'a>>,
}

impl Asked<'_> {
    fn check(&self, standing: &Standing, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), DeniedReason> {
        standing.check(self.purpose, self.basis, now)?;
        let Some(widening) = self.widening else { return Ok(()) };
        // Who came later was told of it from the beginning.
        let came_later = since.is_some_and(|since| since.date_naive() >= widening.since);
        let may = came_later || standing.agreed(self.purpose, &widening.versions, now);
        if may { Ok(()) } else { Err(DeniedReason::Widened) }
    }
}

impl Gate {
    pub(crate) fn new(entities: Entities, register: Register) -> Self {
        let memory = Memory {
            known: LruCache::new(STANDINGS_MAX),
            published: None,
            closed: BTreeMap::new(),
            shut: BTreeMap::new(),
            stopped: BTreeMap::new(),
        };
        Self { entities, register, memory: Mutex::new(memory), stopped: AtomicBool::new(false) }
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
        let about = about.into();
        let granted = match self.remembered(tenant, P::PURPOSE, &about, now) {
            Some(known) => known,
            // Apart, because it is large and seldom.
            None => Box::pin(self.read(tenant, P::PURPOSE, &about, now)).await,
        };
        // Made here, where it stays: each layer between would move it once more.
        let (categories, seen) = granted.map_err(|reason| Denied { purpose: P::PURPOSE, reason })?;
        Ok(Permit::of(Grant::new((tenant.id, about.subject), P::PURPOSE, categories, seen, now)))
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
        let granted = match self.remembered(tenant, purpose, about, now) {
            Some(known) => known,
            None => Box::pin(self.read(tenant, purpose, about, now)).await,
        };
        let (categories, seen) = granted.map_err(|reason| Denied { purpose, reason })?;
        Ok(Grant::new((tenant.id, about.subject), purpose, categories, seen, now))
    }

    /// Finds the activity that the purpose is used for, where it may be used at all.
    fn activity(
        &self,
        tenant: &Tenant,
        purpose: Purpose,
        about: &About,
        now: DateTime<Utc>,
    ) -> Result<&ProcessingActivity, DeniedReason> {
        if purpose == Purpose::AutomatedReplies && !tenant.automation {
            return Err(DeniedReason::AutomationOff);
        }
        self.register.activity(purpose, about, now)
    }

    /// Decides by what was read lately; `None` where something has to be read anew.
    fn remembered(
        &self,
        tenant: &Tenant,
        purpose: Purpose,
        about: &About,
        now: DateTime<Utc>,
    ) -> Option<Result<Granted, DeniedReason>> {
        let activity = match self.activity(tenant, purpose, about, now) {
            Ok(activity) => activity,
            Err(reason) => return Some(Err(reason)),
        };
        let found = {
            let memory = self.memory();
            let Memory { known, published, .. } = &*memory;
            let widening = if purpose.is_optional() {
                let (young, published) = published.as_ref()?;
                if !young.is_so(now) {
                    return None;
                }
                match published.check(activity, now) {
                    Ok(widening) => widening,
                    Err(reason) => return Some(Err(reason)),
                }
            } else {
                None
            };
            let asked = Asked { purpose, basis: &activity.basis, widening: widening.as_ref() };
            // Without a move to the front: whoever is asked about for longer is read anew, and put there by that.
            known.peek(&(tenant.id, about.subject))?.answer(&asked, now)?
        };
        Some(self.granted(tenant, activity, found))
    }

    /// Reads what has to be read, and decides.
    async fn read(
        &self,
        tenant: &Tenant,
        purpose: Purpose,
        about: &About,
        now: DateTime<Utc>,
    ) -> Result<Granted, DeniedReason> {
        let activity = self.activity(tenant, purpose, about, now)?;
        let key = (tenant.id, about.subject);
        // What a person can say no to asks for their yes where it was widened. Of the rest they are told.
        let published = if purpose.is_optional() { Some(self.published(now).await?) } else { None };
        let widening = match &published {
            Some(published) => published.check(activity, now)?,
            None => None,
        };
        let asked = Asked { purpose, basis: &activity.basis, widening: widening.as_ref() };
        let known = self.memory().known.get(&key).and_then(|known| known.answer(&asked, now));
        let found = match known {
            Some(found) => found,
            None => {
                // The generation is taken before the log is read, so that a withdrawal in between voids what we read.
                let generation = self.generation(key).ok_or(DeniedReason::Voided)?;
                let seen = generation.load(Ordering::Acquire);
                let standing = self.entities.standing(tenant.id, about.subject).await;
                let standing = standing.map_err(|_| DeniedReason::Unavailable)?;
                // Only then is it needed, and a notice widens something once in a long while.
                let since = match widening {
                    Some(_) => self.entities.known_since(tenant, about).await,
                    None => Ok(None),
                };
                let since = since.map_err(|_| DeniedReason::Unavailable)?;
                let verdict = asked.check(&standing, since, now);
                let was = self.remember(key, (standing, since), now, &generation, seen);
                verdict.map(|()| Seen { generation, was, until: now + PERMIT_LIFE })
            }
        };
        self.granted(tenant, activity, found)
    }

    /// Grants, where nothing was found that speaks against it.
    fn granted(
        &self,
        tenant: &Tenant,
        activity: &ProcessingActivity,
        found: Result<Seen, DeniedReason>,
    ) -> Result<Granted, DeniedReason> {
        let seen = found?;
        // Last: who stops the tenant after this voids what is granted here.
        if leaves(activity.purpose) {
            self.lets_out(tenant)?;
        }
        Ok((activity.categories, seen))
    }

    /// Returns whether anything of a tenant's may leave: not while a breach is being contained. Ask after a grant was given:
    /// one that is older than the stop is void.
    pub(crate) fn lets_out(&self, tenant: &Tenant) -> Result<(), DeniedReason> {
        let believed = !self.stopped.load(Ordering::Acquire)
            || self.memory().stopped.get(&tenant.id).is_none_or(|changes| tenant.containment.changes >= *changes);
        if believed && !tenant.containment.stands() { Ok(()) } else { Err(DeniedReason::Contained) }
    }

    /// Stops what leaves of a tenant, and voids what was granted about its people so far, until settings of at least so many
    /// [changes](Containment::changes) say otherwise: settings that were read before are not believed.
    pub(crate) fn stop(&self, tenant: TenantId, changes: u32) {
        self.stopped.store(true, Ordering::Release);
        let mut memory = self.memory();
        let known = memory.stopped.entry(tenant).or_default();
        *known = changes.max(*known);
        memory.void_all(tenant);
    }

    /// Voids every permit about some people that was handed out so far, and hands out none until what this returns is
    /// dropped. Held over the commit of a withdrawal or an erasure, so that nothing leaves between the commit and the
    /// moment when the gate knows of it; other processes notice within [`STANDING_LIFE`].
    pub(crate) fn close(&self, tenant: TenantId, subjects: impl IntoIterator<Item = SubjectId>) -> Closed<'_> {
        let keys: Vec<Key> = subjects.into_iter().map(|subject| (tenant, subject)).collect();
        if keys.is_empty() {
            // As with nearly all that is taken in: no lock for it.
            return Closed { gate: self, keys, tenant: None };
        }
        let mut memory = self.memory();
        for key in &keys {
            memory.void(*key);
            *memory.closed.entry(*key).or_default() += 1;
        }
        Closed { gate: self, keys, tenant: None }
    }

    /// The same about everybody of a tenant: an account holder takes an account back through which messages go.
    pub(crate) fn close_all(&self, tenant: TenantId) -> Closed<'_> {
        let mut memory = self.memory();
        memory.void_all(tenant);
        *memory.shut.entry(tenant).or_default() += 1;
        Closed { gate: self, keys: Vec::new(), tenant: Some(tenant) }
    }

    /// Returns what was published, read no longer ago than [`POLICY_LIFE`].
    async fn published(&self, now: DateTime<Utc>) -> Result<Arc<Published>, DeniedReason> {
        if let Some(published) = self.memory().published(now) {
            return Ok(Arc::clone(published));
        }
        let policies = self.entities.policies().await.map_err(|_| DeniedReason::Unavailable)?;
        let published = Arc::new(Published::of(policies));
        self.memory().published = Some((Young::new(now, POLICY_LIFE), Arc::clone(&published)));
        Ok(published)
    }

    /// Forgets what it has read of the notices: one was just published.
    pub(crate) fn forget_published(&self) {
        self.memory().published = None;
    }

    #[inline]
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how often something changed about a person so far; `None` while something is being written.
    fn generation(&self, key: Key) -> Option<Arc<AtomicU64>> {
        let mut memory = self.memory();
        if memory.closed.contains_key(&key) || memory.shut.contains_key(&key.0) {
            return None;
        }
        if let Some(known) = memory.known.get(&key) {
            return Some(Arc::clone(&known.generation));
        }
        let generation = Arc::new(AtomicU64::new(0));
        let unread = Known {
            standing: Standing::default(),
            since: None,
            young: None,
            carries_until: DateTime::UNIX_EPOCH,
            generation: Arc::clone(&generation),
        };
        // What is pushed out can no longer be voided by name, so its permits end here.
        if let Some((_, evicted)) = memory.known.push(key, unread) {
            evicted.generation.fetch_add(1, Ordering::AcqRel);
        }
        Some(generation)
    }

    /// Remembers what was read. Where it is another thing than what permits were handed out by, another process has written
    /// it, and they are void. Returns how often something has changed by then.
    fn remember(
        &self,
        key: Key,
        (standing, since): (Standing, Option<DateTime<Utc>>),
        now: DateTime<Utc>,
        generation: &Arc<AtomicU64>,
        mut seen: u64,
    ) -> u64 {
        if let Some(known) = self.memory().known.get_mut(&key)
            && Arc::ptr_eq(&known.generation, generation)
            && generation.load(Ordering::Acquire) == seen
        {
            if known.young.is_some() && known.standing != standing {
                seen += 1;
                generation.store(seen, Ordering::Release);
            }
            known.standing = standing;
            known.since = since;
            known.young = Some(Young::new(now, STANDING_LIFE));
            known.carries_until = now + PERMIT_LIFE;
        }
        seen
    }
}

/// Returns whether a purpose is for nothing but what leaves.
const fn leaves(purpose: Purpose) -> bool {
    matches!(purpose, Purpose::AutomatedReplies | Purpose::Rights)
}

/// Nothing is permitted about these people as long as this lives.
#[must_use = "it opens the gate again when it is dropped"]
#[derive(Debug)]
pub(crate) struct Closed<'g> {
    gate: &'g Gate,
    keys: Vec<Key>,
    /// About everybody of this tenant.
    tenant: Option<TenantId>,
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        if self.keys.is_empty() && self.tenant.is_none() {
            return;
        }
        let mut memory = self.gate.memory();
        self.keys.iter().for_each(|key| reopen(&mut memory.closed, key));
        if let Some(tenant) = &self.tenant {
            reopen(&mut memory.shut, tenant);
        }
    }
}

fn reopen<K: Ord>(closed: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(times) = closed.get_mut(key) {
        *times -= 1;
        if *times == 0 {
            closed.remove(key);
        }
    }
}
