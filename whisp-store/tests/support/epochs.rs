//! What the tests of epochs share: people whose data is sealed, days, and turns.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use whisp_core::id::{RecordId, SubjectId, TenantId};
use whisp_core::privacy::{DataCategory, Grant, Purpose};
use whisp_core::store::{Kind, Sealed};
use whisp_core::vault::{EpochDue, SealContext, Turn, Vault, VaultErrorKind};
use whisp_store::EnvelopeVault;

pub(crate) const TENANT: TenantId = TenantId::from_bytes([1; 16]);

pub(crate) fn subject(n: u8) -> SubjectId {
    SubjectId::from_bytes([n; 16])
}

pub(crate) fn place(n: u8) -> SealContext {
    SealContext {
        tenant: TENANT,
        subject: subject(n),
        kind: Kind::MESSAGE,
        record: RecordId::from_bytes([3; 16]),
        field: "body",
        category: DataCategory::MessageContent,
        revision: 1,
    }
}

pub(crate) fn day(n: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000 + n)
}

/// Everything that began before today is due.
pub(crate) fn due(n: i64) -> EpochDue {
    EpochDue { now: day(n), begun_before: day(n) }
}

pub(crate) async fn opens(vault: &EnvelopeVault, n: u8, sealed: &Sealed) -> Result<(), VaultErrorKind> {
    let grant = Grant::for_tests(TENANT, subject(n), Purpose::ServiceProvision, DateTime::UNIX_EPOCH);
    match vault.open(&grant, &place(n), sealed).await {
        Ok(plain) => {
            assert_eq!(plain.as_slice(), [n]);
            Ok(())
        }
        Err(error) => Err(error.kind()),
    }
}

/// Seals something for each of so many people.
pub(crate) async fn people(vault: &EnvelopeVault, count: u8) -> Vec<Sealed> {
    vault.provision(TENANT, &(0..count).map(subject).collect::<Vec<_>>()).await.unwrap();
    join_all((0..count).map(async |n| vault.seal(&place(n), &[n]).await.unwrap())).await
}

/// Turns until it is done.
pub(crate) async fn turn(vault: &EnvelopeVault, tenant: TenantId, due: &EpochDue) -> Turn {
    loop {
        match vault.turn(tenant, due, 3).await.unwrap() {
            // Fewer than were looked at where another process wraps the same ones.
            Turn::UnderWay { rewrapped } => assert!(rewrapped <= 3, "{rewrapped}"),
            turn @ Turn::Destroyed { epoch, .. } => {
                vault.end_turn(tenant, epoch).await.unwrap();
                return turn;
            }
            turn => return turn,
        }
    }
}
