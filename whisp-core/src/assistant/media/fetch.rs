//! Fetches files: each as soon as its message is in, and again until the platform no longer has it.

use chrono::{DateTime, TimeDelta, Utc};

use super::chunks::{Place, Sealing};
use crate::assistant::pick::{LaneWork, Phase};
use crate::assistant::step::{Budget, StepReport};
use crate::assistant::task::Task;
use crate::assistant::warm::Settings;
use crate::assistant::{Assistant, AssistantError, Inner};
use crate::entity::{MediaRow, MediaSecret};
use crate::error::Retry;
use crate::id::{ContactId, MediaId};
use crate::media::{MediaBody, MediaError, MediaErrorKind, MediaSource, MediaStore};
use crate::model::{Connection, ConnectionState, MediaLoss, MediaState};
use crate::privacy::{About, Denied, DeniedReason, Purpose, ServiceProvision, Storage};
use crate::store::{Expect, Lease, RenewRequest, WorkItem, WriteBatch, WriteOp};
use crate::vault::VaultErrorKind;

/// How long a file waits after the first failure, where the channel says nothing; doubled each time.
const FETCH_REST: TimeDelta = TimeDelta::seconds(2);

/// How long it waits at most.
const FETCH_REST_MAX: TimeDelta = TimeDelta::hours(6);

/// How long it waits while the business has to connect the account again.
const AUTH_REST: TimeDelta = TimeDelta::minutes(10);

/// How often a file is fetched that does not come as the platform told it.
const DAMAGED_TRIES_MAX: u32 = 5;

impl Assistant {
    /// Fetches the files of messages that came in, in the buckets that this worker owns, and keeps them sealed. It works
    /// beside [`step`](Self::step) and [`deliver`](Self::deliver), also at the same time, and holds up no answer. Without a
    /// media store it does nothing.
    ///
    /// # Errors
    /// When leases or work can't be read. What fails with one file is in [`StepReport::errors`]; the file is fetched again
    /// until the platform no longer has it, and then the message is shown without it.
    ///
    /// # Cancellation
    /// A file is kept, or fetched again.
    pub async fn fetch(&self, budget: &Budget) -> Result<StepReport, AssistantError> {
        if self.inner.media.is_none() {
            return Ok(StepReport::default());
        }
        self.inner.run(Phase::Fetch, budget).await
    }
}

/// A file that waits, and the right to work on it.
struct Waiting<'a> {
    lease: Lease,
    item: &'a WorkItem,
    row: MediaRow,
}

impl Inner {
    /// Fetches the files of one conversation that are due, one after the other.
    pub(crate) async fn fetch_lane(&self, work: &LaneWork, now: DateTime<Utc>) -> Result<StepReport, AssistantError> {
        let mut report = StepReport::default();
        for (item, task) in &work.items {
            let Task::Fetch { media } = task else { continue };
            if item.key.due > now {
                continue;
            }
            match self.fetch_file(work.lease, item, *media, &mut report).await {
                Ok(()) => {}
                Err(AssistantError::Conflict(_)) => report.conflicts += 1,
                // It is fetched when things leave again: our token would.
                Err(AssistantError::Denied(denied)) if denied.reason == DeniedReason::Contained => {
                    self.lanes().rest(work.key(Phase::Fetch), self.clock.now());
                    report.paced = 1;
                }
                Err(error) if error.retry() == Retry::Never => {
                    let one = [(item.clone(), task.clone())];
                    report.errors.extend(self.bury_all(&Settings::default(), work, &one, now, &error).await.err());
                    report.errors.push(error);
                }
                Err(error) => {
                    self.lanes().rest(work.key(Phase::Fetch), self.clock.now());
                    report.errors.push(error);
                }
            }
        }
        Ok(report)
    }

