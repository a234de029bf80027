//! The signing key and the anchor: what they refuse.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by a panic")]

use std::fs;

use whisp_core::audit::{
    AnchorErrorKind, Checkpoint, CheckpointSigner, CheckpointSink, ProofError, SignedNote, TreeHash, VerifierKey,
};
use whisp_core::testing::anchor_conformance::{Subject, check_all};
use whisp_core::vault::VaultErrorKind;
use whisp_store::LocalKeyProvider;
use whisp_store::audit::{FolderSink, LocalSigner, verify_checkpoint};

fn leaf(number: u8) -> TreeHash {
    TreeHash::of_leaf(&[number])
}

/// The root of the first leaves, and the proof that it goes on from the one of one leaf less.
fn tree(size: u64) -> (TreeHash, Vec<TreeHash>) {
    let pair = TreeHash::of_pair(leaf(0), leaf(1));
    match size {
        1 => (leaf(0), Vec::new()),
        2 => (pair, vec![leaf(1)]),
        3 => (TreeHash::of_pair(pair, leaf(2)), vec![leaf(2)]),
        _ => panic!("no such tree"),
    }
}

async fn note(signer: &LocalSigner, origin: &str, size: u64, root: TreeHash) -> SignedNote {
    let key = VerifierKey::new(origin, signer.public_key()).unwrap();
    let body = Checkpoint { origin: origin.to_owned(), size, root }.body();
    let signature = signer.sign(&body).await.unwrap();
    key.sign(body, signature)
}

/// The key and the signature of the checksum database of Go, as its server gave them once.
#[test]
fn a_checkpoint_that_somebody_else_signed_is_verified() {
    let key: VerifierKey = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8".parse().unwrap();
    let note = "go.sum database tree\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} sum.golang.org Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";
    // The signature holds; only the name of the log is not that of the key, as ours always is.
    assert_eq!(verify_checkpoint(note, &key), Err(ProofError::OtherLog));
    let changed = note.replace("20852163", "20852164");
    assert_eq!(verify_checkpoint(&changed, &key), Err(ProofError::BadSignature));
}

#[tokio::test]
async fn a_signature_holds_for_its_text_its_log_and_its_key_only() {
    let folder = tempfile::tempdir().unwrap();
    let signer = LocalSigner::create(folder.path().join("a")).unwrap();
    let other = LocalSigner::create(folder.path().join("b")).unwrap();
    let key = VerifierKey::new("a/1", signer.public_key()).unwrap();
    let note_1 = note(&signer, "a/1", 1, tree(1).0).await;
    assert_eq!(verify_checkpoint(&note_1.to_string(), &key).unwrap().size, 1);
    let theirs = note(&other, "a/1", 1, tree(1).0).await;
    assert_eq!(verify_checkpoint(&theirs.to_string(), &key), Err(ProofError::UnknownKey));
    let another_log = note(&signer, "a/2", 1, tree(1).0).await;
    assert_eq!(verify_checkpoint(&another_log.to_string(), &key), Err(ProofError::UnknownKey));
    // A witness signs beside us.
    let mut both = note_1.clone();
    both.signatures.insert(0, theirs.signatures[0].clone());
    assert_eq!(verify_checkpoint(&both.to_string(), &key).unwrap().size, 1);
    // Of two signatures of ours both must hold.
    let mut twice = note_1.clone();
    twice.signatures.push(twice.signatures[0].clone());
    twice.signatures[1].bytes[5] ^= 1;
    assert_eq!(verify_checkpoint(&twice.to_string(), &key), Err(ProofError::BadSignature));
    for bit in (0..64 * 8).step_by(37) {
        let mut changed = note_1.clone();
        changed.signatures[0].bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(verify_checkpoint(&changed.to_string(), &key), Err(ProofError::BadSignature), "bit {bit}");
    }
    assert_eq!(format!("{signer:?}"), "LocalSigner(..)");
}

#[test]
fn the_key_file_is_private_is_not_the_root_keys_and_opens_as_the_same_key() {
    let folder = tempfile::tempdir().unwrap();
    let (signing, root) = (folder.path().join("audit.key"), folder.path().join("root.key"));
    assert_eq!(LocalSigner::open(&signing).unwrap_err().kind(), VaultErrorKind::Unavailable);
    let made = LocalSigner::open_or_create(&signing).unwrap();
    assert_eq!(LocalSigner::open_or_create(&signing).unwrap().public_key(), made.public_key());
    assert_eq!(LocalSigner::create(&signing).unwrap_err().kind(), VaultErrorKind::WrongKey);
    LocalKeyProvider::create(&root).unwrap();
    assert_eq!(LocalSigner::open(&root).unwrap_err().kind(), VaultErrorKind::WrongKey);
    assert_eq!(LocalKeyProvider::open(&signing).unwrap_err().kind(), VaultErrorKind::WrongKey);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&signing).unwrap().permissions().mode() & 0o777, 0o600);
        fs::set_permissions(&signing, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(LocalSigner::open(&signing).unwrap_err().kind(), VaultErrorKind::Permissions);
    }
}

