//! What stands around a page.

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

/// The style sheet.
pub const STYLE: &str = include_str!("assets/console.css");
/// The script.
pub const SCRIPT: &str = include_str!("assets/console.js");
/// The assets' path holds their hash, so that a browser may keep them for good.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let digest = Sha256::new().chain_update(STYLE).chain_update(SCRIPT).finalize();
    hex::encode(&digest[..8])
});

/// The hash of the assets.
pub fn hash() -> &'static str {
    &HASH
}

/// What stands around a page.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The page's name in the navigation.
    pub current: &'static str,
    /// The proof that forms carry.
    pub form: String,
    /// Who is logged in.
    pub who: Option<String>,
    /// Whether the navigation is shown.
    pub is_inside: bool,
    /// Whether buttons that change something are shown.
    pub can_write: bool,
    /// What was done just now.
    pub notice: Option<String>,
}

impl Frame {
    /// The path of an asset.
    pub fn asset(&self, name: &str) -> String {
        format!("/console/assets/{}/{name}", *HASH)
    }

    /// `page` where it is the current one.
    pub fn marks(&self, page: &str) -> bool {
        self.current == page
    }
}
