//! Of every question to the engine, at the moment when it is asked.

use chrono::TimeDelta;
use whisp::reply::ReplyRequest;

use crate::model::{Model, numbers};
use crate::sim::Sim;

type Holds = Result<(), String>;

/// By how much the clocks of two processes differ, and more.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(10);

pub(crate) fn all(sim: &Sim, request: &ReplyRequest) {
    let Ok(turns) = request.turns() else { return };
    let text: Vec<&str> = turns.iter().filter_map(|turn| turn.content.readable()).collect();
    let numbers = numbers(&text.join("\n"));
    let model = sim.model();
    sim.check("an engine sees one person", one_person(&model, &numbers));
    sim.check("an engine sees its tenant's people", of_the_tenant(&model, request, &numbers));
    sim.check("no engine sees what was taken back", not_taken_back(sim, &model, &text));
    let theirs = turns.iter().filter(|turn| turn.from_contact).filter_map(|turn| turn.content.readable());
    let theirs = crate::model::numbers(&theirs.collect::<Vec<_>>().join("\n"));
    sim.check("no engine sees who was erased", not_erased(sim, &model, &theirs));
}

fn one_person(model: &Model, numbers: &[usize]) -> Holds {
    let mut people = numbers.iter().map(|number| model.asked(*number).map(|said| said.person));
    let Some(first) = people.next() else { return Ok(()) };
    if people.all(|person| person == first) { Ok(()) } else { Err(format!("{numbers:?} are of several people")) }
}

fn of_the_tenant(model: &Model, request: &ReplyRequest, numbers: &[usize]) -> Holds {
    for number in numbers {
        if let Some(said) = model.asked(*number)
            && model.tenant_of(said.person).id != request.tenant
        {
            return Err(format!("q{number} is another tenant's"));
        }
    }
    Ok(())
}

/// Once the unsend was taken in after its message, and is due by the clock of every process.
fn not_taken_back(sim: &Sim, model: &Model, texts: &[&str]) -> Holds {
    let running = sim.running();
    for change in model.changes.iter().filter(|change| change.text.is_none()) {
        let said = &model.said[change.said];
        let after = said.arrival.taken.zip(change.arrival.begun).is_some_and(|(taken, begun)| taken < begun);
        let known = change.arrival.taken.is_some_and(|taken| taken < running.begun);
        let due = running.begun_at - change.arrival.taken_at > CLOCKS_DIFFER;
        // What was answered before stays in the answer, which is the business's own.
        let own = |text: &&&str| numbers(text).contains(&change.said) && !text.contains("re q");
        if after && known && due && texts.iter().any(|text| own(&text)) {
            return Err(format!("q{} was taken back", change.said));
        }
    }
    Ok(())
}

fn not_erased(sim: &Sim, model: &Model, numbers: &[usize]) -> Holds {
    let begun = sim.running().begun;
    for number in numbers {
        let Some(said) = model.asked(*number) else { continue };
        let Some(taken) = said.arrival.taken else { continue };
        let erased = model.people[said.person]
            .erasures
            .iter()
            .any(|erasure| taken < erasure.begun && erasure.done.is_some_and(|done| done < begun));
        if erased {
            return Err(format!("q{number} was erased"));
        }
    }
    Ok(())
}
