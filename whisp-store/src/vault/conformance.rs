//! What every [`Vault`] must do: a case for each number of its contract.
//!
//! [`EnvelopeVault`](crate::EnvelopeVault) runs it over every key table of this crate; run it over your own key
//! service and key table, where it tests that they work together. Cases may be added in minor versions.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a case fails by a panic that says why"
)]

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use whisp_core::id::{RecordId, SubjectId, TenantId};
use whisp_core::privacy::{Categories, DataCategory, Grant, Purpose};
use whisp_core::store::{Kind, Sealed};
use whisp_core::vault::{EpochDue, IndexField, KeyErasure, SealContext, Turn, Vault, VaultErrorKind};

use crate::keys::conformance::Open;

/// The cases, each with the number of the contract.
pub const CASES: &[(u32, &str)] = &[
    (1, "i2_what_is_sealed_opens_in_its_place_only"),
    (1, "a_changed_bit_does_not_open"),
    (2, "a_grant_must_fit_and_hold"),
    (3, "i4_two_seals_differ"),
    (4, "a_subject_without_a_key_is_unknown"),
    (4, "provisioning_twice_keeps_the_key"),
    (4, "concurrent_provisions_agree_on_one_key"),
    (5, "the_erased_are_erased_for_good"),
    (5, "who_is_erased_before_the_first_key_gets_none"),
    (6, "an_index_is_a_function_of_tenant_field_and_value"),
    (7, "a_key_is_there_after_a_restart"),
    (8, "everything_goes_on_while_an_epoch_turns"),
    (9, "a_turn_is_told_until_it_is_ended"),
    (10, "of_a_closed_tenant_nothing_opens_again"),
    (10, "a_tenant_may_be_closed_before_its_first_key"),
    (11, "who_has_a_new_key_still_opens_what_is_under_the_old"),
    (11, "an_erasure_destroys_every_key"),
    (11, "nobody_gets_a_first_key_by_renewal"),
    (12, "what_is_sealed_anew_is_under_the_newest_key"),
];

/// Makes a test of each case. `test` is the attribute of an async test, `open` makes an
/// [`Open`](crate::keys::conformance::Open) of a fresh vault.
#[macro_export]
macro_rules! vault_conformance {
    (test: $test:meta, open: $open:expr $(,)?) => {
        use $crate::vault::conformance as vault_suite;
        $crate::conformance_tests! { $test, $open, vault_suite, CASES:
            i2_what_is_sealed_opens_in_its_place_only
            a_changed_bit_does_not_open
            a_grant_must_fit_and_hold
            i4_two_seals_differ
            a_subject_without_a_key_is_unknown
            provisioning_twice_keeps_the_key
            concurrent_provisions_agree_on_one_key
            the_erased_are_erased_for_good
            who_is_erased_before_the_first_key_gets_none
            an_index_is_a_function_of_tenant_field_and_value
            a_key_is_there_after_a_restart
            everything_goes_on_while_an_epoch_turns
            a_turn_is_told_until_it_is_ended
            of_a_closed_tenant_nothing_opens_again
            a_tenant_may_be_closed_before_its_first_key
            who_has_a_new_key_still_opens_what_is_under_the_old
            an_erasure_destroys_every_key
            nobody_gets_a_first_key_by_renewal
            what_is_sealed_anew_is_under_the_newest_key
        }
    };
}

const PLAIN: &[u8] = "Сәлем, is it in stock?".as_bytes();

/// Another tenant, subject, kind, record, field, category or revision is refused (contract 1).
pub async fn i2_what_is_sealed_opens_in_its_place_only(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let here = context(1, 1);
    // Everybody has a key, so that it is the place that refuses.
    for owner in [1, 2] {
        vault.provision(tenant(owner), &[subject(1), subject(2)]).await.expect("provisions");
    }
    for plain in [PLAIN, b""] {
        let sealed = vault.seal(&here, plain).await.expect("seals");
        let opened = vault.open(&grant(&here), &here, &sealed).await.expect("opens");
        assert_eq!(opened.as_slice(), plain);
        for elsewhere in [
            SealContext { tenant: tenant(2), ..here },
            SealContext { subject: subject(2), ..here },
            SealContext { kind: Kind::CONTACT, ..here },
            SealContext { record: RecordId::from_bytes([9; 16]), ..here },
            SealContext { field: "bod", ..here },
            SealContext { category: DataCategory::Identity, ..here },
            SealContext { revision: 2, ..here },
        ] {
            let refused = vault.open(&grant(&elsewhere), &elsewhere, &sealed).await;
            assert_eq!(refused.expect_err("refuses").kind(), VaultErrorKind::Corrupt, "{elsewhere:?}");
        }
    }
}

