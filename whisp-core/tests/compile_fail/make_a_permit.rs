//! A permit and a grant come from the gate alone: nothing makes one out of nothing.

use whisp_core::privacy::{Grant, Permit, ServiceProvision};

fn make<T: Default>() {}

fn main() {
    make::<Permit<ServiceProvision>>();
    make::<Grant>();
}
