//! What every [`KeyTable`] must do.

use futures_util::future::join_all;
use whisp_core::vault::{KeyTable, Rewrap, SubjectKey, SubjectKeyState, TenantKey, VaultErrorKind, WrappedKey};

use super::{Open, at, subject, tenant};

/// The cases for a [`KeyTable`], each with the number of the contract.
pub const TABLE_CASES: &[(u32, &str)] = &[
    (1, "what_is_there_is_not_written_again"),
    (1, "an_answer_is_given_for_each_subject_in_order"),
    (1, "what_was_put_is_there_after_a_restart"),
    (2, "an_erased_key_is_gone_for_good"),
    (2, "an_erasure_leaves_a_mark_where_no_key_was"),
    (2, "the_first_mark_of_an_erasure_stays"),
    (3, "concurrent_writers_agree_on_one_key"),
    (4, "key_tables_of_tenants_never_meet"),
    (5, "a_key_of_another_epoch_than_the_tenants_is_not_written"),
    (5, "who_writes_while_the_epoch_turns_leaves_no_key_behind"),
    (6, "a_tenants_key_is_swapped_only_for_what_was_expected"),
    (7, "everybody_of_an_epoch_is_found_and_nobody_else"),
    (8, "a_key_is_wrapped_anew_only_where_it_is_what_was_expected"),
    (8, "the_erased_stay_erased_whoever_wraps_anew"),
    (9, "of_a_tenant_whose_key_is_erased_nothing_is_written_and_everything_goes"),
    (9, "of_a_tenant_whose_key_is_there_nothing_is_dropped"),
];

/// Makes a test of each case for a [`KeyTable`]. `test` is the attribute of an async test, `open` makes an [`Open`] of
/// a fresh table.
#[macro_export]
macro_rules! key_table_conformance {
    (test: $test:meta, open: $open:expr $(,)?) => {
        use $crate::keys::conformance as key_table_suite;
        $crate::conformance_tests! { $test, $open, key_table_suite, TABLE_CASES:
            what_is_there_is_not_written_again
            an_answer_is_given_for_each_subject_in_order
            what_was_put_is_there_after_a_restart
            an_erased_key_is_gone_for_good
            an_erasure_leaves_a_mark_where_no_key_was
            the_first_mark_of_an_erasure_stays
            concurrent_writers_agree_on_one_key
            key_tables_of_tenants_never_meet
            a_key_of_another_epoch_than_the_tenants_is_not_written
            who_writes_while_the_epoch_turns_leaves_no_key_behind
            a_tenants_key_is_swapped_only_for_what_was_expected
            everybody_of_an_epoch_is_found_and_nobody_else
            a_key_is_wrapped_anew_only_where_it_is_what_was_expected
            the_erased_stay_erased_whoever_wraps_anew
            of_a_tenant_whose_key_is_erased_nothing_is_written_and_everything_goes
            of_a_tenant_whose_key_is_there_nothing_is_dropped
        }
    };
}

/// What is there, erased keys included, stays (contract 1).
pub async fn what_is_there_is_not_written_again(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    assert_eq!(table.tenant(tenant(1)).await.expect("reads"), None);
    assert_eq!(table.put_tenant(tenant(1), tenant_key(1)).await.expect("writes"), tenant_key(1));
    let other = TenantKey { wrapped: WrappedKey(vec![9; 62]), ..tenant_key(1) };
    assert_eq!(table.put_tenant(tenant(1), other).await.expect("answers"), tenant_key(1));
    assert_eq!(table.tenant(tenant(1)).await.expect("reads"), Some(tenant_key(1)));

    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Absent);
    assert_eq!(put(&*table, 1, 1, key(1)).await, SubjectKeyState::Live(key(1)));
    assert_eq!(put(&*table, 1, 1, key(2)).await, SubjectKeyState::Live(key(1)));
    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Live(key(1)));
}

/// `put_subjects` answers in the order given, also for the erased and for those named twice (contract 1).
pub async fn an_answer_is_given_for_each_subject_in_order(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    first_epoch(&*table, 1).await;
    put(&*table, 1, 3, key(3)).await;
    table.erase(tenant(1), subject(2), at(0)).await.expect("erases");
    let keys = [4, 2, 3, 1, 4].map(|n| (subject(n), key(n + 10))).to_vec();
    let states = table.put_subjects(tenant(1), keys).await.expect("writes");
    let live = |n| SubjectKeyState::Live(key(n));
    assert_eq!(states, [live(14), SubjectKeyState::Erased(at(0)), live(3), live(11), live(14)]);
    assert_eq!(table.put_subjects(tenant(1), Vec::new()).await.expect("takes nothing"), []);
}

