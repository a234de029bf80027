//! Holds: what must be kept though the person, or its age, would have it go.

mod carve;

pub use carve::WithheldRecords;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use crate::assistant::{AssistantError, Desk, ErasureReceipt, Inner};
use crate::audit::{AuditAction, Outcome};
use crate::entity::{AuditDraft, HoldRow};
use crate::id::{ContactId, HoldId, MediaId, RecordId, SubjectId, TenantId};
use crate::privacy::{AccessAction, Hold, LegalCompliance, NewHold};
use crate::sensitive::Sensitive;
use crate::store::{Commit, Cursor, Expect, Kind, ListOrder, ListQuery, PAGE_MAX, WriteBatch};

/// How many holds one person's data may be under.
const EACH_MAX: usize = 100;

/// The holds of a tenant.
///
/// While one is on a person's data nothing of theirs is deleted for its age, and it is read by nobody past its time but
/// through the hold. When the person is erased, what the hold is on is first sealed anew under a key of the hold's own;
/// the rest, and the person's key, go as always, and the receipt says what was withheld and why. What is edited or taken
/// back is sealed anew like that too, before. With the release the copies go the way that their person went.
///
/// Everything here is for [`Purpose::LegalCompliance`](crate::privacy::Purpose::LegalCompliance) and no other purpose: a
/// host that places holds has it about contacts in its [`Register`](crate::privacy::Register). A member needs
/// [`AccessAction::Holds`].
#[derive(Debug, Clone)]
pub struct Holds {
    desk: Desk,
}

/// A page of what a hold keeps.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HeldPage {
    /// The copies, the oldest first.
    pub held: Vec<Held>,
    /// After what to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// A copy of what was erased, edited or taken back.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Held {
    /// Which.
    pub id: RecordId,
    /// The name of the kind of record that it is of.
    pub kind: String,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// What it says: the line of an [export](crate::assistant::Assistant::export).
    pub value: Sensitive,
    /// The file, if it is of one whose bytes were kept: [`Holds::read_file`].
    pub file: Option<MediaId>,
}

impl Desk {
    /// Returns the holds of the tenant.
    #[must_use]
    pub fn holds(&self) -> Holds {
        Holds { desk: self.clone() }
    }
}

impl Holds {
    /// Places a hold on a contact's data, by whichever of their handles they are known.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] if there is no such contact; [`Denied`](AssistantError::Denied) where the register has no
    /// ground for it; [`Invalid`](AssistantError::Invalid) without a date of review in time, or an authority, or for too many
    /// holds; [`Conflict`](AssistantError::Conflict) if the person is being erased; by the store and the vault.
    ///
    /// # Cancellation
    /// Placed or not: look before repeating it.
    pub async fn place(&self, contact: ContactId, new: NewHold) -> Result<Hold, AssistantError> {
        self.may().await?;
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let now = inner.clock.now();
        if new.authority.trim().is_empty() {
            return Err(AssistantError::Invalid("say who asks for the hold, and under which number"));
        }
        check_review(new.review_by, now)?;
        inner.entities.contact_row(tenant, contact).await?.ok_or(AssistantError::NotFound("contact"))?;
        let settings = inner.entities.tenant(tenant).await?.tenant;
        inner.gate.permit::<LegalCompliance>(&settings, contact, now).await?;
        if inner.entities.holds_on(tenant, contact.0).await?.len() >= EACH_MAX {
            return Err(AssistantError::Invalid("the data are under too many holds: put them together"));
        }
        let keeper = SubjectId::from_uuid(inner.ids.random());
        inner.entities.vault.provision(tenant, &[keeper]).await?;
        let mut row = HoldRow::new(Hold {
            id: HoldId::from_uuid(inner.ids.time_ordered(now)),
            subject: contact.0,
            keeper,
            scope: new.scope,
            ground: new.ground,
            authority: new.authority,
            placed_at: now,
            review_by: new.review_by,
            released_at: None,
        });
        // An erasure that has begun has looked for holds already.
        let alive = |subject: SubjectId| Expect::Absent(Kind::ERASURE, subject.into());
        let mut batch = WriteBatch::new(tenant).expect(alive(contact.0));
        for other in inner.entities.others(tenant, contact.0).await? {
            row.reach(other);
            batch.expects.push(alive(other));
        }
        batch.ops = self.staged(&mut row, AuditAction::HoldPlaced).await?;
        match inner.entities.store.commit(batch).await? {
            Commit::Done => Ok(row.hold),
            Commit::Refused(_) => Err(AssistantError::Conflict("contact")),
        }
    }

