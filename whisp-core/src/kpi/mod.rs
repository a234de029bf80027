//! KPIs: each is one pure, versioned fold over facts, so every screen shows the same number.

mod builtin;
mod fact;
mod fold;

pub use builtin::{FirstReply, Inquiries, ResponseRate, Volumes, built_in};
pub use fact::{Actor, Fact, FactKind};
pub use fold::{Durations, Kpi, KpiFold, KpiValue, KpiWindow};