/// A single changed bit, a missing and an added byte are refused (contract 1).
pub async fn a_changed_bit_does_not_open(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let here = context(1, 1);
    vault.provision(here.tenant, &[here.subject]).await.expect("provisions");
    let Sealed(sealed) = vault.seal(&here, b"hi").await.expect("seals");
    let refuses = async |bytes: Vec<u8>| vault.open(&grant(&here), &here, &Sealed(bytes)).await.is_err();
    for bit in 0..sealed.len() * 8 {
        let flip = |(at, byte): (usize, &u8)| if at == bit / 8 { byte ^ (1 << (bit % 8)) } else { *byte };
        assert!(refuses(sealed.iter().enumerate().map(flip).collect()).await, "bit {bit}");
    }
    for len in 0..sealed.len() {
        assert!(refuses(sealed.iter().copied().take(len).collect()).await, "{len} bytes");
    }
    assert!(refuses([sealed.as_slice(), &[0]].concat()).await, "a byte more");
}

/// The grant is for the tenant, the subject and the category, and still holds (contract 2).
pub async fn a_grant_must_fit_and_hold(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let here = context(1, 1);
    vault.provision(here.tenant, &[here.subject]).await.expect("provisions");
    let sealed = vault.seal(&here, PLAIN).await.expect("seals");
    let void = grant(&here);
    void.void_for_tests();
    let others = Categories::of(&[DataCategory::Identity, DataCategory::Media]);
    let narrow = Grant::of_categories_for_tests(here.tenant, here.subject, Purpose::AutomatedReplies, others, at(0));
    for bad in [grant(&context(2, 1)), grant(&context(1, 2)), narrow, void] {
        let refused = vault.open(&bad, &here, &sealed).await;
        assert_eq!(refused.expect_err("refuses").kind(), VaultErrorKind::Denied, "{bad:?}");
    }
    // First of all: also before it is known whether there is anything to open.
    let nobody = context(1, 9);
    let refused = vault.open(&grant(&here), &nobody, &Sealed::default()).await;
    assert_eq!(refused.expect_err("refuses").kind(), VaultErrorKind::Denied);
}

/// Two seals of the same bytes in the same place differ (contract 3).
pub async fn i4_two_seals_differ(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let here = context(1, 1);
    vault.provision(here.tenant, &[here.subject]).await.expect("provisions");
    let one = vault.seal(&here, PLAIN).await.expect("seals");
    let other = vault.seal(&here, PLAIN).await.expect("seals");
    assert_ne!(one, other);
}

/// Sealing and opening for somebody without a key is refused (contract 4).
pub async fn a_subject_without_a_key_is_unknown(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    vault.provision(tenant(1), &[subject(1)]).await.expect("provisions");
    let sealed = vault.seal(&context(1, 1), PLAIN).await.expect("seals");
    for nobody in [context(1, 2), context(2, 1)] {
        let refused = vault.seal(&nobody, PLAIN).await;
        assert_eq!(refused.expect_err("refuses").kind(), VaultErrorKind::UnknownSubject);
        let refused = vault.open(&grant(&nobody), &nobody, &sealed).await;
        assert_eq!(refused.expect_err("refuses").kind(), VaultErrorKind::UnknownSubject);
    }
}

/// A second provision is harmless, also of somebody named twice, and of nobody (contract 4).
pub async fn provisioning_twice_keeps_the_key(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let here = context(1, 1);
    vault.provision(here.tenant, &[here.subject, here.subject]).await.expect("provisions");
    let sealed = vault.seal(&here, PLAIN).await.expect("seals");
    vault.provision(here.tenant, &[subject(2), here.subject]).await.expect("provisions");
    vault.provision(here.tenant, &[]).await.expect("provisions");
    assert_eq!(vault.open(&grant(&here), &here, &sealed).await.expect("opens").as_slice(), PLAIN);
}

