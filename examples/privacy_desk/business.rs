//! What the business shows, publishes, and does when something went wrong.

use std::error::Error;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use whisp::assistant::{Assistant, Desk};
use whisp::documents::PolicyVersion;
use whisp::id::BreachId;
use whisp::privacy::{
    About, Act, Breach, BreachNature, BreachOrigin, NewBreach, Notice, PolicyAnswer, Statement, SubjectKind,
};

use crate::people::{find, line, said};
use crate::{Options, PAGE, TENANT, print};

pub(crate) fn explain(options: &Options, assistant: &Assistant) -> Result<(), Box<dyn Error>> {
    for about in [SubjectKind::AccountHolder, SubjectKind::Contact, SubjectKind::Member, SubjectKind::Mentioned] {
        let about_text = about.to_string();
        for activity in assistant.explain(about).activities {
            let value = json!({
                "about": about_text, "purpose": activity.purpose, "basis": activity.basis,
                "categories": activity.categories, "rights": activity.rights
            });
            print(options, &value, &|| {
                let categories: Vec<&str> = activity.categories.iter().map(|category| category.as_str()).collect();
                let purpose = activity.purpose.as_str();
                format!("{about_text:<18} {purpose:<22} {} ({})", categories.join(", "), activity.basis)
            })?;
        }
    }
    Ok(())
}

/// Checks the audit log, event by event, after what waits for the next sweep was put into it; returns whether it is whole.
pub(crate) async fn verify(options: &Options, assistant: &Assistant) -> Result<bool, Box<dyn Error>> {
    let audit = assistant.audit(TENANT);
    while audit.sequence(PAGE).await? > 0 {}
    let check = audit.verify(None).await?;
    let faults: Vec<String> = check.faults.iter().map(|fault| format!("{fault:?}")).collect();
    let value = json!({"events": check.size, "root": check.root, "faults": faults});
    print(options, &value, &|| {
        let found = if faults.is_empty() { "whole".to_owned() } else { faults.join("\n  ") };
        format!("{} events, root {}: {found}", check.size, check.root)
    })?;
    Ok(faults.is_empty())
}

fn policy_json(policy: &PolicyVersion) -> Value {
    json!({
        "number": policy.number,
        "label": policy.label,
        "version": policy.notice.version,
        "effective": policy.notice.effective,
        "significant": policy.significant,
        "changes": policy.changes,
    })
}

fn policy_line(policy: &PolicyVersion) -> String {
    let told = if policy.significant { "people have to be told" } else { "nobody has to be told" };
    let changes = policy.changes.iter().fold(String::new(), |all, change| format!("{all}\n  {}", json!(change)));
    format!("{:>3} {}  from {}, {told}{changes}", policy.number, policy.label, policy.notice.effective)
}

pub(crate) async fn policies(options: &Options, assistant: &Assistant) -> Result<(), Box<dyn Error>> {
    for policy in assistant.policies().await? {
        print(options, &policy_json(&policy), &|| policy_line(&policy))?;
    }
    Ok(())
}

pub(crate) async fn publish(
    options: &Options,
    assistant: &Assistant,
    (label, effective, significant): (&str, NaiveDate, bool),
) -> Result<(), Box<dyn Error>> {
    let policy = assistant.publish(label, effective, significant).await?;
    print(options, &policy_json(&policy), &|| policy_line(&policy))
}

pub(crate) async fn untold(options: &Options, desk: &Desk) -> Result<(), Box<dyn Error>> {
    let mut after = None;
    loop {
        let page = desk.untold(after, PAGE).await?;
        for About { subject, kind, .. } in page.people {
            print(options, &json!({"person": subject, "about": kind}), &|| format!("{subject}  {kind}"))?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Takes down that somebody was told of the last notice.
pub(crate) async fn tell(
    options: &Options,
    (assistant, desk): (&Assistant, &Desk),
    person: &str,
    language: &str,
) -> Result<(), Box<dyn Error>> {
    let policy = assistant.policies().await?.pop().ok_or("no notice was published: `publish` does")?;
    let notice = Notice { version: policy.notice.version, language: language.to_owned(), evidence: None };
    let told = Statement::Policy { answer: PolicyAnswer::Told, notice };
    let person = find(desk, person).await?;
    let event = desk.declare(person, told, Act::Host).await?;
    print(options, &said(&event)?, &|| line(&event))
}

fn breach_json(breach: &Breach) -> Value {
    json!({
        "breach": breach.id,
        "state": breach.state,
        "nature": breach.nature,
        "from": breach.from,
        "contained": breach.is_contained(),
    })
}

fn breach_line(breach: &Breach) -> String {
    let contained = if breach.is_contained() { "  contained: nothing leaves" } else { "" };
    let (nature, state) = (breach.nature.as_str(), breach.state.as_str());
    format!("{}  {nature:<10} since {}  {state}{contained}", breach.id, breach.from.format("%F %T"))
}

pub(crate) async fn breaches(options: &Options, desk: &Desk) -> Result<(), Box<dyn Error>> {
    for breach in desk.breaches().open(None, PAGE).await?.breaches {
        print(options, &breach_json(&breach), &|| breach_line(&breach))?;
    }
    Ok(())
}

pub(crate) async fn suspect(options: &Options, desk: &Desk, from: DateTime<Utc>) -> Result<(), Box<dyn Error>> {
    let new = NewBreach { origin: BreachOrigin::Ours, nature: BreachNature::Disclosed, from, until: None };
    let breach = desk.breaches().suspect(new).await?;
    print(options, &breach_json(&breach), &|| breach_line(&breach))
}

pub(crate) async fn contain(
    options: &Options,
    desk: &Desk,
    breach: &str,
    contained: bool,
) -> Result<(), Box<dyn Error>> {
    let open = desk.breaches().open(None, PAGE).await?.breaches;
    let mut found = open.into_iter().map(|each| each.id).filter(|id| id.to_string().starts_with(breach));
    let (Some(id), None): (Option<BreachId>, _) = (found.next(), found.next()) else {
        return Err(format!("no breach, or more than one, begins with {breach}: `breaches` lists them").into());
    };
    let breach = if contained { desk.breaches().contain(id).await?.breach } else { desk.breaches().lift(id).await? };
    print(options, &breach_json(&breach), &|| breach_line(&breach))
}
