//! The quarantine: bounded in entries and bytes, with a share for each class of senders.

use std::sync::Arc;

use jiff::Timestamp;

use super::rows::{Counter, EntryRow, Rows, instant, micros};
use super::tx::Tx;
use reelhook::config;
use reelhook::domain::{HeldTokens, QuarantineClass as Class, Quarantined, Reason};
use reelhook::store::{QuarantineView, ReplayWish, WAITS_AT_MOST, Waiting};

/// A size, or a bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Size {
    n_entries: u64,
    n_bytes: u64,
}

impl Size {
    fn is_over(self, most: Self) -> bool {
        self.n_entries > most.n_entries || self.n_bytes > most.n_bytes
    }

    fn less(self, other: Self) -> Self {
        let n_entries = self.n_entries.saturating_sub(other.n_entries);
        Self { n_entries, n_bytes: self.n_bytes.saturating_sub(other.n_bytes) }
    }

    fn min(self, other: Self) -> Self {
        Self { n_entries: self.n_entries.min(other.n_entries), n_bytes: self.n_bytes.min(other.n_bytes) }
    }
}

/// The bound of both classes together, and the bound of known senders.
fn bounds(settings: &config::Store) -> (Size, Size) {
    let most = Size { n_entries: settings.quarantine_max_entries as u64, n_bytes: settings.quarantine_max_bytes };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a bound need not be exact"
    )]
    let part = |n: u64| ((n as f64) * settings.quarantine_strangers_share) as u64;
    let strangers = Size { n_entries: part(most.n_entries), n_bytes: part(most.n_bytes) };
    (most, most.less(strangers))
}

/// Adds entries, then removes the oldest until the bounds hold. Returns their numbers.
pub fn add(tx: &mut Tx<'_>, quarantined: Vec<Quarantined>, received_at: Timestamp) -> Vec<i64> {
    let mut numbers = Vec::with_capacity(quarantined.len());
    let mut last: Option<(Arc<HeldTokens>, i64)> = None;
    for it in quarantined {
        let id = tx.number(Counter::Quarantine);
        let mut class = if it.is_strangers() { Class::Strangers } else { Class::Known };
        let mut post = None;
        if let Some(held) = it.held {
            let first = last.as_ref().filter(|(known, _)| Arc::ptr_eq(known, &held)).map_or(id, |(_, first)| *first);
            tx.rows.waiting_posts.entry(first).or_insert_with(|| Arc::clone(&held));
            (class, post, last) = (Class::Waiting, Some(first), Some((held, first)));
        }
        let view = QuarantineView {
            id,
            channel: it.channel,
            reason: it.reason,
            first_reason: it.reason,
            received_at,
            verified_at: None,
            is_wished: false,
            n_bytes: it.raw.0.len() as u64,
            raw: Some(it.raw),
        };
        tx.rows
            .quarantine
            .insert(id, EntryRow { view, class, tenant_id: it.tenant_id, request: it.request, post, wish: None });
        numbers.push(id);
    }
    trim(tx);
    numbers
}

/// Removes the oldest entries beyond the bounds. Returns how many.
pub fn trim(tx: &mut Tx<'_>) -> u64 {
    let (most, most_known) = bounds(&tx.around.settings);
    let before = tx.rows.quarantine.len();
    let known = shrink(tx.rows, Class::Known, most_known);
    shrink(tx.rows, Class::Strangers, most.less(known.min(most_known)));
    (before - tx.rows.quarantine.len()) as u64
}

/// Removes the oldest entries of a class until it fits. Returns its size.
fn shrink(rows: &mut Rows, class: Class, most: Size) -> Size {
    let of_class = |row: &&EntryRow| row.class == class;
    let mut size = Size::default();
    for row in rows.quarantine.values().filter(of_class) {
        size = Size { n_entries: size.n_entries + 1, n_bytes: size.n_bytes + n_bytes_of(row) };
    }
    while size.is_over(most) {
        let Some((id, n_bytes)) = rows.quarantine.values().find(of_class).map(|row| (row.view.id, n_bytes_of(row)))
        else {
            break;
        };
        rows.quarantine.remove(&id);
        size = size.less(Size { n_entries: 1, n_bytes });
    }
    size
}

