//! KPIs: each is one pure, versioned fold over facts, so every screen shows the same number.
//!
//! Facts are kept for a time; then [`Figures`] about groups of people take their place.

mod builtin;
mod fact;
mod figures;
mod fold;

pub use builtin::{FirstReply, Inquiries, ResponseRate, Volumes, built_in};
pub use fact::{Actor, Fact, FactKind};
pub(crate) use figures::{Ages, Gathering, Period};
pub use figures::{Figure, Figures, GROUP_MIN, SETTLED_AFTER};
pub use fold::{Durations, Kpi, KpiFold, KpiValue, KpiWindow};
