//! Before somebody is erased: copies what is under a hold to under the hold's own key.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::{AssistantError, Inner};
use crate::entity::{HeldDraft, HoldRow, MediaRow, MessageRow, damaged, held_category};
use crate::id::{ContactId, ConversationId, MediaId, MessageId, SubjectId, TenantId};
use crate::model::MediaState;
use crate::privacy::{DataCategory, Grant, Hold, LegalCompliance, RefusalReason};
use crate::store::{Commit, Kind, Record, SubjectQuery, WriteBatch, WriteOp};
use crate::vault::VaultErrorKind;

/// How many of a person's records are looked at at once.
const PAGE: usize = 200;

/// What an erasure did not erase, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WithheldRecords {
    /// Which kind of data.
    pub what: DataCategory,
    /// Why.
    pub reason: RefusalReason,
    /// How many records.
    pub records: u64,
}

/// Where and when something was written.
struct Place {
    /// `None` for who somebody is: that belongs to every conversation.
    conversation: Option<ConversationId>,
    at: DateTime<Utc>,
    /// How often it was changed since. Of each revision there is a copy of its own.
    revision: u32,
}

impl Inner {
    /// Keeps what the holds on a person's data are on. Returns what that is. May be done again: a copy that is there stays.
    pub(in crate::assistant) async fn carve(
        &self,
        tenant: TenantId,
        subject: SubjectId,
    ) -> Result<Vec<WithheldRecords>, AssistantError> {
        let holds = self.open_holds_on(tenant, subject).await?;
        let mut withheld: BTreeMap<(DataCategory, RefusalReason), u64> = BTreeMap::new();
        let mut query = SubjectQuery { tenant, subject, after: None, limit: PAGE };
        // Where there is no hold nothing is read.
        while !holds.is_empty() {
            let page = self.entities.store.of_subject(&query).await?;
            for (category, reason) in self.withhold_records(tenant, subject, &holds, &page.records).await? {
                *withheld.entry((category, reason)).or_default() += 1;
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        Ok(withheld.into_iter().map(|((what, reason), records)| WithheldRecords { what, reason, records }).collect())
    }

    /// Keeps a message and its files as they are, where a hold is on them, before somebody changes them.
    pub(in crate::assistant) async fn keep_before(
        &self,
        tenant: TenantId,
        message: &MessageRow,
    ) -> Result<(), AssistantError> {
        let Some(subject) = message.record.subjects.first() else { return Ok(()) };
        let holds = self.open_holds_on(tenant, *subject).await?;
        if !holds.is_empty() {
            let mut records = self.entities.media_of(tenant, message.id()).await?;
            records.push(message.record.clone());
            self.withhold_records(tenant, *subject, &holds, &records).await?;
        }
        Ok(())
    }

    /// Puts each hold on one of the contacts that somebody is on all of them. One that was placed at the moment in which the
    /// platform told that they are one person may not be, and that they are goes with the first of them that is erased.
    pub(in crate::assistant) async fn spread_holds(
        &self,
        tenant: TenantId,
        person: &[SubjectId],
    ) -> Result<(), AssistantError> {
        for contact in person {
            for mut row in self.open_holds_on(tenant, *contact).await? {
                let before = row.subjects().count();
                person.iter().for_each(|other| row.reach(*other));
                if row.subjects().count() > before {
                    let op = row.stage(tenant, self.clock.now())?;
                    if self.entities.store.commit(WriteBatch::new(tenant).op(op)).await? != Commit::Done {
                        return Err(AssistantError::Conflict("hold"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the holds that hold on somebody.
    pub(super) async fn open_holds_on(
        &self,
        tenant: TenantId,
        subject: SubjectId,
    ) -> Result<Vec<HoldRow>, AssistantError> {
        let mut holds = self.entities.holds_on(tenant, subject).await?;
        holds.retain(|row| row.hold.is_open());
        Ok(holds)
    }

    /// Keeps those of a person's records that holds are on, in one commit a hold; returns what each is, and why.
    async fn withhold_records(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        holds: &[HoldRow],
        records: &[Record],
    ) -> Result<Vec<(DataCategory, RefusalReason)>, AssistantError> {
        let settings = self.entities.tenant(tenant).await?.tenant;
        let mut places = Vec::with_capacity(records.len());
        for record in records {
            places.extend(self.place_of(tenant, record).await?.map(|place| (record, place)));
        }
        let mut withheld = Vec::new();
        for row in holds {
            let hold = &row.hold;
            let permit = self.gate.permit::<LegalCompliance>(&settings, ContactId(subject), self.clock.now()).await?;
            // What has run out since the hold was placed is kept all the same.
            let permit = permit.reading_as_of(hold.placed_at);
            // Whoever releases the hold meanwhile finds every copy that there is.
            let mut batch = WriteBatch::new(tenant).expect(row.unchanged());
            for (record, place) in &places {
                let covered = place.conversation.is_none_or(|here| hold.scope.covers(here, place.at));
                if covered && !record.is_past(permit.grant().reads_as_of()) {
                    match self.copies(permit.grant(), tenant, (hold, record, place)).await {
                        Ok(copies) => batch.ops.extend(copies),
                        // The key is gone: the hold came too late for what it sealed.
                        Err(AssistantError::Vault(error)) if error.kind() == VaultErrorKind::Erased => continue,
                        Err(error) => return Err(error),
                    }
                    withheld.push((held_category(record.kind.name()), hold.ground.reason()));
                }
            }
            if !batch.ops.is_empty() && self.entities.store.commit(batch).await? != Commit::Done {
                return Err(AssistantError::Conflict("hold"));
            }
        }
        Ok(withheld)
    }

    /// Returns where and when something was written that a hold may be on; `None` for what none is on.
    async fn place_of(&self, tenant: TenantId, record: &Record) -> Result<Option<Place>, AssistantError> {
        let of_message = |row: MessageRow, at, revision| {
            row.conversation().map(|conversation| Place { conversation: Some(conversation), at, revision })
        };
        Ok(match record.kind {
            Kind::CONTACT => Some(Place { conversation: None, at: self.clock.now(), revision: 0 }),
            Kind::MESSAGE => {
                let row = MessageRow::read(record.clone())?;
                let (at, revision) = (row.clear.at, row.clear.revision);
                of_message(row, at, revision)
            }
            Kind::MEDIA => {
                let message = record.parent.map(|parent| MessageId::from_uuid(parent.as_uuid())).ok_or_else(damaged)?;
                let clear = MediaRow::read(record.clone())?.clear;
                // A file changes once, when it is kept: what was copied before is a line without its bytes.
                let (at, revision) = (clear.at, u32::from(clear.state == MediaState::Kept));
                self.entities.message_row(tenant, message).await?.and_then(|row| of_message(row, at, revision))
            }
            _ => None,
        })
    }

    /// Stages the copies of a record, and of the file that it is of; nothing where they are there.
    async fn copies(
        &self,
        grant: &Grant,
        tenant: TenantId,
        (hold, record, place): (&Hold, &Record, &Place),
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let of = (record, place.revision);
        let id = self.entities.held_id(tenant, hold.id, of).await?;
        if self.entities.record(tenant, Kind::HELD, id).await?.is_some() {
            return Ok(Vec::new());
        }
        let exported = self.exported(grant, tenant, record.clone()).await?;
        let value = serde_json::to_string(&exported).map_err(|_| damaged())?;
        let category = held_category(record.kind.name());
        let mut file = None;
        if record.kind == Kind::MEDIA {
            let row = MediaRow::read(record.clone())?;
            if row.clear.state == MediaState::Kept {
                let new = MediaId::from_uuid(self.ids.time_ordered(self.clock.now()));
                file = self.keep_file(grant, tenant, (row, hold, new)).await?;
            }
        }
        let copy = file.as_ref().map(|file| MediaId::from_uuid(file.id.as_uuid()));
        let draft = HeldDraft { hold, of, category, at: place.at, value, file: copy };
        let held = self.entities.new_held(tenant, &draft).await?;
        Ok([Some(held), file].into_iter().flatten().map(WriteOp::Put).collect())
    }
}
