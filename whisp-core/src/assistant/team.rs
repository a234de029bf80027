//! The team: who belongs to it and what they are there for. Members are people with rights of their own: a name is sealed
//! under their own key, and goes with them.

use crate::assistant::desk::TRIES_MAX;
use crate::assistant::{AssistantError, Desk, ErasureReceipt, Inner};
use crate::audit::{AuditAction, AuditDetail};
use crate::entity::{AuditDraft, By, ConversationRow, MemberRow};
use crate::id::{MemberId, SubjectId, TenantId};
use crate::model::{HandOffReason, Handling, Member};
use crate::privacy::{AccessAction, ForbiddenReason, Role, ServiceProvision};
use crate::sensitive::Sensitive;
use crate::store::{Kind, ListOrder, ListQuery, PAGE_MAX, WriteBatch, WriteOp};

/// How many members a team has at most.
pub const TEAM_MAX: usize = PAGE_MAX;

/// Somebody who joins the team.
#[derive(Debug, Clone)]
pub struct NewMember {
    /// Their id. The host may use one of its own, so that a repeated call is noticed; it must be random, never made out of
    /// a name or an address.
    pub id: MemberId,
    /// The name that colleagues see.
    pub name: Sensitive,
    /// What they are there for.
    pub role: Role,
}

/// A tenant's team: [`Desk::team`].
///
/// A member sits at the desk with [`Desk::by`], and the [`AccessPolicy`](crate::privacy::AccessPolicy) decides what they
/// may do there. An owner is made and unmade by an owner, or by the host.
#[derive(Debug, Clone)]
pub struct Team {
    desk: Desk,
}

impl Desk {
    /// Returns the team.
    #[must_use]
    pub fn team(&self) -> Team {
        Team { desk: self.clone() }
    }
}

impl Team {
    /// Takes somebody into the team.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if the id is taken, or the team has [`TEAM_MAX`] members;
    /// [`Forbidden`](AssistantError::Forbidden), [`NotFound`](AssistantError::NotFound); by the store and the vault, which
    /// knows an id that was erased ([`Erased`](crate::vault::VaultErrorKind::Erased)).
    ///
    /// # Cancellation
    /// They are in the team or not; repeat the call.
    pub async fn add(&self, new: NewMember) -> Result<Member, AssistantError> {
        self.desk.may(AccessAction::Members).await?;
        self.may_make(&[new.role]).await?;
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        inner.entities.tenant(tenant).await?;
        if self.rows().await?.len() >= TEAM_MAX {
            return Err(AssistantError::Invalid("the team is too large: take somebody out first"));
        }
        inner.entities.vault.provision(tenant, &[new.id.0]).await?;
        let member = Member { id: new.id, name: new.name, role: new.role, joined_at: inner.clock.now() };
        let record = inner.entities.new_member(tenant, &member).await?;
        let event = self.event(AuditAction::MemberAdded, new.id);
        let mut batch = WriteBatch::new(tenant).op(WriteOp::Put(record));
        batch.ops.extend(inner.audit(tenant, event).await?);
        match self.desk.commit(batch).await {
            Err(AssistantError::Conflict(_)) => Err(AssistantError::Invalid("there is a member with this id already")),
            done => done.map(|()| member),
        }
    }

