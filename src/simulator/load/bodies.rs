//! Bodies for load: each differs from every other, none costs more than a copy and a few digits.
//!
//! **Invariants**
//! 1. Within a run no two bodies are the same bytes; between runs neither, unless the seed is the same.
//! 2. Every body is one that Graph could send: what varies is ids, and the client context.

use bytes::Bytes;

use crate::simulator::payload::{self, Recording, Seed};
use crate::simulator::{Graph, SimulatorError};

/// The digits that are put in for each body: the last group of a UUID, so that dashed and undashed ids vary alike.
const N_DIGITS: usize = 12;
/// What stands for them in a template. Found in upper case too: ids in paths are. No end of it is a beginning of it, so
/// that it is found where it was put, whatever digits an id has before it.
const MARK: &str = "aaaaaaaaaaab";
/// How many encrypted items are made beforehand.
const N_ENCRYPTED: usize = 256;

/// Makes the bodies of a run by their number.
pub struct Bodies(Vec<Template>);

struct Template {
    text: Vec<u8>,
    at: Vec<usize>,
}

impl Template {
    fn new(text: String) -> Self {
        let lower = text.to_ascii_lowercase();
        Self { at: lower.match_indices(MARK).map(|(at, _)| at).collect(), text: text.into_bytes() }
    }

    fn render(&self, number: u64) -> Bytes {
        let mut body = self.text.clone();
        let mut digits = [b'0'; N_DIGITS];
        let mut left = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(left % 10).unwrap_or_default();
            left /= 10;
        }
        for at in &self.at {
            body[*at..*at + N_DIGITS].copy_from_slice(&digits);
        }
        body.into()
    }
}

impl Bodies {
    /// Record operations that were completed, one in each body.
    pub fn recordings(seed: &mut Seed) -> Self {
        let mut recording = Recording::new(seed);
        recording.call = marked(recording.call);
        recording.operation = marked(recording.operation);
        recording.client_context = format!("load-{}-{MARK}", &recording.client_context[..8]);
        Self(vec![Template::new(payload::comms(&[recording.completed()]))])
    }

    /// Changes without content, one in each body.
    pub fn changes(graph: &Graph, seed: &mut Seed) -> Self {
        let mut change = graph.change(seed);
        change.id = marked(change.id);
        change.resource_id = marked(seed.uuid()).to_string();
        Self(vec![Template::new(payload::changes(&[change.basic()], &[]))])
    }

    /// Changes with encrypted content, from a pool of contents: only the notification's id differs within it, as the
    /// content and the ids that it repeats belong together.
    ///
    /// # Errors
    /// There is no certificate, or the cryptography library did not encrypt.
    pub fn encrypted(graph: &Graph, seed: &mut Seed) -> Result<Self, SimulatorError> {
        let certificate = graph.certificate.as_ref().ok_or(SimulatorError::Crypto("encrypt without a certificate"))?;
        let token = graph.identity.validation_token_v2(&graph.app_id, &graph.tenant).sign()?;
        let mut templates = Vec::with_capacity(N_ENCRYPTED);
        for _ in 0..N_ENCRYPTED {
            let mut change = graph.change(seed);
            change.id = marked(change.id);
            let body = payload::changes(&[change.rich(certificate)?], std::slice::from_ref(&token));
            templates.push(Template::new(body));
        }
        Ok(Self(templates))
    }

    /// The body with this number.
    pub fn get(&self, number: u64) -> Bytes {
        let index = usize::try_from(number % self.0.len().max(1) as u64).unwrap_or_default();
        self.0.get(index).map(|template| template.render(number)).unwrap_or_default()
    }
}

/// An id whose last group is the mark.
fn marked(id: uuid::Uuid) -> uuid::Uuid {
    let mark = u128::from_str_radix(MARK, 16).unwrap_or_default();
    uuid::Uuid::from_u128((id.as_u128() >> (4 * N_DIGITS) << (4 * N_DIGITS)) | mark)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn each_body_has_ids_and_a_client_context_of_its_own_and_they_belong_together() {
        let bodies = Bodies::recordings(&mut Seed::new(1));
        let read = |number| -> Value { serde_json::from_slice(&bodies.get(number)).unwrap() };
        let (one, other) = (read(1), read(123_456_789_012));
        let resource = |body: &Value| body["value"][0]["resourceData"].clone();
        for key in ["id", "clientContext", "@odata.id"] {
            assert_ne!(resource(&one)[key], resource(&other)[key], "{key}");
        }
        assert!(resource(&other)["clientContext"].as_str().unwrap().ends_with("-123456789012"));
        let path = one["value"][0]["resourceUrl"].as_str().unwrap();
        let id = resource(&one)["id"].as_str().unwrap().replace('-', "").to_uppercase();
        assert!(path.ends_with(&id), "{path} {id}");
        assert!(!String::from_utf8_lossy(&bodies.get(1)).to_lowercase().contains(MARK));
    }

    #[test]
    fn whatever_digits_an_id_has_before_those_that_vary_its_spellings_belong_together() {
        for seed in 0..1000 {
            let body = Bodies::recordings(&mut Seed::new(seed)).get(7);
            let item = &serde_json::from_slice::<Value>(&body).unwrap()["value"][0];
            let id = item["resourceData"]["id"].as_str().unwrap().replace('-', "").to_uppercase();
            let path = item["resourceUrl"].as_str().unwrap();
            assert!(path.ends_with(&id) && id.ends_with("000000000007"), "seed {seed}: {path} {id}");
        }
    }
}
