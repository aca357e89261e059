use super::*;

fn conf(port: u16) -> PeerConf {
    let text = format!("127.0.0.1:{port}");
    let address = Address::Inet(text.parse().unwrap());
    PeerConf::new(text, address)
}

fn weights(weights: &[u32]) -> Vec<PeerConf> {
    weights.iter().zip(1..).map(|(weight, port)| PeerConf { weight: *weight, ..conf(port) }).collect()
}

#[test]
fn weighted_round_robin() {
    let mut peers = Peers::new(Method::RoundRobin, weights(&[1, 2, 1, 3]));
    let order: Vec<_> =
        (0..14).map(|_| peers.pick(&mut Selection::default(), 1, &mut || 0, b"").unwrap().index).collect();
    assert_eq!(order, [3, 1, 0, 3, 2, 1, 3, 3, 1, 0, 3, 2, 1, 3]);
}
