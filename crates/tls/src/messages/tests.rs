use super::*;

/// A message with its header.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0, 0, body.len() as u8], body].concat()
}

fn hello() -> Vec<u8> {
    let name = [&[0, 0, 0, 9, 0, 7, 0, 0, 4][..], b"name"].concat();
    let extensions = [&[0, 10, 0, 2, 0, 0][..], &name].concat();
    let parts = [&[3, 3][..], &[7; 32], &[1, 9], &[0, 2, 0x13, 1], &[1, 0], &[0, extensions.len() as u8], &extensions];
    message(CLIENT_HELLO, &parts.concat())
}

const SIGNED: &[u8] = &[4, 3, 0, 2, 9, 9];

fn ecdhe() -> Vec<u8> {
    message(SERVER_KEY_EXCHANGE, &[&[NAMED_CURVE, 0, 23, 2, 4, 4][..], SIGNED].concat())
}

fn after(messages: &[(bool, Vec<u8>)]) -> Messages {
    let mut seen = Messages::default();
    for (is_ours, message) in messages {
        seen.pass(*is_ours, message);
    }
    seen
}

#[test]
fn the_name_in_the_open() {
    assert_eq!(after(&[(false, hello())]).open_name.as_deref(), Some(&b"name"[..]));
    assert_eq!(after(&[(true, hello())]).open_name, None);
}

#[test]
fn algorithms_of_signatures() {
    let verify = message(CERTIFICATE_VERIFY, SIGNED);
    let seen = after(&[(true, verify.clone())]);
    assert_eq!((seen.ours, seen.theirs), (Some(0x0403), None));
    let seen = after(&[(true, ecdhe()), (false, verify)]);
    assert_eq!((seen.ours, seen.theirs), (Some(0x0403), Some(0x0403)));
    let dhe = message(SERVER_KEY_EXCHANGE, &[&[0, 1, 5, 0, 1, 6, 0, 1, 7][..], SIGNED].concat());
    assert_eq!(after(&[(true, dhe)]).ours, Some(0x0403));
}

#[test]
fn older_versions_name_none() {
    let bare = &SIGNED[2..];
    let seen = after(&[
        (false, message(CERTIFICATE_VERIFY, bare)),
        (true, message(SERVER_KEY_EXCHANGE, &[&[NAMED_CURVE, 0, 23, 2, 4, 4][..], bare].concat())),
    ]);
    assert_eq!((seen.ours, seen.theirs), (None, None));
}

#[test]
fn every_prefix_tells_nothing() {
    for whole in [hello(), ecdhe(), message(CERTIFICATE_VERIFY, SIGNED)] {
        for end in 0..whole.len() {
            let seen = after(&[(false, whole[..end].to_vec())]);
            assert!(seen.theirs.is_none() && seen.open_name.is_none(), "{end}");
        }
    }
}