/// However many provision one tenant and subject at once, what each seals opens for all (contract 4).
pub async fn concurrent_provisions_agree_on_one_key(open: &dyn Open<dyn Vault>) {
    const WRITERS: usize = 20;
    let vault = open.open().await;
    let here = context(1, 1);
    let seals = join_all((0..WRITERS).map(async |_| {
        vault.provision(here.tenant, &[here.subject]).await.expect("provisions");
        vault.seal(&here, PLAIN).await.expect("seals")
    }))
    .await;
    drop(vault);
    // Also for one that has nothing in memory.
    let vault = open.open().await;
    for sealed in seals {
        assert_eq!(vault.open(&grant(&here), &here, &sealed).await.expect("opens").as_slice(), PLAIN);
    }
}

/// After an erasure nothing can be sealed, opened or provisioned, also after a restart (contract 5).
pub async fn the_erased_are_erased_for_good(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let (erased, other) = (context(1, 1), context(1, 2));
    vault.provision(tenant(1), &[subject(1), subject(2)]).await.expect("provisions");
    let sealed = vault.seal(&erased, PLAIN).await.expect("seals");
    let kept = vault.seal(&other, PLAIN).await.expect("seals");
    let done = vault.erase(tenant(1), subject(1), at(1)).await.expect("erases");
    assert_eq!(done, KeyErasure::Destroyed(at(1)));
    expect_erased(&*vault, &erased, &sealed).await;
    assert_eq!(vault.open(&grant(&other), &other, &kept).await.expect("opens").as_slice(), PLAIN);
    drop(vault);

    let vault = open.open().await;
    expect_erased(&*vault, &erased, &sealed).await;
    assert_eq!(vault.open(&grant(&other), &other, &kept).await.expect("opens").as_slice(), PLAIN);
    let again = vault.erase(tenant(1), subject(1), at(2)).await.expect("erases");
    assert_eq!(again, KeyErasure::Destroyed(at(1)), "the first erasure is the one that counts");
}

/// A late writer can't bring somebody back who was erased before there was a key (contract 5).
pub async fn who_is_erased_before_the_first_key_gets_none(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let done = vault.erase(tenant(1), subject(1), at(1)).await.expect("erases");
    assert_eq!(done, KeyErasure::Absent);
    let refused = vault.provision(tenant(1), &[subject(1)]).await;
    assert_eq!(refused.expect_err("refuses").kind(), VaultErrorKind::Erased);
}

/// The same tenant, field and value give the same digest for ever; every other does not (contract 6).
pub async fn an_index_is_a_function_of_tenant_field_and_value(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let digest = vault.index(tenant(1), IndexField::Handle, b"+77010000000").await.expect("indexes");
    drop(vault);
    let vault = open.open().await;
    let again = vault.index(tenant(1), IndexField::Handle, b"+77010000000").await.expect("indexes");
    assert_eq!(digest, again);
    for (owner, field, value) in [
        (2, IndexField::Handle, "+77010000000"),
        (1, IndexField::Dedup, "+77010000000"),
        (1, IndexField::Handle, "+77010000001"),
        (1, IndexField::Handle, ""),
    ] {
        let other = vault.index(tenant(owner), field, value.as_bytes()).await.expect("indexes");
        assert_ne!(digest.blind_index(), other.blind_index(), "{owner} {field:?} {value}");
    }
    vault.index(TenantId::DIRECTORY, IndexField::Account, b"1").await.expect("indexes in the directory");
}

/// A provision that returned is durable (contract 7).
pub async fn a_key_is_there_after_a_restart(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let here = context(1, 1);
    vault.provision(here.tenant, &[here.subject]).await.expect("provisions");
    let sealed = vault.seal(&here, PLAIN).await.expect("seals");
    drop(vault);
    let vault = open.open().await;
    assert_eq!(vault.open(&grant(&here), &here, &sealed).await.expect("opens").as_slice(), PLAIN);
    vault.seal(&here, PLAIN).await.expect("seals");
}

