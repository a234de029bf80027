//! Proves who asks, over the conversation that holds the data: a code goes out, and has to come back.

use zeroize::Zeroizing;

use super::Requests;
use crate::assistant::desk::TRIES_MAX;
use crate::assistant::lane::LaneRun;
use crate::assistant::{AssistantError, Inner};
use crate::audit::AuditAction;
use crate::channel::OutboundBody;
use crate::detect::script_language;
use crate::entity::{By, ChallengeRow, MessageRow};
use crate::id::{ContactId, ConversationId, InquiryId, RequestId, TenantId};
use crate::model::{Author, AutomationMode, HandOffReason};
use crate::privacy::{
    Act, Challenge, Code, IdentityVerification, RequestEvent, RequestKind, RequestState, SubjectRequest, Verdict,
};
use crate::store::{WriteBatch, WriteOp};
use crate::vault::{Digest, IndexField};

/// How many of the last messages are looked through for the language of the person.
const LANGUAGE_LOOK_BACK: usize = 10;

/// What stands for the code in [`Texts::code`](crate::assistant::Texts).
const PLACE: &str = "{code}";

/// What came of codes that a contact wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::assistant) enum CodeVerdict {
    Right,
    Wrong,
}

impl Requests {
    /// Sends a code over a conversation of whoever the request is about, in the language of what they wrote there last.
    /// A code that was sent before for the request counts no more. The right one, written back over the same conversation
    /// within [`Challenge::LIFE`] and at most [`Challenge::ATTEMPTS_MAX`] tries, proves the request.
    ///
    /// It goes out under restriction too, and whoever has the conversation, within the channel's messaging window.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Invalid`](AssistantError::Invalid) if the conversation is somebody else's or too many
    /// messages wait in it, [`Request`](AssistantError::Request) if it is proven already or was asked for too often,
    /// [`Conflict`](AssistantError::Conflict); by the store and the vault.
    ///
    /// # Cancellation
    /// Sent or not: another call sends another code.
    pub async fn ask_proof(&self, id: RequestId, over: ConversationId) -> Result<SubjectRequest, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let language = inner.language_of(tenant, over).await?;
        let mut random = Zeroizing::new([0; 8]);
        inner.ids.fill(random.as_mut_slice());
        let code = Code::from_random(random);
        let text = inner.config.texts.code.like(&language).replace(PLACE, code.expose());
        let mut out = inner.outgoing(Author::System, OutboundBody::text(&text));
        out.for_rights = true;
        let digest = inner.code_digest(tenant, (id, over), &code).await?;
        for _ in 0..TRIES_MAX {
            let now = inner.clock.now();
            let mut row = self.row(id).await?;
            let mut conversation = inner.entities.conversation(tenant, over).await?;
            let subject = row.clear.request.subject();
            if conversation.conversation.contact.0 != subject {
                return Err(AssistantError::Invalid("the conversation is not the one of whom the request is about"));
            }
            let ask = RequestEvent::AskProof { needed: row.clear.request.proof_needed() };
            row.clear.request = row.clear.request.apply(ask, &inner.config.law, now)?;
            let before = inner.entities.challenge(tenant, id).await?;
            let mut challenge = ChallengeRow::new(Challenge::new(id, over, digest, now), subject, before);
            let mut batch = WriteBatch::new(tenant).op(challenge.stage()?);
            batch.ops.extend(inner.staged(tenant, &mut row, AuditAction::RequestProofAsked, self.desk.whom()).await?);
            inner.put_out(tenant, &mut conversation, &out, &mut batch).await?;
            let until = &mut conversation.conversation.code_until;
            *until = (*until).max(Some(challenge.challenge.expires_at()));
            batch.ops.push(WriteOp::Put(conversation.stage()?));
            if inner.commit_beside(batch).await? {
                return Ok(row.clear.request);
            }
        }
        Err(AssistantError::Conflict("request"))
    }
}

impl Inner {
    async fn code_digest(
        &self,
        tenant: TenantId,
        (request, over): (RequestId, ConversationId),
        code: &Code,
    ) -> Result<Digest, AssistantError> {
        Ok(self.entities.vault.index(tenant, IndexField::Code, &code.bound_to(request, over)).await?)
    }

    /// Returns the last words that the contact wrote, to choose a language by; nothing where they wrote none.
    async fn language_of(&self, tenant: TenantId, id: ConversationId) -> Result<String, AssistantError> {
        let contact = self.entities.conversation(tenant, id).await?.conversation.contact;
        let settings = self.entities.tenant(tenant).await?.tenant;
        let permit = self.gate.permit::<IdentityVerification>(&settings, contact, self.clock.now()).await?;
        let (rows, _) = self.entities.last_messages(tenant, id, None, LANGUAGE_LOOK_BACK).await?;
        for row in rows.iter().filter(|row| row.clear.author == Author::Contact) {
            if row.record.is_past(permit.grant().granted_at()) {
                continue;
            }
            let (message, _) = self.entities.message(permit.grant(), tenant, row).await?;
            if let Some(text) = message.content.readable().filter(|text| script_language(text).is_some()) {
                return Ok(text.to_owned());
            }
        }
        Ok(String::new())
    }

