//! One audit log and several processes on PostgreSQL: here several stores, which share nothing but the tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/postgres.rs"]
mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use secrecy::SecretString;
use support::TempSchema;
use whisp_core::assistant::{Assistant, Inclusion, NewConnection, NewTenant};
use whisp_core::id::TenantId;
use whisp_core::model::{AccountId, AutomationMode, ChannelKind};
use whisp_core::testing::{ManualClock, SeqIds};
use whisp_store::audit::{LocalSigner, verify_proof};
use whisp_store::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable};

const TENANT: TenantId = TenantId::from_bytes([1; 16]);

/// More than one tile of events.
const EVENTS: u64 = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_log_and_sequence_at_once_make_one_log() {
    let Some(schema) = TempSchema::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let provider = Arc::new(LocalKeyProvider::create(folder.path().join("root.key")).unwrap());
    let vault = Arc::new(EnvelopeVault::open(provider, Arc::new(MemoryKeyTable::new())).await.unwrap());
    let signer = Arc::new(LocalSigner::create(folder.path().join("audit.key")).unwrap());
    let mut processes = Vec::new();
    for seed in 0..4 {
        let store = schema.options().open().await.expect("the server opens it");
        let assistant = Assistant::builder()
            .store(Arc::new(store))
            .vault(Arc::clone(&vault) as _)
            .clock(Arc::new(ManualClock::default()))
            .ids(Arc::new(SeqIds::new(seed)))
            .signer(Arc::clone(&signer) as _);
        processes.push(assistant.build().unwrap());
    }
    processes[0].create_tenant(NewTenant::new(TENANT, "Coffee & Co", "UTC")).await.unwrap();
    let mut jobs = Vec::new();
    for (number, assistant) in processes.clone().into_iter().enumerate() {
        jobs.push(tokio::spawn(async move {
            let audit = assistant.audit(TENANT);
            if number > 1 {
                while audit.head().await.unwrap().size < EVENTS {
                    audit.sequence(7).await.unwrap();
                    tokio::task::yield_now().await;
                }
                return;
            }
            let new = NewConnection {
                channel: ChannelKind::WhatsApp,
                account: AccountId::new(&format!("106{number}")),
                token: SecretString::from("token"),
                scopes: Vec::new(),
                mode: AutomationMode::Off,
            };
            let connection = assistant.connect(TENANT, new).await.unwrap();
            for _ in 0..(EVENTS - 4) / 2 {
                assistant.set_mode(TENANT, connection, AutomationMode::Suggest).await.unwrap();
            }
        }));
    }
    // The tenant, two connections with what was granted by each, and what was set of them: one more than is waited for.
    for job in jobs {
        job.await.unwrap();
    }
    let audit = processes[3].audit(TENANT);
    audit.sequence(10).await.unwrap();
    let check = audit.verify(None).await.unwrap();
    assert_eq!((check.size, check.faults), (EVENTS + 1, Vec::new()));
    let (events, _) = audit.events(None, 1_000).await.unwrap();
    let ids: BTreeSet<_> = events.iter().map(|entry| entry.event.id).collect();
    assert_eq!(ids.len(), events.len());
    let key = audit.verifier_key().unwrap();
    let last = events.last().expect("there are some");
    let Inclusion::Logged(proof) = audit.prove(last.event.id).await.unwrap() else { unreachable!("it is logged") };
    assert_eq!(verify_proof(&proof.leaf, &proof.proof, &key).unwrap().event, last.event);
}
