//! No function takes more than four things, whether they come one by one or tied together in tuples.

use syn::visit::{self, Visit};
use syn::{FnArg, GenericArgument, ImplItem, Item, PathArguments, Signature, Type};

use super::code::{attributes, is_for_tests, modules};

/// The most things that a function takes beside `self`.
const MOST: usize = 4;
/// What a library's trait has a function take.
const OF_LIBRARIES: [&str; 1] = ["verify_server_cert"];

/// How many things a parameter of this type is.
fn things(of: &Type) -> usize {
    match of {
        Type::Tuple(it) => it.elems.iter().map(things).sum::<usize>().max(1),
        Type::Reference(it) => things(&it.elem),
        Type::Paren(it) => things(&it.elem),
        Type::Path(it) => match it.path.segments.last() {
            Some(last) if last.ident == "Option" || last.ident == "Box" => match &last.arguments {
                PathArguments::AngleBracketed(inner) => match inner.args.first() {
                    Some(GenericArgument::Type(inner)) => things(inner),
                    _ => 1,
                },
                _ => 1,
            },
            _ => 1,
        },
        _ => 1,
    }
}

#[derive(Default)]
struct Signatures {
    found: Vec<(usize, String)>,
}

impl<'ast> Visit<'ast> for Signatures {
    fn visit_item(&mut self, item: &'ast Item) {
        if !attributes(item).iter().any(is_for_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let is_skipped = matches!(item, ImplItem::Fn(it) if it.attrs.iter().any(is_for_tests));
        if !is_skipped {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_signature(&mut self, signature: &'ast Signature) {
        let typed = signature.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(input) => Some(things(&input.ty)),
            FnArg::Receiver(_) => None,
        });
        self.found.push((typed.sum(), signature.ident.to_string()));
    }
}

#[test]
fn no_function_takes_more_than_four_things() {
    let mut too_many = Vec::new();
    for module in modules() {
        let mut signatures = Signatures::default();
        module.items.iter().for_each(|item| signatures.visit_item(item));
        let over = signatures.found.into_iter().filter(|(n, name)| *n > MOST && !OF_LIBRARIES.contains(&name.as_str()));
        too_many.extend(over.map(|(n, name)| format!("{}: {name} takes {n}", module.file.display())));
    }
    assert!(too_many.is_empty(), "make a struct of what belongs together\n{}", too_many.join("\n"));
}

#[test]
fn what_is_tied_together_is_counted() {
    let counted = |text: &str| {
        let function: syn::ItemFn = syn::parse_str(text).unwrap();
        let mut signatures = Signatures::default();
        signatures.visit_item_fn(&function);
        signatures.found[0].0
    };
    assert_eq!(counted("fn f(a: u8, b: (u8, u8), c: &(u8, (u8, u8)), d: Option<(u8, u8)>) {}"), 8);
    assert_eq!(counted("fn f(a: u8, b: [(u8, u8); 2], c: ()) {}"), 3);
}
