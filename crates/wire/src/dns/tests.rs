use std::str::FromStr;

use hickory_proto::op::MessageType;
use hickory_proto::rr::rdata::{A, CNAME, SRV, TXT};
use proptest::prelude::*;

use super::*;

/// What a server would say to `asked`.
fn response(asked: &Asked, records: &[(u32, RData)]) -> Message {
    let mut message = Message::from_vec(&asked.bytes).unwrap();
    message.metadata.message_type = MessageType::Response;
    for (ttl, data) in records {
        message.add_answer(Record::from_rdata(asked.name.clone(), *ttl, data.clone()));
    }
    message
}

fn sent(message: &Message) -> Vec<u8> {
    message.to_vec().unwrap()
}

fn read(message: &Message) -> Response {
    Response::read(&sent(message)).unwrap()
}

fn name(text: &str) -> Name {
    Name::from_str(text).unwrap()
}

const ONE: RData = RData::A(A::new(192, 0, 2, 1));
const TWO: RData = RData::A(A::new(192, 0, 2, 2));

#[test]
fn asks_for_one_name() {
    let asked = Asked::new("name.example.", Kind::Aaaa, 0x1234, 0).unwrap();
    let bytes = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x04name\x07example\0\0\x1c\0\x01";
    assert_eq!((&asked.bytes[..], &asked.name()[..]), (&bytes[..], "name.example"));
    for odd in ["a..b", &"x".repeat(64)] {
        assert!(Asked::new(odd, Kind::A, 1, 0).is_none(), "{odd}");
    }
}

