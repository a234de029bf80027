//! An inverted index over the questions and answers of a knowledge base.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::features::{Feature, Features, answer_pieces};
use crate::knowledge::Knowledge;
use crate::language::primary;
use crate::text;

/// A query touches no more postings than this, rarest features first: the bound of its time, whatever the size of the
/// knowledge base. What is left out is looked up for the candidates alone.
const POSTINGS_MAX: usize = 20_000;
/// So many of the best groups are compared question by question.
const CANDIDATES_MAX: usize = 16;
/// So many questions are compared one by one, best groups first.
const QUESTIONS_COMPARED_MAX: usize = 400;
/// How much of a group's score is its likeness to all of its questions together; the rest is the likest question.
const CENTROID_SHARE: f32 = 0.6;
/// How much an answer's own words add to the score.
const ANSWER_SHARE: f32 = 0.1;
/// The usual parameters of BM25 (Robertson, Zaragoza 2009).
const BM25_K: f32 = 1.2;
const BM25_B: f32 = 0.75;

/// Where a text and an entry meet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hit {
    /// The place of the entry in the knowledge base.
    pub(crate) entry: usize,
    /// How like, 0 to about 1.
    pub(crate) score: f32,
    /// How much of what makes the question special the entry's questions know, 0 to 1.
    pub(crate) coverage: f32,
    /// The tag of the language of the likest questions.
    pub(crate) language: String,
    /// The likest question.
    pub(crate) question: String,
}

#[derive(Debug)]
pub(crate) struct Index {
    vocabulary: HashMap<Feature, u32, BuildHasherDefault<AsIs>>,
    idf: Vec<f32>,
    unknown_idf: f32,
    is_word: Vec<bool>,
    groups: Vec<Group>,
    questions: Vec<Question>,
    centroids: Postings,
    answers: Postings,
    exact: HashMap<String, Vec<(u32, u32)>>,
}

/// The questions of one entry in one language.
#[derive(Debug)]
struct Group {
    entry: u32,
    language: String,
    questions: std::ops::Range<u32>,
}

#[derive(Debug)]
struct Question {
    text: String,
    features: Vec<u32>,
    /// What the weight of a word and of a piece is divided by.
    norms: [f32; 2],
}

struct Found<'a> {
    score: f32,
    place: usize,
    group: &'a Group,
    question: &'a str,
}

struct Query {
    /// Feature and weight, rarest first.
    known: Vec<(u32, f32)>,
    idf_sum: f32,
}

impl Index {
    pub(crate) fn build(knowledge: &Knowledge) -> Self {
        let mut index = Self {
            vocabulary: HashMap::default(),
            idf: Vec::new(),
            unknown_idf: 0.0,
            is_word: Vec::new(),
            groups: Vec::new(),
            questions: Vec::new(),
            centroids: Postings::default(),
            answers: Postings::default(),
            exact: HashMap::new(),
        };
        for (place, entry) in (0u32..).zip(knowledge.entries()) {
            for (tag, questions) in &entry.questions {
                index.add_group(place, tag, questions);
            }
        }
        let answers: Vec<(u32, Vec<u32>)> = (0u32..)
            .zip(knowledge.entries())
            .flat_map(|(place, entry)| entry.answers.values().map(move |answer| (place, answer)))
            .map(|(place, answer)| {
                (place, answer_pieces(answer).into_iter().map(|feature| index.intern(feature, false)).collect())
            })
            .collect();
        index.weigh(&answers);
        index.centroids = index.centroid_postings();
        index.answers = answer_postings(&answers, &index.idf);
        index
    }

    /// Returns the entries one of whose questions is the text itself but for case, accents and punctuation, each with
    /// the tag of its language and the question.
    pub(crate) fn exact(&self, text: &str) -> Vec<(usize, &str, &str)> {
        let found = self.exact.get(&text::key(text)).map_or(&[][..], Vec::as_slice);
        let named = |&(group, question): &(u32, u32)| {
            let group = self.groups.get(group as usize)?;
            let question = self.questions.get(question as usize)?;
            Some((group.entry as usize, group.language.as_str(), question.text.as_str()))
        };
        found.iter().filter_map(named).collect()
    }

