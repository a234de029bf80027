//! Subjects' keys that were used lately.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;
use whisp_core::id::{SubjectId, TenantId};

use super::renew::KeyRing;

/// Of how many subjects the keys are kept unwrapped: about two megabytes.
pub(crate) const SUBJECTS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// How long an unwrapped key is used before the table is asked again: an erasure that another process committed is
/// noticed after this time at the latest, as a withdrawal is (`whisp_core::privacy::STANDING_LIFE`).
pub(crate) const KEY_LIFE: Duration = Duration::from_secs(5);

type Key = (TenantId, SubjectId);

/// The keys of the subjects that were used last.
pub(crate) struct KeyCache {
    slots: Mutex<Slots>,
    life: Duration,
}

struct Slots {
    keys: LruCache<Key, Slot>,
    /// Of these tenants nothing is kept any more.
    closed: BTreeSet<TenantId>,
}

enum Slot {
    Live(Arc<KeyRing>, Instant),
    /// An erasure was begun, and may or may not be durable: the table is asked each time, and nothing is kept.
    Erasing,
}

impl KeyCache {
    pub(crate) fn new(subjects_max: NonZeroUsize, life: Duration) -> Self {
        Self { slots: Mutex::new(Slots { keys: LruCache::new(subjects_max), closed: BTreeSet::new() }), life }
    }

    pub(crate) fn get(&self, tenant: TenantId, subject: SubjectId) -> Option<Arc<KeyRing>> {
        let mut slots = self.slots();
        match slots.keys.get(&(tenant, subject))? {
            Slot::Live(key, read_at) if read_at.elapsed() < self.life => Some(Arc::clone(key)),
            Slot::Live(..) | Slot::Erasing => None,
        }
    }

    /// Keeps a key that was read from the table, unless an erasure was begun meanwhile.
    pub(crate) fn keep(&self, tenant: TenantId, subject: SubjectId, key: Arc<KeyRing>) {
        let mut slots = self.slots();
        let is_erased = matches!(slots.keys.peek(&(tenant, subject)), Some(Slot::Erasing));
        if !is_erased && !slots.closed.contains(&tenant) {
            slots.keys.put((tenant, subject), Slot::Live(key, Instant::now()));
        }
    }

    /// Has a subject's keys read again before they are used.
    pub(crate) fn doubt(&self, tenant: TenantId, subject: SubjectId) {
        let mut slots = self.slots();
        if matches!(slots.keys.peek(&(tenant, subject)), Some(Slot::Live(..))) {
            slots.keys.pop(&(tenant, subject));
        }
    }

    /// Drops a subject's key and keeps no other from now on.
    pub(crate) fn forget(&self, tenant: TenantId, subject: SubjectId) {
        self.slots().keys.put((tenant, subject), Slot::Erasing);
    }

    /// Drops the keys of a tenant's subjects and keeps no others from now on.
    pub(crate) fn close(&self, tenant: TenantId) {
        let mut slots = self.slots();
        if slots.closed.insert(tenant) {
            let theirs: Vec<Key> = slots.keys.iter().map(|(key, _)| *key).filter(|key| key.0 == tenant).collect();
            for key in theirs {
                slots.keys.pop(&key);
            }
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = self.slots();
        write!(f, "KeyCache({} of {})", slots.keys.len(), slots.keys.cap())
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite1::LiveKey;
    use super::*;
    use crate::keys::random_key;

    fn key() -> Arc<KeyRing> {
        Arc::new(KeyRing::new(LiveKey::new(1, &random_key().unwrap())))
    }

    fn person(n: u8) -> (TenantId, SubjectId) {
        (TenantId::from_bytes([1; 16]), SubjectId::from_bytes([n; 16]))
    }

    #[test]
    fn i6_it_holds_no_more_than_its_bound_and_drops_the_oldest() {
        let cache = KeyCache::new(NonZeroUsize::new(3).unwrap(), KEY_LIFE);
        for n in 0..10 {
            cache.keep(person(n).0, person(n).1, key());
        }
        assert_eq!(cache.slots().keys.len(), 3);
        assert!(cache.get(person(6).0, person(6).1).is_none());
        assert!(cache.get(person(7).0, person(7).1).is_some());
    }

    #[test]
    fn i6_a_key_is_not_used_past_its_life() {
        let cache = KeyCache::new(SUBJECTS_MAX, Duration::ZERO);
        let (tenant, subject) = person(1);
        cache.keep(tenant, subject, key());
        assert!(cache.get(tenant, subject).is_none());
    }

    #[test]
    fn what_is_in_doubt_is_read_again_and_what_is_erased_stays_so() {
        let cache = KeyCache::new(SUBJECTS_MAX, KEY_LIFE);
        let (tenant, subject) = person(1);
        cache.keep(tenant, subject, key());
        cache.doubt(tenant, subject);
        assert!(cache.get(tenant, subject).is_none());
        cache.keep(tenant, subject, key());
        assert!(cache.get(tenant, subject).is_some());
        cache.forget(tenant, subject);
        cache.doubt(tenant, subject);
        cache.keep(tenant, subject, key());
        assert!(cache.get(tenant, subject).is_none());
    }

    #[test]
    fn i6_a_key_is_kept_for_one_tenant_only() {
        let cache = KeyCache::new(SUBJECTS_MAX, KEY_LIFE);
        let (tenant, subject) = person(1);
        cache.keep(tenant, subject, key());
        assert!(cache.get(TenantId::from_bytes([2; 16]), subject).is_none());
    }

    #[test]
    fn i6_a_key_that_was_read_before_an_erasure_is_not_kept_after_it() {
        let cache = KeyCache::new(SUBJECTS_MAX, KEY_LIFE);
        let (tenant, subject) = person(1);
        cache.keep(tenant, subject, key());
        let read_before = key();
        cache.forget(tenant, subject);
        cache.keep(tenant, subject, read_before);
        assert!(cache.get(tenant, subject).is_none());
    }

    #[test]
    fn of_a_closed_tenant_nothing_is_kept_and_of_others_everything() {
        let cache = KeyCache::new(SUBJECTS_MAX, KEY_LIFE);
        let ((tenant, subject), other) = (person(1), TenantId::from_bytes([2; 16]));
        cache.keep(tenant, subject, key());
        cache.keep(other, subject, key());
        cache.close(tenant);
        cache.keep(tenant, subject, key());
        assert!(cache.get(tenant, subject).is_none());
        assert!(cache.get(other, subject).is_some());
    }

    #[test]
    fn what_falls_out_is_wiped_with_its_last_user() {
        let cache = KeyCache::new(NonZeroUsize::MIN, KEY_LIFE);
        let (tenant, subject) = person(1);
        cache.keep(tenant, subject, key());
        let used = Arc::downgrade(&cache.get(tenant, subject).unwrap());
        cache.keep(tenant, person(2).1, key());
        assert!(used.upgrade().is_none());
    }
}
