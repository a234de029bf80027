use whisp_core::model::Content;

use super::*;
use crate::load::Format;
use crate::test_kit;

const FAQ: &str = "
entries:
  - id: hours
    questions:
      en: [When are you open?, What are your opening hours?, Are you open on Sunday?]
      ru: [Когда вы работаете?, Какой у вас график работы?, Во сколько вы открываетесь?]
      kk: [Жұмыс уақыты қандай?, Сіздер қашан ашықсыздар?]
    answers: {en: We are open from 9 to 18., ru: Мы работаем с 9 до 18., kk: Біз 9-дан 18-ге дейін жұмыс істейміз.}
  - id: delivery-price
    questions:
      en: [How much does delivery cost?, What is the price of delivery?]
      ru: [Сколько стоит доставка?, Какая цена доставки?]
    answers: {en: Delivery is 1500 tenge., ru: Доставка стоит 1500 тенге.}
  - id: delivery-time
    questions:
      en: [How long does delivery take?, When will my delivery come?]
    answers: {en: It takes two days.}
  - id: sale
    questions: {en: [Do you have a winter sale now?]}
    answers: {en: 'Yes, 20% off.'}
    valid_from: '2026-12-01'
    valid_until: '2026-12-31'
  - id: refund
    questions: {en: [How can I get my money back for a broken thing?]}
    answers: {en: We pay it back in ten days.}
    suggest_only: true
";

fn engine() -> RetrievalEngine {
    let knowledge = Knowledge::parse(FAQ, Format::Yaml, "faq.yaml").unwrap();
    RetrievalEngine::new(Arc::new(KnowledgeIndex::new(knowledge)))
}

async fn ask(text: &str) -> Decision {
    engine().reply(&test_kit::ask(text)).await.unwrap()
}

fn said(decision: &Decision) -> (&'static str, &str) {
    match decision {
        Decision::Reply(p) => ("reply", p.ground.citations[0].as_str()),
        Decision::Suggest(p) => ("suggest", p.ground.citations[0].as_str()),
        Decision::Ask { .. } => ("ask", ""),
        Decision::HandOff { .. } => ("hand off", ""),
        _ => ("silence", ""),
    }
}

#[tokio::test]
async fn it_answers_what_it_knows_in_the_contacts_language() {
    for (text, id, answer) in [
        ("When are you open?", "hours", "We are open from 9 to 18."),
        ("КОГДА ВЫ РАБОТАЕТЕ", "hours", "Мы работаем с 9 до 18."),
        ("Жумыс уакыты кандай", "hours", "Біз 9-дан 18-ге дейін жұмыс істейміз."),
        ("how much does the delivery cost please", "delivery-price", "Delivery is 1500 tenge."),
    ] {
        let decision = ask(text).await;
        assert_eq!(said(&decision), ("reply", id), "{text}");
        let Decision::Reply(proposal) = decision else { unreachable!() };
        assert_eq!(proposal.text.expose(), answer);
    }
}

#[tokio::test]
async fn it_abstains_from_what_it_does_not_know() {
    for text in ["Who won the football match yesterday?", "Расскажи анекдот про попугая", "qwertz"]
    {
        assert_eq!(ask(text).await, Decision::Abstain, "{text}");
    }
}

#[tokio::test]
async fn a_burst_is_one_question_and_small_talk_is_none() {
    assert_eq!(said(&ask("Hello!\nWhen are you open?").await), ("reply", "hours"));
    let greeted = ask("Добрый день").await;
    assert!(matches!(&greeted, Decision::Reply(proposal) if proposal.text.expose().starts_with("Здравствуйте")));
    for text in ["thank you", "🤷"] {
        assert_eq!(ask(text).await, Decision::Silence, "{text}");
    }
}

#[tokio::test]
async fn doubts_make_it_suggest() {
    for (text, id) in [
        ("How much does delivery cost for 30 kg?", "delivery-price"),
        ("When are you not open?", "hours"),
        ("How much does delivery cost? When are you open?", ""),
        ("How can I get my money back for a broken thing?", "refund"),
    ] {
        let decision = ask(text).await;
        assert!(!matches!(decision, Decision::Reply(_)), "{text}: {decision:?}");
        assert!(id.is_empty() || said(&decision) == ("suggest", id), "{text}: {decision:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_written_in_the_contacts_language_is_suggested() {
    let mut request = test_kit::turns(vec![
        test_kit::contact("Здравствуйте, у вас есть доставка?"),
        test_kit::contact("How long does delivery take?"),
    ]);
    request.unanswered = 1;
    assert_eq!(said(&engine().reply(&request).await.unwrap()), ("reply", "delivery-time"));
    let knowledge = "entries: [{id: a, questions: {ru: [Сколько стоит доставка?]}, answers: {en: 1500 tenge.}}]";
    let knowledge = Knowledge::parse(knowledge, Format::Yaml, "a.yaml").unwrap();
    let engine = RetrievalEngine::new(Arc::new(KnowledgeIndex::new(knowledge)));
    let decision = engine.reply(&test_kit::ask("Сколько стоит доставка?")).await.unwrap();
    assert_eq!(said(&decision), ("suggest", "a"));
}

#[tokio::test]
async fn an_entry_answers_only_on_its_days_by_the_businesss_clock() {
    let ask_at = async |now: &str| {
        let mut request = test_kit::ask_at("Do you have a winter sale now?", now.parse().unwrap());
        request.zone = "Asia/Almaty".into();
        engine().reply(&request).await.unwrap()
    };
    assert_eq!(said(&ask_at("2026-11-30T18:59:00Z").await).0, "silence");
    assert_eq!(said(&ask_at("2026-11-30T19:00:00Z").await), ("reply", "sale"), "midnight in Almaty");
    assert_eq!(said(&ask_at("2026-12-31T19:00:00Z").await).0, "silence");
}

#[tokio::test]
async fn two_entries_that_tie_are_asked_about_and_the_choice_is_answered() {
    let knowledge = "entries:
  - {id: red, questions: {en: [Do you have the red summer dress?]}, answers: {en: 'Red, yes.'}}
  - {id: blue, questions: {en: [Do you have the blue summer dress?]}, answers: {en: 'Blue, no.'}}";
    let knowledge = Knowledge::parse(knowledge, Format::Yaml, "a.yaml").unwrap();
    let engine = RetrievalEngine::new(Arc::new(KnowledgeIndex::new(knowledge)));
    let decision = engine.reply(&test_kit::ask("Do you have the summer dress?")).await.unwrap();
    let Decision::Ask { choices, ground, .. } = decision else { panic!("{decision:?}") };
    assert_eq!(ground.citations, ["red", "blue"]);
    let pressed = Content::Button { payload: choices[1].id.clone(), title: None };
    let decision =
        engine.reply(&test_kit::turns(vec![test_kit::contact("Do you have it?"), test_kit::turn(pressed)])).await;
    assert_eq!(said(&decision.unwrap()), ("reply", "blue"));
}

#[test]
fn many_entries_keep_the_order_and_the_bound() {
    let entry = |n: usize| Entry {
        id: format!("e{n}"),
        questions: [("en".to_owned(), vec![format!("where is the thing number {n} in the shop")])].into(),
        answers: [("en".to_owned(), format!("On shelf {n}."))].into(),
        ..Entry::default()
    };
    let index = KnowledgeIndex::new(Knowledge::new((0..3_000).map(entry).collect()).unwrap());
    let found = index.search("where is the thing number 2718", test_kit::now().date_naive(), 3);
    assert_eq!(found[0].id, "e2718");
    assert_eq!(found.len(), 3);
}
