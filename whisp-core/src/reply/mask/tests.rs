use chrono::DateTime;

use super::*;
use crate::channel::Choice;
use crate::model::{Content, Location};
use crate::reply::Ground;

fn mask() -> Mask {
    Mask::new(ConversationId::from_bytes([1; 16]), None)
}

fn turn(from_contact: bool, text: &str) -> Turn {
    Turn { from_contact, content: Content::text(text), at: DateTime::UNIX_EPOCH }
}

fn texts(turns: &[Turn]) -> Vec<&str> {
    turns.iter().map(|turn| turn.content.readable().unwrap_or("(none)")).collect()
}

fn said(decision: Option<Decision>) -> Option<String> {
    match decision? {
        Decision::Reply(proposal) | Decision::Suggest(proposal) => Some(proposal.text.expose().to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_number_has_one_mark_however_and_by_whom_it_is_written_and_comes_back_as_it_was() {
    let mut mask = mask();
    let turns = [
        turn(true, "Мой номер 8 (701) 234-56-78, карта 4111 1111 1111 1111"),
        turn(false, "Записали: +77012345678"),
        turn(true, "да, ８７０１２３４５６７８"),
    ];
    let masked = mask.turns(&turns, false);
    let (first, rest) = texts(&masked)[0].split_once("⟦PHONE_").unwrap();
    assert_eq!(first, "Мой номер ");
    let mark = format!("⟦PHONE_{}⟧", rest.split_once('⟧').unwrap().0);
    assert_eq!(texts(&masked)[1..], [format!("Записали: {mark}"), format!("да, {mark}")]);
    let reply = |text: &str| mask.restore(Decision::Reply(Proposal::new(text)));
    let bare = mark.trim_matches(['⟦', '⟧']);
    for form in [mark.clone(), bare.to_owned(), bare.to_lowercase(), format!("⟦{bare}"), format!("{bare}⟧")] {
        assert_eq!(said(reply(&format!("Call {form}!"))).unwrap(), "Call 8 (701) 234-56-78!", "{form}");
    }
}

#[test]
fn what_is_only_like_a_mark_is_never_one_and_goes_nowhere() {
    let mut mask = mask();
    let masked = mask.turns(&[turn(true, "87012345678")], false);
    let mark = texts(&masked)[0].to_owned();
    let name = mark.trim_matches(['⟦', '⟧']);
    for place in 0..name.len() {
        for other in ['B', 'C', '2', '_', 'a'] {
            let mut changed = name.to_owned();
            changed.replace_range(place..=place, &other.to_string());
            if changed.eq_ignore_ascii_case(name) {
                continue;
            }
            let told = said(mask.restore(Decision::Suggest(Proposal::new(&format!("Call ⟦{changed}⟧")))));
            assert_eq!(told, None, "{changed}");
            let bare = said(mask.restore(Decision::Reply(Proposal::new(&format!("Call {changed}")))));
            assert!(bare.is_none_or(|text| !text.contains("7012345678")), "{changed}");
        }
    }
    let other = Mask::new(ConversationId::from_bytes([2; 16]), None).restore(Decision::Reply(Proposal::new(&mark)));
    assert_eq!(other, None, "a mark of one conversation says nothing in another");
    let choice = Choice { id: "1".into(), title: "One".into(), description: Some("⟦PHONE_BBBBB⟧".into()) };
    let ask = Decision::Ask { text: "Which?".into(), choices: vec![choice], ground: Ground::default() };
    assert_eq!(mask.restore(ask), None);
}

#[test]
fn a_number_that_comes_in_pieces_is_masked_in_each_of_them() {
    let mut mask = mask();
    let turns = [
        turn(true, "пишите на 8701"),
        turn(false, "Слушаю вас"),
        turn(true, "234"),
        turn(true, "56 78 после шести"),
        turn(true, "KZ86 125K"),
        turn(true, "ZT50 0410 0100"),
    ];
    let masked = mask.turns(&turns, false);
    let all = texts(&masked).join("|");
    assert!(!all.chars().any(|c| c.is_ascii_digit() && !"2479".contains(c)), "{all}");
    let marks: Vec<String> = texts(&masked)[2..3].iter().map(|text| (*text).to_owned()).collect();
    assert_eq!(texts(&masked)[0], format!("пишите на {}", marks[0]));
    assert_eq!(texts(&masked)[1], "Слушаю вас");
    assert_eq!(texts(&masked)[3], format!("{} после шести", marks[0]));
    let told = said(mask.restore(Decision::Reply(Proposal::new(&marks[0])))).unwrap();
    assert_eq!(told, "870123456 78");
}

#[test]
fn texts_of_special_categories_and_what_is_no_text_are_left_out() {
    let place = Location { latitude: 43.25.into(), longitude: 76.95.into(), name: Some("Home".into()), address: None };
    let turns = [
        turn(true, "У меня диабет"),
        Turn { content: Content::Location(place), ..turn(true, "") },
        turn(true, "Есть десерт без сахара?"),
    ];
    let masked = mask().turns(&turns, false);
    assert_eq!(texts(&masked), ["(none)", "(none)", "Есть десерт без сахара?"]);
    let shown = mask().turns(&turns, true);
    assert_eq!(texts(&shown)[0], "У меня диабет");
}

#[test]
fn the_contacts_own_name_is_masked_where_it_is_written_and_comes_back_as_it_was() {
    let mut mask = Mask::new(ConversationId::from_bytes([1; 16]), Some("Марина 🌸".into()));
    let masked = mask.turns(&[turn(true, "Это Марина, marina@example.kz"), turn(false, "Записали, Марина")], false);
    let all = texts(&masked).join("|");
    assert!(!all.contains("Марина") && !all.contains("marina") && all.contains("⟦EMAIL_"), "{all}");
    let told = said(mask.restore(Decision::Reply(Proposal::new(texts(&masked)[1])))).unwrap();
    assert_eq!(told, "Записали, Марина");
}
