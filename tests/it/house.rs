//! The house: that every arrow between files points down, and that no file is longer than can be held in mind.
//!
//! The order of rooms is written in one place each: `lib.rs`, and each folder's `mod.rs`, list what is beside them from the
//! top, under the heading [`ROOMS`]. A room may import from those that stand below it; rooms on one line leave each other
//! alone. An import of what a `mod.rs` passes on (`pub use`) is one of the file that defines it. What is so in every folder
//! leaves no room for a ring of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, UseTree, Visibility};

/// How many lines a file may have.
const LINES: usize = 500;

/// What stands above a list of rooms.
const ROOMS: &str = "//! # Rooms, from the top";

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> = sources()
        .map(|path| (fs::read_to_string(&path).expect("a source").lines().count(), path))
        .filter(|(lines, _)| *lines > LINES)
        .collect();
    assert!(long.is_empty(), "more than {LINES} lines: {long:#?}");
}

#[test]
fn every_folder_lists_its_rooms() {
    let house = House::read();
    assert!(house.folders().len() > 10, "the house is elsewhere");
    let wrong: Vec<_> = house.folders().into_iter().filter_map(|it| house.wrong_list(it)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_arrow_points_down() {
    let house = House::read();
    let arrows = house.arrows();
    assert!(arrows.len() > 500, "there are more imports than {}", arrows.len());
    let up: Vec<_> = house.folders().into_iter().flat_map(|it| house.up(it, &arrows)).collect();
    assert!(up.is_empty(), "{up:#?}");
}

/// A module's path, the name of its crate first.
type Module = Vec<String>;

/// Who imports, and from which file.
type Arrow = (PathBuf, PathBuf);

/// A file, as far as it matters here.
struct Source {
    module: Module,
    imports: Vec<Vec<String>>,
    /// What others find here that is defined elsewhere, and where.
    passes_on: BTreeMap<String, Vec<String>>,
    /// The modules in it that are for tests.
    tests: Vec<Module>,
}

/// All files but those of tests, by their path in `src`.
struct House {
    sources: BTreeMap<PathBuf, Source>,
    modules: BTreeMap<Module, PathBuf>,
}

impl House {
    fn read() -> Self {
        let mut sources: BTreeMap<_, _> = sources()
            .filter(|path| !is_of_tests(path))
            .map(|path| (path.strip_prefix(root()).expect("in src").to_owned(), read(&path)))
            .collect();
        let tests: Vec<_> = sources.values().flat_map(|it| it.tests.clone()).collect();
        sources.retain(|_, it| !tests.iter().any(|tests| it.module.starts_with(tests)));
        let modules = sources.iter().map(|(path, it)| (it.module.clone(), path.clone())).collect();
        Self { sources, modules }
    }

    /// Every folder of rooms, with the file that lists them.
    fn folders(&self) -> Vec<&Path> {
        let list = |path: &&PathBuf| path.ends_with("mod.rs") || path.ends_with("lib.rs");
        self.sources.keys().filter(list).filter_map(|path| path.parent()).collect()
    }

    fn list_of(&self, folder: &Path) -> Vec<Vec<String>> {
        let file = if folder == Path::new("") { "lib.rs" } else { "mod.rs" };
        rooms(&fs::read_to_string(root().join(folder).join(file)).expect("a list"))
    }

    /// What is wrong with a folder's list.
    fn wrong_list(&self, folder: &Path) -> Option<String> {
        let there = self.sources.keys().filter_map(|path| room_in(folder, path));
        let there: BTreeSet<_> = there.filter(|room| !room.is_empty()).collect();
        let listed = self.list_of(folder).concat();
        let unique: BTreeSet<_> = listed.iter().cloned().collect();
        let is_right = there == unique && unique.len() == listed.len();
        (!is_right).then(|| format!("{}: listed {listed:?}, there {there:?}", folder.display()))
    }

    fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = BTreeSet::new();
        for (path, source) in &self.sources {
            let found = source.imports.iter().filter_map(|it| self.find(&source.module, it));
            arrows.extend(found.filter(|to| *to != path).map(|to| (path.clone(), to.clone())));
        }
        arrows.into_iter().collect()
    }

    /// In which file that is defined which a module calls so.
    fn find(&self, module: &Module, name: &[String]) -> Option<&PathBuf> {
        let (mut at, mut rest) = self.begin(module, name)?;
        while let Some((first, behind)) = rest.split_first() {
            let deeper = [&at[..], std::slice::from_ref(first)].concat();
            if !self.modules.contains_key(&deeper) {
                break;
            }
            (at, rest) = (deeper, behind);
        }
        let path = self.modules.get(&at)?;
        let elsewhere = rest.first().and_then(|first| self.sources[path].passes_on.get(first));
        match elsewhere {
            Some(elsewhere) => self.find(&at, elsewhere).or(Some(path)),
            None => Some(path),
        }
    }

    /// The module in which a path begins, and the rest of it; none if that is none of ours.
    fn begin<'a>(&self, module: &Module, name: &'a [String]) -> Option<(Module, &'a [String])> {
        let first = name.first()?;
        let up = name.iter().take_while(|it| *it == "super").count();
        match &first[..] {
            "crate" => Some((module[..1].to_vec(), &name[1..])),
            "tinychat" => Some((vec!["lib".to_owned()], &name[1..])),
            "self" => Some((module.clone(), &name[1..])),
            "super" => Some((module[..module.len().checked_sub(up)?].to_vec(), &name[up..])),
            _ => self
                .modules
                .contains_key(&[&module[..], std::slice::from_ref(first)].concat())
                .then(|| (module.clone(), name)),
        }
    }

    /// The arrows between the rooms of a folder that do not point down.
    fn up(&self, folder: &Path, arrows: &[Arrow]) -> Vec<String> {
        let between = arrows.iter().filter_map(|(from, to)| {
            let (above, below) = (room_in(folder, from)?, room_in(folder, to)?);
            (above != below).then_some((above, below, from, to))
        });
        let between: Vec<_> = between.collect();
        // The file that lists them is above all of them, or is what all of them stand on.
        let is_ground = between.iter().any(|(_, below, ..)| below.is_empty());
        let list = self.list_of(folder);
        let height =
            |room: &str| match list.iter().position(|line| line.iter().any(|it| it == room)) {
                Some(line) => line + 1,
                None if is_ground => list.len() + 1,
                None => 0,
            };
        let is_up = |(above, below, ..): &&(String, String, _, _)| height(above) >= height(below);
        let told = |(_, _, from, to): &(_, _, &PathBuf, &PathBuf)| {
            format!("{} imports {}", from.display(), to.display())
        };
        between.iter().filter(is_up).map(told).collect()
    }
}