/// What was sealed before opens, who is new gets a key, what was indexed is found and who is erased stays so, in the middle
/// of a turn and after it, with keys in memory and without (contract 8).
pub async fn everything_goes_on_while_an_epoch_turns(open: &dyn Open<dyn Vault>) {
    const PEOPLE: u8 = 6;
    let vault = open.open().await;
    let people: Vec<SubjectId> = (1..=PEOPLE).map(subject).collect();
    vault.provision(tenant(1), &people).await.expect("provisions");
    let mut sealed = Vec::new();
    for n in 1..=PEOPLE {
        sealed.push((context(1, n), vault.seal(&context(1, n), PLAIN).await.expect("seals")));
    }
    let index = vault.index(tenant(1), IndexField::Handle, b"x").await.expect("indexes");
    assert_eq!(vault.turn(tenant(2), &due(), 9).await.expect("answers"), Turn::NotDue, "it has no key");
    let Turn::UnderWay { rewrapped: 2 } = vault.turn(tenant(1), &due(), 2).await.expect("turns") else {
        panic!("a bounded part")
    };
    // Told too early, it changes nothing.
    vault.end_turn(tenant(1), 2).await.expect("answers");
    vault.provision(tenant(1), &[subject(9)]).await.expect("provisions");
    sealed.push((context(1, 9), vault.seal(&context(1, 9), PLAIN).await.expect("seals")));
    let (gone, lost) = sealed.swap_remove(3);
    vault.erase(gone.tenant, gone.subject, at(0)).await.expect("erases");
    drop(vault);
    for turned in [false, true] {
        let vault = open.open().await;
        if turned {
            finish(&*vault).await;
        }
        for (context, sealed) in &sealed {
            assert_eq!(vault.open(&grant(context), context, sealed).await.expect("opens").as_slice(), PLAIN);
        }
        expect_erased(&*vault, &gone, &lost).await;
        assert_eq!(vault.index(tenant(1), IndexField::Handle, b"x").await.expect("indexes"), index);
    }
}

/// What became of the key before is told again until it was noted; then the next turn is another one (contract 9).
pub async fn a_turn_is_told_until_it_is_ended(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    vault.provision(tenant(1), &[subject(1)]).await.expect("provisions");
    let told = async |vault: &dyn Vault| match vault.turn(tenant(1), &due(), 9).await.expect("turns") {
        Turn::Destroyed { epoch, begun_at, .. } => (epoch, begun_at),
        other => panic!("{other:?}"),
    };
    let first = told(&*vault).await;
    assert_eq!(first, (2, at(0)));
    assert_eq!(told(&*vault).await, first);
    drop(vault);
    let vault = open.open().await;
    assert_eq!(told(&*vault).await, first, "also after a restart");
    for epoch in [1, 3, 2, 2] {
        vault.end_turn(tenant(1), epoch).await.expect("ends");
    }
    let not_due = EpochDue { begun_before: at(0), ..due() };
    assert_eq!(vault.turn(tenant(1), &not_due, 9).await.expect("answers"), Turn::NotDue);
    assert_eq!(told(&*vault).await.0, 3);
}

/// Any epoch is due.
fn due() -> EpochDue {
    EpochDue { now: at(0), begun_before: at(1) }
}

/// Ends the turn of the first tenant.
async fn finish(vault: &dyn Vault) {
    loop {
        match vault.turn(tenant(1), &due(), 2).await.expect("turns") {
            Turn::UnderWay { .. } => {}
            Turn::Destroyed { epoch, .. } => return vault.end_turn(tenant(1), epoch).await.expect("ends"),
            other => panic!("{other:?}"),
        }
    }
}

