//! The page of one request to delete.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::DeletionStatus;

/// How much of a reason is shown.
const REASON_CHARS_MAX: usize = 2_000;

/// The page loads nothing, runs nothing, is in no frame, stays in no cache, and tells nobody the address it was at, which
/// ends with the code.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

pub(super) fn response(status: &DeletionStatus) -> Response {
    let (code, title, text) = match status {
        DeletionStatus::Unknown => (
            StatusCode::NOT_FOUND,
            "Request not found",
            "There is no request with this code. Check that the whole address was copied.".to_owned(),
        ),
        DeletionStatus::Received => (
            StatusCode::OK,
            "Request received",
            "Your request to delete your data was received. Your data is being deleted; come back to this address to \
             see when it is done."
                .to_owned(),
        ),
        DeletionStatus::Done => {
            (StatusCode::OK, "Data deleted", "Your request was carried out: your data was deleted.".to_owned())
        }
        DeletionStatus::Refused { reason } => (
            StatusCode::OK,
            "Data not deleted",
            format!("Your data, or a part of it, was not deleted. The reason: {}", escaped(reason)),
        ),
    };
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\n\
         <body><main><h1>{title}</h1><p>{text}</p></main></body>\n</html>\n"
    );
    (code, HEADERS, Html(html)).into_response()
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(REASON_CHARS_MAX) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
