//! Access and portability: everything that is kept about a contact, in a form that people and programs read.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::assistant::{Assistant, AssistantError, Inner};
use crate::audit::{AuditAction, AuditDetail};
use crate::entity::{
    ContactRow, Entities, GlassClear, InquiryRow, LetterRow, MediaRow, MemberRow, MessageRow, StatementClear,
    SuggestionRow, UsageSecret, damaged, from_clear,
};
use crate::id::{ConversationId, InquiryId, MessageId, RecordId, TenantId};
use crate::model::{
    Author, ChannelKind, Content, Conversation, Delivery, Handle, PlatformMessageId, Provenance, StoryRef, Tenant,
};
use crate::privacy::{
    About, Act, Device, Disclosure, GlassReason, Grant, Network, Permit, Purpose, Rights, Role, Statement,
};
use crate::sensitive::Sensitive;
use crate::store::{Kind, Record, SubjectCursor, SubjectQuery};

/// How many records one page holds.
const PAGE: usize = 200;

/// The name and version of the form of [`Exported`].
pub const EXPORT_SCHEMA: &str = "whisp-export/1";

/// A part of what is kept about a contact.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportPage {
    /// The entries.
    pub entries: Vec<Exported>,
    /// After what to go on; `None` at the end.
    pub next: Option<SubjectCursor>,
}

/// One thing that is kept about a contact. As JSON it is one object, one line of a file.
///
/// It holds personal data in clear: it is for the person alone, and not for logs.
#[derive(Debug, Clone, Serialize)]
pub struct Exported {
    /// Which.
    pub id: RecordId,
    /// Until when it is kept; absent as long as the person is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<DateTime<Utc>>,
    /// What it is.
    #[serde(flatten)]
    pub data: ExportedData,
}

impl Exported {
    /// Returns whether the person gave it to us, by writing, sending or stating it, so that they may take it elsewhere
    /// (Art. 20 GDPR; what was observed of them counts, what was concluded does not).
    #[must_use]
    pub fn is_portable(&self) -> bool {
        match &self.data {
            ExportedData::Contact { .. } | ExportedData::Support { .. } | ExportedData::Usage { .. } => true,
            ExportedData::File { theirs, .. } => *theirs == Some(true),
            // A copy that they brought along they may take along again.
            ExportedData::Statement { act, .. } => act.is_the_persons() || *act == Act::Imported,
            ExportedData::Message { author, .. } => *author == Author::Contact,
            ExportedData::Business { .. }
            | ExportedData::Member { .. }
            | ExportedData::Look { .. }
            | ExportedData::Conversation { .. }
            | ExportedData::Disclosure { .. }
            | ExportedData::Inquiry { .. }
            | ExportedData::Index { .. }
            | ExportedData::Logged { .. }
            | ExportedData::Suggestion { .. }
            | ExportedData::Raw { .. }
            | ExportedData::Undone { .. }
            | ExportedData::Other { .. } => false,
        }
    }
}

/// What one thing is that is kept about a contact.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExportedData {
    /// The business whose account holder they are.
    Business {
        /// Its name.
        name: Sensitive,
        /// Its IANA time zone.
        zone: String,
        /// Since when it is served.
        created_at: DateTime<Utc>,
    },
    /// Who they are to us.
    Contact {
        /// The name in their profile.
        name: Option<Sensitive>,
        /// Their ids on the platform.
        handles: Vec<Handle>,
    },
    /// A conversation.
    Conversation {
        /// On which channel.
        channel: ChannelKind,
        /// Since when.
        created_at: DateTime<Utc>,
        /// When something was said last.
        active_at: DateTime<Utc>,
        /// Whether engines may answer in it now.
        engines_answer: bool,
    },
    /// That data of theirs went to somebody else.
    Disclosure {
        /// What, and to whom.
        #[serde(flatten)]
        disclosure: Disclosure,
    },
    /// What more is known of an event of the audit log about them.
    Logged {
        /// What was done.
        action: AuditAction,
        /// When.
        at: DateTime<Utc>,
        /// What more is known.
        detail: AuditDetail,
    },
    /// That somebody of the team looked at a conversation that was not theirs.
    Look {
        /// Why.
        reason: GlassReason,
        /// When.
        at: DateTime<Utc>,
    },
    /// A place in the team.
    Member {
        /// The name that colleagues see.
        name: Sensitive,
        /// What they are there for.
        role: Role,
        /// Since when.
        joined_at: DateTime<Utc>,
    },
    /// An inquiry.
    Inquiry {
        /// In which conversation.
        conversation: ConversationId,
        /// When it began.
        opened_at: DateTime<Utc>,
        /// When it was answered first.
        first_reply_at: Option<DateTime<Utc>>,
        /// When it was resolved.
        resolved_at: Option<DateTime<Utc>>,
    },
    /// A message, theirs or the business's.
    Message {
        /// In which conversation.
        conversation: ConversationId,
        /// Who wrote it; an engine is named, so that it can be seen what a machine wrote.
        #[serde(flatten)]
        author: Author,
        /// How it came to us.
        provenance: Provenance,
        /// What it says.
        content: Content,
        /// When.
        at: DateTime<Utc>,
        /// The platform's id of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        platform_id: Option<PlatformMessageId>,
        /// The platform's id of the message that it quotes.
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_to: Option<PlatformMessageId>,
        /// The story that it answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        story: Option<StoryRef>,
        /// To which inquiry it belongs.
        #[serde(skip_serializing_if = "Option::is_none")]
        inquiry: Option<InquiryId>,
        /// What became of it, if it went out.
        #[serde(skip_serializing_if = "Option::is_none")]
        delivery: Option<Delivery>,
    },
    /// A file that came with a message. Its bytes are read with [`Desk::open_media`](super::Desk::open_media).
    File {
        /// With which message.
        message: MessageId,
        /// Whether the person sent it. Not told where the message is gone.
        #[serde(skip_serializing_if = "Option::is_none")]
        theirs: Option<bool>,
        /// Its type, as its sender told it.
        mime: Option<String>,
        /// Its name, as its sender chose it.
        filename: Option<Sensitive>,
        /// How many bytes it has, if it is kept.
        size: Option<u64>,
    },
    /// What an engine proposed to answer them.
    Suggestion {
        /// In which conversation.
        conversation: ConversationId,
        /// Which engine.
        engine: String,
        /// What it proposed.
        content: Content,
        /// When.
        at: DateTime<Utc>,
        /// Whether it decides something significant about them, which a member does.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        decides: bool,
    },
    /// What was said about the use of their data.
    Statement {
        /// What.
        #[serde(flatten)]
        statement: Statement,
        /// Who did what to say it.
        #[serde(flatten)]
        act: Act,
        /// When.
        at: DateTime<Utc>,
    },
    /// What they gave when they asked for help.
    Support {
        /// What they said.
        text: Sensitive,
        /// When.
        at: DateTime<Utc>,
    },
    /// That they used something of the host's product.
    Usage {
        /// For what that is noted.
        purpose: Purpose,
        /// What.
        feature: String,
        /// From which network.
        #[serde(skip_serializing_if = "Option::is_none")]
        network: Option<Network>,
        /// On what kind of device.
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<Device>,
        /// When, to the minute.
        at: DateTime<Utc>,
    },
    /// Something of the platform that we could not read.
    Raw {
        /// As it came.
        value: Value,
    },
    /// Something about them that could not be done.
    Undone {
        /// Why.
        reason: String,
        /// When.
        at: DateTime<Utc>,
    },
    /// A keyed digest of one of their ids, by which they are found: it says nothing to anybody without the key.
    Index {},
    /// A record of a kind of the host's own: what of it is in clear. The rest only the host can open.
    Other {
        /// The name of the kind.
        name: String,
        /// What is in clear.
        clear: Value,
    },
}

