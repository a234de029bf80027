//! Requests about data, and what is kept of the codes by which people prove that they asked.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::entity::{Entities, from_clear, position, to_clear};
use crate::id::{ConversationId, RecordId, RequestId, SubjectId, TenantId};
use crate::privacy::{Challenge, SubjectRequest, Urgency};
use crate::store::{
    BlindIndex, Cursor, FindQuery, Kind, ListOrder, ListQuery, PAGE_MAX, Page, Record, StoreError, WriteOp,
};

/// Under what a request is listed once nobody waits for its answer; while somebody does, it is under its tenant.
const ENDED: RecordId = RecordId::from_bytes([0; 16]);

/// How many requests or codes of one person are looked at.
const EACH_MAX: usize = PAGE_MAX;

/// A request, and what of it is ours to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RequestClear {
    pub(crate) request: SubjectRequest,
    /// How close its deadline was when that was noted last.
    pub(crate) noted: Urgency,
    /// How close the date was by which the person is told that it arrived, when that was noted last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) acknowledgement_noted: Option<Urgency>,
}

/// A request as it is stored. It names nobody but by a random id, so it outlives the erasure that it asked for.
#[derive(Debug, Clone)]
pub(crate) struct RequestRow {
    record: Record,
    pub(crate) clear: RequestClear,
}

impl RequestRow {
    pub(crate) fn new(request: SubjectRequest) -> Self {
        let mut record = Record::new(Kind::REQUEST, request.id().into());
        // The first `stage` makes it version 1.
        record.version = 0;
        record.lookups = vec![of_person(request.subject())];
        Self { record, clear: RequestClear { request, noted: Urgency::Calm, acknowledgement_noted: None } }
    }

    fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { clear: from_clear(&record)?, record })
    }

    /// Stages it as it is now, one version on. `due` puts it in its place among those that wait.
    pub(crate) fn stage(
        &mut self,
        tenant: TenantId,
        due: DateTime<Utc>,
        keep_until: DateTime<Utc>,
    ) -> Result<WriteOp, StoreError> {
        let request = &self.clear.request;
        let open = request.state().is_open();
        self.record.version += 1;
        self.record.parent = Some(if open { tenant.into() } else { ENDED });
        self.record.position = position(if open { due } else { request.changed_at() });
        self.record.expires_at = (!open).then_some(keep_until);
        self.record.clear = to_clear(&self.clear)?;
        Ok(WriteOp::Put(self.record.clone()))
    }
}

/// What is kept of a code that was sent: as stored.
#[derive(Debug, Clone)]
pub(crate) struct ChallengeRow {
    record: Record,
    pub(crate) challenge: Challenge,
}

impl ChallengeRow {
    /// Takes the place of the one that was sent for the same request before.
    pub(crate) fn new(challenge: Challenge, subject: SubjectId, before: Option<Self>) -> Self {
        let mut record = Record::new(Kind::CHALLENGE, challenge.request().into());
        record.version = before.map_or(0, |before| before.record.version);
        record.subjects = vec![subject];
        record.lookups = vec![over(challenge.conversation())];
        record.expires_at = Some(challenge.expires_at());
        Self { record, challenge }
    }

    fn read(record: Record) -> Result<Self, StoreError> {
        Ok(Self { challenge: from_clear(&record)?, record })
    }

    pub(crate) fn stage(&mut self) -> Result<WriteOp, StoreError> {
        self.record.version += 1;
        self.record.clear = to_clear(&self.challenge)?;
        Ok(WriteOp::Put(self.record.clone()))
    }
}

/// Ids are random and lead to nobody outside the store, so what is found by them needs no keyed digest.
const fn of_person(subject: SubjectId) -> BlindIndex {
    BlindIndex(subject.into_bytes())
}

const fn over(conversation: ConversationId) -> BlindIndex {
    BlindIndex(conversation.into_bytes())
}

impl Entities {
    pub(crate) async fn request(&self, tenant: TenantId, id: RequestId) -> Result<Option<RequestRow>, StoreError> {
        self.record(tenant, Kind::REQUEST, id.into()).await?.map(RequestRow::read).transpose()
    }

    /// Returns the requests of a person, in the order of their ids.
    pub(crate) async fn requests_of(
        &self,
        tenant: TenantId,
        subject: SubjectId,
    ) -> Result<Vec<RequestRow>, StoreError> {
        let query = FindQuery { tenant, kind: Kind::REQUEST, lookup: of_person(subject), limit: EACH_MAX };
        self.store.find(&query).await?.into_iter().map(RequestRow::read).collect()
    }

    /// Lists the requests that wait for an answer, those due first first.
    pub(crate) async fn open_requests(
        &self,
        tenant: TenantId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<RequestRow>, Option<Cursor>), StoreError> {
        self.requests(tenant, tenant.into(), ListOrder::Ascending, after, limit).await
    }

    /// Lists the requests that nobody waits for any more, the last ones first.
    pub(crate) async fn ended_requests(
        &self,
        tenant: TenantId,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<RequestRow>, Option<Cursor>), StoreError> {
        self.requests(tenant, ENDED, ListOrder::Descending, after, limit).await
    }

    async fn requests(
        &self,
        tenant: TenantId,
        parent: RecordId,
        order: ListOrder,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<RequestRow>, Option<Cursor>), StoreError> {
        let query = ListQuery { tenant, kind: Kind::REQUEST, parent, order, after, limit };
        let Page { records, next } = self.store.list(&query).await?;
        Ok((records.into_iter().map(RequestRow::read).collect::<Result<_, _>>()?, next))
    }

    pub(crate) async fn challenge(
        &self,
        tenant: TenantId,
        request: RequestId,
    ) -> Result<Option<ChallengeRow>, StoreError> {
        self.record(tenant, Kind::CHALLENGE, request.into()).await?.map(ChallengeRow::read).transpose()
    }

    /// Returns what is kept of the codes that were sent over a conversation.
    pub(crate) async fn challenges_over(
        &self,
        tenant: TenantId,
        conversation: ConversationId,
    ) -> Result<Vec<ChallengeRow>, StoreError> {
        let query = FindQuery { tenant, kind: Kind::CHALLENGE, lookup: over(conversation), limit: EACH_MAX };
        self.store.find(&query).await?.into_iter().map(ChallengeRow::read).collect()
    }
}
