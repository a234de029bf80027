//! Brings forward when what is there already goes, where it is to be kept for less time than when it came: a business, or the
//! host, has shortened a rule. A longer rule changes nothing of what is there, because people were told when it goes.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::{AssistantError, Inner, Retention, SweepReport};
use crate::entity::{ConversationRow, Entities, MessageRow, SuggestionRow, ending_by, from_clear, to_clear};
use crate::id::{RecordId, SubjectId, TenantId};
use crate::model::{ContentKind, Tenant};
use crate::store::{Commit, Cursor, Kind, ListOrder, ListQuery, Record, Version, WriteBatch, WriteOp};

/// How long after a sweep has seen that a rule was shortened what is there goes by it: until then some worker may not know of
/// it yet, and date what comes by the old one.
pub const RETENTION_SETTLES: TimeDelta = TimeDelta::minutes(2);

/// How many conversations, and how many records of one, are read at a time.
const READ_MAX: usize = 200;

/// By which rules everything of a tenant is dated that was there when they were looked at, in seconds. The id is the tenant's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DatedClear {
    messages: i64,
    files: i64,
    suggestions: i64,
    /// `None` in what was written before support and usage were dated anew: nobody knows by which rule they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    support: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<i64>,
    /// Since when these are the rules.
    since: DateTime<Utc>,
    /// How far everything has been dated by them; `None` once it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pass: Option<Pass>,
}

/// How far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Pass {
    /// The last conversation that is done, in their order; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after: Option<Cursor>,
}

impl DatedClear {
    fn new(keeps: &Retention, since: DateTime<Utc>, pass: Option<Pass>) -> Self {
        let Retention { messages, files, suggestions, support, usage, .. } = keeps;
        let [messages, files, suggestions] = [messages, files, suggestions].map(TimeDelta::num_seconds);
        let [support, usage] = [support, usage].map(|keep| Some(keep.num_seconds()));
        Self { messages, files, suggestions, support, usage, since, pass }
    }

    /// What was not known is as good as for ever.
    fn rules(&self) -> [i64; 5] {
        let [support, usage] = [self.support, self.usage].map(|keep| keep.unwrap_or(i64::MAX));
        [self.messages, self.files, self.suggestions, support, usage]
    }

    /// Returns these rules in the place of those before: with a pass over everything if one of them is shorter, or the one
    /// before was not at its end.
    fn after(self, before: Option<&Self>) -> Self {
        match before {
            Some(before) if before.rules() == self.rules() => before.clone(),
            Some(before) if before.pass.is_none() && self.rules().iter().zip(before.rules()).all(|(n, b)| *n >= b) => {
                self
            }
            _ => Self { pass: Some(Pass::default()), ..self },
        }
    }
}

/// What is brought forward of a conversation, and how much of it there may be.
struct Dating<'a> {
    inner: &'a Inner,
    tenant: TenantId,
    keeps: Retention,
    at: DateTime<Utc>,
    /// How many records may still be written.
    left: usize,
}

impl Inner {
    /// Goes on dating what a tenant has by the rules as they are now, as far as the budget of the sweep goes.
    ///
    /// Whoever comes after a crash looks at the conversation again with which it was cut short, and writes what is not done.
    pub(super) async fn redate(
        &self,
        tenant: &Tenant,
        at: DateTime<Utc>,
        limit: usize,
        report: &mut SweepReport,
    ) -> Result<(), AssistantError> {
        let keeps = self.config.retention.of(&tenant.retention);
        let key = RecordId::from(tenant.id);
        let there = self.entities.record(tenant.id, Kind::DATED, key).await?;
        let before = there.as_ref().map(from_clear::<DatedClear>).transpose()?;
        let mut dated = DatedClear::new(&keeps, at, None).after(before.as_ref());
        let mut version = there.map_or(0, |record| record.version);
        if before.as_ref() != Some(&dated) && !self.put_dated(tenant.id, &dated, &mut version).await? {
            // Another process sweeps.
            report.more = true;
            return Ok(());
        }
        let Some(mut pass) = dated.pass.filter(|_| at >= dated.since + RETENTION_SETTLES) else { return Ok(()) };
        let left = limit.saturating_sub(report.redated);
        let mut dating = Dating { inner: self, tenant: tenant.id, keeps, at, left };
        let whole = dating.everybody(&mut pass).await;
        report.redated += left - dating.left;
        let done = whole?;
        report.more |= !done;
        dated.pass = (!done).then_some(pass);
        if !self.put_dated(tenant.id, &dated, &mut version).await? {
            report.more = true;
        }
        Ok(())
    }