/// Writes are durable when they return (contract 1).
pub async fn what_was_put_is_there_after_a_restart(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    table.put_tenant(tenant(1), tenant_key(1)).await.expect("writes");
    put(&*table, 1, 1, key(1)).await;
    drop(table);
    let table = open.open().await;
    assert_eq!(table.tenant(tenant(1)).await.expect("reads"), Some(tenant_key(1)));
    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Live(key(1)));
}

/// An erased key never comes back: not by another write, not by a restart (contract 2).
pub async fn an_erased_key_is_gone_for_good(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    first_epoch(&*table, 1).await;
    put(&*table, 1, 1, key(1)).await;
    put(&*table, 1, 2, key(2)).await;
    assert_eq!(table.erase(tenant(1), subject(1), at(5)).await.expect("erases"), SubjectKeyState::Live(key(1)));
    assert_eq!(put(&*table, 1, 1, key(1)).await, SubjectKeyState::Erased(at(5)));
    drop(table);
    let table = open.open().await;
    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Erased(at(5)));
    assert_eq!(put(&*table, 1, 1, key(3)).await, SubjectKeyState::Erased(at(5)));
    assert_eq!(table.subject(tenant(1), subject(2)).await.expect("reads"), SubjectKeyState::Live(key(2)));
}

/// Who was erased before there was a key gets none later (contract 2).
pub async fn an_erasure_leaves_a_mark_where_no_key_was(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    first_epoch(&*table, 1).await;
    assert_eq!(table.erase(tenant(1), subject(1), at(5)).await.expect("erases"), SubjectKeyState::Absent);
    assert_eq!(put(&*table, 1, 1, key(1)).await, SubjectKeyState::Erased(at(5)));
}

/// A second erasure changes nothing (contract 2).
pub async fn the_first_mark_of_an_erasure_stays(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    first_epoch(&*table, 1).await;
    put(&*table, 1, 1, key(1)).await;
    table.erase(tenant(1), subject(1), at(5)).await.expect("erases");
    assert_eq!(table.erase(tenant(1), subject(1), at(9)).await.expect("erases"), SubjectKeyState::Erased(at(5)));
    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Erased(at(5)));
}

/// Of writers at the same time one wins, and all hear which (contract 3).
pub async fn concurrent_writers_agree_on_one_key(open: &dyn Open<dyn KeyTable>) {
    const WRITERS: u8 = 20;
    let table = open.open().await;
    let tenants = join_all((0..WRITERS).map(|n| {
        let key = TenantKey { wrapped: WrappedKey(vec![n; 62]), ..tenant_key(1) };
        table.put_tenant(tenant(1), key)
    }))
    .await;
    let there = table.tenant(tenant(1)).await.expect("reads").expect("is there");
    assert!(tenants.into_iter().all(|key| key.expect("writes") == there));
    let states = join_all((0..WRITERS).map(|n| put(&*table, 1, 1, key(n)))).await;
    let there = table.subject(tenant(1), subject(1)).await.expect("reads");
    assert!(matches!(there, SubjectKeyState::Live(_)));
    assert!(states.into_iter().all(|state| state == there));
}

/// No method returns or changes a key of another tenant (contract 4).
pub async fn key_tables_of_tenants_never_meet(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    for n in 1..=2 {
        first_epoch(&*table, n).await;
        put(&*table, n, 7, key(n)).await;
    }
    for (reader, there) in [(3, 0), (2, 1)] {
        assert_eq!(table.of_epoch(tenant(reader), 1, 10).await.expect("reads").len(), there);
    }
    let swapped = table.swap_tenant(tenant(3), &tenant_key(1), next(tenant_key(1))).await.expect("answers");
    assert_eq!(swapped, None);
    assert!(table.rewrap(tenant(3), vec![rewrap(7, key(1), 1)]).await.is_err());
    assert_eq!(table.rewrap(tenant(1), vec![rewrap(7, key(2), 1)]).await.expect("answers"), 0);
    table.erase(tenant(1), subject(7), at(0)).await.expect("erases");
    assert_eq!(table.subject(tenant(2), subject(7)).await.expect("reads"), SubjectKeyState::Live(key(2)));
    assert_eq!(table.tenant(tenant(2)).await.expect("reads"), Some(tenant_key(1)));
    assert_eq!(table.tenant(tenant(3)).await.expect("reads"), None);
    assert_eq!(table.subject(tenant(3), subject(7)).await.expect("reads"), SubjectKeyState::Absent);
}

