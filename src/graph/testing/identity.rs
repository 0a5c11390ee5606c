//! Microsoft's side, for tests: a signing key with its tokens, and a provider that publishes it. Knows nothing of ours,
//! so that `tests/it` can take it in as well.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use parking_lot::Mutex;
use serde_json::{Value, json};

/// An RSA-2048 key in PKCS#8, made once for the process.
pub fn rsa_key() -> &'static [u8] {
    static KEY: OnceLock<Vec<u8>> = OnceLock::new();
    KEY.get_or_init(new_rsa_key)
}

fn new_rsa_key() -> Vec<u8> {
    let der: Pkcs8V1Der<'_> = KeyPair::generate(KeySize::Rsa2048).unwrap().as_der().unwrap();
    der.as_ref().to_vec()
}

/// The PKCS#1 key inside a PKCS#8 one: the last OCTET STRING (RFC 5208).
pub fn pkcs1(pkcs8: &[u8]) -> &[u8] {
    let at = pkcs8.windows(2).position(|pair| pair == [0x04, 0x82]).unwrap();
    &pkcs8[at + 4..]
}

/// A PEM text.
pub fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

/// A signing key with its name.
pub struct Identity {
    kid: &'static str,
    pkcs8: Vec<u8>,
}

impl Identity {
    /// The process's one key.
    pub fn shared(kid: &'static str) -> Self {
        Self { kid, pkcs8: rsa_key().to_vec() }
    }

    /// A key of its own.
    pub fn fresh(kid: &'static str) -> Self {
        Self { kid, pkcs8: new_rsa_key() }
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({ "typ": "JWT", "alg": "RS256", "kid": self.kid }), &claims.to_string())
    }

    /// A token with this header and payload, signed whatever they say.
    pub fn token_with(&self, header: &Value, payload: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", encode(&header.to_string()), encode(payload));
        let key = EncodingKey::from_rsa_der(pkcs1(&self.pkcs8));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::RS256).unwrap();
        format!("{message}.{signature}")
    }

    /// The modulus.
    pub fn modulus(&self) -> Vec<u8> {
        let pair = KeyPair::from_pkcs8(&self.pkcs8).unwrap();
        pair.public_key().modulus().big_endian_without_leading_zero().to_vec()
    }

    /// The public key as it is published.
    pub fn jwk(&self, with: Value) -> Value {
        let mut jwk = json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "n": URL_SAFE_NO_PAD.encode(self.modulus()), "e": "AQAB",
        });
        jwk.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        jwk
    }
}

/// What a provider publishes, and what was asked of it.
pub struct Published {
    pub jwks: Mutex<String>,
    pub configuration: Mutex<String>,
    pub status: AtomicU16,
    pub n_fetches: AtomicUsize,
}

/// An OpenID provider on a port of its own.
pub struct Provider {
    /// Where its configuration is.
    pub url: url::Url,
    /// What it says.
    pub published: Arc<Published>,
}

impl Provider {
    /// Starts one that publishes `keys`. An actix system must be running.
    pub fn start(keys: &[Value]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let configuration = json!({
            "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0", "jwks_uri": format!("{base}/keys"),
        });
        let published = Arc::new(Published {
            jwks: Mutex::new(json!({ "keys": keys }).to_string()),
            configuration: Mutex::new(configuration.to_string()),
            status: AtomicU16::new(200),
            n_fetches: AtomicUsize::new(0),
        });
        let shared = web::Data::from(Arc::clone(&published));
        let app = move || {
            App::new()
                .app_data(shared.clone())
                .route("/configuration", web::get().to(configuration_of))
                .route("/keys", web::get().to(keys_of))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
        actix_web::rt::spawn(server);
        Self { url: format!("{base}/configuration").parse().unwrap(), published }
    }

    /// Publishes other keys from now on.
    pub fn publish(&self, keys: &[Value]) {
        *self.published.jwks.lock() = json!({ "keys": keys }).to_string();
    }

    /// Answers with this status from now on.
    pub fn answer_with(&self, status: u16) {
        self.published.status.store(status, Ordering::SeqCst);
    }

    /// How many times its configuration was fetched.
    pub fn n_fetches(&self) -> usize {
        self.published.n_fetches.load(Ordering::SeqCst)
    }
}

async fn configuration_of(published: web::Data<Published>) -> HttpResponse {
    published.n_fetches.fetch_add(1, Ordering::SeqCst);
    let status = StatusCode::from_u16(published.status.load(Ordering::SeqCst)).unwrap();
    HttpResponse::build(status).insert_header(("location", "/keys")).body(published.configuration.lock().clone())
}

async fn keys_of(published: web::Data<Published>) -> HttpResponse {
    HttpResponse::Ok().body(published.jwks.lock().clone())
}