#[test]
fn reads_addresses_with_the_least_time() {
    let asked = Asked::new("name.example", Kind::A, 7, 0).unwrap();
    let alias = RData::CNAME(CNAME(name("Other.example.")));
    let answer = asked.answer(&read(&response(&asked, &[(60, alias.clone()), (30, ONE), (90, TWO)])));
    let addresses = vec!["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
    assert_eq!(answer, Answer { addresses, ttl: 30, ..Answer::default() });
    let answer = asked.answer(&read(&response(&asked, &[(60, alias)])));
    assert_eq!(answer, Answer { alias: Some("other.example".to_owned()), ttl: 60, ..Answer::default() });
    assert_eq!(asked.answer(&read(&response(&asked, &[]))), Answer { ttl: u32::MAX, ..Answer::default() });
}

#[test]
fn case_is_mixed_and_compared() {
    let asked = Asked::new("na-me.example", Kind::A, 7, 0b101).unwrap();
    assert_eq!(&asked.bytes[12..25], b"\x05Na-Me\x07exampl");
    assert_eq!((asked.name().as_str(), asked.is_mixed()), ("na-me.example", true));
    let mut kept = response(&asked, &[(60, ONE)]);
    assert!(asked.keeps_case(&read(&kept)));
    kept.queries[0].name = name("na-me.example.");
    let lost = read(&kept);
    assert!(!asked.keeps_case(&lost) && asked.is_answered_by(&lost));
    assert!(!Asked::new("na-me.example", Kind::A, 7, 0).unwrap().is_mixed());
    let long = Asked::new(&"a".repeat(60).replace("aaaaa", "aaaa."), Kind::A, 7, u64::MAX).unwrap();
    assert_eq!(long.name(), "aaaa.".repeat(12).trim_end_matches('.'));
}

#[test]
fn any_label_can_be_asked_for() {
    for odd in ["-a.test", "a-.test", "a_b.test", "a\\.test", "*.test", "a b.test", "é.test"] {
        let asked = Asked::new(odd, Kind::A, 7, 0).unwrap();
        assert_eq!(usize::from(asked.bytes[12]), odd.len() - 5, "{odd}");
    }
    for wrong in ["", ".", "a..b", ".a", "a..", &"a.".repeat(128)] {
        assert!(Asked::new(wrong, Kind::A, 7, 0).is_none(), "{wrong}");
    }
}

#[test]
fn reads_services() {
    let asked = Asked::new("_x._tcp.example", Kind::Srv, 7, 0).unwrap();
    let record = RData::SRV(SRV::new(1, 2, 3, name("machine.example.")));
    let answer = asked.answer(&read(&response(&asked, &[(5, record), (9, ONE)])));
    let service = Service { priority: 1, weight: 2, port: 3, target: "machine.example".to_owned() };
    assert_eq!(answer, Answer { services: vec![service], ttl: 5, ..Answer::default() }, "no address was asked for");
}

#[test]
fn an_answer_has_the_id_and_the_question() {
    let asked = Asked::new("name.example", Kind::A, 7, 0).unwrap();
    let right = response(&asked, &[(60, ONE)]);
    assert!(asked.is_answered_by(&read(&right)));
    assert_eq!(asked.id(), 7);
    let mut upper = right.clone();
    upper.queries[0].name = name("NAME.example.");
    assert!(asked.is_answered_by(&read(&upper)), "case does not count");
    let mut other_id = right.clone();
    other_id.metadata.id = 8;
    let mut other_name = right.clone();
    other_name.queries[0].name = name("name.example.org.");
    let mut other_type = right.clone();
    other_type.queries[0].query_type = RecordType::AAAA;
    for wrong in [other_id, other_name, other_type] {
        assert!(!asked.is_answered_by(&read(&wrong)), "{wrong:?}");
    }
}

#[test]
fn tells_what_the_header_says() {
    let asked = Asked::new("name.example", Kind::A, 7, 0).unwrap();
    let mut message = response(&asked, &[]);
    message.metadata.truncation = true;
    message.metadata.response_code = hickory_proto::op::ResponseCode::NXDomain;
    let read = read(&message);
    assert_eq!((read.id(), read.is_truncated(), read.code()), (7, true, 3));
    assert_eq!(read.question(), "name.example.");
    assert_eq!(Response::read(&asked.bytes).unwrap_err(), "invalid UDP DNS response 7 fl:0100", "a query");
}

#[test]
fn what_cannot_be_read_is_told() {
    let asked = Asked::new("name.example", Kind::A, 7, 0).unwrap();
    let whole = sent(&response(&asked, &[(60, ONE)]));
    let (question, record) = (asked.bytes.len(), asked.bytes.len() + 2);
    let said = |changes: &[(usize, u8)]| {
        let mut bytes = whole.clone();
        for (at, byte) in changes {
            bytes[*at] = *byte;
        }
        Response::read(&bytes).unwrap_err()
    };
    assert_eq!(said(&[(2, 0x91)]), "invalid UDP DNS response 7 fl:9100");
    assert_eq!(said(&[(5, 0)]), "invalid number of questions in DNS response");
    assert_eq!(said(&[(5, 2)]), "invalid number of questions in DNS response");
    assert_eq!(said(&[(12, 0)]), "zero-length domain name in DNS response");
    assert_eq!(said(&[(question - 1, 3)]), "unknown query class 3 in DNS response");
    assert_eq!(said(&[(question - 3, 16)]), "unknown query type 16 in DNS response");
    assert_eq!(said(&[(record + 3, 3)]), "unexpected RR class 3 in DNS response");
    assert_eq!(said(&[(record + 9, 3)]), "invalid A record in DNS response");
    assert_eq!(said(&[(record + 1, 28)]), "invalid AAAA record in DNS response");
    assert_eq!(said(&[(7, 2)]), "short DNS response");
    assert_eq!(said(&[(record + 1, 16), (record + 9, 5)]), "short DNS response");
}

#[test]
fn records_that_nobody_asked_for() {
    let asked = Asked::new("name.example", Kind::A, 7, 0).unwrap();
    let text = RData::TXT(TXT::new(vec!["text".to_owned()]));
    let of = |records: &[(u32, RData)]| read(&response(&asked, records)).unexpected(Kind::A);
    assert_eq!((of(&[]), of(&[(1, ONE)])), (None, None));
    assert_eq!(of(&[(1, text.clone()), (1, ONE)]), Some((16, false)));
    assert_eq!(of(&[(1, text)]), Some((16, true)));
    let other = RData::AAAA("::1".parse::<std::net::Ipv6Addr>().unwrap().into());
    assert_eq!(of(&[(1, other)]), None);
}

#[test]
fn every_prefix_is_refused() {
    let asked = Asked::new("name.example", Kind::A, 7, 0).unwrap();
    let alias = RData::CNAME(CNAME(name("other.example.")));
    let whole = sent(&response(&asked, &[(60, alias), (30, ONE)]));
    for length in 0..whole.len() {
        assert_eq!(Response::read(&whole[..length]).unwrap_err(), "short DNS response", "{length}");
    }
    assert!(asked.is_answered_by(&Response::read(&whole).unwrap()));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Response::read(&bytes);
    }

    /// A response with some bytes changed is only taken for the answer if id and question are still there.
    #[test]
    fn what_is_taken_has_the_id_and_the_question(
        id: u16,
        changes in prop::collection::vec((0..100_usize, any::<u8>()), 0..4),
    ) {
        let asked = Asked::new("name.example", Kind::A, id, 0).unwrap();
        let whole = sent(&response(&asked, &[(60, ONE), (30, TWO)]));
        let mut bytes = whole.clone();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        if let Ok(response) = Response::read(&bytes)
            && asked.is_answered_by(&response)
        {
            prop_assert_eq!(&bytes[..2], &id.to_be_bytes());
            let question = 12..asked.bytes.len();
            prop_assert!(bytes[question.clone()].eq_ignore_ascii_case(&whole[question]));
            let answer = asked.answer(&response);
            prop_assert!(answer.addresses.len() <= 2 && answer.alias.is_none_or(|_| answer.addresses.is_empty()));
        }
    }
}