    /// Returns up to `limit` entries that `keep` lets through, likest first; equal ones in the order of the file.
    pub(crate) fn search(&self, text: &str, limit: usize, keep: impl Fn(usize) -> bool) -> Vec<Hit> {
        let query = self.query(&Features::of(&text::words(&text::normalize(text))));
        let mut groups = vec![0f32; self.groups.len()];
        let skipped = self.centroids.accumulate(&query.known, &mut groups);
        let mut answers = vec![0f32; self.groups.last().map_or(0, |group| group.entry as usize + 1)];
        // Pieces of the length of the answers' alone have postings there.
        let asked: Vec<(u32, f32)> = query.known.iter().filter_map(|&(f, _)| Some((f, self.idf_of(f)?))).collect();
        self.answers.accumulate(&asked, &mut answers);
        let answer_most = asked.iter().map(|(_, idf)| idf * idf).sum::<f32>().max(f32::MIN_POSITIVE);

        let mut candidates: Vec<(f32, usize)> = Vec::new();
        for (place, (score, group)) in groups.iter().zip(&self.groups).enumerate() {
            let answer = answers.get(group.entry as usize).copied().unwrap_or(0.0) / answer_most;
            let rough = score + ANSWER_SHARE * answer;
            if rough > 0.0 && keep(group.entry as usize) {
                candidates.push((rough, place));
            }
        }
        best(&mut candidates, CANDIDATES_MAX.max(limit));
        let mut compared = 0;
        let mut sorted = query.known.clone();
        sorted.sort_unstable_by_key(|(feature, _)| *feature);
        let mut found: Vec<Found<'_>> = Vec::new();
        for (rough, place) in candidates {
            let Some(group) = self.groups.get(place) else { continue };
            let centroid =
                rough + skipped.iter().map(|(f, w)| w * self.centroids.weight(*f, place).unwrap_or(0.0)).sum::<f32>();
            let (likest, question) = self.likest_question(group, &sorted, &mut compared);
            let score = CENTROID_SHARE * centroid + (1.0 - CENTROID_SHARE) * likest;
            let this = Found { score, place, group, question };
            match found.iter_mut().find(|other| other.group.entry == group.entry) {
                Some(other) if other.score < score => *other = this,
                Some(_) => {}
                None => found.push(this),
            }
        }
        found.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.group.entry.cmp(&b.group.entry)));
        found.truncate(limit);
        found.iter().map(|found| self.hit(found, &query)).collect()
    }

    fn hit(&self, found: &Found<'_>, query: &Query) -> Hit {
        let known = |&&(feature, _): &&(u32, f32)| self.centroids.weight(feature, found.place).is_some();
        let covered: f32 = query.known.iter().filter(known).filter_map(|&(f, _)| self.idf_of(f)).sum();
        Hit {
            entry: found.group.entry as usize,
            score: found.score,
            coverage: if query.idf_sum > 0.0 { covered / query.idf_sum } else { 0.0 },
            language: found.group.language.clone(),
            question: found.question.to_owned(),
        }
    }

    fn likest_question(&self, group: &Group, sorted: &[(u32, f32)], compared: &mut usize) -> (f32, &str) {
        let mut likest = (0.0, "");
        for question in self.questions.get(group.questions.start as usize..group.questions.end as usize).unwrap_or(&[])
        {
            if *compared >= QUESTIONS_COMPARED_MAX && !likest.1.is_empty() {
                break;
            }
            *compared += 1;
            let score = self.likeness(question, sorted);
            if score > likest.0 || likest.1.is_empty() {
                likest = (score, question.text.as_str());
            }
        }
        likest
    }

    /// The cosine of a question and the query.
    fn likeness(&self, question: &Question, sorted: &[(u32, f32)]) -> f32 {
        let mut query = sorted.iter().peekable();
        let mut sum = 0.0;
        for &feature in &question.features {
            while query.next_if(|(asked, _)| *asked < feature).is_some() {}
            if let Some((_, weight)) = query.next_if(|(asked, _)| *asked == feature) {
                sum += weight * self.weight(feature, question.norms);
            }
        }
        sum
    }

    fn query(&self, features: &Features) -> Query {
        let mut known = Vec::new();
        let (mut squares, mut idf_sum) = ([0f32; 2], 0f32);
        for (block, feature) in blocks(features) {
            let id = self.vocabulary.get(&feature).copied();
            let idf = id.and_then(|id| self.idf_of(id)).unwrap_or(self.unknown_idf);
            idf_sum += idf;
            if let Some(square) = squares.get_mut(block) {
                *square += idf * idf;
            }
            known.extend(id);
        }
        let norms = norms(squares);
        let mut known: Vec<(u32, f32)> = known.into_iter().map(|id| (id, self.weight(id, norms))).collect();
        known.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Query { known, idf_sum }
    }

    fn weight(&self, feature: u32, norms: [f32; 2]) -> f32 {
        let word = self.is_word.get(feature as usize).copied().unwrap_or(false);
        self.idf_of(feature).unwrap_or(0.0) / if word { norms[0] } else { norms[1] }
    }

    fn idf_of(&self, feature: u32) -> Option<f32> {
        self.idf.get(feature as usize).copied()
    }

    fn intern(&mut self, feature: Feature, word: bool) -> u32 {
        let next = u32::try_from(self.is_word.len()).unwrap_or(u32::MAX);
        let id = *self.vocabulary.entry(feature).or_insert(next);
        if id == next {
            self.is_word.push(word);
        }
        id
    }

    fn add_group(&mut self, entry: u32, tag: &str, questions: &[String]) {
        let start = u32::try_from(self.questions.len()).unwrap_or(u32::MAX);
        let group = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        let kazakh = primary(tag) == "kk";
        for text in questions {
            let words = text::words(&text::normalize(text));
            self.add_question(group, text, &words);
            let typed: Vec<String> = words.iter().map(|word| in_russian_letters(word)).collect();
            if kazakh && typed != words {
                self.add_question(group, text, &typed);
            }
        }
        let end = u32::try_from(self.questions.len()).unwrap_or(u32::MAX);
        if end > start {
            self.groups.push(Group { entry, language: tag.to_owned(), questions: start..end });
        }
    }

    fn add_question(&mut self, group: u32, text: &str, words: &[String]) {
        if words.is_empty() {
            return;
        }
        let place = u32::try_from(self.questions.len()).unwrap_or(u32::MAX);
        let features = Features::of(words);
        let mut ids: Vec<u32> = blocks(&features).map(|(block, feature)| self.intern(feature, block == 0)).collect();
        ids.sort_unstable();
        self.questions.push(Question { text: text.to_owned(), features: ids, norms: [1.0; 2] });
        self.exact.entry(words.join(" ")).or_default().push((group, place));
    }

    /// Counts in how many questions and answers each feature is, and weighs it by that.
    fn weigh(&mut self, answers: &[(u32, Vec<u32>)]) {
        let mut counts = vec![0u32; self.is_word.len()];
        let mut count = |feature: u32| {
            if let Some(count) = counts.get_mut(feature as usize) {
                *count += 1;
            }
        };
        for question in &self.questions {
            question.features.iter().copied().for_each(&mut count);
        }
        for (_, features) in answers {
            let mut last = None;
            for &feature in features.iter().filter(|feature| last.replace(**feature) != Some(**feature)) {
                count(feature);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "a weight needs no more than the precision of f32")]
        let idf = |count: u32, all: usize| ((1 + all) as f32 / (1 + count) as f32).ln() + 1.0;
        let all = self.questions.len() + answers.len();
        self.idf = counts.into_iter().map(|count| idf(count, all)).collect();
        self.unknown_idf = idf(0, all);
        for question in &mut self.questions {
            let mut squares = [0f32; 2];
            for &feature in &question.features {
                let word = self.is_word.get(feature as usize).copied().unwrap_or(false);
                let square = self.idf.get(feature as usize).map_or(0.0, |idf| idf * idf);
                if word { squares[0] += square } else { squares[1] += square }
            }
            question.norms = norms(squares);
        }
    }

    fn centroid_postings(&self) -> Postings {
        let mut rows: Vec<Vec<(u32, f32)>> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let mut row: Vec<(u32, f32)> = Vec::new();
            let range = group.questions.start as usize..group.questions.end as usize;
            for question in self.questions.get(range).unwrap_or(&[]) {
                row.extend(question.features.iter().map(|&feature| (feature, self.weight(feature, question.norms))));
            }
            row.sort_by_key(|(feature, _)| *feature);
            row.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                kept.1 += if same { next.1 } else { 0.0 };
                same
            });
            let length = row.iter().map(|(_, weight)| weight * weight).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            row.iter_mut().for_each(|(_, weight)| *weight /= length);
            rows.push(row);
        }
        Postings::new(self.is_word.len(), rows.iter().enumerate().map(|(doc, row)| (doc, row.as_slice())))
    }
}