/// In which room of a folder a file lies; none if in another folder, empty if it is the one that lists them.
fn room_in(folder: &Path, file: &Path) -> Option<String> {
    let mut inside = file.strip_prefix(folder).ok()?.components();
    let first = Path::new(inside.next()?.as_os_str()).with_extension("");
    let is_last = inside.next().is_none();
    let room = first.to_str()?.to_owned();
    Some(if is_last && matches!(&room[..], "mod" | "lib") { String::new() } else { room })
}

/// The rooms that a file lists, line by line.
fn rooms(text: &str) -> Vec<Vec<String>> {
    let behind = text.lines().skip_while(|line| *line != ROOMS);
    let list = behind.skip_while(|line| *line != "//! ```text").skip(1);
    let lines = list.take_while(|line| *line != "//! ```").filter_map(|it| it.strip_prefix("//! "));
    let names = lines.filter_map(|line| line.split("  ").next());
    names.map(|names| names.split(", ").map(String::from).collect()).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file of Rust in `src`.
fn sources() -> impl Iterator<Item = PathBuf> {
    let mut found = vec![root()];
    let mut at = 0;
    while at < found.len() {
        if found[at].is_dir() {
            let inside = fs::read_dir(&found[at]).expect("a folder");
            found.extend(inside.map(|entry| entry.expect("an entry").path()));
        }
        at += 1;
    }
    found.into_iter().filter(|path| path.extension().is_some_and(|it| it == "rs"))
}

/// Whether tests alone are made of it.
fn is_of_tests(path: &Path) -> bool {
    let name = path.file_stem().and_then(|it| it.to_str()).unwrap_or_default();
    let is_in_tests = path.components().any(|it| it.as_os_str() == "tests");
    is_in_tests || name == "tests" || name.ends_with("_tests")
}

fn read(path: &Path) -> Source {
    let text = fs::read_to_string(path).expect("a source");
    let file = syn::parse_file(&text).expect("Rust");
    let mut source = Source {
        module: module_of(path.strip_prefix(root()).expect("in src")),
        imports: Vec::new(),
        passes_on: BTreeMap::new(),
        tests: Vec::new(),
    };
    source.visit_file(&file);
    source
}

/// A program's modules are no module of the library.
fn module_of(path: &Path) -> Module {
    let names = path.with_extension("");
    let names: Vec<_> = names.iter().map(|it| it.to_str().expect("ASCII").to_owned()).collect();
    let (mut module, names) = match &names[..] {
        [bin, program, inside @ ..] if bin == "bin" => (vec![program.clone()], inside),
        names => (vec!["lib".to_owned()], names),
    };
    module.extend(names.iter().filter(|it| !matches!(&it[..], "lib" | "main" | "mod")).cloned());
    module
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Mod(it) => &it.attrs[..],
            Item::Fn(it) => &it.attrs,
            Item::Impl(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            _ => &[],
        };
        match item {
            _ if !attributes.iter().any(is_for_tests) => visit::visit_item(self, item),
            Item::Mod(it) => {
                self.tests.push([&self.module[..], &[it.ident.to_string()]].concat());
            }
            _ => {}
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut found = Vec::new();
        flatten(&item.tree, &mut Vec::new(), &mut found);
        if !matches!(item.vis, Visibility::Inherited) {
            self.passes_on.extend(found.iter().cloned());
        }
        self.imports.extend(found.into_iter().map(|(_, path)| path));
    }

    /// Who may see something is no import.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.imports.push(path.segments.iter().map(|it| it.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    let is_test = |condition: syn::Ident| condition == "test";
    attribute.path().is_ident("cfg") && attribute.parse_args().is_ok_and(is_test)
}

/// What a tree of `use` imports: each name by which it is known here, and its whole path.
fn flatten(tree: &UseTree, at: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    match tree {
        UseTree::Path(it) => {
            at.push(it.ident.to_string());
            flatten(&it.tree, at, found);
            at.pop();
        }
        UseTree::Group(it) => it.items.iter().for_each(|tree| flatten(tree, at, found)),
        UseTree::Glob(_) => found.push(("*".to_owned(), at.clone())),
        UseTree::Name(it) => found.push(named(&it.ident, &it.ident, at)),
        UseTree::Rename(it) => found.push(named(&it.rename, &it.ident, at)),
    }
}

fn named(name: &syn::Ident, defined: &syn::Ident, at: &[String]) -> (String, Vec<String>) {
    let path = at.iter().cloned().chain([defined.to_string()]);
    // `self` stands for what is in front of it.
    (name.to_string(), path.filter(|it| it != "self").collect())
}
