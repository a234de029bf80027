//! A new owner (promise P38): taken down, its keys looked at, people told.

use chrono::{DateTime, Utc};

use crate::assistant::{AssistantError, Desk};
use crate::audit::AuditAction;
use crate::entity::{AuditDraft, TransferRow};
use crate::id::TransferId;
use crate::model::Tenant;
use crate::privacy::{About, AccessAction, ControlTransfer, Controller, KeysMoved, Permit, ServiceProvision};
use crate::store::{Kind, ListOrder, ListQuery, PAGE_MAX, Record, WriteBatch, WriteOp};
use crate::vault::MovedKeys;

/// The passing of a business to a new owner.
///
/// | what | how |
/// |---|---|
/// | It is agreed | [`begin`](Self::begin): who it will be, and from when on |
/// | The keys go to the new owner's key service | the host opens the vault with both (`whisp_store::keys::MovingKeyProvider`) and sweeps; the next turn of the epoch moves them |
/// | It has passed | [`complete`](Self::complete), which looks where the keys are |
/// | People are told | [`told`](Self::told), once they were |
///
/// What documents say of who is responsible is the host's configuration ([`Config::controller`](crate::assistant::Config)): it
/// names the new owner there from that day on, and publishes the notice that follows from it. A member needs
/// [`AccessAction::Transfer`], which is the owner's.
#[derive(Debug, Clone)]
pub struct Transfers {
    desk: Desk,
}

impl Desk {
    /// Returns the passing of the business to new owners.
    #[must_use]
    pub fn transfers(&self) -> Transfers {
        Transfers { desk: self.clone() }
    }
}

impl Transfers {
    /// Takes down that control passes to a new owner from a time on. From here on an epoch of the tenant's key that turns may
    /// be the one that moves it.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] without a complete controller, and while another one is under way;
    /// [`Forbidden`](AssistantError::Forbidden); by the store and the vault.
    ///
    /// # Cancellation
    /// Taken down or not: look before repeating it.
    pub async fn begin(&self, to: Controller, from: DateTime<Utc>) -> Result<ControlTransfer, AssistantError> {
        let (settings, permit) = self.permit().await?;
        let inner = &self.desk.assistant.inner;
        if !to.is_complete() {
            return Err(AssistantError::Invalid("say who the new owner is, where, and how they are reached"));
        }
        if self.rows().await?.iter().any(|row| row.clear.completed_at.is_none()) {
            return Err(AssistantError::Invalid("another transfer is under way: complete it first"));
        }
        let now = inner.clock.now();
        let id = TransferId::from_uuid(inner.ids.time_ordered(now));
        let record = inner.entities.new_transfer(&settings, (id, &to), (from, now)).await?;
        self.put(&settings, record.clone(), AuditAction::TransferBegun).await?;
        let row = TransferRow::read(record)?;
        inner.entities.transfer(&permit, &settings, &row).await
    }

    /// Notes that control has passed. With `moved` it is checked that the tenant's keys are with the new owner's key service,
    /// and that an epoch has turned since [`begin`](Self::begin), which destroyed what the old one had wrapped as surely as
    /// that can: [`KeysMoved`] tells from when on. `None` is for keys that stay where they are, with a host that serves both
    /// owners.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`]; [`Invalid`](AssistantError::Invalid) before its time, twice, and where the keys have not
    /// moved; [`Forbidden`](AssistantError::Forbidden), [`Conflict`](AssistantError::Conflict); by the store and the vault.
    ///
    /// # Cancellation
    /// Done or not done: look before repeating it.
    pub async fn complete(
        &self,
        id: TransferId,
        moved: Option<&dyn MovedKeys>,
    ) -> Result<ControlTransfer, AssistantError> {
        let (settings, permit) = self.permit().await?;
        let (inner, tenant) = (&self.desk.assistant.inner, self.desk.tenant);
        let mut row = inner.entities.transfer_row(tenant, id).await?;
        let now = inner.clock.now();
        if row.clear.completed_at.is_some() {
            return Err(AssistantError::Invalid("the transfer was completed before"));
        }
        if now < row.clear.from {
            return Err(AssistantError::Invalid("control passes later: complete the transfer then"));
        }
        if let Some(moved) = moved {
            const THERE: AssistantError =
                AssistantError::Invalid("the keys are with the old owner still: sweep until the epoch has turned");
            let turned = inner.turned_after(tenant, row.clear.noted_at).await?;
            let (begun_at, old_gone_at) = turned.ok_or(THERE)?;
            if !moved.is_moved(tenant).await? {
                return Err(THERE);
            }
            row.clear.keys = Some(KeysMoved { begun_at, old_gone_at });
        }
        row.clear.completed_at = Some(now);
        self.put(&settings, row.next()?, AuditAction::TransferCompleted).await?;
        inner.entities.transfer(&permit, &settings, &row).await
    }

