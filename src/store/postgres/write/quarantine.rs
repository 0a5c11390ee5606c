//! The quarantine: bounded in entries and bytes, with a share for each class of senders; and operators' requests to
//! verify an entry again.
//!
//! **Invariants**
//! 1. An entry of a stranger makes room by removing only strangers' entries. Known senders have their own share;
//!    strangers may use the free part of it until it is needed.
//! 2. An entry that waits for keys is never removed to make room.
//! 3. The tokens of a POST go with the last entry that needs them, and at the latest
//!    [`crate::store::WAITS_AT_MOST`] after they arrived.

use async_trait::async_trait;

use super::exchanges::{resize, size};
use crate::domain::{QuarantineClass as Class, Quarantined, Reason};
use crate::store::WAITS_AT_MOST;
use crate::store::decisions::bounds::{self, Size};
use crate::store::decisions::entry::{self, Entry};
use crate::store::instants::micros;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get};
use crate::store::postgres::engine::text;
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::Work;

/// How many entries one round of trimming removes at most.
const TRIM_ROUND: i64 = 1000;

const INSERT: &str = "INSERT INTO quarantine (id, received_at, channel, reason, tenant_id, n_bytes, request_bytes, class, \
    post, sealed, sealed_request) SELECT id, received_at, channel, reason, tenant_id, n_bytes, request_bytes, class, post, \
    sealed, sealed_request FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], \
    $7::bigint[], $8::smallint[], $9::bigint[], $10::bytea[], $11::bytea[]) AS new (id, received_at, channel, reason, \
    tenant_id, n_bytes, request_bytes, class, post, sealed, sealed_request)";

/// Adds the entries of some requests, each with when it arrived, then removes the oldest ones until the bounds hold. Returns
/// the numbers of each.
pub async fn add(tx: &Tx<'_>, refused: &[(&[Quarantined], i64)]) -> Result<Vec<Vec<i64>>, Failure> {
    let n = refused.iter().map(|(quarantined, _)| quarantined.len()).sum();
    let mut next = tx.numbers("quarantine_numbers", n).await?;
    let mut number = || {
        next += 1;
        next - 1
    };
    let (mut entries, mut numbers): (Vec<(Entry, i64)>, Vec<Vec<i64>>) = (Vec::with_capacity(n), Vec::new());
    for (quarantined, received_at) in refused {
        let of_one = entry::entries(quarantined, &tx.shared.seal, &mut number)?;
        numbers.push(of_one.iter().map(|entry| entry.id).collect());
        entries.extend(of_one.into_iter().map(|entry| (entry, *received_at)));
    }
    if entries.is_empty() {
        return Ok(numbers);
    }
    insert(tx, &entries).await?;
    for class in Class::ALL {
        let of_class = || entries.iter().filter(|(entry, _)| entry.class == class);
        let n_bytes = of_class().map(|(entry, _)| entry.n_bytes).sum();
        resize(tx, class as i16, Size { n_entries: sql::number(of_class().count()), n_bytes }).await?;
    }
    while trim(tx).await? > 0 {}
    Ok(numbers)
}

async fn insert(tx: &Tx<'_>, entries: &[(Entry, i64)]) -> Result<(), Failure> {
    fn column<'a, T>(entries: &'a [(Entry, i64)], value: impl Fn(&'a Entry) -> T) -> Vec<T> {
        entries.iter().map(|(entry, _)| value(entry)).collect()
    }
    let received_at: Vec<i64> = entries.iter().map(|(_, at)| *at).collect();
    let (id, class) = (column(entries, |it| it.id), column(entries, |it| it.class as i16));
    let (channel, reason) = (column(entries, |it| it.channel.as_str()), column(entries, |it| it.reason.as_str()));
    let tenant_id = column(entries, |it| it.tenant_id.as_deref().map(text::stored));
    let (n_bytes, request_bytes) = (column(entries, |it| it.n_bytes), column(entries, |it| it.request_bytes));
    let post = column(entries, |it| it.waits.as_ref().map(|waits| waits.post));
    let (sealed, request) = (column(entries, |it| &it.sealed[..]), column(entries, |it| it.sealed_request.as_deref()));
    let values: sql::Values<'_> =
        &[&id, &received_at, &channel, &reason, &tenant_id, &n_bytes, &request_bytes, &class, &post, &sealed, &request];
    sql::execute(tx.client, INSERT, values).await?;
    for waits in entries.iter().filter_map(|(entry, _)| entry.waits.as_ref()) {
        let Some(sealed) = &waits.sealed_tokens else { continue };
        let statement = "INSERT INTO waiting_posts (post, arrived_at, sealed) VALUES ($1, $2, $3)";
        sql::execute(tx.client, statement, &[&waits.post, &waits.arrived_at, sealed]).await?;
    }
    Ok(())
}

/// Removes one round of the oldest entries beyond the bounds. Returns how many.
pub async fn trim(tx: &Tx<'_>) -> Result<u64, Failure> {
    let settings = &tx.shared.settings;
    let (known, n_known) = shrink(tx, (Class::Known, bounds::of_known(settings))).await?;
    let (_, n_strangers) = shrink(tx, (Class::Strangers, bounds::of_strangers(settings, known))).await?;
    Ok(n_known + n_strangers)
}

