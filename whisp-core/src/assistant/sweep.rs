//! Ends what was cut short, and deletes what is past its time, in bounded batches.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::assistant::{Assistant, AssistantError, Due, Inner};
use crate::entity::TenantRow;
use crate::id::{SubjectId, TenantId};
use crate::store::{Commit, ExpiredQuery, Kind, ListOrder, ListQuery, WriteBatch, WriteOp};

/// How many records one commit deletes.
const CHUNK_MAX: usize = 500;

/// How many tenants one page of the directory holds.
const TENANTS_MAX: usize = 200;

/// What a sweep did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
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
    /// is told once, by the first sweep that ends without an error.
    pub due: Vec<Due>,
}

impl SweepReport {
    /// Returns how much may still be deleted of a budget.
    pub(super) const fn left_of(&self, limit: usize) -> usize {
        limit.saturating_sub(self.deleted + self.facts)
    }
}

impl Assistant {
    /// Ends erasures, and containments of [breaches](crate::assistant::Breaches), that were cut short, and asks platforms again
    /// that have not deleted somebody from their contact book; watches over deadlines of breaches and of
    /// [requests](crate::assistant::Requests); deletes what is past its time, at most `limit` records and facts (as many
    /// records may be dated anew), each file before its record, and facts once their [figures](Self::figures) are frozen; looks for files that a crash left without
    /// one, some at each call; puts the events that wait into the [audit logs](crate::audit), which it anchors where there are
    /// a signer and a sink; and turns the epochs of keys that are older than
    /// [`Config::epoch`](crate::assistant::Config::epoch), a part at each call; and ends accounts whose time has come
    /// ([`Desk::close`](crate::assistant::Desk::close)), a part at each call.
    ///
    /// Where the clock is a week ahead of the last sweep, or behind it, nothing is deleted by age until somebody has looked
    /// and called [`trust_clock`](Self::trust_clock). Nothing is read past its time all the same.
    ///
    /// # Errors
    /// [`AssistantError::Clock`] if the clock can't be believed; by the stores, the signer and the sink. What was done stays
    /// done; the next sweep goes on. Trouble with an audit log, with keys, with an erasure or with an account that closes
    /// keeps nothing else from being deleted; trouble with the requests of a tenant keeps its own data.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn sweep(&self, limit: usize) -> Result<SweepReport, AssistantError> {
        let inner = &self.inner;
        let at = inner.clock.now();
        let (mut report, mut trouble, mut closer) = (SweepReport::default(), None, Vec::new());
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
            for tenant in &tenants.records {
                let row = TenantRow::read(tenant.clone())?;
                let tenant = row.tenant.id;
                match self.log_events(tenant).await {
                    Ok(logged) => report.logged += logged,
                    Err(error) => trouble = trouble.or(Some(error)),
                }
                if let Err(error) = inner.resume_erasures(tenant, &mut report).await {
                    trouble.get_or_insert(error);
                }
                if let Err(error) = self.go_on_containing(&row.tenant).await {
                    trouble.get_or_insert(error);
                }
                for noted in [inner.watch_breaches(tenant).await, inner.watch_gags(tenant).await] {
                    match noted {
                        Ok(noted) => closer.extend(noted),
                        Err(error) => trouble = trouble.or(Some(error)),
                    }
                }
                match inner.waiting_requests(tenant).await {
                    Ok(waiting) => {
                        let kept = inner.kept_people(tenant, &waiting).await?;
                        // Before the codes that have run out are deleted.
                        for row in waiting {
                            match inner.watch(tenant, row).await {
                                Ok(noted) => closer.extend(noted),
                                Err(error) => trouble = trouble.or(Some(error)),
                            }
                        }
                        if doubt.is_none() {
                            inner.redate(&row.tenant, at, limit, &mut report).await?;
                            inner.purge(tenant, at, limit, &kept, &mut report).await?;
                            inner.erase_silent(&row.tenant, at, &kept, &mut report).await?;
                        }
                    }
                    // Whose data must stay is not known, so all of it does.
                    Err(error) => trouble = trouble.or(Some(error)),
                }
                if doubt.is_none()
                    && let Err(error) = inner.freeze(tenant, at, limit, &mut report).await
                {
                    trouble.get_or_insert(error);
                }
                if doubt.is_none()
                    && let Err(error) = inner.turn_epoch(tenant, at, &mut report).await
                {
                    trouble.get_or_insert(error);
                }
                if doubt.is_none()
                    && let Some(closing) = row.tenant.closing
                    && let Err(error) = self.begin_closing(row, closing, at).await
                {
                    trouble.get_or_insert(error);
                }
            }
            match tenants.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        if doubt.is_none() {
            inner.purge(TenantId::DIRECTORY, at, limit, &BTreeSet::new(), &mut report).await?;
            if let Err(error) = inner.turn_epoch(TenantId::DIRECTORY, at, &mut report).await {
                trouble.get_or_insert(error);
            }
            if let Err(error) = inner.go_on_closing(&mut report).await {
                trouble.get_or_insert(error);
            }
            report.orphans = inner.collect().await?;
        }
        if let Some(trouble) = doubt.or(trouble) {
            return Err(trouble);
        }
        // Last, because what is noted is told by this report and by no other.
        for closer in closer {
            match inner.note_closer(closer).await {
                Ok(noted) => report.due.extend(noted),
                Err(error) if report.due.is_empty() => return Err(error),
                // What is noted must be told. The next sweep tells the rest, or what keeps it from that.
                Err(_) => {
                    report.more = true;
                    break;
                }
            }
        }
        Ok(report)
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
