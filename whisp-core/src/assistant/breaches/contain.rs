//! Containing a breach: nothing leaves, tokens are destroyed, the key turns.

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::Breaches;
use crate::assistant::admin::TRIES_MAX;
use crate::assistant::{Assistant, AssistantError};
use crate::audit::AuditAction;
use crate::entity::{AuditDraft, By, TenantRow, in_directory};
use crate::id::{BreachId, ConnectionId, TenantId};
use crate::model::{ConnectionState, Containment, Tenant};
use crate::privacy::{About, Breach, BreachError, BreachEvent, ServiceProvision};
use crate::store::{Commit, Kind, WriteBatch, WriteOp};

/// What containing a breach did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contained {
    /// The breach.
    pub breach: Breach,
    /// How many tokens this call destroyed: so many accounts have to be connected anew.
    pub tokens: usize,
    /// How often the key of the tenant turned in this call.
    pub turned: usize,
}

impl Breaches {
    /// Contains a breach. From the commit on nothing leaves, by itself or by a member:
    ///
    /// | what | while it is contained |
    /// |---|---|
    /// | what people write | is taken in as always; a stop, or a wish about data, counts |
    /// | engines | are not asked: a conversation goes on as with automation turned off |
    /// | what waits to be sent | waits, and is not lost |
    /// | files that came in | are fetched afterwards |
    /// | copies, exports, what is handed to authorities | are refused: [`DeniedReason::Contained`](crate::privacy::DeniedReason) |
    /// | members | read at their desks; whoever may be the breach has to be shut out by the host |
    ///
    /// Then the token of each connected account is destroyed, so that it waits to be connected anew, and the epoch of the
    /// tenant's key turns: everyone's key is wrapped under a new one, and the one before is destroyed as surely as the key
    /// provider can. What was taken together with its keys stays readable to who took it.
    ///
    /// A token that was stolen still works at the platform until it is revoked *there*. On Meta that is for the host to do:
    /// take the app's permissions back or delete the system user's token in the Business settings, reset the app's secret if
    /// that was out, then [`connect`](Assistant::connect) each account with a new token. That may be done while the breach
    /// is contained.
    ///
    /// Other processes notice within a second. Called again it goes on with what a crash cut short, and else changes nothing;
    /// [`sweep`](Assistant::sweep) goes on with it too.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Breach`](AssistantError::Breach) if nothing is left to do for it,
    /// [`Forbidden`](AssistantError::Forbidden), [`Invalid`](AssistantError::Invalid) for too many at a time,
    /// [`Conflict`](AssistantError::Conflict); by the store and the vault. In this process nothing leaves all the same, until
    /// the call is repeated or [`lift`](Self::lift)ed.
    ///
    /// # Cancellation
    /// As an error.
    pub async fn contain(&self, id: BreachId) -> Result<Contained, AssistantError> {
        self.may_change().await?;
        self.desk.assistant.contain(self.desk.tenant, id, self.desk.whom()).await
    }

    /// Lets things leave again, unless another breach is contained. Messages that waited go out if they still may; accounts
    /// that were not connected anew wait for that.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Breach`](AssistantError::Breach) if it is not contained,
    /// [`Forbidden`](AssistantError::Forbidden), [`Conflict`](AssistantError::Conflict); by the store.
    ///
    /// # Cancellation
    /// Done or not done; repeat the call.
    pub async fn lift(&self, id: BreachId) -> Result<Breach, AssistantError> {
        self.may_change().await?;
        let (assistant, tenant, by) = (&self.desk.assistant, self.desk.tenant, self.desk.whom());
        let inner = &assistant.inner;
        let breach = inner.breach_row(tenant, id).await?.clear.breach;
        let settings = inner.entities.tenant(tenant).await?.tenant;
        let stands = settings.containment.breaches.contains_key(&id) || inner.gate.lets_out(&settings).is_err();
        if !breach.is_contained() && !stands {
            return Err(BreachError::NotContained.into());
        }
        let resumed = (AuditAction::EgressResumed, by);
        assistant
            .change_containment(tenant, resumed, id, |containment| {
                containment.breaches.remove(&id);
                Ok(true)
            })
            .await?;
        if !breach.is_contained() {
            // It was cut short before that was noted.
            return Ok(breach);
        }
        inner.change_breach(tenant, id, (AuditAction::BreachLifted, by), BreachEvent::Lift).await
    }
}