/// Removes the oldest entries of a class until it fits, a round at most. Returns its size, and how many it removed.
async fn shrink(tx: &Tx<'_>, (class, most): (Class, Size)) -> Result<(Size, u64), Failure> {
    let before = size(tx, class as i16).await?;
    if !before.is_over(most) {
        return Ok((before, 0));
    }
    let statement = "SELECT id, n_bytes FROM quarantine WHERE class = $1 ORDER BY id LIMIT $2";
    let (mut left, mut going) = (before, Vec::new());
    for row in sql::rows(tx.client, statement, &[&(class as i16), &TRIM_ROUND]).await? {
        if !left.is_over(most) {
            break;
        }
        left = left.less(Size { n_entries: 1, n_bytes: get(&row, "n_bytes")? });
        going.push(get::<i64>(&row, "id")?);
    }
    let n = sql::execute(tx.client, "DELETE FROM quarantine WHERE id = ANY($1)", &[&going]).await?;
    resize(tx, class as i16, left.less(before)).await?;
    Ok((left, n))
}

/// Stores why an entry was refused again.
async fn refuse(tx: &Tx<'_>, id: i64, reason: Reason) -> Result<(), Failure> {
    let statement = "UPDATE quarantine SET wish = NULL, reason = $2, verified_at = $3, \
                     first_reason = coalesce(first_reason, nullif(reason, $2)) WHERE id = $1";
    sql::execute(tx.client, statement, &[&id, &reason.as_str(), &tx.wall]).await.map(drop)
}

/// Removes an entry.
pub async fn remove(tx: &Tx<'_>, id: i64) -> Result<(), Failure> {
    let statement = "DELETE FROM quarantine WHERE id = $1 RETURNING class, n_bytes, post";
    let Some(row) = sql::first(tx.client, statement, &[&id]).await? else { return Ok(()) };
    resize(tx, get(&row, "class")?, Size { n_entries: -1, n_bytes: -get::<i64>(&row, "n_bytes")? }).await?;
    forget_tokens(tx).await
}

/// Removes the tokens that no entry needs any more.
async fn forget_tokens(tx: &Tx<'_>) -> Result<(), Failure> {
    let statement = "DELETE FROM waiting_posts p WHERE NOT EXISTS (SELECT 1 FROM quarantine q WHERE q.post = p.post)";
    sql::execute(tx.client, statement, &[]).await.map(drop)
}

/// Moves entries, and their size, from the waiting ones to those of known senders.
async fn wait_no_longer(tx: &Tx<'_>, condition: &str, values: sql::Values<'_>) -> Result<(), Failure> {
    let statement = format!(
        "WITH moved AS (UPDATE quarantine SET class = 1, post = NULL WHERE class = 2 AND {condition} RETURNING n_bytes) \
         SELECT count(*) AS n, coalesce(sum(n_bytes), 0)::bigint AS n_bytes FROM moved"
    );
    let Some(row) = sql::first(tx.client, &statement, values).await? else { return Ok(()) };
    let moved = Size { n_entries: get(&row, "n")?, n_bytes: get(&row, "n_bytes")? };
    resize(tx, Class::Waiting as i16, Size::default().less(moved)).await?;
    resize(tx, Class::Known as i16, moved).await
}

/// Ends the waiting of entries that have waited too long; the entries stay. Returns how many POSTs those were.
pub async fn let_go(tx: &Tx<'_>) -> Result<u64, Failure> {
    let since = tx.wall.saturating_sub(micros(WAITS_AT_MOST));
    let n = sql::execute(tx.client, "DELETE FROM waiting_posts WHERE arrived_at <= $1", &[&since]).await?;
    if n > 0 {
        let condition = "NOT EXISTS (SELECT 1 FROM waiting_posts p WHERE p.post = quarantine.post)";
        wait_no_longer(tx, condition, &[]).await?;
    }
    Ok(n)
}

/// Writes an operator's request to verify an entry again. Returns whether the entry exists.
pub struct Wish {
    /// The entry.
    pub id: i64,
    /// Whether the operator vouches for its origin.
    pub vouched: bool,
}

#[async_trait]
impl Work for Wish {
    type Done = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, Failure> {
        let statement = "UPDATE quarantine SET wish = $2 WHERE id = $1";
        Ok(sql::execute(tx.client, statement, &[&self.id, &self.vouched]).await? > 0)
    }
}

/// Ends a request. Without a reason to refuse it, the entry is removed. An entry that waits for keys goes on waiting.
pub struct EndWish {
    /// The entry.
    pub id: i64,
    /// Why it was refused again.
    pub refused: Option<Reason>,
}

#[async_trait]
impl Work for EndWish {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        match self.refused {
            Some(reason) => refuse(tx, self.id, reason).await,
            None => remove(tx, self.id).await,
        }
    }
}

/// Ends the waiting of an entry that was refused.
pub struct EndWaiting {
    /// The entry.
    pub id: i64,
    /// Why it was refused.
    pub refused: Reason,
}

#[async_trait]
impl Work for EndWaiting {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        refuse(tx, self.id, self.refused).await?;
        wait_no_longer(tx, "id = $1", &[&self.id]).await?;
        forget_tokens(tx).await
    }
}
