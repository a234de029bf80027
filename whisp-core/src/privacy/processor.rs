//! The register of processors: who else sees data, for what, where, and by which contract. Who is not in it gets nothing.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::privacy::{Categories, DataCategory, Purpose};

names! {
    /// The name of a processor in the register: for one that is reached over the network, the host of its address, such as
    /// `api.openai.com`.
    ProcessorId,
    /// Where data are processed: a country's two letters (ISO 3166-1, `KZ`), or a name that the host gives to several
    /// (`EU`). Compared as it stands.
    Region
}

/// What a processor does for us. A list that is closed on purpose: nobody who sells or advertises is in it, and what is not
/// in it is not read (promise P8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessorRole {
    /// Runs the machines.
    Hosting,
    /// Keeps the keys.
    KeyManagement,
    /// Answers, or proposes answers.
    LanguageModel,
    /// Keeps data or files, sealed.
    Storage,
    /// Helps the business with the product.
    Support,
}

/// How what a processor has goes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Deletion {
    /// By itself, after [`Processor::retention_days`], and not before.
    ByRetention,
    /// At our request too.
    OnRequest,
}

/// Somebody else who sees data, on our instruction.
///
/// # Examples
/// ```
/// use whisp_core::privacy::Processor;
/// let processor: Processor = serde_json::from_str(r#"{
///     "id": "api.openai.com", "name": "OpenAI Ireland Ltd.", "role": "language_model",
///     "purposes": ["automated_replies"], "categories": ["message_content"], "regions": ["EU"],
///     "contract": "DPA of 1 October 2026, our file 17", "retention_days": 30, "trains_on_data": false,
///     "deletion": "by_retention", "sub_processors": ["Microsoft Ireland"], "reviewed_at": "2026-11-01"
/// }"#)?;
/// assert_eq!(processor.id.as_str(), "api.openai.com");
/// assert!(serde_json::from_str::<whisp_core::privacy::ProcessorRole>(r#""advertiser""#).is_err());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Processor {
    /// Which: as engines name it.
    pub id: ProcessorId,
    /// Who that is, as people are told it: the firm.
    pub name: String,
    /// What it does.
    pub role: ProcessorRole,
    /// For what it may be given data.
    pub purposes: BTreeSet<Purpose>,
    /// Which data.
    pub categories: Categories,
    /// Where it processes them, itself and through others: every place.
    pub regions: BTreeSet<Region>,
    /// Which contract binds it to our instructions (Art. 28(3) GDPR). Without one it gets nothing.
    #[serde(default)]
    pub contract: Option<String>,
    /// What makes a transfer to where it works lawful, where that is abroad (Art. 46 GDPR): standard clauses, a decision of
    /// adequacy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safeguard: Option<String>,
    /// For how many days it keeps what it was given, logs against abuse included; 0 if it keeps nothing. At OpenAI up to 30
    /// unless agreed otherwise (<https://platform.openai.com/docs/guides/your-data>, read in November 2026).
    pub retention_days: u16,
    /// Whether it uses what it is given for models or products of its own. If so it gets nothing.
    pub trains_on_data: bool,
    /// How what it has goes again.
    pub deletion: Deletion,
    /// Whom it takes in itself.
    #[serde(default)]
    pub sub_processors: Vec<String>,
    /// When somebody last looked whether all of this is so.
    pub reviewed_at: NaiveDate,
}

impl Processor {
    /// Returns until when it keeps what it is given at this time.
    #[must_use]
    pub fn keeps_until(&self, given_at: DateTime<Utc>) -> DateTime<Utc> {
        given_at + TimeDelta::days(i64::from(self.retention_days))
    }

    fn check(&self, allowed: &BTreeSet<Region>, purpose: Purpose, data: Categories) -> Result<(), EgressRefusal> {
        if let Some(lack) = self.lacks(allowed).next() {
            return Err(lack);
        }
        if !self.purposes.contains(&purpose) {
            return Err(EgressRefusal::Purpose);
        }
        match data.iter().find(|category| !self.categories.contains(*category)) {
            Some(category) => Err(EgressRefusal::Category(category)),
            None => Ok(()),
        }
    }

    /// Lists why it gets nothing at all, whatever is asked for.
    fn lacks(&self, allowed: &BTreeSet<Region>) -> impl Iterator<Item = EgressRefusal> {
        let bound = self.contract.as_ref().is_some_and(|contract| !contract.trim().is_empty());
        let within = !self.regions.is_empty() && self.regions.is_subset(allowed);
        let lacks = [
            (!bound, EgressRefusal::NoContract),
            (self.trains_on_data, EgressRefusal::TrainsOnData),
            (!within, EgressRefusal::Region),
        ];
        lacks.into_iter().filter(|(lacks, _)| *lacks).map(|(_, lack)| lack)
    }
}

/// The register of processors, and where data may be processed. Empty unless told: then nobody gets anything.
///
/// # Examples
/// ```
/// use whisp_core::privacy::{Categories, DataCategory, EgressRefusal, ProcessorId, Processors, Purpose};
/// let processors = Processors::default();
/// let text = Categories::of(&[DataCategory::MessageContent]);
/// let refused = processors.check(&ProcessorId::new("api.openai.com"), Purpose::AutomatedReplies, text);
/// assert_eq!(refused, Err(EgressRefusal::Unregistered));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Processors {
    known: Vec<Processor>,
    allowed: BTreeSet<Region>,
}

