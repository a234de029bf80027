//! What Meta's usage headers say
//! (<https://developers.facebook.com/docs/graph-api/overview/rate-limiting>, read November 2026).

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::Deserialize;
use whisp_core::channel::Usage;

/// The headers of an answer that say how much is used up, and when to come back.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaitHints {
    /// `Retry-After`, in seconds. Meta promises none; a proxy may set it.
    pub(crate) retry_after: Option<u64>,
    /// The longest `estimated_time_to_regain_access` of `X-Business-Use-Case-Usage`, in minutes.
    pub(crate) regain_minutes: Option<u64>,
    /// The highest percentage of all usage headers.
    pub(crate) percent: Option<u32>,
}

/// How much of a budget is used up, in percent. Meta writes whole numbers; others are taken as well.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Budget {
    call_count: f64,
    total_cputime: f64,
    total_time: f64,
    /// In minutes. In `X-Business-Use-Case-Usage` only.
    estimated_time_to_regain_access: f64,
}

impl Budget {
    fn percent(&self) -> u32 {
        whole(self.call_count.max(self.total_cputime).max(self.total_time))
    }
}

/// Rounds up; what is no number of ours is 0 or the most there is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast from a float saturates")]
fn whole(number: f64) -> u32 {
    number.ceil() as u32
}

impl WaitHints {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut hints = Self {
            retry_after: text("retry-after").and_then(|seconds| seconds.trim().parse().ok()),
            ..Self::default()
        };
        // One budget each: of the app, of the Page.
        for name in ["x-app-usage", "x-page-usage"] {
            let budget = text(name).and_then(|json| serde_json::from_str::<Budget>(json).ok());
            hints.percent = hints.percent.max(budget.map(|budget| budget.percent()));
        }
        // Several for each business.
        let by_business = text("x-business-use-case-usage")
            .and_then(|json| serde_json::from_str::<BTreeMap<String, Vec<Budget>>>(json).ok());
        for budget in by_business.unwrap_or_default().into_values().flatten() {
            hints.percent = hints.percent.max(Some(budget.percent()));
            let minutes = u64::from(whole(budget.estimated_time_to_regain_access));
            hints.regain_minutes = hints.regain_minutes.max(Some(minutes).filter(|&minutes| minutes > 0));
        }
        hints
    }

    /// Returns what a channel tells of it; `None` where the headers told nothing.
    pub(super) fn usage(&self) -> Option<Usage> {
        let regain = self.regain_minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
        (self.percent.is_some() || regain.is_some()).then(|| Usage { percent: self.percent.unwrap_or(0), regain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints(headers: &[(&'static str, &'static str)]) -> WaitHints {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        WaitHints::of(&headers.collect())
    }

    #[test]
    fn the_most_of_all_budgets_and_the_longest_wait_count() {
        let hints = hints(&[
            ("x-app-usage", r#"{"call_count":28,"total_time":25,"total_cputime":25}"#),
            (
                "x-business-use-case-usage",
                concat!(
                    r#"{"1":[{"type":"messenger","call_count":3,"total_cputime":91,"total_time":4,"#,
                    r#""estimated_time_to_regain_access":0}],"#,
                    r#""2":[{"type":"whatsapp","call_count":100,"estimated_time_to_regain_access":19}]}"#,
                ),
            ),
        ]);
        assert_eq!(hints, WaitHints { retry_after: None, regain_minutes: Some(19), percent: Some(100) });
        assert_eq!(hints.usage(), Some(Usage { percent: 100, regain: Some(Duration::from_secs(19 * 60)) }));
    }

    #[test]
    fn each_header_counts_alone_and_what_is_no_such_header_says_nothing() {
        let percent = |name, json| hints(&[(name, json)]).percent;
        assert_eq!(percent("x-app-usage", r#"{"call_count":28,"total_time":85,"total_cputime":25}"#), Some(85));
        assert_eq!(percent("x-page-usage", r#"{"call_count":7.2}"#), Some(8));
        for name in ["x-app-usage", "x-business-use-case-usage", "retry-after"] {
            for text in ["[]", "{", "", "null", r#"{"1":7}"#, r#"{"1":[7]}"#, r#"{"call_count":"many"}"#] {
                let hints = hints(&[(name, text)]);
                assert_eq!((hints.retry_after, hints.regain_minutes), (None, None), "{name}: {text}");
                assert!(hints.usage().is_none_or(|usage| usage.percent == 0), "{name}: {text}");
            }
        }
        assert_eq!(hints(&[]).usage(), None);
        assert_eq!(hints(&[("retry-after", " 7 ")]).retry_after, Some(7));
        let mad = hints(&[(
            "x-business-use-case-usage",
            r#"{"1":[{"call_count":-5,"estimated_time_to_regain_access":1e99}]}"#,
        )]);
        assert_eq!((mad.percent, mad.regain_minutes), (Some(0), Some(u64::from(u32::MAX))));
    }
}
