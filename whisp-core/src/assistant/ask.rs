//! Questions with choices: as buttons, as a list or by number, as far as the channel goes; and the answer by number.
//!
//! What is kept is the question with its choices. How it goes out is decided by what the channel can when it does, so that an
//! answer "2" is known for what it means by asking the same thing again.

use crate::assistant::config::LocalText;
use crate::channel::{Capabilities, Choice, ListSection, OutboundBody};
use crate::model::Content;
use crate::reply::Turn;

/// What stands for the rest of a title that is too long.
const MORE: char = '…';

/// Makes a question of a text and choices; `None` if it doesn't fit into one message of the channel.
pub(super) fn question(
    text: &str,
    choices: Vec<Choice>,
    can: &Capabilities,
    choose: &LocalText,
    sample: &str,
) -> Option<OutboundBody> {
    let buttons = |choices| OutboundBody::Buttons { text: text.into(), buttons: choices };
    if choices.is_empty() {
        return can.text.fits(text).then(|| OutboundBody::text(text));
    }
    if fits_buttons(text, &choices, can) {
        return Some(buttons(choices));
    }
    if let Some(list) = list(text, &choices, can, choose.like(sample)) {
        return Some(list);
    }
    can.text.fits(&numbered(text, &choices)).then(|| buttons(choices))
}

/// Returns what goes out: buttons that the channel does not have, or that don't fit, become numbers.
pub(super) fn shaped(body: OutboundBody, can: &Capabilities) -> OutboundBody {
    match body {
        OutboundBody::Buttons { text, buttons } if !fits_buttons(text.expose(), &buttons, can) => {
            OutboundBody::text(&numbered(text.expose(), &buttons))
        }
        body => body,
    }
}

/// Replaces the number that a contact answered by what it stands for, where the business asked last with numbers.
pub(super) fn by_number(turns: &mut [Turn], unanswered: usize, can: &Capabilities) {
    let (before, open) = turns.split_at_mut(turns.len().saturating_sub(unanswered));
    let Some(Content::Interactive { text, choices }) =
        before.last().filter(|turn| !turn.from_contact).map(|turn| &turn.content)
    else {
        return;
    };
    let choice = |(id, title): &(_, _)| Choice { id: Clone::clone(id), title: Clone::clone(title), description: None };
    let asked: Vec<Choice> = choices.iter().map(choice).collect();
    // Under buttons and in a list nobody saw a number: there it may be how many.
    if fits_buttons(text.expose(), &asked, can) || was_list(text.expose(), &asked, can) {
        return;
    }
    for turn in open {
        let Content::Text { text } = &turn.content else { continue };
        let Some((id, title)) = number(text.expose()).and_then(|number| choices.get(number - 1)) else { continue };
        turn.content = Content::Button { payload: id.clone(), title: Some(title.clone()) };
    }
}

/// Reads "2", "2." and "2)".
fn number(text: &str) -> Option<usize> {
    let digits = text.trim().trim_end_matches(['.', ')']);
    digits.parse().ok().filter(|number| *number > 0)
}

fn fits_buttons(text: &str, choices: &[Choice], can: &Capabilities) -> bool {
    let fits = |choice: &Choice| choice.title.expose().chars().count() <= can.button_title_max;
    choices.len() <= can.buttons_max && can.button_text.fits(text) && choices.iter().all(fits)
}

