//! Wishes of operators' commands: a command writes them, the server that has the store does them.
//!
//! A wish is a file beside the store, not a row in it. A command that writes a row holds SQLite's lock, and if it were
//! stopped just then (Ctrl-Z, a debugger), every POST would be answered 503.
//!
//! **Invariants**
//! 1. A command takes no lock of the database but a reader's. Its wish is durable when [`SqliteStore::wish`] returns.
//! 2. A wish is done in rounds, each a short transaction. A wish that a crash interrupted is done again.
//! 3. Only the owner can use the folder, and no link in it is followed: who can write there can write to the store as
//!    well.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::domain::{DeliveryId, EventId, NewDelivery, SinkName};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::open;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::wishes::{Granted, Routed, Wish};
use crate::store::{DeadLetters, Store, StoreError};

/// The most wishes that are done in one go.
const AT_A_TIME: usize = 16;
/// The most bytes of a wish.
const MAX_BYTES: u64 = 64 << 20;
/// How long the result of a wish is stored for its command to read, in microseconds.
const KEPT: i64 = 3_600_000_000;

/// A written wish: its file's name, which begins with the time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WishId(String);

impl SqliteStore {
    /// Writes a wish for the server that has the store.
    ///
    /// # Errors
    /// It is not written.
    pub fn wish(&self, wish: &Wish) -> Result<WishId, StoreError> {
        let at = self.shared.clock.steady().as_microsecond();
        let id = WishId(format!("{at:020}-{:08x}", fastrand::u32(..)));
        let text = serde_json::to_vec(wish).map_err(io::Error::from);
        let written = text.and_then(|text| write(&self.shared.settings.path, &id, &text));
        written.map_err(|error| failed("written", &error))?;
        Ok(id)
    }

