use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;

use super::*;
use crate::cache::Cache;
use crate::geo::GeoBuilder;
use crate::map::MapBuilder;
use crate::split_clients::Part;
use crate::template::Captures;

/// A session that counts how often it was asked.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) asked: Cell<u32>,
    pub(crate) said: RefCell<Vec<String>>,
    /// `$ssl_preread_server_name`.
    pub(crate) name: RefCell<Vec<u8>>,
}

impl Values for World {
    fn builtin(&self, which: Builtin, suffix: &str, out: &mut Vec<u8>) -> bool {
        self.asked.set(self.asked.get() + 1);
        match which {
            Builtin::RemoteAddr => out.extend_from_slice(b"1.2.3.4"),
            Builtin::Status | Builtin::BytesSent => out.extend_from_slice(self.asked.get().to_string().as_bytes()),
            Builtin::ProxyProtocolTlv => out.extend_from_slice(suffix.as_bytes()),
            Builtin::ServerName | Builtin::Protocol => {}
            Builtin::SslPrereadServerName => out.extend_from_slice(&self.name.borrow()),
            _ => {
                out.extend_from_slice(b"rubbish");
                return false;
            }
        }
        true
    }

    fn client_ip(&self) -> Option<IpAddr> {
        Some(Ipv4Addr::new(1, 2, 3, 4).into())
    }

    fn complain(&self, text: &str) {
        self.said.borrow_mut().push(text.to_owned());
    }
}

/// The texts as one session renders them, one after the other.
pub(crate) fn render(variables: &mut Variables, texts: &[&str]) -> Vec<String> {
    let (world, cache) = (World::default(), Cache::default());
    render_in(&world, &cache, variables, texts)
}

pub(crate) fn render_in(world: &World, cache: &Cache, variables: &mut Variables, texts: &[&str]) -> Vec<String> {
    let templates: Vec<_> =
        texts.iter().map(|text| Template::parse(text.as_bytes(), variables, Captures::Allowed).unwrap()).collect();
    let scope = Scope { variables, values: world, cache };
    let rendered = templates.iter().map(|template| {
        let mut out = Vec::new();
        template.render(&scope, &mut out);
        String::from_utf8(out).unwrap()
    });
    rendered.collect()
}

/// A variable that is mentioned or defined.
pub(crate) fn id(variables: &Variables, name: &str) -> VarId {
    variables.by_name[name]
}

/// Defines a map from what is written in its block.
pub(crate) fn define_map(variables: &mut Variables, name: &str, source: &str, entries: &[&[&str]]) -> VarId {
    let mut builder = MapBuilder::new();
    for words in entries {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        builder.entry(&words, variables).unwrap();
    }
    let source = Template::parse(source.as_bytes(), variables, Captures::Allowed).unwrap();
    let volatile = builder.is_volatile();
    variables.define(name.as_bytes(), Definition::Map { source, map: builder.finish(), volatile }).unwrap()
}

#[test]
fn counters_freeze_unless_they_are_fresh() {
    let mut variables = Variables::new();
    let texts = render(&mut variables, &["$bytes_sent", "$bytes_sent", "$status $status", "$status", "$status"]);
    assert_eq!(texts[0], texts[1]);
    let (first, second) = texts[2].split_once(' ').unwrap();
    assert_eq!(first, second, "once per text");
    assert_ne!(first, texts[3], "anew for the next");
    assert_ne!(texts[3], texts[4]);
}

#[test]
fn maps_freeze_unless_they_are_volatile() {
    let mut variables = Variables::new();
    define_map(&mut variables, "kept", "x", &[&["default", "$status"]]);
    define_map(&mut variables, "fresh", "x", &[&["volatile"], &["default", "$status"]]);
    assert_eq!(
        render(&mut variables, &["$kept $fresh $kept $fresh", "$kept $fresh", "$fresh $kept"]),
        ["1 2 1 2", "1 3", "4 1"]
    );
}

