//! What every engine needs.

use chrono::NaiveDate;
use chrono_tz::Tz;
use whisp_core::error::Retry;
use whisp_core::reply::{ReplyError, ReplyErrorKind, ReplyRequest};

/// Fails where an answer is no longer of use.
pub(crate) fn in_time(request: &ReplyRequest, operation: &'static str) -> Result<(), ReplyError> {
    if request.now >= request.deadline { Err(late(operation)) } else { Ok(()) }
}

pub(crate) fn late(operation: &'static str) -> ReplyError {
    ReplyError::new(operation, ReplyErrorKind::Timeout, Retry::After(None))
}

/// Returns the business's time zone.
pub(crate) fn zone(request: &ReplyRequest) -> Result<Tz, ReplyError> {
    request.zone.parse().map_err(|_| {
        ReplyError::new("read the zone", ReplyErrorKind::Invalid, Retry::Never)
            .with_advice("set the business's time zone to an IANA zone, such as `Asia/Almaty`")
    })
}

/// Returns the day by the business's clock.
pub(crate) fn local_day(request: &ReplyRequest) -> Result<NaiveDate, ReplyError> {
    Ok(request.now.with_timezone(&zone(request)?).date_naive())
}
