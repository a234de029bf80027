//! Meta's privacy callbacks on axum, and the page that says what became of a deletion.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use serde::Deserialize;
use whisp_core::assistant::{Assistant, DeletionProgress, PlatformWord};
use whisp_core::clock::Clock;
use whisp_core::error::{BoxError, ErrorChain};
use whisp_core::id::IdSource;

use super::{Endpoint, page};
use crate::callback::{CallbackErrorKind, ConfirmationCode, SIGNED_REQUEST_BYTES_MAX, SignedRequest, StatusAddress};
use crate::webhook::AppSecrets;

/// The largest body of a callback that is read, in bytes: room for the field and what is around it.
pub const CALLBACK_BODY_BYTES_MAX: usize = 2 * SIGNED_REQUEST_BYTES_MAX;

/// How far a request to delete has come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeletionStatus {
    /// No request has this code.
    Unknown,
    /// It is kept, and being worked on.
    Received,
    /// The data is deleted.
    Done,
    /// It is not done, or not in full, and the law allows that.
    Refused {
        /// Why, in plain words for the person: what is kept, on which ground, until when. Names nobody. The page shows
        /// the first 2,000 characters.
        reason: String,
    },
}

/// Where the callbacks go: an [`Assistant`], or the host's own.
///
/// # Contract
/// 1. `Ok` of `deauthorize` and `delete` means that what was asked is kept, or done: Meta is told so and does not tell
///    it again. The work itself may take days; the answer does not wait for it.
/// 2. After an error, and after a call that was dropped, the same request may come again, or never: Meta promises no
///    retry.
/// 3. A request that comes again has the same [`digest`](SignedRequest::digest). It has its effect once; `delete`
///    returns the code that it returned at first. The two methods remember apart: the same request may come to both.
/// 4. A code that `delete` returned is known to `status` from then on, for as long as the person may want to look.
/// 5. `status` changes nothing and says nothing of who asked.
#[async_trait]
pub trait CallbackSink: fmt::Debug + Send + Sync + 'static {
    /// Somebody took away the app's access: stop using their tokens, send nothing in their name, and start to count the
    /// time for which their data is kept. It is a withdrawal, not yet a wish to delete.
    ///
    /// # Errors
    /// Any error is answered 503. The router tells its host.
    ///
    /// # Cancellation
    /// The call is dropped when Meta closes the connection; what was asked may then be kept or not.
    async fn deauthorize(&self, request: &SignedRequest) -> Result<(), BoxError>;

    /// Somebody wants their data deleted. Keep the request under `code`, which is new, or under one of your own that nobody
    /// can guess, and return it; if this request came before, return the code of then.
    ///
    /// # Errors
    /// As [`deauthorize`](Self::deauthorize).
    ///
    /// # Cancellation
    /// As [`deauthorize`](Self::deauthorize).
    async fn delete(&self, request: &SignedRequest, code: ConfirmationCode) -> Result<ConfirmationCode, BoxError>;

    /// Says how far the request of this code has come.
    ///
    /// # Errors
    /// Any error is answered 503, without a page.
    ///
    /// # Cancellation
    /// The call is dropped when the reader goes away.
    async fn status(&self, code: &ConfirmationCode) -> Result<DeletionStatus, BoxError>;
}

/// What the callbacks need.
#[derive(Debug, Clone)]
pub struct CallbackState {
    /// The app secret, the Instagram app secret where the app has one, and during a rotation the old ones.
    pub secrets: AppSecrets,
    /// Where the public finds the status pages: those of this router, or the host's own.
    pub status: StatusAddress,
    /// Where the callbacks go.
    pub sink: Arc<dyn CallbackSink>,
    /// The time, by which a request is too old.
    pub clock: Arc<dyn Clock>,
    /// Random bytes for codes. They must be of a cryptographic source.
    pub ids: Arc<dyn IdSource>,
}

/// Makes a router with both callbacks and the status page: nest it beside the webhooks, and type the addresses into the
/// App Dashboard as «Deauthorize callback URL» and «Data deletion request URL».
///
/// | request | answer |
/// |---|---|
/// | `POST /deauthorize`, kept by the sink | 200 |
/// | `POST /deletion`, kept by the sink | 200 and a [`DeletionAnswer`](crate::callback::DeletionAnswer) |
/// | `POST` without a valid signature, or signed too long ago | 401 |
/// | `POST` above [`CALLBACK_BODY_BYTES_MAX`], or with a request above [`SIGNED_REQUEST_BYTES_MAX`] | 413 |
/// | `POST` that is not a form | 415 |
/// | `POST`, not a form of one such field, or signed and not a request of Meta | 400 |
/// | `GET /deletion/{code}` | 200 and a page of plain HTML, in English |
/// | the same with a code that nobody was given | 404 and a page |
/// | any of them, refused by the sink | 503 |
///
/// Each request that is refused is told to `on_error`, in a line that names nobody and says what to do; anybody on the
/// internet can bring that about, as with [`webhook_router`](super::webhook_router).
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// use whisp_core::assistant::Assistant;
/// use whisp_meta::callback::StatusAddress;
/// use whisp_meta::router::{CallbackState, callback_router};
/// use whisp_meta::webhook::AppSecrets;
///
/// # fn callbacks(assistant: Assistant) -> Result<axum::Router, whisp_meta::callback::StatusAddressError> {
/// let state = CallbackState {
///     secrets: AppSecrets::new(&["app secret".into()]),
///     status: StatusAddress::new("https://example.com/meta/deletion")?,
///     sink: Arc::new(assistant),
///     clock: Arc::new(whisp_core::testing::ManualClock::default()),
///     // Not these: `whisp_core::system::RandomIds`.
///     ids: Arc::new(whisp_core::testing::SeqIds::default()),
/// };
/// // Into the host's log.
/// let on_error = |line: &str| eprintln!("{line}");
/// Ok(axum::Router::new().nest("/meta", callback_router(state, on_error)))
/// # }
/// ```
pub fn callback_router(state: CallbackState, on_error: impl Fn(&str) + Send + Sync + 'static) -> Router {
    Router::new()
        .route("/deauthorize", post(deauthorize))
        .route("/deletion", post(delete))
        .route("/deletion/{code}", get(status))
        .layer(DefaultBodyLimit::max(CALLBACK_BODY_BYTES_MAX))
        .with_state(Arc::new(Endpoint { state, what: "a callback", on_error: Box::new(on_error) }))
}