/// Keys of an epoch that is over, or not yet begun, are refused, all of one call together (contract 5).
pub async fn a_key_of_another_epoch_than_the_tenants_is_not_written(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    let of = |epoch, n| SubjectKey { epoch, ..key(n) };
    let refused = async |keys| table.put_subjects(tenant(1), keys).await.expect_err("refuses").kind();
    assert_eq!(refused(vec![(subject(1), of(1, 1))]).await, VaultErrorKind::Turned, "the tenant has no key");
    first_epoch(&*table, 1).await;
    assert_eq!(refused(vec![(subject(1), of(2, 1))]).await, VaultErrorKind::Turned);
    put(&*table, 1, 1, of(1, 1)).await;
    second_epoch(&*table).await;
    assert_eq!(refused(vec![(subject(2), of(2, 2)), (subject(3), of(1, 3))]).await, VaultErrorKind::Turned);
    for nobody in [2, 3] {
        assert_eq!(table.subject(tenant(1), subject(nobody)).await.expect("reads"), SubjectKeyState::Absent);
    }
    let rewrapped = table.rewrap(tenant(1), vec![rewrap(1, of(1, 1), 3)]).await;
    assert_eq!(rewrapped.expect_err("refuses").kind(), VaultErrorKind::Turned);
    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Live(of(1, 1)));
    assert_eq!(put(&*table, 1, 2, of(2, 2)).await, SubjectKeyState::Live(of(2, 2)));
}

/// Of writers at the same time as the next epoch begins, each is refused or is seen by whoever asks after it has begun
/// (contract 5).
pub async fn who_writes_while_the_epoch_turns_leaves_no_key_behind(open: &dyn Open<dyn KeyTable>) {
    const WRITERS: u8 = 40;
    let table = open.open().await;
    first_epoch(&*table, 1).await;
    let writers = join_all((0..WRITERS).map(async |n| {
        let put = table.put_subjects(tenant(1), vec![(subject(n), SubjectKey { epoch: 1, ..key(1) })]).await;
        match put {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), VaultErrorKind::Turned);
                false
            }
        }
    }));
    let turn = async {
        second_epoch(&*table).await;
        table.of_epoch(tenant(1), 1, 1_000).await.expect("reads").len()
    };
    let (written, seen) = futures_util::future::join(writers, turn).await;
    assert_eq!(written.into_iter().filter(|written| *written).count(), seen, "nobody came in after that");
}

/// A tenant's key is replaced only where it is exactly what was expected, of many at once by one, and durably (contract 6).
pub async fn a_tenants_key_is_swapped_only_for_what_was_expected(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    let swap = async |from: &TenantKey, to| table.swap_tenant(tenant(1), from, to).await.expect("answers");
    assert_eq!(swap(&tenant_key(1), next(tenant_key(1))).await, None);
    first_epoch(&*table, 1).await;
    let unlike = [
        TenantKey { epoch: 9, ..tenant_key(1) },
        TenantKey { begun_at: Some(at(1)), ..tenant_key(1) },
        TenantKey { wrapped: WrappedKey(vec![8; 62]), ..tenant_key(1) },
        TenantKey { index: WrappedKey(vec![8; 61]), ..tenant_key(1) },
        TenantKey { previous: Some(WrappedKey(Vec::new())), ..tenant_key(1) },
    ];
    for from in unlike {
        assert_eq!(swap(&from, next(tenant_key(1))).await, Some(tenant_key(1)));
    }
    let others = (0..9).map(|n| TenantKey { wrapped: WrappedKey(vec![n; 62]), ..next(tenant_key(1)) });
    let first = tenant_key(1);
    let there = join_all(others.map(|to| swap(&first, to))).await;
    drop(table);
    let table = open.open().await;
    let now = table.tenant(tenant(1)).await.expect("reads");
    assert_eq!(now.as_ref().map(|key| (key.epoch, key.begun_at)), Some((2, Some(at(7)))));
    assert!(there.into_iter().all(|there| there == now), "all hear which one it is");
    let ended = now.clone().map(|key| TenantKey { previous: None, ..key });
    let swapped = table.swap_tenant(tenant(1), &now.expect("is there"), ended.clone().expect("is there")).await;
    assert_eq!(swapped.expect("answers"), ended);
}