impl ExportedData {
    /// Returns the name of the kind, as in JSON.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Business { .. } => "business",
            Self::Contact { .. } => "contact",
            Self::Conversation { .. } => "conversation",
            Self::Disclosure { .. } => "disclosure",
            Self::File { .. } => "file",
            Self::Index {} => "index",
            Self::Inquiry { .. } => "inquiry",
            Self::Logged { .. } => "logged",
            Self::Look { .. } => "look",
            Self::Member { .. } => "member",
            Self::Message { .. } => "message",
            Self::Other { .. } => "other",
            Self::Raw { .. } => "raw",
            Self::Statement { .. } => "statement",
            Self::Suggestion { .. } => "suggestion",
            Self::Support { .. } => "support",
            Self::Undone { .. } => "undone",
            Self::Usage { .. } => "usage",
        }
    }
}

impl Assistant {
    /// Reads what is kept about a contact, a page at a time, whatever their conversations are and however much it is. Only
    /// what belongs to the contact is in it; facts, which name nobody, are not. It works under restriction too.
    ///
    /// Verify first who asks: whoever calls this gets everything. [`Requests::copy`](super::Requests::copy) sees to that. The
    /// form of each entry as JSON is [`EXPORT_SCHEMA_JSON`](super::EXPORT_SCHEMA_JSON); with files, a manifest and that schema it
    /// is a [`package`](Self::package).
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
        let permit = self.inner.permit_rights(tenant, &about.into(), None).await?;
        self.inner.export(permit.grant(), tenant, after).await
    }
}

impl Inner {
    /// Lets the data of somebody be read for the use of their rights, as far as it was kept at a time, or now.
    pub(super) async fn permit_rights(
        &self,
        tenant: TenantId,
        about: &About,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<Permit<Rights>, AssistantError> {
        let settings = self.entities.tenant(tenant).await?.tenant;
        let permit = self.gate.permit::<Rights>(&settings, about.clone(), self.clock.now()).await?;
        Ok(match as_of {
            Some(as_of) => permit.reading_as_of(as_of),
            None => permit,
        })
    }

    /// Reads a page of what is kept about whoever a grant is about.
    pub(super) async fn export(
        &self,
        grant: &Grant,
        tenant: TenantId,
        after: Option<SubjectCursor>,
    ) -> Result<ExportPage, AssistantError> {
        let query = SubjectQuery { tenant, subject: grant.subject(), after, limit: PAGE };
        let page = self.entities.store.of_subject(&query).await?;
        let mut entries = Vec::with_capacity(page.records.len() + 1);
        if after.is_none() {
            entries.extend(self.exported_business(grant, tenant).await?);
        }
        for record in page.records.into_iter().filter(|record| !record.is_past(grant.reads_as_of())) {
            if record.kind == Kind::DISCLOSURE && !Entities::disclosure(&record)?.is_told(grant.granted_at()) {
                continue;
            }
            entries.push(self.exported(grant, tenant, record).await?);
        }
        Ok(ExportPage { entries, next: page.next })
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
            Kind::ALIAS | Kind::FORMER_ALIAS => ExportedData::Index {},
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
            Kind::MESSAGE => {
                let (message, _) = entities.message(grant, tenant, &MessageRow::read(record)?).await?;
                ExportedData::Message {
                    conversation: message.conversation,
                    author: message.author,
                    provenance: message.provenance,
                    content: message.content,
                    at: message.at,
                    platform_id: message.platform_id,
                    reply_to: message.reply_to,
                    story: message.story,
                    inquiry: message.inquiry,
                    delivery: message.delivery,
                }
            }
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
