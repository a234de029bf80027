//! Erases whoever asked for it.

use super::Requests;
use crate::assistant::{AssistantError, ErasureReceipt, Inner};
use crate::audit::AuditAction;
use crate::entity::By;
use crate::id::{RequestId, TenantId};
use crate::privacy::{RequestEvent, RequestKind, RequestState, StepOutcome, Withheld};
use crate::store::WriteOp;

/// The step of erasing everything.
pub(super) const STEP: &str = "erase";

impl Requests {
    /// Erases whoever asked for it, as [`Assistant::erase`](crate::assistant::Assistant::erase) does. That it is done is
    /// noted in the request with the end of the erasure, in one commit; a crash leaves it to the next call or sweep.
    ///
    /// Nobody can be written to afterwards: tell the person before what they need to know, and where to ask.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if nobody asked to be erased, or part of it is to be withheld and no
    /// [hold](crate::assistant::Holds) is on it, [`Request`](AssistantError::Request)
    /// if it is not granted, [`Conflict`](AssistantError::Conflict) if somebody else ended it this moment; by the stores and the vault;
    /// [`Channel`](AssistantError::Channel) as there.
    ///
    /// # Cancellation
    /// As an error: what was erased by then stays erased.
    pub async fn erase(&self, id: RequestId) -> Result<ErasureReceipt, AssistantError> {
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let mut row = self.row(id).await?;
        let request = &row.clear.request;
        let subject = request.subject();
        if inner.entities.tenant(tenant).await?.tenant.account_holder == subject {
            return Err(AssistantError::Invalid(
                "the account holder's data go with the account: close it with `Desk::close`",
            ));
        }
        let begin = match (request.kind(), request.state()) {
            (RequestKind::Erasure, RequestState::Partial { .. }) if !inner.is_held(tenant, subject).await? => {
                return Err(AssistantError::Invalid("nothing would be withheld: place a hold on what has to stay"));
            }
            // A crash came in between.
            (RequestKind::Erasure, RequestState::Executing { .. }) if request.steps_left().next().is_some() => {
                return inner.resume_erasure(tenant, subject).await;
            }
            (RequestKind::Erasure, _) => {
                let execute = RequestEvent::Execute(vec![STEP.to_owned()]);
                row.clear.request = request.apply(execute, &inner.config.law, inner.clock.now())?;
                inner.staged(tenant, &mut row, AuditAction::RequestBegun, self.desk.whom()).await?
            }
            _ => return Err(AssistantError::Invalid("the person did not ask to be erased")),
        };
        inner.erase_person(tenant, subject, self.desk.whom(), (Some(id), begin)).await
    }
}

impl Inner {
    /// Stages that the erasure that a request asked for has ended.
    pub(in crate::assistant) async fn erasure_ended(
        &self,
        tenant: TenantId,
        request: RequestId,
        receipt: &ErasureReceipt,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let Some(mut row) = self.entities.request(tenant, request).await? else { return Ok(Vec::new()) };
        let ours = receipt.withheld.iter().map(|each| Withheld::new(each.what, each.reason));
        let elsewhere = receipt.elsewhere.iter().filter_map(|each| each.erased.withheld.clone());
        let outcome = match ours.chain(elsewhere).reduce(|all, each| all.with(&each)) {
            Some(withheld) => StepOutcome::Withheld { withheld },
            None => StepOutcome::Done { records: receipt.deleted.iter().map(|(_, records)| records).sum() },
        };
        let report = RequestEvent::Report { step: STEP.to_owned(), outcome };
        row.clear.request = row.clear.request.apply(report, &self.config.law, self.clock.now())?;
        self.staged(tenant, &mut row, AuditAction::RequestStep, By::System).await
    }
}
