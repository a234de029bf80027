//! What every [`KeyProvider`] must do.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use whisp_core::vault::{
    Destroyed, Destruction, KeyContext, KeyProvider, SecretKey, VaultError, VaultErrorKind, WrappedKey,
};
use zeroize::Zeroizing;

use super::{Open, context};

/// The cases for a [`KeyProvider`], each with the number of the contract.
pub const PROVIDER_CASES: &[(u32, &str)] = &[
    (1, "what_is_wrapped_is_unwrapped_also_after_a_restart"),
    (2, "another_context_does_not_unwrap"),
    (2, "a_changed_byte_does_not_unwrap"),
    (3, "key_bytes_are_not_shown"),
    (4, "what_was_wrapped_for_a_destroyed_epoch_never_unwraps"),
    (5, "later_epochs_and_other_tenants_outlive_a_destroyed_one"),
    (6, "an_epoch_is_destroyed_again_without_harm"),
    (7, "nothing_is_destroyed_worse_than_was_told_before"),
];

/// Makes a test of each case for a [`KeyProvider`]. `test` is the attribute of an async test, `open` makes an [`Open`]
/// of a fresh provider.
#[macro_export]
macro_rules! key_provider_conformance {
    (test: $test:meta, open: $open:expr $(,)?) => {
        use $crate::keys::conformance as key_provider_suite;
        $crate::conformance_tests! { $test, $open, key_provider_suite, PROVIDER_CASES:
            what_is_wrapped_is_unwrapped_also_after_a_restart
            another_context_does_not_unwrap
            a_changed_byte_does_not_unwrap
            key_bytes_are_not_shown
            what_was_wrapped_for_a_destroyed_epoch_never_unwraps
            later_epochs_and_other_tenants_outlive_a_destroyed_one
            an_epoch_is_destroyed_again_without_harm
            nothing_is_destroyed_worse_than_was_told_before
        }
    };
}

/// What was wrapped comes back, and two wraps of one key differ or not as they like (contract 1).
pub async fn what_is_wrapped_is_unwrapped_also_after_a_restart(open: &dyn Open<dyn KeyProvider>) {
    let provider = open.open().await;
    let wrapped = provider.wrap(&context(1, 1), &secret(9)).await.expect("wraps");
    assert_eq!(provider.unwrap(&context(1, 1), &wrapped).await.expect("unwraps").expose(), secret(9).expose());
    drop(provider);
    let provider = open.open().await;
    assert_eq!(provider.unwrap(&context(1, 1), &wrapped).await.expect("unwraps").expose(), secret(9).expose());
}

/// Another tenant and another epoch are refused (contract 2).
pub async fn another_context_does_not_unwrap(open: &dyn Open<dyn KeyProvider>) {
    let provider = open.open().await;
    let wrapped = provider.wrap(&context(1, 1), &secret(9)).await.expect("wraps");
    for other in [context(2, 1), context(1, 2)] {
        let error = provider.unwrap(&other, &wrapped).await.expect_err("refuses");
        assert!(is_final(&error), "{error:?}");
    }
}

/// Every changed byte and every other length is refused (contract 2).
pub async fn a_changed_byte_does_not_unwrap(open: &dyn Open<dyn KeyProvider>) {
    let provider = open.open().await;
    let WrappedKey(wrapped) = provider.wrap(&context(1, 1), &secret(9)).await.expect("wraps");
    let mut others: Vec<Vec<u8>> = (0..wrapped.len()).map(|len| wrapped.iter().copied().take(len).collect()).collect();
    for place in 0..wrapped.len() {
        let change = |(at, byte): (usize, &u8)| if at == place { byte ^ 1 } else { *byte };
        others.push(wrapped.iter().enumerate().map(change).collect());
    }
    for other in others {
        let error = provider.unwrap(&context(1, 1), &WrappedKey(other)).await.expect_err("refuses");
        assert_eq!(error.kind(), VaultErrorKind::WrongKey);
    }
}

/// Neither the provider nor its errors show key bytes (contract 3).
pub async fn key_bytes_are_not_shown(open: &dyn Open<dyn KeyProvider>) {
    let provider = open.open().await;
    let wrapped = provider.wrap(&context(1, 1), &secret(0xc7)).await.expect("wraps");
    let error = provider.unwrap(&context(2, 1), &wrapped).await.expect_err("refuses");
    let unwrapped = provider.unwrap(&context(1, 1), &wrapped).await.expect("unwraps");
    let shown = format!("{provider:?} {wrapped:?} {unwrapped:?} {error:?} {error}").to_lowercase();
    for canary in ["c7c7", "c7, c7", "199, 199"] {
        assert!(!shown.contains(canary), "key bytes are shown: {shown}");
    }
}

