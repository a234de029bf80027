//! The audit log as records: events, what more is known of them, the tiles and the head of the tree.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::AssistantError;
use crate::audit::tile::{Tile, TileKey};
use crate::audit::{Actor, AuditAction, AuditDetail, AuditEvent, Object, Outcome, SaltedDetail, Tag, TreeHash};
use crate::entity::{Entities, from_clear, position, to_clear};
use crate::error::Retry;
use crate::id::{MemberId, RecordId, SubjectId, TenantId};
use crate::privacy::{Act, ConsentState, DataCategory, Grant, PolicyAnswer, Purpose, Statement, StatementEvent};
use crate::store::{Cursor, Kind, ListOrder, ListQuery, Page, Record, Sealed, StoreError, StoreErrorKind, WriteOp};
use crate::vault::{IndexField, SealContext, VaultError, VaultErrorKind};

/// Under what an event is listed until it is in the tree.
const WAITING: RecordId = RecordId::from_bytes([0; 16]);

/// The id after which no id comes.
const LAST_ID: RecordId = RecordId::from_bytes([0xff; 16]);

/// Who did something.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    Host,
    Member(Option<MemberId>),
    /// The person whom it is about.
    Subject,
    System,
}

/// An event that is about to be written.
#[derive(Debug)]
pub(crate) struct AuditDraft {
    action: AuditAction,
    by: By,
    purpose: Option<Purpose>,
    subject: SubjectId,
    object: Option<(Kind, RecordId)>,
    outcome: Outcome,
    detail: Option<AuditDetail>,
    commitment: Option<TreeHash>,
}

impl AuditDraft {
    /// Something was done, about somebody.
    pub(crate) const fn new(action: AuditAction, by: By, subject: SubjectId) -> Self {
        Self {
            action,
            by,
            purpose: None,
            subject,
            object: None,
            outcome: Outcome::Done,
            detail: None,
            commitment: None,
        }
    }

    /// Something was said about the use of somebody's data.
    pub(crate) fn statement(event: &StatementEvent) -> Self {
        let action = match &event.statement {
            Statement::Consent { state: ConsentState::Given, .. } | Statement::Account { stands: true, .. } => {
                AuditAction::ConsentGiven
            }
            Statement::Consent { state: ConsentState::Invalidated, .. } => AuditAction::ConsentInvalidated,
            Statement::Consent { state: ConsentState::Refused, .. } => AuditAction::ConsentRefused,
            Statement::Consent { state: ConsentState::Withdrawn, .. } | Statement::Account { stands: false, .. } => {
                AuditAction::ConsentWithdrawn
            }
            Statement::Objection { stands: true, .. } => AuditAction::Objected,
            Statement::Objection { stands: false, .. } => AuditAction::ObjectionEnded,
            Statement::Restriction { stands: true, .. } => AuditAction::Restricted,
            Statement::Restriction { stands: false, .. } => AuditAction::RestrictionEnded,
            Statement::Age { signal } if signal.suspects() => AuditAction::AgeDoubted,
            Statement::Age { .. } => AuditAction::AgeCleared,
            Statement::Policy { answer: PolicyAnswer::Accepted, .. } => AuditAction::PolicyAccepted,
            Statement::Policy { answer: PolicyAnswer::Declined, .. } => AuditAction::PolicyDeclined,
            Statement::Policy { answer: PolicyAnswer::Told, .. } => AuditAction::PolicyTold,
        };
        let by = match event.act {
            Act::InChat { .. } | Act::InEdit | Act::Platform => By::Subject,
            Act::Host | Act::Imported => By::Host,
            Act::Asserted { by: member } | Act::Member { member } => By::Member(Some(member)),
        };
        let draft = Self::new(action, by, event.subject).to(Kind::CONSENT, event.id);
        Self { purpose: event.statement.purpose(), ..draft }
    }

    /// To a record.
    pub(crate) fn to(self, kind: Kind, id: impl Into<RecordId>) -> Self {
        Self { object: Some((kind, id.into())), ..self }
    }

    /// With this outcome.
    pub(crate) fn outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    /// With more that is known of it, to be sealed under the subject's key.
    pub(crate) fn detail(self, detail: AuditDetail) -> Self {
        Self { detail: Some(detail), ..self }
    }

    /// With a commitment to what is kept elsewhere.
    pub(crate) fn commits_to(self, hash: TreeHash) -> Self {
        Self { commitment: Some(hash), ..self }
    }
}

/// Makes a staged event one that is written with a change of the directory; the next sweep moves it to its tenant.
pub(crate) fn in_directory(mut event: Vec<WriteOp>, tenant: TenantId) -> Vec<WriteOp> {
    for op in &mut event {
        if let WriteOp::Put(record) = op {
            record.parent = Some(tenant.into());
        }
    }
    event
}

/// An event as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct EventRow {
    pub(crate) record: Record,
    pub(crate) event: AuditEvent,
}

