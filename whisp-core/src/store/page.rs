//! Cutting what was read to a page.

use crate::store::{FactCursor, FactPage, Page, SubjectCursor, SubjectPage};

/// The most rows that one page returns, whatever the query's limit says.
pub const PAGE_MAX: usize = 1_000;

/// Returns how many rows a page holds that was asked for with `limit`. To know whether another page follows, a store
/// reads one more and lets [`Page::cut`] take it off again.
#[must_use]
pub fn page_size(limit: usize) -> usize {
    limit.min(PAGE_MAX)
}

impl Page {
    /// Makes a page out of up to `page_size(limit) + 1` records.
    #[must_use]
    pub fn cut(mut records: Vec<super::Record>, limit: usize) -> Self {
        let more = cut(&mut records, limit);
        Self { next: more.then(|| records.last().map(super::Record::cursor)).flatten(), records }
    }
}

impl SubjectPage {
    /// Makes a page out of up to `page_size(limit) + 1` records.
    #[must_use]
    pub fn cut(mut records: Vec<super::Record>, limit: usize) -> Self {
        let more = cut(&mut records, limit);
        let last = records.last().map(|record| SubjectCursor { kind: record.kind, id: record.id });
        Self { next: last.filter(|_| more), records }
    }
}

impl FactPage {
    /// Makes a page out of up to `page_size(limit) + 1` facts.
    #[must_use]
    pub fn cut(mut facts: Vec<crate::kpi::Fact>, limit: usize) -> Self {
        let more = cut(&mut facts, limit);
        let last = facts.last().map(|fact| FactCursor { at: fact.at, id: fact.id });
        Self { next: last.filter(|_| more), facts }
    }
}

/// Cuts to the page's size; returns whether something was cut off.
fn cut<T>(rows: &mut Vec<T>, limit: usize) -> bool {
    let more = rows.len() > page_size(limit);
    rows.truncate(page_size(limit));
    more
}