/// Nothing of a closed tenant opens, is sealed or indexed, also after a restart; of others everything does (contract 10).
pub async fn of_a_closed_tenant_nothing_opens_again(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let (closed, other) = (context(1, 1), context(2, 1));
    for here in [&closed, &other] {
        vault.provision(here.tenant, &[subject(1), subject(2), subject(3)]).await.expect("provisions");
    }
    let gone = vault.seal(&closed, PLAIN).await.expect("seals");
    let kept = vault.seal(&other, PLAIN).await.expect("seals");
    let first = vault.close(tenant(1), at(5), 2).await.expect("closes");
    assert!(first.at == at(5) && first.more, "{first:?}");
    expect_erased(&*vault, &closed, &gone).await;
    let mut last = first;
    while last.more {
        last = vault.close(tenant(1), at(9), 2).await.expect("closes");
        assert_eq!((last.at, last.gone_at), (first.at, first.gone_at), "the first time counts");
    }
    let check = async |vault: &dyn Vault| {
        expect_erased(vault, &closed, &gone).await;
        let index = vault.index(tenant(1), IndexField::Handle, b"77").await;
        assert_eq!(index.expect_err("indexes nothing").kind(), VaultErrorKind::Erased);
        let turn = vault.turn(tenant(1), &due(), 10).await.expect("answers");
        assert_eq!(turn, Turn::NotDue);
        assert_eq!(vault.open(&grant(&other), &other, &kept).await.expect("opens").as_slice(), PLAIN);
    };
    check(&*vault).await;
    drop(vault);
    let vault = open.open().await;
    check(&*vault).await;
    let again = vault.close(tenant(1), at(11), 10).await.expect("closes");
    assert!(again.at == at(5) && !again.more, "{again:?}");
}

/// Who never had a key gets none later (contract 10).
pub async fn a_tenant_may_be_closed_before_its_first_key(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let closed = vault.close(tenant(1), at(5), 10).await.expect("closes");
    assert!(closed.at == at(5) && !closed.more, "{closed:?}");
    let late = vault.provision(tenant(1), &[subject(1)]).await;
    assert_eq!(late.expect_err("makes no key").kind(), VaultErrorKind::Erased);
}

/// What was sealed under any key of a subject opens: however many renew at once, while an epoch turns, after a restart
/// (contract 11).
pub async fn who_has_a_new_key_still_opens_what_is_under_the_old(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let here = context(1, 1);
    vault.provision(here.tenant, &[here.subject, subject(2)]).await.expect("provisions");
    let mut sealed = vec![vault.seal(&here, PLAIN).await.expect("seals")];
    assert_eq!(vault.renew(here.tenant, here.subject).await.expect("renews"), 2);
    sealed.push(vault.seal(&here, PLAIN).await.expect("seals"));
    let renewed = join_all((0..3).map(|_| vault.renew(here.tenant, here.subject))).await;
    for version in renewed {
        assert!((3..=5).contains(&version.expect("renews")));
    }
    sealed.push(vault.seal(&here, PLAIN).await.expect("seals"));
    let Turn::UnderWay { .. } = vault.turn(tenant(1), &due(), 2).await.expect("turns") else { panic!("a part") };
    vault.renew(here.tenant, here.subject).await.expect("renews in the middle of a turn");
    sealed.push(vault.seal(&here, PLAIN).await.expect("seals"));
    drop(vault);
    for turned in [false, true] {
        let vault = open.open().await;
        if turned {
            finish(&*vault).await;
        }
        for sealed in &sealed {
            assert_eq!(vault.open(&grant(&here), &here, sealed).await.expect("opens").as_slice(), PLAIN);
        }
        let other = vault.seal(&context(1, 2), PLAIN).await.expect("seals");
        let refused = vault.open(&grant(&here), &here, &other).await;
        assert_eq!(refused.expect_err("refuses").kind(), VaultErrorKind::Corrupt);
    }
}

