//! Who there is, and what was said about the use of their data.

use std::error::Error;

use serde_json::{Value, json};
use whisp::assistant::{Assistant, Desk};
use whisp::id::ContactId;
use whisp::model::Conversation;
use whisp::privacy::{
    Law, Proof, ProofStrength, Purpose, RequestEvent, RequestKind, RestrictionGround, Statement, StatementEvent,
};

use crate::{Options, PAGE, print};

pub(crate) async fn conversations(desk: &Desk) -> Result<Vec<Conversation>, Box<dyn Error>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = desk.inbox(after, PAGE).await?;
        all.extend(page.conversations);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

/// Finds the person whose id begins like this.
pub(crate) async fn find(desk: &Desk, person: &str) -> Result<ContactId, Box<dyn Error>> {
    let mut found: Vec<ContactId> = conversations(desk).await?.into_iter().map(|each| each.contact).collect();
    found.retain(|contact| contact.0.to_string().starts_with(person));
    found.sort_unstable();
    found.dedup();
    match found[..] {
        [contact] => Ok(contact),
        [] => Err(format!("nobody's id begins with {person}: `people` lists them").into()),
        _ => Err(format!("{} people's ids begin with {person}: give more of it", found.len()).into()),
    }
}

/// Reads the name of a purpose.
pub(crate) fn named(purpose: &str) -> Result<Purpose, Box<dyn Error>> {
    serde_json::from_value(json!(purpose)).map_err(|_| format!("{purpose} is no purpose: `explain` lists some").into())
}

pub(crate) const fn restriction(stands: bool) -> Statement {
    Statement::Restriction { ground: RestrictionGround::AccuracyContested, stands }
}

pub(crate) async fn show(options: &Options, desk: &Desk, person: ContactId) -> Result<(), Box<dyn Error>> {
    let standing = desk.standing(person).await?;
    let (restricted, minor): (Vec<_>, _) = (standing.restrictions().collect(), standing.is_minor());
    let (objects_to, refused): (Vec<_>, Vec<_>) = (standing.objections().collect(), standing.refused().collect());
    let names = |purposes: &[Purpose]| match purposes {
        [] => "nothing".to_owned(),
        some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let value = json!({
        "person": person, "restricted": restricted, "objects_to": objects_to, "refused": refused, "minor": minor
    });
    print(options, &value, &|| {
        let is = |yes: bool, then: &'static str, or: &'static str| if yes { then } else { or };
        format!(
            "{}\n  refused      {}\n  objects to   {}\n  restricted   {}\n  minor        {}",
            person.0,
            names(&refused),
            names(&objects_to),
            is(restricted.is_empty(), "no", "yes: kept, and not used"),
            is(minor, "perhaps", "no sign of it"),
        )
    })?;
    for event in desk.statements(person).await? {
        print(options, &said(&event)?, &|| format!("  {}", line(&event)))?;
    }
    Ok(())
}

pub(crate) fn said(event: &StatementEvent) -> Result<Value, Box<dyn Error>> {
    Ok(json!({"said": serde_json::to_value(&event.statement)?, "at": event.at}))
}

pub(crate) fn line(event: &StatementEvent) -> String {
    let said = match &event.statement {
        Statement::Consent { purpose, state, .. } => format!("{purpose}: {state:?}").to_lowercase(),
        Statement::Objection { purpose, stands: true } => format!("{purpose}: objected"),
        Statement::Objection { purpose, stands: false } => format!("{purpose}: objects no more"),
        Statement::Restriction { stands: true, .. } => "restricted".to_owned(),
        Statement::Restriction { stands: false, .. } => "restricted no more".to_owned(),
        Statement::Policy { answer, notice } => {
            let version: String = notice.version.chars().take(8).collect();
            format!("notice {version} ({}): {answer:?}", notice.language).to_lowercase()
        }
        other => format!("{other:?}"),
    };
    format!("{}  {said}", event.at.format("%Y-%m-%d %H:%M:%S"))
}

pub(crate) async fn requests(options: &Options, desk: &Desk) -> Result<(), Box<dyn Error>> {
    let law = Law::built_in();
    for request in desk.requests().open(None, PAGE).await?.requests {
        let due = request.due(&law, request.received_at())?.at;
        let (id, person, kind, state) = (request.id(), request.subject(), request.kind(), request.state().as_str());
        let value = json!({"request": id, "person": person, "kind": kind, "state": state, "due": due});
        print(options, &value, &|| format!("{id}  {:<14} {state:<16} due {}", kind.as_str(), due.format("%F %T")))?;
    }
    Ok(())
}

/// Corrects somebody's name: the request, its proof by whoever sits here, the correction and the answer.
pub(crate) async fn rectify(
    options: &Options,
    (assistant, desk): (&Assistant, &Desk),
    person: ContactId,
    name: &str,
) -> Result<(), Box<dyn Error>> {
    let requests = desk.requests();
    let request = requests.take_in(person, RequestKind::Rectification).await?.id();
    let proof = Proof { strength: ProofStrength::Confirmed, at: assistant.now() };
    for event in [RequestEvent::Prove(proof), RequestEvent::Assess, RequestEvent::Approve] {
        requests.apply(request, event).await?;
    }
    requests.rectify(request, &name.into()).await?;
    let answered = requests.answer(request, 1).await?;
    let state = answered.state().as_str();
    print(options, &json!({"request": request, "state": state}), &|| format!("{request}  rectification {state}"))
}
