//! The notices that are published, and who has not been told (promises P63 to P65).
//!
//! What the program does is in its configuration, and [`Assistant::notice`] writes it down. Published, that becomes a version
//! that is kept for good. From the day on which the first one holds:
//! 1. Nothing that a person may say no to goes beyond the notice that holds: it is denied
//!    ([`DeniedReason::Unannounced`](crate::privacy::DeniedReason::Unannounced)) until one that says so is published and its
//!    day has come.
//! 2. What a later one adds to such a purpose is denied about everybody who was known before its day, until they say yes to
//!    it after they were told of that version, or of a later one
//!    ([`DeniedReason::Widened`](crate::privacy::DeniedReason::Widened)). That they go on writing is no yes.
//! 3. Whoever was known before the day of a significant one is in [`Desk::untold`] until a
//!    [`Statement::Policy`](crate::privacy::Statement::Policy) says that they were told.
//!
//! What nobody can say no to, because the service is nothing without it, is not denied: of that people are told. How they are
//! told is up to the host; a message on a channel only as its rules allow.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::assistant::{Assistant, AssistantError, Desk};
use crate::documents::{PolicyChange, PolicyVersion, PrivacyNotice};
use crate::entity::{ConversationRow, Entities};
use crate::id::{MemberId, SubjectId, TenantId};
use crate::privacy::{About, AccessAction};
use crate::store::{Commit, Cursor, Kind, ListOrder, ListQuery, PAGE_MAX, WriteBatch, WriteOp};

/// How long the name of a version may be, in bytes.
const LABEL_MAX: usize = 100;

/// Some of the people who have not been told of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UntoldPage {
    /// Who.
    pub people: Vec<About>,
    /// After whom to go on; `None` at the end. A page may name fewer than it could, or nobody.
    pub next: Option<Cursor>,
}

impl Assistant {
    /// Publishes the notice of this assistant as it is put together, for all tenants, to hold from a day on, by UTC.
    ///
    /// What changes is found by the program; that people have to be told of it can be added with `significant`, and not taken
    /// away.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if nobody is named who is responsible, the label is empty or too long, nothing has changed
    /// since the last one, or the day is too early: a day that is over, one before that of the last version, and, for a
    /// significant one after the first, today; [`Conflict`](AssistantError::Conflict) if somebody else published one this
    /// moment; by the store.
    ///
    /// # Cancellation
    /// Published or not: look at [`policies`](Self::policies) before repeating it.
    ///
    /// # Examples
    /// ```no_run
    /// # use whisp_core::{assistant::{Assistant, AssistantError}, documents::Language};
    /// # async fn publish(assistant: &Assistant) -> Result<(), AssistantError> {
    /// let day = assistant.now().date_naive() + chrono::Days::new(30);
    /// let published = assistant.publish("2026-12", day, false).await?;
    /// println!("{}", published.notice.to_markdown(Language::English));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn publish(
        &self,
        label: &str,
        effective: NaiveDate,
        significant: bool,
    ) -> Result<PolicyVersion, AssistantError> {
        let (inner, now) = (&self.inner, self.now());
        if label.trim().is_empty() || label.len() > LABEL_MAX {
            return Err(AssistantError::Invalid("give the version a short name that people know it by"));
        }
        let notice = self.responsible_notice(effective)?;
        let last = inner.entities.policies().await?.pop();
        let changes = last.as_ref().map_or_else(Vec::new, |last| changes(last, &notice));
        let significant = significant || last.is_none() || !changes.is_empty();
        let today = now.date_naive();
        if effective < today || last.as_ref().is_some_and(|last| effective < last.notice.effective) {
            return Err(AssistantError::Invalid(
                "a notice does not hold before it is published, nor before the last one",
            ));
        }
        if significant && last.is_some() && effective == today {
            return Err(AssistantError::Invalid(
                "people are told before a significant change holds: choose a later day",
            ));
        }
        if last.as_ref().is_some_and(|last| last.notice.version == notice.version) {
            return Err(AssistantError::Invalid("nothing has changed since the last version"));
        }
        let number = last.map_or(1, |last| last.number + 1);
        let label = label.trim().to_owned();
        let policy = PolicyVersion { number, label, published_at: now, significant, changes, notice };
        let batch = WriteBatch::new(TenantId::DIRECTORY).op(WriteOp::Put(Entities::new_policy(&policy)?));
        match inner.entities.store.commit(batch).await? {
            Commit::Done => {
                inner.gate.forget_published();
                Ok(policy)
            }
            Commit::Refused(_) => Err(AssistantError::Conflict("notice")),
        }
    }

    /// Returns every notice that was published, the oldest first.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn policies(&self) -> Result<Vec<PolicyVersion>, AssistantError> {
        Ok(self.inner.entities.policies().await?)
    }

    /// Lists of what people would have to be told if the notice of this assistant were published now; `None` if it says what the
    /// last one says, or none was published.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if nobody is named who is responsible; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn unpublished(&self) -> Result<Option<Vec<PolicyChange>>, AssistantError> {
        let Some(last) = self.inner.entities.policies().await?.pop() else { return Ok(None) };
        let notice = self.responsible_notice(last.notice.effective.max(self.now().date_naive()))?;
        Ok((notice.version != last.notice.version).then(|| changes(&last, &notice)))
    }

    fn responsible_notice(&self, effective: NaiveDate) -> Result<PrivacyNotice, AssistantError> {
        self.notice(effective).map_err(|_| super::documents::NO_CONTROLLER)
    }
}

