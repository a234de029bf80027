//! Meta's privacy callbacks: somebody took the app's access away, or asks that their data be deleted.
//!
//! Both come as a form with one field, `signed_request`: who it is, signed with the app secret. They look the same; which
//! of the two is meant is told by the address alone. The router's `callback_router` (feature `axum`) mounts both, and
//! the page that says what became of a deletion.
//!
//! # Who is meant
//! The person who connected the app: a member of the business, not a contact who writes to it. Their id is *app-scoped*:
//! Meta gives each app another one, and it is none of the ids by which contacts and accounts are known. So whoever wants
//! to find somebody by it has to keep it, as personal data, when they connect.
//!
//! # What is done, and what is left to the host
//! An [`Assistant`](whisp_core::assistant::Assistant) is where the callbacks go. It knows who connected which account where
//! the host says so when it connects it:
//! [`set_authorizer`](whisp_core::assistant::Assistant::set_authorizer). Then it disconnects what a person takes back, and
//! makes of a wish to delete a request about the business's account holder, which a member decides.
//! An id that nobody is known by is answered too, and stays «received»: look who it may be. Meta also sends lists of ids by
//! e-mail; those come to no callback: hand each to
//! [`delete_account_data`](whisp_core::assistant::Assistant::delete_account_data).
//!
//! # Examples
//! ```
//! use chrono::DateTime;
//! use whisp_meta::callback::{CallbackErrorKind, ConfirmationCode, SignedRequest, StatusAddress};
//! use whisp_meta::webhook::AppSecrets;
//!
//! let secrets = AppSecrets::new(&["app secret".into()]);
//! // The field `signed_request` of the form. Nobody has signed this one:
//! let field = format!("{}.{}", "A".repeat(43), "e30");
//! let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
//! let refused = SignedRequest::decode(&field, &secrets, now).unwrap_err();
//! assert_eq!(refused.kind(), CallbackErrorKind::BadSignature);
//!
//! // What a request to delete is answered with. The bytes come from a cryptographic source, an `IdSource`.
//! let code = ConfirmationCode::from_random([7; 16]);
//! let status = StatusAddress::new("https://example.com/meta/deletion").unwrap();
//! let json = serde_json::to_string(&status.answer(&code)).unwrap();
//! assert!(json.starts_with(r#"{"url":"https://example.com/meta/deletion/0707"#));
//! ```
//! Source: Meta, App Development, «Data Deletion Request Callback»
//! (<https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback>).

mod answer;
mod error;
mod signed_request;

pub use answer::{ConfirmationCode, DeletionAnswer, StatusAddress, StatusAddressError};
pub use error::{CallbackError, CallbackErrorKind};
pub use signed_request::{AGE_MAX, SIGNED_REQUEST_BYTES_MAX, SKEW_MAX, SignedRequest};
