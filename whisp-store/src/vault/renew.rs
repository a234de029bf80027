//! The keys of a subject that was given new ones. The first is in the subject's own row of the key table, whose version is
//! that of the newest. Each later one has a row of its own, under an id that follows from the subject's: so a table keeps,
//! turns, overwrites and drops it as it does any other, and knows nothing of this.
//!
//! A later key counts once the first row says so. What a crash leaves before that has sealed nothing, and is taken for the
//! key by the next renewal.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::store::Sealed;
use whisp_core::vault::{KeyErasure, Rewrap, SealContext, SubjectKey, SubjectKeyState, VaultError, VaultErrorKind};
use zeroize::Zeroizing;

use super::suite1::{LiveKey, key_version};
use super::tenant::{FIRST_VERSION, OpenTenant};
use super::{EnvelopeVault, TURNS_MAX};
use crate::keys::{Canonical, failed};

/// How many keys a subject may have had: each is read whenever the subject's keys are.
pub const VERSIONS_MAX: u32 = 16;

/// A subject's keys, ready for use.
pub(crate) struct KeyRing {
    newest: LiveKey,
    older: Vec<LiveKey>,
}

impl KeyRing {
    pub(crate) const fn new(only: LiveKey) -> Self {
        Self { newest: only, older: Vec::new() }
    }

    fn add(&mut self, newest: LiveKey) {
        self.older.push(std::mem::replace(&mut self.newest, newest));
    }

    /// The key that seals.
    pub(crate) const fn newest(&self) -> &LiveKey {
        &self.newest
    }

    /// Returns whether a value is sealed under the newest key.
    pub(super) fn is_newest(&self, sealed: &Sealed) -> bool {
        key_version(&sealed.0) == Some(self.newest.version())
    }

    /// Returns whether the key is here that a value says it is sealed under.
    fn has_key_of(&self, sealed: &Sealed) -> bool {
        self.is_newest(sealed) || self.older.iter().any(|key| key_version(&sealed.0) == Some(key.version()))
    }

    /// Opens what was sealed for this place, under any of the keys.
    pub(super) fn open(&self, context: &SealContext, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let older = self.older.iter().find(|key| key_version(&sealed.0) == Some(key.version()));
        older.unwrap_or(&self.newest).open(context, &sealed.0)
    }
}

impl EnvelopeVault {
    /// Returns a subject's keys, with the one that a value is sealed under if there is one.
    pub(super) async fn keys_of(
        &self,
        operation: &'static str,
        context: &SealContext,
        sealed: &Sealed,
    ) -> Result<Arc<KeyRing>, VaultError> {
        let keys = self.key(operation, context).await?;
        if keys.has_key_of(sealed) {
            return Ok(keys);
        }
        // Another process may have made it a moment ago.
        self.subjects.doubt(context.tenant, context.subject);
        self.key(operation, context).await
    }

    /// Unwraps all keys of a subject; `None` if the epoch has turned since one of them was read.
    pub(super) async fn open_all(
        &self,
        open: &OpenTenant,
        (tenant, subject): (TenantId, SubjectId),
        first: &SubjectKey,
    ) -> Result<Option<KeyRing>, VaultError> {
        let provider = &*self.provider;
        let Some(key) = open.open_subject(subject, first, FIRST_VERSION, provider).await? else { return Ok(None) };
        let mut keys = KeyRing::new(key);
        for version in later(first.version) {
            let row = row_of(tenant, subject, version);
            let key = match self.table.subject(tenant, row).await? {
                SubjectKeyState::Live(key) => key,
                SubjectKeyState::Erased(_) => return Err(failed("use a subject's key", VaultErrorKind::Erased)),
                SubjectKeyState::Absent => return Err(lost(version)),
            };
            let Some(key) = open.open_subject(row, &key, version, provider).await? else { return Ok(None) };
            keys.add(key);
        }
        Ok(Some(keys))
    }

