//! Time comes in as an argument or through [`Clock`]; core reads no clock of its own.

use std::fmt;

use chrono::{DateTime, Utc};

/// Tells the time, in UTC.
///
/// # Contract
/// 1. `now` never blocks.
/// 2. It may jump in either direction: nothing in Whisp relies on it being monotone, and a jump backwards delays work
///    but never repeats it.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> DateTime<Utc>;
}