/// Answers by BM25: each posting holds the saturated count of a piece times its idf.
fn answer_postings(answers: &[(u32, Vec<u32>)], idf: &[f32]) -> Postings {
    #[expect(clippy::cast_precision_loss, reason = "a length in pieces is far below 2^24")]
    let length = |features: &Vec<u32>| features.len() as f32;
    let all: f32 = answers.iter().map(|(_, features)| length(features)).sum();
    #[expect(clippy::cast_precision_loss, reason = "the number of answers is below 2^24")]
    let mean = (all / answers.len().max(1) as f32).max(1.0);
    let row = |features: &Vec<u32>| {
        let mut counts: Vec<(u32, f32)> = features.iter().map(|feature| (*feature, 1.0)).collect();
        counts.sort_by_key(|(feature, _)| *feature);
        counts.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { 1.0 } else { 0.0 };
            same
        });
        let shrink = BM25_K * (1.0 - BM25_B + BM25_B * length(features) / mean);
        for (feature, count) in &mut counts {
            *count = idf.get(*feature as usize).copied().unwrap_or(0.0) * *count / (*count + shrink);
        }
        counts
    };
    let rows: Vec<(usize, Vec<(u32, f32)>)> = answers.iter().map(|(entry, f)| (*entry as usize, row(f))).collect();
    Postings::new(idf.len(), rows.iter().map(|(entry, row)| (*entry, row.as_slice())))
}

