//! Wrapping one key under another: AES-256-GCM-SIV, which forgives a repeated nonce.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use whisp_core::vault::{SecretKey, VaultError, VaultErrorKind, WrappedKey};
use zeroize::Zeroizing;

use super::{Canonical, failed, unavailable};

/// How many bytes a key has.
pub(crate) const KEY_LEN: usize = 32;

/// The format of what is wrapped here: the first byte of it.
const FORMAT: u8 = 1;

/// A key that wraps others. Layout of what it makes: `format 1 | nonce 12 | ciphertext 32 | tag 16`.
pub(crate) struct Wrapper(LessSafeKey);

impl Wrapper {
    pub(crate) fn new(key: &SecretKey) -> Result<Self, VaultError> {
        let key = UnboundKey::new(&AES_256_GCM_SIV, key.expose()).map_err(|_| unavailable("set up a key"))?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Wraps a key, bound to `place`.
    pub(crate) fn wrap(&self, place: &Canonical, key: &SecretKey) -> Result<WrappedKey, VaultError> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut cipher = Zeroizing::new(*key.expose());
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), cipher.as_mut_slice())
            .map_err(|_| unavailable("wrap a key"))?;
        let mut wrapped = Vec::with_capacity(1 + NONCE_LEN + KEY_LEN + tag.as_ref().len());
        wrapped.push(FORMAT);
        wrapped.extend_from_slice(&nonce);
        wrapped.extend_from_slice(cipher.as_slice());
        wrapped.extend_from_slice(tag.as_ref());
        Ok(WrappedKey(wrapped))
    }

    /// Unwraps what was wrapped for `place`.
    pub(crate) fn unwrap(&self, place: &Canonical, wrapped: &[u8]) -> Result<SecretKey, VaultError> {
        let fits = || -> Option<SecretKey> {
            let (&format, rest) = wrapped.split_first()?;
            let (nonce, rest) = rest.split_first_chunk::<NONCE_LEN>()?;
            let (cipher, tag) = rest.split_first_chunk::<KEY_LEN>()?;
            let mut key = Zeroizing::new([0; KEY_LEN]);
            let nonce = Nonce::assume_unique_for_key(*nonce);
            (format == FORMAT).then_some(())?;
            self.0.open_separate_gather(nonce, Aad::from(place), cipher, tag, key.as_mut_slice()).ok()?;
            Some(SecretKey::new(key))
        };
        fits().ok_or_else(|| failed("unwrap a key", VaultErrorKind::WrongKey))
    }
}

impl fmt::Debug for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wrapper(..)")
    }
}

/// Returns random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], VaultError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| unavailable("draw random bytes"))?;
    Ok(bytes)
}

/// Returns a new random key.
pub(crate) fn random_key() -> Result<SecretKey, VaultError> {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).map_err(|_| unavailable("draw a key"))?;
    Ok(SecretKey::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_every_truncation_and_another_place_are_refused() {
        let wrapper = Wrapper::new(&random_key().unwrap()).unwrap();
        let place = Canonical::new("here");
        let key = random_key().unwrap();
        let WrappedKey(wrapped) = wrapper.wrap(&place, &key).unwrap();
        assert_eq!(wrapper.unwrap(&place, &wrapped).unwrap().expose(), key.expose());
        assert!(wrapper.unwrap(&Canonical::new("there"), &wrapped).is_err());
        for bit in 0..wrapped.len() * 8 {
            let mut changed = wrapped.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(wrapper.unwrap(&place, &changed).unwrap_err().kind(), VaultErrorKind::WrongKey, "bit {bit}");
        }
        for len in 0..wrapped.len() {
            assert!(wrapper.unwrap(&place, &wrapped[..len]).is_err(), "{len} bytes");
        }
        let longer = [wrapped.as_slice(), &[0]].concat();
        assert!(wrapper.unwrap(&place, &longer).is_err());
    }
}
