//! What the files of a crate import from each other, read from their tokens.
//!
//! A name counts where it is defined: a re-export is followed to its origin, and the line `pub use self::x::Y` of a parent
//! module is no import by itself. Code under `#[cfg(test)]` is left out. Calls of methods name no file; so an inherent
//! `impl` has to stand beside its type, see [`Crate::foreign_impls`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// A path of modules and, last, an item.
pub(crate) type Names = Vec<String>;

/// Which file imports which, and by what path.
pub(crate) type Imports = BTreeMap<(String, String), String>;

/// A crate: its modules, by path from its root.
pub(crate) struct Crate {
    modules: BTreeMap<Names, Module>,
}

/// One file.
#[derive(Default)]
struct Module {
    file: String,
    children: BTreeSet<String>,
    /// What `use` declares here, and the path of it.
    declared: BTreeMap<String, Names>,
    /// Modules of which everything is imported.
    globs: Vec<Names>,
    /// Paths of two names or more, outside of `use`.
    mentioned: BTreeSet<Names>,
    /// Every name, outside of `use`.
    idents: BTreeSet<String>,
    /// The types of inherent `impl`s.
    inherent: BTreeSet<String>,
}

impl Crate {
    /// The crate whose root is `folder/root`.
    pub(crate) fn read(workspace: &Path, folder: &str, root: &str) -> Self {
        let mut modules = BTreeMap::new();
        let mut left = vec![(Names::new(), format!("{folder}/{root}"))];
        while let Some((path, file)) = left.pop() {
            let text = fs::read_to_string(workspace.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            let tokens = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
            let mut module = Module { file, ..Module::default() };
            Reader::of(tokens).read(&mut module);
            for child in &module.children {
                let path: Names = path.iter().chain([child]).cloned().collect();
                left.push((path.clone(), format!("{folder}/{}.rs", path.join("/"))));
            }
            modules.insert(path, module);
        }
        Self { modules }
    }

    /// Every file, by module.
    pub(crate) fn files(&self) -> BTreeMap<&Names, &str> {
        self.modules.iter().map(|(path, module)| (path, module.file.as_str())).collect()
    }

    /// Who imports whom.
    pub(crate) fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (path, module) in &self.modules {
            // A parent that only passes on what a child defines does not depend on it.
            let declared =
                module.declared.iter().filter(|(name, path)| path[0] != "self" || module.idents.contains(*name));
            let paths = declared.map(|(_, path)| path).chain(&module.mentioned);
            for target in paths {
                if let Some((origin, true)) = self.resolve(path, target, 0) {
                    imports.insert((module.file.clone(), origin.file.clone()), target.join("::"));
                }
            }
            for glob in &module.globs {
                if let Some((origin, _)) = self.resolve(path, glob, 0) {
                    imports.insert((module.file.clone(), origin.file.clone()), format!("{}::*", glob.join("::")));
                }
            }
        }
        imports.retain(|(from, to), _| from != to);
        imports
    }

    /// Names of other crates that begin a path, with the file.
    pub(crate) fn foreign(&self) -> BTreeSet<(String, String)> {
        let mut foreign = BTreeSet::new();
        for (path, module) in &self.modules {
            for target in module.declared.values().filter(|target| self.resolve(path, target, 0).is_none()) {
                foreign.insert((target[0].clone(), module.file.clone()));
            }
        }
        foreign
    }

    /// Inherent `impl`s of types that another file defines: methods that no import shows.
    pub(crate) fn foreign_impls(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (path, module) in &self.modules {
            for name in &module.inherent {
                let Some(target) = module.declared.get(name) else { continue };
                if let Some((origin, true)) = self.resolve(path, target, 0) {
                    found.push(format!("{}: impl {name}, which {} defines", module.file, origin.file));
                }
            }
        }
        found
    }

    /// The module where `target`, as `from` writes it, is defined; and whether it is an item of it, not itself.
    fn resolve(&self, from: &[String], target: &[String], depth: u32) -> Option<(&Module, bool)> {
        assert!(depth < 32, "{target:?} in {from:?} leads nowhere");
        let module = self.modules.get(from)?;
        let (first, rest) = target.split_first()?;
        match first.as_str() {
            "crate" => self.descend(&[], rest, depth),
            "self" => self.descend(from, rest, depth),
            "super" => {
                let (_, parent) = from.split_last()?;
                // `super::super::x` goes on from there.
                if rest.first().is_some_and(|next| next == "super") {
                    return self.resolve(parent, rest, depth + 1);
                }
                self.descend(parent, rest, depth)
            }
            child if module.children.contains(child) => self.descend(from, target, depth),
            name => {
                let declared = module.declared.get(name)?;
                // `use tokio;` declares what another crate is called already.
                if declared.first() == target.first() {
                    return None;
                }
                let longer: Names = declared.iter().chain(rest).cloned().collect();
                self.resolve(from, &longer, depth + 1)
            }
        }
    }

    fn descend(&self, from: &[String], rest: &[String], depth: u32) -> Option<(&Module, bool)> {
        let module = self.modules.get(from)?;
        let Some((name, after)) = rest.split_first() else { return Some((module, false)) };
        let declared = module.declared.get(name);
        if module.children.contains(name) && (declared.is_none() || !after.is_empty()) {
            let child: Names = from.iter().chain([name]).cloned().collect();
            return self.descend(&child, after, depth);
        }
        match declared {
            Some(path) => {
                let longer: Names = path.iter().chain(after).cloned().collect();
                self.resolve(from, &longer, depth + 1)
            }
            None => Some((module, true)),
        }
    }
}

