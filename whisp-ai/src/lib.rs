//! whisp-ai

mod engine;
mod hours;
mod knowledge;
mod language;
mod load;
mod retrieval;
#[cfg(test)]
mod test_kit;
mod text;

pub use hours::{BusinessHours, HoursSpec, InvalidOpening, OPENS_DAYS_MAX, Opening};
pub use knowledge::{Entry, Knowledge};
pub use language::detect_language;
pub use load::{FILE_BYTES_MAX, Format, LoadError, LoadErrorKind};
pub use retrieval::{KnowledgeIndex, RetrievalEngine, TIE_SHARE};
