//! Handing data of a person to an authority: asked for by one of the team, approved by another, within a scope, once
//! (promise P37).

mod hand_out;
mod watch;

pub use hand_out::HandedOut;

use crate::assistant::{AssistantError, Desk, Inner};
use crate::audit::AuditAction;
use crate::entity::{AuditDraft, By, LegalRow};
use crate::id::{ContactId, LegalDisclosureId, MemberId, TenantId};
use crate::privacy::{
    AccessAction, LegalCompliance, LegalDisclosure, LegalError, LegalScope, LegalState, NewLegalDisclosure,
};
use crate::store::{Commit, Cursor, Expect, Kind, WriteBatch, WriteOp};

/// What is handed to authorities of a tenant's contacts' data.
///
/// | what | how |
/// |---|---|
/// | One of the team takes down what an authority asks for | [`ask`](Self::ask) |
/// | Another one looks at it | [`approve`](Self::approve), [`refuse`](Self::refuse) |
/// | It is taken out, once | [`hand_out`](Self::hand_out), [`read_file`](Self::read_file) |
/// | The person is told | their own copy tells it, at once or when [the gag](LegalDisclosure::gag_until) has ended; the [`sweep`](crate::assistant::Assistant::sweep) after that tells the host ([`DueWhat::GagEnded`](crate::assistant::DueWhat)), who tells the person |
///
/// Everything here is for [`Purpose::LegalCompliance`](crate::privacy::Purpose::LegalCompliance) and no other purpose: a host
/// that hands data out has it about contacts in its [`Register`](crate::privacy::Register). It is not stopped by a restriction
/// (Art. 18(2) GDPR names other grounds, but a duty of law stands beside them: ask counsel), and is while a
/// [breach is contained](crate::assistant::Breaches::contain). A member needs [`AccessAction::LegalDisclosures`].
///
/// Of somebody who was erased there is nothing to hand out ([`AssistantError::NotFound`]) but what a
/// [hold](crate::assistant::Holds) had kept: [`Holds::read`](crate::assistant::Holds::read) reads that, for the claim or the law
/// for which it was kept, and that it is read is in the audit log.
#[derive(Debug, Clone)]
pub struct LegalDisclosures {
    desk: Desk,
}

/// A page of what is handed to authorities.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LegalPage {
    /// What.
    pub disclosures: Vec<LegalDisclosure>,
    /// After what to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl Desk {
    /// Returns what is handed to authorities.
    #[must_use]
    pub fn legal_disclosures(&self) -> LegalDisclosures {
        LegalDisclosures { desk: self.clone() }
    }
}

