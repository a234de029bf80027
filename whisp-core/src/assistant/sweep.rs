//! Ends what was cut short, and deletes what is past its time, in bounded batches.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;

use crate::assistant::due::Closer;
use crate::assistant::{Assistant, AssistantError, Due, Inner};
use crate::entity::TenantRow;
use crate::id::{SubjectId, TenantId};
use crate::store::{Commit, ExpiredQuery, Kind, ListOrder, ListQuery, WriteBatch, WriteOp};

/// How many records one commit deletes.
const CHUNK_MAX: usize = 500;

/// How many tenants one page of the directory holds.
const TENANTS_MAX: usize = 200;

/// What a sweep did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct SweepReport {
    /// Records deleted.
    pub deleted: usize,
    /// Erasures ended that were cut short, or that waited.
    pub erasures: usize,
    /// Erasures of which nothing is wanting but the platform's word that the person is not in its contact book any more.
    pub waiting: usize,
    /// Records that go earlier than was noted when they came, because a rule of [`Retention`](crate::assistant::Retention), or of
    /// the business, is shorter now.
    pub redated: usize,
    /// People erased with whom nobody has spoken for [`Retention::contacts`](crate::assistant::Retention::contacts).
    pub silent: usize,
    /// Facts removed, whose figures are frozen.
    pub facts: usize,
    /// Files deleted that a crash left without a record.
    pub orphans: usize,
    /// Events put into the audit logs.
    pub logged: usize,
    /// Handles of contacts that are found by a new key of their connection now.
    pub moved: usize,
    /// Tenants whose key has turned, the directory among them.
    pub turned: usize,
    /// People's keys that were wrapped anew for that.
    pub rewrapped: usize,
    /// Accounts that were [closed](crate::assistant::Desk::close) to the end.
    pub closed: usize,
    /// Whether more is past its time, or due, than the budget allowed for.
    pub more: bool,
    /// What has come closer since it was told last: half of the time is over, 80 % of it, all of it. Requests about data,
    /// breaches of which somebody has to be told; and people who may be told now that an authority was given their data. Each
    /// is told once.
    pub due: Vec<Due>,
    /// What went wrong. It kept nothing else from being done, and the next sweep tries again.
    pub errors: Vec<AssistantError>,
}

impl SweepReport {
    /// Returns how much may still be deleted of a budget.
    pub(super) const fn left_of(&self, limit: usize) -> usize {
        limit.saturating_sub(self.deleted + self.facts)
    }

    /// Keeps what went wrong; returns what did not.
    fn note<T>(&mut self, outcome: Result<T, AssistantError>) -> Option<T> {
        outcome.map_err(|error| self.errors.push(error)).ok()
    }

    /// Returns the report, or the first of its errors, for whoever goes on only where nothing went wrong.
    ///
    /// # Errors
    /// The first of [`errors`](Self::errors).
    pub fn into_result(mut self) -> Result<Self, AssistantError> {
        if self.errors.is_empty() { Ok(self) } else { Err(self.errors.swap_remove(0)) }
    }
}

