//! Reply engines for the Whisp assistant.
//!
//! ```
//! use std::sync::Arc;
//! use whisp_ai::{Format, Knowledge, KnowledgeIndex, RetrievalEngine};
//!
//! let text = "entries: [{id: hours, questions: {en: [When are you open?]}, answers: {en: From nine to six.}}]";
//! let index = KnowledgeIndex::new(Knowledge::parse(text, Format::Yaml, "inline")?);
//! let day = chrono::NaiveDate::from_ymd_opt(2026, 11, 22).unwrap();
//! assert_eq!(index.search("when do you open", day, 1)[0].id, "hours");
//! let engine = RetrievalEngine::new(Arc::new(index));
//! # let _: &dyn whisp_core::reply::ReplyEngine = &engine;
//! # Ok::<(), whisp_ai::LoadError>(())
//! ```
//! - [`RuleEngine`]: fixed answers to fixed words, with business hours.
//! - [`RetrievalEngine`]: answers from a [`Knowledge`] base, offline and the same each time.
//! - [`OpenAiEngine`]: a language model behind any server compatible with OpenAI's, bounded by the same knowledge.
//! - [`Fallback`]: several of them in order.
//!
//! One's own engine implements [`ReplyEngine`](whisp_core::reply::ReplyEngine) and proves it with the `conformance`
//! feature.
//!
//! # What it does not do
//! No streaming, no tools, no memory across inquiries, no learning from conversations. What a model elsewhere is shown goes
//! to a processor in the register alone, masked as [`ReplyRequest::ask`](whisp_core::reply::ReplyRequest::ask) says. Postal
//! addresses, numbers written in words and names that nobody told are not found, and leave as they are. A model on this
//! machine without a [processor](OpenAiConfig::processor) is shown the texts as they are.

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
    OpenAiConfigError, OpenAiEngine, RESPONSE_BYTES_MAX, TURN_CHARS_MAX,
};
pub use retrieval::{KnowledgeIndex, RetrievalEngine, TIE_SHARE};
pub use rules::{PATTERN_BYTES_MAX, RULES_MAX, Rule, RuleEngine, RuleSet, When};
pub use text::TEXT_CHARS_MAX;