impl EventRow {
    pub(crate) fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { event: from_clear(&record)?, record })
    }

    /// Returns the place in the log; `None` while it waits. In the directory it is listed under its tenant too, but has
    /// not been put anywhere yet.
    pub(crate) fn index(&self, tenant: TenantId) -> Option<u64> {
        let logged = self.record.parent == Some(tenant.into()) && self.record.version > 1;
        if logged { u64::try_from(self.record.position).ok() } else { None }
    }
}

/// Puts an event that waits at its place in the log; returns the hash of its leaf.
pub(crate) fn place(record: &mut Record, tenant: TenantId, index: u64) -> Result<TreeHash, StoreError> {
    record.version += 1;
    record.parent = Some(tenant.into());
    record.position = i64::try_from(index).map_err(|_| damaged())?;
    Ok(leaf_of(record))
}

/// Makes an event that was written in the directory one that waits in the tenant's own list.
pub(crate) fn moved(record: Record) -> Record {
    Record { version: 1, parent: Some(WAITING), ..record }
}

/// Hashes an event's leaf: the bytes of its clear fields.
pub(crate) fn leaf_of(record: &Record) -> TreeHash {
    TreeHash::of_leaf(record.clear.0.as_bytes())
}

/// How large the log is, and its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogHead {
    pub(crate) size: u64,
    pub(crate) root: TreeHash,
}

/// Makes the error that says that the log is not what was written.
pub(crate) fn damaged() -> StoreError {
    StoreError::new("read the audit log", StoreErrorKind::Corrupt, Retry::Never)
        .with_advice("`Audit::verify` says where it was changed")
}

const fn detail_context(tenant: TenantId, subject: SubjectId, record: RecordId) -> SealContext {
    SealContext {
        tenant,
        subject,
        kind: Kind::AUDIT_DETAIL,
        record,
        field: "detail",
        category: DataCategory::Audit,
        revision: 0,
    }
}

impl Entities {
    /// Returns what stands for a person in the events of a tenant.
    pub(crate) async fn person_tag(&self, tenant: TenantId, person: SubjectId) -> Result<Tag, VaultError> {
        let digest = self.vault.index(tenant, IndexField::AuditPerson, &person.into_bytes()).await?;
        Ok(Tag(digest.blind_index().0))
    }

    /// Returns what stands for a record in the events of a tenant.
    pub(crate) async fn object_tag(&self, tenant: TenantId, kind: Kind, id: RecordId) -> Result<Object, VaultError> {
        let value = [kind.name().as_bytes(), &[0], &id.into_bytes()].concat();
        let digest = self.vault.index(tenant, IndexField::AuditObject, &value).await?;
        Ok(Object { kind: kind.name().to_owned(), tag: Tag(digest.blind_index().0) })
    }

    /// Stages an event: put what it returns into the batch of what it is about.
    pub(crate) async fn new_audit(
        &self,
        tenant: TenantId,
        id: RecordId,
        at: DateTime<Utc>,
        keep: TimeDelta,
        salt: [u8; 32],
        draft: AuditDraft,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let mut ops = Vec::with_capacity(2);
        let mut commitment = draft.commitment;
        if let Some(detail) = &draft.detail
            && let Some((mut record, hash)) = self.new_detail(tenant, id, draft.subject, salt, detail).await?
        {
            commitment = Some(hash);
            record.expires_at = Some(at + keep);
            ops.push(WriteOp::Put(record));
        }
        let actor = match draft.by {
            By::Host => Actor::Host,
            By::Member(None) => Actor::Member { tag: None },
            By::Member(Some(member)) => Actor::Member { tag: Some(self.person_tag(tenant, member.0).await?) },
            By::Subject => Actor::Subject,
            By::System => Actor::System,
        };
        let object = match draft.object {
            Some((kind, id)) => Some(self.object_tag(tenant, kind, id).await?),
            None => None,
        };
        let event = AuditEvent {
            id,
            at,
            action: draft.action,
            purpose: draft.purpose,
            actor,
            subject: Some(self.person_tag(tenant, draft.subject).await?),
            object,
            outcome: draft.outcome,
            detail: commitment,
        };
        let mut record = Record::new(Kind::AUDIT, id);
        record.parent = Some(WAITING);
        record.position = position(at);
        record.clear = to_clear(&event)?;
        // Before the detail, so that who reads the batch sees the event first.
        ops.insert(0, WriteOp::Put(record));
        Ok(ops)
    }

    /// Seals what more is known of an event; `None` for somebody whose key is gone: nothing may be kept of them.
    async fn new_detail(
        &self,
        tenant: TenantId,
        id: RecordId,
        subject: SubjectId,
        salt: [u8; 32],
        detail: &AuditDetail,
    ) -> Result<Option<(Record, TreeHash)>, AssistantError> {
        let salted = SaltedDetail::new(salt, detail).map_err(|error| {
            StoreError::new("write fields", StoreErrorKind::Invalid, Retry::Never).with_source(error)
        })?;
        let mut record = Record::new(Kind::AUDIT_DETAIL, id);
        record.subjects = vec![subject];
        record.sealed = match self.seal(&detail_context(tenant, subject, id), &salted).await {
            Err(AssistantError::Vault(error))
                if matches!(error.kind(), VaultErrorKind::Erased | VaultErrorKind::UnknownSubject) =>
            {
                return Ok(None);
            }
            sealed => sealed?,
        };
        Ok(Some((record, salted.commitment())))
    }

