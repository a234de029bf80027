//! What was promised to end has ended, before anybody is told so.

use super::Requests;
use crate::assistant::AssistantError;
use crate::id::RequestId;
use crate::privacy::{RequestKind, RequestState, Statement, StatementEvent};

impl Requests {
    /// Checks that a use of the data, which the person was promised to end, has ended: nobody is told so before.
    pub(super) async fn is_declared(&self, id: RequestId) -> Result<(), AssistantError> {
        let request = self.row(id).await?.clear.request;
        let granted = matches!(
            request.state(),
            RequestState::Approved | RequestState::Partial { .. } | RequestState::Executing { .. }
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