#[test]
fn what_once_was_volatile_stays_so() {
    let mut variables = Variables::new();
    define_map(&mut variables, "m", "x", &[&["volatile"], &["default", "a"]]);
    define_map(&mut variables, "m", "x", &[&["default", "b$status"]]);
    assert_eq!(render(&mut variables, &["$m$m", "$m"]), ["b1b1", "b2"]);
}

#[test]
fn not_found_is_remembered_too() {
    let (world, cache, mut variables) = (World::default(), Cache::default(), Variables::new());
    let texts = ["<$ssl_cipher>", "$ssl_cipher$ssl_cipher"];
    assert_eq!(render_in(&world, &cache, &mut variables, &texts), ["<>", ""]);
    assert_eq!(world.asked.get(), 1);
    let scope = Scope { variables: &variables, values: &world, cache: &cache };
    assert_eq!(scope.value(id(&variables, "ssl_cipher")), Value::NotFound);
}

#[test]
fn what_cannot_change_is_not_kept() {
    let (world, cache, mut variables) = (World::default(), Cache::default(), Variables::new());
    assert_eq!(render_in(&world, &cache, &mut variables, &["$remote_addr $protocol $pid $status"]), ["1.2.3.4   4"]);
    assert_eq!(format!("{cache:?}"), format!("{:?}", Cache::default()));
}

#[test]
fn geo_and_split_clients() {
    let mut variables = Variables::new();
    let mut geo = GeoBuilder::default();
    geo.insert(crate::address::Network::parse(b"1.2.0.0/16").unwrap().0, b"near");
    geo.default_networks(b"far");
    variables.define(b"client", Definition::Geo(geo.build())).unwrap();
    let source = Template::parse(b"$named", &mut variables, Captures::Allowed).unwrap();
    let mut geo = GeoBuilder::of(source);
    geo.insert(crate::address::Network::parse(b"::1").unwrap().0, b"local");
    variables.define(b"where", Definition::Geo(geo.build())).unwrap();
    define_map(&mut variables, "named", "x", &[&["default", "::1"]]);
    let source = Template::parse(b"$remote_addr", &mut variables, Captures::Allowed).unwrap();
    let parts = vec![Part::Hundredths(1, b"few"[..].into()), Part::Rest(b"most"[..].into())];
    variables.define(b"split", Definition::SplitClients(SplitClients::new(source, parts))).unwrap();
    let texts = render(&mut variables, &["$client $where $split", "$split$where$client"]);
    assert_eq!(texts, ["near local most", "mostlocalnear"]);
}

#[test]
fn set_values_hold_whatever_defines_the_variable() {
    let mut variables = Variables::new();
    define_map(&mut variables, "m", "x", &[&["default", "mapped"]]);
    define_map(&mut variables, "v", "x", &[&["volatile"], &["default", "v$status"]]);
    let names = ["m", "v", "plain", "ssl_cipher", "proxy_protocol_tlv_x"];
    let ids = names.map(|name| variables.define(name.as_bytes(), Definition::Set).unwrap());
    let text = "$m $v $plain $ssl_cipher $proxy_protocol_tlv_x";
    let (world, cache) = (World::default(), Cache::default());
    assert_eq!(render_in(&world, &cache, &mut variables, &[text]), ["mapped v1   x"], "until they are set");
    let scope = Scope { variables: &variables, values: &world, cache: &cache };
    for (number, id) in ids.into_iter().enumerate() {
        scope.set(id, format!("set{number}").into_bytes());
    }
    assert_eq!(render_in(&world, &cache, &mut variables, &[text, "$v"]), ["set0 set1 set2 set3 set4", "set1"]);
}

