//! What people say to the coffee shop. Each line is said once, also when a run was cut short and goes on.

use std::error::Error;

use whisp::channel::OutboundBody;
use whisp::meta::simulator::{Account, Persona, Say};
use whisp::model::{Author, HandOffReason, Handling};

use crate::business::Business;

/// One line of the script.
struct Line<'a> {
    account: &'a Account,
    who: Persona,
    what: What,
}

/// What is done.
enum What {
    Says(Say),
    /// Reacts to the last thing that the business said to them.
    Hearts,
    /// A member answers in the channel's own app.
    MemberTypes(&'static str),
}

/// The phone number of the person who is erased at the end.
pub(crate) const IVAN: &str = "77015550102";

fn lines(business: &Business) -> Vec<Vec<Line<'_>>> {
    let (wa, ig, fb) = (&business.whatsapp, &business.instagram, &business.messenger);
    let aigerim = || Persona::new("77015550101").named("Айгерім");
    let ivan = || Persona::new(IVAN).named("Иван Петров").with_bsuid("KZ.25580113371008642197");
    let tom =
        || Persona::new("77015550103").named("Tom").with_bsuid("KZ.13491208655302741918").hiding_phone_behind("tom");
    let emma = || Persona::new("5940001113754").named("emma.reads");
    let ruslan = || Persona::new("7402250033180001").named("Ruslan");
    let says = |account, who, what| Line { account, who, what: What::Says(what) };
    vec![
        vec![
            // A burst of short messages gets one answer.
            says(wa, aigerim(), Say::text("Сәлеметсіз бе!")),
            says(wa, aigerim(), Say::text("Жеткізу қанша тұрады?")),
            says(wa, ivan(), Say::text("Здравствуйте, когда вы работаете?")),
            says(ig, emma(), Say::text("Hi! Do you have decaf?")),
            says(fb, ruslan(), Say::Postback { payload: "hours".into(), title: "Opening hours".into() }),
            // Somebody who hides the phone number behind a username.
            says(wa, tom(), Say::text("What is your address?")),
        ],
        vec![
            Line { account: ig, who: emma(), what: What::Hearts },
            says(ig, emma(), Say::Unsupported),
            says(
                wa,
                ivan(),
                Say::Image {
                    caption: Some("Вот мой заказ, он холодный. Позовите оператора!".into())
                },
            ),
            says(fb, ruslan(), Say::text("Can you deliver to my home?")),
            says(wa, tom(), Say::text("STOP")),
            // A press on a button that the business once sent.
            says(wa, aigerim(), Say::Button { id: "hours".into(), title: "Жұмыс уақыты".into() }),
        ],
        vec![
            says(wa, ivan(), Say::text("Спасибо, жду. А доставка у вас есть?")),
            says(wa, tom(), Say::text("When are you open?")),
            Line { account: fb, who: ruslan(), what: What::MemberTypes("Ruslan, your order is on its way. Dana") },
        ],
        vec![
            says(fb, ruslan(), Say::text("Great, thank you")),
            says(wa, aigerim(), Say::text("Кофеинсіз кофе бар ма?")),
        ],
    ]
}

/// How many of the lines become a message of a contact.
pub(crate) fn said_by_contacts(business: &Business) -> usize {
    lines(business).iter().flatten().filter(|line| !matches!(line.what, What::MemberTypes(_))).count()
}

/// Plays what has not been played yet.
pub(crate) async fn play(business: &Business) -> Result<(), Box<dyn Error>> {
    if business.simulator.said() > 0 {
        business.catch_up().await?;
    }
    let mut number = 0;
    for scene in lines(business) {
        for line in scene {
            number += 1;
            if number > business.simulator.said() {
                say(business, &line);
            }
        }
        business.settle().await?;
        dana_answers(business).await?;
        business.settle().await?;
    }
    Ok(())
}

fn say(business: &Business, line: &Line<'_>) {
    let simulator = &business.simulator;
    match &line.what {
        What::Says(what) => drop(simulator.contact_says(line.account, &line.who, what)),
        What::MemberTypes(text) => drop(simulator.member_types(line.account, &line.who, text)),
        What::Hearts => {
            let last = simulator.accepted().into_iter().rev().find(|there| there.account == *line.account.id());
            // A run that was killed in the middle of a call leaves a doubt, and nothing to react to.
            let heart = match last {
                Some(last) => Say::Reaction { target: last.id, emoji: Some("❤️".into()) },
                None => Say::text("❤️"),
            };
            drop(simulator.contact_says(line.account, &line.who, &heart));
        }
    }
}

/// Dana answers each conversation in which somebody asked for a person, once.
async fn dana_answers(business: &Business) -> Result<(), Box<dyn Error>> {
    let desk = business.assistant.desk(business.tenant());
    for conversation in desk.inbox(None, 100).await?.conversations {
        if !matches!(conversation.handling, Handling::Member { reason: HandOffReason::Asked, .. }) {
            continue;
        }
        let (messages, _) = desk.messages(conversation.id, None, 100).await?;
        let answered =
            messages.iter().any(|message| message.author == Author::Member { member: Some(business.dana()) });
        if !answered {
            let text = "Иван, здравствуйте! Это Дана. Привезём новый кофе через 20 минут.";
            desk.by(business.dana()).send(conversation.id, OutboundBody::text(text)).await?;
        }
    }
    Ok(())
}