/// For each feature, who has it and how much, as three flat arrays.
#[derive(Debug, Default)]
struct Postings {
    offsets: Vec<u32>,
    docs: Vec<u32>,
    weights: Vec<f32>,
}

impl Postings {
    /// `rows` in the order of their documents.
    fn new<'a>(features: usize, rows: impl Iterator<Item = (usize, &'a [(u32, f32)])> + Clone) -> Self {
        let mut offsets = vec![0u32; features + 1];
        for (feature, _) in rows.clone().flat_map(|(_, row)| row) {
            if let Some(count) = offsets.get_mut(*feature as usize + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for offset in &mut offsets {
            sum += *offset;
            *offset = sum;
        }
        let mut next = offsets.clone();
        let (mut docs, mut weights) = (vec![0u32; sum as usize], vec![0f32; sum as usize]);
        for (doc, row) in rows {
            for (feature, weight) in row {
                let Some(place) = next.get_mut(*feature as usize) else { continue };
                if let (Some(to), Some(heavy)) = (docs.get_mut(*place as usize), weights.get_mut(*place as usize)) {
                    *to = u32::try_from(doc).unwrap_or(u32::MAX);
                    *heavy = *weight;
                }
                *place += 1;
            }
        }
        Self { offsets, docs, weights }
    }

    fn of(&self, feature: u32) -> (&[u32], &[f32]) {
        let (Some(&from), Some(&until)) = (self.offsets.get(feature as usize), self.offsets.get(feature as usize + 1))
        else {
            return (&[], &[]);
        };
        let range = from as usize..until as usize;
        (self.docs.get(range.clone()).unwrap_or(&[]), self.weights.get(range).unwrap_or(&[]))
    }

    /// Adds up the query's features, and returns those that were left out to keep the bound.
    fn accumulate(&self, query: &[(u32, f32)], scores: &mut [f32]) -> Vec<(u32, f32)> {
        let mut left = POSTINGS_MAX;
        let mut skipped = Vec::new();
        for &(feature, weight) in query {
            let (docs, weights) = self.of(feature);
            if docs.len() > left {
                skipped.push((feature, weight));
                continue;
            }
            left -= docs.len();
            for (doc, heavy) in docs.iter().zip(weights) {
                if let Some(score) = scores.get_mut(*doc as usize) {
                    *score += weight * heavy;
                }
            }
        }
        skipped
    }

    fn weight(&self, feature: u32, doc: usize) -> Option<f32> {
        let (docs, weights) = self.of(feature);
        let place = docs.binary_search(&u32::try_from(doc).ok()?).ok()?;
        weights.get(place).copied()
    }
}

/// Keeps the best `limit`, best first; of equal ones the first.
fn best(candidates: &mut Vec<(f32, usize)>, limit: usize) {
    let order = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if candidates.len() > limit && limit > 0 {
        candidates.select_nth_unstable_by(limit - 1, order);
        candidates.truncate(limit);
    }
    candidates.sort_unstable_by(order);
}

fn blocks(features: &Features) -> impl Iterator<Item = (usize, Feature)> + '_ {
    features.words.iter().map(|f| (0, *f)).chain(features.pieces.iter().map(|f| (1, *f)))
}

/// Each block has length 1, and both together too.
fn norms(squares: [f32; 2]) -> [f32; 2] {
    squares.map(|square| (2.0 * square).sqrt().max(f32::MIN_POSITIVE))
}

/// Kazakh as it is typed on a Russian keyboard.
fn in_russian_letters(word: &str) -> String {
    let letter = |c| match c {
        'қ' => 'к',
        'ә' => 'а',
        'ғ' => 'г',
        'ң' => 'н',
        'ө' => 'о',
        'ұ' | 'ү' => 'у',
        'і' => 'и',
        'һ' => 'х',
        other => other,
    };
    word.chars().map(letter).collect()
}

/// Features are hashes already.
#[derive(Debug, Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, feature: u64) {
        self.0 = feature;
    }
}
