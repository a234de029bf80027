//! What a host notes of the use of its own product, and what people give it when they ask for help or say what they think
//! (the policy: «Usage and Technical Data», «Any Data You Provide Us»; promises P1 and P3).
//!
//! Nothing in this library uses either by itself, and the standard register permits neither: a host that wants them says for
//! what, in its [`Register`](crate::privacy::Register), with [`DataCategory::Usage`] or [`DataCategory::Support`].

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::assistant::{AssistantError, Desk};
use crate::audit::AuditAction;
use crate::entity::{AuditDraft, Entities, Noted, UsageSecret};
use crate::id::RecordId;
use crate::privacy::{
    About, AccessAction, Act, DataCategory, Denied, DeniedReason, Device, Grant, Network, Purpose, Statement,
};
use crate::sensitive::Sensitive;
use crate::store::{Commit, Cursor, Expect, Kind, ListOrder, ListQuery, PAGE_MAX, Page, Record, WriteBatch, WriteOp};

/// How long the name of a feature may be, in bytes.
const FEATURE_MAX: usize = 100;

/// How long what somebody gives to support may be, in bytes: a long letter, and far less than a record takes.
const SUPPORT_MAX: usize = 64 * 1_024;

/// For what uses may be noted.
const PURPOSES: [Purpose; 3] = [Purpose::Analytics, Purpose::Improvement, Purpose::Security];

/// What is noted of the use of the host's product, by its members and account holders.
#[derive(Debug, Clone)]
pub struct UsageLog {
    desk: Desk,
}

/// That somebody used something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUsage<'a> {
    /// What: the host's name of a feature, which names nobody. At most 100 bytes.
    pub feature: &'a str,
    /// From where, if that is of use. Its [network](Network) is kept.
    pub address: Option<IpAddr>,
    /// The header `User-Agent`, if that is of use. The kind of [device](Device) is kept.
    pub agent: Option<&'a str>,
    /// Whether the request carried [`Sec-GPC: 1`](crate::privacy::global_privacy_control).
    pub gpc: bool,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageNoted {
    /// It is kept, for [`Retention::usage`](crate::assistant::Retention::usage).
    Kept,
    /// It is not: the person does not want it.
    NotWanted,
}

/// A use, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UsageEntry {
    /// What was used.
    pub feature: String,
    /// When, to the minute.
    pub at: DateTime<Utc>,
    /// From which network.
    pub network: Option<Network>,
    /// On what kind of device.
    pub device: Option<Device>,
}

/// What people gave when they asked for help, or said what they think: contacts, members and account holders.
#[derive(Debug, Clone)]
pub struct Support {
    desk: Desk,
}

/// What somebody gave.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SupportEntry {
    /// Which.
    pub id: RecordId,
    /// What they said.
    pub text: Sensitive,
    /// When.
    pub at: DateTime<Utc>,
}

impl Desk {
    /// Returns what is noted of the use of the host's product.
    #[must_use]
    pub fn usage(&self) -> UsageLog {
        UsageLog { desk: self.clone() }
    }

    /// Returns what people gave when they asked for help.
    #[must_use]
    pub fn support(&self) -> Support {
        Support { desk: self.clone() }
    }

    /// Asks for a grant that opens a kind of data; a register that permits the purpose with other data permits nothing here.
    async fn granted(&self, purpose: Purpose, about: &About, category: DataCategory) -> Result<Grant, AssistantError> {
        let inner = &self.assistant.inner;
        let settings = inner.entities.tenant(self.tenant).await?.tenant;
        let grant = inner.gate.grant(&settings, purpose, about, inner.clock.now()).await?;
        if grant.covers(category) {
            return Ok(grant);
        }
        Err(Denied { purpose, reason: DeniedReason::Unregistered }.into())
    }

