//! Of every message that the platform takes, at the moment when it takes it.

use whisp::assistant::Texts;
use whisp::meta::{HUMAN_WINDOW, WINDOW};
use whisp::model::ChannelKind;
use whisp::privacy::STANDING_LIFE;

use crate::model::{Model, Out, numbers};
use crate::sim::Sim;

type Holds = Result<(), String>;

pub(crate) fn all(sim: &Sim, model: &Model, out: &Out, failed: Option<i64>) {
    sim.check("no message is sent twice", once(model, out));
    sim.check("a person gets what is theirs", to_whom_it_belongs(model, out));
    sim.check("a question is answered once", answered_once(model, out));
    sim.check("answers keep the order of the questions", in_order(model, out));
    sim.check("members' messages keep their order", written_in_order(model, out));
    sim.check("nothing is sent outside the window", inside_window(model, out, failed));
    sim.check("no engine speaks while a member has the conversation", not_taken_over(model, out));
    sim.check("nothing automatic is sent after a stop", not_stopped(model, out));
    sim.check("nothing automatic is sent while automation is off", automation_is_on(model, out));
    sim.check("nothing is sent on an account that was disconnected", connected(model, out));
    sim.check("what was asked before an erasure is not answered after it", not_erased(model, out));
    sim.check("the first automatic answer says that it is automatic", disclosed(model, out));
}

/// One call of the channel is one message: its tag was never taken before.
fn once(model: &Model, out: &Out) -> Holds {
    match model.outs.iter().find(|before| before.tag == out.tag) {
        Some(before) => Err(format!("{:?} was taken at tick {} and again", before.text, before.tick)),
        None => Ok(()),
    }
}

fn to_whom_it_belongs(model: &Model, out: &Out) -> Holds {
    let Some(person) = out.person else { return Err(format!("{:?} went to nobody who is known", out.text)) };
    for number in numbers(&out.text) {
        if model.asked(number).is_none_or(|said| said.person != person) {
            return Err(format!("q{number} is not of person {person}"));
        }
    }
    match model.written.iter().find(|written| written.text == out.text) {
        Some(written) if written.person != person => Err(format!("{:?} is for {}", out.text, written.person)),
        _ => Ok(()),
    }
}

/// At most one effective answer to a burst: a burst is answered as one, so no question of it is answered twice.
fn answered_once(model: &Model, out: &Out) -> Holds {
    if !out.by_engine {
        return Ok(());
    }
    let answers = model.answers();
    for number in numbers(&out.text) {
        if let Some(before) = answers.get(&number).and_then(|before| before.first()) {
            return Err(format!("q{number} was answered at tick {} by {:?}", before.tick, before.text));
        }
    }
    Ok(())
}

/// What came in before another message is not answered after it.
fn in_order(model: &Model, out: &Out) -> Holds {
    if !out.by_engine {
        return Ok(());
    }
    let own = numbers(&out.text);
    for number in &own {
        let Some(early) = model.asked(*number) else { continue };
        let later = model.outs.iter().filter(|before| before.by_engine && before.person == out.person);
        for before in later {
            for other in numbers(&before.text) {
                let Some(late) = model.asked(other) else { continue };
                let order = early.arrival.taken.zip(late.arrival.begun).is_some_and(|(taken, begun)| taken < begun);
                if order && early.arrival.epoch == late.arrival.epoch && model.epoch == early.arrival.epoch {
                    return Err(format!("q{number} came before q{other}, which was answered at tick {}", before.tick));
                }
            }
        }
    }
    Ok(())
}

/// What a member sent after the desk had taken another message is not sent before it.
fn written_in_order(model: &Model, out: &Out) -> Holds {
    let Some(early) = model.written.iter().find(|written| written.text == out.text) else { return Ok(()) };
    for late in model.written.iter().filter(|late| late.person == early.person) {
        let order = early.taken.is_some_and(|taken| taken < late.begun);
        if order && model.outs.iter().any(|before| before.text == late.text) {
            return Err(format!("{:?} was written before {:?}, which went out", early.text, late.text));
        }
    }
    Ok(())
}