    /// Makes a subject's next key.
    pub(super) async fn renew_key(&self, tenant: TenantId, subject: SubjectId) -> Result<u32, VaultError> {
        let mut made = None;
        for _ in 0..TURNS_MAX {
            let first = match self.table.subject(tenant, subject).await? {
                SubjectKeyState::Live(key) => key,
                SubjectKeyState::Erased(at) => {
                    if let Some(version) = made {
                        self.table.erase(tenant, row_of(tenant, subject, version), at).await?;
                    }
                    return Err(failed("renew a key", VaultErrorKind::Erased));
                }
                SubjectKeyState::Absent => return Err(failed("renew a key", VaultErrorKind::UnknownSubject)),
            };
            if made.is_some_and(|version| first.version >= version) {
                // Somebody else has done it meanwhile.
                self.subjects.doubt(tenant, subject);
                return Ok(first.version);
            }
            let Some(version) = first.version.checked_add(1).filter(|version| *version <= VERSIONS_MAX) else {
                return Err(failed("renew a key", VaultErrorKind::Exhausted));
            };
            let open = self.tenant(tenant).await?.ok_or_else(|| failed("renew a key", VaultErrorKind::WrongKey))?;
            match self.put_next(&open, (tenant, subject), &first, version).await {
                Ok(true) => {
                    self.subjects.doubt(tenant, subject);
                    return Ok(version);
                }
                Ok(false) => {}
                Err(error) if error.kind() == VaultErrorKind::Turned => {}
                Err(error) => return Err(error),
            }
            made = Some(version);
            self.tenants.doubt(tenant);
        }
        Err(failed("renew a key", VaultErrorKind::Turned))
    }

    /// Writes a key's row, then in the first that it counts; returns whether it does.
    async fn put_next(
        &self,
        open: &OpenTenant,
        (tenant, subject): (TenantId, SubjectId),
        first: &SubjectKey,
        version: u32,
    ) -> Result<bool, VaultError> {
        let row = row_of(tenant, subject, version);
        let (key, _) = open.new_subject(row, version)?;
        self.table.put_subjects(tenant, vec![(row, key)]).await?;
        let to = open.rewrap(subject, first, version, &*self.provider).await?;
        let counts = Rewrap { subject, from: first.clone(), to };
        Ok(self.table.rewrap(tenant, vec![counts]).await? == 1)
    }

    /// Destroys all keys of a subject, the first one last: its mark says since when nothing is left.
    pub(super) async fn erase_all(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        at: DateTime<Utc>,
    ) -> Result<KeyErasure, VaultError> {
        let newest = match self.table.subject(tenant, subject).await? {
            SubjectKeyState::Live(first) => first.version,
            SubjectKeyState::Erased(_) | SubjectKeyState::Absent => FIRST_VERSION,
        };
        for version in later(newest) {
            self.table.erase(tenant, row_of(tenant, subject, version), at).await?;
        }
        let since = match self.table.erase(tenant, subject, at).await? {
            SubjectKeyState::Absent => return Ok(KeyErasure::Absent),
            SubjectKeyState::Live(first) if first.version == newest => return Ok(KeyErasure::Destroyed(at)),
            SubjectKeyState::Live(_) => at,
            SubjectKeyState::Erased(since) => since,
        };
        // It was renewed in between. Or this was cut short before, just here.
        let mut last = since;
        for version in later(VERSIONS_MAX) {
            let row = row_of(tenant, subject, version);
            match self.table.subject(tenant, row).await? {
                SubjectKeyState::Absent => break,
                SubjectKeyState::Erased(_) => {}
                SubjectKeyState::Live(_) => {
                    self.table.erase(tenant, row, at).await?;
                    last = last.max(at);
                }
            }
        }
        Ok(KeyErasure::Destroyed(last))
    }
}

/// The versions after the first, up to one.
fn later(newest: u32) -> impl Iterator<Item = u32> {
    FIRST_VERSION + 1..=newest.min(VERSIONS_MAX)
}

/// Returns where a later key of a subject is.
fn row_of(tenant: TenantId, subject: SubjectId, version: u32) -> SubjectId {
    let name =
        Canonical::new("whisp/key-row/v1").part(&tenant.into_bytes()).part(&subject.into_bytes()).number(version);
    let mut row = [0; 16];
    row.iter_mut().zip(digest(&SHA256, name.as_ref()).as_ref()).for_each(|(to, from)| *to = *from);
    SubjectId::from_bytes(row)
}

fn lost(version: u32) -> VaultError {
    failed("use a subject's key", VaultErrorKind::WrongKey)
        .with_advice(format!("the subject's key of version {version} is gone: the key table is damaged"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys are found by it for ever: SHA-256 over each part after its length, cut to sixteen bytes, by another program.
    #[test]
    fn a_later_key_is_in_the_same_row_for_ever() {
        let (tenant, subject) = (TenantId::from_bytes([0x11; 16]), SubjectId::from_bytes([0x22; 16]));
        assert_eq!(row_of(tenant, subject, 2).to_string(), "4c2df90a-913d-1dfb-5484-a66689cb28f7");
        assert_ne!(row_of(tenant, subject, 3), row_of(tenant, subject, 2));
    }
}