    /// Keeps a record, unless the person is being erased.
    async fn keep(&self, about: &About, record: Record) -> Result<(), AssistantError> {
        let alive = Expect::Absent(Kind::ERASURE, about.subject.into());
        let batch = WriteBatch::new(self.tenant).expect(alive).op(WriteOp::Put(record));
        match self.assistant.inner.entities.store.commit(batch).await? {
            Commit::Done => Ok(()),
            Commit::Refused(_) => Err(AssistantError::Conflict("person")),
        }
    }

    async fn kept(
        &self,
        kind: Kind,
        about: &About,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, AssistantError> {
        let (tenant, parent, order) = (self.tenant, about.subject.into(), ListOrder::Descending);
        let query = ListQuery { tenant, kind, parent, order, after, limit: limit.clamp(1, PAGE_MAX) };
        let mut page = self.assistant.inner.entities.store.list(&query).await?;
        let now = self.assistant.now();
        page.records.retain(|record| !record.is_past(now));
        Ok(page)
    }
}

impl UsageLog {
    /// Notes a use, for one purpose: [`Security`](Purpose::Security), [`Improvement`](Purpose::Improvement) or
    /// [`Analytics`](Purpose::Analytics). Of the address the network is kept, of the agent the kind of device, of the time the
    /// minute.
    ///
    /// Whoever says by `Sec-GPC` that they want no more done than they came for is noted to object to improvement and to
    /// reports, and nothing is kept for these.
    ///
    /// # Errors
    /// [`AssistantError::Denied`] where the register has no such use of such data, or the person said no;
    /// [`Invalid`](AssistantError::Invalid) for another purpose and for a name that is empty or too long;
    /// [`NotFound`](AssistantError::NotFound) if there is nobody like that; [`Forbidden`](AssistantError::Forbidden),
    /// [`Conflict`](AssistantError::Conflict); by the store and the vault.
    ///
    /// # Cancellation
    /// Noted or not.
    pub async fn note(
        &self,
        about: impl Into<About> + Send,
        purpose: Purpose,
        new: NewUsage<'_>,
    ) -> Result<UsageNoted, AssistantError> {
        let about = about.into();
        self.desk.may_about(AccessAction::Rights, &about).await?;
        if !PURPOSES.contains(&purpose) {
            return Err(AssistantError::Invalid("uses are noted for security, improvement or analytics"));
        }
        if new.feature.trim().is_empty() || new.feature.len() > FEATURE_MAX {
            return Err(AssistantError::Invalid("name the feature that was used, in at most 100 bytes"));
        }
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        if inner.kind_of(tenant, about.subject).await? != Some(about.kind) {
            return Err(AssistantError::NotFound("person"));
        }
        if new.gpc {
            self.object(&about).await?;
            if purpose.is_optional() {
                return Ok(UsageNoted::NotWanted);
            }
        }
        self.desk.granted(purpose, &about, DataCategory::Usage).await?;
        let now = inner.clock.now();
        let at = DateTime::from_timestamp(now.timestamp().div_euclid(60) * 60, 0).unwrap_or(now);
        let noted = Noted {
            id: RecordId::from_uuid(inner.ids.time_ordered(now)),
            subject: about.subject,
            at,
            expires_at: at + inner.config.retention.usage,
        };
        let secret = UsageSecret {
            feature: new.feature.trim().to_owned(),
            network: new.address.map(Network::of),
            device: new.agent.map(Device::of_agent),
        };
        self.desk.keep(&about, inner.entities.new_usage(tenant, noted, purpose, &secret).await?).await?;
        Ok(UsageNoted::Kept)
    }

    /// Notes the objection that a header carries, where it does not stand yet.
    async fn object(&self, about: &About) -> Result<(), AssistantError> {
        let standing = self.desk.assistant.inner.entities.standing(self.desk.tenant, about.subject).await?;
        for purpose in [Purpose::Analytics, Purpose::Improvement] {
            if !standing.objections().any(|stands| stands == purpose) {
                let objection = Statement::Objection { purpose, stands: true };
                self.desk.declare(about.clone(), objection, Act::Host).await?;
            }
        }
        Ok(())
    }