impl Processors {
    /// Allows data to be processed there.
    #[must_use]
    pub fn allowing(mut self, region: Region) -> Self {
        self.allowed.insert(region);
        self
    }

    /// Adds a processor; one of the same name is replaced.
    #[must_use]
    pub fn with(mut self, processor: Processor) -> Self {
        self.known.retain(|known| known.id != processor.id);
        self.known.push(processor);
        self
    }

    /// Lists where data may be processed.
    pub fn regions(&self) -> impl Iterator<Item = &Region> {
        self.allowed.iter()
    }

    /// Lists the processors.
    #[must_use]
    pub fn list(&self) -> &[Processor] {
        &self.known
    }

    /// Lists why a processor gets nothing at all, whatever is asked for.
    pub(crate) fn lacks(&self, processor: &Processor) -> impl Iterator<Item = EgressRefusal> {
        processor.lacks(&self.allowed)
    }

    /// Returns the processor, if it may be given these data for this purpose.
    ///
    /// # Errors
    /// [`EgressRefusal`], with the reason.
    pub fn check(&self, id: &ProcessorId, purpose: Purpose, data: Categories) -> Result<&Processor, EgressRefusal> {
        let processor = self.known.iter().find(|known| known.id == *id).ok_or(EgressRefusal::Unregistered)?;
        processor.check(&self.allowed, purpose, data)?;
        Ok(processor)
    }
}

/// Why a processor gets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EgressRefusal {
    /// It is registered for other data.
    #[error("the processor is not registered for data of this kind: {0:?}")]
    Category(DataCategory),
    /// No contract binds it.
    #[error("the register names no contract with the processor: conclude one, and name it")]
    NoContract,
    /// It is registered for something else.
    #[error("the processor is not registered for this purpose")]
    Purpose,
    /// It processes data where they may not go, or does not say where.
    #[error("the processor works where data may not go: allow the region, or take another one")]
    Region,
    /// It would use what it is given for itself.
    #[error("the processor trains on what it is given")]
    TrainsOnData,
    /// Nobody knows it.
    #[error("the processor is not in the register: add it to `Config::processors`")]
    Unregistered,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Categories = Categories::of(&[DataCategory::MessageContent]);

    fn model() -> Processor {
        Processor {
            id: ProcessorId::new("model.example"),
            name: "Model Ltd.".into(),
            role: ProcessorRole::LanguageModel,
            purposes: [Purpose::AutomatedReplies].into(),
            categories: TEXT,
            regions: [Region::new("EU"), Region::new("KZ")].into(),
            contract: Some("DPA 17".into()),
            safeguard: None,
            retention_days: 30,
            trains_on_data: false,
            deletion: Deletion::ByRetention,
            sub_processors: Vec::new(),
            reviewed_at: NaiveDate::default(),
        }
    }

    fn check(processor: Processor, purpose: Purpose, data: Categories) -> Result<(), EgressRefusal> {
        let id = processor.id.clone();
        let all = Processors::default().with(processor).allowing(Region::new("EU")).allowing(Region::new("KZ"));
        all.check(&id, purpose, data).map(drop)
    }

    #[test]
    fn a_processor_gets_what_it_is_registered_for_and_nothing_else() {
        let asked = Purpose::AutomatedReplies;
        assert_eq!(check(model(), asked, TEXT), Ok(()));
        assert_eq!(check(model(), Purpose::Analytics, TEXT), Err(EgressRefusal::Purpose));
        let more = Categories::of(&[DataCategory::MessageContent, DataCategory::Identity]);
        assert_eq!(check(model(), asked, more), Err(EgressRefusal::Category(DataCategory::Identity)));
        for contract in [None, Some(String::new()), Some(" ".into())] {
            assert_eq!(check(Processor { contract, ..model() }, asked, TEXT), Err(EgressRefusal::NoContract));
        }
        let trains = Processor { trains_on_data: true, ..model() };
        assert_eq!(check(trains, asked, TEXT), Err(EgressRefusal::TrainsOnData));
        for regions in [BTreeSet::new(), [Region::new("EU"), Region::new("US")].into()] {
            assert_eq!(check(Processor { regions, ..model() }, asked, TEXT), Err(EgressRefusal::Region));
        }
        let nowhere = Processors::default().with(model());
        assert_eq!(
            nowhere.check(&model().id, asked, TEXT),
            Err(EgressRefusal::Region),
            "nothing is allowed unless told"
        );
    }

    #[test]
    fn an_unknown_role_and_an_unknown_field_are_not_read() {
        let json = serde_json::to_value(model()).unwrap();
        assert_eq!(serde_json::from_value::<Processor>(json.clone()).unwrap(), model());
        let with = |field: &str, value: &str| {
            let mut json = json.clone();
            json.as_object_mut().unwrap().insert(field.to_owned(), value.into());
            serde_json::from_value::<Processor>(json)
        };
        assert!(with("role", "advertiser").is_err());
        assert!(with("role", "data_broker").is_err());
        assert!(with("sells", "everything").is_err());
    }
}
