//! A tenant's keys, unwrapped: wraps and unwraps subjects' keys, and makes keyed digests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::hmac;
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::vault::{
    Digest, IndexField, KeyContext, KeyProvider, SecretKey, SubjectKey, TenantKey, VaultError, VaultErrorKind,
    WrappedKey,
};
use zeroize::Zeroizing;

use super::suite1::LiveKey;
use crate::keys::{Canonical, Wrapper, failed, random_key, unavailable};

/// The epoch of a tenant's first key.
const FIRST_EPOCH: u32 = 1;

/// The version of a subject's first key.
const FIRST_VERSION: u32 = 1;

/// A tenant's keys, ready for use.
pub(crate) struct OpenTenant {
    tenant: TenantId,
    epoch: u32,
    wrapper: Wrapper,
    index: Prk,
    /// The keys of the fields that were asked for: as many as there are fields.
    fields: Mutex<BTreeMap<IndexField, Arc<hmac::Key>>>,
}

impl OpenTenant {
    /// Makes new keys for a tenant, wrapped.
    pub(crate) async fn make(tenant: TenantId, provider: &dyn KeyProvider) -> Result<TenantKey, VaultError> {
        let key = random_key()?;
        let wrapped = provider.wrap(&KeyContext { tenant, epoch: FIRST_EPOCH }, &key).await?;
        let index = Wrapper::new(&key)?.wrap(&index_place(tenant, FIRST_EPOCH), &random_key()?)?;
        Ok(TenantKey { epoch: FIRST_EPOCH, wrapped, index })
    }

    /// Unwraps a tenant's keys.
    pub(crate) async fn open(
        tenant: TenantId,
        key: &TenantKey,
        provider: &dyn KeyProvider,
    ) -> Result<Self, VaultError> {
        let secret = provider.unwrap(&KeyContext { tenant, epoch: key.epoch }, &key.wrapped).await?;
        let wrapper = Wrapper::new(&secret)?;
        let WrappedKey(index) = &key.index;
        let index = wrapper.unwrap(&index_place(tenant, key.epoch), index)?;
        let index = Prk::new_less_safe(HKDF_SHA256, index.expose());
        Ok(Self { tenant, epoch: key.epoch, wrapper, index, fields: Mutex::default() })
    }

    /// Makes a new key for a subject: wrapped, and ready for use.
    pub(crate) fn new_subject(&self, subject: SubjectId) -> Result<(SubjectKey, LiveKey), VaultError> {
        let key = random_key()?;
        let wrapped = self.wrapper.wrap(&self.subject_place(subject, FIRST_VERSION), &key)?;
        let live = LiveKey::new(FIRST_VERSION, &key);
        Ok((SubjectKey { version: FIRST_VERSION, epoch: self.epoch, wrapped }, live))
    }

    /// Unwraps a subject's key.
    pub(crate) fn open_subject(&self, subject: SubjectId, key: &SubjectKey) -> Result<LiveKey, VaultError> {
        if key.epoch != self.epoch {
            return Err(failed("unwrap a subject's key", VaultErrorKind::WrongKey)
                .with_advice("it is of another epoch than its tenant's key"));
        }
        let WrappedKey(wrapped) = &key.wrapped;
        let secret: SecretKey = self.wrapper.unwrap(&self.subject_place(subject, key.version), wrapped)?;
        Ok(LiveKey::new(key.version, &secret))
    }

    /// Makes a keyed digest.
    pub(crate) fn digest(&self, field: IndexField, value: &[u8]) -> Result<Digest, VaultError> {
        let key = self.field_key(field)?;
        let message =
            Canonical::new("whisp/bidx/v1").part(&self.tenant.into_bytes()).part(field.as_str().as_bytes()).part(value);
        let tag = hmac::sign(&key, message.as_ref());
        tag.as_ref().try_into().map(Digest).map_err(|_| unavailable("index"))
    }

