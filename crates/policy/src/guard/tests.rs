use super::*;

fn of(text: &str) -> Option<&'static str> {
    special(text.parse().unwrap())
}

#[test]
fn addresses_of_anybody_are_not_special() {
    for ip in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2001:1::1",
        "2003::1",
        "64:ff9b::101:101",
        "::ffff:1.1.1.1",
        "2002:101:101::1",
        "fbff::1",
        "fe7f::1",
    ] {
        assert_eq!(of(ip), None, "{ip}");
    }
}

#[test]
fn each_kind_at_its_first_and_last_address() {
    for (kind, ips) in [
        ("unspecified", &["0.0.0.0", "0.255.255.255", "::"][..]),
        ("loopback", &["127.0.0.0", "127.0.0.1", "127.255.255.255", "::1"]),
        ("link-local", &["169.254.0.0", "169.254.255.255", "fe80::", "febf:ffff::1"]),
        (
            "private",
            &[
                "10.0.0.0",
                "10.255.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "192.168.0.0",
                "192.168.255.255",
                "fc00::",
                "fdff:ffff::1",
                "fec0::1",
                "feff::1",
                "64:ff9b:1::1",
            ],
        ),
        ("shared", &["100.64.0.0", "100.127.255.255"]),
        ("multicast", &["224.0.0.0", "239.255.255.255", "ff00::", "ff02::1"]),
        ("broadcast", &["255.255.255.255"]),
        ("reserved", &["240.0.0.0", "255.255.255.254", "192.0.0.1", "198.18.0.0", "198.19.255.255", "100::1"]),
        ("metadata", &["169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"]),
    ] {
        for ip in ips {
            assert_eq!(of(ip), Some(kind), "{ip}");
        }
    }
}

#[test]
fn ipv4_addresses_inside_ipv6_ones_are_what_they_are() {
    for (kind, ips) in [
        ("loopback", &["::ffff:127.0.0.1", "::127.0.0.1", "::ffff:0:7f00:1", "64:ff9b::127.0.0.1"][..]),
        ("loopback", &["2002:7f00:1::", "2001:0:7f00:1::", "2001:0:101:101:0:0:80ff:fffe", "2606:4700::5efe:7f00:1"]),
        ("metadata", &["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]),
        ("private", &["::ffff:10.1.2.3", "64:ff9b::192.168.1.1", "2002:ac10:1::1", "2606:4700::200:5efe:10.0.0.1"]),
        ("unspecified", &["::ffff:0.0.0.0", "64:ff9b::"]),
        ("multicast", &["::ffff:224.0.0.1"]),
    ] {
        for ip in ips {
            assert_eq!(of(ip), Some(kind), "{ip}");
        }
    }
}

#[test]
fn exceptions_hold_for_mapped_forms_too() {
    let mut guard = Guard::default();
    let refuses = |guard: &Guard, ip: &str| guard.refuses(ip.parse().unwrap());
    assert_eq!(refuses(&guard, "10.1.2.3"), Some("private"));
    guard.allow(Network::parse(b"10.1.0.0/16").unwrap().0);
    guard.allow(Network::parse(b"fd12::/16").unwrap().0);
    assert_eq!((refuses(&guard, "10.1.2.3"), refuses(&guard, "::ffff:10.1.2.3")), (None, None));
    assert_eq!((refuses(&guard, "fd12::1"), refuses(&guard, "fd13::1")), (None, Some("private")));
    assert_eq!(refuses(&guard, "10.2.0.0"), Some("private"));
    assert_eq!(refuses(&guard, "2002:a01:203::1"), Some("private"), "a tunnel is no mapped form");
}
