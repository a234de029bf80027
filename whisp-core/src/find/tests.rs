use super::*;

fn kinds(text: &str) -> Vec<(FindingKind, &str)> {
    find(text).into_iter().map(|finding| (finding.kind, &text[finding.range])).collect()
}

fn only(text: &str, kind: FindingKind, what: &str) {
    assert_eq!(kinds(text), [(kind, what)], "{text}");
}

#[test]
fn phones_are_found_in_every_shape() {
    for phone in [
        "87012345678",
        "+77012345678",
        "8 (701) 234-56-78",
        "8-701-234-56-78",
        "8.701.234.56.78",
        "+7 701 234 5678",
        "7 701 234 56 78",
        "701 234 56 78",
        "(701) 234-56-78",
        "7012345678",
        "９１２３４５６７８９",
        "+7 (495) 123‑45‑67",
        "8\u{a0}800\u{a0}555\u{a0}35\u{a0}35",
        "8 7O1 234 56 78",
        "8 70l 234 56 78",
        "８７０１２３４５６７８",
        "٨٧٠١٢٣٤٥٦٧٨",
        "8\u{200b}7\u{200b}0\u{200b}1\u{200b}2345678",
        "8️⃣ 701 234 56 78",
        "+49 151 23456789",
        "+1 (415) 555-2671",
        "0044 20 7946 0958",
        "+380 67 123 45 67",
        "0671234567",
        "998 90 123 45 67",
        "234-56-78",
    ] {
        let bare = phone.trim_start_matches('(');
        only(&format!("Мой номер: {phone}."), FindingKind::Phone, bare);
    }
    only("тел87012345678", FindingKind::Phone, "87012345678");
    only("87012345678тел", FindingKind::Phone, "87012345678");
    only("позвоните 23 45 67", FindingKind::Phone, "23 45 67");
    assert_eq!(kinds("87012345678, 87770001122").len(), 2);
    assert_eq!(kinds("+77012345678+77770001122").len(), 2);
    assert_eq!(kinds("87012345678 87770001122").len(), 2);
}

#[test]
fn numbers_with_check_digits_are_told_apart() {
    use FindingKind::{Card, Document, Email, Iban, NationalId, Number, SocialId, TaxId};
    for (text, kind, what) in [
        ("ИИН 900512300120, Алматы", NationalId, "900512300120"),
        ("карта 4111 1111 1111 1111", Card, "4111 1111 1111 1111"),
        ("карта 4111-1111-1111-1111 до 12/29", Card, "4111-1111-1111-1111"),
        ("5555555555554444", Card, "5555555555554444"),
        ("4l11 1111 1111 1111", Card, "4l11 1111 1111 1111"),
        ("ИНН 500100732259", TaxId, "500100732259"),
        ("ИНН 7830002293", TaxId, "7830002293"),
        ("СНИЛС 112-233-445 95", SocialId, "112-233-445 95"),
        ("паспорт 4510 123456", Document, "4510 123456"),
        ("паспорт 45 10 123456", Document, "45 10 123456"),
        ("паспорт N12345678", Document, "N12345678"),
        ("удостоверение 012345678", Number, "012345678"),
        ("счет KZ86 125K ZT50 0410 0100", Iban, "KZ86 125K ZT50 0410 0100"),
        ("kz86125kzt5004100100", Iban, "kz86125kzt5004100100"),
        ("КZ86125КZТ5004100100", Iban, "КZ86125КZТ5004100100"),
        ("KZ86125KZT5004100109 с опечаткой", Iban, "KZ86125KZT5004100109"),
        ("DE89 3704 0044 0532 0130 00 please", Iban, "DE89 3704 0044 0532 0130 00"),
        ("пишите на aigerim.k@example.kz!", Email, "aigerim.k@example.kz"),
        ("mail: a+b@sub.example.com.", Email, "a+b@sub.example.com"),
        ("4111111111111112", Number, "4111111111111112"),
        ("1234567890123456789012345", Number, "1234567890123456789012345"),
    ] {
        only(text, kind, what);
    }
}

#[test]
fn what_a_shop_and_its_clients_write_every_day_is_left_alone() {
    for text in [
        "",
        "Столик на 4 человека 25.11.2026 в 19:30",
        "Завтра с 10 до 18, пожалуйста",
        "Доставка 1 500 тенге, от 10 000 бесплатно",
        "Итого 7 000 000 000 тенге",
        "Заказ № 45213",
        "мкр 8, дом 12, кв 45",
        "Размер 42-44, рост 170",
        "iPhone 15 Pro Max 256 ГБ",
        "B12 и D3",
        "2 по 250 г и 3 по 100",
        "From 9 to 5, 2 rooms for 3 nights",
        "2026-11-25 10:30",
        "it costs $1,299.00",
        "стоимость 12.500.000",
        "ооо и зоо, Олово 5",
        "@coffee_almaty",
        "a@b",
        "5 @ 200",
    ] {
        assert_eq!(kinds(text), [], "{text}");
    }
}

#[test]
fn a_number_goes_on_over_the_end_of_a_message_and_an_address_does_not() {
    let text = format!("8701{BETWEEN_MESSAGES}234 56{BETWEEN_MESSAGES}78");
    assert_eq!(kinds(&text), [(FindingKind::Phone, text.as_str())]);
    assert_eq!(kinds(&format!("a@exam{BETWEEN_MESSAGES}ple.com")), []);
}

mod odd {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_text_findings_are_in_order_apart_and_at_characters(text in "(\\PC|[0-9 ()+@.\u{1f}\u{200b}０-９OоKZ-]){0,200}") {
            let mut end = 0;
            for finding in find(&text) {
                prop_assert!(finding.range.start >= end && finding.range.end > finding.range.start);
                prop_assert!(text.get(finding.range.clone()).is_some());
                end = finding.range.end;
            }
            let _ = special(&text);
        }
    }
}