/// It knows who is meant where the host has told it who connected an account:
/// [`set_authorizer`](Assistant::set_authorizer).
#[async_trait]
impl CallbackSink for Assistant {
    async fn deauthorize(&self, request: &SignedRequest) -> Result<(), BoxError> {
        Self::deauthorize(self, &word(request)).await?;
        Ok(())
    }

    async fn delete(&self, request: &SignedRequest, _code: ConfirmationCode) -> Result<ConfirmationCode, BoxError> {
        Ok(ConfirmationCode::from_random(self.delete_account_data(&word(request)).await?))
    }

    async fn status(&self, code: &ConfirmationCode) -> Result<DeletionStatus, BoxError> {
        Ok(match self.deletion(code.bytes()).await? {
            None => DeletionStatus::Unknown,
            Some(DeletionProgress::Done) => DeletionStatus::Done,
            Some(DeletionProgress::Withheld) => DeletionStatus::Refused {
                reason: "Part of the data is kept, or all of it. The business has the reason and tells it on request."
                    .to_owned(),
            },
            Some(_) => DeletionStatus::Received,
        })
    }
}

fn word(request: &SignedRequest) -> PlatformWord {
    PlatformWord { user: request.user_id.clone(), digest: request.digest, repeats_until: request.expires_at() }
}

#[derive(Deserialize)]
struct Fields {
    signed_request: Option<String>,
}

type Body = Result<Form<Fields>, FormRejection>;
type Shared = State<Arc<Endpoint<CallbackState>>>;

async fn deauthorize(State(endpoint): Shared, body: Body) -> StatusCode {
    let request = match read(&endpoint, body) {
        Ok(request) => request,
        Err(status) => return status,
    };
    match endpoint.state.sink.deauthorize(&request).await {
        Ok(()) => StatusCode::OK,
        Err(error) => endpoint.refuse(StatusCode::SERVICE_UNAVAILABLE, ErrorChain(&*error)),
    }
}

async fn delete(State(endpoint): Shared, body: Body) -> Response {
    let request = match read(&endpoint, body) {
        Ok(request) => request,
        Err(status) => return status.into_response(),
    };
    let state = &endpoint.state;
    let mut bytes = [0; 16];
    state.ids.fill(&mut bytes);
    match state.sink.delete(&request, ConfirmationCode::from_random(bytes)).await {
        Ok(code) => ([(header::CACHE_CONTROL, "no-store")], Json(state.status.answer(&code))).into_response(),
        Err(error) => endpoint.refuse(StatusCode::SERVICE_UNAVAILABLE, ErrorChain(&*error)).into_response(),
    }
}

async fn status(State(endpoint): Shared, Path(code): Path<String>) -> Response {
    let status = match ConfirmationCode::parse(&code) {
        Some(code) => endpoint.state.sink.status(&code).await,
        None => Ok(DeletionStatus::Unknown),
    };
    match status {
        Ok(status) => page::response(&status),
        Err(error) => endpoint.refuse(StatusCode::SERVICE_UNAVAILABLE, ErrorChain(&*error)).into_response(),
    }
}

/// Verifies and reads the form, or says what to answer instead.
fn read(endpoint: &Endpoint<CallbackState>, body: Body) -> Result<SignedRequest, StatusCode> {
    let Form(fields) = body.map_err(|rejection| {
        let status = match rejection.status() {
            // axum tells what it can't read from what it can't understand; for Meta both are a bad request.
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            other => other,
        };
        // Not the rejection: it may quote the form.
        endpoint.refuse(status, "it is no form of one `signed_request`")
    })?;
    let field = fields
        .signed_request
        .ok_or_else(|| endpoint.refuse(StatusCode::UNAUTHORIZED, "it has no field `signed_request`"))?;
    let state = &endpoint.state;
    SignedRequest::decode(&field, &state.secrets, state.clock.now()).map_err(|error| {
        let status = match error.kind() {
            CallbackErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            CallbackErrorKind::Malformed => StatusCode::BAD_REQUEST,
            _ => StatusCode::UNAUTHORIZED,
        };
        endpoint.refuse(status, ErrorChain(&error))
    })
}