/// A token, with groups laid flat.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Name(String),
    Path,
    Other(char),
    Open(Delimiter),
    Close(Delimiter),
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn of(stream: TokenStream) -> Self {
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        Self { tokens, at: 0 }
    }

    fn read(mut self, module: &mut Module) {
        while let Some(token) = self.next() {
            match token {
                // `::tokio::io` is of another crate, and what follows `<T>::` of a type.
                Token::Path => {
                    if let Some(Token::Name(name)) = self.next() {
                        drop(self.path(name));
                    }
                }
                Token::Name(name) if name == "pub" && self.peek() == Some(&Token::Open(Delimiter::Parenthesis)) => {
                    while self.next().is_some_and(|token| token != Token::Close(Delimiter::Parenthesis)) {}
                }
                Token::Name(name) if name == "use" && self.peek() != Some(&Token::Other('<')) => {
                    self.tree(Names::new(), module);
                }
                Token::Name(name) if name == "mod" => {
                    if let Some(Token::Name(child)) = self.next()
                        && self.peek() == Some(&Token::Other(';'))
                    {
                        module.children.insert(child);
                    }
                }
                Token::Name(name) => {
                    if name == "impl" && self.begins_an_item() {
                        module.inherent.extend(self.inherent());
                    }
                    let path = self.path(name);
                    module.idents.insert(path[0].clone());
                    if path.len() > 1 {
                        module.mentioned.insert(path);
                    }
                }
                Token::Other(_) | Token::Open(_) | Token::Close(_) => {}
            }
        }
    }

    /// The rest of a path that begins with `first`.
    fn path(&mut self, first: String) -> Names {
        let mut path = vec![first];
        while self.peek() == Some(&Token::Path) {
            let Some(Token::Name(name)) = self.tokens.get(self.at + 1).cloned() else { break };
            path.push(name);
            self.at += 2;
        }
        path
    }

    /// What is left of a `use`, behind `prefix`.
    fn tree(&mut self, prefix: Names, module: &mut Module) {
        match self.next() {
            Some(Token::Path) => self.tree(vec![String::new()], module),
            Some(Token::Other('*')) => module.globs.push(prefix),
            Some(Token::Open(Delimiter::Brace)) => {
                while self.peek() != Some(&Token::Close(Delimiter::Brace)) {
                    if self.peek() == Some(&Token::Other(',')) {
                        self.at += 1;
                    } else {
                        self.tree(prefix.clone(), module);
                    }
                }
                self.at += 1;
            }
            Some(Token::Name(name)) => {
                let mut path = prefix;
                // `{self}` names what is in front of it.
                if name != "self" || path.is_empty() {
                    path.push(name);
                }
                if self.peek() == Some(&Token::Path) {
                    self.at += 1;
                    return self.tree(path, module);
                }
                let mut declares = path.last().expect("it has a name").clone();
                if self.peek() == Some(&Token::Name("as".to_owned())) {
                    self.at += 1;
                    if let Some(Token::Name(name)) = self.next() {
                        declares = name;
                    }
                }
                module.declared.insert(declares, path);
            }
            Some(Token::Other(_) | Token::Open(_) | Token::Close(_)) | None => {}
        }
    }

    /// The type of an `impl` that begins here, if it is not one of a trait.
    fn inherent(&self) -> Option<String> {
        let mut depth = 0;
        let mut name = None;
        for token in &self.tokens[self.at..] {
            match token {
                Token::Other('<') => depth += 1,
                Token::Other('>') => depth -= 1,
                Token::Name(word) if depth == 0 && word == "for" => return None,
                Token::Name(word) if depth == 0 && word == "where" => return name,
                Token::Name(word) if depth == 0 => name = Some(word.clone()),
                Token::Open(Delimiter::Brace) => return name,
                // `impl Trait` as a type.
                Token::Other(',' | ';' | '=') | Token::Open(_) | Token::Close(_) if depth == 0 => return None,
                Token::Name(_) | Token::Path | Token::Other(_) | Token::Open(_) | Token::Close(_) => {}
            }
        }
        None
    }

    /// Whether the token that was read last can be the first of an item.
    fn begins_an_item(&self) -> bool {
        match self.at.checked_sub(2).map(|before| &self.tokens[before]) {
            None | Some(Token::Open(Delimiter::Brace) | Token::Close(Delimiter::Brace) | Token::Other(';')) => true,
            Some(Token::Name(_) | Token::Path | Token::Other(_) | Token::Open(_) | Token::Close(_)) => false,
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }
}

/// Lays groups flat, and leaves out what is only for tests.
fn flatten(stream: TokenStream, into: &mut Vec<Token>) {
    let mut trees = stream.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == '#' => match trees.next() {
                Some(TokenTree::Group(group)) if group.stream().to_string().replace(' ', "") == "cfg(test)" => {
                    // Up to the end of the item: its body, or a semicolon.
                    for tree in trees.by_ref() {
                        let ends = match &tree {
                            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                            TokenTree::Punct(punct) => punct.as_char() == ';',
                            TokenTree::Ident(_) | TokenTree::Literal(_) => false,
                        };
                        if ends {
                            break;
                        }
                    }
                }
                Some(_) | None => {}
            },
            TokenTree::Punct(punct) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint => {
                trees.next();
                into.push(Token::Path);
            }
            // `->` and `=>` end nothing.
            TokenTree::Punct(punct) if "-=".contains(punct.as_char()) && punct.spacing() == Spacing::Joint => {
                trees.next();
            }
            TokenTree::Punct(punct) => into.push(Token::Other(punct.as_char())),
            TokenTree::Ident(ident) => into.push(Token::Name(ident.to_string())),
            TokenTree::Literal(_) => into.push(Token::Other('0')),
            TokenTree::Group(group) => {
                into.push(Token::Open(group.delimiter()));
                flatten(group.stream(), into);
                into.push(Token::Close(group.delimiter()));
            }
        }
    }
}
