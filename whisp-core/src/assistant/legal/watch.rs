//! Watches the times in which a person must not be told.

use crate::assistant::due::{Closer, CloserRow};
use crate::assistant::{AssistantError, Due, DueWhat, Inner};
use crate::id::{ContactId, TenantId};
use crate::privacy::{LegalState, Urgency};
use crate::store::PAGE_MAX;

impl Inner {
    /// Returns whom a tenant may now tell of what was handed out of their data.
    pub(in crate::assistant) async fn watch_gags(&self, tenant: TenantId) -> Result<Vec<Closer>, AssistantError> {
        let (mut all, mut after, now) = (Vec::new(), None, self.clock.now());
        loop {
            let (rows, next) = self.entities.legal_disclosures(tenant, false, after, PAGE_MAX).await?;
            for row in rows {
                let disclosure = &row.clear.disclosure;
                let Some(until) = disclosure.gag_until.filter(|_| disclosure.state == LegalState::HandedOut) else {
                    continue;
                };
                if !disclosure.is_gagged(now) {
                    let (contact, id) = (ContactId(disclosure.subject), disclosure.id);
                    let what = DueWhat::GagEnded { disclosure: id, contact };
                    let due = vec![Due { tenant, what, due: until, urgency: Urgency::Overdue }];
                    all.push(Closer { due, tenant, row: CloserRow::Legal(row) });
                }
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(all),
            }
        }
    }
}