    /// Returns what was noted of somebody for a purpose, the latest first. A page may hold fewer than it could: what was noted
    /// for another purpose is not in it.
    ///
    /// # Errors
    /// [`AssistantError::Denied`], [`Forbidden`](AssistantError::Forbidden); by the store and the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn of(
        &self,
        about: impl Into<About> + Send,
        purpose: Purpose,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<UsageEntry>, Option<Cursor>), AssistantError> {
        let about = about.into();
        self.desk.may_about(AccessAction::Rights, &about).await?;
        let grant = self.desk.granted(purpose, &about, DataCategory::Usage).await?;
        let page = self.desk.kept(Kind::USAGE, &about, after, limit).await?;
        let (entities, mut entries) = (&self.desk.assistant.inner.entities, Vec::new());
        for record in &page.records {
            let clear = Entities::usage_clear(record)?;
            if clear.purpose == purpose {
                let UsageSecret { feature, network, device } = entities.usage(&grant, self.desk.tenant, record).await?;
                entries.push(UsageEntry { feature, at: clear.at, network, device });
            }
        }
        Ok((entries, page.next))
    }
}

impl Support {
    /// Keeps what somebody gave, for [`Retention::support`](crate::assistant::Retention::support) and for
    /// [`Purpose::Support`]: no other purpose opens it, an engine least of all.
    ///
    /// # Errors
    /// [`AssistantError::Denied`] where the register has no such use of such data, or the person said no;
    /// [`Invalid`](AssistantError::Invalid) for nothing, and for more than 64 KiB; [`NotFound`](AssistantError::NotFound) if
    /// there is nobody like that; [`Forbidden`](AssistantError::Forbidden), [`Conflict`](AssistantError::Conflict); by the
    /// store and the vault.
    ///
    /// # Cancellation
    /// Kept or not: look before repeating it.
    pub async fn take(&self, about: impl Into<About> + Send, text: &Sensitive) -> Result<RecordId, AssistantError> {
        let about = about.into();
        self.desk.may_about(AccessAction::Rights, &about).await?;
        let length = text.expose().len();
        if text.expose().trim().is_empty() || length > SUPPORT_MAX {
            return Err(AssistantError::Invalid("give what the person said, of at most 64 KiB"));
        }
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        if inner.kind_of(tenant, about.subject).await? != Some(about.kind) {
            return Err(AssistantError::NotFound("person"));
        }
        self.desk.granted(Purpose::Support, &about, DataCategory::Support).await?;
        let now = inner.clock.now();
        let id = RecordId::from_uuid(inner.ids.time_ordered(now));
        let expires_at = now + inner.config.retention.support;
        let noted = Noted { id, subject: about.subject, at: now, expires_at };
        self.desk.keep(&about, inner.entities.new_support(tenant, noted, text).await?).await?;
        Ok(id)
    }

    /// Returns what somebody gave, the latest first. That it is read is in the audit log.
    ///
    /// # Errors
    /// [`AssistantError::Denied`], [`Forbidden`](AssistantError::Forbidden); by the store and the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn of(
        &self,
        about: impl Into<About> + Send,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<SupportEntry>, Option<Cursor>), AssistantError> {
        let about = about.into();
        self.desk.may_about(AccessAction::Rights, &about).await?;
        let grant = self.desk.granted(Purpose::Support, &about, DataCategory::Support).await?;
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let read = AuditDraft::new(AuditAction::ContentRead, self.desk.whom(), about.subject);
        inner.audit_alone(tenant, read).await?;
        let page = self.desk.kept(Kind::SUPPORT, &about, after, limit).await?;
        let mut entries = Vec::with_capacity(page.records.len());
        for record in &page.records {
            let text = inner.entities.support(&grant, tenant, record).await?;
            entries.push(SupportEntry { id: record.id, text, at: Entities::support_clear(record)?.at });
        }
        Ok((entries, page.next))
    }
}
