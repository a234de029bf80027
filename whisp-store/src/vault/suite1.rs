//! Suite 1: how one value is sealed under its subject's key.
//!
//! ```text
//! magic 0x57 | version 1 | suite 1 | flags 0 | key version u32 | salt 24 | commitment 32 | ciphertext | tag 16
//!
//! place = "whisp/seal/v1" | tenant | subject | kind | record | field | category | revision, each after its length
//! key 32 | nonce 12 | commitment 32 = HKDF-SHA256-Expand(subject key, "whisp/kdf/v1" | header | salt | place)
//! ciphertext | tag = AES-256-GCM(key, nonce, plain, associated data: place)
//! ```
//! Key and nonce follow from a random salt **and** the value's place, so that a salt that comes twice (a restored
//! snapshot of a machine) on another record or revision does not repeat them. The commitment makes sure that no sealed
//! value opens under two keys. The header goes into the derivation, so that nothing can be relabelled as another suite.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use whisp_core::store::Sealed;
use whisp_core::vault::{SealContext, SecretKey, VaultError, VaultErrorKind};
use zeroize::Zeroizing;

use crate::keys::{Canonical, failed, unavailable};

const MAGIC: u8 = 0x57;
const VERSION: u8 = 1;
const SUITE: u8 = 1;
const FLAGS: u8 = 0;

const HEADER_LEN: usize = 8;
pub(crate) const SALT_LEN: usize = 24;
const COMMITMENT_LEN: usize = 32;
const KEY_LEN: usize = 32;
const TAG_LEN: usize = 16;
const PREFIX_LEN: usize = HEADER_LEN + SALT_LEN + COMMITMENT_LEN;

/// How many bytes a sealed value is longer than the plain one.
pub const OVERHEAD: usize = PREFIX_LEN + TAG_LEN;

/// A subject's key, ready for use. The bytes are wiped when it is dropped.
pub(crate) struct LiveKey {
    version: u32,
    prk: Prk,
}

impl LiveKey {
    pub(crate) fn new(version: u32, key: &SecretKey) -> Self {
        Self { version, prk: Prk::new_less_safe(HKDF_SHA256, key.expose()) }
    }

    /// Returns the version that it seals as.
    pub(crate) const fn version(&self) -> u32 {
        self.version
    }

    /// Seals a value. The salt must not have been used before in this place.
    pub(crate) fn seal(
        &self,
        context: &SealContext,
        salt: &[u8; SALT_LEN],
        plain: &[u8],
    ) -> Result<Sealed, VaultError> {
        let place = place(context);
        let header = header(self.version);
        let derived = self.derive(&header, salt, &place)?;
        let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD);
        sealed.extend_from_slice(&header);
        sealed.extend_from_slice(salt);
        sealed.extend_from_slice(derived.commitment());
        sealed.extend_from_slice(plain);
        let (_, text) = sealed.split_at_mut(PREFIX_LEN);
        let tag = derived
            .cipher()
            .and_then(|cipher| cipher.seal_in_place_separate_tag(derived.nonce(), Aad::from(&place), text))
            .map_err(|_| unavailable("seal"))?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(Sealed(sealed))
    }

    /// Opens what was sealed for this place.
    pub(crate) fn open(&self, context: &SealContext, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let parts = Parts::read(sealed)?;
        if parts.header != &header(self.version) {
            return Err(corrupt());
        }
        let place = place(context);
        let derived = self.derive(parts.header, parts.salt, &place)?;
        verify_slices_are_equal(derived.commitment(), parts.commitment).map_err(|_| corrupt())?;
        let cipher = derived.cipher().map_err(|_| unavailable("open"))?;
        let mut plain = Zeroizing::new(vec![0; parts.ciphertext.len()]);
        cipher
            .open_separate_gather(derived.nonce(), Aad::from(&place), parts.ciphertext, parts.tag, &mut plain)
            .map_err(|_| corrupt())?;
        Ok(plain)
    }

    fn derive(
        &self,
        header: &[u8; HEADER_LEN],
        salt: &[u8; SALT_LEN],
        place: &Canonical,
    ) -> Result<Derived, VaultError> {
        let mut bytes = Zeroizing::new([0; DERIVED_LEN]);
        self.prk
            .expand(&[b"whisp/kdf/v1", header, salt, place.as_ref()], DerivedLen)
            .and_then(|okm| okm.fill(bytes.as_mut_slice()))
            .map_err(|_| unavailable("derive a key"))?;
        Ok(Derived(bytes))
    }
}

