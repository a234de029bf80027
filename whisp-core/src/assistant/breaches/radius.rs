//! Whom a breach is about: counted from what is in clear. Nothing is decrypted.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::Breaches;
use crate::assistant::{AssistantError, ErasureReceipt, Inner};
use crate::audit::{AuditAction, AuditEvent, Outcome, Tag};
use crate::entity::{ConversationRow, EventRow, MemberRow, MessageRow, from_clear, position};
use crate::id::{BreachId, ConversationId, RecordId, SubjectId, TenantId};
use crate::model::ContentKind;
use crate::privacy::{Breach, DataCategory, SubjectKind};
use crate::store::{Cursor, Kind, ListOrder, ListQuery, PAGE_MAX, Page};

/// How many people one page tells of at most.
const PEOPLE_MAX: usize = 100;

/// How many records of a conversation are counted.
const RECORDS_MAX: usize = PAGE_MAX;

/// How much later than it happened an event may be put into the log: by the next sweep that works.
const LOGGED_WITHIN: TimeDelta = TimeDelta::days(1);

/// Where [`Breaches::radius`] goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RadiusCursor {
    stage: Stage,
    after: Option<Cursor>,
}

/// What is looked through, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Looks,
    Contacts,
    Team,
    Erased,
}

/// A part of what is known of whom a breach is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RadiusPage {
    /// People whose data were there in the window.
    pub people: Vec<Affected>,
    /// How often somebody began to look at a person's data in the window, by what stands for the person in the audit log.
    pub looks: BTreeMap<Tag, u64>,
    /// People who were erased.
    pub erased: ErasedPeople,
    /// After what to go on; `None` at the end.
    pub next: Option<RadiusCursor>,
}

/// Somebody whose data were there in the window of a breach.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Affected {
    /// Who.
    pub subject: SubjectId,
    /// What they are to the business.
    pub kind: SubjectKind,
    /// What stands for them in the audit log.
    pub tag: Tag,
    /// How many records of each kind are from the window itself, and who they are. A kind that is not here may be there from
    /// before.
    pub records: BTreeMap<DataCategory, u64>,
    /// Whether there are more records than were counted: a thousand a conversation.
    pub more: bool,
}

/// People who were erased, counted from their receipts: who they were nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ErasedPeople {
    /// Whose key was destroyed before the window: what is left of them in a copy of the data is noise, unless the keys were
    /// copied too before their [horizon](crate::assistant::ErasureHorizon).
    pub before: u64,
    /// Whose key was destroyed in the window: they were there for a part of it.
    pub within: u64,
    /// Whose key was destroyed after it: they were there, or came later.
    pub after: u64,
}

/// All of it, put together page by page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Radius {
    /// People whose data were there.
    pub people: BTreeMap<SubjectId, Affected>,
    /// How often somebody looked.
    pub looks: BTreeMap<Tag, u64>,
    /// People who were erased.
    pub erased: ErasedPeople,
}

impl Radius {
    /// Adds a page.
    pub fn add(&mut self, page: RadiusPage) {
        for (tag, times) in page.looks {
            *self.looks.entry(tag).or_default() += times;
        }
        for more in page.people {
            match self.people.entry(more.subject) {
                std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(more)),
                // A conversation that moved on meanwhile is seen twice.
                std::collections::btree_map::Entry::Occupied(mut known) => {
                    for (category, count) in more.records {
                        let there = known.get_mut().records.entry(category).or_default();
                        *there = count.max(*there);
                    }
                    known.get_mut().more |= more.more;
                }
            }
        }
        self.erased.before += page.erased.before;
        self.erased.within += page.erased.within;
        self.erased.after += page.erased.after;
    }

    /// Returns those at whose data somebody looked in the window, as far as the audit log knows.
    pub fn looked_at(&self) -> impl Iterator<Item = (&Affected, u64)> {
        self.people.values().filter_map(|person| Some((person, *self.looks.get(&person.tag)?)))
    }

    /// Returns how many people have records of a kind from the window, and how many records they are.
    #[must_use]
    pub fn of(&self, category: DataCategory) -> (u64, u64) {
        let counts = self.people.values().filter_map(|person| person.records.get(&category));
        counts.fold((0, 0), |(people, records), count| (people + 1, records + count))
    }
}

