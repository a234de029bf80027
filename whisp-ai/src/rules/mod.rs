//! Fixed answers to fixed words.

mod spec;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use async_trait::async_trait;
use regex::{Regex, RegexBuilder};
use whisp_core::model::HandOffReason;
use whisp_core::privacy::ProcessorId;
use whisp_core::reply::{Decision, EngineId, Ground, Proposal, ReplyEngine, ReplyError, ReplyRequest};

use crate::engine;
use crate::hours::BusinessHours;
use crate::knowledge::by_primary;
use crate::language::{detect_language, primary};
use crate::load::{LoadError, LoadErrorKind};
use crate::text;
use template::Template;

pub use spec::{Rule, RuleSet, When};

/// The most rules of a set.
pub const RULES_MAX: usize = 10_000;
/// The most bytes that one pattern may take when compiled.
pub const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Answers by rules: the first that matches, by priority and then in order, decides. Needs no network and gives the same
/// answer each time.
///
/// A rule answers in the language under whose tag its words matched, if that tag is among its texts; else in the
/// language of the message; where its text is not written in that language, it only suggests. It cites the rule's id.
/// Where no rule matches it abstains: that is left to other engines, or to a person.
///
/// Orders to stop, requests for a person and rights requests never come here: the pipeline notices them first.
///
/// # Examples
/// ```
/// use whisp_ai::{Format, RuleEngine, RuleSet};
/// let rules = "rules: [{id: hi, phrases: {en: [hello]}, reply: {en: 'Hello, {{contact_name|there}}!'}}]";
/// let engine = RuleEngine::new(&RuleSet::parse(rules, Format::Yaml, "inline")?)?;
/// # Ok::<(), whisp_ai::LoadError>(())
/// ```
#[derive(Debug)]
pub struct RuleEngine {
    id: EngineId,
    hours: Option<BusinessHours>,
    rules: Vec<Ready>,
}

/// A rule, ready to be matched.
#[derive(Debug)]
struct Ready {
    id: String,
    when: When,
    any: bool,
    phrases: Vec<(String, String)>,
    patterns: Vec<(String, Regex)>,
    action: Action,
    texts: BTreeMap<String, Template>,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    HandOff,
    Reply,
    Suggest,
}

impl RuleEngine {
    /// Checks and takes over a set of rules, as an engine named `rules`.
    ///
    /// # Errors
    /// By [`LoadErrorKind`], with the rule that is wrong.
    pub fn new(set: &RuleSet) -> Result<Self, LoadError> {
        if set.rules.len() > RULES_MAX {
            return Err(LoadError::new(
                LoadErrorKind::TooLarge,
                format!("there are more than {RULES_MAX} rules"),
                "move fixed questions and answers into a knowledge base",
            ));
        }
        let hours = set.business_hours.as_ref().map(BusinessHours::new).transpose()?;
        let mut seen = BTreeSet::new();
        let mut rules = Vec::with_capacity(set.rules.len());
        for rule in &set.rules {
            let named = |error: LoadError| error.in_entry("rule", &rule.id);
            if !seen.insert(&rule.id) {
                let problem = "another rule has the same id";
                return Err(named(LoadError::new(LoadErrorKind::DuplicateId, problem, "give one another id")));
            }
            rules.push((rule.priority, Ready::new(rule, set, hours.is_some()).map_err(named)?));
        }
        rules.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        Ok(Self { id: EngineId::new("rules"), hours, rules: rules.into_iter().map(|(_, rule)| rule).collect() })
    }

    /// Reads rules from a file and makes an engine of them. Blocks while it reads.
    ///
    /// # Errors
    /// By [`LoadErrorKind`], with the file and the rule that is wrong.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let path = path.as_ref();
        Self::new(&RuleSet::load(path)?).map_err(|error| error.in_file(&path.display().to_string()))
    }

    fn holds(&self, when: When, request: &ReplyRequest) -> bool {
        let open = self.hours.as_ref().is_some_and(|hours| hours.is_open(request.now));
        match when {
            When::Always => true,
            When::Closed => !open,
            When::Open => open,
        }
    }
}

