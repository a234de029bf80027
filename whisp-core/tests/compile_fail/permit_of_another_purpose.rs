//! A permit for one purpose is no permit for another.

use whisp_core::privacy::{AutomatedReplies, Permit, ServiceProvision};

fn show(_permit: &Permit<ServiceProvision>) {}

fn answer(permit: &Permit<AutomatedReplies>) {
    show(permit);
}

fn main() {}
