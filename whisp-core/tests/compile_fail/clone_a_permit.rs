//! A permit is one permit.

use whisp_core::privacy::{Grant, Permit, ServiceProvision};

fn twice<T: Clone>(_value: T) {}

fn copy(permit: Permit<ServiceProvision>, grant: Grant) {
    twice(permit);
    twice(grant);
}

fn main() {}
