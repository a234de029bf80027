//! Sealing and opening beside the bare primitives that they are made of, and the keyed index.
//!
//! The bare side gets its salt, its key, its associated data and its buffers for nothing; it derives a key, sets up the
//! cipher and runs it once. What we do on top: find the subject's key, draw a salt, put the place together, check the
//! grant and the commitment, and return bytes of their own.
#![expect(clippy::expect_used, reason = "a bench stops where its set-up fails")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::hmac;
use chrono::DateTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use whisp::id::{RecordId, SubjectId, TenantId};
use whisp::privacy::{DataCategory, Grant, Purpose};
use whisp::store::Kind;
use whisp::stores::{EnvelopeVault, LocalKeyProvider, MemoryKeyTable};
use whisp::vault::{IndexField, SealContext, Vault};
use whisp_benches::{Goal, ratio};

/// A short message, and a long one.
const SIZES: [usize; 2] = [200, 1_024];

/// DESIGN.md, section 12: at most so many times the bare primitives.
const GOAL: Goal = Goal::TimesAtMost(1.25);

/// How many calls one turn of a ratio makes.
const CALLS: u64 = 200;

const HERE: SealContext = SealContext {
    tenant: TenantId::from_bytes([1; 16]),
    subject: SubjectId::from_bytes([2; 16]),
    kind: Kind::MESSAGE,
    record: RecordId::from_bytes([3; 16]),
    field: "body",
    category: DataCategory::MessageContent,
    revision: 1,
};

/// As many bytes as the info and the associated data of [`HERE`] have.
const INFO_LEN: usize = 44 + PLACE_LEN;
const PLACE_LEN: usize = 123;

fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let vault = runtime.block_on(vault());
    let grant = Grant::for_tests(HERE.tenant, HERE.subject, Purpose::ServiceProvision, DateTime::UNIX_EPOCH);
    let bare = Bare::new();
    for size in SIZES {
        let plain = vec![b'x'; size];
        let sealed = runtime.block_on(vault.seal(&HERE, &plain)).expect("seals");
        let cipher = bare.sealed(size);
        let mut buffer = plain.clone();
        let seal = async |calls: u64| {
            for _ in 0..calls {
                black_box(vault.seal(&HERE, black_box(&plain)).await).expect("seals");
            }
        };
        let open = async |calls: u64| {
            for _ in 0..calls {
                let mut plain = black_box(vault.open(&grant, &HERE, black_box(&sealed)).await).expect("opens");
                // As the assistant does: what was cleared is wiped at once when it is dropped.
                plain.clear();
            }
        };
        let mut group = criterion.benchmark_group(format!("seal/{size}"));
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function("whisp_seal", |b| b.iter_custom(|calls| timed(|| runtime.block_on(seal(calls)))));
        group.bench_function("bare_seal", |b| b.iter(|| bare.seal(&mut buffer)));
        group.bench_function("whisp_open", |b| b.iter_custom(|calls| timed(|| runtime.block_on(open(calls)))));
        group.bench_function("bare_open", |b| b.iter(|| bare.open(&cipher, &mut buffer)));
        group.finish();

        // Ours are driven as one future, because no caller enters the runtime for each call.
        let ours = || runtime.block_on(seal(CALLS));
        let peer = || (0..CALLS).for_each(|_| bare.seal(&mut buffer));
        ratio(&format!("seal {size} B, {CALLS} calls"), ours, peer, GOAL);
        let ours = || runtime.block_on(open(CALLS));
        let peer = || (0..CALLS).for_each(|_| bare.open(&cipher, &mut buffer));
        ratio(&format!("open {size} B, {CALLS} calls"), ours, peer, GOAL);
    }

    let value = b"+77010000000";
    let index = async |calls: u64| {
        for _ in 0..calls {
            black_box(vault.index(HERE.tenant, IndexField::Handle, black_box(value)).await).expect("indexes");
        }
    };
    criterion.bench_function("index/whisp", |b| b.iter_custom(|calls| timed(|| runtime.block_on(index(calls)))));
    criterion.bench_function("index/bare_hmac", |b| b.iter(|| bare.hmac()));
}

fn timed(run: impl FnOnce()) -> Duration {
    let started = Instant::now();
    run();
    started.elapsed()
}

async fn vault() -> EnvelopeVault {
    let folder = tempfile::tempdir().expect("a folder");
    let provider = LocalKeyProvider::create(folder.path().join("root.key")).expect("a key");
    let vault = EnvelopeVault::open(Arc::new(provider), Arc::new(MemoryKeyTable::new())).await.expect("opens");
    vault.provision(HERE.tenant, &[HERE.subject]).await.expect("provisions");
    vault
}

/// The primitives without anything around them.
struct Bare {
    prk: Prk,
    info: [u8; INFO_LEN],
    place: [u8; PLACE_LEN],
    index: hmac::Key,
}

impl Bare {
    fn new() -> Self {
        Self {
            prk: Prk::new_less_safe(HKDF_SHA256, &[7; 32]),
            info: [5; INFO_LEN],
            place: [6; PLACE_LEN],
            index: hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]),
        }
    }

    fn cipher(&self) -> (LessSafeKey, Nonce) {
        let mut derived = [0; Derived::LEN];
        let info = [black_box(self.info.as_slice())];
        self.prk.expand(&info, Derived).and_then(|okm| okm.fill(&mut derived)).expect("derives");
        let (key, rest) = derived.split_at(32);
        let nonce = Nonce::try_assume_unique_for_key(rest.split_at(12).0).expect("a nonce");
        (LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key")), nonce)
    }

    fn seal(&self, buffer: &mut [u8]) {
        let (cipher, nonce) = self.cipher();
        drop(black_box(cipher.seal_in_place_separate_tag(nonce, Aad::from(&self.place), buffer).expect("seals")));
    }

    fn sealed(&self, size: usize) -> Vec<u8> {
        let mut bytes = vec![b'x'; size];
        let (cipher, nonce) = self.cipher();
        cipher.seal_in_place_append_tag(nonce, Aad::from(&self.place), &mut bytes).expect("seals");
        bytes
    }

    fn open(&self, sealed: &[u8], buffer: &mut [u8]) {
        let (cipher, nonce) = self.cipher();
        let (text, tag) = sealed.split_at(sealed.len() - 16);
        cipher.open_separate_gather(nonce, Aad::from(&self.place), text, tag, buffer).expect("opens");
        black_box(buffer);
    }

    fn hmac(&self) -> hmac::Tag {
        hmac::sign(&self.index, black_box(self.place.split_at(64).0))
    }
}

struct Derived;

impl Derived {
    const LEN: usize = 76;
}

impl KeyType for Derived {
    fn len(&self) -> usize {
        Self::LEN
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
