//! whisp-ai

mod engine;
mod fallback;
mod hours;
mod knowledge;
mod language;
mod load;
mod openai;
mod retrieval;
#[cfg(test)]
mod test_kit;
mod text;

pub use fallback::Fallback;
pub use hours::{BusinessHours, HoursSpec, InvalidOpening, OPENS_DAYS_MAX, Opening};
pub use knowledge::{Entry, Knowledge};
pub use language::detect_language;
pub use load::{FILE_BYTES_MAX, Format, LoadError, LoadErrorKind};
pub use openai::{
    ATTEMPTS_MAX, BACKOFF_BASE, BACKOFF_MAX, CONNECT_TIME_MAX, ENTRIES_SHOWN_MAX, OUTPUT_TOKENS_MAX, OpenAiConfig,
    OpenAiConfigError, OpenAiEngine, RESPONSE_BYTES_MAX, TURN_CHARS_MAX, TURNS_MAX,
};
pub use retrieval::{KnowledgeIndex, RetrievalEngine, TIE_SHARE};
