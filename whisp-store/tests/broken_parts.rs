//! The suite of privacy is worth what it finds: each of these parts breaks one promise, and the suite says which.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod support {
    pub(crate) mod parts;
}

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use support::parts::InMemory;
use whisp_core::id::{MediaId, RecordId, SubjectId, TenantId};
use whisp_core::media::{MediaStore, MediaWriter};
use whisp_core::privacy::{DataCategory, Grant, Purpose};
use whisp_core::store::{
    Commit, ExpiredQuery, FactPage, FactQuery, Facts, FindQuery, Kind, Lease, ListQuery, OwnRequest, Page,
    PendingQuery, Record, Records, RenewRequest, Store, StoreError, SubjectPage, SubjectQuery, Work, WorkItem,
    WriteBatch, WriteOp,
};
use whisp_core::vault::{
    KeyProvider, KeyTable, Rewrap, SealContext, SubjectKey, SubjectKeyState, TenantKey, Vault, VaultError,
};
use whisp_store::EnvelopeVault;
use whisp_store::conformance::privacy::{CASES, Parts, Raw, RawBytes, run_all};

/// Which promise is broken.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    ForgetsAKind,
    HidesItsBytes,
    KeepsFacts,
    KeepsFiles,
    KeepsKeys,
    KeepsWhatIsDeleted,
    LogsInClear,
    NeverExpires,
    ReadsAcrossTenants,
}

/// Parts in memory with a fault.
struct Broken {
    inner: InMemory,
    store: Arc<BrokenStore>,
    fault: Fault,
}

impl Broken {
    async fn new(fault: Fault) -> Self {
        let inner = InMemory::new();
        let spy = match fault {
            Fault::LogsInClear => Some(EnvelopeVault::open(inner.provider(), inner.keys()).await.unwrap()),
            _ => None,
        };
        let (beside, tenants) = (Mutex::default(), Mutex::default());
        let store = Arc::new(BrokenStore { inner: inner.store(), fault, spy, beside, tenants });
        Self { inner, store, fault }
    }
}

#[async_trait]
impl Parts for Broken {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as _
    }

    fn keys(&self) -> Arc<dyn KeyTable> {
        match self.fault {
            Fault::KeepsKeys => Arc::new(KeepsKeys(self.inner.keys())),
            _ => self.inner.keys(),
        }
    }

    fn provider(&self) -> Arc<dyn KeyProvider> {
        self.inner.provider()
    }

    fn media(&self) -> Arc<dyn MediaStore> {
        match self.fault {
            Fault::KeepsFiles => Arc::new(KeepsFiles(self.inner.media())),
            _ => self.inner.media(),
        }
    }

    async fn raw(&self) -> Raw {
        match self.inner.raw().await {
            Raw::Bytes(_) if self.fault == Fault::HidesItsBytes => Raw::Bytes(RawBytes::new()),
            Raw::Bytes(bytes) => Raw::Bytes(bytes.piece("beside", self.store.beside.lock().unwrap().clone())),
            nothing => nothing,
        }
    }

    async fn wipe(&self) -> Result<(), &'static str> {
        self.inner.wipe().await
    }
}

#[derive(Debug)]
struct BrokenStore {
    inner: Arc<dyn Store>,
    fault: Fault,
    /// Opens what only the assistant may open: somebody gave the database the keys.
    spy: Option<EnvelopeVault>,
    /// What it keeps though nobody knows: a log, a bin.
    beside: Mutex<Vec<u8>>,
    tenants: Mutex<BTreeSet<TenantId>>,
}

impl BrokenStore {
    /// Logs what a message says.
    async fn log(&self, tenant: TenantId, record: &Record) {
        let (Some(spy), Kind::MESSAGE) = (&self.spy, record.kind) else { return };
        let context = SealContext {
            tenant,
            subject: *record.subjects.first().unwrap(),
            kind: Kind::MESSAGE,
            record: record.id,
            field: "message",
            category: DataCategory::MessageContent,
            revision: 0,
        };
        let grant = Grant::for_tests(tenant, context.subject, Purpose::ServiceProvision, DateTime::UNIX_EPOCH);
        if let Ok(plain) = spy.open(&grant, &context, &record.sealed).await {
            self.beside.lock().unwrap().extend(plain.as_slice());
        }
    }

    async fn keep(&self, tenant: TenantId, (kind, id): (Kind, RecordId)) -> Result<(), StoreError> {
        if self.fault == Fault::KeepsWhatIsDeleted
            && let Some(record) = self.inner.get(tenant, kind, id).await?
        {
            self.beside.lock().unwrap().extend(record.sealed.0);
        }
        Ok(())
    }
}

