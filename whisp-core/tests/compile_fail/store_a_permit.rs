//! A permit is neither stored nor sent elsewhere.

use whisp_core::privacy::{Grant, Permit, ServiceProvision};

fn write<T: serde::Serialize>(_value: &T) {}

fn read<T: serde::de::DeserializeOwned>() {}

fn store(permit: &Permit<ServiceProvision>, grant: &Grant) {
    write(permit);
    write(grant);
    read::<Permit<ServiceProvision>>();
    read::<Grant>();
}

fn main() {}
