//! Known answers: sealed values, wrapped keys and digests of the first version, frozen in `tests/vectors/suite1.json`.
//! Whatever this library becomes, it opens these.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::DateTime;
use serde::{Deserialize, Serialize};
use whisp_core::id::{RecordId, SubjectId, TenantId};
use whisp_core::privacy::{DataCategory, Grant, Purpose};
use whisp_core::store::{Kind, Sealed};
use whisp_core::vault::{
    IndexField, KeyTable, SealContext, SecretKey, SubjectKey, SubjectKeyState, TenantKey, Vault, WrappedKey,
};
use zeroize::Zeroizing;

use super::suite1::LiveKey;
use crate::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable};

#[derive(Serialize, Deserialize)]
struct Vectors {
    note: String,
    /// Seals under a key that is given.
    seals: Vec<Seal>,
    /// Everything from the key file on.
    chain: Chain,
}

#[derive(Serialize, Deserialize)]
struct Seal {
    subject_key: String,
    key_version: u32,
    salt: String,
    place: Place,
    plain: String,
    sealed: String,
}

#[derive(Serialize, Deserialize)]
struct Place {
    tenant: TenantId,
    subject: SubjectId,
    kind: String,
    record: RecordId,
    field: String,
    category: DataCategory,
    revision: u32,
}

#[derive(Serialize, Deserialize)]
struct Chain {
    key_file: String,
    tenant_epoch: u32,
    tenant_key: String,
    index_key: String,
    subject_version: u32,
    subject_key: String,
    place: Place,
    plain: String,
    sealed: String,
    digests: Vec<Keyed>,
}

#[derive(Serialize, Deserialize)]
struct Keyed {
    field: String,
    value: String,
    digest: String,
}

#[test]
fn i7_sealing_with_a_given_key_and_salt_gives_the_frozen_bytes() {
    for seal in frozen().seals {
        let key = LiveKey::new(seal.key_version, &SecretKey::new(Zeroizing::new(array(&seal.subject_key))));
        let context = context(&seal.place);
        let Sealed(sealed) = key.seal(&context, &array(&seal.salt), seal.plain.as_bytes()).unwrap();
        assert_eq!(hex(&sealed), seal.sealed);
        assert_eq!(key.open(&context, &bytes(&seal.sealed)).unwrap().as_slice(), seal.plain.as_bytes());
    }
}

#[tokio::test]
async fn i7_the_frozen_keys_open_what_they_sealed_and_index_as_before() {
    let chain = frozen().chain;
    let context = context(&chain.place);
    let folder = tempfile::tempdir().unwrap();
    let table = Arc::new(MemoryKeyTable::new());
    let tenant_key = TenantKey {
        epoch: chain.tenant_epoch,
        begun_at: None,
        wrapped: WrappedKey(bytes(&chain.tenant_key)),
        previous: None,
        index: WrappedKey(bytes(&chain.index_key)),
    };
    let subject_key = SubjectKey {
        version: chain.subject_version,
        epoch: chain.tenant_epoch,
        wrapped: WrappedKey(bytes(&chain.subject_key)),
    };
    table.put_tenant(context.tenant, tenant_key).await.unwrap();
    table.put_subjects(context.tenant, vec![(context.subject, subject_key)]).await.unwrap();
    let vault = EnvelopeVault::open(Arc::new(key_file(&folder, &bytes(&chain.key_file))), table).await.unwrap();

    let grant = Grant::for_tests(context.tenant, context.subject, Purpose::Rights, DateTime::UNIX_EPOCH);
    let opened = vault.open(&grant, &context, &Sealed(bytes(&chain.sealed))).await.unwrap();
    assert_eq!(opened.as_slice(), chain.plain.as_bytes());
    for keyed in chain.digests {
        let digest = vault.index(context.tenant, index_field(&keyed.field), keyed.value.as_bytes()).await.unwrap();
        assert_eq!(hex(&digest.0), keyed.digest, "{}", keyed.field);
    }
}