/// The bytes of an entry: its body and the facts of its request, as JSON.
fn n_bytes_of(row: &EntryRow) -> u64 {
    let facts = if row.request.is_empty() { 0 } else { serde_json::to_vec(&*row.request).unwrap().len() };
    row.view.n_bytes + facts as u64
}

/// Ends a request. Without a reason to refuse it, the entry is removed. An entry that waits for keys goes on waiting.
pub fn end_wish(tx: &mut Tx<'_>, id: i64, refused: Option<Reason>) {
    match refused {
        Some(reason) => {
            let now = instant(tx.wall);
            if let Some(row) = tx.rows.quarantine.get_mut(&id) {
                row.refuse(reason, now);
            }
        }
        None => {
            let removed = tx.rows.quarantine.remove(&id);
            forget_if_last(tx, removed.and_then(|row| row.post));
        }
    }
}

/// Ends the waiting of an entry that was refused, with the reason.
pub fn end_waiting(tx: &mut Tx<'_>, id: i64, refused: Reason) {
    let now = instant(tx.wall);
    let Some(row) = tx.rows.quarantine.get_mut(&id) else { return };
    row.refuse(refused, now);
    let post = wait_no_longer(row);
    forget_if_last(tx, post);
}

fn wait_no_longer(row: &mut EntryRow) -> Option<i64> {
    if row.class == Class::Waiting {
        row.class = Class::Known;
    }
    row.post.take()
}

/// Removes the tokens of a POST if none of its entries waits any more.
fn forget_if_last(tx: &mut Tx<'_>, post: Option<i64>) {
    if let Some(post) = post
        && !tx.rows.quarantine.values().any(|row| row.post == Some(post))
    {
        tx.rows.waiting_posts.remove(&post);
    }
}

/// Ends the waiting of entries that have waited too long; the entries stay. Returns how many POSTs those were.
pub fn let_go(tx: &mut Tx<'_>) -> u64 {
    let since = instant(tx.wall.saturating_sub(micros(WAITS_AT_MOST)));
    let old: Vec<i64> =
        tx.rows.waiting_posts.iter().filter(|(_, held)| held.arrived_at <= since).map(|(post, _)| *post).collect();
    for post in &old {
        tx.rows.waiting_posts.remove(post);
        for row in tx.rows.quarantine.values_mut().filter(|row| row.post == Some(*post)) {
            wait_no_longer(row);
        }
    }
    old.len() as u64
}

/// The requests that wait, oldest first.
pub fn wishes(rows: &Rows, limit: usize) -> Vec<ReplayWish> {
    let wished = rows.quarantine.values().filter_map(|row| Some((row, row.wish?))).take(limit);
    let wish = |(row, vouched): (&EntryRow, bool)| ReplayWish {
        id: row.view.id,
        channel: row.channel(),
        received_at: row.view.received_at,
        tenant_id: row.tenant_id.clone(),
        raw: reelhook::domain::Raw(row.raw()),
        request: Arc::clone(&row.request),
        vouched,
    };
    wished.map(wish).collect()
}

/// The items that wait for keys, oldest first.
pub fn waiting(rows: &Rows) -> Vec<Waiting> {
    let waiting = rows.quarantine.values().filter_map(|row| {
        let held = Arc::clone(rows.waiting_posts.get(&row.post?)?);
        let (raw, request) = (reelhook::domain::Raw(row.raw()), Arc::clone(&row.request));
        Some(Waiting { id: row.view.id, channel: row.channel(), raw, request, held })
    });
    waiting.collect()
}