    fn field_key(&self, field: IndexField) -> Result<Arc<hmac::Key>, VaultError> {
        let mut fields = self.fields.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = fields.get(&field) {
            return Ok(Arc::clone(key));
        }
        let place = Canonical::new("whisp/bik/v1").part(&self.tenant.into_bytes()).part(field.as_str().as_bytes());
        let mut bytes = Zeroizing::new([0; FieldKeyLen::LEN]);
        self.index
            .expand(&[place.as_ref()], FieldKeyLen)
            .and_then(|okm| okm.fill(bytes.as_mut_slice()))
            .map_err(|_| unavailable("derive an index key"))?;
        let key = Arc::new(hmac::Key::new(hmac::HMAC_SHA256, bytes.as_slice()));
        fields.insert(field, Arc::clone(&key));
        Ok(key)
    }

    fn subject_place(&self, subject: SubjectId, version: u32) -> Canonical {
        Canonical::new("whisp/wrap/v1")
            .part(&self.tenant.into_bytes())
            .part(&subject.into_bytes())
            .number(version)
            .number(self.epoch)
    }
}

impl fmt::Debug for OpenTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenTenant({:?}, epoch {})", self.tenant, self.epoch)
    }
}

struct FieldKeyLen;

impl FieldKeyLen {
    const LEN: usize = 32;
}

impl KeyType for FieldKeyLen {
    fn len(&self) -> usize {
        Self::LEN
    }
}

fn index_place(tenant: TenantId, epoch: u32) -> Canonical {
    Canonical::new("whisp/wrap-index/v1").part(&tenant.into_bytes()).number(epoch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocalKeyProvider;

    async fn open(provider: &LocalKeyProvider, tenant: TenantId) -> OpenTenant {
        let key = OpenTenant::make(tenant, provider).await.unwrap();
        OpenTenant::open(tenant, &key, provider).await.unwrap()
    }

    fn provider() -> LocalKeyProvider {
        let folder = tempfile::tempdir().unwrap();
        LocalKeyProvider::create(folder.path().join("root.key")).unwrap()
    }

    const ONE: SubjectId = SubjectId::from_bytes([1; 16]);
    const OTHER: SubjectId = SubjectId::from_bytes([2; 16]);

    #[tokio::test]
    async fn a_wrapped_key_fits_its_own_tenant_subject_version_and_epoch_only() {
        let provider = provider();
        let tenant = open(&provider, TenantId::from_bytes([1; 16])).await;
        let stranger = open(&provider, TenantId::from_bytes([2; 16])).await;
        let (key, _) = tenant.new_subject(ONE).unwrap();
        assert!(tenant.open_subject(ONE, &key).is_ok());
        let kind = |result: Result<LiveKey, VaultError>| result.unwrap_err().kind();
        assert_eq!(kind(tenant.open_subject(OTHER, &key)), VaultErrorKind::WrongKey);
        assert_eq!(kind(stranger.open_subject(ONE, &key)), VaultErrorKind::WrongKey);
        let (version, epoch) = (key.version + 1, key.epoch + 1);
        let relabeled = [SubjectKey { version, ..key.clone() }, SubjectKey { epoch, ..key }];
        for key in relabeled {
            assert_eq!(kind(tenant.open_subject(ONE, &key)), VaultErrorKind::WrongKey);
        }
    }

    #[tokio::test]
    async fn keys_of_two_tenants_can_not_be_swapped() {
        let provider = provider();
        let (one, other) = (TenantId::from_bytes([1; 16]), TenantId::from_bytes([2; 16]));
        let ours = OpenTenant::make(one, &provider).await.unwrap();
        let theirs = OpenTenant::make(other, &provider).await.unwrap();
        let mixed = TenantKey { index: theirs.index.clone(), ..ours };
        for (tenant, key) in [(one, &theirs), (one, &mixed)] {
            let refused = OpenTenant::open(tenant, key, &provider).await;
            assert_eq!(refused.unwrap_err().kind(), VaultErrorKind::WrongKey);
        }
    }
}
