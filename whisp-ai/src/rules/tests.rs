use super::*;
use crate::load::Format;
use crate::test_kit;

const RULES: &str = r#"
business_hours:
  zone: Asia/Almaty
  week: {sun: ["09:00-13:00"], mon: ["09:00-18:00"]}
variables: {address: 12 Abay Avenue}
rules:
  - id: where
    phrases: {en: [where are you], ru: [где вы находитесь]}
    reply: {en: "{{business}} is at {{address}}.", ru: "Мы на {{address}}."}
  - id: name
    phrases: {en: [who am i]}
    reply: {en: "You are {{contact_name|our dear client}}, it is {{date}} {{time}}."}
  - id: complaint
    priority: 10
    patterns: {en: ['\b(refund|broken)']}
    hand_off: {en: A colleague will write to you.}
  - id: closed
    when: closed
    any: true
    suggest: {en: "We open at {{opens_at|some time}}."}
"#;

fn engine() -> RuleEngine {
    RuleEngine::new(&RuleSet::parse(RULES, Format::Yaml, "rules.yaml").unwrap()).unwrap()
}

fn text(decision: &Decision) -> &str {
    match decision {
        Decision::Reply(p) | Decision::Suggest(p) => p.text.expose(),
        Decision::HandOff { notice: Some(notice), .. } => notice.expose(),
        _ => "",
    }
}

#[tokio::test]
async fn the_first_rule_by_priority_decides_in_the_language_that_matched() {
    for (question, answer) in [
        ("Hi! Where are you?", "Corner Bakery is at 12 Abay Avenue."),
        ("А ГДЕ ВЫ НАХОДИТЕСЬ...", "Мы на 12 Abay Avenue."),
        ("Where are you? My cake is broken", "A colleague will write to you."),
        ("who am I", "You are our dear client, it is 2026-11-22 14:00."),
    ] {
        let mut request = test_kit::ask_at(question, "2026-11-22T09:00:00Z".parse().unwrap());
        request.contact_name = None;
        assert_eq!(text(&engine().reply(&request).await.unwrap()), answer);
    }
}

#[tokio::test]
async fn rules_hold_when_they_say_by_the_businesss_clock() {
    let ask = async |now: &str| engine().reply(&test_kit::ask_at("any news", now.parse().unwrap())).await.unwrap();
    assert_eq!(ask("2026-11-22T05:00:00Z").await, Decision::Abstain, "Sunday 10:00");
    let closed = ask("2026-11-22T09:00:00Z").await;
    assert!(matches!(closed, Decision::Suggest(_)));
    assert_eq!(text(&closed), "We open at 2026-11-23 09:00.");
    assert_eq!(text(&ask("2026-11-22T03:00:00Z").await), "We open at 09:00.");
}

#[tokio::test]
async fn a_text_in_another_language_is_only_suggested() {
    let rules = "rules: [{id: a, any: true, reply: {ru: Привет, kk: Сәлем}}]";
    let engine = RuleEngine::new(&RuleSet::parse(rules, Format::Yaml, "a").unwrap()).unwrap();
    let english = engine.reply(&test_kit::ask("What is the price of this?")).await.unwrap();
    assert!(matches!(english, Decision::Suggest(_)));
    let kazakh = engine.reply(&test_kit::ask("Бағасы қанша?")).await.unwrap();
    assert!(matches!(kazakh, Decision::Reply(_)));
    assert_eq!(text(&kazakh), "Сәлем");
}

#[test]
fn each_mistake_is_named_with_its_rule() {
    let load = |rule: &str| {
        RuleSet::parse(&format!("rules: [{{id: a, {rule}}}]"), Format::Yaml, "rules.yaml")
            .and_then(|set| RuleEngine::new(&set))
            .unwrap_err()
    };
    for (rule, kind) in [
        ("any: true, reply: {en: 'Hi {{nobody}}'}", LoadErrorKind::UnknownVariable),
        ("any: true, reply: {en: 'Hi {{contact_name}}'}", LoadErrorKind::Invalid),
        ("any: true, reply: {en: 'Hi {{name'}", LoadErrorKind::Invalid),
        ("any: true, reply: {en: '{{opens_at|x}}'}", LoadErrorKind::UnknownVariable),
        ("any: true, reply: {en: ' '}", LoadErrorKind::NoAnswer),
        ("any: true", LoadErrorKind::NoAnswer),
        ("any: true, reply: {en: a}, suggest: {en: b}", LoadErrorKind::Invalid),
        ("reply: {en: a}", LoadErrorKind::NoQuestion),
        ("any: true, when: open, reply: {en: a}", LoadErrorKind::Invalid),
        ("patterns: {en: ['(']}, reply: {en: a}", LoadErrorKind::BadPattern),
        ("any: true, answer: {en: a}", LoadErrorKind::UnknownKey),
    ] {
        let error = load(rule);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.entry() == Some("rule `a`"), "{error}");
    }
}
