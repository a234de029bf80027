//! Tenants and their settings.

use crate::assistant::{Assistant, AssistantError};
use crate::audit::AuditAction;
use crate::entity::{AuditDraft, By, in_directory};
use crate::id::{SubjectId, TenantId};
use crate::model::{Containment, SensitivePolicy, Tenant, TenantRetention};
use crate::sensitive::Sensitive;
use crate::store::{Commit, Kind, Record, WriteBatch, WriteOp};

/// Nothing is turned on for an account that is to be closed.
pub(super) const CLOSING: AssistantError = AssistantError::Invalid("the account is to be closed: keep it open first");

/// How often a change is tried again when somebody else changed the same meanwhile.
pub(super) const TRIES_MAX: usize = 8;

/// How long a name may be, in bytes.
const NAME_MAX: usize = 500;

/// Checks that a name is one.
pub(super) fn check_name(name: &Sensitive) -> Result<(), AssistantError> {
    match name.expose().trim().len() {
        1..=NAME_MAX => Ok(()),
        _ => Err(AssistantError::Invalid("give the right name, of at most 500 bytes")),
    }
}

/// A business to be served.
#[derive(Debug, Clone)]
pub struct NewTenant {
    /// Its id; the host may use one of its own, so that a repeated call is noticed.
    pub id: TenantId,
    /// Its name.
    pub name: Sensitive,
    /// Its IANA time zone, for example `Asia/Almaty`.
    pub zone: String,
    /// Into how many buckets its conversations hash: how many workers can share it.
    pub buckets: u16,
}

impl NewTenant {
    /// A business with the default number of buckets.
    #[must_use]
    pub fn new(id: TenantId, name: &str, zone: &str) -> Self {
        Self { id, name: name.into(), zone: zone.to_owned(), buckets: Tenant::BUCKETS_DEFAULT }
    }
}

impl Assistant {
    /// Takes a business on. Automation is off until [`set_automation`](Self::set_automation).
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if the id is taken, or was that of an account that is closed, the number of buckets is out
    /// of range, or the zone is not the name of one; by the store and the vault.
    ///
    /// # Cancellation
    /// The tenant is there or not; repeat the call.
    pub async fn create_tenant(&self, new: NewTenant) -> Result<Tenant, AssistantError> {
        if !(1..=Tenant::BUCKETS_MAX).contains(&new.buckets) {
            return Err(AssistantError::Invalid("a tenant has 1 to 1024 buckets"));
        }
        if new.id == TenantId::DIRECTORY {
            return Err(AssistantError::Invalid("the nil id is the directory's"));
        }
        if new.zone.parse::<chrono_tz::Tz>().is_err() {
            return Err(AssistantError::Invalid(
                "the zone is not an IANA time zone: name it as in Asia/Almaty, or UTC",
            ));
        }
        let inner = &self.inner;
        if inner.entities.record(TenantId::DIRECTORY, Kind::CLOSED, new.id.into()).await?.is_some() {
            return Err(AssistantError::Invalid("the account with this id was closed: take another id"));
        }
        let account_holder = SubjectId::from_uuid(inner.ids.random());
        let tenant = Tenant {
            id: new.id,
            account_holder,
            automation: false,
            zone: new.zone,
            buckets: new.buckets,
            sensitive: SensitivePolicy::default(),
            retention: TenantRetention::default(),
            renamed: 0,
            created_at: inner.clock.now(),
            closing: None,
            containment: Containment::default(),
        };
        inner.entities.vault.provision(tenant.id, &[account_holder]).await?;
        let record = inner.entities.new_tenant(&tenant, &new.name).await?;
        match self.put_tenant(&tenant, record, AuditAction::TenantCreated).await {
            Ok(()) => Ok(tenant),
            Err(AssistantError::Conflict(_)) => Err(AssistantError::Invalid("there is a tenant with this id already")),
            Err(error) => Err(error),
        }
    }

