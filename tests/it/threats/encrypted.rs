//! Threats 37 to 43: encrypted content. Whatever is wrong with it is one refusal by one path, its neighbours are delivered,
//! and the answer says nothing.

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use hmac::{Hmac, KeyInit, Mac};
use reelhook::simulator::payload::encryption::Encrypted;
use reelhook::simulator::{Certificate, Identity};
use sha2::Sha256;

use super::answers::{ACCEPTED, refused, still_delivers, with};
use crate::test_app::{Settings, TestApp};
use reelhook::store::Newest;

const KEY: [u8; 32] = [7; 32];

/// The parts of encrypted content that were put together by hand.
struct Parts {
    key: Vec<u8>,
    ciphertext: Vec<u8>,
    wrapping: &'static OaepAlgorithm,
}

impl Default for Parts {
    fn default() -> Self {
        let ciphertext = encrypt(b"{\"id\":\"parts\"}");
        Self { key: KEY.to_vec(), ciphertext, wrapping: &OAEP_SHA1_MGF1SHA1 }
    }
}

fn encrypt(plain: &[u8]) -> Vec<u8> {
    let iv: [u8; 16] = KEY[..16].try_into().unwrap();
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &KEY).unwrap()).unwrap();
    let mut ciphertext = plain.to_vec();
    key.less_safe_encrypt(&mut ciphertext, EncryptionContext::Iv128(FixedLength::from(iv))).unwrap();
    ciphertext
}

/// Seals for a certificate with a signature that fits: what anyone can do who has the certificate.
fn seal(certificate: &Certificate, parts: &Parts) -> Encrypted {
    let pem = certificate.private_key_pem().unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let private = PrivateDecryptingKey::from_pkcs8(&STANDARD.decode(der).unwrap()).unwrap();
    let public = OaepPublicEncryptingKey::new(private.public_key()).unwrap();
    let mut wrapped = vec![0; public.ciphertext_size()];
    public.encrypt(parts.wrapping, &parts.key, &mut wrapped, None).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&parts.key).unwrap();
    mac.update(&parts.ciphertext);
    let mut sealed = certificate.encrypt(b"{}").unwrap();
    sealed.data = STANDARD.encode(&parts.ciphertext);
    sealed.data_key = STANDARD.encode(wrapped);
    sealed.data_signature = STANDARD.encode(mac.finalize().into_bytes());
    sealed
}

/// Posts an item with this content and a good one with a good token: the one is quarantined for the reason, byte for byte,
/// the other delivered.
async fn is_quarantined(app: &mut TestApp, content: &str, reason: &str) {
    let n = app.first.delivered().len();
    let change = app.graph.change(&mut app.seed);
    let spoilt = with(&change.basic(), "encryptedContent", content);
    let good = app.graph.change(&mut app.seed).rich(app.graph.certificate.as_ref().unwrap()).unwrap();
    let post = app.graph.notifications(&[spoilt.clone(), good], true).unwrap();
    refused(app, post, ACCEPTED, &[(&format!("notifications {reason}"), 1.0)]).await;
    let newest = app.store.quarantine(Newest::up_to(1)).await.unwrap()[0].id;
    assert_eq!(app.store.quarantine_entry(newest).await.unwrap().unwrap().raw.unwrap().0, spoilt);
    let delivered = app.first.wait_for(n + 1).await;
    assert_eq!(delivered.len(), n + 1);
    assert!(delivered[n].event.data.contains("Hello World"));
}

