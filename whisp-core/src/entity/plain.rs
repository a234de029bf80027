//! Records that hold nothing personal but random ids: conversations, inquiries, consent, dead letters.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::AssistantError;
use crate::assistant::task::Task;
use crate::entity::{Entities, MessageRow, from_clear, position, to_clear};
use crate::id::{ConversationId, DeadLetterId, InquiryId, MessageId, RecordId, SubjectId, TenantId};
use crate::model::{Author, Conversation, DeadLetter, Inquiry, LetterState};
use crate::privacy::{Act, Standing, Statement, StatementEvent};
use crate::store::{Expect, Kind, ListOrder, ListQuery, PAGE_MAX, Record, StoreError};

macro_rules! row {
    ($(#[$doc:meta])* $row:ident, $field:ident: $type:ty, $kind:ident, $get:ident, $new:ident,
     parent: |$tenant:ident, $value:ident| $parent:expr, position: $position:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone)]
        pub(crate) struct $row {
            record: Record,
            pub(crate) $field: $type,
        }

        impl $row {
            pub(crate) fn read(record: Record) -> Result<Self, StoreError> {
                Ok(Self { $field: from_clear(&record)?, record })
            }

            pub(crate) fn $new($tenant: TenantId, $field: $type) -> Self {
                let mut record = Record::new(Kind::$kind, $field.id.into());
                // The first `stage` makes it version 1.
                record.version = 0;
                let $value = &$field;
                record.parent = Some($parent);
                record.subjects = vec![$field.contact.0];
                Self { record, $field }
            }

            /// Expects it to be stored as it is here.
            pub(crate) const fn unchanged(&self) -> Expect {
                Expect::Version(Kind::$kind, self.record.id, self.record.version)
            }

            /// Returns the record as the value is now, one version on, and counts on itself.
            pub(crate) fn stage(&mut self) -> Result<Record, StoreError> {
                self.record.version += 1;
                let $value = &self.$field;
                self.record.position = $position;
                self.record.clear = to_clear($value)?;
                Ok(self.record.clone())
            }
        }

        impl Entities {
            pub(crate) async fn $get(&self, tenant: TenantId, id: RecordId) -> Result<Option<$row>, StoreError> {
                self.record(tenant, Kind::$kind, id).await?.map($row::read).transpose()
            }
        }
    };
}

row! {
    /// A conversation as it is stored.
    ConversationRow, conversation: Conversation, CONVERSATION, conversation_row, new,
    parent: |tenant, _value| tenant.into(), position: position(_value.active_at)
}
row! {
    /// An inquiry as it is stored.
    InquiryRow, inquiry: Inquiry, INQUIRY, inquiry_row, new,
    parent: |_tenant, value| value.conversation.into(), position: position(value.opened_at)
}

impl InquiryRow {
    /// Returns whether a message is the one by which the inquiry says that answers are automatic, or part of the same
    /// answer.
    pub(crate) fn disclosed_by(&self, row: &MessageRow) -> bool {
        matches!(row.clear.author, Author::Engine { .. }) && self.inquiry.disclosed_at == Some(row.clear.at)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StatementClear {
    #[serde(flatten)]
    pub(crate) statement: Statement,
    #[serde(flatten)]
    pub(crate) act: Act,
    pub(crate) at: DateTime<Utc>,
}

/// Work that could not be done and waits for somebody to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LetterClear {
    pub(crate) conversation: ConversationId,
    /// What was to be done; its text where it could not be read.
    pub(crate) task: serde_json::Value,
    /// The message that was to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<MessageId>,
    /// Why it could not be.
    pub(crate) reason: String,
    pub(crate) at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "is_open")]
    pub(crate) state: LetterState,
}

fn is_open(state: &LetterState) -> bool {
    *state == LetterState::Open
}

/// A dead letter as it is stored.
#[derive(Debug)]
pub(crate) struct LetterRow {
    record: Record,
    pub(crate) clear: LetterClear,
}

