//! The summary that goes with a copy (promise P42), in the person's language.

use std::collections::BTreeMap;

use super::markdown::{Page, escape};
use super::{Language, NoController, PrivacyNotice, Source};
use crate::privacy::{Recipient, SubjectKind};

/// What is known of one person, without what it says: how many records of each kind, and who was given what.
#[derive(Debug, Clone, Default)]
pub(crate) struct Person {
    pub(crate) records: BTreeMap<&'static str, usize>,
    pub(crate) given: Vec<Recipient>,
}

/// Explains a copy to the person whose data it holds: what is kept, who was given what, and the notice as far as it is about
/// people like them.
///
/// # Errors
/// [`NoController`].
pub(crate) fn summary_text(
    source: &Source<'_>,
    about: SubjectKind,
    person: &Person,
    language: Language,
) -> Result<String, NoController> {
    let w = language.wording();
    let mut notice = PrivacyNotice::of(source, source.at.date_naive())?;
    let mut page = Page::default();
    page.title(w.say("summary", "title"));
    page.paragraph(&w.fill("summary", "made", &[("at", &source.at.format("%F %T UTC").to_string())]));
    page.heading(w.say("summary", "kept"));
    if person.records.is_empty() {
        page.paragraph(w.say("summary", "nothing"));
    }
    // A kind of the host's own has no text here, and is told by its name.
    page.list(person.records.iter().map(|(kind, count)| format!("{}: {count}", escape(w.say("record", kind)))));
    page.heading(w.say("summary", "given"));
    if person.given.is_empty() {
        page.paragraph(w.say("notice", "nobody"));
    }
    page.list(person.given.iter().map(|each| {
        let name = escape(each.name.as_deref().unwrap_or_else(|| each.processor.as_str()));
        let (purpose, categories) = (w.purpose(each.purpose), w.categories(each.categories));
        format!(
            "**{name}**: {purpose}; {categories}; {}",
            w.fill("summary", "times", &[("n", &each.times.to_string())])
        )
    }));
    notice.facts.uses.retain(|each| each.about == about);
    Ok(page.finish() + "\n" + &notice.to_markdown(language))
}
