//! What people say about the use of their data, as the host or a member brings it to us.

use chrono::{DateTime, Utc};

use crate::assistant::{AssistantError, Desk, Inner};
use crate::entity::{AuditDraft, Entities, after};
use crate::id::{ConnectionId, ContactId, SubjectId, TenantId};
use crate::privacy::{About, AccessAction, Act, Standing, Statement, StatementEvent, SubjectKind};
use crate::store::{Commit, WriteBatch, WriteOp};

impl Desk {
    /// Takes a statement about the use of somebody's data into their log: consent, withdrawal, objection, restriction, a
    /// sign of their age. It holds from the commit on: every permit about the person is void by then, and is checked again
    /// right before anything leaves. Other processes give none any more after [`STANDING_LIFE`](crate::privacy::STANDING_LIFE),
    /// and ask for one before each message and before each engine; what they have begun to send or to ask goes on. What waits
    /// in the outbox and may no longer go is cancelled when its turn comes.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] for a yes or no to a purpose that is not
    /// [optional](crate::privacy::Purpose::is_optional), or what [`connect`](crate::assistant::Assistant::connect) writes;
    /// [`NotFound`](AssistantError::NotFound) if the contact is not known
    /// and the statement would open something (one that closes is taken from everybody);
    /// [`Forbidden`](AssistantError::Forbidden), [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn declare(
        &self,
        about: impl Into<About> + Send,
        statement: Statement,
        act: Act,
    ) -> Result<StatementEvent, AssistantError> {
        if statement.purpose().is_some_and(|purpose| !purpose.is_optional()) {
            return Err(AssistantError::Invalid(
                "nobody is asked about this purpose: restrict the use of the data, or erase it",
            ));
        }
        if matches!(statement, Statement::Account { .. }) {
            return Err(AssistantError::Invalid("connect the account, or disconnect it: that writes what was granted"));
        }
        let about = about.into();
        let action = if statement.closes() { AccessAction::Answer } else { AccessAction::Rights };
        self.may_about(action, &about).await?;
        let inner = &self.assistant.inner;
        let About { subject, kind, .. } = about;
        if kind == SubjectKind::Contact && !statement.closes() {
            let contact = ContactId(subject);
            inner.entities.contact_row(self.tenant, contact).await?.ok_or(AssistantError::NotFound("contact"))?;
        }
        // Two that come at the same moment are kept both, in the order of their ids.
        let last = inner.entities.last_statement(self.tenant, subject).await?;
        let (event, ops) = inner.stated(self.tenant, (subject, last), statement, act).await?;
        let mut batch = WriteBatch::new(self.tenant);
        batch.ops = ops;
        let _closed = inner.gate.close(self.tenant, [subject]);
        match inner.entities.store.commit(batch).await? {
            Commit::Done => Ok(event),
            Commit::Refused(_) => Err(AssistantError::Conflict("log of statements")),
        }
    }

    /// Returns the log of statements about somebody, oldest first.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn statements(&self, about: impl Into<About> + Send) -> Result<Vec<StatementEvent>, AssistantError> {
        let about = about.into();
        self.may_about(AccessAction::Read, &about).await?;
        Ok(self.assistant.inner.entities.statements(self.tenant, about.subject).await?)
    }

    /// Returns where somebody stands.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn standing(&self, about: impl Into<About> + Send) -> Result<Standing, AssistantError> {
        let about = about.into();
        self.may_about(AccessAction::Read, &about).await?;
        Ok(self.assistant.inner.entities.standing(self.tenant, about.subject).await?)
    }
}

impl Inner {
    /// Stages what was said about the use of somebody's data, after the last thing that was.
    pub(super) async fn stated(
        &self,
        tenant: TenantId,
        (subject, last): (SubjectId, Option<DateTime<Utc>>),
        statement: Statement,
        act: Act,
    ) -> Result<(StatementEvent, Vec<WriteOp>), AssistantError> {
        let at = after(last, self.clock.now());
        let event = StatementEvent { id: self.record_id(), subject, statement, act, at };
        let mut ops = vec![WriteOp::Put(Entities::new_statement(&event)?)];
        ops.extend(self.audit(tenant, AuditDraft::statement(&event)).await?);
        Ok((event, ops))
    }

    /// Stages what an account holder granted of an account, or took back.
    pub(super) async fn allowed(
        &self,
        tenant: TenantId,
        holder: SubjectId,
        (connection, scopes, stands): (ConnectionId, &[String], bool),
        act: Act,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let statement = Statement::Account { connection, scopes: scopes.to_vec(), stands };
        let last = self.entities.last_statement(tenant, holder).await?;
        Ok(self.stated(tenant, (holder, last), statement, act).await?.1)
    }
}
