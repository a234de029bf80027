//! Marks that stand for what somebody else must not see, and the way back.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::find::{BETWEEN_MESSAGES, Finding, FindingKind, find, find_name, plain, special};
use crate::id::ConversationId;
use crate::reply::egress::readable_alone;
use crate::reply::{Decision, Proposal, Turn};
use crate::sensitive::Sensitive;

/// What a mark ends in is drawn from these: no vowels, so that it is no word; no digit or letter that looks like another.
const LETTERS: &[u8; 24] = b"BCDFGHJKLMNPQRSTVWXZ2479";

/// How many of them: 1 in 8 million that two numbers of a conversation would share a mark.
const LENGTH: usize = 5;

/// The marks of one request. The same number has the same mark in every request about a conversation, and another one in
/// another conversation: it is drawn by a digest over the conversation's id, which is random and never sent.
#[derive(Debug)]
pub(super) struct Mask {
    conversation: ConversationId,
    /// The name in the contact's profile.
    name: Option<Sensitive>,
    /// What the contact or the business wrote, by the name of its mark.
    values: BTreeMap<String, Sensitive>,
}

impl Mask {
    pub(super) const fn new(conversation: ConversationId, name: Option<Sensitive>) -> Self {
        Self { conversation, name, values: BTreeMap::new() }
    }

    /// Returns the turns with texts alone, and in them marks; what tells of special categories is left out unless it may be
    /// shown. What the contact wrote is read as one text, so that a number that comes in pieces is found.
    pub(super) fn turns(&mut self, turns: &[Turn], show_special: bool) -> Vec<Turn> {
        let mut texts: Vec<Option<String>> =
            turns.iter().map(|turn| turn.content.readable().map(str::to_owned)).collect();
        if !show_special {
            for text in &mut texts {
                text.take_if(|text| special(text).is_some());
            }
        }
        let of = |from_contact: bool| {
            let places = turns.iter().enumerate().filter(move |(_, turn)| turn.from_contact == from_contact);
            places.map(|(place, _)| place).collect::<Vec<_>>()
        };
        self.mask(&mut texts, &of(true));
        for place in of(false) {
            self.mask(&mut texts, &[place]);
        }
        let masked = turns.iter().zip(texts);
        masked.map(|(turn, text)| Turn { content: readable_alone(text), ..*turn }).collect()
    }

    /// Masks what stands in these texts, taken as one.
    fn mask(&mut self, texts: &mut [Option<String>], places: &[usize]) {
        let mut whole = String::new();
        let mut starts = Vec::with_capacity(places.len());
        for place in places {
            starts.push(whole.len());
            if let Some(Some(text)) = texts.get(*place) {
                // A text can't say where it ends itself.
                whole.extend(text.chars().map(|c| if c == BETWEEN_MESSAGES { ' ' } else { c }));
                whole.push(BETWEEN_MESSAGES);
            }
        }
        let mut findings = find(&whole);
        if let Some(name) = &self.name {
            let apart = |name: &Finding| {
                !findings.iter().any(|found| found.range.start < name.range.end && name.range.start < found.range.end)
            };
            let names: Vec<Finding> = find_name(&whole, name.expose()).into_iter().filter(apart).collect();
            findings.extend(names);
            findings.sort_by_key(|finding| finding.range.start);
        }
        for (number, place) in places.iter().enumerate() {
            let start = starts.get(number).copied().unwrap_or_default();
            let end = starts.get(number + 1).copied().unwrap_or(whole.len());
            let Some(Some(text)) = texts.get_mut(*place) else { continue };
            let mut out = String::with_capacity(text.len());
            let mut from = start;
            for finding in findings.iter().filter(|finding| finding.range.start < end && finding.range.end > start) {
                let until = finding.range.start.max(start);
                out.push_str(whole.get(from..until).unwrap_or_default());
                out.push_str(&self.mark(finding, &whole));
                from = finding.range.end.min(end);
            }
            out.push_str(whole.get(from..end).unwrap_or_default().trim_end_matches(BETWEEN_MESSAGES));
            *text = out;
        }
    }

