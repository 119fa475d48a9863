//! The house keeps its shape: imports go down only, functions and files stay
//! small.

use std::fs;
use std::path::{Path, PathBuf};

/// What each module may import of the crate, itself aside.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("plan", &["model"]),
    ("ledger", &["model", "plan"]),
    ("judge", &["model", "plan", "ledger", "exit_code"]),
    ("target", &["model", "plan"]),
    ("engine", &["model", "plan", "ledger", "target", "faults"]),
    ("faults", &["model", "plan"]),
    ("server", &["model"]),
    ("results", &["model", "plan", "ledger", "judge"]),
    ("report", &["model", "plan", "ledger", "judge"]),
    ("cluster", &["model", "plan", "ledger"]),
    ("exit_code", &[]),
    ("cli", &[]),
];

/// They see everything.
const WIRING: &[&str] = &["main", "lib", "commands", "study"];

const FUNCTION_LINES: usize = 70;
const FILE_LINES: usize = 400;

#[test]
fn imports_go_down_only() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = module_of(&path);
        if WIRING.contains(&module.as_str()) {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: module {module} has no place in the picture", path.display()));
            continue;
        };
        for imported in imports(without_tests(&text)) {
            if imported != module && !allowed.contains(&imported.as_str()) {
                wrong.push(format!("{}: {module} must not import {imported}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_layers_touch_nothing() {
    const FORBIDDEN: &[&str] = &[
        "tokio",
        "std::fs",
        "std::net",
        "std::io",
        "std::env",
        "Instant",
        "SystemTime",
        "println!",
        "eprintln!",
        "std::process",
    ];
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if !["model", "plan", "ledger", "judge"].contains(&module_of(&path).as_str()) {
            continue;
        }
        let code: String = without_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for word in FORBIDDEN {
            if code.contains(word) {
                wrong.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn functions_and_files_stay_small() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let text = without_tests(&text);
        let lines = text.lines().count();
        if lines > FILE_LINES {
            wrong.push(format!("{}: {lines} lines", path.display()));
        }
        for (name, lines) in functions(text) {
            if lines > FUNCTION_LINES {
                wrong.push(format!("{}: fn {name} has {lines} lines", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readers_of_this_test_find_what_they_look_for() {
    let code = "use crate::{judge::Verdict, model};\nuse std::fs;\nlet x = crate::plan::f(crate::ledger::Y);\n// crate::report\n";
    assert_eq!(imports(code), ["judge", "ledger", "model", "plan"]);
    let code = "impl A {\n    fn short() {\n    }\n    pub async fn long(\n        a: u8,\n    ) {\n        b();\n    }\n}\nfn one() {}\n";
    let found: Vec<_> = functions(code).into_iter().collect();
    assert_eq!(found, [("short".to_owned(), 2), ("long".to_owned(), 5), ("one".to_owned(), 1)]);
    assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {\n"), "a\n");
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

fn module_of(path: &Path) -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let inside = path.strip_prefix(source).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The part of a file before its `#[cfg(test)] mod tests`.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod ").map_or(text, |start| &text[..start])
}

/// The modules of the crate that code names by `crate::…`, sorted.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(group) => group.split('}').next().unwrap_or(group).split(',').collect(),
                None => vec![rest],
            };
            let first_word = |name: &str| {
                name.trim().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect::<String>()
            };
            found.extend(names.into_iter().map(first_word).filter(|name| !name.is_empty()));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Names of the functions and their lines, from the `fn` to the closing brace
/// at the same indentation (rustfmt has put it there).
fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let Some(at) = trimmed.find("fn ") else { continue };
        let before = &trimmed[..at];
        let is_item = before
            .split_whitespace()
            .all(|word| ["pub", "async", "const", "unsafe", "pub(super)", "pub(crate)"].contains(&word));
        if !is_item {
            continue;
        }
        let name: String =
            trimmed[at + 3..].chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        if trimmed.ends_with('}') || trimmed.ends_with(';') {
            found.push((name, 1));
            continue;
        }
        let indentation = line.len() - trimmed.len();
        let closes =
            |line: &&str| line.len() - line.trim_start().len() == indentation && line.trim_start().starts_with('}');
        let length = lines[start..].iter().position(closes).map_or(lines.len() - start, |end| end + 1);
        found.push((name, length));
    }
    found
}
