//! How the small receiver verifies tokens.

use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use reelhook::simulator::DEMO_APP_ID;
use reelhook::simulator::identity::PUBLISHER;
use serde_json::Value;

pub struct Proof {
    keys: JwkSet,
    fault: &'static str,
}

impl Proof {
    pub fn new(key_set: &Value, fault: &'static str) -> Self {
        Self { keys: serde_json::from_value(key_set.clone()).unwrap(), fault }
    }

    fn is(&self, fault: &str) -> bool {
        self.fault == fault
    }

    /// The answer to a stranger; `None` to Graph.
    pub fn refusal_of_call(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let in_url = request.query_string().split("access_token=").nth(1);
        let is_proven = match (header.map(|text| (text, text.strip_prefix("Bearer "))), in_url) {
            _ if self.is("calls-accepts-a-genuine-token") => false,
            (None, Some(token)) if self.is("calls-refuses-tokens-in-the-url") => self.verifies_call(token),
            (None, _) => self.is("calls-refuses-no-token"),
            (Some((_, Some(token))), _) => self.verifies_call(token),
            (Some(_), _) => false,
        };
        match is_proven {
            true => None,
            false if self.is("calls-says-how-to-authenticate") => Some(HttpResponse::Unauthorized().finish()),
            false => Some(HttpResponse::Unauthorized().insert_header(("www-authenticate", "Bearer")).finish()),
        }
    }

    fn verifies_call(&self, token: &str) -> bool {
        let Some((header, claims)) = read(token) else { return self.is("calls-refuses-garbage-tokens") };
        let issuer = claims["iss"].as_str().unwrap_or_default();
        let is_validation = issuer.contains("sts.windows.net") || issuer.contains("login.microsoftonline.com");
        let is_issued = issuer == "https://api.botframework.com"
            || self.is("calls-refuses-another-issuer")
            || (is_validation && self.is("calls-refuses-validation-tokens"));
        let has_tenant = claims["tid"].is_string() || self.is("calls-refuses-no-tenant");
        let is_ours = claims["aud"] == DEMO_APP_ID || self.is("calls-refuses-another-audience");
        let now = Clock::now();
        let ends = match claims["exp"].as_i64() {
            Some(exp) => exp > now - 300 || self.is("calls-refuses-expired-tokens"),
            None => self.is("calls-refuses-no-expiry"),
        };
        let begun = claims["nbf"].as_i64().is_none_or(|nbf| nbf < now + 300);
        let begun = begun || self.is("calls-refuses-tokens-of-the-future");
        self.is_signed(token, &header) && is_issued && has_tenant && is_ours && ends && begun
    }

    fn is_signed(&self, token: &str, header: &Value) -> bool {
        let jwk = || serde_json::from_value::<Jwk>(header["jwk"].clone()).ok();
        let algorithm = header["alg"].as_str().unwrap_or_default();
        let known = header["kid"].as_str().and_then(|kid| self.keys.find(kid).cloned());
        let key = match known {
            _ if self.is("calls-refuses-altered-claims") => return true,
            _ if algorithm.eq_ignore_ascii_case("none") => return self.is("calls-refuses-alg-none"),
            _ if algorithm == "HS256" => return self.is("calls-refuses-key-confusion"),
            None if self.is("calls-refuses-keys-in-the-token") => jwk(),
            None if self.is("calls-refuses-foreign-keys") => return true,
            known => known,
        };
        let (message, signature) = token.rsplit_once('.').unwrap_or_default();
        let key = key.and_then(|key| DecodingKey::from_jwk(&key).ok());
        key.is_some_and(|key| crypto::verify(signature, message.as_bytes(), &key, Algorithm::RS256).unwrap_or(false))
    }

    /// Whether the validation tokens of a POST prove Graph.
    pub fn of_change(&self, body: &Value) -> bool {
        let tokens = body["validationTokens"].as_array().cloned().unwrap_or_default();
        match tokens.as_slice() {
            [] => self.is("encrypted-refuses-no-validation-token"),
            _ if self.is("encrypted-refuses-forged-validation-tokens") => true,
            tokens => tokens.iter().all(|token| self.verifies_change(token.as_str().unwrap_or_default())),
        }
    }

    fn verifies_change(&self, token: &str) -> bool {
        let Some((header, claims)) = read(token) else { return false };
        let (issuer, tenant) = (claims["iss"].as_str().unwrap_or_default(), claims["tid"].as_str().unwrap_or_default());
        let (publisher, is_issued) = match claims["ver"].as_str() {
            Some("1.0") => (&claims["appid"], issuer == format!("https://sts.windows.net/{tenant}/")),
            Some("2.0") => (&claims["azp"], issuer == format!("https://login.microsoftonline.com/{tenant}/v2.0")),
            _ => return false,
        };
        let is_published = publisher == PUBLISHER || self.is("encrypted-refuses-another-publisher");
        let is_taken = claims["ver"] == "1.0" || !self.is("encrypted-accepts-both-token-versions");
        let lasts = claims["exp"].as_i64().is_some_and(|exp| exp > Clock::now() - 300);
        self.is_signed(token, &header) && is_issued && is_published && is_taken && lasts && claims["aud"] == DEMO_APP_ID
    }
}

struct Clock;

impl Clock {
    fn now() -> i64 {
        reelhook::clock::Clock::system().now().as_second()
    }
}

/// The header and the claims of a token, unverified.
fn read(token: &str) -> Option<(Value, Value)> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, _] = parts[..] else { return None };
    let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    Some((json(header)?, json(claims)?))
}