#[tokio::test]
async fn the_folder_keeps_the_contracts_of_a_sink() {
    let folder = tempfile::tempdir().unwrap();
    let signer = LocalSigner::create(folder.path().join("key")).unwrap();
    let open = || FolderSink::open(folder.path().join("anchor")).unwrap();
    check_all(&Subject { sink: &open(), again: &open(), signer: &signer }).await.unwrap();
}

#[tokio::test]
async fn the_folder_keeps_the_latest_and_goes_neither_back_nor_aside() {
    let folder = tempfile::tempdir().unwrap();
    let signer = LocalSigner::create(folder.path().join("key")).unwrap();
    let sink = FolderSink::open(folder.path().join("anchor")).unwrap();
    assert_eq!(sink.latest("a/1").await.unwrap(), None);
    let mut notes = Vec::new();
    for size in 1..=3 {
        notes.push(note(&signer, "a/1", size, tree(size).0).await);
    }
    let refused = |note: SignedNote, old, path: Vec<TreeHash>| {
        let sink = sink.clone();
        async move { sink.publish(&note, old, &path).await.unwrap_err().kind() }
    };
    sink.publish(&notes[0], 0, &[]).await.unwrap();
    sink.publish(&notes[1], 1, &tree(2).1).await.unwrap();
    sink.publish(&notes[1], 1, &tree(2).1).await.unwrap();
    assert_eq!(refused(notes[0].clone(), 0, Vec::new()).await, AnchorErrorKind::Back);
    assert_eq!(refused(notes[2].clone(), 1, Vec::new()).await, AnchorErrorKind::Overtaken);
    assert_eq!(refused(notes[2].clone(), 2, vec![leaf(3)]).await, AnchorErrorKind::Fork);
    let aside = note(&signer, "a/1", 2, leaf(9)).await;
    assert_eq!(refused(aside, 2, Vec::new()).await, AnchorErrorKind::Fork);
    let aside = note(&signer, "a/1", 3, leaf(9)).await;
    assert_eq!(refused(aside, 2, tree(3).1).await, AnchorErrorKind::Fork);
    assert_eq!(sink.latest("a/1").await.unwrap(), Some(notes[1].clone()), "what was refused changed nothing");
    // Another log has a place of its own.
    let other = note(&signer, "A/1", 1, leaf(7)).await;
    sink.publish(&other, 0, &[]).await.unwrap();
    let again = FolderSink::open(folder.path().join("anchor")).unwrap();
    again.publish(&notes[2], 2, &tree(3).1).await.unwrap();
    assert_eq!(again.latest("a/1").await.unwrap(), Some(notes[2].clone()));
    assert_eq!(again.latest("A/1").await.unwrap(), Some(other));
    let names: Vec<_> =
        fs::read_dir(folder.path().join("anchor")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "two checkpoints and the lock: {names:?}");
}

#[tokio::test]
async fn a_checkpoint_that_was_spoilt_or_taken_away_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let signer = LocalSigner::create(folder.path().join("key")).unwrap();
    let sink = FolderSink::open(folder.path().join("anchor")).unwrap();
    let file = folder.path().join("anchor").join("a.checkpoint");
    sink.publish(&note(&signer, "a", 1, leaf(0)).await, 0, &[]).await.unwrap();
    let next = note(&signer, "a", 2, tree(2).0).await;
    for spoilt in [b"".as_slice(), b"\xff\xff", &[b'a'; 1 << 18]] {
        fs::write(&file, spoilt).unwrap();
        assert_eq!(sink.latest("a").await.unwrap_err().kind(), AnchorErrorKind::Corrupt);
        assert_eq!(sink.publish(&next, 1, &tree(2).1).await.unwrap_err().kind(), AnchorErrorKind::Corrupt);
    }
    fs::remove_file(&file).unwrap();
    assert_eq!(sink.publish(&next, 1, &tree(2).1).await.unwrap_err().kind(), AnchorErrorKind::Corrupt);
    fs::remove_dir_all(folder.path().join("anchor")).unwrap();
    assert_eq!(sink.publish(&next, 1, &tree(2).1).await.unwrap_err().kind(), AnchorErrorKind::Unavailable);
}
