//! Each `golden/*.conf`, walked with a toy vocabulary, must give the diagnostic and the snippet of its `.expected`.

use std::path::{Path, PathBuf};

use syntax::{Diagnostic, Directive, Item, Memory, Parser, Source, Sources, closest};

const NAMES: [&str; 5] = ["user", "stream", "server", "listen", "proxy_pass"];

/// Everything is allowed everywhere, but only known names, and `user` once.
fn check(source: &Source) -> Result<(), Diagnostic> {
    let mut parser = Parser::new(source);
    let mut directive = Directive::default();
    let mut user = None;
    loop {
        match parser.next(&mut directive)? {
            Item::End => return Ok(()),
            Item::Close => continue,
            Item::Directive => {}
        }
        let name = String::from_utf8_lossy(directive.name()).into_owned();
        let Some(word) = directive.words.first() else {
            continue;
        };
        if !NAMES.contains(&name.as_str()) {
            let error = Diagnostic::emerg(format!("unknown directive \"{name}\""));
            let help = closest(&name, NAMES);
            return Err(error.at(parser.place()).span(word.span).did_you_mean(help));
        }
        if name != "user" {
            continue;
        }
        match (user, directive.span()) {
            (Some(first), Some(span)) => {
                let error = Diagnostic::emerg("\"user\" directive is duplicate");
                let error = error.at(parser.place()).span(span);
                return Err(error.related(first, "first written here"));
            }
            (_, span) => user = span,
        }
    }
}

fn render(text: Vec<u8>) -> Result<String, Diagnostic> {
    let mut sources = Sources::new();
    let files = Memory::from([("x.conf", text)]);
    let source = sources.open(Path::new("x.conf"), &files, None)?;
    Ok(match check(&source) {
        Ok(()) => "ok\n".to_owned(),
        Err(error) => {
            let snippet = error.render_snippet(&sources, false);
            format!("[{}] {error}\n{snippet}", error.level)
        }
    })
}

#[test]
fn golden() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut confs: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "conf"))
        .collect();
    confs.sort();
    assert!(confs.len() >= 8, "{confs:?}");
    for conf in confs {
        let text = std::fs::read(&conf).unwrap();
        let expected = conf.with_extension("expected");
        let found = render(text).unwrap();
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&expected, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(found, expected, "{}", conf.display());
    }
}
