//! Ids that count.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::id::{IdSource, uuid_v7};

/// Ids that count up from a seed: the same seed gives the same ids.
///
/// # Examples
/// ```
/// use whisp_core::{id::IdSource, testing::SeqIds};
/// assert_eq!(SeqIds::new(7).random(), SeqIds::new(7).random());
/// assert_ne!(SeqIds::new(7).random(), SeqIds::new(8).random());
/// ```
#[derive(Debug)]
pub struct SeqIds {
    seed: u64,
    next: AtomicU64,
    /// The latest time seen, in milliseconds: ids go up also when the clock goes back.
    latest: AtomicI64,
}

impl SeqIds {
    /// Makes a source that counts from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, next: AtomicU64::new(0), latest: AtomicI64::new(0) }
    }

    /// SplitMix64 (Steele, Lea, Flood 2014) over seed and count.
    fn next(&self) -> u64 {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let mut z = (self.seed ^ n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Default for SeqIds {
    fn default() -> Self {
        Self::new(0)
    }
}

impl IdSource for SeqIds {
    fn time_ordered(&self, now: DateTime<Utc>) -> Uuid {
        // The seed, then the count: ids of one source go up, those of another never meet them.
        let mut random = [0; 10];
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        let bytes = self.seed.to_le_bytes().into_iter().take(2).chain(count.to_be_bytes());
        random.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        let millis = now.timestamp_millis();
        let latest = self.latest.fetch_max(millis, Ordering::Relaxed).max(millis);
        uuid_v7(DateTime::from_timestamp_millis(latest).unwrap_or(now), random)
    }

    fn random(&self) -> Uuid {
        let mut random = [0; 16];
        self.fill(&mut random);
        uuid::Builder::from_random_bytes(random).into_uuid()
    }

    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.iter_mut().zip(word).for_each(|(to, from)| *to = from);
        }
    }
}
