//! A helper for the JSON that we write.

use serde_json::Value;

/// Sets a field of an object; anything else is left as it is.
pub(crate) fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Value::Object(fields) = object {
        fields.insert(key.to_owned(), value.into());
    }
}