/// A list of one section. A title that is too long for a row is cut, and stands below it whole.
fn list(text: &str, choices: &[Choice], can: &Capabilities, button: &str) -> Option<OutboundBody> {
    let fits = choices.len() <= can.rows_max && can.text.fits(text) && button.chars().count() <= can.button_title_max;
    let row = |choice: &Choice| {
        let title = choice.title.expose();
        if title.chars().count() <= can.row_title_max {
            return Some(choice.clone());
        }
        let whole = title.chars().count() <= can.row_description_max && choice.description.is_none();
        let cut = || Choice { title: cut(title, can.row_title_max).as_str().into(), ..choice.clone() };
        whole.then(|| Choice { description: Some(choice.title.clone()), ..cut() })
    };
    let rows: Vec<Choice> = if fits { choices.iter().map(row).collect::<Option<_>>()? } else { return None };
    let titles: std::collections::BTreeSet<_> = rows.iter().map(|row| row.title.expose().to_string()).collect();
    // Two rows that look the same are none to choose between.
    (titles.len() == rows.len()).then(|| OutboundBody::List {
        text: text.into(),
        button: button.to_owned(),
        sections: vec![ListSection { title: None, rows }],
    })
}

/// Returns whether what is kept of a question went out as a list. Kept are the titles of its rows: one that is longer than a
/// row takes was numbered, whatever else kept it from being a list.
fn was_list(text: &str, asked: &[Choice], can: &Capabilities) -> bool {
    let is_row = |choice: &Choice| choice.title.expose().chars().count() <= can.row_title_max;
    asked.iter().all(is_row) && list(text, asked, can, "").is_some()
}

/// Cuts a title after a word, if there is one.
fn cut(title: &str, max: usize) -> String {
    let kept: String = title.chars().take(max.saturating_sub(1)).collect();
    let words = kept.rfind(char::is_whitespace).and_then(|end| kept.get(..end));
    let mut cut = words.unwrap_or(&kept).trim_end().to_owned();
    cut.push(MORE);
    cut
}

fn numbered(text: &str, choices: &[Choice]) -> String {
    let lines = choices.iter().enumerate().map(|(place, choice)| format!("\n{}. {}", place + 1, choice.title.expose()));
    std::iter::once(text.to_owned()).chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::channel::TextLimit;

    const TITLES: [&str; 2] = ["How much is delivery in Almaty?", "How long does delivery take?"];

    /// WhatsApp's limits.
    fn can() -> Capabilities {
        let mut can = Capabilities::text_only(TextLimit::Chars(4_096));
        (can.buttons_max, can.button_title_max) = (3, 20);
        (can.rows_max, can.row_title_max, can.row_description_max) = (10, 24, 72);
        can
    }

    /// Asks by `body`, and returns what the answer is taken for.
    fn answered(body: &OutboundBody, answer: &str) -> Content {
        let turn = |from_contact, content| Turn { from_contact, content, at: DateTime::UNIX_EPOCH };
        let mut turns = [turn(false, body.content()), turn(true, Content::text(answer))];
        by_number(&mut turns, 1, &can());
        let [_, Turn { content, .. }] = turns;
        content
    }

    fn choices(description: Option<&str>) -> Vec<Choice> {
        let described = || description.map(Into::into);
        TITLES.map(|title| Choice { id: title.into(), title: title.into(), description: described() }).into()
    }

    #[test]
    fn a_number_is_understood_wherever_numbers_were_seen_and_nowhere_else() {
        let chosen = Content::Button { payload: TITLES[1].into(), title: Some(TITLES[1].into()) };
        let choose = LocalText::new(&[("en", "Choose")]);
        // A row has no room for a second description.
        let described = question("Which?", choices(Some("In detail")), &can(), &choose, "").unwrap();
        assert!(matches!(shaped(described.clone(), &can()), OutboundBody::Text { .. }));
        assert_eq!(answered(&described, "2"), chosen);
        // What opens the list says too much for a button.
        let choose_long = LocalText::new(&[("en", "Choose one of these, please")]);
        let unopened = question("Which?", choices(None), &can(), &choose_long, "").unwrap();
        assert!(matches!(shaped(unopened.clone(), &can()), OutboundBody::Text { .. }));
        assert_eq!(answered(&unopened, "2"), chosen);
        let list = question("Which?", choices(None), &can(), &choose, "").unwrap();
        assert!(matches!(list, OutboundBody::List { .. }));
        assert_eq!(answered(&list, "2"), Content::text("2"), "it may be how many");
    }
}