    /// Stages a request that a contact wrote, unless they wait for the same already.
    async fn asked(
        &self,
        tenant: TenantId,
        contact: ContactId,
        kind: RequestKind,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        if self.waiting_request(tenant, contact.0, kind).await?.is_some() {
            return Ok(Vec::new());
        }
        let mut row = self.new_request(contact.0, kind)?;
        self.staged(tenant, &mut row, AuditAction::RequestReceived, By::Subject).await
    }
}

impl LaneRun<'_> {
    /// Takes down that the contact asks something about their data.
    pub(in crate::assistant) async fn take_down(&mut self, kind: RequestKind) -> Result<(), AssistantError> {
        let contact = self.lane.conversation.contact;
        let asked = self.inner.asked(self.lease.tenant, contact, kind).await?;
        self.ops.extend(asked);
        Ok(())
    }

    /// Compares what the contact wrote with the codes that were sent over this conversation. `None` where no code is waited
    /// for, or none was written.
    pub(in crate::assistant) async fn try_codes(
        &mut self,
        rows: &[&MessageRow],
    ) -> Result<Option<CodeVerdict>, AssistantError> {
        if self.lane.conversation.code_until.is_none_or(|until| until <= self.now) {
            return Ok(None);
        }
        let (tenant, over) = (self.lease.tenant, self.lane.conversation.id);
        let settings = self.tenant.tenant.clone();
        let permit =
            self.inner.gate.permit::<IdentityVerification>(&settings, self.lane.conversation.contact, self.now).await?;
        let mut codes = Vec::new();
        for row in rows {
            let (message, _) = self.inner.entities.message(permit.grant(), tenant, row).await?;
            codes.extend(message.content.readable().and_then(Code::parse));
        }
        let mut verdict = None;
        if codes.is_empty() {
            return Ok(verdict);
        }
        for mut row in self.inner.entities.challenges_over(tenant, over).await? {
            if !row.challenge.is_open(self.now) {
                continue;
            }
            let request = row.challenge.request();
            let mut event = None;
            for code in &codes {
                let digest = self.inner.code_digest(tenant, (request, over), code).await?;
                let (next, outcome) = row.challenge.attempt(request, over, digest, self.now);
                row.challenge = next;
                event = match outcome {
                    Verdict::Proven(proof) => Some(RequestEvent::Prove(proof)),
                    Verdict::Closed if event.is_none() => Some(RequestEvent::FailProof),
                    Verdict::Wrong { .. } | Verdict::Closed | Verdict::Elsewhere => event,
                };
            }
            let right = matches!(event, Some(RequestEvent::Prove(_)));
            if right {
                verdict = Some(CodeVerdict::Right);
            }
            verdict.get_or_insert(CodeVerdict::Wrong);
            self.ops.push(row.stage()?);
            if let (Some(event), Some(last)) = (event, rows.last()) {
                self.note_proof(request, event, Act::InChat { message: last.id() }).await?;
            }
        }
        Ok(verdict)
    }

    async fn note_proof(&mut self, id: RequestId, event: RequestEvent, act: Act) -> Result<(), AssistantError> {
        let tenant = self.lease.tenant;
        let Some(mut row) = self.inner.entities.request(tenant, id).await? else { return Ok(()) };
        // Somebody may have proven it in another way, or taken it back.
        if !matches!(row.clear.request.state(), RequestState::AwaitingProof { .. }) {
            return Ok(());
        }
        let action = super::action(&event);
        row.clear.request = row.clear.request.apply(event, &self.inner.config.law, self.now)?;
        let ops = self.inner.staged(tenant, &mut row, action, By::Subject).await?;
        self.ops.extend(ops);
        let restricted = self.inner.restricted_by(tenant, &row.clear.request, action, act).await?;
        self.closes |= !restricted.is_empty();
        self.ops.extend(restricted);
        Ok(())
    }

    /// Tells the contact what came of the code, where automatic messages may be sent, and a member that there is something
    /// to do.
    pub(in crate::assistant) async fn answer_code(
        &mut self,
        verdict: CodeVerdict,
        inquiry: InquiryId,
        mode: AutomationMode,
    ) -> Result<(), AssistantError> {
        let texts = &self.inner.config.texts;
        let text = match verdict {
            CodeVerdict::Right => &texts.code_right,
            CodeVerdict::Wrong => &texts.code_wrong,
        };
        if let Some(text) = text.as_ref().filter(|_| mode == AutomationMode::Automatic) {
            // Digits have no language.
            let language = self.inner.language_of(self.lease.tenant, self.lane.conversation.id).await?;
            let mut out = self.inner.outgoing(Author::System, OutboundBody::text(text.like(&language)));
            out.inquiry = Some(inquiry);
            out.for_rights = true;
            self.put_out(out).await?;
        }
        if verdict == CodeVerdict::Right {
            self.hand_off(None, HandOffReason::RightsRequest);
        }
        Ok(())
    }
}