/// Of whoever had several keys nothing opens after their erasure, whatever it was sealed under (contracts 5 and 11).
pub async fn an_erasure_destroys_every_key(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let here = context(1, 1);
    vault.provision(here.tenant, &[here.subject]).await.expect("provisions");
    let mut sealed = vec![vault.seal(&here, PLAIN).await.expect("seals")];
    for _ in 0..2 {
        vault.renew(here.tenant, here.subject).await.expect("renews");
        sealed.push(vault.seal(&here, PLAIN).await.expect("seals"));
    }
    let done = vault.erase(here.tenant, here.subject, at(1)).await.expect("erases");
    assert_eq!(done, KeyErasure::Destroyed(at(1)));
    let check = async |vault: &dyn Vault| {
        for sealed in &sealed {
            expect_erased(vault, &here, sealed).await;
        }
        let renewed = vault.renew(here.tenant, here.subject).await;
        assert_eq!(renewed.expect_err("makes no new key").kind(), VaultErrorKind::Erased);
    };
    check(&*vault).await;
    drop(vault);
    let vault = open.open().await;
    check(&*vault).await;
    let again = vault.erase(here.tenant, here.subject, at(2)).await.expect("erases");
    assert_eq!(again, KeyErasure::Destroyed(at(1)), "the first erasure is the one that counts");
}

/// Only who has a key is given another (contract 11).
pub async fn nobody_gets_a_first_key_by_renewal(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    vault.provision(tenant(1), &[subject(1)]).await.expect("provisions");
    for (owner, of) in [(1, 2), (2, 1)] {
        let refused = vault.renew(tenant(owner), subject(of)).await;
        assert_eq!(refused.expect_err("refuses").kind(), VaultErrorKind::UnknownSubject);
        let refused = vault.seal(&context(owner, of), PLAIN).await;
        assert_eq!(refused.expect_err("refuses").kind(), VaultErrorKind::UnknownSubject);
    }
}

/// The bytes and their place stay, the key is the newest; under a grant that fits (contract 12).
pub async fn what_is_sealed_anew_is_under_the_newest_key(open: &dyn Open<dyn Vault>) {
    let vault = open.open().await;
    let here = context(1, 1);
    vault.provision(here.tenant, &[here.subject, subject(2)]).await.expect("provisions");
    let old = vault.seal(&here, PLAIN).await.expect("seals");
    assert_eq!(vault.reseal(&grant(&here), &here, &old).await.expect("answers"), None, "it is under the only key");
    vault.renew(here.tenant, here.subject).await.expect("renews");
    let refused = vault.reseal(&grant(&context(1, 2)), &here, &old).await;
    assert_eq!(refused.expect_err("refuses").kind(), VaultErrorKind::Denied);
    let elsewhere = SealContext { revision: 2, ..here };
    let refused = vault.reseal(&grant(&here), &elsewhere, &old).await;
    assert_eq!(refused.expect_err("refuses").kind(), VaultErrorKind::Corrupt);
    let new = vault.reseal(&grant(&here), &here, &old).await.expect("seals anew").expect("it was under an earlier key");
    assert_ne!(new, old);
    assert_eq!(vault.reseal(&grant(&here), &here, &new).await.expect("answers"), None);
    drop(vault);
    let vault = open.open().await;
    for sealed in [&old, &new] {
        assert_eq!(vault.open(&grant(&here), &here, sealed).await.expect("opens").as_slice(), PLAIN);
    }
}

async fn expect_erased(vault: &dyn Vault, context: &SealContext, sealed: &Sealed) {
    let erased = VaultErrorKind::Erased;
    let seal = vault.seal(context, PLAIN).await;
    assert_eq!(seal.expect_err("does not seal").kind(), erased);
    let open = vault.open(&grant(context), context, sealed).await;
    assert_eq!(open.expect_err("does not open").kind(), erased);
    let provision = vault.provision(context.tenant, &[context.subject]).await;
    assert_eq!(provision.expect_err("makes no new key").kind(), erased);
}

const fn tenant(n: u8) -> TenantId {
    TenantId::from_bytes([n; 16])
}

const fn subject(n: u8) -> SubjectId {
    SubjectId::from_bytes([n; 16])
}

const fn context(owner: u8, of: u8) -> SealContext {
    SealContext {
        tenant: tenant(owner),
        subject: subject(of),
        kind: Kind::MESSAGE,
        record: RecordId::from_bytes([3; 16]),
        field: "body",
        category: DataCategory::MessageContent,
        revision: 1,
    }
}

fn grant(context: &SealContext) -> Grant {
    Grant::for_tests(context.tenant, context.subject, Purpose::ServiceProvision, at(0))
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}