/// After `Now` nothing that was wrapped for the epoch unwraps, also after a restart, and whatever is wrapped for it then
/// (contract 4).
pub async fn what_was_wrapped_for_a_destroyed_epoch_never_unwraps(open: &dyn Open<dyn KeyProvider>) {
    let provider = open.open().await;
    let wrapped = join_all((0..3).map(async |n| provider.wrap(&context(1, 1), &secret(n)).await)).await;
    let wrapped: Vec<WrappedKey> = wrapped.into_iter().map(|wrapped| wrapped.expect("wraps")).collect();
    provider.wrap(&context(1, 2), &secret(9)).await.expect("wraps");
    if provider.destroy(&context(1, 1)).await.expect("destroys") != Destroyed::Now {
        return;
    }
    refuses(&*provider, &wrapped).await;
    drop(provider);
    let provider = open.open().await;
    refuses(&*provider, &wrapped).await;
    // Whether it wraps for the epoch again or not: what was before is gone.
    drop(provider.wrap(&context(1, 1), &secret(1)).await);
    refuses(&*provider, &wrapped).await;
}

async fn refuses(provider: &dyn KeyProvider, wrapped: &[WrappedKey]) {
    for wrapped in wrapped {
        let error = provider.unwrap(&context(1, 1), wrapped).await.expect_err("refuses");
        assert!(is_final(&error), "{error:?}");
    }
}

fn is_final(error: &VaultError) -> bool {
    matches!(error.kind(), VaultErrorKind::Destroyed | VaultErrorKind::WrongKey)
}

/// What is wrapped for later epochs and other tenants stays (contract 5).
pub async fn later_epochs_and_other_tenants_outlive_a_destroyed_one(open: &dyn Open<dyn KeyProvider>) {
    let provider = open.open().await;
    let contexts = [context(1, 2), context(1, 3), context(2, 1), context(2, 2)];
    provider.wrap(&context(1, 1), &secret(1)).await.expect("wraps");
    let mut kept = Vec::new();
    for other in contexts {
        kept.push((other, provider.wrap(&other, &secret(9)).await.expect("wraps")));
    }
    provider.destroy(&context(1, 1)).await.expect("destroys");
    unwraps(&*provider, &kept).await;
    let again = provider.wrap(&context(1, 3), &secret(9)).await.expect("wraps");
    kept.push((context(1, 3), again));
    drop(provider);
    unwraps(&*open.open().await, &kept).await;
}

async fn unwraps(provider: &dyn KeyProvider, kept: &[(KeyContext, WrappedKey)]) {
    for (context, wrapped) in kept {
        let key = provider.unwrap(context, wrapped).await.expect("unwraps");
        assert_eq!(key.expose(), secret(9).expose(), "{context:?}");
    }
}

/// A second time, several at once, and where nothing was wrapped: nothing happens (contract 6).
pub async fn an_epoch_is_destroyed_again_without_harm(open: &dyn Open<dyn KeyProvider>) {
    let provider = open.open().await;
    provider.wrap(&context(1, 1), &secret(1)).await.expect("wraps");
    let kept = provider.wrap(&context(1, 2), &secret(2)).await.expect("wraps");
    for destroyed in join_all((0..5).map(async |_| provider.destroy(&context(1, 1)).await)).await {
        destroyed.expect("destroys");
    }
    provider.destroy(&context(1, 1)).await.expect("destroys");
    provider.destroy(&context(3, 1)).await.expect("destroys what is not there");
    assert_eq!(provider.unwrap(&context(1, 2), &kept).await.expect("unwraps").expose(), secret(2).expose());
}

/// What is told before is the worst that happens (contract 7).
pub async fn nothing_is_destroyed_worse_than_was_told_before(open: &dyn Open<dyn KeyProvider>) {
    let provider = open.open().await;
    let told = provider.destruction();
    provider.wrap(&context(1, 1), &secret(1)).await.expect("wraps");
    provider.wrap(&context(1, 2), &secret(1)).await.expect("wraps");
    let asked = now();
    let destroyed = provider.destroy(&context(1, 1)).await.expect("destroys");
    let is_kept = match (told, destroyed) {
        (Destruction::Unverifiable, _) | (_, Destroyed::Now) => true,
        (Destruction::Within(time), Destroyed::Scheduled(until)) => until <= now() + time && until >= asked,
        _ => false,
    };
    assert!(is_kept, "told {told:?}, done {destroyed:?}");
    assert_eq!(provider.destruction(), told);
}

#[expect(clippy::disallowed_methods, reason = "a key service schedules by the time of the day")]
fn now() -> DateTime<Utc> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    DateTime::UNIX_EPOCH + since
}

fn secret(n: u8) -> SecretKey {
    SecretKey::new(Zeroizing::new([n; 32]))
}
