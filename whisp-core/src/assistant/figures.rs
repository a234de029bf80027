//! Puts figures into the place of facts that are past their time (promises P29, P30).
//!
//! The figures of a period are committed first, then its facts are removed. What is before the end of the last period is
//! counted by nobody any more, so whatever comes late, or is left after a crash, is removed without being counted twice.

use chrono::{DateTime, Utc};

use crate::assistant::{Assistant, AssistantError, Inner, SweepReport};
use crate::entity::Entities;
use crate::id::TenantId;
use crate::kpi::{Ages, Figure, Figures, GROUP_MIN, Gathering, Period};
use crate::store::{Commit, FactQuery, PAGE_MAX, WriteBatch, WriteOp};

/// How many facts one call removes.
const CHUNK_MAX: usize = 500;

impl Assistant {
    /// Returns the frozen figures of the periods that begin from `from` until `until`, the first ones first, at most
    /// [`PAGE_MAX`]: to go on, ask from the [`until`](Figures::until) of the last. What is younger, [`measure`](Self::measure)
    /// tells.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn figures(
        &self,
        tenant: TenantId,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Figures>, AssistantError> {
        let mut figures = self.inner.entities.figures_from(tenant, from, PAGE_MAX).await?;
        figures.retain(|figures| figures.from < until);
        Ok(figures)
    }
}

impl Inner {
    /// Freezes the figures of a tenant's facts that are past their time, and removes the facts, as far as the budget goes.
    /// There is something to do once a day.
    pub(super) async fn freeze(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        limit: usize,
        report: &mut SweepReport,
    ) -> Result<(), AssistantError> {
        let Some(ages) = self.config.retention.facts.and_then(|keep| Ages::of(keep, at)) else { return Ok(()) };
        if self.frozen().get(&tenant) == Some(&ages.past) {
            return Ok(());
        }
        let mut last = self.entities.last_figures(tenant).await?;
        loop {
            let frozen = last.as_ref().map(|(_, figures)| figures.until);
            if let Some(until) = frozen
                && !self.discard(tenant, until, limit, report).await?
            {
                report.more = true;
                return Ok(());
            }
            let Some(period) = self.next_period(tenant, frozen, &ages).await? else {
                self.frozen().insert(tenant, ages.past);
                return Ok(());
            };
            let (number, figures) =
                (last.map_or(1, |(number, _)| number + 1), self.fold(tenant, &period, &ages).await?);
            let record = Entities::new_figures(tenant, number, &figures)?;
            match self.entities.store.commit(WriteBatch::new(tenant).op(WriteOp::Put(record))).await? {
                Commit::Done => last = Some((number, figures)),
                // Another process was first; it may have begun to remove what was counted here.
                Commit::Refused(_) => {
                    report.more = true;
                    return Ok(());
                }
            }
        }
    }

    /// Removes the facts before a time; returns whether the budget was enough.
    async fn discard(
        &self,
        tenant: TenantId,
        before: DateTime<Utc>,
        limit: usize,
        report: &mut SweepReport,
    ) -> Result<bool, AssistantError> {
        loop {
            let chunk = report.left_of(limit).min(CHUNK_MAX);
            let removed = if chunk == 0 { 0 } else { self.entities.store.discard(tenant, before, chunk).await? };
            report.facts += removed;
            if removed < chunk || chunk == 0 {
                return Ok(chunk > 0);
            }
        }
    }

    /// Finds the next period whose facts go.
    async fn next_period(
        &self,
        tenant: TenantId,
        frozen: Option<DateTime<Utc>>,
        ages: &Ages,
    ) -> Result<Option<Period>, AssistantError> {
        let from = frozen.unwrap_or(DateTime::<Utc>::MIN_UTC);
        let mut query = FactQuery { tenant, from, until: ages.past, after: None, limit: PAGE_MAX };
        let mut gathering = Gathering::default();
        loop {
            let page = self.entities.store.scan(&query).await?;
            if let Some(period) = page.facts.iter().find_map(|fact| gathering.push(fact)) {
                return Ok(Some(period));
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(gathering.finish(ages)),
            }
        }
    }

    async fn fold(&self, tenant: TenantId, period: &Period, ages: &Ages) -> Result<Figures, AssistantError> {
        let window = period.window(ages);
        let values = if period.is_told {
            let values = self.fold_facts(tenant, &window, &self.kpis).await?;
            let figures = self.kpis.iter().zip(values).map(|(kpi, value)| Figure {
                kpi: kpi.id().to_owned(),
                version: kpi.version(),
                value: value.coarse(GROUP_MIN as u64),
            });
            Some(figures.collect())
        } else {
            None
        };
        Ok(Figures { from: window.from, until: window.until, as_of: window.as_of, values })
    }
}
