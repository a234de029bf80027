//! While somebody waits to be erased, what is kept of them is kept and not used (Art. 18(1)(b) GDPR).

use crate::assistant::{AssistantError, Inner};
use crate::audit::AuditAction;
use crate::id::{ContactId, TenantId};
use crate::privacy::{Act, RequestKind, RequestState, RestrictionGround, Statement, SubjectRequest};
use crate::store::WriteOp;

/// The one ground that is placed and lifted by itself.
const GROUND: RestrictionGround = RestrictionGround::ErasureUnderWay;

impl Inner {
    /// Stages what a step of a request does to the use of the data. From the proof of a contact's wish to be erased on it is
    /// restricted, so that the right alone is served; a stranger's wish restricts nobody. Where it is refused, or taken back,
    /// that ends, unless they wait for another one.
    ///
    /// Of a member the name is needed as long as they are one, and of an account holder the token; neither is restricted.
    pub(super) async fn restricted_by(
        &self,
        tenant: TenantId,
        request: &SubjectRequest,
        action: AuditAction,
        act: Act,
    ) -> Result<Vec<WriteOp>, AssistantError> {
        let stands = match action {
            AuditAction::RequestProven => true,
            AuditAction::RequestRefused | AuditAction::RequestTakenBack => false,
            _ => return Ok(Vec::new()),
        };
        let subject = request.subject();
        if request.kind() != RequestKind::Erasure
            || self.entities.contact_row(tenant, ContactId(subject)).await?.is_none()
        {
            return Ok(Vec::new());
        }
        let standing = self.entities.standing(tenant, subject).await?;
        if standing.restrictions().any(|ground| ground == GROUND) == stands {
            return Ok(Vec::new());
        }
        if !stands {
            let known = self.entities.requests_of(tenant, subject).await?;
            let others = known.iter().map(|row| &row.clear.request).filter(|other| other.id() != request.id());
            if others.filter(|other| other.kind() == RequestKind::Erasure).any(is_proven_and_open) {
                return Ok(Vec::new());
            }
        }
        let last = self.entities.last_statement(tenant, subject).await?;
        let statement = Statement::Restriction { ground: GROUND, stands };
        Ok(self.stated(tenant, (subject, last), statement, act).await?.1)
    }
}

const fn is_proven_and_open(request: &SubjectRequest) -> bool {
    matches!(
        request.state(),
        RequestState::Verified
            | RequestState::Assessing
            | RequestState::Approved
            | RequestState::Partial { .. }
            | RequestState::Executing { .. }
    )
}
