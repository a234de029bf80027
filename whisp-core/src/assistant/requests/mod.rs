//! What people ask about their data, from its arrival to the answer: taken down, proven, decided, done, answered, each
//! step in the audit log and the time for it watched by [`sweep`](Assistant::sweep).

mod annotate;
mod copy;
mod declared;
mod erase;
mod mentioned;
mod prove;
mod rectify;
mod restrict;
mod watch;

pub(super) use prove::CodeVerdict;

use crate::assistant::desk::TRIES_MAX;
use crate::assistant::{AssistantError, Desk, Inner};
use crate::audit::AuditAction;
use crate::entity::{AuditDraft, By, RequestRow};
use crate::id::{ContactId, MemberId, RequestId, SubjectId, TenantId};
use crate::privacy::{
    About, AccessAction, Act, RequestError, RequestEvent, RequestKind, RequestState, StepOutcome, SubjectKind,
    SubjectRequest,
};
use crate::store::{Cursor, Kind, WriteBatch, WriteOp};

#[cfg(doc)]
use crate::assistant::Assistant;

/// The step of what a person does for a request, where nothing of ours is to be done.
const ANSWER_STEP: &str = "answer";

/// The requests of people about their data: of a tenant's contacts, of its members, of the account holder, of whomever
/// somebody wrote about.
///
/// | what | how |
/// |---|---|
/// | It arrives | by itself where a contact writes it ([`Signal::Rights`](crate::detect::Signal::Rights)); else [`take_in`](Self::take_in) |
/// | That it arrived | [`apply`](Self::apply) [`RequestEvent::Acknowledge`], once the person was told |
/// | Who asks | [`ask_proof`](Self::ask_proof) sends a code over the conversation; what comes back over it proves it. A host that knows the person otherwise says so with [`RequestEvent::Prove`] |
/// | What is decided | [`apply`](Self::apply): assess, approve, refuse, put off |
/// | A copy | [`copy`](Self::copy), page by page, of what there was when it was asked |
/// | An erasure | [`erase`](Self::erase); from the proof on, until then, nothing of a contact's is used for anything else |
/// | A correction | [`rectify`](Self::rectify) a name, [`annotate`](Self::annotate) what was written |
/// | Somebody whom others wrote about | [`take_in_of_mentioned`](Self::take_in_of_mentioned), then `annotate`, [`redact`](Self::redact) |
/// | A withdrawal, an objection, a restriction | [`Desk::declare`] |
/// | The answer | [`answer`](Self::answer), once the person was told |
///
/// A member needs [`AccessAction::Rights`] for all of it. Nothing is handed out and nothing is erased before the proof is
/// strong enough for the kind of request.
#[derive(Debug, Clone)]
pub struct Requests {
    pub(super) desk: Desk,
}

/// A page of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestPage {
    /// The requests.
    pub requests: Vec<SubjectRequest>,
    /// After what to go on; `None` at the end.
    pub next: Option<Cursor>,
}

impl From<(Vec<RequestRow>, Option<Cursor>)> for RequestPage {
    fn from((rows, next): (Vec<RequestRow>, Option<Cursor>)) -> Self {
        Self { requests: rows.into_iter().map(|row| row.clear.request).collect(), next }
    }
}

impl Desk {
    /// Returns what people ask about their data.
    #[must_use]
    pub fn requests(&self) -> Requests {
        Requests { desk: self.clone() }
    }
}

impl Requests {
    /// Takes a request down. The time for the answer begins now, by [`Config::profiles`](crate::assistant::Config).
    ///
    /// # Errors
    /// [`AssistantError::NotFound`] if there is nobody like that; [`Forbidden`](AssistantError::Forbidden);
    /// [`Request`](AssistantError::Request) if none of the profiles says how soon it is due; by the store.
    ///
    /// # Cancellation
    /// Taken down or not: look before repeating it.
    pub async fn take_in(
        &self,
        about: impl Into<About> + Send,
        kind: RequestKind,
    ) -> Result<SubjectRequest, AssistantError> {
        let about = about.into();
        self.may().await?;
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        if inner.kind_of(tenant, about.subject).await? != Some(about.kind) {
            return Err(AssistantError::NotFound("person"));
        }
        self.receive(about.subject, kind).await
    }

