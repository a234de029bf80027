//! Before somebody is erased: copies what is under a hold to under the hold's own key.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::{AssistantError, Inner};
use crate::entity::{HeldDraft, HoldRow, MediaRow, MessageRow, damaged, held_category};
use crate::id::{ContactId, ConversationId, MediaId, MessageId, SubjectId, TenantId};
use crate::model::MediaState;
use crate::privacy::{DataCategory, Grant, LegalCompliance, RefusalReason};
use crate::store::{Commit, Kind, Record, SubjectQuery, WriteBatch, WriteOp};

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

impl Inner {
    /// Keeps what the holds on a person's data are on. Returns what that is. May be done again: a copy that is there stays.
    pub(in crate::assistant) async fn carve(
        &self,
        tenant: TenantId,
        subject: SubjectId,
    ) -> Result<Vec<WithheldRecords>, AssistantError> {
        let mut holds = self.entities.holds_on(tenant, subject).await?;
        holds.retain(|row| row.hold.is_open());
        if holds.is_empty() {
            return Ok(Vec::new());
        }
        let settings = self.entities.tenant(tenant).await?.tenant;
        let mut counts: BTreeMap<(DataCategory, RefusalReason), u64> = BTreeMap::new();
        let mut query = SubjectQuery { tenant, subject, after: None, limit: PAGE };
        loop {
            let page = self.entities.store.of_subject(&query).await?;
            let now = self.clock.now();
            for record in &page.records {
                let Some((conversation, at)) = self.place_of(tenant, record).await? else { continue };
                let covers = |row: &&HoldRow| conversation.is_none_or(|here| row.hold.scope.covers(here, at));
                for row in holds.iter().filter(covers) {
                    let hold = &row.hold;
                    // What has run out since the hold was placed is kept all the same.
                    let permit = self.gate.permit::<LegalCompliance>(&settings, ContactId(subject), now).await?;
                    let permit = permit.reading_as_of(hold.placed_at);
                    if record.is_past(permit.grant().reads_as_of()) {
                        continue;
                    }
                    self.keep_apart(permit.grant(), tenant, (row, record, at)).await?;
                    *counts.entry((held_category(record.kind.name()), hold.ground.reason())).or_default() += 1;
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        Ok(counts.into_iter().map(|((what, reason), records)| WithheldRecords { what, reason, records }).collect())
    }

    /// Returns in which conversation and when something was written that a hold may be on; `None` for what none is on. Who
    /// somebody is belongs to every conversation.
    async fn place_of(
        &self,
        tenant: TenantId,
        record: &Record,
    ) -> Result<Option<(Option<ConversationId>, DateTime<Utc>)>, AssistantError> {
        let parent = record.parent.map(|parent| parent.as_uuid());
        Ok(match record.kind {
            Kind::CONTACT => Some((None, self.clock.now())),
            Kind::MESSAGE => {
                let row = MessageRow::read(record.clone())?;
                row.conversation().map(|conversation| (Some(conversation), row.clear.at))
            }
            Kind::MEDIA => {
                let message = parent.map(MessageId::from_uuid).ok_or_else(damaged)?;
                let message = self.entities.message_row(tenant, message).await?;
                let at = MediaRow::read(record.clone())?.clear.at;
                message.and_then(|row| row.conversation()).map(|conversation| (Some(conversation), at))
            }
            _ => None,
        })
    }

    async fn keep_apart(
        &self,
        grant: &Grant,
        tenant: TenantId,
        (row, record, at): (&HoldRow, &Record, DateTime<Utc>),
    ) -> Result<(), AssistantError> {
        let hold = &row.hold;
        let id = self.entities.held_id(tenant, hold.id, record).await?;
        if self.entities.record(tenant, Kind::HELD, id).await?.is_some() {
            return Ok(());
        }
        let exported = self.exported(grant, tenant, record.clone()).await?;
        let value = serde_json::to_string(&exported).map_err(|_| damaged())?;
        let category = held_category(record.kind.name());
        let mut file = None;
        if record.kind == Kind::MEDIA {
            let row = MediaRow::read(record.clone())?;
            if row.clear.state == MediaState::Kept {
                let new = MediaId::from_uuid(self.ids.random());
                file = self.keep_file(grant, tenant, (row, hold, new)).await?;
            }
        }
        let id = file.as_ref().map(|file| MediaId::from_uuid(file.id.as_uuid()));
        let draft = HeldDraft { hold, of: record, category, at, value, file: id };
        let held = self.entities.new_held(tenant, &draft).await?;
        // Whoever releases the hold meanwhile finds every copy that there is.
        let mut batch = WriteBatch::new(tenant).expect(row.unchanged()).op(WriteOp::Put(held));
        batch.ops.extend(file.map(WriteOp::Put));
        match self.entities.store.commit(batch).await? {
            Commit::Done => Ok(()),
            Commit::Refused(_) => Err(AssistantError::Conflict("hold")),
        }
    }
}