fn changes(last: &PolicyVersion, notice: &PrivacyNotice) -> Vec<PolicyChange> {
    PolicyChange::between(&last.notice.facts, &notice.facts)
}

impl Desk {
    /// Lists who was known before the last significant notice holds and has not been told of it, nor of a later one:
    /// contacts, those who wrote last first; on the first page the team and the account holder too. Whoever writes on two
    /// channels may be named twice.
    ///
    /// `limit` is how many conversations are looked at, at most [`PAGE_MAX`].
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn untold(&self, after: Option<Cursor>, limit: usize) -> Result<UntoldPage, AssistantError> {
        self.may(AccessAction::Rights).await?;
        let (entities, tenant) = (&self.assistant.inner.entities, self.tenant);
        let settings = entities.tenant(tenant).await?.tenant;
        let mut policies = entities.policies().await?;
        // The last significant one, and those after it.
        let last = policies.iter().rposition(|policy| policy.significant).unwrap_or_default();
        policies.drain(..last);
        let Some(holds_from) = policies.first().map(|policy| policy.notice.effective) else {
            return Ok(UntoldPage { people: Vec::new(), next: None });
        };
        let mut candidates = Vec::new();
        if after.is_none() {
            candidates.push(About::holder(&settings));
            let team = self.team().rows().await?;
            let members = team.iter().filter(|row| row.clear.left_at.is_none());
            candidates.extend(members.map(|row| About::from(MemberId(SubjectId::from_uuid(row.record.id.as_uuid())))));
        }
        let query = ListQuery {
            tenant,
            kind: Kind::CONVERSATION,
            parent: tenant.into(),
            order: ListOrder::Descending,
            after,
            limit: limit.clamp(1, PAGE_MAX),
        };
        let page = entities.store.list(&query).await?;
        let mut seen = BTreeSet::new();
        for record in page.records {
            let contact = ConversationRow::read(record)?.conversation.contact;
            if seen.insert(contact) {
                candidates.push(About::from(contact));
            }
        }
        let mut people = Vec::new();
        for about in candidates {
            let standing = entities.standing(tenant, about.subject).await?;
            if policies.iter().any(|policy| standing.was_told(&policy.notice.version)) {
                continue;
            }
            let since = entities.known_since(&settings, &about).await?;
            if since.is_none_or(|since| since.date_naive() < holds_from) {
                people.push(about);
            }
        }
        Ok(UntoldPage { people, next: page.next })
    }
}