    /// Notes when the people were told who is responsible for their data now.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`]; [`Invalid`](AssistantError::Invalid) for a time in the future, and where it was noted
    /// before; [`Forbidden`](AssistantError::Forbidden), [`Conflict`](AssistantError::Conflict); by the store and the vault.
    ///
    /// # Cancellation
    /// Done or not done: look before repeating it.
    pub async fn told(&self, id: TransferId, at: DateTime<Utc>) -> Result<ControlTransfer, AssistantError> {
        let (settings, permit) = self.permit().await?;
        let inner = &self.desk.assistant.inner;
        let mut row = inner.entities.transfer_row(self.desk.tenant, id).await?;
        if at > inner.clock.now() || row.clear.told_at.is_some() {
            return Err(AssistantError::Invalid("people were told once, and not in the future"));
        }
        row.clear.told_at = Some(at);
        self.put(&settings, row.next()?, AuditAction::TransferTold).await?;
        inner.entities.transfer(&permit, &settings, &row).await
    }

    /// Lists them, the first one first: [`PAGE_MAX`] at most.
    ///
    /// # Errors
    /// [`AssistantError::Forbidden`]; by the store and the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn list(&self) -> Result<Vec<ControlTransfer>, AssistantError> {
        let (settings, permit) = self.permit().await?;
        let mut transfers = Vec::new();
        for row in self.rows().await? {
            transfers.push(self.desk.assistant.inner.entities.transfer(&permit, &settings, &row).await?);
        }
        Ok(transfers)
    }

    async fn rows(&self) -> Result<Vec<TransferRow>, AssistantError> {
        let tenant = self.desk.tenant;
        let (kind, order) = (Kind::TRANSFER, ListOrder::Ascending);
        let query = ListQuery { tenant, kind, parent: tenant.into(), order, after: None, limit: PAGE_MAX };
        let page = self.desk.assistant.inner.entities.store.list(&query).await?;
        Ok(page.records.into_iter().map(TransferRow::read).collect::<Result<_, _>>()?)
    }

    async fn permit(&self) -> Result<(Tenant, Permit<ServiceProvision>), AssistantError> {
        self.desk.may(AccessAction::Transfer).await?;
        let inner = &self.desk.assistant.inner;
        let settings = inner.entities.tenant(self.desk.tenant).await?.tenant;
        let permit = inner.gate.permit(&settings, About::holder(&settings), inner.clock.now()).await?;
        Ok((settings, permit))
    }

    async fn put(&self, settings: &Tenant, record: Record, action: AuditAction) -> Result<(), AssistantError> {
        let event = AuditDraft::new(action, self.desk.whom(), settings.account_holder).to(Kind::TRANSFER, record.id);
        let mut batch = WriteBatch::new(self.desk.tenant).op(WriteOp::Put(record));
        batch.ops.extend(self.desk.assistant.inner.audit(self.desk.tenant, event).await?);
        self.desk.commit(batch).await
    }
}