    async fn receive(&self, subject: SubjectId, kind: RequestKind) -> Result<SubjectRequest, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let mut row = inner.new_request(subject, kind)?;
        let mut batch = WriteBatch::new(tenant);
        batch.ops = inner.staged(tenant, &mut row, AuditAction::RequestReceived, self.desk.whom()).await?;
        self.desk.commit(batch).await?;
        Ok(row.clear.request)
    }

    /// Returns a request.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn get(&self, id: RequestId) -> Result<SubjectRequest, AssistantError> {
        Ok(self.row(id).await?.clear.request)
    }

    /// Returns the requests of a person, the first one first, also of one who was erased.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn of(&self, about: impl Into<About> + Send) -> Result<Vec<SubjectRequest>, AssistantError> {
        let subject = about.into().subject;
        self.may().await?;
        let rows = self.desk.assistant.inner.entities.requests_of(self.desk.tenant, subject).await?;
        Ok(rows.into_iter().map(|row| row.clear.request).collect())
    }

    /// Lists the requests that wait for an answer, those that are due first first.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn open(&self, after: Option<Cursor>, limit: usize) -> Result<RequestPage, AssistantError> {
        self.may().await?;
        Ok(self.desk.assistant.inner.entities.open_requests(self.desk.tenant, after, limit).await?.into())
    }

    /// Lists the requests for whose answer nobody waits any more, the last ones first, as long as they are kept.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn ended(&self, after: Option<Cursor>, limit: usize) -> Result<RequestPage, AssistantError> {
        self.may().await?;
        Ok(self.desk.assistant.inner.entities.ended_requests(self.desk.tenant, after, limit).await?.into())
    }

    /// Notes what happened to a request. That a contact or member was erased is refused here: [`erase`](Self::erase) notes it.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Request`](AssistantError::Request) for what does not happen to it now,
    /// [`Invalid`](AssistantError::Invalid) for the steps of an erasure, and as [`answer`](Self::answer) for an answer about a
    /// use that has not ended, [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done: look before repeating it.
    pub async fn apply(&self, id: RequestId, event: RequestEvent) -> Result<SubjectRequest, AssistantError> {
        let inner = &self.desk.assistant.inner;
        self.is_by_hand(id, &event).await?;
        let apply = |request: &SubjectRequest| request.apply(event.clone(), &inner.config.law, inner.clock.now());
        self.change(id, action(&event), apply).await
    }

    /// Answers a request together with an earlier one about the same.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), and as [`SubjectRequest::merge`].
    ///
    /// # Cancellation
    /// As [`apply`](Self::apply).
    pub async fn merge(&self, id: RequestId, into: RequestId) -> Result<SubjectRequest, AssistantError> {
        let inner = &self.desk.assistant.inner;
        let earlier = self.get(into).await?;
        let merge = |request: &SubjectRequest| request.merge(&earlier, &inner.config.law, inner.clock.now());
        self.change(id, AuditAction::RequestMerged, merge).await
    }

    /// Notes that the person was told what came of their request. What of it was to be done by people is done then, about
    /// so many records; an erasure must have ended before.
    ///
    /// # Errors
    /// As [`apply`](Self::apply); [`AssistantError::Invalid`] where the data were to be used no more, for something or at all,
    /// and that was not declared ([`Desk::declare`]).
    ///
    /// # Cancellation
    /// As [`apply`](Self::apply).
    pub async fn answer(&self, id: RequestId, records: u64) -> Result<SubjectRequest, AssistantError> {
        let inner = &self.desk.assistant.inner;
        let (law, now) = (&inner.config.law, inner.clock.now());
        self.is_declared(id).await?;
        self.change(id, AuditAction::RequestAnswered, |request| {
            let mut request = request.clone();
            if request.kind() != RequestKind::Erasure
                && matches!(request.state(), RequestState::Approved | RequestState::Partial { .. })
            {
                request = request.apply(RequestEvent::Execute(vec![ANSWER_STEP.to_owned()]), law, now)?;
            }
            // An erasure is done by `erase`, and by nobody else.
            let by_people = request.steps_left().filter(|step| step.name != erase::STEP);
            let left: Vec<String> = by_people.map(|step| step.name.clone()).collect();
            for step in left {
                let outcome = StepOutcome::Done { records };
                request = request.apply(RequestEvent::Report { step, outcome }, law, now)?;
            }
            request.apply(RequestEvent::Answer, law, now)
        })
        .await
    }

    /// Changes a request, in one commit with the event of it.
    async fn change(
        &self,
        id: RequestId,
        action: AuditAction,
        change: impl Fn(&SubjectRequest) -> Result<SubjectRequest, RequestError> + Send + Sync,
    ) -> Result<SubjectRequest, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        for _ in 0..TRIES_MAX {
            let mut row = self.row(id).await?;
            row.clear.request = change(&row.clear.request)?;
            let mut batch = WriteBatch::new(tenant);
            batch.ops = inner.staged(tenant, &mut row, action, self.desk.whom()).await?;
            let act = self.desk.member.map_or(Act::Host, |member| Act::Member { member });
            let restricted = inner.restricted_by(tenant, &row.clear.request, action, act).await?;
            let _closed = inner.gate.close(tenant, (!restricted.is_empty()).then(|| row.clear.request.subject()));
            batch.ops.extend(restricted);
            if inner.commit_beside(batch).await? {
                return Ok(row.clear.request);
            }
        }
        Err(AssistantError::Conflict("request"))
    }

    async fn may(&self) -> Result<(), AssistantError> {
        self.desk.may(AccessAction::Rights).await
    }

    /// Returns what they are requests of.
    pub(in crate::assistant) fn inner(&self) -> &Inner {
        &self.desk.assistant.inner
    }

    async fn row(&self, id: RequestId) -> Result<RequestRow, AssistantError> {
        self.may().await?;
        let row = self.desk.assistant.inner.entities.request(self.desk.tenant, id).await?;
        row.ok_or(AssistantError::NotFound("request"))
    }
}