impl Ready {
    fn new(rule: &Rule, set: &RuleSet, hours: bool) -> Result<Self, LoadError> {
        let invalid = |problem: &str, advice: &str| LoadError::new(LoadErrorKind::Invalid, problem, advice);
        if rule.id.trim().is_empty() {
            return Err(invalid("the id is empty", "give it a short name of its own"));
        }
        if rule.when != When::Always && !hours {
            return Err(invalid("`when` needs business hours", "add `business_hours`, or take `when` out"));
        }
        let (action, texts) = match (&rule.reply, &rule.suggest, &rule.hand_off) {
            (Some(texts), None, None) => (Action::Reply, texts),
            (None, Some(texts), None) => (Action::Suggest, texts),
            (None, None, Some(texts)) => (Action::HandOff, texts),
            (None, None, None) => {
                let advice = "add `reply`, `suggest` or `hand_off`";
                return Err(LoadError::new(LoadErrorKind::NoAnswer, "it does nothing", advice));
            }
            _ => return Err(invalid("it does several things", "keep one of `reply`, `suggest` and `hand_off`")),
        };
        if texts.is_empty() && !matches!(action, Action::HandOff) {
            return Err(LoadError::new(LoadErrorKind::NoAnswer, "it has no text", "write it, such as `en: Hello!`"));
        }
        let phrases: Vec<(String, String)> = tagged(&rule.phrases)
            .map(|(tag, phrase)| (tag.to_owned(), text::key(phrase)))
            .filter(|(_, phrase)| !phrase.is_empty())
            .collect();
        let patterns = tagged(&rule.patterns)
            .map(|(tag, pattern)| Ok((tag.to_owned(), compile(pattern)?)))
            .collect::<Result<Vec<_>, LoadError>>()?;
        if phrases.is_empty() && patterns.is_empty() && !rule.any {
            let advice = "add `phrases` or `patterns`, or `any: true`";
            return Err(LoadError::new(LoadErrorKind::NoQuestion, "it matches nothing", advice));
        }
        let template =
            |(tag, text): (&String, &String)| Ok((tag.clone(), Template::parse(text, &set.variables, hours)?));
        let texts = texts.iter().map(template).collect::<Result<_, LoadError>>()?;
        Ok(Self { id: rule.id.clone(), when: rule.when, any: rule.any, phrases, patterns, action, texts })
    }

    /// Returns the language tag under which it matches, empty for `any`; `None` where it does not.
    fn matches(&self, question: &str, key: &str) -> Option<&str> {
        let padded = format!(" {key} ");
        let phrase = self.phrases.iter().find(|(_, phrase)| padded.contains(&format!(" {phrase} ")));
        let pattern = || self.patterns.iter().find(|(_, pattern)| pattern.is_match(question));
        let tag = phrase.map(|(tag, _)| tag).or_else(|| pattern().map(|(tag, _)| tag));
        tag.map(String::as_str).or_else(|| self.any.then_some(""))
    }

    /// Returns the text for a message, and whether it is in the right language.
    fn text(&self, tag: &str, question: &str) -> Option<(&Template, bool)> {
        let tagged = self.texts.get(tag).or_else(|| by_primary(&self.texts, tag));
        let spoken = || detect_language(question).map(|language| by_primary(&self.texts, &primary(language)));
        match (tagged, self.texts.values().next()) {
            (Some(text), _) => Some((text, true)),
            (None, Some(first)) => match spoken() {
                Some(found) => Some((found.unwrap_or(first), found.is_some())),
                // A message such as `ok` is in no language: a rule with one text says it.
                None => Some((first, self.texts.len() == 1)),
            },
            (None, None) => None,
        }
    }
}

fn tagged(map: &BTreeMap<String, Vec<String>>) -> impl Iterator<Item = (&str, &str)> {
    map.iter().flat_map(|(tag, texts)| texts.iter().map(|text| (tag.as_str(), text.as_str())))
}

fn compile(pattern: &str) -> Result<Regex, LoadError> {
    RegexBuilder::new(pattern).case_insensitive(true).size_limit(PATTERN_BYTES_MAX).build().map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim();
        LoadError::new(LoadErrorKind::BadPattern, format!("`{pattern}` is not a pattern ({why})"), "mend it")
    })
}

#[async_trait]
impl ReplyEngine for RuleEngine {
    fn id(&self) -> &EngineId {
        &self.id
    }

    fn processor(&self) -> Option<ProcessorId> {
        None
    }

    fn earlier_turns(&self) -> usize {
        0
    }

    async fn reply(&self, request: &ReplyRequest) -> Result<Decision, ReplyError> {
        engine::in_time(request, "apply the rules")?;
        let question: String = request.question()?.chars().take(text::TEXT_CHARS_MAX).collect();
        if question.trim().is_empty() {
            return Ok(Decision::Silence);
        }
        let key = text::key(&question);
        let mut holding = self.rules.iter().filter(|rule| self.holds(rule.when, request));
        let Some((rule, tag)) = holding.find_map(|rule| Some((rule, rule.matches(&question, &key)?))) else {
            return Ok(Decision::Abstain);
        };
        let zone = self.hours.as_ref().map_or_else(|| engine::zone(request), |hours| Ok(hours.zone()))?;
        let text = rule.text(tag, &question);
        let text = text.map(|(template, known)| (template.render(request, zone, self.hours.as_ref()), known));
        let proposal = |text: String| Proposal {
            text: text.into(),
            ground: Ground { citations: vec![rule.id.clone()], ..Ground::default() },
        };
        Ok(match (rule.action, text) {
            (Action::Reply, Some((text, true))) => Decision::Reply(proposal(text)),
            (Action::Reply | Action::Suggest, Some((text, _))) => Decision::Suggest(proposal(text)),
            (Action::HandOff, text) => {
                let notice = text.filter(|(_, known)| *known).map(|(text, _)| text.into());
                Decision::HandOff { reason: HandOffReason::Assigned, notice }
            }
            (_, None) => Decision::Abstain,
        })
    }
}

#[cfg(test)]
mod tests;