impl LetterRow {
    pub(crate) fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { clear: from_clear(&record)?, record })
    }

    pub(crate) fn next(mut self, state: LetterState) -> Result<Record, StoreError> {
        self.clear.state = state;
        self.record.version += 1;
        self.record.clear = to_clear(&self.clear)?;
        Ok(self.record)
    }

    /// Returns what was to be done, where it can be read.
    pub(crate) fn task(&self) -> Option<Task> {
        serde_json::from_value(self.clear.task.clone()).ok()
    }

    /// Returns the letter as people are shown it.
    pub(crate) fn letter(self) -> DeadLetter {
        let task = self.task();
        DeadLetter {
            id: DeadLetterId::from_uuid(self.record.id.as_uuid()),
            conversation: self.clear.conversation,
            what: task.as_ref().map(|task| task.word().to_owned()),
            message: self.clear.message.or_else(|| task.as_ref().and_then(Task::message)),
            reason: self.clear.reason,
            at: self.clear.at,
            state: self.clear.state,
        }
    }
}

/// Returns a time for the next entry of a log that goes by time: now, or just after the last one where several come at
/// once or the clock went back. The order in which a person said things decides what holds.
pub(crate) fn after(last: Option<DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
    last.map_or(now, |last| now.max(last + TimeDelta::microseconds(1)))
}

impl Entities {
    pub(crate) async fn conversation(
        &self,
        tenant: TenantId,
        id: ConversationId,
    ) -> Result<ConversationRow, AssistantError> {
        self.conversation_row(tenant, id.into()).await?.ok_or(AssistantError::NotFound("conversation"))
    }

    pub(crate) async fn inquiry(
        &self,
        tenant: TenantId,
        id: Option<InquiryId>,
    ) -> Result<Option<InquiryRow>, StoreError> {
        match id {
            Some(id) => self.inquiry_row(tenant, id.into()).await,
            None => Ok(None),
        }
    }

    pub(crate) fn new_statement(event: &StatementEvent) -> Result<Record, StoreError> {
        let mut record = Record::new(Kind::CONSENT, event.id);
        record.parent = Some(event.subject.into());
        record.position = position(event.at);
        record.subjects = vec![event.subject];
        let clear = StatementClear { statement: event.statement.clone(), act: event.act, at: event.at };
        record.clear = to_clear(&clear)?;
        Ok(record)
    }

    /// Reads the log of what was said about the use of a person's data, oldest entry first.
    pub(crate) async fn statements(
        &self,
        tenant: TenantId,
        subject: SubjectId,
    ) -> Result<Vec<StatementEvent>, StoreError> {
        let mut query = ListQuery {
            tenant,
            kind: Kind::CONSENT,
            parent: subject.into(),
            order: ListOrder::Ascending,
            after: None,
            limit: PAGE_MAX,
        };
        let mut events = Vec::new();
        loop {
            let page = self.store.list(&query).await?;
            for record in &page.records {
                let StatementClear { statement, act, at } = from_clear(record)?;
                events.push(StatementEvent { id: record.id, subject, statement, act, at });
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(events),
            }
        }
    }

    /// Returns the time of the last entry of that log.
    pub(crate) async fn last_statement(
        &self,
        tenant: TenantId,
        subject: SubjectId,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let query = ListQuery {
            tenant,
            kind: Kind::CONSENT,
            parent: subject.into(),
            order: ListOrder::Descending,
            after: None,
            limit: 1,
        };
        let page = self.store.list(&query).await?;
        page.records.first().map(|record| Ok(from_clear::<StatementClear>(record)?.at)).transpose()
    }

    /// Folds that log.
    pub(crate) async fn standing(&self, tenant: TenantId, subject: SubjectId) -> Result<Standing, StoreError> {
        Ok(Standing::fold(self.statements(tenant, subject).await?))
    }

    pub(crate) fn new_dead_letter(
        tenant: TenantId,
        id: RecordId,
        subject: SubjectId,
        letter: &LetterClear,
        expires_at: DateTime<Utc>,
    ) -> Result<Record, StoreError> {
        let mut record = Record::new(Kind::DEAD_LETTER, id);
        record.parent = Some(tenant.into());
        record.position = position(letter.at);
        record.subjects = vec![subject];
        record.expires_at = Some(expires_at);
        record.clear = to_clear(letter)?;
        Ok(record)
    }
}