#[async_trait]
impl Records for BrokenStore {
    async fn commit(&self, batch: WriteBatch) -> Result<Commit, StoreError> {
        self.tenants.lock().unwrap().insert(batch.tenant);
        for op in &batch.ops {
            match op {
                WriteOp::Put(record) => self.log(batch.tenant, record).await,
                WriteOp::Delete(kind, id, _) => self.keep(batch.tenant, (*kind, *id)).await?,
                _ => {}
            }
        }
        self.inner.commit(batch).await
    }

    async fn get(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Option<Record>, StoreError> {
        self.inner.get(tenant, kind, id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.inner.list(query).await
    }

    async fn find(&self, query: &FindQuery) -> Result<Vec<Record>, StoreError> {
        self.inner.find(query).await
    }

    async fn of_subject(&self, query: &SubjectQuery) -> Result<SubjectPage, StoreError> {
        let mut page = self.inner.of_subject(query).await?;
        match self.fault {
            Fault::ForgetsAKind => page.records.retain(|record| record.kind != Kind::SUGGESTION),
            Fault::ReadsAcrossTenants if page.records.is_empty() => {
                let tenants = self.tenants.lock().unwrap().clone();
                for tenant in tenants {
                    let elsewhere = self.inner.of_subject(&SubjectQuery { tenant, ..query.clone() }).await?;
                    page.records.extend(elsewhere.records);
                }
            }
            _ => {}
        }
        Ok(page)
    }

    async fn expired(&self, query: &ExpiredQuery) -> Result<Vec<Record>, StoreError> {
        match self.fault {
            Fault::NeverExpires => Ok(Vec::new()),
            _ => self.inner.expired(query).await,
        }
    }

    async fn clear(&self, tenant: TenantId, limit: usize) -> Result<usize, StoreError> {
        self.inner.clear(tenant, limit).await
    }
}

#[async_trait]
impl Work for BrokenStore {
    async fn own(&self, request: &OwnRequest) -> Result<Vec<Lease>, StoreError> {
        self.inner.own(request).await
    }

    async fn renew(&self, request: &RenewRequest) -> Result<Vec<Lease>, StoreError> {
        self.inner.renew(request).await
    }

    async fn release(&self, leases: &[Lease]) -> Result<(), StoreError> {
        self.inner.release(leases).await
    }

    async fn pending(&self, query: &PendingQuery) -> Result<Vec<WorkItem>, StoreError> {
        self.inner.pending(query).await
    }

    async fn wait(&self) {
        self.inner.wait().await;
    }
}

#[async_trait]
impl Facts for BrokenStore {
    async fn scan(&self, query: &FactQuery) -> Result<FactPage, StoreError> {
        self.inner.scan(query).await
    }

    async fn discard(&self, tenant: TenantId, before: DateTime<Utc>, limit: usize) -> Result<usize, StoreError> {
        match self.fault {
            Fault::KeepsFacts => Ok(0),
            _ => self.inner.discard(tenant, before, limit).await,
        }
    }
}

/// Deletes no file.
#[derive(Debug)]
struct KeepsFiles(Arc<dyn MediaStore>);

#[async_trait]
impl MediaStore for KeepsFiles {
    async fn write(&self, tenant: TenantId, id: MediaId) -> Result<Box<dyn MediaWriter>, StoreError> {
        self.0.write(tenant, id).await
    }

    async fn read(&self, tenant: TenantId, id: MediaId, from: u64, len: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.read(tenant, id, from, len).await
    }

    async fn delete(&self, _: TenantId, _: MediaId) -> Result<(), StoreError> {
        Ok(())
    }

    async fn list(&self, tenant: TenantId, after: Option<MediaId>, limit: usize) -> Result<Vec<MediaId>, StoreError> {
        self.0.list(tenant, after, limit).await
    }
}

/// Says that it erases keys, and keeps them.
#[derive(Debug)]
struct KeepsKeys(Arc<dyn KeyTable>);

#[async_trait]
impl KeyTable for KeepsKeys {
    async fn tenant(&self, tenant: TenantId) -> Result<Option<TenantKey>, VaultError> {
        self.0.tenant(tenant).await
    }

    async fn put_tenant(&self, tenant: TenantId, key: TenantKey) -> Result<TenantKey, VaultError> {
        self.0.put_tenant(tenant, key).await
    }

    async fn swap_tenant(
        &self,
        tenant: TenantId,
        from: &TenantKey,
        to: TenantKey,
    ) -> Result<Option<TenantKey>, VaultError> {
        self.0.swap_tenant(tenant, from, to).await
    }

    async fn subject(&self, tenant: TenantId, subject: SubjectId) -> Result<SubjectKeyState, VaultError> {
        self.0.subject(tenant, subject).await
    }

    async fn put_subjects(
        &self,
        tenant: TenantId,
        keys: Vec<(SubjectId, SubjectKey)>,
    ) -> Result<Vec<SubjectKeyState>, VaultError> {
        self.0.put_subjects(tenant, keys).await
    }

    async fn of_epoch(
        &self,
        tenant: TenantId,
        epoch: u32,
        limit: usize,
    ) -> Result<Vec<(SubjectId, SubjectKey)>, VaultError> {
        self.0.of_epoch(tenant, epoch, limit).await
    }

    async fn rewrap(&self, tenant: TenantId, keys: Vec<Rewrap>) -> Result<usize, VaultError> {
        self.0.rewrap(tenant, keys).await
    }

    async fn erase(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        _: DateTime<Utc>,
    ) -> Result<SubjectKeyState, VaultError> {
        self.0.subject(tenant, subject).await
    }

    async fn drop_subjects(&self, tenant: TenantId, limit: usize) -> Result<usize, VaultError> {
        self.0.drop_subjects(tenant, limit).await
    }
}

/// Returns the cases that fail.
async fn failing(fault: Fault) -> Vec<&'static str> {
    let mut failing = Vec::new();
    let open = async |_: &_| Ok::<_, Infallible>(Broken::new(fault).await);
    let report = |case: &'static whisp_store::conformance::privacy::Case, outcome: Result<(), &str>| {
        if outcome.is_err() {
            failing.push(case.name);
        }
    };
    let Ok(_) = run_all(open, report).await;
    failing
}

