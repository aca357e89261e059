//! `proxy_pass` and its kin.

use crate::gateway;
use testkit::TcpBackend;

#[test]
fn relays_both_ways() {
    let up = TcpBackend::echo();
    let gw = gateway("server { listen 127.0.0.1:%in; proxy_pass %up; }").with("up", up.addr()).start();
    let mut client = gw.connect("in");
    client.send("hello");
    assert_eq!(client.recv(5), b"hello");
}
