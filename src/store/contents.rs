//! The part of an event that may be secret or that no query needs, as one sealed value: the recording's token (or the
//! secrets of other resources), the data, the carried fields and the raw item. Sealing, storing and reading one value
//! costs less than four.

use secrecy::{ExposeSecret, SecretString};

use crate::domain::{Carried, EventId};
use crate::store::StoreError;
use crate::store::seal::Seal;

/// The label that events' contents are sealed under.
const LABEL: &str = "event";
/// The length that stands for "no token".
const NO_TOKEN: u32 = u32::MAX;
/// The first number of contents that hold carried fields. Contents of older versions begin with the token's length.
const WITH_CARRIED: u32 = u32::MAX - 1;

/// The values that are sealed.
pub struct Contents<'a> {
    /// The recording's token.
    pub token: Option<&'a SecretString>,
    /// CloudEvents data.
    pub data: &'a str,
    /// The carried fields.
    pub carried: &'a Carried,
    /// The item, byte for byte.
    pub raw: &'a [u8],
}

/// The values that are opened: all but the raw item.
#[derive(Debug, Default)]
pub struct Opened {
    /// The recording's token, while it is kept.
    pub token: Option<SecretString>,
    /// CloudEvents data.
    pub data: String,
    /// The carried fields; empty if an older version wrote the value.
    pub carried: Carried,
}

/// Seals an event's contents: the lengths of token, data and carried fields, then these and the raw item.
///
/// # Errors
/// The cryptographic provider failed, or a value is longer than 4 GiB.
pub fn seal(seal: &Seal, id: EventId, contents: &Contents<'_>) -> Result<Vec<u8>, StoreError> {
    let Contents { token, data, carried, raw } = contents;
    let length = |n_bytes: usize| u32::try_from(n_bytes).ok().filter(|n| *n < WITH_CARRIED).map(u32::to_le_bytes);
    let too_long = || StoreError::Database("an event of more than 4 GiB cannot be stored".into());
    let carried = serde_json::to_vec(carried).map_err(|error| StoreError::Database(error.to_string()))?;
    let (token_bytes, token) = match token {
        Some(token) => (length(token.expose_secret().len()).ok_or_else(too_long)?, token.expose_secret()),
        None => (NO_TOKEN.to_le_bytes(), ""),
    };
    let data_bytes = length(data.len()).ok_or_else(too_long)?;
    let carried_bytes = length(carried.len()).ok_or_else(too_long)?;
    let lengths = [WITH_CARRIED.to_le_bytes(), token_bytes, data_bytes, carried_bytes];
    let parts = [lengths.as_flattened(), token.as_bytes(), data.as_bytes(), &carried, raw];
    seal.seal(LABEL, id.0.as_bytes(), &parts)
}

/// Opens an event's contents.
///
/// # Errors
/// The contents were sealed with another key or for another event, or they are damaged.
pub fn open(seal: &Seal, id: EventId, sealed: &[u8]) -> Result<Opened, StoreError> {
    let plain = seal.open(LABEL, id.0.as_bytes(), sealed)?;
    read(&plain).map(|(opened, _raw)| opened).ok_or_else(unreadable)
}

/// Opens the raw item of an event; empty: it was wiped, or reelhook made the event.
///
/// # Errors
/// As [`open`].
pub fn open_raw(seal: &Seal, id: EventId, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let plain = seal.open(LABEL, id.0.as_bytes(), sealed)?;
    read(&plain).map(|(_opened, raw)| raw.to_vec()).ok_or_else(unreadable)
}

fn unreadable() -> StoreError {
    StoreError::Database("an event's contents are not what was sealed".into())
}

fn read(plain: &[u8]) -> Option<(Opened, &[u8])> {
    let (first, rest) = length(plain)?;
    let (token_bytes, rest) = if first == WITH_CARRIED { length(rest)? } else { (first, rest) };
    let (data_bytes, rest) = length(rest)?;
    let (carried_bytes, rest) = if first == WITH_CARRIED { length(rest)? } else { (0, rest) };
    let (token, rest) = match token_bytes {
        NO_TOKEN => (None, rest),
        n_bytes => {
            let (token, rest) = text(rest, n_bytes)?;
            (Some(SecretString::from(token)), rest)
        }
    };
    let (data, rest) = text(rest, data_bytes)?;
    let (carried, raw) = text(rest, carried_bytes)?;
    let carried = if carried.is_empty() { Carried::default() } else { serde_json::from_str(carried).ok()? };
    Some((Opened { token, data: data.to_owned(), carried }, raw))
}

fn length(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (n_bytes, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*n_bytes), rest))
}

fn text(bytes: &[u8], n_bytes: u32) -> Option<(&str, &[u8])> {
    let (text, rest) = bytes.split_at_checked(usize::try_from(n_bytes).ok()?)?;
    Some((str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn key() -> Seal {
        let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        Seal::new(Some(&key.into()), std::path::Path::new("unused")).unwrap()
    }

    #[test]
    fn what_an_older_version_sealed_is_opened() {
        let (by, id) = (key(), EventId(Uuid::from_u128(7)));
        for token in [Some("secret"), None] {
            let token_bytes = token.map_or(NO_TOKEN, |token| token.len() as u32).to_le_bytes();
            let parts = [&token_bytes[..], &2u32.to_le_bytes(), token.unwrap_or_default().as_bytes(), b"{}", b"raw"];
            let opened = open(&by, id, &by.seal(LABEL, id.0.as_bytes(), &parts).unwrap()).unwrap();
            assert_eq!(opened.token.as_ref().map(|it| it.expose_secret()), token);
            assert_eq!((opened.data.as_str(), opened.carried), ("{}", Carried::default()));
        }
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_what_is_opened(
            token in proptest::option::of(".*"), data in ".*", call_id in proptest::option::of(".*"),
            raw in proptest::collection::vec(any::<u8>(), 0..99)
        ) {
            let (by, id) = (key(), EventId(Uuid::from_u128(7)));
            let secret = token.as_deref().map(SecretString::from);
            let carried = Carried { call_id, ..Carried::default() };
            let contents = Contents { token: secret.as_ref(), data: &data, carried: &carried, raw: &raw };
            let sealed = seal(&by, id, &contents).unwrap();
            let opened = open(&by, id, &sealed).unwrap();
            prop_assert_eq!(opened.token.as_ref().map(|it| it.expose_secret().to_owned()), token);
            prop_assert_eq!(opened.data, data);
            prop_assert_eq!(opened.carried, carried);
            prop_assert_eq!(open_raw(&by, id, &sealed).unwrap(), raw);
            prop_assert!(open(&by, EventId(Uuid::from_u128(8)), &sealed).is_err());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes);
        }
    }
}