#[test]
fn unset_is_empty_and_uncaptured_is_not_found() {
    let mut variables = Variables::new();
    define_map(&mut variables, "m", "x", &[&["~(?<part>y)", "1"]]);
    variables.define(b"none", Definition::Set).unwrap();
    variables.reference(b"none");
    variables.reference(b"part");
    let (world, cache) = (World::default(), Cache::default());
    let scope = Scope { variables: &variables, values: &world, cache: &cache };
    assert_eq!(scope.value(id(&variables, "none")), Value::Found(Vec::new()));
    assert_eq!(scope.value(id(&variables, "part")), Value::NotFound);
}

#[test]
fn the_last_definition_holds() {
    let mut variables = Variables::new();
    for value in ["one", "two"] {
        define_map(&mut variables, "m", "x", &[&["default", value]]);
        define_map(&mut variables, "SSL_Cipher", "x", &[&["default", value]]);
        define_map(&mut variables, "proxy_protocol_tlv_x", "x", &[&["default", value]]);
    }
    variables.define(b"m", Definition::Set).unwrap();
    define_map(&mut variables, "captured", "x", &[&["default", "mapped"]]);
    define_map(&mut variables, "by", "xy", &[&["~(?<captured>y)", "1"]]);
    let text = "$m $ssl_cipher $proxy_protocol_tlv_x $proxy_protocol_tlv_y <$captured> $by <$captured>";
    assert_eq!(render(&mut variables, &[text]), ["two two two y <> 1 <y>"]);
}

#[test]
fn refusals_in_the_reference_s_words() {
    let mut variables = Variables::new();
    for definition in [Definition::Set, Definition::Capture] {
        let refused = variables.define(b"Remote_Addr", definition).unwrap_err();
        assert_eq!(refused.to_string(), "the duplicate \"Remote_Addr\" variable");
    }
    for name in ["ssl_protocol", "ssl_preread_x", "proxy_protocol_tlv_", "mine"] {
        variables.define(name.as_bytes(), Definition::Set).unwrap();
    }
    assert!(variables.define(b"ssl_preread_protocol", Definition::Set).is_err());
    assert_eq!(variables.check(), Ok(()));
    variables.reference(b"Later");
    variables.reference(b"never");
    assert_eq!(variables.check().unwrap_err().to_string(), "unknown \"later\" variable");
    variables.define(b"later", Definition::Set).unwrap();
    assert_eq!(variables.check(), Err(Unknown("never".to_owned())));
    let names: Vec<_> = variables.names().collect();
    assert!(["remote_addr", "mine", "later", "ssl_preread_x"].iter().all(|name| names.contains(name)));
    assert!(!names.contains(&"never"));
}

#[test]
fn circles_end() {
    let mut variables = Variables::new();
    define_map(&mut variables, "a", "$b", &[&["default", "$b"]]);
    define_map(&mut variables, "b", "$a", &[&["default", "$a"]]);
    let (world, cache) = (World::default(), Cache::default());
    assert_eq!(render_in(&world, &cache, &mut variables, &["<$a>", "<$a>"]), ["<>", "<>"]);
    let said = world.said.borrow();
    assert!(!said.is_empty() && said.iter().all(|line| line == "cycle while evaluating variable \"a\""), "{said:?}");
}

#[test]
fn a_hundred_maps_deep_and_no_deeper() {
    for (depth, value) in [(98, "bottom 1.2.3.4 4 end"), (99, "bottom 1.2.3.4 4 end"), (100, "bottom   end")] {
        let mut variables = Variables::new();
        define_map(&mut variables, "m1", "x", &[&["default", "bottom $remote_addr $status end"]]);
        for level in 2..=depth {
            define_map(&mut variables, &format!("m{level}"), "x", &[&["default", &format!("$m{}", level - 1)]]);
        }
        let (world, cache) = (World::default(), Cache::default());
        let said = render_in(&world, &cache, &mut variables, &[&format!("$m{depth}")]);
        assert_eq!(said, [value.replace(" 4 ", " 2 ")], "{depth}");
        assert_eq!(world.said.borrow().is_empty(), depth < 100);
    }
}

#[test]
fn the_registry_is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Variables>();
}
