use proptest::prelude::*;

use super::*;

fn network(text: &str) -> Network {
    Network::parse(text.as_bytes()).unwrap().0
}

fn text(value: Option<Box<[u8]>>) -> Option<String> {
    value.map(|value| String::from_utf8(value.into()).unwrap())
}

fn at(geo: &Geo, ip: &str) -> String {
    String::from_utf8(geo.lookup(Some(ip.parse().unwrap())).to_vec()).unwrap()
}

#[test]
fn the_longest_network_wins_whatever_the_order() {
    let mut geo = GeoBuilder::default();
    for (net, value) in [
        ("10.0.0.5", "host"),
        ("10.0.0.0/8", "wide"),
        ("10.0.0.0/24", "net"),
        ("2001:db8::/32", "six"),
        ("255.255.255.255", "last"),
    ] {
        assert_eq!(geo.insert(network(net), value.as_bytes()), None, "{net}");
    }
    let geo = geo.build();
    for (ip, value) in [
        ("10.0.0.5", "host"),
        ("10.0.0.6", "net"),
        ("10.0.1.0", "wide"),
        ("10.255.255.255", "wide"),
        ("11.0.0.0", ""),
        ("::ffff:10.0.0.5", "host"),
        ("2001:db8:ffff::", "six"),
        ("2001:db9::", ""),
        ("255.255.255.254", ""),
    ] {
        assert_eq!(at(&geo, ip), value, "{ip}");
    }
    assert_eq!(geo.lookup(None), b"last", "what is no address counts as the last one");
}

#[test]
fn a_repeated_network_tells_what_its_first_address_had() {
    let mut geo = GeoBuilder::default();
    let mut insert = |net, value: &str| text(geo.insert(network(net), value.as_bytes()));
    assert_eq!(insert("127.0.0.0/8", "a"), None);
    assert_eq!(insert("127.0.0.0/24", "b"), None);
    assert_eq!(insert("127.0.0.0/8", "c").as_deref(), Some("b"));
    assert_eq!(geo.default_networks(b"x"), [None, None]);
    geo.insert(network("0.0.0.0/8"), b"y");
    assert_eq!(geo.default_networks(b"z").map(text), [Some("y".to_owned()), Some("x".to_owned())]);
    let geo = geo.build();
    assert_eq!(
        [at(&geo, "127.0.0.1"), at(&geo, "127.1.0.1"), at(&geo, "1.1.1.1"), at(&geo, "::1")],
        ["b", "c", "z", "z"]
    );
}

#[test]
fn a_network_is_deleted_as_written_only() {
    let mut geo = GeoBuilder::default();
    geo.insert(network("10.0.0.0/8"), b"a");
    geo.insert(network("10.0.0.0/9"), b"b");
    geo.insert(network("::/0"), b"six");
    assert!(!geo.remove(network("10.0.0.0/10")));
    assert!(geo.remove(network("10.0.0.0/9")) && geo.remove(network("::/0")));
    assert!(!geo.remove(network("10.0.0.0/9")) && !geo.remove(network("::/0")));
    let geo = geo.build();
    assert_eq!([at(&geo, "10.0.0.1"), at(&geo, "::1")], ["a", ""]);
}

/// The values that were replaced, joined.
fn insert_range(geo: &mut GeoBuilder, range: &str, value: &str) -> Result<String, RangeError> {
    let (first, last) = range.split_once('-').unwrap();
    let mut replaced = Vec::new();
    geo.insert_range((first.parse().unwrap(), last.parse().unwrap()), value.as_bytes(), &mut replaced)?;
    Ok(replaced.into_iter().filter_map(|old| text(Some(old))).collect::<Vec<_>>().join(" "))
}

#[test]
fn ranges_are_cut_out_of_others() {
    let mut geo = GeoBuilder::default();
    assert_eq!(geo.default_range(b"none"), None);
    for (range, value) in [
        ("10.0.0.0-10.0.0.9", "outer"),
        ("10.0.0.0-10.0.0.1", "left"),
        ("10.0.0.8-10.0.0.9", "right"),
        ("10.0.0.4-10.0.0.5", "inner"),
    ] {
        assert_eq!(insert_range(&mut geo, range, value), Ok(String::new()), "{range}");
    }
    assert_eq!(insert_range(&mut geo, "10.0.0.4-10.0.0.5", "again"), Ok("inner".to_owned()));
    let there = RangeError { first: Ipv4Addr::new(10, 0, 0, 8), last: Ipv4Addr::new(10, 0, 0, 9) };
    assert_eq!(insert_range(&mut geo, "10.0.0.9-10.0.0.10", "x"), Err(there));
    assert_eq!(insert_range(&mut geo, "10.0.0.7-10.0.0.9", "x"), Err(there));
    assert_eq!(text(geo.default_range(b"rest")).as_deref(), Some("none"));
    assert!(!geo.remove_range(Ipv4Addr::new(10, 0, 0, 8), Ipv4Addr::new(10, 0, 0, 8)));
    assert!(geo.remove_range(Ipv4Addr::new(10, 0, 0, 8), Ipv4Addr::new(10, 0, 0, 9)));
    let geo = geo.build();
    let values: Vec<_> = (0..11).map(|n| at(&geo, &format!("10.0.0.{n}"))).collect();
    assert_eq!(values.join(" "), "left left outer outer again again outer outer rest rest rest");
    assert_eq!([at(&geo, "::ffff:10.0.0.4"), at(&geo, "::1")], ["again", "rest"]);
    assert_eq!(geo.lookup(None), b"rest");
}

