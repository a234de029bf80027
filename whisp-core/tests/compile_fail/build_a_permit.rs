//! A permit and a grant come from the gate alone: their fields are nobody else's.

use std::marker::PhantomData;

use chrono::DateTime;
use whisp_core::id::{SubjectId, TenantId};
use whisp_core::privacy::{Grant, Permit, Purpose, ServiceProvision};

fn wrap(grant: Grant) -> Permit<ServiceProvision> {
    Permit { grant, purpose: PhantomData }
}

fn build() -> Grant {
    Grant {
        tenant: TenantId::from_bytes([1; 16]),
        subject: SubjectId::from_bytes([2; 16]),
        purpose: Purpose::ServiceProvision,
        granted_at: DateTime::UNIX_EPOCH,
        reads_as_of: DateTime::UNIX_EPOCH,
    }
}

fn main() {}
