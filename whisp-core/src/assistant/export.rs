//! Access and portability: everything that is kept about a contact, in a form that people and programs read.

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, OptionFuture, join};

use crate::assistant::{Assistant, AssistantError, ExportPage, Exported, ExportedData, Inner};
use crate::audit::{AuditAction, Outcome};
use crate::entity::{
    ContactRow, Entities, GlassClear, InquiryRow, LetterRow, MediaRow, MemberRow, MessageRow, StatementClear,
    SuggestionRow, UsageSecret, damaged, from_clear,
};
use crate::id::{MemberId, TenantId};
use crate::model::{Author, Conversation, Tenant};
use crate::privacy::{About, Grant, Permit, Rights};
use crate::store::{Kind, Record, SubjectCursor, SubjectPage, SubjectQuery};

/// How many records are read at a time. What comes next is read while what came before is opened.
const READ_MAX: usize = 95;

/// How many are read first of a page: nothing can be opened meanwhile.
const FIRST_MAX: usize = 20;

/// How many reads make a page, of up to 400 records.
const READS: usize = 5;

impl Assistant {
    /// Reads what is kept about a contact, a page at a time, whatever their conversations are and however much it is. Only
    /// what belongs to the contact is in it; facts, which name nobody, are not. It works under restriction too.
    ///
    /// Verify first who asks: whoever calls this gets everything. [`Requests::copy`](super::Requests::copy) sees to that. That it
    /// was read is in the audit log. The form of each entry as JSON is [`EXPORT_SCHEMA_JSON`](super::EXPORT_SCHEMA_JSON); with
    /// files, a manifest and that schema it is a [`package`](Self::package).
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] if there is no such tenant; [`Denied`](AssistantError::Denied); by the store, and by
    /// the vault: of somebody who was erased nothing can be read.
    ///
    /// # Cancellation
    /// No effect.
    ///
    /// # Examples
    /// As JSON Lines:
    /// ```no_run
    /// use std::io::Write;
    /// # use whisp_core::{assistant::Assistant, id::{ContactId, TenantId}};
    /// # async fn export(assistant: Assistant, tenant: TenantId, contact: ContactId) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut file = std::fs::File::create("export.jsonl")?;
    /// let mut after = None;
    /// loop {
    ///     let page = assistant.export(tenant, contact, after).await?;
    ///     for entry in &page.entries {
    ///         writeln!(file, "{}", serde_json::to_string(entry)?)?;
    ///     }
    ///     match page.next {
    ///         Some(next) => after = Some(next),
    ///         None => break,
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn export(
        &self,
        tenant: TenantId,
        about: impl Into<About> + Send,
        after: Option<SubjectCursor>,
    ) -> Result<ExportPage, AssistantError> {
        let permit = self.inner.permit_rights(tenant, &about.into(), None, None).await?;
        self.inner.export(permit.grant(), tenant, after).await
    }
}

impl Inner {
    /// Lets the data of somebody be read for the use of their rights, as far as it was kept at a time, or now. That it is read,
    /// by a member or by the host, is logged before.
    pub(super) async fn permit_rights(
        &self,
        tenant: TenantId,
        about: &About,
        as_of: Option<DateTime<Utc>>,
        member: Option<MemberId>,
    ) -> Result<Permit<Rights>, AssistantError> {
        let settings = self.entities.tenant(tenant).await?.tenant;
        let permit = self.gate.permit::<Rights>(&settings, about.clone(), self.clock.now()).await;
        let outcome = if permit.is_ok() { Outcome::Done } else { Outcome::Denied };
        self.audit_view(tenant, member, (AuditAction::ContentRead, about.subject, outcome)).await?;
        let permit = permit?;
        Ok(match as_of {
            Some(as_of) => permit.reading_as_of(as_of),
            None => permit,
        })
    }

