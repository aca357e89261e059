//! What `-t` says: `load.cases` holds a configuration a line, below the context it is written in.

use std::fmt::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::{Binary, Scratch};

/// Cases that differ, and why.
const KNOWN: &[(&str, &str)] = &[
    ("server_name ~", REGEX),
    ("~*(", REGEX),
    ("resolver unix:/x", "no name server listens at a path: refused when read, not when first asked"),
    ("255.255.255.255", "an address like others, where nginx takes it for an error of its own"),
    ("10% ;", "a part without a value is refused, where nginx reads past its end"),
    ("VerifyMode", "AWS-LC has no such command; the build with OpenSSL takes it"),
    ("PrioritizeChaCha", "AWS-LC has no such option, and that is told"),
    ("X25519:X448", "AWS-LC has not this group, and that is told"),
    ("ssl_ciphers DHE", "AWS-LC has no such ciphers, and that is told"),
    ("proxy_protocol v1", WORDS),
    ("proxy_protocol 1", WORDS),
    ("proxy_ssl_protocols SSLv2", "the TLS library has no SSLv2, and says so"),
    ("ssl_ech_file nofile", "AWS-LC can encrypted hellos, and the file is missed"),
    ("%pki/other.key", KIND),
    ("proxy_ssl_certificate_key %pki/server.key", KIND),
    ("ChainCAFile", "AWS-LC has no such command; the build with OpenSSL takes it"),
    ("RequestCAFile", "AWS-LC has no such command; the build with OpenSSL takes it"),
    ("load_module", "modules of nginx cannot be loaded, and the message says that"),
    ("http {", "a block for another program is refused, not run in part"),
    ("mail {", "a block for another program is refused, not run in part"),
];
const WORDS: &str = "`on`, `off` or `v2` since 1.31.4: the message is that of other lists of words";
const KIND: &str = "a key of another kind than the certificate's is refused, where nginx ends each handshake";
const REGEX: &str = "the wheel's nginx has PCRE, whose messages differ from those of PCRE2";

/// The file around a case.
fn file(context: &str, text: &str) -> String {
    let stream = |inside: String| format!("events {{}}\nstream {{\n{inside}\n}}\n");
    let block = |head: &str| stream(format!("{head} {{\n{text}\n}}"));
    match context {
        "raw" => text.to_owned(),
        "main" => format!("{text}\nevents {{}}\n"),
        "events" => format!("events {{\n{text}\n}}\n"),
        "stream" => stream(text.to_owned()),
        "server" => stream(format!("server {{\nlisten unix:%dir/l;\n{text}\n}}")),
        "tls" => stream(format!("server {{\nlisten unix:%dir/l ssl;\n{text}\nreturn x;\n}}")),
        "certified" => stream(format!(
            "server {{\nlisten unix:%dir/l ssl;\nssl_certificate %pki/server.crt; ssl_certificate_key %pki/server.key;\n\
             {text}\nreturn x;\n}}"
        )),
        "upstream_tls" => {
            stream(format!("server {{\nlisten unix:%dir/l;\nproxy_ssl on; proxy_pass 127.0.0.1:1;\n{text}\n}}"))
        }
        "listen" => stream(format!("server {{\n{text}\nreturn x;\n}}")),
        "names" => stream(format!(
            "server {{ listen 127.0.0.1:18999; server_name {text}; return x; }}\n\
             server {{ listen 127.0.0.1:18999; server_name zz; return x; }}"
        )),
        "upstream" => stream(format!("upstream u {{\nserver 127.0.0.1:1;\n{text}\n}}")),
        "map" => block("map $remote_addr $m"),
        "maph" => stream(format!("map $remote_addr $m {{\nhostnames;\n{text}\n}}")),
        "geo" => block("geo $m"),
        "split" => block("split_clients $remote_addr $m"),
        other => panic!("unknown context {other:?}"),
    }
}

/// A case as the list of differences knows it.
fn shown(context: &str, text: &str) -> String {
    if context == "names" { format!("server_name {text}") } else { text.to_owned() }
}

/// What one run shows: what `-t` says, its exit code, the files it leaves.
type Verdict = (Vec<String>, Option<i32>, Vec<String>);

/// What libraries and systems say in their own words is cut.
fn verdict(binary: &Binary, context: &str, text: &str) -> Verdict {
    let scratch = Scratch::new();
    let dir = scratch.path().display().to_string();
    std::fs::create_dir_all(scratch.path().join("logs")).unwrap();
    let pki = testkit::pki().dir().display().to_string();
    let conf = scratch.write("load.conf", file(context, text).replace("%dir", &dir).replace("%pki", &pki));
    let log = scratch.path().join("start.log");
    let run = binary.run(["-t".as_ref(), "-p".as_ref(), scratch.path(), "-c".as_ref(), &conf, "-e".as_ref(), &log]);
    let lines = run.messages().into_iter().filter(|line| line.starts_with('[') || line.contains("configuration file"));
    let lines = lines.map(|line| match line.split_once("(SSL:") {
        Some((text, _)) => format!("{text}(SSL").replace(&dir, "%dir"),
        None => line.replace(&dir, "%dir"),
    });
    let mut files = Vec::new();
    files_in(scratch.path(), &mut files);
    // The programs were built with another place for the pid file.
    let mut files: Vec<String> =
        files.iter().map(|file| file.replace(&dir, "").replace("/logs/nginx.pid", "/nginx.pid")).collect();
    files.sort();
    (lines.collect(), run.code, files)
}

fn files_in(directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_in(&path, found);
        } else {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn every_case_of_the_table_has_the_same_verdict() {
    let mut context = "";
    let mut cases = Vec::new();
    for line in include_str!("load.cases").lines() {
        match line.strip_prefix('@') {
            Some(name) => context = name,
            None if line.is_empty() && context != "raw" => {}
            None => cases.push((context, line.replace("\\N", "\n"))),
        }
    }
    assert!(cases.len() > 2500, "the table is read");
    for (part, reason) in KNOWN {
        let concerned = |(context, text): &(&str, String)| shown(context, text).contains(part);
        assert!(cases.iter().any(concerned), "no case is concerned by the difference {part:?}: {reason}");
    }
    let (next, report) = (AtomicUsize::new(0), Mutex::new(String::new()));
    let work = || {
        while let Some((context, text)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let shown = shown(context, text);
            let known = KNOWN.iter().find(|(part, _)| shown.contains(part));
            let (theirs, ours) = (verdict(&crate::nginx(), context, text), verdict(&crate::lockgate(), context, text));
            if theirs != ours && known.is_none() {
                let _ = writeln!(report.lock().unwrap(), "@{context} {text}\nnginx {theirs:#?}\nLockgate {ours:#?}");
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(work);
        }
    });
    let report = report.into_inner().unwrap();
    assert!(report.is_empty(), "\n{report}");
}