    /// Writes how far it is; returns whether nobody else did meanwhile.
    async fn put_dated(
        &self,
        tenant: TenantId,
        dated: &DatedClear,
        version: &mut Version,
    ) -> Result<bool, AssistantError> {
        let mut record = Record::new(Kind::DATED, tenant.into());
        *version += 1;
        record.version = *version;
        record.clear = to_clear(dated)?;
        let batch = WriteBatch::new(tenant).op(WriteOp::Put(record));
        Ok(matches!(self.entities.store.commit(batch).await?, Commit::Done))
    }
}

impl Dating<'_> {
    /// Dates what there is of the contacts, of the team and of the account holder. Returns whether all is. The team is small,
    /// and is begun anew where it was not done.
    async fn everybody(&mut self, pass: &mut Pass) -> Result<bool, AssistantError> {
        if !self.conversations(pass).await? {
            return Ok(false);
        }
        let settings = self.inner.entities.tenant(self.tenant).await?.tenant;
        let mut query = self.query(Kind::MEMBER, self.tenant.into(), None);
        let mut people = vec![settings.account_holder];
        loop {
            let page = self.inner.entities.store.list(&query).await?;
            people.extend(page.records.iter().map(|member| SubjectId::from_uuid(member.id.as_uuid())));
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        for person in people {
            if !self.given(person).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Dates what somebody gave to support, and what is noted of their use. Returns whether all is.
    async fn given(&mut self, person: SubjectId) -> Result<bool, AssistantError> {
        Ok(self.under(Kind::SUPPORT, person.into()).await? && self.under(Kind::USAGE, person.into()).await?)
    }

    /// Goes through the conversations in the order of their last activity: one that moves on meanwhile is met again. Returns
    /// whether all are done.
    async fn conversations(&mut self, pass: &mut Pass) -> Result<bool, AssistantError> {
        loop {
            let query = self.query(Kind::CONVERSATION, self.tenant.into(), pass.after);
            let page = self.inner.entities.store.list(&query).await?;
            for record in page.records {
                let place = record.cursor();
                if !self.conversation(ConversationRow::read(record)?).await? {
                    return Ok(false);
                }
                pass.after = Some(place);
            }
            if page.next.is_none() {
                return Ok(true);
            }
        }
    }

    /// Dates the messages, the files and the suggestions of a conversation, and what its contact gave. Returns whether all is.
    async fn conversation(&mut self, row: ConversationRow) -> Result<bool, AssistantError> {
        let parent = RecordId::from(row.conversation.id);
        Ok(self.under(Kind::MESSAGE, parent).await?
            && self.under(Kind::SUGGESTION, parent).await?
            && self.given(row.conversation.contact.0).await?)
    }

    /// Dates the records of a kind under a parent. Returns whether all are.
    async fn under(&mut self, kind: Kind, parent: RecordId) -> Result<bool, AssistantError> {
        let mut query = self.query(kind, parent, None);
        loop {
            let page = self.inner.entities.store.list(&query).await?;
            let mut earlier = Vec::new();
            for record in page.records {
                let until = match kind {
                    Kind::SUGGESTION => SuggestionRow::read(record.clone())?.clear.at + self.keeps.suggestions,
                    Kind::SUPPORT => Entities::support_clear(&record)?.at + self.keeps.support,
                    Kind::USAGE => Entities::usage_clear(&record)?.at + self.keeps.usage,
                    _ => {
                        self.message(record, &mut earlier).await?;
                        continue;
                    }
                };
                earlier.extend(self.earlier(record, until));
            }
            if !self.write(earlier).await? {
                return Ok(false);
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(true),
            }
        }
    }

    /// Dates a message and its files, from when it came.
    async fn message(&self, record: Record, earlier: &mut Vec<Record>) -> Result<(), AssistantError> {
        let row = MessageRow::read(record)?;
        let (id, came) = (row.id(), row.clear.received_at);
        let (until, files_until) = self.keeps.until(came, false);
        // An edit may have made text of it, and its files are there yet.
        if row.clear.kind == ContentKind::Media || row.clear.revision > 0 {
            for file in self.inner.entities.media_of(self.tenant, id).await? {
                earlier.extend(self.earlier(file, files_until));
            }
        }
        earlier.extend(self.earlier(row.record, until));
        Ok(())
    }

    /// Returns the record with the time as its end if that is earlier. It is not put back before now: who waits for a copy gets
    /// what could be read when they asked for it.
    fn earlier(&self, record: Record, until: DateTime<Utc>) -> Option<Record> {
        ending_by(record, until.max(self.at))
    }

    /// Writes what has changed, as far as the budget goes. Returns whether all of it is written.
    async fn write(&mut self, mut records: Vec<Record>) -> Result<bool, AssistantError> {
        let whole = records.len() <= self.left;
        records.truncate(self.left);
        if records.is_empty() {
            return Ok(whole);
        }
        let mut batch = WriteBatch::new(self.tenant);
        let count = records.len();
        batch.ops.extend(records.into_iter().map(WriteOp::Put));
        match self.inner.entities.store.commit(batch).await? {
            Commit::Done => {
                self.left -= count;
                Ok(whole)
            }
            // One of them was changed this moment: the next sweep finds it as it is then.
            Commit::Refused(_) => Ok(false),
        }
    }

    const fn query(&self, kind: Kind, parent: RecordId, after: Option<Cursor>) -> ListQuery {
        ListQuery { tenant: self.tenant, kind, parent, order: ListOrder::Ascending, after, limit: READ_MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn rules(days: [i64; 3]) -> DatedClear {
        let [messages, files, suggestions] = days.map(TimeDelta::days);
        DatedClear::new(&Retention { messages, files, suggestions, ..Retention::default() }, NOW, None)
    }

    #[test]
    fn what_was_dated_before_support_and_usage_were_is_dated_by_them() {
        let before = DatedClear { support: None, usage: None, ..rules([9, 9, 9]) };
        assert!(rules([9, 9, 9]).after(Some(&before)).pass.is_some());
        let longer = Retention { support: TimeDelta::days(999), ..Retention::default() };
        let before = DatedClear::new(&longer, NOW, None);
        assert!(DatedClear::new(&Retention::default(), NOW, None).after(Some(&before)).pass.is_some());
        let longer =
            DatedClear::new(&longer, NOW, None).after(Some(&DatedClear::new(&Retention::default(), NOW, None)));
        assert_eq!(longer.pass, None);
    }

    #[test]
    fn only_a_shorter_rule_makes_a_pass_and_one_that_is_not_done_is_not_forgotten() {
        let first = rules([9, 9, 9]).after(None);
        assert!(first.pass.is_some(), "nobody knows by which rules what is there is dated");
        let done = DatedClear { pass: None, ..first.clone() };
        assert_eq!(rules([9, 9, 9]).after(Some(&done)), done);
        let longer = rules([9, 9, 10]).after(Some(&done));
        assert_eq!((longer.pass, longer.suggestions), (None, 10 * 86_400));
        for shorter in [[8, 9, 9], [9, 8, 9], [9, 9, 8], [10, 10, 8]] {
            assert!(rules(shorter).after(Some(&done)).pass.is_some(), "{shorter:?}");
        }
        let half = DatedClear {
            pass: Some(Pass { after: Some(Cursor { position: 1, id: RecordId::from_bytes([1; 16]) }) }),
            ..done
        };
        assert_eq!(rules([9, 9, 9]).after(Some(&half)), half, "it goes on where it was");
        assert_eq!(
            rules([10, 9, 9]).after(Some(&half)).pass,
            Some(Pass::default()),
            "from the beginning, by the new ones"
        );
    }
}
