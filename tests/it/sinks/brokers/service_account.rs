//! The key of a service account of Google, made by `openssl`, and what a token is asked for with it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::certificates::openssl;
use crate::sinks::answering::Request;

/// Writes a secret.
pub fn write(file: &Path, secret: &str) {
    fs::write(file, secret).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A folder with the key of a service account, which gets its tokens at `token_uri`, and the public key.
pub fn account(token_uri: &str) -> (TempDir, PathBuf, DecodingKey) {
    let folder = tempfile::tempdir().unwrap();
    openssl(folder.path(), "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem");
    openssl(folder.path(), "rsa -in key.pem -RSAPublicKey_out -outform DER -out public.der");
    let key = json!({
        "type": "service_account", "private_key_id": "key-1", "client_email": "reelhook@example.com",
        "private_key": fs::read_to_string(folder.path().join("key.pem")).unwrap(), "token_uri": token_uri,
    });
    let file = folder.path().join("account.json");
    write(&file, &key.to_string());
    let public = DecodingKey::from_rsa_der(&fs::read(folder.path().join("public.der")).unwrap());
    (folder, file, public)
}

/// What the token is good for that a request asks for, whose assertion must be one of the account.
pub fn scope_of(request: &Request, public: &DecodingKey, token_uri: &str) -> String {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    assert_eq!(form[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let mut expected = Validation::new(Algorithm::RS256);
    expected.set_audience(&[token_uri]);
    let claims = decode::<Value>(&form[1].1, public, &expected).unwrap().claims;
    assert_eq!(decode_header(&form[1].1).unwrap().kid.as_deref(), Some("key-1"));
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("reelhook@example.com"), &json!(token_uri)));
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
    claims["scope"].as_str().unwrap().to_owned()
}
