//! Folds facts into KPIs.

use crate::assistant::{Assistant, AssistantError, Inner};
use crate::id::TenantId;
use crate::kpi::{Kpi, KpiFold, KpiValue, KpiWindow};
use crate::store::{FactQuery, PAGE_MAX};

impl Assistant {
    /// Folds a tenant's facts into KPIs, in one pass over them, a page at a time: memory does not grow with the number of
    /// facts but for what the KPIs themselves remember.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if the window ends before it begins, or is looked at before it ends;
    /// [`AssistantError::Frozen`] if it begins where facts have become [figures](Self::figures); by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn measure(
        &self,
        tenant: TenantId,
        window: &KpiWindow,
        kpis: &[Box<dyn Kpi>],
    ) -> Result<Vec<(String, KpiValue)>, AssistantError> {
        if window.until < window.from || window.as_of < window.until {
            return Err(AssistantError::Invalid("a window begins before it ends and is looked at after"));
        }
        let values = self.inner.fold_facts(tenant, window, kpis).await?;
        // Looked at after the facts: they are removed only when their figures are there.
        match self.inner.entities.last_figures(tenant).await? {
            Some((_, last)) if window.from < last.until => Err(AssistantError::Frozen { until: last.until }),
            _ => Ok(kpis.iter().zip(values).map(|(kpi, value)| (kpi.id().to_owned(), value)).collect()),
        }
    }
}

impl Inner {
    /// Folds the facts of a window into a value for each KPI.
    pub(super) async fn fold_facts(
        &self,
        tenant: TenantId,
        window: &KpiWindow,
        kpis: &[Box<dyn Kpi>],
    ) -> Result<Vec<KpiValue>, AssistantError> {
        let mut folds: Vec<Box<dyn KpiFold>> = kpis.iter().map(|kpi| kpi.start(window)).collect();
        let mut query = FactQuery { tenant, from: window.from, until: window.as_of, after: None, limit: PAGE_MAX };
        loop {
            let page = self.entities.store.scan(&query).await?;
            for fact in &page.facts {
                for fold in &mut folds {
                    fold.push(fact);
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        Ok(folds.into_iter().map(|fold| fold.finish()).collect())
    }
}
