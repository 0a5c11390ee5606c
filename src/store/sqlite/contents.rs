//! What an event holds that may be secret, as one sealed value: the recording's token (of other resources what secrets they
//! held), the data and the raw item. One value is sealed, stored and read at the price of one.

use secrecy::{ExposeSecret, SecretString};

use crate::domain::EventId;
use crate::store::StoreError;
use crate::store::seal::Seal;

/// The label that events' contents are sealed under.
const LABEL: &str = "event";
/// The length that stands for "no token".
const NO_TOKEN: u32 = u32::MAX;

/// Seals an event's contents: the lengths of token and data, then token, data and raw item.
///
/// # Errors
/// The provider failed, or something is longer than 4 GiB.
pub fn seal(
    seal: &Seal,
    id: EventId,
    token: Option<&SecretString>,
    (data, raw): (&str, &[u8]),
) -> Result<Vec<u8>, StoreError> {
    let too_long = |_error| StoreError::Database("an event of more than 4 GiB cannot be stored".into());
    let data_bytes = u32::try_from(data.len()).map_err(too_long)?.to_le_bytes();
    let (token_bytes, token) = match token {
        Some(token) => (u32::try_from(token.expose_secret().len()).map_err(too_long)?, token.expose_secret()),
        None => (NO_TOKEN, ""),
    };
    let parts = [&token_bytes.to_le_bytes()[..], &data_bytes, token.as_bytes(), data.as_bytes(), raw];
    seal.seal(LABEL, id.0.as_bytes(), &parts)
}

/// Opens an event's token and data.
///
/// # Errors
/// It was sealed with another key or for another event, or was damaged.
pub fn open(seal: &Seal, id: EventId, sealed: &[u8]) -> Result<(Option<SecretString>, String), StoreError> {
    let plain = seal.open(LABEL, id.0.as_bytes(), sealed)?;
    read(&plain).ok_or_else(|| StoreError::Database("an event's contents are not what was sealed".into()))
}

fn read(plain: &[u8]) -> Option<(Option<SecretString>, String)> {
    let (token_bytes, rest) = plain.split_first_chunk()?;
    let (data_bytes, rest) = rest.split_first_chunk()?;
    let (token, rest) = match u32::from_le_bytes(*token_bytes) {
        NO_TOKEN => (None, rest),
        n_bytes => {
            let (token, rest) = rest.split_at_checked(usize::try_from(n_bytes).ok()?)?;
            (Some(SecretString::from(str::from_utf8(token).ok()?)), rest)
        }
    };
    let (data, _raw) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*data_bytes)).ok()?)?;
    Some((token, str::from_utf8(data).ok()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    proptest! {
        #[test]
        fn what_was_sealed_is_what_is_opened(
            token in proptest::option::of(".*"), data in ".*", raw in proptest::collection::vec(any::<u8>(), 0..99)
        ) {
            let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
            let by = Seal::new(Some(&key.into()), std::path::Path::new("unused")).unwrap();
            let id = EventId(Uuid::from_u128(7));
            let secret = token.as_deref().map(SecretString::from);
            let sealed = seal(&by, id, secret.as_ref(), (&data, &raw)).unwrap();
            let (opened, read) = open(&by, id, &sealed).unwrap();
            prop_assert_eq!(opened.as_ref().map(|it| it.expose_secret().to_owned()), token);
            prop_assert_eq!(read, data);
            prop_assert!(open(&by, EventId(Uuid::from_u128(8)), &sealed).is_err());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = read(&bytes);
        }
    }
}