    /// Lists the team, who joined first first.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`] for somebody who is not of it, [`Denied`](AssistantError::Denied); by the store and the
    /// vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn list(&self) -> Result<Vec<Member>, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let mut rows = self.rows().await?;
        rows.retain(|row| row.clear.left_at.is_none());
        if let Some(member) = self.desk.member
            && !rows.iter().any(|row| row.record.id == member.into())
        {
            return Err(self.desk.refused(AccessAction::Members, ForbiddenReason::Stranger, None).await?);
        }
        let settings = inner.entities.tenant(tenant).await?.tenant;
        let mut members = Vec::with_capacity(rows.len());
        for row in rows {
            let id = MemberId(SubjectId::from_uuid(row.record.id.as_uuid()));
            let permit = inner.gate.permit::<ServiceProvision>(&settings, id, inner.clock.now()).await?;
            let name = inner.entities.member_name(permit.grant(), tenant, &row.record).await?;
            members.push(Member { id, name, role: row.clear.role, joined_at: row.clear.joined_at });
        }
        Ok(members)
    }

    /// Says what a member is there for from now on.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden), [`Conflict`](AssistantError::Conflict); by the
    /// store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn set_role(&self, member: MemberId, role: Role) -> Result<(), AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let mut row = self.row(member).await?;
        self.may_make(&[row.clear.role, role]).await?;
        row.clear.role = role;
        let mut batch = WriteBatch::new(tenant).op(WriteOp::Put(row.next()?));
        batch.ops.extend(inner.audit(tenant, self.event(AuditAction::RoleSet, member)).await?);
        self.desk.commit(batch).await
    }

    /// Takes somebody out of the team and erases what is kept of them: their name and their key. What they wrote stays with
    /// the contacts whom it was written to, by somebody whom nobody can name any more; their conversations wait for
    /// anybody of the team. Cut short it is ended by the next call or sweep, as every erasure.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden); by the stores and the vault.
    ///
    /// # Cancellation
    /// As an error: what was erased by then stays erased.
    pub async fn remove(&self, member: MemberId) -> Result<ErasureReceipt, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let row = self.row(member).await?;
        self.may_make(&[row.clear.role]).await?;
        inner.erase(tenant, member.0, self.desk.whom(), (None, Vec::new())).await
    }

    /// Checks that whoever sits here may make, or unmake, whom it is about: an owner needs an owner.
    async fn may_make(&self, roles: &[Role]) -> Result<(), AssistantError> {
        let (Some(member), true) = (self.desk.member, roles.contains(&Role::Owner)) else { return Ok(()) };
        let row = self.desk.assistant.inner.entities.member_row(self.desk.tenant, member).await?;
        if row.is_some_and(|row| row.clear.role == Role::Owner) {
            return Ok(());
        }
        Err(self.desk.refused(AccessAction::Members, ForbiddenReason::Policy, None).await?)
    }

    /// Returns a member whom whoever sits here may change.
    async fn row(&self, member: MemberId) -> Result<MemberRow, AssistantError> {
        self.desk.may(AccessAction::Members).await?;
        let row = self.desk.assistant.inner.entities.member_row(self.desk.tenant, member).await?;
        row.ok_or(AssistantError::NotFound("member"))
    }

    /// Lists the team as it is stored, those too who leave.
    pub(super) async fn rows(&self) -> Result<Vec<MemberRow>, AssistantError> {
        let tenant = self.desk.tenant;
        let query = ListQuery {
            tenant,
            kind: Kind::MEMBER,
            parent: tenant.into(),
            order: ListOrder::Ascending,
            after: None,
            limit: TEAM_MAX,
        };
        let page = self.desk.assistant.inner.entities.store.list(&query).await?;
        Ok(page.records.into_iter().map(MemberRow::read).collect::<Result<_, _>>()?)
    }

    fn event(&self, action: AuditAction, member: MemberId) -> AuditDraft {
        AuditDraft::new(action, self.desk.whom(), member.0)
    }
}

impl Inner {
    /// Gives every conversation of a member who leaves to anybody of the team.
    pub(super) async fn leave_conversations(&self, tenant: TenantId, member: MemberId) -> Result<(), AssistantError> {
        let mut query = ListQuery {
            tenant,
            kind: Kind::CONVERSATION,
            parent: tenant.into(),
            order: ListOrder::Ascending,
            after: None,
            limit: PAGE_MAX,
        };
        loop {
            let page = self.entities.store.list(&query).await?;
            for record in page.records {
                self.leave_conversation(tenant, member, ConversationRow::read(record)?).await?;
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    async fn leave_conversation(
        &self,
        tenant: TenantId,
        member: MemberId,
        mut row: ConversationRow,
    ) -> Result<(), AssistantError> {
        for _ in 0..TRIES_MAX {
            match &mut row.conversation.handling {
                Handling::Member { member: theirs, .. } if *theirs == Some(member) => *theirs = None,
                _ => return Ok(()),
            }
            let id = row.conversation.id;
            let event = AuditDraft::new(AuditAction::HandedOff, By::System, row.conversation.contact.0)
                .to(Kind::CONVERSATION, id)
                .detail(AuditDetail::HandOff { reason: HandOffReason::Assigned });
            let mut batch = WriteBatch::new(tenant).op(WriteOp::Put(row.stage()?));
            batch.ops.extend(self.audit(tenant, event).await?);
            if self.commit_beside(batch).await? {
                return Ok(());
            }
            match self.entities.conversation_row(tenant, id.into()).await? {
                Some(now) => row = now,
                None => return Ok(()),
            }
        }
        Err(AssistantError::Conflict("conversation"))
    }
}
