//! What the notices that were published allow: what goes beyond them waits, for the notice or for the person's yes
//! (promises P7, P64 and P65, invariant I-36).

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};

use crate::documents::{PolicyVersion, Use};
use crate::privacy::{DeniedReason, ProcessingActivity, Purpose, SubjectKind};

/// The notices that were published, as far as the gate goes by them.
#[derive(Debug, Default)]
pub(super) struct Published {
    /// The oldest first.
    versions: Vec<Version>,
}

#[derive(Debug)]
struct Version {
    digest: String,
    effective: NaiveDate,
    uses: Vec<Use>,
    widened: BTreeSet<(SubjectKind, Purpose)>,
}

/// That data are used for more than they were when the person came: from a day on, as some notices say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Widening<'a> {
    /// Who came on this day or later was told of it from the beginning.
    pub(super) since: NaiveDate,
    /// The versions to one of which the person has to agree.
    pub(super) versions: Vec<&'a str>,
}

impl Version {
    /// Returns whether it says all that is wanted.
    fn tells(&self, wanted: &Use) -> bool {
        let known = self.uses.iter().find(|known| known.is_of(wanted.about, wanted.purpose));
        wanted.changes(known).is_empty()
    }
}

impl Published {
    /// Takes in what was published, the oldest first.
    pub(super) fn of(policies: Vec<PolicyVersion>) -> Self {
        let version = |policy: PolicyVersion| Version {
            digest: policy.notice.version,
            effective: policy.notice.effective,
            uses: policy.notice.facts.uses,
            widened: policy.changes.iter().filter_map(|change| change.widens()).collect(),
        };
        Self { versions: policies.into_iter().map(version).collect() }
    }

    /// Looks up what the notice that holds at a time says of an activity. Where none has been published nothing is asked.
    ///
    /// # Errors
    /// [`DeniedReason::Unannounced`] if the activity goes beyond it.
    pub(super) fn check(
        &self,
        activity: &ProcessingActivity,
        now: DateTime<Utc>,
    ) -> Result<Option<Widening<'_>>, DeniedReason> {
        if self.versions.is_empty() {
            return Ok(None);
        }
        let today = now.date_naive();
        let held = self.versions.partition_point(|version| version.effective <= today);
        let Some(current) = held.checked_sub(1).and_then(|last| self.versions.get(last)) else { return Ok(None) };
        let of = (activity.about, activity.purpose);
        let wanted = Use::of(activity);
        if !current.tells(&wanted) {
            return Err(DeniedReason::Unannounced);
        }
        let last = self.versions.iter().take(held).rposition(|version| version.widened.contains(&of));
        Ok(last.and_then(|place| {
            let since = self.versions.get(place)?.effective;
            let telling = self.versions.iter().skip(place).filter(|version| version.tells(&wanted));
            Some(Widening { since, versions: telling.map(|version| version.digest.as_str()).collect() })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::PolicyChange;
    use crate::privacy::{Categories, DataCategory, Ground, LawfulBasis};

    const ABOUT: SubjectKind = SubjectKind::Contact;
    const PURPOSE: Purpose = Purpose::Analytics;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn activity(categories: &[DataCategory]) -> ProcessingActivity {
        ProcessingActivity::new(PURPOSE, ABOUT, LawfulBasis::Contract, Categories::of(categories))
    }

    fn version(digest: &str, effective: &str, uses: &[ProcessingActivity], widened: bool) -> Version {
        let new = PolicyChange::NewUse { about: ABOUT, purpose: PURPOSE };
        Version {
            digest: digest.to_owned(),
            effective: day(effective),
            uses: uses.iter().map(Use::of).collect(),
            widened: widened.then(|| new.widens()).flatten().into_iter().collect(),
        }
    }

    fn check(
        published: &Published,
        activity: &ProcessingActivity,
        today: &str,
    ) -> Result<Option<String>, DeniedReason> {
        let now = day(today).and_hms_opt(12, 0, 0).unwrap().and_utc();
        let told = |widening: Widening<'_>| format!("{} {}", widening.since, widening.versions.join(","));
        published.check(activity, now).map(|widening| widening.map(told))
    }

    #[test]
    fn what_no_notice_in_force_says_is_denied_and_what_one_has_widened_waits_for_a_yes() {
        use DataCategory::{Identity, Media};
        let (less, more) = (activity(&[Identity]), activity(&[Identity, Media]));
        let none = Published::default();
        assert_eq!(check(&none, &more, "2026-01-01"), Ok(None), "nothing was published");
        let published = Published {
            versions: vec![
                version("a", "2026-02-01", &[], false),
                version("b", "2026-03-01", std::slice::from_ref(&less), true),
                // Rolled back, and then widened anew.
                version("a", "2026-04-01", &[], false),
                version("b", "2026-05-01", std::slice::from_ref(&less), true),
                version("c", "2026-06-01", std::slice::from_ref(&less), false),
            ],
        };
        let cases = [
            ("2026-01-31", &less, Ok(None)),
            ("2026-02-01", &less, Err(DeniedReason::Unannounced)),
            ("2026-03-01", &less, Ok(Some("2026-03-01 b,b,c".to_owned()))),
            ("2026-03-01", &more, Err(DeniedReason::Unannounced)),
            ("2026-04-01", &less, Err(DeniedReason::Unannounced)),
            ("2026-05-01", &less, Ok(Some("2026-05-01 b,c".to_owned()))),
            ("2026-07-01", &less, Ok(Some("2026-05-01 b,c".to_owned()))),
        ];
        for (today, activity, result) in cases {
            assert_eq!(check(&published, activity, today), result, "{today}");
        }
    }

    #[test]
    fn less_data_and_consent_as_the_ground_go_beyond_nothing_and_another_ground_does() {
        use DataCategory::{Identity, Media};
        let both = activity(&[Identity, Media]);
        let published = Published { versions: vec![version("a", "2026-02-01", std::slice::from_ref(&both), false)] };
        let on = |basis| ProcessingActivity { basis, ..activity(&[Identity]) };
        assert_eq!(check(&published, &on(LawfulBasis::Contract), "2026-02-02"), Ok(None));
        assert_eq!(check(&published, &on(LawfulBasis::Consent), "2026-02-02"), Ok(None));
        let law = LawfulBasis::LegalObligation { law: "Tax Code".to_owned() };
        assert_eq!(law.ground(), Ground::LegalObligation);
        assert_eq!(check(&published, &on(law), "2026-02-02"), Err(DeniedReason::Unannounced));
    }
}