    /// Returns whose the detail of an event is, and the record; `None` where there is none, or none any more.
    pub(crate) async fn audit_detail_record(
        &self,
        tenant: TenantId,
        event: RecordId,
    ) -> Result<Option<(SubjectId, Record)>, StoreError> {
        let record = self.record(tenant, Kind::AUDIT_DETAIL, event).await?;
        Ok(record.and_then(|record| Some((*record.subjects.first()?, record))))
    }

    /// Opens the detail of an event, and holds it against what the log says.
    pub(crate) async fn audit_detail(
        &self,
        grant: &Grant,
        tenant: TenantId,
        record: &Record,
        commitment: Option<TreeHash>,
    ) -> Result<AuditDetail, AssistantError> {
        let context = detail_context(tenant, grant.subject(), record.id);
        let salted: SaltedDetail = self.open(grant, &context, record).await?;
        if commitment != Some(salted.commitment()) {
            return Err(damaged().into());
        }
        Ok(salted.detail().map_err(|_| damaged())?)
    }

    /// Reads an event, also one that is still in the directory.
    pub(crate) async fn audit_event(&self, tenant: TenantId, id: RecordId) -> Result<Option<EventRow>, StoreError> {
        if let Some(record) = self.record(tenant, Kind::AUDIT, id).await? {
            return EventRow::read(record).map(Some);
        }
        let there = self.record(TenantId::DIRECTORY, Kind::AUDIT, id).await?;
        there.filter(|record| record.parent == Some(tenant.into())).map(EventRow::read).transpose()
    }

    /// Lists the events that wait, the oldest first.
    pub(crate) async fn audit_waiting(&self, tenant: TenantId, limit: usize) -> Result<Page, StoreError> {
        self.store.list(&query(tenant, WAITING, None, limit)).await
    }

    /// Lists the events of a tenant that are still in the directory.
    pub(crate) async fn audit_in_directory(&self, tenant: TenantId, limit: usize) -> Result<Page, StoreError> {
        self.store.list(&query(TenantId::DIRECTORY, tenant.into(), None, limit)).await
    }

    /// Returns how many places of the log may hold an event: one more than the last that does.
    pub(crate) async fn audit_places(&self, tenant: TenantId) -> Result<u64, StoreError> {
        let last = ListQuery { order: ListOrder::Descending, ..query(tenant, tenant.into(), None, 1) };
        let last = self.store.list(&last).await?.records.first().map(|record| record.position);
        Ok(last.and_then(|last| u64::try_from(last).ok()).map_or(0, |last| last + 1))
    }

    /// Lists what is in the log from a place on.
    pub(crate) async fn audit_from(&self, tenant: TenantId, from: i64, limit: usize) -> Result<Page, StoreError> {
        let after = from.checked_sub(1).map(|position| Cursor { position, id: LAST_ID });
        self.audit_after(tenant, after, limit).await
    }

    /// Lists what is in the log after a record.
    pub(crate) async fn audit_after(
        &self,
        tenant: TenantId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.store.list(&query(tenant, tenant.into(), after, limit)).await
    }

    /// Reads the head of the log with the version of its record; 0 where the log has not begun.
    pub(crate) async fn log_head(&self, tenant: TenantId) -> Result<(LogHead, u64), StoreError> {
        match self.record(tenant, Kind::AUDIT_HEAD, tenant.into()).await? {
            Some(record) => Ok((from_clear(&record)?, record.version)),
            None => Ok((LogHead { size: 0, root: TreeHash::EMPTY }, 0)),
        }
    }

    pub(crate) fn put_log_head(tenant: TenantId, head: &LogHead, version: u64) -> Result<Record, StoreError> {
        Ok(Record { version, clear: to_clear(head)?, ..Record::new(Kind::AUDIT_HEAD, tenant.into()) })
    }

    /// Reads a tile with the version of its record. `None` where there is none; a tile of `None` where it is none.
    pub(crate) async fn tile(&self, tenant: TenantId, key: TileKey) -> Result<Option<(Option<Tile>, u64)>, StoreError> {
        let record = self.record(tenant, Kind::AUDIT_TILE, RecordId::from_bytes(key.to_bytes())).await?;
        Ok(record.map(|record| (Tile::from_bytes(&record.sealed.0), record.version)))
    }

    pub(crate) fn put_tile(key: TileKey, tile: &Tile, version: u64) -> Record {
        let id = RecordId::from_bytes(key.to_bytes());
        Record { version, sealed: Sealed(tile.to_bytes()), ..Record::new(Kind::AUDIT_TILE, id) }
    }
}

const fn query(tenant: TenantId, parent: RecordId, after: Option<Cursor>, limit: usize) -> ListQuery {
    ListQuery { tenant, kind: Kind::AUDIT, parent, order: ListOrder::Ascending, after, limit }
}
