use super::super::*;
use super::host_port;
use crate::address::Address;

// Expected values were computed with zlib's CRC by the description of each method.

fn servers(weights: &[u32]) -> Vec<PeerConf> {
    let conf = |(weight, port): (&u32, u16)| {
        let text = format!("127.0.0.1:{port}");
        let address = Address::Inet(text.parse().unwrap());
        PeerConf { weight: *weight, ..PeerConf::new(text, address) }
    };
    weights.iter().zip(1..).map(conf).collect()
}

fn pick(peers: &mut Peers, selection: &mut Selection, key: &str) -> Option<u32> {
    peers.pick(selection, 1, &mut || 0, key.as_bytes()).map(|peer| peer.index)
}

fn of_clients(peers: &mut Peers) -> Vec<u32> {
    let mut client = |host| pick(peers, &mut Selection::default(), &format!("192.0.2.{host}")).unwrap();
    (0..12).map(&mut client).collect()
}

#[test]
fn keys_have_their_peers() {
    let mut peers = Peers::new(Method::Hash, servers(&[1, 2, 3]));
    assert_eq!(of_clients(&mut peers), [1, 2, 1, 2, 2, 1, 2, 2, 1, 2, 1, 1]);
}

#[test]
fn misses_hash_again() {
    let mut peers = Peers::new(Method::Hash, servers(&[1, 2, 3]));
    for (key, order) in [("k0", [1, 2, 0]), ("k1", [0, 1, 2])] {
        let mut selection = Selection::default();
        assert_eq!([0; 3].map(|_| pick(&mut peers, &mut selection, key).unwrap()), order);
        assert_eq!(pick(&mut peers, &mut selection, key), None);
    }
}

#[test]
fn empty_keys_take_turns() {
    for method in [Method::Hash, Method::ConsistentHash] {
        let mut peers = Peers::new(method, servers(&[1, 1]));
        assert_eq!([0; 4].map(|_| pick(&mut peers, &mut Selection::default(), "").unwrap()), [0, 1, 0, 1]);
    }
}

#[test]
fn keys_have_their_place_on_the_ring() {
    let mut peers = Peers::new(Method::ConsistentHash, servers(&[1, 2, 1]));
    assert_eq!(of_clients(&mut peers), [0, 1, 1, 0, 1, 2, 2, 0, 1, 0, 0, 0]);
}

#[test]
fn a_lost_server_moves_only_its_keys() {
    let all = servers(&[1, 1, 1, 1]);
    let mut before = Peers::new(Method::ConsistentHash, all.clone());
    let mut after = Peers::new(Method::ConsistentHash, all.into_iter().take(3).collect());
    let mut moved = 0;
    for key in 0..400 {
        let key = format!("key-{key}");
        let was = pick(&mut before, &mut Selection::default(), &key).unwrap();
        let is = pick(&mut after, &mut Selection::default(), &key).unwrap();
        if was == 3 {
            moved += 1;
        } else {
            assert_eq!(was, is, "{key}");
        }
    }
    assert!((50..150).contains(&moved), "{moved}");
}

#[test]
fn addresses_of_one_server_take_turns() {
    let mut confs = servers(&[1, 1, 1]);
    confs[0].text = "name:1".to_owned();
    confs[1].text = "name:1".to_owned();
    let mut peers = Peers::new(Method::ConsistentHash, confs);
    let key = (0..100)
        .map(|key| format!("key-{key}"))
        .find(|key| pick(&mut peers, &mut Selection::default(), key) == Some(0))
        .unwrap();
    let order = [0; 4].map(|_| pick(&mut peers, &mut Selection::default(), &key).unwrap());
    assert_eq!(order, [1, 0, 1, 0]);
}

#[test]
fn a_session_finds_all_servers_on_the_ring() {
    let mut peers = Peers::new(Method::ConsistentHash, servers(&[1, 1, 1]));
    let mut selection = Selection::default();
    let mut order = [0; 3].map(|_| pick(&mut peers, &mut selection, "key").unwrap());
    order.sort_unstable();
    assert_eq!(order, [0, 1, 2]);
    assert_eq!(pick(&mut peers, &mut selection, "key"), None);
}

#[test]
fn hosts_and_ports_of_servers() {
    assert_eq!(host_port("a.example:80"), ("a.example", "80"));
    assert_eq!(host_port("[::1]:80"), ("[::1]", "80"));
    assert_eq!(host_port("a.example"), ("a.example", ""));
    assert_eq!(host_port("a:b"), ("a:b", ""));
    assert_eq!(host_port("UNIX:/run/a:1"), ("/run/a:1", ""));
}
