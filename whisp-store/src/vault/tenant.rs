//! A tenant's keys, unwrapped: wraps and unwraps subjects' keys, and makes keyed digests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk};
use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use tokio::sync::OnceCell;
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
pub(super) const FIRST_VERSION: u32 = 1;

/// A tenant's keys, ready for use.
pub(crate) struct OpenTenant {
    tenant: TenantId,
    /// As the table has them.
    key: TenantKey,
    wrapper: Wrapper,
    /// The key of the epoch before, once a subject's key needs it.
    previous: OnceCell<Wrapper>,
    index: Prk,
    /// The keys of the fields that were asked for: as many as there are fields.
    fields: Mutex<BTreeMap<IndexField, Arc<hmac::Key>>>,
}

impl OpenTenant {
    /// Makes new keys for a tenant, wrapped.
    pub(crate) async fn make(tenant: TenantId, provider: &dyn KeyProvider) -> Result<TenantKey, VaultError> {
        Self::wrap(tenant, FIRST_EPOCH, None, &random_key()?, provider).await
    }

    /// Makes the keys of the next epoch, wrapped: a new key of the tenant, and the same one of its indexes.
    pub(crate) async fn next(&self, provider: &dyn KeyProvider, now: DateTime<Utc>) -> Result<TenantKey, VaultError> {
        let WrappedKey(index) = &self.key.index;
        let index = self.wrapper.unwrap(&index_place(self.tenant, self.key.epoch), index)?;
        let epoch = self.key.epoch.checked_add(1).ok_or_else(|| failed("turn an epoch", VaultErrorKind::WrongKey))?;
        let next = Self::wrap(self.tenant, epoch, Some(now), &index, provider).await?;
        Ok(TenantKey { previous: Some(self.key.wrapped.clone()), ..next })
    }

    async fn wrap(
        tenant: TenantId,
        epoch: u32,
        begun_at: Option<DateTime<Utc>>,
        index: &SecretKey,
        provider: &dyn KeyProvider,
    ) -> Result<TenantKey, VaultError> {
        let key = random_key()?;
        let wrapped = provider.wrap(&KeyContext { tenant, epoch }, &key).await?;
        let index = Wrapper::new(&key)?.wrap(&index_place(tenant, epoch), index)?;
        // Tables keep microseconds, and what is written must be what is compared with later.
        let begun_at = begun_at.and_then(|at| DateTime::from_timestamp_micros(at.timestamp_micros()));
        Ok(TenantKey { epoch, begun_at, wrapped, previous: None, index })
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
        Ok(Self { tenant, key: key.clone(), wrapper, previous: OnceCell::new(), index, fields: Mutex::default() })
    }

    /// Returns whether these are the keys that the table has.
    pub(crate) fn is(&self, key: &TenantKey) -> bool {
        self.key == *key
    }

    /// Makes a new key for a row of the table: wrapped, and ready for use.
    pub(crate) fn new_subject(&self, row: SubjectId, version: u32) -> Result<(SubjectKey, LiveKey), VaultError> {
        let key = random_key()?;
        let place = self.subject_place(row, version, self.key.epoch);
        let wrapped = self.wrapper.wrap(&place, &key)?;
        Ok((SubjectKey { version, epoch: self.key.epoch, wrapped }, LiveKey::new(version, &key)))
    }

    /// Unwraps the key of a row, which seals as this version; `None` if it is of another epoch than these keys are, and were
    /// before.
    pub(crate) async fn open_subject(
        &self,
        row: SubjectId,
        key: &SubjectKey,
        version: u32,
        provider: &dyn KeyProvider,
    ) -> Result<Option<LiveKey>, VaultError> {
        let Some(wrapper) = self.wrapper_of(key.epoch, provider).await? else { return Ok(None) };
        let WrappedKey(wrapped) = &key.wrapped;
        let secret = wrapper.unwrap(&self.subject_place(row, key.version, key.epoch), wrapped)?;
        Ok(Some(LiveKey::new(version, &secret)))
    }

    /// Wraps the key of a row, of this epoch or the one before, under the current one, with this version on the row.
    pub(crate) async fn rewrap(
        &self,
        subject: SubjectId,
        key: &SubjectKey,
        version: u32,
        provider: &dyn KeyProvider,
    ) -> Result<SubjectKey, VaultError> {
        let wrapper = self.wrapper_of(key.epoch, provider).await?;
        let wrapper = wrapper.ok_or_else(|| failed("wrap a subject's key anew", VaultErrorKind::WrongKey))?;
        let WrappedKey(wrapped) = &key.wrapped;
        let secret = wrapper.unwrap(&self.subject_place(subject, key.version, key.epoch), wrapped)?;
        let wrapped = self.wrapper.wrap(&self.subject_place(subject, version, self.key.epoch), &secret)?;
        Ok(SubjectKey { version, epoch: self.key.epoch, wrapped })
    }