    /// Returns the mark of a finding.
    fn mark(&mut self, finding: &Finding, text: &str) -> String {
        let found: String = text.get(finding.range.clone()).unwrap_or_default().split(BETWEEN_MESSAGES).collect();
        let value = plain(finding.kind, &found);
        for salt in 0_u8..=u8::MAX {
            let name = self.name(finding.kind, &value, salt);
            match self.values.get(&name) {
                Some(known) if plain(finding.kind, known.expose()) != value => {}
                Some(_) => return format!("⟦{name}⟧"),
                None => {
                    let mark = format!("⟦{name}⟧");
                    self.values.insert(name, found.into());
                    return mark;
                }
            }
        }
        // 256 numbers in a row that share their marks with others: it is left out.
        String::new()
    }

    fn name(&self, kind: FindingKind, value: &str, salt: u8) -> String {
        let digest = Sha256::new()
            .chain_update(b"whisp/mark/v1")
            .chain_update(self.conversation.into_bytes())
            .chain_update([salt])
            .chain_update(kind.as_str())
            .chain_update([0])
            .chain_update(value)
            .finalize();
        let letters = digest.iter().take(LENGTH);
        let letters = letters.filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()));
        let letters: String = letters.map(|letter| char::from(*letter)).collect();
        format!("{}_{letters}", kind.as_str())
    }

    /// Puts back what the marks of a proposal stand for; `None` where one stands for nothing.
    pub(super) fn restore(&self, decision: Decision) -> Option<Decision> {
        let proposal = |Proposal { text, ground }| Some(Proposal { text: self.put_back(&text)?, ground });
        Some(match decision {
            Decision::Reply(reply) => Decision::Reply(proposal(reply)?),
            Decision::Suggest(suggested) => Decision::Suggest(proposal(suggested)?),
            Decision::Decide(proposed) => Decision::Decide(proposal(proposed)?),
            Decision::Ask { text, mut choices, ground } => {
                for choice in &mut choices {
                    choice.title = self.put_back(&choice.title)?;
                    choice.description = match &choice.description {
                        Some(description) => Some(self.put_back(description)?),
                        None => None,
                    };
                }
                Decision::Ask { text: self.put_back(&text)?, choices, ground }
            }
            Decision::HandOff { reason, notice } => {
                let notice = match notice {
                    Some(notice) => Some(self.put_back(&notice)?),
                    None => None,
                };
                Decision::HandOff { reason, notice }
            }
            decision @ (Decision::Abstain | Decision::Silence) => decision,
        })
    }

    /// Models lose the brackets and the case of a mark, never its letters: nothing that is only like a mark is taken for one.
    fn put_back(&self, text: &Sensitive) -> Option<Sensitive> {
        let text = text.expose().as_str();
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, name, after)) = next_mark(rest) {
            out.push_str(before.strip_suffix('⟦').unwrap_or(before));
            out.push_str(self.values.get(&name)?.expose());
            rest = after.strip_prefix('⟧').unwrap_or(after);
        }
        out.push_str(rest);
        (!out.contains(['⟦', '⟧'])).then(|| out.into())
    }
}

/// Returns the next word that has the form of a mark, with what stands before and after it.
fn next_mark(text: &str) -> Option<(&str, String, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut from = 0;
    while let Some(start) = text.get(from..)?.find(is_part).map(|at| from + at) {
        let word = text.get(start..)?;
        let word = word.get(..word.find(|c| !is_part(c)).unwrap_or(word.len()))?;
        from = start + word.len();
        let name = word.to_ascii_uppercase();
        let is_mark = name.split_once('_').is_some_and(|(kind, letters)| {
            FindingKind::ALL.iter().any(|known| known.as_str() == kind)
                && letters.len() == LENGTH
                && letters.bytes().all(|letter| LETTERS.contains(&letter))
        });
        if is_mark {
            return Some((text.get(..start)?, name, text.get(from..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests;
