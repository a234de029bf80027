//! What may be noted by hand: what was promised to end has ended, before anybody is told so.

use super::{Requests, erase, mentioned};
use crate::assistant::AssistantError;
use crate::id::RequestId;
use crate::privacy::{RequestEvent, RequestKind, RequestState, Statement, StatementEvent, SubjectKind};

impl Requests {
    /// Checks that an event may be noted by hand: that somebody is erased is noted by what erases them, and nobody is told
    /// that a use has ended before it has.
    pub(super) async fn is_by_hand(&self, id: RequestId, event: &RequestEvent) -> Result<(), AssistantError> {
        match event {
            RequestEvent::Answer => return self.is_declared(id).await,
            RequestEvent::Execute(_) | RequestEvent::Report { .. } | RequestEvent::AwaitProcessors { .. } => {}
            _ => return Ok(()),
        }
        let request = self.row(id).await?.clear.request;
        if request.kind() != RequestKind::Erasure {
            return Ok(());
        }
        let by_hand = match self.desk.assistant.inner.kind_of(self.desk.tenant, request.subject()).await? {
            // Nothing else ends it: closing an account is a step of its own.
            Some(SubjectKind::AccountHolder) => true,
            // What others wrote is taken out message by message, so it is people who say that it was the last one, or that
            // there is none any more.
            None => match event {
                RequestEvent::Execute(steps) => matches!(&steps[..], [step] if step == mentioned::STEP),
                RequestEvent::Report { step, .. } => step == mentioned::STEP,
                _ => request.steps().iter().any(|step| step.name == erase::STEP || step.name == mentioned::STEP),
            },
            Some(_) => {
                matches!(event, RequestEvent::AwaitProcessors { .. })
                    && request.steps().iter().any(|step| step.name == erase::STEP)
            }
        };
        if !by_hand {
            return Err(AssistantError::Invalid(
                "an erasure is begun and reported by `Requests::erase`, or by `Requests::redact` of what others wrote",
            ));
        }
        Ok(())
    }

    /// Checks that a use of the data, which the person was promised to end, has ended: nobody is told so before.
    pub(super) async fn is_declared(&self, id: RequestId) -> Result<(), AssistantError> {
        let request = self.row(id).await?.clear.request;
        let granted = matches!(
            request.state(),
            RequestState::Approved
                | RequestState::Partial { .. }
                | RequestState::Executing { .. }
                | RequestState::AwaitingProcessors { .. }
        );
        let entities = &self.desk.assistant.inner.entities;
        let said = entities.statements(self.desk.tenant, request.subject()).await?;
        let closed = |is: fn(&Statement) -> bool| {
            let last = |place: usize, event: &StatementEvent| {
                !said.iter().skip(place + 1).any(|later| later.statement.is_about_the_same(&event.statement))
            };
            said.iter()
                .enumerate()
                .any(|(place, event)| is(&event.statement) && event.statement.closes() && last(place, event))
        };
        let declared = match request.kind() {
            RequestKind::Restriction => closed(|statement| matches!(statement, Statement::Restriction { .. })),
            RequestKind::Objection => closed(|statement| matches!(statement, Statement::Objection { .. })),
            RequestKind::Withdrawal => closed(|statement| matches!(statement, Statement::Consent { .. })),
            _ => true,
        };
        if granted && !declared {
            return Err(AssistantError::Invalid(
                "nothing that the person asked for was declared: do it first, with `Desk::declare`",
            ));
        }
        Ok(())
    }
}