    /// The result of a wish; `None` while it waits. It can be read once.
    ///
    /// # Errors
    /// It could not be read.
    pub fn granted(&self, wish: &WishId) -> Result<Option<Granted>, StoreError> {
        let path = wish.path(&self.shared.settings.path, "done");
        match fs::read(&path) {
            Ok(text) => {
                drop(fs::remove_file(&path));
                serde_json::from_slice(&text).map(Some).map_err(|error| failed("read", &error.into()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &error)),
        }
    }

    /// Does the wishes that wait, the oldest first. Returns how many.
    ///
    /// # Errors
    /// The others wait; try again.
    pub async fn carry_out_some(&self) -> Result<usize, StoreError> {
        let store = self.shared.settings.path.clone();
        let oldest = self.shared.clock.steady().as_microsecond().saturating_sub(KEPT);
        let waiting = tokio::task::spawn_blocking(move || waiting(&store, oldest)).await;
        let waiting = waiting.map_err(|error| failed("read", &io::Error::other(error)))?;
        let waiting = waiting.map_err(|error| failed("read", &error))?;
        let n = waiting.len();
        for id in waiting {
            let granted = match read(&self.shared.settings.path, &id) {
                Ok(wish) => self.grant(&wish).await?,
                Err(error) => {
                    tracing::error!(id = id.0, %error, "found an operator's request that cannot be read: it is ignored");
                    Granted::default()
                }
            };
            end(&self.shared.settings.path, &id, granted).map_err(|error| failed("ended", &error))?;
        }
        Ok(n)
    }

    async fn grant(&self, wish: &Wish) -> Result<Granted, StoreError> {
        let n = match wish {
            Wish::ReplayOne { delivery } => self.replay_dead(DeadLetters::One(DeliveryId(*delivery))).await?,
            Wish::ReplayOfSink { sink } => self.replay_dead(DeadLetters::OfSink(SinkName::new(sink))).await?,
            Wish::ReplayAll => self.replay_dead(DeadLetters::All).await?,
            Wish::JudgeAgain { entry, vouched } => u64::from(self.wish_replay(*entry, *vouched).await?),
            Wish::Route { events } => return self.route(events).await,
            Wish::Move { from, to } => self.move_waiting(&SinkName::new(from), &SinkName::new(to)).await?,
            Wish::Drop { sink } => self.drop_waiting(&SinkName::new(sink)).await?,
        };
        tracing::info!(?wish, n, "carried out an operator's request");
        Ok(Granted { n, n_deliveries: 0 })
    }

    async fn route(&self, events: &[Routed]) -> Result<Granted, StoreError> {
        let mut granted = Granted::default();
        for Routed { event, deliveries } in events {
            let deliveries = deliveries.iter().map(NewDelivery::from).collect();
            let n = self.route_again(EventId(*event), deliveries).await? as u64;
            granted.n += u64::from(n > 0);
            granted.n_deliveries += n;
        }
        tracing::info!(n = granted.n, n_deliveries = granted.n_deliveries, "routed unmatched events again");
        Ok(granted)
    }

    /// Repeats `work` until a round changes nothing more. Returns how many changes there were.
    pub(in crate::store::sqlite) async fn in_rounds(
        &self,
        round: impl Fn(&Tx<'_>) -> Result<usize, Failure> + Clone + Send + 'static,
    ) -> Result<u64, StoreError> {
        let mut n_done = 0;
        loop {
            match self.writer.ask(round.clone()).await? {
                0 => return Ok(n_done),
                n => n_done += n as u64,
            }
        }
    }
}

impl WishId {
    /// The wish in a file with this ending.
    fn of(path: &Path, ending: &str) -> Option<Self> {
        let is_one = path.extension().is_some_and(|it| it == ending);
        path.file_stem().filter(|_| is_one).map(|stem| Self(stem.to_string_lossy().into_owned()))
    }

    fn path(&self, store: &Path, ending: &str) -> PathBuf {
        folder(store).join(format!("{}.{ending}", self.0))
    }

    /// When it was written, in microseconds of steady time.
    fn at(&self) -> i64 {
        self.0.split('-').next().and_then(|at| at.parse().ok()).unwrap_or_default()
    }
}

fn folder(store: &Path) -> PathBuf {
    open::beside(&open::real(store), ".wishes")
}

fn write(store: &Path, id: &WishId, text: &[u8]) -> io::Result<()> {
    let owner = fs::metadata(store)?;
    let folder = folder(store);
    DirBuilder::new().mode(0o700).recursive(true).create(&folder)?;
    give(&folder, &owner);
    publish((store, id, "wish"), text, &owner)?;
    File::open(&folder)?.sync_all()
}

/// Writes a file that is complete from the moment at which it has its name.
fn publish((store, id, ending): (&Path, &WishId, &str), text: &[u8], owner: &Metadata) -> io::Result<()> {
    let draft = id.path(store, "draft");
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(text)?;
    file.sync_all()?;
    give(&draft, owner);
    fs::rename(&draft, id.path(store, ending))
}

/// Gives a file that root's command made to the store's owner, because the server could not read it otherwise.
fn give(path: &Path, owner: &Metadata) {
    if fs::metadata(path).is_ok_and(|made| made.uid() != owner.uid()) {
        drop(chown(path, Some(owner.uid()), Some(owner.gid())));
    }
}

/// The wishes that wait, the oldest first. Removes results that nobody has read since `oldest`.
fn waiting(store: &Path, oldest: i64) -> io::Result<Vec<WishId>> {
    let entries = match fs::read_dir(folder(store)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut waiting = Vec::new();
    for entry in entries {
        let path = entry?.path();
        waiting.extend(WishId::of(&path, "wish"));
        let left = WishId::of(&path, "done").or_else(|| WishId::of(&path, "draft"));
        if left.is_some_and(|left| left.at() < oldest) {
            drop(fs::remove_file(&path));
        }
    }
    waiting.sort();
    waiting.truncate(AT_A_TIME);
    Ok(waiting)
}

fn read(store: &Path, id: &WishId) -> io::Result<Wish> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(id.path(store, "wish"))?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

/// Writes the result of a wish; then it does not wait any more.
fn end(store: &Path, id: &WishId, granted: Granted) -> io::Result<()> {
    publish((store, id, "done"), &serde_json::to_vec(&granted)?, &fs::metadata(store)?)?;
    fs::remove_file(id.path(store, "wish"))
}

fn failed(what: &str, error: &io::Error) -> StoreError {
    StoreError::Database(format!("an operator's request beside the store could not be {what}: {error}"))
}
