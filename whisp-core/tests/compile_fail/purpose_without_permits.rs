//! There are purposes for which no permit exists: marketing is recorded, never permitted.

use whisp_core::privacy::{DirectMarketing, Permit};

fn advertise(_permit: &Permit<DirectMarketing>) {}

fn main() {}