impl Breaches {
    /// Returns whose data were there in the window of a breach, a page at a time; [`Radius`] puts the pages together. First
    /// come the looks of the audit log, then contacts, then the team and the account holder, then who was erased.
    ///
    /// It decrypts nothing, and it knows no more than what is written down:
    /// - Whoever read the store, its files or a backup directly left no event: then everybody whose data were there counts.
    /// - A message that was deleted since, for its age or because it was taken back, is not counted; of a file the message is.
    /// - A look at several pages of a person's data is one event; an event is in no page twice, and not in any while it has
    ///   waited for a sweep for more than a day.
    /// - An event about somebody who was erased since has a tag that is nobody's any more.
    /// - In the records of the host's own kinds it does not look.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Forbidden`](AssistantError::Forbidden); by the store and the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn radius(&self, id: BreachId, after: Option<RadiusCursor>) -> Result<RadiusPage, AssistantError> {
        let breach = self.get(id).await?;
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let window = Window::of(&breach, inner.clock.now());
        let RadiusCursor { stage, after } = after.unwrap_or(RadiusCursor { stage: Stage::Looks, after: None });
        let (mut page, next) = match stage {
            Stage::Looks => inner.looks(tenant, window, after).await?,
            Stage::Contacts => inner.contacts_there(tenant, window, after).await?,
            Stage::Team => inner.team_there(tenant, window, after).await?,
            Stage::Erased => inner.erased_people(tenant, window, after).await?,
        };
        let and_then = match stage {
            Stage::Looks => Some(Stage::Contacts),
            Stage::Contacts => Some(Stage::Team),
            Stage::Team => Some(Stage::Erased),
            Stage::Erased => None,
        };
        page.next = match next {
            Some(next) => Some(RadiusCursor { stage, after: Some(next) }),
            None => and_then.map(|stage| RadiusCursor { stage, after: None }),
        };
        Ok(page)
    }
}

/// When it may have happened: from the first to before the second.
#[derive(Debug, Clone, Copy)]
struct Window(DateTime<Utc>, DateTime<Utc>);

impl Window {
    /// A window whose end nobody knows has not ended.
    fn of(breach: &Breach, now: DateTime<Utc>) -> Self {
        Self(breach.from, breach.until.unwrap_or(now) + TimeDelta::microseconds(1))
    }

    fn has(self, at: DateTime<Utc>) -> bool {
        at >= self.0 && at < self.1
    }
}

type Part = (RadiusPage, Option<Cursor>);

impl Inner {
    /// Counts looks, from where the window begins in the log.
    async fn looks(&self, tenant: TenantId, window: Window, after: Option<Cursor>) -> Result<Part, AssistantError> {
        let Page { records, mut next } = match after {
            Some(after) => self.entities.audit_after(tenant, Some(after), PAGE_MAX).await?,
            None => {
                let from = self.first_event(tenant, window.0).await?;
                self.entities.audit_from(tenant, from, PAGE_MAX).await?
            }
        };
        let (mut page, mut ended) = (RadiusPage::default(), false);
        let mut count = |event: &AuditEvent| {
            let look = event.action == AuditAction::ContentRead && event.outcome == Outcome::Done;
            if let Some(tag) = event.subject.filter(|_| look && window.has(event.at)) {
                *page.looks.entry(tag).or_default() += 1;
            }
        };
        for record in records {
            let event = EventRow::read(record)?.event;
            count(&event);
            ended |= event.at > window.1 + LOGGED_WITHIN;
        }
        if ended {
            next = None;
        }
        if next.is_none() {
            // What no sweep has put into the log yet.
            for record in self.entities.audit_waiting(tenant, PAGE_MAX).await?.records {
                count(&EventRow::read(record)?.event);
            }
        }
        Ok((page, next))
    }

