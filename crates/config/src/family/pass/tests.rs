use super::Pass;
use crate::Content;
use crate::family::proxy::sample::{refused_in_server, stream};

#[test]
fn addresses_and_variables() {
    let stream = stream(
        "server { listen 1; pass [::1]:80; }
         server { listen 2; pass unix:/a; }
         server { listen 3; pass $pid:1; }",
    );
    let texts: Vec<_> = stream
        .servers
        .iter()
        .map(|server| match &server.content {
            Content::Pass(Pass::Fixed(to)) => to.iter().map(ToString::to_string).collect(),
            Content::Pass(Pass::Evaluated(_)) => "evaluated".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts, ["[::1]:80", "unix:/a", "evaluated"]);
}

#[test]
fn wrong_words() {
    refused_in_server(&[
        ("pass one.test:80;", "\"pass\" directive has no addresses in FILE:1"),
        ("pass 80;", "\"pass\" directive has no addresses in FILE:1"),
        ("pass 127.0.0.1;", "\"pass\" directive has no port in FILE:1"),
        ("pass a/b:1;", "invalid host in \"a/b:1\" of the \"pass\" directive in FILE:1"),
        ("pass 127.0.0.1:1; pass 127.0.0.1:1;", "\"pass\" directive is duplicate in FILE:1"),
        ("return a; return b;", "\"return\" directive is duplicate in FILE:1"),
    ]);
}
