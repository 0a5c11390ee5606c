//! Secrets that stand in a resource, kept beside it: its text is shown, they are not.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

/// The resource as Graph sent it: `secrets`, a JSON object of JSON pointers (RFC 6901), are put back into `data`. `None`
/// where that cannot be done.
pub fn put_back(data: &str, secrets: &SecretString) -> Option<String> {
    let mut data: Value = serde_json::from_str(data).ok()?;
    let secrets: Map<String, Value> = serde_json::from_str(secrets.expose_secret()).ok()?;
    for (path, secret) in secrets {
        let (parent, key) = path.rsplit_once('/')?;
        let parent = data.pointer_mut(parent)?.as_object_mut()?;
        parent.insert(key.replace("~1", "/").replace("~0", "~"), secret);
    }
    Some(data.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_put_where_they_stood() {
        let secrets = SecretString::from(r#"{"/a~1b/0/token":"t","/passcode":7}"#);
        let data = put_back(r#"{"a/b":[{"x":1.5}]}"#, &secrets).unwrap();
        assert_eq!(data, r#"{"a/b":[{"token":"t","x":1.5}],"passcode":7}"#);
        for data in ["", "[]", r#"{"a/b":{}}"#] {
            assert_eq!(put_back(data, &secrets), None, "{data}");
        }
    }
}
