//! No circles inside a room: of the modules in one folder none needs, over whatever way, one that needs it.
//!
//! A folder's `mod.rs` is the folder's face and what its modules share: between it and them arrows go both ways.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{Module, modules};

/// Whose arrows lead where, and by which name: of two modules in one folder.
type Arrows = BTreeMap<String, BTreeMap<String, String>>;

/// The module that a path from the root leads into, through what modules export again.
fn leads_to<'a>(all: &BTreeMap<&[String], &'a Module>, path: &[String], n_left: usize) -> Option<&'a Module> {
    let module = (1..=path.len()).rev().find_map(|n| all.get(&path[..n]))?;
    let name = path.get(module.path.len());
    let through = |(from, named): &(Vec<String>, String)| {
        let from = module.path_from_root(from)?;
        let (last, within) = from.split_last()?;
        if name == Some(named) {
            return leads_to(all, &from, n_left.checked_sub(1)?);
        }
        let target = *all.get(within).filter(|_| last == "*")?;
        Some(target).filter(|it| name.is_some_and(|name| it.defines.contains(name)))
    };
    module.again.iter().find_map(through).or(Some(*module))
}

/// The parts of two paths in which they first differ, as modules of one folder.
fn in_one_folder(from: &[String], to: &[String]) -> Option<(String, String)> {
    let n = from.iter().zip(to).take_while(|(a, b)| a == b).count();
    (n > 0 && n < from.len() && n < to.len()).then(|| (from[..=n].join("::"), to[..=n].join("::")))
}

fn arrows(modules: &[Module]) -> Arrows {
    let all: BTreeMap<&[String], &Module> = modules.iter().map(|module| (module.path.as_slice(), module)).collect();
    let mut arrows = Arrows::new();
    for module in modules {
        for name in &module.names {
            let target = module.path_from_root(name).and_then(|path| leads_to(&all, &path, 8));
            if let Some((from, to)) = target.and_then(|target| in_one_folder(&module.path, &target.path)) {
                let what = format!("{}: {}", module.file.display(), name.join("::"));
                arrows.entry(from).or_default().insert(to, what);
            }
        }
    }
    arrows
}

/// What can be reached from `start`.
fn reached<'a>(arrows: &'a Arrows, start: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&str> = arrows.get(start).into_iter().flatten().map(|(to, _)| to.as_str()).collect();
    while let Some(module) = next.pop() {
        if found.insert(module) {
            next.extend(arrows.get(module).into_iter().flatten().map(|(to, _)| to.as_str()));
        }
    }
    found
}

#[test]
fn no_modules_of_a_room_stand_in_a_circle() {
    let arrows = arrows(&modules());
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().map(|module| (module.as_str(), reached(&arrows, module))).collect();
    let mut circles = Vec::new();
    for (from, targets) in &arrows {
        for (to, what) in targets {
            if reach.get(to.as_str()).is_some_and(|reach| reach.contains(from.as_str())) {
                circles.push(format!("{from} -> {to} ({what})"));
            }
        }
    }
    assert!(circles.is_empty(), "circles: move what both need into a module of its own\n{}", circles.join("\n"));
}