    /// Says that a hold is still needed, and when somebody looks again.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] if there is no such hold that holds; [`Invalid`](AssistantError::Invalid) for a date that
    /// is not in time; [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn review(&self, id: HoldId, review_by: DateTime<Utc>) -> Result<Hold, AssistantError> {
        check_review(review_by, self.desk.assistant.inner.clock.now())?;
        let mut row = self.row(id).await?;
        row.hold.review_by = review_by;
        let mut batch = WriteBatch::new(self.desk.tenant);
        batch.ops = self.staged(&mut row, AuditAction::HoldReviewed).await?;
        self.desk.commit(batch).await?;
        Ok(row.hold)
    }

    /// Ends a hold. What it has kept apart, if anything, is erased now with its key, and the receipt of that returned. What else
    /// of the person is past its time goes with the next sweep.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] if there is no such hold that holds; [`Conflict`](AssistantError::Conflict); by the stores
    /// and the vault. A sweep ends what an error cut short.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn release(&self, id: HoldId) -> Result<ErasureReceipt, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let mut row = self.row(id).await?;
        row.hold.released_at = Some(inner.clock.now());
        let keeper = row.hold.keeper;
        let ops = self.staged(&mut row, AuditAction::HoldReleased).await?;
        inner.erase(tenant, keeper, self.desk.whom(), (None, ops)).await
    }

    /// Lists the holds that hold, those first at which somebody has to look first.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn open(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<Hold>, Option<Cursor>), AssistantError> {
        self.may().await?;
        let (rows, next) = self.desk.assistant.inner.entities.open_holds(self.desk.tenant, after, limit).await?;
        Ok((rows.into_iter().map(|row| row.hold).collect(), next))
    }

    /// Returns the holds on a person's data, those that hold no more too, as long as they are kept.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn on(&self, contact: ContactId) -> Result<Vec<Hold>, AssistantError> {
        self.may().await?;
        let rows = self.desk.assistant.inner.entities.holds_on(self.desk.tenant, contact.0).await?;
        Ok(rows.into_iter().map(|row| row.hold).collect())
    }

    /// Reads what a hold has kept apart, a page at a time. That it is read is in the audit log.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Denied`](AssistantError::Denied); by the store and the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn read(&self, id: HoldId, after: Option<Cursor>, limit: usize) -> Result<HeldPage, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let hold = self.row(id).await?.hold;
        let settings = inner.entities.tenant(tenant).await?.tenant;
        let permit = inner.gate.permit::<LegalCompliance>(&settings, ContactId(hold.keeper), inner.clock.now()).await?;
        let read = AuditDraft::new(AuditAction::ContentRead, self.desk.whom(), hold.subject).to(Kind::HOLD, id);
        inner.audit_alone(tenant, read).await?;
        let (kind, order) = (Kind::HELD, ListOrder::Ascending);
        let query = ListQuery { tenant, kind, parent: id.into(), order, after, limit };
        let page = inner.entities.store.list(&query).await?;
        let mut held = Vec::with_capacity(page.records.len());
        for record in &page.records {
            held.push(inner.entities.held(permit.grant(), tenant, record).await?);
        }
        Ok(HeldPage { held, next: page.next })
    }

    /// Reads one chunk of a file that a hold kept, counted from 0; `None` after the last. That it is read is in the audit log.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Cancellation
    /// No effect.
    pub async fn read_file(
        &self,
        id: HoldId,
        file: MediaId,
        chunk: u32,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let hold = self.row(id).await?.hold;
        let settings = inner.entities.tenant(tenant).await?.tenant;
        let permit = inner.gate.permit::<LegalCompliance>(&settings, ContactId(hold.keeper), inner.clock.now()).await?;
        let read = (AuditAction::ContentRead, hold.subject, Outcome::Done);
        inner.audit_view(tenant, self.desk.member, read).await?;
        inner.kept_chunk(permit.grant(), (tenant, &hold, file), chunk).await
    }

    async fn may(&self) -> Result<(), AssistantError> {
        self.desk.may(AccessAction::Holds).await
    }

    async fn row(&self, id: HoldId) -> Result<HoldRow, AssistantError> {
        self.may().await?;
        let row = self.desk.assistant.inner.entities.hold(self.desk.tenant, id).await?;
        row.filter(|row| row.hold.is_open()).ok_or(AssistantError::NotFound("hold that holds"))
    }

    async fn staged(
        &self,
        row: &mut HoldRow,
        action: AuditAction,
    ) -> Result<Vec<crate::store::WriteOp>, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let event = AuditDraft::new(action, self.desk.whom(), row.hold.subject).to(Kind::HOLD, row.hold.id);
        let mut ops = vec![row.stage(tenant, inner.clock.now() + inner.config.retention.requests)?];
        ops.extend(inner.audit(tenant, event).await?);
        Ok(ops)
    }
}

impl Inner {
    /// Returns whether a person's data is under a hold.
    pub(super) async fn is_held(&self, tenant: TenantId, subject: SubjectId) -> Result<bool, AssistantError> {
        Ok(!self.open_holds_on(tenant, subject).await?.is_empty())
    }

    /// Adds whose data are under a hold of a tenant.
    pub(super) async fn held_people(
        &self,
        tenant: TenantId,
        people: &mut BTreeSet<SubjectId>,
    ) -> Result<(), AssistantError> {
        let mut after = None;
        loop {
            let (rows, next) = self.entities.open_holds(tenant, after, PAGE_MAX).await?;
            people.extend(rows.iter().flat_map(HoldRow::subjects));
            match next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
}

fn check_review(review_by: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), AssistantError> {
    if review_by <= now || review_by > now + Hold::REVIEW_MAX {
        return Err(AssistantError::Invalid("somebody has to look at a hold within a year from now"));
    }
    Ok(())
}