async fn finds(fault: Fault, expected: &[&str]) {
    let known: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    assert!(expected.iter().all(|name| known.contains(name)), "no such case: {expected:?}");
    assert_eq!(failing(fault).await, expected, "{fault:?}");
}

#[tokio::test]
async fn a_log_in_clear_is_found() {
    finds(
        Fault::LogsInClear,
        &[
            "i1_nothing_personal_is_in_clear",
            "i18_whoever_is_erased_is_gone_everywhere",
            "of_a_closed_business_nothing_is_left",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_kind_that_is_forgotten_is_found() {
    finds(
        Fault::ForgetsAKind,
        &[
            "i18_whoever_is_erased_is_gone_everywhere",
            "i23_what_is_held_is_all_that_is_kept",
            "i29_a_copy_is_whole_and_nobody_elses",
            "of_a_closed_business_nothing_is_left",
        ],
    )
    .await;
}

#[tokio::test]
async fn what_is_kept_though_it_was_deleted_is_found() {
    finds(
        Fault::KeepsWhatIsDeleted,
        &[
            "i18_whoever_is_erased_is_gone_everywhere",
            "i23_what_is_held_is_all_that_is_kept",
            "i26_nobody_reads_what_is_past_its_time",
            "i28_what_is_taken_back_is_gone",
        ],
    )
    .await;
}

#[tokio::test]
async fn files_that_are_kept_though_they_were_deleted_are_found() {
    finds(
        Fault::KeepsFiles,
        &[
            "i18_whoever_is_erased_is_gone_everywhere",
            "i23_what_is_held_is_all_that_is_kept",
            "i26_nobody_reads_what_is_past_its_time",
            "i28_what_is_taken_back_is_gone",
            "of_a_closed_business_nothing_is_left",
        ],
    )
    .await;
}

#[tokio::test]
async fn keys_that_are_kept_though_they_were_erased_are_found() {
    finds(
        Fault::KeepsKeys,
        &[
            "i18_whoever_is_erased_is_gone_everywhere",
            "i19_an_erasure_cut_short_anywhere_ends_the_same",
            "i20_nobody_comes_back_by_what_comes_late",
            "i23_what_is_held_is_all_that_is_kept",
        ],
    )
    .await;
}

#[tokio::test]
async fn what_never_expires_is_found() {
    finds(Fault::NeverExpires, &["i26_nobody_reads_what_is_past_its_time"]).await;
}

#[tokio::test]
async fn facts_that_are_kept_for_ever_are_found() {
    finds(Fault::KeepsFacts, &["i27_facts_past_their_time_become_figures"]).await;
}

#[tokio::test]
async fn a_store_that_reads_across_tenants_is_found() {
    finds(Fault::ReadsAcrossTenants, &["i15_journeys_of_two_businesses_never_meet"]).await;
}

#[tokio::test]
async fn a_hook_that_shows_nothing_is_found() {
    finds(Fault::HidesItsBytes, &["the_scan_finds_what_is_in_clear"]).await;
}