    /// Reads a page of what is kept about whoever a grant is about.
    pub(super) fn export<'a>(
        &'a self,
        grant: &'a Grant,
        tenant: TenantId,
        after: Option<SubjectCursor>,
    ) -> BoxFuture<'a, Result<ExportPage, AssistantError>> {
        Box::pin(async move {
            let mut entries = Vec::new();
            if after.is_none() {
                entries.extend(self.exported_business(grant, tenant).await?);
            }
            let read = |after, limit| async move {
                let query = SubjectQuery { tenant, subject: grant.subject(), after, limit };
                self.entities.store.of_subject(&query).await
            };
            let (mut page, mut reads) = (read(after, FIRST_MAX).await?, 1);
            loop {
                let SubjectPage { records, next } = page;
                let following =
                    OptionFuture::from(next.filter(|_| reads < READS).map(|next| read(Some(next), READ_MAX)));
                let (following, opened) = join(following, self.opened(grant, tenant, records, &mut entries)).await;
                opened?;
                match following {
                    Some(following) => (page, reads) = (following?, reads + 1),
                    None => return Ok(ExportPage { entries, next }),
                }
            }
        })
    }

    /// Opens records that the person may have.
    async fn opened(
        &self,
        grant: &Grant,
        tenant: TenantId,
        records: Vec<Record>,
        entries: &mut Vec<Exported>,
    ) -> Result<(), AssistantError> {
        entries.reserve(records.len());
        for record in records.into_iter().filter(|record| !record.is_past(grant.reads_as_of())) {
            if record.kind == Kind::DISCLOSURE && !Entities::disclosure(&record)?.is_told(grant.granted_at()) {
                continue;
            }
            entries.push(self.exported(grant, tenant, record).await?);
        }
        Ok(())
    }

    /// Opens what stands in the directory about the account holder of a tenant; `None` about anybody else.
    async fn exported_business(&self, grant: &Grant, tenant: TenantId) -> Result<Option<Exported>, AssistantError> {
        let row = self.entities.tenant(tenant).await?;
        if row.tenant.account_holder != grant.subject() {
            return Ok(None);
        }
        let name = self.entities.business_name(grant, &row).await?;
        let Tenant { zone, created_at, .. } = row.tenant;
        let data = ExportedData::Business { name, zone, created_at };
        Ok(Some(Exported { id: row.record.id, kept_until: None, data }))
    }

    /// Opens a record of whatever kind.
    pub(super) async fn exported(
        &self,
        grant: &Grant,
        tenant: TenantId,
        record: Record,
    ) -> Result<Exported, AssistantError> {
        let entities = &self.entities;
        let (id, kept_until, kind) = (record.id, record.expires_at, record.kind);
        let data = match kind {
            Kind::ALIAS | Kind::FORMER_ALIAS | Kind::SAME_PERSON => ExportedData::Index {},
            Kind::AUDIT_DETAIL => {
                let event = entities.audit_event(tenant, id).await?.ok_or_else(damaged)?.event;
                let detail = entities.audit_detail(grant, tenant, &record, event.detail).await?;
                ExportedData::Logged { action: event.action, at: event.at, detail }
            }
            Kind::BROKEN_GLASS => {
                let GlassClear { reason, since: at } = from_clear(&record)?;
                ExportedData::Look { reason, at }
            }
            Kind::CONSENT => {
                let StatementClear { statement, act, at } = from_clear(&record)?;
                ExportedData::Statement { statement, act, at }
            }
            Kind::CONTACT => {
                let contact = entities.contact(grant, tenant, &ContactRow::read(record)?).await?;
                ExportedData::Contact { name: contact.name, handles: contact.handles }
            }
            Kind::CONVERSATION => {
                let conversation: Conversation = from_clear(&record)?;
                ExportedData::Conversation {
                    engines_answer: conversation.engine_handles(),
                    channel: conversation.channel,
                    created_at: conversation.created_at,
                    active_at: conversation.active_at,
                }
            }
            Kind::DEAD_LETTER => {
                let letter = LetterRow::read(record)?;
                ExportedData::Undone { reason: letter.clear.reason, at: letter.clear.at }
            }
            Kind::DISCLOSURE => ExportedData::Disclosure { disclosure: Entities::disclosure(&record)? },
            Kind::INQUIRY => {
                let inquiry = InquiryRow::read(record)?.inquiry;
                ExportedData::Inquiry {
                    conversation: inquiry.conversation,
                    opened_at: inquiry.opened_at,
                    first_reply_at: inquiry.first_reply_at,
                    resolved_at: inquiry.resolved.map(|(at, _)| at),
                }
            }
            Kind::MEDIA => {
                let row = MediaRow::read(record)?;
                let file = row.file(entities.media_secret(grant, tenant, &row).await?)?;
                let message = entities.message_row(tenant, file.message).await?;
                ExportedData::File {
                    message: file.message,
                    theirs: message.map(|row| row.clear.author == Author::Contact),
                    mime: file.mime,
                    filename: file.filename,
                    size: file.size,
                }
            }
            Kind::MEMBER => {
                let name = entities.member_name(grant, tenant, &record).await?;
                let row = MemberRow::read(record)?;
                ExportedData::Member { name, role: row.clear.role, joined_at: row.clear.joined_at }
            }
            Kind::MESSAGE => entities.exported_message(grant, tenant, MessageRow::read(record)?).await?,
            Kind::RAW => ExportedData::Raw { value: entities.raw(grant, tenant, &record).await? },
            Kind::SUGGESTION => {
                let suggestion = entities.suggestion(grant, tenant, &SuggestionRow::read(record)?).await?;
                ExportedData::Suggestion {
                    conversation: suggestion.conversation,
                    engine: suggestion.engine.to_string(),
                    content: suggestion.content,
                    at: suggestion.at,
                    decides: suggestion.decides,
                }
            }
            Kind::SUPPORT => ExportedData::Support {
                text: entities.support(grant, tenant, &record).await?,
                at: Entities::support_clear(&record)?.at,
            },
            Kind::USAGE => {
                let UsageSecret { feature, network, device } = entities.usage(grant, tenant, &record).await?;
                let clear = Entities::usage_clear(&record)?;
                ExportedData::Usage { purpose: clear.purpose, feature, network, device, at: clear.at }
            }
            kind => ExportedData::Other { name: kind.name().to_owned(), clear: from_clear(&record)? },
        };
        Ok(Exported { id, kept_until, data })
    }
}