/// Everybody whose key is of the epoch is returned, page by page as their keys leave it; nobody else is (contract 7).
pub async fn everybody_of_an_epoch_is_found_and_nobody_else(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    first_epoch(&*table, 1).await;
    for n in 1..=9 {
        put(&*table, 1, n, key(n)).await;
    }
    table.erase(tenant(1), subject(4), at(0)).await.expect("erases");
    table.erase(tenant(1), subject(11), at(0)).await.expect("erases");
    second_epoch(&*table).await;
    put(&*table, 1, 10, SubjectKey { epoch: 2, ..key(10) }).await;
    let mut found = Vec::new();
    loop {
        let some = table.of_epoch(tenant(1), 1, 3).await.expect("reads");
        assert!(some.len() <= 3);
        if some.is_empty() {
            break;
        }
        for (who, there) in &some {
            let state = table.subject(tenant(1), *who).await.expect("reads");
            assert_eq!(state, SubjectKeyState::Live(there.clone()), "as it is");
            found.push(*who);
        }
        let all = some.len();
        let anew =
            |(subject, from): (_, SubjectKey)| Rewrap { subject, to: SubjectKey { epoch: 2, ..from.clone() }, from };
        let rewrapped = table.rewrap(tenant(1), some.into_iter().map(anew).collect()).await;
        assert_eq!(rewrapped.expect("writes"), all);
    }
    found.sort();
    assert_eq!(found, [1, 2, 3, 5, 6, 7, 8, 9].map(subject));
    assert_eq!(table.of_epoch(tenant(1), 2, 100).await.expect("reads").len(), 9);
    assert!(table.of_epoch(tenant(1), 0, 100).await.expect("reads").is_empty());
}

/// Only what is exactly as expected is replaced, and durably (contract 8).
pub async fn a_key_is_wrapped_anew_only_where_it_is_what_was_expected(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    first_epoch(&*table, 1).await;
    put(&*table, 1, 1, key(1)).await;
    put(&*table, 1, 2, key(2)).await;
    second_epoch(&*table).await;
    let (good, nobody) = (rewrap(1, key(1), 2), rewrap(3, key(3), 2));
    let unlike = vec![
        nobody.clone(),
        rewrap(1, SubjectKey { version: 9, ..key(1) }, 2),
        rewrap(1, SubjectKey { epoch: 2, ..key(1) }, 2),
        rewrap(1, SubjectKey { wrapped: WrappedKey(vec![9; 61]), ..key(1) }, 2),
    ];
    for one in unlike {
        assert_eq!(table.rewrap(tenant(1), vec![one]).await.expect("answers"), 0);
    }
    assert_eq!(table.rewrap(tenant(1), Vec::new()).await.expect("takes nothing"), 0);
    assert_eq!(table.subject(tenant(1), subject(3)).await.expect("reads"), SubjectKeyState::Absent);
    assert_eq!(table.rewrap(tenant(1), vec![nobody, good.clone()]).await.expect("writes"), 1);
    assert_eq!(table.rewrap(tenant(1), vec![good.clone()]).await.expect("answers"), 0, "once");
    drop(table);
    let table = open.open().await;
    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Live(good.to));
    assert_eq!(table.subject(tenant(1), subject(2)).await.expect("reads"), SubjectKeyState::Live(key(2)));
}

/// Whoever was erased before, or is at the same time, is erased after (contract 8).
pub async fn the_erased_stay_erased_whoever_wraps_anew(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    first_epoch(&*table, 1).await;
    for n in 1..=20 {
        put(&*table, 1, n, key(n)).await;
    }
    second_epoch(&*table).await;
    table.erase(tenant(1), subject(1), at(5)).await.expect("erases");
    assert_eq!(table.rewrap(tenant(1), vec![rewrap(1, key(1), 2)]).await.expect("answers"), 0);
    let erase = join_all((2..=20).map(|n| table.erase(tenant(1), subject(n), at(5))));
    let anew = join_all((2..=20).map(|n| table.rewrap(tenant(1), vec![rewrap(n, key(n), 2)])));
    let (erased, anew) = futures_util::future::join(erase, anew).await;
    assert!(erased.into_iter().all(|before| matches!(before, Ok(SubjectKeyState::Live(_)))));
    assert!(anew.into_iter().all(|done| done.is_ok()));
    for n in 1..=20 {
        assert_eq!(table.subject(tenant(1), subject(n)).await.expect("reads"), SubjectKeyState::Erased(at(5)));
    }
    for epoch in 0..=2 {
        assert!(table.of_epoch(tenant(1), epoch, 100).await.expect("reads").is_empty(), "epoch {epoch}");
    }
}

