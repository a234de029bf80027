//! What an erasure takes of the log, what it leaves, and the receipt that can be checked without us.

use std::sync::Arc;

use tempfile::TempDir;
use whisp::assistant::{AuditFault, ExportedData};
use whisp::audit::{AuditAction, ProofError};
use whisp::id::RecordId;
use whisp::model::AutomationMode;
use whisp::store::{Kind, SubjectQuery, WriteBatch, WriteOp};
use whisp::stores::MemoryStore;
use whisp::stores::audit::{FolderSink, LocalSigner, verify_checkpoint, verify_proof, verify_receipt};

use crate::tap::{Tap, puts};
use crate::world::{DANA, PHONE, TOKEN, World, parrot};

/// A world whose log is signed and anchored.
async fn signed(store: Arc<dyn whisp::store::Store>) -> (World, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let signer = Arc::new(LocalSigner::create(folder.path().join("audit.key")).unwrap());
    let anchor = Arc::new(FolderSink::open(folder.path().join("anchor")).unwrap());
    let world = World::equipped(store, parrot(), AutomationMode::Automatic, |b| b.signer(signer).anchor(anchor)).await;
    (world, folder)
}

#[tokio::test]
async fn i32_the_detail_goes_with_its_person_and_the_log_stays_whole() {
    let (world, _folder) = signed(Arc::new(MemoryStore::new())).await;
    world.says("m1", "operator").await;
    world.settle().await;
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    let audit = world.assistant.audit(world.tenant);
    let key = audit.verifier_key().unwrap();
    let anchored = verify_checkpoint(&audit.checkpoint().await.unwrap().to_string(), &key).unwrap();
    let log = audit.events(None, 100).await.unwrap().0;
    let handed = log.iter().find(|entry| entry.event.action == AuditAction::HandedOff).unwrap();
    assert!(audit.detail(handed.event.id).await.unwrap().is_some() && handed.event.detail.is_some());
    let contact = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact;
    let query = SubjectQuery { tenant: world.tenant, subject: contact.0, after: None, limit: 100 };
    let owned = world.store.of_subject(&query).await.unwrap().records;
    assert_eq!(owned.iter().filter(|record| record.kind == Kind::AUDIT_DETAIL).count(), 1);
    let copy = world.assistant.export(world.tenant, contact, None).await.unwrap().entries;
    let logged = copy.iter().filter(|entry| matches!(entry.data, ExportedData::Logged { .. })).count();
    assert_eq!(logged, 1, "it is in the person's copy");

    world.assistant.erase(world.tenant, contact).await.unwrap();
    assert_eq!(audit.detail(handed.event.id).await.unwrap(), None);
    assert_eq!(audit.event(handed.event.id).await.unwrap(), *handed, "the event stays as it was");
    assert_eq!(audit.verify(Some(&anchored)).await.unwrap().faults, []);
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    assert_eq!(audit.verify(Some(&anchored)).await.unwrap().faults, []);
    let whisp::assistant::Inclusion::Logged(proof) = audit.prove(handed.event.id).await.unwrap() else {
        panic!("it is logged")
    };
    assert_eq!(verify_proof(&proof.leaf, &proof.proof, &key).unwrap().event, handed.event);
}

#[tokio::test]
async fn a_receipt_carries_the_proof_that_the_erasure_was_logged() {
    let (world, _folder) = signed(Arc::new(MemoryStore::new())).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let contact = world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact;
    let given = world.assistant.erase(world.tenant, contact).await.unwrap();
    let key = world.assistant.audit(world.tenant).verifier_key().unwrap();
    assert!(given.audit.is_some());
    let asked = world.assistant.receipt(world.tenant, given.id).await.unwrap();
    assert!(asked.proof.is_none() && asked.horizon_now.is_some(), "the event waits");
    assert_eq!((asked.audit, asked.commitment().unwrap()), (given.audit, given.commitment().unwrap()));
    assert!(matches!(verify_receipt(&given, &key), Err(ProofError::Malformed(_))));
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    let receipt = world.assistant.receipt(world.tenant, given.id).await.unwrap();
    let verified = verify_receipt(&receipt, &key).unwrap();
    assert_eq!((verified.event.action, Some(verified.event.id)), (AuditAction::ErasureDone, given.audit));
    // As the person keeps it.
    let kept = serde_json::to_string(&receipt).unwrap();
    assert_eq!(verify_receipt(&serde_json::from_str(&kept).unwrap(), &key), Ok(verified));
    let mut changed = receipt.clone();
    changed.deleted.pop();
    assert_eq!(verify_receipt(&changed, &key), Err(ProofError::OtherReceipt));
    let log = world.assistant.audit(world.tenant).events(None, 100).await.unwrap().0;
    let of_it: Vec<_> = log.iter().filter(|entry| entry.event.subject == verified_subject(&receipt)).collect();
    let actions: Vec<_> = of_it.iter().map(|entry| entry.event.action).collect();
    assert_eq!(actions, [AuditAction::ErasureBegun, AuditAction::ErasureDone]);
    assert!(world.assistant.receipt(world.tenant, RecordId::from_bytes([3; 16])).await.is_err());
}