    /// Returns a tenant's settings.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn tenant(&self, id: TenantId) -> Result<Tenant, AssistantError> {
        Ok(self.inner.entities.tenant(id).await?.tenant)
    }

    /// Gives a business another name. The one before can't be read any more, not even if its bytes are put back.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if the name is empty or longer than 500 bytes; [`NotFound`](AssistantError::NotFound),
    /// [`Conflict`](AssistantError::Conflict); by the store and the vault.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn rename(&self, tenant: TenantId, name: &Sensitive) -> Result<(), AssistantError> {
        self.rename_by(tenant, name, By::Host).await
    }

    pub(super) async fn rename_by(&self, tenant: TenantId, name: &Sensitive, by: By) -> Result<(), AssistantError> {
        check_name(name)?;
        let row = self.inner.entities.tenant(tenant).await?;
        let settings = row.tenant.clone();
        let record = self.inner.entities.renamed(row, name).await?;
        self.put_tenant_by(&settings, record, AuditAction::Rectified, by).await
    }

    /// Turns everything automatic on or off for a tenant: in every step and delivery that begins afterwards, in whatever
    /// process, and within a second in those that are under way.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Conflict`](AssistantError::Conflict); [`Invalid`](AssistantError::Invalid) for an
    /// account that is to be [closed](crate::assistant::Desk::close); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn set_automation(&self, tenant: TenantId, on: bool) -> Result<(), AssistantError> {
        let mut row = self.inner.entities.tenant(tenant).await?;
        if on && row.tenant.closing.is_some() {
            return Err(CLOSING);
        }
        row.tenant.automation = on;
        let action = if on { AuditAction::AutomationOn } else { AuditAction::AutomationOff };
        let settings = row.tenant.clone();
        self.put_tenant(&settings, row.next()?, action).await
    }

    /// Sets what becomes of messages that tell of special categories, in every step that begins afterwards.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn set_sensitive(&self, tenant: TenantId, policy: SensitivePolicy) -> Result<(), AssistantError> {
        let mut row = self.inner.entities.tenant(tenant).await?;
        row.tenant.sensitive = policy;
        let settings = row.tenant.clone();
        self.put_tenant(&settings, row.next()?, AuditAction::SensitiveSet).await
    }

    /// Sets how long a business keeps what people write, where that is shorter than the host's
    /// [`Retention`](crate::assistant::Retention). What is new goes by it within a minute; what is there goes by it from
    /// [two minutes](crate::assistant::RETENTION_SETTLES) after the first sweep that sees the rule. Nothing of it is given
    /// longer, since people were told when it goes.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] for a time of no day; [`NotFound`](AssistantError::NotFound),
    /// [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn set_retention(&self, tenant: TenantId, own: TenantRetention) -> Result<(), AssistantError> {
        if !own.is_valid() {
            return Err(AssistantError::Invalid("what people write is kept for a day at least"));
        }
        let mut row = self.inner.entities.tenant(tenant).await?;
        row.tenant.retention = own;
        let settings = row.tenant.clone();
        self.put_tenant(&settings, row.next()?, AuditAction::RetentionSet).await
    }

    /// Writes the record of a tenant. It stands in the directory, and so does the event of it until the next sweep.
    async fn put_tenant(&self, tenant: &Tenant, record: Record, action: AuditAction) -> Result<(), AssistantError> {
        self.put_tenant_by(tenant, record, action, By::Host).await
    }

    async fn put_tenant_by(
        &self,
        tenant: &Tenant,
        record: Record,
        action: AuditAction,
        by: By,
    ) -> Result<(), AssistantError> {
        let draft = AuditDraft::new(action, by, tenant.account_holder).to(Kind::TENANT, tenant.id);
        let mut batch = WriteBatch::new(TenantId::DIRECTORY).op(WriteOp::Put(record));
        batch.ops.extend(in_directory(self.inner.audit(tenant.id, draft).await?, tenant.id));
        match self.inner.entities.store.commit(batch).await? {
            Commit::Done => Ok(()),
            Commit::Refused(_) => Err(AssistantError::Conflict("tenant")),
        }
    }
}