fn inside_window(model: &Model, out: &Out, failed: Option<i64>) -> Holds {
    let Some(person) = out.person else { return Ok(()) };
    let human = !out.automatic && model.accounts[out.shop].channel != ChannelKind::WhatsApp;
    let window = if human { HUMAN_WINDOW } else { WINDOW };
    let since = model.people[person].wrote_at.map(|at| out.at - at);
    if since.is_none_or(|since| since >= window) || failed.is_some() {
        return Err(format!("{:?} went out {since:?} after the last message, code {failed:?}", out.text));
    }
    Ok(())
}

/// From the end of the take-over on in the process that did it, and in every task that begins after it elsewhere.
fn not_taken_over(model: &Model, out: &Out) -> Holds {
    let Some(person) = out.person.filter(|_| out.by_engine) else { return Ok(()) };
    let Some(taken) = model.surely(&model.people[person].held, true) else { return Ok(()) };
    if out.at >= model.idle_from || erased_since(model, person, taken.begun) {
        return Ok(());
    }
    let since = taken.ended.unwrap_or(u64::MAX);
    if since < out.begun || (taken.process == Some(out.process) && since < out.tick) {
        return Err(format!("a member has person {person} since tick {since}; {:?}", out.text));
    }
    Ok(())
}

/// At once in the process that took the stop in, and elsewhere as soon as what the gate has read is old.
fn not_stopped(model: &Model, out: &Out) -> Holds {
    let Some(person) = out.person.filter(|_| out.automatic) else { return Ok(()) };
    let Some(stop) = model.surely(&model.people[person].silent, true) else { return Ok(()) };
    if erased_since(model, person, stop.begun) {
        return Ok(());
    }
    let since = stop.ended.unwrap_or(u64::MAX);
    let here = stop.process == Some(out.process) && since < out.tick;
    let elsewhere = since < out.begun && out.begun_at - stop.ended_at > STANDING_LIFE;
    if here || elsewhere {
        return Err(format!("person {person} said stop by tick {since}; {:?}", out.text));
    }
    Ok(())
}

fn automation_is_on(model: &Model, out: &Out) -> Holds {
    if !out.automatic {
        return Ok(());
    }
    let shop = &model.accounts[out.shop];
    if !shop.automatic {
        return Err(format!("engines only suggest on account {}; {:?}", out.shop, out.text));
    }
    match model.surely(&model.tenants[shop.tenant].automation, false) {
        Some(off) if off.ended.is_some_and(|ended| ended < out.begun) => {
            Err(format!("tenant {} turned it off by tick {:?}; {:?}", shop.tenant, off.ended, out.text))
        }
        _ => Ok(()),
    }
}

fn connected(model: &Model, out: &Out) -> Holds {
    match model.surely(&model.accounts[out.shop].connected, false) {
        Some(off) if off.ended.is_some_and(|ended| ended < out.begun) => {
            Err(format!("account {} was disconnected by tick {:?}; {:?}", out.shop, off.ended, out.text))
        }
        _ => Ok(()),
    }
}

fn not_erased(model: &Model, out: &Out) -> Holds {
    let Some(person) = out.person else { return Ok(()) };
    for number in numbers(&out.text) {
        let Some(taken) = model.asked(number).and_then(|said| said.arrival.taken) else { continue };
        for erasure in &model.people[person].erasures {
            if taken < erasure.begun && erasure.done.is_some_and(|done| done < out.begun) {
                return Err(format!("q{number} was erased by tick {:?}", erasure.done));
            }
        }
    }
    Ok(())
}

/// Art. 50(1) of Regulation (EU) 2024/1689. Since the beginning, or since an erasure after which nothing is known.
fn disclosed(model: &Model, out: &Out) -> Holds {
    let Some(person) = out.person.filter(|_| out.by_engine) else { return Ok(()) };
    let says = |out: &Out| out.text.starts_with(disclosure().as_str());
    let before = model.outs.iter().any(|before| before.person == Some(person) && says(before));
    if says(out) || before { Ok(()) } else { Err(format!("person {person} gets {:?} first", out.text)) }
}

pub(crate) fn disclosure() -> String {
    Texts::default().disclosure.map(|text| text.like("q").to_owned()).unwrap_or_default()
}

fn erased_since(model: &Model, person: usize, tick: Option<u64>) -> bool {
    model.people[person].erasures.iter().any(|erasure| erasure.done.zip(tick).is_none_or(|(done, tick)| done >= tick))
}
