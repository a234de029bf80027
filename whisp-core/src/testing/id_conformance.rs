//! Proves that a source of ids keeps the contracts of [`IdSource`]. Run it against your own.
//!
//! Each function here checks the contract of its number, [`CASES`] lists them and [`check_all`] runs all. Cases may be added
//! in a minor release: pin the version.
//!
//! # Examples
//! ```
//! use whisp_core::testing::{SeqIds, id_conformance};
//! id_conformance::check_all(&SeqIds::new(1), &SeqIds::new(2))?;
//! # Ok::<(), whisp_core::testing::Violation>(())
//! ```

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::{Uuid, Variant};

use crate::id::IdSource;
use crate::testing::case::{Case, Violation, cases, ensure};

/// Runs a case on a source, and one like it on another machine.
pub type Run = fn(&dyn IdSource, &dyn IdSource) -> Result<(), Violation>;

/// All cases, in the order of the contract.
pub const CASES: &[Case<Run>] = cases![
    1 no_id_comes_twice,
    2 ids_of_a_time_go_up,
    3 random_ids_are_random,
    4 the_whole_slice_is_filled,
];

/// Checks all contracts of a source, beside one like it on another machine, in the order of their numbers.
///
/// # Errors
/// The first [`Violation`].
pub fn check_all(ids: &dyn IdSource, elsewhere: &dyn IdSource) -> Result<(), Violation> {
    CASES.iter().try_for_each(|case| (case.run)(ids, elsewhere))
}

/// Contract 1: of both sources, at one time, no two ids are the same.
///
/// # Errors
/// [`Violation`].
pub fn no_id_comes_twice(ids: &dyn IdSource, elsewhere: &dyn IdSource) -> Result<(), Violation> {
    let mut seen = BTreeSet::new();
    for _ in 0..1_000 {
        for id in [ids, elsewhere].into_iter().flat_map(|ids| [ids.time_ordered(at(0)), ids.random()]) {
            ensure(1, seen.insert(id), || format!("{id} came twice"))?;
        }
    }
    Ok(())
}

/// Contract 2: ids of a time are UUIDs of version 7 that begin with it, and go up: within a millisecond, over time, when the
/// clock goes back.
///
/// # Errors
/// [`Violation`].
pub fn ids_of_a_time_go_up(ids: &dyn IdSource, _: &dyn IdSource) -> Result<(), Violation> {
    let mut last = Uuid::nil();
    // An hour on, so that it is ahead of every other case; then on by a millisecond at a time, and back.
    for (millis, is_on) in (3_600_000..3_600_500).map(|millis| (millis, true)).chain([(3_600_100, false), (0, false)]) {
        for _ in 0..10 {
            let (now, id) = (at(millis), ids.time_ordered(at(millis)));
            let right = id.get_version_num() == 7 && id.get_variant() == Variant::RFC4122;
            ensure(2, right, || format!("{id} is not of version 7"))?;
            let begins = i128::try_from(id.as_u128() >> 80) == Ok(now.timestamp_millis().into());
            ensure(2, begins || !is_on, || format!("{id} does not begin with the time"))?;
            ensure(2, id > last, || format!("{id} came after {last}"))?;
            last = id;
        }
    }
    Ok(())
}

/// Contract 3: ids without a time are UUIDs of version 4, in which each bit that is free is set as well as not.
///
/// # Errors
/// [`Violation`].
pub fn random_ids_are_random(ids: &dyn IdSource, _: &dyn IdSource) -> Result<(), Violation> {
    // Source: RFC 9562, 5.4: all but the version and the variant.
    const FREE: u128 = !(0xf << 76 | 0b11 << 62);
    let (mut set, mut unset) = (0, 0);
    for _ in 0..200 {
        let id = ids.random();
        let right = id.get_version_num() == 4 && id.get_variant() == Variant::RFC4122;
        ensure(3, right, || format!("{id} is not of version 4"))?;
        set |= id.as_u128();
        unset |= !id.as_u128();
    }
    ensure(3, set & unset == FREE, || format!("bits that never change: {:032x}", FREE & !(set & unset)))
}

