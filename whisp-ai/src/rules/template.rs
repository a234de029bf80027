//! Texts with variables.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use whisp_core::reply::ReplyRequest;

use crate::hours::BusinessHours;
use crate::load::{LoadError, LoadErrorKind};

/// A text with variables in it, checked when it was read.
#[derive(Debug, Clone)]
pub(super) struct Template(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Variable(Variable, String),
}

#[derive(Debug, Clone, Copy)]
enum Variable {
    Business,
    ContactName,
    Date,
    OpensAt,
    Time,
}

const NAMES: &str = "business, contact_name, date, opens_at, time, or one of `variables`";

impl Template {
    /// Reads a text. The business's own variables are put in at once.
    pub(super) fn parse(text: &str, own: &BTreeMap<String, String>, hours: bool) -> Result<Self, LoadError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, inside)) = rest.split_once("{{") {
            let (inside, after) = inside.split_once("}}").ok_or_else(|| {
                LoadError::new(LoadErrorKind::Invalid, "a `{{` is never closed", "close it with `}}`")
            })?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(variable(inside, own, hours)?);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        if parts.iter().all(|part| matches!(part, Part::Text(text) if text.trim().is_empty())) {
            return Err(LoadError::new(LoadErrorKind::NoAnswer, "a text is empty", "write it, or take it out"));
        }
        Ok(Self(parts))
    }

    /// Puts the values in.
    pub(super) fn render(&self, request: &ReplyRequest, zone: Tz, hours: Option<&BusinessHours>) -> String {
        let now = request.now.with_timezone(&zone);
        let value = |variable: Variable| match variable {
            Variable::Business => Some(request.business.expose().to_string()),
            Variable::ContactName => request.contact_name.as_ref().map(|name| name.expose().trim().to_owned()),
            Variable::Date => Some(now.format("%Y-%m-%d").to_string()),
            Variable::Time => Some(now.format("%H:%M").to_string()),
            Variable::OpensAt => hours.and_then(|hours| hours.opens_at(request.now)).map(|opens| {
                let opens = opens.with_timezone(&zone);
                let today = opens.date_naive() == now.date_naive();
                opens.format(if today { "%H:%M" } else { "%Y-%m-%d %H:%M" }).to_string()
            }),
        };
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Variable(variable, default) => {
                value(*variable).filter(|value| !value.is_empty()).unwrap_or_else(|| default.clone())
            }
        };
        self.0.iter().map(part).collect()
    }
}

fn variable(inside: &str, own: &BTreeMap<String, String>, hours: bool) -> Result<Part, LoadError> {
    let (name, default) = match inside.split_once('|') {
        Some((name, default)) => (name.trim(), Some(default.trim().to_owned())),
        None => (inside.trim(), None),
    };
    let variable = match name {
        "business" => Variable::Business,
        "contact_name" => Variable::ContactName,
        "date" => Variable::Date,
        "opens_at" if hours => Variable::OpensAt,
        "opens_at" => {
            return Err(LoadError::new(
                LoadErrorKind::UnknownVariable,
                "`opens_at` needs business hours",
                "add `business_hours`",
            ));
        }
        "time" => Variable::Time,
        _ => {
            return own.get(name).map(|value| Part::Text(value.clone())).ok_or_else(|| {
                LoadError::new(
                    LoadErrorKind::UnknownVariable,
                    format!("there is no variable `{name}`"),
                    format!("use {NAMES}"),
                )
            });
        }
    };
    let may_be_missing = matches!(variable, Variable::ContactName | Variable::OpensAt);
    if may_be_missing && default.is_none() {
        return Err(LoadError::new(
            LoadErrorKind::Invalid,
            format!("`{name}` is not always known"),
            format!("say what stands there then: `{{{{{name}|...}}}}`"),
        ));
    }
    Ok(Part::Variable(variable, default.unwrap_or_default()))
}