impl fmt::Debug for LiveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiveKey(..)")
    }
}

/// Returns the version of the key that a value says it was sealed under.
pub(crate) fn key_version(sealed: &[u8]) -> Option<u32> {
    let (header, _) = sealed.split_first_chunk::<HEADER_LEN>()?;
    let [.., a, b, c, d] = *header;
    Some(u32::from_be_bytes([a, b, c, d]))
}

/// What a sealed value consists of.
struct Parts<'a> {
    header: &'a [u8; HEADER_LEN],
    salt: &'a [u8; SALT_LEN],
    commitment: &'a [u8; COMMITMENT_LEN],
    ciphertext: &'a [u8],
    tag: &'a [u8; TAG_LEN],
}

impl<'a> Parts<'a> {
    fn read(sealed: &'a [u8]) -> Result<Self, VaultError> {
        let (header, rest) = sealed.split_first_chunk::<HEADER_LEN>().ok_or_else(corrupt)?;
        let [magic, version, suite, flags, ..] = header;
        if *magic != MAGIC || *flags != FLAGS || *version == 0 || *suite == 0 {
            return Err(corrupt());
        }
        if *version > VERSION || *suite > SUITE {
            return Err(failed("open", VaultErrorKind::Newer)
                .with_advice("a newer version of this library sealed it, or it is damaged"));
        }
        let (salt, rest) = rest.split_first_chunk().ok_or_else(corrupt)?;
        let (commitment, rest) = rest.split_first_chunk().ok_or_else(corrupt)?;
        let (ciphertext, tag) = rest.split_last_chunk().ok_or_else(corrupt)?;
        Ok(Self { header, salt, commitment, ciphertext, tag })
    }
}

const DERIVED_LEN: usize = KEY_LEN + NONCE_LEN + COMMITMENT_LEN;

/// `key | nonce | commitment`.
struct Derived(Zeroizing<[u8; DERIVED_LEN]>);

impl Derived {
    fn cipher(&self) -> Result<LessSafeKey, aws_lc_rs::error::Unspecified> {
        let (key, _) = self.0.split_at(KEY_LEN);
        UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new)
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce.iter_mut().zip(self.0.iter().skip(KEY_LEN)).for_each(|(to, from)| *to = *from);
        Nonce::assume_unique_for_key(nonce)
    }

    fn commitment(&self) -> &[u8] {
        self.0.split_at(KEY_LEN + NONCE_LEN).1
    }
}

struct DerivedLen;

impl KeyType for DerivedLen {
    fn len(&self) -> usize {
        DERIVED_LEN
    }
}

fn header(key_version: u32) -> [u8; HEADER_LEN] {
    let [a, b, c, d] = key_version.to_be_bytes();
    [MAGIC, VERSION, SUITE, FLAGS, a, b, c, d]
}

fn place(context: &SealContext) -> Canonical {
    Canonical::new("whisp/seal/v1")
        .part(&context.tenant.into_bytes())
        .part(&context.subject.into_bytes())
        .part(context.kind.name().as_bytes())
        .part(&context.record.into_bytes())
        .part(context.field.as_bytes())
        .part(context.category.as_str().as_bytes())
        .number(context.revision)
}

