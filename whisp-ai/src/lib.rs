//! whisp-ai

mod hours;
mod knowledge;
mod language;
mod load;
mod text;

pub use hours::{BusinessHours, HoursSpec, InvalidOpening, OPENS_DAYS_MAX, Opening};
pub use knowledge::{Entry, Knowledge};
pub use language::detect_language;
pub use load::{FILE_BYTES_MAX, Format, LoadError, LoadErrorKind};
