//! Bytes from the wire.

fn prefixed<const N: usize>(content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u32).to_be_bytes();
    [&length[4 - N..], content].concat()
}

fn extension(kind: u16, content: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &prefixed::<2>(content)].concat()
}

/// A `ClientHello` as browsers send it, with a hybrid key share: 1.5 KB, the name behind what comes before it there.
pub fn client_hello(name: &str) -> Vec<u8> {
    let server_name = prefixed::<2>(&[&[0][..], &prefixed::<2>(name.as_bytes())].concat());
    let protocols = prefixed::<2>(&[prefixed::<1>(b"h2"), prefixed::<1>(b"http/1.1")].concat());
    let hybrid = [&[0x11, 0xec][..], &prefixed::<2>(&[7; 1216])].concat();
    let classic = [&[0, 29][..], &prefixed::<2>(&[7; 32])].concat();
    let extensions = [
        extension(0x0a0a, &[]),
        extension(23, &[]),
        extension(65281, &[0]),
        extension(10, &prefixed::<2>(&[0x11, 0xec, 0, 29, 0, 23, 0, 24])),
        extension(11, &[1, 0]),
        extension(0, &server_name),
        extension(16, &protocols),
        extension(13, &prefixed::<2>(&[4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1])),
        extension(43, &prefixed::<1>(&[3, 4, 3, 3])),
        extension(45, &[1, 1]),
        extension(51, &prefixed::<2>(&[hybrid, classic].concat())),
    ]
    .concat();
    let suites: Vec<u8> = (1..=16).flat_map(|suite| [0x13, suite]).collect();
    let body = [
        &[3, 3][..],
        &[5; 32],
        &prefixed::<1>(&[6; 32]),
        &prefixed::<2>(&suites),
        &[1, 0],
        &prefixed::<2>(&extensions),
    ];
    let handshake = [&[1][..], &prefixed::<3>(&body.concat())].concat();
    [&[22, 3, 1][..], &prefixed::<2>(&handshake)].concat()
}

/// A name server's answer with four addresses; it answers a query for `name` that bears `id`.
pub fn dns_answer(name: &str, id: u16) -> Vec<u8> {
    let labels: Vec<u8> = name.split('.').flat_map(|label| prefixed::<1>(label.as_bytes())).collect();
    let mut bytes = [&id.to_be_bytes()[..], &[0x81, 0x80, 0, 1, 0, 4, 0, 0, 0, 0], &labels, &[0, 0, 1, 0, 1]].concat();
    for last in 1..=4 {
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, last]);
    }
    bytes
}