/// The mark stands for the tenant's key; its subjects' keys go a few at a time, and no others (contract 9).
pub async fn of_a_tenant_whose_key_is_erased_nothing_is_written_and_everything_goes(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    for owner in [1, 2] {
        first_epoch(&*table, owner).await;
        for n in 1..=5 {
            put(&*table, owner, n, key(n)).await;
        }
        table.erase(tenant(owner), subject(5), at(5)).await.expect("erases");
        table.erase(tenant(owner), subject(6), at(5)).await.expect("erases");
    }
    let mark = TenantKey::erased(at(7));
    let there = table.tenant(tenant(1)).await.expect("reads").expect("it has one");
    assert_eq!(table.swap_tenant(tenant(1), &there, mark.clone()).await.expect("swaps"), Some(mark.clone()));
    assert_eq!(table.put_tenant(tenant(1), tenant_key(1)).await.expect("answers"), mark, "it is a key like others");
    let late = table.put_subjects(tenant(1), vec![(subject(9), key(9))]).await;
    assert_eq!(late.expect_err("refuses").kind(), VaultErrorKind::Turned);
    drop(table);

    let table = open.open().await;
    assert_eq!(table.tenant(tenant(1)).await.expect("reads").and_then(|key| key.erased_at()), Some(at(7)));
    let mut calls = 0;
    while table.drop_subjects(tenant(1), 2).await.expect("removes") > 0 {
        calls += 1;
        assert!(calls <= 6, "it comes to no end");
    }
    for n in 1..=6 {
        assert_eq!(table.subject(tenant(1), subject(n)).await.expect("reads"), SubjectKeyState::Absent);
    }
    assert_eq!(table.of_epoch(tenant(1), 1, 10).await.expect("reads"), []);
    assert_eq!(table.of_epoch(tenant(2), 1, 10).await.expect("reads").len(), 4);
    assert_eq!(table.subject(tenant(2), subject(6)).await.expect("reads"), SubjectKeyState::Erased(at(5)));
}

/// A call that comes too early removes nobody's key (contract 9).
pub async fn of_a_tenant_whose_key_is_there_nothing_is_dropped(open: &dyn Open<dyn KeyTable>) {
    let table = open.open().await;
    assert_eq!(table.drop_subjects(tenant(1), 10).await.expect("answers"), 0);
    first_epoch(&*table, 1).await;
    put(&*table, 1, 1, key(1)).await;
    assert_eq!(table.drop_subjects(tenant(1), 10).await.expect("answers"), 0);
    assert_eq!(table.subject(tenant(1), subject(1)).await.expect("reads"), SubjectKeyState::Live(key(1)));
}

async fn put(table: &dyn KeyTable, owner: u8, of: u8, key: SubjectKey) -> SubjectKeyState {
    let mut states = table.put_subjects(tenant(owner), vec![(subject(of), key)]).await.expect("writes");
    let state = states.pop().expect("one answer for one subject");
    assert!(states.is_empty());
    state
}

async fn first_epoch(table: &dyn KeyTable, owner: u8) {
    table.put_tenant(tenant(owner), tenant_key(1)).await.expect("writes");
}

/// Begins the second epoch of the first tenant.
async fn second_epoch(table: &dyn KeyTable) {
    let there = table.swap_tenant(tenant(1), &tenant_key(1), next(tenant_key(1))).await.expect("writes");
    assert_eq!(there, Some(next(tenant_key(1))));
}

fn tenant_key(n: u8) -> TenantKey {
    TenantKey {
        epoch: u32::from(n),
        begun_at: None,
        wrapped: WrappedKey(vec![n; 62]),
        previous: None,
        index: WrappedKey(vec![n ^ 0xff; 61]),
    }
}

fn next(key: TenantKey) -> TenantKey {
    let (epoch, wrapped, index) = (key.epoch + 1, WrappedKey(vec![0x77; 62]), WrappedKey(vec![0x78; 61]));
    TenantKey { epoch, begun_at: Some(at(7)), wrapped, previous: Some(key.wrapped), index }
}

fn key(n: u8) -> SubjectKey {
    SubjectKey { version: u32::from(n), epoch: 1, wrapped: WrappedKey(vec![n; 61]) }
}

fn rewrap(of: u8, from: SubjectKey, epoch: u32) -> Rewrap {
    let to = SubjectKey { version: from.version, epoch, wrapped: WrappedKey(vec![of ^ 0x55; 61]) };
    Rewrap { subject: subject(of), from, to }
}
