use policy::address::Address;

use crate::family::proxy::sample::{refused_in_server, said_in_server, stream};

#[test]
fn hosts_stand_for_their_addresses_and_lists_replace_each_other() {
    let stream = stream(
        "set_real_ip_from 10.0.0.0/8; set_real_ip_from unix:;
         server { listen 1; set_real_ip_from two.test; }
         server { listen 2; }",
    );
    let trusts = |server: usize, ip: &str| {
        stream.servers[server].realip.trusts(&Address::Inet((ip.parse::<std::net::IpAddr>().unwrap(), 1).into()))
    };
    assert!(trusts(0, "192.0.2.1") && trusts(0, "2001:db8::2") && !trusts(0, "10.1.1.1"));
    assert!(trusts(1, "10.1.1.1") && !trusts(1, "192.0.2.1"));
    assert!(stream.servers[1].realip.trusts(&Address::Unix(b"/a"[..].into())));
}

#[test]
fn words() {
    for word in ["x", "all", "10.0.0.0/33", "::1/129", "''"] {
        let name = word.trim_matches('\'');
        let error = format!("host not found in set_real_ip_from \"{name}\" in FILE:1");
        refused_in_server(&[(&format!("set_real_ip_from {word};"), &error)]);
    }
    assert_eq!(
        said_in_server("set_real_ip_from 10.0.0.1/8;"),
        ["warn: low address bits of 10.0.0.1/8 are meaningless in FILE:1"]
    );
}
