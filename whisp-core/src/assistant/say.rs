//! What is said to a contact by itself: answers, questions, notices; and what is proposed to the members.

use crate::assistant::AssistantError;
use crate::assistant::lane::LaneRun;
use crate::assistant::task::Task;
use crate::channel::OutboundBody;
use crate::entity::Outgoing;
use crate::id::{InquiryId, MessageId, SuggestionId};
use crate::kpi::{Actor, FactKind};
use crate::model::{Author, AutomationMode, Content, Conversation, HandOffReason, Suggestion, SuggestionState};
use crate::reply::EngineId;
use crate::store::WriteOp;

/// Into how many messages a long answer is split at most; what does not fit goes to a member as a suggestion.
const PARTS_MAX: usize = 4;

impl LaneRun<'_> {
    /// Splits a text by the channel's limit; `None` if it makes too many messages.
    pub(super) fn parts(&self, text: &str) -> Option<Vec<OutboundBody>> {
        let parts = self.can().map_or_else(|| vec![text.to_owned()], |can| can.text.split(text));
        (parts.len() <= PARTS_MAX && !parts.is_empty())
            .then(|| parts.iter().map(|part| OutboundBody::text(part)).collect())
    }

    /// Puts an automatic answer into the outbox; the first one of an inquiry says that it is automatic.
    pub(super) async fn say(
        &mut self,
        mut bodies: Vec<OutboundBody>,
        author: Author,
        sample: &str,
        inquiry: InquiryId,
    ) -> Result<(), AssistantError> {
        if self.lane.conversation.outbox.len() + bodies.len() >= Conversation::OUTBOX_MAX {
            // Nothing goes out here for some reason: more would only pile up.
            self.hand_off(None, HandOffReason::SendFailed);
            return Ok(());
        }
        if self.disclose(&mut bodies, sample) {
            let now = self.now;
            if let Some(inquiry) = self.inquiry_mut() {
                inquiry.disclosed_at = Some(now);
            }
        }
        for body in bodies {
            self.queue(body, author.clone(), Some(inquiry)).await?;
        }
        self.report.queued += 1;
        Ok(())
    }

    /// Puts what somebody says into the outbox.
    pub(crate) async fn queue(
        &mut self,
        body: OutboundBody,
        author: Author,
        inquiry: Option<InquiryId>,
    ) -> Result<MessageId, AssistantError> {
        self.put_out(Outgoing { inquiry, ..self.inner.outgoing(author, body) }).await
    }

    /// Puts one message into the outbox.
    pub(super) async fn put_out(&mut self, out: Outgoing) -> Result<MessageId, AssistantError> {
        let id = out.id;
        let draft = out.draft(&self.lane.conversation, self.now, self.retention().messages);
        let record = self.inner.entities.new_message(self.lease.tenant, &draft).await?;
        self.add(record)?;
        let now = self.now;
        let conversation = self.conversation_mut();
        let idle = conversation.outbox.is_empty();
        conversation.outbox.push(id);
        if idle {
            self.enqueue(&Task::send(&self.lane.conversation), now, 0)?;
        }
        Ok(id)
    }

    /// Proposes an answer to the members; `decides` says that it decides something significant about the contact.
    pub(super) async fn suggest(
        &mut self,
        engine: EngineId,
        content: Content,
        decides: bool,
    ) -> Result<(), AssistantError> {
        let suggestion = Suggestion {
            id: SuggestionId::from_uuid(self.inner.ids.time_ordered(self.now)),
            conversation: self.lane.conversation.id,
            contact: self.lane.conversation.contact,
            engine,
            content,
            at: self.now,
            decides,
            state: SuggestionState::Open,
        };
        let expires_at = self.now + self.retention().suggestions;
        let record = self.inner.entities.new_suggestion(self.lease.tenant, &suggestion, expires_at).await?;
        self.ops.push(WriteOp::Put(record));
        self.fact(FactKind::Suggested, Actor::Engine, self.now);
        self.report.suggested += 1;
        Ok(())
    }

    /// Gives the conversation to a person and tells the contact so, where automatic messages may be sent at all and no
    /// person has it already.
    pub(super) async fn hand_off_aloud(
        &mut self,
        reason: HandOffReason,
        notice: Option<&str>,
        sample: &str,
        inquiry: InquiryId,
    ) -> Result<(), AssistantError> {
        let engine_had_it = self.lane.conversation.engine_handles();
        self.hand_off(None, reason);
        if !engine_had_it || self.mode(&*self.connection().await?) != AutomationMode::Automatic {
            return Ok(());
        }
        let own = || self.inner.config.texts.hand_off.as_ref().and_then(|text| self.parts(text.like(sample)));
        let parts = match notice.and_then(|text| self.parts(text)) {
            // An engine's own words are said to be so. It does not count as having been said: a notice may not go out.
            Some(mut parts) => {
                self.disclose(&mut parts, sample);
                Some(parts)
            }
            None => own(),
        };
        for part in parts.unwrap_or_default() {
            self.queue(part, Author::System, Some(inquiry)).await?;
        }
        Ok(())
    }

    /// Says first that this is automatic, where the inquiry has not been told yet; returns whether it does.
    fn disclose(&self, bodies: &mut Vec<OutboundBody>, sample: &str) -> bool {
        let undisclosed = self.inquiry.as_ref().is_some_and(|row| row.inquiry.disclosed_at.is_none());
        let Some(disclosure) = self.inner.config.texts.disclosure.as_ref().filter(|_| undisclosed) else {
            return false;
        };
        disclose(bodies, disclosure.like(sample), |text| self.parts(text));
        true
    }
}

/// Puts the disclosure before the first text if both fit into one message, else into a message of its own.
fn disclose(bodies: &mut Vec<OutboundBody>, disclosure: &str, parts: impl Fn(&str) -> Option<Vec<OutboundBody>>) {
    if let Some(OutboundBody::Text { text }) = bodies.first() {
        let both = format!("{disclosure}\n\n{}", text.expose());
        if let Some(mut one) = parts(&both)
            && one.len() == 1
            && let (Some(slot), Some(joined)) = (bodies.first_mut(), one.pop())
        {
            *slot = joined;
            return;
        }
    }
    bodies.insert(0, OutboundBody::text(disclosure));
}
