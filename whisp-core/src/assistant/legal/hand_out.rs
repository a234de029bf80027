//! Takes out what is handed to an authority, and nothing else.

use chrono::TimeDelta;
use zeroize::Zeroizing;

use super::LegalDisclosures;
use crate::assistant::{AssistantError, Exported, ExportedData, Inner};
use crate::audit::{AuditAction, Outcome};
use crate::entity::{Entities, MediaRow, MessageRow, to_clear};
use crate::id::{ContactId, LegalDisclosureId, MediaId, MessageId, RecordId, TenantId};
use crate::model::{Author, MediaState};
use crate::privacy::{
    DataCategory, Denied, Disclosure, DisclosureGround, LegalCompliance, LegalDisclosure, LegalError, LegalScope,
    LegalState, Permit, ProcessorId, Purpose,
};
use crate::store::{Expect, Kind, PAGE_MAX, Record, SubjectQuery, WriteBatch, WriteOp};

/// How many lines are handed out at once: they are all in memory, since they leave once or not at all.
const LINES_MAX: usize = 10_000;

/// For how long the files of what was handed out can be read.
const FILES_FOR: TimeDelta = TimeDelta::days(1);

/// What is handed to an authority.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HandedOut {
    /// To whom, and why.
    pub disclosure: LegalDisclosure,
    /// What: lines of an [export](crate::assistant::Assistant::export). It holds personal data in clear. Which member wrote
    /// a message is not in it.
    pub lines: Vec<Exported>,
}

impl LegalDisclosures {
    /// Takes out what was approved, once: what of the person is kept now and in its scope. That it went to the authority is
    /// written among what was [disclosed](Disclosure) of the person, and logged, in the commit before it is returned.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], also of a person who was erased; [`Legal`](AssistantError::Legal) if it is not approved,
    /// was handed out before, is more than 10,000 lines, or if who asked for it or who approved it is of the team no more;
    /// [`Denied`](AssistantError::Denied), also while a breach is contained; [`Forbidden`](AssistantError::Forbidden),
    /// [`Conflict`](AssistantError::Conflict); by the store and the vault. Nothing is handed out then.
    ///
    /// # Cancellation
    /// Handed out or not. If it was and the lines are lost, somebody has to ask anew.
    pub async fn hand_out(&self, id: LegalDisclosureId) -> Result<HandedOut, AssistantError> {
        self.may().await?;
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let mut row = self.row(id).await?;
        let disclosure = row.clear.disclosure.clone();
        // Before anything is read.
        disclosure.hand_out(0, inner.clock.now())?;
        self.still_of_the_team([Some(disclosure.asked_by), disclosure.decided_by].into_iter().flatten()).await?;
        let permit = self.permit(&disclosure).await?;
        let lines = inner.in_scope(&permit, tenant, &disclosure.scope).await?;
        let mut bytes = 0;
        for line in &lines {
            bytes += to_clear(line)?.0.len() as u64;
        }
        let now = inner.clock.now();
        row.clear.disclosure = disclosure.hand_out(lines.len() as u64, now)?;
        let told = Disclosure {
            processor: ProcessorId::new(&disclosure.authority),
            ground: DisclosureGround::LegalRequirement,
            purpose: Purpose::LegalCompliance,
            categories: disclosure.scope.categories,
            bytes,
            at: now,
            retained_until: None,
            told_from: disclosure.gag_until,
        };
        let record = RecordId::from_uuid(inner.ids.time_ordered(now));
        let told = Entities::new_disclosure(record, disclosure.subject, &told, inner.config.retention.disclosures)?;
        // An erasure that has begun has looked for what there is already.
        let alive = Expect::Absent(Kind::ERASURE, disclosure.subject.into());
        let mut batch = WriteBatch::new(tenant).expect(alive).expect(row.unchanged()).op(WriteOp::Put(told));
        batch.ops.extend(inner.staged_legal(tenant, &mut row, (AuditAction::LegalHandedOut, self.desk.whom())).await?);
        // Whoever contains a breach meanwhile has voided the permit.
        permit.grant().recheck(inner.clock.now())?;
        self.commit(batch).await?;
        Ok(HandedOut { disclosure: row.clear.disclosure, lines })
    }