    async fn wrapper_of(&self, epoch: u32, provider: &dyn KeyProvider) -> Result<Option<&Wrapper>, VaultError> {
        if epoch == self.key.epoch {
            return Ok(Some(&self.wrapper));
        }
        let Some(previous) = self.key.previous.as_ref().filter(|_| epoch.checked_add(1) == Some(self.key.epoch)) else {
            return Ok(None);
        };
        let open = async || Wrapper::new(&provider.unwrap(&KeyContext { tenant: self.tenant, epoch }, previous).await?);
        self.previous.get_or_try_init(open).await.map(Some)
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

    fn subject_place(&self, subject: SubjectId, version: u32, epoch: u32) -> Canonical {
        Canonical::new("whisp/wrap/v1")
            .part(&self.tenant.into_bytes())
            .part(&subject.into_bytes())
            .number(version)
            .number(epoch)
    }
}

impl fmt::Debug for OpenTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenTenant({:?}, epoch {})", self.tenant, self.key.epoch)
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
    use whisp_core::id::RecordId;
    use whisp_core::privacy::DataCategory;
    use whisp_core::store::Kind;
    use whisp_core::vault::SealContext;

    use super::super::suite1::SALT_LEN;
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

    const HERE: SealContext = SealContext {
        tenant: TenantId::from_bytes([1; 16]),
        subject: ONE,
        kind: Kind::MESSAGE,
        record: RecordId::from_bytes([3; 16]),
        field: "body",
        category: DataCategory::MessageContent,
        revision: 1,
    };

    #[tokio::test]
    async fn a_wrapped_key_fits_its_own_tenant_subject_version_and_epoch_only() {
        let provider = provider();
        let tenant = open(&provider, TenantId::from_bytes([1; 16])).await;
        let stranger = open(&provider, TenantId::from_bytes([2; 16])).await;
        let (key, _) = tenant.new_subject(ONE, FIRST_VERSION).unwrap();
        let open = async |tenant: &OpenTenant, subject, key: &SubjectKey| {
            tenant.open_subject(subject, key, FIRST_VERSION, &provider).await.map(|live| live.is_some())
        };
        assert!(open(&tenant, ONE, &key).await.unwrap());
        let other_version = SubjectKey { version: key.version + 1, ..key.clone() };
        for refused in [
            open(&tenant, OTHER, &key).await,
            open(&stranger, ONE, &key).await,
            open(&tenant, ONE, &other_version).await,
        ] {
            assert_eq!(refused.unwrap_err().kind(), VaultErrorKind::WrongKey);
        }
        let other_epoch = SubjectKey { epoch: key.epoch + 1, ..key };
        assert!(!open(&tenant, ONE, &other_epoch).await.unwrap());
    }

    #[tokio::test]
    async fn a_key_that_is_wrapped_anew_is_the_same_and_of_the_next_epoch_only() {
        let provider = provider();
        let before = open(&provider, TenantId::from_bytes([1; 16])).await;
        let (old, live) = before.new_subject(ONE, FIRST_VERSION).unwrap();
        let sealed = live.seal(&HERE, &[7; SALT_LEN], b"plain").unwrap();
        let next = before.next(&provider, DateTime::UNIX_EPOCH).await.unwrap();
        let after = OpenTenant::open(before.tenant, &next, &provider).await.unwrap();
        assert_eq!(
            before.digest(IndexField::Handle, b"x").unwrap(),
            after.digest(IndexField::Handle, b"x").unwrap(),
            "what was indexed is found"
        );
        let new = after.rewrap(ONE, &old, old.version, &provider).await.unwrap();
        assert_eq!((new.epoch, new.version), (old.epoch + 1, old.version));
        for key in [&old, &new] {
            let opened = after.open_subject(ONE, key, FIRST_VERSION, &provider).await.unwrap().unwrap();
            assert_eq!(opened.open(&HERE, &sealed.0).unwrap().as_slice(), b"plain");
        }
        assert!(before.open_subject(ONE, &new, FIRST_VERSION, &provider).await.unwrap().is_none());
        let relabeled = SubjectKey { epoch: new.epoch, ..old };
        let refused = after.open_subject(ONE, &relabeled, FIRST_VERSION, &provider).await;
        assert_eq!(refused.err().unwrap().kind(), VaultErrorKind::WrongKey);
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
