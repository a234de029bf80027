//! What a processor is not shown: whatever says who somebody is, in Kazakh, Russian and English (invariant I-35).

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use whisp::ai::{OpenAiConfig, OpenAiEngine};
use whisp::model::{AutomationMode, HandOffReason};
use whisp::privacy::{Processor, ProcessorId};
use whisp::reply::{ReplyEngine, ReplyErrorKind};
use whisp::stores::MemoryStore;
use whisp::testing::{ManualClock, SeqIds};

use crate::processors::{Elsewhere, MODEL, contact, handled_because, model, registered, world};
use crate::rng::Rng;
use crate::world::{DANA, World};

fn digits(rng: &mut Rng, many: usize) -> String {
    (0..many).map(|_| char::from(b'0' + u8::try_from(rng.below(10)).unwrap())).collect()
}

/// A number with the check digit that makes `is_right` true.
fn checked(body: &str, is_right: impl Fn(&[u32]) -> bool) -> Option<String> {
    (0..10).map(|last| format!("{body}{last}")).find(|number| {
        let digits: Vec<u32> = number.chars().filter_map(|c| c.to_digit(10)).collect();
        is_right(&digits)
    })
}

fn card(rng: &mut Rng) -> String {
    let body = format!("4{}", digits(rng, 14));
    checked(&body, |digits| {
        let doubled =
            |(place, digit): (usize, &u32)| if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { *digit };
        digits.iter().enumerate().map(doubled).sum::<u32>() % 10 == 0
    })
    .unwrap()
}

fn iin(rng: &mut Rng) -> String {
    loop {
        let date = format!("{:02}{:02}{:02}", rng.below(100), rng.between(1, 12), rng.between(1, 28));
        let body = format!("{date}{}{}", rng.between(1, 6), digits(rng, 4));
        let sum = |digits: &[u32], first: u32| {
            let weighed = digits.iter().take(11).zip(0..).map(|(digit, place)| digit * ((place + first) % 11 + 1));
            weighed.sum::<u32>() % 11
        };
        let right = checked(&body, |digits| match sum(digits, 0) {
            10 => sum(digits, 2) == digits[11],
            check => check == digits[11],
        });
        if let Some(right) = right {
            return right;
        }
    }
}