    async fn fetch_file(
        &self,
        lease: Lease,
        item: &WorkItem,
        id: MediaId,
        report: &mut StepReport,
    ) -> Result<(), AssistantError> {
        let (Some(media), tenant) = (&self.media, lease.tenant) else { return Ok(()) };
        let done = WriteBatch::new(tenant).op(WriteOp::Complete(item.key));
        let row = match self.entities.media_row(tenant, id).await? {
            Some(row) if row.clear.state == MediaState::Pending => row,
            Some(_) => return self.commit_fetch(&lease, done).await,
            None => {
                // Taken back, erased or swept meanwhile; perhaps by somebody who died in the middle of a fetch.
                media.delete(tenant, id).await?;
                return self.commit_fetch(&lease, done).await;
            }
        };
        let waiting = Waiting { lease, item, row };
        match self.keep(&**media, &waiting).await {
            Ok(secret) => {
                let record = self.entities.media_kept(tenant, waiting.row, &secret).await?;
                let outcome = self.commit_fetch(&lease, done.op(WriteOp::Put(record))).await;
                if matches!(outcome, Err(AssistantError::Conflict(_)))
                    && self.entities.media_row(tenant, id).await?.is_none()
                {
                    media.delete(tenant, id).await?;
                }
                report.fetched += usize::from(outcome.is_ok());
                outcome
            }
            Err(AssistantError::Media(channel, error)) => {
                report.lost += self.not_now(waiting, &error).await?;
                report.errors.push(AssistantError::Media(channel, error));
                Ok(())
            }
            // Nothing more can be sealed for somebody who was erased; the record goes this moment.
            Err(AssistantError::Vault(error)) if error.kind() == VaultErrorKind::Erased => {
                media.delete(tenant, id).await?;
                self.commit_fetch(&lease, done).await
            }
            Err(error) if error.retry() == Retry::Never => {
                report.lost += 1;
                self.lose(waiting, MediaLoss::Failed).await?;
                report.errors.push(error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Fetches a file and writes it, sealed, into the media store.
    async fn keep(&self, media: &dyn MediaStore, waiting: &Waiting<'_>) -> Result<MediaSecret, AssistantError> {
        let Waiting { lease, row, .. } = waiting;
        let (tenant, now) = (lease.tenant, self.clock.now());
        let settings = self.entities.tenant(tenant).await?.tenant;
        let subject = row.subject()?;
        let permit = self.gate.permit::<Storage>(&settings, ContactId(subject), now).await?;
        let mut secret = self.entities.media_secret(permit.grant(), tenant, row).await?;
        let holder = self.gate.permit::<ServiceProvision>(&settings, About::holder(&settings), now).await?;
        let connection_row = self.entities.connection_row(tenant, row.clear.connection).await?;
        let connection = self.entities.connection(&holder, tenant, &connection_row).await?;
        let source = self.source(&connection)?;
        // No permit, no egress: asking for the file tells the platform which one.
        self.gate.lets_out(&settings).map_err(|reason| Denied { purpose: Purpose::Storage, reason })?;
        permit.grant().recheck(self.clock.now())?;
        let fetched = |error| AssistantError::Media(connection.channel.clone(), error);
        let mut body = source.open(&connection, &row.request(&secret)).await.map_err(fetched)?;
        // What came with the message is what the hash is over; an address alone tells no type.
        secret.reference.mime = secret.reference.mime.or_else(|| body.mime());
        let writer = media.write(tenant, row.id()).await?;
        let mut sealing = Sealing::new(&*self.entities.vault, Place { tenant, subject, id: row.id() }, writer);
        match self.copy(&mut *body, &mut sealing, *lease).await {
            Ok(()) => {
                secret.layout = Some(sealing.finish().await?);
                // Nobody asks for it again.
                (secret.reference.url, secret.message) = (None, None);
            }
            Err(error) => {
                sealing.abandon().await;
                return Err(match error {
                    Interrupted::Source(error) => fetched(error),
                    Interrupted::Ours(error) => error,
                });
            }
        }
        Ok(secret)
    }

    /// Returns who fetches for a connection, if it can be used.
    pub(super) fn source(&self, connection: &Connection) -> Result<&dyn MediaSource, AssistantError> {
        let failed = |kind, retry| {
            Err(AssistantError::Media(connection.channel.clone(), MediaError::new("fetch a file", kind, retry)))
        };
        match (self.sources.get(&connection.channel), connection.state) {
            (_, ConnectionState::Disconnected) => failed(MediaErrorKind::Refused, Retry::Never),
            (_, ConnectionState::Reauthorize) => failed(MediaErrorKind::Auth, Retry::Never),
            // Another process was told how, this one was not.
            (None, ConnectionState::Live) => failed(MediaErrorKind::Unavailable, Retry::After(None)),
            (Some(source), ConnectionState::Live) => Ok(&**source),
        }
    }

    /// Moves a file, piece by piece, and keeps the lease meanwhile.
    async fn copy(
        &self,
        body: &mut dyn MediaBody,
        sealing: &mut Sealing<'_>,
        mut lease: Lease,
    ) -> Result<(), Interrupted> {
        while let Some(piece) = body.next().await.map_err(Interrupted::Source)? {
            if sealing.size().saturating_add(piece.len() as u64) > self.config.media_bytes_max {
                let error = MediaError::new("fetch a file", MediaErrorKind::TooLarge, Retry::Never)
                    .with_advice("raise `Config::media_bytes_max` to keep such files");
                return Err(Interrupted::Source(error));
            }
            sealing.take(&piece).await.map_err(Interrupted::Ours)?;
            lease = self.prolong(lease).await.map_err(Interrupted::Ours)?;
        }
        Ok(())
    }

    /// Prolongs a lease of which half is over.
    async fn prolong(&self, lease: Lease) -> Result<Lease, AssistantError> {
        let now = self.clock.now();
        if lease.until - now >= self.config.lease / 2 {
            return Ok(lease);
        }
        let request = RenewRequest { leases: vec![lease], now, until: now + self.config.lease };
        let Some(kept) = self.entities.store.renew(&request).await?.first().copied() else {
            self.lanes().lost(&lease);
            return Err(AssistantError::Conflict("lease"));
        };
        self.lanes().prolong(kept);
        Ok(kept)
    }

    /// Lets a file wait for another try, or gives it up; returns how many were given up.
    async fn not_now(&self, waiting: Waiting<'_>, error: &MediaError) -> Result<usize, AssistantError> {
        let (now, attempts) = (self.clock.now(), waiting.item.attempts);
        let own = (FETCH_REST * (1 << attempts.min(16))).min(FETCH_REST_MAX);
        let wait = match (error.kind(), error.retry()) {
            (MediaErrorKind::Auth, _) => Some(AUTH_REST.max(own)),
            (MediaErrorKind::Damaged, _) if attempts + 1 >= DAMAGED_TRIES_MAX => None,
            (_, Retry::Never) => None,
            (_, Retry::After(Some(told))) => Some(TimeDelta::from_std(told).unwrap_or(own).min(FETCH_REST_MAX)),
            (_, Retry::After(None) | Retry::OutcomeUnknown) => Some(own),
        };
        let Some(wait) = wait else {
            self.lose(waiting, loss(error.kind())).await?;
            return Ok(1);
        };
        let Waiting { lease, item, row } = waiting;
        let channel = self.entities.connection_row(lease.tenant, row.clear.connection).await?;
        let keeps_for =
            self.sources.get(&channel.clear.channel).map_or(FETCH_REST_MAX, |source| source.keeps_for(row.part()));
        if now + wait > row.clear.at + keeps_for {
            self.lose(Waiting { lease, item, row }, loss(error.kind())).await?;
            return Ok(1);
        }
        let mut again = item.clone();
        again.attempts = attempts.saturating_add(1);
        again.key.due = now + wait;
        again.key.id = crate::id::WorkId::from_uuid(self.ids.time_ordered(now));
        let batch = WriteBatch::new(lease.tenant).op(WriteOp::Complete(item.key)).op(WriteOp::Enqueue(again));
        self.commit_fetch(&lease, batch).await?;
        Ok(0)
    }

    /// Marks a message as one that stays without a file.
    async fn lose(&self, waiting: Waiting<'_>, reason: MediaLoss) -> Result<(), AssistantError> {
        let Waiting { lease, item, row } = waiting;
        let batch = WriteBatch::new(lease.tenant)
            .op(WriteOp::Complete(item.key))
            .op(WriteOp::Put(row.next(MediaState::Lost { reason })?));
        self.commit_fetch(&lease, batch).await
    }

    async fn commit_fetch(&self, lease: &Lease, batch: WriteBatch) -> Result<(), AssistantError> {
        let owner = Expect::Owner { bucket: lease.bucket, fence: lease.fence, at: self.clock.now() };
        self.commit_owned(lease, batch.expect(owner)).await
    }
}

/// What ended a fetch in the middle.
enum Interrupted {
    /// The platform's side.
    Source(MediaError),
    /// Our side.
    Ours(AssistantError),
}

const fn loss(kind: MediaErrorKind) -> MediaLoss {
    match kind {
        MediaErrorKind::Damaged => MediaLoss::Damaged,
        MediaErrorKind::Gone => MediaLoss::Gone,
        MediaErrorKind::TooLarge => MediaLoss::TooLarge,
        MediaErrorKind::Auth | MediaErrorKind::Refused => MediaLoss::Refused,
        MediaErrorKind::RateLimited | MediaErrorKind::Unavailable => MediaLoss::Unreachable,
    }
}