impl Assistant {
    /// Ends erasures, and containments of [breaches](crate::assistant::Breaches), that were cut short, and asks platforms again
    /// that have not deleted somebody from their contact book; watches over deadlines of breaches and of
    /// [requests](crate::assistant::Requests); deletes what is past its time, at most `limit` records and facts (as many
    /// records may be dated anew), each file before its record, and facts once their [figures](Self::figures) are frozen; looks for files that a crash left without
    /// one, some at each call; puts the events that wait into the [audit logs](crate::audit), which it anchors where there are
    /// a signer and a sink; replaces the keys by which handles are found that are older than
    /// [`Config::handle_key`](crate::assistant::Config::handle_key), and turns the epochs of keys that are older than
    /// [`Config::epoch`](crate::assistant::Config::epoch), a part of each at each call; and ends accounts whose time has come
    /// ([`Desk::close`](crate::assistant::Desk::close)), a part at each call.
    ///
    /// Where the clock is a week ahead of the last sweep, or behind it, nothing is deleted by age until somebody has looked
    /// and called [`trust_clock`](Self::trust_clock). Nothing is read past its time all the same.
    ///
    /// # Errors
    /// [`AssistantError::Clock`] if the clock can't be believed; by the store, if the tenants can't be read. What was done
    /// stays done; the next sweep goes on. All other trouble is in [`SweepReport::errors`], and keeps nothing else from being
    /// done, of the same tenant or of another; but where the requests or the holds of a tenant can't be read, its data stay.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn sweep(&self, limit: usize) -> Result<SweepReport, AssistantError> {
        self.sweep_all(limit).await
    }

    fn sweep_all(&self, limit: usize) -> BoxFuture<'_, Result<SweepReport, AssistantError>> {
        Box::pin(async move {
            let inner = &self.inner;
            let at = inner.clock.now();
            let (mut report, mut closer) = (SweepReport::default(), Vec::new());
            let doubt = match inner.watch_clock(at).await {
                Ok(()) => None,
                Err(doubt @ AssistantError::Clock { .. }) => Some(doubt),
                Err(error) => return Err(error),
            };
            let mut query = ListQuery {
                tenant: TenantId::DIRECTORY,
                kind: Kind::TENANT,
                parent: TenantId::DIRECTORY.into(),
                order: ListOrder::Ascending,
                after: None,
                limit: TENANTS_MAX,
            };
            loop {
                let tenants = inner.entities.store.list(&query).await?;
                for tenant in tenants.records {
                    match TenantRow::read(tenant) {
                        Ok(row) => self.sweep_tenant(row, (at, doubt.is_none()), limit, &mut report, &mut closer).await,
                        Err(damaged) => report.errors.push(damaged.into()),
                    }
                }
                match tenants.next {
                    Some(next) => query.after = Some(next),
                    None => break,
                }
            }
            if let Some(doubt) = doubt {
                return Err(doubt);
            }
            let purged = inner.purge(TenantId::DIRECTORY, at, limit, &BTreeSet::new(), &mut report).await;
            report.note(purged);
            let turned = inner.turn_epoch(TenantId::DIRECTORY, at, &mut report).await;
            report.note(turned);
            let closed = inner.go_on_closing(&mut report).await;
            report.note(closed);
            let orphans = inner.collect().await;
            report.orphans = report.note(orphans).unwrap_or_default();
            // Last, because what is noted is told by this report and by no other.
            for closer in closer {
                let noted = inner.note_closer(closer).await;
                let noted = report.note(noted);
                report.due.extend(noted.into_iter().flatten());
            }
            Ok(report)
        })
    }

    /// Does what is to be done for one tenant; what depends on the age of things only with a clock that is believed.
    async fn sweep_tenant(
        &self,
        row: TenantRow,
        (at, by_age): (DateTime<Utc>, bool),
        limit: usize,
        report: &mut SweepReport,
        closer: &mut Vec<Closer>,
    ) {
        let inner = &self.inner;
        let tenant = row.tenant.id;
        let logged = self.log_events(tenant).await;
        report.logged += report.note(logged).unwrap_or_default();
        let resumed = inner.resume_erasures(tenant, report).await;
        report.note(resumed);
        let contained = self.go_on_containing(&row.tenant).await;
        report.note(contained);
        for noted in [inner.watch_breaches(tenant).await, inner.watch_gags(tenant).await] {
            closer.extend(report.note(noted).into_iter().flatten());
        }
        let waiting = inner.waiting_requests(tenant).await;
        // Where they can't be read it is not known whose data must stay, so all of it does.
        if let Some(waiting) = report.note(waiting) {
            let kept = inner.kept_people(tenant, &waiting).await;
            // Before the codes that have run out are deleted.
            for row in waiting {
                let noted = inner.watch(tenant, row).await;
                closer.extend(report.note(noted).into_iter().flatten());
            }
            if let Some(kept) = report.note(kept).filter(|_| by_age) {
                let redated = inner.redate(&row.tenant, at, limit, report).await;
                report.note(redated);
                let purged = inner.purge(tenant, at, limit, &kept, report).await;
                report.note(purged);
                let erased = inner.erase_silent(&row.tenant, at, &kept, report).await;
                report.note(erased);
            }
        }
        if !by_age {
            return;
        }
        let frozen = inner.freeze(tenant, at, limit, report).await;
        report.note(frozen);
        let replaced = inner.replace_handle_keys(&row.tenant, at, report).await;
        report.note(replaced);
        let turned = inner.turn_epoch(tenant, at, report).await;
        report.note(turned);
        if let Some(closing) = row.tenant.closing {
            let begun = self.begin_closing(row, closing, at).await;
            report.note(begun);
        }
    }
}

impl Inner {
    /// Deletes what is past its time of a tenant, but for what must stay, as far as the budget goes.
    async fn purge(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        limit: usize,
        frozen: &BTreeSet<SubjectId>,
        report: &mut SweepReport,
    ) -> Result<(), AssistantError> {
        let store = &self.entities.store;
        if frozen.len() > ExpiredQuery::WITHOUT_MAX {
            report.more = true;
            return Ok(());
        }
        let without: Vec<SubjectId> = frozen.iter().copied().collect();
        loop {
            let left = report.left_of(limit);
            if left == 0 {
                report.more = true;
                return Ok(());
            }
            let limit = left.min(CHUNK_MAX);
            let expired = store.expired(&ExpiredQuery { tenant, at, without: without.clone(), limit }).await?;
            if expired.is_empty() {
                return Ok(());
            }
            self.delete_files(tenant, &expired).await?;
            let mut batch = WriteBatch::new(tenant);
            batch.ops = expired.iter().map(|r| WriteOp::Delete(r.kind, r.id, r.version)).collect();
            match store.commit(batch).await? {
                Commit::Done => report.deleted += expired.len(),
                // One of them was changed this moment: the next sweep finds it as it is then.
                Commit::Refused(_) => {
                    report.more = true;
                    return Ok(());
                }
            }
        }
    }
}