fn iban(rng: &mut Rng) -> String {
    let account = format!("125KZT{}", digits(rng, 10));
    // K is 20, Z is 35, T is 29: the country and two zeros go to the end.
    let number = format!("125203529{}203500", account.trim_start_matches("125KZT"));
    let rest = number.bytes().fold(0_u32, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    format!("KZ{:02}{account}", 98 - rest)
}

/// The same digits as somebody else would type them.
fn typed(rng: &mut Rng, number: &str) -> String {
    let between: &[&str] = match rng.below(6) {
        0 | 1 => &[""],
        2 => &[" "],
        3 => &["-", " "],
        4 => &["\u{200b}"],
        _ => &["", "", " "],
    };
    let full_width = rng.one_in(4);
    let looks = rng.one_in(4);
    let mut out = String::new();
    for (place, c) in number.chars().enumerate() {
        if place > 0 && place % 4 == 0 {
            out.push_str(rng.pick(between).unwrap());
        }
        out.push(match c {
            '0' if looks && place % 4 == 1 => 'О',
            '0'..='9' if full_width => char::from_u32(u32::from(c) - u32::from('0') + 0xff10).unwrap(),
            other => other,
        });
    }
    out
}

/// A message with something seeded in it, and what of it must not leave.
fn seeded(rng: &mut Rng) -> (Vec<String>, String) {
    let phone = format!(
        "{}7{}{}",
        rng.pick(&["8", "+7"]).unwrap(),
        rng.pick(&["01", "07", "47", "77"]).unwrap(),
        digits(rng, 7)
    );
    let shaped = |p: &str| {
        let n = &p[p.len() - 10..];
        format!("8 ({}) {}-{}-{}", &n[..3], &n[3..6], &n[6..8], &n[8..])
    };
    let (value, text) = match rng.below(9) {
        0 => (phone.clone(), typed(rng, &phone)),
        1 => (phone[phone.len() - 10..].to_owned(), shaped(&phone)),
        2 => {
            let card = card(rng);
            (card.clone(), typed(rng, &card))
        }
        3 => {
            let iin = iin(rng);
            (iin.clone(), typed(rng, &iin))
        }
        4 => {
            let iban = iban(rng);
            (iban.clone(), if rng.one_in(2) { iban } else { typed(rng, &iban) })
        }
        5 => {
            let mail = format!("a{}@example.kz", digits(rng, 5));
            (mail.clone(), mail)
        }
        6 => {
            let passport = format!("N{}", digits(rng, 8));
            (passport.clone(), passport)
        }
        7 => {
            let card = format!("0{}", digits(rng, 8));
            (card.clone(), card)
        }
        _ => {
            let e164 = format!("+49{}", digits(rng, 10));
            (e164.clone(), e164)
        }
    };
    let sentence = rng
        .pick(&[
            "Менің деректерім: {}, рақмет",
            "Маған хабарласыңыз: {}",
            "Нөмірімді жазып алыңыз {} ертең келемін",
            "Запишите, пожалуйста: {}",
            "Это я, {}, заказ на завтра",
            "данные {} и ещё столик на 4 к 19:30",
            "Here it is: {}. Thanks!",
            "my details are {} and I come at 6",
        ])
        .unwrap();
    let message = sentence.replace("{}", &text);
    if rng.one_in(4) && text.is_ascii() && !text.contains('@') && !text.starts_with('N') && text.len() > 9 {
        // In pieces, a message each.
        let (first, last) = text.split_at(text.len() / 2);
        return (vec![sentence.split("{}").next().unwrap().to_owned() + first, last.to_owned()], value);
    }
    (vec![message], value)
}

/// Letters and digits alone, in one script.
fn plain(text: &str) -> String {
    let fold = |c: char| match c {
        '\u{ff10}'..='\u{ff19}' => char::from_u32(u32::from(c) - 0xff10 + u32::from('0')).unwrap(),
        'О' => '0',
        other => other,
    };
    text.chars().map(fold).filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase()
}

#[tokio::test]
async fn i35_nothing_seeded_leaves_and_what_was_written_comes_back() {
    let elsewhere = Elsewhere::new(|question| Ok(format!("Вы написали: {}", question.replace(['⟦', '⟧'], ""))));
    let world = world(Arc::clone(&elsewhere) as _, registered(model())).await;
    let mut rng = Rng(35);
    for number in 0..300 {
        let (messages, value) = seeded(&mut rng);
        let before = (elsewhere.seen().len(), world.channel.texts().len());
        for (part, message) in messages.iter().enumerate() {
            world.says(&format!("m{number}-{part}"), message).await;
            // The platform's clock counts in seconds: one after the other.
            world.later(1);
        }
        world.settle().await;
        let seen = elsewhere.seen();
        assert_eq!(seen.len(), before.0 + 1, "{messages:?}");
        let (shown, value) = (plain(&seen[before.0]), plain(&value));
        assert!(!shown.contains(&value), "{value} left in {messages:?}: {}", seen[before.0]);
        let half = value.get(..value.len() / 2).filter(|_| messages.len() > 1 && value.len() > 9);
        assert!(half.is_none_or(|half| !shown.contains(half)), "half of {value} left: {}", seen[before.0]);
        let said = world.channel.texts()[before.1..].join("\n");
        assert!(plain(&said).contains(&value), "{value} did not come back in {said}");
        assert!(!said.contains(['⟦', '⟧']) && !said.contains("PHONE_") && !said.contains("NUMBER_"), "{said}");
        // A new inquiry, whose turns are its own.
        let desk = world.assistant.desk(world.tenant);
        desk.by(DANA).resolve(world.conversation().await).await.unwrap();
        world.later(100_000);
    }
}

#[tokio::test]
async fn i35_the_context_is_masked_as_the_question_is_and_a_number_keeps_its_mark() {
    let elsewhere = Elsewhere::new(|_| Ok("Хорошо.".into()));
    let world = world(Arc::clone(&elsewhere) as _, registered(model())).await;
    world.says("m1", "Мой номер 87012345678").await;
    world.settle().await;
    world.says("m2", "Тот же: +7 (701) 234-56-78").await;
    world.settle().await;
    let seen = elsewhere.seen();
    let mark = |text: &str| text.split('⟦').nth(1).unwrap().split('⟧').next().unwrap().to_owned();
    let last: Vec<String> = seen[1].split('\0').filter(|text| text.contains('⟦')).map(mark).collect();
    assert_eq!(last, [mark(&seen[0]), mark(&seen[0])]);
    assert!(!plain(&seen.join(" ")).contains("7012345678"));
}

#[tokio::test]
async fn i35_a_mark_that_stands_for_nothing_reaches_nobody() {
    for answer in
        ["Call ⟦PHONE_BBBBB⟧", "Call PHONE_BBBBB", "call phone_bbbbb", "⟦", "⟧ yes", "The card CARD_24792 is charged"]
    {
        let told: &'static str = answer;
        let elsewhere = Arc::new(whisp::testing::ScriptedEngine::replying(move |_| told.to_owned()).at(MODEL));
        let world = world(elsewhere, registered(model())).await;
        world.says("m1", "Мой номер 87012345678").await;
        world.settle().await;
        assert_eq!(handled_because(&world).await, Some(HandOffReason::Blocked), "{answer}");
        assert!(world.channel.texts().iter().all(|text| !text.contains(told)), "{answer}");
        let desk = world.assistant.desk(world.tenant);
        let open = desk.suggestions(world.conversation().await).await.unwrap();
        assert!(open.is_empty(), "nor as a suggestion");
    }
}

#[tokio::test]
async fn i35_a_mark_of_one_person_says_nothing_to_another() {
    // The provider mixes people up and tells one what the other's mark was.
    let elsewhere = Elsewhere::new(|question| Ok(question.to_owned()));
    let first = world(Arc::clone(&elsewhere) as _, registered(model())).await;
    first.says("m1", "Мой номер 87012345678").await;
    first.settle().await;
    let mark = elsewhere.seen()[0].clone();
    let told: &'static str = Box::leak(mark.into_boxed_str());
    let mixed = Arc::new(whisp::testing::ScriptedEngine::replying(move |_| told.to_owned()).at(MODEL));
    let store = Arc::new(MemoryStore::new());
    let equip = |builder: whisp::assistant::AssistantBuilder| {
        builder.config(registered(model())).ids(Arc::new(SeqIds::new(99)))
    };
    let second = World::equipped(store, mixed, AutomationMode::Automatic, equip).await;
    second.says("m1", "Мой номер 87770001122").await;
    second.settle().await;
    assert_ne!(first.conversation().await, second.conversation().await);
    assert_eq!(handled_because(&second).await, Some(HandOffReason::Blocked));
    assert!(!second.channel.texts().concat().contains("701"));
}

#[tokio::test]
async fn i35_what_told_of_health_before_is_not_in_the_context() {
    let elsewhere = Elsewhere::new(|_| Ok("Да.".into()));
    let world = world(Arc::clone(&elsewhere) as _, registered(model())).await;
    world.says("m1", "Я беременна, можно у вас посидеть?").await;
    world.settle().await;
    assert_eq!(handled_because(&world).await, Some(HandOffReason::Sensitive));
    assert!(elsewhere.seen().is_empty());
    world.assistant.desk(world.tenant).by(DANA).hand_back(world.conversation().await).await.unwrap();
    world.says("m2", "А до скольких вы?").await;
    world.settle().await;
    let seen = elsewhere.seen();
    assert!(seen.len() == 1 && seen[0].contains("до скольких") && !seen[0].contains("беременна"), "{seen:?}");
}

async fn provider(State(seen): State<Arc<Mutex<Vec<String>>>>, body: Bytes) -> String {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let mark = body.split('⟦').find(|part| part.starts_with("PHONE_") && !part.starts_with("PHONE_7KX2B"));
    let mark = mark.and_then(|part| part.split('⟧').next()).unwrap_or_default().to_owned();
    seen.lock().unwrap().push(body);
    let message = serde_json::json!({
        "action": "reply", "message": format!("We call {mark}."), "citations": [], "reason": "answered"
    });
    serde_json::json!({
        "choices": [{"message": {"role": "assistant", "content": message.to_string()}, "finish_reason": "stop"}]
    })
    .to_string()
}

#[tokio::test]
async fn i35_the_body_that_a_real_model_engine_sends_holds_nothing_seeded() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/v1/chat/completions", post(provider)).with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let mut config = OpenAiConfig::new(&format!("http://{address}/v1"), "test-model");
    config.danger_allow_http_loopback = true;
    config.processor = Some(ProcessorId::new(MODEL));
    let clock = Arc::new(ManualClock::default());
    let engine = Arc::new(OpenAiEngine::new(config, clock, Arc::new(SeqIds::new(3))).unwrap());
    let now = whisp::clock::Clock::now(&ManualClock::default());
    let unreleased = engine.reply(&whisp::testing::ask("87012345678", now)).await.unwrap_err();
    assert_eq!(unreleased.kind(), ReplyErrorKind::Egress);
    assert!(seen.lock().unwrap().is_empty(), "what was not released does not leave");

    let world = world(engine, registered(Processor { retention_days: 0, ..model() })).await;
    world.says("m1", "Перезвоните на 8 701 234-56-78, пишет Aigerim, a@example.kz").await;
    world.settle().await;
    let bodies = seen.lock().unwrap().clone();
    assert_eq!(bodies.len(), 1);
    for hidden in ["234", "Aigerim", "a@example.kz", "example.kz", crate::world::PHONE] {
        assert!(!bodies[0].contains(hidden), "{hidden} left: {}", bodies[0]);
    }
    let id = world.conversation().await.to_string();
    assert!(!bodies[0].contains(&id) && !bodies[0].contains(&contact(&world).await.0.to_string()));
    let open = world.assistant.desk(world.tenant).suggestions(world.conversation().await).await.unwrap();
    let said = world.channel.texts().join("\n")
        + &format!("{:?}", open.iter().map(|s| s.content.readable()).collect::<Vec<_>>());
    assert!(said.contains("We call 8 701 234-56-78."), "{said}");
}