impl Assistant {
    async fn contain(&self, tenant: TenantId, id: BreachId, by: By) -> Result<Contained, AssistantError> {
        let inner = &self.inner;
        let breach = inner.breach_row(tenant, id).await?.clear.breach;
        breach.apply(BreachEvent::Contain, &inner.config.law, inner.clock.now())?;
        let now = inner.clock.now();
        self.change_containment(tenant, (AuditAction::EgressStopped, by), id, |containment| {
            if containment.breaches.contains_key(&id) {
                return Ok(false);
            }
            if containment.breaches.len() >= Containment::BREACHES_MAX {
                return Err(AssistantError::Invalid("too many breaches are contained at a time"));
            }
            containment.breaches.insert(id, now);
            Ok(true)
        })
        .await?;
        if breach.is_contained() {
            // Accounts may have been connected anew since.
            return Ok(Contained { breach, tokens: 0, turned: 0 });
        }
        let settings = inner.entities.tenant(tenant).await?.tenant;
        let since = settings.containment.breaches.get(&id).copied();
        let since: DateTime<Utc> = since.ok_or(AssistantError::Conflict("containment of a breach"))?;
        let mut tokens = 0;
        for (connection, _, _, state) in self.connections(tenant).await? {
            if state != ConnectionState::Disconnected && self.destroy_token(&settings, connection, by).await? {
                tokens += 1;
            }
        }
        let turned = inner.turn_since(tenant, since).await?;
        let contained = (AuditAction::BreachContained, by);
        let breach = inner.change_breach(tenant, id, contained, BreachEvent::Contain).await?;
        Ok(Contained { breach, tokens, turned })
    }

    /// Goes on with the containments of a tenant that were cut short.
    pub(in crate::assistant) async fn go_on_containing(&self, tenant: &Tenant) -> Result<(), AssistantError> {
        for id in tenant.containment.breaches.keys() {
            let known = self.inner.entities.breach(tenant.id, *id).await?;
            if known.is_some_and(|row| row.clear.breach.state.is_open() && !row.clear.breach.is_contained()) {
                self.contain(tenant.id, *id, By::System).await?;
            }
        }
        Ok(())
    }

    /// Changes for which breaches nothing leaves, if that is a change. It is written in the directory, where the tenant's
    /// settings are.
    async fn change_containment(
        &self,
        tenant: TenantId,
        (action, by): (AuditAction, By),
        id: BreachId,
        change: impl Fn(&mut Containment) -> Result<bool, AssistantError> + Send + Sync,
    ) -> Result<(), AssistantError> {
        let inner = &self.inner;
        for _ in 0..TRIES_MAX {
            let mut row: TenantRow = inner.entities.tenant(tenant).await?;
            let changes = row.tenant.containment.changes;
            let changed = change(&mut row.tenant.containment)?;
            if action == AuditAction::EgressStopped {
                // Before the commit: from then on nothing leaves, whatever settings somebody here has read before.
                inner.gate.stop(tenant, changes + u32::from(changed));
            }
            if !changed {
                return Ok(());
            }
            row.tenant.containment.changes = changes + 1;
            let event = AuditDraft::new(action, by, row.tenant.account_holder).to(Kind::BREACH, id);
            let mut batch = WriteBatch::new(TenantId::DIRECTORY).op(WriteOp::Put(row.next()?));
            batch.ops.extend(in_directory(inner.audit(tenant, event).await?, tenant));
            if inner.entities.store.commit(batch).await? == Commit::Done {
                return Ok(());
            }
        }
        Err(AssistantError::Conflict("tenant"))
    }

    /// Destroys the token of an account, which is still reached by its webhooks; returns whether there was one.
    async fn destroy_token(&self, settings: &Tenant, connection: ConnectionId, by: By) -> Result<bool, AssistantError> {
        let (entities, tenant, holder) = (&self.inner.entities, settings.id, settings.account_holder);
        for _ in 0..TRIES_MAX {
            let row = entities.connection_row(tenant, connection).await?;
            let permit =
                self.inner.gate.permit::<ServiceProvision>(settings, About::holder(settings), self.now()).await?;
            let mut dead = entities.connection(&permit, tenant, &row).await?;
            if row.clear.state == ConnectionState::Disconnected || dead.token.expose_secret().is_empty() {
                return Ok(false);
            }
            dead.state = ConnectionState::Reauthorize;
            dead.token = SecretString::from("");
            let event = AuditDraft::new(AuditAction::TokenDestroyed, by, holder).to(Kind::CONNECTION, connection);
            let dead = entities.put_connection(&dead, holder, Some(row)).await?;
            if self.try_put_audited(tenant, dead, event).await? {
                return Ok(true);
            }
        }
        Err(AssistantError::Conflict("connection"))
    }
}
