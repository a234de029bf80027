//! How Vault writes what it answers.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::super::ANSWER_BYTES_MAX;
use super::{Fault, broken};

/// What Vault answers.
pub(super) struct Answer {
    status: u16,
    json: Option<Value>,
}

impl Answer {
    /// It did it, and has nothing to say.
    pub(super) const fn done() -> Self {
        Self { status: 204, json: None }
    }

    /// It did it, and says this.
    pub(super) fn data(data: Value) -> Self {
        let json = json!({
            "request_id": "00000000-0000-0000-0000-000000000000",
            "lease_id": "",
            "renewable": false,
            "lease_duration": 0,
            "data": data,
            "wrap_info": null,
            "warnings": null,
            "auth": null,
            "mount_type": "transit",
        });
        Self { status: 200, json: Some(json) }
    }

    /// It won't.
    pub(super) fn refused(status: u16, text: &str) -> Self {
        Self { status, json: Some(json!({ "errors": [text] })) }
    }

    /// There is nothing to read.
    pub(super) fn nothing() -> Self {
        Self { status: 404, json: Some(json!({ "errors": [] })) }
    }

    pub(super) fn response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        match self.json {
            Some(json) => (status, [(CONTENT_TYPE, "application/json")], json.to_string()).into_response(),
            None => status.into_response(),
        }
    }
}

/// An answer that is none, or not Vault's.
pub(super) fn faulty(fault: Fault) -> Response {
    let page = |status, headers: Vec<(HeaderName, String)>, body: Body| {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, body).into_response();
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name, value.parse().ok()?)));
        response.headers_mut().extend(headers.map(|(name, value)| (Some(name), value)));
        response
    };
    match fault {
        Fault::Status(status) => Answer::refused(status, "1 error occurred:\n\t* as asked for\n\n").response(),
        Fault::Limited(seconds) => {
            let said = json!({ "errors": ["request path \"whisp/\": rate limit quota exceeded"] }).to_string();
            page(429, vec![(RETRY_AFTER, seconds.to_string())], said.into())
        }
        Fault::Page(status) => page(status, Vec::new(), "<html>Somebody else's trouble</html>".into()),
        Fault::Endless => page(200, Vec::new(), vec![b' '; ANSWER_BYTES_MAX + 1].into()),
        Fault::Redirect => page(307, vec![(LOCATION, "https://active.example.com/".to_owned())], Body::empty()),
        Fault::Cut { .. } | Fault::NoAnswer { .. } | Fault::Echo(_) => page(200, Vec::new(), broken()),
    }
}
