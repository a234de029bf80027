//! Nobody adds a purpose.

use whisp_core::privacy::{Purpose, PurposeKind};

#[derive(Debug)]
struct Curiosity;

impl PurposeKind for Curiosity {
    const PURPOSE: Purpose = Purpose::ServiceProvision;
}

fn main() {}