    /// Reads one chunk of a file that was handed out, counted from 0, within a day from then; `None` after the last.
    /// That it is read is in the audit log.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] if the file is not in what was handed out, or not any more; else as
    /// [`hand_out`](Self::hand_out).
    ///
    /// # Cancellation
    /// No effect.
    pub async fn read_file(
        &self,
        id: LegalDisclosureId,
        file: MediaId,
        chunk: u32,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, AssistantError> {
        const GONE: AssistantError = AssistantError::NotFound("file that is handed out");
        self.may().await?;
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let disclosure = self.row(id).await?.clear.disclosure;
        let until = disclosure.handed_at.filter(|_| disclosure.state == LegalState::HandedOut).map(|at| at + FILES_FOR);
        if until.is_none_or(|until| inner.clock.now() >= until) {
            return Err(GONE);
        }
        let permit = self.permit(&disclosure).await?;
        let row = inner.entities.media_row(tenant, file).await?.ok_or(GONE)?;
        let theirs = row.clear.hold.is_none() && row.subject()? == disclosure.subject;
        if !theirs
            || row.clear.state != MediaState::Kept
            || !inner.covers(tenant, &disclosure.scope, &row.record).await?
        {
            return Err(GONE);
        }
        let read = (AuditAction::ContentRead, disclosure.subject, Outcome::Done);
        inner.audit_view(tenant, self.desk.member, read).await?;
        let chunk = inner.chunk_of(permit.grant(), tenant, &row, chunk).await?;
        permit.grant().recheck(inner.clock.now())?;
        Ok(chunk)
    }

    /// Returns the permit to read what is handed out, unless nothing leaves.
    async fn permit(&self, disclosure: &LegalDisclosure) -> Result<Permit<LegalCompliance>, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let contact = ContactId(disclosure.subject);
        inner.entities.contact_row(tenant, contact).await?.ok_or(AssistantError::NotFound("contact"))?;
        let settings = inner.entities.tenant(tenant).await?.tenant;
        let permit = inner.gate.permit::<LegalCompliance>(&settings, contact, inner.clock.now()).await?;
        // After the grant: what is granted before somebody stops the tenant is void.
        let denied = |reason| Denied { purpose: Purpose::LegalCompliance, reason };
        inner.gate.lets_out(&settings).map_err(denied)?;
        Ok(permit)
    }
}

impl Inner {
    /// Opens what is in a scope, and nothing else.
    async fn in_scope(
        &self,
        permit: &Permit<LegalCompliance>,
        tenant: TenantId,
        scope: &LegalScope,
    ) -> Result<Vec<Exported>, AssistantError> {
        let (mut lines, grant) = (Vec::new(), permit.grant());
        let mut query = SubjectQuery { tenant, subject: grant.subject(), after: None, limit: PAGE_MAX };
        loop {
            let page = self.entities.store.of_subject(&query).await?;
            for record in page.records {
                // What is another one's too is not handed out about this one.
                let theirs = record.subjects == [grant.subject()];
                if !theirs || record.is_past(grant.reads_as_of()) || !self.covers(tenant, scope, &record).await? {
                    continue;
                }
                if lines.len() == LINES_MAX {
                    return Err(LegalError::TooMuch { max: LINES_MAX }.into());
                }
                let mut line = self.exported(grant, tenant, record).await?;
                if let ExportedData::Message { author: Author::Member { member }, .. } = &mut line.data {
                    *member = None;
                }
                lines.push(line);
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(lines),
            }
        }
    }

    /// Returns whether a record is in a scope, by what of it is in clear.
    async fn covers(&self, tenant: TenantId, scope: &LegalScope, record: &Record) -> Result<bool, AssistantError> {
        Ok(match record.kind {
            Kind::CONTACT => scope.categories.contains(DataCategory::Identity),
            Kind::MESSAGE => {
                let row = MessageRow::read(record.clone())?;
                let at = row.clear.at;
                row.conversation().is_some_and(|id| scope.covers(DataCategory::MessageContent, id, at))
            }
            Kind::MEDIA => {
                let row = MediaRow::read(record.clone())?;
                let message = record.parent.map(|id| MessageId::from_uuid(id.as_uuid()));
                // Of a file whose message is gone nobody can tell where it was sent.
                match message {
                    Some(message) if scope.categories.contains(DataCategory::Media) => {
                        let sent = self.entities.message_row(tenant, message).await?.and_then(|row| row.conversation());
                        sent.is_some_and(|id| scope.covers(DataCategory::Media, id, row.clear.at))
                    }
                    _ => false,
                }
            }
            _ => false,
        })
    }
}
