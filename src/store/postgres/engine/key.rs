//! Whether the store was sealed with the key that is given now.

use super::connections::{Client, Connections};
use super::sql;
use crate::store::StoreError;
use crate::store::seal::Seal;

const SEALED: &[u8] = b"reelhook";
/// One of several that begin at the same time writes it.
const BEGIN: &str = "INSERT INTO seal_check (sealed) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM seal_check)";

/// Whether the store was sealed with this key.
///
/// # Errors
/// It was sealed with another one.
pub async fn matches(client: &Client, seal: &Seal) -> Result<(), StoreError> {
    match sql::first(client, "SELECT sealed FROM seal_check LIMIT 1", &[]).await? {
        Some(row) => opens(seal, &sql::get::<Vec<u8>>(&row, "sealed")?),
        None => Ok(()),
    }
}

/// Checks the key; a new store remembers it.
///
/// # Errors
/// The store was sealed with another key.
pub async fn check(connections: &Connections, seal: &Seal) -> Result<(), StoreError> {
    let mut client = connections.get().await?;
    let found = async {
        let transaction = client.transaction().await?;
        transaction.batch_execute("LOCK TABLE seal_check IN EXCLUSIVE MODE").await?;
        let sealed = seal.seal("check", b"", &[SEALED])?;
        transaction.execute(BEGIN, &[&sealed]).await?;
        let row = transaction.query_one("SELECT sealed FROM seal_check LIMIT 1", &[]).await?;
        transaction.commit().await?;
        sql::get::<Vec<u8>>(&row, "sealed")
    };
    opens(seal, &found.await?)
}

fn opens(seal: &Seal, sealed: &[u8]) -> Result<(), StoreError> {
    seal.open("check", b"", sealed).map(drop).map_err(|_other_key| {
        StoreError::Unusable(
            "store.url: the store was sealed with another key: put that one into store.encryption_key; all processes \
             that share a store need the same one"
                .into(),
        )
    })
}