fn verified_subject(receipt: &whisp::assistant::ErasureReceipt) -> Option<whisp::audit::Tag> {
    let leaf: whisp::audit::AuditEvent = serde_json::from_str(&receipt.proof.as_ref().unwrap().leaf).unwrap();
    leaf.subject
}

/// I-37: no id of the platform, no number, name, text or token, and no id of ours of a person.
#[tokio::test]
async fn i37_the_log_its_tiles_and_its_anchor_name_nobody() {
    let tap = Tap::new();
    let (world, folder) = signed(tap.store()).await;
    let desk = world.assistant.desk(world.tenant).by(DANA);
    world.says("wamid.canary", "Do you have my secret?").await;
    world.settle().await;
    let id = world.conversation().await;
    let contact = desk.conversation(id).await.unwrap().contact;
    desk.messages(id, None, 10).await.unwrap();
    world.says("wamid.stop", "stop").await;
    world.settle().await;
    desk.take_over(id).await.unwrap();
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    world.assistant.erase(world.tenant, contact).await.unwrap();
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();

    let mut bytes = Vec::new();
    for batch in tap.done() {
        for kind in [Kind::AUDIT, Kind::AUDIT_DETAIL, Kind::AUDIT_HEAD, Kind::AUDIT_TILE] {
            for record in puts(&batch, kind) {
                bytes.extend(record.clear.0.as_bytes());
                bytes.extend(&record.sealed.0);
            }
        }
    }
    assert!(bytes.len() > 2_000);
    for file in std::fs::read_dir(folder.path().join("anchor")).unwrap() {
        bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let texts = ["wamid", PHONE, TOKEN, "Aigerim", "secret", "Coffee", "Dana"].map(|text| text.as_bytes().to_vec());
    let ids = [contact.0, DANA.0].into_iter().flat_map(|id| {
        let simple = id.as_uuid().simple().to_string();
        [id.to_string().into_bytes(), simple.into_bytes(), id.into_bytes().to_vec()]
    });
    for canary in texts.into_iter().chain(ids).chain([id.to_string().into_bytes()]) {
        let found = bytes.windows(canary.len()).any(|window| window == canary);
        assert!(!found, "{}", String::from_utf8_lossy(&canary));
    }
}

/// A detail that somebody put in the place of the one that was logged is not shown.
#[tokio::test]
async fn a_detail_is_held_against_its_commitment() {
    let (world, _folder) = signed(Arc::new(MemoryStore::new())).await;
    for mode in [AutomationMode::Suggest, AutomationMode::Off] {
        world.later(1);
        world.assistant.set_mode(world.tenant, world.connection, mode).await.unwrap();
    }
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    let audit = world.assistant.audit(world.tenant);
    let log = audit.events(None, 100).await.unwrap().0;
    let set: Vec<_> = log.iter().filter(|entry| entry.event.action == AuditAction::ModeSet).collect();
    let get = |id| world.store.get(world.tenant, Kind::AUDIT_DETAIL, id);
    let (mut one, other) = (get(set[0].event.id).await.unwrap().unwrap(), get(set[1].event.id).await.unwrap().unwrap());
    one.version += 1;
    one.sealed = other.sealed;
    drop(world.store.commit(WriteBatch::new(world.tenant).op(WriteOp::Put(one))).await.unwrap());
    assert!(audit.detail(set[0].event.id).await.is_err());
    assert!(audit.detail(set[1].event.id).await.unwrap().is_some());
    let faults: Vec<AuditFault> = audit.verify(None).await.unwrap().faults;
    assert_eq!(faults, [], "the log itself is whole");
}