/// Reads the vectors. Where there are none yet, writes them and fails: look at them, commit them, and never change them.
fn frozen() -> Vectors {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/suite1.json");
    if !path.exists() {
        let made = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let made = std::thread::scope(|scope| scope.spawn(|| made.block_on(make())).join().unwrap());
        std::fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
        panic!("the vectors were missing and have been written anew");
    }
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

async fn make() -> Vectors {
    let subject_key: [u8; 32] = std::array::from_fn(|n| u8::try_from(n).unwrap());
    let salt: [u8; 24] = std::array::from_fn(|n| u8::try_from(0xa0 + n).unwrap());
    let seal = |key_version: u32, place: Place, plain: &str| {
        let key = LiveKey::new(key_version, &SecretKey::new(Zeroizing::new(subject_key)));
        let Sealed(sealed) = key.seal(&context(&place), &salt, plain.as_bytes()).unwrap();
        let (subject_key, salt, sealed) = (hex(&subject_key), hex(&salt), hex(&sealed));
        Seal { subject_key, key_version, salt, place, plain: plain.to_owned(), sealed }
    };
    Vectors {
        note:
            "Made once by whisp-store's own tests, then frozen. All byte strings are hexadecimal; keys are of no use."
                .to_owned(),
        seals: vec![
            seal(1, place("message", "body", DataCategory::MessageContent, 1), "Is the blue one in stock?"),
            seal(7, place("message", "body", DataCategory::MessageContent, 2), ""),
            seal(1, place("contact", "name", DataCategory::Identity, 1), "Айгерім 🌷"),
            seal(u32::MAX, place("connection", "token", DataCategory::Credential, u32::MAX), &"x".repeat(300)),
        ],
        chain: make_chain().await,
    }
}

async fn make_chain() -> Chain {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.key");
    let provider = Arc::new(LocalKeyProvider::create(&path).unwrap());
    let table = Arc::new(MemoryKeyTable::new());
    let vault = EnvelopeVault::open(provider, Arc::<MemoryKeyTable>::clone(&table)).await.unwrap();
    let place = place("message", "body", DataCategory::MessageContent, 3);
    let here = context(&place);
    vault.provision(here.tenant, &[here.subject]).await.unwrap();
    let plain = "Under a whole chain of keys";
    let Sealed(sealed) = vault.seal(&here, plain.as_bytes()).await.unwrap();
    let mut digests = Vec::new();
    for field in ["account", "dedup", "handle", "platform_message", "tag"] {
        let value = "17841400000000000";
        let digest = vault.index(here.tenant, index_field(field), value.as_bytes()).await.unwrap();
        digests.push(Keyed { field: field.to_owned(), value: value.to_owned(), digest: hex(&digest.0) });
    }
    let tenant = table.tenant(here.tenant).await.unwrap().unwrap();
    let SubjectKeyState::Live(subject) = table.subject(here.tenant, here.subject).await.unwrap() else {
        panic!("it has a key")
    };
    Chain {
        key_file: hex(&std::fs::read(path).unwrap()),
        tenant_epoch: tenant.epoch,
        tenant_key: hex(&tenant.wrapped.0),
        index_key: hex(&tenant.index.0),
        subject_version: subject.version,
        subject_key: hex(&subject.wrapped.0),
        place,
        plain: plain.to_owned(),
        sealed: hex(&sealed),
        digests,
    }
}

fn place(kind: &str, field: &str, category: DataCategory, revision: u32) -> Place {
    Place {
        tenant: TenantId::from_bytes([0x11; 16]),
        subject: SubjectId::from_bytes([0x22; 16]),
        kind: kind.to_owned(),
        record: RecordId::from_bytes([0x33; 16]),
        field: field.to_owned(),
        category,
        revision,
    }
}

fn context(place: &Place) -> SealContext {
    SealContext {
        tenant: place.tenant,
        subject: place.subject,
        kind: Kind::ALL.iter().copied().find(|kind| kind.name() == place.kind).unwrap(),
        record: place.record,
        field: place.field.clone().leak(),
        category: place.category,
        revision: place.revision,
    }
}

fn index_field(name: &str) -> IndexField {
    use IndexField as F;
    [F::Account, F::Dedup, F::Handle, F::PlatformMessage, F::Tag].into_iter().find(|f| f.as_str() == name).unwrap()
}

/// Writes a key file as the library itself would, through the only door that gives it the right rights.
fn key_file(folder: &tempfile::TempDir, content: &[u8]) -> LocalKeyProvider {
    use std::io::Write;
    let mut file = tempfile::NamedTempFile::new_in(folder).unwrap();
    file.write_all(content).unwrap();
    LocalKeyProvider::open(file.path()).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks_exact(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().unwrap()
}
