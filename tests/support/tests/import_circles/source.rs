//! The files of a crate, and the names that each uses: read as text, without a compiler.

use std::collections::{BTreeMap, BTreeSet};

/// A file of a crate, by its place in the tree of modules; the crate's own is empty.
pub(crate) type Module = Vec<String>;

/// A name that a `use` brings into a file.
pub(crate) struct Import {
    /// What it is called there; `*` for everything.
    pub(crate) name: String,
    /// Where it comes from, as it is written.
    pub(crate) path: Vec<String>,
}

/// What is known of a file.
#[derive(Default)]
pub(crate) struct File {
    /// The modules that it declares and that have files of their own.
    pub(crate) children: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths in its code: of two names at least.
    pub(crate) paths: Vec<Vec<String>>,
}

/// A crate.
pub(crate) struct Crate {
    pub(crate) files: BTreeMap<Module, File>,
}

impl Crate {
    /// Reads the crate's own file and every module that has one. `text`: the text of a module's
    /// file, if there is one.
    pub(crate) fn read(text: impl Fn(&[String]) -> Option<String>) -> Self {
        let mut files = BTreeMap::new();
        let mut open = vec![Module::new()];
        while let Some(module) = open.pop() {
            let Some(source) = text(&module) else {
                continue;
            };
            let mut reader = Reader {
                tokens: tokens(&source),
                at: 0,
                file: File::default(),
            };
            reader.read();
            let mut file = reader.file;
            let below = |name: &String| [module.clone(), vec![name.clone()]].concat();
            file.children.retain(|name| text(&below(name)).is_some());
            open.extend(file.children.iter().map(below));
            files.insert(module, file);
        }
        Self { files }
    }
}

/// Names, `::`, and single signs. Comments, texts and characters are left out.
fn tokens(source: &str) -> Vec<String> {
    let signs: Vec<char> = source.chars().collect();
    let is = |at: usize, text: &str| {
        text.chars()
            .enumerate()
            .all(|(i, sign)| signs.get(at + i) == Some(&sign))
    };
    let part_of_name = |at: usize| {
        signs
            .get(at)
            .is_some_and(|c| c.is_alphanumeric() || *c == '_')
    };
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < signs.len() {
        if is(at, "//") {
            at += signs[at..].iter().take_while(|c| **c != '\n').count();
        } else if is(at, "/*") {
            let mut depth = 0;
            loop {
                match (is(at, "/*"), is(at, "*/")) {
                    (true, _) => (depth, at) = (depth + 1, at + 2),
                    (_, true) => (depth, at) = (depth - 1, at + 2),
                    _ => at += 1,
                }
                if depth == 0 || at >= signs.len() {
                    break;
                }
            }
        } else if let Some((begin, end)) = raw_text(&signs, at) {
            at = begin;
            while at < signs.len() && !is(at, &end) {
                at += 1;
            }
            at += end.len();
        } else if signs[at] == '"' {
            at += 1;
            while at < signs.len() && signs[at] != '"' {
                at += if signs[at] == '\\' { 2 } else { 1 };
            }
            at += 1;
        } else if signs[at] == '\'' && (is(at + 1, "\\") || is(at + 2, "'")) {
            // A character; else the quote begins a lifetime.
            at += if is(at + 1, "\\") { 3 } else { 2 };
            while at < signs.len() && signs[at] != '\'' {
                at += 1;
            }
            at += 1;
        } else if part_of_name(at) {
            let end = (at..).find(|at| !part_of_name(*at)).unwrap_or(signs.len());
            tokens.push(signs[at..end].iter().collect());
            at = end;
        } else if is(at, "::") {
            tokens.push("::".to_owned());
            at += 2;
        } else {
            if !signs[at].is_whitespace() {
                tokens.push(signs[at].to_string());
            }
            at += 1;
        }
    }
    tokens
}

/// Where a raw text that begins here has its first sign, and what ends it.
fn raw_text(signs: &[char], at: usize) -> Option<(usize, String)> {
    let rest = &signs[at..];
    let name_before = at > 0 && (signs[at - 1].is_alphanumeric() || signs[at - 1] == '_');
    let prefix = match rest {
        ['r', ..] => 1,
        ['b', 'r', ..] => 2,
        _ => return None,
    };
    let hashes = rest[prefix..].iter().take_while(|c| **c == '#').count();
    let quote = rest.get(prefix + hashes) == Some(&'"');
    (quote && !name_before).then(|| {
        (
            at + prefix + hashes + 1,
            format!("\"{}", "#".repeat(hashes)),
        )
    })
}

struct Reader {
    tokens: Vec<String>,
    at: usize,
    file: File,
}

impl Reader {
    fn token(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", String::as_str)
    }

    fn follows(&self, tokens: &[&str]) -> bool {
        tokens
            .iter()
            .enumerate()
            .all(|(ahead, token)| self.token(ahead) == *token)
    }

    fn read(&mut self) {
        while self.at < self.tokens.len() {
            if self.follows(&["#", "[", "cfg", "(", "test", ")", "]"]) {
                self.at += 7;
                self.skip_item();
            } else if self.follows(&["#"]) {
                self.at += if self.token(1) == "!" { 2 } else { 1 };
                self.skip_brackets();
            } else if self.follows(&["pub", "("]) {
                self.at += 1;
                self.skip_brackets();
            } else if self.follows(&["mod"]) && self.token(2) == ";" {
                self.file.children.insert(self.token(1).to_owned());
                self.at += 3;
            } else if self.follows(&["use"]) && is_name(self.token(1)) {
                self.at += 1;
                self.tree(&[]);
            } else if is_name(self.token(0)) {
                let path = self.path();
                if path.len() > 1 {
                    self.file.paths.push(path);
                }
            } else {
                self.at += 1;
            }
        }
    }

    /// To behind the bracket that closes the one that is here.
    fn skip_brackets(&mut self) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.token(0) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// To behind the item that begins here.
    fn skip_item(&mut self) {
        while self.at < self.tokens.len() {
            match self.token(0) {
                ";" => return self.at += 1,
                "{" => {
                    self.skip_brackets();
                    // What a `use` has in braces ends with its semicolon.
                    return if self.token(0) == ";" {
                        self.at += 1
                    };
                }
                "(" | "[" => self.skip_brackets(),
                _ => self.at += 1,
            }
        }
    }

    fn path(&mut self) -> Vec<String> {
        let mut path = vec![self.token(0).to_owned()];
        self.at += 1;
        while self.token(0) == "::" && is_name(self.token(1)) {
            path.push(self.token(1).to_owned());
            self.at += 2;
        }
        path
    }

    /// One branch of a `use`, to behind it.
    fn tree(&mut self, before: &[String]) {
        let mut path = before.to_vec();
        loop {
            match self.token(0) {
                "{" => {
                    self.at += 1;
                    while !["}", ""].contains(&self.token(0)) {
                        self.tree(&path);
                        if self.token(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    self.at += 1;
                    self.file.imports.push(Import {
                        name: "*".to_owned(),
                        path,
                    });
                    return;
                }
                "::" => self.at += 1,
                name if is_name(name) && name != "as" => {
                    path.push(name.to_owned());
                    self.at += 1;
                }
                _ => break,
            }
        }
        if path.len() > before.len()
            && path.last().is_some_and(|last| last == "self")
            && path.len() > 1
        {
            path.pop();
        }
        let mut name = path.last().cloned().unwrap_or_default();
        if self.token(0) == "as" {
            name = self.token(1).to_owned();
            self.at += 2;
        }
        self.file.imports.push(Import { name, path });
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
