//! The code as the compiler reads it: from `src/lib.rs` along the `mod` lines, without what only tests compile.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, Item};

use super::names::Names;

/// A module, inline ones too.
pub struct Module {
    /// Where it is: `["store", "sqlite"]`; empty for the root.
    pub path: Vec<String>,
    /// The file that it is written in.
    pub file: PathBuf,
    /// Its items, without modules and without what only tests compile.
    pub items: Vec<Item>,
    /// The names of its modules.
    pub children: BTreeSet<String>,
    /// Each path of at least two segments, as it is written.
    pub names: Vec<Vec<String>>,
    /// Each `pub use`: the path, as it is written, and the name that it has here (`*` for all).
    pub again: Vec<(Vec<String>, String)>,
    /// What is defined here.
    pub defines: BTreeSet<String>,
    /// Each identifier.
    pub words: BTreeSet<String>,
    /// Each text in quotation marks.
    pub texts: BTreeSet<String>,
}

impl Module {
    /// The module of the first floor that it is in.
    pub fn room(&self) -> Option<&str> {
        self.path.first().map(String::as_str)
    }

    /// A path of this module as one from the root; `None` for a path that leads out of the crate.
    pub fn path_from_root(&self, name: &[String]) -> Option<Vec<String>> {
        let n_up = name.iter().take_while(|segment| *segment == "super").count();
        let (within, rest) = match name.first()?.as_str() {
            "crate" => (0, 1),
            "self" => (self.path.len(), 1),
            "super" => (self.path.len().checked_sub(n_up)?, n_up),
            first if self.children.contains(first) => (self.path.len(), 0),
            _ => return None,
        };
        Some(self.path[..within].iter().chain(&name[rest..]).cloned().collect())
    }

    /// The room that a path of this module leads into.
    pub fn room_of(&self, name: &[String]) -> Option<String> {
        let name = self.path_from_root(name)?;
        assert!(!name.is_empty(), "{}: the root under another name", self.file.display());
        Some(name[0].clone())
    }
}

/// All modules of the library.
pub fn modules() -> Vec<Module> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let items = parse(&root.join("lib.rs"));
    read(items, Vec::new(), (&root.join("lib.rs"), &root), &mut found);
    found
}

fn parse(file: &Path) -> Vec<Item> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())).items
}

/// Reads a module of `file`, whose own modules are in `folder`.
fn read(items: Vec<Item>, path: Vec<String>, (file, folder): (&Path, &Path), found: &mut Vec<Module>) {
    let (mods, items): (Vec<Item>, Vec<Item>) = items
        .into_iter()
        .filter(|item| !attributes(item).iter().any(is_for_tests))
        .partition(|item| matches!(item, Item::Mod(_)));
    let mut names = Names::default();
    items.iter().for_each(|item| names.visit_item(item));
    let mut module = Module {
        path: path.clone(),
        file: file.to_owned(),
        defines: items.iter().filter_map(defined).collect(),
        items,
        children: BTreeSet::new(),
        names: names.paths,
        again: names.again,
        words: names.words,
        texts: names.texts,
    };
    let mut below = Vec::new();
    for item in mods {
        let Item::Mod(item) = item else { continue };
        let name = item.ident.to_string();
        assert!(!item.attrs.iter().any(|it| it.path().is_ident("path")), "{}: a #[path]", file.display());
        module.children.insert(name.clone());
        below.push((name, item.content));
    }
    found.push(module);
    for (name, content) in below {
        let path = [path.as_slice(), std::slice::from_ref(&name)].concat();
        let folder = folder.join(&name);
        match content {
            Some((_, items)) => read(items, path, (file, &folder), found),
            None => {
                let beside = folder.with_extension("rs");
                let file = if beside.is_file() { beside } else { folder.join("mod.rs") };
                read(parse(&file), path, (&file, &folder), found);
            }
        }
    }
}

/// Whether only tests compile what has this attribute.
pub fn is_for_tests(attribute: &Attribute) -> bool {
    let is_test = |arguments: syn::Path| arguments.is_ident("test");
    attribute.path().is_ident("test") || (attribute.path().is_ident("cfg") && attribute.parse_args().is_ok_and(is_test))
}

/// The attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::ExternCrate(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// The name that an item defines.
fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(it) => &it.ident,
        Item::Enum(it) => &it.ident,
        Item::Fn(it) => &it.sig.ident,
        Item::Macro(it) => it.ident.as_ref()?,
        Item::Static(it) => &it.ident,
        Item::Struct(it) => &it.ident,
        Item::Trait(it) => &it.ident,
        Item::Type(it) => &it.ident,
        _ => return None,
    };
    Some(name.to_string())
}
