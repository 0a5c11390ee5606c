//! The names that code uses: in `use` lines, in paths, in macros, and in attributes that hold a path as text.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemUse, Lit, Macro, Meta, Stmt, TraitItem, UseTree, Visibility};

use super::code::{attributes, is_for_tests};

/// Gathers names.
#[derive(Default)]
pub struct Names {
    /// Each path of at least two segments.
    pub paths: Vec<Vec<String>>,
    /// What is exported again, and under which name.
    pub again: Vec<(Vec<String>, String)>,
    /// Each identifier.
    pub words: BTreeSet<String>,
    /// Each text in quotation marks, but for documentation.
    pub texts: BTreeSet<String>,
}

impl Names {
    fn path(&mut self, path: Vec<String>) {
        if path.len() > 1 {
            self.paths.push(path);
        }
    }

    fn tree(&mut self, tree: &UseTree, mut path: Vec<String>, is_public: bool) {
        let name = match tree {
            UseTree::Path(it) => {
                path.push(it.ident.to_string());
                return self.tree(&it.tree, path, is_public);
            }
            UseTree::Group(it) => return it.items.iter().for_each(|tree| self.tree(tree, path.clone(), is_public)),
            UseTree::Name(it) if it.ident == "self" => path.last().cloned().unwrap_or_default(),
            UseTree::Name(it) => it.ident.to_string(),
            UseTree::Rename(it) => it.rename.to_string(),
            UseTree::Glob(_) => "*".to_owned(),
        };
        match tree {
            UseTree::Name(it) if it.ident == "self" => {}
            UseTree::Rename(it) if it.ident == "self" => {}
            UseTree::Rename(it) => path.push(it.ident.to_string()),
            _ => path.push(name.clone()),
        }
        self.words.extend(path.iter().cloned());
        if is_public {
            self.again.push((path.clone(), name));
        }
        self.paths.push(path);
    }

    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut n_colons) = (Vec::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    self.words.insert(word.to_string());
                    if n_colons != 2 {
                        self.path(std::mem::take(&mut path));
                    }
                    path.push(word.to_string());
                    n_colons = 0;
                    continue;
                }
                TokenTree::Punct(it) if it.as_char() == ':' => {
                    n_colons += 1;
                    continue;
                }
                TokenTree::Group(it) => self.tokens(it.stream()),
                TokenTree::Literal(it) => self.text(&it.to_string()),
                TokenTree::Punct(_) => {}
            }
            self.path(std::mem::take(&mut path));
            n_colons = 0;
        }
        self.path(path);
    }

    /// A text, and the path that it may be, if an attribute holds it.
    fn text(&mut self, literal: &str) {
        let Ok(Lit::Str(text)) = syn::parse_str(literal) else { return };
        self.texts.insert(text.value());
        if let Ok(path) = text.parse::<syn::Path>() {
            self.path(segments(&path));
        }
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        if !attributes(item).iter().any(is_for_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(it) => &it.attrs,
            ImplItem::Fn(it) => &it.attrs,
            _ => &[],
        };
        if !attributes.iter().any(is_for_tests) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let is_skipped = matches!(item, TraitItem::Fn(it) if it.attrs.iter().any(is_for_tests));
        if !is_skipped {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let is_skipped = match statement {
            Stmt::Local(it) => it.attrs.iter().any(is_for_tests),
            Stmt::Macro(it) => it.attrs.iter().any(is_for_tests),
            Stmt::Item(_) | Stmt::Expr(..) => false,
        };
        if !is_skipped {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.tree(&item.tree, Vec::new(), !matches!(item.vis, Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.path(segments(path));
        visit::visit_path(self, path);
    }

    fn visit_ident(&mut self, word: &'ast syn::Ident) {
        self.words.insert(word.to_string());
    }

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.texts.insert(text.value());
    }

    fn visit_macro(&mut self, it: &'ast Macro) {
        self.tokens(it.tokens.clone());
        visit::visit_macro(self, it);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
        if !attribute.path().is_ident("doc") {
            visit::visit_attribute(self, attribute);
        }
    }
}

#[test]
fn a_name_is_found_however_it_is_written() {
    let code = r#"
        use crate::{store::{self as s, Store}, domain::*};
        pub use self::inner::Thing as Other;
        #[serde(with = "crate::wire::text")]
        struct A { at: super::Place }
        fn f() { println!("{}", crate::config::of(a::b(1))); <crate::x::T as crate::y::U>::z(); }
        #[cfg(test)]
        mod tests { use crate::cli::A; }
        impl A { #[cfg(test)] fn g() { crate::app::start() } }
    "#;
    let mut names = Names::default();
    syn::parse_file(code).unwrap().items.iter().for_each(|item| names.visit_item(item));
    let found: BTreeSet<String> = names.paths.iter().map(|path| path.join("::")).collect();
    for name in [
        "crate::store",
        "crate::store::Store",
        "crate::domain::*",
        "self::inner::Thing",
        "crate::wire::text",
        "super::Place",
        "crate::config::of",
        "a::b",
    ] {
        assert!(found.contains(name), "{name}: {found:?}");
    }
    for start in ["crate::x::T", "crate::y::U"] {
        assert!(found.iter().any(|name| name.starts_with(start)), "{start}: {found:?}");
    }
    assert!(!found.contains("crate::cli::A") && !found.contains("crate::app::start"), "{found:?}");
    assert_eq!(names.again, [(["self", "inner", "Thing"].map(str::to_owned).to_vec(), "Other".to_owned())]);
}
