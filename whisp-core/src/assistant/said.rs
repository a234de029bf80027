//! What a contact says: counted, and what it says about the use of their data taken down in the commit of the message.

use chrono::{DateTime, Utc};

use crate::assistant::AssistantError;
use crate::assistant::ingest::Account;
use crate::assistant::stage::Stage;
use crate::assistant::task::Task;
use crate::detect::Signal;
use crate::entity::{Alias, MessageRow};
use crate::id::{ContactId, FactId, MessageId, RecordId, SubjectId};
use crate::kpi::{Actor, Fact, FactKind};
use crate::model::{Author, Content, Provenance};
use crate::privacy::{Act, Purpose, Statement, StatementEvent};
use crate::store::{BlindIndex, Expect, Kind, WriteOp};
use crate::webhook::Item;

impl Stage<'_> {
    /// A contact wrote: counts it, notices a stop at once, and lets the rest wait for the end of the burst.
    pub(super) async fn live(
        &mut self,
        account: &Account,
        alias: Alias,
        message: MessageId,
        item: &Item,
        content: &Content,
    ) -> Result<(), AssistantError> {
        if matches!(content, Content::Reaction { .. }) {
            return Ok(());
        }
        self.op(WriteOp::Append(Fact {
            id: FactId::from_uuid(message.as_uuid()),
            at: self.at(item),
            kind: FactKind::MessageIn,
            actor: Actor::Contact,
            connection: account.connection,
            conversation: alias.conversation,
            inquiry: None,
        }));
        let signal = content.readable().and_then(|text| self.inner.detector.detect(text));
        let act = Act::InChat { message };
        match signal {
            // In the same commit as the message: from here on no permit for an automatic reply holds.
            Some(Signal::Stop) => self.consent(alias.contact.0, Purpose::AutomatedReplies, false, act).await?,
            Some(Signal::Resume) => {
                self.agreed(alias.contact.0, Purpose::AutomatedReplies, self.told_at(item), act).await?;
            }
            _ => {}
        }
        let due = if signal.is_some() { self.now } else { self.now + self.inner.config.burst_quiet };
        self.work(account, alias.conversation, due, &Task::Turn { message })
    }

    /// A stop is a stop too where the contact edits it into an earlier message, even into one that is not here yet.
    pub(super) async fn edited(
        &mut self,
        alias: Alias,
        target: RecordId,
        item: &Item,
        content: &Content,
    ) -> Result<(), AssistantError> {
        let signal = content.readable().and_then(|text| self.inner.detector.detect(text));
        if signal != Some(Signal::Stop) {
            return Ok(());
        }
        let index = BlindIndex(target.into_bytes());
        let found = self.inner.entities.messages_by(self.staged.batch.tenant, index).await?;
        let act = match found.iter().find(|row| row.clear.author == Author::Contact) {
            Some(row) => Act::InChat { message: row.id() },
            None if found.is_empty() && item.provenance == Provenance::Live => Act::InEdit,
            None => return Ok(()),
        };
        self.consent(alias.contact.0, Purpose::AutomatedReplies, false, act).await
    }

    /// A person says yes again, unless they have said no since: what comes late is not their last word.
    pub(super) async fn agreed(
        &mut self,
        subject: SubjectId,
        purpose: Purpose,
        at: DateTime<Utc>,
        act: Act,
    ) -> Result<(), AssistantError> {
        let (tenant, entities) = (self.staged.batch.tenant, &self.inner.entities);
        let log = entities.statements(tenant, subject).await?;
        let is_no = |event: &&StatementEvent| event.statement.purpose() == Some(purpose) && event.statement.closes();
        if let Some(no) = log.iter().rfind(is_no) {
            // What was said in the chat by the platform's clock, else when we heard it.
            let written = match &no.act {
                Act::InChat { message } => entities.message_row(tenant, *message).await?,
                _ => None,
            };
            let said_at = written.map_or(no.at, |row| row.clear.at);
            // The platform tells seconds.
            if at.timestamp() < said_at.timestamp() {
                return Ok(());
            }
        }
        self.consent(subject, purpose, true, act).await
    }

    /// A message was not delivered, because its reader has stopped such in the platform's own settings: that is a no, where
    /// it is not noted yet. The webhook that should have told it may have been lost.
    pub(super) async fn opted_out(
        &mut self,
        row: Option<&MessageRow>,
        known: Option<Alias>,
        at: DateTime<Utc>,
    ) -> Result<(), AssistantError> {
        let reader = match row {
            Some(row) => row.record.subjects.first().copied().map(ContactId),
            None => known.map(|alias| alias.contact),
        };
        let Some(reader) = reader.filter(|reader| !self.gone.contains(reader)) else { return Ok(()) };
        self.met = Some(reader);
        let statement = Statement::withdrawn(Purpose::DirectMarketing);
        let said = self.inner.entities.statements(self.staged.batch.tenant, reader.0).await?;
        let last = said.iter().rfind(|event| event.statement.is_about_the_same(&statement));
        // It is told late, and again: what was said since counts. The platform tells seconds.
        let is_over = last.is_some_and(|event| event.statement.closes() || event.at.timestamp() > at.timestamp());
        // Of several messages each is refused.
        if is_over || !self.opted_out.insert(reader) {
            return Ok(());
        }
        if let Some(row) = row {
            // Nothing of theirs is written if they are erased meanwhile.
            self.expect(Expect::Version(Kind::MESSAGE, row.record.id, row.record.version));
        }
        self.state(reader.0, statement, Act::Platform).await
    }

    pub(super) async fn consent(
        &mut self,
        subject: SubjectId,
        purpose: Purpose,
        given: bool,
        act: Act,
    ) -> Result<(), AssistantError> {
        let statement = if given { Statement::given(purpose, None) } else { Statement::withdrawn(purpose) };
        self.state(subject, statement, act).await
    }

    /// Stages what a person said about the use of their data.
    pub(super) async fn state(
        &mut self,
        subject: SubjectId,
        statement: Statement,
        act: Act,
    ) -> Result<(), AssistantError> {
        let last = match self.statements.get(&subject) {
            Some(last) => Some(*last),
            None => self.inner.entities.last_statement(self.staged.batch.tenant, subject).await?,
        };
        let (event, ops) = self.inner.stated(self.staged.batch.tenant, (subject, last), statement, act).await?;
        self.statements.insert(subject, event.at);
        self.staged.batch.ops.extend(ops);
        self.staged.about.push(subject);
        Ok(())
    }
}