/// One answer to everything that does not fit, so that it tells nothing about what did.
fn corrupt() -> VaultError {
    failed("open", VaultErrorKind::Corrupt)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use whisp_core::id::{RecordId, SubjectId, TenantId};
    use whisp_core::privacy::DataCategory;
    use whisp_core::store::Kind;

    use super::*;
    use crate::keys::random_key;

    const HERE: SealContext = SealContext {
        tenant: TenantId::from_bytes([1; 16]),
        subject: SubjectId::from_bytes([2; 16]),
        kind: Kind::MESSAGE,
        record: RecordId::from_bytes([3; 16]),
        field: "body",
        category: DataCategory::MessageContent,
        revision: 1,
    };

    fn key() -> LiveKey {
        LiveKey::new(1, &random_key().unwrap())
    }

    #[test]
    fn i4_equal_salts_on_different_places_give_different_keys_nonces_and_commitments() {
        let (key, salt) = (key(), [5; SALT_LEN]);
        let derived = |context: &SealContext| key.derive(&header(1), &salt, &place(context)).unwrap().0;
        let places = [
            HERE,
            SealContext { revision: 2, ..HERE },
            SealContext { record: RecordId::from_bytes([4; 16]), ..HERE },
            SealContext { field: "name", ..HERE },
        ];
        for (n, one) in places.iter().enumerate() {
            for other in &places[..n] {
                let (one, other) = (derived(one), derived(other));
                assert_ne!(one[..KEY_LEN], other[..KEY_LEN]);
                assert_ne!(one[KEY_LEN..KEY_LEN + NONCE_LEN], other[KEY_LEN..KEY_LEN + NONCE_LEN]);
                assert_ne!(one[KEY_LEN + NONCE_LEN..], other[KEY_LEN + NONCE_LEN..]);
            }
        }
    }

    #[test]
    fn the_header_is_part_of_the_derivation() {
        let (key, salt) = (key(), [5; SALT_LEN]);
        let one = key.derive(&header(1), &salt, &place(&HERE)).unwrap().0;
        let other = key.derive(&header(2), &salt, &place(&HERE)).unwrap().0;
        assert_ne!(*one, *other);
    }

    #[test]
    fn a_value_under_another_key_or_of_another_version_of_it_does_not_open() {
        let secret = random_key().unwrap();
        let Sealed(sealed) = LiveKey::new(1, &secret).seal(&HERE, &[5; SALT_LEN], b"plain").unwrap();
        assert!(LiveKey::new(1, &secret).open(&HERE, &sealed).is_ok());
        for other in [key(), LiveKey::new(2, &secret)] {
            assert_eq!(other.open(&HERE, &sealed).unwrap_err().kind(), VaultErrorKind::Corrupt);
        }
    }

    #[test]
    fn a_newer_version_or_suite_is_told_from_damage() {
        let key = key();
        for (byte, value) in [(1, VERSION + 1), (2, SUITE + 1)] {
            let Sealed(mut sealed) = key.seal(&HERE, &[5; SALT_LEN], b"plain").unwrap();
            sealed[byte] = value;
            assert_eq!(key.open(&HERE, &sealed).unwrap_err().kind(), VaultErrorKind::Newer);
        }
    }

    #[test]
    fn keys_are_not_shown() {
        let key = LiveKey::new(1, &SecretKey::new(Zeroizing::new([0xc7; 32])));
        assert_eq!(format!("{key:?}"), "LiveKey(..)");
    }

    proptest! {
        #[test]
        fn i3_whatever_is_sealed_opens_and_nothing_changed_or_cut_short_does(
            plain in proptest::collection::vec(any::<u8>(), 0..600),
            bit in any::<prop::sample::Index>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let key = key();
            let Sealed(sealed) = key.seal(&HERE, &[5; SALT_LEN], &plain).unwrap();
            prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD);
            let opened = key.open(&HERE, &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
            let bit = bit.index(sealed.len() * 8);
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(key.open(&HERE, &changed).is_err());
            prop_assert!(key.open(&HERE, &sealed[..cut.index(sealed.len())]).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(key().open(&HERE, &bytes).is_err());
        }

        #[test]
        fn no_bytes_after_a_good_header_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let bytes = [header(1).as_slice(), &bytes].concat();
            prop_assert!(key().open(&HERE, &bytes).is_err());
        }
    }
}
