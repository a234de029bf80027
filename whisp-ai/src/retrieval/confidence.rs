//! How sure: a logistic function of four measures. What it was fitted on stands at [`RetrievalEngine`].
//!
//! [`RetrievalEngine`]: super::RetrievalEngine

use super::index::Hit;
use crate::text;

/// From here on it replies.
pub(super) const TAU_AUTO: f64 = 0.8;
/// From here on it suggests.
pub(super) const TAU_SUGGEST: f64 = 0.3;

/// A second entry that is always there: in a small knowledge base, having no rival proves little.
const RIVAL_LEAST: f32 = 0.15;
const CONSTANT: f32 = -8.2;
const SCORE: f32 = 7.0;
const MARGIN: f32 = 3.7;
const COVERAGE: f32 = 4.6;
const LENGTH: f32 = 1.1;

/// Returns how sure it is that `best` is meant rather than `second` or nothing.
pub(super) fn of(best: &Hit, second: Option<&Hit>, question: &str) -> f64 {
    let rival = second.map_or(0.0, |hit| hit.score).max(RIVAL_LEAST);
    let margin = (best.score - rival) / best.score.max(RIVAL_LEAST);
    #[expect(clippy::cast_precision_loss, reason = "a question has at most 2,000 words")]
    let words = text::words(&text::normalize(question)).len() as f32;
    let sum = CONSTANT + SCORE * best.score + MARGIN * margin + COVERAGE * best.coverage + LENGTH * (1.0 + words).ln();
    1.0 / (1.0 + f64::from(-sum).exp())
}

/// Returns how sure it would be without a second entry.
pub(super) fn alone(best: &Hit, question: &str) -> f64 {
    of(best, None, question)
}
