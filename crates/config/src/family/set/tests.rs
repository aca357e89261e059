use crate::family::proxy::sample::{refused_in_server, said_in_server, stream};

#[test]
fn assignments_keep_their_order_and_are_not_inherited() {
    let stream = stream("server { listen 1; set $a 1; set $b $a; set $a 2; } server { listen 2; }");
    let set = &stream.servers[0].set;
    assert_eq!(set.len(), 3);
    assert!(set[0].variable == set[2].variable && set[0].variable != set[1].variable);
    assert!(stream.servers[1].set.is_empty());
    assert!(said_in_server("set $ssl_cipher x; set $1 x;").is_empty());
}

#[test]
fn wrong_words() {
    refused_in_server(&[
        ("set a b;", "invalid variable name \"a\" in FILE:1"),
        ("set $ b;", "invalid variable name \"$\" in FILE:1"),
        ("set $remote_addr b;", "the duplicate \"remote_addr\" variable in FILE:1"),
        ("set $a b$;", "invalid variable name in FILE:1"),
        ("set $a $none;", "unknown \"none\" variable"),
    ]);
}