impl LegalDisclosures {
    /// Takes down what an authority asks for about a contact. Who asks is whoever sits here; the host names who of the team
    /// does.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] if there is no such contact; [`Denied`](AssistantError::Denied) where the register has no
    /// ground for it; [`Forbidden`](AssistantError::Forbidden); [`Invalid`](AssistantError::Invalid) without an authority, a
    /// reference, a law or somebody who asks, for kinds of data of which none, or others than
    /// [`LegalScope::CATEGORIES`], are handed out or for which the register has no ground, and for a gag that is over; by the
    /// store.
    ///
    /// # Cancellation
    /// Taken down or not: look before repeating it.
    pub async fn ask(&self, contact: ContactId, new: NewLegalDisclosure) -> Result<LegalDisclosure, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let asked_by = match (self.desk.member, new.asked_by) {
            (Some(member), None) | (None, Some(member)) => member,
            (Some(member), Some(named)) if member == named => member,
            _ => return Err(AssistantError::Invalid("say who of the team asks, and let nobody ask for another")),
        };
        self.desk.by(asked_by).may(AccessAction::LegalDisclosures).await?;
        let now = inner.clock.now();
        let NewLegalDisclosure { authority, reference, law, scope, gag_until, .. } = new;
        if [&authority, &reference, &law].iter().any(|text| text.trim().is_empty()) {
            return Err(AssistantError::Invalid("say which authority asks, under which number, and by which law"));
        }
        if gag_until.is_some_and(|until| until <= now) {
            return Err(AssistantError::Invalid("the time in which the person must not be told is over"));
        }
        inner.entities.contact_row(tenant, contact).await?.ok_or(AssistantError::NotFound("contact"))?;
        let settings = inner.entities.tenant(tenant).await?.tenant;
        let permit = inner.gate.permit::<LegalCompliance>(&settings, contact, now).await?;
        let handed = |category| LegalScope::CATEGORIES.contains(category) && permit.grant().covers(category);
        if scope.categories.is_empty() || !scope.categories.iter().all(handed) {
            return Err(AssistantError::Invalid("say which kinds of data: those for which the register has a ground"));
        }
        let mut row = LegalRow::new(LegalDisclosure {
            id: LegalDisclosureId::from_uuid(inner.ids.time_ordered(now)),
            subject: contact.0,
            authority,
            reference,
            law,
            scope,
            asked_by,
            asked_at: now,
            gag_until,
            decided_by: None,
            decided_at: None,
            handed_at: None,
            count: 0,
            state: LegalState::Asked,
        });
        let by = By::Member(Some(asked_by));
        let mut batch = WriteBatch::new(tenant).expect(Expect::Absent(Kind::ERASURE, contact.0.into()));
        batch.ops = inner.staged_legal(tenant, &mut row, (AuditAction::LegalAsked, by)).await?;
        self.commit(batch).await?;
        Ok(row.clear.disclosure)
    }

    /// Approves it. Whoever sits here did not ask for it.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`]; [`Legal`](AssistantError::Legal) for who asked for it, where that one is of the team no
    /// more, and where it was decided before; [`Forbidden`](AssistantError::Forbidden);
    /// [`Invalid`](AssistantError::Invalid) if nobody sits here; [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done: look before repeating it.
    pub async fn approve(&self, id: LegalDisclosureId) -> Result<LegalDisclosure, AssistantError> {
        self.decide(id, true).await
    }

    /// Refuses it. Whoever sits here did not ask for it.
    ///
    /// # Errors
    /// As [`approve`](Self::approve).
    ///
    /// # Cancellation
    /// As [`approve`](Self::approve).
    pub async fn refuse(&self, id: LegalDisclosureId) -> Result<LegalDisclosure, AssistantError> {
        self.decide(id, false).await
    }

    /// Returns it.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden); by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn get(&self, id: LegalDisclosureId) -> Result<LegalDisclosure, AssistantError> {
        self.may().await?;
        Ok(self.row(id).await?.clear.disclosure)
    }

    /// Lists those for which something is left to do, the first one first: to decide, to hand out, to tell the person.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn open(&self, after: Option<Cursor>, limit: usize) -> Result<LegalPage, AssistantError> {
        self.list(false, after, limit).await
    }

    /// Lists the others, the last one first, as long as they are kept:
    /// [`Retention::requests`](crate::assistant::Retention::requests).
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn ended(&self, after: Option<Cursor>, limit: usize) -> Result<LegalPage, AssistantError> {
        self.list(true, after, limit).await
    }

    /// Returns those about a contact, also of one who was erased.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn of(&self, contact: ContactId) -> Result<Vec<LegalDisclosure>, AssistantError> {
        self.may().await?;
        let rows = self.desk.assistant.inner.entities.legal_disclosures_of(self.desk.tenant, contact.0).await?;
        Ok(rows.into_iter().map(|row| row.clear.disclosure).collect())
    }

    async fn list(&self, ended: bool, after: Option<Cursor>, limit: usize) -> Result<LegalPage, AssistantError> {
        self.may().await?;
        let entities = &self.desk.assistant.inner.entities;
        let (rows, next) = entities.legal_disclosures(self.desk.tenant, ended, after, limit).await?;
        Ok(LegalPage { disclosures: rows.into_iter().map(|row| row.clear.disclosure).collect(), next })
    }

    async fn decide(&self, id: LegalDisclosureId, approves: bool) -> Result<LegalDisclosure, AssistantError> {
        self.may().await?;
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let Some(member) = self.desk.member else {
            return Err(AssistantError::Invalid("say who of the team decides: sit at their desk"));
        };
        let mut row = self.row(id).await?;
        let decided = row.clear.disclosure.decide(member, approves, inner.clock.now())?;
        self.still_of_the_team([decided.asked_by, member]).await?;
        row.clear.disclosure = decided;
        let action = if approves { AuditAction::LegalApproved } else { AuditAction::LegalRefused };
        let mut batch = WriteBatch::new(tenant);
        batch.ops = inner.staged_legal(tenant, &mut row, (action, self.desk.whom())).await?;
        self.commit(batch).await?;
        Ok(row.clear.disclosure)
    }

    async fn still_of_the_team(&self, members: impl IntoIterator<Item = MemberId>) -> Result<(), AssistantError> {
        for member in members {
            if self.desk.colleague(member).await?.is_none() {
                return Err(LegalError::NotOfTheTeam.into());
            }
        }
        Ok(())
    }

    async fn may(&self) -> Result<(), AssistantError> {
        self.desk.may(AccessAction::LegalDisclosures).await
    }

    async fn row(&self, id: LegalDisclosureId) -> Result<LegalRow, AssistantError> {
        let row = self.desk.assistant.inner.entities.legal_disclosure(self.desk.tenant, id).await?;
        row.ok_or(AssistantError::NotFound("disclosure to an authority"))
    }

    async fn commit(&self, batch: WriteBatch) -> Result<(), AssistantError> {
        match self.desk.assistant.inner.entities.store.commit(batch).await? {
            Commit::Done => Ok(()),
            Commit::Refused(_) => Err(AssistantError::Conflict("disclosure to an authority")),
        }
    }
}

impl Inner {
    /// Stages it as it is now, and the event of what happened to it.
    pub(super) async fn staged_legal(
        &self,
        tenant: TenantId,
        row: &mut LegalRow,
        (action, by): (AuditAction, By),
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let disclosure = &row.clear.disclosure;
        let event = AuditDraft::new(action, by, disclosure.subject).to(Kind::LEGAL_DISCLOSURE, disclosure.id);
        let mut ops = vec![row.stage(tenant, self.clock.now() + self.config.retention.requests)?];
        ops.extend(self.audit(tenant, event).await?);
        Ok(ops)
    }
}
