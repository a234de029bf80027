//! Who at the desk may do what: asked before everything that a member does, and logged where the answer is no.

use chrono::{DateTime, TimeDelta, Utc};

use crate::assistant::{AssistantError, Desk};
use crate::audit::{AuditAction, AuditDetail, Outcome};
use crate::entity::{AuditDraft, By, ConversationRow, Entities, GlassClear, MemberRow};
use crate::id::{ContactId, ConversationId, MemberId};
use crate::model::Conversation;
use crate::privacy::{
    About, Access, AccessAction, AccessRequest, Forbidden, ForbiddenReason, GlassReason, Relation, SubjectKind,
};
use crate::store::{Commit, Kind, WriteBatch, WriteOp};

/// How long a member may look at a conversation that is not theirs, once they said why.
pub const GLASS_BROKEN_FOR: TimeDelta = TimeDelta::hours(1);

impl Desk {
    /// Checks that whoever sits here may do something that is about no conversation: for what the host does for them by
    /// itself, such as a change of settings. The host may do everything. A no is logged.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`]; by the store and the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn may(&self, action: AccessAction) -> Result<(), AssistantError> {
        self.decide(action, None, None).await
    }

    /// Lets a member look at a conversation that is not theirs, for [`GLASS_BROKEN_FOR`]. It is logged before they do.
    /// Returns until when.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`], [`NotFound`](AssistantError::NotFound), [`Conflict`](AssistantError::Conflict);
    /// [`Invalid`](AssistantError::Invalid) if nobody sits here; by the store and the vault.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn break_glass(&self, id: ConversationId, reason: GlassReason) -> Result<DateTime<Utc>, AssistantError> {
        let Some(member) = self.member else {
            return Err(AssistantError::Invalid("say who sits at the desk: nobody stands in the host's way"));
        };
        let (inner, tenant) = (&self.assistant.inner, self.tenant);
        let row = inner.entities.conversation(tenant, id).await?;
        self.may_in(AccessAction::BreakGlass, &row.conversation).await?;
        let contact = row.conversation.contact;
        let now = inner.clock.now();
        let until = now + GLASS_BROKEN_FOR;
        let key = inner.entities.glass_key(tenant, member, id).await?;
        let before = inner.entities.record(tenant, Kind::BROKEN_GLASS, key).await?;
        let glass = GlassClear { reason, since: now };
        let record = Entities::put_glass(key, (member, contact), glass, until, before.as_ref())?;
        let event = AuditDraft::new(AuditAction::GlassBroken, By::Member(Some(member)), contact.0)
            .to(Kind::CONVERSATION, id)
            .detail(AuditDetail::BrokenGlass { reason });
        // Whoever is erased meanwhile is looked at by nobody.
        let mut batch = WriteBatch::new(tenant).expect(row.unchanged()).op(WriteOp::Put(record));
        batch.ops.extend(inner.audit(tenant, event).await?);
        match inner.entities.store.commit(batch).await? {
            Commit::Done => Ok(until),
            Commit::Refused(_) => Err(AssistantError::Conflict("conversation")),
        }
    }

    /// Checks that whoever sits here may do something in a conversation.
    pub(super) async fn may_in(&self, action: AccessAction, conversation: &Conversation) -> Result<(), AssistantError> {
        self.decide(action, Some(conversation), Some(conversation.contact)).await
    }

    /// Checks that whoever sits here may do something about somebody: about a contact as in their conversation; about
    /// oneself always; else as the rights of others are served.
    pub(super) async fn may_about(&self, action: AccessAction, about: &About) -> Result<(), AssistantError> {
        let Some(member) = self.member else { return Ok(()) };
        if about.kind != SubjectKind::Contact {
            let own = about.subject == member.0 && self.colleague(member).await?.is_some();
            return if own { Ok(()) } else { self.may(AccessAction::Rights).await };
        }
        let (inner, contact) = (&self.assistant.inner, ContactId(about.subject));
        let row = inner.entities.contact_row(self.tenant, contact).await?;
        let conversation = match row.and_then(|row| row.conversation) {
            Some(id) => inner.entities.conversation_row(self.tenant, id.into()).await?,
            None => None,
        };
        let conversation = conversation.as_ref().map(|row| &row.conversation);
        self.decide(action, conversation, Some(contact)).await
    }

    /// Returns those of some conversations that whoever sits here may see.
    pub(super) async fn visible(&self, rows: Vec<ConversationRow>) -> Result<Vec<Conversation>, AssistantError> {
        let conversations = rows.into_iter().map(|row| row.conversation);
        let Some(member) = self.member else { return Ok(conversations.collect()) };
        let Some(row) = self.colleague(member).await? else {
            return Err(self.refused(AccessAction::Read, ForbiddenReason::Stranger, None).await?);
        };
        let sees = |conversation: &Conversation| {
            self.ask(&self.question(AccessAction::Read, member, &row, Some(conversation))).is_ok()
        };
        Ok(conversations.filter(sees).collect())
    }

    async fn decide(
        &self,
        action: AccessAction,
        conversation: Option<&Conversation>,
        contact: Option<ContactId>,
    ) -> Result<(), AssistantError> {
        let Some(member) = self.member else { return Ok(()) };
        let Some(row) = self.colleague(member).await? else {
            return Err(self.refused(action, ForbiddenReason::Stranger, contact).await?);
        };
        let mut question = self.question(action, member, &row, conversation);
        let mut answer = self.ask(&question);
        // Looked for only where it could make a difference.
        if answer.is_err()
            && action == AccessAction::Read
            && let Some(conversation) = conversation
            && self.broke_glass(member, conversation.id).await?
        {
            question.glass_broken = true;
            answer = self.ask(&question);
        }
        match answer {
            Ok(()) => Ok(()),
            Err(reason) => Err(self.refused(action, reason, contact).await?),
        }
    }

    fn question(
        &self,
        action: AccessAction,
        member: MemberId,
        row: &MemberRow,
        conversation: Option<&Conversation>,
    ) -> AccessRequest {
        let relation = conversation.map(|conversation| Relation::of(&conversation.handling, member));
        AccessRequest { tenant: self.tenant, member, role: row.clear.role, action, relation, glass_broken: false }
    }

    fn ask(&self, question: &AccessRequest) -> Result<(), ForbiddenReason> {
        match self.assistant.inner.access.decide(question) {
            Ok(Access::Allow) => Ok(()),
            Ok(Access::Deny) => Err(ForbiddenReason::Policy),
            Err(_) => Err(ForbiddenReason::PolicyFailed),
        }
    }

    pub(super) async fn colleague(&self, member: MemberId) -> Result<Option<MemberRow>, AssistantError> {
        let row = self.assistant.inner.entities.member_row(self.tenant, member).await?;
        Ok(row.filter(|row| row.clear.left_at.is_none()))
    }

    async fn broke_glass(&self, member: MemberId, conversation: ConversationId) -> Result<bool, AssistantError> {
        let inner = &self.assistant.inner;
        let key = inner.entities.glass_key(self.tenant, member, conversation).await?;
        let glass = inner.entities.record(self.tenant, Kind::BROKEN_GLASS, key).await?;
        Ok(glass.is_some_and(|record| !record.is_past(inner.clock.now())))
    }

    /// Logs that somebody may not do something; returns the error that says so.
    pub(super) async fn refused(
        &self,
        action: AccessAction,
        reason: ForbiddenReason,
        contact: Option<ContactId>,
    ) -> Result<AssistantError, AssistantError> {
        let subject = contact.map(|contact| contact.0).or(self.member.map(|member| member.0));
        if let Some(subject) = subject {
            let seen = (AuditAction::AccessDenied, subject, Outcome::Denied);
            self.assistant.inner.audit_view(self.tenant, self.member, seen).await?;
        }
        Ok(Forbidden { action, reason }.into())
    }
}
