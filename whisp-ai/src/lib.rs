//! Reply engines for the Whisp assistant.
//!
//! - [`RuleEngine`]: fixed answers to fixed words, with business hours.
//! - [`RetrievalEngine`]: answers from a [`Knowledge`] base, offline and the same each time.
//! - [`OpenAiEngine`]: a language model behind any server compatible with OpenAI's, bounded by the same knowledge.
//! - [`Fallback`]: several of them in order.
//!
//! One's own engine implements [`ReplyEngine`](whisp_core::reply::ReplyEngine) and proves it with the `conformance`
//! feature.

#[cfg(feature = "conformance")]
pub mod conformance;
mod engine;
mod fallback;
mod hours;
mod knowledge;
mod language;
mod load;
mod openai;
mod retrieval;
mod rules;
mod smalltalk;
#[cfg(test)]
mod test_kit;
mod text;

pub use fallback::Fallback;
pub use hours::{BusinessHours, HoursSpec, InvalidOpening, OPENS_DAYS_MAX, Opening};
pub use knowledge::{ANSWER_CHARS_MAX, ENTRIES_MAX, Entry, Knowledge, QUESTIONS_MAX};
pub use language::detect_language;
pub use load::{FILE_BYTES_MAX, Format, LoadError, LoadErrorKind};
pub use openai::{
    ATTEMPTS_MAX, BACKOFF_BASE, BACKOFF_MAX, CONNECT_TIME_MAX, ENTRIES_SHOWN_MAX, OUTPUT_TOKENS_MAX, OpenAiConfig,
    OpenAiConfigError, OpenAiEngine, RESPONSE_BYTES_MAX, TURN_CHARS_MAX, TURNS_MAX,
};
pub use retrieval::{KnowledgeIndex, RetrievalEngine, TIE_SHARE};
pub use rules::{PATTERN_BYTES_MAX, RULES_MAX, Rule, RuleEngine, RuleSet, When};
pub use text::TEXT_CHARS_MAX;
