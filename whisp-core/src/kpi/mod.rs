//! KPIs: one pure fold over facts.

mod fact;

pub use fact::{Actor, Fact, FactKind};