#[test]
fn ranges_are_compared_in_pieces() {
    let mut geo = GeoBuilder::default();
    assert_eq!(insert_range(&mut geo, "10.0.0.0-10.1.255.255", "a"), Ok(String::new()));
    assert_eq!(insert_range(&mut geo, "10.0.5.0-10.2.0.5", "b"), Ok("a".to_owned()));
    assert_eq!(insert_range(&mut geo, "10.0.5.0-10.2.0.5", "b"), Ok("b b b".to_owned()), "once for each piece");
    let there = RangeError { first: Ipv4Addr::new(10, 2, 0, 0), last: Ipv4Addr::new(10, 2, 0, 5) };
    assert_eq!(insert_range(&mut geo, "10.2.0.3-10.2.0.9", "c"), Err(there));
    assert!(!geo.remove_range(Ipv4Addr::new(10, 1, 0, 0), Ipv4Addr::new(10, 3, 0, 0)), "a part was there");
    let geo = geo.build();
    let values = ["10.0.4.255", "10.0.5.0", "10.1.7.7", "10.2.0.5"].map(|ip| at(&geo, ip));
    assert_eq!(values, ["a", "b", "", "b"]);
}

#[test]
fn the_whole_space_in_one_range() {
    let mut geo = GeoBuilder::default();
    assert_eq!(insert_range(&mut geo, "0.0.0.0-255.255.255.254", "all"), Ok(String::new()));
    let geo = geo.build();
    assert_eq!([at(&geo, "0.0.0.0"), at(&geo, "255.255.255.254"), at(&geo, "255.255.255.255")], ["all", "all", ""]);
}

/// Networks that often nest, meet and repeat.
fn some_network() -> impl Strategy<Value = Network> {
    prop_oneof![
        (0..4_u32, 0..4_u32, 0..=32_u8)
            .prop_map(|(high, low, bits)| { Network::new(Ipv4Addr::from_bits(high << 30 | low).into(), bits) }),
        (0..4_u128, 0..4_u128, 0..=128_u8)
            .prop_map(|(high, low, bits)| Network::new(IpAddr::V6((high << 126 | low).into()), bits)),
    ]
}

/// Addresses on the borders of those networks.
fn some_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0..8_u32, -2..6_i32).prop_map(|(high, low)| IpAddr::V4((high << 29).wrapping_add_signed(low).into())),
        (0..8_u128, -2..6_i128).prop_map(|(high, low)| IpAddr::V6((high << 125).wrapping_add_signed(low).into())),
    ]
}

proptest! {
    #[test]
    fn networks_as_by_trying_all(
        lines in prop::collection::vec((some_network(), 0..4_u8, prop::bool::weighted(0.2)), 0..40),
        addresses in prop::collection::vec(some_address(), 1..40),
    ) {
        let mut geo = GeoBuilder::default();
        let mut model: Vec<(Network, u8)> = Vec::new();
        for (network, value, delete) in lines {
            let there = model.iter().position(|(known, _)| *known == network);
            if delete {
                prop_assert_eq!(geo.remove(network), there.is_some());
                there.map(|at| model.remove(at));
            } else {
                prop_assert_eq!(geo.insert(network, &[value]).is_some(), there.is_some());
                there.map(|at| model.remove(at));
                model.push((network, value));
            }
        }
        let geo = geo.build();
        for ip in addresses {
            let ip = address::unmapped(ip);
            let around = model.iter().filter(|(network, _)| {
                network.address().is_ipv4() == ip.is_ipv4() && Network::new(ip, network.bits()) == *network
            });
            let value = around.max_by_key(|(network, _)| network.bits()).map(|(_, value)| *value);
            prop_assert_eq!(geo.lookup(Some(ip)), value.as_slice(), "{}", ip);
        }
    }

    #[test]
    fn ranges_as_by_painting(ranges in prop::collection::vec((0..64_u32, 0..64_u32, 0..9_u8), 0..12)) {
        let mut geo = GeoBuilder::default();
        let mut painted = [None; 64];
        for (first, length, value) in ranges {
            let last = (first + length).min(63);
            if geo.insert_range((first.into(), last.into()), &[value], &mut Vec::new()).is_ok() {
                painted[first as usize..=last as usize].fill(Some(value));
            }
        }
        let geo = geo.build();
        for (ip, value) in (0_u32..).zip(painted) {
            prop_assert_eq!(geo.lookup(Some(Ipv4Addr::from_bits(ip).into())), value.as_slice());
        }
    }
}
