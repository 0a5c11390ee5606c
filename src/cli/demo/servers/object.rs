//! A folder of objects. It needs no server.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{FarSide, PAUSE, Place, Tell};

pub(super) struct Object(pub(super) Place);

impl Object {
    fn path(&self) -> PathBuf {
        self.0.folder.join("objects")
    }
}

#[async_trait]
impl FarSide for Object {
    fn keys(&self) -> String {
        format!("url = \"file://{}\"\n", self.path().display())
    }

    async fn read(&self, tell: &Tell<'_>) -> anyhow::Result<()> {
        let (root, mut told) = (self.path(), BTreeSet::new());
        loop {
            // By default a folder for each day has the objects. Their names are in the order of the deliveries.
            for folder in names_in(&root).await? {
                for name in names_in(&root.join(&folder)).await? {
                    let at = format!("{folder}/{name}");
                    // With a `#` it is one that is being written.
                    if !name.contains('#') && !told.contains(&at) {
                        tell(&at, &tokio::fs::read(root.join(&at)).await?);
                        told.insert(at);
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The names in a folder, in their order; none where it is not there yet.
async fn names_in(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    match tokio::fs::read_dir(folder).await {
        Ok(mut entries) => {
            while let Some(entry) = entries.next_entry().await? {
                names.insert(entry.file_name().to_string_lossy().into_owned());
            }
            Ok(names)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(names),
        Err(error) => Err(error),
    }
}
