//! The raw rate of RSA-OAEP-SHA1 decryption on one core: the ceiling for encrypted notifications.
//! Prints one JSON line; `scripts/bench` reads it.

#![allow(clippy::expect_used, clippy::print_stdout, missing_docs, reason = "a measure, not the server")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};

const MEASURED: Duration = Duration::from_secs(3);

fn main() {
    let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key");
    let public = OaepPublicEncryptingKey::new(key.public_key()).expect("its public half");
    // Through PKCS#8, as the server loads it.
    let der: Pkcs8V1Der<'static> = key.as_der().expect("its encoding");
    let key = PrivateDecryptingKey::from_pkcs8(der.as_ref()).expect("the key again");
    let key = OaepPrivateDecryptingKey::new(key).expect("a decrypting key");
    let mut wrapped = vec![0; public.ciphertext_size()];
    public.encrypt(&OAEP_SHA1_MGF1SHA1, &[7; 32], &mut wrapped, None).expect("encryption");
    let mut plain = vec![0; key.min_output_size()];
    let (began, mut n) = (Instant::now(), 0u32);
    while began.elapsed() < MEASURED {
        black_box(key.decrypt(&OAEP_SHA1_MGF1SHA1, black_box(&wrapped), &mut plain, None).expect("decryption"));
        n += 1;
    }
    println!("{{\"rsa2048_decrypts_per_second\": {:.0}}}", f64::from(n) / began.elapsed().as_secs_f64());
}
