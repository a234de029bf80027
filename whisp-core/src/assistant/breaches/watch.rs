//! Watches the breaches of which somebody has to be told: whose time runs out.

use crate::assistant::due::{Closer, CloserRow};
use crate::assistant::{AssistantError, Due, DueWhat, Inner};
use crate::id::TenantId;
use crate::privacy::{BreachError, Urgency};
use crate::store::PAGE_MAX;

impl Inner {
    /// Returns what of a tenant's breaches has come closer.
    pub(in crate::assistant) async fn watch_breaches(&self, tenant: TenantId) -> Result<Vec<Closer>, AssistantError> {
        let (mut all, mut after, now) = (Vec::new(), None, self.clock.now());
        loop {
            let (rows, next) = self.entities.open_breaches(tenant, after, PAGE_MAX).await?;
            for row in rows {
                let breach = &row.clear.breach;
                let duties = breach.duties(&self.config.law).map_err(BreachError::from)?;
                let due = duties.into_iter().filter(|duty| duty.told_at.is_none()).filter_map(|duty| {
                    let deadline = duty.deadline?;
                    let urgency = deadline.urgency(now);
                    let noted = row.clear.noted.get(&duty.audience).copied().unwrap_or(Urgency::Calm);
                    let what = DueWhat::Breach { breach: breach.id, audience: duty.audience };
                    (urgency > noted).then_some(Due { tenant, what, due: deadline.at, urgency })
                });
                let due: Vec<Due> = due.collect();
                if !due.is_empty() {
                    all.push(Closer { due, tenant, row: CloserRow::Breach(row) });
                }
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }
}
