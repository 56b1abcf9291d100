//! No source files import each other in a circle. A file imports another one when it names a path into it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use syn::visit::Visit;

/// A module's path from the root of the crate, such as `["ledger", "state"]`.
type Module = Vec<String>;

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The module that a file below `src` contains.
fn module_of(path: &Path) -> Module {
    let mut module: Module =
        path.with_extension("").components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    module
}

/// Whether an item exists only in tests.
fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// Collects the paths that a file names, as absolute module paths.
struct Paths<'a> {
    modules: &'a BTreeSet<Module>,
    current: Module,
    found: BTreeSet<Module>,
}

impl Paths<'_> {
    fn add(&mut self, segments: &[String]) {
        let Some(first) = segments.first() else { return };
        let mut absolute = match first.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.current.clone(),
            name => {
                let child = [self.current.as_slice(), &[name.to_owned()]].concat();
                if !self.modules.contains(&child) {
                    return;
                }
                self.current.clone()
            }
        };
        for segment in segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => _ = absolute.pop(),
                name => absolute.push(name.to_owned()),
            }
        }
        while !self.modules.contains(&absolute) && !absolute.is_empty() {
            absolute.pop();
        }
        self.found.insert(absolute);
    }

    fn tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.add(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.add(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.add(prefix),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(prefix, item)),
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test_only(&item.attrs) {
            self.tree(&[], &item.tree);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_test_only(&item.attrs) || item.content.is_none() {
            return;
        }
        self.current.push(item.ident.to_string());
        syn::visit::visit_item_mod(self, item);
        self.current.pop();
    }

    // `pub(in crate::room)` names a path and imports nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            self.add(&path.segments.iter().map(|segment| segment.ident.to_string()).collect::<Vec<_>>());
        }
        syn::visit::visit_path(self, path);
    }
}

/// The imports of each module that is not a test.
fn imports() -> BTreeMap<Module, BTreeSet<Module>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    files.retain(|file| file != &source.join("main.rs"));
    let named: Vec<(Module, PathBuf)> =
        files.into_iter().map(|file| (module_of(file.strip_prefix(&source).unwrap()), file)).collect();
    let modules: BTreeSet<Module> = named.iter().map(|(module, _)| module.clone()).collect();
    assert!(modules.len() > 100, "the source files were not found");
    let is_test = |module: &Module| module.iter().any(|part| part == "tests" || part.ends_with("_tests"));
    named
        .into_iter()
        .filter(|(module, _)| !is_test(module))
        .map(|(module, file)| {
            let text = fs::read_to_string(&file).unwrap();
            let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let mut paths = Paths { modules: &modules, current: module.clone(), found: BTreeSet::new() };
            paths.visit_file(&parsed);
            let mut found = paths.found;
            found.remove(&module);
            found.retain(|other| !is_test(other));
            (module, found)
        })
        .collect()
}

/// Everything that a module reaches over its imports.
fn reachable(from: &Module, imports: &BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<Module> {
    let (mut reached, mut open) = (BTreeSet::new(), vec![from.clone()]);
    while let Some(next) = open.pop() {
        for module in imports.get(&next).into_iter().flatten() {
            if reached.insert(module.clone()) {
                open.push(module.clone());
            }
        }
    }
    reached
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let imports = imports();
    let reached: BTreeMap<&Module, BTreeSet<Module>> =
        imports.keys().map(|module| (module, reachable(module, &imports))).collect();
    let mut problems = Vec::new();
    let mut reported = BTreeSet::new();
    for module in imports.keys().filter(|module| reached[module].contains(*module)) {
        if reported.contains(module) {
            continue;
        }
        let circle: Vec<&Module> = imports
            .keys()
            .filter(|other| reached[module].contains(*other) && reached[other].contains(module))
            .collect();
        problems.push(format!("a circle of {} files:", circle.len()));
        for from in &circle {
            let to: Vec<String> = imports[*from].iter().filter(|to| circle.contains(to)).map(name_of).collect();
            problems.push(format!("  {} imports {}", name_of(from), to.join(", ")));
            reported.insert(*from);
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

fn name_of(module: &Module) -> String {
    if module.is_empty() { "lib".to_owned() } else { module.join("::") }
}