impl Inner {
    /// Returns who somebody is to a business; `None` if they are nobody to it, or no longer.
    pub(super) async fn kind_of(
        &self,
        tenant: TenantId,
        subject: SubjectId,
    ) -> Result<Option<SubjectKind>, AssistantError> {
        if self.entities.contact_row(tenant, ContactId(subject)).await?.is_some() {
            return Ok(Some(SubjectKind::Contact));
        }
        if self.entities.member_row(tenant, MemberId(subject)).await?.is_some() {
            return Ok(Some(SubjectKind::Member));
        }
        let holder = self.entities.tenant(tenant).await?.tenant.account_holder;
        Ok((holder == subject).then_some(SubjectKind::AccountHolder))
    }

    /// Makes a new request, which arrives now.
    pub(super) fn new_request(&self, subject: SubjectId, kind: RequestKind) -> Result<RequestRow, RequestError> {
        let now = self.clock.now();
        let id = RequestId::from_uuid(self.ids.time_ordered(now));
        let profiles = self.config.profiles.clone();
        Ok(RequestRow::new(SubjectRequest::new(id, (subject, kind), profiles, &self.config.law, now)?))
    }

    /// Returns the request of somebody that waits for an answer to the same.
    pub(super) async fn waiting_request(
        &self,
        tenant: TenantId,
        subject: SubjectId,
        kind: RequestKind,
    ) -> Result<Option<RequestId>, AssistantError> {
        let known = self.entities.requests_of(tenant, subject).await?;
        let waits = |request: &&SubjectRequest| request.kind() == kind && request.state().is_open();
        Ok(known.iter().map(|row| &row.clear.request).find(waits).map(SubjectRequest::id))
    }

    /// Stages a request as it is now, and the event of what happened to it.
    pub(super) async fn staged(
        &self,
        tenant: TenantId,
        row: &mut RequestRow,
        action: AuditAction,
        by: By,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let now = self.clock.now();
        let request = &row.clear.request;
        let due = request.due(&self.config.law, now)?;
        let event = AuditDraft::new(action, by, request.subject()).to(Kind::REQUEST, request.id());
        // Where it was put off it is further away again.
        row.clear.noted = row.clear.noted.min(due.urgency(now));
        let mut ops = vec![row.stage(tenant, due.at, now + self.config.retention.requests)?];
        ops.extend(self.audit(tenant, event).await?);
        Ok(ops)
    }
}

const fn action(event: &RequestEvent) -> AuditAction {
    match event {
        RequestEvent::Acknowledge => AuditAction::RequestAcknowledged,
        RequestEvent::AskProof { .. } => AuditAction::RequestProofAsked,
        RequestEvent::FailProof => AuditAction::RequestProofFailed,
        RequestEvent::Prove(_) => AuditAction::RequestProven,
        RequestEvent::Assess => AuditAction::RequestAssessed,
        RequestEvent::Approve | RequestEvent::ApprovePartly(_) => AuditAction::RequestGranted,
        RequestEvent::Refuse(_) => AuditAction::RequestRefused,
        RequestEvent::Execute(_) => AuditAction::RequestBegun,
        RequestEvent::Report { .. } => AuditAction::RequestStep,
        RequestEvent::AwaitProcessors { .. } => AuditAction::RequestHandedOn,
        RequestEvent::Answer => AuditAction::RequestAnswered,
        RequestEvent::Close => AuditAction::RequestClosed,
        RequestEvent::Extend { .. } => AuditAction::RequestExtended,
        RequestEvent::Withdraw(_) => AuditAction::RequestTakenBack,
    }
}
