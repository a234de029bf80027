//! Watches the breaches of which somebody has to be told: whose time runs out.

use chrono::{DateTime, Utc};

use crate::assistant::due::{Closer, CloserRow};
use crate::assistant::{AssistantError, Due, DueWhat, Inner};
use crate::entity::BreachRow;
use crate::id::TenantId;
use crate::privacy::{BreachError, Law, Urgency};
use crate::store::PAGE_MAX;

impl Inner {
    /// Returns what of a tenant's breaches has come closer, and of which of them that can't be told.
    pub(in crate::assistant) async fn watch_breaches(&self, tenant: TenantId) -> Result<Vec<Closer>, AssistantError> {
        let (mut all, mut after, now) = (Vec::new(), None, self.clock.now());
        loop {
            let (rows, next) = self.entities.open_breaches(tenant, after, PAGE_MAX).await?;
            for row in rows {
                match closer(tenant, &row, &self.config.law, now) {
                    Ok(due) if due.is_empty() => {}
                    Ok(due) => all.push(Closer { due, tenant, row: CloserRow::Breach(row) }),
                    // It keeps nobody from being told of the others.
                    Err(error) => all.push(Closer { due: Vec::new(), tenant, row: CloserRow::Undated(error.into()) }),
                }
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }
}

/// Returns which dates of a breach have come closer than was noted.
fn closer(tenant: TenantId, row: &BreachRow, law: &Law, now: DateTime<Utc>) -> Result<Vec<Due>, BreachError> {
    let breach = &row.clear.breach;
    let untold = breach.duties(law)?.into_iter().filter(|duty| duty.told_at.is_none());
    let due = untold.filter_map(|duty| {
        let deadline = duty.deadline?;
        let urgency = deadline.urgency(now);
        let noted = row.clear.noted.get(&duty.audience).copied().unwrap_or(Urgency::Calm);
        let what = DueWhat::Breach { breach: breach.id, audience: duty.audience };
        (urgency > noted).then_some(Due { tenant, what, due: deadline.at, urgency })
    });
    Ok(due.collect())
}
