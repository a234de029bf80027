//! The webhook endpoint on axum: the handshake and the deliveries; beside it Meta's privacy callbacks,
//! [`callback_router`].
//!
//! # Examples
//! A host that hands each delivery to its assistant, and mounts the endpoint where it likes:
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use whisp_core::error::BoxError;
//! use whisp_core::webhook::Delivery;
//! use whisp_meta::router::{WebhookSink, WebhookState, webhook_router};
//! use whisp_meta::webhook::MetaDecoder;
//!
//! #[derive(Debug)]
//! struct Inbox;
//!
//! #[async_trait]
//! impl WebhookSink for Inbox {
//!     async fn take(&self, delivery: &Delivery) -> Result<(), BoxError> {
//!         // Here: `self.assistant.ingest(delivery).await?;`
//!         println!("{} items", delivery.items.len());
//!         Ok(())
//!     }
//! }
//!
//! let state = WebhookState {
//!     decoder: Arc::new(MetaDecoder::new(&["app secret".into()])),
//!     verify_token: "verify token".into(),
//!     sink: Arc::new(Inbox),
//!     clock: Arc::new(whisp_core::testing::ManualClock::default()),
//! };
//! // Into the host's log.
//! let on_error = |line: &str| eprintln!("{line}");
//! let app: axum::Router = axum::Router::new().nest("/webhooks/meta", webhook_router(state, on_error));
//! ```

mod callback;
mod page;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use secrecy::SecretString;
use whisp_core::assistant::Assistant;
use whisp_core::clock::Clock;
use whisp_core::error::{BoxError, ErrorChain};
use whisp_core::webhook::{Delivery, WebhookDecoder, WebhookErrorKind, WebhookRequest};

use crate::webhook::{BODY_BYTES_MAX, Handshake, SIGNATURE_HEADER, handshake};
pub use callback::{CALLBACK_BODY_BYTES_MAX, CallbackSink, CallbackState, DeletionStatus, callback_router};

/// Where deliveries go: the assistant's `ingest`, or a queue in front of it.
///
/// # Contract
/// 1. `Ok` means that the delivery is kept: Meta is told so and never sends it again.
/// 2. After an error, and after a call that was dropped, the same delivery comes again, by itself or in another batch.
#[async_trait]
pub trait WebhookSink: fmt::Debug + Send + Sync + 'static {
    /// Keeps a delivery. Return within a second: Meta gives up after five, and stops sending to a slow endpoint.
    ///
    /// # Errors
    /// Any error makes Meta deliver again, later. The router tells its host.
    ///
    /// # Cancellation
    /// The call is dropped when Meta closes the connection. The delivery may then be kept or not, as a whole or in
    /// part; it comes again.
    async fn take(&self, delivery: &Delivery) -> Result<(), BoxError>;
}

#[async_trait]
impl WebhookSink for Assistant {
    /// Takes the delivery in; what is of no tenant is left to the host's own look at it.
    async fn take(&self, delivery: &Delivery) -> Result<(), BoxError> {
        self.ingest(delivery).await?;
        Ok(())
    }
}

/// What the endpoint needs.
#[derive(Debug, Clone)]
pub struct WebhookState {
    /// Verifies and decodes: a [`MetaDecoder`](crate::webhook::MetaDecoder).
    pub decoder: Arc<dyn WebhookDecoder>,
    /// The token that was typed into the App Dashboard beside the callback address.
    pub verify_token: SecretString,
    /// Where deliveries go.
    pub sink: Arc<dyn WebhookSink>,
    /// The time of receipt.
    pub clock: Arc<dyn Clock>,
}

/// Makes a router with the webhook endpoint at its root: nest it under the path of the callback address.
///
/// | request | answer |
/// |---|---|
/// | `GET` with the right verify token | 200 and the challenge |
/// | any other `GET` | 403 |
/// | `POST`, kept by the sink | 200 |
/// | `POST` without a valid signature | 401 |
/// | `POST` above [`BODY_BYTES_MAX`] | 413 |
/// | `POST`, signed, not a webhook of Meta | 400 |
/// | `POST`, refused by the sink | 503, so that it comes again |
///
/// Each request that is refused is told to `on_error`, in a line that names nobody and says what to do: a wrong secret, or a
/// store that takes nothing, would else be seen by Meta alone. Anybody on the internet can bring that about with a request,
/// so limit how much of it is kept.
pub fn webhook_router(state: WebhookState, on_error: impl Fn(&str) + Send + Sync + 'static) -> Router {
    Router::new()
        .route("/", get(subscribe).post(deliver))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(Endpoint { state, what: "a webhook", on_error: Box::new(on_error) }))
}

/// What the handlers of a router need, and whom they tell what they refuse.
struct Endpoint<S> {
    state: S,
    /// What is refused.
    what: &'static str,
    on_error: Box<dyn Fn(&str) + Send + Sync>,
}

impl<S> Endpoint<S> {
    /// Tells the host that a request is refused, and why.
    fn refuse(&self, status: StatusCode, why: impl fmt::Display) -> StatusCode {
        (self.on_error)(&format!("{} is refused with {status}: {why}", self.what));
        status
    }
}

async fn subscribe(
    State(endpoint): State<Arc<Endpoint<WebhookState>>>,
    query: Result<Query<Handshake>, QueryRejection>,
) -> Response {
    let Ok(Query(request)) = query else {
        // Not the rejection: it may quote the token.
        return endpoint.refuse(StatusCode::FORBIDDEN, "it is no handshake").into_response();
    };
    match handshake(&request, &endpoint.state.verify_token) {
        Ok(challenge) => {
            let headers: [(HeaderName, &str); 2] =
                [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
            (headers, challenge.to_owned()).into_response()
        }
        Err(error) => endpoint.refuse(StatusCode::FORBIDDEN, ErrorChain(&error)).into_response(),
    }
}

async fn deliver(
    State(endpoint): State<Arc<Endpoint<WebhookState>>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> StatusCode {
    let body = match body {
        Ok(body) => body.into(),
        Err(rejection) => return endpoint.refuse(rejection.status(), ErrorChain(&rejection)),
    };
    let state = &endpoint.state;
    let signature = headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request = WebhookRequest { signature, body, received_at: state.clock.now() };
    match state.decoder.decode(&request) {
        Ok(delivery) => match state.sink.take(&delivery).await {
            Ok(()) => StatusCode::OK,
            Err(error) => endpoint.refuse(StatusCode::SERVICE_UNAVAILABLE, ErrorChain(&*error)),
        },
        Err(error) => {
            let status = match error.kind() {
                WebhookErrorKind::Unsigned | WebhookErrorKind::BadSignature => StatusCode::UNAUTHORIZED,
                WebhookErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::BAD_REQUEST,
            };
            endpoint.refuse(status, ErrorChain(&error))
        }
    }
}