/// Contract 4: of a slice of any length each byte is filled, and anew each time.
///
/// # Errors
/// [`Violation`].
pub fn the_whole_slice_is_filled(ids: &dyn IdSource, _: &dyn IdSource) -> Result<(), Violation> {
    for len in 0..=64 {
        let (mut bytes, mut seen) = (vec![0; len], vec![BTreeSet::new(); len]);
        for _ in 0..32 {
            ids.fill(&mut bytes);
            seen.iter_mut().zip(&bytes).for_each(|(seen, byte)| {
                seen.insert(*byte);
            });
        }
        // Of 32 bytes that are random it never comes to pass that half are the same.
        let stays = seen.iter().position(|seen| seen.len() < 16);
        ensure(4, stays.is_none(), || format!("of {len} bytes number {stays:?} stays as it is"))?;
    }
    Ok(())
}

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::milliseconds(millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::uuid_v7;
    use crate::system::RandomIds;
    use crate::testing::SeqIds;
    use crate::testing::case::assert_complete;

    /// What a source does wrong.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fault {
        SameEverywhere,
        FollowsTheClock,
        IgnoresTheTime,
        GivesTimesAway,
        CountsInPlaceOfRandomness,
        FillsWholeWords,
    }

    #[derive(Debug)]
    struct Broken(Fault, SeqIds);

    impl IdSource for Broken {
        fn time_ordered(&self, now: DateTime<Utc>) -> Uuid {
            match self.0 {
                Fault::FollowsTheClock => uuid_v7(now, self.random_part()),
                Fault::IgnoresTheTime => self.1.time_ordered(at(0)),
                _ => self.1.time_ordered(now),
            }
        }

        fn random(&self) -> Uuid {
            match self.0 {
                Fault::GivesTimesAway => self.1.time_ordered(at(0)),
                Fault::CountsInPlaceOfRandomness => {
                    let mut count = [0; 16];
                    count[6..].copy_from_slice(&self.random_part());
                    uuid::Builder::from_random_bytes(count).into_uuid()
                }
                _ => self.1.random(),
            }
        }

        fn fill(&self, bytes: &mut [u8]) {
            let whole = if self.0 == Fault::FillsWholeWords { bytes.len() / 8 * 8 } else { bytes.len() };
            self.1.fill(&mut bytes[..whole]);
        }
    }

    impl Broken {
        /// Ten bytes of which no two calls give the same.
        fn random_part(&self) -> [u8; 10] {
            let mut bytes = [0; 10];
            self.1.fill(&mut bytes);
            bytes
        }
    }

    #[test]
    fn the_sources_that_come_with_whisp_pass() {
        check_all(&RandomIds::default(), &RandomIds::default()).unwrap();
        check_all(&SeqIds::new(1), &SeqIds::new(2)).unwrap();
    }

    #[test]
    fn each_broken_contract_is_found() {
        let faults = [
            (Fault::SameEverywhere, 1),
            (Fault::FollowsTheClock, 2),
            (Fault::IgnoresTheTime, 2),
            (Fault::GivesTimesAway, 3),
            (Fault::CountsInPlaceOfRandomness, 3),
            (Fault::FillsWholeWords, 4),
        ];
        for (fault, contract) in faults {
            let elsewhere = if fault == Fault::SameEverywhere { 1 } else { 2 };
            let violation = check_all(&Broken(fault, SeqIds::new(1)), &Broken(fault, SeqIds::new(elsewhere)));
            assert_eq!(violation.unwrap_err().contract, contract, "{fault:?}");
        }
        let found = faults.map(|(_, contract)| contract);
        assert_complete(CASES, include_str!("../id.rs"), "IdSource", &found);
    }
}