    /// Finds a place in the log before which no event of the window is.
    async fn first_event(&self, tenant: TenantId, from: DateTime<Utc>) -> Result<i64, AssistantError> {
        let (head, _) = self.entities.log_head(tenant).await?;
        // What is in the log before `low` happened more than a day before; what is at `high` did not.
        let (mut low, mut high) = (0, i64::try_from(head.size).unwrap_or(i64::MAX));
        while low < high {
            let middle = low + (high - low) / 2;
            let at = match self.entities.audit_from(tenant, middle, 1).await?.records.pop() {
                Some(record) => EventRow::read(record)?.event.at,
                None => return Ok(low),
            };
            if at + LOGGED_WITHIN < from { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    async fn contacts_there(
        &self,
        tenant: TenantId,
        window: Window,
        after: Option<Cursor>,
    ) -> Result<Part, AssistantError> {
        let listed = self.under(tenant, Kind::CONVERSATION, after, PEOPLE_MAX).await?;
        let mut page = RadiusPage::default();
        for record in listed.records {
            let conversation = ConversationRow::read(record)?.conversation;
            if conversation.created_at >= window.1 {
                continue;
            }
            let (mut records, more) = self.written(tenant, conversation.id, window).await?;
            records.insert(DataCategory::Identity, 1);
            let person = (conversation.contact.0, SubjectKind::Contact);
            page.people.push(self.affected(tenant, person, records, more).await?);
        }
        Ok((page, listed.next))
    }

    /// Counts what was written in a conversation in the window, and whether there is more.
    async fn written(
        &self,
        tenant: TenantId,
        conversation: ConversationId,
        window: Window,
    ) -> Result<(BTreeMap<DataCategory, u64>, bool), AssistantError> {
        let before = Cursor { position: position(window.0) - 1, id: RecordId::from_bytes([0xff; 16]) };
        let (kind, order) = (Kind::MESSAGE, ListOrder::Ascending);
        let (parent, after) = (conversation.into(), Some(before));
        let query = ListQuery { tenant, kind, parent, order, after, limit: RECORDS_MAX };
        let listed = self.entities.store.list(&query).await?;
        let (mut counts, mut more) = (BTreeMap::new(), listed.next.is_some());
        for record in listed.records {
            let message = MessageRow::read(record)?.clear;
            if !window.has(message.at) {
                more = false;
                break;
            }
            *counts.entry(DataCategory::MessageContent).or_default() += 1;
            if message.kind == ContentKind::Media {
                *counts.entry(DataCategory::Media).or_default() += 1;
            }
        }
        Ok((counts, more))
    }

    async fn team_there(
        &self,
        tenant: TenantId,
        window: Window,
        after: Option<Cursor>,
    ) -> Result<Part, AssistantError> {
        let listed = self.under(tenant, Kind::MEMBER, after, PEOPLE_MAX).await?;
        let mut page = RadiusPage::default();
        let identity = || BTreeMap::from([(DataCategory::Identity, 1)]);
        for record in listed.records {
            let subject = SubjectId::from_uuid(record.id.as_uuid());
            if MemberRow::read(record)?.clear.joined_at < window.1 {
                page.people.push(self.affected(tenant, (subject, SubjectKind::Member), identity(), false).await?);
            }
        }
        if listed.next.is_none() {
            let holder = self.entities.tenant(tenant).await?.tenant.account_holder;
            let connections = self.under(tenant, Kind::CONNECTION, None, PAGE_MAX).await?.records.len();
            let mut records = identity();
            records.insert(DataCategory::Credential, connections as u64);
            page.people.push(self.affected(tenant, (holder, SubjectKind::AccountHolder), records, false).await?);
        }
        Ok((page, listed.next))
    }

    async fn erased_people(
        &self,
        tenant: TenantId,
        window: Window,
        after: Option<Cursor>,
    ) -> Result<Part, AssistantError> {
        let listed = self.under(tenant, Kind::RECEIPT, after, PAGE_MAX).await?;
        let mut page = RadiusPage::default();
        for record in &listed.records {
            let receipt: ErasureReceipt = from_clear(record)?;
            match receipt.key_destroyed_at {
                Some(at) if at < window.0 => page.erased.before += 1,
                Some(at) if at < window.1 => page.erased.within += 1,
                Some(_) => page.erased.after += 1,
                // There was nobody.
                None => {}
            }
        }
        Ok((page, listed.next))
    }

    async fn affected(
        &self,
        tenant: TenantId,
        (subject, kind): (SubjectId, SubjectKind),
        records: BTreeMap<DataCategory, u64>,
        more: bool,
    ) -> Result<Affected, AssistantError> {
        let tag = self.entities.person_tag(tenant, subject).await?;
        Ok(Affected { subject, kind, tag, records, more })
    }

    async fn under(
        &self,
        tenant: TenantId,
        kind: Kind,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, AssistantError> {
        let (parent, order) = (tenant.into(), ListOrder::Ascending);
        Ok(self.entities.store.list(&ListQuery { tenant, kind, parent, order, after, limit }).await?)
    }
}