fn flipped(base64: &str, at: usize) -> String {
    let mut bytes = STANDARD.decode(base64).unwrap();
    bytes[at] ^= 1;
    STANDARD.encode(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_together_by_hand_is_read_as_graphs_own() {
    let mut app = TestApp::start().await;
    let sealed = seal(app.graph.certificate.as_ref().unwrap(), &Parts::default());
    let mut change = app.graph.change(&mut app.seed);
    change.resource_id = "parts".into();
    let post = app.graph.notifications(&[change.rich_with(&sealed)], true).unwrap();
    refused(&app, post, ACCEPTED, &[]).await;
    assert_eq!(app.first.wait_for(1).await[0].event.data, "{\"id\":\"parts\"}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_37_content_whose_signature_does_not_fit_is_not_decrypted() {
    let mut app = TestApp::start().await;
    let good = app.graph.certificate.as_ref().unwrap().encrypt(b"{}").unwrap();
    let signature = STANDARD.decode(&good.data_signature).unwrap();
    // The HMAC over the base64 text instead of the bytes.
    let over_text = seal(app.graph.certificate.as_ref().unwrap(), &Parts::default());
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY).unwrap();
    mac.update(over_text.data.as_bytes());
    let over_text = Encrypted { data_signature: STANDARD.encode(mac.finalize().into_bytes()), ..over_text };
    is_quarantined(&mut app, &over_text.text(), "enc_invalid").await;
    for signature in [
        flipped(&good.data_signature, 0),
        flipped(&good.data_signature, 31),
        STANDARD.encode(&signature[..31]),
        STANDARD.encode(&signature[..16]),
        STANDARD.encode([&signature[..], &[0]].concat()),
        String::new(),
        URL_SAFE.encode([0xff; 32]),
    ] {
        let content = Encrypted { data_signature: signature, ..good.clone() };
        is_quarantined(&mut app, &content.text(), "enc_invalid").await;
    }
    is_quarantined(&mut app, &with(&good.text(), "dataSignature", ""), "enc_invalid").await;
    let data = Encrypted { data: flipped(&good.data, 0), ..good.clone() };
    is_quarantined(&mut app, &data.text(), "enc_invalid").await;
    let n = app.first.delivered().len();
    still_delivers(&mut app, n, &[]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_38_a_key_that_cannot_be_unwrapped_or_has_another_length_is_the_same_refusal() {
    let mut app = TestApp::start().await;
    let good = app.graph.certificate.as_ref().unwrap().encrypt(b"{}").unwrap();
    for data_key in [
        flipped(&good.data_key, 100),
        STANDARD.encode([0xff; 256]),
        STANDARD.encode([0; 256]),
        STANDARD.encode([1; 255]),
        STANDARD.encode([1; 257]),
        STANDARD.encode([1; 4096]),
        String::new(),
    ] {
        let content = Encrypted { data_key, ..good.clone() };
        is_quarantined(&mut app, &content.text(), "enc_invalid").await;
    }
    for key_bytes in [0, 15, 16, 31, 33, 64] {
        let parts = Parts { key: vec![7; key_bytes], ..Parts::default() };
        let content = seal(app.graph.certificate.as_ref().unwrap(), &parts);
        is_quarantined(&mut app, &content.text(), "enc_invalid").await;
    }
    let parts = Parts { wrapping: &OAEP_SHA256_MGF1SHA256, ..Parts::default() };
    let content = seal(app.graph.certificate.as_ref().unwrap(), &parts);
    is_quarantined(&mut app, &content.text(), "enc_invalid").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_39_a_signature_that_fits_does_not_save_a_bad_padding_or_what_is_no_json() {
    let mut app = TestApp::start().await;
    let whole = encrypt(b"{\"id\":\"parts\"}");
    for ciphertext in [
        Vec::new(),
        vec![1; 15],
        vec![1; 16],
        [&whole[..], &[1; 16]].concat(),
        whole[..15].to_vec(),
        encrypt(b""),
        encrypt(b"no json"),
        encrypt(b"\xff"),
        encrypt(b"\xef\xbb\xbf\xef\xbb\xbf{}"),
        encrypt("[".repeat(200).as_bytes()),
    ] {
        let content = seal(app.graph.certificate.as_ref().unwrap(), &Parts { ciphertext, ..Parts::default() });
        is_quarantined(&mut app, &content.text(), "enc_invalid").await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_40_a_certificate_is_looked_up_by_its_exact_id_and_nowhere_else() {
    let mut app = TestApp::start().await;
    let good = app.graph.certificate.as_ref().unwrap().encrypt(b"{}").unwrap();
    let long = "c".repeat(129);
    for id in ["cert-2", "CERT-1", "cert-1 ", "../../key.pem", "key.pem", "/etc/passwd", "cert-1\0", "", &long] {
        let content = Encrypted { certificate_id: id.into(), ..good.clone() };
        is_quarantined(&mut app, &content.text(), "cert_unknown").await;
    }
    is_quarantined(&mut app, &with(&good.text(), "encryptionCertificateId", "null"), "cert_unknown").await;
    is_quarantined(&mut app, &with(&good.text(), "encryptionCertificateId", "7"), "shape").await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_40_a_certificate_of_another_thumbprint_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("pinned.pem");
    let pinned = Certificate::in_file("pinned", &key).unwrap();
    let sealed = pinned.encrypt(b"{\"id\":\"x\"}").unwrap();
    let more = format!(
        "[[subscriptions.certificates]]\nid = \"pinned\"\nthumbprint = \"{}\"\nprivate_key = {{ file = \"{}\" }}\n",
        sealed.certificate_thumbprint,
        key.display()
    );
    let mut app = TestApp::start_with(Settings { more, ..Settings::default() }).await;
    let other = Encrypted { certificate_thumbprint: "00".repeat(20), ..sealed.clone() };
    is_quarantined(&mut app, &other.text(), "cert_unknown").await;
    let mut change = app.graph.change(&mut app.seed);
    change.resource_id = "x".into();
    let lower = Encrypted { certificate_thumbprint: sealed.certificate_thumbprint.to_lowercase(), ..sealed };
    let post = app.graph.notifications(&[change.rich_with(&lower)], true).unwrap();
    refused(&app, post, ACCEPTED, &[]).await;
    assert_eq!(app.first.wait_for(2).await.len(), 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_41_encodings_are_strict_and_bounded_by_the_body() {
    let mut app = TestApp::start().await;
    let good = app.graph.certificate.as_ref().unwrap().encrypt(&[b'x'; 40]).unwrap();
    type Change = fn(&str) -> String;
    let changes: [Change; 6] = [
        |text| format!(" {text}"),
        |text| format!("{text}\n"),
        |text| format!("{}\r\n{}", &text[..8], &text[8..]),
        |text| format!("-_{}", &text[2..]),
        |text| text[..text.len() - 1].to_owned(),
        |text| format!("{text}===="),
    ];
    for change in changes {
        let data = Encrypted { data: change(&good.data), ..good.clone() };
        let data_key = Encrypted { data_key: change(&good.data_key), ..good.clone() };
        let data_signature = Encrypted { data_signature: change(&good.data_signature), ..good.clone() };
        for content in [data, data_key, data_signature] {
            is_quarantined(&mut app, &content.text(), "enc_invalid").await;
        }
    }
    for content in ["\"text\"", "[]", "7", "true"] {
        is_quarantined(&mut app, content, "shape").await;
    }
    let repeated = format!("{{\"d\\u0061ta\":\"\",{}", &good.text()[1..]);
    is_quarantined(&mut app, &repeated, "json_duplicate").await;
    let huge = Encrypted { data: "A".repeat(2 << 20), ..good };
    let item = app.graph.change(&mut app.seed).rich_with(&huge);
    let post = app.graph.notifications(&[item], true).unwrap();
    refused(&app, post, (413, "payload too large\n"), &[("notifications body_too_large", 1.0)]).await;
    let n = app.first.delivered().len();
    still_delivers(&mut app, n, &[]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_42_what_anyone_can_encrypt_proves_nothing_without_a_token() {
    let mut app = TestApp::start().await;
    let certificate = app.graph.certificate.as_ref().unwrap();
    let forged = app.graph.change(&mut app.seed).rich(certificate).unwrap();
    let post = app.graph.notifications(std::slice::from_ref(&forged), false).unwrap();
    refused(&app, post, ACCEPTED, &[("notifications jwt_missing", 1.0)]).await;
    let stranger: Identity = app.graph.identity.stranger().unwrap();
    let token = stranger.validation_token_v2(&app.graph.app_id, &app.graph.tenant);
    let token = token.header("kid", app.graph.identity.kid()).sign().unwrap();
    let body = reelhook::simulator::payload::changes(std::slice::from_ref(&forged), &[token]);
    let post = app.graph.notifications_with(body);
    refused(&app, post, ACCEPTED, &[("notifications jwt_signature", 1.0)]).await;
    // A lifecycle path is no way round, nor is another spelling of the key.
    let item = with(&forged, "lifecycleEvent", "\"missed\"");
    refused(&app, app.graph.lifecycle(&[item]), ACCEPTED, &[("lifecycle jwt_missing", 1.0)]).await;
    let item = forged.replace("\"encryptedContent\"", "\"EncryptedContent\"");
    let post = app.graph.notifications(&[item], false).unwrap();
    refused(&app, post, ACCEPTED, &[("notifications jwt_missing", 1.0)]).await;
    still_delivers(&mut app, 0, &[]).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_42_content_must_be_what_the_item_says_it_is() {
    let mut app = TestApp::start().await;
    let content = app.graph.certificate.as_ref().unwrap().encrypt(b"{\"id\":\"another\"}").unwrap();
    is_quarantined(&mut app, &content.text(), "enc_invalid").await;
    let repeated = app.graph.certificate.as_ref().unwrap().encrypt(b"{\"id\":\"x\",\"\\u0069d\":\"another\"}").unwrap();
    is_quarantined(&mut app, &repeated.text(), "enc_invalid").await;
    app.stop().await;
}

#[test]
fn threat_43_no_rsa_of_variable_time_is_in_the_tree() {
    let (lock, deny) = (include_str!("../../../Cargo.lock"), include_str!("../../../deny.toml"));
    assert!(lock.contains("name = \"aws-lc-rs\""));
    assert!(!lock.contains("name = \"rsa\"\n"));
    for banned in ["rsa", "ring", "openssl"] {
        assert!(deny.contains(&format!("crate = \"{banned}\"")), "{banned} may come");
    }
}
